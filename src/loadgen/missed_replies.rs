//! Requests whose replies did not come in their turn.
//!
//! The reply to a later request came first: then the requests before it are set aside until their
//! replies come after all, or their time is up. A request that timed out is remembered for a while,
//! so that its reply, when it comes, is not taken for a doubled one.

use super::accounting::RequestAccounting;
use super::pending::Pending;
use crate::io::clock::Moment;
use std::collections::VecDeque;
use std::time::Duration;

/// How many requests that timed out are remembered: this many, or this many for each place in the
/// pipeline.
const REMEMBERED: usize = 64;
const REMEMBERED_BY_PLACE: usize = 4;

/// What is known of the reply to a request that has timed out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LateReply {
    /// The request is no part of the result.
    Uncounted,
    /// No later reply has come either.
    Missing,
    /// A later one came, so it was counted as lost.
    Lost,
}

/// The requests whose reply is late: a later one came first, or the time was up.
#[derive(Debug)]
pub(super) struct MissedReplies {
    out_of_order: Vec<(u64, Pending)>,
    timed_out: VecDeque<(u64, LateReply)>,
    /// Whether any of these is [`LateReply::Missing`].
    is_any_missing: bool,
    remembered: usize,
}

impl MissedReplies {
    pub(super) fn new(pipeline: usize) -> MissedReplies {
        MissedReplies {
            out_of_order: Vec::new(),
            timed_out: VecDeque::new(),
            is_any_missing: false,
            remembered: REMEMBERED.max(pipeline.saturating_mul(REMEMBERED_BY_PLACE)),
        }
    }

    /// How many replies are still awaited.
    #[inline]
    pub(super) fn awaited(&self) -> usize {
        self.out_of_order.len()
    }

    /// A later reply came before that to the request `sequence`.
    pub(super) fn set_aside(&mut self, sequence: u64, request: Pending) {
        self.out_of_order.push((sequence, request));
    }

    /// Takes the request `sequence` out, if its reply is still awaited.
    pub(super) fn take(&mut self, sequence: u64) -> Option<Pending> {
        let at = self.out_of_order.iter().position(|&(number, _)| number == sequence)?;
        Some(self.out_of_order.swap_remove(at).1)
    }

    /// The request `sequence` has timed out; `is_measured` tells whether it is part of the result.
    pub(super) fn remember_timed_out(&mut self, sequence: u64, is_measured: bool) {
        self.is_any_missing |= is_measured;
        let reply = if is_measured { LateReply::Missing } else { LateReply::Uncounted };
        self.remember(sequence, reply);
    }

    fn remember(&mut self, sequence: u64, reply: LateReply) {
        self.timed_out.push_back((sequence, reply));
        let forgotten = self.timed_out.len().saturating_sub(self.remembered);
        self.timed_out.drain(..forgotten);
    }

    /// A reply has come to a request that was sent after all those that timed out.
    #[inline]
    pub(super) fn later_reply_came(&mut self, accounting: &mut RequestAccounting) {
        if std::mem::take(&mut self.is_any_missing) {
            for (_, reply) in &mut self.timed_out {
                if *reply == LateReply::Missing {
                    *reply = LateReply::Lost;
                    accounting.reply_was_lost();
                }
            }
        }
    }

    /// The reply to the request `sequence` has come. If the request had timed out, the reply is
    /// not lost any more; the request's end stays what it was. Tells whether it had.
    pub(super) fn late_reply_came(
        &mut self,
        sequence: u64,
        accounting: &mut RequestAccounting,
    ) -> bool {
        let Some(at) = self.timed_out.iter().position(|&(number, _)| number == sequence) else {
            return false;
        };
        if let Some((_, LateReply::Lost)) = self.timed_out.remove(at) {
            accounting.lost_reply_came();
        }
        true
    }

    /// Whether the reply to a request that timed out may still come.
    pub(super) fn remembers_any(&self) -> bool {
        !self.timed_out.is_empty()
    }

    /// When the oldest request was sent whose reply is still awaited.
    pub(super) fn oldest(&self) -> Option<Moment> {
        self.out_of_order.iter().map(|(_, request)| request.sent()).min()
    }

    /// Gives up the requests whose time is up.
    pub(super) fn expire(
        &mut self,
        accounting: &mut RequestAccounting,
        timeout: Duration,
        now: Moment,
    ) {
        let is_over = |(_, request): &mut (u64, Pending)| request.sent() + timeout <= now;
        let over: Vec<(u64, Pending)> = self.out_of_order.extract_if(.., is_over).collect();
        for (sequence, request) in over {
            let is_measured = accounting.timed_out(request);
            if is_measured {
                accounting.reply_was_lost();
            }
            let reply = if is_measured { LateReply::Lost } else { LateReply::Uncounted };
            self.remember(sequence, reply);
        }
    }

    /// The connection has gone: hands over the requests whose replies were still awaited.
    pub(super) fn forget_all(&mut self) -> impl Iterator<Item = Pending> + use<> {
        self.timed_out = VecDeque::new();
        self.is_any_missing = false;
        std::mem::take(&mut self.out_of_order).into_iter().map(|(_, request)| request)
    }
}
