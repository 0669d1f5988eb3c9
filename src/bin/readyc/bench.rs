//! `readyc bench`: load-tests a server and reports what it measured.
//!
//! ```text
//! options -> plan -> preflight -> workers (a process each) -> counters -> report -> text, files
//! ```

mod build_report;
mod coordinator;
mod environment;
mod find;
mod live;
mod message;
mod options;
mod outputs;
mod plan_from_args;
mod seconds;
mod server_side;
mod watched_signals;
mod worker;
mod worker_process;

pub(crate) use options::{AFTER_HELP, AFTER_LONG_HELP, Options};
pub(crate) use worker::run as work;

use crate::failure::Failure;
use crate::server_name::ServerName;
use crate::style::text_options;
use environment::Ticks;
use live::Live;
use outputs::Outputs;
use plan_from_args::Timeouts;
use readyd::handlers::daytime::{DateCache, Format};
use readyd::loadgen::Plan;
use readyd::loadgen::goal::Goals;
use readyd::loadgen::preflight::{PreflightReport, Requirements, System, examine};
use readyd::loadgen::report::{Report, errors_in_words};
use server_side::ServerWatch;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};
use watched_signals::WatchedSignals;

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
    server_side::check(options)?;
    if let Some(quantity) = options.find {
        return find::run(options, &plan, quantity.into());
    }
    preflight(options, &plan)?;
    let outputs = Outputs::of_run(options)?;
    let mut live = Live::new(options, &plan);
    let signals = WatchedSignals::watch(live.covers_terminal()).map_err(Failure::Signals)?;
    let mut report = measure(options, &plan, &mut live, &signals)?;
    live.end();
    if !options.goal.is_empty() {
        let missed = Goals::new(options.goal.iter().copied()).missed(&report);
        report.shortfalls.extend(missed.iter().map(|miss| format!("goal {miss}")));
        report.met = report.shortfalls.is_empty();
    }
    if report.achieved.connections_established == 0 {
        outputs.without_text().write(&report, &signals)?;
        return Err(Failure::NothingConnected(errors_in_words(&report.errors.connect_by_errno)));
    }
    outputs.write(&report, &signals)?;
    match report.met {
        true => Ok(()),
        false if !options.quiet => Err(Failure::VerdictShown),
        false => Err(Failure::ShortOf(short_of(&report))),
    }
}

/// Runs the plan.
fn measure(
    options: &Options,
    plan: &Plan,
    live: &mut Live,
    signals: &WatchedSignals,
) -> Result<Report, Failure> {
    let started_at = now_as_text();
    let watch = ServerWatch::start(options, plan);
    let before = Ticks::now();
    let tls = options.encryption.as_ref();
    let result = coordinator::run(plan, options.workers, tls, live, signals, &watch)?;
    let busy = before.and_then(|before| Ticks::now()?.busy_since(before));
    let server = watch.finish(&result.counters);
    let environment = environment::probe_environment(busy);
    let report = build_report::report(plan, options.asked(plan), result, environment, started_at);
    Ok(Report { server, ..report })
}

/// Where the run fell short, in one line.
fn short_of(report: &Report) -> String {
    let mut told = report.shortfalls.clone();
    if let (Some(why), Some(last)) = (&report.partial, told.last_mut()) {
        // The last one says that the result is partial.
        *last = format!("{last}: {why}");
    }
    told.join("; ")
}

/// RFC 3339, UTC.
fn now_as_text() -> String {
    text_of_time(SystemTime::now())
}

fn text_of_time(time: SystemTime) -> String {
    let since_1970 = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let mut dates = DateCache::utc();
    String::from_utf8_lossy(dates.text(Format::Rfc3339, since_1970.into())).into_owned()
}

/// Refuses what cannot fit, before the first connection is opened.
fn preflight(options: &Options, plan: &Plan) -> Result<(), Failure> {
    let report = examined(options, plan);
    if report.fits() {
        return Ok(());
    }
    if !(options.force && options.quiet) {
        let _ = writeln!(io::stderr(), "{}", report.text(text_options(&io::stderr())));
    }
    if options.force { Ok(()) } else { Err(Failure::NoRoom) }
}

/// Whether this machine has room for the plan.
fn fits(options: &Options, plan: &Plan) -> bool {
    examined(options, plan).fits()
}

fn examined(options: &Options, plan: &Plan) -> PreflightReport {
    examine(
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
    )
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
}
