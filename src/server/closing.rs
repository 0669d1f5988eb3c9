//! How connections end, and what has to be given back when they do.

use super::Server;
use super::connection::{PeerStanding, ServerConnection};
use super::context::ServerContext;
use crate::conn::Action;
use crate::io::clock::Moment;
use crate::io::net::Net;
use crate::io::socket_table::Socket;
use crate::io::token::Token;
use crate::server::close::CloseReason;
use crate::trace::count_32;
use crate::trace::event::Event;
use log::Level;
use std::io;

/// How a connection is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Manner {
    /// close(2) alone, which sends FIN.
    Close,
    /// With RST.
    Reset,
}

impl<N: Net> Server<N> {
    /// Closes a connection: the one place where all that it had is given back. The stream closes
    /// when it is dropped; `None` if the connection has closed already.
    pub(super) fn close(&mut self, token: Token, reason: CloseReason) -> Option<N::Stream> {
        self.close_as(token, reason, Manner::Close)
    }

    fn close_as(&mut self, token: Token, reason: CloseReason, manner: Manner) -> Option<N::Stream> {
        let held = self.sockets.get(token).map(|socket| self.cx.memory_of(socket))?;
        let Socket { endpoint, stream, .. } = self.sockets.remove(token)?;
        let now = self.cx.now;
        let (_, lost) = endpoint.conn.waiting();
        self.cx.observe_close(token, reason, manner == Manner::Reset, lost);
        let is_operators = endpoint.service.is_for_operators();
        if is_operators {
            self.operators.connection_closed();
            self.cx.stats.metrics_closed += 1;
        } else if endpoint.standing == PeerStanding::Admitted {
            self.cx.admission.closed(&endpoint.peer);
        }
        self.acceptor.connection_closed();
        self.memory.change(held, (0, 0));
        endpoint.conn.uncount(&mut self.cx.stats.standings);
        self.cx.stats.count_close(reason);
        let level = if is_operators { Level::Debug } else { Level::Info };
        self.cx.log.line(now, level, format_args!("{} closed: {reason}", endpoint.peer));
        if !is_operators && !self.has_clients() {
            self.empty_since = now;
        }
        Some(stream)
    }

    /// Closes with RST: what the kernel holds for the peer goes, too, and half a reply never looks
    /// whole.
    pub(super) fn abort(&mut self, token: Token, reason: CloseReason) {
        if let Some(stream) = self.close_as(token, reason, Manner::Reset) {
            self.cx.net.abort(stream);
        }
    }

    /// Closes what is left. A reply that was cut off ends in RST, so that no client takes the part
    /// for the whole.
    pub(super) fn close_all(&mut self) {
        let open: Vec<Token> = self.sockets.iter().map(|(token, _)| token).collect();
        for token in open {
            let Some(socket) = self.sockets.get_mut(token) else { continue };
            let is_cut_off = socket.endpoint.conn.has_unsent();
            if N::CAN_ENCRYPT && socket.endpoint.layer.is_encrypted() && !is_cut_off {
                let memory = self.cx.memory_of(socket);
                // As far as there is room: nobody waits any more.
                let _ = self.cx.net.send_close_notify(&mut socket.stream);
                self.memory.change(memory, self.cx.memory_of(socket));
            }
            let conn = &socket.endpoint.conn;
            let reason = match conn.reason_or(CloseReason::Stopped) {
                CloseReason::Drained if is_cut_off => CloseReason::Stopped,
                reason => reason,
            };
            match is_cut_off {
                true => self.abort(token, reason),
                false => drop(self.close(token, reason)),
            }
        }
    }

    /// Closes the newest connections that hold memory, to make room.
    pub(super) fn shed(&mut self) {
        let newest = self.memory.newest_to_shed(&self.sockets, |socket| self.cx.memory_of(socket));
        self.memory.warn(self.cx.now, newest.len());
        self.cx.observe(Event::Shed { count: count_32(newest.len()) });
        for token in newest {
            self.abort(token, CloseReason::Shed);
        }
    }

    /// Gives memory back that a crowd needed: the tables' in portions, the heap's when it has been
    /// free for a while. Returns whether there is more to give back at once.
    pub(super) fn give_memory_back(&mut self, now: Moment) -> bool {
        if self.memory.should_trim(now) {
            self.cx.net.give_memory_back();
        }
        self.sockets.shrink_a_little()
    }

    /// Sets the gauges of memory: once a turn, for only a client that asks for statistics looks at
    /// them.
    pub(super) fn report_memory(&mut self) {
        self.memory.report(&mut self.cx.stats);
        self.cx.stats.places_memory = self.cx.net.memory_of_places(self.sockets.memory() as u64);
        self.cx.stats.addresses_memory = self.cx.admission.memory() as u64;
    }
}

impl<N: Net> ServerContext<N> {
    /// A call on the socket failed; `has_output` tells whether output is lost by that.
    pub(super) fn fail(
        &mut self,
        endpoint: &mut ServerConnection,
        error: &io::Error,
        has_output: bool,
    ) {
        if N::CAN_ENCRYPT {
            self.log_failure(endpoint, error);
        }
        let conn = &mut endpoint.conn;
        let reason = conn.reason_or(CloseReason::from(error));
        // A send that fails for want of memory, say, leaves the connection as it was: a close would
        // send FIN behind half a reply. With nothing left to send, RST could destroy what the peer
        // has not read.
        if has_output || conn.has_unsent() {
            conn.abandon(reason);
        } else {
            conn.fail(reason);
        }
    }

    /// What remains to be done with the socket; FIN, if it is time for it, has been sent.
    pub(super) fn next_action(
        &mut self,
        socket: &mut Socket<N::Stream, ServerConnection>,
        token: Token,
    ) -> Action {
        let mut step = socket.endpoint.conn.next_step();
        if N::CAN_ENCRYPT
            && socket.endpoint.layer.is_encrypted()
            && matches!(step, Action::SendFin | Action::Close(_))
        {
            step = self.say_goodbye(socket, step);
            self.add_write_interest(socket, token);
            if socket.endpoint.conn.has_failed() {
                return socket.endpoint.conn.next_step();
            }
        }
        if step == Action::SendFin {
            if let Err(error) = self.net.send_fin(&mut socket.stream) {
                self.fail(&mut socket.endpoint, &error, false);
                return socket.endpoint.conn.next_step();
            }
            self.observe_fin();
            socket.endpoint.conn.fin_sent(self.now);
        }
        step
    }
}
