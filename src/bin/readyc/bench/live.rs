//! One line on the terminal that shows the run's progress, rewritten each second.

use readyd::counted::counted;
use readyd::loadgen::Interval;
use std::io::{self, IsTerminal, Write};

/// The line, if there is a terminal to show it.
pub(super) struct Live {
    is_quiet: bool,
    is_shown: bool,
    wanted: u64,
    /// The start of the last second, and how many workers' intervals of it have arrived.
    second: Option<(i64, usize)>,
}

impl Live {
    /// Shows progress towards `wanted` connections, unless `is_quiet` or stderr is no terminal.
    pub(super) fn new(wanted: u64, is_quiet: bool) -> Live {
        Live { is_quiet, is_shown: !is_quiet && io::stderr().is_terminal(), wanted, second: None }
    }

    /// Whether nothing is to be said but errors.
    pub(super) fn is_quiet(&self) -> bool {
        self.is_quiet
    }

    /// Shows that `open` connections are open.
    pub(super) fn opening(&mut self, open: u64) {
        self.show(&format!("connecting: {open} of {}", self.wanted));
    }

    /// A worker's interval of the second that began at `start` has arrived. The line is shown when
    /// those of all `workers` have.
    pub(super) fn running(&mut self, start: i64, second: &Interval, workers: usize) {
        let shares = match self.second {
            Some((shown, shares)) if shown == start => shares + 1,
            _ => 1,
        };
        self.second = Some((start, shares));
        if shares < workers {
            return;
        }
        let at = |quantile| second.latency.value_at(quantile) as f64 / 1e6;
        let when = if start < 0 {
            "warm-up".to_owned()
        } else {
            format!("{} s", start / 1_000_000_000 + 1)
        };
        self.show(&format!(
            "{when}: {}, {}/s, p50 {:.3} ms, p99 {:.3} ms, {}",
            counted(second.connections, "connection"),
            second.answered,
            at(0.5),
            at(0.99),
            counted(second.errors, "error")
        ));
    }

    /// Takes the line away.
    pub(super) fn clear(&mut self) {
        self.show("");
    }

    fn show(&self, line: &str) {
        if self.is_shown {
            // A failed write to the terminal does not matter to the run.
            let _ = write!(io::stderr(), "\r\x1b[K{line}").and_then(|()| io::stderr().flush());
        }
    }
}
