//! What the servers spent on a run, as a part of a report.
//!
//! Invariant: the sums are made from the servers, here alone. A server that several clients loaded
//! at once is one server: its figures are not added up.

use super::merge::unix_seconds;
use super::{Achieved, Report};
use serde::{Deserialize, Serialize};

/// Two starts of the same server, as two clients tell them, differ by less than this, in seconds:
/// the clocks of their machines are not the same.
const SAME_START_S: f64 = 2.0;

/// What the servers spent on a run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ServerSide {
    /// Each server that told its figures, or whose process was watched.
    pub servers: Vec<ServerFigures>,
    /// CPU time of all servers in the measured part, in seconds; absent if one server's is unknown.
    pub cpu_s: Option<f64>,
    /// The same as a share of one CPU: 1.5 is one and a half.
    pub cpu_share: Option<f64>,
    /// CPU time per answer of the measured part, in microseconds; absent also if one of the servers
    /// of the run is not among `servers`.
    pub cpu_us_per_request: Option<f64>,
    /// Memory of all servers, in bytes; absent if one server's is unknown.
    pub resident_bytes: Option<Levels>,
    /// Requests of all servers by their own counts; absent if one does not tell.
    pub requests: Option<u64>,
    /// Connections accepted by all servers by their own counts; absent if one does not tell.
    pub connections_accepted: Option<u64>,
    /// Buffers of all TCP sockets of the client's machine, in bytes: those of the client, and on
    /// the same machine those of the server and of all other programs.
    pub tcp_buffers_bytes: Option<Levels>,
    /// What a reader should know, a sentence each.
    pub notes: Vec<String>,
}

/// A quantity that goes up and down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Levels {
    /// Before the first connection was opened.
    pub before: u64,
    /// The most that was seen, by a look each second.
    pub max: u64,
    /// After the last answer.
    pub after: u64,
}

/// One server.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ServerFigures {
    /// Its addresses among those that were loaded; empty for a process that was only named.
    pub addresses: Vec<String>,
    /// Its process, on its own machine.
    pub pid: Option<u64>,
    /// The name of its program, if the process was watched here.
    pub program: Option<String>,
    /// Processes: itself and its descendants, if they were watched here.
    pub processes: Option<u64>,
    /// When it was started, RFC 3339, UTC.
    pub started_at: Option<String>,
    /// CPU time in the measured part, in seconds.
    pub cpu_s: Option<f64>,
    /// Memory in use, in bytes.
    pub resident_bytes: Option<Levels>,
    /// What it counted itself.
    pub counts: Option<ServerCounts>,
}

/// What a server counted itself, readyc's own questions taken off. `connections_accepted`,
/// `connections_refused` and `accept_pauses` are of the whole run, the opening of connections
/// included; the others are of the measured part and the answers after it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerCounts {
    /// Connections accepted.
    pub connections_accepted: u64,
    /// Clients turned away by a rule or a limit by address.
    pub connections_refused: u64,
    /// Times that accepting was paused.
    pub accept_pauses: u64,
    /// Requests served.
    pub requests: u64,
    /// Requests answered with an error.
    pub refusals: u64,
    /// Bytes read.
    pub bytes_in: u64,
    /// Bytes sent.
    pub bytes_out: u64,
    /// Turns of its poll loop.
    pub turns: u64,
    /// Visits to connections.
    pub visits: u64,
}

/// What the sums are made from, beside the servers.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Load {
    /// Length of the measured part, in seconds.
    pub elapsed_s: f64,
    /// Answers within it.
    pub answered: u64,
    /// Whether each server that was loaded is among those that are known.
    pub knows_all: bool,
}

impl ServerSide {
    /// The figures of `servers`, and their sums.
    pub fn of(servers: Vec<ServerFigures>, load: Load) -> ServerSide {
        let all = |of: fn(&ServerFigures) -> Option<u64>| {
            if servers.is_empty() { None } else { servers.iter().map(of).sum::<Option<u64>>() }
        };
        let cpu_s = match servers.as_slice() {
            [] => None,
            servers => servers.iter().map(|server| server.cpu_s).sum::<Option<f64>>(),
        };
        let requests = all(|server| Some(server.counts?.requests));
        let connections_accepted = all(|server| Some(server.counts?.connections_accepted));
        let has_answers = load.knows_all && load.answered > 0;
        ServerSide {
            cpu_s,
            cpu_share: cpu_s.filter(|_| load.elapsed_s > 0.0).map(|cpu| cpu / load.elapsed_s),
            cpu_us_per_request: cpu_s
                .filter(|_| has_answers)
                .map(|cpu| cpu * 1e6 / load.answered as f64),
            resident_bytes: Levels::sum(servers.iter().map(|server| server.resident_bytes)),
            requests,
            connections_accepted,
            servers,
            ..ServerSide::default()
        }
    }

    /// What several clients that loaded servers at the same time tell of them. What they achieved
    /// together is `achieved`.
    ///
    /// Each client has watched all that a server did, for the others, too. So of a server that
    /// several tell of, the largest figures count. The buffers of TCP sockets are left out, because
    /// two clients may have been on one machine.
    pub(super) fn merge(reports: &[Report], achieved: &Achieved) -> Option<ServerSide> {
        let all: Vec<&ServerSide> =
            reports.iter().filter_map(|report| report.server.as_ref()).collect();
        let (first, others) = all.split_first()?;
        let mut servers: Vec<ServerFigures> = first.servers.clone();
        for server in others.iter().flat_map(|side| &side.servers) {
            match servers.iter_mut().find(|known| known.is_same(server)) {
                Some(known) => known.combine(server),
                None => servers.push(server.clone()),
            }
        }
        let knows_all = all.iter().all(|side| side.cpu_us_per_request.is_some());
        let mut notes: Vec<String> = Vec::new();
        for note in all.iter().flat_map(|side| &side.notes) {
            if !notes.contains(note) {
                notes.push(note.clone());
            }
        }
        let tcp_buffers_bytes = first.tcp_buffers_bytes.filter(|_| others.is_empty());
        let (elapsed_s, answered) = (achieved.elapsed_s, achieved.answered_in_window);
        let merged = ServerSide::of(servers, Load { elapsed_s, answered, knows_all });
        Some(ServerSide { tcp_buffers_bytes, notes, ..merged })
    }
}

impl ServerFigures {
    /// Whether both are the same server: by process, address and start.
    fn is_same(&self, other: &ServerFigures) -> bool {
        let start = |server: &ServerFigures| server.started_at.as_deref().and_then(unix_seconds);
        let has_same_start = match (start(self), start(other)) {
            (Some(one), Some(other)) => (one - other).abs() <= SAME_START_S,
            (one, other) => one.is_none() && other.is_none(),
        };
        let has_same_address = self.addresses == other.addresses
            || self.addresses.iter().any(|address| other.addresses.contains(address));
        self.pid == other.pid && has_same_start && has_same_address
    }

    /// Takes the larger figures of the two.
    fn combine(&mut self, other: &ServerFigures) {
        for address in &other.addresses {
            if !self.addresses.contains(address) {
                self.addresses.push(address.clone());
            }
        }
        if self.program.is_none() {
            self.program.clone_from(&other.program);
        }
        self.processes = self.processes.max(other.processes);
        self.cpu_s = self.cpu_s.into_iter().chain(other.cpu_s).reduce(f64::max);
        self.resident_bytes = match (self.resident_bytes, other.resident_bytes) {
            (Some(one), Some(other)) => Some(Levels {
                before: one.before.min(other.before),
                max: one.max.max(other.max),
                after: one.after.max(other.after),
            }),
            (one, other) => one.or(other),
        };
        self.counts = match (self.counts, other.counts) {
            (Some(one), Some(other)) => Some(one.larger(&other)),
            (one, other) => one.or(other),
        };
    }
}

impl ServerCounts {
    fn larger(&self, other: &ServerCounts) -> ServerCounts {
        ServerCounts {
            connections_accepted: self.connections_accepted.max(other.connections_accepted),
            connections_refused: self.connections_refused.max(other.connections_refused),
            accept_pauses: self.accept_pauses.max(other.accept_pauses),
            requests: self.requests.max(other.requests),
            refusals: self.refusals.max(other.refusals),
            bytes_in: self.bytes_in.max(other.bytes_in),
            bytes_out: self.bytes_out.max(other.bytes_out),
            turns: self.turns.max(other.turns),
            visits: self.visits.max(other.visits),
        }
    }
}

impl Levels {
    /// A level that was seen once.
    pub fn at(level: u64) -> Levels {
        Levels { before: level, max: level, after: level }
    }

    /// Another look at it.
    pub fn look(&mut self, level: u64) {
        self.max = self.max.max(level);
        self.after = level;
    }

    /// The sums; absent if there is none, or one is.
    fn sum(mut all: impl Iterator<Item = Option<Levels>>) -> Option<Levels> {
        let first = all.next()??;
        all.try_fold(first, |sum, level| {
            let level = level?;
            Some(Levels {
                before: sum.before.saturating_add(level.before),
                max: sum.max.saturating_add(level.max),
                after: sum.after.saturating_add(level.after),
            })
        })
    }
}
