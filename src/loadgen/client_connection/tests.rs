//! What a client makes of the bytes that it receives, however they are cut into reads.

use super::*;
use crate::loadgen::accounting::RequestAccounting;
use crate::loadgen::plan::{Answer, Plan, RawProtocol, Workload};
use crate::loadgen::tests::plan;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

const NOW: Moment = Moment::START;

struct Client {
    connection: ClientConnection,
    codec: WorkloadCodec,
    accounting: RequestAccounting,
}

impl Client {
    /// A client whose answers end with `end`, with this many requests in flight.
    fn until(end: &[u8], requests: usize) -> Client {
        let raw = RawProtocol { send: b"GET\n".to_vec(), answer: Answer::Until(end.to_vec()) };
        let plan = Plan { workload: Workload::Raw(raw), pipeline: 1000, ..plan() };
        let mut codec = WorkloadCodec::new(&plan);
        let mut accounting = RequestAccounting::new(&plan);
        let mut connection = ClientConnection::new(0, 1000);
        for _ in 0..requests {
            connection.begin_unpaced(&mut codec, &mut accounting, &mut Vec::new(), NOW);
        }
        Client { connection, codec, accounting }
    }

    fn receive(&mut self, bytes: &[u8]) {
        let Client { connection, codec, accounting } = self;
        connection.receive(bytes, codec, accounting, NOW).expect("the stream is in step");
    }

    fn in_flight(&self) -> usize {
        self.connection.in_flight()
    }
}

/// How many whole answers are in `stream`, found as one would by hand.
fn answers(mut stream: &[u8], end: &[u8]) -> usize {
    let mut count = 0;
    while let Some(at) = stream.windows(end.len()).position(|window| window == end) {
        stream = &stream[at + end.len()..];
        count += 1;
    }
    count
}

fn letters(len: impl Into<proptest::collection::SizeRange>) -> impl Strategy<Value = Vec<u8>> {
    vec(select(vec![b'a', b'b']), len)
}

proptest! {
    /// Of two letters, an end is often begun and not finished, and ends overlap.
    #[test]
    fn field_load_05_an_end_is_found_however_the_stream_is_cut(
        end in letters(1..6),
        stream in letters(0..200),
        cuts in vec(1usize..12, 200),
    ) {
        let mut client = Client::until(&end, 300);
        let (mut rest, mut seen) = (&stream[..], 0);
        for cut in cuts {
            let (read, later) = rest.split_at(cut.min(rest.len()));
            rest = later;
            seen += read.len();
            if !read.is_empty() {
                client.receive(read);
            }
            let expected = 300 - answers(&stream[..seen], &end);
            prop_assert_eq!(client.in_flight(), expected, "after {} bytes", seen);
            prop_assert!(client.connection.unparsed.len() < end.len());
        }
        prop_assert!(rest.is_empty());
    }
}

#[test]
fn field_load_05_no_more_of_a_long_answer_is_kept_than_could_begin_its_end() {
    let mut client = Client::until(b"\r\n.\r\n", 1);
    for _ in 0..1000 {
        client.receive(&[b'.'; 65_536]);
        assert_eq!(client.connection.unparsed.len(), 4);
    }
    client.receive(b"\r\n.\r");
    assert_eq!(client.in_flight(), 1);
    client.receive(b"\n");
    assert_eq!(client.in_flight(), 0);
    assert!(client.connection.unparsed.is_empty());
}

/// A client of a server that greets so, whose connection was just opened.
fn greeted(greeting: Answer) -> Client {
    let raw = RawProtocol { send: b"GET\n".to_vec(), answer: Answer::Bytes(2) };
    let plan = Plan { workload: Workload::Raw(raw), greeting: Some(greeting), ..plan() };
    let mut connection = ClientConnection::new(0, 1000);
    connection.on_open(NOW, u64::MAX, Moment::NEVER, true);
    let (codec, accounting) = (WorkloadCodec::new(&plan), RequestAccounting::new(&plan));
    Client { connection, codec, accounting }
}

#[test]
fn field_load_16_no_request_is_sent_before_the_greeting_is_whole() {
    let greetings = [
        Answer::Exactly(b"220 hello\r\n".to_vec()),
        Answer::Bytes(11),
        Answer::Until(b"\r\n".to_vec()),
    ];
    for greeting in greetings {
        for cut in 1..12 {
            let mut client = greeted(greeting.clone());
            for (number, part) in b"220 hello\r\n".chunks(cut).enumerate() {
                assert!(!client.connection.has_room(NOW), "{greeting:?}, {number} of {cut} bytes");
                client.receive(part);
            }
            assert!(client.connection.has_room(NOW), "{greeting:?}");
            let Client { connection, codec, accounting } = &mut client;
            connection.begin_unpaced(codec, accounting, &mut Vec::new(), NOW);
            client.receive(b"ok");
            assert_eq!(client.accounting.counters().requests.sent, 0, "it is of no measured part");
            assert_eq!(client.in_flight(), 0);
            assert_eq!(client.accounting.counters().mismatches, Default::default());
        }
    }
}

#[test]
fn field_load_16_another_greeting_than_the_declared_one_is_an_error() {
    let mut client = greeted(Answer::Exactly(b"220 hello\r\n".to_vec()));
    let Client { connection, codec, accounting } = &mut client;
    assert!(connection.receive(b"421 no", codec, accounting, NOW).is_err());
    let said = accounting.counters().first_mismatch.clone().expect("it is described");
    assert!(said.contains("421 no") && said.contains("220 hello"), "{said}");
}

#[test]
fn field_load_16_undeclared_bytes_keep_the_request_back_until_it_is_known_what_they_are() {
    let mut client = greeted(Answer::Bytes(3));
    client.receive(b"220 hello\r\n");
    assert!(!client.connection.has_room(NOW));
    let timeout = Duration::from_secs(5);
    let deadline = client.connection.deadline(timeout);
    assert!(NOW < deadline && deadline < NOW + Duration::from_secs(1));
    assert!(client.connection.expire_opening(timeout, NOW).is_ok());
    assert!(client.connection.expire_opening(timeout, deadline).is_err());
    assert!(client.connection.describe_undeclared().contains("--greeting-until TEXT"));
    // A greeting that never ends is waited for as long as an answer.
    let client = greeted(Answer::Bytes(3));
    assert_eq!(client.connection.deadline(timeout), NOW + timeout);
    assert!(client.connection.expire_opening(timeout, NOW + timeout).unwrap().is_err());
}

#[test]
fn unasked_bytes_answer_the_next_request_however_they_are_cut() {
    for cut in 1..9 {
        let mut client = Client::until(b"\r\n", 1);
        client.receive(b"+PONG\r\n");
        for part in b"+PO".chunks(cut) {
            client.receive(part);
        }
        let Client { connection, codec, accounting } = &mut client;
        connection.begin_unpaced(codec, accounting, &mut Vec::new(), NOW);
        for part in b"NG\r\n+PONG".chunks(cut) {
            client.receive(part);
        }
        assert_eq!(client.in_flight(), 0, "{cut} bytes a read");
    }
}
