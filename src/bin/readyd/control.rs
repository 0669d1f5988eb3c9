//! What a supervisor and its shards tell each other while they run, through a socket pair for each
//! shard.
//!
//! Invariant: no side waits for the other. A note that the other's socket has no room for is not
//! sent, and the sender is told.

use crate::child::FAILURE;
use readyd::os::inherited_fd::fd_passing::{self, Note};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixDatagram;

/// What a supervisor tells a shard.
#[derive(Debug)]
pub(crate) enum Instruction {
    /// Use the table in this memory. There is none if this process had no descriptor for it.
    UseTable { version: u64, memory: Option<OwnedFd> },
    /// The table could not be loaded again; the old one stays.
    KeepTable,
    /// Use the rules of the time zone in this memory, likewise.
    UseZone { version: u64, memory: Option<OwnedFd> },
    /// Turn the loop once, so that the statistics show that it turns.
    Turn,
    /// The whole server stops: serve the clients that wait in the backlog, and end.
    ServeBacklog,
    /// Another process serves the backlog: leave it.
    LeaveBacklog,
    /// If no client is here and none waits in the backlog, let no new one connect; and say which it
    /// is.
    HoldIfIdle { question: u64 },
    /// Let clients connect again.
    AdmitAgain,
}

/// What a shard tells its supervisor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// It uses this table.
    HasTable { version: u64 },
    /// It could not take this table, and uses the old one.
    LacksTable { version: u64 },
    /// It uses these rules of the time zone.
    HasZone { version: u64 },
    /// It could not take these rules of the time zone, and uses the old ones.
    LacksZone { version: u64 },
    /// It was told to end by a signal, and drains: a successor may take its place.
    Drains,
    /// It has no client, and lets none connect.
    IsIdle { question: u64 },
    /// It has clients.
    IsBusy { question: u64 },
    /// It could not execute the program, with this errno of execveat(2), and ends.
    CannotExecute { errno: i32 },
}

const USE_TABLE: u8 = b'T';
const KEEP_TABLE: u8 = b'K';
const USE_ZONE: u8 = b'Z';
const TURN: u8 = b'P';
const SERVE_BACKLOG: u8 = b'S';
const LEAVE_BACKLOG: u8 = b'L';
const HOLD_IF_IDLE: u8 = b'H';
const ADMIT_AGAIN: u8 = b'A';

const HAS_TABLE: u8 = b't';
const LACKS_TABLE: u8 = b'f';
const HAS_ZONE: u8 = b'z';
const LACKS_ZONE: u8 = b'g';
const DRAINS: u8 = b'd';
const IS_IDLE: u8 = b'i';
const IS_BUSY: u8 = b'b';

/// The supervisor's end.
#[derive(Debug)]
pub(crate) struct Line(UnixDatagram);

impl Line {
    /// Both ends.
    ///
    /// # Errors
    ///
    /// When the system has no descriptors.
    pub(crate) fn pair() -> io::Result<(Line, Control)> {
        let (ours, theirs) = UnixDatagram::pair()?;
        Ok((Line(ours), Control(theirs)))
    }

    /// # Errors
    ///
    /// When the shard does not take its notes, or is gone.
    pub(crate) fn use_table(&self, version: u64, memory: BorrowedFd<'_>) -> io::Result<()> {
        fd_passing::send(&self.0, Note { kind: USE_TABLE, number: version }, Some(memory))
    }

    /// # Errors
    ///
    /// As of [`Line::use_table`].
    pub(crate) fn use_zone(&self, version: u64, memory: BorrowedFd<'_>) -> io::Result<()> {
        fd_passing::send(&self.0, Note { kind: USE_ZONE, number: version }, Some(memory))
    }

    /// As [`Instruction::KeepTable`]. A shard that does not take its notes is not told.
    pub(crate) fn keep_table(&self) {
        self.tell(KEEP_TABLE, 0);
    }

    /// As [`Instruction::Turn`].
    pub(crate) fn turn(&self) {
        self.tell(TURN, 0);
    }

    /// As [`Instruction::ServeBacklog`].
    pub(crate) fn serve_backlog(&self) {
        self.tell(SERVE_BACKLOG, 0);
    }

    /// As [`Instruction::LeaveBacklog`].
    pub(crate) fn leave_backlog(&self) {
        self.tell(LEAVE_BACKLOG, 0);
    }

    /// As [`Instruction::HoldIfIdle`].
    pub(crate) fn hold_if_idle(&self, question: u64) {
        self.tell(HOLD_IF_IDLE, question);
    }

    /// As [`Instruction::AdmitAgain`].
    pub(crate) fn admit_again(&self) {
        self.tell(ADMIT_AGAIN, 0);
    }

    /// Without an outcome: a shard that is gone needs no note, and one that is stuck is found by
    /// its turns.
    fn tell(&self, kind: u8, number: u64) {
        let _ = fd_passing::send(&self.0, Note { kind, number }, None);
    }

    /// The next thing that the shard has said.
    pub(crate) fn answer(&self) -> Option<Answer> {
        loop {
            let (Note { kind, number }, _) = fd_passing::receive(&self.0).ok()??;
            return Some(match kind {
                HAS_TABLE => Answer::HasTable { version: number },
                LACKS_TABLE => Answer::LacksTable { version: number },
                HAS_ZONE => Answer::HasZone { version: number },
                LACKS_ZONE => Answer::LacksZone { version: number },
                DRAINS => Answer::Drains,
                IS_IDLE => Answer::IsIdle { question: number },
                IS_BUSY => Answer::IsBusy { question: number },
                FAILURE => {
                    Answer::CannotExecute { errno: i32::try_from(number).unwrap_or_default() }
                }
                // Of another version of the program, perhaps.
                _ => continue,
            });
        }
    }
}

impl AsFd for Line {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// The shard's end.
#[derive(Debug)]
pub(crate) struct Control(UnixDatagram);

impl From<OwnedFd> for Control {
    /// What the shard has inherited.
    fn from(descriptor: OwnedFd) -> Control {
        Control(descriptor.into())
    }
}

impl AsFd for Control {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl Control {
    /// The next instruction, oldest first.
    pub(crate) fn instruction(&self) -> Option<Instruction> {
        loop {
            let (Note { kind, number }, memory) = match fd_passing::receive(&self.0) {
                Ok(note) => note?,
                Err(error) => {
                    log::error!("cannot read the supervisor's notes: {error}");
                    return None;
                }
            };
            return Some(match kind {
                USE_TABLE => Instruction::UseTable { version: number, memory },
                KEEP_TABLE => Instruction::KeepTable,
                USE_ZONE => Instruction::UseZone { version: number, memory },
                TURN => Instruction::Turn,
                SERVE_BACKLOG => Instruction::ServeBacklog,
                LEAVE_BACKLOG => Instruction::LeaveBacklog,
                HOLD_IF_IDLE => Instruction::HoldIfIdle { question: number },
                ADMIT_AGAIN => Instruction::AdmitAgain,
                _ => continue,
            });
        }
    }

    /// # Errors
    ///
    /// When the supervisor is gone, or takes no notes.
    pub(crate) fn answer(&self, answer: Answer) -> io::Result<()> {
        let (kind, number) = match answer {
            Answer::HasTable { version } => (HAS_TABLE, version),
            Answer::LacksTable { version } => (LACKS_TABLE, version),
            Answer::HasZone { version } => (HAS_ZONE, version),
            Answer::LacksZone { version } => (LACKS_ZONE, version),
            Answer::Drains => (DRAINS, 0),
            Answer::IsIdle { question } => (IS_IDLE, question),
            Answer::IsBusy { question } => (IS_BUSY, question),
            Answer::CannotExecute { errno } => (FAILURE, u64::from(errno.unsigned_abs())),
        };
        fd_passing::send(&self.0, Note { kind, number }, None)
    }
}
