//! A shard that drains, and its successor beside it.

use super::{clients_of_all, first_clients_of_all, launch, process_of, processes, stats};
use crate::support::tools::{self, Input};
use crate::support::{Client, Scratch, Server, eventually};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

/// Two shards, and a client of the first that takes nothing of what is made for it: to drain lasts
/// for it.
fn with_a_client_that_never_reads() -> (Server, Client, Pid) {
    let patience = ["--drain-timeout", "1h", "--write-timeout", "1h"];
    let server = launch(&["framed", "chargen"], 2).args(&patience).start();
    drop(first_clients_of_all(&server, 2));
    let client = eventually("a chargen client of shard 1", || {
        let client = server.connect("chargen");
        (super::shard_of(&server, &client) == 1).then_some(client)
    });
    let shard = process_of(&server, 2, 1);
    (server, client, shard)
}

#[test]
fn field_server_04_a_draining_shard_has_a_successor_at_once() {
    let (server, never_reads, draining) = with_a_client_that_never_reads();
    kill(draining, Signal::SIGTERM).expect("signal a shard");
    server.wait_for_log("shard 1 is draining; its replacement starts at once");
    // Both shards serve newcomers, while the old process is still there.
    let mut clients: BTreeMap<usize, Vec<Client>> = clients_of_all(&server, 2);
    assert!(processes(&server, 3).contains(&draining));
    let total: usize = clients.values().map(Vec::len).sum();
    let one = &mut clients.values_mut().next().expect("a client")[0];
    eventually("the client of the old process to be counted beside the others", || {
        let stats = stats(one);
        let (open, shards) = (stats.get("connections_open"), stats.get("shards_answering"));
        (open == total as u64 + 1 && shards == 2).then_some(())
    });
    let before = stats(one);

    drop(never_reads);
    server.wait_for_log("shard 1: the old process has exited");
    eventually("what the old process had counted to stay", || {
        let now = stats(one);
        assert!(now.get("connections_accepted") >= before.get("connections_accepted"));
        (now.get("connections_open") == total as u64).then_some(())
    });
    assert!(!processes(&server, 2).contains(&draining));
}

#[test]
fn field_server_04_a_third_process_waits_for_a_seat() {
    let (server, never_reads, draining) = with_a_client_that_never_reads();
    kill(draining, Signal::SIGTERM).expect("signal a shard");
    server.wait_for_log("shard 1 is draining; its replacement starts at once");
    drop(clients_of_all(&server, 2));
    // The successor drains too, and has no client to wait for.
    let shards = processes(&server, 3);
    let of_shard_2 = process_of(&server, 3, 2);
    let is_successor = |pid: &&Pid| **pid != draining && **pid != of_shard_2;
    let successor = *shards.iter().find(is_successor).expect("a successor");
    kill(successor, Signal::SIGTERM).expect("signal a shard");
    server.wait_for_log("shard 1: the old process has exited");
    drop(clients_of_all(&server, 2));
    assert!(processes(&server, 3).contains(&draining));
    drop(never_reads);
}

#[test]
fn field_server_04_a_client_that_waits_while_its_shard_is_told_to_end_is_served() {
    let server = launch(&["framed"], 2).start();
    drop(first_clients_of_all(&server, 2));
    for _ in 0..5 {
        let victim = process_of(&server, 2, 1);
        kill(victim, Signal::SIGSTOP).expect("stop a shard");
        let mut clients: Vec<Client> = (0..16).map(|_| server.connect("framed")).collect();
        clients.iter_mut().for_each(|client| client.send_frame("ECHO patience"));
        kill(victim, Signal::SIGTERM).expect("signal a shard");
        kill(victim, Signal::SIGCONT).expect("continue a shard");
        for client in &mut clients {
            assert_eq!(client.read_frame(), b"patience");
        }
        eventually("the old process to end", || {
            (!processes(&server, 2).contains(&victim)).then_some(())
        });
    }
}

/// The number that the next descriptor of a process gets.
fn next_descriptor(pid: Pid) -> usize {
    let is_open = |number: &usize| fs::symlink_metadata(format!("/proc/{pid}/fd/{number}")).is_ok();
    (0..).find(|number| !is_open(number)).expect("a number")
}

/// Sets how many descriptors a process may have.
fn limit_descriptors(prlimit: &std::path::Path, pid: Pid, count: usize) {
    let mut command = Command::new(prlimit);
    command.args([format!("--pid={pid}"), format!("--nofile={count}:20000")]);
    let output = tools::run(&mut command, Input::Whole(b""));
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn field_server_04_a_table_that_a_shard_could_not_take_is_sent_again() {
    let Some(prlimit) = tools::find("prlimit") else { return };
    let scratch = Scratch::new();
    let table = scratch.write("table", "colour red\n");
    let server = launch(&["framed"], 2).path("--table", &table).start();
    let mut clients = first_clients_of_all(&server, 2);
    let victim = process_of(&server, 2, 1);
    limit_descriptors(&prlimit, victim, next_descriptor(victim));
    scratch.write("table", "colour blue\n");
    server.signal(Signal::SIGHUP);
    server.wait_for_log("shard 1: keeping the old table until the next attempt: no descriptor");
    let of = |shard: usize, clients: &mut BTreeMap<usize, Vec<Client>>| {
        let client = &mut clients.get_mut(&shard).expect("a client")[0];
        (client.ask("LOOKUP colour"), stats(client).get("shards_with_newest_table"))
    };
    eventually("one of two shards to have the newest table", || {
        (of(2, &mut clients) == ("blue".to_owned(), 1)).then_some(())
    });
    assert_eq!(of(1, &mut clients).0, "red");

    limit_descriptors(&prlimit, victim, 20_000);
    eventually("both shards to have the newest table", || {
        (of(1, &mut clients) == ("blue".to_owned(), 2)).then_some(())
    });
}
