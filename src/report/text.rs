//! A report as a person reads it at the end of a run.

use super::Report;

/// How a report is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TextOptions {
    /// Columns of the terminal.
    pub width: usize,
    /// Whether to use the terminal's colours; without, not one escape sequence is printed.
    pub color: bool,
    /// Whether to print the percentile spectrum in detail.
    pub spectrum: bool,
}

impl Default for TextOptions {
    fn default() -> TextOptions {
        TextOptions { width: 80, color: false, spectrum: false }
    }
}

/// The report as text, ending with a line end.
pub fn text(report: &Report, options: TextOptions) -> String {
    let _ = options;
    format!("{} answered\n", report.achieved.answered)
}
