//! This process as a shard: one of several servers that a supervisor runs.
//!
//! Invariant: a shard does not outlive its supervisor. When the supervisor ends, the kernel sends
//! SIGTERM (PR_SET_PDEATHSIG), and the shard drains.

use crate::certificates::Certificates;
use crate::control::Control;
use crate::zone;
use nix::sys::prctl;
use nix::sys::signal::Signal;
use nix::time::{ClockId, clock_gettime};
use nix::unistd::{Pid, getppid};
use readyd::os::inherited_fd::{self, InheritError};
use readyd::server::stats::scoreboard::{SLOTS_PER_SHARD, Scoreboard, ScoreboardSlot};
use readyd::table::Table;
use readyd::zone::ZoneRules;
use std::env;
use std::fmt;
use std::fs::File;
use std::io;
use std::os::fd::RawFd;
use std::time::Duration;

/// The environment variable with the [`ShardSpec`] of a shard.
pub(crate) const VARIABLE: &str = "READYD_SHARD";

/// What a supervisor passes to a shard at its start, as numbers in an environment variable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ShardSpec {
    /// Which shard, from 0.
    pub(crate) number: usize,
    /// Its slot on the scoreboard, from 0.
    pub(crate) scoreboard_slot: usize,
    /// The pid of the supervisor.
    pub(crate) supervisor: i32,
    /// The number of its listeners, from the first, that only the supervisor has as well. The
    /// supervisor has inherited the others, so its parent process may have them, too.
    pub(crate) own_listeners: usize,
    /// Whether any shard has a metrics listener, so that all measure their turns: 0 or 1.
    pub(crate) measures_turns: u8,
    /// Whether it waits for an order before it serves: 0 or 1.
    pub(crate) waits: u8,
    /// When the server began, in nanoseconds of CLOCK_MONOTONIC.
    pub(crate) began: u64,
    /// The descriptor of the scoreboard.
    pub(crate) scoreboard: RawFd,
    /// The descriptor of the memfd with the table.
    pub(crate) table: RawFd,
    /// The descriptor of the memfd with the rules of the time zone.
    pub(crate) zone: RawFd,
    /// The descriptor of the memfd with the certificates; 0 if there are none.
    pub(crate) certificates: RawFd,
    /// The descriptor of the socket to the supervisor.
    pub(crate) control: RawFd,
    /// The descriptors of the files that it records to.
    pub(crate) recordings: Vec<RawFd>,
    /// The descriptors of the scoreboards of the processes before this server.
    pub(crate) earlier: Vec<RawFd>,
}

impl fmt::Display for ShardSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ShardSpec {
            number,
            scoreboard_slot,
            supervisor,
            own_listeners,
            measures_turns,
            waits,
            began,
            scoreboard,
            table,
            zone,
            certificates,
            control,
            recordings,
            earlier,
        } = self;
        write!(
            f,
            "{number} {scoreboard_slot} {supervisor} {own_listeners} {measures_turns} {waits} \
             {began} {scoreboard} {table} {zone} {certificates} {control} {}",
            recordings.len()
        )?;
        recordings.iter().chain(earlier).try_for_each(|number| write!(f, " {number}"))
    }
}

impl ShardSpec {
    /// Parses the value of the variable.
    fn parse(text: &str) -> Option<ShardSpec> {
        let mut words = text.split(' ');
        let mut number = || words.next()?.parse::<u64>().ok();
        let mut spec = ShardSpec {
            number: number()?.try_into().ok()?,
            scoreboard_slot: number()?.try_into().ok()?,
            supervisor: number()?.try_into().ok()?,
            own_listeners: number()?.try_into().ok()?,
            measures_turns: number()?.try_into().ok()?,
            waits: number()?.try_into().ok()?,
            began: number()?,
            scoreboard: number()?.try_into().ok()?,
            table: number()?.try_into().ok()?,
            zone: number()?.try_into().ok()?,
            certificates: number()?.try_into().ok()?,
            control: number()?.try_into().ok()?,
            recordings: Vec::new(),
            earlier: Vec::new(),
        };
        let recorded = number()?.try_into().ok()?;
        for word in words {
            let is_recording = spec.recordings.len() < recorded;
            let list = if is_recording { &mut spec.recordings } else { &mut spec.earlier };
            list.push(word.parse().ok()?);
        }
        if spec.recordings.len() < recorded {
            return None;
        }
        (spec.scoreboard_slot / SLOTS_PER_SHARD == spec.number).then_some(spec)
    }
}

/// The name of shard `number` in messages; `number` is counted from 0.
pub(crate) fn name(number: usize) -> String {
    format!("shard {}", number + 1)
}

/// The prefix of all messages of this process: its name, if it is a shard.
pub(crate) fn own_prefix() -> String {
    let spec = env::var(VARIABLE).ok().and_then(|text| ShardSpec::parse(&text));
    spec.map(|spec| format!("{}: ", name(spec.number))).unwrap_or_default()
}

/// The time of CLOCK_MONOTONIC, which all processes share, in nanoseconds.
pub(crate) fn monotonic_nanos() -> u64 {
    let time = clock_gettime(ClockId::CLOCK_MONOTONIC).map(Duration::from).unwrap_or_default();
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// Why a process with the variable cannot be a shard.
#[derive(Debug)]
pub(crate) enum ShardError {
    /// The value of the variable is not a [`ShardSpec`].
    NoOrder(String),
    /// The parent process is not the supervisor: it has ended, or another process has set the
    /// variable.
    NoSupervisor,
    /// A descriptor of the variable was not inherited.
    Inherit(InheritError),
    /// The scoreboard cannot be mapped.
    Scoreboard(io::Error),
    /// The table cannot be mapped.
    Table(io::Error),
    /// The rules of the time zone cannot be used.
    Zone(io::Error),
    /// The certificates cannot be used.
    Certificates(io::Error),
    /// The system refused.
    System(io::Error),
}

impl fmt::Display for ShardError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ShardError::NoOrder(text) => write!(
                f,
                "{VARIABLE}={text:?} in the environment is not valid (unset it; --shards starts \
                 shards)"
            ),
            ShardError::NoSupervisor => write!(
                f,
                "the supervisor that {VARIABLE} in the environment names is not the parent process"
            ),
            ShardError::Inherit(error) => write!(f, "{error}"),
            ShardError::Scoreboard(error) => write!(f, "cannot use the statistics: {error}"),
            ShardError::Zone(error) => write!(f, "cannot use the time zone: {error}"),
            ShardError::Certificates(error) => write!(f, "cannot use the certificates: {error}"),
            ShardError::Table(error) => write!(f, "cannot use the table: {error}"),
            ShardError::System(error) => write!(f, "cannot become a shard: prctl: {error}"),
        }
    }
}

/// This process as a shard.
#[derive(Debug)]
pub(crate) struct Shard {
    number: usize,
    own_listeners: usize,
    measures_turns: bool,
    waits: bool,
    table: Table,
    zone: ZoneRules,
    certificates: Option<Certificates>,
    scoreboard_slot: ScoreboardSlot,
    control: Control,
    recordings: Vec<File>,
}

impl Shard {
    /// Reads the variable; `None` if this process is no shard. Call it before the process opens
    /// descriptors of its own.
    pub(crate) fn from_environment() -> Result<Option<Shard>, ShardError> {
        let Some(text) = env::var_os(VARIABLE) else { return Ok(None) };
        let text = text.to_string_lossy();
        let spec = ShardSpec::parse(&text).ok_or_else(|| ShardError::NoOrder(text.into_owned()))?;
        let supervisor = Pid::from_raw(spec.supervisor);
        prctl::set_pdeathsig(Signal::SIGTERM).map_err(|error| ShardError::System(error.into()))?;
        // If the supervisor ended before the prctl(2), no signal will come: the parent is another
        // process by now.
        if getppid() != supervisor {
            return Err(ShardError::NoSupervisor);
        }
        let take = |number| inherited_fd::take(number).map_err(ShardError::Inherit);
        let scoreboard =
            Scoreboard::open(take(spec.scoreboard)?).map_err(ShardError::Scoreboard)?;
        let mut earlier = Vec::new();
        for &number in &spec.earlier {
            let board = Scoreboard::open(take(number)?);
            earlier.push(board.map_err(ShardError::Scoreboard)?);
        }
        let table = Table::map(take(spec.table)?).map_err(ShardError::Table)?;
        let zone = zone::map(take(spec.zone)?).map_err(ShardError::Zone)?;
        let certificates = match spec.certificates {
            0 => None,
            number => Some(Certificates::map(take(number)?).map_err(ShardError::Certificates)?),
        };
        let control = Control::from(take(spec.control)?);
        let mut recordings = Vec::new();
        for &number in &spec.recordings {
            recordings.push(File::from(take(number)?));
        }
        // After execveat(2), ps(1) and top(1) would show the number of the descriptor as the name.
        prctl::set_name(c"readyd").map_err(|error| ShardError::System(error.into()))?;
        let age = Duration::from_nanos(monotonic_nanos().saturating_sub(spec.began));
        let scoreboard_slot = ScoreboardSlot::take(scoreboard, spec.scoreboard_slot, age)
            .map_err(ShardError::Scoreboard)?;
        let scoreboard_slot = scoreboard_slot.after(earlier);
        let number = spec.number;
        Ok(Some(Shard {
            number,
            own_listeners: spec.own_listeners,
            measures_turns: spec.measures_turns == 1,
            waits: spec.waits == 1,
            table,
            zone,
            certificates,
            scoreboard_slot,
            control,
            recordings,
        }))
    }

    /// Which shard it is, from 0.
    pub(crate) fn number(&self) -> usize {
        self.number
    }

    /// How many of its listeners, from the first, no program but the supervisor has.
    pub(crate) fn own_listeners(&self) -> usize {
        self.own_listeners
    }

    /// Whether it measures its turns.
    pub(crate) fn measures_turns(&self) -> bool {
        self.measures_turns
    }

    /// The certificates that it has from the supervisor.
    pub(crate) fn certificates(&self) -> Option<Certificates> {
        self.certificates.clone()
    }

    /// Takes the files that it has from the supervisor to record to. The first process of a shard
    /// has them.
    pub(crate) fn take_recordings(&mut self) -> Vec<File> {
        std::mem::take(&mut self.recordings)
    }

    /// Whether it waits for an order before it serves.
    pub(crate) fn waits(&self) -> bool {
        self.waits
    }

    /// What it has from the supervisor: the shared table and time zone, its slot on the scoreboard,
    /// and the socket to the supervisor.
    pub(crate) fn into_parts(self) -> (Table, ZoneRules, ScoreboardSlot, Control) {
        (self.table, self.zone, self.scoreboard_slot, self.control)
    }
}
