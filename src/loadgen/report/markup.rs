//! Text inside HTML and SVG.

use crate::printable::is_steering;

/// `text` such that a browser shows it and takes none of it for markup, neither in an element nor
/// in a quoted attribute. Characters that no document may hold, or that could hide text, become
/// U+FFFD.
pub(crate) fn escaped(text: &str) -> String {
    let mut html = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            '\t' | '\n' => html.push(c),
            c if is_steering(c) => html.push('\u{fffd}'),
            c => html.push(c),
        }
    }
    html
}
