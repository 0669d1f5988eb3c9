//! Two runs side by side, and whether the second is worse.
//!
//! Invariant: a change is clear only if it exceeds the requested tolerance *and* the variation
//! within the runs. Only figures that users of the server notice make a regression. Two runs that
//! did not measure the same are never judged.

use super::table::{Severity, Table};
use super::text::{AnsiStyle, Page};
use super::units::{change, percent};
use super::{Report, TextOptions};
use figures::changes;
use obstacles::obstacles;

mod figures;
mod noise;
mod obstacles;
mod page;
#[cfg(test)]
mod tests;

pub use page::html;

/// What a reader must know before believing the verdict.
const CAVEAT: &str = "One pair of runs proves little, and of short runs next to nothing: what \
    differs from run to run cannot be seen in either. Repeat both, in turns, for 10 s or longer, \
    and believe what stays.";

/// How a value has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finding {
    /// The change is within the tolerance or the variation of the runs.
    NoClearChange,
    /// Clearly better.
    Better,
    /// Clearly worse.
    Worse,
    /// A value is missing.
    Unknown,
}

/// What follows if a value got clearly worse: it fails the comparison, or it is only reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Significance {
    /// The comparison as a whole is a regression.
    Decides,
    /// It is reported without changing the verdict: the value varies too much from run to run, or
    /// users do not notice it.
    Warns,
}

/// A value of both runs.
#[derive(Clone, Debug)]
pub struct Change {
    /// Its name.
    pub name: &'static str,
    /// The value of the first run, in the unit of `shown`.
    pub before: f64,
    /// The value of the second run.
    pub after: f64,
    /// The change relative to the first; `None` if the first is zero.
    pub relative: Option<f64>,
    /// The relative change that proves nothing: the largest of the requested tolerance, the
    /// variation within the runs and, for a latency, the effect of scheduling.
    pub tolerance: f64,
    /// The result.
    pub finding: Finding,
    /// What follows if it is clearly worse.
    pub significance: Significance,
    shown: fn(f64) -> String,
}

impl Change {
    fn is(&self, finding: Finding, significance: Significance) -> bool {
        (self.finding, self.significance) == (finding, significance)
    }

    fn judgement(&self) -> (Severity, &'static str) {
        match (self.finding, self.significance) {
            (Finding::NoClearChange, _) => (Severity::Plain, "no clear change"),
            (Finding::Better, _) => (Severity::Good, "better"),
            (Finding::Worse, Significance::Decides) => (Severity::Bad, "WORSE"),
            (Finding::Worse, Significance::Warns) => (Severity::Plain, "worse (warning)"),
            (Finding::Unknown, _) => (Severity::Plain, "unknown"),
        }
    }
}

/// The overall result of a comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// No value that decides got clearly worse.
    NoRegression,
    /// A value that decides got clearly worse.
    Regression,
    /// The runs did not measure the same.
    NotComparable,
}

/// Two runs side by side.
#[derive(Clone, Debug)]
pub struct Comparison {
    /// The values.
    pub changes: Vec<Change>,
    /// Why the runs cannot be compared, a sentence each; none if they can.
    pub obstacles: Vec<String>,
    /// What a reader should know of the reports, a sentence each.
    pub notes: Vec<String>,
    /// The relative change that is tolerated.
    pub threshold: f64,
}

impl Comparison {
    /// Compares two runs. A change of at most `threshold`, such as 0.1 for 10 %, is no regression;
    /// in runs of less than ten seconds even a larger one is none.
    pub fn new(before: &Report, after: &Report, threshold: f64) -> Comparison {
        let changes = changes(before, after, threshold);
        let reports = [("A", before), ("B", after)];
        let notes = reports.iter().filter_map(|(name, report)| {
            report.older_schema().map(|what| format!("{name}: {what}"))
        });
        Comparison {
            changes,
            obstacles: obstacles(before, after),
            notes: notes.collect(),
            threshold,
        }
    }

    /// The overall result.
    pub fn verdict(&self) -> Verdict {
        let is_worse = |change: &Change| change.is(Finding::Worse, Significance::Decides);
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
        if !self.notes.is_empty() {
            page.notes(&self.notes);
        }
        page.table(&self.table());
        if self.obstacles.is_empty() {
            page.line(AnsiStyle::Faint, CAVEAT);
            page.blank();
        }
        let style = match self.verdict() {
            Verdict::NoRegression => AnsiStyle::Green,
            Verdict::Regression | Verdict::NotComparable => AnsiStyle::Red,
        };
        page.line(style, &self.conclusion());
        page.text
    }

    /// The verdict in a sentence.
    fn conclusion(&self) -> String {
        let names = |finding: Finding, weights: &[Significance]| {
            let of = |change: &&Change| {
                weights.iter().any(|significance| change.is(finding, *significance))
            };
            let names: Vec<_> = self.changes.iter().filter(of).map(|change| change.name).collect();
            (!names.is_empty()).then(|| names.join(", "))
        };
        let verdict = match self.verdict() {
            Verdict::NotComparable => {
                return "no verdict: the two runs did not measure the same, see above".to_owned();
            }
            Verdict::Regression => "regression",
            Verdict::NoRegression => "no regression",
        };
        let worse = names(Finding::Worse, &[Significance::Decides]);
        let warned = names(Finding::Worse, &[Significance::Warns]);
        let better = names(Finding::Better, &[Significance::Decides, Significance::Warns]);
        if worse.is_none() && warned.is_none() && better.is_none() {
            return format!("{verdict}, no clear change");
        }
        let worse = worse.map_or_else(String::new, |names| format!(": {names} clearly worse"));
        let warned = warned.map_or_else(String::new, |names| format!("; warning: {names} worse"));
        let better = better.map_or_else(String::new, |names| format!("; better: {names}"));
        format!("{verdict}{worse}{warned}{better}")
    }

    fn table(&self) -> Table {
        let head = ["", "A", "B", "change", "tolerance", ""];
        let mut table = Table::with_remarks("Comparison", &head);
        let is_judged = self.obstacles.is_empty();
        for each in &self.changes {
            let relative = each.relative.map_or_else(|| "–".to_owned(), change);
            let (severity, words) = match is_judged {
                true => each.judgement(),
                false => (Severity::Plain, ""),
            };
            table.push(
                severity,
                [
                    each.name.to_owned(),
                    (each.shown)(each.before),
                    (each.shown)(each.after),
                    relative,
                    format!("±{}", percent((each.tolerance * 1000.0).round() / 1000.0)),
                    words.to_owned(),
                ],
            );
        }
        table
    }
}
