//! What a process knows of being a shard: one of several servers that a supervisor looks after.
//!
//! Invariant: a shard does not outlive its supervisor. When that ends, however it does, the kernel sends
//! SIGTERM, and the shard drains.

use nix::sys::prctl;
use nix::sys::signal::Signal;
use nix::time::{ClockId, clock_gettime};
use nix::unistd::{Pid, getppid};
use readyd::inherited::handover;
use readyd::inherited::{self, InheritError};
use readyd::stats::board::{Board, Seat};
use readyd::table::Table;
use std::env;
use std::fmt;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, RawFd};
use std::os::unix::net::UnixDatagram;
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
    /// The descriptor of the memory that holds the table.
    pub(crate) table: RawFd,
    /// The descriptor of the socket through which later tables come.
    pub(crate) control: RawFd,
}

impl fmt::Display for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Order { number, shards, supervisor, began, board, table, control } = self;
        write!(f, "{number} {shards} {supervisor} {began} {board} {table} {control}")
    }
}

impl Order {
    /// The order that `text` holds, if it is one.
    fn parse(text: &str) -> Option<Order> {
        let mut words = text.split(' ');
        let mut number = || words.next()?.parse::<u64>().ok();
        let order = Order {
            number: number()?.try_into().ok()?,
            shards: number()?.try_into().ok()?,
            supervisor: number()?.try_into().ok()?,
            began: number()?,
            board: number()?.try_into().ok()?,
            table: number()?.try_into().ok()?,
            control: number()?.try_into().ok()?,
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
    /// The table that was inherited cannot be used.
    Table(io::Error),
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
            ShardError::Table(error) => write!(f, "cannot use the table: {error}"),
            ShardError::System(error) => write!(f, "cannot watch the supervisor: {error}"),
        }
    }
}

/// This process as a shard.
#[derive(Debug)]
pub(crate) struct Shard {
    order: Order,
    board: Board,
    table: Table,
    control: Control,
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
        let take = |number| inherited::take(number).map_err(ShardError::Inherit);
        let board = Board::of(take(order.board)?, order.shards);
        let table = Table::map(take(order.table)?).map_err(ShardError::Table)?;
        let control = Control(take(order.control)?.into());
        Ok(Some(Shard { order, board, table, control }))
    }

    /// What it has from the supervisor: the table that all share, its place on the board, and the socket
    /// through which later tables come.
    pub(crate) fn into_parts(self) -> (Table, Seat, Control) {
        let Shard { order, board, table, control } = self;
        let age = Duration::from_nanos(monotonic_nanos().saturating_sub(order.began));
        (table, Seat::take(board, order.number, age), control)
    }
}

/// A new table comes with this note.
pub(crate) const NEW_TABLE: u8 = b'T';

/// The table could not be loaded again.
pub(crate) const NO_TABLE: u8 = b'N';

/// What the supervisor has to say of the table.
pub(crate) enum News {
    /// This one is to be used.
    Table(Table),
    /// The old one is to be kept: it could not be loaded; or it was, but cannot be used here.
    NoTable(Option<io::Error>),
}

/// The socket through which the supervisor hands over tables.
#[derive(Debug)]
pub(crate) struct Control(UnixDatagram);

impl AsFd for Control {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl Control {
    /// What has come and was not yet looked at, oldest first.
    pub(crate) fn news(&mut self) -> Option<News> {
        match handover::receive(&self.0) {
            Ok(Some((NEW_TABLE, Some(memory)))) => Some(match Table::map(memory) {
                Ok(table) => News::Table(table),
                Err(error) => News::NoTable(Some(error)),
            }),
            Ok(Some(_)) => Some(News::NoTable(None)),
            Ok(None) => None,
            Err(error) => Some(News::NoTable(Some(error))),
        }
    }
}
