//! From what was counted to the report: what was achieved, whether that is what was asked, and
//! whether the client or the server is what it tells of.

use super::coordinator::{Findings, WorkerFigures};
use readyd::loadgen::plan::{Pace, Plan, Work};
use readyd::loadgen::report::{
    Achieved, Asked, Client, Environment, Histograms, Mode, Report, SCHEMA, Second, StepResult,
    StormResult,
};
use readyd::loadgen::wire::SHORTEST_NAME;
use readyd::loadgen::{Interval, Tally};
use std::time::Duration;

mod verdict;

/// The report of a run of `plan`.
pub(super) fn report(
    plan: &Plan,
    asked: Asked,
    findings: Findings,
    environment: Environment,
    started_at: String,
) -> Report {
    let Findings { tally, workers, opening, seconds } = findings;
    let achieved = achieved(plan, &tally, opening);
    let client = client(plan, &tally, &workers, environment.machine_busy);
    let mut shortfalls = verdict::shortfalls(plan, &asked, &achieved, &tally);
    if tally.partial.is_some() {
        shortfalls.push("the result is partial".to_owned());
    }
    let kinds = tally.kinds.iter().map(|(kind, h)| (kind.clone(), h.percentiles())).collect();
    let has_slow = asked.slow_readers + asked.slow_writers > 0;
    Report {
        schema: SCHEMA.to_owned(),
        met: shortfalls.is_empty(),
        shortfalls,
        partial: tally.partial.clone(),
        mode: if plan.is_open_loop() { Mode::Open } else { Mode::Closed },
        started_at,
        asked,
        achieved,
        mismatches: tally.mismatches.clone(),
        first_mismatch: tally.first_mismatch.clone(),
        errors: tally.errors.clone(),
        latency_us: tally.latency.percentiles(),
        service_us: tally.service.percentiles(),
        connect_us: tally.connect.percentiles(),
        kinds,
        steps: steps(plan, &tally),
        storms: storms(&tally),
        slow: has_slow.then(|| tally.slow.clone()),
        series: seconds.iter().map(|(&start, packed)| second(start, &packed.unpack())).collect(),
        client,
        environment,
        notes: notes(plan),
        merged: Vec::new(),
        histograms: Histograms {
            latency: tally.latency,
            service: tally.service,
            connect: tally.connect,
            kinds: tally.kinds,
        },
    }
}

/// What a reader should know of the way in which replies were told apart.
fn notes(plan: &Plan) -> Vec<String> {
    let shortest = match &plan.work {
        Work::Framed(mix) if mix.echo > 0 => mix.sizes.min,
        Work::PlainEcho(sizes) => sizes.min,
        _ => usize::MAX,
    };
    if shortest >= SHORTEST_NAME || !plan.verify {
        return Vec::new();
    }
    vec![format!(
        "payloads of fewer than {SHORTEST_NAME} bytes cannot name their request: of these, a reply \
         that is doubled, lost or swapped is told as a corrupt one"
    )]
}

fn achieved(plan: &Plan, tally: &Tally, opening: Duration) -> Achieved {
    let requests = &tally.requests;
    let requested = if plan.is_open_loop() {
        tally.scheduled
    } else {
        plan.until.requests.map_or(requests.sent, |asked| asked.max(requests.sent))
    };
    let elapsed_s = tally.elapsed.as_secs_f64();
    Achieved {
        connections_established: tally.connections.established,
        connections_peak: tally.connections.peak,
        connections_lost: tally.connections.lost,
        connections_opened: tally.connections.opened,
        connections_failed: tally.connections.failed,
        connect_elapsed_s: opening.as_secs_f64(),
        requested,
        sent: requests.sent,
        answered: requests.answered,
        verified: requests.verified,
        mismatched: tally.mismatched(),
        unanswered: requests.unanswered,
        abandoned: requests.abandoned,
        unsent: requested.saturating_sub(requests.sent),
        late: requests.late,
        bytes_sent: tally.bytes_sent,
        bytes_received: tally.bytes_received,
        elapsed_s,
        rate: if elapsed_s > 0.0 { tally.answered_in_time as f64 / elapsed_s } else { 0.0 },
    }
}

fn client(plan: &Plan, tally: &Tally, workers: &[WorkerFigures], busy: Option<f64>) -> Client {
    let elapsed_s = tally.elapsed.as_secs_f64();
    let busiest = workers.iter().map(|worker| worker.cpu.as_secs_f64()).fold(0.0, f64::max);
    let send_lag = plan.is_open_loop().then(|| tally.send_lag.percentiles());
    let cpu_share = if elapsed_s > 0.0 { busiest / elapsed_s } else { 0.0 };
    let waited = workers.iter().map(|worker| worker.cpu_wait).max().unwrap_or_default();
    let strain = verdict::Strain { cpu_share, waited, machine_busy: busy };
    let (bottleneck, verdict) = verdict::client(plan, tally, strain);
    Client {
        cpu_s: workers.iter().map(|worker| worker.cpu.as_secs_f64()).sum(),
        cpu_share,
        cpu_wait_s: waited.as_secs_f64(),
        stalled_s: tally.stalled.as_secs_f64(),
        bottleneck,
        verdict,
        loop_lag_us_p99: tally.loop_lag.value_at(0.99) as f64 / 1000.0,
        loop_lag_us_max: tally.loop_lag.max() as f64 / 1000.0,
        send_lag_us: send_lag,
        late_by_client: tally.requests.late_by_client,
        resident_bytes: workers.iter().map(|worker| worker.resident_bytes).sum(),
    }
}

fn steps(plan: &Plan, tally: &Tally) -> Vec<StepResult> {
    let Pace::Rates(steps) = &plan.pace else { return Vec::new() };
    // Each step ends when the next begins; the last, when the run does.
    let end = plan.until.duration.map_or(Duration::MAX, |length| plan.warmup + length);
    let mut start = Duration::ZERO;
    steps
        .iter()
        .zip(&tally.steps)
        .enumerate()
        .map(|(index, (step, tally))| {
            let is_last = index + 1 == steps.len();
            let planned_end = if is_last { end } else { end.min(start + step.duration) };
            // What belongs to warm-up does not count.
            let length = planned_end.saturating_sub(start.max(plan.warmup)).as_secs_f64();
            start += step.duration;
            StepResult {
                rate: step.rate,
                duration_s: length,
                sent: tally.sent,
                answered: tally.answered,
                achieved_rate: if length > 0.0 { tally.answered as f64 / length } else { 0.0 },
                latency_us: tally.latency.percentiles(),
            }
        })
        .collect()
}

fn storms(tally: &Tally) -> Vec<StormResult> {
    tally
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

fn second(start: i64, interval: &Interval) -> Second {
    let at = |quantile| interval.latency.value_at(quantile) as f64 / 1000.0;
    let has_answers = interval.latency.count() > 0;
    Second {
        // To the millisecond: before the run, seconds begin when it suits the workers.
        t_s: (start as f64 / 1e6).round() / 1000.0,
        connections: interval.connections,
        opened: interval.opened,
        sent: interval.sent,
        answered: interval.answered,
        errors: interval.errors,
        p50_us: has_answers.then(|| at(0.5)),
        p99_us: has_answers.then(|| at(0.99)),
        max_us: has_answers.then(|| interval.latency.max() as f64 / 1000.0),
    }
}
