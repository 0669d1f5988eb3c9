//! Memory that is promised to nobody and bounded for everybody.
//!
//! RLIMIT_AS bounds a process's address space, setrlimit(2). An allocation beyond it fails, and
//! Rust's standard collections end the process then: so what protects a server is that it never
//! asks for so much, because each client's limits add up to less, or because `--memory-limit`
//! bounds their sum.

use crate::support::tools::SHELL;
use crate::support::{Client, Launch, PATIENCE, Server, eventually, frame};
use std::io::{ErrorKind, Write};
use std::time::Instant;

/// Address space of the server, in KiB: some 10 MiB for itself, and what its limits add up to.
const ADDRESS_SPACE_KIB: usize = 96 << 10;

/// A server in little memory, whose limits fit into it.
fn frugal() -> Server {
    let script = format!("ulimit -v {ADDRESS_SPACE_KIB}; exec \"$0\" \"$@\"");
    Launch::of(&["framed"])
        .wrapper(&[SHELL, "-c", &script])
        .args(&["--max-frame", "64KiB", "--output-limit", "64KiB", "--write-timeout", "2s"])
        .start()
}

#[test]
fn fault_10_promises_of_the_largest_body_cost_nothing_under_a_memory_limit() {
    const CLIENTS: usize = 2000;
    let server = frugal();
    let mut bystander = server.connect("framed");
    bystander.ask("ECHO");
    let before = server.memory();
    let mut clients: Vec<Client> = (0..CLIENTS).map(|_| server.connect("framed")).collect();
    let promise = format!("{:<64}", 64 << 10);
    // Reserved, it would be more than the whole address space.
    const { assert!(CLIENTS * (64 << 10) > ADDRESS_SPACE_KIB << 10) };
    clients.iter_mut().for_each(|client| client.send(promise.as_bytes()));
    let bytes = CLIENTS * promise.len();
    eventually("all promises read", || {
        (server.statistics().get("bytes_in") as usize >= bytes).then_some(())
    });
    assert_eq!(bystander.ask("ECHO still here"), "still here");
    let grown = server.memory().mapped - before.mapped;
    assert!(grown < 8 << 20, "{grown} bytes of address space for {CLIENTS} promises");
}

/// Has `count` clients send echoes of `body` bytes and never read, as much as is taken, until each
/// has been thrown out; someone else is served all the while. Returns how many bytes were taken.
fn push_until_thrown_out(server: &Server, count: usize, body: usize) -> usize {
    let mut bystander = server.connect("framed");
    let request = frame([b"ECHO ".as_slice(), &vec![b'x'; body]].concat());
    let connect = |_| {
        let client = server.connect("framed");
        client.stream.set_nonblocking(true).expect("a nonblocking socket");
        (client, 0)
    };
    // Each with how much it has sent.
    let mut greedy: Vec<(Client, usize)> = (0..count).map(connect).collect();
    let deadline = Instant::now() + PATIENCE;
    let mut taken = 0;
    while !greedy.is_empty() {
        assert!(Instant::now() < deadline, "{} are still connected", greedy.len());
        greedy.retain_mut(|(client, sent)| {
            match client.stream.write(&request[*sent % request.len()..]) {
                Ok(count) => {
                    *sent += count;
                    taken += count;
                    true
                }
                Err(error) => error.kind() == ErrorKind::WouldBlock,
            }
        });
        assert_eq!(bystander.ask("ECHO still here"), "still here");
    }
    taken
}

#[test]
fn fault_20_pipelines_that_nobody_reads_stay_within_the_address_space() {
    const CLIENTS: usize = 100;
    let server = frugal();
    let taken = push_until_thrown_out(&server, CLIENTS, 60_000);
    assert!(taken > ADDRESS_SPACE_KIB << 10, "{taken} bytes are no strain");
    server.wait_for_statistic("closed_write_timeout", CLIENTS as u64);
}

#[test]
fn fault_20_the_memory_limit_keeps_an_allocation_from_failing() {
    const CLIENTS: usize = 100;
    // By their own limits, a megabyte of a request and one of replies, these clients could have
    // more than twice the address space.
    let script = format!("ulimit -v {ADDRESS_SPACE_KIB}; exec \"$0\" \"$@\"");
    let server = Launch::of(&["framed"])
        .wrapper(&[SHELL, "-c", &script])
        .args(&["--memory-limit", "32MiB", "--write-timeout", "2s"])
        .start();
    push_until_thrown_out(&server, CLIENTS, 900_000);
    eventually("all of them counted", || {
        let stats = server.statistics();
        let shed = stats.get("closed_shed");
        (shed > 0 && shed + stats.get("closed_write_timeout") == CLIENTS as u64).then_some(())
    });
}
