//! The listeners for operators, and how their connections are let in.
//!
//! Those who watch the server must see it when it is full, and while it stops. So they have places
//! of their own, and their listeners close last, when no client is left.
//!
//! Invariant: a connection of an operator holds up no stop, and takes no place of a client.

use super::Server;
use super::admission::Refusal;
use super::connection::{PeerStanding, ServerConnection};
use super::proxied::Serves;
use super::turn::Cause;
use super::warning::RateLimitedWarning;
use super::work;
use crate::handlers::Service;
use crate::io::address::Peer;
use crate::io::clock::Moment;
use crate::io::net::{AcceptOutcome, Identity, Net};
use crate::io::readiness::Interest;
use crate::io::socket_table::Socket;
use crate::io::token::Token;
use crate::server::close::CloseReason;
use crate::trace::event::NoAccept;
use log::Level;
use std::time::Duration;

/// Connections of operators at once. More wait in the backlog.
pub const PLACES: usize = 8;

/// Delay before a failed accept is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// The listeners for operators.
pub(super) struct Operators<N: Net> {
    listeners: Vec<Listener<N::Listener>>,
    open: usize,
    /// The system lacks something; tried again then.
    retry_at: Option<Moment>,
    warning: RateLimitedWarning,
}

struct Listener<L> {
    socket: L,
    service: Service,
    tls: Option<Identity>,
    /// Under which it was registered for events.
    number: usize,
    /// The backlog may hold a connection: sticky, until an accept says `WouldBlock`.
    ready: bool,
}

impl<N: Net> Default for Operators<N> {
    fn default() -> Operators<N> {
        Operators {
            listeners: Vec::new(),
            open: 0,
            retry_at: None,
            warning: RateLimitedWarning::default(),
        }
    }
}

impl<N: Net> Operators<N> {
    pub(super) fn len(&self) -> usize {
        self.listeners.len()
    }

    /// Connections that are open.
    #[inline]
    pub(super) fn open(&self) -> usize {
        if cfg!(feature = "ops") { self.open } else { 0 }
    }

    pub(super) fn add(&mut self, socket: N::Listener, serves: Serves, number: usize) {
        let Serves { service, tls, .. } = serves;
        self.listeners.push(Listener { socket, service, tls, number, ready: false });
    }

    /// The listener of that number has an event.
    pub(super) fn ready(&mut self, number: usize) {
        let of_it = self.listeners.iter_mut().filter(|listener| listener.number == number);
        of_it.for_each(|listener| listener.ready = true);
    }

    pub(super) fn connection_closed(&mut self) {
        self.open = self.open.saturating_sub(1);
        self.retry_at = None;
    }

    /// Whether there may be one to let in at `now`, and a place.
    #[inline]
    pub(super) fn may_accept(&self, now: Moment) -> bool {
        cfg!(feature = "ops")
            && self.listeners.iter().any(|listener| listener.ready)
            && self.open < PLACES
            && self.retry_at.is_none_or(|moment| moment <= now)
    }

    /// When to look again though nothing happened.
    #[inline]
    pub(super) fn retry_at(&self) -> Option<Moment> {
        if cfg!(feature = "ops") { self.retry_at } else { None }
    }

    /// As those of clients: see the acceptor.
    pub(super) fn leave_to_others(&mut self, net: &mut N) {
        self.listeners.iter().for_each(|listener| net.leave_to_others(&listener.socket));
        self.close(net);
    }

    /// The sockets, and the numbers under which they were registered.
    pub(super) fn sockets(&self) -> impl Iterator<Item = (usize, &N::Listener)> {
        self.listeners.iter().map(|listener| (listener.number, &listener.socket))
    }

    fn close(&mut self, net: &mut N) {
        self.retry_at = None;
        for mut listener in self.listeners.drain(..) {
            // If it fails, the worst is an event that finds no listener.
            let _ = net.deregister_listener(&mut listener.socket);
        }
    }
}

impl<N: Net> Server<N> {
    /// Whether a connection is open that is no operator's.
    #[inline]
    pub(super) fn has_clients(&self) -> bool {
        self.sockets.len() > self.operators.open()
    }

    /// Lets operators in, as far as there are places.
    #[cold]
    pub(super) fn accept_operators(&mut self, now: Moment) {
        self.operators.retry_at = None;
        while self.operators.may_accept(now) {
            let Operators { listeners, retry_at, warning, .. } = &mut self.operators;
            let Some(listener) = listeners.iter_mut().find(|listener| listener.ready) else {
                return;
            };
            let (service, tls, number) = (listener.service, listener.tls, listener.number);
            match self.cx.net.accept(&listener.socket) {
                AcceptOutcome::Connection(stream, peer) => {
                    self.admit_operator(stream, peer, (service, tls), number);
                    continue;
                }
                AcceptOutcome::NoneWaiting => {
                    listener.ready = false;
                    self.cx.observe_not_accepted(number, NoAccept::NoneWaiting);
                    continue;
                }
                AcceptOutcome::Interrupted => {
                    self.cx.observe_not_accepted(number, NoAccept::Interrupted);
                }
                AcceptOutcome::Lost => {
                    self.cx.stats.accept_errors += 1;
                    self.cx.observe_not_accepted(number, NoAccept::Lost);
                }
                AcceptOutcome::Failed(error) => {
                    *retry_at = Some(now + RETRY);
                    self.cx.stats.accept_pauses += 1;
                    warning.warn(now, format_args!("metrics: accepting paused: {error}"));
                    self.cx.observe_not_accepted(number, NoAccept::OutOfResources);
                }
            }
            // The next turn goes on.
            return;
        }
    }

    fn admit_operator(
        &mut self,
        mut stream: N::Stream,
        peer: Peer,
        (service, tls): (Service, Option<Identity>),
        number: usize,
    ) {
        let now = self.cx.now;
        self.cx.work.spent += work::ACCEPT;
        if peer.ip().is_some_and(|address| !self.cx.limits.access.admit(address)) {
            self.cx.net.abort(stream);
            return self.cx.count_refusal(Refusal::Denied, &peer);
        }
        let token = self.sockets.next_token();
        let registered = self.cx.net.register(&mut stream, token, Interest::Read);
        let standing = PeerStanding::Exempt;
        let (layer, registered) = self.cx.first_layer(&mut stream, tls, standing, registered);
        let connection = ServerConnection::new(peer, standing, layer, service, now);
        let ready = connection.readiness();
        self.sockets.insert(token, stream, connection, ready);
        self.operators.open += 1;
        let stats = &mut self.cx.stats;
        stats.accepted += 1;
        stats.metrics_accepted += 1;
        if let Err(error) = registered {
            let line = format_args!("{peer} dropped: cannot register for events: {error}");
            self.cx.log.line(now, Level::Warn, line);
            return drop(self.close(token, CloseReason::SystemError));
        }
        let active = self.sockets.len();
        stats.peak = stats.peak.max(active as u64);
        self.cx.observe_accepted(token, number, &peer, active);
        // Probes come every few seconds: they are no news.
        let line = format_args!("{peer} connected for metrics ({active} active)");
        self.cx.log.line(now, Level::Debug, line);
        self.visit(token, Cause::Opened);
        self.send_batch();
    }

    /// No client is left: closes the connections of operators, and then their listeners.
    #[cold]
    pub(super) fn leave_operators(&mut self) {
        let of_operators = |(token, socket): (Token, &Socket<N::Stream, ServerConnection>)| {
            let ServerConnection { conn, service, .. } = &socket.endpoint;
            service.is_for_operators().then_some((token, conn.has_unsent()))
        };
        let open: Vec<_> = self.sockets.iter().filter_map(of_operators).collect();
        for (token, has_unsent) in open {
            match has_unsent {
                true => self.abort(token, CloseReason::Stopped),
                false => drop(self.close(token, CloseReason::Drained)),
            }
        }
        self.operators.close(&mut self.cx.net);
    }
}
