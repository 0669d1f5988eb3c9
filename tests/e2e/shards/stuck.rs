//! Shards whose loops do not turn.

use super::{clients_of_all, first_clients_of_all, launch, process_of, processes, stats};
use crate::support::{Client, Server, eventually};
use nix::sys::signal::{Signal, kill};
use std::time::Duration;

/// The end that is told for a shard that had to be killed.
fn assert_killed_for(server: &mut Server, name: &str) {
    assert_eq!(server.wait_for_exit().code(), Some(1));
    server.wait_for_log(&format!("{name} (process "));
    server.wait_for_log(" did not exit in time; killed");
    server.wait_for_log(&format!("{name} did not exit cleanly (signal: 9 (SIGKILL))"));
    let last = server.log().all().pop().expect("a complaint");
    assert_eq!(last, format!("readyd: {name} did not exit cleanly; see above"));
}

#[test]
fn field_server_02_a_stopped_shard_does_not_hold_up_a_second_signal() {
    let mut server = launch(&["framed"], 2).args(&["--drain-timeout", "1h"]).start();
    drop(first_clients_of_all(&server, 2));
    kill(process_of(&server, 2, 1), Signal::SIGSTOP).expect("stop a shard");
    server.signal(Signal::SIGTERM);
    server.wait_for_log("shard 2: stopped: ");
    server.signal(Signal::SIGTERM);
    assert_killed_for(&mut server, "shard 1");
}

#[test]
fn field_server_02_a_stopped_shard_does_not_outlast_the_drain_timeout() {
    let mut server = launch(&["framed"], 2).args(&["--drain-timeout", "200ms"]).start();
    drop(first_clients_of_all(&server, 2));
    kill(process_of(&server, 2, 2), Signal::SIGSTOP).expect("stop a shard");
    server.signal(Signal::SIGTERM);
    assert_killed_for(&mut server, "shard 2");
}

#[test]
fn field_server_02_sigquit_stops_the_supervisor_at_once() {
    let mut server = launch(&["framed"], 2).args(&["--drain-timeout", "1h"]).start();
    let _clients = clients_of_all(&server, 2);
    server.signal(Signal::SIGQUIT);
    server.wait_for_log("stopping 2 shards at once");
    assert_eq!(server.wait_for_exit().code(), Some(0));
}

#[test]
fn field_server_03_a_stuck_shard_is_killed_and_replaced() {
    let server = launch(&["framed"], 2).args(&["--shard-timeout", "1s"]).start();
    let mut clients = first_clients_of_all(&server, 2);
    let mut watcher = clients.remove(&2).expect("a client of shard 2").remove(0);
    assert_eq!(stats(&mut watcher).get("shards_answering"), 2);
    let mut of_the_victim = clients.remove(&1).expect("a client of shard 1");
    kill(process_of(&server, 2, 1), Signal::SIGSTOP).expect("stop a shard");
    eventually("one shard to answer", || {
        let stats = stats(&mut watcher);
        (stats.get("shards_answering") == 1 && stats.get("shards") == 2).then_some(())
    });
    server.wait_for_log("is stuck: its event loop has not run for 1s (--shard-timeout); killed");
    server.wait_for_log("shard 1 exited (signal: 9 (SIGKILL)); restarting at once");
    for client in &mut of_the_victim {
        let end = std::io::Read::read(&mut client.stream, &mut [0; 1]);
        assert!(end.is_err() || end.is_ok_and(|count| count == 0), "its connections are gone");
    }
    drop(clients_of_all(&server, 2));
    eventually("both shards to answer", || {
        (stats(&mut watcher).get("shards_answering") == 2).then_some(())
    });
}

#[test]
fn field_server_03_shards_that_have_nothing_to_do_are_not_stuck() {
    let server = launch(&["framed"], 2).args(&["--shard-timeout", "1s"]).start();
    let mut client: Client = server.connect("framed");
    let before = processes(&server, 2);
    // Not to wait for something: this is how long they have nothing to do.
    assert!(client.hears_nothing_for(Duration::from_secs(3)));
    assert_eq!(processes(&server, 2), before);
    assert_eq!(server.log().containing("stuck"), Vec::<String>::new());
    assert_eq!(stats(&mut client).get("shards_answering"), 2);
}

#[test]
fn field_server_03_a_pause_of_the_whole_machine_accuses_no_shard() {
    let server = launch(&["framed"], 2).args(&["--shard-timeout", "1s"]).start();
    let mut client: Client = server.connect("framed");
    assert_eq!(client.ask("ECHO before"), "before");
    let shards = processes(&server, 2);
    let all: Vec<_> = shards.iter().copied().chain([server.pid()]).collect();
    all.iter().for_each(|&pid| kill(pid, Signal::SIGSTOP).expect("stop a process"));
    assert!(client.hears_nothing_for(Duration::from_secs(3)));
    // The supervisor first: it looks before the shards could turn.
    all.iter().rev().for_each(|&pid| kill(pid, Signal::SIGCONT).expect("continue a process"));
    assert_eq!(client.ask("ECHO after"), "after");
    assert!(client.hears_nothing_for(Duration::from_secs(1)));
    assert_eq!(processes(&server, 2), shards);
    assert_eq!(server.log().containing("stuck"), Vec::<String>::new());
}
