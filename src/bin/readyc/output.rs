//! Printing answers on standard output: unchanged into files and pipes, escaped on a terminal.

use crate::failure::Failure;
use crate::style::text_options;
use readyd::loadgen::report::units::{columns, wrapped};
use readyd::os::standard_output;
use readyd::printable::is_steering;
use std::io::{self, IsTerminal, Write};

#[cfg(test)]
mod tests;

/// Checks that standard output is open for writing. Call it before writing, or before work whose
/// outcome would be lost.
pub(crate) fn check() -> Result<(), Failure> {
    standard_output::check().map_err(Failure::Output)
}

/// Prints an answer on a line of its own.
pub(crate) fn print_answer(answer: &[u8]) -> Result<(), Failure> {
    check()?;
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

/// Prints lines of names and values: unchanged into files and pipes. On a terminal, what is wider
/// than it is broken behind the name.
pub(crate) fn print_fitted(lines: &[u8]) -> Result<(), Failure> {
    let stdout = io::stdout();
    if !stdout.is_terminal() {
        return print_answer(lines);
    }
    let lines = harmless(lines);
    print_answer(fitted(&lines, text_options(&stdout).width).as_bytes())
}

/// The lines, each in lines of at most `width` columns.
fn fitted(lines: &str, width: usize) -> String {
    let fit = |line: &str| -> String {
        if columns(line) <= width {
            return line.to_owned();
        }
        wrapped(line, width.saturating_sub(2)).join("\n  ")
    };
    lines.lines().map(fit).collect::<Vec<_>>().join("\n")
}

/// Prints a line of our own.
pub(crate) fn print_line(line: &str) -> Result<(), Failure> {
    print_answer(line.as_bytes())
}

/// Prints what went wrong on standard error, a line that begins with our name. Names of files and
/// words of a server may be in it.
pub(crate) fn complain(failure: &Failure) {
    let mut stderr = io::stderr().lock();
    // On one terminal the verdict is the last word.
    if matches!(failure, Failure::VerdictShown)
        && stderr.is_terminal()
        && io::stdout().is_terminal()
    {
        return;
    }
    let text = failure.to_string();
    let text = if stderr.is_terminal() { harmless(text.as_bytes()) } else { text };
    // Where an error cannot be told, the exit status still tells that there was one.
    let _ = writeln!(stderr, "readyc: {text}");
}

/// Escapes what could move a cursor, change a title, hide a part of the text or turn its direction:
/// control and format characters except line ends and tabs.
fn harmless(answer: &[u8]) -> String {
    let mut shown = String::new();
    for c in String::from_utf8_lossy(answer).chars() {
        match c {
            '\n' | '\t' => shown.push(c),
            '\r' => {}
            c if is_steering(c) => shown.extend(c.escape_default()),
            c => shown.push(c),
        }
    }
    shown
}
