//! A preflight report for a terminal of any width.
//!
//! Invariant: no line is wider than the terminal, and a command that takes several lines is still
//! one command to a shell.

use super::{Finding, PreflightReport, Verdict};
use crate::loadgen::report::TextOptions;
use crate::loadgen::report::table::{Severity, Table};
use crate::loadgen::report::text::{AnsiStyle, Page};
use crate::loadgen::report::units::columns;

/// Before a remedy.
const INDENT: &str = "    ";

impl PreflightReport {
    /// As [`Display`](std::fmt::Display) prints it, in lines that fit; the result is the last.
    pub fn text(&self, options: TextOptions) -> String {
        let mut page = Page::new(options);
        let whole = self.to_string();
        match whole.split_once("\n\n") {
            Some((table, _)) if table.lines().all(|line| columns(line) <= options.width) => {
                page.text = format!("{table}\n\n");
            }
            _ => page.table(&self.table()),
        }
        for finding in &self.findings {
            let Some(advice) = finding.advice() else { continue };
            page.line(AnsiStyle::Plain, &advice);
            for remedy in &finding.remedies {
                command(remedy, options.width).iter().for_each(|line| {
                    page.text.push_str(line);
                    page.text.push('\n');
                });
            }
            page.blank();
        }
        page.line(AnsiStyle::Plain, &self.conclusion());
        page.text
    }

    fn table(&self) -> Table {
        let mut table = Table::with_remarks("limit", &["", "needed", "have", ""]);
        for (finding, cells) in
            self.findings.iter().map(|finding| (finding, Finding::cells(finding)))
        {
            let is_short = finding.verdict == Verdict::Short;
            table.push(if is_short { Severity::Bad } else { Severity::Plain }, cells);
        }
        table
    }
}

/// A command in lines of at most `width` columns. A backslash at the end of a line continues it in
/// a shell, between words and within them.
fn command(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = INDENT.to_owned();
    let mut rest = text;
    // The comment behind a command has lines of its own.
    if columns(text) + INDENT.len() > width
        && let Some((command, comment)) = text.split_once("   # ")
    {
        let room = width.saturating_sub(INDENT.len() + 2);
        let comment = crate::loadgen::report::units::wrapped(comment, room);
        lines.extend(comment.iter().map(|part| format!("{INDENT}# {part}")));
        rest = command;
    }
    for word in rest.split(' ') {
        let gap = usize::from(line != INDENT);
        // Room for " \\".
        if columns(&line) + gap + columns(word) + 2 > width && gap > 0 {
            lines.push(format!("{line} \\"));
            line = INDENT.to_owned();
        } else if gap > 0 {
            line.push(' ');
        }
        for c in word.chars() {
            if columns(&line) + 2 > width {
                lines.push(format!("{line}\\"));
                // A shell would take an indent for the end of the word.
                line = String::new();
            }
            line.push(c);
        }
    }
    lines.push(line);
    lines
}
