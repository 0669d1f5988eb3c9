//! The width of text, and whether it has colours.

use readyd::loadgen::report::TextOptions;
use std::env;
use std::io::IsTerminal;

/// The width if the terminal does not tell its own.
const USUAL_WIDTH: usize = 80;

/// What fits `stream`: colours on a terminal, unless `NO_COLOR` is set, or wherever
/// `CLICOLOR_FORCE` is; the width that `COLUMNS` says.
pub(crate) fn text_options(stream: &impl IsTerminal) -> TextOptions {
    let is_set = |name| env::var_os(name).is_some_and(|value| !value.is_empty());
    let is_forced = is_set("CLICOLOR_FORCE") && env::var_os("CLICOLOR_FORCE") != Some("0".into());
    let width = env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
    TextOptions {
        width: width.unwrap_or(USUAL_WIDTH),
        color: !is_set("NO_COLOR") && (is_forced || stream.is_terminal()),
        spectrum: false,
    }
}
