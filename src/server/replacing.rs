//! Another table, another time zone or other limits, while the server runs.
//!
//! Invariant: what is replaced holds from the next request or the next look at a connection on, and
//! nothing that has been done is done again.

use super::Server;
use super::connection::PeerStanding;
use super::context::ServerContext;
use crate::io::net::{Net, Told};
use crate::server::limits::Limits;
use crate::table::Table;
use crate::trace::event::Event;
use crate::zone::ZoneRules;

impl<N: Net> Server<N> {
    /// Tells in the statistics when the first of other certificates expires, in seconds since 1970.
    pub fn replace_certificates(&mut self, expires: u64) {
        let limits = self.cx.limits.clone();
        self.replace_limits(Limits { tls_certificate_expires: expires, ..limits });
    }

    /// Uses another table from the next request on, and returns the old one: freeing a big one
    /// takes time that the loop does not have.
    pub fn replace_table(&mut self, table: Table) -> Table {
        self.cx.net.told(table.told());
        self.cx.stats.table_reloads += 1;
        self.cx.observe(Event::TableReplaced { keys: table.len() as u64 });
        self.cx.stats.describe_table(&table);
        std::mem::replace(&mut self.cx.table, table)
    }

    /// Counts a table that could not be loaded; the old one stays.
    pub fn keep_table(&mut self) {
        self.cx.net.told(Told::TableKept);
        self.cx.stats.table_failures += 1;
        self.cx.observe(Event::TableKept);
    }

    /// Uses other rules for the time of day from the next text on. Returns whether they differ from
    /// the rules before.
    pub fn replace_zone(&mut self, rules: ZoneRules) -> bool {
        self.cx.net.told(Told::Zone(rules.as_bytes()));
        self.cx.observe(Event::ZoneReplaced);
        self.cx.dates.replace_rules(rules)
    }

    /// Keeps other limits from now on. A deadline that is earlier by them is that early; a
    /// later one holds from the next look at the connection. Walks through all connections.
    ///
    /// Whether turns are measured was decided with the listeners, and stays. So does what confines
    /// the process.
    pub fn replace_limits(&mut self, limits: Limits) {
        let Limits { measures_turns, landlock_abi, tls_certificate_expires, .. } = self.cx.limits;
        let expires = match limits.tls_certificate_expires {
            0 => tls_certificate_expires,
            other => other,
        };
        let limits = Limits { tls_certificate_expires: expires, ..limits };
        let limits = Limits { measures_turns, landlock_abi, ..limits };
        self.cx.net.told(Told::Limits(limits.to_text().as_bytes()));
        self.cx.stats.describe_limits(&limits);
        self.cx.publisher.confine_to(limits.stats_from.clone());
        self.cx.log.set_limits(limits.log_level, limits.log_rate);
        self.acceptor.set_most(limits.max_connections);
        self.memory.set_limit(limits.memory_limit);
        let clients = self.sockets.iter().map(|(_, socket)| &socket.endpoint);
        let clients = clients.filter(|client| client.standing == PeerStanding::Admitted);
        let peers = clients.map(|client| &client.peer);
        let ServerContext { admission, limits: before, .. } = &mut self.cx;
        admission.change_limits(before, &limits, peers);
        self.cx.limits = limits;
        self.sockets.reschedule_all(&self.cx.limits);
        if self.memory.is_exceeded() {
            self.shed();
        }
    }
}
