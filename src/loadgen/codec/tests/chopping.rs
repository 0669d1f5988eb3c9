//! However a stream is cut into reads, what is said of it is the same: a verdict on its beginning
//! is the verdict on all of it.

use super::*;
use crate::protocol::frame::{HEADER_LEN, decode_header};
use proptest::prelude::*;
use proptest::sample::{Index, select};

#[derive(Clone, Debug)]
enum Fault {
    None,
    Other(i64),
    Foreign,
    Corrupt(Index, u8),
    Header(&'static [u8]),
    Error,
}

fn faults(of_frames: bool) -> impl Strategy<Value = Fault> {
    let frames = prop_oneof![
        select(vec![&b"9"[..], b"99999", b"7", b"0012", b"x", b" ", b"99999999999999999999999"])
            .prop_map(Fault::Header),
        Just(Fault::Error),
    ];
    let any = prop_oneof![
        Just(Fault::None),
        (-70i64..2000).prop_map(Fault::Other),
        Just(Fault::Foreign),
        (any::<Index>(), 1u8..=255).prop_map(|(at, flip)| Fault::Corrupt(at, flip)),
    ];
    prop_oneof![3 => any.boxed(), u32::from(of_frames) => frames.boxed()]
}

/// A reply with a fault, and a right one behind it.
fn stream(codec: &mut WorkloadCodec, fault: &Fault) -> Vec<u8> {
    let mut first = match fault {
        Fault::Other(distance) => {
            let sequence = ID.sequence.checked_add_signed(*distance).unwrap();
            reply(codec, RequestId { sequence, ..ID })
        }
        Fault::Foreign => reply(codec, RequestId { connection: 4, sequence: 1 << 40 }),
        Fault::Error => frame(b"Error: not now"),
        _ => reply(codec, ID),
    };
    match fault {
        Fault::Corrupt(at, flip) => {
            let at = at.index(first.len());
            first[at] ^= flip;
        }
        Fault::Header(bytes) => first[..bytes.len()].copy_from_slice(bytes),
        _ => {}
    }
    [first, reply(codec, NEXT)].concat()
}

fn check(codec: &mut WorkloadCodec, fault: &Fault) -> Result<(), TestCaseError> {
    let stream = stream(codec, fault);
    let verdict = examine(codec, &stream);
    // Where a header that is wrong says that the frame ends, and the stream does end, it is
    // believed.
    let believed = stream.first_chunk().and_then(|header| decode_header(header, 1 << 20).ok());
    for cut in (0..stream.len()).filter(|&cut| Some(cut) != believed.map(|len| HEADER_LEN + len)) {
        let early = examine(codec, &stream[..cut]);
        prop_assert!(
            early == ReplyMatch::Incomplete || early == verdict,
            "{early:?} for {cut} bytes, then {verdict:?}"
        );
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn of_frames(
        sizes in prop_oneof![
            select(vec![1, 8, 31, 32, 33, 64, 1000]).prop_map(Sizes::fixed),
            (8usize..100, 0usize..100).prop_map(|(min, more)| Sizes { min, max: min + more }),
        ],
        fault in faults(true),
        seed in any::<u64>(),
    ) {
        let plan = Plan { workload: framed_echo(sizes), seed, ..plan() };
        check(&mut WorkloadCodec::new(&plan), &fault)?;
    }

    #[test]
    fn of_plain_echoes(
        sizes in prop_oneof![
            select(vec![1, 8, 31, 32, 33, 64, 1000]).prop_map(Sizes::fixed),
            (TAG_LEN..100, 0usize..100).prop_map(|(min, more)| Sizes { min, max: min + more }),
        ],
        fault in faults(false),
        seed in any::<u64>(),
    ) {
        let plan = Plan { workload: Workload::PlainEcho(sizes), seed, ..plan() };
        check(&mut WorkloadCodec::new(&plan), &fault)?;
    }
}
