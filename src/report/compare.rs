//! Two runs side by side, and whether the second is worse.
//!
//! Invariant: a change is called one only if it is larger than what was asked to be tolerated *and*
//! larger than what the runs vary by themselves. Two runs that did not measure the same are never
//! judged.
//!
//! How much a run varies is estimated from itself, in two ways of which the larger counts:
//!
//! - from second to second: the median absolute deviation of the per-second values, times 1.4826,
//!   which is the standard deviation if they are normally distributed, and hardly moves for a few
//!   wild seconds;
//! - by chance: of n requests, the one at quantile q could as well have been one two standard
//!   deviations, √(n·q·(1−q)) ranks each, further up or down.
//!
//! Neither knows what differs from run to run: another place in memory, a neighbour on the machine.
//! Whoever wants to be certain runs each side several times.

use super::table::{Table, Tone};
use super::text::{Page, Paint};
use super::units::{change, count, micros, number, percent, rate};
use super::{Asked, Histogram, Report, Second, TextOptions};
use std::fmt::Debug;

mod page;
#[cfg(test)]
mod tests;

pub use page::html;

/// From the median absolute deviation to the standard deviation of a normal distribution.
const MAD_TO_DEVIATION: f64 = 1.4826;

/// Fewer seconds than this say nothing about how seconds vary.
const FEWEST_SECONDS: usize = 3;

/// What became of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finding {
    /// Not more than the runs vary by themselves, or than is tolerated.
    NoClearChange,
    /// Clearly better.
    Better,
    /// Clearly worse.
    Worse,
    /// There is nothing to compare.
    Unknown,
}

impl Finding {
    fn words(self) -> &'static str {
        match self {
            Finding::NoClearChange => "no clear change",
            Finding::Better => "better",
            Finding::Worse => "WORSE",
            Finding::Unknown => "unknown",
        }
    }

    fn tone(self) -> Tone {
        match self {
            Finding::Better => Tone::Good,
            Finding::Worse => Tone::Bad,
            Finding::NoClearChange | Finding::Unknown => Tone::Plain,
        }
    }
}

/// A headline value of both runs.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// What it is.
    pub name: &'static str,
    /// Of the first run, in the unit that `shown` knows.
    pub before: f64,
    /// Of the second.
    pub after: f64,
    /// By how much, relative to the first; absent if the first is zero.
    pub relative: Option<f64>,
    /// How much the runs vary by themselves, relative.
    pub noise: f64,
    /// What that amounts to.
    pub finding: Finding,
    shown: fn(f64) -> String,
}

/// What the comparison of two runs says as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing got clearly worse.
    NoRegression,
    /// Something got clearly worse.
    Regression,
    /// The runs did not measure the same.
    NotComparable,
}

/// Two runs side by side.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// The headline values.
    pub changes: Vec<Change>,
    /// Why the runs cannot be compared, a sentence each; none if they can.
    pub obstacles: Vec<String>,
    /// The relative change that is tolerated.
    pub threshold: f64,
}

impl Comparison {
    /// Compares two runs. A change of at most `threshold`, such as 0.05 for 5 %, is no regression.
    pub fn new(before: &Report, after: &Report, threshold: f64) -> Comparison {
        let changes = changes(before, after, threshold);
        Comparison { changes, obstacles: obstacles(before, after), threshold }
    }

    /// What it says as a whole.
    pub fn verdict(&self) -> Verdict {
        let is_worse = |change: &Change| change.finding == Finding::Worse;
        match (self.obstacles.is_empty(), self.changes.iter().any(is_worse)) {
            (false, _) => Verdict::NotComparable,
            (true, true) => Verdict::Regression,
            (true, false) => Verdict::NoRegression,
        }
    }

    /// The comparison as text, ending with a line end. There is no spectrum in it.
    pub fn text(&self, options: TextOptions) -> String {
        let mut page = Page::new(options);
        if !self.obstacles.is_empty() {
            page.banner("NOT COMPARABLE", self.obstacles.iter().map(String::as_str));
        }
        page.table(&self.table());
        let paint = match self.verdict() {
            Verdict::NoRegression => Paint::Green,
            Verdict::Regression | Verdict::NotComparable => Paint::Red,
        };
        page.line(paint, &self.conclusion());
        page.text
    }

    /// The verdict in a sentence.
    fn conclusion(&self) -> String {
        let of = |finding: Finding| {
            let names = self.changes.iter().filter(|change| change.finding == finding);
            names.map(|change| change.name).collect::<Vec<_>>().join(", ")
        };
        match self.verdict() {
            Verdict::NotComparable => {
                "no verdict: the two runs did not measure the same, see above".to_owned()
            }
            Verdict::Regression => format!("regression: {}", of(Finding::Worse)),
            Verdict::NoRegression => match of(Finding::Better) {
                better if better.is_empty() => "no regression, no clear change".to_owned(),
                better => format!("no regression; better: {better}"),
            },
        }
    }

    fn table(&self) -> Table {
        let head = ["", "A", "B", "change", "noise", ""];
        let mut table = Table::with_remarks("Comparison", &head);
        let is_judged = self.obstacles.is_empty();
        for each in &self.changes {
            let relative = each.relative.map_or_else(|| "–".to_owned(), change);
            let (tone, words) = match is_judged {
                true => (each.finding.tone(), each.finding.words()),
                false => (Tone::Plain, ""),
            };
            table.push(
                tone,
                [
                    each.name.to_owned(),
                    (each.shown)(each.before),
                    (each.shown)(each.after),
                    relative,
                    format!("±{}", percent((each.noise * 1000.0).round() / 1000.0)),
                    words.to_owned(),
                ],
            );
        }
        table
    }
}

/// Which way a value should go.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wanted {
    More,
    Less,
}

fn changes(before: &Report, after: &Report, threshold: f64) -> Vec<Change> {
    let both = |of: fn(&Report) -> f64| (of(before), of(after));
    let noise = |of: fn(&Report) -> f64| of(before).max(of(after));
    let judge = |name, wanted, values, noise, shown| {
        judged(
            Change {
                name,
                before: f64::from(0),
                after: f64::from(0),
                relative: None,
                noise,
                finding: Finding::Unknown,
                shown,
            },
            wanted,
            values,
            threshold,
        )
    };
    let rate_noise = noise(|report| variation(report, |second| Some(second.answered as f64)));
    let mut changes = vec![judge(
        "rate",
        Wanted::More,
        both(|report| report.achieved.rate),
        rate_noise,
        rate as fn(f64) -> String,
    )];
    let latencies: [(&'static str, fn(&Report) -> f64, fn(&Report) -> f64); 3] = [
        (
            "50 %",
            |report| report.latency_us.p50,
            |report| {
                variation(report, |second| second.p50_us)
                    .max(chance(&report.histograms.latency, 0.5))
            },
        ),
        (
            "99 %",
            |report| report.latency_us.p99,
            |report| {
                variation(report, |second| second.p99_us)
                    .max(chance(&report.histograms.latency, 0.99))
            },
        ),
        // A second has too few requests for a 99.9th percentile of its own; the 99th's must do.
        (
            "99.9 %",
            |report| report.latency_us.p999,
            |report| {
                variation(report, |second| second.p99_us)
                    .max(chance(&report.histograms.latency, 0.999))
            },
        ),
    ];
    for (name, of, noise_of) in latencies {
        changes.push(judge(name, Wanted::Less, both(of), noise(noise_of), micros));
    }
    changes.push(errors(before, after, threshold));
    changes.push(judge("client CPU a request", Wanted::Less, both(cpu_each), rate_noise, micros));
    changes
}

fn judged(change: Change, wanted: Wanted, (before, after): (f64, f64), threshold: f64) -> Change {
    let relative = (before > 0.0).then(|| (after - before) / before);
    let finding = match relative {
        Some(_) if after <= 0.0 => Finding::Unknown,
        None => Finding::Unknown,
        Some(relative) if relative.abs() <= threshold.max(change.noise) => Finding::NoClearChange,
        Some(relative) if (relative > 0.0) == (wanted == Wanted::More) => Finding::Better,
        Some(_) => Finding::Worse,
    };
    Change { before, after, relative, finding, ..change }
}

/// What went wrong, a thousand requests: by the spread of a count, which is its square root, and worse
/// in any case where nothing went wrong before.
fn errors(before: &Report, after: &Report, threshold: f64) -> Change {
    let (wrong_before, of_before) = wrong(before);
    let (wrong_after, of_after) = wrong(after);
    let (before, after) = (wrong_before / of_before, wrong_after / of_after);
    let spread = 3.0 * (wrong_before.sqrt() / of_before).hypot(wrong_after.sqrt() / of_after);
    let relative = (before > 0.0).then(|| (after - before) / before);
    let is_clear = (after - before).abs() > spread.max(before * threshold);
    let finding = match (before > 0.0, after > 0.0) {
        (false, false) => Finding::NoClearChange,
        (false, true) => Finding::Worse,
        _ if !is_clear => Finding::NoClearChange,
        _ if after > before => Finding::Worse,
        _ => Finding::Better,
    };
    let noise = if before > 0.0 { spread / before } else { 0.0 };
    let shown = |share: f64| number(share * 1000.0);
    Change { name: "errors a thousand", before, after, relative, noise, finding, shown }
}

/// Errors of every kind, and what they are a part of.
fn wrong(report: &Report) -> (f64, f64) {
    let (errors, achieved) = (&report.errors, &report.achieved);
    let wrong = [errors.connect, errors.read, errors.write, errors.timeout, achieved.mismatched]
        .iter()
        .fold(0u64, |all, number| all.saturating_add(*number));
    (wrong as f64, achieved.requested.max(achieved.sent).max(1) as f64)
}

fn cpu_each(report: &Report) -> f64 {
    match report.achieved.answered {
        0 => 0.0,
        answered => report.client.cpu_s * 1e6 / answered as f64,
    }
}

/// How much a per-second value varies over the measured part, relative to its median.
fn variation(report: &Report, of: fn(&Second) -> Option<f64>) -> f64 {
    let measured = report.series.iter().filter(|second| second.t_s >= 0.0);
    let mut values: Vec<f64> = measured.filter_map(of).filter(|value| value.is_finite()).collect();
    // The last second of a run is seldom a whole one.
    values.pop();
    if values.len() < FEWEST_SECONDS {
        return 0.0;
    }
    let middle = median(&mut values);
    let mut deviations: Vec<f64> = values.iter().map(|value| (value - middle).abs()).collect();
    if middle > 0.0 { MAD_TO_DEVIATION * median(&mut deviations) / middle } else { 0.0 }
}

/// The median of at least one value.
fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() % 2 {
        0 => f64::midpoint(values[middle - 1], values[middle]),
        _ => values[middle],
    }
}

/// How far a percentile could be off by chance, relative to it.
fn chance(times: &Histogram, quantile: f64) -> f64 {
    let value = times.value_at(quantile) as f64;
    if value == 0.0 {
        return 0.0;
    }
    let spread = 2.0 * (quantile * (1.0 - quantile) / times.count() as f64).sqrt();
    let [low, high] = [quantile - spread, quantile + spread]
        .map(|quantile| times.value_at(quantile.clamp(0.0, 1.0)) as f64);
    ((high - value) / value).max((value - low) / value)
}

/// Why two runs cannot be compared.
fn obstacles(before: &Report, after: &Report) -> Vec<String> {
    let mut obstacles = Vec::new();
    for (name, report) in [("A", before), ("B", after)] {
        if report.client.bottleneck {
            obstacles.push(format!(
                "in {name} the client was the bottleneck: its figures tell the client's limits"
            ));
        }
        if let Some(reason) = &report.partial {
            obstacles.push(format!("{name} is partial: {reason}"));
        }
        if report.latency_us.count == 0 {
            obstacles.push(format!("{name} has no answers"));
        }
    }
    if before.mode != after.mode {
        let words = super::words::mode;
        obstacles.push(format!("A is {}; B is {}", words(before), words(after)));
    }
    obstacles.extend(differences(&before.asked, &after.asked));
    obstacles
}

/// What was asked differently of two runs, of all that bears on the result.
fn differences(before: &Asked, after: &Asked) -> Vec<String> {
    fn differ<T: PartialEq + Debug>(name: &str, before: &T, after: &T) -> Option<String> {
        (before != after).then(|| format!("{name}: {before:?} in A, {after:?} in B"))
    }
    let per_second = |rate: Option<f64>| rate.map_or_else(|| "no limit".to_owned(), rate_or);
    let size = |asked: &Asked| format!("{} to {} bytes", asked.size_min, asked.size);
    let lives = |asked: &Asked| asked.lifetime.clone().unwrap_or_else(|| "the run".to_owned());
    let every =
        |seconds: Option<f64>| seconds.map_or_else(|| "never".to_owned(), super::units::span);
    [
        differ("workload", &before.workload, &after.workload),
        differ("size", &size(before), &size(after)),
        differ("connections", &count(before.connections), &count(after.connections)),
        differ("idle connections", &count(before.idle), &count(after.idle)),
        differ("slow readers", &count(before.slow_readers), &count(after.slow_readers)),
        differ("slow writers", &count(before.slow_writers), &count(after.slow_writers)),
        differ("rate", &per_second(before.rate), &per_second(after.rate)),
        differ("requests under way on each", &before.pipeline, &after.pipeline),
        differ("a connection lives", &lives(before), &lives(after)),
        differ("all speak at once, every", &every(before.herd_s), &every(after.herd_s)),
        differ("all reconnect, every", &every(before.storm_s), &every(after.storm_s)),
        differ("replies verified", &before.verify, &after.verify),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn rate_or(per_second: f64) -> String {
    rate(per_second)
}
