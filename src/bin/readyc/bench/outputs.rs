//! Where a report goes: the files that were asked for, and the text.

use super::Options;
use super::watched_signals::WatchedSignals;
use crate::failure::Failure;
use crate::output;
use crate::style::text_options;
use readyd::loadgen::report::{Ladder, Output, Report, TextOptions, csv, hgrm, html, text};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

type Render<D> = fn(&D) -> String;

/// The files that a document goes to, open since before the run.
pub(super) struct Outputs<D> {
    files: Vec<(&'static str, Output, Render<D>)>,
    text: fn(&D, TextOptions) -> String,
    has_detail: bool,
    is_quiet: bool,
    is_stdout_taken: bool,
}

impl Outputs<Report> {
    /// The outputs of a run.
    pub(super) fn of_run(options: &Options) -> Result<Outputs<Report>, Failure> {
        let asked: [(&str, Option<PathBuf>, Render<Report>); 4] = [
            ("--json", options.json_file(), Report::to_json),
            ("--csv", options.csv.clone(), csv),
            ("--hdr", options.hdr.clone(), hgrm),
            ("--html", options.html.clone(), html),
        ];
        Outputs::open(options, &asked, text_of_run)
    }
}

impl Outputs<Ladder> {
    /// The outputs of a search.
    pub(super) fn of_search(options: &Options) -> Result<Outputs<Ladder>, Failure> {
        let asked: [(&str, Option<PathBuf>, Render<Ladder>); 2] = [
            ("--json", options.json_file(), Ladder::to_json),
            ("--html", options.html.clone(), Ladder::html),
        ];
        Outputs::open(options, &asked, Ladder::text)
    }
}

impl<D> Outputs<D> {
    /// Opens the files. Two outputs to one file are refused: nobody could read either.
    fn open(
        options: &Options,
        asked: &[(&'static str, Option<PathBuf>, Render<D>)],
        text: fn(&D, TextOptions) -> String,
    ) -> Result<Outputs<D>, Failure> {
        let mut files: Vec<(&str, Output, Render<D>)> = Vec::new();
        for (flag, path, render) in asked {
            let Some(path) = path else { continue };
            let output = Output::open(path).map_err(Failure::Save)?;
            if let Some((other, ..)) = files.iter().find(|(_, file, _)| output.is_same_file(file)) {
                return Err(Failure::Usage(same_file(other, flag, path)));
            }
            files.push((flag, output, *render));
        }
        let is_stdout_taken = files.iter().any(|(_, file, _)| file.is_standard_output());
        for (flag, file, _) in files.iter().filter(|(_, file, _)| !file.is_standard_output()) {
            if file.is_stream(io::stdout()) || file.is_stream(io::stderr()) {
                return Err(Failure::Usage(format!(
                    "{flag} and the text of the report go to the same file (redirect the text to \
                     another one)"
                )));
            }
        }
        // Before the run: its report would be lost.
        if is_stdout_taken || !options.quiet {
            output::check()?;
        }
        Ok(Outputs {
            files,
            text,
            has_detail: options.latency,
            is_quiet: options.quiet,
            is_stdout_taken,
        })
    }

    /// Has the text left out: there is nothing to tell but the error.
    pub(super) fn without_text(self) -> Outputs<D> {
        Outputs { is_quiet: true, ..self }
    }

    /// Writes the files, and prints the text unless it is not wanted.
    pub(super) fn write(self, report: &D, signals: &WatchedSignals) -> Result<(), Failure> {
        let Outputs { files, text, has_detail, is_quiet, is_stdout_taken } = self;
        let (waiting, files): (Vec<_>, Vec<_>) =
            files.into_iter().partition(|(_, file, _)| file.waits_for_reader());
        let result = save_all(files, report);
        if !waiting.is_empty() {
            // Nobody may ever read them, and all but the text is done.
            signals.let_go().map_err(Failure::Signals)?;
        }
        // A report that could not be written to its file is printed even with --quiet.
        if !is_quiet || result.is_err() {
            // The terminal may have another size than before the run.
            let style = if is_stdout_taken {
                text_options(&io::stderr())
            } else {
                text_options(&io::stdout())
            };
            let options = TextOptions { detail: has_detail, ..style };
            print(&text(report, options), is_stdout_taken)?;
        }
        let waited = save_all(waiting, report);
        result.and(waited)
    }
}

/// Writes all files, even if one of them fails.
fn save_all<D>(files: Vec<(&str, Output, Render<D>)>, report: &D) -> Result<(), Failure> {
    let mut result = Ok(());
    for (_, file, render) in files {
        if let Err(error) = file.write(render(report).as_bytes())
            && let Err(Failure::Save(earlier)) =
                std::mem::replace(&mut result, Err(Failure::Save(error)))
        {
            let _ = writeln!(io::stderr(), "readyc: {earlier}");
        }
    }
    result
}

/// Where nothing was connected, there is nothing to tell but the error.
fn text_of_run(report: &Report, options: TextOptions) -> String {
    match report.achieved.connections_established {
        0 => String::new(),
        _ => text(report, options),
    }
}

fn same_file(one: &str, other: &str, path: &Path) -> String {
    if path == Path::new("-") {
        return "only one of --json, --csv, --hdr and --html can go to standard output".to_owned();
    }
    format!("{one} and {other} go to the same file, {} (give each its own)", path.display())
}

/// Prints the text: to standard output, or to standard error if a file goes to standard output.
fn print(text: &str, is_stdout_taken: bool) -> Result<(), Failure> {
    if is_stdout_taken {
        let _ = io::stderr().write_all(text.as_bytes());
        return Ok(());
    }
    output::check()?;
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()).map_err(Failure::Output)
}
