//! What one server will bear, decided once at start.
//!
//! Invariant: a [`Limits`] that passed [`Limits::validate`] makes sense as a whole, so the engine
//! never checks a limit against another.

use crate::server::access::{AccessRules, Cidr};
use log::LevelFilter;
use std::fmt;
use std::time::Duration;

#[cfg(test)]
mod tests;
mod words;

/// Bounds on memory, time and work. [`Limits::default`] is what the command line starts from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections held at once; more wait in the listen backlog.
    pub max_connections: usize,
    /// Connections held at once from one IPv4 address or one IPv6 network of 64 bits, if that is
    /// limited.
    pub max_connections_per_address: Option<usize>,
    /// Connections accepted in a second from one IPv4 address or one IPv6 network of 64 bits, if
    /// that is limited. After a second without any, this number may come at once.
    pub accept_rate_per_address: Option<u32>,
    /// Who may connect at all.
    pub access: AccessRules,
    /// Who may read the statistics; if there are no ranges, all may who are connected.
    pub stats_from: Vec<Cidr>,
    /// Bytes that all connections together may hold in buffers, of unfinished requests and of
    /// replies not yet taken. Beyond it the newest connections that hold some are closed.
    pub memory_limit: usize,
    /// Longest body or line accepted, in bytes.
    pub max_frame: usize,
    /// High-water mark: with more unsent output than this, in bytes, a connection is not read.
    pub output_limit: usize,
    /// From a frame's first byte to its last. It is the time for a handshake of TLS, too.
    pub frame_timeout: Duration,
    /// Between one request and the next.
    pub idle_timeout: Duration,
    /// Without the peer taking a byte of waiting output.
    pub write_timeout: Duration,
    /// From our FIN to the peer's, while what it still sends is read and discarded.
    pub linger_timeout: Duration,
    /// How long after its last byte an unterminated line counts as a request.
    pub line_pause: Duration,
    /// From the order to stop until connections are closed whatever their state.
    pub drain_timeout: Duration,
    /// From the order to stop until draining begins. Until then clients are let in and served, but
    /// `/readyz` says that no more are wanted.
    pub drain_delay: Duration,
    /// Whether the times of turns are kept in histograms, for a metrics listener to show.
    pub measures_turns: bool,
    /// Log lines a second that clients can cause.
    pub log_rate: u32,
    /// The most detailed level of log lines that clients can cause. What is more detailed is not
    /// written, and does not count as left out.
    pub log_level: LevelFilter,
    /// Handshakes of TLS that may begin in a second, if that is limited. After a second without
    /// any, this number may begin at once.
    pub tls_handshake_rate: Option<u32>,
    /// When the first of the certificates expires, in seconds since 1970; 0 if there is none. Only
    /// statistics show it.
    pub tls_certificate_expires: u64,
    /// The ABI of Landlock by which the process is confined; 0 if it is not. Only statistics show
    /// it.
    pub landlock_abi: u32,
    /// Stop when no connection has been open for this long.
    pub exit_on_idle: Option<Duration>,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            max_connections: 10_000,
            max_connections_per_address: None,
            accept_rate_per_address: None,
            access: AccessRules::default(),
            stats_from: Vec::new(),
            memory_limit: 1 << 30,
            max_frame: 1 << 20,
            output_limit: 1 << 20,
            frame_timeout: Duration::from_secs(30),
            idle_timeout: Duration::from_secs(600),
            write_timeout: Duration::from_secs(30),
            linger_timeout: Duration::from_secs(2),
            line_pause: Duration::from_millis(50),
            drain_timeout: Duration::from_secs(10),
            drain_delay: Duration::ZERO,
            measures_turns: false,
            log_rate: 100,
            log_level: LevelFilter::Info,
            tls_handshake_rate: None,
            tls_certificate_expires: 0,
            landlock_abi: 0,
            exit_on_idle: None,
        }
    }
}

/// A limit that cannot be kept; the operator's fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LimitError {
    /// This limit must be at least one.
    Zero(&'static str),
    /// This limit is more than the given bound.
    OverBound(&'static str, usize),
}

impl fmt::Display for LimitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LimitError::Zero(name) => write!(f, "--{name} must be more than 0"),
            LimitError::OverBound(name, bound) => write!(f, "--{name} must be at most {bound}"),
        }
    }
}

impl std::error::Error for LimitError {}

impl LimitError {
    /// The flag that sets this limit, without dashes.
    pub fn flag(&self) -> &'static str {
        match self {
            LimitError::Zero(name) | LimitError::OverBound(name, _) => name,
        }
    }
}

impl Limits {
    /// Longest body that may be allowed: a reply to it must fit an address space with room to
    /// spare.
    pub const MAX_FRAME_BOUND: usize = 1 << 30;

    /// Most connections: a slab index and a generation share the 64 bits of an event token.
    pub const MAX_CONNECTIONS_BOUND: usize = 1 << 30;

    /// Below this much unsent output, in bytes, a connection that stopped being read is read again.
    /// Half the high-water mark: a peer on the edge does not make it stop and go at every byte.
    pub fn low_water(&self) -> usize {
        self.output_limit / 2
    }

    /// Checks the limits, each and together.
    ///
    /// # Errors
    ///
    /// [`LimitError`] for the first one that cannot be kept.
    pub fn validate(&self) -> Result<(), LimitError> {
        self.errors().into_iter().next().map_or(Ok(()), Err)
    }

    /// All limits that cannot be kept.
    pub fn errors(&self) -> Vec<LimitError> {
        let at_least_one = [
            ("max-connections", self.max_connections == 0),
            ("max-connections-per-address", self.max_connections_per_address == Some(0)),
            ("accept-rate-per-address", self.accept_rate_per_address == Some(0)),
            ("memory-limit", self.memory_limit == 0),
            ("max-frame", self.max_frame == 0),
            ("frame-timeout", self.frame_timeout.is_zero()),
            ("idle-timeout", self.idle_timeout.is_zero()),
            ("write-timeout", self.write_timeout.is_zero()),
            ("tls-handshake-rate", self.tls_handshake_rate == Some(0)),
            ("exit-on-idle", self.exit_on_idle.is_some_and(|limit| limit.is_zero())),
        ];
        let bounded = [
            ("max-connections", self.max_connections, Self::MAX_CONNECTIONS_BOUND),
            ("max-frame", self.max_frame, Self::MAX_FRAME_BOUND),
            ("output-limit", self.output_limit, Self::MAX_FRAME_BOUND),
        ];
        let zero = at_least_one.into_iter().filter(|(_, is_zero)| *is_zero);
        let over = bounded.into_iter().filter(|(_, value, bound)| value > bound);
        let zero = zero.map(|(name, _)| LimitError::Zero(name));
        zero.chain(over.map(|(name, _, bound)| LimitError::OverBound(name, bound))).collect()
    }
}
