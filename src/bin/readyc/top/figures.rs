//! What a server did between two replies to `STATS`, and how it stood at the second.

use crate::watch::Sample;
use readyd::printable::printable;
use readyd::server::stats::standing::{Activity, Depth};

/// Names of the counters of clients that were rejected before they were served.
const REJECTED: [&str; 4] =
    ["refused_denied", "refused_address_limit", "refused_address_rate", "refused_not_proxy"];

/// Of the turns of the loop: longer than these times.
const SLOW: [&str; 3] = ["turns_over_one_ms", "turns_over_ten_ms", "turns_over_hundred_ms"];

/// A server or a shard. What it does not tell is `None`; rates are per second.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Figures {
    pub(super) open: Option<f64>,
    pub(super) most: Option<f64>,
    /// Connections by [`Activity`].
    pub(super) activities: Option<[f64; Activity::ALL.len()]>,
    /// Connections by the [`Depth`] of their output queues.
    pub(super) depths: Option<[f64; Depth::ALL.len()]>,
    pub(super) accepted: Option<f64>,
    pub(super) closed: Option<f64>,
    pub(super) requests: Option<f64>,
    /// Answers that begin with `Error:`.
    pub(super) errors: Option<f64>,
    /// Clients that were rejected.
    pub(super) rejected: Option<f64>,
    pub(super) bytes_in: Option<f64>,
    pub(super) bytes_out: Option<f64>,
    /// Processor time as a share of one core.
    pub(super) cpu: Option<f64>,
    pub(super) turns: Option<f64>,
    pub(super) visits_per_turn: Option<f64>,
    /// Turns, as shares of all: up to 1 ms, up to 10 ms, up to 100 ms, longer.
    pub(super) turn_times: Option<[f64; 4]>,
    /// In microseconds, of the last 10 to 20 seconds.
    pub(super) longest_turn: Option<f64>,
    pub(super) buffered: Option<f64>,
    pub(super) memory_limit: Option<f64>,
    pub(super) resident: Option<f64>,
    /// Reasons for which connections were closed, those of the last interval first.
    pub(super) closes: Vec<Close>,
}

/// A reason for which connections were closed.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Close {
    pub(super) reason: String,
    pub(super) total: f64,
    /// Per second.
    pub(super) rate: Option<f64>,
}

impl Figures {
    /// From `last` to `now`, which are `seconds` apart by the server's clock. Without a sample
    /// before, rates are not known.
    pub(super) fn between(last: Option<&Sample>, now: &Sample, seconds: f64) -> Figures {
        let rise = |name: &str| {
            let before = last?.get(name).unwrap_or(0.0);
            Some((now.get(name)? - before).max(0.0))
        };
        let rate = |name: &str| rise(name).filter(|_| seconds > 0.0).map(|rise| rise / seconds);
        let rejected = REJECTED.map(rate).into_iter().flatten().reduce(|sum, rate| sum + rate);
        Figures {
            open: now.get("connections_open"),
            most: now.get("connections_max"),
            activities: all(Activity::ALL.map(|it| now.get(it.name()))),
            depths: all(Depth::ALL.map(|it| now.get(it.name()))),
            accepted: rate("connections_accepted"),
            closed: rate("connections_closed"),
            requests: rate("requests"),
            errors: rate("refusals"),
            rejected,
            bytes_in: rate("bytes_in"),
            bytes_out: rate("bytes_out"),
            cpu: rate("cpu_microseconds").map(|micros| micros / 1e6),
            turns: rate("turns"),
            visits_per_turn: share(rise("visits"), rise("turns")),
            turn_times: turn_times(rise("turns"), SLOW.map(rise)),
            longest_turn: now.get("longest_turn_microseconds"),
            buffered: now.get("buffered_bytes"),
            memory_limit: now.get("memory_limit_bytes"),
            resident: now.get("resident_bytes"),
            closes: closes(now, rate),
        }
    }
}

/// The numbers, if all are known.
fn all<const N: usize>(numbers: [Option<f64>; N]) -> Option<[f64; N]> {
    numbers.iter().all(Option::is_some).then(|| numbers.map(Option::unwrap_or_default))
}

fn share(part: Option<f64>, whole: Option<f64>) -> Option<f64> {
    let whole = whole.filter(|&whole| whole > 0.0)?;
    Some(part? / whole)
}

fn turn_times(turns: Option<f64>, slow: [Option<f64>; 3]) -> Option<[f64; 4]> {
    let turns = turns.filter(|&turns| turns > 0.0)?;
    let [over_1, over_10, over_100] = all(slow)?;
    let times = [turns - over_1, over_1 - over_10, over_10 - over_100, over_100];
    // Numbers of several shards may be a tenth of a second apart.
    Some(times.map(|count| (count / turns).clamp(0.0, 1.0)))
}

/// The reasons that have occurred.
fn closes(now: &Sample, rate: impl Fn(&str) -> Option<f64>) -> Vec<Close> {
    const PREFIX: &str = "closed_";
    let occurred = now.behind(PREFIX).filter(|(_, total)| *total > 0.0);
    let mut closes: Vec<Close> = occurred
        .map(|(reason, total)| Close {
            rate: rate(&format!("{PREFIX}{reason}")),
            reason: printable(&reason.replace('_', " ")),
            total,
        })
        .collect();
    closes.sort_by(|one, other| {
        let key = |close: &Close| (close.rate.unwrap_or(0.0), close.total);
        let (one_key, other_key) = (key(one), key(other));
        let by_rate = other_key.0.total_cmp(&one_key.0).then(other_key.1.total_cmp(&one_key.1));
        by_rate.then_with(|| one.reason.cmp(&other.reason))
    });
    closes
}
