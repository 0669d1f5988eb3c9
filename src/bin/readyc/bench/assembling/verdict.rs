//! Whether the result is what was asked, and whose limits it tells of.

use readyd::load::Tally;
use readyd::load::plan::{Pace, Plan, Work};
use readyd::report::{Achieved, Asked, ByErrno};
use std::time::Duration;

/// A worker that uses more of a processor than this has nothing left to give.
const FULL: f64 = 0.95;

/// Of the requests whose connection was free, so many may be sent late before the schedule counts as
/// not kept.
const TOLERATED_LATE: f64 = 0.01;

/// Where the run fell short, a sentence each.
pub(super) fn shortfalls(
    plan: &Plan,
    asked: &Asked,
    achieved: &Achieved,
    tally: &Tally,
) -> Vec<String> {
    let wanted = asked.connections + asked.idle + asked.slow_readers + asked.slow_writers;
    let mut told = Vec::new();
    let established = achieved.connections_established;
    let has_failed = ByErrno::is_empty(&tally.errors.connect_by_errno);
    if established < wanted && (!plan.connects_on_demand() || !has_failed) {
        let errors = by_errno(&tally.errors.connect_by_errno);
        told.push(format!("{established} of {wanted} connections were established{errors}"));
    } else if achieved.connections_failed > 0 {
        let errors = by_errno(&tally.errors.connect_by_errno);
        told.push(format!("{} attempts to connect failed{errors}", achieved.connections_failed));
    }
    let counted = [
        (achieved.connections_lost, "connections were lost during the run"),
        (achieved.unsent, "requests were never sent"),
        (achieved.unanswered, "requests were never answered"),
    ];
    for (count, what) in counted {
        if count > 0 {
            told.push(format!("{count} {what}"));
        }
    }
    if achieved.mismatched > 0 {
        let first = tally.first_mismatch.as_deref().unwrap_or("unknown");
        let wrong = achieved.mismatched;
        told.push(format!("{wrong} replies were not the right ones; the first: {first}"));
    }
    let verifies = plan.verify && !matches!(plan.work, Work::Discard(_));
    if verifies && achieved.verified + achieved.mismatched < achieved.answered {
        let unverified = achieved.answered - achieved.verified - achieved.mismatched;
        told.push(format!("{unverified} replies could not be verified"));
    }
    let unserved = tally.storms.iter().filter(|storm| storm.served.count() < storm.dropped).count();
    if unserved > 0 {
        told.push(format!(
            "after {unserved} of {} storms not all connections were served again",
            tally.storms.len()
        ));
    }
    told
}

fn by_errno(errors: &ByErrno) -> String {
    if errors.is_empty() {
        return String::new();
    }
    let each: Vec<String> = errors.iter().map(|(name, count)| format!("{count} {name}")).collect();
    format!(" ({})", each.join(", "))
}

/// Whether the client was the bottleneck, and the sentence that says why or why not.
pub(super) fn client(
    plan: &Plan,
    tally: &Tally,
    cpu_share: f64,
    machine_busy: Option<f64>,
) -> (bool, String) {
    let percent = |share: f64| format!("{:.0} %", share * 100.0);
    let used = format!("the busiest worker used {} of a processor", percent(cpu_share));
    let sent = tally.requests.sent;
    let is_full = machine_busy.is_some_and(|busy| busy >= FULL);
    let machine = if is_full {
        "; all processors of this machine were busy, and what else ran here shared them"
    } else {
        ""
    };
    if let Pace::Herd(_) = plan.pace {
        let slowest = Duration::from_nanos(tally.send_lag.max());
        let said = format!(
            "sending for all connections at once took up to {slowest:.1?}; {used}{machine}"
        );
        return (false, said);
    }
    if plan.is_open_loop() {
        let late = tally.requests.late_by_client;
        if sent > 0 && late as f64 > sent as f64 * TOLERATED_LATE {
            let share = late as f64 / sent as f64 * 100.0;
            return (
                true,
                format!(
                    "readyc did not keep its schedule: {late} requests ({share:.1} %) were sent \
                     more than 1 ms late although their connection was free; {used}{machine} (use \
                     more --workers, or a lower rate)"
                ),
            );
        }
        return (false, format!("readyc kept its schedule; {used}{machine}"));
    }
    if cpu_share >= FULL {
        return (
            true,
            format!(
                "{used}: the server may be able to do more{machine} (use more --workers, on \
                 processors that are free)"
            ),
        );
    }
    (false, format!("readyc had time to spare: {used}{machine}"))
}
