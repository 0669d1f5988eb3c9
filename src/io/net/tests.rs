//! The two loops, over a socket that answers by a script.

use super::*;
use std::collections::VecDeque;

/// What the socket says, one answer a call.
struct Script(VecDeque<io::Result<usize>>);

/// A network of one scripted socket.
struct ScriptedNet {
    sent: Vec<u8>,
}

impl SocketIo for ScriptedNet {
    type Stream = Script;

    fn register(&mut self, _: &mut Script, _: Token, _: Interest) -> io::Result<()> {
        Err(ErrorKind::Unsupported.into())
    }

    fn recv(&mut self, script: &mut Script, _: &mut [u8]) -> io::Result<usize> {
        script.0.pop_front().expect("one call too many")
    }

    fn send(&mut self, script: &mut Script, bytes: &[u8]) -> io::Result<usize> {
        let count = script.0.pop_front().expect("one call too many")?;
        self.sent.extend_from_slice(&bytes[..count]);
        Ok(count)
    }

    fn send_fin(&mut self, _: &mut Script) -> io::Result<()> {
        Err(ErrorKind::Unsupported.into())
    }

    fn abort(&mut self, _: Script) {}
}

const ALL: Readiness = Readiness { read: true, write: true, read_until_would_block: false };
const WITH_FIN: Readiness = Readiness { read_until_would_block: true, ..ALL };

/// Room for reading in these tests.
const ROOM: usize = 10;

/// One [`fill`]: what it returned, and whether the socket is still held to be readable.
fn filled(answer: io::Result<usize>, mut ready: Readiness) -> (io::Result<ReadOutcome>, bool) {
    let mut script = Script([answer].into());
    let filled =
        fill(&mut ScriptedNet { sent: Vec::new() }, &mut script, &mut ready, &mut [0; ROOM]);
    assert!(ready.write, "reading says nothing about writing");
    (filled, ready.read)
}

/// One [`flush`] of `bytes`: what it returned, whether the socket is still held to be writable, and
/// what was sent. All answers must have been asked for.
fn flushed(
    bytes: &[u8],
    answers: impl IntoIterator<Item = io::Result<usize>>,
) -> (io::Result<usize>, bool, Vec<u8>) {
    let (mut net, mut ready) = (ScriptedNet { sent: Vec::new() }, ALL);
    let mut script = Script(answers.into_iter().collect());
    let flushed = flush(&mut net, &mut script, &mut ready, bytes);
    assert!(script.0.is_empty(), "one call too few");
    assert!(ready.read, "writing says nothing about reading");
    (flushed, ready.write, net.sent)
}

fn error(kind: ErrorKind) -> io::Result<usize> {
    Err(kind.into())
}

#[test]
fn a_full_read_may_have_left_something() {
    let (filled, readable) = filled(Ok(ROOM), ALL);
    assert_eq!((filled.unwrap(), readable), (ReadOutcome::Bytes(ROOM), true));
}

#[test]
fn a_short_read_took_all_unless_fin_is_known_to_follow() {
    for (ready, more) in [(ALL, false), (WITH_FIN, true)] {
        let (filled, readable) = filled(Ok(ROOM - 1), ready);
        assert_eq!((filled.unwrap(), readable), (ReadOutcome::Bytes(ROOM - 1), more));
    }
}

#[test]
fn nothing_comes_after_fin() {
    for ready in [ALL, WITH_FIN] {
        let (filled, readable) = filled(Ok(0), ready);
        assert_eq!((filled.unwrap(), readable), (ReadOutcome::Eof, false));
    }
}

#[test]
fn would_block_ends_readiness_and_an_interruption_does_not() {
    for (kind, more) in [(ErrorKind::WouldBlock, false), (ErrorKind::Interrupted, true)] {
        let (filled, readable) = filled(error(kind), ALL);
        assert_eq!((filled.unwrap(), readable), (ReadOutcome::Nothing, more));
    }
}

#[test]
fn a_broken_connection_is_the_callers_to_close() {
    let (filled, _) = filled(error(ErrorKind::ConnectionReset), WITH_FIN);
    assert_eq!(filled.unwrap_err().kind(), ErrorKind::ConnectionReset);
    let (flushed, _, sent) = flushed(b"hello", [Ok(2), error(ErrorKind::BrokenPipe)]);
    assert_eq!(flushed.unwrap_err().kind(), ErrorKind::BrokenPipe);
    assert_eq!(sent, b"he");
}

#[test]
fn a_write_goes_on_until_all_is_taken() {
    let (flushed, writable, sent) = flushed(b"hello", [Ok(1), Ok(3), Ok(1)]);
    assert_eq!((flushed.unwrap(), writable), (5, true));
    assert_eq!(sent, b"hello");
}

#[test]
fn a_write_stops_when_the_buffer_is_full_or_a_signal_came() {
    for (kind, more) in [(ErrorKind::WouldBlock, false), (ErrorKind::Interrupted, true)] {
        let (flushed, writable, sent) = flushed(b"hello", [Ok(2), error(kind)]);
        assert_eq!((flushed.unwrap(), writable), (2, more));
        assert_eq!(sent, b"he");
    }
}

#[test]
fn nothing_to_write_is_no_call() {
    let (flushed, writable, _) = flushed(b"", []);
    assert_eq!((flushed.unwrap(), writable), (0, true));
}

#[test]
fn a_kernel_that_takes_nothing_and_gives_no_reason_is_not_asked_for_ever() {
    let (flushed, ..) = flushed(b"hello", [Ok(0)]);
    assert_eq!(flushed.unwrap_err().kind(), ErrorKind::WriteZero);
}

/// A stream that takes all it is given.
struct Sink;

impl SocketIo for Sink {
    type Stream = ();

    fn register(&mut self, (): &mut (), _: Token, _: Interest) -> io::Result<()> {
        Ok(())
    }

    fn recv(&mut self, (): &mut (), _: &mut [u8]) -> io::Result<usize> {
        Err(ErrorKind::WouldBlock.into())
    }

    fn send(&mut self, (): &mut (), bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }

    fn send_fin(&mut self, (): &mut ()) -> io::Result<()> {
        Ok(())
    }

    fn abort(&mut self, (): ()) {}
}

#[test]
fn a_peer_that_takes_everything_does_not_keep_the_loop() {
    let mut queue = ByteQueue::default();
    let mut ready = Readiness::CONNECTED;
    let now = Moment::START;
    queue.extend(&vec![b'q'; MOST_SENT + 5], now);
    let fresh = vec![b'f'; MOST_SENT];
    let send = |ready: &mut Readiness, queue: &mut ByteQueue, fresh: &[u8]| {
        flush_queue(&mut Sink, &mut (), ready, queue, fresh, now).unwrap()
    };
    assert_eq!(send(&mut ready, &mut queue, &fresh), MOST_SENT);
    assert_eq!(queue.len(), 5 + MOST_SENT);
    assert!(queue.bytes().starts_with(b"qqqqqf"));
    assert!(ready.write, "there is more to send, and room");
    assert_eq!(send(&mut ready, &mut queue, b""), MOST_SENT);
    assert_eq!(send(&mut ready, &mut queue, b"end"), 8);
    assert!(queue.is_empty());
}
