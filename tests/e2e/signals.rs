//! What operators do to a running server: stop it, reload its table, ask for its statistics.

use crate::support::server::Statistics;
use crate::support::{Client, Launch, Scratch, Server, eventually, frame};
use nix::sys::signal::Signal;
use std::fs;
use std::io::ErrorKind;
use std::net::TcpStream;
use std::path::Path;
use std::thread;
use std::time::Duration;

/// Sends to a server that stands still, so that what is sent and the signals that follow are all
/// there when it goes on.
fn while_stopped(server: &Server, act: impl FnOnce()) {
    server.signal(Signal::SIGSTOP);
    act();
    server.signal(Signal::SIGCONT);
}

/// A client that takes nothing of what is made for it, until the server holds some of it.
fn client_that_never_reads(server: &Server) -> Client {
    let client = server.connect("chargen");
    server.wait_for_standstill();
    client
}

fn is_refused(server: &Server, service: &str) -> bool {
    let result = TcpStream::connect(server.address(service));
    result.is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused)
}

#[test]
fn terminated_while_idle() {
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let mut server = Server::start(&["framed"]);
        server.signal(signal);
        assert_eq!(server.wait_for_exit().code(), Some(0));
        server.wait_for_log("draining 0 connections");
        server.wait_for_log("stopped: 0 connections, 0 requests");
    }
}

#[test]
fn fault_17_sigterm_answers_all_that_is_in_flight() {
    const REQUESTS: usize = 50;
    let mut server = Server::start(&["framed"]);
    let mut clients: Vec<Client> = (0..20).map(|_| server.connect("framed")).collect();
    for client in &mut clients {
        client.ask("ECHO");
    }
    while_stopped(&server, || {
        for client in &mut clients {
            client.send(&frame("ECHO in flight").repeat(REQUESTS));
        }
        server.signal(Signal::SIGTERM);
    });
    for client in &mut clients {
        assert_eq!(client.read_to_end(), frame("in flight").repeat(REQUESTS));
    }
    drop(clients);
    assert_eq!(server.wait_for_exit().code(), Some(0));
    assert_eq!(server.log().containing("closed: server stopping").len(), 20);
    server.wait_for_log("stopped: 20 connections, 1020 requests");
}

#[test]
fn fault_17_sigterm_in_the_middle_of_a_frame_sends_no_partial_reply() {
    let mut server = Server::start(&["framed"]);
    let mut client = server.connect("framed");
    client.ask("ECHO");
    while_stopped(&server, || {
        client.send(&[frame("ECHO whole"), frame("ECHO half")[..70].to_vec()].concat());
        server.signal(Signal::SIGTERM);
    });
    assert_eq!(client.read_to_end(), frame("whole"));
    // This client never closes; the server does not wait for it for ever.
    assert_eq!(server.wait_for_exit().code(), Some(0));
}

#[test]
fn terminated_after_a_line_without_end() {
    let mut server = Server::start(&["lookup"]);
    let mut client = server.connect("lookup");
    client.send(b"165.165.79.1\n");
    client.expect("8A:BC:E3:FA\n");
    while_stopped(&server, || {
        client.send(b"165.165.80.80");
        server.signal(Signal::SIGTERM);
    });
    assert_eq!(client.read_to_end(), b"6A:08:AA:C2");
    drop(client);
    assert_eq!(server.wait_for_exit().code(), Some(0));
}

#[test]
fn second_signal_stops_at_once() {
    let mut server =
        Launch::of(&["chargen"]).args(&["--drain-timeout", "1h", "--write-timeout", "1h"]).start();
    let _client = client_that_never_reads(&server);
    server.signal(Signal::SIGTERM);
    server.wait_for_log("draining 1 connection");
    // It still answers signals, and no new client gets in.
    assert_eq!(server.statistics().get("connections_open"), 1);
    assert!(is_refused(&server, "chargen"));
    server.signal(Signal::SIGTERM);
    assert_eq!(server.wait_for_exit().code(), Some(0));
    server.wait_for_log("closed: server stopped with work unfinished");
}

#[test]
fn drain_timeout_ends_the_wait_for_a_client() {
    let mut server = Launch::of(&["chargen"])
        .args(&["--drain-timeout", "500ms", "--write-timeout", "1h"])
        .start();
    let _client = client_that_never_reads(&server);
    server.signal(Signal::SIGTERM);
    assert_eq!(server.wait_for_exit().code(), Some(0));
    server.wait_for_log("closed: server stopped with work unfinished");
}

#[test]
fn drain_timeout_counts_from_the_signal() {
    const DRAIN_TIMEOUT: Duration = Duration::from_secs(3);
    /// More than the kernel holds of a megabyte each: 4 MB for a sender, little for who never read.
    const REPLIES: usize = 8;
    // Small questions, large answers: everything asked is with the server, and most answers wait.
    let value = "x".repeat(1_000_000);
    let scratch = Scratch::new();
    let table = scratch.write("table", &format!("large {value}\n"));
    let mut server = Launch::of(&["framed"])
        .args(&["--drain-timeout", "3s", "--write-timeout", "1h"])
        .path("--table", &table)
        .start();
    let mut client = server.connect("framed");
    client.send(&frame("LOOKUP large").repeat(REPLIES));
    // A time in which nothing happens, longer than the time for draining.
    thread::sleep(DRAIN_TIMEOUT + Duration::from_millis(200));
    server.signal(Signal::SIGTERM);
    server.wait_for_log("draining 1 connection");
    for _ in 0..REPLIES {
        assert!(client.read_frame() == value.as_bytes(), "another value came");
    }
    assert_eq!(client.read_to_end(), b"");
    drop(client);
    assert_eq!(server.wait_for_exit().code(), Some(0));
}

#[test]
fn exit_on_idle_when_nobody_comes() {
    let mut server = Launch::of(&["framed"]).args(&["--exit-on-idle", "200ms"]).start();
    assert_eq!(server.wait_for_exit().code(), Some(0));
}

#[test]
fn exit_on_idle_waits_for_the_last_client() {
    let mut server = Launch::of(&["framed"]).args(&["--exit-on-idle", "200ms"]).start();
    let mut client = server.connect("framed");
    assert!(client.hears_nothing_for(Duration::from_millis(600)));
    assert_eq!(client.ask("ECHO still here"), "still here");
    drop(client);
    assert_eq!(server.wait_for_exit().code(), Some(0));
    server.wait_for_log("stopped: 1 connection, 1 request");
}

fn start_with_table(table: &Path) -> Server {
    Launch::of(&["framed"]).path("--table", table).start()
}

#[test]
fn reload_of_a_good_table() {
    let scratch = Scratch::new();
    let server = start_with_table(&scratch.write("table", "colour red\n"));
    let mut client = server.connect("framed");
    assert_eq!(client.ask("LOOKUP colour"), "red");
    scratch.write("table", "colour blue\nshape round\n");
    assert_eq!(client.ask("LOOKUP colour"), "red", "nobody has asked for the new table yet");
    server.signal(Signal::SIGHUP);
    server.wait_for_log("table reloaded: 2 keys");
    assert_eq!(client.ask("LOOKUP colour"), "blue");
    assert_eq!(client.ask("LOOKUP shape"), "round");
    let stats = server.statistics();
    assert_eq!((stats.get("table_reloads"), stats.get("table_keys")), (1, 2));
}

#[test]
fn fault_16_reload_of_a_broken_table_keeps_the_old_one() {
    let scratch = Scratch::new();
    let table = scratch.write("table", "colour red\n");
    let server = start_with_table(&table);
    let mut client = server.connect("framed");
    scratch.write("table", "colour blue\nshape round\nsize\n");
    server.signal(Signal::SIGHUP);
    let line = server.wait_for_log("keeping the old table: ");
    assert!(line.contains("ERROR") && line.contains("line 3: key \"size\" has no value"), "{line}");
    assert_eq!(client.ask("LOOKUP colour"), "red");
    assert_eq!(client.ask("LOOKUP shape"), "Not Found");

    fs::remove_file(&table).expect("remove the table");
    server.signal(Signal::SIGHUP);
    server.wait_for_log("keeping the old table: cannot open table");
    assert_eq!(client.ask("LOOKUP colour"), "red");
    let stats = Statistics::from_reply(&client.ask("STATS"));
    assert_eq!((stats.get("table_failures"), stats.get("table_reloads")), (2, 0));

    scratch.write("table", "colour green\n");
    server.signal(Signal::SIGHUP);
    server.wait_for_log("table reloaded: 1 key");
    assert_eq!(client.ask("LOOKUP colour"), "green");
}

#[test]
fn reload_without_a_file_changes_nothing() {
    let server = Server::start(&["framed"]);
    server.signal(Signal::SIGHUP);
    server.wait_for_log("no table to reload");
    assert_eq!(server.connect("framed").ask("LOOKUP 165.165.79.1"), "8A:BC:E3:FA");
}

#[test]
fn reload_asked_for_during_a_reload_is_not_lost() {
    /// Enough that a load takes longer than the next order.
    const LINES: usize = 200_000;
    let scratch = Scratch::new();
    let table = scratch.write("table", "colour red\n");
    let server = start_with_table(&table);
    let mut client = server.connect("framed");
    scratch.write("table", &(0..LINES).map(|n| format!("key{n} value{n}\n")).collect::<String>());
    eventually("an order during a load", || {
        server.signal(Signal::SIGHUP);
        let said =
            server.log().containing("is still loading; it will be loaded once more after that");
        (!said.is_empty()).then_some(())
    });
    // A load may be under way, and have read the old file already.
    scratch.write("table", "colour blue\n");
    server.signal(Signal::SIGHUP);
    eventually("the newest table", || (client.ask("LOOKUP colour") == "blue").then_some(()));
    eventually("the end of all loads", || {
        let loads = server.log().containing("loading table").len() - 1;
        (loads as u64 == server.statistics().get("table_reloads")).then_some(())
    });
    let orders = server.log().containing("loading table").len();
    assert!(orders >= 3, "one at the start, one of the big table, one after it");
}

#[test]
fn statistics_are_the_same_by_signal_and_by_command() {
    let server = Server::start(&["framed"]);
    let mut client = server.connect("framed");
    client.ask("ECHO");
    let by_command = Statistics::from_reply(&client.ask("STATS"));
    let by_signal = server.statistics();
    assert_eq!(by_command.names(), by_signal.names());
    for name in ["connections_open", "connections_accepted", "requests", "frames", "bytes_in"] {
        assert_eq!(by_command.get(name), by_signal.get(name), "{name}");
    }
}

#[test]
fn stopped_and_continued() {
    // SIGCONT makes epoll_wait fail with EINTR, even without a handler; signal(7).
    let server = Server::start(&["framed"]);
    let mut client = server.connect("framed");
    for _ in 0..20 {
        assert_eq!(client.ask("ECHO still here"), "still here");
        while_stopped(&server, || client.send_frame("ECHO meanwhile"));
        assert_eq!(client.read_frame(), b"meanwhile");
    }
}
