//! Deadlines, by the clock on the wall: a server whose time is up acts now, and not a period later.

use crate::support::{Client, Launch, PATIENCE, frame};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use socket2::SockRef;
use std::os::fd::AsFd;
use std::thread;
use std::time::{Duration, Instant};

const WRITE_TIMEOUT: Duration = Duration::from_secs(2);

/// The deadline holds within 0.1 s; a machine that is busy with other tests needs some more.
const LATE: Duration = Duration::from_millis(600);

fn launch(service: &str) -> crate::support::Server {
    Launch::of(&[service]).args(&["--write-timeout", "2s"]).start()
}

/// Waits for the server's RST, without taking a byte.
fn wait_for_reset(client: &Client) -> Instant {
    let mut fds = [PollFd::new(client.stream.as_fd(), PollFlags::empty())];
    let timeout = PollTimeout::try_from(PATIENCE).expect("a timeout");
    assert_eq!(poll(&mut fds, timeout).expect("poll"), 1, "never reset");
    Instant::now()
}

fn assert_in_time(since: Instant, client: &Client) {
    let waited = wait_for_reset(client) - since;
    assert!(waited >= WRITE_TIMEOUT - Duration::from_millis(100), "{waited:?}");
    assert!(waited < WRITE_TIMEOUT + LATE, "{waited:?}");
}

/// Sends to a server that is not heard, until it takes no more.
fn send_until_stuck(client: &mut Client, bytes: &[u8]) -> Instant {
    client.stream.set_nonblocking(true).expect("nonblocking");
    let mut last = Instant::now();
    let mut rest = bytes;
    while last.elapsed() < Duration::from_millis(100) {
        match std::io::Write::write(&mut client.stream, rest) {
            Ok(count) => {
                rest = if count == rest.len() { bytes } else { &rest[count..] };
                last = Instant::now();
            }
            Err(_) => thread::sleep(Duration::from_millis(1)),
        }
    }
    last
}

#[test]
fn field_server_18_endless_output_that_is_never_read_ends_in_time() {
    let server = launch("chargen");
    for _ in 0..3 {
        let since = Instant::now();
        assert_in_time(since, &server.connect("chargen"));
    }
}

#[test]
fn field_server_18_replies_that_are_never_read_end_in_time() {
    for (service, request) in [("framed", frame([b'x'; 60_000])), ("echo", vec![b'x'; 65_536])] {
        let server = launch(service);
        let mut client = server.connect(service);
        let request = match service {
            "framed" => frame([&b"ECHO "[..], &request].concat()),
            _ => request,
        };
        // What waits began to wait by then, at the latest.
        let since = send_until_stuck(&mut client, &request);
        let waited = wait_for_reset(&client) - since;
        assert!(waited < WRITE_TIMEOUT + LATE, "{service}: {waited:?}");
    }
}

#[test]
fn field_server_18_a_client_that_reads_once_has_its_time_from_then() {
    let server = launch("chargen");
    let mut client = server.connect("chargen");
    // Not to wait for something: the client is silent for half of its time.
    thread::sleep(WRITE_TIMEOUT / 2);
    // Most of what its kernel holds, so that there is room for more at once.
    client.read(60_000);
    assert_in_time(Instant::now(), &client);
}

#[test]
fn field_server_18_a_server_that_nobody_uses_stops_in_time() {
    const IDLE: Duration = Duration::from_secs(1);
    let mut server = Launch::of(&["framed"]).args(&["--exit-on-idle", "1s"]).start();
    drop(server.connect("framed"));
    let since = Instant::now();
    assert_eq!(server.wait_for_exit().code(), Some(0));
    let waited = since.elapsed();
    assert!(waited < IDLE + LATE, "{waited:?}");
}

#[test]
fn field_server_18_a_steady_slow_reader_is_not_cut_off() {
    let server = launch("chargen");
    let mut client = server.connect("chargen");
    SockRef::from(&client.stream).set_recv_buffer_size(16_384).expect("SO_RCVBUF");
    let started = Instant::now();
    // Far less than what an event of room would take: a third of some megabytes.
    while started.elapsed() < 3 * WRITE_TIMEOUT {
        client.read(8_000);
        thread::sleep(WRITE_TIMEOUT / 20);
    }
    assert_eq!(server.statistics().get("closed_write_timeout"), 0);
}
