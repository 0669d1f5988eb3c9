//! The lookup table of several shards: one, in memory once.

use super::{clients_of_all, first_clients_of_all, launch, process_of, processes, stats};
use crate::support::{Client, Scratch, Server, eventually};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fmt::Write as _;
use std::fs;

#[test]
fn a_table_is_loaded_again_by_all_shards() {
    let scratch = Scratch::new();
    let table = scratch.write("table", "colour red\n");
    let server = launch(&["framed"], 2).path("--table", &table).start();
    let mut clients = clients_of_all(&server, 2);
    let mut all_answer = |value: &str| {
        eventually("the same answer from all shards", || {
            let mut clients = clients.values_mut().map(|clients| &mut clients[0]);
            clients.all(|client| client.ask("LOOKUP colour") == value).then_some(())
        });
    };
    all_answer("red");
    scratch.write("table", "colour blue\nshape round\n");
    server.signal(Signal::SIGHUP);
    all_answer("blue");
    scratch.write("table", "colour\n");
    server.signal(Signal::SIGHUP);
    server.wait_for_log("keeping the old table: ");
    all_answer("blue");
    let client = &mut clients.values_mut().next().expect("a client")[0];
    eventually("one reload and one failure", || {
        let stats = stats(client);
        let count = |name| stats.get(name);
        let counts = (count("table_reloads"), count("table_failures"), count("table_keys"));
        (counts == (1, 1, 2)).then_some(())
    });
}

#[test]
fn a_successor_has_the_table_that_was_loaded_last() {
    let scratch = Scratch::new();
    let table = scratch.write("table", "colour red\n");
    let server = launch(&["framed"], 2).path("--table", &table).start();
    drop(first_clients_of_all(&server, 2));
    scratch.write("table", "colour blue\n");
    server.signal(Signal::SIGHUP);
    server.wait_for_log("table reloaded: 1 key");
    // The server reads the file on SIGHUP only.
    scratch.write("table", "colour green\n");
    kill(process_of(&server, 2, 1), Signal::SIGKILL).expect("kill a shard");
    server.wait_for_log("shard 1 exited");
    for client in clients_of_all(&server, 2).values_mut() {
        assert_eq!(client[0].ask("LOOKUP colour"), "blue");
    }
}

/// Lines of a table of megabytes.
const LINES: usize = 100_000;

/// What the kernel says of the table in a process, in KiB: how much of it is there, and how much
/// that is if each page counts by the part that the process has of it. One number for each table
/// that is mapped.
fn resident_and_proportional(pid: Pid) -> (Vec<u64>, Vec<u64>) {
    let smaps = fs::read_to_string(format!("/proc/{pid}/smaps")).expect("a running shard");
    let parts = smaps.split("/memfd:readyd table").skip(1).map(|part| {
        let number = |name: &str| -> u64 {
            let line = part.lines().find_map(|line| line.strip_prefix(name)).expect(name);
            line.split_whitespace().next().and_then(|word| word.parse().ok()).expect("a number")
        };
        (number("Rss:"), number("Pss:"))
    });
    parts.unzip()
}

/// Asks for keys all over the table, so that each page of it is used.
fn use_all_pages(client: &mut Client, value: &str) {
    for n in (0..LINES).step_by(50) {
        assert_eq!(client.ask(&format!("LOOKUP key{n}")), format!("{value}{n}"));
    }
}

fn text(value: &str) -> String {
    (0..LINES).fold(String::new(), |mut text, n| {
        writeln!(text, "key{n} {value}{n}").expect("a string takes all");
        text
    })
}

fn assert_in_memory_once(server: &Server, shards: usize, bytes: usize) {
    let (resident, proportional): (Vec<_>, Vec<_>) =
        processes(server, shards).into_iter().map(resident_and_proportional).unzip();
    let sum = |all: &[Vec<u64>]| all.iter().flatten().sum::<u64>();
    assert!(resident.iter().all(|tables| tables.len() == 1), "{resident:?}");
    // All of them have nearly all of it, and all together have hardly more than one.
    let size = bytes as u64 / 1024;
    assert!(sum(&resident) > shards as u64 * size * 8 / 10, "{resident:?} of {size}");
    assert!(sum(&proportional) < size * 14 / 10, "{proportional:?} of {size}");
}

#[test]
fn the_pages_of_a_table_are_in_memory_once() {
    const SHARDS: usize = 3;
    let scratch = Scratch::new();
    let (old, new) = (text("old"), text("new"));
    let table = scratch.write("table", &old);
    let server = launch(&["framed"], SHARDS).path("--table", &table).start();
    let mut clients = clients_of_all(&server, SHARDS);
    for clients in clients.values_mut() {
        use_all_pages(&mut clients[0], "old");
    }
    assert_in_memory_once(&server, SHARDS, old.len());

    scratch.write("table", &new);
    server.signal(Signal::SIGHUP);
    for clients in clients.values_mut() {
        eventually("the new table", || (clients[0].ask("LOOKUP key7") == "new7").then_some(()));
        use_all_pages(&mut clients[0], "new");
    }
    eventually("the old table to be gone", || {
        let pids = processes(&server, SHARDS);
        pids.iter().all(|&pid| resident_and_proportional(pid).0.len() == 1).then_some(())
    });
    assert_in_memory_once(&server, SHARDS, new.len());
    // The supervisor maps nothing: it has loaded the table, put it there, and freed what it had.
    let own = server.proc_file("smaps");
    assert!(!own.contains("readyd table"), "{own}");
}
