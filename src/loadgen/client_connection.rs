//! A client's side of a connection: the requests in flight, and the replies that answer them.
//!
//! It does no I/O: a [`Visit`](super::visit::Visit) feeds it the bytes that were received, and
//! sends the bytes of the requests that it begins.
//!
//! Invariant: the requests in flight have consecutive sequence numbers; the newest has the one
//! before `sequence`. A reply with a later number than expected came out of order; the requests
//! before it are [missed](MissedReplies).

mod opening;
mod other_replies;
mod receiving;
mod server_closed;
#[cfg(test)]
mod tests;
mod unfinished;

pub(super) use opening::SpeaksFirst;

use super::accounting::{RequestAccounting, Verification};
use super::codec::WorkloadCodec;
use super::ends::RequestEnd;
use super::missed_replies::MissedReplies;
use super::pacer::Pacer;
use super::payload::RequestId;
use super::pending::Pending;
use crate::io::buffer::ByteQueue;
use crate::io::clock::Moment;
use opening::Opening;
use other_replies::not_due;
pub(super) use server_closed::ServerClosed;
use std::collections::VecDeque;
use std::time::Duration;
use unfinished::Unfinished;

/// Requests are put together up to about this many bytes before they are sent.
const BATCH_BYTES: usize = 256 * 1024;

/// The stream cannot be read any further: nothing tells where the next reply begins.
#[derive(Debug)]
pub(super) struct Desynchronized;

/// One client, over all the connections that it has in the course of a run.
#[derive(Debug)]
pub(super) struct ClientConnection {
    /// The number among all workers' connections.
    connection: u64,
    /// How many requests may be in flight.
    pipeline: usize,
    /// The place in the pacer's order of active slots.
    turn: usize,
    /// The next request's number.
    sequence: u64,
    /// Requests in flight, oldest first.
    pending: VecDeque<Pending>,
    /// How many they are.
    in_flight: usize,
    /// Requests to be sent again: the server closed their connection behind its last answer.
    taken_back: Vec<Pending>,
    /// Requests whose replies did not come in their turn.
    missed: MissedReplies,
    /// Since when one more request could have been sent.
    free_since: Moment,
    /// How many more requests the present connection may take.
    uses_left: u64,
    /// When the present connection is to be replaced.
    expires: Moment,
    /// Whether a reply came on any connection.
    was_served: bool,
    /// When the last reply came on the present connection.
    last_answer: Option<Moment>,
    /// When connect(2) was called, if the next request was the reason.
    connecting_since: Option<Moment>,
    /// The number of the first request of the present connection.
    first_of_connection: u64,
    opening: Opening,
    /// When a storm dropped the connection that now returns.
    dropped_at: Option<Moment>,
    unparsed: ByteQueue,
    /// Whether no reply was awaited when those bytes began to come.
    is_unparsed_unasked: bool,
    /// Whether a part of the next reply has come that is not kept.
    is_reply_begun: bool,
    unfinished: Unfinished,
    unsent: ByteQueue,
}

impl ClientConnection {
    pub(super) fn new(connection: u64, pipeline: usize) -> ClientConnection {
        ClientConnection {
            connection,
            pipeline,
            turn: 0,
            sequence: 0,
            pending: VecDeque::new(),
            in_flight: 0,
            taken_back: Vec::new(),
            missed: MissedReplies::new(pipeline),
            free_since: Moment::START,
            uses_left: 0,
            expires: Moment::NEVER,
            was_served: false,
            last_answer: None,
            connecting_since: None,
            first_of_connection: 0,
            opening: Opening::Done,
            dropped_at: None,
            unparsed: ByteQueue::default(),
            is_unparsed_unasked: false,
            is_reply_begun: false,
            unfinished: Unfinished::default(),
            unsent: ByteQueue::default(),
        }
    }

    /// The run has begun at `start`; this client has that place among the active slots.
    pub(super) fn take_turn(&mut self, turn: usize, start: Moment) {
        self.turn = turn;
        self.free_since = start;
    }

    pub(super) fn turn(&self) -> usize {
        self.turn
    }

    /// A connection was opened at `now`. It takes `most_requests`, and none from `expires` on; the
    /// first when the server has greeted, if it `greets`.
    pub(super) fn on_open(
        &mut self,
        now: Moment,
        most_requests: u64,
        expires: Moment,
        greets: bool,
    ) {
        self.first_of_connection = self.sequence;
        self.opening = if greets { Opening::Greeting { since: now } } else { Opening::Done };
        self.free_since = now;
        self.uses_left = most_requests;
        self.expires = expires;
        self.last_answer = None;
        self.is_reply_begun = false;
    }

    /// connect(2) is about to be called, and the next request waits for it.
    pub(super) fn waits_for_connect(&mut self, now: Moment) {
        self.connecting_since.get_or_insert(now);
    }

    /// A storm has dropped the connection.
    pub(super) fn on_dropped(&mut self, now: Moment) {
        self.dropped_at = Some(now);
    }

    /// A reply has come. If it is the first since a storm dropped the connection, says how long
    /// after.
    pub(super) fn served(&mut self, now: Moment) -> Option<Duration> {
        self.dropped_at.take().map(|dropped_at| now.since(dropped_at))
    }

    /// Whether a request was ever sent.
    pub(super) fn was_asked(&self) -> bool {
        self.sequence > 0
    }

    /// Takes over since when the connection has been missed that `earlier` had.
    pub(super) fn returns_for(&mut self, earlier: &ClientConnection) {
        self.dropped_at = earlier.dropped_at;
    }

    /// Whether a storm dropped the connection, and no reply has come since.
    pub(super) fn returns_from_storm(&self) -> bool {
        self.dropped_at.is_some()
    }

    /// When the present connection is to be replaced.
    pub(super) fn expires(&self) -> Moment {
        self.expires
    }

    /// Whether nothing is in flight or unsent.
    pub(super) fn is_quiet(&self) -> bool {
        self.is_answered() && self.unsent.is_empty()
    }

    /// Whether no reply is awaited.
    fn is_answered(&self) -> bool {
        self.pending.is_empty() && self.taken_back.is_empty() && self.missed.awaited() == 0
    }

    /// Bytes of requests that the kernel has not taken yet.
    #[inline]
    pub(super) fn unsent_mut(&mut self) -> &mut ByteQueue {
        &mut self.unsent
    }

    /// Whether such bytes wait.
    #[inline]
    pub(super) fn has_unsent(&self) -> bool {
        !self.unsent.is_empty()
    }

    /// The kernel has taken the bytes that kept the next request waiting.
    pub(super) fn on_sent(&mut self, now: Moment) {
        self.free_since = now;
    }

    pub(super) fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// Whether the present connection may take one more request in its life.
    pub(super) fn may_take_another(&self, now: Moment) -> bool {
        self.uses_left > 0 && now < self.expires
    }

    /// Whether one more request may be in flight, and is not kept waiting by unsent bytes.
    pub(super) fn has_room_in_pipeline(&self) -> bool {
        self.in_flight < self.pipeline && self.unsent.is_empty() && self.is_past_opening()
    }

    /// Whether the present connection may take one more now.
    pub(super) fn has_room(&self, now: Moment) -> bool {
        self.in_flight + self.missed.awaited() < self.pipeline
            && self.unsent.is_empty()
            && self.is_past_opening()
            && self.may_take_another(now)
    }

    /// Begins as many requests as the pipeline has room for and the pacer has.
    pub(super) fn begin_requests(
        &mut self,
        codec: &mut WorkloadCodec,
        pacer: &mut Pacer,
        accounting: &mut RequestAccounting,
        output: &mut Vec<u8>,
        now: Moment,
    ) {
        if !self.taken_back.is_empty() && self.is_past_opening() {
            self.begin_again(codec, accounting, output);
        }
        while self.has_room(now)
            && output.len() < BATCH_BYTES
            && let Some(intended) = pacer.next_request(self.turn, self.connecting_since, now)
        {
            let sent = self.connecting_since.take().unwrap_or(now);
            let request = accounting.sent(intended, sent, self.free_since, now);
            self.begin(request, codec, output);
        }
    }

    /// Begins a request that no schedule asks for.
    pub(super) fn begin_unpaced(
        &mut self,
        codec: &mut WorkloadCodec,
        accounting: &mut RequestAccounting,
        output: &mut Vec<u8>,
        now: Moment,
    ) {
        let request = accounting.sent(now, now, now, now);
        self.begin(request, codec, output);
    }

    /// A request is in flight from now on; its bytes are appended to `output`.
    #[inline]
    fn begin(&mut self, request: Pending, codec: &mut WorkloadCodec, output: &mut Vec<u8>) {
        codec.append_request(self.id(self.sequence), output);
        self.in_flight += 1;
        let apart = match self.pending.back_mut() {
            Some(last) => last.join(request),
            None => Some(request),
        };
        self.pending.extend(apart);
        self.sequence += 1;
        self.uses_left = self.uses_left.saturating_sub(1);
    }

    /// The kernel has taken all that was sent, and no reply is due.
    pub(super) fn all_are_done(&mut self, accounting: &mut RequestAccounting, now: Moment) {
        for request in self.pending.drain(..) {
            accounting.answered(request, Verification::Unverified, None, now);
        }
        self.in_flight = 0;
        self.free_since = now;
    }

    /// When the first request in flight times out.
    pub(super) fn deadline(&self, timeout: Duration) -> Moment {
        let oldest = self.pending.front().map(Pending::sent);
        let earliest = self.missed.oldest().into_iter().chain(oldest).min();
        let reply = earliest.map_or(Moment::NEVER, |sent| sent + timeout);
        reply.min(self.opening_deadline(timeout))
    }

    /// Counts the requests whose time is up as timed out. Where replies have no tags, the stream is
    /// out of step then: the next reply could answer a request that timed out.
    pub(super) fn expire_requests(
        &mut self,
        codec: &WorkloadCodec,
        accounting: &mut RequestAccounting,
        timeout: Duration,
        now: Moment,
    ) -> Result<(), Desynchronized> {
        self.missed.expire(accounting, timeout, now);
        while self.pending.front().is_some_and(|together| together.sent() + timeout <= now) {
            self.describe_unfinished(codec, accounting);
            let sequence = self.oldest();
            let Some(request) = self.take_oldest(1, now) else { break };
            let is_measured = accounting.timed_out(request);
            self.missed.remember_timed_out(sequence, is_measured);
            self.free_since = now;
            if !codec.replies_are_tagged() {
                return Err(Desynchronized);
            }
        }
        Ok(())
    }

    /// Replies have come at `now`, up to that to the newest request that is not awaited any more.
    #[inline]
    pub(super) fn on_answered(&mut self, accounting: &mut RequestAccounting, now: Moment) {
        self.last_answer = Some(now);
        if !std::mem::replace(&mut self.was_served, true) {
            accounting.first_served();
        }
        self.missed.later_reply_came(accounting);
    }

    /// The connection has gone; requests that were in flight come to this end.
    pub(super) fn on_closed(&mut self, accounting: &mut RequestAccounting, end: RequestEnd) {
        // Bytes that no request had asked for, and that nothing followed.
        let is_unasked = self.in_flight == 0
            && (self.is_unparsed_unasked || matches!(self.opening, Opening::Undeclared { .. }));
        if is_unasked && !self.unparsed.is_empty() {
            accounting.mismatch(|| match self.opening {
                Opening::Undeclared { .. } => self.describe_undeclared(),
                _ => not_due(self.connection, self.unparsed.bytes()),
            });
            accounting.unsolicited(|mismatches| mismatches.unexpected += 1);
        }
        self.unfinished = Unfinished::default();
        self.opening = Opening::Done;
        let missed = self.missed.forget_all();
        let all = self.pending.drain(..).chain(missed);
        all.for_each(|request| accounting.cut_off(request, end));
        self.in_flight = 0;
        self.unparsed.clear();
        self.unsent.clear();
    }

    #[inline]
    fn id(&self, sequence: u64) -> RequestId {
        RequestId { connection: self.connection, sequence }
    }

    #[inline]
    fn oldest_id(&self) -> RequestId {
        self.id(self.oldest())
    }

    /// The number of the oldest request in flight; if there is none, the number of the next
    /// request.
    #[inline]
    pub(super) fn oldest(&self) -> u64 {
        self.sequence - self.in_flight as u64
    }

    /// Takes the oldest `count` requests, which were sent together: they are not in flight any
    /// more. There may be room for another since `now`.
    #[inline]
    fn take_oldest(&mut self, count: u32, now: Moment) -> Option<Pending> {
        if self.in_flight == self.pipeline {
            self.free_since = now;
        }
        let taken = match self.pending.front_mut() {
            Some(together) if together.count() > count => Some(together.split(count)),
            _ => self.pending.pop_front(),
        };
        self.in_flight -= taken.as_ref().map_or(0, |taken| taken.count() as usize);
        taken
    }
}

/// The first `len` bytes, or as many as there are.
fn up_to(bytes: &[u8], len: usize) -> &[u8] {
    bytes.get(..len).unwrap_or(bytes)
}
