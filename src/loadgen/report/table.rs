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

    /// The table as HTML, its title as the caption.
    pub(crate) fn html(&self) -> String {
        let mut html =
            format!("<div class=\"scroll\"><table>\n<caption>{}</caption>\n", escaped(self.title));
        if self.head.iter().any(|name| !name.is_empty()) {
            html.push_str("<thead><tr>");
            for (column, name) in self.head.iter().enumerate() {
                let class = self.class(column);
                let _ = write!(html, "<th scope=\"col\"{class}>{}</th>", escaped(name));
            }
            html.push_str("</tr></thead>\n");
        }
        html.push_str("<tbody>\n");
        for row in &self.rows {
            html.push_str(match row.severity {
                Severity::Plain => "<tr>",
                Severity::Bad => "<tr class=\"bad\">",
                Severity::Good => "<tr class=\"good\">",
            });
            for (column, cell) in row.cells.iter().enumerate() {
                let _ = if column == 0 {
                    write!(html, "<th scope=\"row\">{}</th>", escaped(cell))
                } else {
                    write!(html, "<td{}>{}</td>", self.class(column), escaped(cell))
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
