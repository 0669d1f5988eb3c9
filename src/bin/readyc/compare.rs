//! `readyc compare`: two stored reports side by side.
//!
//! Exit status: 0 without a regression, 3 with one, 1 if a report cannot be read or the two runs
//! did not measure the same: then there is no verdict, and a script that waits for one must not
//! take it for 0.

use crate::failure::Failure;
use crate::output;
use crate::style::text_options;
use readyd::loadgen::report::{Comparison, Output, Report, Verdict, compare, save};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// What `--help` says behind the options.
pub(crate) const AFTER_HELP: &str = "\
A change counts if it exceeds the tolerance: PERCENT or, if that is more, three
times the spread of the figure over the seconds of either run. In runs of fewer
than ten seconds both are widened, up to about threefold. Latencies that differ
by less than 20 µs never count.

Exit status:
  0  no regression
  1  no verdict: a report cannot be read, or the runs did not measure the same
  2  a wrong command line
  3  a regression: of the rate in a closed loop, the 50 % or 99 % latency,
     errors, or requests not sent or not answered. The 99.9 % latency, the
     client's CPU time and the rate in an open loop only warn.

One pair of runs proves little, and of short runs next to nothing: repeat both,
in turns, for 10 s or longer, and believe what stays.";

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The report of the run before
    #[arg(value_name = "A.json")]
    before: PathBuf,
    /// The report of the run after
    #[arg(value_name = "B.json")]
    after: PathBuf,
    /// Also write the comparison as a page to FILE
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Relative change that is tolerated; more is in short or restless runs
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

/// Prints how the second run differs from the first. A regression is a [`Failure`].
pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let before = read(&arguments.before)?;
    let after = read(&arguments.after)?;
    output::check()?;
    let page = arguments.html.as_deref().map(Output::open).transpose().map_err(Failure::Save)?;
    let comparison = Comparison::new(&before, &after, arguments.threshold);
    print(&comparison, page.as_ref().is_some_and(Output::is_standard_output))?;
    if let Some(page) = page {
        let html = compare::html(&before, &after, &comparison);
        page.write(html.as_bytes()).map_err(Failure::Save)?;
    }
    match comparison.verdict() {
        Verdict::NoRegression => Ok(()),
        Verdict::Regression => Err(Failure::Regression),
        Verdict::NotComparable => Err(Failure::NotComparable),
    }
}

/// Prints the comparison: to standard error if the page goes to standard output.
fn print(comparison: &Comparison, is_stdout_taken: bool) -> Result<(), Failure> {
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
