//! What a terminal can show: its size, and whether it has colours.

use readyd::loadgen::report::{NARROWEST, TextOptions};
use std::env;
use std::ffi::OsStr;
use std::io::IsTerminal;
use std::os::fd::AsFd;
use terminal_size::{Height, Width, terminal_size_of};

/// The width of what is no terminal, and of a terminal that does not tell its own.
const USUAL_WIDTH: usize = 80;

/// What fits `stream`: colours on a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`, or
/// wherever `CLICOLOR_FORCE` is; the width that `COLUMNS` says, or else the terminal.
pub(crate) fn text_options(stream: &(impl IsTerminal + AsFd)) -> TextOptions {
    TextOptions { width: width(stream), color: has_color(stream), detail: false }
}

/// The columns of `stream`.
fn width(stream: &(impl IsTerminal + AsFd)) -> usize {
    let told = env::var("COLUMNS").ok().and_then(|columns| columns.trim().parse().ok());
    let width = told.filter(|&columns| columns > 0).or_else(|| Some(size(stream)?.0));
    width.unwrap_or(USUAL_WIDTH).max(NARROWEST)
}

/// The columns and rows of a terminal, if `stream` is one and tells them.
pub(crate) fn size(stream: &impl AsFd) -> Option<(usize, usize)> {
    let (Width(columns), Height(rows)) = terminal_size_of(stream)?;
    (columns > 0 && rows > 0).then_some((columns.into(), rows.into()))
}

/// Whether to use colours on `stream`.
pub(crate) fn has_color(stream: &impl IsTerminal) -> bool {
    let is_set = |name| env::var_os(name).is_some_and(|value| !value.is_empty());
    let is_forced = is_set("CLICOLOR_FORCE") && env::var_os("CLICOLOR_FORCE") != Some("0".into());
    !is_set("NO_COLOR") && (is_forced || stream.is_terminal() && !is_dumb())
}

/// Whether the terminal has no escape sequences, as `TERM` says.
pub(crate) fn is_dumb() -> bool {
    env::var_os("TERM").is_none_or(|name| name == OsStr::new("dumb") || name.is_empty())
}
