//! Text from elsewhere, made harmless for a terminal or a page.

#[cfg(test)]
mod tests;

/// Whether a character is not shown but steers what shows it: control characters (`Cc`), the format
/// characters of Unicode 16 (`Cf`), among them all that turn the direction of writing, and the
/// separators of lines and paragraphs (`Zl`, `Zp`). A name or an answer could otherwise hide a part
/// of itself, move the cursor, or show its letters in another order.
pub fn is_steering(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{ad}'
                | '\u{600}'..='\u{605}'
                | '\u{61c}'
                | '\u{6dd}'
                | '\u{70f}'
                | '\u{890}'..='\u{891}'
                | '\u{8e2}'
                | '\u{180e}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{110bd}'
                | '\u{110cd}'
                | '\u{13430}'..='\u{1343f}'
                | '\u{1bca0}'..='\u{1bca3}'
                | '\u{1d173}'..='\u{1d17a}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

/// The text with every [steering](is_steering) character escaped, line ends and tabs too.
pub fn printable(text: &str) -> String {
    let mut shown = String::new();
    for c in text.chars() {
        if is_steering(c) {
            shown.extend(c.escape_default());
        } else {
            shown.push(c);
        }
    }
    shown
}
