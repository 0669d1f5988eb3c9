//! The shapes that a load can have: each is what it says it is, seen from both ends.

use crate::support::bench::{Run, bench, bench_words, plain_services_that_fall_short};
use crate::support::misbehaving::{Fault, Misbehaving};
use crate::support::server::Statistics;
use crate::support::{Launch, Server};
use std::net::{IpAddr, Ipv4Addr};

/// Runs a load against a framed server; returns its counters too, after the last client has gone.
fn against_readyd(arguments: &str) -> (Run, Statistics) {
    let server = Server::start(&["framed"]);
    let run = bench(&[server.address("framed")], arguments);
    server.wait_for_statistic("connections_open", 0);
    (run, server.statistics())
}

#[test]
fn a_closed_loop_of_so_many_requests() {
    let (run, server) = against_readyd("-c 50 -P 8 -n 20k");
    run.assert_met();
    assert_eq!(run.value("mode"), "closed");
    assert_eq!(run.count("achieved.verified"), 20_000);
    assert_eq!((server.get("frames"), server.get("connections_accepted")), (20_000, 50));
    // The header, the command and the payload; the header and the payload.
    assert_eq!(run.count("achieved.bytes_sent"), 20_000 * (64 + 5 + 64));
    assert_eq!(run.count("achieved.bytes_received"), 20_000 * (64 + 64));
    assert_eq!(server.get("bytes_in"), run.count("achieved.bytes_sent"));
}

#[test]
fn a_closed_loop_for_so_long() {
    let (run, server) = against_readyd("-c 10 -d 300ms");
    assert_eq!(run.status, Some(0), "{:#}", run.short());
    assert!(run.number("achieved.elapsed_s") >= 0.3, "{:#}", run.short());
    assert!(run.count("achieved.answered") > 0, "{:#}", run.short());
    assert!(server.get("frames") >= run.count("achieved.answered"));
}

#[test]
fn an_open_loop() {
    let (run, server) = against_readyd("-c 20 -R 500 -d 1s");
    run.assert_met();
    assert_eq!(run.value("mode"), "open");
    // The schedule does not depend on how busy the machine is.
    assert_eq!((run.count("achieved.requested"), run.count("achieved.sent")), (500, 500));
    assert_eq!(server.get("frames"), 500);
}

#[test]
fn an_open_loop_busy_waits_for_intended_times_and_tells_that_unless_it_is_forbidden() {
    let (run, _) = against_readyd("-c 4 -R 2000 -d 500ms");
    run.assert_met();
    assert!(run.number("client.cpu_busy_wait_s") > 0.0);
    assert!(run.number("client.cpu_work_share") < run.number("client.cpu_share"));
    let (run, _) = against_readyd("-c 4 -R 2000 -d 500ms --no-busy-wait");
    run.assert_met();
    assert_eq!(run.number("client.cpu_busy_wait_s"), 0.0);
    assert_eq!(run.number("client.cpu_work_share"), run.number("client.cpu_share"));
}

#[test]
fn sizes_from_a_range() {
    let (run, server) = against_readyd("-c 4 -n 1000 -s 0-2KiB");
    run.assert_met();
    assert_eq!(run.count("achieved.verified"), 1000);
    let payloads = run.count("achieved.bytes_sent") - 1000 * (64 + 5);
    assert!(payloads > 0 && payloads < 1000 * 2048, "{payloads}");
    assert_eq!(server.get("bytes_out"), payloads + 1000 * 64);
}

#[test]
fn payloads_of_one_and_of_a_million_bytes() {
    for (size, requests) in [("1", 100), ("1000000", 10)] {
        let (run, _) = against_readyd(&format!("-c 2 -P 2 -n {requests} -s {size}"));
        run.assert_met();
        assert_eq!(run.count("achieved.verified"), requests, "{size}");
    }
}

#[test]
fn one_request_a_connection() {
    for close in ["fin", "rst"] {
        let arguments = format!("-c 8 -n 200 --lifetime 1 --close {close}");
        let (run, server) = against_readyd(&arguments);
        run.assert_met();
        assert_eq!((run.count("achieved.verified"), server.get("frames")), (200, 200), "{close}");
        let opened = run.count("achieved.connections_opened");
        assert_eq!(server.get("connections_accepted"), opened, "{close}");
        assert_eq!(run.count("connect_us.count"), opened, "{close}");
        // While the last requests are under way, connections may be opened for which none is left.
        assert!((200..200 + 8).contains(&opened), "{close}: {opened}");
        assert_eq!(run.count("achieved.connections_established"), 8, "{close}");
    }
}

#[test]
fn connections_that_live_for_a_time() {
    let (run, server) = against_readyd("-c 8 -d 1s --lifetime 100ms");
    assert_eq!(run.status, Some(0), "{:#}", run.short());
    let opened = run.count("achieved.connections_opened");
    assert!(opened > 8, "{:#}", run.short());
    assert_eq!(server.get("connections_accepted"), opened);
    assert_eq!(run.count("achieved.connections_lost"), 0);
}

#[test]
fn a_ramp_of_steps() {
    let (run, server) = against_readyd("-c 8 --step 100:500ms,200:500ms,400:500ms");
    run.assert_met();
    assert_eq!(run.count("achieved.requested"), 50 + 100 + 200);
    assert_eq!(server.get("frames"), 50 + 100 + 200);
    let steps = run.list("steps");
    let sent: Vec<u64> = steps.iter().filter_map(|step| step["sent"].as_u64()).collect();
    assert_eq!(sent, [50, 100, 200]);
    assert!(steps.iter().all(|step| step["answered"] == step["sent"]), "{steps:#?}");
    assert!(steps.iter().all(|step| step["latency_us"]["count"] == step["sent"]), "{steps:#?}");
}

#[test]
fn a_warm_up_is_not_counted() {
    let (run, server) = against_readyd("-c 8 -R 500 -d 500ms --warmup 500ms");
    run.assert_met();
    assert_eq!(run.count("achieved.requested"), 250);
    assert_eq!(run.count("latency_us.count"), 250);
    assert_eq!(server.get("frames"), 500);
}

#[test]
fn a_mix_of_requests() {
    let server = Server::start(&["framed"]);
    let words = ["-c", "8", "-n", "2000", "--mix", "echo=60,lookup=30,daytime=10"];
    let keys = ["--key", "165.165.80.80", "--key", "no such key"];
    let run = bench_words(&[server.address("framed")], &[&words[..], &keys].concat());
    run.assert_met();
    let kinds = ["daytime", "echo", "lookup"].map(|kind| run.count(&format!("kinds.{kind}.count")));
    assert_eq!(kinds.iter().sum::<u64>(), 2000);
    // Not exact shares, but the order is beyond chance in 2000 draws.
    assert!(0 < kinds[0] && kinds[0] < kinds[2] && kinds[2] < kinds[1], "{kinds:?}");
    server.wait_for_statistic("connections_open", 0);
    assert_eq!(server.statistics().get("frames"), 2000);
}

#[test]
fn the_same_seed_gives_the_same_load() {
    let load = || {
        let (run, _) = against_readyd("-c 1 -n 300 -s 0-500 --mix echo=50,daytime=50 --seed 7");
        run.assert_met();
        (run.count("achieved.bytes_sent"), run.count("kinds.echo.count"))
    };
    assert_eq!(load(), load());
}

#[test]
fn an_idle_herd_that_speaks_at_once() {
    let (run, server) = against_readyd("-c 100 --herd 300ms -d 1s");
    assert_eq!(run.status, Some(0), "{:#}", run.short());
    assert_eq!(run.count("achieved.connections_peak"), 100);
    // At once, and at 0.3, 0.6 and 0.9 s.
    let requested = run.count("achieved.requested");
    assert_eq!(requested, 400, "{:#}", run.short());
    assert_eq!(run.count("achieved.answered"), requested);
    assert_eq!(server.get("frames"), requested);
}

#[test]
fn storms_in_which_all_return() {
    let (run, server) = against_readyd("-c 50 --storm 400ms -d 1s --backoff 5ms");
    assert_eq!(run.status, Some(0), "{:#}", run.short());
    let storms = run.list("storms");
    assert!(!storms.is_empty(), "{:#}", run.short());
    for storm in &storms[..1] {
        assert_eq!((&storm["dropped"], &storm["served"]), (&50.into(), &50.into()), "{storm:#}");
        assert_eq!(storm["served_us"]["count"], 50, "{storm:#}");
        assert!(storm["all_served_s"].is_number(), "{storm:#}");
    }
    assert_eq!(server.get("connections_accepted"), run.count("achieved.connections_opened"));
    assert!(server.get("connections_accepted") >= 100);
}

#[test]
fn idle_connections_say_nothing() {
    let (run, server) = against_readyd("-c 4 -I 200 -n 400 --no-probe");
    run.assert_met();
    assert_eq!(run.count("achieved.connections_established"), 204);
    assert_eq!(run.count("achieved.connections_peak"), 204);
    assert_eq!((server.get("connections_accepted"), server.get("frames")), (204, 400));
    assert_eq!(server.get("connections_peak"), 204);
}

#[test]
fn slow_readers_and_writers_do_not_hold_up_the_others() {
    let arguments = "-c 4 -n 400 --slow-readers 3 --slow-writers 2 --slow-rate 1KiB";
    let (run, server) = against_readyd(arguments);
    assert_eq!(run.status, Some(0), "{:#}", run.short());
    assert_eq!(run.count("achieved.answered"), 400);
    assert_eq!(run.count("slow.established"), 5);
    assert_eq!(run.count("slow.closed_by_server"), 0);
    assert_eq!(server.get("connections_accepted"), 9);
}

#[test]
fn slow_writers_that_the_server_throws_out() {
    let server = Launch::of(&["framed"]).args(&["--frame-timeout", "200ms"]).start();
    let arguments = "-c 2 -d 1s --slow-writers 4 --slow-rate 10";
    let run = bench(&[server.address("framed")], arguments);
    assert_eq!(run.count("slow.established"), 4);
    assert_eq!(run.count("slow.closed_by_server"), 4, "{:#}", run.short());
}

#[test]
fn two_worker_processes_add_up() {
    let (run, server) = against_readyd("-c 40 -n 4000 --workers 2");
    run.assert_met();
    assert_eq!(run.count("achieved.verified"), 4000);
    assert_eq!(run.count("latency_us.count"), 4000);
    assert_eq!(run.count("achieved.connections_established"), 40);
    assert_eq!((server.get("frames"), server.get("connections_accepted")), (4000, 40));
}

#[test]
fn two_worker_processes_keep_one_schedule() {
    let (run, server) = against_readyd("-c 10 -R 500 -d 1s --workers 2");
    run.assert_met();
    assert_eq!((run.count("achieved.requested"), server.get("frames")), (500, 500));
}

#[test]
fn many_source_addresses() {
    let sources = [2, 3, 4, 5].map(|last| IpAddr::from(Ipv4Addr::new(127, 0, 0, last)));
    for given in ["127.0.0.2-127.0.0.5", "127.0.0.2,127.0.0.3,127.0.0.4-127.0.0.5"] {
        let server = Misbehaving::start(Fault::Nothing);
        let run = bench(&[server.address()], &format!("-c 12 -n 120 --source {given}"));
        run.assert_met();
        assert_eq!(run.list("asked.sources").len(), 4, "{given}");
        assert_eq!(server.finish().peers, sources.into(), "{given}");
    }
}

#[test]
fn several_targets_share_the_connections() {
    let servers = [(); 3].map(|()| Misbehaving::start(Fault::Nothing));
    let addresses = servers.each_ref().map(Misbehaving::address);
    let run = bench(&addresses, "-c 9 -n 900");
    run.assert_met();
    let accounts = servers.map(Misbehaving::finish);
    assert_eq!(accounts.each_ref().map(|account| account.accepted), [3, 3, 3]);
    assert_eq!(accounts.iter().map(|account| account.misdeeds.requests).sum::<u64>(), 900);
}

#[test]
fn connections_are_opened_at_a_rate() {
    let (run, server) = against_readyd("-c 20 -n 20 --connect-rate 100 --connect-parallel 2");
    run.assert_met();
    // The twentieth is due after the nineteenth pause, however busy the machine.
    assert!(run.number("achieved.connect_elapsed_s") >= 0.18, "{:#}", run.short());
    assert_eq!(server.get("connections_accepted"), 20);
}

#[test]
fn the_plain_services() {
    let services = ["echo", "daytime", "time", "discard", "chargen", "greeting"];
    let server = Server::start(&services);
    let services = services.map(|service| (service, server.address(service)));
    assert_eq!(plain_services_that_fall_short(services), Vec::<String>::new());
}
