mod chopping;

use super::neighbours::NEIGHBOURS;
use super::*;
use crate::loadgen::payload::{Payloads, TAG_LEN};
use crate::loadgen::plan::{Answer, Greeting, Mix, RawProtocol};
use crate::loadgen::tests::{framed_echo, plan};
use crate::protocol::frame::encode_header;

const ID: RequestId = RequestId { connection: 3, sequence: 70 };
const NEXT: RequestId = RequestId { connection: 3, sequence: 71 };
const SIZES: [usize; 8] = [0, 1, 8, 31, 32, 33, 64, 1000];

fn codec(workload: Workload) -> WorkloadCodec {
    WorkloadCodec::new(&Plan { workload, ..plan() })
}

fn framed(size: usize) -> WorkloadCodec {
    codec(framed_echo(Sizes::fixed(size)))
}

fn plain(size: usize) -> WorkloadCodec {
    codec(Workload::PlainEcho(Sizes::fixed(size)))
}

fn payload(id: RequestId, size: usize) -> Vec<u8> {
    let mut payload = Vec::new();
    Payloads::new(size).append(id, size, &mut payload);
    payload
}

fn frame(body: &[u8]) -> Vec<u8> {
    [&encode_header(body.len())[..], body].concat()
}

fn request(codec: &mut WorkloadCodec, id: RequestId) -> Vec<u8> {
    let mut request = Vec::new();
    codec.append_request(id, &mut request);
    request
}

/// The right reply, made of the request as an echo server makes it.
fn reply(codec: &mut WorkloadCodec, id: RequestId) -> Vec<u8> {
    let request = request(codec, id);
    match codec.protocol {
        Protocol::Framed(_) => {
            frame(request[crate::protocol::frame::HEADER_LEN..].strip_prefix(b"ECHO ").unwrap())
        }
        _ => request,
    }
}

fn examine(codec: &mut WorkloadCodec, bytes: &[u8]) -> ReplyMatch {
    codec.examine(ID, bytes, false)
}

#[test]
fn requests_are_echoes_of_their_payload() {
    for size in SIZES {
        let expected = frame(&[b"ECHO ", &payload(ID, size)[..]].concat());
        assert_eq!(request(&mut framed(size), ID), expected);
        assert_eq!(request(&mut plain(size), ID), payload(ID, size));
        let discarded = request(&mut codec(Workload::Discard(Sizes::fixed(size))), ID);
        assert_eq!(discarded, payload(ID, size));
    }
}

#[test]
fn a_right_reply_is_whole_with_its_last_byte() {
    let plain_ones = SIZES.into_iter().filter(|&size| size > 0).map(plain);
    for mut codec in SIZES.into_iter().map(framed).chain(plain_ones) {
        let reply = reply(&mut codec, ID);
        for cut in 0..reply.len() {
            assert_eq!(examine(&mut codec, &reply[..cut]), ReplyMatch::Incomplete, "{cut} bytes");
        }
        let right = ReplyMatch::Reply(reply.len(), Verdict::Right);
        assert_eq!(examine(&mut codec, &reply), right);
        assert_eq!(examine(&mut codec, &[&reply[..], &reply[..]].concat()), right);
    }
}

#[test]
fn sizes_of_a_range_are_all_used_and_the_same_for_request_and_reply() {
    let sizes = Sizes { min: 30, max: 35 };
    for mut codec in [codec(framed_echo(sizes)), codec(Workload::PlainEcho(sizes))] {
        let mut seen = std::collections::BTreeSet::new();
        for sequence in 0..200 {
            let id = RequestId { sequence, ..ID };
            let reply = reply(&mut codec, id);
            let right = ReplyMatch::Reply(reply.len(), Verdict::Right);
            assert_eq!(codec.examine(id, &reply, true), right);
            seen.insert(sizes.of(id, plan().seed));
        }
        assert_eq!(seen, (30..=35).collect());
    }
}

#[test]
fn the_reply_to_another_request_is_told() {
    let far = RequestId { sequence: 70 + NEIGHBOURS, ..ID };
    let near = [NEXT, far, RequestId { sequence: 0, ..ID }];
    for size in SIZES.into_iter().filter(|&size| size >= 8) {
        for mut codec in [framed(size), plain(size)] {
            for other in near {
                let reply = reply(&mut codec, other);
                let expected = ReplyMatch::Reply(reply.len(), Verdict::Another(other));
                assert_eq!(examine(&mut codec, &reply), expected, "{size} bytes");
            }
        }
    }
}

#[test]
fn the_reply_to_another_connection_is_told_by_its_whole_tag() {
    let foreign = RequestId { connection: 4, sequence: 9_000_000 };
    for size in SIZES.into_iter().filter(|&size| size >= 8) {
        for mut codec in [framed(size), plain(size)] {
            let reply = reply(&mut codec, foreign);
            let verdict = if size < TAG_LEN { Verdict::Wrong } else { Verdict::Another(foreign) };
            assert_eq!(examine(&mut codec, &reply), ReplyMatch::Reply(reply.len(), verdict));
        }
    }
}

#[test]
fn any_corrupt_byte_of_a_payload_makes_the_reply_wrong() {
    for size in SIZES.into_iter().filter(|&size| size >= 8) {
        for mut codec in [framed(size), plain(size)] {
            let right = reply(&mut codec, ID);
            for at in right.len() - size..right.len() {
                let mut corrupt = right.clone();
                corrupt[at] ^= 0x15;
                let expected = ReplyMatch::Reply(right.len(), Verdict::Wrong);
                assert_eq!(examine(&mut codec, &corrupt), expected, "byte {at} of {size}");
            }
        }
    }
}

#[test]
fn a_corrupt_header_is_seen_through_where_the_payload_has_a_name() {
    for size in [32, 33, 64, 1000] {
        let mut codec = framed(size);
        let right = reply(&mut codec, ID);
        let declared = [&b"9"[..], b"99999", b"7", b"31", b"99999999999999999999999", b"x", b" "];
        for declared in declared {
            let mut corrupt = right.clone();
            corrupt[..declared.len()].copy_from_slice(declared);
            corrupt.extend_from_slice(&reply(&mut codec, NEXT));
            let expected = ReplyMatch::Reply(right.len(), Verdict::Wrong);
            let declared = declared.escape_ascii();
            assert_eq!(examine(&mut codec, &corrupt), expected, "{declared} for {size}");
        }
    }
}

#[test]
fn a_corrupt_header_does_not_cut_off_a_payload_that_is_still_coming() {
    let mut codec = framed(1000);
    let mut corrupt = reply(&mut codec, ID);
    corrupt[..4].copy_from_slice(b"0010");
    let header = crate::protocol::frame::HEADER_LEN;
    for cut in header + 1..corrupt.len() {
        assert_eq!(examine(&mut codec, &corrupt[..cut]), ReplyMatch::Incomplete, "{cut} bytes");
    }
    assert_eq!(examine(&mut codec, &corrupt), ReplyMatch::Reply(corrupt.len(), Verdict::Wrong));
}

#[test]
fn of_plain_replies_of_many_lengths_another_one_is_waited_for_to_its_end() {
    let mut codec = codec(Workload::PlainEcho(Sizes { min: 10, max: 100 }));
    for other in (0..100).map(|sequence| RequestId { sequence, ..ID }) {
        let reply = reply(&mut codec, other);
        let verdict = if other == ID { Verdict::Right } else { Verdict::Another(other) };
        for cut in 0..reply.len() {
            assert_eq!(
                examine(&mut codec, &reply[..cut]),
                ReplyMatch::Incomplete,
                "{cut} of {other:?}"
            );
        }
        assert_eq!(examine(&mut codec, &reply), ReplyMatch::Reply(reply.len(), verdict));
    }
}

#[test]
fn a_plain_reply_that_names_its_request_is_as_long_as_that_even_if_corrupt() {
    let mut codec = codec(Workload::PlainEcho(Sizes { min: 40, max: 100 }));
    for other in (0..100).map(|sequence| RequestId { sequence, ..ID }) {
        let mut corrupt = reply(&mut codec, other);
        corrupt[TAG_LEN] = b'?';
        let expected = ReplyMatch::Reply(corrupt.len(), Verdict::Wrong);
        corrupt.extend_from_slice(&reply(&mut codec, NEXT));
        assert_eq!(examine(&mut codec, &corrupt), expected);
    }
}

#[test]
fn an_unreadable_header_costs_the_frame_that_should_have_come() {
    for size in SIZES {
        let mut codec = framed(size);
        let right = reply(&mut codec, ID);
        let mut corrupt = right.clone();
        corrupt[0] = b'x';
        assert_eq!(examine(&mut codec, &corrupt), ReplyMatch::Reply(right.len(), Verdict::Wrong));
        if size > 0 {
            assert_eq!(examine(&mut codec, &corrupt[..right.len() - 1]), ReplyMatch::Incomplete);
        }
    }
}

#[test]
fn an_error_frame_is_a_wrong_reply_of_its_own_length() {
    for size in SIZES.into_iter().filter(|&size| size > 0) {
        for text in [&b"Error: not now"[..], b"", &b"Message received successfully...."[..]] {
            let error = frame(text);
            let expected = ReplyMatch::Reply(error.len(), Verdict::Wrong);
            assert_eq!(examine(&mut framed(size), &error), expected, "instead of {size} bytes");
        }
    }
}

#[test]
fn a_frame_longer_than_any_reply_is_not_waited_for() {
    let mut codec = framed(8);
    let mut endless = encode_header(8 + (1 << 20) + 1).to_vec();
    endless.extend_from_slice(b"whatever");
    assert_eq!(examine(&mut codec, &endless), ReplyMatch::Reply(72, Verdict::Wrong));
}

#[test]
fn without_verification_any_reply_of_the_right_shape_will_do() {
    let plan = |workload| Plan { workload, verify: false, ..plan() };
    let mut codec = WorkloadCodec::new(&plan(framed_echo(Sizes::fixed(32))));
    let error = frame(b"Error: not now");
    assert_eq!(examine(&mut codec, &error), ReplyMatch::Reply(error.len(), Verdict::Unverified));
    let mut codec = WorkloadCodec::new(&plan(Workload::PlainEcho(Sizes::fixed(32))));
    assert_eq!(examine(&mut codec, &[b'?'; 40]), ReplyMatch::Reply(32, Verdict::Unverified));
}

fn mixture(echo: u32, lookup: u32, daytime: u32, size: usize) -> WorkloadCodec {
    let keys = vec!["one".to_owned(), "two".to_owned()];
    let sizes = Sizes::fixed(size);
    codec(Workload::Framed(Mix { echo, lookup, daytime, sizes, keys }))
}

fn ids() -> impl Iterator<Item = RequestId> {
    (0..10_000).map(|sequence| RequestId { connection: sequence % 7, sequence })
}

#[test]
fn a_mixture_has_each_kind_by_its_weight() {
    let codec = mixture(80, 15, 5, 64);
    let share = |kind| ids().filter(|&id| codec.kind(id) == Some(kind)).count();
    assert!((7800..8200).contains(&share(Kind::Echo)), "{}", share(Kind::Echo));
    assert!((1350..1650).contains(&share(Kind::Lookup)), "{}", share(Kind::Lookup));
    assert!((400..600).contains(&share(Kind::Daytime)), "{}", share(Kind::Daytime));
    assert_eq!(mixture(0, 3, 0, 64).kind(ID), None);
}

#[test]
fn a_mixture_asks_for_what_its_kind_is_and_knows_the_answer() {
    let mut codec = mixture(1, 1, 1, 64);
    for id in ids().take(100) {
        let (asked, answer): (&[u8], &[u8]) = match codec.kind(id).expect("it is a mixture") {
            Kind::Echo => (b"ECHO ", &payload(id, 64)),
            Kind::Lookup => (b"LOOKUP ", b"a value"),
            Kind::Daytime => (b"DAYTIME", b"Thu Jan  1 00:00:00 1970"),
        };
        let request = request(&mut codec, id);
        assert!(request[crate::protocol::frame::HEADER_LEN..].starts_with(asked), "{request:?}");
        let reply = frame(answer);
        let right = ReplyMatch::Reply(reply.len(), Verdict::Right);
        assert_eq!(codec.examine(id, &reply, true), right, "{}", reply.escape_ascii());
        assert!(!codec.describe_reply(id).is_empty());
    }
}

#[test]
fn lookups_take_keys_in_turn() {
    let mut codec = mixture(0, 1, 0, 64);
    let asked: Vec<Vec<u8>> = [ID, NEXT].map(|id| request(&mut codec, id)).into();
    assert_eq!(asked, [frame(b"LOOKUP two"), frame(b"LOOKUP one")]);
}

#[test]
fn in_a_mixture_an_echo_in_the_place_of_another_kind_is_told() {
    let mut codec = mixture(1, 1, 1, 64);
    let echo = ids().find(|&id| codec.kind(id) == Some(Kind::Echo)).unwrap();
    let reply = frame(&payload(echo, 64));
    for kind in [Kind::Lookup, Kind::Daytime] {
        let id = ids().find(|&id| codec.kind(id) == Some(kind)).unwrap();
        let another = ReplyMatch::Reply(reply.len(), Verdict::Another(echo));
        assert_eq!(codec.examine(id, &reply, true), another);
    }
    let date = frame(b"Thu Jan  1 00:00:00 1970");
    let wrong = ReplyMatch::Reply(date.len(), Verdict::Wrong);
    assert_eq!(codec.examine(echo, &date, true), wrong);
}

#[test]
fn a_lost_reply_leaves_the_stream_in_step_only_where_replies_have_tags() {
    assert!(framed(8).replies_are_tagged());
    assert!(plain(64).replies_are_tagged());
    assert!(!mixture(1, 1, 0, 64).replies_are_tagged());
    assert!(!mixture(1, 0, 1, 64).replies_are_tagged());
    assert!(!custom(Answer::Bytes(1)).replies_are_tagged());
    // They are too short for a tag.
    assert!(!framed(0).replies_are_tagged());
    assert!(!plain(1).replies_are_tagged());
    // The run does not look at the tag.
    let unverified = Plan { workload: framed_echo(Sizes::fixed(64)), verify: false, ..plan() };
    assert!(!WorkloadCodec::new(&unverified).replies_are_tagged());
}

fn custom(answer: Answer) -> WorkloadCodec {
    codec(Workload::Raw(RawProtocol { send: b"PING\r\n".to_vec(), answer }))
}

#[test]
fn a_custom_request_is_sent_as_it_is() {
    assert_eq!(request(&mut custom(Answer::Bytes(4)), ID), b"PING\r\n");
}

#[test]
fn a_custom_answer_is_told_by_its_bytes_its_length_or_its_end() {
    let answers = [
        (Answer::Exactly(b"PONG\r\n".to_vec()), &b"PONG\r\n"[..]),
        (Answer::Bytes(6), b"?!?!?!"),
        (Answer::Until(b"\r\n".to_vec()), b"+\rO\nK\r\n"),
    ];
    for (answer, bytes) in answers {
        let mut codec = custom(answer.clone());
        for cut in 0..bytes.len() {
            let expected = match answer {
                // Of a long one, only bytes that its end could begin with are kept.
                Answer::Until(_) if cut >= 2 => ReplyMatch::Part(cut - 1),
                _ => ReplyMatch::Incomplete,
            };
            assert_eq!(examine(&mut codec, &bytes[..cut]), expected);
        }
        let more = [bytes, bytes].concat();
        let right = ReplyMatch::Reply(bytes.len(), Verdict::Right);
        assert_eq!(examine(&mut codec, bytes), right);
        assert_eq!(examine(&mut codec, &more), right);
    }
}

#[test]
fn a_wrong_custom_answer_ends_where_the_right_one_would_or_with_what_came() {
    let mut codec = custom(Answer::Exactly(b"PONG".to_vec()));
    assert_eq!(codec.examine(ID, b"PANGPONG", false), ReplyMatch::Reply(4, Verdict::Wrong));
    assert_eq!(codec.examine(ID, b"PA", false), ReplyMatch::Incomplete);
    assert_eq!(codec.examine(ID, b"-ERROR", true), ReplyMatch::Reply(6, Verdict::Wrong));
    assert_eq!(codec.examine(ID, b"-E", true), ReplyMatch::Reply(2, Verdict::Wrong));
}

fn greeting(greeting: Greeting) -> WorkloadCodec {
    codec(Workload::Greeting(greeting))
}

#[test]
fn a_greeting_is_over_with_its_fin() {
    let cases: [(Greeting, &[u8], Verdict); 7] = [
        (Greeting::Daytime, b"Thu Jan  1 00:00:00 1970\r\n", Verdict::Right),
        (Greeting::Daytime, b"no idea\r\n", Verdict::Wrong),
        (Greeting::Daytime, b"1970\0", Verdict::Wrong),
        (Greeting::Time, b"\x83\xaa\x7e\x80", Verdict::Right),
        (Greeting::Time, b"\x83\xaa\x7e", Verdict::Wrong),
        (Greeting::Greeting, b"Hello 127.0.0.1!", Verdict::Right),
        (Greeting::Greeting, b"\x1b[31m", Verdict::Wrong),
    ];
    for (kind, bytes, verdict) in cases {
        let mut codec = greeting(kind);
        assert_eq!(codec.conversation(), Conversation::ServerSpeaks);
        assert_eq!(request(&mut codec, ID), b"");
        assert_eq!(examine(&mut codec, bytes), ReplyMatch::Incomplete);
        let expected = ReplyMatch::Reply(bytes.len(), verdict);
        assert_eq!(codec.examine_at_end(bytes), expected, "{}", bytes.escape_ascii());
        assert_eq!(codec.examine_at_end(b""), ReplyMatch::Incomplete);
    }
}

#[test]
fn of_text_without_end_so_much_is_an_answer() {
    let mut codec = greeting(Greeting::Chargen(10));
    assert_eq!(examine(&mut codec, b" !\"#$%&'("), ReplyMatch::Incomplete);
    assert_eq!(examine(&mut codec, b" !\"#$%&'()"), ReplyMatch::Reply(10, Verdict::Right));
    assert_eq!(examine(&mut codec, b" !\"#$%&'()*+"), ReplyMatch::Reply(12, Verdict::Right));
    assert_eq!(examine(&mut codec, b" !\"#$%&'\0)"), ReplyMatch::Reply(10, Verdict::Wrong));
    assert_eq!(codec.examine_at_end(b" !\"#"), ReplyMatch::Incomplete);
}

#[test]
fn what_is_thrown_away_has_no_reply() {
    let mut codec = codec(Workload::Discard(Sizes::fixed(8)));
    assert_eq!(codec.conversation(), Conversation::ClientSpeaks);
    assert_eq!(examine(&mut codec, b"?"), ReplyMatch::Desynchronized);
    assert_eq!(framed(8).conversation(), Conversation::RequestReply);
}
