//! Whether the result is what was asked.

use readyd::loadgen::Counters;
use readyd::loadgen::plan::{Plan, Workload};
use readyd::loadgen::report::units::{count, counted, number, rate, seconds};
use readyd::loadgen::report::{Achieved, Asked, ByErrno, errors_in_words};

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
        let (established, wanted) = (count(established), count(wanted));
        told.push(format!("{established} of {wanted} {were} established{errors}"));
    } else if achieved.connections_failed > 0 {
        let errors = by_errno(&counters.errors.connect_by_errno);
        let attempts = counted(achieved.connections_failed, "attempt");
        told.push(format!("{attempts} to connect failed{errors}"));
    }
    if achieved.outage_s > 0.0 {
        let outage = seconds(achieved.outage_s);
        told.push(format!("for {outage} nothing was open, and could not be"));
    }
    told.extend(unserved(asked, achieved, counters));
    let kinds = [
        (achieved.connections_lost, "connection was", "connections were", "lost during the run"),
        (achieved.unsent, "request was", "requests were", "never sent"),
        (achieved.unanswered, "request was", "requests were", "never answered"),
    ];
    for (number, one, several, what) in kinds {
        match number {
            0 => {}
            1 => told.push(format!("1 {one} {what}")),
            _ => told.push(format!("{} {several} {what}", count(number))),
        }
    }
    if let Some(first) = &counters.first_unfinished {
        told.push(format!("an answer began and did not end; the first: {first}"));
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
        told.push(format!("{} {were}; the first: {first}", count(wrong)));
    }
    let verifies = plan.verify && !matches!(plan.workload, Workload::Discard(_));
    if verifies && achieved.unverified > 0 {
        let replies = if achieved.unverified == 1 { "reply" } else { "replies" };
        told.push(format!("{} {replies} could not be verified", count(achieved.unverified)));
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
    let why = match achieved.answered_late() {
        0 => String::new(),
        late => format!(": {} came more than 250 ms after the measured part", count(late)),
    };
    let asked = rate(asked.rate.unwrap_or_default());
    Some(match achieved.rate {
        Some(achieved) => format!("{} answers/s were achieved of {asked}{why}", number(achieved)),
        None => format!("how many of {asked} were achieved is unknown{why}"),
    })
}

/// Connections that the kernel accepted, and nobody answered. Those that were never established
/// are a shortfall of their own.
fn unserved(asked: &Asked, achieved: &Achieved, counters: &Counters) -> Option<String> {
    let silent = counters.connections.unprobed + counters.connections.unasked;
    let wanted =
        counters.connections.established.saturating_sub(silent + counters.slow.established);
    let served = achieved.connections_served;
    if served >= wanted || asked.workload == "plain discard" {
        return None;
    }
    let (served, wanted) = (count(served), count(wanted));
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
