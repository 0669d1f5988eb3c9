//! The charts of a report: its percentiles, and how it went over time.

use super::svg::{Axis, Chart, Line};
use super::table::{Severity, Table};
use super::units::{count, micros, nearly_all, number, span};
use super::{Histogram, Ladder, Outcome, Quantity, Report, Rung, Second};

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
    pub(crate) fn new(series: &[Second], elapsed_s: f64) -> Timeline {
        let is_shown = |second: &&Second| {
            second.t_s < 0.0 || (second.t_s < elapsed_s && second.length_s >= LEAST_LENGTH_S)
        };
        let series: Vec<Second> = series.iter().filter(is_shown).map(scaled).collect();
        let each = series.len().div_ceil(MOST_POINTS).max(1);
        Timeline { seconds: series.chunks(each).map(summed_up).collect(), each }
    }

    /// Whether there is nothing to be shown.
    pub(crate) fn is_empty(&self) -> bool {
        self.seconds.is_empty()
    }

    /// Whether anything went wrong at any time.
    pub(crate) fn has_errors(&self) -> bool {
        self.seconds.iter().any(|second| second.errors > 0)
    }

    /// What a point stands for, if not for a second.
    pub(crate) fn resolution(&self) -> Option<String> {
        (self.each > 1).then(|| {
            format!(
                "Each point stands for {} seconds: the mean of rates and medians, the worst of the \
                 99th percentiles and longest times, the sum of errors.",
                self.each
            )
        })
    }

    fn line(&self, name: &'static str, of: fn(&Second) -> Option<f64>) -> Line {
        Line { name, points: self.seconds.iter().map(|second| (second.t_s, of(second))).collect() }
    }

    fn chart(
        &self,
        title: &'static str,
        lines: Vec<Line>,
        log_label: Option<&'static str>,
        name: fn(f64) -> String,
    ) -> Chart {
        let values = || lines.iter().flat_map(|line| &line.points).filter_map(|(_, value)| *value);
        let values: Vec<f64> = values().collect();
        let y = match log_label {
            Some(label) => Axis::log_axis(label, values.iter().copied(), name),
            None => Axis::linear("a second", values.iter().copied(), name),
        };
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
            y,
            hints,
            lines,
            shade: starts_before.then_some((0.0, BEFORE)),
        }
    }

    /// Percentiles of the latency, second by second.
    pub(crate) fn latency(&self) -> Chart {
        let lines = vec![
            self.line("50 %", |second| second.p50_us),
            self.line("99 %", |second| second.p99_us),
            self.line("longest", |second| second.max_us),
        ];
        self.chart("Latency over time", lines, Some("latency"), micros)
    }

    /// Requests and answers, second by second.
    pub(crate) fn throughput(&self) -> Chart {
        let lines = vec![
            self.line("answered", |second| Some(second.answered as f64)),
            self.line("sent", |second| Some(second.sent as f64)),
        ];
        self.chart("Requests over time", lines, None, number)
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
            self.line("opened in the second", |second| Some(second.opened as f64)),
        ];
        Chart {
            y: Axis::linear(
                "connections",
                self.seconds
                    .iter()
                    .map(|second| second.connections_most.unwrap_or(second.connections))
                    .chain(self.seconds.iter().map(|second| second.opened))
                    .map(|count| count as f64),
                number,
            ),
            ..self.chart("Connections over time", lines, None, number)
        }
    }

    /// Errors and mismatches, second by second.
    pub(crate) fn errors(&self) -> Chart {
        let lines = vec![self.line("errors", |second| Some(second.errors as f64))];
        self.chart("Errors over time", lines, None, number)
    }

    /// The numbers behind the charts.
    pub(crate) fn table(&self) -> Table {
        let head =
            ["second", "connections", "opened", "sent", "answered", "errors", "50 %", "99 %"];
        let mut table = Table::new("Second by second", &[&head[..], &["longest"]].concat());
        let time = |value: Option<f64>| value.map_or_else(|| "–".to_owned(), micros);
        for second in &self.seconds {
            let severity = if second.errors > 0 { Severity::Bad } else { Severity::Plain };
            table.push(
                severity,
                [
                    number(second.t_s),
                    count(second.connections),
                    count(second.opened),
                    count(second.sent),
                    count(second.answered),
                    count(second.errors),
                    time(second.p50_us),
                    time(second.p99_us),
                    time(second.max_us),
                ],
            );
        }
        table
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

/// Latency and service time by percentile.
pub(crate) fn percentiles(report: &Report) -> Chart {
    let histograms = &report.histograms;
    distributions(&[("latency", &histograms.latency), ("service", &histograms.service)])
}

/// Distributions by percentile, each nine of a percentile as far from the one before as that from
/// its.
pub(crate) fn distributions(named: &[(&'static str, &Histogram)]) -> Chart {
    let most = named.iter().map(|(_, times)| times.count()).max().unwrap_or(0);
    // The axis ends at the longest of all: 99.9 % of a thousand, 99.99 % of ten thousand.
    let nines = (most.max(10) as f64).log10().clamp(1.0, 7.0);
    let place = |quantile: f64| (-(1.0 - quantile).max(1e-12).log10()).clamp(0.0, nines);
    let line = |&(name, times): &(&'static str, &Histogram)| {
        let points =
            times.spectrum().map(|step| (place(step.quantile), Some(step.nanos as f64 / 1e3)));
        Line { name, points: points.collect() }
    };
    let lines: Vec<Line> = named.iter().map(line).collect();
    let values: Vec<f64> =
        lines.iter().flat_map(|line| &line.points).filter_map(|(_, value)| *value).collect();
    let quantiles: [f64; 9] = [0.0, 0.5, 0.9, 0.99, 0.999, 0.9999, 0.99999, 0.999999, 0.9999999];
    let ticks = quantiles
        .iter()
        .filter(|&&quantile| -(1.0 - quantile).log10() <= nines + 1e-9)
        .map(|&quantile| (place(quantile), format!("{} %", trimmed(quantile * 100.0))))
        .collect();
    let hint = |place: f64| {
        let quantile = 1.0 - 10f64.powf(-place);
        let values: Vec<String> = named
            .iter()
            .map(|(name, times)| {
                format!("{name} {}", micros(times.value_at(quantile) as f64 / 1e3))
            })
            .collect();
        (place, format!("{}: {}", nearly_all(quantile), values.join(", ")))
    };
    let hints = (0..=(nines * 10.0) as u32).map(|at| hint(f64::from(at) / 10.0));
    Chart {
        title: "Time by percentile",
        description: described(&lines, micros),
        x: Axis::new("percentile", (0.0, nines), ticks),
        y: Axis::log_axis("time", values.iter().copied(), micros),
        hints: if most == 0 { Vec::new() } else { hints.collect() },
        lines,
        shade: None,
    }
}

/// The latency of each try of a search, by its load.
pub(crate) fn ladder(ladder: &Ladder) -> Chart {
    let mut rungs: Vec<&Rung> =
        ladder.rungs.iter().filter(|rung| rung.latency_us.count > 0).collect();
    rungs.sort_by_key(|rung| rung.load);
    let line = |name, of: fn(&Rung) -> f64| Line {
        name,
        points: rungs.iter().map(|rung| (rung.load as f64, Some(of(rung)))).collect(),
    };
    let lines = vec![
        line("p50", |rung| rung.latency_us.p50),
        line("p99", |rung| rung.latency_us.p99),
        line("max", |rung| rung.latency_us.max),
    ];
    let values: Vec<f64> =
        lines.iter().flat_map(|line| &line.points).filter_map(|(_, value)| *value).collect();
    let hint = |rung: &&Rung| {
        let outcome = match rung.outcome {
            Outcome::Held => "held",
            Outcome::Missed => "missed",
            Outcome::ClientLimit => "client limit",
        };
        let latency = &rung.latency_us;
        let times = format!("p50 {}, p99 {}", micros(latency.p50), micros(latency.p99));
        (rung.load as f64, format!("{}: {outcome}, {times}", count(rung.load)))
    };
    let label = match ladder.quantity {
        Quantity::Rate => "requests per second",
        Quantity::Connections => "connections",
    };
    Chart {
        title: "Latency by load",
        description: described(&lines, micros),
        x: Axis::log_axis(label, rungs.iter().map(|rung| rung.load as f64), number),
        y: Axis::log_axis("latency", values.iter().copied(), micros),
        hints: rungs.iter().map(hint).collect(),
        lines,
        shade: None,
    }
}

/// A percentage without binary rounding noise.
fn trimmed(percent: f64) -> String {
    let text = format!("{percent:.5}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
