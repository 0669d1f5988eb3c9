//! A small table, made once and shown as aligned text or as HTML.
//!
//! Invariant: every row has as many cells as the head. Cells hold plain text, and each output
//! format escapes it.

use super::markup::escaped;
use std::fmt::Write;

/// How a row is highlighted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Severity {
    Plain,
    Bad,
    Good,
}

pub(crate) struct Row {
    pub(crate) cells: Vec<String>,
    pub(crate) severity: Severity,
}

/// A table of at most this many rows stays on one page of paper.
const KEPT_TOGETHER: usize = 30;

/// The roles of the parts of a table. A browser forgets them where the style sheet makes blocks of
/// the rows, so they are given.
struct Roles {
    are_given: bool,
}

impl Roles {
    fn of(&self, part: &str) -> String {
        if self.are_given { format!(" role=\"{part}\"") } else { String::new() }
    }
}

/// A table. The first column has the names of the rows and is left-aligned; the others have figures
/// and are right-aligned, except the last of a table with remarks.
pub(crate) struct Table {
    pub(crate) title: &'static str,
    pub(crate) head: Vec<String>,
    pub(crate) rows: Vec<Row>,
    pub(crate) has_remarks: bool,
    /// Columns that are left out where a terminal is too narrow, the first of them first.
    pub(crate) spare: Vec<usize>,
}

impl Table {
    pub(crate) fn new(title: &'static str, head: &[&str]) -> Table {
        let head = head.iter().map(|&name| name.to_owned()).collect();
        Table { title, head, rows: Vec::new(), has_remarks: false, spare: Vec::new() }
    }

    /// A table whose last column is a remark on each row.
    pub(crate) fn with_remarks(title: &'static str, head: &[&str]) -> Table {
        Table { has_remarks: true, ..Table::new(title, head) }
    }

    /// The same, and these columns may be left out on a narrow terminal, the first of them first.
    pub(crate) fn sparing(self, spare: &[usize]) -> Table {
        Table { spare: spare.to_vec(), ..self }
    }

    pub(crate) fn push(&mut self, severity: Severity, cells: impl Into<Vec<String>>) {
        let mut cells = cells.into();
        cells.resize(self.head.len(), String::new());
        self.rows.push(Row { cells, severity });
    }

    pub(crate) fn is_left(&self, column: usize) -> bool {
        column == 0 || (self.has_remarks && column + 1 == self.head.len())
    }

    /// The table as HTML, its title as the caption. A wide one has its rows in blocks where the
    /// page is narrow, with the name of its column above each cell: as much of the name as stands
    /// before a colon.
    pub(crate) fn html(&self) -> String {
        let is_wide = self.head.len() > if self.has_remarks { 3 } else { 4 };
        let roles = Roles { are_given: is_wide };
        let (stack, keep) = (
            if is_wide { " class=\"stack\"" } else { "" },
            if self.rows.len() <= KEPT_TOGETHER { " keep" } else { "" },
        );
        let mut html = format!(
            "<div class=\"scroll{keep}\"><table{stack}{}>\n<caption>{}</caption>\n",
            roles.of("table"),
            escaped(self.title)
        );
        if self.head.iter().any(|name| !name.is_empty()) {
            let _ = write!(html, "<thead{}><tr{}>", roles.of("rowgroup"), roles.of("row"));
            for (column, name) in self.head.iter().enumerate() {
                let (class, role) = (self.class(column), roles.of("columnheader"));
                let _ = write!(html, "<th scope=\"col\"{class}{role}>{}</th>", escaped(name));
            }
            html.push_str("</tr></thead>\n");
        }
        let _ = writeln!(html, "<tbody{}>", roles.of("rowgroup"));
        for row in &self.rows {
            let class = match row.severity {
                Severity::Plain => "",
                Severity::Bad => " class=\"bad\"",
                Severity::Good => " class=\"good\"",
            };
            let _ = write!(html, "<tr{class}{}>", roles.of("row"));
            for (column, (cell, name)) in row.cells.iter().zip(&self.head).enumerate() {
                let label = name.split(':').next().unwrap_or_default();
                let label = match is_wide && !label.is_empty() {
                    true => format!(" data-label=\"{}\"", escaped(label)),
                    false => String::new(),
                };
                let cell = escaped(cell);
                let _ = if column == 0 {
                    let role = roles.of("rowheader");
                    write!(html, "<th scope=\"row\"{label}{role}>{cell}</th>")
                } else {
                    let (class, role) = (self.class(column), roles.of("cell"));
                    write!(html, "<td{class}{label}{role}>{cell}</td>")
                };
            }
            html.push_str("</tr>\n");
        }
        html.push_str("</tbody>\n</table></div>\n");
        html
    }

    fn class(&self, column: usize) -> &'static str {
        if self.is_left(column) { " class=\"words\"" } else { "" }
    }
}
