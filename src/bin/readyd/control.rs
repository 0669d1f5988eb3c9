//! The messages between a supervisor and its running shards, through a socket pair for each shard.
//!
//! Invariant: no side blocks on the other. If the other's socket is full, the message is not sent,
//! and the sender gets an error.

use crate::child::FAILURE;
use readyd::os::inherited_fd::fd_passing::{self, Note};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixDatagram;

/// A message of a supervisor to a shard.
#[derive(Debug)]
pub(crate) enum Instruction {
    /// Use the table in this memfd. It is absent if this process had no free descriptor.
    UseTable { version: u64, memory: Option<OwnedFd> },
    /// The table could not be loaded again; the old one stays.
    KeepTable,
    /// Use the rules of the time zone in this memfd, likewise.
    UseZone { version: u64, memory: Option<OwnedFd> },
    /// Take limits and log level from the configuration in this memfd, likewise.
    UseConfig { version: u64, memory: Option<OwnedFd> },
    /// Use the certificates in this memfd, likewise.
    UseCertificates { version: u64, memory: Option<OwnedFd> },
    /// Turn the loop once, so that the scoreboard shows that it turns.
    Turn,
    /// The whole server stops: serve the clients that wait in the backlog, and end.
    ServeBacklog,
    /// Another process serves the backlog: leave it.
    LeaveBacklog,
    /// If there is no client, and none in the backlog, stop accepting; answer whether that is so.
    HoldIfIdle { question: u64 },
    /// Accept clients again.
    AdmitAgain,
    /// Begin to serve: an old process leaves the listeners.
    Open,
    /// A new process serves the listeners: close them, and serve the clients that are there.
    HandOver,
}

/// A message of a shard to its supervisor.
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
    /// It uses this configuration.
    HasConfig { version: u64 },
    /// It could not take this configuration, and uses the old one.
    LacksConfig { version: u64 },
    /// It uses these certificates.
    HasCertificates { version: u64 },
    /// It could not take these certificates, and uses the old ones.
    LacksCertificates { version: u64 },
    /// It is about to wait for clients.
    Serves,
    /// It got a signal to stop, and drains: a successor may start.
    Drains,
    /// It has no client, and accepts none.
    IsIdle { question: u64 },
    /// It has clients.
    IsBusy { question: u64 },
    /// execveat(2) of the program failed with this errno; the process exits.
    CannotExecute { errno: i32 },
}

const USE_TABLE: u8 = b'T';
const KEEP_TABLE: u8 = b'K';
const USE_ZONE: u8 = b'Z';
const USE_CONFIG: u8 = b'C';
const USE_CERTIFICATES: u8 = b'X';
const TURN: u8 = b'P';
const SERVE_BACKLOG: u8 = b'S';
const LEAVE_BACKLOG: u8 = b'L';
const HOLD_IF_IDLE: u8 = b'H';
const ADMIT_AGAIN: u8 = b'A';
const OPEN: u8 = b'O';
const HAND_OVER: u8 = b'V';

const HAS_TABLE: u8 = b't';
const LACKS_TABLE: u8 = b'f';
const HAS_ZONE: u8 = b'z';
const LACKS_ZONE: u8 = b'g';
const HAS_CONFIG: u8 = b'c';
const LACKS_CONFIG: u8 = b'e';
const HAS_CERTIFICATES: u8 = b'k';
const LACKS_CERTIFICATES: u8 = b'l';
const SERVES: u8 = b's';
const DRAINS: u8 = b'd';
const IS_IDLE: u8 = b'i';
const IS_BUSY: u8 = b'b';

/// The supervisor's end of the socket pair.
#[derive(Debug)]
pub(crate) struct Line(UnixDatagram);

impl Line {
    /// Makes a socket pair.
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
    /// When the socket of the shard is full, or the shard is gone.
    pub(crate) fn use_table(&self, version: u64, memory: BorrowedFd<'_>) -> io::Result<()> {
        fd_passing::send(&self.0, Note { kind: USE_TABLE, number: version }, Some(memory))
    }

    /// # Errors
    ///
    /// As of [`Line::use_table`].
    pub(crate) fn use_zone(&self, version: u64, memory: BorrowedFd<'_>) -> io::Result<()> {
        fd_passing::send(&self.0, Note { kind: USE_ZONE, number: version }, Some(memory))
    }

    /// # Errors
    ///
    /// As of [`Line::use_table`].
    pub(crate) fn use_config(&self, version: u64, memory: BorrowedFd<'_>) -> io::Result<()> {
        fd_passing::send(&self.0, Note { kind: USE_CONFIG, number: version }, Some(memory))
    }

    /// # Errors
    ///
    /// As of [`Line::use_table`].
    pub(crate) fn use_certificates(&self, version: u64, memory: BorrowedFd<'_>) -> io::Result<()> {
        fd_passing::send(&self.0, Note { kind: USE_CERTIFICATES, number: version }, Some(memory))
    }

    /// As [`Instruction::KeepTable`]. If the socket of the shard is full, the message is dropped.
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

    /// As [`Instruction::Open`].
    pub(crate) fn open(&self) {
        self.tell(OPEN, 0);
    }

    /// As [`Instruction::HandOver`].
    pub(crate) fn hand_over(&self) {
        self.tell(HAND_OVER, 0);
    }

    /// Errors are ignored: a shard that is gone needs no message, and the watchdog finds one that
    /// is stuck.
    fn tell(&self, kind: u8, number: u64) {
        let _ = fd_passing::send(&self.0, Note { kind, number }, None);
    }

    /// The next message of the shard.
    pub(crate) fn answer(&self) -> Option<Answer> {
        loop {
            let (Note { kind, number }, _) = fd_passing::receive(&self.0).ok()??;
            return Some(match kind {
                HAS_TABLE => Answer::HasTable { version: number },
                LACKS_TABLE => Answer::LacksTable { version: number },
                HAS_ZONE => Answer::HasZone { version: number },
                LACKS_ZONE => Answer::LacksZone { version: number },
                HAS_CONFIG => Answer::HasConfig { version: number },
                LACKS_CONFIG => Answer::LacksConfig { version: number },
                HAS_CERTIFICATES => Answer::HasCertificates { version: number },
                LACKS_CERTIFICATES => Answer::LacksCertificates { version: number },
                SERVES => Answer::Serves,
                DRAINS => Answer::Drains,
                IS_IDLE => Answer::IsIdle { question: number },
                IS_BUSY => Answer::IsBusy { question: number },
                FAILURE => {
                    Answer::CannotExecute { errno: i32::try_from(number).unwrap_or_default() }
                }
                // Perhaps a kind of another version of the program.
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

/// The shard's end of the socket pair.
#[derive(Debug)]
pub(crate) struct Control(UnixDatagram);

impl From<OwnedFd> for Control {
    /// The socket that the shard has inherited.
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
                    log::error!("cannot read a message of the supervisor: {error}");
                    return None;
                }
            };
            return Some(match kind {
                USE_TABLE => Instruction::UseTable { version: number, memory },
                KEEP_TABLE => Instruction::KeepTable,
                USE_ZONE => Instruction::UseZone { version: number, memory },
                USE_CONFIG => Instruction::UseConfig { version: number, memory },
                USE_CERTIFICATES => Instruction::UseCertificates { version: number, memory },
                TURN => Instruction::Turn,
                SERVE_BACKLOG => Instruction::ServeBacklog,
                LEAVE_BACKLOG => Instruction::LeaveBacklog,
                HOLD_IF_IDLE => Instruction::HoldIfIdle { question: number },
                ADMIT_AGAIN => Instruction::AdmitAgain,
                OPEN => Instruction::Open,
                HAND_OVER => Instruction::HandOver,
                _ => continue,
            });
        }
    }

    /// # Errors
    ///
    /// When the supervisor is gone, or its socket is full.
    pub(crate) fn answer(&self, answer: Answer) -> io::Result<()> {
        let (kind, number) = match answer {
            Answer::HasTable { version } => (HAS_TABLE, version),
            Answer::LacksTable { version } => (LACKS_TABLE, version),
            Answer::HasZone { version } => (HAS_ZONE, version),
            Answer::LacksZone { version } => (LACKS_ZONE, version),
            Answer::HasConfig { version } => (HAS_CONFIG, version),
            Answer::LacksConfig { version } => (LACKS_CONFIG, version),
            Answer::HasCertificates { version } => (HAS_CERTIFICATES, version),
            Answer::LacksCertificates { version } => (LACKS_CERTIFICATES, version),
            Answer::Serves => (SERVES, 0),
            Answer::Drains => (DRAINS, 0),
            Answer::IsIdle { question } => (IS_IDLE, question),
            Answer::IsBusy { question } => (IS_BUSY, question),
            Answer::CannotExecute { errno } => (FAILURE, u64::from(errno.unsigned_abs())),
        };
        fd_passing::send(&self.0, Note { kind, number }, None)
    }
}
