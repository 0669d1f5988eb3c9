//! The charts of a report: its percentiles, and how it went over time.
//!
//! Invariant: no chart shows a percentile that its samples do not carry, and every chart has a
//! table of its values.

use super::histogram::carries;
use super::svg::{Axis, Chart, Line};
use super::table::{Severity, Table};
use super::units::{count, micros, number, span, unknown};
use super::{Ladder, Percentiles, Quantity, Rung, Second};

pub(crate) use percentiles::{distributions, percentiles};

mod percentiles;
#[cfg(test)]
mod tests;

/// The most points: more cannot be distinguished on a page.
const MOST_POINTS: usize = 400;

/// A part of a second that is shorter than this tells nothing of its pace.
const LEAST_LENGTH_S: f64 = 0.25;

/// The shade over what came before the measured part.
const BEFORE: &str = "before the measured part: connections are opened, the server warms up";

/// A series with few enough points to be drawn, and how many seconds each stands for.
pub(crate) struct Timeline {
    seconds: Vec<Second>,
    each: usize,
}

impl Timeline {
    /// The series of a run whose measured part was `elapsed_s` long. What came after it is left
    /// out, and so is a part of a second that is too short; a longer one is scaled to a second.
    /// Percentiles of a second with too few answers are left out, too.
    pub(crate) fn new(series: &[Second], elapsed_s: f64) -> Timeline {
        let is_shown = |second: &&Second| {
            second.t_s < 0.0 || (second.t_s < elapsed_s && second.length_s >= LEAST_LENGTH_S)
        };
        let series: Vec<Second> =
            series.iter().filter(is_shown).map(carried).map(|second| scaled(&second)).collect();
        let each = series.len().div_ceil(MOST_POINTS).max(1);
        Timeline { seconds: series.chunks(each).map(summed_up).collect(), each }
    }

    /// Whether there is nothing of the measured part to be shown.
    pub(crate) fn is_empty(&self) -> bool {
        self.seconds.iter().all(|second| second.t_s < 0.0)
    }

    /// Whether anything went wrong at any time.
    pub(crate) fn has_errors(&self) -> bool {
        self.seconds.iter().any(|second| second.errors > 0)
    }

    /// What a point stands for, if not for a second.
    pub(crate) fn resolution(&self) -> Option<String> {
        (self.each > 1).then(|| {
            format!(
                "Each point stands for {} seconds: the mean of rates and medians, the worst of p99 \
                 and max, the sum of errors.",
                self.each
            )
        })
    }

    /// Which seconds have no p99, if there are any.
    pub(crate) fn without_p99(&self) -> Option<&'static str> {
        let is_left_out = |second: &Second| second.max_us.is_some() && second.p99_us.is_none();
        let note = "p99 only of seconds with 100 answers or more.";
        self.seconds.iter().any(is_left_out).then_some(note)
    }

    fn line(&self, name: &'static str, of: fn(&Second) -> Option<f64>) -> Line {
        Line { name, points: self.seconds.iter().map(|second| (second.t_s, of(second))).collect() }
    }

    /// A chart of these lines. One without any value is left out.
    fn chart(
        &self,
        title: &'static str,
        mut lines: Vec<Line>,
        axis: fn(&[f64]) -> Axis,
        name: fn(f64) -> String,
    ) -> Chart {
        lines.retain(|line| line.points.iter().any(|(_, value)| value.is_some()));
        let times = self.seconds.iter().map(|second| second.t_s);
        let starts_before = times.clone().any(|at| at < 0.0);
        let hint = |at: usize, second: &Second| {
            let values: Vec<String> = lines
                .iter()
                .filter_map(|line| Some(format!("{} {}", line.name, name(line.points[at].1?))))
                .collect();
            (second.t_s, format!("{}: {}", span(second.t_s), values.join(", ")))
        };
        let hints = self.seconds.iter().enumerate().map(|(at, second)| hint(at, second)).collect();
        Chart {
            title,
            description: described(&lines, name),
            x: Axis::fitting("seconds from the start of the measured part", times, number),
            y: axis(&values(&lines)),
            hints,
            values: listed(title, "second", &lines, number, name),
            lines,
            shade: starts_before.then_some((0.0, BEFORE)),
        }
    }

    /// Percentiles of the latency, second by second.
    pub(crate) fn latency(&self) -> Chart {
        let lines = vec![
            self.line("p50", |second| second.p50_us),
            self.line("p99", |second| second.p99_us),
            self.line("max", |second| second.max_us),
        ];
        let axis = |values: &[f64]| Axis::log_axis("latency", values.iter().copied(), micros);
        self.chart("Latency over time", lines, axis, micros)
    }

    /// Requests and answers, second by second.
    pub(crate) fn throughput(&self) -> Chart {
        let lines = vec![
            self.line("answered", |second| Some(second.answered as f64)),
            self.line("sent", |second| Some(second.sent as f64)),
        ];
        let axis = |values: &[f64]| Axis::linear("per second", values.iter().copied(), number);
        self.chart("Throughput over time", lines, axis, number)
    }

    /// Connections open, second by second.
    pub(crate) fn connections(&self) -> Chart {
        let lines = vec![
            self.line("most open", |second| {
                Some(second.connections_most.unwrap_or(second.connections) as f64)
            }),
            self.line("least open", |second| {
                Some(second.connections_least.unwrap_or(second.connections) as f64)
            }),
            self.line("opened", |second| Some(second.opened as f64)),
        ];
        let axis = |values: &[f64]| Axis::linear("connections", values.iter().copied(), number);
        self.chart("Connections over time", lines, axis, number)
    }

    /// Errors and mismatches, second by second.
    pub(crate) fn errors(&self) -> Chart {
        let lines = vec![self.line("errors", |second| Some(second.errors as f64))];
        let axis = |values: &[f64]| Axis::linear("per second", values.iter().copied(), number);
        self.chart("Errors over time", lines, axis, number)
    }
}

/// A second without the percentiles that its answers do not carry.
fn carried(second: &Second) -> Second {
    let if_carried =
        |quantile, time: Option<f64>| time.filter(|_| carries(second.answered, quantile));
    Second {
        p50_us: if_carried(0.5, second.p50_us),
        p99_us: if_carried(0.99, second.p99_us),
        ..second.clone()
    }
}

/// A part of a second, at the pace of a whole one.
fn scaled(second: &Second) -> Second {
    if second.t_s < 0.0 || second.length_s >= 0.999 {
        return second.clone();
    }
    let scale = |count: u64| (count as f64 / second.length_s).round() as u64;
    Second {
        opened: scale(second.opened),
        sent: scale(second.sent),
        answered: scale(second.answered),
        ..second.clone()
    }
}

/// Several seconds as one.
fn summed_up(seconds: &[Second]) -> Second {
    let length = seconds.len().max(1) as u64;
    let mean = |of: fn(&Second) -> u64| seconds.iter().map(of).sum::<u64>() / length;
    let worst = |of: fn(&Second) -> Option<f64>| seconds.iter().filter_map(of).reduce(f64::max);
    let medians: Vec<f64> = seconds.iter().filter_map(|second| second.p50_us).collect();
    Second {
        t_s: seconds.first().map_or(0.0, |first| first.t_s),
        connections: seconds.last().map_or(0, |last| last.connections),
        length_s: seconds.iter().map(|second| second.length_s).fold(0.0, f64::max),
        connections_least: seconds.iter().filter_map(|second| second.connections_least).min(),
        connections_most: seconds.iter().filter_map(|second| second.connections_most).max(),
        asked: seconds.last().map_or(0, |last| last.asked),
        served: seconds.last().map_or(0, |last| last.served),
        opened: mean(|second| second.opened),
        sent: mean(|second| second.sent),
        answered: mean(|second| second.answered),
        errors: seconds.iter().map(|second| second.errors).sum(),
        p50_us: (!medians.is_empty()).then(|| medians.iter().sum::<f64>() / medians.len() as f64),
        p99_us: worst(|second| second.p99_us),
        max_us: worst(|second| second.max_us),
        stalled_s: seconds.iter().map(|second| second.stalled_s).fold(0.0, f64::max),
    }
}

/// All values of these lines.
fn values(lines: &[Line]) -> Vec<f64> {
    lines.iter().flat_map(|line| &line.points).filter_map(|(_, value)| *value).collect()
}

/// The values of lines that have the same places along the x axis, as a table.
fn listed(
    title: &'static str,
    place: &str,
    lines: &[Line],
    place_name: fn(f64) -> String,
    name: fn(f64) -> String,
) -> Table {
    let names: Vec<&str> = lines.iter().map(|line| line.name).collect();
    let mut table = Table::new(title, &[&[place], &names[..]].concat());
    let places = lines.first().map_or(0, |line| line.points.len());
    for at in 0..places {
        let cell = |line: &Line| line.points[at].1.map_or_else(unknown, name);
        let cells = lines.iter().map(cell);
        let place = lines.iter().map(|line| place_name(line.points[at].0)).take(1);
        table.push(Severity::Plain, place.chain(cells).collect::<Vec<_>>());
    }
    table
}

/// From where to where each line goes.
fn described(lines: &[Line], name: fn(f64) -> String) -> String {
    let range = |line: &Line| {
        let values = || line.points.iter().filter_map(|(_, value)| *value);
        match (values().reduce(f64::min), values().reduce(f64::max)) {
            (Some(least), Some(most)) => {
                format!("{}: from {} to {}", line.name, name(least), name(most))
            }
            _ => format!("{}: no values", line.name),
        }
    };
    lines.iter().map(range).collect::<Vec<_>>().join("; ")
}

/// The latency of each try of a search, by its load.
pub(crate) fn ladder(ladder: &Ladder) -> Chart {
    let mut rungs: Vec<&Rung> =
        ladder.rungs.iter().filter(|rung| rung.latency_us.count > 0).collect();
    rungs.sort_by_key(|rung| rung.load);
    let line = |name, quantile, of: fn(&Percentiles) -> f64| Line {
        name,
        points: rungs
            .iter()
            .map(|rung| {
                let latency = &rung.latency_us;
                (rung.load as f64, latency.carries(quantile).then(|| of(latency)))
            })
            .collect(),
    };
    let lines = vec![
        line("p50", 0.5, |latency| latency.p50),
        line("p99", 0.99, |latency| latency.p99),
        line("max", 1.0, |latency| latency.max),
    ];
    let hint = |(at, rung): (usize, &&Rung)| {
        let times = lines
            .iter()
            .filter_map(|line| Some(format!("{} {}", line.name, micros(line.points[at].1?))));
        let times = times.collect::<Vec<_>>().join(", ");
        (rung.load as f64, format!("{}: {}, {times}", count(rung.load), rung.outcome.name()))
    };
    let (label, place) = match ladder.quantity {
        Quantity::Rate => ("requests per second", "rate"),
        Quantity::Connections => ("connections", "connections"),
    };
    let title = "Latency by load";
    Chart {
        title,
        description: described(&lines, micros),
        x: Axis::log_axis(label, rungs.iter().map(|rung| rung.load as f64), number),
        y: Axis::log_axis("latency", values(&lines).iter().copied(), micros),
        hints: rungs.iter().enumerate().map(hint).collect(),
        values: listed(title, place, &lines, number, micros),
        lines,
        shade: None,
    }
}
