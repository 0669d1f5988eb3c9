//! The trace: every call with its result, every event, every turn. Its hash tells whether two runs
//! of a seed were the same; its end tells what led to a violation.

use super::prng::mix;
use super::sockets::Owner;
use crate::io::clock::Moment;
use crate::io::event_loop::LoopControl;
use crate::io::net::Token;
use crate::io::readiness::Readiness;
use nix::errno::Errno;
use std::collections::VecDeque;
use std::fmt;
use std::io;

/// How much of the end is kept.
const KEPT: usize = 40;

/// What happened.
#[derive(Clone, Copy, Debug)]
pub enum What {
    /// accept(2).
    Accept,
    /// A client under test calls connect(2).
    Connect,
    /// getsockopt(2), SO_ERROR.
    Connected,
    /// getsockname(2).
    LocalAddress,
    /// EPOLL_CTL_ADD.
    Register,
    /// EPOLL_CTL_ADD of a listener.
    RegisterListener,
    /// New handshakes are ignored.
    HoldOff,
    /// New handshakes are let in again.
    Admit,
    /// A question about handshakes in flight.
    Handshakes,
    /// A question about bytes that were sent.
    Output,
    /// EPOLL_CTL_MOD.
    AddWriteInterest,
    /// recv(2).
    Recv,
    /// send(2).
    Send,
    /// shutdown(2).
    Fin,
    /// close(2).
    Close,
    /// close(2) with RST.
    Abort,
    /// close(2) of a listener.
    CloseListener,
    /// clock_gettime(2), the time of day.
    WallTime,
    /// epoll_wait(2) told of a socket.
    Event,
    /// epoll_wait(2) told of a socket that is closed.
    StaleEvent,
    /// The end of a turn of a loop.
    EndTurn,
    /// Bytes or a FIN arrive.
    Arrives,
    /// A scripted peer connects.
    PeerConnects,
    /// A scripted peer sends.
    PeerSends,
    /// A scripted peer reads.
    PeerReads,
    /// A scripted peer sends FIN.
    PeerFin,
    /// The table is replaced.
    Reload,
    /// The new table is at fault.
    BrokenTable,
    /// SIGTERM.
    Terminate,
    /// Time passes without a turn.
    ClockLeap,
    /// The time of day is set.
    WallStep,
    /// No call fails from now on.
    FaultsStop,
}

/// How it went.
#[derive(Clone, Copy, Debug)]
pub enum Outcome {
    /// It succeeded, with this number.
    Count(usize),
    /// It failed.
    Failed(Errno),
    /// What an event told.
    Ready(Readiness),
    /// When the loop is to turn again.
    LoopControl(LoopControl),
    /// It succeeded.
    Done,
}

impl Outcome {
    /// How a call went that returns a number.
    pub fn of(result: &io::Result<usize>) -> Outcome {
        match result {
            Ok(count) => Outcome::Count(*count),
            Err(error) => Outcome::Failed(Errno::from_raw(error.raw_os_error().unwrap_or(0))),
        }
    }

    fn number(self) -> u64 {
        let bits = |ready: Readiness| {
            u64::from(ready.read)
                | u64::from(ready.write) << 1
                | u64::from(ready.read_until_would_block) << 2
        };
        match self {
            Outcome::Count(count) => count as u64,
            Outcome::Failed(errno) => 1 << 40 | errno as u64,
            Outcome::Ready(ready) => 2 << 40 | bits(ready),
            Outcome::LoopControl(LoopControl::Poll) => 3 << 40,
            Outcome::LoopControl(LoopControl::Wait) => 4 << 40,
            Outcome::LoopControl(LoopControl::Stop) => 5 << 40,
            Outcome::LoopControl(LoopControl::WaitUntil(moment)) => mix(moment.as_nanos()),
            Outcome::Done => 6 << 40,
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    step: u64,
    now: Moment,
    who: Owner,
    what: What,
    subject: usize,
    outcome: Outcome,
}

/// Hash and end of all that happened.
#[derive(Debug, Default)]
pub struct Trace {
    /// Two runs with the same hash were the same.
    pub hash: u64,
    /// How many entries there were.
    pub step: u64,
    last: VecDeque<Entry>,
}

impl Trace {
    /// Notes that `who` did `what` to the socket or thing of number `subject`.
    pub fn note(&mut self, now: Moment, who: Owner, what: What, subject: usize, outcome: Outcome) {
        let words = [now.as_nanos(), who as u64, what as u64, subject as u64, outcome.number()];
        self.hash = words.iter().fold(self.hash, |hash, word| mix(hash ^ word));
        if self.last.len() == KEPT {
            self.last.pop_front();
        }
        self.last.push_back(Entry { step: self.step, now, who, what, subject, outcome });
    }

    /// Adds contents to the hash.
    pub fn contents(&mut self, bytes: &[u8]) {
        let mut hash = self.hash ^ bytes.len() as u64;
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            hash = (hash ^ u64::from_le_bytes(word)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            hash ^= hash >> 29;
        }
        self.hash = hash;
    }
}

impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.last.iter().try_for_each(|entry| writeln!(f, "{entry}"))
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Entry { step, now, who, what, subject, outcome } = self;
        let at = now.since(Moment::START).as_secs_f64();
        write!(f, "  step {step:>5}  {at:>12.6} s  {who:?} {what:?} ")?;
        match what {
            What::Event | What::StaleEvent => {
                let token = Token(*subject as u64);
                write!(f, "{}.{}", token.index(), token.generation())?;
            }
            _ => write!(f, "#{subject}")?,
        }
        match outcome {
            Outcome::Count(count) => write!(f, " -> {count}"),
            Outcome::Failed(errno) => write!(f, " -> {errno:?}"),
            Outcome::Ready(ready) => {
                let word = |is: bool, word| if is { word } else { "" };
                let (read, write) = (word(ready.read, " read"), word(ready.write, " write"));
                write!(f, " ->{read}{write}{}", word(ready.read_until_would_block, " read-on"))
            }
            Outcome::LoopControl(LoopControl::WaitUntil(moment)) => {
                write!(f, " -> wait until {:.6}", moment.since(Moment::START).as_secs_f64())
            }
            Outcome::LoopControl(next) => write!(f, " -> {next:?}"),
            Outcome::Done => Ok(()),
        }
    }
}
