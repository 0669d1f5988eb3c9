use super::*;
use crate::protocol::frame::encode_header;
use proptest::prelude::*;

const PADDED: Framing = Framing::Padded { max_body: 1000 };
const LINE: Framing = Framing::Line { max_line: 20 };

fn frame(body: &[u8]) -> Vec<u8> {
    let mut bytes = encode_header(body.len()).to_vec();
    bytes.extend_from_slice(body);
    bytes
}

#[test]
fn a_frame_says_what_it_misses() {
    let bytes = frame(b"hello");
    for have in 0..64 {
        assert_eq!(PADDED.find_end(&bytes[..have], 0), Ok(End::Incomplete { needed: 64 - have }));
    }
    for have in 64..69 {
        assert_eq!(PADDED.find_end(&bytes[..have], 0), Ok(End::Incomplete { needed: 69 - have }));
    }
    assert_eq!(PADDED.find_end(&bytes, 0), Ok(End::At(69)));
    assert_eq!(PADDED.payload(&bytes), Request { body: b"hello", envelope: ReplyFraming::Frame });
    assert_eq!(PADDED.find_end(&frame(b""), 0), Ok(End::At(64)));
}

#[test]
fn a_wrong_protocol_is_refused_at_its_first_byte() {
    let error = PADDED.find_end(b"G", 0).unwrap_err();
    assert_eq!(error, FrameError::BadByte { offset: 0, byte: b'G' });
    let over = PADDED.find_end(&encode_header(1001), 0).unwrap_err();
    assert_eq!(over, FrameError::OverLimit { declared: Some(1001), limit: 1000 });
}

#[test]
fn a_fixed_length_is_all_there_is_to_it() {
    let framing = Framing::Fixed { len: 4 };
    for have in 0..4 {
        assert_eq!(framing.find_end(&b"time"[..have], 0), Ok(End::Incomplete { needed: 4 - have }));
    }
    assert_eq!(framing.find_end(b"time", 0), Ok(End::At(4)));
    assert_eq!(framing.find_end(b"timely", 0), Ok(End::At(4)));
    assert_eq!(framing.payload(b"time"), Request { body: b"time", envelope: ReplyFraming::Bare });
}

#[test]
fn what_answers_no_request_goes_out_as_replies_do() {
    let envelopes = [PADDED, LINE, Framing::Fixed { len: 1 }, Framing::Raw].map(Framing::envelope);
    assert_eq!(
        envelopes,
        [ReplyFraming::Frame, ReplyFraming::CrLf, ReplyFraming::Bare, ReplyFraming::Bare]
    );
}

#[test]
fn lines_end_in_lf_or_crlf() {
    let cases = [
        (&b"key\n"[..], &b"key"[..], ReplyFraming::Lf),
        (b"key\r\n", b"key", ReplyFraming::CrLf),
        (b"\n", b"", ReplyFraming::Lf),
        (b"a\rb\n", b"a\rb", ReplyFraming::Lf),
    ];
    for (bytes, body, envelope) in cases {
        assert_eq!(LINE.find_end(bytes, 0), Ok(End::At(bytes.len())));
        assert_eq!(LINE.payload(bytes), Request { body, envelope });
    }
    assert_eq!(LINE.find_end(b"key", 0), Ok(End::Incomplete { needed: 1 }));
    assert_eq!(LINE.payload(b"key"), Request { body: b"key", envelope: ReplyFraming::Bare });
}

#[test]
fn a_line_may_be_as_long_as_the_limit_whatever_its_end() {
    let limit = vec![b'k'; 20];
    for end in [&b"\n"[..], b"\r\n"] {
        let line = [&limit, end].concat();
        assert_eq!(LINE.find_end(&line, 0), Ok(End::At(line.len())));
        for have in 0..line.len() {
            assert_eq!(LINE.find_end(&line[..have], 0), Ok(End::Incomplete { needed: 1 }));
        }
    }
    let error = LINE.find_end(&[b'k'; 21], 0).unwrap_err();
    assert_eq!(error, FrameError::LineOverLimit { limit: 20 });
}

#[test]
fn raw_takes_what_there_is() {
    assert_eq!(Framing::Raw.find_end(b"", 0), Ok(End::Incomplete { needed: 1 }));
    assert_eq!(Framing::Raw.find_end(b"abc", 0), Ok(End::At(3)));
}

proptest! {
    /// `bytes_to_take` completes the held request, and never takes a byte of the next one.
    #[test]
    fn a_share_ends_where_the_request_does(
        body in proptest::collection::vec(
            any::<u8>().prop_filter("no line end", |b| *b != b'\n'),
            0..18,
        ),
        more in proptest::collection::vec(any::<u8>(), 0..100),
        cut in 0usize..100,
    ) {
        for (framing, whole) in [(PADDED, frame(&body)), (LINE, [&body[..], b"\n"].concat())] {
            let stream = [&whole[..], &more].concat();
            let mut held = stream[..cut % whole.len()].to_vec();
            let mut input = &stream[held.len()..];
            while let End::Incomplete { needed: missing } = framing.find_end(&held, 0).unwrap() {
                let share = framing.bytes_to_take(missing, input);
                prop_assert!(share > 0);
                held.extend_from_slice(&input[..share]);
                input = &input[share..];
            }
            prop_assert_eq!(&held, &whole);
            prop_assert_eq!(input, &more[..]);
        }
    }
}

/// Takes all messages off `input`, and tells what is held then.
fn messages(framing: Framing, bytes: &[u8]) -> Result<(Vec<Vec<u8>>, usize), FrameError> {
    let (mut held, mut input) = (ByteQueue::default(), ReadCursor::new(bytes));
    let mut messages = Vec::new();
    while let Some(message) = next_message(framing, &mut held, &mut input, 0, Moment::START)? {
        let Message::Read(message) = message else { panic!("nothing is held yet: {message:?}") };
        messages.push(message.to_vec());
    }
    assert_eq!(input.bytes(), b"");
    Ok((messages, held.len()))
}

#[test]
fn a_header_that_comes_again_says_the_same_again() {
    let (five, six) = (frame(b"12345"), frame(b"123456"));
    let stream = [&five[..], &five, &six, &five, &six, &six].concat();
    let expected = [&five, &five, &six, &five, &six, &six].map(Clone::clone);
    for cut in 0..64 + 5 {
        let (found, held) = messages(PADDED, &[&stream[..], &six[..cut]].concat()).unwrap();
        assert_eq!(found, expected);
        assert_eq!(held, cut);
    }
    // Of two headers that differ in their last byte alone, only one is well formed.
    let mut bad = frame(b"12345");
    bad[63] = b'x';
    let error = messages(PADDED, &[five, bad].concat()).unwrap_err();
    assert_eq!(error, FrameError::BadByte { offset: 63, byte: b'x' });
}

#[test]
fn a_header_that_comes_again_is_read_as_is_asked_then() {
    let bytes = [frame(b"12345"), frame(b"12345"), frame(b"12345")].concat();
    let (mut held, mut input) = (ByteQueue::default(), ReadCursor::new(&bytes));
    let mut take = |framing| next_message(framing, &mut held, &mut input, 0, Moment::START);
    let message = Message::Read(&bytes[..69]);
    assert_eq!(take(PADDED), Ok(Some(message)));
    assert_eq!(take(Framing::Fixed { len: 69 }), Ok(Some(message)));
    let error = take(Framing::Padded { max_body: 4 }).unwrap_err();
    assert_eq!(error, FrameError::OverLimit { declared: Some(5), limit: 4 });
}

#[test]
fn a_message_that_began_earlier_is_completed_where_it_is_held() {
    let bytes = [frame(b"12345"), frame(b"123456")].concat();
    let (mut held, mut input) = (ByteQueue::default(), ReadCursor::new(&bytes[7..]));
    held.extend(&bytes[..7], Moment::START);
    let next = next_message(PADDED, &mut held, &mut input, 7, Moment::START);
    assert_eq!(next, Ok(Some(Message::Held(69))));
    assert_eq!(held.bytes(), frame(b"12345"), "not a byte of the next message");
    held.consume(69, Moment::START);
    let next = next_message(PADDED, &mut held, &mut input, 0, Moment::START);
    assert_eq!(next, Ok(Some(Message::Read(&bytes[69..]))));
}
