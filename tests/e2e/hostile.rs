//! What is not a frame, and connections that break: each ends itself and no other connection.

use crate::support::{Client, Launch, Server, eventually, frame};
use nix::sys::signal::Signal;
use socket2::SockRef;
use std::io::ErrorKind;
use std::time::Duration;

/// Bytes sent behind a bad header: more than socket buffers hold at first.
const BEHIND: usize = 1 << 20;

/// Pads a header's beginning with spaces, as a client would.
fn padded(start: &[u8]) -> Vec<u8> {
    let mut header = start.to_vec();
    header.resize(header.len().max(64), b' ');
    header
}

/// Sends a header and much behind it before reading anything, and returns what the server said
/// before it closed.
fn say_to_the_end(server: &Server, header: &[u8]) -> String {
    let mut client = server.connect("framed");
    client.send(&[header, &vec![b'x'; BEHIND]].concat());
    let said = client.read_frame();
    assert_eq!(client.read_to_end(), b"", "one frame and no more");
    String::from_utf8(said).expect("an error text of ASCII")
}

#[test]
fn fault_09_header_bytes_other_than_digits_then_spaces_are_refused() {
    let server = Server::start(&["framed"]);
    // The header's beginning, and where its first wrong byte is.
    let bad: [(&[u8], usize); 20] = [
        (b"", 0),
        (b" 5", 0),
        (b"+5", 0),
        (b"-1", 0),
        (b"five", 0),
        (b"\n", 0),
        (b"\0", 0),
        (b"\xff\xfe", 0),
        (b"\xd9\xa5", 0),
        (b"GET / HTTP/1.1\r\n", 0),
        (b"0x5", 1),
        (b"5\t", 1),
        (b"5\0", 1),
        (b"5\n", 1),
        (b"5.0", 1),
        (b"1e3", 1),
        (b"5_0", 1),
        (b"5,0", 1),
        (b"5 1", 2),
        (b"5                                                              \n", 63),
    ];
    for (start, offset) in bad {
        let said = say_to_the_end(&server, &padded(start));
        let expected = format!("Error: header byte {offset} is 0x");
        assert!(said.starts_with(&expected), "{}: {said:?}", start.escape_ascii());
    }
    server.wait_for_statistic("closed_bad_frame", bad.len() as u64);
    assert_eq!(server.statistics().get("refusals"), bad.len() as u64);
}

#[test]
fn fault_09_lengths_that_overflow_are_refused() {
    let server = Launch::of(&["framed"]).args(&["--max-frame", "1000"]).start();
    let said = say_to_the_end(&server, &padded(b"1001"));
    assert_eq!(said, "Error: a body of 1001 bytes is over the limit of 1000");
    let said = say_to_the_end(&server, &padded(b"18446744073709551615"));
    assert_eq!(said, "Error: a body of 18446744073709551615 bytes is over the limit of 1000");
    for beyond_64_bits in [b"18446744073709551616".as_slice(), &[b'9'; 64]] {
        let said = say_to_the_end(&server, &padded(beyond_64_bits));
        assert_eq!(said, "Error: the declared length does not fit 64 bits; the limit is 1000");
    }
    server.wait_for_statistic("closed_over_limit", 4);
}

#[test]
fn what_came_before_a_bad_header_is_answered() {
    let server = Server::start(&["framed"]);
    let mut client = server.connect("framed");
    client.send(&[frame("ECHO a"), frame("ECHO b"), padded(b"?")].concat());
    client.expect([frame("a"), frame("b")].concat());
    assert!(client.read_frame().starts_with(b"Error: header byte 0 is 0x3f ('?')"));
    assert_eq!(client.read_to_end(), b"");
}

#[test]
fn a_bad_header_is_refused_at_its_first_wrong_byte() {
    let server = Server::start(&["framed"]);
    let mut client = server.connect("framed");
    // No 64 bytes, and more may come: another protocol's client waits for an answer here.
    client.send(b"HELO\r\n");
    assert!(client.read_frame().starts_with(b"Error: header byte 0 is 0x48 ('H')"));
    assert_eq!(client.read_to_end(), b"");
}

#[test]
fn a_client_that_ignores_its_refusal_is_closed() {
    let server = Server::start(&["framed"]);
    let mut client = server.connect("framed");
    client.send(&padded(b"?"));
    assert!(client.read_frame().starts_with(b"Error: "));
    assert_eq!(client.read_to_end(), b"");
    // The client neither closes nor sends: the server does not wait for it for ever.
    server.wait_for_statistic("closed_bad_frame", 1);
    assert_eq!(server.statistics().get("connections_open"), 0);
}

#[test]
fn a_client_that_never_stops_sending_is_closed() {
    let server = Server::start(&["framed"]);
    let mut client = server.connect("framed");
    client.send(&padded(b"?"));
    assert!(client.read_frame().starts_with(b"Error: "));
    let error = client.send_until_closed(&vec![b'x'; BEHIND]);
    assert!(matches!(error, ErrorKind::ConnectionReset | ErrorKind::BrokenPipe), "{error}");
    server.wait_for_statistic("closed_bad_frame", 1);
    assert_eq!(server.statistics().get("requests"), 0);
}

#[test]
fn a_line_over_the_limit_is_refused() {
    let server = Launch::of(&["lookup"]).args(&["--max-frame", "1000"]).start();
    let mut client = server.connect("lookup");
    client.send(&[b"165.165.80.80\n".as_slice(), &vec![b'x'; BEHIND]].concat());
    client.expect("6A:08:AA:C2\n");
    let said = String::from_utf8(client.read_to_end()).expect("ASCII");
    assert!(said.starts_with("Error: ") && said.ends_with("\r\n"), "{said:?}");
    assert_eq!(said.lines().count(), 1);
    drop(client);
    server.wait_for_statistic("closed_over_limit", 1);
}

#[test]
fn fault_04_reset_at_every_byte_ends_that_connection_alone() {
    let server = Server::start(&["framed"]);
    let mut bystander = server.connect("framed");
    let first = frame("ECHO one");
    let sent = [first.clone(), frame("ECHO two")].concat();
    let mut complete = 0;
    for offset in 0..=sent.len() {
        let mut client = server.connect("framed");
        client.send(&sent[..offset]);
        if offset >= first.len() {
            client.expect(frame("one"));
            complete += 1;
        }
        if offset == sent.len() {
            client.expect(frame("two"));
            complete += 1;
        }
        client.reset();
        assert_eq!(bystander.ask("ECHO still here"), "still here");
    }
    let connections = sent.len() as u64 + 1;
    server.wait_for_statistic("closed_reset", connections);
    let stats = server.statistics();
    assert_eq!(stats.get("connections_accepted"), connections + 1);
    assert_eq!(stats.get("connections_closed"), connections);
    assert_eq!(stats.get("frames"), connections + complete);
}

#[test]
fn reset_while_replies_are_on_their_way() {
    let server = Server::start(&["framed"]);
    let mut bystander = server.connect("framed");
    let sent = frame([b"ECHO ".as_slice(), &[b'x'; 10_000]].concat()).repeat(3);
    for offset in (0..sent.len()).step_by(997) {
        let mut client = server.connect("framed");
        client.send(&sent[..offset]);
        client.reset();
    }
    assert_eq!(bystander.ask("ECHO still here"), "still here");
    server.wait_for_statistic("connections_open", 1);
    assert_eq!(server.statistics().get("closed_system_error"), 0);
}

#[test]
fn fault_19_clients_that_leave_at_once_leave_no_descriptor() {
    let server = Server::start(&["framed", "greeting", "chargen", "exchange"]);
    for service in ["framed", "greeting", "chargen", "exchange"] {
        for _ in 0..50 {
            drop(server.connect(service));
            server.connect(service).reset();
        }
    }
    eventually("all closed", || {
        let stats = server.statistics();
        (stats.get("connections_accepted") == 400 && stats.get("connections_open") == 0)
            .then_some(())
    });
    assert_eq!(server.connect("framed").ask("ECHO still here"), "still here");
}

#[test]
fn a_line_without_end_is_answered_only_once() {
    let server = Server::start(&["lookup"]);
    let mut client: Client = server.connect("lookup");
    client.send(b"165.165.80.80");
    client.expect("6A:08:AA:C2");
    assert!(client.hears_nothing_for(Duration::from_millis(300)));
    assert_eq!(server.statistics().get("requests"), 1);
}

#[test]
fn urgent_data_hides_nothing_behind_it() {
    let server = Server::start(&["framed"]);
    let mut client = server.connect("framed");
    // All of it is there at the server's first read, which stops short at the urgent byte.
    server.signal(Signal::SIGSTOP);
    client.send_frame("ECHO before");
    SockRef::from(&client.stream).send_out_of_band(b"!").expect("send urgent data");
    client.send_frame("ECHO behind");
    server.signal(Signal::SIGCONT);
    assert_eq!(client.read_frame(), b"before");
    assert_eq!(client.read_frame(), b"behind");
    assert_eq!(client.ask("ECHO after"), "after");
}
