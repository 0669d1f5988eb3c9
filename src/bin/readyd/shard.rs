//! What a process knows of being a shard: one of several servers that a supervisor looks after.
//!
//! Invariant: a shard does not outlive its supervisor. When that ends, however it does, the kernel sends
//! SIGTERM, and the shard drains.

use nix::sys::prctl;
use nix::sys::signal::Signal;
use nix::time::{ClockId, clock_gettime};
use nix::unistd::{Pid, getppid};
use readyd::inherited::{self, InheritError};
use readyd::stats::board::{Board, Seat};
use std::env;
use std::fmt;
use std::io;
use std::os::fd::RawFd;
use std::time::Duration;

/// The environment variable that tells a process that it is a shard, and which.
pub(crate) const VARIABLE: &str = "READYD_SHARD";

/// What a supervisor tells a shard that it starts, as numbers in an environment variable: they are for
/// nobody to type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Order {
    /// Which shard, from 0.
    pub(crate) number: usize,
    /// How many there are.
    pub(crate) shards: usize,
    /// The process that gave the order.
    pub(crate) supervisor: i32,
    /// When it began, on the system's monotonic clock, in nanoseconds.
    pub(crate) began: u64,
    /// The descriptor of the board for statistics.
    pub(crate) board: RawFd,
}

impl fmt::Display for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Order { number, shards, supervisor, began, board } = self;
        write!(f, "{number} {shards} {supervisor} {began} {board}")
    }
}

impl Order {
    /// The order that `text` holds, if it is one.
    fn parse(text: &str) -> Option<Order> {
        let mut words = text.split(' ');
        let order = Order {
            number: words.next()?.parse().ok()?,
            shards: words.next()?.parse().ok()?,
            supervisor: words.next()?.parse().ok()?,
            began: words.next()?.parse().ok()?,
            board: words.next()?.parse().ok()?,
        };
        (words.next().is_none() && order.number < order.shards).then_some(order)
    }
}

/// How people call shard `number`, which is counted from 0.
pub(crate) fn name(number: usize) -> String {
    format!("shard {}", number + 1)
}

/// What stands before all that this process says: which shard it is, if it is one.
pub(crate) fn own_prefix() -> String {
    let order = env::var(VARIABLE).ok().and_then(|text| Order::parse(&text));
    order.map(|order| format!("{}: ", name(order.number))).unwrap_or_default()
}

/// The time on the system's monotonic clock, which all processes share, in nanoseconds.
pub(crate) fn monotonic_nanos() -> u64 {
    let time = clock_gettime(ClockId::CLOCK_MONOTONIC).map(Duration::from).unwrap_or_default();
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// Why a process that was told to be a shard cannot be one.
#[derive(Debug)]
pub(crate) enum ShardError {
    /// The variable does not hold an order.
    NoOrder(String),
    /// The supervisor has ended meanwhile, or the variable came from somewhere else.
    NoSupervisor,
    /// A descriptor that the order names was not inherited.
    Inherit(InheritError),
    /// The system refused.
    System(io::Error),
}

impl fmt::Display for ShardError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ShardError::NoOrder(text) => write!(
                f,
                "{VARIABLE}={text:?} in the environment is no order to a shard (unset it; --shards \
                 starts shards)"
            ),
            ShardError::NoSupervisor => write!(
                f,
                "the supervisor that {VARIABLE} in the environment names is not the parent process"
            ),
            ShardError::Inherit(error) => write!(f, "{error}"),
            ShardError::System(error) => write!(f, "cannot watch the supervisor: {error}"),
        }
    }
}

/// This process as a shard.
#[derive(Debug)]
pub(crate) struct Shard {
    pub(crate) order: Order,
    board: Board,
}

impl Shard {
    /// What the environment says: `None` if this is no shard. To be called before the process opens
    /// descriptors of its own.
    pub(crate) fn from_environment() -> Result<Option<Shard>, ShardError> {
        let Some(text) = env::var_os(VARIABLE) else { return Ok(None) };
        let text = text.to_string_lossy();
        let order = Order::parse(&text).ok_or_else(|| ShardError::NoOrder(text.into_owned()))?;
        let supervisor = Pid::from_raw(order.supervisor);
        prctl::set_pdeathsig(Signal::SIGTERM).map_err(|error| ShardError::System(error.into()))?;
        // If it had ended before the call, nobody would tell: the parent is then another process.
        if getppid() != supervisor {
            return Err(ShardError::NoSupervisor);
        }
        let board = inherited::take(order.board).map_err(ShardError::Inherit)?;
        let board = Board::of(board, order.shards);
        Ok(Some(Shard { order, board }))
    }

    /// The shard's place on the board.
    pub(crate) fn into_seat(self) -> Seat {
        let age = Duration::from_nanos(monotonic_nanos().saturating_sub(self.order.began));
        Seat::take(self.board, self.order.number, age)
    }
}
