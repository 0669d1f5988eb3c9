use super::*;

#[test]
fn field_load_17_what_turns_the_direction_of_writing_is_escaped() {
    for c in "\u{61c}\u{200e}\u{200f}\u{202a}\u{202b}\u{202c}\u{202d}\u{202e}\u{2066}\u{2067}\u{2068}\u{2069}"
        .chars()
    {
        let hidden = format!("user{c}nimda");
        assert_eq!(printable(&hidden), format!("user{}nimda", c.escape_default()));
    }
}

#[test]
fn field_load_17_what_is_not_seen_or_breaks_a_line_is_escaped() {
    for c in "\0\u{1b}\n\t\r\u{7f}\u{85}\u{9b}\u{ad}\u{180e}\u{200b}\u{200d}\u{2028}\u{2029}\u{2060}\u{feff}\u{fff9}\u{e0001}\u{e0041}"
        .chars()
    {
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
