//! Which clients are let in, what one address may have, and what all together may hold.

use crate::support::{Client, Launch, Server, eventually, frame};
use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Instant;

const STRANGER: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));

fn from_stranger(server: &Server) -> Client {
    Client::connect_from(STRANGER, server.address("framed")).expect("to be let in")
}

/// Whether a client from there is let in; a client that is not finds its connection reset, sooner
/// or later.
fn lets_in(source: IpAddr, address: SocketAddr) -> bool {
    let visit = || {
        let mut client = Client::connect_from(source, address)?;
        client.stream.write_all(&frame("ECHO"))?;
        client.stream.read_exact(&mut frame(""))
    };
    match visit() {
        Ok(()) => true,
        Err(error) => {
            let kinds =
                [ErrorKind::ConnectionReset, ErrorKind::BrokenPipe, ErrorKind::NotConnected];
            assert!(kinds.contains(&error.kind()), "{error}");
            false
        }
    }
}

fn lets_stranger_in(server: &Server) -> bool {
    lets_in(STRANGER, server.address("framed"))
}

#[test]
fn a_denied_address_is_reset_counted_and_logged() {
    let flags = ["--deny", "127.0.0.2", "--deny", "10.0.0.0/8,127.0.0.3"];
    let server = Launch::of(&["framed"]).args(&flags).start();
    assert!(!lets_stranger_in(&server));
    assert_eq!(server.connect("framed").ask("ECHO others are served"), "others are served");
    server.wait_for_log("rejected: this address is not allowed (--allow, --deny)");
    let statistics = server.statistics();
    assert_eq!((statistics.get("refused_denied"), statistics.get("connections_accepted")), (1, 1));
}

#[test]
fn only_allowed_addresses_are_let_in() {
    let server = Launch::of(&["framed"]).args(&["--allow", "127.0.0.1,::1"]).start();
    assert!(!lets_stranger_in(&server));
    assert_eq!(server.connect("framed").ask("ECHO let in"), "let in");
}

#[test]
fn one_address_has_so_many_connections() {
    let flags = ["--max-connections-per-address", "3"];
    let server = Launch::of(&["framed"]).args(&flags).start();
    let mut inside: Vec<Client> = (0..3).map(|_| from_stranger(&server)).collect();
    inside.iter_mut().for_each(|client| assert_eq!(client.ask("ECHO in"), "in"));
    assert!(!lets_stranger_in(&server));
    assert_eq!(server.statistics().get("refused_address_limit"), 1);
    inside.pop();
    server.wait_for_statistic("connections_open", 2);
    assert_eq!(from_stranger(&server).ask("ECHO in its place"), "in its place");
}

#[test]
fn one_address_comes_so_often() {
    let flags = ["--accept-rate-per-address", "5"];
    let server = Launch::of(&["framed"]).args(&flags).start();
    let started = Instant::now();
    let let_in = (0..100).filter(|_| lets_stranger_in(&server)).count() as u64;
    // Five at once, and five for each second that it took: on a slow machine, that may be all.
    let most = 5 + (5.0 * started.elapsed().as_secs_f64()).ceil() as u64;
    assert!((5..=most).contains(&let_in), "{let_in} of at most {most}");
    assert_eq!(server.statistics().get("refused_address_rate"), 100 - let_in);
}

/// What clients hold together is bounded, those who were there before the crowd are served on, and
/// the server's memory stays near the limit.
#[test]
fn fault_20_memory_of_all_connections_is_bounded_and_the_newest_are_shed() {
    const LIMIT: usize = 16 << 20;
    const BODY: usize = 1 << 20;
    // However slow this machine is, no frame is late.
    let flags = ["--memory-limit", "16MiB", "--frame-timeout", "1h"];
    let server = Launch::of(&["framed"]).args(&flags).start();
    let mut first = server.connect("framed");
    let half = frame([b"ECHO ".as_slice(), &vec![b'x'; BODY - 5]].concat());
    let (begin, end) = half.split_at(half.len() - 1);
    first.send(begin);
    eventually("the first to be heard", || {
        (server.statistics().get("buffered_bytes") >= begin.len() as u64).then_some(())
    });
    let mut crowd: Vec<Client> = Vec::new();
    for _ in 0..100 {
        let mut client = server.connect("framed");
        // It is shed while it sends, or later.
        let _ = client.stream.write_all(begin);
        crowd.push(client);
    }
    server.wait_for_log("buffers reached 16777216 bytes (--memory-limit)");
    // Of what was sent, much may not have been read yet. At most sixteen can stay.
    eventually("all but sixteen to be shed", || {
        let statistics = server.statistics();
        assert!(statistics.get("buffered_bytes") <= LIMIT as u64);
        (statistics.get("closed_shed") >= 84).then_some(())
    });
    first.send(end);
    assert_eq!(first.read_frame().len(), BODY - 5);
    let memory = server.memory();
    assert!(memory.peak < 2 * LIMIT + (16 << 20), "{memory:?}");
}
