//! The plan of a load run: what is asked for, as plain data that can be sent to a worker process.
//!
//! Invariant: the shares of all workers add up to the plan. Connection numbers are dealt out like
//! cards, so that destinations and source addresses are used evenly whatever the number of workers.

use crate::io::address::{Address, SourceAddress};
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::time::Duration;

#[cfg(test)]
mod tests;

/// What is asked for, over all workers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// The servers, at least one; connections are spread over them evenly.
    pub destinations: Vec<Address>,
    /// Local addresses to connect from; none: the kernel chooses.
    pub sources: Vec<SourceAddress>,
    /// How many connections of each kind.
    pub connections: ConnectionCounts,
    /// What is requested.
    pub workload: Workload,
    /// What the server sends before the first request of each connection; nothing, mostly.
    pub greeting: Option<Answer>,
    /// When requests are sent.
    pub pace: Pace,
    /// Whether an open loop may busy-wait for intended times: look for events without sleeping.
    pub busy_wait: bool,
    /// Requests in flight at once on a connection, at least one.
    pub pipeline: usize,
    /// When the run ends.
    pub until: StopCondition,
    /// How long load is given before anything counts.
    pub warmup: Duration,
    /// How connections are opened.
    pub connecting: ConnectPolicy,
    /// When a connection is replaced by a new one.
    pub lifetime: Lifetime,
    /// How a connection that has served its time is closed.
    pub close: Close,
    /// After this long a request counts as unanswered.
    pub timeout: Duration,
    /// Whether idle connections are asked for a sign that they are served.
    pub probing: Probing,
    /// Whether replies are verified.
    pub verify: bool,
    /// All connections are dropped, and return, each time that this has passed.
    pub storm_every: Option<Duration>,
    /// Whether and when a lost connection is opened again.
    pub reconnecting: ReconnectPolicy,
    /// Chooses what is random: sizes, kinds, jitter.
    pub seed: u64,
}

/// What an idle connection asks right after it was connected, to see whether it is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Probing {
    /// Nothing: the kernel accepted it, and no more is known.
    Off,
    /// An echo of a few bytes.
    Echo,
    /// The workload's own request.
    Request,
}

/// How many connections of each kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectionCounts {
    /// Make requests.
    pub active: usize,
    /// Are held open and send nothing.
    pub idle: usize,
    /// Read [`ConnectionCounts::slow_rate`] bytes a second.
    pub slow_readers: usize,
    /// Write [`ConnectionCounts::slow_rate`] bytes a second.
    pub slow_writers: usize,
    /// In bytes a second, at least one.
    pub slow_rate: usize,
}

impl ConnectionCounts {
    /// Connections of all kinds.
    pub fn total(&self) -> usize {
        self.active + self.idle + self.slow_readers + self.slow_writers
    }
}

/// What is requested, and how.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Workload {
    /// Padded frames, of a mixture of kinds.
    Framed(Mix),
    /// Bytes that come back as they are (RFC 862).
    PlainEcho(Sizes),
    /// Bytes that are thrown away (RFC 863): a request is done when the kernel has taken it.
    Discard(Sizes),
    /// The server speaks as soon as the connection is there, and closes: each request is a
    /// connection.
    Greeting(Greeting),
    /// Any protocol whose answers can be told by their bytes.
    Raw(RawProtocol),
}

/// A mixture of framed requests: weights, at least one of them not zero.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mix {
    /// Weight of `ECHO`.
    pub echo: u32,
    /// Weight of `LOOKUP`.
    pub lookup: u32,
    /// Weight of `DAYTIME`.
    pub daytime: u32,
    /// Lengths of the texts to echo.
    pub sizes: Sizes,
    /// Keys to look up, in turn; at least one if lookups are in the mixture.
    pub keys: Vec<String>,
}

/// Lengths of payloads, in bytes, evenly distributed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sizes {
    /// The shortest.
    pub min: usize,
    /// The longest.
    pub max: usize,
}

/// What a server sends before any request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Greeting {
    /// A line of text, then FIN (RFC 867).
    Daytime,
    /// Four bytes, then FIN (RFC 868); or eight, as GNU inetd sends.
    Time,
    /// A text, then FIN.
    Greeting,
    /// Text without end (RFC 864); this many bytes of it are an answer.
    Chargen(usize),
}

/// A protocol given on the command line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RawProtocol {
    /// The request.
    pub send: Vec<u8>,
    /// How an answer is told.
    pub answer: Answer,
}

/// How an answer of such a protocol is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answer {
    /// It is exactly these bytes, at least one.
    Exactly(Vec<u8>),
    /// It is this long, at least a byte.
    Bytes(usize),
    /// It ends with these bytes, at least one.
    Until(Vec<u8>),
}

/// When requests are sent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Pace {
    /// A new one for each answer.
    Closed,
    /// On a schedule, in requests a second, each rate for a time. The last rate goes on until the
    /// run ends.
    Rates(Vec<Step>),
    /// All active connections at once, each time that this has passed.
    Herd(Duration),
}

/// A rate, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// Requests a second, more than zero.
    pub rate: f64,
    /// For this long.
    pub duration: Duration,
}

/// When the run ends: at the first of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StopCondition {
    /// Requests, warm-up not counted.
    pub requests: Option<u64>,
    /// Time, warm-up not counted.
    pub duration: Option<Duration>,
}

/// How connections are opened.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ConnectPolicy {
    /// Connections a second.
    pub rate: Option<f64>,
    /// Connections being made at once, at least one.
    pub parallel: usize,
    /// After this long an attempt has failed.
    pub timeout: Duration,
}

/// When a connection is replaced by a new one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Lifetime {
    /// Never.
    Run,
    /// After this long, once its requests are answered.
    Time(Duration),
    /// After this many requests, at least one; the next is opened for the request that needs it.
    Requests(u32),
}

/// How a connection is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Close {
    /// In order. The local port stays in TIME_WAIT for a while.
    Fin,
    /// By a reset: the port is free at once.
    Rst,
}

/// Whether and when a lost connection is opened again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReconnectPolicy {
    /// Whether it is opened again.
    pub reconnect: bool,
    /// A run in which nothing was open for this long is given up; never, if there is no limit.
    pub give_up_after: Option<Duration>,
    /// Longest wait before the first attempt. Each attempt waits for a random part of it, and it
    /// doubles with each that fails, up to 32 times.
    pub backoff: Duration,
}

/// One worker among several.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Worker {
    /// Its number, from 0.
    pub index: usize,
    /// How many there are, at least one.
    pub of: usize,
}

impl Worker {
    /// The only one.
    pub const ALONE: Worker = Worker { index: 0, of: 1 };

    /// Its share of `total`.
    pub fn share(self, total: usize) -> usize {
        total / self.of + usize::from(self.index < total % self.of)
    }

    /// Its share of `total` requests.
    pub fn share_of_requests(self, total: u64) -> u64 {
        let (index, of) = (self.index as u64, self.of as u64);
        total / of + u64::from(index < total % of)
    }

    /// Its share of each kind.
    pub fn share_of_connections(self, connections: ConnectionCounts) -> ConnectionCounts {
        ConnectionCounts {
            active: self.share(connections.active),
            idle: self.share(connections.idle),
            slow_readers: self.share(connections.slow_readers),
            slow_writers: self.share(connections.slow_writers),
            slow_rate: connections.slow_rate,
        }
    }

    /// The number among all workers' connections of the one that is its own number `local`.
    pub fn connection(self, local: usize) -> u64 {
        (local * self.of + self.index) as u64
    }
}

impl Plan {
    /// Where connection `number` goes, and from where.
    #[cfg_attr(not(test), expect(clippy::indexing_slicing, reason = "remainders of the lengths"))]
    pub fn route(&self, number: u64) -> (Option<SocketAddr>, &Address) {
        let number = number as usize;
        let destination = &self.destinations[self.server_of(number as u64)];
        let source = match self.sources.len() {
            0 => None,
            sources => Some(self.sources[number / self.destinations.len() % sources]),
        };
        (source.map(SourceAddress::socket_address), destination)
    }

    /// The place of the server that connection `number` goes to.
    pub fn server_of(&self, number: u64) -> usize {
        number as usize % self.destinations.len()
    }

    /// Whether a new request waits for a time of its own rather than for an answer.
    pub fn is_open_loop(&self) -> bool {
        !matches!(self.pace, Pace::Closed)
    }

    /// Whether connections are made only when a request needs them.
    pub fn connects_on_demand(&self) -> bool {
        matches!(self.lifetime, Lifetime::Requests(1))
    }
}
