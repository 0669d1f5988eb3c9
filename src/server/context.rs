//! What every connection of the server shares: the network, the limits, the counters, the lookup
//! table.

use super::admission::{Admission, Refusal};
use super::encrypted::HandshakeRate;
use crate::conn::Work;
use crate::handlers::daytime::DateCache;
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
