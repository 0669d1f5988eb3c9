//! Memory that is promised to no client and bounded for all.
//!
//! RLIMIT_AS bounds a process's address space, setrlimit(2). An allocation beyond it fails, and
//! Rust's standard collections end the process then: so what protects a server is that it never
//! asks for so much, because each client's limits add up to less, or because `--memory-limit`
//! bounds their sum.

use crate::support::tools::SHELL;
use crate::support::{Client, Launch, PATIENCE, Server, eventually, frame};
use std::io::{ErrorKind, Read, Write};
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
/// has been thrown out; another client is served all the while. Returns how many bytes were taken.
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

/// Has `count` clients send most of a large frame each, then the rest, and read the reply. The
/// sizes differ from client to client and from round to round.
fn exchange_large_frames(server: &Server, count: usize, round: usize) {
    let begin = |number: usize| {
        let body = 300_000 + (number * 7919 + round * 104_729) % 600_000;
        let request = frame([b"ECHO ".as_slice(), &vec![b'x'; body]].concat());
        let mut client = server.connect("framed");
        client.send(&request[..request.len() / 10 * 9]);
        (client, request)
    };
    let clients: Vec<(Client, Vec<u8>)> = (0..count).map(begin).collect();
    for (mut client, request) in clients {
        client.send(&request[request.len() / 10 * 9..]);
        let mut reply = vec![0; request.len() - b"ECHO ".len()];
        client.stream.read_exact(&mut reply).expect("a reply");
        assert!(reply.ends_with(b"xxx"), "not an echo");
    }
}

#[test]
fn the_memory_of_large_frames_goes_back_when_the_clients_have_left() {
    const CLIENTS: usize = 100;
    const ROUNDS: usize = 3;
    let server = Server::start(&["framed"]);
    server.connect("framed").ask("ECHO");
    let before = server.memory().resident;
    (0..ROUNDS).for_each(|round| exchange_large_frames(&server, CLIENTS, round));
    let peak = server.memory().peak - before;
    assert!(peak > CLIENTS * 200_000, "{peak} bytes at most are no large frames");
    server.wait_for_statistic("connections_open", 0);
    eventually("the memory is back", || {
        let allowed = before + before / 10 + (4 << 20);
        (server.memory().resident <= allowed).then_some(())
    });
}
