//! The end of a server of several shards.

use super::{clients_of_all, launch, processes};
use crate::support::{Client, Server, frame};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::io::ErrorKind;
use std::net::TcpStream;
use std::time::Duration;

#[test]
fn sigterm_drains_all_shards() {
    const REQUESTS: usize = 50;
    let mut server = launch(&["framed"], 3).start();
    let mut clients: Vec<Client> = clients_of_all(&server, 3).into_values().flatten().collect();
    let shards = processes(&server, 3);
    let signal_all = |signal| shards.iter().for_each(|&pid| kill(pid, signal).expect("a shard"));
    signal_all(Signal::SIGSTOP);
    for client in &mut clients {
        client.send(&frame("ECHO in flight").repeat(REQUESTS));
    }
    server.signal(Signal::SIGTERM);
    server.wait_for_log("stopping 3 shards");
    signal_all(Signal::SIGCONT);
    for client in &mut clients {
        assert_eq!(client.read_to_end(), frame("in flight").repeat(REQUESTS));
    }
    let (connections, requests) = (clients.len(), clients.len() * (REQUESTS + 1));
    drop(clients);
    assert_eq!(server.wait_for_exit().code(), Some(0));
    server.wait_for_log(&format!("stopped: {connections} connections, {requests} requests"));
}

/// A server of two shards with a client that takes nothing of what is made for it.
fn with_a_client_that_never_reads() -> (Server, TcpStream) {
    let patience = ["--drain-timeout", "1h", "--write-timeout", "1h"];
    let server = launch(&["chargen"], 2).args(&patience).start();
    let client = server.connect("chargen").stream;
    (server, client)
}

fn is_refused(server: &Server) -> bool {
    let result = TcpStream::connect(server.address("chargen"));
    result.is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused)
}

#[test]
fn a_second_signal_stops_at_once_but_not_one_that_reaches_the_shards_twice() {
    let (mut server, _client) = with_a_client_that_never_reads();
    let shards: Vec<Pid> = processes(&server, 2);
    server.wait_for_log("connected");
    // As a service manager or a terminal does: a signal to all processes. On a busy machine a shard
    // may see its own before the supervisor sees one, and would be replaced.
    server.signal(Signal::SIGTERM);
    server.wait_for_log("stopping 2 shards");
    for &pid in &shards {
        // The shard without a client may have ended already.
        let _ = kill(pid, Signal::SIGTERM);
        let _ = kill(pid, Signal::SIGINT);
    }
    server.wait_for_log("draining 1 connection");
    crate::support::eventually("the port to be closed", || is_refused(&server).then_some(()));
    server.wait_for_log("draining 0 connections");
    assert_eq!(server.log().containing("at once"), Vec::<String>::new());

    server.signal(Signal::SIGTERM);
    server.wait_for_log("stopping at once with 1 connection open");
    assert_eq!(server.wait_for_exit().code(), Some(0));
}

#[test]
fn shards_drain_and_end_when_their_supervisor_is_killed() {
    let mut server = launch(&["framed"], 2).start();
    let mut clients: Vec<Client> = clients_of_all(&server, 2).into_values().flatten().collect();
    server.signal(Signal::SIGKILL);
    for client in &mut clients {
        assert_eq!(client.read_to_end(), b"");
    }
    drop(clients);
    // The log ends when the last process that writes to it has.
    assert_eq!(server.wait_for_exit().code(), None);
    for shard in [1, 2] {
        server.wait_for_log(&format!("shard {shard}: stopped: "));
    }
}

#[test]
fn exit_on_idle_when_no_shard_has_a_client() {
    let mut server = launch(&["framed"], 2).args(&["--exit-on-idle", "200ms"]).start();
    let mut client = server.connect("framed");
    assert!(client.hears_nothing_for(Duration::from_millis(1500)));
    assert_eq!(client.ask("ECHO still here"), "still here");
    drop(client);
    assert_eq!(server.wait_for_exit().code(), Some(0));
    server.wait_for_log("no client for the time of --exit-on-idle");
}
