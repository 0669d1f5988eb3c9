//! Shards that end without an order to stop.

use super::{clients_of_all, first_clients_of_all, launch, process_of, stats};
use crate::support::server::Statistics;
use crate::support::{Client, eventually};
use nix::sys::signal::{Signal, kill};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

/// Counters that never go back, whichever shard is asked.
const COUNTERS: [&str; 6] = [
    "connections_accepted",
    "connections_closed",
    "requests",
    "frames",
    "bytes_in",
    "table_reloads",
];

fn assert_not_less(now: &Statistics, before: &Statistics) {
    for name in COUNTERS {
        assert!(now.get(name) >= before.get(name), "{name}: {now:?} after {before:?}");
    }
}

/// Has a client ask again and again until it is told to stop; returns how often it was answered.
fn keep_asking(mut client: Client, stop: &Arc<AtomicBool>) -> thread::JoinHandle<u32> {
    let stop = Arc::clone(stop);
    thread::spawn(move || {
        let mut answers = 0;
        while !stop.load(Ordering::Relaxed) {
            assert_eq!(client.ask("ECHO under load"), "under load");
            answers += 1;
        }
        answers
    })
}

#[test]
fn a_killed_shard_is_replaced_and_the_clients_of_others_notice_nothing() {
    const SHARDS: usize = 3;
    let server = launch(&["framed"], SHARDS).start();
    let mut clients = clients_of_all(&server, SHARDS);
    let mut of_the_victim = clients.remove(&2).expect("a client of shard 2");
    let mut watchers: Vec<Client> =
        clients.values_mut().map(|clients| clients.swap_remove(0)).collect();
    let stop = Arc::new(AtomicBool::new(false));
    let under_load: Vec<_> = clients_of_all(&server, SHARDS)
        .into_iter()
        .filter(|(shard, _)| *shard != 2)
        .flat_map(|(_, clients)| clients)
        .map(|client| keep_asking(client, &stop))
        .collect();

    let open = server.log().containing(" connected (").len() as u64;
    let mut seen = eventually("all clients to be on the scoreboard", || {
        let stats = stats(&mut watchers[0]);
        (stats.get("connections_accepted") == open).then_some(stats)
    });
    for kills in 1..=3 {
        let victim = process_of(&server, SHARDS, 2);
        kill(victim, Signal::SIGKILL).expect("kill a shard");
        eventually("the end of the shard to be seen", || {
            for watcher in &mut watchers {
                let now = stats(watcher);
                assert_not_less(&now, &seen);
                seen = now;
            }
            let ends = server.log().containing("shard 2 exited (signal: 9 (SIGKILL)");
            (ends.len() == kills).then_some(())
        });
        // The successor serves: new clients come to it, too.
        let again = clients_of_all(&server, SHARDS);
        drop(again);
    }
    let delays = ["restarting at once", "restarting in 100ms", "restarting in 200ms"];
    delays.iter().for_each(|text| drop(server.wait_for_log(text)));
    for client in &mut of_the_victim {
        let end = std::io::Read::read(&mut client.stream, &mut [0; 1]);
        assert!(end.is_err() || end.is_ok_and(|count| count == 0), "its connections are gone");
    }
    stop.store(true, Ordering::Relaxed);
    for asking in under_load {
        assert!(asking.join().expect("answers without end") > 0);
    }
    assert!(stats(&mut watchers[0]).get("closed_system_error") >= of_the_victim.len() as u64);
}

#[test]
fn who_waits_in_the_backlog_of_a_killed_shard_is_served_by_its_successor() {
    let server = launch(&["framed"], 2).start();
    drop(first_clients_of_all(&server, 2));
    let victim = process_of(&server, 2, 1);
    kill(victim, Signal::SIGSTOP).expect("stop a shard");
    let mut clients: Vec<Client> = (0..32).map(|_| server.connect("framed")).collect();
    clients.iter_mut().for_each(|client| client.send_frame("ECHO patience"));
    kill(victim, Signal::SIGKILL).expect("kill a shard");
    for client in &mut clients {
        assert_eq!(client.read_frame(), b"patience");
    }
    let of_the_successor =
        clients.iter().filter(|client| super::shard_of(&server, client) == 1).count();
    assert!(of_the_successor > 0, "one of 32 comes to it, but for 1 in 4 billion runs");
}

#[test]
fn a_shard_that_is_told_to_end_drains_and_is_replaced() {
    let server = launch(&["framed"], 2).start();
    let mut clients = first_clients_of_all(&server, 2);
    kill(process_of(&server, 2, 2), Signal::SIGTERM).expect("signal a shard");
    for mut client in clients.remove(&2).expect("clients of shard 2") {
        assert_eq!(client.read_to_end(), b"");
    }
    server.wait_for_log("shard 2 is draining; its replacement starts at once");
    server.wait_for_log("shard 2: the old process has exited");
    clients_of_all(&server, 2);
}

#[test]
fn a_shard_is_replaced_though_the_end_of_children_was_to_be_ignored() {
    let ignoring = ["sh", "-c", "trap '' CHLD; exec \"$@\"", "sh"];
    let mut server = launch(&["framed"], 2).wrapper(&ignoring).start();
    drop(first_clients_of_all(&server, 2));
    kill(process_of(&server, 2, 1), Signal::SIGKILL).expect("signal a shard");
    server.wait_for_log("shard 1 exited (signal: 9 (SIGKILL)); restarting at once");
    drop(clients_of_all(&server, 2));
    server.signal(Signal::SIGTERM);
    assert!(server.wait_for_exit().success());
}

#[test]
fn a_full_log_pipe_holds_up_neither_shards_nor_their_supervisor() {
    let (_reader, writer) = std::io::pipe().expect("a pipe");
    let mut server = launch(&["framed"], 2).stderr(writer).start();
    let mut clients: Vec<Client> = (0..12).map(|_| server.connect("framed")).collect();
    // Each is logged with more than 200 bytes, 480 of them; the pipe holds 64 KiB.
    let message = crate::support::frame([b'x'; 1000]);
    let reply = crate::support::frame("Message received successfully....");
    let threads: Vec<_> = clients
        .drain(..)
        .map(|mut client| {
            let (message, reply) = (message.repeat(40), reply.repeat(40));
            thread::spawn(move || {
                client.send(&message);
                client.expect(&reply);
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().expect("an answer to each"));
    server.signal(Signal::SIGUSR1);
    server.signal(Signal::SIGTERM);
    assert_eq!(server.wait_for_exit().code(), Some(0));
}
