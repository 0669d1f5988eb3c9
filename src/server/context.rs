//! What every connection of the server shares: the network, the limits, the counters, the lookup
//! table.

use super::connection::ServerConnection;
use super::work::Work;
use crate::conn::{Connection, Turn};
use crate::handlers::daytime::Calendar;
use crate::handlers::{Context, Responder};
use crate::io::clock::Moment;
use crate::io::net::Net;
use crate::server::client_log::ClientLog;
use crate::server::limits::Limits;
use crate::server::stats::Stats;
use crate::server::stats::publishing::Publisher;
use crate::table::Table;

/// What all connections share.
pub(super) struct ServerContext<N: Net> {
    pub(super) net: N,
    pub(super) limits: Limits,
    /// The time of this turn of the loop.
    pub(super) now: Moment,
    pub(super) table: Table,
    pub(super) stats: Stats,
    pub(super) publisher: Publisher,
    pub(super) log: ClientLog,
    pub(super) calendar: Calendar,
    /// What was done in this turn.
    pub(super) work: Work,
}

impl<N: Net> ServerContext<N> {
    pub(super) fn new(
        net: N,
        limits: Limits,
        table: Table,
        calendar: Calendar,
        now: Moment,
    ) -> ServerContext<N> {
        ServerContext {
            net,
            now,
            stats: Stats::new(&table, &limits),
            publisher: Publisher::default(),
            log: ClientLog::new(limits.log_level, limits.log_rate),
            limits,
            table,
            calendar,
            work: Work::default(),
        }
    }

    /// Calls the engine of a connection. What it has to say is appended to `output`.
    #[inline]
    pub(super) fn with_engine<T>(
        &mut self,
        connection: &mut ServerConnection,
        output: &mut Vec<u8>,
        call: impl FnOnce(&mut Connection, &mut Turn<'_, Responder<'_, N>>) -> T,
    ) -> T {
        let ServerConnection { conn, peer, service } = connection;
        let context = Context {
            now: self.now,
            peer: *peer,
            wall_clock: &self.net,
            calendar: &mut self.calendar,
            table: &self.table,
            stats: &mut self.stats,
            publisher: &mut self.publisher,
            log: &mut self.log,
        };
        let mut turn = Turn {
            now: self.now,
            limits: &self.limits,
            framing: service.framing(&self.limits),
            responder: &mut Responder { service: *service, context },
            out_start: output.len(),
            out: output,
        };
        call(conn, &mut turn)
    }
}
