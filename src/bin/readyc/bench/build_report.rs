//! Builds the report from the counters: what was achieved, whether that is what was asked, and
//! whether the client or the server was the limit.

use super::coordinator::{RunResult, WorkerFigures};
use crate::encryption::Handshakes;
use readyd::loadgen::codec::SHORTEST_TAG;
use readyd::loadgen::plan::{Pace, Plan, Workload};
use readyd::loadgen::report::{
    Achieved, Asked, ByServer, Client, Environment, Histogram, Histograms, Mode, PackedHistogram,
    Report, SCHEMA, Second, StepResult, StormResult, TlsAchieved, Validity, random_id,
};
use readyd::loadgen::{Counters, Interval};
use std::time::Duration;

mod capacity;
mod client;
mod verdict;

#[cfg(test)]
mod tests;

/// The report of a run of `plan`.
pub(super) fn report(
    plan: &Plan,
    asked: Asked,
    result: RunResult,
    environment: Environment,
    started_at: String,
) -> Report {
    let result = if asked.is_answered() { result } else { without_latency(result) };
    let RunResult { counters, workers, handshakes, opening, seconds, stopped } = result;
    let achieved = achieved(plan, &counters, opening, handshakes);
    let meets_rate = achieved.meets_rate(&asked);
    let client = client(plan, &counters, &workers, stopped, meets_rate, &environment);
    let mut shortfalls = verdict::shortfalls(plan, &asked, &achieved, &counters);
    if counters.partial.is_some() {
        shortfalls.push("the result is partial".to_owned());
    }
    let kinds = counters.kinds.iter().map(|(kind, h)| (kind.clone(), h.percentiles())).collect();
    let connections = plan.connections.total() as u64;
    let has_slow = asked.slow_readers + asked.slow_writers > 0;
    Report {
        schema: SCHEMA.to_owned(),
        id: random_id(),
        met: shortfalls.is_empty(),
        shortfalls,
        partial: counters.partial.clone(),
        mode: if plan.is_open_loop() { Mode::Open } else { Mode::Closed },
        started_at,
        asked,
        achieved,
        mismatches: counters.mismatches.clone(),
        first_mismatch: counters.first_mismatch.clone(),
        first_unfinished: counters.first_unfinished.clone(),
        errors: counters.errors.clone(),
        errors_by_server: by_server(plan, &counters),
        latency_us: counters.latency.percentiles(),
        service_us: counters.service.percentiles(),
        connect_us: counters.connect.percentiles(),
        kinds,
        steps: steps(plan, &counters),
        storms: storms(&counters),
        slow: has_slow.then(|| counters.slow.clone()),
        series: seconds
            .iter()
            .map(|(&start, packed)| second(connections, start, &packed.unpack()))
            .collect(),
        client,
        server: None,
        environment,
        notes: notes(plan),
        merged: Vec::new(),
        histograms: Histograms {
            latency: counters.latency,
            service: counters.service,
            connect: counters.connect,
            client_delay: counters.client_delay,
            kinds: counters.kinds,
        },
    }
}

/// The result of a run whose requests are not answered: how long send(2) took is no latency.
fn without_latency(mut result: RunResult) -> RunResult {
    result.counters.latency = Histogram::default();
    result.counters.service = Histogram::default();
    result.counters.client_delay = Histogram::default();
    result.counters.steps.iter_mut().for_each(|step| step.latency = Histogram::default());
    result.seconds.values_mut().for_each(|second| second.latency = PackedHistogram::default());
    result
}

/// The errors of each server, if there are several.
fn by_server(plan: &Plan, counters: &Counters) -> ByServer {
    let mut named = ByServer::new();
    for (server, errors) in plan.destinations.iter().zip(&counters.by_server) {
        // A server may have been given twice.
        named.entry(server.to_string()).or_default().add(errors);
    }
    named
}

/// What a reader should know of how replies were matched to requests.
fn notes(plan: &Plan) -> Vec<String> {
    let shortest = match &plan.workload {
        Workload::Framed(mix) if mix.echo > 0 => mix.sizes.min,
        Workload::PlainEcho(sizes) => sizes.min,
        _ => usize::MAX,
    };
    if shortest >= SHORTEST_TAG || !plan.verify {
        return Vec::new();
    }
    vec![format!(
        "payloads of fewer than {SHORTEST_TAG} bytes cannot name their request: of these, a reply \
         that is doubled, lost or swapped is told as a corrupt one"
    )]
}

fn achieved(
    plan: &Plan,
    counters: &Counters,
    opening: Duration,
    handshakes: Option<Handshakes>,
) -> Achieved {
    let requests = &counters.requests;
    let requested = if plan.is_open_loop() {
        counters.scheduled
    } else {
        plan.until.requests.map_or(requests.sent, |asked| asked.max(requests.sent))
    };
    let elapsed_s = counters.elapsed.as_secs_f64();
    Achieved {
        connections_established: counters.connections.established,
        connections_served: counters.connections.served,
        connections_unasked: counters.connections.unasked,
        connections_unprobed: Some(counters.connections.unprobed),
        connections_peak: counters.connections.peak,
        connections_lost: counters.connections.ends.lost(),
        connection_ends: counters.connections.ends,
        connections_opened: counters.connections.opened,
        connections_failed: counters.connections.ends.never_connected,
        tls: handshakes.map(|Handshakes { all, resumed, measured }| TlsAchieved {
            handshakes: all,
            resumed,
            handshakes_per_s: per_second(measured, elapsed_s),
        }),
        connect_elapsed_s: opening.as_secs_f64(),
        outage_s: counters.outage.as_secs_f64(),
        requested,
        sent: requests.sent,
        answered: requests.answered(),
        verified: requests.verified,
        mismatched: counters.mismatched(),
        unverified: requests.unverified,
        wrong: requests.wrong,
        unanswered: requests.unanswered(),
        timed_out: requests.timed_out,
        lost: requests.lost,
        resent: requests.resent,
        abandoned: requests.abandoned,
        unsent: requested.saturating_sub(requests.sent),
        late: requests.late,
        bytes_sent: counters.bytes_sent,
        bytes_received: counters.bytes_received,
        elapsed_s,
        answered_in_window: counters.answered_in_time,
        answered_for_warmup: counters.answered_for_warmup,
        answered_in_grace: counters.answered_in_grace,
        rate: throughput(plan, counters),
    }
}

/// Answers within the measured part, by its length. Where the last answer ends it, the time until
/// one answer alone is a latency, and says nothing of how many there would be per second.
fn throughput(plan: &Plan, counters: &Counters) -> Option<f64> {
    let is_single = counters.answered_in_time - counters.answered_for_warmup == 1;
    let ends_with_answer = !plan.is_open_loop() && plan.until.duration.is_none();
    if is_single && ends_with_answer {
        return None;
    }
    per_second(counters.answered_in_time, counters.elapsed.as_secs_f64())
}

/// A count over a time, per second. In no time there is no rate.
fn per_second(count: u64, length_s: f64) -> Option<f64> {
    (length_s > 0.0).then(|| count as f64 / length_s)
}

fn client(
    plan: &Plan,
    counters: &Counters,
    workers: &[WorkerFigures],
    stopped: Duration,
    meets_rate: bool,
    environment: &Environment,
) -> Client {
    let share_of_busiest = |used: fn(&WorkerFigures) -> Duration| {
        workers.iter().map(|worker| worker.share(used(worker))).fold(0.0, f64::max)
    };
    let cpu_share = share_of_busiest(|worker| worker.cpu);
    let work_share = share_of_busiest(WorkerFigures::work);
    let send_lag = plan.is_open_loop().then(|| counters.send_lag.percentiles());
    let waited = workers.iter().map(|worker| worker.cpu_wait).max().unwrap_or_default();
    let work = workers.iter().map(WorkerFigures::work).sum();
    let load = client::ClientLoad {
        cpu_share,
        work_share,
        waited,
        stopped,
        machine_busy: environment.machine_busy,
        processors: environment.cpus,
        workers: workers.len() as u64,
        beyond: capacity::beyond(plan, counters, work, workers.len(), meets_rate),
    };
    let client::Judgement { validity, in_doubt, said } = client::judge(plan, counters, &load);
    Client {
        cpu_s: workers.iter().map(|worker| worker.cpu.as_secs_f64()).sum(),
        cpu_share,
        cpu_busy_wait_s: Some(
            workers.iter().map(|worker| worker.cpu_busy_wait.as_secs_f64()).sum(),
        ),
        cpu_work_share: Some(work_share),
        cpu_wait_s: waited.as_secs_f64(),
        stalled_s: counters.stalled.as_secs_f64(),
        bottleneck: validity == Validity::Invalid,
        validity,
        in_doubt,
        verdict: said,
        loop_lag_us_p99: counters.loop_lag.value_at(0.99) as f64 / 1000.0,
        loop_lag_us_max: counters.loop_lag.max() as f64 / 1000.0,
        send_lag_us: send_lag,
        late_by_client: counters.requests.late_by_client,
        delay_us: counters.client_delay.percentiles(),
        resident_bytes: workers.iter().map(|worker| worker.resident_bytes).sum(),
    }
}

fn steps(plan: &Plan, counters: &Counters) -> Vec<StepResult> {
    let Pace::Rates(steps) = &plan.pace else { return Vec::new() };
    // Each step ends when the next begins. The last step ends with the run.
    let end = plan.until.duration.map_or(Duration::MAX, |length| plan.warmup + length);
    let mut start = Duration::ZERO;
    steps
        .iter()
        .zip(&counters.steps)
        .enumerate()
        .map(|(index, (step, counters))| {
            let is_last = index + 1 == steps.len();
            let planned_end = if is_last { end } else { end.min(start + step.duration) };
            // The warm-up does not count.
            let length = planned_end.saturating_sub(start.max(plan.warmup)).as_secs_f64();
            start += step.duration;
            StepResult {
                rate: step.rate,
                duration_s: length,
                sent: counters.sent,
                answered: counters.answered,
                achieved_rate: per_second(counters.answered_in_time, length),
                latency_us: counters.latency.percentiles(),
            }
        })
        .collect()
}

fn storms(counters: &Counters) -> Vec<StormResult> {
    counters
        .storms
        .iter()
        .map(|storm| {
            let served = storm.served.count();
            let are_all_served = served >= storm.dropped;
            StormResult {
                at_s: storm.at.as_secs_f64(),
                dropped: storm.dropped,
                served,
                all_served_s: are_all_served.then_some(storm.last_served.as_secs_f64()),
                failed_attempts: storm.failed_attempts,
                served_us: storm.served.percentiles(),
            }
        })
        .collect()
}

fn second(asked: u64, start: i64, interval: &Interval) -> Second {
    let at = |quantile| interval.latency.value_at(quantile) as f64 / 1000.0;
    let has_answers = interval.latency.count() > 0;
    Second {
        // To the millisecond: before the run, each worker's seconds begin when it was started.
        t_s: (start as f64 / 1e6).round() / 1000.0,
        connections: interval.connections,
        opened: interval.opened,
        sent: interval.sent,
        answered: interval.answered,
        errors: interval.errors,
        p50_us: has_answers.then(|| at(0.5)),
        p99_us: has_answers.then(|| at(0.99)),
        max_us: has_answers.then(|| interval.latency.max() as f64 / 1000.0),
        // To the microsecond.
        stalled_s: interval.stalled.as_micros() as f64 / 1e6,
        length_s: interval.length.as_micros() as f64 / 1e6,
        connections_least: Some(interval.least),
        connections_most: Some(interval.most),
        asked,
        served: interval.served,
    }
}
