//! What the load generator says of replies: never more than has come, always the same of right ones
//! however they are cut, and never "right" of a corrupt one.
//!
//! Input: what is requested and of what size; faults; then bytes that stand where a reply should.

use arbitrary::{Arbitrary, Unstructured};
use readyd::loadgen::codec::{ReplyMatch, Verdict, WorkloadCodec};
use readyd::loadgen::payload::{self, RequestId};
use readyd::loadgen::plan::{
    Answer, Close, ConnectPolicy, ConnectionCounts, Greeting, Lifetime, Mix, Pace, Plan,
    RawProtocol, ReconnectPolicy, Sizes, StopCondition, Workload,
};
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
    assert_eq!(payload::identify(&payload::request_tag(id)), Some(id));
    let codec = &mut WorkloadCodec::new(&plan(&setup));
    let bytes = input.take_rest();
    check_any(codec, id, bytes, setup.is_last);
    check_name(bytes);
    if matches!(setup.kind, Kind::Frames { lookup: 0, daytime: 0, .. } | Kind::PlainEcho) {
        check_echoes(codec, id, &setup);
        let followed = [&echo(codec, id, &setup.kind), bytes].concat();
        check_any(codec, id, &followed, setup.is_last);
    }
}

/// Whatever has come: what is told of it lies within it, and goes on.
fn check_any(codec: &mut WorkloadCodec, id: RequestId, bytes: &[u8], is_last: bool) {
    let mut rest = bytes;
    while !rest.is_empty() {
        let first = codec.examine(id, rest, is_last);
        assert_eq!(codec.examine(id, rest, is_last), first, "the same bytes, another verdict");
        let len = match first {
            ReplyMatch::Reply(len, _) | ReplyMatch::Unsolicited(len) | ReplyMatch::Part(len) => len,
            ReplyMatch::Incomplete | ReplyMatch::Desynchronized => break,
        };
        assert!((1..=rest.len()).contains(&len), "{len} of {} bytes", rest.len());
        rest = &rest[len..];
    }
    if let ReplyMatch::Reply(len, _) | ReplyMatch::Unsolicited(len) = codec.examine_at_end(bytes) {
        assert!((1..=bytes.len()).contains(&len), "{len} of {} bytes at the end", bytes.len());
    }
    let _ = codec.describe_reply(id);
}

/// Digits name a request only if they are exactly those that we would write for it.
fn check_name(bytes: &[u8]) {
    if let Some(digits) = bytes.first_chunk()
        && let Some(id) = payload::identify(digits)
    {
        assert_eq!(payload::request_tag(id), *digits);
    }
}

/// Two right replies, cut anywhere; then with one bit wrong.
fn check_echoes(codec: &mut WorkloadCodec, id: RequestId, setup: &Setup) {
    let next = RequestId { sequence: id.sequence + 1, ..id };
    let first = echo(codec, id, &setup.kind);
    if first.is_empty() {
        return;
    }
    let stream = [first.clone(), echo(codec, next, &setup.kind)].concat();
    let right = if setup.verify { Verdict::Right } else { Verdict::Unverified };
    for cut in 0..=stream.len() {
        let expected = match cut < first.len() {
            true => ReplyMatch::Incomplete,
            false => ReplyMatch::Reply(first.len(), right),
        };
        assert_eq!(codec.examine(id, &stream[..cut], setup.is_last), expected, "{cut} bytes");
    }
    if let Some((at, flip)) = setup.flip
        && setup.verify
        && flip != 0
    {
        let mut corrupt = first.clone();
        corrupt[usize::from(at) % first.len()] ^= flip;
        let verdict = codec.examine(id, &corrupt, setup.is_last);
        assert!(!matches!(verdict, ReplyMatch::Reply(_, Verdict::Right)), "{verdict:?}");
    }
}

/// The reply to an echo request: what stands behind its first word.
fn echo(codec: &mut WorkloadCodec, id: RequestId, kind: &Kind) -> Vec<u8> {
    let mut request = Vec::new();
    codec.append_request(id, &mut request);
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
    let custom = |answer| Workload::Raw(RawProtocol { send: b"?".to_vec(), answer });
    let workload = match setup.kind {
        Kind::Frames { echo, lookup, daytime } => Workload::Framed(Mix {
            // At least one weight must not be zero.
            echo: u32::from(echo).max(u32::from(lookup == 0 && daytime == 0)),
            lookup: u32::from(lookup),
            daytime: u32::from(daytime),
            sizes,
            keys: vec!["one".to_owned(), "two".to_owned()],
        }),
        Kind::PlainEcho => Workload::PlainEcho(sizes),
        Kind::Daytime => Workload::Greeting(Greeting::Daytime),
        Kind::Time => Workload::Greeting(Greeting::Time),
        Kind::Greeting => Workload::Greeting(Greeting::Greeting),
        Kind::Chargen => Workload::Greeting(Greeting::Chargen(min)),
        Kind::Exactly(bytes) => custom(Answer::Exactly(bytes.to_vec())),
        Kind::Bytes(more) => custom(Answer::Bytes(1 + usize::from(more))),
        Kind::Until(end) => custom(Answer::Until(end.to_vec())),
    };
    Plan {
        destinations: vec![SocketAddr::from((Ipv4Addr::LOCALHOST, 9999)).into()],
        sources: Vec::new(),
        connections: ConnectionCounts { active: 1, ..ConnectionCounts::default() },
        workload,
        greeting: None,
        pace: Pace::Closed,
        busy_wait: true,
        pipeline: 1,
        until: StopCondition { requests: Some(1), duration: None },
        warmup: Duration::ZERO,
        connecting: ConnectPolicy { rate: None, parallel: 1, timeout: Duration::from_secs(1) },
        lifetime: Lifetime::Run,
        close: Close::Fin,
        timeout: Duration::from_secs(1),
        verify: setup.verify,
        probing: readyd::loadgen::plan::Probing::Off,
        storm_every: None,
        reconnecting: ReconnectPolicy {
            reconnect: false,
            give_up_after: None,
            backoff: Duration::ZERO,
        },
        seed: setup.seed,
    }
}
