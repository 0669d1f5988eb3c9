//! Printing answers on standard output: unchanged into files and pipes, escaped on a terminal.

use crate::failure::Failure;
use std::io::{self, IsTerminal, Write};

#[cfg(test)]
mod tests;

/// Prints an answer on a line of its own.
pub(crate) fn print_answer(answer: &[u8]) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    let text;
    let shown = if stdout.is_terminal() {
        text = harmless(answer);
        text.as_bytes()
    } else {
        answer
    };
    let line_end: &[u8] = if shown.ends_with(b"\n") { b"" } else { b"\n" };
    [shown, line_end]
        .iter()
        .try_for_each(|part| stdout.write_all(part))
        .and_then(|()| stdout.flush())
        .map_err(Failure::Output)
}

/// Prints a line of our own.
pub(crate) fn print_line(line: &str) -> Result<(), Failure> {
    print_answer(line.as_bytes())
}

/// Escapes what could move a cursor or change a title: control characters except line ends and
/// tabs.
fn harmless(answer: &[u8]) -> String {
    let mut shown = String::new();
    for c in String::from_utf8_lossy(answer).chars() {
        match c {
            '\n' | '\t' => shown.push(c),
            '\r' => {}
            c if c.is_control() => shown.extend(c.escape_default()),
            c => shown.push(c),
        }
    }
    shown
}
