//! How a run goes, on standard error while it does: a view, a status line, or a line per second.
//!
//! Invariant: it costs the measurement nothing. It is drawn in the coordinator's process, once per
//! second and when the terminal's size changes. What is said while the view covers the terminal is
//! said again when it is gone.

mod view;

use super::options::{Options, Progress};
use crate::screen::{self, Screen};
use crate::style;
use readyd::loadgen::Interval;
use readyd::loadgen::plan::{Pace, Plan};
use readyd::loadgen::report::units::wrapped;
use std::io::{self, Write};
use view::{Figures, Phase, View};

/// How progress is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Style {
    /// Not at all.
    Hidden,
    /// A line per second.
    Lines,
    /// On a terminal: a view if it is large enough, else a status line.
    Terminal,
}

/// What stands on the terminal now.
enum Shown {
    Nothing,
    Status,
    View(Screen),
}

/// The progress of a run, or of the runs of a search.
pub(super) struct Live {
    is_quiet: bool,
    /// Whether those who watch are told nothing at all.
    is_hidden: bool,
    style: Style,
    shown: Shown,
    view: View,
    pace: Pace,
    /// The start of the last second, and how many workers' intervals of it have arrived.
    second: Option<(i64, usize)>,
    /// What was said while the view covered the terminal.
    unsaid: Vec<String>,
}

impl Live {
    /// Shows the progress as the options and the terminal have it.
    pub(super) fn new(options: &Options, plan: &Plan) -> Live {
        let style = match options.progress {
            Some(Progress::None) => Style::Hidden,
            Some(Progress::Lines) => Style::Lines,
            None if options.quiet => Style::Hidden,
            None | Some(Progress::Auto) => match screen::is_capable() {
                true => Style::Terminal,
                false if io::IsTerminal::is_terminal(&io::stderr()) => Style::Lines,
                false => Style::Hidden,
            },
        };
        let asked = options.asked(plan);
        let targets: Vec<&str> = asked.targets.iter().take(2).map(String::as_str).collect();
        let more = match asked.targets.len() - targets.len() {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let title = format!("{} of {}{more}", asked.workload, targets.join(", "));
        let mut live = Live::titled(title, style, options.quiet);
        live.is_hidden = options.progress == Some(Progress::None);
        live.begin(plan, None);
        live
    }

    fn titled(title: String, style: Style, is_quiet: bool) -> Live {
        Live {
            is_quiet,
            is_hidden: false,
            style,
            shown: Shown::Nothing,
            view: View::new(title, style::has_color(&io::stderr())),
            pace: Pace::Closed,
            second: None,
            unsaid: Vec::new(),
        }
    }

    /// Shows and says nothing.
    #[cfg(test)]
    pub(super) fn hidden() -> Live {
        Live::titled(String::new(), Style::Hidden, true)
    }

    /// Whether the keyboard's signals have to reach this, because a view may cover the terminal.
    pub(super) fn covers_terminal(&self) -> bool {
        self.style == Style::Terminal
    }

    /// A run of this plan begins; of a search, the step that it is.
    pub(super) fn begin(&mut self, plan: &Plan, step: Option<String>) {
        self.pace = plan.pace.clone();
        self.second = None;
        let view = &mut self.view;
        view.warmup = plan.warmup.as_secs_f64();
        view.step = step;
        view.phase = Phase::Connecting { open: 0 };
        view.wanted = plan.connections.total() as u64;
        view.length = plan.until.duration.map(|length| length.as_secs_f64());
        view.requests = plan.until.requests;
        view.is_open_loop = plan.is_open_loop();
        view.answered = 0;
        view.errors = 0;
        self.redraw();
    }

    /// `open` connections are open.
    pub(super) fn opening(&mut self, open: u64) {
        self.view.phase = Phase::Connecting { open };
        self.draw();
    }

    /// A worker's interval of the second that began at `start` has arrived. It is shown when those
    /// of all `workers` have.
    pub(super) fn running(&mut self, start: i64, second: &Interval, workers: usize) {
        let shares = match self.second {
            Some((shown, shares)) if shown == start => shares + 1,
            _ => 1,
        };
        self.second = Some((start, shares));
        if shares < workers {
            return;
        }
        let length = second.length.as_secs_f64();
        let at = |quantile| {
            let has_answers = second.latency.count() > 0;
            has_answers.then(|| second.latency.value_at(quantile) as f64 / 1e3)
        };
        let started = start as f64 / 1e9;
        if self.view.length.is_some_and(|length| started >= length) {
            // The last answers, and no connection any more: it says nothing of the run.
            return;
        }
        self.view.phase = match start {
            ..0 => Phase::Warmup,
            _ => Phase::Measuring(started + length),
        };
        self.view.target = target(&self.pace, started + self.view.warmup);
        if start >= 0 {
            self.view.answered += second.answered;
        }
        self.view.push(Figures {
            throughput: if length > 0.0 { second.answered as f64 / length } else { 0.0 },
            in_flight: second.in_flight,
            p50: at(0.5),
            p99: at(0.99),
            max: at(1.0),
            lag: second.lag.as_nanos() as f64 / 1e3,
            // A worker closes its connections at the end of its last second.
            connections: match self.view.length {
                Some(whole) if started + length >= whole => second.most,
                _ => second.connections,
            },
            errors: second.errors,
        });
        self.draw();
    }

    /// Says something that has to be read, unless nothing is to be said but errors.
    pub(super) fn say(&mut self, what: &str) {
        if self.is_quiet {
            return;
        }
        self.put(what);
        if let Shown::View(_) = self.shown {
            self.unsaid.push(what.to_owned());
        }
    }

    /// Says something for those who watch. It need not be read later.
    pub(super) fn note(&mut self, what: &str) {
        if !self.is_quiet && !self.is_hidden {
            self.put(what);
        }
    }

    fn put(&mut self, what: &str) {
        if let Shown::View(_) = self.shown {
            self.view.said.push(what.to_owned());
            self.draw();
        } else {
            self.end();
            tell(what);
        }
    }

    /// Takes away what is shown. What was said meanwhile stays.
    pub(super) fn end(&mut self) {
        match std::mem::replace(&mut self.shown, Shown::Nothing) {
            Shown::Nothing => {}
            Shown::Status => screen::clear(),
            Shown::View(screen) => drop(screen),
        }
        for what in self.unsaid.drain(..) {
            tell(&what);
        }
    }

    /// Shows the same again, if anything is shown: the terminal's size has changed, or this process
    /// was stopped and goes on.
    pub(super) fn redraw(&mut self) {
        if !matches!(self.shown, Shown::Nothing) {
            self.draw();
        }
    }

    fn draw(&mut self) {
        match self.style {
            Style::Hidden => {}
            Style::Lines => {
                let _ = writeln!(io::stderr(), "{}", self.view.log_line());
            }
            Style::Terminal if !screen::is_foreground() => {}
            Style::Terminal => self.draw_on_terminal(),
        }
    }

    fn draw_on_terminal(&mut self) {
        let size = screen::size();
        let is_large = |&(columns, rows): &(usize, usize)| {
            columns >= screen::LEAST.0 && rows >= screen::LEAST.1
        };
        let Some(size) = size.filter(is_large) else {
            if let Shown::View(_) = self.shown {
                self.end();
            }
            // The last column is left free: some terminals would begin a new line.
            let width = size.map_or(79, |(columns, _)| columns.saturating_sub(1));
            screen::show_status(&self.view.status(width));
            self.shown = Shown::Status;
            return;
        };
        if let Shown::Status = self.shown {
            self.end();
        }
        if let Shown::Nothing = self.shown {
            self.view.said.clear();
            self.shown = Shown::View(Screen::enter());
        }
        if let Shown::View(screen) = &mut self.shown {
            screen.draw(&self.view, size);
        }
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.end();
    }
}

/// Says something on standard error, broken between words where it is a terminal.
fn tell(what: &str) {
    let said = format!("readyc: {what}");
    let lines = match screen::size() {
        Some((width, _)) => wrapped(&said, width),
        None => vec![said],
    };
    let _ = writeln!(io::stderr(), "{}", lines.join("\n"));
}

/// The rate that is asked for at this second since load began.
fn target(pace: &Pace, at: f64) -> Option<f64> {
    let Pace::Rates(steps) = pace else { return None };
    let mut ends = 0.0;
    let under_way = steps.iter().find(|step| {
        ends += step.duration.as_secs_f64();
        at < ends
    });
    under_way.or(steps.last()).map(|step| step.rate)
}
