//! What a report says of a run, as the text shows it: how it fell short, and what is not known.

use super::capacity::tests::plan;
use super::*;
use readyd::loadgen::counters::StormCounters;
use readyd::loadgen::plan::StopCondition;
use readyd::loadgen::report::{TextOptions, csv, html, text};

/// A run of one second on one connection, asked for and done.
struct Told {
    plan: Plan,
    asked: Asked,
    result: RunResult,
}

impl Told {
    /// 1,000 requests a second, all answered.
    fn open_loop() -> Told {
        let plan = plan(1_000.0);
        let mut counters = Counters {
            scheduled: 1_000,
            answered_in_time: 1_000,
            elapsed: Duration::from_secs(1),
            ..Counters::default()
        };
        counters.requests.sent = 1_000;
        counters.requests.verified = 1_000;
        counters.connections.established = 1;
        counters.connections.served = 1;
        let asked = Asked {
            connections: 1,
            rate: Some(1_000.0),
            duration_s: Some(1.0),
            verify: true,
            workload: "plain echo".to_owned(),
            ..Asked::default()
        };
        Told { plan, asked, result: RunResult { counters, ..RunResult::default() } }
    }

    /// One request, and its answer.
    fn single_answer() -> Told {
        let mut run = Told::open_loop();
        run.plan.pace = Pace::Closed;
        run.plan.until = StopCondition { requests: Some(1), duration: None };
        (run.asked.rate, run.asked.duration_s, run.asked.requests) = (None, None, Some(1));
        let counters = &mut run.result.counters;
        (counters.requests.sent, counters.requests.verified) = (1, 1);
        (counters.answered_in_time, counters.elapsed) = (1, Duration::from_millis(2));
        run
    }

    fn report(self) -> Report {
        let environment = Environment { cpus: 2, ..Environment::default() };
        report(&self.plan, self.asked, self.result, environment, String::new())
    }
}

/// The text on a terminal that is wide enough for each sentence.
fn wide(report: &Report) -> String {
    text(report, TextOptions { width: 200, ..TextOptions::default() })
}

/// How the text says that a run like the open loop fell short, if `change` happens to it.
fn shortfalls(change: impl FnOnce(&mut Told)) -> Vec<String> {
    let mut run = Told::open_loop();
    change(&mut run);
    let report = run.report();
    let shown = wide(&report);
    assert_eq!(report.met, report.shortfalls.is_empty());
    let Some((_, told)) = shown.split_once("NOT MET\n") else { return Vec::new() };
    let lines = told.lines().map_while(|line| line.strip_prefix("  - "));
    lines.map(str::to_owned).collect()
}

/// The same of what was counted.
fn counted(change: impl FnOnce(&mut Counters)) -> Vec<String> {
    shortfalls(|run| change(&mut run.result.counters))
}

#[test]
fn a_run_that_achieved_what_was_asked_falls_short_of_nothing() {
    assert_eq!(shortfalls(|_| {}), [""; 0]);
    assert!(
        wide(&Told::open_loop().report()).ends_with("the load that was asked for was achieved\n")
    );
}

#[test]
fn each_shortfall_of_connections_has_its_sentence() {
    let refused = |counters: &mut Counters, attempts| {
        counters.errors.connect_by_errno.insert("ECONNREFUSED".to_owned(), attempts);
        counters.connections.ends.never_connected = attempts;
    };
    let told = shortfalls(|run| {
        run.asked.connections = 3;
        refused(&mut run.result.counters, 2);
    });
    let refusals = "connection refused (2 ×) [ECONNREFUSED]";
    assert_eq!(told, [format!("1 of 3 connections were established: {refusals}")]);
    let told = counted(|counters| {
        (counters.connections.established, counters.connections.served) = (0, 0);
    });
    assert_eq!(told, ["0 of 1 connection was established"]);
    let told = counted(|counters| refused(counters, 2));
    assert_eq!(told, [format!("2 attempts to connect failed: {refusals}")]);
    let told = counted(|counters| counters.outage = Duration::from_millis(250));
    assert_eq!(told, ["for 250 ms nothing was open, and could not be"]);
    let told = counted(|counters| counters.connections.ends.reset = 1);
    assert_eq!(told, ["1 connection was lost during the run"]);
    let told = counted(|counters| counters.connections.ends.in_flight = 1_200);
    assert_eq!(told, ["1,200 connections were lost during the run"]);
    let told = counted(|counters| counters.connections.served = 0);
    assert_eq!(told, ["0 of 1 connections were served: on the others no reply came"]);
    let told = counted(|counters| {
        counters.connections.served = 0;
        counters.probe_mismatch = Some("got \"no\"".to_owned());
    });
    let said = "0 of 1 connections were served: on the others no reply came, or a wrong one to a \
                probe: got \"no\"";
    assert_eq!(told, [said]);
    let told = counted(|counters| {
        let mut served = Histogram::default();
        served.record_many(Duration::from_millis(1), 1);
        let whole = StormCounters { dropped: 1, served, ..StormCounters::default() };
        let short = StormCounters { dropped: 1, ..StormCounters::default() };
        counters.storms = vec![whole, short];
    });
    assert_eq!(told, ["after 1 of 2 storms not all connections were served again"]);
}

#[test]
fn each_shortfall_of_requests_has_its_sentence() {
    // Few enough that the rate counts as achieved.
    let told = counted(|counters| counters.requests.sent -= 1);
    assert_eq!(told, ["1 request was never sent"]);
    let told = counted(|counters| (counters.scheduled, counters.requests.timed_out) = (1_003, 3));
    assert_eq!(told, ["3 requests were never sent", "3 requests were never answered"]);
    let told = counted(|counters| counters.first_unfinished = Some("\"half\"".to_owned()));
    assert_eq!(told, ["an answer began and did not end; the first: \"half\""]);
    let told = counted(|counters| {
        counters.mismatches.corrupt = 1;
        counters.first_mismatch = Some("got \"b\", expected \"a\"".to_owned());
    });
    assert_eq!(told, ["1 reply was not the right one; the first: got \"b\", expected \"a\""]);
    let told = counted(|counters| counters.mismatches.foreign = 2);
    assert_eq!(told, ["2 replies were not the right ones; the first: unknown"]);
    let told = counted(|counters| counters.requests.unverified = 1);
    assert_eq!(told, ["1 reply could not be verified"]);
    let told = counted(|counters| counters.requests.unverified = 2);
    assert_eq!(told, ["2 replies could not be verified"]);
    let told = counted(|counters| counters.partial = Some("interrupted".to_owned()));
    assert_eq!(told, ["the result is partial"]);
}

#[test]
fn each_shortfall_of_the_rate_has_its_sentence() {
    let told = counted(|counters| counters.answered_in_time = 980);
    let late = "20 came more than 250 ms after the measured part";
    assert_eq!(told, [format!("980 answers/s were achieved of 1,000/s: {late}")]);
    let told = counted(|counters| {
        (counters.answered_in_time, counters.answered_in_grace) = (980, 10);
        counters.requests.verified = 990;
    });
    assert_eq!(told, [""; 0], "what is answered within 250 ms counts");
    let told = counted(|counters| {
        (counters.answered_in_time, counters.requests.verified) = (980, 980);
    });
    assert_eq!(told, ["980 answers/s were achieved of 1,000/s"]);
    // It ended before anything was measured.
    let told = shortfalls(|run| {
        run.asked.duration_s = None;
        let counters = &mut run.result.counters;
        (counters.answered_in_time, counters.requests.verified) = (0, 0);
        counters.elapsed = Duration::ZERO;
    });
    assert_eq!(told, ["how many of 1,000/s were achieved is unknown"]);
}

/// The part of `whole` from `start` until `end`.
fn between<'a>(whole: &'a str, start: &str, end: &str) -> &'a str {
    let (_, rest) = whole.split_once(start).unwrap_or_else(|| panic!("no {start:?} in {whole}"));
    rest.split_once(end).map_or(rest, |(part, _)| part)
}

#[test]
fn field_load_04_a_rate_that_is_not_known_is_told_as_such_in_every_output() {
    let mut run = Told::single_answer();
    let second = Interval { sent: 1, length: Duration::from_secs(1), ..Interval::default() };
    run.result.seconds.insert(0, second.pack());
    let report = run.report();
    let json: serde_json::Value = serde_json::from_str(&report.to_json()).expect("it is JSON");
    assert!(json["achieved"]["rate"].is_null());
    assert!(json["series"][0]["p99_us"].is_null());
    // Without an answer, the second has no latency. (A rate is in no column.)
    assert!(csv(&report).ends_with("\n0,0,0,1,0,0,,,,0,1,0,0,1,0\n"), "{}", csv(&report));
    let shown = wide(&report);
    assert!(shown.contains("\nthroughput    unknown: one answer alone has no rate\n"), "{shown}");
    let detailed = text(&report, TextOptions { detail: true, ..TextOptions::default() });
    assert_eq!(between(&detailed, "\n  rate ", "\n").split_whitespace().last(), Some("–"));
    let page = html(&report);
    assert!(between(&page, "throughput", "</div>").contains('–'), "{page}");
}

#[test]
fn field_load_04_without_a_measured_part_no_rate_is_known() {
    let mut run = Told::open_loop();
    run.plan.pace = Pace::Rates(vec![
        readyd::loadgen::plan::Step { rate: 1_000.0, duration: Duration::from_secs(1) },
        readyd::loadgen::plan::Step { rate: 1_000.0, duration: Duration::from_secs(1) },
    ]);
    run.plan.warmup = Duration::from_secs(1);
    run.result.counters = Counters { steps: vec![Default::default(); 2], ..Counters::default() };
    run.result.handshakes = Some(Handshakes::default());
    let report = run.report();
    let json: serde_json::Value = serde_json::from_str(&report.to_json()).expect("it is JSON");
    assert!(json["achieved"]["rate"].is_null());
    assert!(json["achieved"]["tls"]["handshakes_per_s"].is_null());
    assert!(json["steps"][0]["achieved_rate"].is_null(), "{}", json["steps"]);
    let shown = wide(&report);
    assert!(shown.contains("throughput    unknown: the measured part has no length\n"), "{shown}");
    assert!(shown.contains("\nTLS: 0 handshakes, 0.0 % resumed\n"), "{shown}");
    assert_eq!(between(&shown, "\nSteps", "\n\n").lines().nth(2).map(columns_of), Some(["–"; 2]));
    assert!(Report::from_json(report.to_json().as_bytes()).is_ok());
}

/// What a step achieved, and the share that was answered.
fn columns_of(row: &str) -> [&str; 2] {
    let cells: Vec<&str> = row.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect();
    [cells[1], cells[3]]
}

/// A worker that used a whole processor, and worked for a fifth of that.
fn that_busy_waits() -> Told {
    let mut run = Told::open_loop();
    run.result.workers = vec![WorkerFigures {
        cpu: Duration::from_millis(1_000),
        cpu_elapsed: Duration::from_secs(1),
        cpu_busy_wait: Duration::from_millis(800),
        cpu_wait: Duration::ZERO,
        resident_bytes: 0,
    }];
    run
}

#[test]
fn busy_waiting_is_told_apart_from_work_wherever_the_client_s_cpu_time_stands() {
    let report = that_busy_waits().report();
    let client = &report.client;
    assert_eq!((client.cpu_s, client.cpu_busy_wait_s), (1.0, Some(0.8)));
    assert_eq!((client.cpu_share, client.cpu_work_share), (1.0, Some(0.2)));
    let shown = wide(&report);
    assert!(shown.contains("generator: 100 % of a CPU (20 % without busy-waiting), loop lag"));
    let verdict = "used 100 % of a processor, 20 % without busy-waiting";
    assert!(client.verdict.ends_with(verdict), "{}", client.verdict);
    let page = html(&report);
    for row in ["100 %, 20 % without", "1.00 s, 200 ms without", "1.00 ms, 200 µs without"] {
        assert!(page.contains(row), "{row} is not in {page}");
    }
    // Nobody busy-waits in a closed loop, and it says nothing of it.
    let mut run = Told::single_answer();
    run.result.workers = that_busy_waits().result.workers;
    run.result.workers[0].cpu_busy_wait = Duration::ZERO;
    assert!(!html(&run.report()).contains("busy-waiting"));
}

/// The last turn of the measured part went on for two seconds.
#[test]
fn no_share_of_a_processor_is_more_than_the_whole() {
    let mut run = that_busy_waits();
    let worker = &mut run.result.workers[0];
    (worker.cpu, worker.cpu_elapsed) = (Duration::from_millis(2_700), Duration::from_secs(3));
    let client = run.report().client;
    assert_eq!((client.cpu_s, client.cpu_share), (2.7, 0.9));
}

/// One of two connections is never answered: half of the requests cannot be sent.
#[test]
fn a_client_that_busy_waits_is_not_blamed_for_a_rate_that_the_server_does_not_keep() {
    let half_sent = |cpu_busy_wait| {
        let mut run = that_busy_waits();
        run.result.workers[0].cpu_busy_wait = cpu_busy_wait;
        let counters = &mut run.result.counters;
        counters.requests.sent = 500;
        (counters.requests.verified, counters.answered_in_time) = (500, 500);
        run.report().client
    };
    let waits = half_sent(Duration::from_millis(800));
    assert_eq!(waits.validity, Validity::Valid, "{}", waits.verdict);
    let works = half_sent(Duration::ZERO);
    assert_eq!(works.validity, Validity::Invalid);
    assert!(works.verdict.contains("so 1 worker can send at most 500 a second"));
}
