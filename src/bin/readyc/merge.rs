//! `readyc merge`: the reports of several machines as one.

use crate::compare::read;
use crate::failure::Failure;
use crate::output;
use readyd::loadgen::report::{Output, merge};
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Reports of machines that ran the same test
    ///
    /// The JSON reports of machines that ran the same load test at the same time
    #[arg(required = true, value_name = "REPORT.json")]
    reports: Vec<PathBuf>,
    /// Write to FILE [default: -, standard output]
    ///
    /// Write the merged report to FILE [default: -, which is standard output]
    #[arg(short, long, value_name = "FILE", default_value = "-", hide_default_value = true)]
    output: PathBuf,
}

/// Merges the reports into one, and prints or saves it.
pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let reports = arguments.reports.iter().map(|path| read(path)).collect::<Result<Vec<_>, _>>()?;
    let merged = merge(&reports).map_err(Failure::Merge)?;
    let file = Output::open(&arguments.output).map_err(Failure::Save)?;
    if file.is_standard_output() {
        output::check()?;
    }
    file.write(merged.to_json().as_bytes()).map_err(Failure::Save)
}
