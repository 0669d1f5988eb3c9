//! Watches the servers while a run goes on: what they spend on it, by proc(5) and by their own
//! statistics.
//!
//! ```text
//! ask -> connections are opened -> ask, read -> measured part -> read -> last answers -> ask
//! ```
//!
//! Invariant: nothing is sent to a server that was not declared to speak padded frames, and nothing
//! in the measured part. There, only this machine's /proc is read, once a second. No connection is
//! held, because it could take the place of one of the load.

mod answers;
mod process;
mod subject;
#[cfg(test)]
mod tests;

use super::options::Options;
use crate::encryption::TlsTexts;
use crate::failure::Failure;
use answers::{Answers, QUICKLY, Unanswered};
use process::WatchedProcess;
use readyd::io::address::Address;
use readyd::loadgen::plan::Workload;
use readyd::loadgen::report::{Levels, Load, ServerSide};
use readyd::loadgen::{Counters, Plan};
use readyd::os::listener::in_use;
use readyd::os::process::{ProcessTree, tcp_buffers};
use std::fmt;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use subject::Subject;

/// The server's program, as the kernel names its processes.
const READYD: &str = "readyd";

/// How often memory is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What a shard has counted, the others know after a tenth of a second (docs/statistics.md).
const SHARDS_TELL: Duration = Duration::from_millis(150);

/// Checks that the processes of `--server-pid` are there.
pub(super) fn check(options: &Options) -> Result<(), Failure> {
    match options.server_pid.iter().find(|&&pid| ProcessTree::of(pid).is_none()) {
        Some(&pid) => Err(Failure::NoProcess(pid)),
        None => Ok(()),
    }
}

/// The servers of a run, watched by a thread of its own until it is told that the run is over.
pub(super) struct ServerWatch {
    watching: Option<(Sender<Order>, JoinHandle<Watcher>)>,
}

enum Order {
    /// The measured part begins when this is answered.
    BeginNow(Sender<()>),
    /// The measured part begins then, and load before.
    BeginAt(Instant),
    /// The measured part is over.
    Measured,
}

impl ServerWatch {
    /// Looks for the first time, before any connection is opened.
    pub(super) fn start(options: &Options, plan: &Plan) -> ServerWatch {
        let watcher = Watcher::new(options, plan);
        if watcher.subjects.is_empty() && watcher.notes.is_empty() {
            return ServerWatch { watching: None };
        }
        let (orders, received) = mpsc::channel();
        let thread = thread::spawn(move || watcher.watch(&received));
        ServerWatch { watching: Some((orders, thread)) }
    }

    /// Load is about to begin, and after this warm-up the measured part. Without a warm-up it
    /// returns when the servers have been looked at, which takes the time of a question.
    pub(super) fn load_begins(&self, warmup: Duration) {
        let Some((orders, _)) = &self.watching else { return };
        // Errors mean that the thread is gone: then there is nothing to tell.
        if warmup.is_zero() {
            let (done, looked) = mpsc::channel();
            let _ = orders.send(Order::BeginNow(done));
            let _ = looked.recv();
        } else {
            let _ = orders.send(Order::BeginAt(Instant::now() + warmup));
        }
    }

    /// The measured part is over. Later calls change nothing.
    pub(super) fn measured(&self) {
        if let Some((orders, _)) = &self.watching {
            let _ = orders.send(Order::Measured);
        }
    }

    /// Looks for the last time. All answers have come.
    pub(super) fn finish(self, counters: &Counters) -> Option<ServerSide> {
        let (orders, thread) = self.watching?;
        drop(orders);
        let watcher = thread.join().ok()?;
        let elapsed_s = counters.elapsed.as_secs_f64();
        Some(watcher.finish(elapsed_s, counters.answered_in_time))
    }
}

/// How far the run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Opening,
    Measuring,
    Measured,
}

/// What the thread has.
struct Watcher {
    subjects: Vec<Subject>,
    /// Whether each server of the run is among the subjects.
    knows_all: bool,
    tcp_buffers: Option<Levels>,
    notes: Vec<String>,
    phase: Phase,
}

impl Watcher {
    fn new(options: &Options, plan: &Plan) -> Watcher {
        let (mut subjects, mut silent) = (Vec::new(), Vec::new());
        if may_be_asked(options, plan) {
            (subjects, silent) = asked(&plan.destinations, options.encryption.as_ref());
            let connections = plan.connections.total() as u64;
            subjects.iter_mut().for_each(|subject| subject.leave_room_for(connections));
        }
        let (mut trees, mut ended) = (Vec::new(), Vec::new());
        for &pid in &options.server_pid {
            match ProcessTree::of(pid) {
                Some(tree) => trees.push(tree),
                None => ended.push(has_ended(pid)),
            }
        }
        let is_named = !trees.is_empty();
        assign(&mut subjects, trees, &plan.destinations);
        let is_known = |address| {
            let knows = |subject: &Subject| subject.addresses.contains(address);
            subjects.iter().any(knows)
        };
        // Processes that were named without saying which serves which address are all.
        let knows_all = is_named || plan.destinations.iter().all(is_known);
        if is_named {
            silent.clear();
        }
        let notes = silent.iter().map(Silent::to_string).chain(ended).collect();
        let tcp_buffers = tcp_buffers().map(Levels::at);
        Watcher { subjects, knows_all, tcp_buffers, notes, phase: Phase::Opening }
    }

    /// Looks at the servers as ordered, and once a second, until no order can come any more.
    fn watch(mut self, orders: &Receiver<Order>) -> Watcher {
        let mut begin_at: Option<Instant> = None;
        let mut look_at = Instant::now() + LOOK_EVERY;
        loop {
            let now = Instant::now();
            if begin_at.is_some_and(|at| at <= now) {
                begin_at = None;
                self.begin(true);
            }
            if look_at <= now {
                self.look();
                look_at = now + LOOK_EVERY;
            }
            let next = begin_at.map_or(look_at, |at| at.min(look_at));
            match orders.recv_timeout(next.saturating_duration_since(Instant::now())) {
                Ok(Order::BeginAt(at)) => begin_at = Some(at),
                Ok(Order::BeginNow(done)) => {
                    self.begin(false);
                    drop(done);
                }
                Ok(Order::Measured) => self.end_measured_part(),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return self,
            }
        }
    }

    /// The measured part begins. Under load, processor time is read before the question, whose
    /// answer may take a while; otherwise after it, so that it costs nothing.
    fn begin(&mut self, is_under_load: bool) {
        self.phase = Phase::Measuring;
        self.look();
        if is_under_load {
            self.subjects.iter_mut().for_each(Subject::begin_process);
        } else {
            self.wait_for_shards();
        }
        self.subjects.iter_mut().for_each(Subject::ask_at_begin);
        if !is_under_load {
            self.subjects.iter_mut().for_each(Subject::begin_process);
        }
    }

    fn end_measured_part(&mut self) {
        if self.phase == Phase::Measuring {
            self.phase = Phase::Measured;
            self.subjects.iter_mut().for_each(Subject::end_process);
            self.look();
            self.subjects.iter_mut().for_each(Subject::ask_at_end);
        }
    }

    /// Memory now.
    fn look(&mut self) {
        self.subjects.iter_mut().for_each(Subject::look);
        if let (Some(levels), Some(now)) = (&mut self.tcp_buffers, tcp_buffers()) {
            levels.look(now);
        }
    }

    fn wait_for_shards(&self) {
        if self.subjects.iter().any(Subject::has_shards) {
            thread::sleep(SHARDS_TELL);
        }
    }

    fn finish(mut self, elapsed_s: f64, answered: u64) -> ServerSide {
        self.end_measured_part();
        self.wait_for_shards();
        self.subjects.iter_mut().for_each(Subject::ask_last);
        self.look();
        let Watcher { subjects, knows_all, tcp_buffers, mut notes, .. } = self;
        notes.extend(subjects.iter().filter_map(Subject::note));
        let servers = subjects.into_iter().map(Subject::into_figures).collect();
        let side = ServerSide::of(servers, Load { elapsed_s, answered, knows_all });
        let tcp_buffers_bytes = tcp_buffers.filter(|_| !side.servers.is_empty());
        ServerSide { tcp_buffers_bytes, notes, ..side }
    }
}

/// Whether the servers speak padded frames, so that they may be asked. One that greets its clients
/// is not readyd.
fn may_be_asked(options: &Options, plan: &Plan) -> bool {
    let speaks_frames = matches!(plan.workload, Workload::Framed(_)) && plan.greeting.is_none();
    speaks_frames && !options.no_server_stats
}

/// A server without figures, unless its process is named.
#[derive(Debug, PartialEq, Eq)]
enum Silent {
    /// This program listens at the address, and it is not asked.
    OtherProgram { address: Address, program: String },
    /// It was asked.
    NoStatistics { address: Address },
}

impl fmt::Display for Silent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Silent::OtherProgram { address, program } => {
                write!(
                    f,
                    "{address} is served by {program:?}, not by {READYD:?}, so it is not asked for \
                     STATS"
                )?;
            }
            Silent::NoStatistics { address } => {
                write!(f, "{address} does not answer STATS as readyd does")?;
            }
        }
        f.write_str(" (--server-pid PID reads its CPU and memory on this machine)")
    }
}

fn has_ended(pid: u32) -> String {
    format!("process {pid} ended before the run was over, so what it spent is not known")
}

/// The servers that answer as readyd does, each once, and the others.
fn asked(addresses: &[Address], tls: Option<&TlsTexts>) -> (Vec<Subject>, Vec<Silent>) {
    let (mut subjects, mut silent): (Vec<Subject>, Vec<Silent>) = (Vec::new(), Vec::new());
    for address in addresses {
        if let Some(program) = stranger(address) {
            silent.push(Silent::OtherProgram { address: address.clone(), program });
            continue;
        }
        match Answers::first(address, tls, QUICKLY) {
            Ok(answers) => {
                let same = subjects.iter_mut().find(|subject| subject.is_same(&answers));
                match same {
                    Some(subject) => subject.add_address(address, answers),
                    None => subjects.push(Subject::asked(address, answers)),
                }
            }
            // The run will say what is wrong.
            Err(Unanswered::NotConnected) => {}
            Err(Unanswered::NoStatistics) => {
                silent.push(Silent::NoStatistics { address: address.clone() });
            }
        }
    }
    (subjects, silent)
}

/// The program that listens on `address`, if it runs on this machine and is not readyd. It gets no
/// question that it was not made for.
fn stranger(address: &Address) -> Option<String> {
    let processes = match address {
        Address::Inet(inet) if !subject::is_own(inet.ip()) => return None,
        _ => in_use::listening(address),
    };
    // A socket that was handed over is still open in the program that made it.
    if processes.iter().any(|process| process.name == READYD) {
        return None;
    }
    processes.into_iter().next().map(|process| process.name)
}

/// Assigns the processes that were named to the servers: in their order if there are as many; a
/// single one to all addresses. Otherwise each is a server of its own.
fn assign(subjects: &mut Vec<Subject>, trees: Vec<ProcessTree>, addresses: &[Address]) {
    if !subjects.is_empty() && trees.len() == subjects.len() {
        for (subject, tree) in subjects.iter_mut().zip(trees) {
            subject.set_process(WatchedProcess::new(tree));
        }
        return;
    }
    let is_unasked = subjects.is_empty();
    let (is_single, is_paired) = (trees.len() == 1, trees.len() == addresses.len());
    for (at, tree) in trees.into_iter().enumerate() {
        let addresses = match addresses.get(at) {
            _ if is_unasked && is_single => addresses.to_vec(),
            Some(address) if is_unasked && is_paired => vec![address.clone()],
            _ => Vec::new(),
        };
        if !subjects.iter().any(|subject| subject.watches(&tree)) {
            subjects.push(Subject::named(addresses, WatchedProcess::new(tree)));
        }
    }
}
