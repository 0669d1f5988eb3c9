//! Requests whose replies did not come in their turn.
//!
//! The reply to a later request came first: then the requests before it are set aside until their
//! replies come after all, or their time is up. A request that timed out is remembered for a while,
//! so that its reply, when it comes, is not taken for a doubled one.

use super::accounting::{Pending, RequestAccounting};
use crate::io::clock::Moment;
use std::collections::VecDeque;
use std::time::Duration;

/// How many requests that timed out are remembered: this many, or this many for each place in the
/// pipeline.
const REMEMBERED: usize = 64;
const REMEMBERED_BY_PLACE: usize = 4;

/// The requests whose reply is late: a later one came first, or the time was up.
#[derive(Debug)]
pub(super) struct MissedReplies {
    out_of_order: Vec<(u64, Pending)>,
    /// Whether the reply counts as lost stands beside the request's number.
    timed_out: VecDeque<(u64, bool)>,
    remembered: usize,
}

impl MissedReplies {
    pub(super) fn new(pipeline: usize) -> MissedReplies {
        MissedReplies {
            out_of_order: Vec::new(),
            timed_out: VecDeque::new(),
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

    /// The request `sequence` has timed out.
    pub(super) fn remember_timed_out(&mut self, sequence: u64, counted_as_lost: bool) {
        self.timed_out.push_back((sequence, counted_as_lost));
        let forgotten = self.timed_out.len().saturating_sub(self.remembered);
        self.timed_out.drain(..forgotten);
    }

    /// If the request `sequence` has timed out, takes it out and says whether it was counted as
    /// lost.
    pub(super) fn take_timed_out(&mut self, sequence: u64) -> Option<bool> {
        let at = self.timed_out.iter().position(|&(number, _)| number == sequence)?;
        self.timed_out.remove(at).map(|(_, counted_as_lost)| counted_as_lost)
    }

    /// When the oldest request was sent whose reply is still awaited.
    pub(super) fn oldest(&self) -> Option<Moment> {
        self.out_of_order.iter().map(|(_, request)| request.sent).min()
    }

    /// Gives up the requests whose time is up.
    pub(super) fn expire(
        &mut self,
        accounting: &mut RequestAccounting,
        timeout: Duration,
        now: Moment,
    ) {
        let MissedReplies { out_of_order, timed_out, .. } = self;
        out_of_order.retain(|(sequence, request)| {
            let is_over = request.sent + timeout <= now;
            if is_over {
                timed_out.push_back((*sequence, accounting.timed_out(request, true)));
            }
            !is_over
        });
        let forgotten = self.timed_out.len().saturating_sub(self.remembered);
        self.timed_out.drain(..forgotten);
    }

    /// The connection has gone: hands over the requests whose replies were still awaited.
    pub(super) fn forget_all(&mut self) -> impl Iterator<Item = Pending> + use<> {
        self.timed_out = VecDeque::new();
        std::mem::take(&mut self.out_of_order).into_iter().map(|(_, request)| request)
    }
}
