//! What several processes tell together.

use super::{clients_of_all, launch, process_of, processes, stats};
use crate::statistics::{documented_names, wait_for_keepalive};
use crate::support::eventually;
use nix::sys::signal::{Signal, kill};

#[test]
fn field_server_20_shards_tell_the_documented_names_the_supervisor_and_their_sums() {
    let limits = ["--max-connections", "100", "--memory-limit", "8MiB"];
    let server = launch(&["framed"], 2).args(&limits).start();
    let mut clients = clients_of_all(&server, 2);
    for client in clients.values_mut().map(|clients| &mut clients[0]) {
        let reply = client.ask("STATS");
        let names: Vec<&str> = reply.lines().filter_map(|line| line.split(' ').next()).collect();
        assert_eq!(names, documented_names());
        // As soon as both have told.
        eventually("the limits of both", || {
            let stats = stats(client);
            let limits = (stats.get("connections_max"), stats.get("memory_limit_bytes"));
            (limits == (100, 8 << 20)).then_some(())
        });
        let stats = stats(client);
        assert_eq!(stats.get("pid"), server.pid().as_raw() as u64);
        assert_eq!(stats.text("version"), env!("CARGO_PKG_VERSION"));
        assert!(stats.get("longest_turn_microseconds") > 0, "{stats:?}");
        // Of two processes, each larger than a megabyte.
        assert!(stats.get("resident_bytes") > 2 << 20, "{stats:?}");
        assert!(stats.get("cpu_microseconds") > 0, "{stats:?}");
    }
    server.signal(Signal::SIGUSR1);
    server.wait_for_log(&format!("INFO  statistics: pid {}", server.pid()));
}

#[test]
fn field_server_20_each_process_tells_its_number_first() {
    let server = launch(&["framed"], 2).start();
    let version = env!("CARGO_PKG_VERSION");
    let first = &server.log().all()[0];
    assert!(first.ends_with(&format!(" INFO  readyd {version}, pid {}", server.pid())), "{first}");
    for pid in processes(&server, 2) {
        let line = server.wait_for_log(&format!("readyd {version}, pid {pid}"));
        assert!(line.contains(" INFO  shard "), "{line}");
    }
}

#[test]
fn field_server_20_processor_time_of_a_shard_that_has_ended_still_counts() {
    let server = launch(&["framed"], 2).start();
    let mut clients = clients_of_all(&server, 2);
    let mut watcher = clients.remove(&1).expect("a client of shard 1").remove(0);
    let before = stats(&mut watcher).get("cpu_microseconds");
    let victim = process_of(&server, 2, 2);
    kill(victim, Signal::SIGKILL).expect("a shard");
    server.wait_for_log("restarting");
    assert!(stats(&mut watcher).get("cpu_microseconds") >= before);
    drop(clients);
}

#[test]
fn field_server_20_clients_of_shards_are_kept_alive_if_that_is_asked_for() {
    let server = launch(&["framed"], 2).args(&["--tcp-keepalive", "1h"]).start();
    for client in clients_of_all(&server, 2).values().flatten() {
        wait_for_keepalive(server.address("framed"), client);
    }
}
