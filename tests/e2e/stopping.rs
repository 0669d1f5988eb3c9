//! Clients that are connecting when the server is told to stop: none in a backlog is reset.

use crate::support::{Client, Launch, Server, frame};
use nix::sys::signal::Signal;
use std::thread;

/// Ends the conversation, as a client does that was told so, and returns what it heard.
fn last_words(mut client: Client) -> Vec<u8> {
    client.read_to_end()
}

#[test]
fn field_server_05_clients_beyond_the_limit_are_let_in_and_served_when_it_stops() {
    const PLACES: usize = 2;
    const WAITING: usize = 7;
    let limit = PLACES.to_string();
    let mut server = Launch::of(&["framed"]).args(&["--max-connections", &limit]).start();
    let mut inside: Vec<Client> = (0..PLACES).map(|_| server.connect("framed")).collect();
    for client in &mut inside {
        assert_eq!(client.ask("ECHO inside"), "inside");
    }
    let mut outside: Vec<Client> = (0..WAITING).map(|_| server.connect("framed")).collect();
    for client in &mut outside {
        client.send_frame("ECHO outside");
    }
    server.wait_for_log("accepting paused: all 2 connections are in use");
    server.signal(Signal::SIGTERM);
    for client in inside {
        assert_eq!(last_words(client), b"");
    }
    let outside: Vec<_> =
        outside.into_iter().map(|client| thread::spawn(|| last_words(client))).collect();
    for client in outside {
        assert_eq!(client.join().expect("a client"), frame("outside"));
    }
    assert_eq!(server.wait_for_exit().code(), Some(0));
    server.wait_for_log("stopped: 9 connections, 9 requests");
}

#[test]
fn field_server_05_clients_that_find_no_descriptor_are_let_in_and_served_when_it_stops() {
    let mut server =
        Launch::of(&["framed"]).descriptor_limit(40).args(&["--max-connections", "100"]).start();
    let mut clients: Vec<Client> = (0..50).map(|_| server.connect("framed")).collect();
    for client in &mut clients {
        client.send_frame("ECHO x");
    }
    server.wait_for_log("accepting paused: ");
    server.signal(Signal::SIGTERM);
    let clients: Vec<_> =
        clients.into_iter().map(|client| thread::spawn(|| last_words(client))).collect();
    for client in clients {
        assert_eq!(client.join().expect("a client"), frame("x"));
    }
    assert_eq!(server.wait_for_exit().code(), Some(0));
}

#[test]
fn field_server_05_a_second_signal_waits_for_nobody() {
    let mut server = Launch::of(&["framed"]).args(&["--max-connections", "1"]).start();
    let mut inside = server.connect("framed");
    assert_eq!(inside.ask("ECHO inside"), "inside");
    let _outside = server.connect("framed");
    server.wait_for_log("accepting paused: ");
    server.signal(Signal::SIGTERM);
    server.wait_for_log("draining 1 connection");
    server.signal(Signal::SIGTERM);
    assert_eq!(server.wait_for_exit().code(), Some(0));
}

#[test]
fn field_server_05_newcomers_are_refused_once_it_has_stopped() {
    let mut server = Server::start(&["framed"]);
    let address = server.address("framed");
    server.signal(Signal::SIGTERM);
    assert_eq!(server.wait_for_exit().code(), Some(0));
    std::net::TcpStream::connect(address).expect_err("nobody listens");
}
