//! Sample reports for tests.

use super::*;
use std::sync::LazyLock;
use std::time::Duration;

/// Times in nanoseconds that are spread like those of a server under load: mostly about `median`, a
/// few ten and a hundred times as long.
pub(crate) fn times(number: u64, median: u64) -> impl Iterator<Item = u64> {
    (0..number).map(move |at| {
        // A low-discrepancy sequence: evenly spread, and the same in every run.
        let place = (at as f64 * 0.618_033_988_749_895).fract();
        let tail = (1.0 / (1.0 - place)).powf(0.6);
        (median as f64 * (0.4 + 0.4 * tail)) as u64
    })
}

fn histogram(number: u64, median: u64) -> Histogram {
    let mut histogram = Histogram::default();
    times(number, median).for_each(|time| histogram.record(Duration::from_nanos(time)));
    histogram
}

/// A run that met what was asked: open loop, 64 connections, 20,000 requests/s for ten seconds.
pub(crate) fn sample() -> Report {
    static SAMPLE: LazyLock<Report> = LazyLock::new(made);
    SAMPLE.clone()
}

fn made() -> Report {
    let histograms = Histograms {
        latency: histogram(200_000, 60_000),
        service: histogram(200_000, 50_000),
        connect: histogram(64, 200_000),
        client_delay: histogram(200_000, 1_000),
        kinds: BTreeMap::from([("echo".to_owned(), histogram(200_000, 60_000))]),
    };
    Report {
        schema: SCHEMA.to_owned(),
        id: "0f3a".to_owned(),
        met: true,
        shortfalls: Vec::new(),
        partial: None,
        notes: Vec::new(),
        mode: Mode::Open,
        started_at: "2026-03-01T12:00:00Z".to_owned(),
        asked: asked(),
        achieved: achieved(),
        mismatches: Mismatches::default(),
        first_mismatch: None,
        first_unfinished: None,
        errors: Errors::default(),
        errors_by_server: ByServer::new(),
        latency_us: histograms.latency.percentiles(),
        service_us: histograms.service.percentiles(),
        connect_us: histograms.connect.percentiles(),
        kinds: BTreeMap::from([("echo".to_owned(), histograms.kinds["echo"].percentiles())]),
        steps: Vec::new(),
        storms: Vec::new(),
        slow: None,
        series: series(),
        client: client(),
        server: None,
        environment: environment(),
        merged: Vec::new(),
        histograms,
    }
}

fn asked() -> Asked {
    Asked {
        targets: vec!["127.0.0.1:9999".to_owned()],
        workload: "echo".to_owned(),
        connections: 64,
        rate: Some(20_000.0),
        duration_s: Some(10.0),
        warmup_s: 1.0,
        pipeline: 1,
        size: 64,
        size_min: 64,
        workers: 1,
        timeout_s: 5.0,
        verify: true,
        probe: "echo".to_owned(),
        ..Asked::default()
    }
}

fn achieved() -> Achieved {
    Achieved {
        connections_established: 64,
        connections_served: 64,
        connections_unprobed: Some(0),
        connections_peak: 64,
        connections_opened: 64,
        connect_elapsed_s: 0.0123,
        requested: 200_000,
        sent: 200_000,
        answered: 200_000,
        answered_in_window: 200_000,
        verified: 200_000,
        bytes_sent: 26_600_000,
        bytes_received: 25_600_000,
        elapsed_s: 10.0,
        rate: Some(20_000.0),
        ..Achieved::default()
    }
}

fn series() -> Vec<Second> {
    let second = |t: i64| {
        let wobble = (t * 7 % 5) as f64;
        let is_measured = t >= 0;
        Second {
            t_s: t as f64,
            connections: 64,
            length_s: 1.0,
            connections_least: Some(64),
            connections_most: Some(64),
            asked: 64,
            served: if is_measured { 64 } else { 0 },
            opened: if t == -1 { 64 } else { 0 },
            sent: if is_measured { 20_000 } else { 5_000 },
            answered: if is_measured { 20_000 } else { 5_000 },
            errors: 0,
            p50_us: Some(52.0 + wobble),
            p99_us: Some(380.0 + 10.0 * wobble),
            max_us: Some(3_000.0 + 500.0 * wobble),
            stalled_s: 0.0,
        }
    };
    (-1..10).map(second).collect()
}

fn client() -> Client {
    Client {
        cpu_s: 3.1,
        cpu_share: 0.31,
        cpu_busy_wait_s: Some(0.0),
        cpu_work_share: Some(0.31),
        cpu_wait_s: 0.02,
        stalled_s: 0.0,
        bottleneck: false,
        validity: Validity::Valid,
        in_doubt: Vec::new(),
        verdict: "the client kept up".to_owned(),
        loop_lag_us_p99: 85.0,
        loop_lag_us_max: 410.0,
        send_lag_us: Some(histogram(1000, 8_000).percentiles()),
        late_by_client: 0,
        delay_us: histogram(200_000, 1_000).percentiles(),
        resident_bytes: 7 << 20,
    }
}

fn environment() -> Environment {
    Environment {
        readyc: "0.1.0".to_owned(),
        command: ["readyc", "bench", "-R", "20000"].map(str::to_owned).to_vec(),
        kernel: "Linux 6.18.0".to_owned(),
        cpu: "Example CPU at 3 GHz".to_owned(),
        cpus: 2,
        memory_bytes: 8 << 30,
        machine_busy: Some(0.62),
        nofile: 20_000,
        sysctls: BTreeMap::from([("net.core.somaxconn".to_owned(), "4096".to_owned())]),
    }
}

/// A report in which no field is empty.
pub(crate) fn eventful() -> Report {
    let mut report = sample();
    report.met = false;
    report.shortfalls = vec!["1,200 of 200,000 requests were not answered".to_owned()];
    report.partial = Some("interrupted after 9 of 10 seconds".to_owned());
    report.notes = vec!["a note".to_owned()];
    report.asked = Asked {
        sources: vec!["127.0.0.2".to_owned()],
        idle: 1_000,
        slow_readers: 4,
        slow_writers: 3,
        requests: Some(200_000),
        workers: 2,
        connect_rate: Some(500.0),
        lifetime: Some("5s".to_owned()),
        herd_s: Some(2.0),
        storm_s: Some(4.0),
        size: 256,
        ..report.asked
    };
    report.achieved = Achieved {
        connections_established: 1_071,
        tls: Some(TlsAchieved { handshakes: 1_200, resumed: 1_150, handshakes_per_s: Some(12.5) }),
        connections_served: 1_064,
        connections_peak: 1_071,
        connections_lost: 4,
        connections_opened: 1_200,
        connections_failed: 12,
        answered: 198_800,
        verified: 198_798,
        mismatched: 2,
        wrong: 2,
        unanswered: 1_200,
        timed_out: 1_200,
        late: 31,
        ..report.achieved
    };
    report.first_mismatch = Some("connection 3, request 17: got \"a\", expected \"b\"".to_owned());
    report.first_unfinished = Some("connection 3, request 18: got 1 byte, \"a\"".to_owned());
    report.mismatches = Mismatches { corrupt: 1, swapped: 1, ..Mismatches::default() };
    report.errors = errors();
    let of_server = ServerErrors { errors: report.errors.clone(), mismatched: 2 };
    report.errors_by_server = [("127.0.0.1:9999".to_owned(), of_server)].into();
    let histogram = histogram(5_000, 90_000);
    let times = histogram.percentiles();
    report.kinds.insert("lookup".to_owned(), times);
    report.histograms.kinds.insert("lookup".to_owned(), histogram);
    report.steps = steps(times);
    report.storms = storms(times);
    report.slow = Some(SlowResult { established: 7, answered: 12, closed_by_server: 5 });
    report.series[6].errors = 16;
    report.series[7].stalled_s = 0.25;
    report.client.late_by_client = 9;
    report.server = Some(server());
    report.merged = vec![origin(&report)];
    report
}

fn origin(report: &Report) -> Origin {
    Origin {
        id: report.id.clone(),
        started_at: report.started_at.clone(),
        connections_established: 1_071,
        answered: 198_800,
        environment: environment(),
    }
}

fn errors() -> Errors {
    Errors {
        connect: 12,
        read: 3,
        write: 1,
        timeout: 1_200,
        by_errno: [("ECONNREFUSED", 12), ("ECONNRESET", 3), ("EPIPE", 1)]
            .map(|(name, number)| (name.to_owned(), number))
            .into(),
        connect_by_errno: ByErrno::from([("ECONNREFUSED".to_owned(), 12)]),
    }
}

/// A server with two shards that was watched on the same machine.
pub(crate) fn server() -> ServerSide {
    let counts = ServerCounts {
        connections_accepted: 1_200,
        connections_refused: 1,
        accept_pauses: 2,
        requests: 198_800,
        refusals: 3,
        bytes_in: 26_600_000,
        bytes_out: 25_500_000,
        turns: 40_000,
        visits: 150_000,
    };
    let server = ServerFigures {
        addresses: vec!["127.0.0.1:9999".to_owned()],
        pid: Some(4711),
        program: Some("readyd".to_owned()),
        processes: Some(3),
        started_at: Some("2026-03-01T11:59:00.25Z".to_owned()),
        cpu_s: Some(0.82),
        resident_bytes: Some(Levels { before: 4 << 20, max: 7 << 20, after: 6 << 20 }),
        counts: Some(counts),
    };
    let load = Load { elapsed_s: 10.0, answered: 200_000, knows_all: true };
    ServerSide {
        tcp_buffers_bytes: Some(Levels { before: 4_096, max: 1 << 20, after: 8_192 }),
        notes: vec!["a note on the server".to_owned()],
        ..ServerSide::of(vec![server], load)
    }
}

fn steps(times: Percentiles) -> Vec<StepResult> {
    vec![
        StepResult {
            rate: 10_000.0,
            duration_s: 5.0,
            sent: 50_000,
            answered: 50_000,
            achieved_rate: Some(10_000.0),
            latency_us: times,
        },
        StepResult {
            rate: 30_000.0,
            duration_s: 5.0,
            sent: 150_000,
            answered: 148_800,
            achieved_rate: Some(28_400.0),
            latency_us: times,
        },
    ]
}

fn storms(times: Percentiles) -> Vec<StormResult> {
    vec![
        StormResult {
            at_s: 4.0,
            dropped: 64,
            served: 64,
            all_served_s: Some(0.31),
            failed_attempts: 5,
            served_us: times,
        },
        StormResult {
            at_s: 8.0,
            dropped: 64,
            served: 60,
            all_served_s: None,
            failed_attempts: 7,
            served_us: times,
        },
    ]
}

/// A run in which not one connection was established.
pub(crate) fn fruitless() -> Report {
    let none = Percentiles::default();
    let mut report = sample();
    report.met = false;
    report.shortfalls = vec!["not one connection was established".to_owned()];
    report.achieved = Achieved { connections_failed: 64, rate: Some(0.0), ..Achieved::default() };
    report.errors.connect = 64;
    report.errors.by_errno.insert("ECONNREFUSED".to_owned(), 64);
    report.errors.connect_by_errno = report.errors.by_errno.clone();
    (report.latency_us, report.service_us, report.connect_us) = (none, none, none);
    report.kinds.clear();
    report.series.clear();
    report.client = Client::default();
    report.environment = Environment::default();
    report.histograms = Histograms::default();
    report
}
