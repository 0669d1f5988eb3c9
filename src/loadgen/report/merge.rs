//! Merging the reports of several machines that took part in one load run.
//!
//! Invariant: histograms are merged bucket by bucket, so the percentiles are the same as of one
//! machine with all samples. For percentiles without a histogram (steps, storms, seconds, send lag)
//! the merged report has the worst of all machines, and a note says so.

use super::TlsAchieved;
use super::by_server;
use super::doubt::{self, in_doubt};
use super::{
    Achieved, Asked, Client, ConnectionEnds, Errors, Histograms, Mismatches, Origin, Percentiles,
    Report, ServerSide,
};
use super::{SCHEMA, Second, SlowResult, StepResult, StormResult, identity};
use std::collections::BTreeMap;
use std::fmt;

mod add;
#[cfg(test)]
mod tests;

pub(super) use add::unix_seconds;
use add::{most, sum};

/// Starts further apart than this, in seconds, are worth a note.
const SAME_START_S: f64 = 1.0;

/// Why reports cannot be merged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MergeError {
    /// There is no report.
    Nothing,
    /// A report is, or holds, a run that an earlier one is or holds, too.
    Repeated {
        /// Its number; the first is 1.
        report: usize,
        /// The earlier one's number.
        earlier: usize,
        /// Whether the earlier one was itself merged from several.
        is_in_merged: bool,
    },
    /// A report differs from the first in a setting.
    Differs {
        /// Its number; the first is 1.
        report: usize,
        /// The setting.
        what: &'static str,
        /// Its value in that report.
        value: String,
        /// Its value in the first.
        first: String,
    },
}

impl fmt::Display for MergeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MergeError::Nothing => f.write_str("there is no report to merge"),
            MergeError::Repeated { report, earlier, is_in_merged: false } => write!(
                f,
                "report {report} is the same run as report {earlier}, and would be counted twice \
                 (give each report once)"
            ),
            MergeError::Repeated { report, earlier, is_in_merged: true } => write!(
                f,
                "the run of report {report} is already in report {earlier}, which was merged, and \
                 would be counted twice (give each report once)"
            ),
            MergeError::Differs { report, what, value, first } => write!(
                f,
                "report {report} cannot be merged with the first: {what} is {value} in it and \
                 {first} in the first (merge reports of machines that did the same at the same \
                 time)"
            ),
        }
    }
}

impl std::error::Error for MergeError {}

/// Merges reports of machines that loaded the same servers in the same way at the same time: each
/// second of a run, from the start of its own measured part, is added to the same second of the
/// others.
///
/// # Errors
///
/// [`MergeError`] if there is none, a run is among them twice, or one differs from the first in
/// mode, workload, sizes, requests in flight, verification, steps, or number of storms.
pub fn merge(reports: &[Report]) -> Result<Report, MergeError> {
    let first = reports.first().ok_or(MergeError::Nothing)?;
    for (at, report) in reports.iter().enumerate().skip(1) {
        same_kind(at + 1, report, first)?;
    }
    let origins = different_runs(reports)?;
    let histograms = histograms(reports);
    let achieved = achieved(reports);
    Ok(Report {
        schema: SCHEMA.to_owned(),
        id: identity::merged_id(&origins),
        met: reports.iter().all(|report| report.met),
        shortfalls: named(reports, |report| &report.shortfalls),
        partial: partial(reports),
        notes: notes(reports),
        mode: first.mode,
        started_at: earliest_start(reports),
        asked: asked(reports),
        mismatches: mismatches(reports),
        first_unfinished: reports.iter().find_map(|report| report.first_unfinished.clone()),
        first_mismatch: reports.iter().find_map(|report| report.first_mismatch.clone()),
        errors: errors(reports),
        errors_by_server: by_server::merged(reports),
        latency_us: histograms.latency.percentiles(),
        service_us: histograms.service.percentiles(),
        connect_us: histograms.connect.percentiles(),
        kinds: histograms
            .kinds
            .iter()
            .map(|(kind, times)| (kind.clone(), times.percentiles()))
            .collect(),
        steps: steps(reports),
        storms: storms(reports),
        slow: slow(reports),
        series: series(reports),
        client: client(reports, &histograms),
        server: ServerSide::merge(reports, &achieved),
        environment: first.environment.clone(),
        merged: origins,
        achieved,
        histograms,
    })
}

fn same_kind(number: usize, report: &Report, first: &Report) -> Result<(), MergeError> {
    let facts = |report: &Report| {
        let asked = &report.asked;
        let steps: Vec<String> =
            report.steps.iter().map(|step| super::units::span(step.duration_s)).collect();
        [
            ("the mode", format!("{:?}", report.mode).to_lowercase()),
            ("the workload", asked.workload.clone()),
            ("the payload's size", super::words::size(asked)),
            ("the number of requests in flight on a connection", asked.pipeline.to_string()),
            ("whether replies are verified", asked.verify.to_string()),
            ("the length of the steps", format!("[{}]", steps.join(", "))),
            ("the number of storms", report.storms.len().to_string()),
        ]
    };
    let differing =
        facts(report).into_iter().zip(facts(first)).find(|(ours, firsts)| ours != firsts);
    match differing {
        None => Ok(()),
        Some(((what, value), (_, first))) => {
            Err(MergeError::Differs { report: number, what, value, first })
        }
    }
}

/// The runs that all reports hold. Fails if one is among them twice.
fn different_runs(reports: &[Report]) -> Result<Vec<Origin>, MergeError> {
    let mut all: Vec<(usize, Origin)> = Vec::new();
    for (at, report) in reports.iter().enumerate() {
        for origin in identity::origins(report) {
            let is_same =
                |(earlier, other): &&(usize, Origin)| *earlier != at && other.is_same_run(&origin);
            if let Some(&(earlier, _)) = all.iter().find(is_same) {
                let is_in_merged = !reports[earlier].merged.is_empty();
                return Err(MergeError::Repeated {
                    report: at + 1,
                    earlier: earlier + 1,
                    is_in_merged,
                });
            }
            all.push((at, origin));
        }
    }
    Ok(all.into_iter().map(|(_, origin)| origin).collect())
}

/// Sentences of several reports, each with its report's number.
fn named(reports: &[Report], of: fn(&Report) -> &Vec<String>) -> Vec<String> {
    let numbered = reports.iter().enumerate();
    numbered
        .flat_map(|(at, report)| {
            of(report).iter().map(move |sentence| format!("report {}: {sentence}", at + 1))
        })
        .collect()
}

fn partial(reports: &[Report]) -> Option<String> {
    let reasons: Vec<String> = reports
        .iter()
        .enumerate()
        .filter_map(|(at, report)| Some(format!("report {}: {}", at + 1, report.partial.as_ref()?)))
        .collect();
    (!reasons.is_empty()).then(|| reasons.join("; "))
}

fn notes(reports: &[Report]) -> Vec<String> {
    let mut notes = named(reports, |report| &report.notes);
    if reports.len() > 1 {
        notes.push(format!(
            "merged from {} reports: the percentiles of latency, service, connecting and kinds are \
             exact; those of steps, storms, single seconds and the send lag are the worst of any",
            reports.len()
        ));
    }
    for (at, report) in reports.iter().enumerate() {
        notes.extend(report.older_schema().map(|what| format!("report {}: {what}", at + 1)));
    }
    let starts: Vec<f64> =
        reports.iter().filter_map(|report| unix_seconds(&report.started_at)).collect();
    let apart = most(&starts) + most(&starts.iter().map(|at| -at).collect::<Vec<_>>());
    if !starts.is_empty() && apart > SAME_START_S {
        notes.push(format!(
            "the runs did not start together but within {}: the load was not all at once",
            super::units::span(apart)
        ));
    }
    let durations: Vec<f64> =
        reports.iter().map(|report| report.asked.duration_s.unwrap_or(0.0)).collect();
    if durations.iter().any(|duration| *duration != durations[0]) {
        notes.push("the runs were to last differently long".to_owned());
    }
    notes
}

fn earliest_start(reports: &[Report]) -> String {
    let start = |report: &&Report| unix_seconds(&report.started_at).unwrap_or(f64::MAX);
    let earliest = reports.iter().min_by(|a, b| start(a).total_cmp(&start(b)));
    earliest.map_or_else(String::new, |report| report.started_at.clone())
}

fn asked(reports: &[Report]) -> Asked {
    let all = || reports.iter().map(|report| &report.asked);
    let total = |of: fn(&Asked) -> u64| sum(all().map(of));
    // If one report has no limit, the merged one has none.
    let limit = |of: fn(&Asked) -> Option<f64>| all().map(of).sum::<Option<f64>>();
    let names = |of: fn(&Asked) -> &Vec<String>| {
        let mut names: Vec<String> = all().flat_map(of).cloned().collect();
        names.sort();
        names.dedup();
        names
    };
    let longest = |of: fn(&Asked) -> f64| most(&all().map(of).collect::<Vec<_>>());
    Asked {
        targets: names(|asked| &asked.targets),
        sources: names(|asked| &asked.sources),
        connections: total(|asked| asked.connections),
        idle: total(|asked| asked.idle),
        slow_readers: total(|asked| asked.slow_readers),
        slow_writers: total(|asked| asked.slow_writers),
        workers: total(|asked| asked.workers),
        rate: limit(|asked| asked.rate),
        connect_rate: limit(|asked| asked.connect_rate),
        requests: all()
            .map(|asked| asked.requests)
            .try_fold(0u64, |all, requests| Some(all.saturating_add(requests?))),
        duration_s: all().filter_map(|asked| asked.duration_s).reduce(f64::max),
        warmup_s: longest(|asked| asked.warmup_s),
        timeout_s: longest(|asked| asked.timeout_s),
        ..reports[0].asked.clone()
    }
}

fn achieved(reports: &[Report]) -> Achieved {
    let all = || reports.iter().map(|report| &report.achieved);
    let total = |of: fn(&Achieved) -> u64| sum(all().map(of));
    let longest = |of: fn(&Achieved) -> f64| most(&all().map(of).collect::<Vec<_>>());
    let answered = total(|achieved| achieved.answered);
    let elapsed_s = longest(|achieved| achieved.elapsed_s);
    Achieved {
        connections_established: total(|achieved| achieved.connections_established),
        connections_served: total(|achieved| achieved.connections_served),
        connections_unasked: total(|achieved| achieved.connections_unasked),
        connections_unprobed: Some(sum(reports.iter().map(Report::unprobed))),
        connections_peak: total(|achieved| achieved.connections_peak),
        connections_lost: total(|achieved| achieved.connections_lost),
        connection_ends: all().fold(ConnectionEnds::default(), |mut ends, achieved| {
            ends.add(&achieved.connection_ends);
            ends
        }),
        connections_opened: total(|achieved| achieved.connections_opened),
        connections_failed: total(|achieved| achieved.connections_failed),
        tls: all().filter_map(|achieved| achieved.tls).reduce(TlsAchieved::plus),
        connect_elapsed_s: longest(|achieved| achieved.connect_elapsed_s),
        outage_s: longest(|achieved| achieved.outage_s),
        requested: total(|achieved| achieved.requested),
        sent: total(|achieved| achieved.sent),
        answered,
        answered_in_window: total(|achieved| achieved.answered_in_window),
        answered_for_warmup: total(|achieved| achieved.answered_for_warmup),
        answered_in_grace: total(|achieved| achieved.answered_in_grace),
        verified: total(|achieved| achieved.verified),
        mismatched: total(|achieved| achieved.mismatched),
        unverified: total(|achieved| achieved.unverified),
        wrong: total(|achieved| achieved.wrong),
        unanswered: total(|achieved| achieved.unanswered),
        timed_out: total(|achieved| achieved.timed_out),
        lost: total(|achieved| achieved.lost),
        resent: total(|achieved| achieved.resent),
        abandoned: total(|achieved| achieved.abandoned),
        unsent: total(|achieved| achieved.unsent),
        late: total(|achieved| achieved.late),
        bytes_sent: total(|achieved| achieved.bytes_sent),
        bytes_received: total(|achieved| achieved.bytes_received),
        elapsed_s,
        rate: all().map(|achieved| achieved.rate).sum(),
    }
}

fn mismatches(reports: &[Report]) -> Mismatches {
    let total =
        |of: fn(&Mismatches) -> u64| sum(reports.iter().map(|report| of(&report.mismatches)));
    Mismatches {
        corrupt: total(|wrong| wrong.corrupt),
        doubled: total(|wrong| wrong.doubled),
        swapped: total(|wrong| wrong.swapped),
        foreign: total(|wrong| wrong.foreign),
        unexpected: total(|wrong| wrong.unexpected),
        lost: total(|wrong| wrong.lost),
    }
}

fn errors(reports: &[Report]) -> Errors {
    let mut merged = Errors::default();
    reports.iter().for_each(|report| merged.add(&report.errors));
    merged
}

fn histograms(reports: &[Report]) -> Histograms {
    let mut merged = Histograms::default();
    for histograms in reports.iter().map(|report| &report.histograms) {
        merged.latency.merge(&histograms.latency);
        merged.service.merge(&histograms.service);
        merged.connect.merge(&histograms.connect);
        merged.client_delay.merge(&histograms.client_delay);
        for (kind, times) in &histograms.kinds {
            merged.kinds.entry(kind.clone()).or_default().merge(times);
        }
    }
    merged
}

fn steps(reports: &[Report]) -> Vec<StepResult> {
    let step = |at: usize| {
        let all = || reports.iter().filter_map(move |report| report.steps.get(at));
        StepResult {
            rate: all().map(|step| step.rate).sum(),
            duration_s: reports[0].steps[at].duration_s,
            sent: sum(all().map(|step| step.sent)),
            answered: sum(all().map(|step| step.answered)),
            achieved_rate: all().map(|step| step.achieved_rate).sum(),
            latency_us: Percentiles::worst_of(all().map(|step| &step.latency_us)),
        }
    };
    (0..reports[0].steps.len()).map(step).collect()
}

fn storms(reports: &[Report]) -> Vec<StormResult> {
    let storm = |at: usize| {
        let all = || reports.iter().filter_map(move |report| report.storms.get(at));
        StormResult {
            at_s: reports[0].storms[at].at_s,
            dropped: sum(all().map(|storm| storm.dropped)),
            served: sum(all().map(|storm| storm.served)),
            all_served_s: all()
                .map(|storm| storm.all_served_s)
                .try_fold(0.0, |longest: f64, after| Some(longest.max(after?))),
            failed_attempts: sum(all().map(|storm| storm.failed_attempts)),
            served_us: Percentiles::worst_of(all().map(|storm| &storm.served_us)),
        }
    };
    (0..reports[0].storms.len()).map(storm).collect()
}

fn slow(reports: &[Report]) -> Option<SlowResult> {
    let all = || reports.iter().filter_map(|report| report.slow.as_ref());
    all().next()?;
    Some(SlowResult {
        established: sum(all().map(|slow| slow.established)),
        answered: sum(all().map(|slow| slow.answered)),
        closed_by_server: sum(all().map(|slow| slow.closed_by_server)),
    })
}

/// Second by second, counted on each machine from the start of its own measured part.
fn series(reports: &[Report]) -> Vec<Second> {
    let mut merged: BTreeMap<i64, Second> = BTreeMap::new();
    for second in reports.iter().flat_map(|report| &report.series) {
        let at = second.t_s.round() as i64;
        let all =
            merged.entry(at).or_insert_with(|| Second { t_s: at as f64, ..Second::default() });
        all.connections = all.connections.saturating_add(second.connections);
        all.length_s = all.length_s.max(second.length_s);
        let add = |all: Option<u64>, one: Option<u64>| match (all, one) {
            (Some(all), Some(one)) => Some(all.saturating_add(one)),
            (all, one) => all.or(one),
        };
        all.connections_least = add(all.connections_least, second.connections_least);
        all.connections_most = add(all.connections_most, second.connections_most);
        all.asked = all.asked.saturating_add(second.asked);
        all.served = all.served.saturating_add(second.served);
        all.opened = all.opened.saturating_add(second.opened);
        all.sent = all.sent.saturating_add(second.sent);
        all.answered = all.answered.saturating_add(second.answered);
        all.errors = all.errors.saturating_add(second.errors);
        all.stalled_s = all.stalled_s.max(second.stalled_s);
        for (all, one) in [
            (&mut all.p50_us, second.p50_us),
            (&mut all.p99_us, second.p99_us),
            (&mut all.max_us, second.max_us),
        ] {
            *all = all.iter().copied().chain(one).reduce(f64::max);
        }
    }
    merged.into_values().collect()
}

/// The worst of the load generators.
fn client(reports: &[Report], histograms: &Histograms) -> Client {
    let all = || reports.iter().map(|report| &report.client);
    let worst_of = |of: fn(&Client) -> f64| most(&all().map(of).collect::<Vec<_>>());
    let worst = all().max_by(|a, b| {
        let rank = |client: &Client| (client.bottleneck, client.validity);
        rank(a).cmp(&rank(b)).then(a.cpu_share.total_cmp(&b.cpu_share))
    });
    let lags: Vec<&Percentiles> = all().filter_map(|client| client.send_lag_us.as_ref()).collect();
    Client {
        cpu_s: all().map(|client| client.cpu_s).sum(),
        cpu_share: worst_of(|client| client.cpu_share),
        // Unknown of one, it is unknown of all.
        cpu_busy_wait_s: all().map(|client| client.cpu_busy_wait_s).sum(),
        cpu_work_share: all()
            .map(|client| client.cpu_work_share)
            .reduce(|a, b| Some(a?.max(b?)))
            .flatten(),
        cpu_wait_s: worst_of(|client| client.cpu_wait_s),
        stalled_s: worst_of(|client| client.stalled_s),
        bottleneck: all().any(|client| client.bottleneck),
        validity: all().map(|client| client.validity).max().unwrap_or_default(),
        in_doubt: doubt::names_in_json(&in_doubt(&histograms.latency, &histograms.client_delay)),
        verdict: worst.map_or_else(String::new, |client| client.verdict.clone()),
        loop_lag_us_p99: worst_of(|client| client.loop_lag_us_p99),
        loop_lag_us_max: worst_of(|client| client.loop_lag_us_max),
        send_lag_us: (!lags.is_empty()).then(|| Percentiles::worst_of(lags.into_iter())),
        late_by_client: sum(all().map(|client| client.late_by_client)),
        delay_us: histograms.client_delay.percentiles(),
        resident_bytes: sum(all().map(|client| client.resident_bytes)),
    }
}
