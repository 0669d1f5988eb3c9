//! Deadlines of output that is not taken. How exactly they hold is measured by `scripts/deadlines`,
//! and proved in the simulator's time. Here the server's own clock tells: an unfinished request,
//! which is refused after half as long again, is the reference.

use crate::support::{Client, Launch, Server, frame};
use socket2::SockRef;
use std::thread;
use std::time::{Duration, Instant};

const WRITE_TIMEOUT: Duration = Duration::from_secs(2);

/// A server whose unfinished requests have half as long again as output that the client does not
/// take.
fn launch(service: &str) -> Server {
    let services = ["framed", service];
    let services = if service == "framed" { &services[..1] } else { &services[..] };
    Launch::of(services).args(&["--write-timeout", "2s", "--frame-timeout", "3s"]).start()
}

/// Checks that the server gives `client` up before a request that is begun now and never ends.
fn assert_given_up_first(server: &Server, client: &Client) {
    let mut reference = server.connect("framed");
    reference.send(b"1");
    let reply = reference.read_frame();
    assert!(reply.starts_with(b"Error: the request did not arrive whole"), "{reply:?}");
    // What was logged before the statistics has arrived when they have.
    server.statistics();
    let line = format!("{} closed: write timeout", client.address());
    assert_eq!(server.log().containing(&line).len(), 1, "{:?}", server.log().all());
}

/// Sends to a server that is not heard, until it takes no more.
fn send_until_stuck(client: &mut Client, bytes: &[u8]) {
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
}

#[test]
fn field_server_18_endless_output_that_is_never_read_ends_in_time() {
    let server = launch("chargen");
    for _ in 0..3 {
        let client = server.connect("chargen");
        assert_given_up_first(&server, &client);
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
        send_until_stuck(&mut client, &request);
        assert_given_up_first(&server, &client);
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
    assert_given_up_first(&server, &client);
}

#[test]
fn field_server_18_a_steady_slow_reader_is_not_cut_off() {
    /// Three times its time.
    const READS: u32 = 60;
    let server = launch("chargen");
    let mut client = server.connect("chargen");
    SockRef::from(&client.stream).set_recv_buffer_size(16_384).expect("SO_RCVBUF");
    // Far less than what an event of room would take: a third of some megabytes.
    for _ in 0..READS {
        client.read(8_000);
        thread::sleep(WRITE_TIMEOUT / 20);
    }
    assert_eq!(server.statistics().get("closed_write_timeout"), 0);
}
