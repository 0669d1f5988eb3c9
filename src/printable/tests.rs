use super::*;

#[test]
fn field_load_17_what_turns_the_direction_of_writing_is_escaped() {
    let arrows = ['\u{61c}', '\u{200e}', '\u{200f}'];
    let embeddings = '\u{202a}'..='\u{202e}';
    let isolates = '\u{2066}'..='\u{2069}';
    for c in arrows.into_iter().chain(embeddings).chain(isolates) {
        let hidden = format!("user{c}nimda");
        assert_eq!(printable(&hidden), format!("user{}nimda", c.escape_default()));
    }
}

#[test]
fn field_load_17_what_is_not_seen_or_breaks_a_line_is_escaped() {
    let controls = "\0\u{1b}\n\t\r\u{7f}\u{85}\u{9b}".chars();
    let breaks = "\u{2028}\u{2029}".chars();
    let unseen = "\u{ad}\u{180e}\u{200b}\u{200d}\u{2060}\u{feff}\u{fff9}\u{e0001}\u{e0041}".chars();
    for c in controls.chain(breaks).chain(unseen) {
        assert_eq!(printable(&c.to_string()), c.escape_default().to_string());
    }
}

#[test]
fn letters_of_all_scripts_are_shown_as_they_are() {
    let text = "Grüße, 世界, مرحبا, שלום, नमस्ते 🦀 ±µ×…";
    assert_eq!(printable(text), text);
}

#[test]
fn text_from_outside_cannot_steer_a_terminal() {
    assert_eq!(printable("a\x1b[31mb\u{202e}c\r"), "a\\u{1b}[31mb\\u{202e}c\\r");
}
