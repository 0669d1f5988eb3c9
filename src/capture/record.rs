//! What a capture is made of: one record for each thing that a server was told, and for each call
//! with its outcome.
//!
//! Invariant: decoding takes any bytes, allocates nothing, and gives back what was encoded.

use super::wire::{Fault, Source, Writer};
use crate::io::address::Peer;
use crate::io::clock::{Moment, WallTime};
use crate::io::host::Usage;
use crate::io::net::{Handshakes, Output, TlsError, TlsFailure, Token, Told};
use crate::io::readiness::Interest;
use crate::server::stats::publishing::Shards;
use fields::{accepted, call, flag, length, nanos, numbers, one_of, outcome, output, put_accepted};
use fields::{put_call, put_outcome, put_output, put_token, stream, token};
use std::io::{self, ErrorKind};
use std::time::Duration;

mod encrypted;
mod fields;
mod told;

pub use encrypted::Encrypted;

#[cfg(test)]
mod tests;

/// The number of a connection: they are counted from 1 as they are accepted.
pub type Stream = u32;

/// Something that happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Record<'a> {
    /// What the server was told, or told of itself.
    Told(Told<'a>),
    /// The server was told to use a table that it had before: the first has the number 0.
    TableAgain(u64),
    /// A stream was registered.
    Register {
        /// Which.
        stream: Stream,
        /// Under which token.
        token: Token,
        /// For which events.
        interest: Interest,
        /// The outcome.
        outcome: Outcome,
    },
    /// A stream was registered for writing, too.
    AddWriteInterest {
        /// Which.
        stream: Stream,
        /// Under which token.
        token: Token,
        /// The outcome.
        outcome: Outcome,
    },
    /// recv(2).
    Recv {
        /// From which stream.
        stream: Stream,
        /// How many bytes there was room for.
        room: u64,
        /// What came.
        outcome: Result<&'a [u8], CallError>,
    },
    /// send(2).
    Send {
        /// To which stream.
        stream: Stream,
        /// How many bytes were to be sent.
        asked: u64,
        /// What was taken.
        outcome: Result<Taken, CallError>,
    },
    /// The kernel was asked what has become of what was sent.
    Output {
        /// To which stream.
        stream: Stream,
        /// What has.
        output: Output,
    },
    /// FIN was sent.
    SendFin {
        /// To which stream.
        stream: Stream,
        /// The outcome.
        outcome: Outcome,
    },
    /// A stream was closed with RST.
    Abort {
        /// Which.
        stream: Stream,
    },
    /// accept(2).
    Accept {
        /// From which listener.
        listener: u32,
        /// What came.
        outcome: Accepted,
    },
    /// Something was asked of a listener.
    Listener {
        /// The number of the listener.
        listener: u32,
        /// What was asked.
        call: ListenerCall,
        /// The outcome.
        outcome: Outcome,
    },
    /// The kernel was asked for handshakes in flight.
    Handshakes {
        /// With how many listeners.
        listeners: u32,
        /// The answer.
        answer: Handshakes,
    },
    /// The wall clock was read.
    WallTime(WallTime),
    /// The process was asked what it has used.
    Usage(Usage),
    /// The clock of turns was read in the middle of one.
    TimeInTurn(Option<Moment>),
    /// Freed memory was given back.
    GiveMemoryBack,
    /// The places of connections take this many bytes, from now on.
    PlacesMemory(u64),
    /// A shard published its statistics.
    Published,
    /// A shard asked for the statistics of all: numbers, each as in a record.
    Total(&'a [u8]),
    /// A shard asked for the statistics of each: of each shard how many numbers, and the numbers.
    Each(&'a [u8]),
    /// A shard asked what is known of all.
    Shards(Shards),
    /// Something was asked of an encrypted stream.
    Encrypted(Encrypted),
    /// The capture ended here, though the server went on.
    End(EndCause),
}

/// The outcome of a call that returns nothing.
pub type Outcome = Result<(), CallError>;

/// What send(2) took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taken {
    /// How many bytes.
    pub count: u64,
    /// Their [sum](super::wire::sum).
    pub sum: u32,
}

/// What was asked of a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListenerCall {
    /// To be registered, under this token.
    Register(Token),
    /// Not to be registered any more.
    Deregister,
    /// To hold off new handshakes.
    HoldOff,
    /// To let new handshakes in again.
    Admit,
    /// To refuse newcomers.
    Refuse,
}

/// The outcome of accept(2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accepted {
    /// A connection; it has the next number.
    Connection(Peer),
    /// None waits.
    NoneWaiting,
    /// A signal came.
    Interrupted,
    /// A client was lost.
    Lost,
    /// The system lacks something.
    Failed(CallError),
}

/// Why a capture ended before its server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndCause {
    /// Its size is reached.
    Size,
    /// The disk is slower than the server.
    Lag,
}

/// An error of a call: its errno if it has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallError {
    /// The system's number.
    Errno(i32),
    /// Another kind of error.
    Kind(ErrorKind),
    /// Encryption failed.
    Tls(TlsFailure),
}

/// The kinds that have numbers in a capture, in this order.
const KINDS: [ErrorKind; 8] = [
    ErrorKind::Other,
    ErrorKind::WouldBlock,
    ErrorKind::Interrupted,
    ErrorKind::ConnectionReset,
    ErrorKind::BrokenPipe,
    ErrorKind::NotConnected,
    ErrorKind::TimedOut,
    ErrorKind::OutOfMemory,
];

impl From<&io::Error> for CallError {
    fn from(error: &io::Error) -> CallError {
        if let Some(failure) = TlsFailure::of(error) {
            return CallError::Tls(failure);
        }
        match error.raw_os_error() {
            Some(errno) => CallError::Errno(errno),
            None if KINDS.contains(&error.kind()) => CallError::Kind(error.kind()),
            None => CallError::Kind(ErrorKind::Other),
        }
    }
}

impl From<CallError> for io::Error {
    fn from(error: CallError) -> io::Error {
        match error {
            CallError::Errno(errno) => io::Error::from_raw_os_error(errno),
            CallError::Kind(kind) => kind.into(),
            CallError::Tls(failure) => TlsError::from(failure).into(),
        }
    }
}

/// A moment in nanoseconds. No clock reads the number for none.
fn nanos_or_never(time: Option<Moment>) -> u64 {
    time.unwrap_or(Moment::NEVER).as_nanos()
}

/// What a record is called in a capture: its first byte. Those of [`told`] are below.
const TABLE_AGAIN: u8 = 32;
const REGISTER: u8 = 33;
const ADD_WRITE_INTEREST: u8 = 34;
const RECV: u8 = 35;
const SEND: u8 = 36;
const OUTPUT: u8 = 37;
const SEND_FIN: u8 = 38;
const ABORT: u8 = 39;
const ACCEPT: u8 = 40;
const LISTENER: u8 = 41;
const HANDSHAKES: u8 = 42;
const WALL_TIME: u8 = 43;
const USAGE: u8 = 44;
const GIVE_MEMORY_BACK: u8 = 45;
const PLACES_MEMORY: u8 = 46;
const PUBLISHED: u8 = 47;
const TOTAL: u8 = 48;
const SHARDS: u8 = 49;
const END: u8 = 50;
const EACH: u8 = 51;
const TIME_IN_TURN: u8 = 52;

impl Record<'_> {
    /// Writes the record down.
    pub(super) fn encode(&self, to: &mut Writer) {
        match *self {
            Record::Told(told) => told::encode(told, to),
            Record::TableAgain(number) => numbers(to, TABLE_AGAIN, &[number]),
            Record::Register { stream, token, interest, outcome } => {
                let interest = u64::from(interest == Interest::ReadWrite);
                numbers(to, REGISTER, &[stream.into(), interest]);
                put_token(to, token);
                put_outcome(to, outcome.map(|()| 0));
            }
            Record::AddWriteInterest { stream, token, outcome } => {
                numbers(to, ADD_WRITE_INTEREST, &[stream.into()]);
                put_token(to, token);
                put_outcome(to, outcome.map(|()| 0));
            }
            Record::Recv { stream, room, outcome } => {
                numbers(to, RECV, &[stream.into(), room]);
                put_outcome(to, outcome.map(|bytes| bytes.len() as u64));
                to.bytes.extend_from_slice(outcome.unwrap_or_default());
            }
            Record::Send { stream, asked, outcome } => {
                numbers(to, SEND, &[stream.into(), asked]);
                put_outcome(to, outcome.map(|taken| taken.count));
                if let Ok(taken) = outcome {
                    to.bytes.extend_from_slice(&taken.sum.to_le_bytes());
                }
            }
            Record::Output { stream, output } => put_output(to, stream, output),
            Record::SendFin { stream, outcome } => {
                numbers(to, SEND_FIN, &[stream.into()]);
                put_outcome(to, outcome.map(|()| 0));
            }
            Record::Abort { stream } => numbers(to, ABORT, &[stream.into()]),
            Record::Accept { listener, outcome } => {
                numbers(to, ACCEPT, &[listener.into()]);
                put_accepted(to, outcome);
            }
            Record::Listener { listener, call, outcome } => {
                numbers(to, LISTENER, &[listener.into()]);
                put_call(to, call);
                put_outcome(to, outcome.map(|()| 0));
            }
            Record::Handshakes { listeners, answer } => {
                numbers(to, HANDSHAKES, &[listeners.into(), answer as u64]);
            }
            Record::WallTime(WallTime { seconds, nanos }) => {
                numbers(to, WALL_TIME, &[seconds, nanos.into()]);
            }
            Record::Usage(Usage { process_id, cpu, resident_bytes }) => {
                numbers(to, USAGE, &[process_id.into(), nanos(cpu), resident_bytes]);
            }
            Record::TimeInTurn(time) => numbers(to, TIME_IN_TURN, &[nanos_or_never(time)]),
            Record::GiveMemoryBack => to.byte(GIVE_MEMORY_BACK),
            Record::PlacesMemory(bytes) => numbers(to, PLACES_MEMORY, &[bytes]),
            Record::Published => to.byte(PUBLISHED),
            Record::Total(numbers) => {
                to.byte(TOTAL);
                to.bytes(numbers);
            }
            Record::Each(numbers) => {
                to.byte(EACH);
                to.bytes(numbers);
            }
            Record::Shards(Shards { count, answering, with_newest_table }) => {
                numbers(to, SHARDS, &[count, answering, with_newest_table]);
            }
            Record::Encrypted(encrypted) => encrypted.encode(to),
            Record::End(cause) => numbers(to, END, &[cause as u64]),
        }
    }

    /// Reads the next record.
    pub(super) fn decode<'a>(from: &mut Source<'a>) -> Result<Record<'a>, Fault> {
        let kind = from.byte()?;
        if kind < TABLE_AGAIN {
            return Ok(Record::Told(told::decode(kind, from)?));
        }
        Ok(match kind {
            TABLE_AGAIN => Record::TableAgain(from.number()?),
            REGISTER => {
                let stream = stream(from)?;
                let interest = if flag(from)? { Interest::ReadWrite } else { Interest::Read };
                let token = token(from)?;
                Record::Register { stream, token, interest, outcome: outcome(from)?.map(|_| ()) }
            }
            ADD_WRITE_INTEREST => {
                let (stream, token) = (stream(from)?, token(from)?);
                Record::AddWriteInterest { stream, token, outcome: outcome(from)?.map(|_| ()) }
            }
            RECV => {
                let (stream, room) = (stream(from)?, from.number()?);
                let outcome = match outcome(from)? {
                    Ok(count) if count > room => return Err(Fault::Value("what recv(2) returned")),
                    Ok(count) => Ok(from.cursor.take(length(count)?)?),
                    Err(error) => Err(error),
                };
                Record::Recv { stream, room, outcome }
            }
            SEND => {
                let (stream, asked) = (stream(from)?, from.number()?);
                let outcome = match outcome(from)? {
                    Ok(count) if count > asked => {
                        return Err(Fault::Value("what send(2) returned"));
                    }
                    Ok(count) => Ok(Taken { count, sum: u32::from_le_bytes(from.cursor.array()?) }),
                    Err(error) => Err(error),
                };
                Record::Send { stream, asked, outcome }
            }
            OUTPUT => Record::Output { stream: stream(from)?, output: output(from)? },
            SEND_FIN => {
                Record::SendFin { stream: stream(from)?, outcome: outcome(from)?.map(|_| ()) }
            }
            ABORT => Record::Abort { stream: stream(from)? },
            ACCEPT => Record::Accept { listener: stream(from)?, outcome: accepted(from)? },
            LISTENER => {
                let (listener, call) = (stream(from)?, call(from)?);
                Record::Listener { listener, call, outcome: outcome(from)?.map(|_| ()) }
            }
            _ => Record::decode_other(kind, from)?,
        })
    }

    fn decode_other<'a>(kind: u8, from: &mut Source<'a>) -> Result<Record<'a>, Fault> {
        Ok(match kind {
            HANDSHAKES => {
                let listeners = stream(from)?;
                let answers = [Handshakes::None, Handshakes::InFlight, Handshakes::Unknown];
                Record::Handshakes { listeners, answer: one_of(&answers, from)? }
            }
            WALL_TIME => {
                let (seconds, nanos) = (from.number()?, from.narrow("a wall time")?);
                Record::WallTime(WallTime { seconds, nanos })
            }
            USAGE => Record::Usage(Usage {
                process_id: from.narrow("the number of a process")?,
                cpu: Duration::from_nanos(from.number()?),
                resident_bytes: from.number()?,
            }),
            TIME_IN_TURN => {
                let time = Moment::from_nanos(from.number()?);
                Record::TimeInTurn(Some(time).filter(|&time| time != Moment::NEVER))
            }
            GIVE_MEMORY_BACK => Record::GiveMemoryBack,
            PLACES_MEMORY => Record::PlacesMemory(from.number()?),
            PUBLISHED => Record::Published,
            TOTAL => Record::Total(from.bytes()?),
            EACH => Record::Each(from.bytes()?),
            SHARDS => Record::Shards(Shards {
                count: from.number()?,
                answering: from.number()?,
                with_newest_table: from.number()?,
            }),
            END => Record::End(one_of(&[EndCause::Size, EndCause::Lag], from)?),
            encrypted::BEGIN..=encrypted::MORE => Record::Encrypted(Encrypted::decode(kind, from)?),
            kind => return Err(Fault::Kind(kind)),
        })
    }
}
