//! What the server did with one connection, as its kernel saw it: the oracle's evidence.

use crate::io::clock::Moment;
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
    /// Bytes that the server read.
    pub read: u64,
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
    /// When the order to stop came, this much of its input had arrived, and is to be answered.
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
        }
    }

    /// Whether the server closed it at once.
    pub fn is_turned_away(&self) -> bool {
        self.is_closed && !self.was_let_in
    }

    /// When bytes last went either way, or it was accepted.
    pub fn last_active(&self) -> Moment {
        self.last_read_at.max(self.last_sent_at).max(self.accepted_at.unwrap_or(Moment::START))
    }
}
