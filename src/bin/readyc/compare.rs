//! `readyc compare`: stored reports of two sides, side by side.
//!
//! Exit status: 0 without a regression, 3 with one, 1 if a report cannot be read.

mod sides;

use crate::failure::Failure;
use crate::output;
use crate::style::text_options;
use readyd::loadgen::report::{Comparison, Output, Report, Verdict, compare, save};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// What `-h` says behind the options.
pub(crate) const AFTER_HELP: &str = "\
Exit status: 0 no regression, 3 a regression. Explanations and examples:
readyc compare --help";

/// What `--help` says behind the options.
pub(crate) const AFTER_LONG_HELP: &str = "\
Examples:
  readyc compare before.json after.json     one run on each side
  readyc compare a1.json a2.json -- b1.json b2.json
  readyc compare before/ after/             all *.json of two folders

With five runs or more on each side, a change counts if a permutation test
calls it significant (p < 0.01) and it exceeds --threshold. With fewer, only
the effect and the spread from run to run are shown.

With one run on each side, a change counts if it exceeds the tolerance:
--threshold or, if that is more, three times the spread of the figure over the
seconds of either run. In runs of fewer than ten seconds the tolerance is up to
three times as wide, and latencies that differ by less than 20 µs never count.

Runs that differ in their options, are partial, or were limited by the client
are compared as well. The differences stand above the table, and doubts beside
the figure.

Exit status:
  0  no regression, or not enough runs to tell
  1  a report cannot be read
  2  a wrong command line
  3  a regression: of the throughput in a closed loop, the p50 or p99 latency,
     errors, or requests not sent or not answered. The p99.9 latency, the
     client's CPU time and the throughput in an open loop only warn.

One pair of runs proves little, and short runs prove next to nothing: repeat
both, alternating, for 10 s or longer, five times, and compare all.";

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The report before and the report after
    ///
    /// The report of the run before and the report of the run after; or, with a -- behind them, the
    /// reports of several runs before. A folder stands for all *.json in it
    #[arg(value_name = "A.json", required = true)]
    before: Vec<PathBuf>,
    /// Behind --: the reports after
    ///
    /// Behind --: the reports of the runs after
    #[arg(value_name = "B.json", last = true)]
    after: Vec<PathBuf>,
    /// Name of a side; give it twice
    ///
    /// Name of a side: give it twice, for the first and for the second [default: the names of the
    /// files]
    #[arg(long, value_name = "NAME")]
    label: Vec<String>,
    /// Also write the comparison as an HTML page
    ///
    /// Also write the comparison as an HTML page to FILE; - is standard output
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Smallest change that counts
    ///
    /// Smallest change counted as a regression; larger for short or noisy runs
    #[arg(long, value_name = "PERCENT", default_value = "10%", value_parser = share)]
    threshold: f64,
}

fn share(text: &str) -> Result<f64, String> {
    let number = text.trim_end_matches('%').trim_end();
    match number.parse::<f64>() {
        Ok(percent) if (0.0..=1000.0).contains(&percent) => Ok(percent / 100.0),
        _ => Err("not a percentage (write it as 5%, at most 1000%)".to_owned()),
    }
}

/// Prints how the second side differs from the first. A regression is a [`Failure`].
pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let [before, after] = sides::read(arguments)?;
    output::check()?;
    let page = arguments.html.as_deref().map(Output::open).transpose().map_err(Failure::Save)?;
    let comparison = Comparison::new(&before, &after, arguments.threshold);
    print(&comparison, page.as_ref().is_some_and(Output::is_standard_output))?;
    if let Some(page) = page {
        page.write(compare::html(&comparison).as_bytes()).map_err(Failure::Save)?;
    }
    match comparison.verdict() {
        Verdict::NoRegression | Verdict::NotEnoughRuns => Ok(()),
        Verdict::Regression => Err(Failure::Regression),
    }
}

/// Prints the comparison: to standard error if the page goes to standard output.
fn print(comparison: &Comparison<'_>, is_stdout_taken: bool) -> Result<(), Failure> {
    if is_stdout_taken {
        let text = comparison.text(text_options(&io::stderr()));
        let _ = io::stderr().write_all(text.as_bytes());
        return Ok(());
    }
    let text = comparison.text(text_options(&io::stdout()));
    match save(Path::new("-"), text.as_bytes()) {
        // The reader closed the pipe, but the shell may still wait for the exit status.
        Err(error) if error.is_closed_output() => Ok(()),
        printed => printed.map_err(Failure::Save),
    }
}

/// Reads a report from a file.
pub(crate) fn read(path: &Path) -> Result<Report, Failure> {
    Report::read(path).map_err(|error| Failure::Report(path.to_owned(), error))
}
