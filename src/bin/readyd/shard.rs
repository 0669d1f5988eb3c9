//! What a process knows of being a shard: one of several servers that a supervisor looks after.
//!
//! Invariant: a shard does not outlive its supervisor. When that ends, however it does, the kernel
//! sends SIGTERM, and the shard drains.

use crate::control::Control;
use crate::zone;
use nix::sys::prctl;
use nix::sys::signal::Signal;
use nix::time::{ClockId, clock_gettime};
use nix::unistd::{Pid, getppid};
use readyd::os::inherited_fd::{self, InheritError};
use readyd::server::stats::board::{Board, SEATS_PER_SHARD, Seat};
use readyd::table::Table;
use readyd::zone::ZoneRules;
use std::env;
use std::fmt;
use std::io;
use std::os::fd::RawFd;
use std::time::Duration;

/// The environment variable that tells a process that it is a shard, and which.
pub(crate) const VARIABLE: &str = "READYD_SHARD";

/// What a supervisor tells a shard that it starts, as numbers in an environment variable: they are
/// for nobody to type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ShardSpec {
    /// Which shard, from 0.
    pub(crate) number: usize,
    /// Its place on the board, from 0.
    pub(crate) seat: usize,
    /// The process that gave the order.
    pub(crate) supervisor: i32,
    /// How many of its listeners, from the first, no program but the supervisor has. Others were
    /// inherited by the supervisor, and the program that made them may have them, too.
    pub(crate) own_listeners: usize,
    /// When it began, on the system's monotonic clock, in nanoseconds.
    pub(crate) began: u64,
    /// The descriptor of the board for statistics.
    pub(crate) board: RawFd,
    /// The descriptor of the memory that holds the table.
    pub(crate) table: RawFd,
    /// The descriptor of the memory that holds the rules of the time zone.
    pub(crate) zone: RawFd,
    /// The descriptor of the socket through which later tables come.
    pub(crate) control: RawFd,
}

impl fmt::Display for ShardSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ShardSpec {
            number,
            seat,
            supervisor,
            own_listeners,
            began,
            board,
            table,
            zone,
            control,
        } = self;
        write!(
            f,
            "{number} {seat} {supervisor} {own_listeners} {began} {board} {table} {zone} {control}"
        )
    }
}

impl ShardSpec {
    /// The order that `text` holds, if it is one.
    fn parse(text: &str) -> Option<ShardSpec> {
        let mut words = text.split(' ');
        let mut number = || words.next()?.parse::<u64>().ok();
        let spec = ShardSpec {
            number: number()?.try_into().ok()?,
            seat: number()?.try_into().ok()?,
            supervisor: number()?.try_into().ok()?,
            own_listeners: number()?.try_into().ok()?,
            began: number()?,
            board: number()?.try_into().ok()?,
            table: number()?.try_into().ok()?,
            zone: number()?.try_into().ok()?,
            control: number()?.try_into().ok()?,
        };
        (words.next().is_none() && spec.seat / SEATS_PER_SHARD == spec.number).then_some(spec)
    }
}

/// How people call shard `number`, which is counted from 0.
pub(crate) fn name(number: usize) -> String {
    format!("shard {}", number + 1)
}

/// What stands before all that this process says: which shard it is, if it is one.
pub(crate) fn own_prefix() -> String {
    let spec = env::var(VARIABLE).ok().and_then(|text| ShardSpec::parse(&text));
    spec.map(|spec| format!("{}: ", name(spec.number))).unwrap_or_default()
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
    /// The board that was inherited cannot be read.
    Board(io::Error),
    /// The table that was inherited cannot be used.
    Table(io::Error),
    /// The rules of the time zone that were inherited cannot be used.
    Zone(io::Error),
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
            ShardError::Board(error) => write!(f, "cannot use the statistics: {error}"),
            ShardError::Zone(error) => write!(f, "cannot use the time zone: {error}"),
            ShardError::Table(error) => write!(f, "cannot use the table: {error}"),
            ShardError::System(error) => write!(f, "cannot become a shard: prctl: {error}"),
        }
    }
}

/// This process as a shard.
#[derive(Debug)]
pub(crate) struct Shard {
    own_listeners: usize,
    table: Table,
    zone: ZoneRules,
    seat: Seat,
    control: Control,
}

impl Shard {
    /// What the environment says: `None` if this is no shard. To be called before the process opens
    /// descriptors of its own.
    pub(crate) fn from_environment() -> Result<Option<Shard>, ShardError> {
        let Some(text) = env::var_os(VARIABLE) else { return Ok(None) };
        let text = text.to_string_lossy();
        let spec = ShardSpec::parse(&text).ok_or_else(|| ShardError::NoOrder(text.into_owned()))?;
        let supervisor = Pid::from_raw(spec.supervisor);
        prctl::set_pdeathsig(Signal::SIGTERM).map_err(|error| ShardError::System(error.into()))?;
        // If it had ended before the call, nobody would tell: the parent is then another process.
        if getppid() != supervisor {
            return Err(ShardError::NoSupervisor);
        }
        let take = |number| inherited_fd::take(number).map_err(ShardError::Inherit);
        let board = Board::open(take(spec.board)?).map_err(ShardError::Board)?;
        let table = Table::map(take(spec.table)?).map_err(ShardError::Table)?;
        let zone = zone::map(take(spec.zone)?).map_err(ShardError::Zone)?;
        let control = Control::from(take(spec.control)?);
        // A program that is executed by its descriptor is called by that number in ps(1) and
        // top(1).
        prctl::set_name(c"readyd").map_err(|error| ShardError::System(error.into()))?;
        let age = Duration::from_nanos(monotonic_nanos().saturating_sub(spec.began));
        let seat = Seat::take(board, spec.seat, age).map_err(ShardError::Board)?;
        Ok(Some(Shard { own_listeners: spec.own_listeners, table, zone, seat, control }))
    }

    /// How many of its listeners, from the first, no program but the supervisor has.
    pub(crate) fn own_listeners(&self) -> usize {
        self.own_listeners
    }

    /// What it has from the supervisor: the table and the time zone that all share, its place on
    /// the board, and the socket through which later ones come.
    pub(crate) fn into_parts(self) -> (Table, ZoneRules, Seat, Control) {
        (self.table, self.zone, self.seat, self.control)
    }
}
