//! `readyc bench`: puts load on a server and reports what it measured.
//!
//! ```text
//! options -> plan -> preflight -> workers (a process each) -> counters -> report -> text, files
//! ```

mod build_report;
mod coordinator;
mod environment;
mod live;
mod message;
mod options;
mod plan_from_args;
mod worker;

pub(crate) use options::{AFTER_HELP, Options};
pub(crate) use worker::run as work;

use crate::args::ServerName;
use crate::failure::Failure;
use crate::style::text_options;
use environment::Ticks;
use live::Live;
use plan_from_args::Timeouts;
use readyd::handlers::daytime::{DateCache, Format};
use readyd::loadgen::Plan;
use readyd::loadgen::preflight::{Requirements, System, examine};
use readyd::loadgen::report::{Report, TextOptions, csv, hgrm, html, save, text};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// The command line of a worker. It is no command of the user's, so the parser does not know it.
const WORKER: &str = "bench-worker";

/// Whether this process was started as a worker.
pub(crate) fn is_worker() -> bool {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    arguments == [WORKER]
}

/// Runs the bench and reports.
pub(crate) fn run(
    options: &Options,
    server: &ServerName,
    connect_timeout: Duration,
    timeout: Duration,
) -> Result<(), Failure> {
    let timeouts = Timeouts { connect: connect_timeout, answer: timeout };
    let behind_json = options.server_behind_json();
    let plan = options.plan(behind_json.as_ref().unwrap_or(server), timeouts)?;
    options.check_outputs()?;
    preflight(options, &plan)?;
    let started_at = now_as_text();
    let before = Ticks::now();
    let live = Live::new(plan.connections.total() as u64, options.quiet);
    let result = coordinator::run(&plan, options.workers, live)?;
    let busy = before.and_then(|before| Ticks::now()?.busy_since(before));
    let environment = environment::probe_environment(busy);
    let report = build_report::report(&plan, options.asked(&plan), result, environment, started_at);
    let written = options.write(&report);
    // A report that could not be written to its file is printed even with --quiet.
    if !options.quiet || written.is_err() {
        options.print(&report)?;
    }
    written?;
    if report.achieved.connections_established == 0 {
        return Err(Failure::NothingConnected(reasons(&report)));
    }
    if report.met { Ok(()) } else { Err(Failure::FellShort) }
}

fn reasons(report: &Report) -> String {
    let told = report.errors.connect_by_errno.iter().map(|(name, count)| format!("{count} {name}"));
    told.collect::<Vec<_>>().join(", ")
}

/// RFC 3339, UTC.
fn now_as_text() -> String {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let mut dates = DateCache::utc();
    String::from_utf8_lossy(dates.text(Format::Rfc3339, now.into())).into_owned()
}

/// Refuses what cannot fit, before the first connection is opened.
fn preflight(options: &Options, plan: &Plan) -> Result<(), Failure> {
    let report = examine(
        &System::read(Path::new("/")),
        &Requirements {
            connections: plan.connections.total() as u64,
            idle: plan.connections.idle as u64,
            workers: options.workers as u64,
            connect_parallel: plan.connecting.parallel as u64,
            sources: plan.sources.iter().map(|source| source.ip).collect(),
            ..Requirements::default()
        }
        .of_servers(&plan.destinations),
    );
    if report.fits() {
        return Ok(());
    }
    let _ = writeln!(io::stderr(), "{report}");
    if options.force { Ok(()) } else { Err(Failure::NoRoom) }
}

impl Options {
    /// The server in `--json 127.0.0.1:9999`, where the user forgot the file's name.
    fn server_behind_json(&self) -> Option<ServerName> {
        let text = self.json.as_ref()?.to_str()?;
        let (_, port) = text.rsplit_once(':')?;
        let is_server = self.addresses.is_empty() && port.parse::<u16>().is_ok();
        text.parse().ok().filter(|_| is_server)
    }

    /// Where the report goes as JSON, if anywhere.
    fn json_file(&self) -> Option<PathBuf> {
        self.server_behind_json().map(|_| PathBuf::from("-")).or_else(|| self.json.clone())
    }

    fn files_on_stdout(&self) -> usize {
        let files = [self.json_file(), self.csv.clone(), self.hdr.clone(), self.html.clone()];
        files.iter().flatten().filter(|path| *path == Path::new("-")).count()
    }

    /// Refuses two reports on one standard output: nobody could read either.
    fn check_outputs(&self) -> Result<(), Failure> {
        if self.files_on_stdout() > 1 {
            let what = "only one of --json, --csv, --hdr and --html can go to standard output";
            return Err(Failure::Usage(what.to_owned()));
        }
        Ok(())
    }

    fn write(&self, report: &Report) -> Result<(), Failure> {
        type Render = fn(&Report) -> String;
        let files: [(&Option<PathBuf>, Render); 4] = [
            (&self.json_file(), Report::to_json),
            (&self.csv, csv),
            (&self.hdr, hgrm),
            (&self.html, html),
        ];
        let mut result = Ok(());
        for (path, render) in files {
            if let Some(path) = path
                && let Err(error) = save(path, render(report).as_bytes())
            {
                // The other files are still written.
                if let Err(Failure::Save(earlier)) =
                    std::mem::replace(&mut result, Err(Failure::Save(error)))
                {
                    let _ = writeln!(io::stderr(), "readyc: {earlier}");
                }
            }
        }
        result
    }

    /// Prints the report: to standard output, or to standard error if a file goes to standard
    /// output.
    fn print(&self, report: &Report) -> Result<(), Failure> {
        let is_taken = self.files_on_stdout() > 0;
        let style =
            if is_taken { text_options(&io::stderr()) } else { text_options(&io::stdout()) };
        let text = text(report, TextOptions { spectrum: self.latency, ..style });
        if is_taken {
            let _ = io::stderr().write_all(text.as_bytes());
            return Ok(());
        }
        let mut stdout = io::stdout().lock();
        stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()).map_err(Failure::Output)
    }
}
