//! What each service and each command answers, asked as the engine asks them.

mod framed;
mod plain;
mod tables;

use super::{BoundService, Context, SERVICES, Service};
use crate::conn::{Handler, Outcome, Work};
use crate::handlers::daytime::DateCache;
use crate::io::address::Peer;
use crate::io::clock::{Moment, WallTime};
use crate::io::host::{Host, WallClock};
use crate::protocol::framing::{Framing, ReplyFraming, Request};
use crate::protocol::reply::ReplyWriter;
use crate::server::client_log::ClientLog;
use crate::server::limits::Limits;
use crate::server::stats::Stats;
use crate::server::stats::publishing::Publisher;
use crate::table::Table;
use std::cell::Cell;
use std::net::SocketAddr;
use std::time::Duration;

/// A wall clock that is a nanosecond later each time it is read.
struct TickingClock(Cell<WallTime>);

impl Host for TickingClock {}

impl WallClock for TickingClock {
    fn wall_time(&self) -> WallTime {
        let mut time = self.0.get();
        time.nanos += 1;
        self.0.set(time);
        time
    }
}

/// All that handlers see, and a way to ask them.
struct Desk {
    service: Service,
    peer: Peer,
    clock: TickingClock,
    dates: DateCache,
    table: Table,
    stats: Stats,
    log: ClientLog,
}

impl Desk {
    /// A desk on Friday, 7 May 2021, 20:36:52 UTC, whose log writes nothing and counts every line.
    fn new(service: Service) -> Desk {
        log::set_max_level(log::LevelFilter::Info);
        Desk {
            service,
            peer: SocketAddr::from(([192, 168, 1, 6], 57662)).into(),
            clock: TickingClock(Cell::new(WallTime { seconds: 1_620_419_812, nanos: 0 })),
            dates: DateCache::utc(),
            table: Table::embedded(),
            stats: Stats::default(),
            log: ClientLog::new(log::LevelFilter::Info, 0),
        }
    }

    fn set_time(&mut self, seconds: u64) {
        self.clock.0.set(WallTime { seconds, nanos: 0 });
    }

    fn greet(&mut self) -> (Vec<u8>, Outcome) {
        self.call(|responder, reply| responder.on_open(reply))
    }

    fn ask(&mut self, body: &[u8]) -> (Vec<u8>, Outcome) {
        let request = Request { body, envelope: ReplyFraming::Bare };
        let mut work = Work::new(u32::MAX);
        self.call(|responder, reply| responder.on_request(request, reply, &mut work))
    }

    /// The answer to a request after which the connection goes on.
    fn answer(&mut self, body: &[u8]) -> Vec<u8> {
        let (answer, outcome) = self.ask(body);
        assert_eq!(outcome, Outcome::Continue);
        answer
    }

    fn produce(&mut self) -> Vec<u8> {
        let produce = |responder: &mut BoundService<'_>, reply: &mut ReplyWriter<'_>| {
            responder.on_writable(reply);
            Outcome::Produce
        };
        self.call(produce).0
    }

    fn logged(&self) -> u64 {
        self.log.suppressed_total()
    }

    fn call(
        &mut self,
        call: impl FnOnce(&mut BoundService<'_>, &mut ReplyWriter<'_>) -> Outcome,
    ) -> (Vec<u8>, Outcome) {
        let context = Context {
            now: Moment::START + Duration::from_millis(1500),
            peer: self.peer,
            options: self.service.options,
            system: &self.clock,
            dates: &mut self.dates,
            table: &self.table,
            stats: &mut self.stats,
            publisher: &mut Publisher::default(),
            log: &mut self.log,
        };
        let mut out = Vec::new();
        let mut reply = ReplyWriter::raw(&mut out);
        let outcome = call(&mut BoundService { spec: self.service.spec(), context }, &mut reply);
        reply.finish();
        (out, outcome)
    }
}

#[test]
fn every_service_is_found_by_its_name() {
    for name in Service::NAMES {
        assert_eq!(Service::from_name(name).map(Service::name), Some(name));
    }
    let mut named = vec![
        Service::FRAMED,
        Service::DAYTIME,
        Service::TIME,
        Service::ECHO,
        Service::DISCARD,
        Service::CHARGEN,
        Service::GREETING,
        Service::LOOKUP,
        Service::EXCHANGE,
    ];
    #[cfg(feature = "ops")]
    named.push(Service::METRICS);
    assert!(named.into_iter().map(Service::name).eq(Service::NAMES));
    for name in ["", "Framed", "gopher"] {
        assert_eq!(Service::from_name(name), None);
    }
}

#[test]
fn framings_of_services_keep_to_the_limit() {
    let limits = Limits { max_frame: 77, ..Limits::default() };
    let framing = |name| Service::from_name(name).map(|service| service.framing(&limits));
    assert_eq!(framing("framed"), Some(Framing::Padded { max_body: 77 }));
    for name in ["lookup", "exchange"] {
        assert_eq!(framing(name), Some(Framing::Line { max_line: 77 }));
    }
    for name in ["daytime", "time", "echo", "discard", "chargen", "greeting"] {
        assert_eq!(framing(name), Some(Framing::Raw));
    }
    #[cfg(feature = "ops")]
    assert_eq!(framing("metrics"), Some(Framing::Http));
}
