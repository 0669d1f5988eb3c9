//! `--shards`: several processes that serve as one.

mod failing;
mod inherited;
mod signals;
mod starting;
mod statistics;
mod stopping;
mod stuck;
mod successors;
mod tables;

use crate::command_line::assert_cannot_run;
use crate::support::server::{READYD, Statistics};
use crate::support::tools::{self, Input};
use crate::support::{Client, Launch, Server, eventually};
use nix::sys::signal::Signal;
use nix::unistd::{Pid, geteuid};
use std::collections::BTreeMap;
use std::fs;
use std::process::Command;
use std::time::Duration;

/// A server of `shards` shards, which logs every client: the log tells who has which.
fn launch(listeners: &[&str], shards: usize) -> Launch {
    Launch::of(listeners).args(&["--shards", &shards.to_string(), "--log-rate", "10k"])
}

/// The processes of the shards, once there are `shards` of them.
pub(crate) fn processes(server: &Server, shards: usize) -> Vec<Pid> {
    let supervisor = server.pid();
    eventually("the processes of all shards", || {
        let children = server.proc_file(&format!("task/{supervisor}/children"));
        let pid = |word: &str| Pid::from_raw(word.parse().expect("a number"));
        let pids: Vec<Pid> = children.split_whitespace().map(pid).collect();
        (pids.len() == shards).then_some(pids)
    })
}

/// The process that is shard `number`, by the order that it was given.
fn process_of(server: &Server, shards: usize, number: usize) -> Pid {
    let mut processes: Vec<(usize, Pid)> = Vec::new();
    for pid in processes_once_they_run(server, shards) {
        let environment = fs::read(format!("/proc/{pid}/environ")).expect("a running shard");
        let environment = String::from_utf8_lossy(&environment).into_owned();
        let order = environment.split('\0').find_map(|word| word.strip_prefix("READYD_SHARD="));
        let index = order.and_then(|order| order.split(' ').next()?.parse().ok());
        processes.push((index.expect("the shard's number"), pid));
    }
    let is_it = |(index, _): &&(usize, Pid)| *index + 1 == number;
    processes.iter().find(is_it).expect("one of that number").1
}

/// All shards' processes, when each runs with its own environment.
fn processes_once_they_run(server: &Server, shards: usize) -> Vec<Pid> {
    let has_order = |pid: &Pid| {
        fs::read(format!("/proc/{pid}/environ"))
            .is_ok_and(|text| text.windows(13).any(|word| word == b"READYD_SHARD="))
    };
    eventually("all shards to run", || {
        let pids = processes(server, shards);
        pids.iter().all(has_order).then_some(pids)
    })
}

fn descriptors(pid: Pid) -> usize {
    fs::read_dir(format!("/proc/{pid}/fd")).expect("a running shard").count()
}

/// Which shard has the client, by the log.
fn shard_of(server: &Server, client: &Client) -> usize {
    let line = server.wait_for_log(&format!("{} connected", client.address()));
    let (_, rest) = line.split_once("shard ").expect("the line says which shard");
    rest.split(':').next().and_then(|number| number.parse().ok()).expect("a number")
}

/// Clients that are connected and have been served, at least one with each shard.
fn clients_of_all(server: &Server, shards: usize) -> BTreeMap<usize, Vec<Client>> {
    let mut clients: BTreeMap<usize, Vec<Client>> = BTreeMap::new();
    eventually("a client with each shard", || {
        let mut client = server.connect("framed");
        assert_eq!(client.ask("ECHO hello"), "hello");
        clients.entry(shard_of(server, &client)).or_default().push(client);
        (clients.len() == shards).then_some(())
    });
    clients
}

/// Clients of all shards of a server that had none yet, once the supervisor knows them all: a shard
/// that ends before it has told of a turn is one that could not start.
pub(crate) fn first_clients_of_all(server: &Server, shards: usize) -> BTreeMap<usize, Vec<Client>> {
    let clients = clients_of_all(server, shards);
    let count: usize = clients.values().map(Vec::len).sum();
    server.wait_for_statistic("connections_accepted", count as u64);
    clients
}

fn stats(client: &mut Client) -> Statistics {
    Statistics::from_reply(&client.ask("STATS"))
}

#[test]
fn shards_share_the_clients_and_add_up_what_they_count() {
    let server = launch(&["framed", "echo"], 3).start();
    let shards = processes(&server, 3);
    let mut early = clients_of_all(&server, 3);
    let total: u64 = early.values().map(|clients| clients.len() as u64).sum();
    for clients in early.values_mut() {
        let client = &mut clients[0];
        // What another shard has done is known within a moment, not at once.
        eventually("the sum of all", || {
            let stats = stats(client);
            let open = (stats.get("connections_open"), stats.get("connections_accepted"));
            (stats.get("shards") == 3 && open == (total, total)).then_some(())
        });
        assert_eq!(stats(client).get("table_keys"), 2, "they have one table, not three");
    }
    // When they are gone, each shard is as it was.
    let many: Vec<usize> = shards.iter().map(|&pid| descriptors(pid)).collect();
    drop(early);
    let mut last = server.connect("framed");
    eventually("all but one to be closed", || {
        (stats(&mut last).get("connections_open") == 1).then_some(())
    });
    let few: usize = shards.iter().map(|&pid| descriptors(pid)).sum();
    assert_eq!(few, many.iter().sum::<usize>() - total as usize + 1);
}

#[test]
fn sigusr1_logs_each_shard_and_the_sum() {
    let server = launch(&["framed"], 2).start();
    let mut clients = clients_of_all(&server, 2);
    let total: usize = clients.values().map(Vec::len).sum();
    let client = &mut clients.values_mut().next().expect("a client")[0];
    eventually("the sum of all", || {
        (stats(client).get("connections_open") == total as u64).then_some(())
    });
    server.signal(Signal::SIGUSR1);
    for shard in [1, 2] {
        server.wait_for_log(&format!("shard {shard}: statistics: connections_open "));
    }
    server.wait_for_log(&format!("INFO  statistics: connections_open {total}"));
    server.wait_for_log("INFO  statistics: shards 2");
}

#[test]
fn what_is_bounded_in_total_is_divided_among_the_shards() {
    let server = launch(&["framed"], 2).args(&["--max-connections", "2"]).start();
    // Of 20, all but two wait, unless all of them come to one shard.
    let clients: Vec<Client> = (0..20).map(|_| server.connect("framed")).collect();
    for shard in [1, 2] {
        server.wait_for_log(&format!(
            "shard {shard}: accepting paused: the only connection is in use"
        ));
    }
    drop(clients);
}

#[test]
fn idle_shards_and_their_supervisor_sleep() {
    let server = launch(&["framed"], 2).args(&["--shard-timeout", "0"]).start();
    let clients = clients_of_all(&server, 2);
    let mut everyone = processes(&server, 2);
    everyone.push(server.pid());
    let wakeups = || -> Vec<String> {
        let status =
            |pid: &Pid| fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
        let of = |pid: &Pid| {
            let status = status(pid);
            status.lines().find(|line| line.starts_with("voluntary")).expect("a line").to_owned()
        };
        everyone.iter().map(of).collect()
    };
    // The last publication is over when nothing has changed for some time.
    let pause = Duration::from_millis(400);
    let mut client = clients.into_values().next().expect("a client").remove(0);
    eventually("all to fall asleep", || {
        let before = wakeups();
        assert!(client.hears_nothing_for(pause));
        (before == wakeups()).then_some(())
    });
    let before = wakeups();
    assert!(client.hears_nothing_for(Duration::from_secs(2)));
    assert_eq!(before, wakeups());
}

#[test]
fn shards_have_the_rights_that_the_supervisor_kept() {
    if !geteuid().is_root() {
        return tools::skip("only root can become another user");
    }
    let user = ["--user", "3999999999:3999999998"];
    let server = launch(&["framed"], 2).args(&user).start();
    for pid in processes(&server, 2) {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("a running shard");
        assert!(status.contains("Uid:\t3999999999\t3999999999\t3999999999"), "{status}");
        assert!(status.contains("Gid:\t3999999998\t3999999998\t3999999998"), "{status}");
        assert!(status.contains("CapEff:\t0000000000000000"), "{status}");
    }
    clients_of_all(&server, 2);
}

#[test]
fn what_prevents_a_start_is_said_once() {
    let table = ["--shards", "2", "--listen", "echo=127.0.0.1:0", "--table", "/nonexistent/table"];
    assert_cannot_run(&table, "cannot open table \"/nonexistent/table\"");
    assert_cannot_run(&["--shards", "2", "--listen", "echo=192.0.2.1:0"], "cannot listen on echo=");
    let mut command = Command::new(READYD);
    command.args(["--listen", "echo=127.0.0.1:0"]);
    for (order, complaint) in [
        ("nonsense", "is not valid (unset it"),
        ("2 2 1 1 0 0 1 3 4 5 0 6 0", "is not valid (unset it"),
        // It names one file to record to of two.
        ("0 1 1 1 0 0 1 3 4 5 0 6 2 7", "is not valid (unset it"),
        ("0 1 1 1 0 0 1 3 4 5 0 6 0", "is not the parent process"),
        ("0 1 1 1 0 0 1 3 4 5 0 6 1 7 8", "is not the parent process"),
    ] {
        let output = tools::run(command.env("READYD_SHARD", order), Input::Whole(b""));
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{order}: {stderr}");
        assert!(stderr.contains(complaint), "{order}: {stderr}");
    }
}
