//! One server: what it answers, and its process if that is on this machine.

use super::answers::{Answers, Time};
use super::process::WatchedProcess;
use crate::bench::text_of_time;
use readyd::io::address::Address;
use readyd::loadgen::report::ServerFigures;
use readyd::os::process::ProcessTree;
use std::net::{IpAddr, UdpSocket};
use std::time::SystemTime;

/// A server that is watched.
#[derive(Debug)]
pub(super) struct Subject {
    pub(super) addresses: Vec<Address>,
    answers: Option<Answers>,
    process: Option<WatchedProcess>,
    /// Whether it can be asked while the load's connections are open.
    has_room: bool,
}

impl Subject {
    /// A server that has answered.
    pub(super) fn asked(address: &Address, answers: Answers) -> Subject {
        let process = process_of(address, &answers);
        let addresses = vec![address.clone()];
        Subject { addresses, answers: Some(answers), process, has_room: true }
    }

    /// A process that was named, and serves these addresses if they are known.
    pub(super) fn named(addresses: Vec<Address>, process: WatchedProcess) -> Subject {
        Subject { addresses, answers: None, process: Some(process), has_room: true }
    }

    /// Whether these answers are of the same server.
    pub(super) fn is_same(&self, answers: &Answers) -> bool {
        self.answers.as_ref().is_some_and(|own| own.is_same(answers))
    }

    /// One more address of it. The later of the first answers counts.
    pub(super) fn add_address(&mut self, address: &Address, answers: Answers) {
        self.addresses.push(address.clone());
        self.answers = Some(answers);
    }

    /// It is not asked while the load's connections are open if it has no room for a question then.
    pub(super) fn leave_room_for(&mut self, connections: u64) {
        let answers = self.answers.as_ref();
        self.has_room = answers.is_none_or(|answers| answers.has_room_beside(connections));
    }

    /// The user has said which process it is.
    pub(super) fn set_process(&mut self, process: WatchedProcess) {
        self.process = Some(process);
    }

    /// Whether this process is watched already.
    pub(super) fn watches(&self, tree: &ProcessTree) -> bool {
        self.process.as_ref().is_some_and(|process| process.tree == *tree)
    }

    /// Whether several processes answer as one.
    pub(super) fn has_shards(&self) -> bool {
        self.answers.as_ref().is_some_and(Answers::has_shards)
    }

    /// Looks at its memory.
    pub(super) fn look(&mut self) {
        if let Some(process) = &mut self.process {
            process.look();
        }
    }

    /// The measured part begins.
    pub(super) fn begin_process(&mut self) {
        if let Some(process) = &mut self.process {
            process.begin();
        }
    }

    /// The measured part is over.
    pub(super) fn end_process(&mut self) {
        if let Some(process) = &mut self.process {
            process.end();
        }
    }

    /// Asks when the measured part begins.
    pub(super) fn ask_at_begin(&mut self) {
        if let Some(answers) = self.answers.as_mut().filter(|_| self.has_room) {
            answers.ask(Time::Begin);
        }
    }

    /// Asks when the measured part is over, if only the answer tells of processor time.
    pub(super) fn ask_at_end(&mut self) {
        let may_ask = self.has_room && self.process.is_none();
        if let Some(answers) = self.answers.as_mut().filter(|_| may_ask) {
            answers.ask(Time::End);
        }
    }

    /// Asks when all answers have come.
    pub(super) fn ask_last(&mut self) {
        if let Some(answers) = &mut self.answers {
            answers.ask(Time::Last);
        }
    }

    /// What a reader should know of its figures.
    pub(super) fn note(&self) -> Option<String> {
        let name = || self.addresses.first().map_or_else(String::new, ToString::to_string);
        match (&self.process, &self.answers) {
            (Some(process), _) if process.has_ended => Some(super::has_ended(process.tree.pid())),
            (_, Some(answers)) if answers.has_restarted() => Some(format!(
                "{} was restarted during the run, so its counts are not known",
                name()
            )),
            (_, Some(answers)) if answers.was_unanswered() => Some(format!(
                "{} did not answer STATS each time, so its counts are not known",
                name()
            )),
            (None, Some(_)) if !self.has_room => Some(format!(
                "{} had no room for a question beside the load, so its CPU is not known \
                 (--max-connections)",
                name()
            )),
            _ => None,
        }
    }

    /// Its part of the report.
    pub(super) fn into_figures(self) -> ServerFigures {
        let Subject { addresses, answers, process, .. } = self;
        let addresses = addresses.iter().map(Address::to_string).collect();
        let answered = answers.as_ref();
        let mut figures = ServerFigures {
            addresses,
            pid: answered.and_then(Answers::pid).map(u64::from),
            started_at: answered.map(|answers| text_of_time(answers.started)),
            cpu_s: answered.and_then(Answers::cpu).map(|cpu| cpu.as_secs_f64()),
            resident_bytes: answered.and_then(Answers::resident),
            counts: answered.and_then(Answers::counts),
            ..ServerFigures::default()
        };
        if let Some(process) = process {
            let started = SystemTime::now().checked_sub(process.tree.age());
            figures.pid = Some(u64::from(process.tree.pid()));
            figures.started_at = figures.started_at.or(started.map(text_of_time));
            figures.cpu_s = process.cpu.filter(|_| !process.has_ended).map(|cpu| cpu.as_secs_f64());
            figures.resident_bytes = Some(process.resident);
            figures.processes = Some(process.processes);
            figures.program = Some(process.program);
        }
        figures
    }
}

/// The process that has answered, if it is on this machine.
fn process_of(address: &Address, answers: &Answers) -> Option<WatchedProcess> {
    let is_here = match address {
        Address::Inet(address) => is_own(address.ip()),
        Address::Unix(_) => true,
    };
    let tree = answers.pid().filter(|_| is_here).and_then(ProcessTree::of)?;
    answers.fit(&tree.usage()?, tree.age()).then(|| WatchedProcess::new(tree))
}

/// Whether this is an address of this machine: bind(2) takes no other.
pub(super) fn is_own(ip: IpAddr) -> bool {
    ip.is_loopback() || ip.is_unspecified() || UdpSocket::bind((ip, 0)).is_ok()
}
