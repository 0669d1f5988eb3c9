//! What the server did with one connection, as its kernel saw it: the oracle's evidence.

use crate::io::clock::Moment;
use crate::io::net::TlsFailure;
use nix::errno::Errno;
use std::net::IpAddr;

/// The server's calls on one connection, summed up.
#[derive(Debug)]
pub struct Facts {
    /// When it was begun.
    pub begun_at: Moment,
    /// The listener that it was made to.
    pub listener: usize,
    /// Where it was made from.
    pub source: IpAddr,
    /// When the server accepted it.
    pub accepted_at: Option<Moment>,
    /// Bytes that the server read: plaintext, if the connection is encrypted.
    pub read: u64,
    /// Bytes that the server read from the socket.
    pub wire_read: u64,
    /// When the server last read bytes that it will answer.
    pub last_read_at: Moment,
    /// The server read the FIN.
    pub fin_read: bool,
    /// Bytes that the server sent.
    pub sent: u64,
    /// When a send of the server last said something of the peer.
    pub last_sent_at: Moment,
    /// When the peer last took bytes that the server had sent.
    pub taken_at: Moment,
    /// When the server was last told that the peer had taken all of them.
    pub delivered_at: Moment,
    /// When the kernel last would not tell.
    pub not_told_at: Option<Moment>,
    /// Since when sends were refused, all of them.
    pub refused_since: Option<Moment>,
    /// When a signal last interrupted a send: with no other chance, a deadline may pass then.
    pub interrupted_at: Option<Moment>,
    /// When the server sent FIN.
    pub fin_sent_at: Option<Moment>,
    /// The errors that calls failed with, other than `EAGAIN` and `EINTR`.
    pub errors: Vec<Errno>,
    /// When the order to stop came, this much of its input had arrived at the socket, and is to be
    /// answered.
    pub arrived_at_drain: u64,
    /// The server wanted to be told of its events.
    pub was_let_in: bool,
    /// Its registration failed.
    pub register_failed: bool,
    /// The number of the call, of all that the server made on connections, that accepted it.
    pub accepted_order: u64,
    /// And of the first that moved something, of those in the last turn in which one did.
    pub moved_at: u64,
    /// And of the one that closed it.
    pub ended_at: Option<u64>,
    /// The server closed it.
    pub is_closed: bool,
    /// The server closed it with RST, on purpose.
    pub is_aborted: bool,
    /// Bytes read and bytes sent since the oracle last looked.
    pub fresh_in: Vec<u8>,
    /// Bytes sent since the oracle last looked.
    pub fresh_out: Vec<u8>,
    /// It is in [`touched`](super::kernel::Kernel::touched).
    pub is_touched: bool,
    /// What else is known of it if it is encrypted.
    pub encrypted: Option<Box<EncryptedFacts>>,
}

/// What is known of an encrypted connection: what a network above the kernel saw there, and what
/// the client tells.
#[derive(Debug, Default)]
pub struct EncryptedFacts {
    /// When the server knew that the handshake had succeeded.
    pub opened_at: Option<Moment>,
    /// Why encryption ended the connection at the server.
    pub failure: Option<TlsFailure>,
    /// How much the client had made by then, again and again: ciphertext, and the plaintext in it.
    pub made: Vec<(u64, u64)>,
    /// What the client did at its end.
    pub client_end: ClientEnd,
    /// The client breaks the rules of TLS, or sends none.
    pub is_bad_client: bool,
    /// All plaintext that the server has read.
    pub read: Vec<u8>,
    /// All plaintext that the server has given to be sent: what was taken, and at the end what was
    /// offered last.
    pub offered: Vec<u8>,
    /// How much of that was taken.
    pub taken: usize,
}

/// What a client did at the end of what it sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClientEnd {
    /// It is not known.
    #[default]
    Unknown,
    /// It has sent no close_notify.
    None,
    /// The kernel has taken its close_notify.
    CloseNotify,
}

impl Facts {
    /// A connection that was begun at `now`.
    pub fn new(listener: usize, source: IpAddr, now: Moment) -> Facts {
        Facts {
            begun_at: now,
            listener,
            source,
            accepted_at: None,
            read: 0,
            wire_read: 0,
            last_read_at: now,
            fin_read: false,
            sent: 0,
            last_sent_at: now,
            taken_at: Moment::START,
            delivered_at: Moment::START,
            not_told_at: None,
            refused_since: None,
            interrupted_at: None,
            fin_sent_at: None,
            errors: Vec::new(),
            arrived_at_drain: 0,
            was_let_in: false,
            register_failed: false,
            accepted_order: 0,
            moved_at: 0,
            ended_at: None,
            is_closed: false,
            is_aborted: false,
            fresh_in: Vec::new(),
            fresh_out: Vec::new(),
            is_touched: false,
            encrypted: None,
        }
    }

    /// How much plaintext had arrived when the order to stop came; at least, if the connection is
    /// encrypted.
    pub fn plaintext_at_drain(&self) -> u64 {
        let Some(encrypted) = &self.encrypted else { return self.arrived_at_drain };
        let before = encrypted.made.iter().rev().find(|(wire, _)| *wire <= self.arrived_at_drain);
        before.map_or(0, |(_, plaintext)| *plaintext)
    }

    /// Whether nothing may be served yet, because a handshake is not over.
    pub fn is_unopened(&self) -> bool {
        self.encrypted.as_ref().is_some_and(|encrypted| encrypted.opened_at.is_none())
    }

    /// Whether encryption has failed.
    pub fn has_tls_failure(&self) -> bool {
        self.encrypted.as_ref().is_some_and(|encrypted| encrypted.failure.is_some())
    }

    /// Whether the server closed it at once.
    pub fn is_turned_away(&self) -> bool {
        self.is_closed && !self.was_let_in
    }

    /// When bytes last went either way, or it was accepted, or its handshake was over.
    pub fn last_active(&self) -> Moment {
        let opened_at = self.encrypted.as_ref().and_then(|encrypted| encrypted.opened_at);
        let begun = opened_at.or(self.accepted_at).unwrap_or(Moment::START);
        self.last_read_at.max(self.last_sent_at).max(begun)
    }
}
