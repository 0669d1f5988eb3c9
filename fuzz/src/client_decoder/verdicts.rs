//! What the load generator says of replies: never more than has come, always the same of right ones
//! however they are cut, and never "right" of a corrupt one.
//!
//! Input: what is requested and of what size; faults; then bytes that stand where a reply should.

use arbitrary::{Arbitrary, Unstructured};
use readyd::loadgen::payload::{self, RequestId};
use readyd::loadgen::plan::{
    Answer, Close, Crowd, Custom, Greeting, Lifetime, Mix, Opening, Pace, Plan, Recovery, Sizes,
    Until, Work,
};
use readyd::loadgen::wire::{Examined, Verdict, Wire};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

#[derive(Arbitrary, Debug)]
enum Kind {
    Frames { echo: u8, lookup: u8, daytime: u8 },
    PlainEcho,
    Daytime,
    Time,
    Greeting,
    Chargen,
    Exactly([u8; 4]),
    Bytes(u8),
    Until([u8; 2]),
}

#[derive(Arbitrary, Debug)]
struct Setup {
    kind: Kind,
    size: u16,
    spread: u8,
    verify: bool,
    seed: u64,
    connection: u32,
    sequence: u32,
    is_last: bool,
    flip: Option<(u16, u8)>,
}

pub(super) fn check(data: &[u8]) {
    let mut input = Unstructured::new(data);
    let Ok(setup) = Setup::arbitrary(&mut input) else { return };
    let id =
        RequestId { connection: u64::from(setup.connection), sequence: u64::from(setup.sequence) };
    assert_eq!(payload::identify(&payload::digits(id)), Some(id));
    let wire = &mut Wire::new(&plan(&setup));
    let bytes = input.take_rest();
    check_any(wire, id, bytes, setup.is_last);
    check_name(bytes);
    if matches!(setup.kind, Kind::Frames { lookup: 0, daytime: 0, .. } | Kind::PlainEcho) {
        check_echoes(wire, id, &setup);
        let followed = [&echo(wire, id, &setup.kind), bytes].concat();
        check_any(wire, id, &followed, setup.is_last);
    }
}

/// Whatever has come: what is told of it lies within it, and goes on.
fn check_any(wire: &mut Wire, id: RequestId, bytes: &[u8], is_last: bool) {
    let mut rest = bytes;
    while !rest.is_empty() {
        let first = wire.examine(id, rest, is_last);
        assert_eq!(wire.examine(id, rest, is_last), first, "the same bytes, another verdict");
        let len = match first {
            Examined::Reply(len, _) | Examined::Stray(len) => len,
            Examined::Incomplete | Examined::OutOfStep => break,
        };
        assert!((1..=rest.len()).contains(&len), "{len} of {} bytes", rest.len());
        rest = &rest[len..];
    }
    if let Examined::Reply(len, _) | Examined::Stray(len) = wire.examine_at_end(bytes) {
        assert!((1..=bytes.len()).contains(&len), "{len} of {} bytes at the end", bytes.len());
    }
    let _ = wire.describe_reply(id);
}

/// Digits name a request only if they are exactly those that we would write for it.
fn check_name(bytes: &[u8]) {
    if let Some(digits) = bytes.first_chunk()
        && let Some(id) = payload::identify(digits)
    {
        assert_eq!(payload::digits(id), *digits);
    }
}

/// Two right replies, cut anywhere; then with one bit wrong.
fn check_echoes(wire: &mut Wire, id: RequestId, setup: &Setup) {
    let next = RequestId { sequence: id.sequence + 1, ..id };
    let first = echo(wire, id, &setup.kind);
    if first.is_empty() {
        return;
    }
    let stream = [first.clone(), echo(wire, next, &setup.kind)].concat();
    let right = if setup.verify { Verdict::Right } else { Verdict::Unverified };
    for cut in 0..=stream.len() {
        let expected = match cut < first.len() {
            true => Examined::Incomplete,
            false => Examined::Reply(first.len(), right),
        };
        assert_eq!(wire.examine(id, &stream[..cut], setup.is_last), expected, "{cut} bytes");
    }
    if let Some((at, flip)) = setup.flip
        && setup.verify
        && flip != 0
    {
        let mut corrupt = first.clone();
        corrupt[usize::from(at) % first.len()] ^= flip;
        let verdict = wire.examine(id, &corrupt, setup.is_last);
        assert!(!matches!(verdict, Examined::Reply(_, Verdict::Right)), "{verdict:?}");
    }
}

/// The reply to an echo request: what stands behind its first word.
fn echo(wire: &mut Wire, id: RequestId, kind: &Kind) -> Vec<u8> {
    let mut request = Vec::new();
    wire.append_request(id, &mut request);
    match kind {
        Kind::Frames { .. } => {
            let text = request.split_off(64 + b"ECHO ".len());
            [format!("{:<64}", text.len()).as_bytes(), &text].concat()
        }
        _ => request,
    }
}

fn plan(setup: &Setup) -> Plan {
    let min = 1 + usize::from(setup.size % 300);
    let sizes = Sizes { min, max: min + usize::from(setup.spread % 64) };
    let custom = |answer| Work::Custom(Custom { send: b"?".to_vec(), answer });
    let work = match setup.kind {
        Kind::Frames { echo, lookup, daytime } => Work::Framed(Mix {
            // At least one weight must not be zero.
            echo: u32::from(echo).max(u32::from(lookup == 0 && daytime == 0)),
            lookup: u32::from(lookup),
            daytime: u32::from(daytime),
            sizes,
            keys: vec!["one".to_owned(), "two".to_owned()],
        }),
        Kind::PlainEcho => Work::PlainEcho(sizes),
        Kind::Daytime => Work::Greeting(Greeting::Daytime),
        Kind::Time => Work::Greeting(Greeting::Time),
        Kind::Greeting => Work::Greeting(Greeting::Greeting),
        Kind::Chargen => Work::Greeting(Greeting::Chargen(min)),
        Kind::Exactly(bytes) => custom(Answer::Exactly(bytes.to_vec())),
        Kind::Bytes(more) => custom(Answer::Bytes(1 + usize::from(more))),
        Kind::Until(end) => custom(Answer::Until(end.to_vec())),
    };
    Plan {
        destinations: vec![SocketAddr::from((Ipv4Addr::LOCALHOST, 9999))],
        sources: Vec::new(),
        crowd: Crowd { active: 1, ..Crowd::default() },
        work,
        pace: Pace::Closed,
        pipeline: 1,
        until: Until { requests: Some(1), duration: None },
        warmup: Duration::ZERO,
        opening: Opening { rate: None, parallel: 1, timeout: Duration::from_secs(1) },
        lifetime: Lifetime::Run,
        close: Close::Fin,
        timeout: Duration::from_secs(1),
        verify: setup.verify,
        storm_every: None,
        recovery: Recovery { reconnect: false, backoff: Duration::ZERO },
        seed: setup.seed,
    }
}
