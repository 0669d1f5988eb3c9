//! What users met in load generators: ends and rates that are counted wrongly at the edges.

use crate::support::bench::{Run, bench, bench_words};
use crate::support::misbehaving::{Fault, Misbehaving};
use crate::support::readyc::{self, Ended, nobody_listens};
use crate::support::tools::{self, Process};
use crate::support::{Launch, Scratch, Server, loopback_of_ones_own};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixListener;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

/// The port of nginx, on a loopback address that no other process uses.
const NGINX: u16 = 8311;

/// A server that handles each connection so, in a thread of its own, until the test ends.
fn server(handle: fn(TcpStream)) -> SocketAddr {
    let listener = TcpListener::bind((loopback_of_ones_own(), 0)).expect("a listener");
    let address = listener.local_addr().expect("its address");
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || handle(stream));
        }
    });
    address
}

const PING: [&str; 4] = ["--send", r"PING\r\n", "--expect", r"+PONG\r\n"];

fn ping(address: SocketAddr, load: &str) -> Run {
    let load: Vec<&str> = load.split_whitespace().collect();
    bench_words(&[address], &[&load[..], &PING].concat())
}

#[test]
fn field_load_01_served_is_not_connected() {
    let server = Launch::of(&["framed"]).args(&["--max-connections", "10"]).start();
    let run =
        bench(&[server.address("framed")], "-c 5 -I 500 -d 500ms -t 1s --connect-parallel 600");
    run.assert_fell_short();
    let count = |name: &str| run.count(&format!("achieved.connections_{name}"));
    assert_eq!((count("established"), count("served")), (505, 10), "{:#}", run.short());
    let last = run.list("series").last().expect("a second");
    assert_eq!((&last["asked"], &last["served"]), (&505.into(), &10.into()));
    // Asking took its second, and connecting did not.
    assert!(run.number("achieved.connect_elapsed_s") < 0.9, "{:#}", run.short());
}

#[test]
fn field_load_01_idle_connections_are_probed_once() {
    let server = Server::start(&["framed", "echo"]);
    for (service, more) in [("framed", ""), ("framed", "-s 5000 --lifetime 1"), ("echo", "")] {
        let plain = if service == "echo" { "--plain echo" } else { "" };
        let run = bench(&[server.address(service)], &format!("-c 4 -I 100 -n 50 {plain} {more}"));
        run.assert_met();
        assert_eq!(run.count("achieved.connections_served"), 104, "{:#}", run.short());
        assert_eq!(run.count("latency_us.count"), 50, "{:#}", run.short());
    }
    server.wait_for_statistic("connections_open", 0);
    // Two runs of 50 requests and 100 probes.
    assert_eq!(server.statistics().get("frames"), 300);
}

#[test]
fn field_load_01_other_protocols_are_probed_only_if_told_so() {
    let answering = |mut stream: TcpStream| {
        let mut request = [0; 6];
        while stream.read_exact(&mut request).is_ok() && stream.write_all(b"+PONG\r\n").is_ok() {}
    };
    let address = server(answering);
    for (probe, served) in [("", 2), ("--probe", 12)] {
        let run = ping(address, &format!("-c 2 -I 10 -n 40 {probe}"));
        run.assert_met();
        assert_eq!(run.count("achieved.connections_served"), served, "{:#}", run.short());
        let is_off = run.value("asked.probe") == "off";
        assert_eq!(is_off, probe.is_empty());
    }
}

#[test]
fn field_load_01_a_connection_without_a_request_is_not_missed() {
    let server = Launch::of(&["framed"]).args(&["--max-connections", "10"]).start();
    let run = bench(&[server.address("framed")], "-c 8 -n 3");
    run.assert_met();
    let asked = 8 - run.count("achieved.connections_unasked");
    assert_eq!(run.count("achieved.connections_served"), asked);
}

#[test]
fn field_load_01_a_connection_that_was_never_established_is_accepted_by_no_kernel() {
    let server = Server::start(&["framed"]);
    let scratch = Scratch::new();
    let gone = scratch.path("gone.sock");
    drop(UnixListener::bind(&gone).expect("a socket file whose server is gone"));
    let (_held, nobody) = nobody_listens();
    let absent = [nobody.to_string(), format!("unix:{}", gone.display())];
    for absent in absent {
        let targets = [server.address("framed").to_string(), absent];
        for (probe, served, unprobed) in [("--no-probe", 4, 3), ("", 7, 0)] {
            let run = bench(&targets, &format!("-c 8 -I 6 -n 100 {probe}"));
            run.assert_fell_short();
            let count = |name: &str| run.count(&format!("achieved.connections_{name}"));
            assert_eq!((count("established"), count("failed")), (7, 7), "{:#}", run.short());
            assert_eq!((count("served"), count("unasked")), (served, 0), "{:#}", run.short());
            assert_eq!(count("unprobed"), unprobed, "{:#}", run.short());
            let [shortfall] = run.list("shortfalls") else { panic!("{:#}", run.short()) };
            assert!(shortfall.to_string().contains("7 of 14 connections were established: conn"));
        }
    }
}

/// Answers eight requests, and the next in part.
fn answer_ninth_in_part(mut stream: TcpStream) {
    let mut request = [0; 6];
    for turn in 0.. {
        if stream.read_exact(&mut request).is_err() {
            return;
        }
        let reply: &[u8] = if turn == 8 { b"+PO" } else { b"+PONG\r\n" };
        if stream.write_all(reply).is_err() {
            return;
        }
    }
}

#[test]
fn field_load_02_a_partial_answer_counts_once() {
    let run = ping(server(answer_ninth_in_part), "-c 1 -n 9 -t 300ms");
    run.assert_fell_short();
    run.assert_mismatches(&[]);
    assert_eq!((run.count("achieved.answered"), run.count("achieved.timed_out")), (8, 1));
    assert_eq!(run.count("achieved.connection_ends.given_up"), 1, "{:#}", run.short());
}

#[test]
fn field_load_02_a_silent_server_has_lost_no_reply() {
    let address = server(|mut stream| {
        let mut bytes = [0; 4096];
        while stream.read(&mut bytes).is_ok_and(|count| count > 0) {}
    });
    let run = bench(&[address], "-c 2 -n 4 -t 200ms");
    run.assert_fell_short();
    run.assert_mismatches(&[]);
    assert_eq!((run.count("achieved.timed_out"), run.count("achieved.bytes_received")), (4, 0));
}

/// Answers each request after 600 ms.
fn answer_late(mut stream: TcpStream) {
    let mut request = [0; 6];
    while stream.read_exact(&mut request).is_ok() {
        thread::sleep(Duration::from_millis(600));
        if stream.write_all(b"+PONG\r\n").is_err() {
            return;
        }
    }
}

#[test]
fn field_load_04_the_rate_is_of_answers_within_the_measured_part() {
    let run = ping(server(answer_late), "-c 100 -R 50 -d 1s");
    run.assert_fell_short();
    assert_eq!((run.count("achieved.answered"), run.count("achieved.sent")), (50, 50));
    let in_window = run.count("achieved.answered_in_window");
    assert!(in_window < 25, "{:#}", run.short());
    assert_eq!(run.number("achieved.rate"), in_window as f64);
    assert!(run.count("achieved.answered_in_grace") > 0, "{:#}", run.short());
}

#[test]
fn field_load_04_one_request_in_a_schedule_has_the_rate_of_the_schedule() {
    let server = Server::start(&["framed"]);
    let run = bench(&[server.address("framed")], "-c 1 -n 1 -R 5");
    run.assert_met();
    assert!(run.number("achieved.rate") <= 5.0, "{:#}", run.short());
    let run = bench(&[server.address("framed")], "-c 1 -n 1");
    run.assert_met();
    assert!(run.value("achieved.rate").is_null(), "one answer has no rate: {:#}", run.short());
}

#[test]
fn field_load_04_a_ramp_is_asked_its_mean_and_herds_speak_at_once() {
    let server = Server::start(&["framed"]);
    let run = bench(&[server.address("framed")], "-c 8 --step 100:500ms,300:500ms");
    run.assert_met();
    assert_eq!(run.number("asked.rate"), 200.0);
    let run = bench(&[server.address("framed")], "-c 10 --herd 500ms -d 2s");
    run.assert_met();
    assert_eq!(run.count("achieved.answered"), 40);
}

#[test]
fn field_load_07_an_outage_lasts_until_the_end_of_the_run() {
    let server = Misbehaving::start(Fault::Die { after: 500 });
    let run = bench(&[server.address()], "-c 10 -d 3s");
    drop(server.finish());
    run.assert_fell_short();
    assert!(run.value("partial").is_null(), "{:#}", run.short());
    assert!(run.number("achieved.elapsed_s") >= 3.0, "{:#}", run.short());
    let outage = run.number("achieved.outage_s");
    assert!((1.5..=3.1).contains(&outage), "{:#}", run.short());
}

#[test]
fn field_load_07_a_server_that_is_not_there_is_one_line() {
    let (_holder, nobody) = nobody_listens();
    let mut command = readyc::command(&["bench", "-c", "4", "-d", "60s", &nobody.to_string()]);
    let Ended { status, stdout, stderr } = readyc::run(&mut command, b"");
    assert_eq!((status, stdout.as_str()), (Some(1), ""));
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
}

#[test]
fn field_load_08_ports_that_run_out_are_the_client_s_limit() {
    // A listener whose address is not this machine's to connect from: bind(2) says the same.
    let server = Server::start(&["framed"]);
    let arguments = "-c 4 -n 40 --source 127.0.0.1,192.0.2.1";
    let run = bench(&[server.address("framed")], arguments);
    run.assert_fell_short();
    assert!(run.count("errors.connect_by_errno.EADDRNOTAVAIL") >= 2, "{:#}", run.short());
    assert_eq!(run.value("client.bottleneck"), true);
    let verdict = run.value("client.verdict").as_str().expect("a sentence");
    assert!(verdict.contains("--close rst") && verdict.contains("--source"), "{verdict}");
}

/// nginx with these settings, and its address.
fn nginx(scratch: &Scratch, settings: &str) -> Option<(Process, SocketAddr)> {
    let program = tools::find("nginx")?;
    let address = SocketAddr::from((loopback_of_ones_own(), NGINX));
    let at = |name: &str| scratch.path(name).display().to_string();
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .iter()
        .map(|kind| format!("{kind}_temp_path {};\n", at(kind)))
        .collect();
    let config = scratch.write(
        "nginx.conf",
        &format!(
            "daemon off; master_process off; pid {}; error_log {};\n\
             events {{ worker_connections 512; }}\n\
             http {{ access_log off; {temporary}{settings}\n\
             server {{ listen {address}; location / {{ return 200 hello; }} }} }}\n",
            at("pid"),
            at("errors"),
        ),
    );
    let mut command = Command::new(program);
    command.arg("-c").arg(config).args(["-e", "stderr", "-p"]).arg(scratch.path(""));
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut process = Process::start(&mut command);
    process.wait_to_listen(address);
    Some((process, address))
}

#[test]
fn field_load_03_nginx_that_closes_behind_its_answers_loses_nothing() {
    let scratch = Scratch::new();
    let Some((_nginx, address)) = nginx(&scratch, "keepalive_requests 10;") else { return };
    let get = |fields: &str| format!(r"GET / HTTP/1.1\r\nHost: x\r\n{fields}\r\n");
    let closes = get(r"Connection: close\r\n");
    for (request, load) in [
        (get(""), "-c 4 -n 2000"),
        (get(""), "-c 4 -n 2000 -P 3"),
        (get(""), "-c 4 -R 1000 -n 500"),
        (closes.clone(), "-c 4 -n 500"),
        (closes, "-c 4 -n 500 --lifetime 1"),
    ] {
        let load: Vec<&str> = load.split_whitespace().collect();
        let raw = ["--send", &request, "--until", "hello"];
        let run = bench_words(&[address], &[&load[..], &raw].concat());
        run.assert_met();
        let asked = run.count("asked.requests");
        assert_eq!(run.count("achieved.answered"), asked, "{load:?} {:#}", run.short());
        assert_eq!(run.count("achieved.connections_lost"), 0, "{load:?} {:#}", run.short());
        let ends = run.value("achieved.connection_ends");
        assert!(ends["after_last_answer"].as_u64() > Some(0) || load.len() > 4, "{ends:#}");
    }
}

#[test]
fn field_load_13_errors_are_told_by_server() {
    let server = Server::start(&["framed"]);
    let here = server.address("framed").to_string();
    let (_bound, nobody) = nobody_listens();
    let nobody = nobody.to_string();
    let run = bench(&[here.as_str(), nobody.as_str()], "-c 6 -d 300ms");
    run.assert_fell_short();
    let connect = |server: &str| &run.value("errors_by_server")[server]["connect"];
    assert!(connect(&nobody).as_u64().is_some_and(|errors| errors >= 3), "{:#}", run.short());
    assert_eq!(connect(&here).as_u64(), Some(0));
    let single = bench(&[here], "-c 1 -n 1");
    assert!(single.report.get("errors_by_server").is_none());
}
