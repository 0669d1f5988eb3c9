//! What every connection of the server shares: the network, the limits, the counters, the lookup
//! table.

use super::admission::{Admission, Refusal};
use super::connection::ServerConnection;
use super::encrypted::HandshakeRate;
use crate::conn::{ConnContext, Connection, Work};
use crate::handlers::daytime::DateCache;
use crate::handlers::{BoundService, Context};
use crate::io::address::Peer;
use crate::io::clock::Moment;
use crate::io::net::Net;
use crate::server::client_log::ClientLog;
use crate::server::limits::Limits;
use crate::server::stats::Stats;
use crate::server::stats::publishing::Publisher;
use crate::table::Table;
use crate::trace::Observer;
use log::Level;

/// What all connections share.
pub(super) struct ServerContext<N: Net> {
    pub(super) net: N,
    pub(super) limits: Limits,
    pub(super) admission: Admission,
    pub(super) handshake_rate: HandshakeRate,
    /// The time of this turn of the loop.
    pub(super) now: Moment,
    pub(super) table: Table,
    pub(super) stats: Stats,
    pub(super) publisher: Publisher,
    pub(super) log: ClientLog,
    pub(super) dates: DateCache,
    /// What was done in this turn.
    pub(super) work: Work,
    /// Events since the last turn was measured.
    pub(super) events: u32,
    pub(super) trace: Observer<N>,
}

impl<N: Net> ServerContext<N> {
    pub(super) fn new(
        net: N,
        limits: Limits,
        table: Table,
        dates: DateCache,
        now: Moment,
    ) -> ServerContext<N> {
        let mut publisher = Publisher::default();
        publisher.confine_to(limits.stats_from.clone());
        ServerContext {
            net,
            now,
            admission: Admission::default(),
            handshake_rate: HandshakeRate::default(),
            stats: Stats::new(&table, &limits),
            publisher,
            log: ClientLog::new(limits.log_level, limits.log_rate),
            limits,
            table,
            dates,
            work: Work::default(),
            events: 0,
            trace: Observer::default(),
        }
    }

    /// Calls the engine of a connection. What it has to say is appended to `output`, where this
    /// visit's output began at `out_start`.
    #[inline]
    pub(super) fn with_engine<T>(
        &mut self,
        connection: &mut ServerConnection,
        output: &mut Vec<u8>,
        out_start: usize,
        call: impl FnOnce(&mut Connection, &mut ConnContext<'_, BoundService<'_>>) -> T,
    ) -> T {
        let before = output.len();
        let ServerConnection { conn, peer, service, .. } = connection;
        self.work.grant(Work::VISIT);
        let context = Context {
            now: self.now,
            peer: *peer,
            options: service.options,
            system: &self.net,
            dates: &mut self.dates,
            table: &self.table,
            stats: &mut self.stats,
            publisher: &mut self.publisher,
            log: &mut self.log,
        };
        let mut turn = ConnContext {
            now: self.now,
            limits: &self.limits,
            framing: service.framing(&self.limits),
            handler: &mut BoundService { spec: service.spec(), context },
            out_start,
            out: &mut *output,
            work: &mut self.work,
        };
        let outcome = call(conn, &mut turn);
        self.observe_engine(connection, output.len() - before);
        outcome
    }
}

impl<N: Net> ServerContext<N> {
    /// Counts a client that is rejected, and tells of it.
    pub(super) fn count_refusal(&mut self, refusal: Refusal, peer: &Peer) {
        let stats = &mut self.stats;
        match refusal {
            Refusal::Denied => stats.refused_denied += 1,
            Refusal::TooMany => stats.refused_address_limit += 1,
            Refusal::TooFast => stats.refused_address_rate += 1,
            Refusal::NotAProxy => stats.refused_not_proxy += 1,
            Refusal::TooManyHandshakes => stats.refused_tls_rate += 1,
        }
        self.observe_refused(refusal, peer);
        let line = format_args!("{peer} rejected: {refusal}");
        self.log.line(self.now, Level::Info, line);
    }
}
