//! Records in words, for the place at which a server differs.

use crate::capture::record::{Accepted, CallError, Encrypted, ListenerCall, Outcome, Record};
use crate::io::net::{Token, Told};
use crate::server::close::CloseReason;
use std::fmt;
use std::io;

/// What a server does, put into words only if that is not what was captured.
#[derive(Clone, Copy)]
pub(super) enum Words<'a> {
    /// A record with the outcome that is not known yet.
    Record(&'a Record<'a>),
    /// A call.
    Call(&'static str, Option<u32>),
    /// recv(2), with room.
    Recv(u32, usize),
    /// send(2) of bytes.
    Send(u32, usize),
    /// A registration.
    Register(&'static str, u32, Token),
    /// Something else.
    Other(&'static str),
}

impl fmt::Display for Words<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Words::Record(record) => f.write_str(&describe(record)),
            Words::Call(what, None) => f.write_str(what),
            Words::Call(what, Some(number)) => write!(f, "{what} {number}"),
            Words::Recv(stream, room) => {
                write!(f, "recv from connection {stream} with room for {room} bytes")
            }
            Words::Send(stream, count) => {
                write!(f, "send of {count} bytes to connection {stream}, perhaps of others")
            }
            Words::Register(what, stream, token) => {
                write!(f, "{what} {stream} as {}", in_words(token))
            }
            Words::Other(what) => f.write_str(what),
        }
    }
}

/// A record in words.
pub fn describe(record: &Record<'_>) -> String {
    match *record {
        Record::Told(told) => describe_told(told),
        Record::TableAgain(number) => format!("the order to use table {number} again"),
        Record::Register { stream, token, outcome, .. } => {
            format!("register connection {stream} as {}{}", in_words(token), ending(outcome))
        }
        Record::AddWriteInterest { stream, outcome, .. } => {
            format!("register connection {stream} for writing{}", ending(outcome))
        }
        Record::Recv { stream, room, outcome } => {
            let outcome = in_words_or_error(outcome.map(|bytes| bytes.len() as u64));
            format!("recv from connection {stream} with room for {room} bytes ({outcome})")
        }
        Record::Send { stream, asked, outcome } => {
            let outcome = in_words_or_error(outcome.map(|taken| taken.count));
            format!("send of {asked} bytes to connection {stream} ({outcome})")
        }
        Record::Output { stream, .. } => format!("a look at the output of connection {stream}"),
        Record::SendFin { stream, outcome } => {
            format!("FIN to connection {stream}{}", ending(outcome))
        }
        Record::Abort { stream } => format!("RST to connection {stream}"),
        Record::Accept { listener, outcome } => {
            let outcome = match outcome {
                Accepted::Connection(peer) => peer.to_string(),
                Accepted::NoneWaiting => "none waits".to_owned(),
                Accepted::Interrupted => "a signal came".to_owned(),
                Accepted::Lost => "the client was lost".to_owned(),
                Accepted::Failed(error) => io::Error::from(error).to_string(),
            };
            format!("accept from listener {listener} ({outcome})")
        }
        Record::Listener { listener, call, outcome } => {
            let call = match call {
                ListenerCall::Register(_) => "register",
                ListenerCall::Deregister => "deregister",
                ListenerCall::HoldOff => "hold off handshakes with",
                ListenerCall::Admit => "admit handshakes with",
                ListenerCall::Refuse => "refuse newcomers of",
            };
            format!("{call} listener {listener}{}", ending(outcome))
        }
        Record::Handshakes { listeners, .. } => {
            format!("a look at handshakes with {listeners} listeners")
        }
        Record::WallTime(time) => format!("a look at the wall clock ({time})"),
        Record::Usage(_) => "a look at what the process has used".to_owned(),
        Record::TimeInTurn(_) => "a look at the clock of turns".to_owned(),
        Record::GiveMemoryBack => "memory given back".to_owned(),
        Record::PlacesMemory(bytes) => format!("{bytes} bytes for the places of connections"),
        Record::Published => "statistics published".to_owned(),
        Record::Total(_) => "a look at the statistics of all shards".to_owned(),
        Record::Each(_) => "a look at the statistics of each shard".to_owned(),
        Record::Shards(_) => "a look at how many shards answer".to_owned(),
        Record::Encrypted(encrypted) => describe_encrypted(encrypted),
        Record::End(_) => "the end of the capture".to_owned(),
    }
}

fn describe_encrypted(encrypted: Encrypted) -> String {
    let stream = encrypted.stream();
    match encrypted {
        Encrypted::Begin { outcome, .. } => {
            format!("encrypt connection {stream}{}", ending(outcome))
        }
        Encrypted::State { .. } => format!("a look at the encryption of connection {stream}"),
        Encrypted::Sent { outcome, .. } => {
            format!("send what encrypts connection {stream}{}", ending(outcome))
        }
        Encrypted::CloseNotify { outcome, .. } => {
            format!("close_notify to connection {stream}{}", ending(outcome))
        }
        Encrypted::More { .. } => format!("more to read from connection {stream}"),
    }
}

fn describe_told(told: Told<'_>) -> String {
    match told {
        Told::Ready(token, _) => format!("an event for {}", in_words(token)),
        Told::Woken(wakeup) => format!("a wake-up ({wakeup:?})"),
        Told::Turn(_) => "the beginning of a turn".to_owned(),
        Told::TurnEnded { next, .. } => format!("the end of the turn (next: {next:?})"),
        Told::Table { text, .. } => format!("the order to use a table of {} bytes", text.len()),
        Told::TableKept => "the order to keep the table".to_owned(),
        Told::Zone(_) => "the order to use a time zone".to_owned(),
        Told::Limits(_) => "the order to keep other limits".to_owned(),
        Told::Statistics(_) => "the order to tell the statistics".to_owned(),
        Told::Visit(token) => format!("a visit to {}", in_words(token)),
        Told::Closed { token, reason, is_reset } => {
            let reason = CloseReason::ALL.get(usize::from(reason));
            let reason = reason.map_or("a reason that does not exist", |reason| reason.word());
            let how = if is_reset { "reset" } else { "closed" };
            format!("{} {how} ({reason})", in_words(token))
        }
        Told::Drain(_)
        | Told::DrainAndWait(_)
        | Told::LeaveBacklog
        | Told::ServeBacklog(_)
        | Told::HandOver(_)
        | Told::HoldIfIdle(_)
        | Told::AdmitAgain(_) => format!("the order {told:?}"),
    }
}

/// A connection by its token, as traces and the log of events name it.
fn in_words(token: Token) -> String {
    match token.generation() {
        0 => format!("listener {}", token.index()),
        number => format!("#{number}"),
    }
}

fn ending(outcome: Outcome) -> String {
    outcome.err().map(|error| format!(" ({})", io::Error::from(error))).unwrap_or_default()
}

fn in_words_or_error(outcome: Result<u64, CallError>) -> String {
    match outcome {
        Ok(count) => format!("{count} bytes"),
        Err(error) => io::Error::from(error).to_string(),
    }
}
