//! Metrics listeners, as Prometheus, balancers and people use them.

use crate::command_line::{Ended, ended};
use crate::support::server::{READYD, Server};
use crate::support::tools::{self, Process};
use crate::support::{Client, Launch, Scratch, eventually};
use nix::sys::signal::Signal;
use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Stdio};

/// The answer to a request on a connection of its own: the head, and the body.
fn get(address: SocketAddr, path: &str) -> (String, String) {
    let mut client = Client::connect(address);
    client.send(format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").as_bytes());
    let answer = String::from_utf8(client.read_to_end()).expect("text");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
    (head.to_owned(), body.to_owned())
}

fn status(address: SocketAddr, path: &str) -> u16 {
    let (head, _) = get(address, path);
    head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status")
}

/// The value of the sample `name` among the metrics.
fn value(address: SocketAddr, name: &str) -> f64 {
    let (_, body) = get(address, "/metrics");
    let line = body.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {name} in {body}")).parse().expect("a number")
}

/// `readyd --health ADDRESS`.
fn health(address: &str) -> Ended {
    ended(Command::new(READYD).args(["--health", address]))
}

fn is_well(ended: &Ended, status: i32, line: &str) {
    assert_eq!((ended.status, ended.stdout.as_str()), (Some(status), line), "{}", ended.stderr);
    assert_eq!(ended.stderr, "");
}

/// Runs promtool with these arguments and this input; it must have no complaint.
fn promtool(arguments: &[&str], input: &str) {
    let Some(program) = tools::find("promtool") else { return };
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut process = command.spawn().expect("promtool");
    let mut stdin = process.stdin.take().expect("a pipe");
    // It may end before it has read everything; its status tells.
    let _ = stdin.write_all(input.as_bytes());
    drop(stdin);
    let output = process.wait_with_output().expect("promtool ends");
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&said));
}

/// Metrics of a server with some traffic behind it.
fn busy(server: &Server) -> String {
    let mut client = server.connect("framed");
    for _ in 0..200 {
        assert_eq!(client.ask("ECHO x"), "x");
    }
    get(server.address("metrics"), "/metrics").1
}

#[test]
fn promtool_has_no_complaint() {
    let server = Server::start(&["framed", "metrics"]);
    promtool(&["check", "metrics"], &busy(&server));
    let server = Launch::of(&["framed", "metrics"]).args(&["--shards", "2"]).start();
    promtool(&["check", "metrics"], &busy(&server));
}

#[test]
fn the_alert_rules_are_tested() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/prometheus");
    let file = |name: &str| folder.join(name).to_str().expect("UTF-8").to_owned();
    promtool(&["check", "rules", &file("readyd.rules.yml")], "");
    promtool(&["test", "rules", &file("readyd.rules.test.yml")], "");
    promtool(&["check", "config", &file("prometheus.yml")], "");
}

/// What the rules ask for is there, under these names.
#[test]
fn every_metric_of_the_alert_rules_exists() {
    let rules = fs::read_to_string(
        Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/prometheus/readyd.rules.yml"),
    );
    let rules = rules.expect("the rules");
    let server = Launch::of(&["framed", "metrics"]).args(&["--shards", "2"]).start();
    let text = busy(&server);
    let is_of_names = |c: char| c.is_ascii_lowercase() || c == '_';
    let words = rules.split(|c| !is_of_names(c)).filter(|word| word.starts_with("readyd_"));
    let words: Vec<&str> = words.collect();
    assert!(words.len() > 10, "{words:?}");
    for word in words {
        let is_it =
            |line: &str| line.strip_prefix(word).is_some_and(|it| it.starts_with([' ', '{']));
        assert!(text.lines().any(is_it), "{word}");
    }
}

#[test]
fn a_real_prometheus_scrapes_it() {
    let Some(program) = tools::find("prometheus") else { return };
    let scratch = Scratch::new();
    let server = Server::start(&["framed", "metrics"]);
    let target = server.address("metrics");
    let configuration = format!(
        "global: {{scrape_interval: 200ms, scrape_timeout: 200ms}}\nscrape_configs:\n\
         - {{job_name: readyd, static_configs: [{{targets: [\"{target}\"]}}]}}\n"
    );
    let file = scratch.write("prometheus.yml", &configuration);
    // Another program may take the port in between; then this Prometheus ends, and the test fails.
    let free = TcpListener::bind("127.0.0.1:0").and_then(|it| it.local_addr()).expect("a port");
    let mut command = Command::new(program);
    command.arg(format!("--config.file={}", file.display()));
    command.arg(format!("--storage.tsdb.path={}", scratch.path("data").display()));
    command.arg(format!("--web.listen-address={free}"));
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut prometheus = Process::start(&mut command);
    let mut answer_has = |query: &str, text: &str| {
        assert!(!prometheus.has_ended(), "prometheus has ended");
        let mut stream = std::net::TcpStream::connect(free).ok()?;
        let question = format!("GET /api/v1/query?query={query} HTTP/1.0\r\n\r\n");
        stream.write_all(question.as_bytes()).ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        answer.contains(text).then_some(())
    };
    eventually("a scrape", || answer_has("up", "\"1\""));
    let counted = "count(readyd_turn_duration_seconds_bucket)";
    eventually("a histogram", || answer_has(counted, "\"22\""));
    busy(&server);
    eventually("its counters", || answer_has("readyd_frames_total", "\"200\""));
    drop(prometheus);
}

#[test]
fn health_is_asked_without_a_shell() {
    let scratch = Scratch::new();
    let socket = format!("unix:{}", scratch.path("metrics").display());
    let listeners = ["framed", "metrics", &format!("metrics={socket}")];
    let mut server = Launch::of(&listeners).args(&["--drain-timeout", "60s"]).start();
    let address = server.addresses_of("metrics")[0];
    for address in [address.to_string(), format!("localhost:{}", address.port()), socket.clone()] {
        is_well(&health(&address), 0, "ready\n");
    }
    let mut client = server.connect("framed");
    client.send(b"7");
    server.signal(Signal::SIGTERM);
    server.wait_for_log("draining");
    eventually("the drain", || (status(address, "/readyz") == 503).then_some(()));
    is_well(&health(&address.to_string()), 3, "draining\n");
    assert_eq!(status(address, "/healthz"), 200);
    drop(client);
    assert!(server.wait_for_exit().success());
    let nobody = health(&address.to_string());
    assert_eq!((nobody.status, nobody.stdout.as_str()), (Some(1), ""));
    let line = format!("readyd: --health {address}: Connection refused (os error 111)\n");
    assert_eq!(nobody.stderr, line);
    let wrong = health("nowhere");
    assert_eq!(wrong.status, Some(2), "{}", wrong.stderr);
}

#[test]
fn a_balancer_has_time_to_notice() {
    let mut server = Launch::of(&["framed", "metrics"]).args(&["--drain-delay", "1s"]).start();
    let address = server.address("metrics");
    assert_eq!(status(address, "/readyz"), 200);
    server.signal(Signal::SIGTERM);
    server.wait_for_log(" in 1s (--drain-delay)");
    assert_eq!(status(address, "/readyz"), 503);
    // Clients that come meanwhile are let in and served.
    let mut client = server.connect("framed");
    assert_eq!(client.ask("ECHO x"), "x");
    assert_eq!(client.read_to_end(), b"");
    drop(client);
    assert!(server.wait_for_exit().success());
}

#[test]
fn a_probe_fills_no_log_and_holds_up_no_stop() {
    let mut server = Server::start(&["framed", "metrics"]);
    let mut keeping = server.connect("metrics");
    keeping.send(b"GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n");
    keeping.expect("HTTP/1.1 200 OK\r\n");
    for _ in 0..10 {
        assert_eq!(status(server.address("metrics"), "/healthz"), 200);
    }
    assert_eq!(server.log().containing(" connected "), Vec::<String>::new());
    assert_eq!(server.log().containing(" closed: "), Vec::<String>::new());
    server.signal(Signal::SIGTERM);
    // At once, though the drain could take 10 s.
    assert!(server.wait_for_exit().success());
    server.log().wait_for("stopped: 11 connections, 11 requests");
}

#[test]
fn statistics_are_only_for_those_addresses() {
    let confined = ["--stats-from", "192.0.2.0/24"];
    let server = Launch::of(&["framed", "metrics"]).args(&confined).start();
    let refused = "Error: this address may not read statistics (--stats-from)";
    assert_eq!(server.connect("framed").ask("STATS"), refused);
    assert_eq!(server.connect("framed").ask("STATS shards"), refused);
    assert_eq!(status(server.address("metrics"), "/metrics"), 403);
    assert_eq!(status(server.address("metrics"), "/readyz"), 200);
    drop(server);
    let both = ["--stats-from", "192.0.2.0/24,127.0.0.0/8"];
    let server = Launch::of(&["framed", "metrics"]).args(&both).start();
    assert!(server.connect("framed").ask("STATS").starts_with("uptime_seconds "));
    assert_eq!(status(server.address("metrics"), "/metrics"), 200);
}

#[test]
fn any_shard_tells_the_sum_and_each() {
    let scratch = Scratch::new();
    let path = scratch.path("metrics");
    let listeners = ["framed", "metrics", &format!("metrics=unix:{}", path.display())];
    let server = Launch::of(&listeners).args(&["--shards", "3"]).start();
    let mut clients: Vec<Client> = (0..30).map(|_| server.connect("framed")).collect();
    clients.iter_mut().for_each(|client| assert_eq!(client.ask("ECHO x"), "x"));
    let address = server.addresses_of("metrics")[0];
    eventually("all shards' counters", || {
        (value(address, "readyd_frames_total") == 30.0).then_some(())
    });
    let (_, text) = get(address, "/metrics");
    let of = |shard| {
        let name = format!("readyd_shard_frames_total{{shard=\"{shard}\"}} ");
        let value = text.lines().find_map(|line| line.strip_prefix(&name)).expect("each shard");
        value.parse::<u64>().expect("a count")
    };
    assert_eq!((1..=3).map(of).sum::<u64>(), 30);
    // All shards measure, also those that have no metrics listener.
    eventually("all histograms", || {
        let each = (1..=3).all(|shard| {
            let count = format!("readyd_shard_turn_duration_seconds_count{{shard=\"{shard}\"}}");
            value(address, &count) > 0.0
        });
        each.then_some(())
    });
    let mut local = UnixStream::connect(&path).expect("it listens");
    local.write_all(b"GET /metrics HTTP/1.0\r\n\r\n").expect("it reads");
    let mut answer = String::new();
    local.read_to_string(&mut answer).expect("it answers and closes");
    assert!(answer.contains("\nreadyd_shards 3\n"), "{answer}");
}

#[test]
fn it_is_watched_while_all_places_are_taken() {
    let one = ["--max-connections", "1"];
    let server = Launch::of(&["framed", "metrics"]).args(&one).start();
    let mut client = server.connect("framed");
    assert_eq!(client.ask("ECHO x"), "x");
    let waiting = server.connect("framed");
    let address = server.address("metrics");
    eventually("the pause", || (value(address, "readyd_accept_pauses_total") > 0.0).then_some(()));
    assert_eq!(value(address, "readyd_connections_max"), 1.0);
    drop((client, waiting));
}

#[cfg(all(feature = "client", feature = "trace"))]
#[test]
fn a_captured_server_with_metrics_runs_again_call_by_call() {
    use crate::support::readyc::{command, run};
    let scratch = Scratch::new();
    let (path, trace) = (scratch.path("capture"), scratch.path("trace"));
    let (path, trace) = (path.to_str().expect("UTF-8"), trace.to_str().expect("UTF-8"));
    let arguments = ["--capture", path, "--drain-delay", "100ms", "--stats-from", "127.0.0.1"];
    let mut server = Launch::of(&["framed", "metrics"]).args(&arguments).start();
    // More than 64 visits, so that one was asked how long it has waited.
    busy(&server);
    assert_eq!(status(server.address("metrics"), "/readyz"), 200);
    server.connect("metrics").send(b"GET /met");
    server.signal(Signal::SIGTERM);
    assert!(server.wait_for_exit().success());
    for level in ["exact", "outcome"] {
        let words = ["replay", path, "--level", level, "--trace", trace];
        let ended = run(&mut command(&words), b"");
        assert_eq!((ended.status, ended.stderr.as_str()), (Some(0), ""), "{level}");
        assert!(ended.stdout.contains("then the server stopped\n"), "{}", ended.stdout);
        let told = run(&mut command(&["trace", trace]), b"");
        assert_eq!(told.status, Some(0), "{}", told.stderr);
        assert!(told.stdout.contains("listener 1: a client waits"), "{}", told.stdout);
    }
}
