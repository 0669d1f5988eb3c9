use super::*;

fn manifest() -> Manifest {
    let listener = |service: &str, origin| Passed { service: service.to_owned(), origin };
    let listeners = vec![
        listener("framed", Origin::Bound),
        listener("lines", Origin::BoundWithFile),
        listener("daytime", Origin::Inherited(3)),
    ];
    Manifest { began: 123_456_789, has_passed_sockets: true, listeners }
}

#[test]
fn a_value_is_read_as_it_was_written() {
    let text = manifest().to_string();
    assert_eq!(text, "123456789 1 framed:- lines:file daytime:3");
    let (descriptors, read) = parse(&value(&[7, 8, 9, 10, 11, 12, 13], &text)).expect("a value");
    assert_eq!(read, manifest());
    let expected =
        Descriptors { control: 7, listeners: vec![8, 9, 10], board: 11, earlier: vec![(12, 13)] };
    assert_eq!(descriptors, expected);
}

/// Whatever is cut off, doubled or replaced: it is read or refused, and never a panic.
#[test]
fn a_damaged_value_is_refused_or_read_and_nothing_else() {
    let whole = value(&[7, 8, 9, 10, 11], &manifest().to_string());
    for at in 0..whole.len() {
        let (before, after) = whole.split_at(at);
        // Without a whole last word, or a listener's descriptor, there is nothing to be read.
        if let Some((descriptors, read)) = parse(before) {
            assert_eq!(descriptors.listeners.len(), read.listeners.len(), "{before:?}");
        }
        for byte in [" ", "|", ":", "-", "9", "x", "99999999999999999999"] {
            let _ = parse(&format!("{before}{byte}{after}"));
            let _ = parse(&format!("{before}{byte}{}", after.get(1..).unwrap_or_default()));
        }
    }
    for wrong in ["", "|", "7", "7|", "7 8|1 0 framed:-", "7 8 9|1 2 framed:-", "7 8 9 10|1 0 a:-"]
    {
        assert_eq!(parse(wrong), None, "{wrong:?}");
    }
}
