use super::*;
use crate::conn::{ConnContext, Connection};
use crate::handlers::daytime::DateCache;
use crate::handlers::{BoundService, Service};
use crate::io::address::Peer;
use crate::io::clock::{Moment, WallTime};
use crate::io::host::{Host, WallClock};
use crate::server::client_log::ClientLog;
use crate::server::limits::Limits;
use crate::server::stats::Stats;
use crate::server::stats::publishing::Publisher;
use crate::table::Table;
use std::net::SocketAddr;

/// Friday, 7 May 2021, 18:36:52 UTC.
struct Evening;

impl Host for Evening {}

impl WallClock for Evening {
    fn wall_time(&self) -> WallTime {
        WallTime { seconds: 1_620_412_612, nanos: 0 }
    }
}

/// A client at 192.0.2.1 of a metrics listener.
#[derive(Default)]
struct Desk {
    stats: Stats,
    publisher: Publisher,
}

impl Desk {
    /// The answers to `input`, and why the connection ends.
    fn send(&mut self, input: &[u8]) -> (String, Option<CloseReason>) {
        let (limits, service, mut out) = (Limits::default(), Service::METRICS, Vec::new());
        let context = Context {
            now: Moment::START,
            peer: Peer::from(SocketAddr::from(([192, 0, 2, 1], 50_000))),
            options: service.options,
            system: &Evening,
            dates: &mut DateCache::utc(),
            table: &Table::embedded(),
            stats: &mut self.stats,
            publisher: &mut self.publisher,
            log: &mut ClientLog::new(log::LevelFilter::Off, 0),
        };
        let mut turn = ConnContext {
            now: Moment::START,
            limits: &limits,
            framing: service.framing(&limits),
            handler: &mut BoundService { spec: service.spec(), context },
            out: &mut out,
            out_start: 0,
            work: &mut Work::new(Work::VISIT),
        };
        let mut conn = Connection::new(Moment::START);
        conn.open(&mut turn);
        conn.receive(&mut input.to_vec(), &mut turn);
        let reason = Some(conn.reason_or(CloseReason::Stopped));
        let text = String::from_utf8(out).expect("text");
        (text, reason.filter(|&reason| reason != CloseReason::Stopped))
    }

    /// The status line of the answer to a request without further fields, and whether the
    /// connection ends.
    fn status(&mut self, request_line: &str) -> (String, bool) {
        let (answer, reason) = self.send(format!("{request_line}\r\nHost: x\r\n\r\n").as_bytes());
        (answer.lines().next().unwrap_or_default().to_owned(), reason.is_some())
    }
}

/// The head and the body of an answer.
fn parts(answer: &str) -> (&str, &str) {
    answer.split_once("\r\n\r\n").expect("a head and a body")
}

#[test]
fn the_answer_to_prometheus_is_exact() {
    let (answer, reason) = Desk::default().send(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
    let (head, body) = parts(&answer);
    let expected = format!(
        "HTTP/1.1 200 OK\r\nDate: Fri, 07 May 2021 18:36:52 GMT\r\n\
         Content-Type: text/plain; version=0.0.4; charset=utf-8\r\nContent-Length: {}\r\n\
         Cache-Control: no-store",
        body.len()
    );
    assert_eq!(head, expected);
    assert!(body.contains("\nreadyd_requests_total 1\n"), "{body}");
    assert_eq!(reason, None);
}

#[test]
fn a_head_request_has_the_head_alone() {
    let mut desk = Desk::default();
    for path in ["/metrics", "/healthz", "/readyz", "/nothing"] {
        let (of_get, _) = desk.send(format!("GET {path} HTTP/1.0\r\n\r\n").as_bytes());
        let mut desk = Desk { stats: Stats::default(), ..Desk::default() };
        let (of_head, _) = desk.send(format!("HEAD {path} HTTP/1.0\r\n\r\n").as_bytes());
        let without = |text: &str| {
            let lines = text.lines().filter(|line| !line.starts_with("Content-Length"));
            lines.map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(without(parts(&of_head).0), without(parts(&of_get).0));
        assert_eq!(parts(&of_head).1, "", "{path}");
    }
}

#[test]
fn a_server_is_ready_until_it_is_told_to_stop() {
    let mut desk = Desk::default();
    let both = |desk: &mut Desk| {
        ["/healthz", "/readyz"].map(|path| desk.status(&format!("GET {path} HTTP/1.1")).0)
    };
    assert_eq!(both(&mut desk), ["HTTP/1.1 200 OK", "HTTP/1.1 200 OK"]);
    desk.stats.draining = 1;
    assert_eq!(both(&mut desk), ["HTTP/1.1 200 OK", "HTTP/1.1 503 Service Unavailable"]);
}

#[test]
fn every_status_is_the_right_one() {
    let mut desk = Desk::default();
    for (request_line, status, closes) in [
        ("GET /nothing HTTP/1.1", "404 Not Found", false),
        ("GET /metrics/ HTTP/1.1", "404 Not Found", false),
        ("GET /healthz HTTP/1.0", "200 OK", true),
        ("POST /metrics HTTP/1.1", "405 Method Not Allowed", false),
        ("BREW /metrics HTTP/1.1", "501 Not Implemented", true),
        ("GET /metrics HTTP/2.0", "505 HTTP Version Not Supported", true),
        ("GET /metrics", "400 Bad Request", true),
        ("GET / HTTP/1.1\r\nContent-Length: 1", "413 Content Too Large", true),
        ("GET / HTTP/1.1\r\nTransfer-Encoding: br", "501 Not Implemented", true),
        ("\x16\x03\x01", "400 Bad Request", true),
    ] {
        let expected = (format!("HTTP/1.1 {status}"), closes);
        assert_eq!(desk.status(request_line), expected, "{request_line}");
    }
    let (answer, reason) = desk.send(&[b'a'; http::MAX_HEAD + 1]);
    assert!(answer.starts_with("HTTP/1.1 431 Request Header Fields Too Large\r\n"), "{answer}");
    assert!(answer.contains("\r\nConnection: close\r\n"), "{answer}");
    assert_eq!(reason, Some(CloseReason::OverLimit));
}

#[test]
fn requests_in_one_read_are_answered_in_their_order() {
    let input = b"GET /healthz HTTP/1.1\nHost: x\n\n\r\nGET /readyz HTTP/1.1\r\nHost: x\r\n\r\n\
        GET /healthz HTTP/1.0\r\n\r\nGET /readyz HTTP/1.0\r\n\r\n";
    let mut desk = Desk::default();
    let (answers, reason) = desk.send(input);
    let bodies: Vec<&str> = answers.lines().filter(|line| ["ok", "ready"].contains(line)).collect();
    // HTTP/1.0 closes: what is behind it is not answered, and the empty line was no request.
    assert_eq!((bodies, reason), (vec!["ok", "ready", "ok"], Some(CloseReason::Served)));
    assert_eq!(desk.stats.requests, 3);
}

#[test]
fn only_those_who_may_read_statistics_do() {
    let mut desk = Desk::default();
    for (range, status) in [("192.0.2.0/24", "200 OK"), ("198.51.100.0/24", "403 Forbidden")] {
        desk.publisher.confine_to(vec![range.parse().expect("a range")]);
        assert_eq!(desk.status("GET /metrics HTTP/1.1").0, format!("HTTP/1.1 {status}"));
        assert_eq!(desk.status("GET /readyz HTTP/1.1").0, "HTTP/1.1 200 OK");
    }
    assert_eq!(desk.stats.refusals, 1);
}
