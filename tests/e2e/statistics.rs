//! What a server tells of itself: in its first log line, in the statistics, to the kernel.

use crate::support::server::Statistics;
use crate::support::{Client, Launch, Server, eventually};
use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::time::Duration;

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The names in the table of docs/statistics.md.
pub(crate) fn documented_names() -> Vec<&'static str> {
    let document = include_str!("../../docs/statistics.md");
    let name = |line: &'static str| line.strip_prefix("| `")?.split_once('`').map(|(name, _)| name);
    document.lines().filter_map(name).collect()
}

fn names(reply: &str) -> Vec<&str> {
    reply.lines().map(|line| line.split_once(' ').expect("a name and a value").0).collect()
}

#[test]
fn field_server_20_the_first_log_line_tells_version_and_process() {
    let server = Server::start(&["framed"]);
    let first = &server.log().all()[0];
    assert!(first.ends_with(&format!(" INFO  readyd {VERSION}, pid {}", server.pid())), "{first}");
}

#[test]
fn field_server_20_a_server_tells_the_documented_names_and_its_limits() {
    let limits = ["--max-connections", "7", "--memory-limit", "3MiB"];
    let server = Launch::of(&["framed"]).args(&limits).start();
    let mut client = server.connect("framed");
    let reply = client.ask("STATS");
    let documented = documented_names();
    let without_shards: Vec<&str> =
        documented.into_iter().filter(|name| !name.starts_with("shards")).collect();
    assert_eq!(names(&reply), without_shards);
    for stats in [Statistics::from_reply(&reply), server.statistics()] {
        assert_eq!(stats.text("version"), VERSION);
        assert_eq!(stats.get("pid"), server.pid().as_raw() as u64);
        assert_eq!(stats.get("connections_max"), 7);
        assert_eq!(stats.get("memory_limit_bytes"), 3 << 20);
        assert!(stats.get("longest_turn_microseconds") > 0, "there have been turns: {stats:?}");
    }
}

#[test]
fn field_server_20_processor_time_and_memory_are_those_that_the_kernel_tells() {
    // A tick of the kernel's clock, in which /proc counts.
    const TICK: Duration = Duration::from_millis(10);
    let server = Server::start(&["framed"]);
    let mut client = server.connect("framed");
    let mut ask = || Statistics::from_reply(&client.ask("STATS"));
    let before = server.processor_time();
    let told = ask().get("cpu_microseconds");
    let after = server.processor_time();
    let told_time = Duration::from_micros(told);
    assert!(told_time + 2 * TICK >= before && told_time <= after + 2 * TICK, "{told_time:?}");
    eventually("more processor time to be told", || {
        (ask().get("cpu_microseconds") > told).then_some(())
    });
    // The kernel adds up what processes have in use now and then; statm(5) may be some pages off.
    let resident = ask().get("resident_bytes") as f64;
    let kernels = server.memory().resident as f64;
    assert!((0.5..2.0).contains(&(resident / kernels)), "{resident} bytes, and not {kernels}");
}

/// The kind of the timer of the server's end of a connection: 0 none, 1 to send again, 2 keepalive
/// or a delayed acknowledgement, proc_net_tcp(5).
fn timer_of(server: SocketAddr, client: SocketAddr) -> Option<String> {
    let hex = |address: SocketAddr| format!(":{:04X}", address.port());
    let table = fs::read_to_string("/proc/net/tcp").expect("the kernel's list of sockets");
    let is_it = |line: &&str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        fields[1].ends_with(&hex(server)) && fields[2].ends_with(&hex(client))
    };
    let line = table.lines().find(is_it)?;
    let timer = line.split_whitespace().nth(5).expect("a timer");
    timer.split(':').next().map(str::to_owned)
}

/// Waits until the kernel has set a timer for the server's end, with nothing to be sent or
/// acknowledged.
pub(crate) fn wait_for_keepalive(server: SocketAddr, client: &Client) {
    eventually("a keepalive timer", || (timer_of(server, client.address())? == "02").then_some(()));
}

#[test]
fn field_server_20_clients_are_kept_alive_if_that_is_asked_for() {
    let timeouts = ["--tcp-keepalive", "1h", "--tcp-user-timeout", "1m"];
    let server = Launch::of(&["framed"]).args(&timeouts).start();
    let mut client = server.connect("framed");
    client.ask("ECHO");
    wait_for_keepalive(server.address("framed"), &client);

    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let launch = Launch::of(&["framed=fd:0"]).args(&timeouts).stdin(OwnedFd::from(listener));
    let inheritor = launch.start();
    let mut client = inheritor.connect("framed");
    client.ask("ECHO");
    wait_for_keepalive(inheritor.address("framed"), &client);

    let without = Server::start(&["framed"]);
    let mut client = without.connect("framed");
    client.ask("ECHO");
    // A delayed acknowledgement has the same kind of timer, for a moment.
    eventually("no timer", || {
        (timer_of(without.address("framed"), client.address())? == "00").then_some(())
    });
}
