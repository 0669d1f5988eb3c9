//! What a server answers to STATS, before, while and after it is loaded.
//!
//! Invariant: readyc's own questions are taken off exactly what the server counted. A question that
//! was not answered may have been counted or not, so after one nothing is told.

use crate::Server;
use crate::encryption::TlsTexts;
use crate::failure::Failure;
use crate::single::ask_for_stats;
use crate::watch::Sample;
use readyd::client::SessionError;
use readyd::client::session::SessionLimits;
use readyd::io::address::Address;
use readyd::loadgen::report::{Levels, ServerCounts};
use readyd::os::process::TreeUsage;
use readyd::protocol::frame::HEADER_LEN;
use std::time::{Duration, SystemTime};

/// Bytes of a question: a header and `STATS`.
const QUESTION: u64 = HEADER_LEN as u64 + 5;

/// How long an answer may be. readyd's has 1.5 KB.
const LONGEST: usize = 64 << 10;

/// How long a server may take to connect, and to answer: before the load, and at its two ends.
pub(super) const QUICKLY: Duration = Duration::from_secs(1);

/// How long a server may take that has just lost all connections.
const AT_LAST: Duration = Duration::from_secs(2);

/// How far two measurements of the same processor time may differ, which the kernel brings up to
/// date each tick.
const CPU_SLACK_S: f64 = 0.1;

/// How far two measurements of the same memory may differ, in bytes, beside a quarter.
const MEMORY_SLACK: f64 = 2.0 * 1024.0 * 1024.0;

/// Without these, it is not readyd that answers.
const REQUIRED: [&str; 7] = [
    "uptime_seconds",
    "pid",
    "requests",
    "connections_accepted",
    "connections_max",
    "cpu_microseconds",
    "resident_bytes",
];

/// When a server is asked again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Time {
    /// The measured part begins.
    Begin,
    /// The measured part is over.
    End,
    /// All answers have come.
    Last,
}

/// Why there are no statistics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unanswered {
    /// There was no connection.
    NotConnected,
    /// There was no answer, or another one than readyd's.
    NoStatistics,
}

/// What readyc itself has added to a server's counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Own {
    /// Each question has a connection of its own.
    questions: u64,
    /// An answer counts when it is sent, and tells of those before.
    bytes_out: u64,
}

/// One answer, and what was readyc's own by then.
#[derive(Clone, Debug)]
struct Look {
    sample: Sample,
    own: Own,
}

impl Look {
    fn count(&self, name: &str) -> u64 {
        // Counts below 2^53 are exact.
        self.sample.get(name).unwrap_or_default() as u64
    }

    /// How far the sum of these has risen since `earlier`.
    fn since(&self, earlier: &Look, names: &[&str]) -> u64 {
        let sum = |look: &Look| names.iter().map(|name| look.count(name)).sum::<u64>();
        sum(self).saturating_sub(sum(earlier))
    }
}

/// A server's answers in the course of a run.
#[derive(Clone, Debug)]
pub(super) struct Answers {
    server: Address,
    /// What encrypts the questions, if something does.
    tls: Option<TlsTexts>,
    own: Own,
    first: Look,
    /// When the server was started.
    pub(super) started: SystemTime,
    begin: Option<Look>,
    end: Option<Look>,
    last: Option<Look>,
    was_unanswered: bool,
}

impl Answers {
    /// Asks `server` for the first time.
    pub(super) fn first(
        server: &Address,
        tls: Option<&TlsTexts>,
        patience: Duration,
    ) -> Result<Answers, Unanswered> {
        let answers = Answers::from_first(server, &ask(server, tls, patience)?)?;
        Ok(Answers { tls: tls.cloned(), ..answers })
    }

    /// The answers that begin with `reply`.
    pub(super) fn from_first(server: &Address, reply: &[u8]) -> Result<Answers, Unanswered> {
        let mut own = Own::default();
        let first = own.look(reply).ok_or(Unanswered::NoStatistics)?;
        let uptime = first.sample.get("uptime_seconds").unwrap_or_default();
        let uptime = Duration::try_from_secs_f64(uptime).unwrap_or_default();
        Ok(Answers {
            server: server.clone(),
            tls: None,
            own,
            first,
            started: SystemTime::now().checked_sub(uptime).unwrap_or(SystemTime::UNIX_EPOCH),
            begin: None,
            end: None,
            last: None,
            was_unanswered: false,
        })
    }

    /// Asks once more, at this time of the run. A server that did not answer is not asked again.
    pub(super) fn ask(&mut self, time: Time) {
        if !self.was_unanswered {
            let patience = if time == Time::Last { AT_LAST } else { QUICKLY };
            self.note(time, &ask(&self.server, self.tls.as_ref(), patience).unwrap_or_default());
        }
    }

    /// Notes the reply to a question at this time of the run; an empty one if there was none.
    pub(super) fn note(&mut self, time: Time, reply: &[u8]) {
        let look = self.own.look(reply);
        self.was_unanswered |= look.is_none();
        let place = match time {
            Time::Begin => &mut self.begin,
            Time::End => &mut self.end,
            Time::Last => &mut self.last,
        };
        *place = look;
    }

    /// The number of its process, on its machine.
    pub(super) fn pid(&self) -> Option<u32> {
        u32::try_from(self.first.count("pid")).ok()
    }

    /// Whether several processes answer as one.
    pub(super) fn has_shards(&self) -> bool {
        self.first.sample.get("shards").is_some()
    }

    /// Whether it can take a question while it holds this number of further connections.
    pub(super) fn has_room_beside(&self, connections: u64) -> bool {
        // The question's own connection was among those open.
        let open = self.first.count("connections_open").saturating_add(connections);
        open <= self.first.count("connections_max")
    }

    /// Whether both are the first answers of one server, at two of its addresses.
    pub(super) fn is_same(&self, other: &Answers) -> bool {
        let between = |one: SystemTime, other: SystemTime| {
            one.duration_since(other).or_else(|_| other.duration_since(one)).unwrap_or_default()
        };
        let is_same_machine = match (&self.server, &other.server) {
            (Address::Inet(one), Address::Inet(other)) => one.ip() == other.ip(),
            // A unix socket is on this machine.
            (Address::Unix(_), Address::Inet(other)) => super::subject::is_own(other.ip()),
            (Address::Inet(one), Address::Unix(_)) => super::subject::is_own(one.ip()),
            (Address::Unix(_), Address::Unix(_)) => true,
        };
        is_same_machine
            && self.pid() == other.pid()
            && between(self.started, other.started) < Duration::from_millis(250)
    }

    /// Whether a process of this machine, of this age, may be the one that answered: the number of
    /// a process in another PID namespace, or on another machine, means another process here.
    pub(super) fn fit(&self, usage: &TreeUsage, age: Duration) -> bool {
        let told = |name: &str| self.first.sample.get(name).unwrap_or_default();
        let is_old_enough = age.as_secs_f64() + 1.0 >= told("uptime_seconds");
        let (cpu, told_cpu) = (usage.cpu.as_secs_f64(), told("cpu_microseconds") / 1e6);
        let (memory, told_memory) = (usage.resident_bytes as f64, told("resident_bytes"));
        let is_at_least = cpu + CPU_SLACK_S >= told_cpu
            && memory * 1.25 + MEMORY_SLACK >= told_memory
            && usage.processes as f64 >= told("shards");
        // Of shards that are idle, the figures may be old; and the supervisor's are not in them.
        let is_at_most = self.has_shards()
            || (cpu <= told_cpu * 1.1 + CPU_SLACK_S && memory <= told_memory * 1.25 + MEMORY_SLACK);
        is_old_enough && is_at_least && is_at_most
    }

    /// Whether the server was started anew meanwhile.
    pub(super) fn has_restarted(&self) -> bool {
        let later = [&self.begin, &self.end, &self.last].into_iter().flatten();
        later.into_iter().any(|look| look.sample.is_of_new_start(&self.first.sample))
    }

    /// Whether a question was not answered.
    pub(super) fn was_unanswered(&self) -> bool {
        self.was_unanswered
    }

    /// Processor time in the measured part.
    pub(super) fn cpu(&self) -> Option<Duration> {
        let (begin, end) = (self.begin.as_ref()?, self.end.as_ref()?);
        let known = !self.has_restarted();
        known.then(|| Duration::from_micros(end.since(begin, &["cpu_microseconds"])))
    }

    /// Memory at the times of the questions.
    pub(super) fn resident(&self) -> Option<Levels> {
        let mut levels = Levels::at(self.first.count("resident_bytes"));
        for look in [&self.begin, &self.end, &self.last].into_iter().flatten() {
            levels.look(look.count("resident_bytes"));
        }
        // Without /proc, readyd tells 0.
        (levels.max > 0 && !self.has_restarted()).then_some(levels)
    }

    /// What it has counted, without readyc's questions.
    pub(super) fn counts(&self) -> Option<ServerCounts> {
        let last = self.last.as_ref().filter(|_| !self.was_unanswered && !self.has_restarted())?;
        let begin = self.begin.as_ref().unwrap_or(&self.first);
        let part = |names: &[&str]| last.since(begin, names);
        let whole = |names: &[&str]| last.since(&self.first, names);
        let questions = last.own.questions - begin.own.questions;
        let all_questions = last.own.questions - self.first.own.questions;
        let bytes_out = last.own.bytes_out - begin.own.bytes_out;
        Some(ServerCounts {
            connections_accepted: whole(&["connections_accepted"]).saturating_sub(all_questions),
            connections_refused: whole(&[
                "refused_denied",
                "refused_address_limit",
                "refused_address_rate",
                "refused_not_proxy",
            ]),
            accept_pauses: whole(&["accept_pauses"]),
            requests: part(&["requests"]).saturating_sub(questions),
            refusals: part(&["refusals"]),
            bytes_in: part(&["bytes_in"]).saturating_sub(questions * QUESTION),
            bytes_out: part(&["bytes_out"]).saturating_sub(bytes_out),
            turns: part(&["turns"]),
            visits: part(&["visits"]),
        })
    }
}

impl Own {
    /// Counts a question that was answered with `reply`; `None` if that is not readyd's.
    fn look(&mut self, reply: &[u8]) -> Option<Look> {
        self.questions += 1;
        let own = *self;
        self.bytes_out += (HEADER_LEN + reply.len()) as u64;
        let sample = Sample::parse(reply)?;
        let is_complete = REQUIRED.iter().all(|name| sample.get(name).is_some());
        is_complete.then_some(Look { sample, own })
    }
}

/// Asks on a connection of its own, which is closed when the server has closed it, too.
fn ask(
    server: &Address,
    tls: Option<&TlsTexts>,
    patience: Duration,
) -> Result<Vec<u8>, Unanswered> {
    let limits = SessionLimits {
        connect_timeout: patience,
        answer_timeout: patience,
        linger: patience / 2,
        max_answer: LONGEST,
        ..SessionLimits::default()
    };
    let server = Server { addresses: vec![server.clone()], limits, tls: tls.cloned() };
    ask_for_stats(&server).map_err(|failure| match failure {
        Failure::Session(SessionError::Connect(..) | SessionError::ConnectTimeout(..)) => {
            Unanswered::NotConnected
        }
        _ => Unanswered::NoStatistics,
    })
}
