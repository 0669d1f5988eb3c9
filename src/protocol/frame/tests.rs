use super::*;
use proptest::prelude::*;

/// A header whose first bytes are `text` and whose rest is spaces.
fn header(text: &[u8]) -> [u8; HEADER_LEN] {
    let mut header = [b' '; HEADER_LEN];
    header[..text.len()].copy_from_slice(text);
    header
}

/// The format, stated another way: digits, then spaces, by a left-to-right state machine.
fn naive(bytes: &[u8; HEADER_LEN], limit: usize) -> Result<usize, FrameError> {
    let mut value: u128 = 0;
    let mut fits = true;
    let mut padding = false;
    for (offset, &byte) in bytes.iter().enumerate() {
        match byte {
            b'0'..=b'9' if !padding => {
                if value > u128::from(u64::MAX) {
                    fits = false;
                } else {
                    value = value * 10 + u128::from(byte - b'0');
                }
            }
            b' ' if offset > 0 => padding = true,
            _ => return Err(FrameError::BadByte { offset, byte }),
        }
    }
    let declared = u64::try_from(value).ok().filter(|_| fits);
    match declared {
        Some(n) if n <= limit as u64 => Ok(n as usize),
        _ => Err(FrameError::OverLimit { declared, limit }),
    }
}

#[test]
fn the_example_of_the_protocol() {
    let mut expected = b"5".to_vec();
    expected.extend([b' '; 63]);
    assert_eq!(encode_header(5).to_vec(), expected);
    assert_eq!(decode_header(&encode_header(5), 10), Ok(5));
    assert_eq!(decode_header(&header(b"0"), 10), Ok(0));
    assert_eq!(decode_header(&header(b"0005"), 10), Ok(5));
    assert_eq!(decode_header(&[b'0'; HEADER_LEN], 10), Ok(0));
}

#[test]
fn what_other_parsers_let_through_is_refused() {
    for text in [&b"+5"[..], b"-5", b" 5", b"5 5", b"5\t", b"5\0", b"1_000", b"0x10", b"", b"5\n"] {
        let error = decode_header(&header(text), 1 << 20).unwrap_err();
        assert!(matches!(error, FrameError::BadByte { .. }), "{text:?}: {error:?}");
    }
    // An Arabic-Indic digit five, a full-width digit five.
    for text in ["\u{0665}", "\u{ff15}"] {
        let error = decode_header(&header(text.as_bytes()), 1 << 20).unwrap_err();
        assert_eq!(error, FrameError::BadByte { offset: 0, byte: text.as_bytes()[0] });
    }
}

#[test]
fn lengths_at_and_over_the_limit() {
    assert_eq!(decode_header(&encode_header(1024), 1024), Ok(1024));
    assert_eq!(
        decode_header(&encode_header(1025), 1024),
        Err(FrameError::OverLimit { declared: Some(1025), limit: 1024 })
    );
    let max = header(u64::MAX.to_string().as_bytes());
    let declared = Some(u64::MAX);
    assert_eq!(decode_header(&max, 1024), Err(FrameError::OverLimit { declared, limit: 1024 }));
    // One more than a u64 holds wraps to 0 where arithmetic is unchecked.
    let wraps = header(b"18446744073709551616");
    let declared = None;
    assert_eq!(decode_header(&wraps, 1024), Err(FrameError::OverLimit { declared, limit: 1024 }));
}

#[test]
fn every_mutation_of_every_byte() {
    for original in [encode_header(0), encode_header(5), encode_header(1_048_576), [b'1'; 64]] {
        for offset in 0..HEADER_LEN {
            for byte in 0..=u8::MAX {
                let mut mutated = original;
                mutated[offset] = byte;
                assert_eq!(decode_header(&mutated, 1 << 20), naive(&mutated, 1 << 20));
            }
        }
    }
}

#[test]
fn the_errors_say_what_to_do() {
    let bad = decode_header(&header(b"5x"), 10).unwrap_err().to_string();
    assert_eq!(
        bad,
        "header byte 1 is 0x78 ('x'); a header is the body's length in decimal digits, then \
         spaces up to 64 bytes"
    );
    let over = decode_header(&header(b"11"), 10).unwrap_err().to_string();
    assert_eq!(over, "a body of 11 bytes is over the limit of 10");
    let beyond = decode_header(&[b'9'; HEADER_LEN], 10).unwrap_err().to_string();
    assert_eq!(beyond, "the declared length does not fit 64 bits; the limit is 10");
}

/// Nearly every header takes the fast way, and the plain one finds the same length.
#[test]
fn up_to_eight_digits_are_read_in_one_register() {
    let cases =
        [("0", 0), ("5", 5), ("0042", 42), ("1234567", 1_234_567), ("98765432", 98_765_432)];
    for (digits, length) in cases {
        let header = header(digits.as_bytes());
        assert_eq!(parse_short_length(&header), Some(length), "{digits}");
        assert_eq!(parse_length(&header), Ok(Some(length)), "{digits}");
    }
    assert_eq!(parse_short_length(&header(b"100000000")), None);
}

#[test]
fn a_frame_is_its_header_and_all_its_parts() {
    let mut out = b"before".to_vec();
    append(&mut out, &[b"hel", b"", b"lo"]);
    append(&mut out, &[]);
    let header = |length| encode_header(length).to_vec();
    assert_eq!(out, [b"before", &header(5)[..], b"hello", &header(0)].concat());
}

proptest! {
    #[test]
    fn round_trip(length: usize) {
        prop_assert_eq!(decode_header(&encode_header(length), usize::MAX), Ok(length));
    }

    #[test]
    fn arbitrary_bytes_agree_with_the_naive_reading(
        bytes in proptest::collection::vec(
            prop_oneof![Just(b' '), b'0'..=b'9', any::<u8>()],
            HEADER_LEN,
        ),
        limit in 0usize..1 << 40,
    ) {
        let header: [u8; HEADER_LEN] = bytes.try_into().unwrap();
        prop_assert_eq!(decode_header(&header, limit), naive(&header, limit));
    }

    /// Where the fast decoder finds a length, the plain one finds the same; and the fast one gives
    /// up on all that is wrong.
    #[test]
    fn both_decoders_agree(
        bytes in proptest::collection::vec(
            prop_oneof![20 => b'0'..=b'9', 1 => Just(b' '), 1 => any::<u8>()],
            0..12,
        ),
    ) {
        let header = header(&bytes);
        match (parse_short_length(&header), parse_length(&header)) {
            (Some(length), plain) => prop_assert_eq!(plain, Ok(Some(length))),
            (None, Ok(length)) => prop_assert!(bytes.len() > 8, "gave up on {:?}", length),
            (None, Err(_)) => {}
        }
    }

    #[test]
    fn a_prefix_fails_exactly_when_it_holds_the_first_wrong_byte(
        bytes in proptest::collection::vec(
            prop_oneof![9 => Just(b' '), 9 => b'0'..=b'9', 1 => any::<u8>()],
            HEADER_LEN,
        ),
    ) {
        let header: [u8; HEADER_LEN] = bytes.try_into().unwrap();
        let whole = check_header_prefix(&header);
        for end in 0..=HEADER_LEN {
            match (check_header_prefix(&header[..end]), whole) {
                (Err(early), Err(late)) => prop_assert_eq!(early, late),
                (Ok(_), Err(FrameError::BadByte { offset, .. })) => prop_assert!(offset >= end),
                (Err(_), Ok(_)) => prop_assert!(false, "a prefix of a good header failed"),
                _ => {}
            }
        }
    }
}
