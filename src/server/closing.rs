//! How connections end, and what has to be given back when they do.

use super::Server;
use super::budget::Buffered;
use super::entry::Entry;
use crate::io::net::{Net, Token};
use crate::server::close::CloseReason;
use log::Level;
use slab::Slab;

/// Places in the slab that are kept however few are connected.
const PLACES_KEPT: usize = 1024;

/// A crowd has left when no more than one of so many places is taken.
const OF_A_CROWD: usize = 8;

impl<N: Net> Server<N> {
    pub(super) fn close(&mut self, index: usize, reason: CloseReason) -> N::Stream {
        let entry = self.connections.remove(index);
        let now = self.visitor.now;
        self.timers.disarm(index);
        self.gate.connection_closed();
        self.admission.closed(&entry.peer);
        self.budget.change(entry.buffered, Buffered::default());
        self.visitor.stats.count_close(reason);
        self.visitor.log.line(now, Level::Info, format_args!("{} closed: {reason}", entry.peer));
        if self.connections.is_empty() {
            self.empty_since = now;
        }
        self.give_memory_back(index);
        entry.stream
    }

    /// After a crowd has left, its places are not kept, but for those below the highest one that is taken:
    /// a connection's place is in the tokens that the kernel has. Whoever has that one is waited for, so
    /// that not each close looks through the places.
    fn give_memory_back(&mut self, closed: usize) {
        if self.place_waited_for.is_some_and(|place| place != closed) {
            return;
        }
        self.place_waited_for = None;
        let places = self.connections.capacity();
        if places <= PLACES_KEPT || self.connections.len() > places / OF_A_CROWD {
            return;
        }
        if self.connections.is_empty() {
            self.connections = Slab::new();
        } else {
            let highest = self.connections.iter().next_back().map(|(place, _)| place);
            self.place_waited_for = highest.filter(|&place| place >= places / 2);
            if self.place_waited_for.is_some() {
                return;
            }
            self.connections.shrink_to_fit();
        }
        self.timers.shrink();
        self.queue.shrink_to(PLACES_KEPT);
        self.visitor.net.give_memory_back();
    }

    /// Sets the gauges of memory: once a turn, for only whoever asks for statistics looks at them.
    pub(super) fn report_memory(&mut self) {
        self.budget.report(&mut self.visitor.stats);
        let places = self.connections.capacity() * size_of::<Entry<N::Stream>>()
            + self.timers.memory()
            + self.queue.capacity() * size_of::<Token>();
        self.visitor.stats.places_memory = places as u64;
        self.visitor.stats.addresses_memory = self.admission.memory() as u64;
    }

    /// Closes whatever is left. A reply that was cut off ends in RST, so that nobody takes what came
    /// of it for the whole.
    pub(super) fn close_all(&mut self) {
        let open: Vec<usize> = self.connections.iter().map(|(index, _)| index).collect();
        for index in open {
            let Some(Entry { conn, .. }) = self.connections.get(index) else { continue };
            let is_cut_off = conn.has_unsent();
            let reason = match conn.reason_or(CloseReason::Stopped) {
                CloseReason::Drained if is_cut_off => CloseReason::Stopped,
                reason => reason,
            };
            let stream = self.close(index, reason);
            if is_cut_off {
                self.visitor.net.abort(stream);
            }
        }
    }

    /// Keeps the sum of what connections hold, and within its limit.
    pub(super) fn account(&mut self, index: usize) {
        let Some(entry) = self.connections.get_mut(index) else { return };
        let after = Buffered::new(entry.conn.memory());
        let before = std::mem::replace(&mut entry.buffered, after);
        self.budget.change(before, after);
        if self.budget.is_exceeded() {
            self.shed();
        }
    }

    /// Closes the newest connections that hold memory. With RST, so that what the kernel holds for them
    /// goes too, and nobody takes half a reply for a whole.
    fn shed(&mut self) {
        let newest = self.budget.newest_to_shed(&self.connections, &self.generations);
        self.budget.say(self.visitor.now, newest.len());
        for index in newest {
            let stream = self.close(index, CloseReason::Shed);
            self.visitor.net.abort(stream);
        }
    }
}
