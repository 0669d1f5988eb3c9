//! Goals of a run: `p99<5ms,errors<0.1%`. A run passes if it meets all of them.
//!
//! Invariant: a goal whose figure the run did not measure is not met. A percentile is known only if
//! enough requests took longer; a run without answers knows none.

use crate::config::values;
use crate::loadgen::report::units::{micros, percent, span};
use crate::loadgen::report::{Percentiles, Report};
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

#[cfg(test)]
mod tests;

/// The share of requests that may fail where no goal says otherwise.
pub const DEFAULT_ERRORS: f64 = 0.001;

/// Samples beyond a percentile that make it known.
pub const SAMPLES_BEYOND: f64 = 100.0;

/// One goal.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Goal {
    /// This figure of the latency is less than that.
    Latency(Figure, Duration),
    /// This share of the requests, 0 to 1, has no right answer; fewer meet the goal.
    Errors(f64),
}

/// A figure of the latency.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Figure {
    /// The median.
    P50,
    /// 90 % of requests take no longer.
    P90,
    /// 99 %.
    P99,
    /// 99.9 %.
    P999,
    /// The longest.
    Max,
}

impl Figure {
    const ALL: [Figure; 5] = [Figure::P50, Figure::P90, Figure::P99, Figure::P999, Figure::Max];

    fn name(self) -> &'static str {
        match self {
            Figure::P50 => "p50",
            Figure::P90 => "p90",
            Figure::P99 => "p99",
            Figure::P999 => "p99.9",
            Figure::Max => "max",
        }
    }

    /// The share of requests that take longer.
    fn share_beyond(self) -> f64 {
        match self {
            Figure::P50 => 0.5,
            Figure::P90 => 0.1,
            Figure::P99 => 0.01,
            Figure::P999 => 0.001,
            Figure::Max => 0.0,
        }
    }

    /// In microseconds.
    fn of(self, latency: &Percentiles) -> f64 {
        match self {
            Figure::P50 => latency.p50,
            Figure::P90 => latency.p90,
            Figure::P99 => latency.p99,
            Figure::P999 => latency.p999,
            Figure::Max => latency.max,
        }
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Why a text is no goal; the user's fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GoalError {
    /// There is no `<` between a figure and its bound, or another comparison.
    NoBound,
    /// No figure has this name.
    UnknownFigure(String),
    /// The bound is not a duration, or is zero.
    BadDuration(String),
    /// The bound is not a percentage from 0 to 100.
    BadShare(String),
}

impl fmt::Display for GoalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            GoalError::NoBound => f.write_str("write it as FIGURE<BOUND, such as p99<5ms"),
            GoalError::UnknownFigure(name) => {
                write!(f, "there is no figure {name:?}: p50, p90, p99, p99.9, max or errors")
            }
            GoalError::BadDuration(text) => {
                write!(f, "{text:?} is not a duration such as 5ms or 1s")
            }
            GoalError::BadShare(text) => {
                write!(f, "{text:?} is not a percentage such as 0.1% (0 to 100)")
            }
        }
    }
}

impl std::error::Error for GoalError {}

impl FromStr for Goal {
    type Err = GoalError;

    fn from_str(text: &str) -> Result<Goal, GoalError> {
        let (name, bound) = text.split_once('<').ok_or(GoalError::NoBound)?;
        let (name, bound) = (name.trim(), bound.trim());
        // `<=` would promise another comparison.
        if bound.starts_with('=') {
            return Err(GoalError::NoBound);
        }
        if name == "errors" {
            let number = bound.strip_suffix('%').unwrap_or(bound).trim().parse::<f64>();
            let share = number.ok().filter(|share| (0.0..=100.0).contains(share));
            let share = share.ok_or_else(|| GoalError::BadShare(bound.to_owned()))?;
            return Ok(Goal::Errors(share / 100.0));
        }
        let figure = Figure::ALL.into_iter().find(|figure| figure.name() == name);
        let figure = figure.ok_or_else(|| GoalError::UnknownFigure(name.to_owned()))?;
        // As reports print it, too: `5 ms`, `250 µs`.
        let written = bound.split_whitespace().collect::<String>().replace("µs", "us");
        match values::duration(&written) {
            Ok(bound) if !bound.is_zero() => Ok(Goal::Latency(figure, bound)),
            _ => Err(GoalError::BadDuration(bound.to_owned())),
        }
    }
}

impl fmt::Display for Goal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Goal::Latency(figure, bound) => write!(f, "{figure} < {}", span(bound.as_secs_f64())),
            // To the digit that was given: 0.7 % has no binary fraction.
            Goal::Errors(share) => write!(f, "errors < {} %", (share * 1e11).round() / 1e9),
        }
    }
}

/// What a run has to achieve.
#[derive(Clone, Debug, PartialEq)]
pub struct Goals(Vec<Goal>);

/// A goal that was missed, and by what.
#[derive(Clone, Debug, PartialEq)]
pub enum Miss {
    /// The figure is this much, in microseconds.
    Latency(Goal, f64),
    /// The share of requests without a right answer.
    Errors(Goal, f64),
    /// Too few requests were answered to know the figure: this number of them.
    Unknown(Goal, u64),
}

impl fmt::Display for Miss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Miss::Latency(goal, time) => write!(f, "{goal}: it was {}", micros(*time)),
            Miss::Errors(goal, share) => write!(f, "{goal}: it was {}", percent(*share)),
            Miss::Unknown(goal, 0) => write!(f, "{goal}: no request was answered"),
            Miss::Unknown(goal, count) => write!(f, "{goal}: {count} answers are too few to tell"),
        }
    }
}

impl Goals {
    /// These goals, and [`DEFAULT_ERRORS`] if none is about errors.
    pub fn new(goals: impl IntoIterator<Item = Goal>) -> Goals {
        let mut goals: Vec<Goal> = goals.into_iter().collect();
        if !goals.iter().any(|goal| matches!(goal, Goal::Errors(_))) {
            goals.push(Goal::Errors(DEFAULT_ERRORS));
        }
        Goals(goals)
    }

    /// All goals.
    pub fn iter(&self) -> impl Iterator<Item = &Goal> {
        self.0.iter()
    }

    /// The goals that the run missed.
    pub fn missed(&self, report: &Report) -> Vec<Miss> {
        self.0.iter().filter_map(|goal| goal.missed(report)).collect()
    }

    /// How many answers it takes until each percentile has 100 beyond it.
    pub fn samples_needed(&self) -> u64 {
        let needed = self.0.iter().map(|goal| match goal {
            Goal::Latency(figure, _) if figure.share_beyond() > 0.0 => {
                (SAMPLES_BEYOND / figure.share_beyond()).ceil() as u64
            }
            // As for the errors: with the share that may fail, one failure is expected.
            Goal::Errors(share) if *share > 0.0 => (1.0 / share).ceil() as u64,
            _ => 0,
        });
        needed.max().unwrap_or(0)
    }
}

impl Goal {
    fn missed(&self, report: &Report) -> Option<Miss> {
        match *self {
            Goal::Latency(figure, bound) => {
                let latency = &report.latency_us;
                // With one sample beyond it, a percentile is a figure at all.
                let is_known = latency.count > 0
                    && latency.count as f64 * figure.share_beyond().max(f64::MIN_POSITIVE)
                        >= if figure == Figure::Max { 0.0 } else { 1.0 };
                if !is_known {
                    return Some(Miss::Unknown(*self, latency.count));
                }
                let micros = figure.of(latency);
                (micros >= bound.as_secs_f64() * 1e6).then_some(Miss::Latency(*self, micros))
            }
            Goal::Errors(allowed) => {
                let share = failed_share(report);
                // Nothing failed meets even `errors<0%`, which is how people write "none".
                (share > 0.0 && share >= allowed).then_some(Miss::Errors(*self, share))
            }
        }
    }
}

/// The share of the requests, 0 to 1, that got no right answer in time. Requests in flight on a
/// connection that was dropped on purpose do not count.
pub fn failed_share(report: &Report) -> f64 {
    let achieved = &report.achieved;
    let asked = achieved.requested.saturating_sub(achieved.abandoned);
    let right = achieved.answered.saturating_sub(achieved.mismatched);
    match asked {
        0 => 0.0,
        asked => asked.saturating_sub(right) as f64 / asked as f64,
    }
}
