//! The rate that the client itself can send at, whatever the server does.

use readyd::counted::counted;
use readyd::loadgen::Counters;
use readyd::loadgen::plan::{Pace, Plan};
use readyd::loadgen::report::units::number;
use std::time::Duration;

#[cfg(test)]
pub(super) mod tests;

/// Why `workers`, which used `work` in all without busy-waiting, could not have kept the rate even
/// if each had had a processor to itself; `None` if they could, or if they did.
pub(super) fn beyond(
    plan: &Plan,
    counters: &Counters,
    work: Duration,
    workers: usize,
    meets_rate: bool,
) -> Option<String> {
    let Pace::Rates(steps) = &plan.pace else { return None };
    let asked = steps.iter().map(|step| step.rate).reduce(f64::max)?;
    let sent = counters.requests.sent;
    // A number of requests may all be sent, and only later than asked.
    if sent == 0 || (sent >= counters.scheduled && meets_rate) {
        return None;
    }
    let each = work.as_secs_f64() / sent as f64;
    let most = workers as f64 / each;
    (asked > most).then(|| {
        format!(
            "a request takes {:.1} µs of its processor time, so {} can send at most {} a \
             second, and {} were asked for",
            each * 1e6,
            counted(workers, "worker"),
            number(most.round()),
            number(asked)
        )
    })
}
