//! What a listener does with a connection: the table of services, and what a handler is given.
//!
//! A new protocol is a new row here: a name, a [`Framing`], and an arm in each `match` below.
//!
//! Invariant: a handler sees its request, the reply it appends to, and a [`Context`]. It sees no
//! socket, no slab and no poll loop, so it cannot block, and cannot close or disturb anyone.

pub mod daytime;
pub mod framed;
pub mod greeting;
pub mod lookup;
pub mod rfc;

#[cfg(test)]
mod tests;

use crate::conn::{Outcome, Respond};
use crate::io::address::Peer;
use crate::io::clock::Moment;
use crate::io::host::{Host, WallClock};
use crate::protocol::framing::{Framing, Request};
use crate::protocol::reply::Reply;
use crate::server::client_log::ClientLog;
use crate::server::limits::Limits;
use crate::server::stats::Stats;
use crate::server::stats::publishing::Publisher;
use crate::table::Table;
use daytime::{Calendar, Format};

/// What a handler may see and touch.
#[derive(Debug)]
pub struct Context<'a, W> {
    /// The time of this turn of the loop.
    pub now: Moment,
    /// The client.
    pub peer: Peer,
    /// For the time of day, and for what the process has used.
    pub wall_clock: &'a W,
    /// The text of the time of day.
    pub calendar: &'a mut Calendar,
    /// The lookup table.
    pub table: &'a Table,
    /// The server's counters.
    pub stats: &'a mut Stats,
    /// Where the counters of all shards come together, if the server is one of several.
    pub publisher: &'a mut Publisher,
    /// The log for what clients cause.
    pub log: &'a mut ClientLog,
}

/// What a listener serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// Padded frames, dispatched on their first word.
    Framed,
    /// The date and time once, then close (RFC 867 with [`Format::Ctime`]).
    Daytime {
        /// How it is written.
        format: Format,
        /// Whether to leave out the line end and wait for an acknowledgement before closing.
        ack: bool,
    },
    /// Seconds since 1900 in four bytes, then close (RFC 868).
    Time,
    /// What comes goes back (RFC 862).
    Echo,
    /// What comes is thrown away (RFC 863).
    Discard,
    /// Characters without end (RFC 864).
    Chargen,
    /// A greeting with the client's address, then close.
    Greeting,
    /// Keys in, values out.
    Lookup,
    /// The date and time; then as `Lookup`, for clients that send their address.
    Exchange,
}

impl Service {
    /// Every service's name, as `--listen` takes it.
    pub const NAMES: [&'static str; 9] = [
        "framed", "daytime", "time", "echo", "discard", "chargen", "greeting", "lookup", "exchange",
    ];

    /// The service called `name`, without options; `None` if there is none.
    pub fn from_name(name: &str) -> Option<Service> {
        Some(match name {
            "framed" => Service::Framed,
            "daytime" => Service::Daytime { format: Format::Ctime, ack: false },
            "time" => Service::Time,
            "echo" => Service::Echo,
            "discard" => Service::Discard,
            "chargen" => Service::Chargen,
            "greeting" => Service::Greeting,
            "lookup" => Service::Lookup,
            "exchange" => Service::Exchange,
            _ => return None,
        })
    }

    /// The service's name.
    pub fn name(self) -> &'static str {
        match self {
            Service::Framed => "framed",
            Service::Daytime { .. } => "daytime",
            Service::Time => "time",
            Service::Echo => "echo",
            Service::Discard => "discard",
            Service::Chargen => "chargen",
            Service::Greeting => "greeting",
            Service::Lookup => "lookup",
            Service::Exchange => "exchange",
        }
    }

    /// How the service's byte stream is cut into requests.
    pub fn framing(self, limits: &Limits) -> Framing {
        match self {
            Service::Framed => Framing::Padded { max_body: limits.max_frame },
            Service::Lookup | Service::Exchange => Framing::Line { max_line: limits.max_frame },
            Service::Daytime { .. }
            | Service::Time
            | Service::Echo
            | Service::Discard
            | Service::Chargen
            | Service::Greeting => Framing::Raw,
        }
    }
}

/// A service bound to the context of one visit: what the engine calls.
#[derive(Debug)]
pub struct Responder<'a, W> {
    /// Which service.
    pub service: Service,
    /// What its handlers may see.
    pub context: Context<'a, W>,
}

impl<W: WallClock + Host> Respond for Responder<'_, W> {
    fn greet(&mut self, reply: &mut Reply<'_>) -> Outcome {
        let context = &mut self.context;
        match self.service {
            Service::Daytime { format, ack } => daytime::greet(format, ack, context, reply),
            Service::Time => rfc::time(context, reply),
            Service::Greeting => greeting::greet(context, reply),
            Service::Exchange => lookup::greet_exchange(context, reply),
            Service::Chargen => Outcome::Produce,
            Service::Framed | Service::Echo | Service::Discard | Service::Lookup => {
                Outcome::Continue
            }
        }
    }

    #[inline(always)]
    fn echo<'a>(&mut self, request: Request<'a>) -> Option<&'a [u8]> {
        let stats = &mut self.context.stats;
        let text = match self.service {
            Service::Framed => framed::echo(request.body, stats)?,
            Service::Echo => request.body,
            _ => return None,
        };
        stats.requests += 1;
        Some(text)
    }

    fn respond(&mut self, request: Request<'_>, reply: &mut Reply<'_>) -> Outcome {
        let context = &mut self.context;
        context.stats.requests += 1;
        match self.service {
            Service::Framed => framed::respond(request.body, context, reply),
            Service::Lookup => lookup::respond(request.body, context, reply),
            Service::Exchange => lookup::respond_exchange(request.body, context, reply),
            Service::Daytime { .. } => daytime::acknowledged(request.body, context),
            Service::Echo => rfc::echo(request.body, reply),
            Service::Discard | Service::Chargen | Service::Time | Service::Greeting => {
                Outcome::Continue
            }
        }
    }

    fn produce(&mut self, reply: &mut Reply<'_>) {
        rfc::chargen(reply);
    }
}
