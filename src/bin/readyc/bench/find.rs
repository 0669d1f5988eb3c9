//! `readyc bench --find`: looks for the greatest rate, or number of connections, that meets the
//! goals.
//!
//! ```text
//! Search names a load -> a whole run with it -> Goals judge its report -> Search is told
//! ```
//!
//! Invariant: a try in which the client was the limit says nothing of the server, so it is neither
//! held nor missed.

use super::live::Live;
use super::outputs::Outputs;
use super::watched_signals::WatchedSignals;
use super::{Options, fits, measure, now_as_text};
use crate::failure::Failure;
use readyd::counted::counted;
use readyd::loadgen::Plan;
use readyd::loadgen::goal::{Goals, Miss, failed_share};
use readyd::loadgen::plan::{Pace, Step};
use readyd::loadgen::report::units::{count, micros, number, span};
use readyd::loadgen::report::{
    FIND_SCHEMA, FindEnding, Ladder, Outcome, Quantity, Report, Rung, errors_in_words, random_id,
};
use readyd::loadgen::search::{Ending, Next, Search, Tried};
use std::time::{Duration, Instant};

/// A try lasts at least this long.
const SHORTEST: Duration = Duration::from_secs(2);

/// Where the ramp begins, unless --rate or --connections says otherwise.
const FIRST_RATE: u64 = 1_000;

/// More cannot be put on a schedule.
const MOST_RATE: u64 = 1_000_000_000;

/// More connections are not to be had from any system.
const MOST_CONNECTIONS: u64 = 100_000_000;

/// Tries in a row in which the client was the limit before the search gives up.
const CLIENT_LIMITS: u32 = 2;

/// With less than this share of the rate in throughput, a server is overloaded.
const OVERLOADED: f64 = 0.95;

/// Looks for the limit, and reports.
pub(super) fn run(options: &Options, plan: &Plan, quantity: Quantity) -> Result<(), Failure> {
    if options.goal.is_empty() {
        return Err(Failure::Usage(
            "--find: give the goal to be met, such as --goal 'p99<5ms'".to_owned(),
        ));
    }
    let outputs = Outputs::of_search(options)?;
    let live = Live::new(options, plan);
    let signals = WatchedSignals::watch(live.covers_terminal()).map_err(Failure::Signals)?;
    let goals = Goals::new(options.goal.iter().copied());
    let search = Finder {
        options,
        live,
        base: plan,
        quantity,
        began: Instant::now(),
        search: quantity.search(options),
        started_at: now_as_text(),
        rungs: Vec::new(),
        goals,
        client_limits: 0,
    };
    let ladder = search.run(&signals)?;
    outputs.write(&ladder, &signals)?;
    match ladder.is_answered() {
        true => Ok(()),
        false if !options.quiet => Err(Failure::VerdictShown),
        false => Err(Failure::ShortOf(ladder.reason)),
    }
}

struct Finder<'a> {
    options: &'a Options,
    live: Live,
    base: &'a Plan,
    quantity: Quantity,
    began: Instant,
    search: Search,
    started_at: String,
    rungs: Vec<Rung>,
    goals: Goals,
    /// Tries in a row in which the client was the limit.
    client_limits: u32,
}

impl Finder<'_> {
    fn run(mut self, signals: &WatchedSignals) -> Result<Ladder, Failure> {
        let (ending, reason) = loop {
            let load = match self.search.next() {
                Next::Done(ending) => break ended(ending),
                Next::Try(load) => load,
            };
            if let Some(end) = self.step(load, signals)? {
                break end;
            }
        };
        self.live.end();
        Ok(self.ladder(ending, reason))
    }

    fn ladder(self, ending: FindEnding, reason: String) -> Ladder {
        let asked = self.options.asked(self.base);
        let is_rate = self.quantity == Quantity::Rate;
        Ladder {
            schema: FIND_SCHEMA.to_owned(),
            id: random_id(),
            started_at: self.started_at,
            quantity: self.quantity,
            targets: asked.targets,
            workload: asked.workload,
            connections: is_rate.then_some(asked.connections),
            rate: self.options.rate.filter(|_| !is_rate),
            goals: self.goals.iter().map(ToString::to_string).collect(),
            held: self.search.held(),
            missed: self.search.missed(),
            confirmations: self.search.confirmations(),
            restless: self.search.restless() as u64,
            ending,
            reason,
            rungs: self.rungs,
            environment: super::environment::probe_environment(None),
        }
    }

    /// Tries a load. Returns why the search ends, if it does.
    fn step(
        &mut self,
        load: u64,
        signals: &WatchedSignals,
    ) -> Result<Option<(FindEnding, String)>, Failure> {
        if signals.interrupt().is_some() {
            return Ok(Some((FindEnding::Interrupted, "interrupted".to_owned())));
        }
        let plan = self.plan(load);
        if !self.options.force && !fits(self.options, &plan) {
            let why = format!(
                "this machine cannot open {} connections (readyc doctor -c {load} shows why)",
                count(load)
            );
            return Ok(Some((FindEnding::ClientLimit, why)));
        }
        let length = plan.until.duration.unwrap_or(SHORTEST) + plan.warmup;
        let spent = self.began.elapsed();
        if spent + length > self.options.find_time {
            let length = span(length.as_secs_f64());
            let most = span(self.options.find_time.as_secs_f64());
            let why = match self.rungs.is_empty() {
                true => format!("the first try takes {length}, longer than --find-time {most}"),
                false => format!(
                    "the next try takes {length}, and {} of --find-time {most} are spent",
                    span(spent.as_secs_f64().round())
                ),
            };
            return Ok(Some((FindEnding::OutOfTime, why)));
        }
        self.live.note(&format!("trying {}", self.quantity.amount(load)));
        self.live.begin(&plan, Some(self.step_in_words(load)));
        let at = self.began.elapsed();
        let report = measure(self.options, &plan, &mut self.live, signals)?;
        if self.rungs.is_empty() && report.achieved.connections_established == 0 {
            let reasons = errors_in_words(&report.errors.connect_by_errno);
            return Err(Failure::NothingConnected(reasons));
        }
        let rung = self.judge(load, at, &report);
        self.live.note(&told(&rung));
        let (outcome, tried) = (rung.outcome, self.tried(&rung));
        self.rungs.push(rung);
        if signals.interrupt().is_some() || report.partial.is_some() {
            let why = report.partial.unwrap_or_else(|| "interrupted".to_owned());
            return Ok(Some((FindEnding::Interrupted, why)));
        }
        if outcome != Outcome::ClientLimit {
            self.client_limits = 0;
            self.search.note(load, tried);
            return Ok(None);
        }
        self.client_limits += 1;
        let is_over = self.client_limits >= CLIENT_LIMITS;
        Ok(is_over.then_some((FindEnding::ClientLimit, report.client.verdict)))
    }

    /// The plan of a try: as asked for, but with this load, for as long as the goals need.
    fn plan(&self, load: u64) -> Plan {
        let mut plan = self.base.clone();
        let rate = match self.quantity {
            Quantity::Rate => Some(load as f64),
            Quantity::Connections => {
                plan.connections.active = usize::try_from(load).unwrap_or(usize::MAX);
                self.options.rate
            }
        };
        let length = rate.map_or(SHORTEST, |rate| {
            let needed = self.goals.samples_needed() as f64 / rate;
            SHORTEST.max(Duration::try_from_secs_f64(needed).unwrap_or(Duration::MAX / 4))
        });
        if let Some(rate) = rate {
            plan.pace = Pace::Rates(vec![Step { rate, duration: length }]);
        }
        plan.until.duration = Some(length);
        plan
    }

    fn judge(&self, load: u64, at: Duration, report: &Report) -> Rung {
        let missed = self.goals.missed(report);
        // A client that is too slow makes latency longer. It makes no server refuse connections.
        let is_latency = |miss: &Miss| matches!(miss, Miss::Latency(..));
        let mut may_be_the_client = missed.iter().all(is_latency);
        let mut misses: Vec<String> = missed.iter().map(ToString::to_string).collect();
        let asked = report.asked.connections + report.asked.idle;
        let achieved = &report.achieved;
        let (served, lost) = (achieved.connections_served, achieved.connections_lost);
        let established = achieved.connections_established;
        // Those that had nothing to ask, and idle ones that were not probed, say nothing.
        let unknown = achieved.connections_unasked + achieved.connections_unprobed.unwrap_or(0);
        if served + unknown < established {
            misses.push(format!("{served} of {asked} connections were served"));
            may_be_the_client = false;
        }
        if established < asked && achieved.connections_failed > 0 {
            let reasons = errors_in_words(&report.errors.connect_by_errno);
            misses
                .push(format!("{established} of {asked} connections were established: {reasons}"));
            may_be_the_client = false;
        }
        if lost > 0 && self.quantity == Quantity::Connections {
            misses.push(format!("{} lost", counted(lost, "connection")));
            may_be_the_client = false;
        }
        Rung {
            load,
            at_s: at.as_secs_f64(),
            duration_s: report.achieved.elapsed_s,
            throughput: report.achieved.rate,
            connections: served,
            latency_us: report.latency_us,
            errors_share: failed_share(report),
            client_cpu_share: report.client.cpu_share,
            client_work_share: report.client.cpu_work_share,
            server_cpu_share: report.server.as_ref().and_then(|server| server.cpu_share),
            outcome: match misses.is_empty() {
                // Whatever the client lacked, so much was held.
                true => Outcome::Held,
                false if report.client.bottleneck && may_be_the_client => Outcome::ClientLimit,
                false => Outcome::Missed,
            },
            misses,
        }
    }

    /// What the search learns. Behind a hiccup the throughput catches up, since the rate is open
    /// loop: a server that does much less than it was asked cannot do more.
    fn tried(&self, rung: &Rung) -> Tried {
        let least = rung.load as f64 * OVERLOADED;
        let is_short = rung.throughput.is_some_and(|throughput| throughput < least);
        match rung.outcome {
            Outcome::Held => Tried::Held,
            _ if self.quantity == Quantity::Rate && is_short => Tried::MissedByFar,
            _ => Tried::Missed,
        }
    }

    /// The step under way, how far the search is, and the goals.
    fn step_in_words(&self, load: u64) -> String {
        let goals: Vec<String> = self.goals.iter().map(ToString::to_string).collect();
        let bound = |name: &str, load: Option<u64>| {
            load.map_or_else(String::new, |load| format!(", {name} {}", count(load)))
        };
        format!(
            "step {}: {}{}{}; goal {}",
            self.rungs.len() + 1,
            self.quantity.amount(load),
            bound("held", self.search.held()),
            bound("missed", self.search.missed()),
            goals.join(", ")
        )
    }
}

/// A try, in a line for people who watch.
fn told(rung: &Rung) -> String {
    let outcome = match rung.outcome {
        Outcome::ClientLimit => "the client was the limit".to_owned(),
        Outcome::Held => "held".to_owned(),
        Outcome::Missed => format!("missed {}", rung.misses.join("; ")),
    };
    let p99 = micros(rung.latency_us.p99);
    let throughput = rung.throughput.map_or_else(
        || "throughput unknown".to_owned(),
        |throughput| format!("throughput {} per second", number(throughput)),
    );
    format!("{outcome} ({throughput}, p99 {p99})")
}

fn ended(ending: Ending) -> (FindEnding, String) {
    let (ending, reason) = match ending {
        Ending::Confirmed => (FindEnding::Confirmed, "the limit was found and confirmed"),
        Ending::AtTheMost => {
            (FindEnding::AtTheMost, "the most that can be tried was held and confirmed")
        }
        Ending::NothingHeld => (FindEnding::NothingHeld, "even the least load missed a goal"),
        Ending::Restless => (
            FindEnding::Restless,
            "the same loads were held in one try and missed in another: other work on this \
             machine, or on the server's, is too noisy for an answer",
        ),
    };
    (ending, reason.to_owned())
}

/// What a search for this quantity begins with, and its bounds.
trait Searched {
    fn search(self, options: &Options) -> Search;
}

impl Searched for Quantity {
    fn search(self, options: &Options) -> Search {
        match self {
            Quantity::Rate => {
                let start = options.rate.map_or(FIRST_RATE, |rate| rate as u64);
                Search::new(start, 1, MOST_RATE)
            }
            Quantity::Connections => {
                let least = options.workers.max(1) as u64;
                Search::new(options.connections as u64, least, MOST_CONNECTIONS)
            }
        }
    }
}
