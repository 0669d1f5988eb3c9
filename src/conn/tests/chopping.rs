//! The replies to a byte stream do not depend on how it was chopped into reads, nor on how slowly
//! the peer takes them, nor on where the water marks are.
//!
//! The expected replies come from a model that sees the stream whole.

use super::owner::{LINE, MAX_LEN, Owner, PADDED, RAW, frame};
use crate::protocol::frame::{FrameError, HEADER_LEN};
use crate::protocol::framing::Framing;
use crate::server::close::CloseReason;
use proptest::prelude::*;
use proptest::sample::{Index, select};

/// What one part of a framed conversation is.
#[derive(Clone, Debug)]
enum Part {
    Echo(Vec<u8>),
    Other(Vec<u8>),
    Disconnect,
    /// `digits` digits, then a byte that no header could have there.
    BadHeader {
        digits: usize,
        byte: u8,
    },
    OverLimit(usize),
}

impl Part {
    fn bytes(&self) -> Vec<u8> {
        match self {
            Part::Echo(text) => frame(&[b"ECHO ", &text[..]].concat()),
            Part::Other(body) => frame(body),
            Part::Disconnect => frame(b"Disconnect !"),
            Part::BadHeader { digits, byte } => {
                let mut header = [b'1'; HEADER_LEN];
                header[*digits] = *byte;
                header.to_vec()
            }
            Part::OverLimit(over) => frame(&vec![b'x'; MAX_LEN + over]),
        }
    }

    /// If this is no request: after how many bytes that is certain, and the error.
    fn fault(&self) -> Option<(usize, FrameError)> {
        match *self {
            Part::BadHeader { digits, byte } => {
                Some((digits + 1, FrameError::BadByte { offset: digits, byte }))
            }
            Part::OverLimit(over) => {
                let declared = Some((MAX_LEN + over) as u64);
                Some((HEADER_LEN, FrameError::OverLimit { declared, limit: MAX_LEN }))
            }
            _ => None,
        }
    }

    fn reply(&self) -> Vec<u8> {
        match self {
            Part::Echo(text) => frame(text),
            Part::Disconnect => frame(b"bye"),
            _ => frame(b"received"),
        }
    }
}

fn part() -> impl Strategy<Value = Part> {
    let bytes = |most| proptest::collection::vec(any::<u8>(), 0..=most);
    prop_oneof![
        12 => bytes(MAX_LEN - 5).prop_map(Part::Echo),
        8 => bytes(20).prop_map(|body| Part::Other([b"?", &body[..]].concat())),
        1 => Just(Part::Disconnect),
        1 => (0..HEADER_LEN, b'!'..=b'/')
            .prop_map(|(digits, byte)| Part::BadHeader { digits, byte }),
        1 => (1..100usize).prop_map(Part::OverLimit),
    ]
}

/// A part, mostly once, else some times in a row.
fn parts() -> impl Strategy<Value = Vec<Part>> {
    let times = prop_oneof![3 => Just(1usize), 1 => 2..20usize];
    let row = (part(), times).prop_map(|(part, times)| vec![part; times]);
    proptest::collection::vec(row, 0..12).prop_map(|rows| rows.concat())
}

/// All replies to the first `length` bytes of `parts`, and why the connection is closed.
fn framed_model(parts: &[Part], length: usize) -> (Vec<u8>, CloseReason) {
    let mut replies = Vec::new();
    let mut left = length;
    for part in parts {
        let whole = part.bytes().len();
        match part.fault() {
            _ if left == 0 => break,
            Some((certain_after, error)) if left >= certain_after => {
                replies.extend(frame(format!("Error: {error}").as_bytes()));
                return (replies, error.into());
            }
            None if left >= whole => replies.extend(part.reply()),
            _ => return (replies, CloseReason::PeerClosedMidFrame),
        }
        if matches!(part, Part::Disconnect) {
            return (replies, CloseReason::Disconnect);
        }
        left -= whole;
    }
    (replies, CloseReason::PeerClosed)
}

/// Line ends, and what looks like one to a careless reader.
const LINE_ENDS: &[&str] = &["\n", "\r\n", "\r", "\r\r\n", ""];

/// Mostly short lines, some about as long as the limit.
fn line_length() -> impl Strategy<Value = usize> {
    prop_oneof![9 => 0..30usize, 1 => MAX_LEN - 1..MAX_LEN + 3]
}

/// All replies to `stream`, echoed line by line, and why the connection is closed.
fn line_model(stream: &[u8]) -> (Vec<u8>, CloseReason) {
    let mut replies = Vec::new();
    for line in stream.split_inclusive(|&byte| byte == b'\n') {
        let body = line.strip_suffix(b"\n").unwrap_or(line);
        if body.strip_suffix(b"\r").unwrap_or(body).len() > MAX_LEN {
            let error = FrameError::LineOverLimit { limit: MAX_LEN };
            replies.extend_from_slice(format!("Error: {error}\r\n").as_bytes());
            return (replies, error.into());
        }
        // An echo in the request's envelope is the request, also where the end is missing.
        replies.extend_from_slice(line);
    }
    (replies, CloseReason::PeerClosed)
}

/// How a conversation reaches the engine.
#[derive(Clone, Debug)]
struct Circumstances {
    reads: Vec<usize>,
    takes: Vec<usize>,
    output_limit: usize,
}

fn circumstances() -> impl Strategy<Value = Circumstances> {
    let sizes = |most: usize| proptest::collection::vec(1..=most, 1..20);
    let reads = prop_oneof![Just(vec![1]), Just(vec![usize::MAX]), sizes(100), sizes(1000)];
    let takes = prop_oneof![Just(vec![1]), Just(vec![usize::MAX]), sizes(100), sizes(1000)];
    let marks = prop_oneof![Just(0usize), 1..100usize, 100..2000usize, Just(1 << 20)];
    (reads, takes, marks).prop_map(|(reads, takes, output_limit)| Circumstances {
        reads,
        takes,
        output_limit,
    })
}

/// Plays `stream` to its end with a peer that takes nothing unless nothing else can happen.
fn play(
    framing: Framing,
    stream: &[u8],
    how: &Circumstances,
) -> Result<(Vec<u8>, CloseReason), TestCaseError> {
    let mut owner = Owner::new(framing);
    owner.service.echoes_all = !matches!(framing, Framing::Padded { .. });
    owner.limits.output_limit = how.output_limit;
    owner.window = 0;
    let reason = owner.play(stream, &how.reads, &how.takes);
    prop_assert_eq!(owner.conn.memory(), (0, 0));
    Ok((owner.received, reason))
}

proptest! {
    #[test]
    fn of_frames(
        parts in parts(),
        cut in proptest::option::of(any::<Index>()),
        how in circumstances(),
    ) {
        let mut stream: Vec<u8> = parts.iter().flat_map(Part::bytes).collect();
        stream.truncate(cut.map_or(stream.len(), |cut| cut.index(stream.len() + 1)));
        prop_assert_eq!(play(PADDED, &stream, &how)?, framed_model(&parts, stream.len()));
    }

    #[test]
    fn of_large_frames(
        sizes in proptest::collection::vec(prop_oneof![0..100usize, 4000..9000usize], 1..8),
        reads in proptest::collection::vec(1..20_000usize, 1..6),
        mut how in circumstances(),
    ) {
        let texts = || sizes.iter().map(|&size| vec![b'y'; size]);
        let requests = texts().map(|text| frame(&[b"ECHO ", &text[..]].concat()));
        let stream = requests.collect::<Vec<_>>().concat();
        let replies = texts().map(|text| frame(&text)).collect::<Vec<_>>().concat();
        how.reads = reads;
        how.takes.iter_mut().for_each(|take| *take = take.saturating_mul(10));
        let framing = Framing::Padded { max_body: 10_000 };
        prop_assert_eq!(play(framing, &stream, &how)?, (replies, CloseReason::PeerClosed));
    }

    #[test]
    fn of_lines(
        lines in proptest::collection::vec((line_length(), select(LINE_ENDS)), 0..20),
        how in circumstances(),
    ) {
        let lines = lines.iter().map(|&(length, end)| "k".repeat(length) + end);
        let stream = lines.collect::<String>().into_bytes();
        prop_assert_eq!(play(LINE, &stream, &how)?, line_model(&stream));
    }

    #[test]
    fn of_raw_bytes(
        stream in proptest::collection::vec(any::<u8>(), 0..3000),
        how in circumstances(),
    ) {
        prop_assert_eq!(play(RAW, &stream, &how)?, (stream, CloseReason::PeerClosed));
    }
}
