use super::Key::{Character, Escape, Left, Right};
use super::*;

#[test]
fn keys_are_told_apart() {
    let cases: [(&[u8], &[Key]); 9] = [
        (b"q", &[Character('q')]),
        (b"?2", &[Character('?'), Character('2')]),
        (b"\x1b", &[Escape]),
        (b"\x1b[C", &[Right]),
        (b"\x1bOD", &[Left]),
        (b"\t\x1b[Z", &[Right, Left]),
        // An arrow with a modifier, a function key, and one that is cut.
        (b"\x1b[1;5Cx", &[Right, Character('x')]),
        (b"\x1b[15~q", &[Character('q')]),
        ("\x1b[1ü".as_bytes(), &[]),
    ];
    for (bytes, expected) in cases {
        assert_eq!(keys(bytes), expected, "{bytes:?}");
    }
}
