//! How far the client itself shows in the figures, and a sentence that says why and what helps.
//!
//! Two things make a run invalid: a client that had no more to give, and a percentile of the
//! summary that is in doubt because the client delayed the requests that decide it. All else is a
//! note.

use readyd::counted::counted;
use readyd::loadgen::Counters;
use readyd::loadgen::plan::{Pace, Plan};
use readyd::loadgen::report::doubt::{self, Doubtful, SHARE_THAT_MATTERS, in_doubt};
use readyd::loadgen::report::units::seconds;
use readyd::loadgen::report::{ByErrno, Histogram, Validity};
use std::time::Duration;

#[cfg(test)]
mod tests;

/// A worker that uses a larger share of a processor than this counts as saturated.
const FULL: f64 = 0.95;

/// Share of the requests that may be sent more than 1 ms late before that is noted.
const LATE_NOTED: f64 = 0.01;

/// Shares of the run from which on something that kept a worker from its work is told.
struct Noticeable {
    /// It was kept from running.
    stall: f64,
    /// It waited for a processor.
    wait: f64,
}

/// What is told although no percentile depends on it.
const WORTH_A_NOTE: Noticeable = Noticeable { stall: 0.01, wait: 0.1 };

impl Noticeable {
    /// The same share for both, or less where a note would be made of less.
    fn both(share: f64) -> Noticeable {
        Noticeable { stall: share.min(WORTH_A_NOTE.stall), wait: share.min(WORTH_A_NOTE.wait) }
    }
}

/// How busy the client and its machine were.
pub(super) struct ClientLoad {
    /// Share of a processor that the busiest worker used.
    pub(super) cpu_share: f64,
    /// The same without busy-waiting.
    pub(super) work_share: f64,
    /// How long a worker waited for a processor that other processes had.
    pub(super) waited: Duration,
    /// How long a worker was stopped by a signal.
    pub(super) stopped: Duration,
    /// Share of all processors' time that was used, by all processes.
    pub(super) machine_busy: Option<f64>,
    pub(super) processors: u64,
    pub(super) workers: u64,
    /// Why the rate was beyond what the workers can send, if it was.
    pub(super) beyond: Option<String>,
}

/// The judgement on the client.
#[derive(Debug)]
pub(super) struct Judgement {
    pub(super) validity: Validity,
    /// The percentiles in doubt.
    pub(super) in_doubt: Vec<String>,
    pub(super) said: String,
}

/// Judges the client of a run.
pub(super) fn judge(plan: &Plan, counters: &Counters, load: &ClientLoad) -> Judgement {
    let facts = Facts { plan, counters, load };
    let doubtful = in_doubt(&counters.latency, &counters.client_delay);
    let (validity, said) = match (facts.saturation(), facts.doubt(&doubtful), facts.note()) {
        (Some(said), ..) => (Validity::Invalid, said),
        (None, Some(said), _) if doubtful.iter().any(|percentile| percentile.decides) => {
            (Validity::Invalid, said)
        }
        (None, Some(said), _) | (None, None, Some(said)) => (Validity::Noted, said),
        (None, None, None) => (Validity::Valid, facts.all_is_well()),
    };
    Judgement { validity, in_doubt: doubt::names_in_json(&doubtful), said }
}

struct Facts<'a> {
    plan: &'a Plan,
    counters: &'a Counters,
    load: &'a ClientLoad,
}

/// What kept a worker from its work.
enum Cause {
    Stopped(Duration),
    /// Other processes had its processor.
    Others(Duration),
    /// Nothing that it can see: a hypervisor, a debugger, a frozen control group.
    Unknown(Duration),
}

impl Facts<'_> {
    /// The client had no more to give.
    fn saturation(&self) -> Option<String> {
        let used = self.used();
        if let Some(said) = out_of(&self.counters.errors.connect_by_errno) {
            return Some(format!("{said}; {used}"));
        }
        if let Some(beyond) = &self.load.beyond {
            let more = self.more_workers().unwrap_or("use a lower rate, or another machine");
            return Some(format!("readyc cannot keep this rate: {beyond}; {used} ({more})"));
        }
        // In an open loop most of that may be busy-waiting, and what a worker could send follows
        // from its work for each request.
        if self.plan.is_open_loop() || self.load.cpu_share < FULL {
            return None;
        }
        let more = self.more_workers().unwrap_or("use another machine for readyc");
        Some(format!("readyc was saturated: {used}; the server may be able to do more ({more})"))
    }

    /// Percentiles are in doubt.
    fn doubt(&self, doubtful: &[Doubtful]) -> Option<String> {
        let quantile = doubtful.first()?.quantile;
        // To distort this percentile, the client need not have been away for longer.
        let least = Noticeable::both((1.0 - quantile) / 2.0);
        let (causes, advice) = match self.causes(&least) {
            (causes, advice) if !causes.is_empty() => (causes, advice),
            _ => self.own_doing(quantile),
        };
        let names = listed(doubtful);
        Some(format!("{names} may show readyc, not the server: {causes} ({advice})"))
    }

    /// Why the client delayed requests although nothing kept it from running, and what helps.
    fn own_doing(&self, quantile: f64) -> (String, &'static str) {
        let Counters { latency, loop_lag, send_lag, .. } = self.counters;
        let at = |histogram: &Histogram| Duration::from_nanos(histogram.value_at(quantile));
        // A shorter delay would not have put the percentile in doubt.
        let matters = at(latency).mul_f64(SHARE_THAT_MATTERS);
        if at(send_lag) > (at(loop_lag) * 2).max(matters) {
            let late = in_words(at(send_lag));
            let said = format!("the timers of this machine woke it up to {late} late");
            let helps = match self.plan.busy_wait {
                true => "measure again; if the machine is a virtual one, its host may be busy",
                false => "leave out --no-busy-wait",
            };
            return (said, helps);
        }
        let longest = in_words(Duration::from_nanos(loop_lag.max()));
        let said = format!(
            "its own work delays the answers, a turn of its loop takes up to {longest}; {}",
            self.used()
        );
        (said, self.more_workers().unwrap_or("use another machine for readyc"))
    }

    /// Something is worth knowing, although the figures hold.
    fn note(&self) -> Option<String> {
        let (causes, _) = self.causes(&WORTH_A_NOTE);
        let (sent, late) = (self.counters.requests.sent, self.counters.requests.late_by_client);
        let is_late = sent > 0 && late as f64 > sent as f64 * LATE_NOTED;
        if let Pace::Herd(_) = self.plan.pace {
            return None;
        }
        if !causes.is_empty() {
            return Some(format!("{causes}; no percentile depends on it; {}", self.used()));
        }
        is_late.then(|| {
            let share = late as f64 / sent as f64 * 100.0;
            format!(
                "readyc sent {late} requests ({share:.1} %) more than 1 ms late through its own \
                 fault; no percentile depends on it; {}",
                self.used()
            )
        })
    }

    fn all_is_well(&self) -> String {
        let used = self.used();
        match self.plan.pace {
            Pace::Herd(_) => {
                let slowest = in_words(Duration::from_nanos(self.counters.send_lag.max()));
                format!("sending for all connections at once took up to {slowest}; {used}")
            }
            _ if self.plan.is_open_loop() => format!("readyc kept its schedule; {used}"),
            _ => format!("readyc was not the limit: {used}"),
        }
    }

    /// What kept a worker from its work for more than a moment, and what helps against it.
    fn causes(&self, least: &Noticeable) -> (String, &'static str) {
        let mut told = Vec::new();
        let mut advice = "";
        for cause in self.cause_list(least) {
            let (sentence, helps) = match cause {
                Cause::Stopped(time) => {
                    let time = in_words(time);
                    (format!("a worker was stopped by a signal for {time}"), "measure again")
                }
                Cause::Others(time) => (
                    format!(
                        "a worker waited for {} in all while other processes used the \
                         processors",
                        in_words(time)
                    ),
                    "stop those, or give readyc a processor of its own with taskset(1)",
                ),
                Cause::Unknown(time) => (
                    format!(
                        "a worker was kept from running for {} in all, and no other \
                         process had its processor",
                        in_words(time)
                    ),
                    "measure again; if the machine is a virtual one, its host may be busy",
                ),
            };
            told.push(sentence);
            advice = if advice.is_empty() { helps } else { advice };
        }
        (told.join("; "), advice)
    }

    fn cause_list(&self, least: &Noticeable) -> Vec<Cause> {
        let elapsed = self.counters.elapsed.as_secs_f64().max(1e-9);
        let is_over = |time: Duration, share: f64| time.as_secs_f64() > elapsed * share;
        let ClientLoad { waited, stopped, .. } = *self.load;
        let stalled = self.counters.stalled.saturating_sub(stopped);
        let mut causes = Vec::new();
        if is_over(stopped, least.stall) {
            causes.push(Cause::Stopped(stopped));
        }
        if is_over(stalled, least.stall) && waited < stalled / 2 {
            causes.push(Cause::Unknown(stalled));
        } else if is_over(stalled, least.stall) || is_over(waited, least.wait) {
            causes.push(Cause::Others(waited.max(stalled)));
        }
        causes
    }

    /// That more workers help, if a processor is free for one.
    fn more_workers(&self) -> Option<&'static str> {
        let processors = self.load.processors as f64;
        let free = self.load.machine_busy.map(|busy| processors * (1.0 - busy));
        let has_free =
            self.load.workers < self.load.processors && free.is_none_or(|free| free > 0.5);
        has_free.then_some("use more --workers: a processor is free")
    }

    fn used(&self) -> String {
        let ClientLoad { cpu_share, work_share, .. } = *self.load;
        let mut used = format!("the busiest worker used {} of a processor", percent(cpu_share));
        if percent(cpu_share) != percent(work_share) {
            used.push_str(&format!(", {} without busy-waiting", percent(work_share)));
        }
        let is_full = self.load.machine_busy.is_some_and(|busy| busy >= FULL);
        if is_full { format!("{used}, and all processors were busy") } else { used }
    }
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

/// The names of percentiles: `p90, p99 and p99.9`.
fn listed(doubtful: &[Doubtful]) -> String {
    let names: Vec<&str> = doubtful.iter().map(|percentile| percentile.name).collect();
    match names.as_slice() {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [others @ .., last] => format!("{} and {last}", others.join(", ")),
    }
}

/// A time as the tables show it.
fn in_words(time: Duration) -> String {
    seconds(time.as_secs_f64())
}

fn percent(share: f64) -> String {
    format!("{:.0} %", share * 100.0)
}
