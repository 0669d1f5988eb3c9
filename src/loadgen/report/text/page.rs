//! The lines of a text for a terminal: styled, and broken where the terminal ends.

use super::TextOptions;
use super::layout::{self, Part};
use crate::loadgen::report::table::{Severity, Table};
use crate::loadgen::report::units::{columns, wrapped};
use crate::printable::printable;

/// Lines of prose are not longer, however wide the terminal is: they would be hard to read.
const LONGEST_PROSE: usize = 120;

/// Colours, by their SGR numbers (ECMA-48).
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum AnsiStyle {
    Plain,
    Bold,
    Faint,
    Red,
    Green,
    BoldGreen,
    Yellow,
    BoldYellow,
}

impl AnsiStyle {
    fn sgr(self) -> &'static str {
        match self {
            AnsiStyle::Plain => "",
            AnsiStyle::Bold => "1",
            AnsiStyle::Faint => "2",
            AnsiStyle::Red => "1;31",
            // Of a table that is green as a whole, bold rows would hide the result.
            AnsiStyle::Green => "32",
            AnsiStyle::BoldGreen => "1;32",
            AnsiStyle::Yellow => "33",
            AnsiStyle::BoldYellow => "1;33",
        }
    }
}

/// The lines of the text so far.
pub(crate) struct Page {
    options: TextOptions,
    pub(crate) text: String,
}

impl Page {
    pub(crate) fn new(options: TextOptions) -> Page {
        Page { options, text: String::new() }
    }

    pub(super) fn width(&self) -> usize {
        self.options.width
    }

    /// Whether all details are asked for.
    pub(super) fn is_detailed(&self) -> bool {
        self.options.detail
    }

    fn prose_width(&self) -> usize {
        self.options.width.min(LONGEST_PROSE)
    }

    pub(super) fn painted(&self, style: AnsiStyle, text: &str) -> String {
        if self.options.color && style != AnsiStyle::Plain && !text.is_empty() {
            format!("\x1b[{}m{text}\x1b[0m", style.sgr())
        } else {
            text.to_owned()
        }
    }

    /// A line as it is. It must fit.
    pub(super) fn push(&mut self, style: AnsiStyle, line: &str) {
        let line = self.painted(style, line);
        self.text.push_str(&line);
        self.text.push('\n');
    }

    /// A sentence, broken where the terminal ends.
    pub(crate) fn line(&mut self, style: AnsiStyle, text: &str) {
        self.hanging(style, "", text);
    }

    /// A sentence behind `first`, below which its further lines are indented.
    pub(super) fn hanging(&mut self, style: AnsiStyle, first: &str, text: &str) {
        let indent = columns(first);
        let width = self.prose_width().saturating_sub(indent);
        for (at, line) in wrapped(&printable(text), width).iter().enumerate() {
            let lead = if at == 0 { first } else { &" ".repeat(indent) };
            self.push(style, &format!("{lead}{line}"));
        }
    }

    pub(crate) fn blank(&mut self) {
        self.text.push('\n');
    }

    /// A banner: a title and lines.
    pub(crate) fn banner<'a>(&mut self, title: &str, lines: impl IntoIterator<Item = &'a str>) {
        self.line(AnsiStyle::Red, title);
        for line in lines {
            self.hanging(AnsiStyle::Plain, "  - ", line);
        }
        self.blank();
    }

    pub(crate) fn notes(&mut self, notes: &[&String]) {
        for note in notes {
            self.hanging(AnsiStyle::Yellow, "note: ", note);
        }
        self.blank();
    }

    /// The table under its title, and a blank line.
    pub(crate) fn table(&mut self, table: &Table) {
        self.open_table(table);
        self.blank();
    }

    /// The table under its title. More lines may follow that belong to it.
    pub(super) fn open_table(&mut self, table: &Table) {
        for (part, line) in layout::lines(table, self.options.width) {
            let style = match part {
                Part::Head => AnsiStyle::Faint,
                Part::Row(Severity::Plain) => AnsiStyle::Plain,
                Part::Row(Severity::Bad) => AnsiStyle::Red,
                Part::Row(Severity::Good) => AnsiStyle::Green,
            };
            self.push(style, &line);
        }
    }
}
