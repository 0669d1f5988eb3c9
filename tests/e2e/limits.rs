//! The bounds on memory, time and connections hold against clients that push against them.

use crate::support::{Client, Launch, PATIENCE, Server, frame};
use std::io::ErrorKind;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// What the server may use, in bytes: a few MiB for itself in a debug build, its limits of 1 MiB
/// for a few clients, and as much again for an allocator's waste.
const MODEST_MEMORY: usize = 40 << 20;

fn assert_closed_for_not_reading(service: &str, bytes: &[u8]) {
    let server = Launch::of(&[service]).args(&["--write-timeout", "1s"]).start();
    let mut client = server.connect(service);
    let error = client.send_until_closed(bytes);
    assert!(matches!(error, ErrorKind::ConnectionReset | ErrorKind::BrokenPipe), "{error}");
    server.wait_for_statistic("closed_write_timeout", 1);
    let memory = server.memory();
    assert!(memory.peak < MODEST_MEMORY, "{memory:?}");
}

#[test]
fn fault_07_a_framed_client_that_never_reads_is_closed_within_its_cap() {
    let request = frame([b"ECHO ".as_slice(), &vec![b'x'; 100_000]].concat());
    assert_closed_for_not_reading("framed", &request);
}

#[test]
fn a_framed_client_that_asks_for_much_with_little_and_never_reads() {
    assert_closed_for_not_reading("framed", &frame("HELP").repeat(1000));
}

#[test]
fn an_echo_client_that_never_reads() {
    assert_closed_for_not_reading("echo", &vec![b'x'; 100_000]);
}

#[test]
fn a_chargen_client_that_never_reads() {
    let server = Launch::of(&["framed", "chargen"]).args(&["--write-timeout", "2s"]).start();
    let _silent = server.connect("chargen");
    server.wait_for_standstill();
    assert_eq!(server.connect("framed").ask("ECHO others are served"), "others are served");
    // A turn for each time that statistics were asked for, some to fill the kernel's buffers: tens.
    // A loop over a socket that takes nothing turns a hundred thousand times a second.
    let turns = server.statistics().get("turns");
    assert!(turns < 5000, "{turns} turns of the loop");
    server.wait_for_statistic("closed_write_timeout", 1);
    let memory = server.memory();
    assert!(memory.peak < MODEST_MEMORY, "{memory:?}");
}

#[test]
fn a_client_that_reads_slowly_is_not_closed() {
    let server = Launch::of(&["chargen"]).args(&["--write-timeout", "1s"]).start();
    let mut client = server.connect("chargen");
    let deadline = Instant::now() + Duration::from_secs(2);
    while Instant::now() < deadline {
        // Megabytes at a time: the kernel opens the window again only for a good part of its
        // buffer.
        client.read(3_000_000);
        thread::sleep(Duration::from_millis(100));
    }
    assert_eq!(server.statistics().get("closed_write_timeout"), 0);
}

#[test]
fn fault_07_a_pipeline_of_100_megabytes_stays_within_the_cap() {
    const BATCHES: usize = 1000;
    /// Frames made of the numbers of one batch, after `prefix`.
    fn batch(number: usize, prefix: &str) -> Vec<u8> {
        let numbers = 100 * number..100 * (number + 1);
        numbers.map(|n| frame(format!("{prefix}{n:>1000}"))).collect::<Vec<_>>().concat()
    }
    let server = Server::start(&["framed"]);
    let mut client = server.connect("framed");
    let mut writer = client.other_handle();
    let all_sent = Arc::new(AtomicBool::new(false));
    let is_all_sent = Arc::clone(&all_sent);
    let writing = thread::spawn(move || {
        (0..BATCHES).for_each(|number| writer.send(&batch(number, "ECHO ")));
        all_sent.store(true, Ordering::Relaxed);
    });
    server.wait_for_standstill();
    assert!(!is_all_sent.load(Ordering::Relaxed), "the server took 100 MB without being read from");
    (0..BATCHES).for_each(|number| client.expect(batch(number, "")));
    writing.join().expect("the writing thread");
    let memory = server.memory();
    assert!(memory.peak < MODEST_MEMORY, "{memory:?}");
}

#[test]
fn fault_12_a_hot_connection_leaves_others_their_turn() {
    let server = Server::start(&["framed"]);
    let mut busy = server.connect("framed");
    let mut writer = busy.other_handle();
    let enough = Arc::new(AtomicBool::new(false));
    let is_enough = Arc::clone(&enough);
    let writing = thread::spawn(move || {
        let requests = frame("ECHO x").repeat(1000);
        // Once in any case: on a busy machine, this thread may begin when the other client is done.
        writer.send(&requests);
        while !is_enough.load(Ordering::Relaxed) {
            writer.send(&requests);
        }
        writer.finish_sending();
    });
    // A thousand replies: it has begun, and more is on its way.
    let replies = frame("x").repeat(1000);
    busy.expect(&replies);
    let reading = thread::spawn(move || busy.read_to_end().len());
    let mut other = server.connect("framed");
    for _ in 0..100 {
        assert_eq!(other.ask("ECHO me too"), "me too");
    }
    enough.store(true, Ordering::Relaxed);
    writing.join().expect("the writing thread");
    let rest = reading.join().expect("the reading thread");
    assert!(rest.is_multiple_of(replies.len()), "{rest} bytes of replies");
}

/// Sends `bytes` one at a time, a tenth of a second between them, until the server says something.
fn send_slowly(client: &mut Client, bytes: &[u8]) {
    for byte in bytes {
        client.send(&[*byte]);
        if !client.hears_nothing_for(Duration::from_millis(100)) {
            return;
        }
    }
    panic!("all {} bytes were taken, however slowly they came", bytes.len());
}

#[test]
fn fault_08_a_header_byte_by_byte_is_closed_by_the_frames_deadline() {
    let server = Launch::of(&["framed"]).args(&["--frame-timeout", "1s"]).start();
    let mut client = server.connect("framed");
    send_slowly(&mut client, &frame("")[..63]);
    assert_eq!(client.read_frame(), b"Error: the request did not arrive whole within 1s");
    assert_eq!(client.read_to_end(), b"");
    drop(client);
    server.wait_for_statistic("closed_frame_timeout", 1);
}

#[test]
fn fault_08_a_body_byte_by_byte_is_closed_by_the_frames_deadline() {
    let server = Launch::of(&["framed"]).args(&["--frame-timeout", "1s"]).start();
    let mut client = server.connect("framed");
    let request = frame([b'x'; 100]);
    // A frame of its own before it: the time starts anew with each.
    assert_eq!(client.ask("ECHO first"), "first");
    client.send(&request[..64]);
    send_slowly(&mut client, &request[64..163]);
    assert_eq!(client.read_frame(), b"Error: the request did not arrive whole within 1s");
    assert_eq!(client.read_to_end(), b"");
}

#[test]
fn a_line_that_never_ends() {
    let server = Launch::of(&["lookup"]).args(&["--frame-timeout", "1s"]).start();
    let mut client = server.connect("lookup");
    let deadline = Instant::now() + PATIENCE;
    // Faster than the pause after which a line counts as complete.
    while client.hears_nothing_for(Duration::from_millis(5)) {
        assert!(Instant::now() < deadline, "neither answered nor refused");
        client.send(b"x");
    }
    // On a machine that stood still for a moment, the pause was long enough after all.
    let said = String::from_utf8(client.read(9)).expect("ASCII");
    assert!(said.starts_with("Error: th") || said == "Not Found", "{said:?}");
}

#[test]
fn a_client_that_asks_nothing() {
    let server = Launch::of(&["framed"]).args(&["--idle-timeout", "2s"]).start();
    let mut silent = server.connect("framed");
    let mut fell_silent = server.connect("framed");
    let mut busy = server.connect("framed");
    fell_silent.ask("ECHO");
    while silent.hears_nothing_for(Duration::from_millis(50)) {
        busy.ask("ECHO");
    }
    assert_eq!(silent.read_to_end(), b"");
    assert_eq!(fell_silent.read_to_end(), b"");
    assert_eq!(busy.ask("ECHO still here"), "still here");
    drop((silent, fell_silent));
    server.wait_for_statistic("closed_idle_timeout", 2);
}

#[test]
fn one_client_more_than_allowed_waits_for_a_place() {
    let server = Launch::of(&["framed"]).args(&["--max-connections", "2"]).start();
    let (mut first, mut second) = (server.connect("framed"), server.connect("framed"));
    first.ask("ECHO");
    second.ask("ECHO");
    let mut third = server.connect("framed");
    third.send_frame("ECHO let in");
    server.wait_for_log("accepting paused: all 2 connections are in use");
    assert_eq!(second.ask("ECHO still here"), "still here");
    assert_eq!(server.statistics().get("connections_open"), 2);
    drop(first);
    assert_eq!(third.read_frame(), b"let in");
    assert_eq!(server.statistics().get("connections_peak"), 2);
}
