//! Loads on other people's servers: custom requests and the plain services.

use crate::support::bench::{Run, bench, bench_words, plain_services_that_fall_short};
use crate::support::tools::{self, Process};
use crate::support::{Scratch, loopback_of_ones_own};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::process::{Command, Stdio};

/// The ports of servers on a loopback address that no other process uses; each test has its own.
const REDIS: u16 = 8301;
const MEMCACHED: u16 = 8302;
const SOCAT: u16 = 8303;

/// Starts a server and waits until it listens on `port`.
fn start(command: &mut Command, host: Ipv4Addr, port: u16) -> (Process, SocketAddr) {
    let address = SocketAddr::from((host, port));
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut process = Process::start(command);
    process.wait_to_listen(address);
    (process, address)
}

/// Checks that 1000 requests were made and all answered as expected.
fn assert_all_verified(run: &Run) {
    run.assert_met();
    run.assert_mismatches(&[]);
    assert_eq!(run.count("achieved.sent"), 1000, "{:#}", run.short());
    assert_eq!(run.count("achieved.verified"), 1000, "{:#}", run.short());
}

#[test]
fn redis() {
    let Some(program) = tools::find("redis-server") else { return };
    let (scratch, host) = (Scratch::new(), loopback_of_ones_own());
    let mut command = Command::new(program);
    command.args(["--bind", &host.to_string(), "--port", &REDIS.to_string()]);
    command.args(["--save", "", "--appendonly", "no", "--dir"]).arg(scratch.path(""));
    let (_redis, address) = start(&mut command, host, REDIS);
    let load = ["-c", "8", "-P", "4", "-n", "1000"];
    let ping = ["--send", r"PING\r\n", "--expect", r"+PONG\r\n"];
    assert_all_verified(&bench_words(&[address], &[&load[..], &ping].concat()));
    // Another answer than the expected one is a mismatch, each of them.
    let wrong = ["--send", r"PING\r\n", "--expect", r"+PUNG\r\n"];
    let run = bench_words(&[address], &[&load[..], &wrong].concat());
    run.assert_fell_short();
    assert_eq!(run.count("achieved.verified"), 0, "{:#}", run.short());
}

#[test]
fn memcached() {
    let Some(program) = tools::find("memcached") else { return };
    let host = loopback_of_ones_own();
    let mut command = Command::new(program);
    // As root it insists on another user's name.
    command.args([
        "-l",
        &host.to_string(),
        "-p",
        &MEMCACHED.to_string(),
        "-U",
        "0",
        "-u",
        "nobody",
    ]);
    let (_memcached, address) = start(&mut command, host, MEMCACHED);
    let load = ["-c", "8", "-P", "4", "-n", "1000", "--send", r"get nokey\r\n"];
    for answer in [["--expect", r"END\r\n"], ["--until", r"\r\n"], ["--expect-bytes", "5"]] {
        let run = bench_words(&[address], &[&load[..], &answer].concat());
        run.assert_met();
        assert_eq!(run.count("achieved.answered"), 1000, "{answer:?} {:#}", run.short());
        assert_eq!(run.count("achieved.bytes_received"), 5 * 1000, "{answer:?}");
    }
}

#[test]
fn socat() {
    let (Some(program), Some(_)) = (tools::find("socat"), tools::find("cat")) else { return };
    let host = loopback_of_ones_own();
    let listen = format!("TCP-LISTEN:{SOCAT},bind={host},fork,reuseaddr");
    let mut command = Command::new(program);
    let (_socat, address) = start(command.args([&listen, "EXEC:cat"]), host, SOCAT);
    assert_all_verified(&bench(&[address], "--plain echo -c 4 -P 4 -n 1000"));
    assert_all_verified(&bench(&[address], "--plain echo -c 4 -n 1000 -s 1-3000"));
}

/// The internet superserver, with its internal services. It knows them by the official ports only,
/// which not every user may bind.
fn inetd(scratch: &Scratch) -> Option<(Process, Ipv4Addr)> {
    let program = tools::find("inetutils-inetd")?;
    let host = loopback_of_ones_own();
    if let Err(error) = TcpListener::bind((host, 7)) {
        tools::skip(&format!("no right to listen on port 7: {error}"));
        return None;
    }
    let service = |name| format!("{host}:{name} stream tcp nowait root internal\n");
    let services: String = INETD_SERVICES.iter().map(|(name, _)| service(name)).collect();
    let config = scratch.write("inetd.conf", &services);
    let mut command = Command::new(program);
    // More than forty connections a minute are an attack unless one says otherwise.
    command.args(["--debug", "--rate=1000000"]);
    command.arg(format!("--pidfile={}", scratch.path("pid").display())).arg(config);
    let (process, _) = start(&mut command, host, 7);
    Some((process, host))
}

const INETD_SERVICES: &[(&str, u16)] =
    &[("echo", 7), ("discard", 9), ("daytime", 13), ("chargen", 19), ("time", 37)];

#[test]
fn inetd_services() {
    let scratch = Scratch::new();
    let Some((_inetd, host)) = inetd(&scratch) else { return };
    let services =
        INETD_SERVICES.iter().map(|&(name, port)| (name, SocketAddr::from((host, port))));
    assert_eq!(plain_services_that_fall_short(services), Vec::<String>::new());
    let echo = SocketAddr::from((host, 7));
    assert_all_verified(&bench(&[echo], "--plain echo -c 4 -P 4 -n 1000"));
    let daytime = SocketAddr::from((host, 13));
    assert_all_verified(&bench(&[daytime], "--plain daytime -c 4 -n 1000"));
}
