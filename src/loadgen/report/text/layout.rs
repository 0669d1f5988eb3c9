//! A table as lines of text that fit a terminal.
//!
//! Invariant: no line is wider than the terminal, and no number is cut. Where the columns do not
//! fit, first the spare ones are left out, then each row becomes a list of names and values.

use crate::loadgen::report::table::{Row, Severity, Table};
use crate::loadgen::report::units::{columns, wrapped};
use crate::printable::printable;

/// Between two columns, and before the first.
const GAP: usize = 2;

/// Remarks are not squeezed into fewer columns.
const NARROWEST_REMARK: usize = 24;

/// A line and how it is highlighted; the title and the head are [`Part::Head`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Head,
    Row(Severity),
}

type Lines = Vec<(Part, String)>;

/// The table under its title, in lines of at most `width` columns.
pub(super) fn lines(table: &Table, width: usize) -> Lines {
    let mut shown: Vec<usize> = (0..table.head.len()).collect();
    let mut spare = table.spare.iter();
    loop {
        if let Some(lines) = Grid::new(table, &shown).lines(width) {
            return lines;
        }
        match spare.next() {
            Some(column) => shown.retain(|kept| kept != column),
            None => return list(table, width),
        }
    }
}

/// The cells of the shown columns, the head first.
struct Grid<'a> {
    table: &'a Table,
    rows: Vec<(Part, Vec<String>)>,
    /// Whether each column is left-aligned.
    is_left: Vec<bool>,
    /// Whether the last column has remarks.
    has_remarks: bool,
}

impl Grid<'_> {
    fn new<'a>(table: &'a Table, shown: &[usize]) -> Grid<'a> {
        let cells = |all: &[String]| -> Vec<String> {
            shown.iter().filter_map(|&at| all.get(at)).map(|cell| printable(cell)).collect()
        };
        let head = (Part::Head, cells(&table.head));
        let rows = table.rows.iter().map(|row| (Part::Row(row.severity), cells(&row.cells)));
        Grid {
            table,
            rows: std::iter::once(head).chain(rows).collect(),
            is_left: shown.iter().map(|&column| table.is_left(column)).collect(),
            has_remarks: table.has_remarks && shown.last() == Some(&(table.head.len() - 1)),
        }
    }

    /// The lines, if they fit.
    fn lines(&self, width: usize) -> Option<Lines> {
        let mut widths: Vec<usize> = (0..self.is_left.len()).map(|at| self.width_of(at)).collect();
        let title = columns(self.table.title);
        // The title stands where the name of the first column is missing.
        let is_titled = self.table.head.first().is_some_and(String::is_empty);
        if let (Some(first), true) = (widths.first_mut(), is_titled) {
            *first = (*first).max(title.saturating_sub(GAP));
        }
        let all: usize = widths.iter().map(|column| column + GAP).sum();
        if let (Some(last), true) = (widths.last_mut(), self.has_remarks && all > width) {
            let room = (width + *last).saturating_sub(all);
            if room < NARROWEST_REMARK {
                return None;
            }
            *last = room;
        } else if all > width {
            return None;
        }
        let mut lines = Vec::new();
        if !is_titled {
            lines.extend(wrapped(self.table.title, width).into_iter().map(|l| (Part::Head, l)));
        }
        for (at, (part, cells)) in self.rows.iter().enumerate() {
            let mut row = self.row(cells, &widths);
            if let (0, true, Some(first)) = (at, is_titled, row.first_mut()) {
                let rest: String = first.chars().skip(title).collect();
                *first = format!("{}{rest}", self.table.title).trim_end().to_owned();
            }
            lines.extend(row.into_iter().map(|line| (*part, line)));
        }
        Some(lines)
    }

    fn width_of(&self, column: usize) -> usize {
        let cells = self.rows.iter().filter_map(|(_, cells)| cells.get(column));
        cells.map(|cell| columns(cell)).max().unwrap_or(0)
    }

    /// One row: of several lines if its remark is.
    fn row(&self, cells: &[String], widths: &[usize]) -> Vec<String> {
        let mut line = String::new();
        let mut further = Vec::new();
        for (at, ((cell, &width), &is_left)) in
            cells.iter().zip(widths).zip(&self.is_left).enumerate()
        {
            let indent = columns(&line) + GAP;
            let mut cell = cell.clone();
            if self.has_remarks && at + 1 == widths.len() {
                let mut remark = wrapped(&cell, width).into_iter();
                cell = remark.next().unwrap_or_default();
                further = remark.map(|rest| format!("{}{rest}", " ".repeat(indent))).collect();
            }
            let padding = " ".repeat(width.saturating_sub(columns(&cell)));
            line.push_str(&" ".repeat(GAP));
            let parts = if is_left { [cell, padding] } else { [padding, cell] };
            line.extend(parts);
        }
        std::iter::once(line.trim_end().to_owned()).chain(further).collect()
    }
}

/// Each row as a list: its name, and below it the names and values of its cells.
fn list(table: &Table, width: usize) -> Lines {
    let mut lines: Lines =
        wrapped(table.title, width).into_iter().map(|line| (Part::Head, line)).collect();
    for row in &table.rows {
        for line in listed(table, row, width) {
            lines.push((Part::Row(row.severity), line));
        }
    }
    lines
}

fn listed(table: &Table, row: &Row, width: usize) -> Vec<String> {
    let mut cells = table.head.iter().zip(&row.cells).map(|(head, cell)| {
        let [head, cell] = [head, cell].map(|text| printable(text).trim().to_owned());
        (head, cell)
    });
    let mut lines = Vec::new();
    if let Some((head, cell)) = cells.next() {
        let name = format!("{head} {cell}");
        lines.extend(indented(GAP, name.trim(), width));
    }
    let cells: Vec<(String, String)> = cells.filter(|(_, cell)| !cell.is_empty()).collect();
    let deep = 2 * GAP;
    // A long name has a line of its own, and does not push the other values away.
    let lengths = cells.iter().map(|(head, _)| columns(head)).filter(|length| length * 2 < width);
    let longest = lengths.max().unwrap_or(0);
    for (head, cell) in cells {
        let column = if head.is_empty() { 0 } else { (longest + GAP).max(columns(&head) + GAP) };
        if deep + column + columns(&cell) <= width {
            let padding = " ".repeat(column - columns(&head));
            lines.push(format!("{}{head}{padding}{cell}", " ".repeat(deep)));
        } else {
            lines.extend(indented(deep, &head, width));
            lines.extend(indented(if head.is_empty() { deep } else { deep + GAP }, &cell, width));
        }
    }
    lines
}

/// The text in lines of at most `width` columns, `indent` of them empty if there is room.
pub(super) fn indented(indent: usize, text: &str, width: usize) -> Vec<String> {
    if text.is_empty() {
        return Vec::new();
    }
    let indent = indent.min(width / 4);
    let lines = wrapped(text, width.saturating_sub(indent)).into_iter();
    lines.map(|line| format!("{}{line}", " ".repeat(indent))).collect()
}
