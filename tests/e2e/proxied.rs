//! Clients behind a proxy: headers of the PROXY protocol, written here and by a real HAProxy.

use crate::support::tools::{self, Input, Process};
use crate::support::{Client, Launch, PATIENCE, Scratch, Server, eventually, frame};
use crate::support::{loopback_of_ones_own, readyc};
use nix::sys::signal::Signal;
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Instant;

/// Ports of HAProxy, on a loopback address that no other process uses.
const TO_ALL: u16 = 8311;
const TO_LINES: u16 = 8312;
const TO_STRICT: u16 = 8313;
const OVER_TLS: u16 = 8314;
const OVER_UNIX: u16 = 8315;

const FROM: &str = "framed=127.0.0.1:0,proxy=any,from=127.0.0.1/32,from=::1/128";

/// 203.0.113.7:50000, in a header of version 2.
const HEADER: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xcb\0\x71\x07\xc0\0\x02\x01\xc3\x50\x01\xbb";

const WHOAMI: &str = "Hello! You are connected to";

/// A connection whose first bytes are `header`.
fn behind(server: &Server, header: &[u8]) -> Client {
    let mut client = server.connect("framed");
    client.send(header);
    client
}

#[test]
fn a_header_tells_who_the_client_is() {
    let deny = ["--deny", "203.0.113.8,127.0.0.0/8"];
    let server = Launch::of(&[FROM]).args(&deny).start();
    let mut client = behind(&server, HEADER);
    assert_eq!(client.ask("WHOAMI"), format!("{WHOAMI} ('203.0.113.7', 50000)"));
    let line = server.wait_for_log("203.0.113.7:50000 connected (by way of 127.0.0.1:");
    assert!(line.ends_with(", 1 active)"), "{line}");
    let mut unknown = behind(&server, b"PROXY UNKNOWN\r\n");
    assert_eq!(unknown.ask("WHOAMI"), format!("{WHOAMI} ('proxy', 0)"));
    server.wait_for_log("proxied connected (by way of 127.0.0.1:");
    let mut check = behind(&server, b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0");
    let address = check.address();
    assert_eq!(check.ask("WHOAMI"), format!("{WHOAMI} ('127.0.0.1', {})", address.port()));
    server.wait_for_log(&format!("{address} connected (PROXY header: LOCAL, 3 active)"));
    let mut denied = behind(&server, b"PROXY TCP4 203.0.113.8 192.0.2.1 1 2\r\n");
    assert!(denied.stream.read_to_end(&mut Vec::new()).is_err(), "it is reset");
    server.wait_for_log("203.0.113.8:1 rejected: this address is not allowed");
    server.wait_for_log("203.0.113.8:1 closed: refused, by the address in the PROXY header");
    let mut bad = behind(&server, b"GET / HTTP/1.1\r\n\r\n");
    assert!(bad.stream.read_to_end(&mut Vec::new()).is_err(), "it is reset");
    server.wait_for_log(": bad PROXY header: it begins with neither");
    let stranger = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));
    let _reset = Client::connect_from(stranger, server.address("framed"));
    server.wait_for_log("rejected: this listener is for proxies, and this is not one (from=)");
    let statistics = server.statistics();
    for (name, count) in [
        ("connections_accepted", 5),
        ("connections_open", 3),
        ("proxy_headers", 3),
        ("proxy_local", 1),
        ("refused_not_proxy", 1),
        ("refused_denied", 1),
        ("closed_proxy_refused", 1),
        ("closed_bad_proxy_header", 1),
    ] {
        assert_eq!(statistics.get(name), count, "{name}");
    }
}

#[test]
fn a_header_that_does_not_come_in_time_ends_the_connection() {
    let server = Launch::of(&[FROM]).args(&["--frame-timeout", "300ms"]).start();
    let mut client = behind(&server, &HEADER[..20]);
    assert_eq!(client.read_to_end(), b"");
    server.wait_for_log("closed: PROXY header timeout");
    assert_eq!(server.statistics().get("closed_proxy_header_timeout"), 1);
}

#[test]
fn shards_take_headers_and_keep_listeners_apart() {
    let listeners = [FROM, "framed=[::1]:0", "greeting=127.0.0.1:0,proxy=v2,from=127.0.0.0/8"];
    let server = Launch::of(&listeners).args(&["--shards", "2"]).start();
    for _ in 0..16 {
        let mut client = behind(&server, HEADER);
        assert_eq!(client.ask("WHOAMI"), format!("{WHOAMI} ('203.0.113.7', 50000)"));
        let mut greeted = server.connect("greeting");
        greeted.send(HEADER);
        let greeting = format!("{WHOAMI} ('203.0.113.7', 50000)");
        assert_eq!(greeted.read_to_end(), greeting.as_bytes());
    }
    let mut direct = Client::connect(server.addresses_of("framed")[1]);
    assert!(direct.ask("WHOAMI").starts_with(&format!("{WHOAMI} ('::1', ")));
    server.wait_for_statistic("proxy_headers", 32);
}

#[test]
fn what_proxies_send_is_replayed_and_traced() {
    let scratch = Scratch::new();
    let (capture, trace) = (scratch.path("capture"), scratch.path("trace"));
    let mut server = Launch::of(&[FROM, "daytime=127.0.0.1:0"])
        .path("--capture", &capture)
        .path("--trace", &trace)
        .start();
    for header in [HEADER, b"PROXY UNKNOWN\r\n", b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0"] {
        let mut client = server.connect("framed");
        let (begin, end) = header.split_at(5);
        client.send(begin);
        client.send(end);
        assert_eq!(client.ask("ECHO hello"), "hello");
    }
    let mut bad = behind(&server, b"GET / HTTP/1.1\r\n\r\n");
    assert!(bad.stream.read_to_end(&mut Vec::new()).is_err(), "it is reset");
    let silent = server.connect("framed");
    server.wait_for_statistic("connections_accepted", 5);
    server.signal(Signal::SIGTERM);
    assert!(server.wait_for_exit().success());
    drop(silent);
    let run = |words: &[&str]| readyc::run(&mut readyc::command(words), b"");
    let (capture, trace) = (capture.display().to_string(), trace.display().to_string());
    for level in ["exact", "outcome"] {
        let replayed = run(&["replay", &capture, "--level", level]);
        assert!(replayed.stdout.starts_with("the same: "), "{level}: {replayed:?}");
    }
    let told = run(&["trace", &trace]).stdout;
    for peer in ["203.0.113.7:50000", "a client without an address", "127.0.0.1:"] {
        assert!(told.contains(&format!("PROXY header: the peer is {peer}")), "{peer}");
    }
    assert!(told.contains("closed: bad_proxy_header, with RST"));
}

/// HAProxy with this configuration behind its defaults, once it listens on all ports.
fn haproxy(scratch: &Scratch, config: &str, ports: &[u16]) -> Option<Process> {
    let program = tools::find("haproxy")?;
    let defaults = "defaults\n mode tcp\n timeout connect 10s\n timeout client 60s\n \
                    timeout server 60s\n retries 3\n option redispatch 1\n \
                    unique-id-format %{+X}o\\ %ci:%cp_%fi:%fp_%Ts_%rt:%pid\n";
    let config = scratch.write("haproxy.cfg", &[config, defaults].concat().replace("@", ""));
    let mut command = Command::new(program);
    command.args(["-db", "-f"]).arg(config).stdin(Stdio::null());
    let mut process = Process::start(command.stdout(Stdio::null()).stderr(Stdio::null()));
    for port in ports {
        eventually("haproxy to listen", || {
            assert!(!process.has_ended(), "haproxy has ended");
            TcpStream::connect((loopback_of_ones_own(), *port)).ok()
        });
    }
    Some(process)
}
