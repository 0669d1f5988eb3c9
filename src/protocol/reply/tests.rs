use super::*;
use crate::protocol::framing::{End, Framing, Request};
use proptest::prelude::*;
use std::fmt::Write as _;

fn reply(out: &mut Vec<u8>, envelope: ReplyFraming, parts: &[&[u8]]) {
    let mut reply = ReplyWriter::begin(out, envelope);
    parts.iter().for_each(|part| reply.push(part));
    reply.finish();
}

#[test]
fn each_envelope_is_closed_in_its_way() {
    let header = [&b"5"[..], &[b' '; 63]].concat();
    let cases = [
        (ReplyFraming::Frame, [&header[..], b"hello"].concat()),
        (ReplyFraming::Lf, b"hello\n".to_vec()),
        (ReplyFraming::CrLf, b"hello\r\n".to_vec()),
        (ReplyFraming::Bare, b"hello".to_vec()),
    ];
    for (envelope, expected) in cases {
        let mut out = b"before".to_vec();
        reply(&mut out, envelope, &[b"hel", b"", b"lo"]);
        assert_eq!(out, [b"before", &expected[..]].concat());
    }
}

#[test]
fn an_empty_reply_is_an_envelope() {
    let mut out = Vec::new();
    reply(&mut out, ReplyFraming::Frame, &[]);
    assert_eq!(out, frame::encode_header(0));
    out.clear();
    reply(&mut out, ReplyFraming::Bare, &[]);
    assert_eq!(out, b"");
}

#[test]
fn text_can_be_formatted_into_it() {
    let mut out = Vec::new();
    let mut reply = ReplyWriter::begin(&mut out, ReplyFraming::Lf);
    write!(reply, "{}-{:02}", 7, 5).unwrap();
    reply.finish();
    assert_eq!(out, b"7-05\n");
}

#[test]
fn a_short_echo_is_copied_and_a_long_one_is_lent() {
    for (text, lent, expected) in [("four", 0, &b"beforefour\n"[..]), ("fives", 5, b"before")] {
        let mut out = b"before".to_vec();
        let mut reply = ReplyWriter::begin_lending(&mut out, ReplyFraming::Lf, 5);
        reply.echo(text.as_bytes());
        assert_eq!(reply.finish(), lent);
        assert_eq!(out, expected);
    }
    let mut out = Vec::new();
    let mut reply = ReplyWriter::begin_lending(&mut out, ReplyFraming::Frame, 5);
    reply.echo(b"fives");
    assert_eq!((reply.finish(), out.len()), (5, 0));
}

proptest! {
    /// What a reply is wrapped in, the framing of the same kind unwraps.
    #[test]
    fn replies_are_read_back_one_by_one(
        bodies in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..100), 0..5),
    ) {
        let mut out = Vec::new();
        for body in &bodies {
            reply(&mut out, ReplyFraming::Frame, &[body]);
        }
        let framing = Framing::Padded { max_body: 100 };
        let mut rest = &out[..];
        for body in &bodies {
            let End::At(end) = framing.find_end(rest, 0).unwrap() else {
                return Err(TestCaseError::fail("a reply was cut short"));
            };
            let expected = Request { body, envelope: ReplyFraming::Frame };
            prop_assert_eq!(framing.payload(&rest[..end]), expected);
            rest = &rest[end..];
        }
        prop_assert_eq!(rest, b"");
    }
}
