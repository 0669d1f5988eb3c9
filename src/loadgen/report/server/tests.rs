use super::*;
use crate::loadgen::report::sample::{sample, server};
use crate::loadgen::report::{Load, ServerCounts, html, merge, text};

fn report_with(side: ServerSide) -> Report {
    Report { server: Some(side), ..sample() }
}

/// Another server than the sample's.
fn other() -> ServerFigures {
    ServerFigures {
        addresses: vec!["10.0.0.2:9999".to_owned()],
        pid: Some(1),
        started_at: Some("2026-02-01T00:00:00Z".to_owned()),
        cpu_s: Some(0.2),
        resident_bytes: Some(Levels::at(1 << 20)),
        ..ServerFigures::default()
    }
}

const LOAD: Load = Load { elapsed_s: 10.0, answered: 200_000, knows_all: true };

#[test]
fn a_server_is_told_in_two_lines() {
    let lines = lines(&report_with(server()));
    let expected = [
        "server: 4.10 µs of CPU per request, 8.2 % of a CPU; 198,800 requests by its own count, \
         4.97 per turn of its loop",
        "server memory: RSS 4.00 MiB before, 7.00 MiB max, 6.00 MiB after; TCP buffers of the \
         client's machine 4.00 KiB before, 1.00 MiB max, 8.00 KiB after",
        "server: a note on the server",
    ];
    assert_eq!(lines, expected);
}

#[test]
fn nothing_is_told_of_a_server_that_is_not_known() {
    assert_eq!(lines(&sample()), Vec::<String>::new());
    assert_eq!(section(&sample()), "");
    // A quiet note is a line, and no section.
    let notes = vec!["it does not answer STATS".to_owned()];
    let report = report_with(ServerSide { notes, ..ServerSide::of(Vec::new(), LOAD) });
    assert_eq!(lines(&report), ["server: it does not answer STATS"]);
    assert_eq!(section(&report), "");
}

#[test]
fn several_servers_are_told_together_and_each() {
    let servers = vec![server().servers.remove(0), other()];
    let side = ServerSide::of(servers, LOAD);
    assert_eq!(side.cpu_s, Some(0.82 + 0.2));
    assert_eq!(side.resident_bytes.map(|levels| levels.max), Some(8 << 20));
    // One of them does not tell what it counted.
    assert_eq!(side.requests, None);
    let report = report_with(side);
    let lines = lines(&report);
    let expected = [
        "server: 5.10 µs of CPU per request, 10.2 % of a CPU",
        "server memory: RSS 5.00 MiB before, 8.00 MiB max, 7.00 MiB after",
        "server 127.0.0.1:9999: 820 ms of CPU; RSS 7.00 MiB max; 198,800 requests",
        "server 10.0.0.2:9999: 200 ms of CPU; RSS 1.00 MiB max",
    ];
    assert_eq!(lines, expected);
    let page = html(&report);
    assert!(page.contains(">10.0.0.2:9999</th>") && page.contains(">all</th>"), "{page}");
}

#[test]
fn the_cpu_per_request_is_known_only_if_each_server_is() {
    let known = ServerSide::of(vec![other()], LOAD);
    assert_eq!(known.cpu_us_per_request, Some(1.0));
    for load in [Load { knows_all: false, ..LOAD }, Load { answered: 0, ..LOAD }] {
        let side = ServerSide::of(vec![other()], load);
        assert_eq!((side.cpu_us_per_request, side.cpu_share), (None, Some(0.02)), "{load:?}");
    }
    let unknown = ServerFigures { cpu_s: None, ..other() };
    let side = ServerSide::of(vec![other(), unknown], LOAD);
    assert_eq!((side.cpu_s, side.cpu_us_per_request), (None, None));
    assert_eq!(ServerSide::of(Vec::new(), LOAD).cpu_s, None);
}

#[test]
fn requests_of_other_clients_are_told() {
    let mut side = server();
    side.requests = Some(260_000);
    let lines = lines(&report_with(side));
    assert!(lines[0].contains("260,000 requests by its own count, 60,000 of other"), "{lines:?}");
}

#[test]
fn text_and_page_have_the_figures() {
    let report = report_with(server());
    let shown = text(&report, crate::loadgen::report::TextOptions::default());
    assert!(shown.contains("server: 4.10 µs of CPU per request"), "{shown}");
    let page = html(&report);
    for part in ["<caption>Server</caption>", "readyd 4711 and 2 descendants", "4.10 µs"] {
        assert!(page.contains(part), "{part:?} is not in {page}");
    }
    // What a server is called is shown as text.
    let mut side = server();
    side.servers[0].program = Some("<script>".to_owned());
    assert!(!html(&report_with(side)).contains("<script>"));
}

/// The reports of two clients that have loaded servers at the same time.
fn merged(one: Option<ServerSide>, other: Option<ServerSide>) -> ServerSide {
    let mut reports = [sample(), sample()];
    reports[1].id = "another".to_owned();
    (reports[0].server, reports[1].server) = (one, other);
    merge(&reports).unwrap().server.unwrap()
}

#[test]
fn a_server_of_two_clients_is_not_counted_twice() {
    let mut second = server();
    second.servers[0].started_at = Some("2026-03-01T11:59:01Z".to_owned());
    second.servers[0].cpu_s = Some(0.8);
    second.servers[0].resident_bytes = Some(Levels { before: 5 << 20, max: 8 << 20, after: 1 });
    second.servers[0].counts = Some(ServerCounts { requests: 200_001, ..Default::default() });
    let side = merged(Some(server()), Some(second));
    assert_eq!(side.servers.len(), 1);
    assert_eq!((side.cpu_s, side.requests), (Some(0.82), Some(200_001)));
    // The answers are of both clients: 400,000.
    assert_eq!(side.cpu_us_per_request, Some(0.82e6 / 400_000.0));
    let levels = Levels { before: 4 << 20, max: 8 << 20, after: 6 << 20 };
    assert_eq!(side.resident_bytes, Some(levels));
    // Both clients may be on one machine, so its buffers are not told.
    assert_eq!(side.tcp_buffers_bytes, None);
    assert_eq!(side.notes, ["a note on the server"]);
}

#[test]
fn other_servers_are_told_beside() {
    let side = merged(Some(server()), Some(ServerSide::of(vec![other()], LOAD)));
    assert_eq!(side.servers.len(), 2);
    assert_eq!(side.cpu_s, Some(0.82 + 0.2));
    // The same process at the same address, started later, is another server.
    let mut later = server();
    later.servers[0].started_at = Some("2026-03-01T11:59:30Z".to_owned());
    assert_eq!(merged(Some(server()), Some(later)).servers.len(), 2);
    // One client that has watched the server is enough.
    let side = merged(None, Some(server()));
    assert_eq!(side.cpu_us_per_request, Some(0.82e6 / 400_000.0));
}

#[test]
fn a_single_report_keeps_all() {
    let report = report_with(server());
    let merged = merge(std::slice::from_ref(&report)).unwrap();
    assert_eq!(merged.server, report.server);
}
