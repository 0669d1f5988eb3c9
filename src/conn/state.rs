//! The states of a connection, and every change from one to another.
//!
//! A connection has two directions, and so its state is a pair. [`LEGAL_PAIRS`] lists the pairs
//! that exist. Each event is a method of [`State`], and nothing else changes it. ARCHITECTURE.md
//! has the diagram; a test makes it from this file.
//!
//! Invariant: the state is one of [`LEGAL_PAIRS`].

use crate::server::close::CloseReason;
use std::mem::discriminant;

#[cfg(test)]
mod tests;

/// The direction from the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inbound {
    /// We read requests and answer them.
    Open,
    /// Requests may have arrived that must wait: until the peer has taken output, or until other
    /// connections have had their turn. We read nothing, so TCP's window slows the peer down.
    Stalled,
    /// We read and throw away. close(2) with unread input would send RST, and RST makes the peer's
    /// kernel drop a reply that the peer has not read yet.
    LingerRead,
    /// The peer sent FIN, or we no longer wait for it.
    Ended,
}

/// The direction to the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outbound {
    /// We send replies.
    Open,
    /// The service sends without being asked, for as long as the peer takes it.
    Producing,
    /// No more output will be made. We send what waits, then FIN.
    Closing(CloseReason),
    /// We have sent FIN. The peer has until the linger deadline to send its own.
    FinSent(CloseReason),
    /// Output was dropped, and a part of it may have gone out. RST must tell the peer that it is
    /// not whole.
    Aborting(CloseReason),
    /// A system call on the socket failed while no output waited.
    Failed(CloseReason),
}

/// Stands for any reason in [`LEGAL_PAIRS`].
const ANY: CloseReason = CloseReason::Served;

/// Each state of the output with the states of the input that it can be paired with.
const LEGAL_PAIRS: [(Outbound, &[Inbound]); 6] = [
    (Outbound::Open, &[Inbound::Open, Inbound::Stalled]),
    (Outbound::Producing, &[Inbound::Open, Inbound::Stalled, Inbound::Ended]),
    (Outbound::Closing(ANY), &[Inbound::LingerRead, Inbound::Ended]),
    (Outbound::FinSent(ANY), &[Inbound::LingerRead, Inbound::Ended]),
    (Outbound::Aborting(ANY), &[Inbound::Ended]),
    (Outbound::Failed(ANY), &[Inbound::Ended]),
];

/// What the owner must do next with the connection's socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Nothing: wait for readiness or the deadline.
    Stay,
    /// Half-close: send FIN, then call [`fin_sent`](super::Connection::fin_sent).
    SendFin,
    /// Close.
    Close(CloseReason),
    /// Close with RST, so that the kernel drops the unsent output too.
    Abort(CloseReason),
}

/// The state of both directions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct State {
    inbound: Inbound,
    outbound: Outbound,
}

/// The events. One that means nothing in a state changes nothing.
impl State {
    /// A connection was opened.
    pub(super) fn new() -> State {
        State { inbound: Inbound::Open, outbound: Outbound::Open }
    }

    /// The service wants to send without being asked.
    pub(super) fn produce(&mut self) {
        if (self.inbound, self.outbound) == (Inbound::Open, Outbound::Open) {
            self.enter(Inbound::Open, Outbound::Producing);
        }
    }

    /// Requests have to wait.
    pub(super) fn stall(&mut self) {
        if self.inbound == Inbound::Open {
            self.enter(Inbound::Stalled, self.outbound);
        }
    }

    /// Requests need not wait any longer.
    pub(super) fn resume(&mut self) {
        if self.inbound == Inbound::Stalled {
            self.enter(Inbound::Open, self.outbound);
        }
    }

    /// The peer sent FIN. If nothing else ends the connection, it ends for `reason`. A service that
    /// produces goes on: a peer that only half-closed still reads, and one that is gone answers
    /// RST.
    pub(super) fn peer_fin(&mut self, reason: CloseReason) {
        match (self.inbound, self.outbound) {
            (Inbound::Open, Outbound::Open) => {
                self.enter(Inbound::Ended, Outbound::Closing(reason));
            }
            (Inbound::Open | Inbound::LingerRead, outbound) => self.enter(Inbound::Ended, outbound),
            (Inbound::Stalled | Inbound::Ended, _) => {}
        }
    }

    /// Nothing more is to be answered: close, once all output has been sent.
    pub(super) fn finish(&mut self, reason: CloseReason) {
        if self.is_serving() {
            let inbound = match self.inbound {
                Inbound::Ended => Inbound::Ended,
                Inbound::Open | Inbound::Stalled | Inbound::LingerRead => Inbound::LingerRead,
            };
            self.enter(inbound, Outbound::Closing(reason));
        }
    }

    /// The owner has sent FIN.
    pub(super) fn fin_sent(&mut self) {
        if let (Inbound::LingerRead, Outbound::Closing(reason)) = (self.inbound, self.outbound) {
            self.enter(Inbound::LingerRead, Outbound::FinSent(reason));
        }
    }

    /// The peer has not sent its FIN in time.
    pub(super) fn linger_over(&mut self) {
        if self.is_lingering() {
            self.enter(Inbound::Ended, self.outbound);
        }
    }

    /// Output is dropped. The reason is the given one, whatever was decided before.
    pub(super) fn abort(&mut self, reason: CloseReason) {
        self.enter(Inbound::Ended, Outbound::Aborting(reason));
    }

    /// The socket failed, and no output is lost.
    pub(super) fn socket_failed(&mut self, reason: CloseReason) {
        self.enter(Inbound::Ended, Outbound::Failed(self.reason().unwrap_or(reason)));
    }

    /// The only place where the state changes.
    fn enter(&mut self, inbound: Inbound, outbound: Outbound) {
        *self = State { inbound, outbound };
        debug_assert!(self.is_legal(), "{self:?}");
    }

    fn is_legal(self) -> bool {
        let is_paired = |(outbound, inbounds): &(Outbound, &[Inbound])| {
            discriminant(outbound) == discriminant(&self.outbound)
                && inbounds.contains(&self.inbound)
        };
        LEGAL_PAIRS.iter().any(is_paired)
    }
}

/// The questions.
impl State {
    /// Whether bytes, once readable, should be read.
    pub(super) fn wants_read(self) -> bool {
        matches!(self.inbound, Inbound::Open | Inbound::LingerRead)
    }

    /// Whether bytes that are read are requests.
    pub(super) fn reads_requests(self) -> bool {
        self.inbound == Inbound::Open
    }

    /// Whether requests are read and answered, and nothing else is done.
    pub(super) fn is_open(self) -> bool {
        matches!((self.inbound, self.outbound), (Inbound::Open, Outbound::Open))
    }

    /// Whether requests wait.
    pub(super) fn is_stalled(self) -> bool {
        self.inbound == Inbound::Stalled
    }

    /// Whether output can still be made: the connection is not being closed.
    pub(super) fn is_serving(self) -> bool {
        matches!(self.outbound, Outbound::Open | Outbound::Producing)
    }

    /// Whether the service makes output without being asked.
    pub(super) fn is_producing(self) -> bool {
        self.outbound == Outbound::Producing
    }

    /// Whether FIN was sent, and the peer's is still to come.
    pub(super) fn is_lingering(self) -> bool {
        matches!((self.inbound, self.outbound), (Inbound::LingerRead, Outbound::FinSent(_)))
    }

    /// Whether nothing more will be served, provided that nothing is left to read unless
    /// `readable`.
    pub(super) fn can_drain(self, readable: bool) -> bool {
        match (self.outbound, self.inbound) {
            (Outbound::Open, Inbound::Open) => !readable,
            (Outbound::Open, _) => false,
            (Outbound::Producing, _) => true,
            _ => false,
        }
    }

    /// Why the connection ends, if that is decided.
    pub(super) fn reason(self) -> Option<CloseReason> {
        match self.outbound {
            Outbound::Open | Outbound::Producing => None,
            Outbound::Closing(reason)
            | Outbound::FinSent(reason)
            | Outbound::Aborting(reason)
            | Outbound::Failed(reason) => Some(reason),
        }
    }

    /// What to do with the socket when all that can be sent has been sent, and `has_unsent` tells
    /// whether some output is left.
    pub(super) fn action(self, has_unsent: bool) -> Action {
        match (self.outbound, self.inbound) {
            (Outbound::Open | Outbound::Producing, _) => Action::Stay,
            (Outbound::Closing(_), _) if has_unsent => Action::Stay,
            // close(2) sends FIN.
            (Outbound::Closing(reason), Inbound::Ended) => Action::Close(reason),
            (Outbound::Closing(_), _) => Action::SendFin,
            (Outbound::FinSent(reason), Inbound::Ended) => Action::Close(reason),
            (Outbound::FinSent(_), _) => Action::Stay,
            (Outbound::Aborting(reason), _) => Action::Abort(reason),
            (Outbound::Failed(reason), _) => Action::Close(reason),
        }
    }
}

impl super::Connection {
    /// The state of both directions, for a trace.
    pub fn stage(&self) -> (Inbound, Outbound) {
        (self.state.inbound, self.state.outbound)
    }

    /// Whether it is to be closed at once, because a call failed or output was dropped.
    pub fn has_failed(&self) -> bool {
        matches!(self.state.outbound, Outbound::Aborting(_) | Outbound::Failed(_))
    }
}
