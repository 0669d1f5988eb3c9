//! What the server did with one connection, as its kernel saw it: the oracle's evidence.

use crate::homes::Home;
use nix::errno::Errno;
use readyd::io::clock::Moment;

/// The server's calls on one connection, summed up.
#[derive(Debug)]
pub(crate) struct Facts {
    /// When it was begun.
    pub(crate) begun_at: Moment,
    /// The listener that it was made to.
    pub(crate) listener: usize,
    /// Where it was made from.
    pub(crate) home: Home,
    pub(crate) accepted_at: Option<Moment>,
    pub(crate) read: u64,
    pub(crate) last_read_at: Moment,
    pub(crate) fin_read: bool,
    pub(crate) sent: u64,
    pub(crate) last_sent_at: Moment,
    /// When the peer last took bytes that the server had sent.
    pub(crate) taken_at: Moment,
    /// When the server was last told that the peer had taken all of them.
    pub(crate) delivered_at: Moment,
    /// When the kernel last would not tell.
    pub(crate) not_told_at: Option<Moment>,
    /// Since when sends were refused, all of them.
    pub(crate) refused_since: Option<Moment>,
    /// When a signal last interrupted a send: with no other chance, a deadline may pass then.
    pub(crate) interrupted_at: Option<Moment>,
    pub(crate) fin_sent_at: Option<Moment>,
    /// The errors that calls failed with, other than `EAGAIN` and `EINTR`.
    pub(crate) errors: Vec<Errno>,
    /// When the order to stop came, this much of its input had arrived, and is to be answered.
    pub(crate) arrived_at_drain: u64,
    /// The server wanted to be told of its events.
    pub(crate) was_let_in: bool,
    pub(crate) register_failed: bool,
    /// The number of the call, of all that the server made on connections, that accepted it.
    pub(crate) accepted_order: u64,
    /// And of the first that moved something, of those in the last turn in which one did.
    pub(crate) moved_at: u64,
    /// And of the one that closed it.
    pub(crate) ended_at: Option<u64>,
    pub(crate) is_closed: bool,
    pub(crate) is_aborted: bool,
    /// Bytes read and bytes sent since the oracle last looked.
    pub(crate) fresh_in: Vec<u8>,
    pub(crate) fresh_out: Vec<u8>,
    pub(crate) is_touched: bool,
}

impl Facts {
    pub(crate) fn new(listener: usize, home: Home, now: Moment) -> Facts {
        Facts {
            begun_at: now,
            listener,
            home,
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
    pub(crate) fn is_turned_away(&self) -> bool {
        self.is_closed && !self.was_let_in
    }

    /// When bytes last went either way, or it was accepted.
    pub(crate) fn last_active(&self) -> Moment {
        self.last_read_at.max(self.last_sent_at).max(self.accepted_at.unwrap_or(Moment::START))
    }
}
