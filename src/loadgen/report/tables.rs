//! The tables of a report, the same in all output formats.

use super::table::{Severity, Table};
use super::units::{bytes, count, micros, number, percent, rate, seconds, span, unknown};
use super::words::{errors_in_words, known_share};
use super::{Environment, Mode, Percentiles, Report, StepResult};

/// One value of a distribution.
type Of = fn(&Percentiles) -> f64;

/// A percentile in the tables.
pub(super) struct Percentile {
    /// How tables and sentences name it.
    pub(super) name: &'static str,
    /// How `client.in_doubt` of the JSON report names it.
    pub(super) in_json: &'static str,
    pub(super) quantile: f64,
    of: Of,
}

const fn percentile(
    name: &'static str,
    in_json: &'static str,
    quantile: f64,
    of: Of,
) -> Percentile {
    Percentile { name, in_json, quantile, of }
}

/// The percentiles that are stated, lowest first.
pub(super) const PERCENTILES: [Percentile; 8] = [
    percentile("p50", "50 %", 0.5, |times| times.p50),
    percentile("p75", "75 %", 0.75, |times| times.p75),
    percentile("p90", "90 %", 0.9, |times| times.p90),
    percentile("p99", "99 %", 0.99, |times| times.p99),
    percentile("p99.9", "99.9 %", 0.999, |times| times.p999),
    percentile("p99.99", "99.99 %", 0.9999, |times| times.p9999),
    percentile("p99.999", "99.999 %", 0.99999, |times| times.p99999),
    percentile("max", "100 %", 1.0, |times| times.max),
];

impl Percentile {
    /// Its name, with an asterisk if it is unknown of all requests, and a question mark if it is in
    /// doubt. Sentences above the figures explain both.
    fn marked(&self, report: &Report) -> String {
        let known = known_share(report).unwrap_or(1.0);
        let asterisk = if self.quantile > known { " *" } else { "" };
        let is_in_doubt = report.client.in_doubt.iter().any(|doubtful| doubtful == self.in_json);
        let doubt = if is_in_doubt { " ?" } else { "" };
        format!("{}{asterisk}{doubt}", self.name)
    }

    fn cell(&self, times: &Percentiles) -> String {
        if_carried(times, self.quantile, (self.of)(times))
    }
}

/// The named percentiles of the latency, each with its marks and its value.
pub(crate) fn percentiles(report: &Report, names: &[&str]) -> Vec<(String, String)> {
    let named = PERCENTILES.iter().filter(|percentile| names.contains(&percentile.name));
    named
        .map(|percentile| (percentile.marked(report), percentile.cell(&report.latency_us)))
        .collect()
}

/// The percentiles in doubt: how tables name them, and the quantiles.
pub(crate) fn in_doubt(report: &Report) -> Vec<(&'static str, f64)> {
    let doubtful = &report.client.in_doubt;
    let is_in_doubt = |percentile: &&Percentile| doubtful.iter().any(|it| it == percentile.in_json);
    PERCENTILES.iter().filter(is_in_doubt).map(|it| (it.name, it.quantile)).collect()
}

/// The columns of [`short`].
const SHORT: [&str; 5] = ["p50", "p90", "p99", "p99.9", "max"];

/// A distribution in a few cells.
fn short(times: &Percentiles) -> [String; 5] {
    if times.count == 0 {
        return std::array::from_fn(|_| "–".to_owned());
    }
    [(0.5, times.p50), (0.9, times.p90), (0.99, times.p99), (0.999, times.p999), (1.0, times.max)]
        .map(|(quantile, time)| if_carried(times, quantile, time))
}

/// A percentile, if there are samples enough for it.
pub(crate) fn if_carried(times: &Percentiles, quantile: f64, time: f64) -> String {
    if times.carries(quantile) { micros(time) } else { "–".to_owned() }
}

fn head(first: &[&'static str]) -> Vec<&'static str> {
    [first, &SHORT[..]].concat()
}

fn cells(first: &[String], times: &Percentiles) -> Vec<String> {
    [first, &short(times)[..]].concat()
}

/// The requested figures beside the achieved ones.
pub(crate) fn asked_and_achieved(report: &Report) -> Table {
    let (asked, achieved) = (&report.asked, &report.achieved);
    let mut table = Table::new("Asked and achieved", &["", "asked", "achieved"]);
    let mut push = |name: &str, asked: String, achieved: String, is_met: bool| {
        let severity = if is_met { Severity::Plain } else { Severity::Bad };
        table.push(severity, [name.to_owned(), asked, achieved]);
    };
    let connections = report.connections_asked();
    push(
        "connections",
        count(connections),
        count(achieved.connections_established),
        achieved.connections_established >= connections,
    );
    if report.knows_served() {
        let (wanted, served) = (report.to_be_served(), achieved.connections_served);
        push("served", count(wanted), count(served), served >= wanted);
    }
    let requests = match (asked.requests, report.mode) {
        (Some(requests), _) => Some(requests),
        (None, Mode::Open) => Some(achieved.requested),
        (None, Mode::Closed) => None,
    };
    push(
        "requests",
        requests.map_or_else(|| "no limit".to_owned(), count),
        count(achieved.answered),
        requests.is_none_or(|requests| achieved.answered >= requests),
    );
    push(
        if report.steps.len() > 1 { "rate, mean" } else { "rate" },
        asked.rate.map_or_else(|| "no limit".to_owned(), rate),
        achieved.rate.map_or_else(unknown, rate),
        achieved.meets_rate(asked),
    );
    if let Some(duration) = asked.duration_s {
        let is_met = achieved.elapsed_s >= duration * 0.99;
        push("duration", span(duration), seconds(achieved.elapsed_s), is_met);
    }
    if asked.verify {
        let is_met = achieved.verified >= achieved.answered;
        push("verified", count(achieved.answered), count(achieved.verified), is_met);
    }
    table
}

/// The errors by operation; `None` if there were none.
pub(crate) fn errors(report: &Report) -> Option<Table> {
    let (errors, wrong) = (&report.errors, &report.mismatches);
    let mut lost = errors.by_errno.clone();
    for (name, number) in &errors.connect_by_errno {
        if let Some(all) = lost.get_mut(name) {
            *all = all.saturating_sub(*number);
        }
    }
    let in_use = errors_in_words(&lost);
    let (read, write) = match (errors.read, errors.write) {
        (_, 0) => (in_use, String::new()),
        (0, _) => (String::new(), in_use),
        _ => (format!("with write: {in_use}"), String::new()),
    };
    let mismatched = report.achieved.mismatched;
    let kinds = [
        (wrong.corrupt, "corrupt"),
        (wrong.doubled, "doubled"),
        (wrong.swapped, "swapped"),
        (wrong.foreign, "of another connection"),
        (wrong.unexpected, "unexpected"),
    ];
    let kinds: Vec<String> = kinds
        .iter()
        .filter(|(number, _)| *number > 0)
        .map(|(number, kind)| format!("{} {kind}", count(*number)))
        .collect();
    let mut table = Table::with_remarks("Errors", &["", "count", ""]);
    for (name, number, remark) in [
        ("connect", errors.connect, errors_in_words(&errors.connect_by_errno)),
        ("read", errors.read, read),
        ("write", errors.write, write),
        ("timeout", errors.timeout, format!("no answer within {}", span(report.asked.timeout_s))),
        ("mismatch", mismatched, kinds.join(", ")),
        ("  lost reply", wrong.lost, "of these, a later one came".to_owned()),
        ("cut off", report.achieved.lost, "in flight when their connection was lost".to_owned()),
    ] {
        if number > 0 {
            table.push(Severity::Bad, [name.to_owned(), count(number), remark]);
        }
    }
    (!table.rows.is_empty()).then_some(table)
}

/// Latency and service time, side by side; nothing without answers.
pub(crate) fn latency(report: &Report) -> Option<Table> {
    let (latency, service) = (&report.latency_us, &report.service_us);
    if latency.count == 0 {
        return None;
    }
    let is_open = report.mode == Mode::Open;
    let intended = if is_open { "from intended time" } else { "from sending" };
    let mut table = Table::new("Latency", &["", intended, "service"]);
    for percentile in &PERCENTILES {
        let cells = [latency, service].map(|times| percentile.cell(times));
        let [latency, service] = cells;
        table.push(Severity::Plain, [percentile.marked(report), latency, service]);
    }
    for (name, of) in [("mean", (|times| times.mean) as Of), ("std dev", |times| times.stdev)] {
        table.push(Severity::Plain, [name.to_owned(), micros(of(latency)), micros(of(service))]);
    }
    Some(table)
}

/// The latency in a few columns: of all requests, of each kind if there are several, and the time
/// to connect. Nothing without any of them.
pub(crate) fn latency_in_short(report: &Report) -> Option<Table> {
    let shown = PERCENTILES.iter().filter(|percentile| SHORT.contains(&percentile.name));
    let marked: Vec<String> = shown.map(|percentile| percentile.marked(report)).collect();
    let head: Vec<&str> = std::iter::once("").chain(marked.iter().map(String::as_str)).collect();
    let mut table = Table::new("Latency", &head).sparing(&[2, 4]);
    let mut push = |name: &str, times: &Percentiles| {
        if times.count > 0 {
            table.push(Severity::Plain, cells(&[name.to_owned()], times));
        }
    };
    match report.mode {
        Mode::Open => {
            push("from intended time", &report.latency_us);
            push("service time", &report.service_us);
        }
        Mode::Closed => push("from sending", &report.latency_us),
    }
    if report.kinds.len() > 1 {
        report.kinds.iter().for_each(|(kind, times)| push(kind, times));
    }
    push("connect", &report.connect_us);
    (!table.rows.is_empty()).then_some(table)
}

/// The percentiles in detail; nothing without answers.
pub(crate) fn spectrum(report: &Report) -> Option<Table> {
    let latency = &report.histograms.latency;
    if latency.count() == 0 {
        return None;
    }
    let mut table =
        Table::new("Percentile spectrum", &["percentile", "latency", "requests", "1/(1-p)"])
            .sparing(&[3, 2]);
    for step in latency.spectrum() {
        let odds = if step.quantile < 1.0 {
            format!("{:.2}", 1.0 / (1.0 - step.quantile))
        } else {
            "∞".to_owned()
        };
        let name = format!("{:>10.6} %", step.quantile * 100.0);
        let latency = micros(step.nanos as f64 / 1e3);
        table.push(Severity::Plain, [name, latency, count(step.count), odds]);
    }
    Some(table)
}

/// The latency of each kind of request, if there were several, and the time to connect.
pub(crate) fn kinds(report: &Report) -> Option<Table> {
    let has_kinds = report.kinds.len() > 1;
    let title = if has_kinds { "Latency by kind" } else { "Connecting" };
    let mut table = Table::new(title, &head(&["", "count"])).sparing(&[3, 5]);
    if has_kinds {
        for (kind, times) in &report.kinds {
            table.push(Severity::Plain, cells(&[kind.clone(), count(times.count)], times));
        }
    }
    let connect = &report.connect_us;
    if connect.count > 0 {
        table.push(Severity::Plain, cells(&["connect".to_owned(), count(connect.count)], connect));
    }
    (!table.rows.is_empty()).then_some(table)
}

/// The steps of a ramp, if there was one.
pub(crate) fn steps(report: &Report) -> Option<Table> {
    let mut table =
        Table::new("Steps", &head(&["asked", "achieved", "for", "answered"])).sparing(&[5, 7, 2]);
    for step in &report.steps {
        let first = [
            rate(step.rate),
            step.achieved_rate.map_or_else(unknown, rate),
            span(step.duration_s),
            answered_share(step),
        ];
        let is_met = step.achieved_rate.is_none_or(|achieved| achieved >= step.rate * 0.99);
        let severity = if is_met { Severity::Plain } else { Severity::Bad };
        table.push(severity, cells(&first, &step.latency_us));
    }
    (!table.rows.is_empty()).then_some(table)
}

fn answered_share(step: &StepResult) -> String {
    match step.sent {
        0 => "–".to_owned(),
        sent if step.answered >= sent => "all".to_owned(),
        sent => super::units::nearly_all(step.answered as f64 / sent as f64),
    }
}

/// The reconnect storms, if there were any.
pub(crate) fn storms(report: &Report) -> Option<Table> {
    let first = ["at", "dropped", "served", "all in", "failed"];
    let mut table = Table::new("Reconnect storms", &head(&first)).sparing(&[6, 8, 5]);
    for storm in &report.storms {
        let first = [
            span(storm.at_s),
            count(storm.dropped),
            count(storm.served),
            storm.all_served_s.map_or_else(|| "never".to_owned(), seconds),
            count(storm.failed_attempts),
        ];
        let severity = if storm.all_served_s.is_some() { Severity::Plain } else { Severity::Bad };
        table.push(severity, cells(&first, &storm.served_us));
    }
    (!table.rows.is_empty()).then_some(table)
}

/// How slow readers and writers fared, if there were any.
pub(crate) fn slow(report: &Report) -> Option<Table> {
    let slow = report.slow.as_ref()?;
    let asked = report.asked.slow_readers.saturating_add(report.asked.slow_writers);
    let mut table = Table::new("Slow connections", &["", ""]);
    for (name, number) in [
        ("asked", asked),
        ("established", slow.established),
        ("replies", slow.answered),
        ("closed by server", slow.closed_by_server),
    ] {
        table.push(Severity::Plain, [name.to_owned(), count(number)]);
    }
    Some(table)
}

/// Whether the load generator kept up, in figures.
pub(crate) fn client(report: &Report) -> Table {
    let client = &report.client;
    let mut table = Table::new("Load generator", &["", ""]);
    let mut push =
        |name: &str, value: String| table.push(Severity::Plain, [name.to_owned(), value]);
    let waits = client.cpu_busy_wait_s.is_some_and(|waited| waited > 0.0);
    let and_work = |all: String, work: String| match waits {
        true => format!("{all}, {work} without busy-waiting"),
        false => all,
    };
    let share = and_work(percent(client.cpu_share), percent(client.work_share()));
    push("CPU of busiest worker", share);
    push("CPU time, all workers", and_work(seconds(client.cpu_s), seconds(client.work_s())));
    if report.achieved.answered > 0 {
        let each = |cpu_s: f64| micros(cpu_s * 1e6 / report.achieved.answered as f64);
        push("CPU time per request", and_work(each(client.cpu_s), each(client.work_s())));
    }
    push("loop lag, p99", micros(client.loop_lag_us_p99));
    push("loop lag, max", micros(client.loop_lag_us_max));
    if let Some(lag) = &client.send_lag_us {
        push("send lag, p50", if_carried(lag, 0.5, lag.p50));
        push("send lag, p99", if_carried(lag, 0.99, lag.p99));
        push("send lag, max", micros(lag.max));
        push("sent over 1 ms late", count(client.late_by_client));
    }
    if client.delay_us.count > 0 {
        push("requests delayed, p50", micros(client.delay_us.p50));
        push("requests delayed, p99", micros(client.delay_us.p99));
    }
    if client.resident_bytes > 0 {
        push("memory", bytes(client.resident_bytes as f64));
    }
    if let Some(busy) = report.environment.machine_busy {
        push("whole machine in use", percent(busy));
    }
    if report.achieved.late > 0 {
        push("requests over 1 ms late", number(report.achieved.late as f64));
    }
    table
}

/// Where this was measured; what could not be found out is left out.
pub(crate) fn environment(report: &Report) -> Table {
    surroundings(&report.environment, &report.started_at)
}

/// Where something was measured, and when it began.
pub(crate) fn surroundings(environment: &Environment, started_at: &str) -> Table {
    let mut table = Table::with_remarks("Environment", &["", ""]);
    let mut push = |name: &str, value: String| {
        if !value.is_empty() {
            table.push(Severity::Plain, [name.to_owned(), value]);
        }
    };
    let unless_zero = |number: u64, text: fn(u64) -> String| match number {
        0 => String::new(),
        number => text(number),
    };
    push("readyc", environment.readyc.clone());
    push("command", environment.command.join(" "));
    push("started", started_at.to_owned());
    push("kernel", environment.kernel.clone());
    push("CPU", environment.cpu.clone());
    push("CPUs usable", unless_zero(environment.cpus, count));
    push("memory", unless_zero(environment.memory_bytes, |size| bytes(size as f64)));
    push("descriptor limit", unless_zero(environment.nofile, count));
    for (name, value) in &environment.sysctls {
        push(name, value.clone());
    }
    table
}

/// What each of several merged reports was; nothing of a single run.
pub(crate) fn merged(report: &Report) -> Option<Table> {
    let head = ["started", "connections", "answered", "kernel and CPU"];
    let mut table = Table::with_remarks("Merged from", &head);
    for origin in &report.merged {
        let machine = format!("{}, {}", origin.environment.kernel, origin.environment.cpu);
        table.push(
            Severity::Plain,
            [
                origin.started_at.clone(),
                count(origin.connections_established),
                count(origin.answered),
                machine,
            ],
        );
    }
    (!table.rows.is_empty()).then_some(table)
}
