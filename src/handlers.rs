//! What a listener does with a connection: the table of services, and what a handler is given.
//!
//! A new protocol is a new row of [`SERVICES`]: a name, how requests are cut, and three functions.
//! The commands of framed requests have a table of their own, [`framed::COMMANDS`].
//!
//! Invariant: a handler sees its request, the reply it appends to, and a [`Context`]. It sees no
//! socket, no slab and no poll loop, so it cannot block, and cannot close or disturb another
//! connection.

pub mod daytime;
pub mod framed;
pub mod greeting;
pub mod lookup;
#[cfg(feature = "ops")]
mod metrics;
pub mod small_services;

#[cfg(test)]
mod tests;

use crate::conn::{Handler, Outcome, Work};
use crate::io::address::Peer;
use crate::io::clock::Moment;
use crate::io::host::{Host, WallClock};
use crate::protocol::framing::{Framing, Request};
use crate::protocol::reply::ReplyWriter;
use crate::server::client_log::ClientLog;
use crate::server::close::CloseReason;
use crate::server::limits::Limits;
use crate::server::stats::Stats;
use crate::server::stats::publishing::Publisher;
use crate::table::Table;
use daytime::{DateCache, Format};
use std::fmt::{self, Write as _};

/// A row of [`SERVICES`].
#[derive(Debug)]
pub struct ServiceSpec {
    /// The name, as `--listen` takes it.
    pub name: &'static str,
    /// How the byte stream is cut into requests.
    pub framing: FramingKind,
    /// What the service does, in a few words, for `--help`.
    pub help: &'static str,
    /// A connection was opened. What is appended is sent as it is.
    pub on_open: fn(&mut Context<'_>, &mut ReplyWriter<'_>) -> Outcome,
    /// A request came, with this body. What is appended answers it.
    pub on_request: fn(&[u8], &mut Context<'_>, &mut ReplyWriter<'_>, &mut Work) -> Outcome,
    /// All output was taken, and the service had asked for [`Outcome::Produce`].
    pub on_writable: fn(&mut ReplyWriter<'_>),
    /// The connection is closed for this reason, without a request. What is appended says why.
    pub on_refused: Refuse,
}

/// Tells a client why its connection is closed.
pub type Refuse = fn(CloseReason, fmt::Arguments<'_>, &mut Context<'_>, &mut ReplyWriter<'_>);

/// How a service's byte stream is cut into requests, up to the limit for their length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FramingKind {
    /// Padded frames.
    Frames,
    /// Lines.
    Lines,
    /// What each read brings is one request.
    Reads,
    /// The heads of HTTP requests, without bodies. They have a limit of their own.
    #[cfg(feature = "ops")]
    Http,
}

impl FramingKind {
    /// The framing, for requests of at most `max_len` bytes.
    #[inline]
    pub fn limited_to(self, max_len: usize) -> Framing {
        match self {
            FramingKind::Frames => Framing::Padded { max_body: max_len },
            FramingKind::Lines => Framing::Line { max_line: max_len },
            FramingKind::Reads => Framing::Raw,
            #[cfg(feature = "ops")]
            FramingKind::Http => Framing::Http,
        }
    }
}

/// How many services there are.
const SERVICE_COUNT: usize = 9 + cfg!(feature = "ops") as usize;

/// All services.
pub static SERVICES: [ServiceSpec; SERVICE_COUNT] = [
    ServiceSpec {
        name: "framed",
        framing: FramingKind::Frames,
        help: "commands in frames: ECHO, LOOKUP, DAYTIME and others",
        on_request: framed::respond,
        ..SILENT
    },
    ServiceSpec {
        name: "daytime",
        help: "the date and time, then close (RFC 867)",
        on_open: daytime::greet,
        on_request: daytime::acknowledged,
        ..SILENT
    },
    ServiceSpec {
        name: "time",
        help: "seconds since 1900 in four bytes, then close (RFC 868)",
        on_open: small_services::time,
        ..SILENT
    },
    ServiceSpec {
        name: "echo",
        help: "every byte comes back (RFC 862)",
        on_request: small_services::echo,
        ..SILENT
    },
    ServiceSpec { name: "discard", help: "every byte is thrown away (RFC 863)", ..SILENT },
    ServiceSpec {
        name: "chargen",
        help: "characters without end (RFC 864)",
        on_open: |_, _| Outcome::Produce,
        on_writable: small_services::chargen,
        ..SILENT
    },
    ServiceSpec {
        name: "greeting",
        help: "the client's own address, then close",
        on_open: greeting::greet,
        ..SILENT
    },
    ServiceSpec {
        name: "lookup",
        framing: FramingKind::Lines,
        help: "one key per line, answered with its value",
        on_request: lookup::respond,
        ..SILENT
    },
    ServiceSpec {
        name: "exchange",
        framing: FramingKind::Lines,
        help: "the date and time; then lookup, for clients that send their address",
        on_open: lookup::greet_exchange,
        on_request: lookup::respond_exchange,
        ..SILENT
    },
    #[cfg(feature = "ops")]
    ServiceSpec {
        name: "metrics",
        framing: FramingKind::Http,
        help: "for Prometheus and probes: /metrics, /healthz, /readyz (HTTP)",
        on_request: metrics::respond,
        on_refused: metrics::refuse,
        ..SILENT
    },
];

/// A service that takes everything and sends nothing. Each row says where it differs.
pub const SILENT: ServiceSpec = ServiceSpec {
    name: "",
    framing: FramingKind::Reads,
    help: "",
    on_open: |_, _| Outcome::Continue,
    on_request: |_, _, _, _| Outcome::Continue,
    on_writable: |_| {},
    on_refused: |_, why, _, reply| {
        // Appending to a Vec cannot fail.
        let _ = write!(reply, "Error: {why}");
    },
};

/// The row of `metrics`, where the program has it.
const METRICS_ROW: u8 = 9;

/// What a listener serves: a row of [`SERVICES`], and its options.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Service {
    row: u8,
    /// The options after the address.
    pub options: Options,
}

/// The options that a service may be given. Only `daytime` looks at them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// How the date and time is written.
    pub format: Format,
    /// Whether to leave out the line end, and to wait for an acknowledgement before closing.
    pub ack: bool,
}

impl Service {
    /// `framed`, which the program serves if it is given no listener.
    pub const FRAMED: Service = Service::in_row(0);
    /// `daytime`.
    pub const DAYTIME: Service = Service::in_row(1);
    /// `time`.
    pub const TIME: Service = Service::in_row(2);
    /// `echo`.
    pub const ECHO: Service = Service::in_row(3);
    /// `discard`.
    pub const DISCARD: Service = Service::in_row(4);
    /// `chargen`.
    pub const CHARGEN: Service = Service::in_row(5);
    /// `greeting`.
    pub const GREETING: Service = Service::in_row(6);
    /// `lookup`.
    pub const LOOKUP: Service = Service::in_row(7);
    /// `exchange`.
    pub const EXCHANGE: Service = Service::in_row(8);
    /// `metrics`.
    #[cfg(feature = "ops")]
    pub const METRICS: Service = Service::in_row(METRICS_ROW);

    /// Every service's name.
    #[expect(clippy::indexing_slicing, reason = "evaluated by the compiler, which would say so")]
    pub const NAMES: [&'static str; SERVICES.len()] = {
        let mut names = [""; SERVICES.len()];
        let mut row = 0;
        while row < names.len() {
            names[row] = SERVICES[row].name;
            row += 1;
        }
        names
    };

    /// The service called `name`, without options; `None` if there is none.
    pub fn from_name(name: &str) -> Option<Service> {
        let row = SERVICES.iter().position(|spec| spec.name == name)?;
        Some(Service::in_row(row as u8))
    }

    const fn in_row(row: u8) -> Service {
        Service { row, options: Options { format: Format::Ctime, ack: false } }
    }

    /// The same service with these options.
    pub const fn with(self, options: Options) -> Service {
        Service { options, ..self }
    }

    /// Whether its connections are of those who watch the server, and not of its clients: they have
    /// places of their own, and hold up no stop.
    #[inline]
    pub fn is_for_operators(self) -> bool {
        cfg!(feature = "ops") && self.row == METRICS_ROW
    }

    /// The service's row.
    #[expect(clippy::indexing_slicing, reason = "a service is made from its row only")]
    #[inline]
    pub fn spec(self) -> &'static ServiceSpec {
        &SERVICES[usize::from(self.row)]
    }

    /// The service's name.
    pub fn name(self) -> &'static str {
        self.spec().name
    }

    /// How the service's byte stream is cut into requests.
    #[inline]
    pub fn framing(self, limits: &Limits) -> Framing {
        self.spec().framing.limited_to(limits.max_frame)
    }
}

/// The time of day, and what the process has used: one object for both, for a handler needs no more
/// of the network than this.
pub trait System: WallClock + Host {}

impl<T: WallClock + Host> System for T {}

/// What a handler may see and touch.
pub struct Context<'a> {
    /// The time of this turn of the loop.
    pub now: Moment,
    /// The client.
    pub peer: Peer,
    /// The service's options.
    pub options: Options,
    /// For the time of day, and for what the process has used.
    pub system: &'a dyn System,
    /// The text of the time of day.
    pub dates: &'a mut DateCache,
    /// The lookup table.
    pub table: &'a Table,
    /// The server's counters.
    pub stats: &'a mut Stats,
    /// Where the counters of all shards come together, if the server is one of several.
    pub publisher: &'a mut Publisher,
    /// The log for what clients cause.
    pub log: &'a mut ClientLog,
}

/// A service bound to the context of one visit: what the engine calls.
pub struct BoundService<'a> {
    /// Which service.
    pub spec: &'static ServiceSpec,
    /// What its handlers may see.
    pub context: Context<'a>,
}

impl Handler for BoundService<'_> {
    fn on_open(&mut self, reply: &mut ReplyWriter<'_>) -> Outcome {
        (self.spec.on_open)(&mut self.context, reply)
    }

    #[inline]
    fn on_request(
        &mut self,
        request: Request<'_>,
        reply: &mut ReplyWriter<'_>,
        work: &mut Work,
    ) -> Outcome {
        self.context.stats.requests += 1;
        (self.spec.on_request)(request.body, &mut self.context, reply, work)
    }

    fn on_writable(&mut self, reply: &mut ReplyWriter<'_>) {
        (self.spec.on_writable)(reply);
    }

    fn on_refused(
        &mut self,
        reason: CloseReason,
        why: fmt::Arguments<'_>,
        reply: &mut ReplyWriter<'_>,
    ) {
        (self.spec.on_refused)(reason, why, &mut self.context, reply);
    }
}
