//! Two sides of runs, and whether the second is worse.
//!
//! Invariant: everything is compared, and what makes a figure doubtful is said beside it. Of one
//! run on each side, a change is clear only if it exceeds the requested tolerance *and* the
//! variation within the runs; of several, only if it exceeds the tolerance *and* a permutation test
//! calls it significant. Only figures that users of the server notice make a regression.

use super::table::{Severity, Table};
use super::text::{AnsiStyle, Page};
use super::units::{change, percent, unknown};
use super::{Histogram, Report, TextOptions};
use differences::{differences, doubt, doubts};
use figures::{changes_of_many, changes_of_pair};

mod differences;
mod figures;
mod noise;
mod page;
mod permutation;
mod side;
#[cfg(test)]
mod tests;

pub use page::html;
pub use side::Side;

/// What a reader must know before believing the verdict on one pair of runs.
const CAVEAT: &str = "One pair of runs proves little, and of short runs next to nothing: what \
    differs from run to run cannot be seen in either. Repeat both, in turns, five times, and \
    compare all.";

/// What a reader must know of a test.
const TEST: &str = "Means of the runs. p is the share of all ways to divide the runs into two \
    groups in which the means differ as much; below 0.01, a change is called significant.";

/// What a reader must know of runs that are too few for a test.
const SPREAD: &str = "Means of the runs. The spread is the standard deviation from run to run, \
    relative to the mean; the larger of both sides.";

/// The least number of runs on each side that a permutation test can call different.
pub(super) const ENOUGH_RUNS: usize = 5;

/// How a value has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finding {
    /// The change is within the tolerance or the variation of the runs.
    NoClearChange,
    /// Of several runs: it may be chance.
    NotSignificant,
    /// Of several runs: it is no chance, and within the tolerance.
    BelowThreshold,
    /// Of several runs: there are too few.
    NotEnoughRuns,
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

/// What a finding is based on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Basis {
    /// One run on each side.
    Pair {
        /// The relative change that proves nothing: the largest of the requested tolerance, the
        /// variation within the runs and, for a latency, the effect of scheduling.
        tolerance: f64,
    },
    /// Several runs.
    Runs {
        /// The standard deviation from run to run, relative to the mean; the larger of both sides.
        spread: f64,
        /// The p-value of a permutation test; `None` with too few runs.
        p: Option<f64>,
    },
}

/// A value of both sides.
#[derive(Clone, Debug)]
pub struct Change {
    /// Its name.
    pub name: &'static str,
    /// Its name among the percentiles, if it is one.
    percentile: Option<&'static str>,
    /// The value of the first side, in the unit of `shown`; of several runs, the mean. `None` if
    /// it is unknown: too few answers for a percentile, or one answer for a rate.
    pub before: Option<f64>,
    /// The value of the second side.
    pub after: Option<f64>,
    /// The change relative to the first; `None` if the first is zero, or one is unknown.
    pub relative: Option<f64>,
    /// What the finding is based on.
    pub basis: Basis,
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
            (Finding::NotSignificant, _) => (Severity::Plain, "no significant change"),
            (Finding::BelowThreshold, _) => (Severity::Plain, "significant, but tolerated"),
            (Finding::NotEnoughRuns, _) => (Severity::Plain, "not enough runs"),
            (Finding::Better, _) => (Severity::Good, "better"),
            (Finding::Worse, Significance::Decides) => (Severity::Bad, "WORSE"),
            (Finding::Worse, Significance::Warns) => (Severity::Plain, "worse (warning)"),
            (Finding::Unknown, _) if self.percentile.is_some() => {
                (Severity::Plain, "too few answers")
            }
            (Finding::Unknown, _) => (Severity::Plain, "unknown"),
        }
    }

    /// What proves nothing, or how much the runs vary and how likely chance is.
    fn basis_cells(&self) -> Vec<String> {
        let plus_minus = |share: f64| format!("±{}", percent((share * 1000.0).round() / 1000.0));
        match self.basis {
            Basis::Pair { tolerance } => vec![plus_minus(tolerance)],
            Basis::Runs { spread, p } => {
                vec![plus_minus(spread), p.map_or_else(unknown, |p| format!("{p:.4}"))]
            }
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
    /// There are several runs, and not enough of them.
    NotEnoughRuns,
}

/// Two sides of runs.
#[derive(Clone, Debug)]
pub struct Comparison<'a> {
    before: &'a Side,
    after: &'a Side,
    /// The values.
    pub changes: Vec<Change>,
    /// What differs between the settings of the runs, and which of them are in doubt, a
    /// sentence each.
    pub reservations: Vec<String>,
    /// What reports of an earlier version do not tell, a sentence each.
    notes: Vec<String>,
    /// Whether the runs were made in different ways.
    is_of_unlike: bool,
}

impl<'a> Comparison<'a> {
    /// Compares two sides. A change of at most `threshold`, such as 0.1 for 10 %, is no regression.
    /// Of one run on each side, in runs of less than ten seconds even a larger one is none.
    pub fn new(before: &'a Side, after: &'a Side, threshold: f64) -> Comparison<'a> {
        let changes = match (before.reports.as_slice(), after.reports.as_slice()) {
            ([one], [other]) => changes_of_pair(one, other, threshold),
            _ => changes_of_many(before, after, threshold),
        };
        let mut reservations = differences(before, after);
        let is_of_unlike = !reservations.is_empty();
        reservations.extend(doubts(before, after));
        let notes = [before, after].into_iter().filter_map(Side::older_schema).collect();
        Comparison { before, after, changes, reservations, notes, is_of_unlike }
    }

    /// How many more runs each side needs for a test; none for one run on each side.
    fn missing_runs(&self) -> [usize; 2] {
        match [self.before, self.after].map(|side| side.reports.len()) {
            [1, 1] => [0, 0],
            counts => counts.map(|count| ENOUGH_RUNS.saturating_sub(count)),
        }
    }

    /// The overall result.
    pub fn verdict(&self) -> Verdict {
        let is_worse = |change: &Change| change.is(Finding::Worse, Significance::Decides);
        if self.missing_runs() != [0, 0] {
            Verdict::NotEnoughRuns
        } else if self.changes.iter().any(is_worse) {
            Verdict::Regression
        } else {
            Verdict::NoRegression
        }
    }

    /// The comparison as text, ending with a line end. There is no spectrum in it.
    pub fn text(&self, options: TextOptions) -> String {
        let mut page = Page::new(options);
        if !self.reservations.is_empty() {
            page.banner("WITH RESERVATIONS", self.reservations.iter().map(String::as_str));
        }
        if !self.notes.is_empty() {
            page.notes(&self.notes.iter().collect::<Vec<_>>());
        }
        let heads = [self.before.head(), self.after.head()];
        let names = [self.before.name.as_str(), self.after.name.as_str()];
        page.table(&self.table(&heads, names));
        page.line(AnsiStyle::Faint, self.caveat());
        page.blank();
        let style = match self.verdict() {
            Verdict::NoRegression => AnsiStyle::Green,
            Verdict::Regression => AnsiStyle::Red,
            Verdict::NotEnoughRuns => AnsiStyle::Yellow,
        };
        page.line(style, &self.conclusion());
        page.text
    }

    fn is_of_pair(&self) -> bool {
        self.before.reports.len() == 1 && self.after.reports.len() == 1
    }

    fn caveat(&self) -> &'static str {
        match self.verdict() {
            Verdict::NotEnoughRuns => SPREAD,
            _ if self.is_of_pair() => CAVEAT,
            _ => TEST,
        }
    }

    /// The verdict in a sentence.
    fn conclusion(&self) -> String {
        let reserved = if self.reservations.is_empty() { "" } else { "; see the reservations" };
        let verdict = match self.verdict() {
            Verdict::NotEnoughRuns => return format!("{}{reserved}", self.not_enough_runs()),
            Verdict::Regression => "regression",
            Verdict::NoRegression => "no regression",
        };
        let names = |finding: Finding, weights: &[Significance]| {
            let of = |change: &&Change| {
                weights.iter().any(|significance| change.is(finding, *significance))
            };
            let names: Vec<_> = self.changes.iter().filter(of).map(|change| change.name).collect();
            (!names.is_empty()).then(|| names.join(", "))
        };
        let worse = names(Finding::Worse, &[Significance::Decides]);
        let warned = names(Finding::Worse, &[Significance::Warns]);
        let better = names(Finding::Better, &[Significance::Decides, Significance::Warns]);
        let clearly = if self.is_of_pair() { "clearly" } else { "significantly" };
        if worse.is_none() && warned.is_none() && better.is_none() {
            let clear = if self.is_of_pair() { "clear" } else { "significant" };
            return format!("{verdict}, no {clear} change{reserved}");
        }
        let worse = worse.map_or_else(String::new, |names| format!(": {names} {clearly} worse"));
        let warned = warned.map_or_else(String::new, |names| format!("; warning: {names} worse"));
        let better = better.map_or_else(String::new, |names| format!("; better: {names}"));
        format!("{verdict}{worse}{warned}{better}{reserved}")
    }

    fn not_enough_runs(&self) -> String {
        let missing = self.missing_runs();
        let of_each: Vec<String> = [self.before, self.after]
            .iter()
            .zip(missing)
            .filter(|(_, missing)| *missing > 0)
            .map(|(side, missing)| format!("{missing} of {}", side.name))
            .collect();
        format!(
            "not enough runs: {} more would do ({}); no verdict",
            missing.iter().sum::<usize>(),
            of_each.join(", ")
        )
    }

    /// The values, with these heads above the sides' columns, and the sides called by these names
    /// in the remarks.
    fn table(&self, [before, after]: &[String; 2], names: [&str; 2]) -> Table {
        let pair = ["", before, after, "change", "tolerance", ""];
        let few = ["", before, after, "change", "spread", ""];
        let many = ["", before, after, "change", "spread", "p", ""];
        // Without a test, the spread is all that tells of chance.
        let (head, spared): (&[&str], &[usize]) = match self.verdict() {
            Verdict::NotEnoughRuns => (&few, &[]),
            _ if self.is_of_pair() => (&pair, &[4]),
            _ => (&many, &[4, 5]),
        };
        let mut table = Table::with_remarks("Comparison", head).sparing(spared);
        for each in &self.changes {
            let (severity, words) = each.judgement();
            let relative = each.relative.map_or_else(unknown, change);
            let shown =
                [each.before, each.after].map(|value| value.map_or_else(unknown, each.shown));
            let mut cells = vec![each.name.to_owned()];
            cells.extend(shown);
            cells.push(relative);
            let with_basis = head.len() - 1;
            cells.extend(each.basis_cells());
            cells.truncate(with_basis);
            // Where none has enough runs, the verdict says so once.
            let has_no_test = self.verdict() == Verdict::NotEnoughRuns;
            let words =
                if has_no_test && each.finding == Finding::NotEnoughRuns { "" } else { words };
            cells.push(format!("{words}{}", self.trust(each, names)).trim_start().to_owned());
            table.push(severity, cells);
        }
        table
    }

    /// How far a figure can be trusted, if that is not all the way.
    fn trust(&self, change: &Change, names: [&str; 2]) -> String {
        let mut why = Vec::new();
        for (side, name) in [self.before, self.after].into_iter().zip(names) {
            for reason in ["client", "partial"] {
                let is_so = |report: &Report| doubt(report, change.percentile) == Some(reason);
                if let Some(runs) = side.runs_called(name, is_so) {
                    why.push(format!("{reason} in {runs}"));
                }
            }
        }
        if self.is_of_unlike {
            why.push("other settings".to_owned());
        }
        if why.is_empty() { String::new() } else { format!(" (in doubt: {})", why.join(", ")) }
    }
}
