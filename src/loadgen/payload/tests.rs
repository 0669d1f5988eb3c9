use super::*;
use proptest::prelude::*;

fn ids() -> impl Strategy<Value = RequestId> {
    (any::<u32>(), 0..1u64 << SEQUENCE_BITS)
        .prop_map(|(connection, sequence)| RequestId { connection: connection.into(), sequence })
}

fn payload(id: RequestId, size: usize) -> Vec<u8> {
    let mut payload = b"before".to_vec();
    Payloads::new(size).append(id, size, &mut payload);
    assert_eq!(&payload[..6], b"before");
    payload.split_off(6)
}

#[test]
fn the_layout_is_the_documented_one() {
    let id = RequestId { connection: 0xabc, sequence: 0x1234 };
    let check = check(id);
    let text = format!("00000abc000000001234{check:012x}abcdefghijklmnopqrstuvwxyzabc");
    assert_eq!(payload(id, text.len()), text.as_bytes());
    assert_eq!(payload(id, 5), text.as_bytes()[TAG_LEN - 5..TAG_LEN]);
    assert_eq!(payload(id, 0), b"");
}

#[test]
fn of_all_extremes_the_digits_are_those_of_the_formatter() {
    for number in [0, 1, 9, 10, 15, 16, 0x9a, 0x0fff_ffff, 0x9999_9999, 0xa0a0_0a0a, u32::MAX] {
        assert_eq!(hex(number), format!("{number:08x}").as_bytes());
    }
}

#[test]
fn only_the_bits_that_have_room_count() {
    let id = RequestId { connection: 7, sequence: 9 };
    let wide = RequestId { connection: 7 | 1 << 32, sequence: 9 | 1 << SEQUENCE_BITS };
    assert_eq!(request_tag(wide), request_tag(id));
    assert_eq!(identify(&request_tag(wide)), Some(id));
}

#[test]
fn digits_in_another_spelling_are_not_ours() {
    let id = RequestId { connection: 0xabcd_ef01, sequence: 0xfedc };
    let capitals: [u8; TAG_LEN] = request_tag(id).map(|byte| byte.to_ascii_uppercase());
    assert_eq!(identify(&capitals), None);
    let mut signed = request_tag(RequestId { connection: 1, sequence: 2 });
    signed[0] = b'+';
    assert_eq!(identify(&signed), None);
    assert_eq!(identify(&[0xff; TAG_LEN]), None);
}

/// Further on, other answers may stand; and to look there for each answer would take ever longer.
#[test]
fn a_payload_is_looked_for_within_its_own_length() {
    let (id, size) = (RequestId { connection: 3, sequence: 5 }, 64);
    let found = |before: usize| {
        let bytes = [vec![b'.'; before], payload(id, size), vec![b'.'; 1000]].concat();
        Payloads::new(size).find(id, size, &bytes)
    };
    assert_eq!(found(0), None, "it is at the front");
    for before in [1, TAG_LEN, size - 1] {
        assert_eq!(found(before), Some(before));
    }
    assert_eq!(found(size), None);
    let short = payload(id, TAG_LEN - 1);
    assert_eq!(Payloads::new(size).find(id, TAG_LEN - 1, &[b".", &short[..]].concat()), None);
}

proptest! {
    #[test]
    fn the_digits_are_those_of_the_formatter(number in any::<u32>()) {
        let text = format!("{number:08x}");
        prop_assert_eq!(&hex(number)[..], text.as_bytes());
    }

    #[test]
    fn digits_name_their_request(id in ids()) {
        prop_assert_eq!(identify(&request_tag(id)), Some(id));
    }

    #[test]
    fn a_corrupted_byte_makes_no_other_request(id in ids(), at in 0..TAG_LEN, byte in any::<u8>()) {
        let mut corrupt = request_tag(id);
        prop_assume!(corrupt[at] != byte);
        corrupt[at] = byte;
        prop_assert_eq!(identify(&corrupt), None);
    }

    #[test]
    fn a_payload_is_that_of_its_request_alone(id in ids(), other in ids(), size in 8usize..200) {
        prop_assume!(id != other);
        let payloads = Payloads::new(200);
        prop_assert!(payloads.is(id, size, &payload(id, size)));
        prop_assert!(!payloads.is(other, size, &payload(id, size)));
        prop_assert!(!payloads.is(id, size + 1, &payload(id, size)));
    }

    #[test]
    fn a_payload_begins_with_its_beginnings_and_nothing_else(
        id in ids(),
        size in 0usize..200,
        cut in any::<prop::sample::Index>(),
        flip in 1u8..=255,
    ) {
        let payloads = Payloads::new(200);
        let whole = payload(id, size);
        let mut part = whole[..cut.index(size + 1)].to_vec();
        prop_assert!(payloads.begins(id, size, &part));
        prop_assert_eq!(payloads.is(id, size, &part), part.len() == size);
        if let Some(at) = part.len().checked_sub(1) {
            let at = cut.index(at + 1);
            part[at] ^= flip;
            prop_assert!(!payloads.begins(id, size, &part));
        }
        prop_assert!(!payloads.begins(id, size, &[&whole[..], b"a"].concat()));
    }
}
