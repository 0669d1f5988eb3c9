//! What a load run tells of the server's side: processor time, memory and the server's own counts.

use crate::support::bench::{Run, asking_bench_command, run_command};
use crate::support::readyc::{self, command, stand_in};
use crate::support::tools::{self, Process, SHELL};
use crate::support::{Client, Launch, Scratch, Server, eventually, frame, loopback_of_ones_own};
use nix::unistd::geteuid;
use std::fmt::Display;
use std::io::Read;
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::sync::mpsc;

/// The port of nginx on a loopback address that no other process uses.
const NGINX: u16 = 8304;

fn bench<A: Display>(targets: &[A], arguments: &str) -> Run {
    bench_words(targets, &arguments.split_whitespace().collect::<Vec<_>>())
}

fn bench_words<A: Display>(targets: &[A], words: &[&str]) -> Run {
    run_command(&mut asking_bench_command(targets, words))
}

/// Checks that the only server of the run counted what the client did, and nothing of readyc's own
/// questions.
fn assert_same_counts(run: &Run) {
    let pairs = [
        ("requests", "sent"),
        ("connections_accepted", "connections_opened"),
        ("bytes_in", "bytes_sent"),
        ("bytes_out", "bytes_received"),
    ];
    for (server, client) in pairs {
        let told = run.count(&format!("server.servers.0.counts.{server}"));
        let counted = run.count(&format!("achieved.{client}"));
        assert_eq!(told, counted, "{server}: {:#}", run.short());
    }
    assert_eq!(run.list("server.servers").len(), 1, "{:#}", run.short());
    assert_eq!(run.list("server.notes").len(), 0, "{:#}", run.short());
}

/// Checks that processor time and memory are told, and are such as they may be.
fn assert_has_figures(run: &Run) {
    let each = run.number("server.cpu_us_per_request");
    assert!((0.1..100_000.0).contains(&each), "{each}: {:#}", run.short());
    let share = run.number("server.cpu_share");
    assert!(share > 0.0 && share < 1024.0, "{share}: {:#}", run.short());
    let level = |name: &str| run.count(&format!("server.resident_bytes.{name}"));
    assert!(level("before") > 100_000, "{:#}", run.short());
    assert!(level("max") >= level("before").max(level("after")), "{:#}", run.short());
}

#[test]
fn the_server_counted_what_the_client_sent() {
    let server = Server::start(&["framed"]);
    for words in ["-c 4 -n 3000", "-c 3 -P 8 -d 300ms", "-c 4 -d 300ms -R 500", "-c 2 -n 2000 -P 9"]
    {
        let run = bench(&[server.address("framed")], words);
        run.assert_met();
        assert_same_counts(&run);
        assert_has_figures(&run);
        let pid = server.pid().as_raw() as u64;
        assert_eq!(run.count("server.servers.0.pid"), pid, "{words}");
        assert_eq!(run.count("server.servers.0.processes"), 1, "{words}");
        assert_eq!(run.value("server.servers.0.program"), "readyd", "{words}");
        assert!(run.count("server.servers.0.counts.turns") > 0, "{words}");
    }
}

#[test]
fn questions_to_idle_connections_are_no_part_of_the_counts() {
    let server = Server::start(&["framed"]);
    let run = bench(&[server.address("framed")], "-c 4 -I 30 -n 1000");
    run.assert_met();
    // The questions were sent before the measured part.
    assert_eq!(run.count("server.requests"), 1000, "{:#}", run.short());
    assert_eq!(run.count("server.connections_accepted"), 34, "{:#}", run.short());
}

#[test]
fn shards_are_one_server_with_their_supervisor() {
    let server = Launch::of(&["framed"]).args(&["--shards", "2"]).start();
    let run = bench(&[server.address("framed")], "-c 8 -n 3000");
    run.assert_met();
    assert_same_counts(&run);
    assert_has_figures(&run);
    assert_eq!(run.count("server.servers.0.processes"), 3, "{:#}", run.short());
}

#[test]
fn a_server_with_two_addresses_is_one() {
    let scratch = Scratch::new();
    let path = scratch.path("socket");
    let unix = format!("framed=unix:{}", path.display());
    let server = Launch::of(&["framed", "framed", &unix]).start();
    let mut targets: Vec<String> =
        server.addresses_of("framed").iter().map(SocketAddr::to_string).collect();
    targets.push(format!("unix:{}", path.display()));
    let run = bench(&targets, "-c 6 -n 1200");
    run.assert_met();
    assert_same_counts(&run);
    assert_eq!(run.list("server.servers.0.addresses").len(), 3, "{:#}", run.short());
}

#[test]
fn two_servers_are_told_each_and_together() {
    let servers = [Server::start(&["framed"]), Server::start(&["framed"])];
    let run = bench(&[servers[0].address("framed"), servers[1].address("framed")], "-c 4 -n 2000");
    run.assert_met();
    assert_has_figures(&run);
    assert_eq!(run.list("server.servers").len(), 2, "{:#}", run.short());
    assert_eq!(run.count("server.requests"), 2000, "{:#}", run.short());
}

#[test]
fn a_full_server_serves_the_load_first() {
    let server = Launch::of(&["framed"]).args(&["--max-connections", "4"]).start();
    let run = bench(&[server.address("framed")], "-c 4 -n 2000");
    run.assert_met();
    assert_same_counts(&run);
    assert_has_figures(&run);
}

#[test]
fn a_server_in_a_pid_namespace_is_told_by_its_statistics_alone() {
    if !geteuid().is_root() {
        return tools::skip("a PID namespace takes root's rights");
    }
    let Some(unshare) = tools::find("unshare") else { return };
    let wrapper = [unshare.to_str().expect("UTF-8"), "--pid", "--fork", "--kill-child"];
    let server = Launch::of(&["framed"]).wrapper(&wrapper).start();
    let run = bench(&[server.address("framed")], "-c 4 -n 3000");
    run.assert_met();
    assert_same_counts(&run);
    assert_has_figures(&run);
    // Its number there is another process's here.
    assert_eq!(run.count("server.servers.0.pid"), 1, "{:#}", run.short());
    assert!(run.value("server.servers.0.processes").is_null(), "{:#}", run.short());
    // The user knows better.
    let pid = server.pid().to_string();
    let words = ["-c", "4", "-n", "3000", "--server-pid", &pid];
    let run = bench_words(&[server.address("framed")], &words);
    assert_same_counts(&run);
    assert_has_figures(&run);
    assert_eq!(run.value("server.servers.0.pid").to_string(), pid, "{:#}", run.short());
}

#[test]
fn a_plain_service_is_never_asked_and_its_process_may_be_named() {
    let server = Server::start(&["echo"]);
    let address = server.address("echo");
    let run = bench(&[address], "--plain echo -c 4 -n 2000");
    run.assert_met();
    assert!(run.value("server").is_null(), "{:#}", run.short());
    let pid = server.pid().to_string();
    let words = ["--plain", "echo", "-c", "4", "-n", "2000", "--server-pid", &pid];
    let run = bench_words(&[address], &words);
    run.assert_met();
    assert_has_figures(&run);
    assert!(run.value("server.servers.0.counts").is_null(), "{:#}", run.short());
    // What it had to echo is what the load sent: nothing was asked.
    assert_eq!(server.statistics().get("connections_accepted"), 8);
}

/// The next request of a client; none if it has closed.
fn request(client: &mut Client) -> Option<String> {
    let mut header = [0; 64];
    client.stream.read_exact(&mut header).ok()?;
    let length = str::from_utf8(&header).expect("digits and spaces").trim();
    let mut body = vec![0; length.parse().expect("a length")];
    client.stream.read_exact(&mut body).ok()?;
    Some(String::from_utf8_lossy(&body).into_owned())
}

#[test]
fn a_local_server_that_is_not_readyd_is_not_asked() {
    let (sender, requests) = mpsc::channel();
    let server = stand_in(move |mut client| {
        while let Some(body) = request(&mut client) {
            sender.send(body.clone()).expect("the test runs");
            let answer = match body.strip_prefix("ECHO ") {
                Some(text) => text.to_owned(),
                None => "Error: unknown command".to_owned(),
            };
            client.send(&frame(&answer));
        }
    });
    let run = bench(&[server], "-c 2 -n 100");
    run.assert_met();
    assert_eq!(run.count("achieved.sent"), 100, "{:#}", run.short());
    assert_eq!(run.list("server.servers").len(), 0, "{:#}", run.short());
    let note = run.list("server.notes")[0].as_str().expect("a sentence");
    assert!(note.contains(" is served by ") && note.contains("is not asked for STATS"), "{note}");
    assert_eq!(run.list("notes").len(), 0, "{:#}", run.short());
    let strange = |body: &String| !body.starts_with("ECHO ");
    assert_eq!(requests.try_iter().filter(strange).count(), 0);
    let run = bench(&[server], "-c 2 -n 100 --no-server-stats");
    run.assert_met();
    assert!(run.value("server").is_null(), "{:#}", run.short());
    assert_eq!(requests.try_iter().filter(strange).count(), 0);
}

#[test]
fn a_process_that_is_not_there_is_told_before_the_run() {
    let ended = readyc::run(&mut command(&["bench", "--server-pid", "4194999"]), b"");
    let why = "--server-pid: there is no process 4194999 on this machine (ps -e lists them)";
    assert_eq!(ended, readyc::Ended::failed(1, why));
    for wrong in ["0", "x", "-1"] {
        let words = ["bench", &format!("--server-pid={wrong}")];
        assert_eq!(readyc::run(&mut command(&words), b"").status, Some(2), "{wrong}");
    }
}

#[test]
fn a_process_that_ends_in_the_run_is_told() {
    let server = Server::start(&["framed"]);
    let mut short_lived = Command::new(SHELL);
    short_lived.args(["-c", "read line"]).stdin(Stdio::piped());
    let mut process = Process::start(&mut short_lived);
    let pid = process.id().to_string();
    // It ends when the pipe does: as soon as the server has had a request.
    let input = process.child.stdin.take();
    let ender = std::thread::spawn({
        let address = server.address("framed");
        move || {
            let asked = || {
                let mut client = Client::connect(address);
                let stats = client.ask("STATS");
                let requests = stats.lines().find_map(|line| line.strip_prefix("requests "));
                let requests: u64 = requests.expect("a count").parse().expect("a number");
                (requests > 500).then_some(())
            };
            eventually("the load to begin", asked);
            drop(input);
        }
    });
    let words = ["-c", "2", "-d", "1500ms", "-R", "1000", "--server-pid", &pid];
    let run = bench_words(&[server.address("framed")], &words);
    ender.join().expect("the pipe to be closed");
    process.wait();
    let note = run.list("server.notes")[0].as_str().expect("a sentence");
    assert!(note.starts_with(&format!("process {pid} ended before")), "{note}");
    assert!(run.value("server.cpu_s").is_null(), "{:#}", run.short());
}

#[test]
fn a_server_that_forks_is_told_with_its_workers() {
    let Some(program) = tools::find("nginx") else { return };
    let (scratch, host) = (Scratch::new(), loopback_of_ones_own());
    let config = format!(
        "worker_processes 2; daemon off; pid {0}/pid; error_log {0}/log; events {{}}\nhttp {{ \
         access_log off; client_body_temp_path {0}; proxy_temp_path {0}; fastcgi_temp_path {0}; \
         uwsgi_temp_path {0}; scgi_temp_path {0};\nserver {{ listen {host}:{NGINX}; \
         keepalive_requests 100000; location / {{ return 200 ok; }} }} }}\n",
        scratch.path("").display()
    );
    let config = scratch.write("nginx.conf", &config);
    let mut nginx = Command::new(program);
    nginx.arg("-c").arg(config).arg("-e").arg(scratch.path("log"));
    nginx.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut process = Process::start(&mut nginx);
    let address = SocketAddr::from((host, NGINX));
    process.wait_to_listen(address);
    let pid = process.id().to_string();
    let request = r"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    let words = ["-c", "4", "-n", "3000", "--send", request, "--until", "ok", "--server-pid", &pid];
    let run = bench_words(&[address], &words);
    run.assert_met();
    assert_has_figures(&run);
    assert_eq!(run.value("server.servers.0.program"), "nginx", "{:#}", run.short());
    assert_eq!(run.count("server.servers.0.processes"), 3, "{:#}", run.short());
}
