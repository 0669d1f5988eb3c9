//! What users met in load generators: ends and rates that are counted wrongly at the edges.

use crate::support::bench::{Run, bench, bench_words};
use crate::support::tools::{self, Process};
use crate::support::{Scratch, eventually, loopback_of_ones_own};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::thread;

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

/// Answers `right` requests, and the next in part.
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
    eventually("nginx", || {
        assert!(!process.has_ended(), "{command:?} has ended");
        TcpStream::connect(address).ok()
    });
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
