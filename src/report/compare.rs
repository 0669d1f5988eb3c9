//! Two runs side by side, and whether the second is worse.
//!
//! Invariant: a change is called one only if it is larger than what was asked to be tolerated *and*
//! larger than what the runs vary by themselves. Two runs that did not measure the same are never
//! judged.

use super::table::{Table, Tone};
use super::text::{Page, Paint};
use super::units::{change, micros, number, percent, rate};
use super::{Report, TextOptions};
use noise::{chance, variation};
use obstacles::obstacles;

mod noise;
mod obstacles;
mod page;
#[cfg(test)]
mod tests;

pub use page::html;

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
#[derive(Clone, Debug)]
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
#[derive(Clone, Debug)]
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
            Verdict::Regression => format!("regression: {} clearly worse", of(Finding::Worse)),
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

/// A headline value: what it is, how to get it, and how much it varies within a run.
struct Headline {
    name: &'static str,
    wanted: Wanted,
    of: fn(&Report) -> f64,
    noise: fn(&Report) -> f64,
    shown: fn(f64) -> String,
}

const RATE: Headline = Headline {
    name: "rate",
    wanted: Wanted::More,
    of: |report| report.achieved.rate,
    noise: |report| variation(report, |second| Some(second.answered as f64)),
    shown: rate,
};

const LATENCIES: [Headline; 3] = [
    Headline {
        name: "latency 50 %",
        wanted: Wanted::Less,
        of: |report| report.latency_us.p50,
        noise: |report| {
            variation(report, |second| second.p50_us).max(chance(&report.histograms.latency, 0.5))
        },
        shown: micros,
    },
    Headline {
        name: "latency 99 %",
        wanted: Wanted::Less,
        of: |report| report.latency_us.p99,
        noise: |report| {
            variation(report, |second| second.p99_us).max(chance(&report.histograms.latency, 0.99))
        },
        shown: micros,
    },
    Headline {
        name: "latency 99.9 %",
        wanted: Wanted::Less,
        of: |report| report.latency_us.p999,
        // A second has too few requests for a 99.9th percentile of its own; the 99th's must do.
        noise: |report| {
            variation(report, |second| second.p99_us).max(chance(&report.histograms.latency, 0.999))
        },
        shown: micros,
    },
];

const CPU: Headline = Headline {
    name: "client CPU a request",
    wanted: Wanted::Less,
    of: |report| match report.achieved.answered {
        0 => 0.0,
        answered => report.client.cpu_s * 1e6 / answered as f64,
    },
    // It is not known second by second; what slows requests down is what takes CPU time.
    noise: |report| (RATE.noise)(report).max(variation(report, |second| second.p50_us)),
    shown: micros,
};

fn changes(before: &Report, after: &Report, threshold: f64) -> Vec<Change> {
    let judged = |headline: &Headline| judged(headline, before, after, threshold);
    let mut changes = vec![judged(&RATE)];
    changes.extend(LATENCIES.iter().map(judged));
    changes.push(errors(before, after, threshold));
    changes.push(judged(&CPU));
    changes
}

fn judged(headline: &Headline, before: &Report, after: &Report, threshold: f64) -> Change {
    let noise = (headline.noise)(before).max((headline.noise)(after));
    let [before, after] = [before, after].map(headline.of);
    let relative = (before > 0.0).then(|| (after - before) / before);
    let finding = match relative {
        _ if after <= 0.0 => Finding::Unknown,
        None => Finding::Unknown,
        Some(relative) if relative.abs() <= threshold.max(noise) => Finding::NoClearChange,
        Some(relative) if (relative > 0.0) == (headline.wanted == Wanted::More) => Finding::Better,
        Some(_) => Finding::Worse,
    };
    let (name, shown) = (headline.name, headline.shown);
    Change { name, before, after, relative, noise, finding, shown }
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
