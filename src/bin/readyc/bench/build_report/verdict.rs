//! Whether the result is what was asked, and whether the client was the bottleneck.

use readyd::counted::counted;
use readyd::loadgen::Counters;
use readyd::loadgen::plan::{Pace, Plan, Workload};
use readyd::loadgen::report::{Achieved, Asked, ByErrno, errors_in_words};
use std::time::Duration;

/// A worker that uses a larger share of a processor than this counts as saturated.
const FULL: f64 = 0.95;

/// Share of the requests with a free connection that may be sent late before the schedule counts
/// as not kept.
const TOLERATED_LATE: f64 = 0.01;

/// Share of the run for which a worker may be stalled before the verdict says so.
const TOLERATED_STALL: f64 = 0.01;

/// Share of the run for which a worker may wait for a processor before the verdict says so.
const TOLERATED_WAIT: f64 = 0.1;

/// The shortfalls of the run, a sentence each.
pub(super) fn shortfalls(
    plan: &Plan,
    asked: &Asked,
    achieved: &Achieved,
    counters: &Counters,
) -> Vec<String> {
    let wanted = asked.connections + asked.idle + asked.slow_readers + asked.slow_writers;
    let mut told = Vec::new();
    let established = achieved.connections_established;
    let has_failed = ByErrno::is_empty(&counters.errors.connect_by_errno);
    if established < wanted && (!plan.connects_on_demand() || !has_failed) {
        let errors = by_errno(&counters.errors.connect_by_errno);
        let were = if wanted == 1 { "connection was" } else { "connections were" };
        told.push(format!("{established} of {wanted} {were} established{errors}"));
    } else if achieved.connections_failed > 0 {
        let errors = by_errno(&counters.errors.connect_by_errno);
        let attempts = counted(achieved.connections_failed, "attempt");
        told.push(format!("{attempts} to connect failed{errors}"));
    }
    if achieved.outage_s > 0.0 {
        told.push(format!("for {:.1} s nothing was open, and could not be", achieved.outage_s));
    }
    told.extend(unserved(asked, achieved, counters));
    let counted = [
        (achieved.connections_lost, "connection was", "connections were", "lost during the run"),
        (achieved.unsent, "request was", "requests were", "never sent"),
        (achieved.unanswered, "request was", "requests were", "never answered"),
    ];
    for (count, one, several, what) in counted {
        match count {
            0 => {}
            1 => told.push(format!("1 {one} {what}")),
            _ => told.push(format!("{count} {several} {what}")),
        }
    }
    told.extend(short_of_rate(asked, achieved));
    if achieved.mismatched > 0 {
        let first = counters.first_mismatch.as_deref().unwrap_or("unknown");
        let wrong = achieved.mismatched;
        let were = if wrong == 1 {
            "reply was not the right one"
        } else {
            "replies were not the right ones"
        };
        told.push(format!("{wrong} {were}; the first: {first}"));
    }
    let verifies = plan.verify && !matches!(plan.workload, Workload::Discard(_));
    if verifies && achieved.verified + achieved.mismatched < achieved.answered {
        let unverified = achieved.answered - achieved.verified - achieved.mismatched;
        let replies = if unverified == 1 { "reply" } else { "replies" };
        told.push(format!("{unverified} {replies} could not be verified"));
    }
    let unserved =
        counters.storms.iter().filter(|storm| storm.served.count() < storm.dropped).count();
    if unserved > 0 {
        told.push(format!(
            "after {unserved} of {} storms not all connections were served again",
            counters.storms.len()
        ));
    }
    told
}

/// The rate, if it is less than was asked.
fn short_of_rate(asked: &Asked, achieved: &Achieved) -> Option<String> {
    if achieved.meets_rate(asked) {
        return None;
    }
    let in_time = achieved.answered_in_window + achieved.answered_in_grace;
    Some(format!(
        "{:.0} answers/s were achieved of {:.0}/s: {} came more than 250 ms after the measured \
         part",
        achieved.rate,
        asked.rate.unwrap_or_default(),
        achieved.answered.saturating_sub(in_time)
    ))
}

/// Connections that the kernel accepted, and nobody answered.
fn unserved(asked: &Asked, achieved: &Achieved, counters: &Counters) -> Option<String> {
    let idle = if asked.probe == "off" { 0 } else { asked.idle };
    let wanted = (asked.connections + idle).saturating_sub(achieved.connections_unasked);
    let served = achieved.connections_served;
    if served >= wanted || asked.workload == "plain discard" {
        return None;
    }
    let said = format!("{served} of {wanted} connections were served: on the others no reply came");
    Some(match &counters.probe_mismatch {
        Some(first) => format!("{said}, or a wrong one to a probe: {first}"),
        None => said,
    })
}

fn by_errno(errors: &ByErrno) -> String {
    if errors.is_empty() {
        return String::new();
    }
    format!(": {}", errors_in_words(errors))
}

/// What the client's machine ran out of, if that kept connections from being made, and what helps.
fn out_of(errors: &ByErrno) -> Option<String> {
    let limits = [
        (
            &["EADDRNOTAVAIL", "EADDRINUSE"][..],
            "local ports ran out: a limit of the client, and the times include the wait for a port \
             (use --close rst, which frees a port at once, or more --source addresses; or check \
             that the --source addresses are this machine's)",
        ),
        (
            &["EMFILE", "ENFILE"],
            "descriptors ran out: a limit of the client (raise `ulimit -n`, or use more --workers)",
        ),
        (&["ENOBUFS", "ENOMEM"], "the client's kernel had no memory for more connections"),
    ];
    limits.into_iter().find_map(|(names, said)| {
        let count: u64 = names.iter().filter_map(|name| errors.get(*name)).sum();
        (count > 0)
            .then(|| format!("{} to connect failed because {said}", counted(count, "attempt")))
    })
}

/// How busy the client and its machine were.
pub(super) struct ClientLoad {
    /// Share of a processor that the busiest worker used.
    pub(super) cpu_share: f64,
    /// How long a worker waited for a processor.
    pub(super) waited: Duration,
    /// Share of all processors' time that was used, by all processes.
    pub(super) machine_busy: Option<f64>,
    /// Why the rate was beyond what the workers can send, if it was.
    pub(super) beyond: Option<String>,
}

/// Whether the client was the bottleneck, and a sentence that says why or why not.
pub(super) fn client(plan: &Plan, counters: &Counters, load: &ClientLoad) -> (bool, String) {
    let used = format!("the busiest worker used {} of a processor", percent(load.cpu_share));
    let is_full = load.machine_busy.is_some_and(|busy| busy >= FULL);
    let machine = if is_full { "; all processors of this machine were busy" } else { "" };
    let of_run = |time: Duration| time.as_secs_f64() / counters.elapsed.as_secs_f64().max(1e-9);
    if let Some(said) = out_of(&counters.errors.connect_by_errno) {
        return (true, format!("{said}; {used}{machine}"));
    }
    if let Pace::Herd(_) = plan.pace {
        let slowest = Duration::from_nanos(counters.send_lag.max());
        let said = "sending for all connections at once took up to";
        return (false, format!("{said} {slowest:.1?}; {used}{machine}"));
    }
    if let Some(beyond) = &load.beyond {
        let said = format!(
            "readyc cannot keep this rate: {beyond}; {used}{machine} (use more --workers on \
             processors that are free, or a lower rate)"
        );
        return (true, said);
    }
    let (sent, late) = (counters.requests.sent, counters.requests.late_by_client);
    if sent > 0 && late as f64 > sent as f64 * TOLERATED_LATE {
        let share = late as f64 / sent as f64 * 100.0;
        let said = format!(
            "readyc did not keep its schedule: {late} requests ({share:.1} %) were sent more than \
             1 ms late through its own fault; {used}{machine} (use more --workers on processors \
             that are free, or a lower rate)"
        );
        return (true, said);
    }
    if of_run(counters.stalled) > TOLERATED_STALL {
        let stalled = counters.stalled;
        let said = format!(
            "readyc was kept from its work for {stalled:.1?} in all: stopped, or without a \
             processor{machine}; the times include that"
        );
        return (true, said);
    }
    if plan.is_open_loop() {
        return (false, format!("readyc kept its schedule; {used}{machine}"));
    }
    if of_run(load.waited) > TOLERATED_WAIT {
        let waited = percent(of_run(load.waited));
        let said = format!(
            "readyc waited for a processor for {waited} of the time{machine}; the times include \
             that (use processors that are free)"
        );
        return (true, said);
    }
    if load.cpu_share >= FULL {
        let said = format!(
            "{used}: the server may be able to do more{machine} (use more --workers, on processors \
             that are free)"
        );
        return (true, said);
    }
    (false, format!("readyc was not the limit: {used}{machine}"))
}

fn percent(share: f64) -> String {
    format!("{:.0} %", share * 100.0)
}
