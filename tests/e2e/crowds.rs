//! More clients than there are descriptors, and ten thousand that fit.

use crate::support::{Client, Launch, Scratch, Server, eventually, tools};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::Signal;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

const CROWD: usize = 10_000;

/// Descriptors for a crowd and for all tests beside it.
const DESCRIPTORS: u64 = CROWD as u64 + 2_000;

/// One crowd at a time: two would need twice the descriptors.
pub(crate) static CROWD_TURN: Mutex<()> = Mutex::new(());

/// Raises the descriptor limit of the test process, which servers started from now on inherit.
pub(crate) fn can_open_a_crowd() -> bool {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).expect("the descriptor limit");
    if hard < DESCRIPTORS {
        tools::skip(&format!("a descriptor limit of {hard}, and {DESCRIPTORS} are needed"));
        return false;
    }
    let raised = soft.max(DESCRIPTORS);
    setrlimit(Resource::RLIMIT_NOFILE, raised, hard).expect("raise the descriptor limit");
    true
}

/// Connects a crowd; a client that was there before is served in between.
fn connect_crowd(server: &Server, bystander: &mut Client) -> Vec<Client> {
    let connect = |n: usize| {
        if n.is_multiple_of(1000) {
            assert_eq!(bystander.ask("ECHO still here"), "still here");
        }
        server.connect("framed")
    };
    (0..CROWD).map(connect).collect()
}

#[test]
fn fault_13_ten_thousand_newcomers_are_served_and_so_are_those_inside() {
    let _turn = CROWD_TURN.lock().unwrap_or_else(PoisonError::into_inner);
    if !can_open_a_crowd() {
        return;
    }
    let server = Server::start(&["framed"]);
    let mut bystander = server.connect("framed");
    let mut crowd = connect_crowd(&server, &mut bystander);
    for (n, client) in crowd.iter_mut().enumerate() {
        client.send_frame(format!("ECHO {n}"));
    }
    for (n, client) in crowd.iter_mut().enumerate() {
        assert_eq!(client.read_frame(), n.to_string().as_bytes());
    }
    assert_eq!(server.statistics().get("connections_peak"), CROWD as u64 + 1);
    drop(crowd);
    server.wait_for_statistic("connections_open", 1);
    assert_eq!(server.statistics().get("closed_peer_closed"), CROWD as u64);
}

#[test]
fn the_memory_of_a_crowd_goes_back_however_often_one_comes() {
    let _turn = CROWD_TURN.lock().unwrap_or_else(PoisonError::into_inner);
    if !can_open_a_crowd() {
        return;
    }
    let server = Server::start(&["framed"]);
    let come_and_go = || {
        let crowd: Vec<Client> = (0..CROWD).map(|_| server.connect("framed")).collect();
        server.wait_for_statistic("connections_open", CROWD as u64);
        let with_crowd = server.memory().resident;
        drop(crowd);
        server.wait_for_statistic("connections_open", 0);
        (with_crowd, server.memory().resident)
    };
    let (with_crowd, first) = come_and_go();
    let (_, second) = come_and_go();
    let (_, third) = come_and_go();
    let places = CROWD * 100;
    assert!(with_crowd > first + places / 2, "{with_crowd} bytes, then {first}");
    let most = first + places / 4;
    assert!(second < most && third < most, "{first} bytes, then {second}, {third}");
}

#[test]
fn fault_10_ten_thousand_promises_of_a_large_body_cost_little() {
    const LITTLE: usize = 30 << 20;
    let _turn = CROWD_TURN.lock().unwrap_or_else(PoisonError::into_inner);
    if !can_open_a_crowd() {
        return;
    }
    let server = Server::start(&["framed"]);
    let mut bystander = server.connect("framed");
    let mut crowd = connect_crowd(&server, &mut bystander);
    let before = server.statistics().get("bytes_in");
    let promise = format!("{:<64}", 1 << 20);
    for client in &mut crowd {
        client.send(promise.as_bytes());
    }
    server.wait_for_statistic("bytes_in", before + (CROWD * promise.len()) as u64);
    let memory = server.memory();
    assert!(memory.resident < LITTLE, "{memory:?}");
    // Address space reserved for the bodies would not show in that until they came.
    assert!(memory.mapped < CROWD << 16, "{memory:?}");
}

/// Starts a server with 64 descriptors and sends it 200 clients. Checks that it idles meanwhile and
/// says little, and that a client that leaves makes room for one that waits.
fn assert_copes_with_too_many(flags: &[&str], says: &str) {
    const CLIENTS: usize = 200;
    const WATCHED: Duration = Duration::from_secs(2);
    let server = Launch::of(&["framed"]).args(flags).descriptor_limit(64).start();
    let mut clients: Vec<Client> = (0..CLIENTS).map(|_| server.connect("framed")).collect();
    for client in &mut clients {
        client.send_frame("ECHO in");
    }
    let started = Instant::now();
    server.wait_for_log(says);
    let open = server.statistics().get("connections_open") as usize;
    assert!((20..64).contains(&open), "{open} connections with 64 descriptors");
    let before = server.processor_time();
    // Not to wait for something: this is how long the server is watched.
    thread::sleep(WATCHED);
    let used = server.processor_time() - before;
    assert!(used < WATCHED / 20, "{used:?} of {WATCHED:?} spent on waiting clients");
    // A line a second: the first may have been before the clock was started.
    let paused = server.log().containing("accepting paused");
    let seconds = started.elapsed().as_secs() as usize + 1;
    assert!(paused.len() <= seconds + 1, "{seconds} s: {paused:?}");

    // The backlog is a queue: the first to come are in, and the next in line gets the place.
    let mut waiting = clients.split_off(open);
    for client in &mut clients {
        assert_eq!(client.read_frame(), b"in");
    }
    assert!(waiting[0].hears_nothing_for(Duration::from_millis(1)));
    clients.pop();
    assert_eq!(waiting[0].read_frame(), b"in");
    clients.clear();
    for client in &mut waiting[1..open] {
        assert_eq!(client.read_frame(), b"in");
    }
    drop(waiting);
    eventually("all clients served and gone", || {
        let stats = server.statistics();
        let all = stats.get("connections_accepted") == CLIENTS as u64;
        (all && stats.get("connections_open") == 0).then_some(())
    });
}

#[test]
fn fault_01_clients_beyond_the_descriptor_limit_wait_and_are_let_in() {
    assert_copes_with_too_many(&[], "accepting paused: all ");
}

#[test]
fn fault_01_emfile_at_accept_neither_spins_nor_deafens() {
    let flags = ["--max-connections", "1000"];
    assert_copes_with_too_many(&flags, "accepting paused: Too many open files");
}

#[test]
fn a_table_is_reloaded_while_all_places_are_taken() {
    let scratch = Scratch::new();
    let table = scratch.write("table", "colour red\n");
    let server = Launch::of(&["framed"]).path("--table", &table).descriptor_limit(64).start();
    let mut clients: Vec<Client> = (0..100).map(|_| server.connect("framed")).collect();
    server.wait_for_log("accepting paused: all ");
    scratch.write("table", "colour blue\n");
    server.signal(Signal::SIGHUP);
    server.wait_for_log("table reloaded: 1 key");
    assert_eq!(clients[0].ask("LOOKUP colour"), "blue");
}
