//! One connection's engine and its service, without a socket: bytes in, bytes out.

use super::FixedClock;
use readyd::conn::{ConnContext, Connection, Work};
use readyd::handlers::daytime::DateCache;
use readyd::handlers::{BoundService, Context, Service};
use readyd::io::clock::Moment;
use readyd::server::client_log::ClientLog;
use readyd::server::limits::Limits;
use readyd::server::stats::Stats;
use readyd::server::stats::publishing::Publisher;
use readyd::table::Table;
use std::net::{Ipv4Addr, SocketAddr};

/// One connection, with all that a server would keep for it.
pub(crate) struct Engine {
    conn: Connection,
    service: Service,
    limits: Limits,
    dates: DateCache,
    table: Table,
    publisher: Publisher,
    stats: Stats,
    log: ClientLog,
    out: Vec<u8>,
    large: Vec<u8>,
}

/// The shortest read that can be a large echo.
const LARGE: usize = 4096;

impl Engine {
    pub(crate) fn new(service: Service) -> Engine {
        let limits = Limits::default();
        Engine {
            conn: Connection::new(Moment::START),
            service,
            dates: DateCache::utc(),
            table: Table::embedded(),
            publisher: Publisher::default(),
            stats: Stats::default(),
            log: ClientLog::new(limits.log_level, limits.log_rate),
            limits,
            out: Vec::new(),
            large: Vec::new(),
        }
    }

    /// Gives the engine the bytes of one recv(2), and returns the bytes that it would send.
    pub(crate) fn receive(&mut self, input: &mut [u8]) -> &[u8] {
        let now = Moment::START;
        let context = Context {
            now,
            peer: SocketAddr::from((Ipv4Addr::LOCALHOST, 50_000)).into(),
            options: self.service.options,
            system: &FixedClock,
            dates: &mut self.dates,
            table: &self.table,
            stats: &mut self.stats,
            publisher: &mut self.publisher,
            log: &mut self.log,
        };
        let mut turn = ConnContext {
            now,
            limits: &self.limits,
            framing: self.service.framing(&self.limits),
            handler: &mut BoundService { spec: self.service.spec(), context },
            out: &mut self.out,
            out_start: 0,
            work: &mut Work::new(u32::MAX),
        };
        turn.out.clear();
        if input.len() < LARGE {
            self.conn.receive(input, &mut turn);
        } else {
            // A large echo overwrites its request, which is to be received again.
            self.large.clear();
            self.large.extend_from_slice(input);
            if let Some(reply) = self.conn.receive(&mut self.large, &mut turn) {
                self.out.extend_from_slice(&self.large[reply]);
            }
        }
        // A large echo that came in pieces waits in its request's own buffer.
        let unsent = self.conn.unsent();
        if !unsent.is_empty() {
            self.out.extend_from_slice(unsent.bytes());
            unsent.clear();
        }
        &self.out
    }
}
