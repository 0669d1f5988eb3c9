//! What a text has to be that is shown to people.

/// Panics unless `text` is printable ASCII of at most `most` bytes, and not empty.
pub(crate) fn assert_plain(text: &str, most: usize) {
    let is_plain = text.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    assert!(is_plain && !text.is_empty(), "not printable ASCII: {text:?}");
    assert!(text.len() <= most, "{} bytes, more than {most}: {text}", text.len());
}

/// Panics unless `text` can neither begin another line nor command a terminal, and is not empty.
pub(crate) fn assert_harmless(text: &str) {
    assert!(!text.is_empty(), "an empty text");
    assert!(!text.chars().any(char::is_control), "a control character: {text:?}");
}
