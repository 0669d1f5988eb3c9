//! `readyc merge`: the reports of several machines as one.

use crate::compare::read;
use crate::failure::Failure;
use crate::output;
use readyd::loadgen::report::{Output, html, merge};
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
    /// Also write the merged report as an HTML page
    ///
    /// Also write the merged report as an HTML page to FILE; - is standard output
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

/// Merges the reports into one, and prints or saves it.
pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let reports = arguments.reports.iter().map(|path| read(path)).collect::<Result<Vec<_>, _>>()?;
    let merged = merge(&reports).map_err(Failure::Merge)?;
    let file = Output::open(&arguments.output).map_err(Failure::Save)?;
    let page = arguments.html.as_deref().map(Output::open).transpose().map_err(Failure::Save)?;
    if page.as_ref().is_some_and(|page| page.is_same_file(&file)) {
        let told = "--output and --html go to the same file (give each its own)";
        return Err(Failure::Usage(told.to_owned()));
    }
    if [Some(&file), page.as_ref()].into_iter().flatten().any(Output::is_standard_output) {
        output::check()?;
    }
    file.write(merged.to_json().as_bytes()).map_err(Failure::Save)?;
    page.map_or(Ok(()), |page| page.write(html(&merged).as_bytes())).map_err(Failure::Save)
}
