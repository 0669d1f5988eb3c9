//! One line on the terminal that tells how the run goes, rewritten each second.

use readyd::counted::counted;
use readyd::loadgen::Interval;
use std::io::{self, IsTerminal, Write};

/// The line, if there is a terminal to show it.
pub(super) struct Live {
    is_shown: bool,
    wanted: u64,
    /// The second that is shown last, and how many workers' share of it has come.
    second: Option<(i64, usize)>,
}

impl Live {
    /// Shows progress towards `wanted` connections, unless `is_quiet` or nobody looks.
    pub(super) fn new(wanted: u64, is_quiet: bool) -> Live {
        Live { is_shown: !is_quiet && io::stderr().is_terminal(), wanted, second: None }
    }

    /// Shows that `open` connections are open.
    pub(super) fn opening(&mut self, open: u64) {
        self.show(&format!("connecting: {open} of {}", self.wanted));
    }

    /// A worker's share of the second that began at `start` has come; all `workers` together make
    /// it worth showing.
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
            // Whether anybody still sees it makes no difference to the run.
            let _ = write!(io::stderr(), "\r\x1b[K{line}").and_then(|()| io::stderr().flush());
        }
    }
}
