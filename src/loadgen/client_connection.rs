//! A client's side of a connection: the requests in flight, and the replies that answer them.
//!
//! It does no I/O: a [`Visit`](super::visit::Visit) feeds it the bytes that were received, and
//! sends the bytes of the requests that it begins.
//!
//! Invariant: the requests in flight have consecutive sequence numbers; the newest has the one
//! before `sequence`. A reply with a later number than expected came out of order; the requests
//! before it are [missed](MissedReplies).

mod other_replies;
#[cfg(test)]
mod tests;
mod unfinished;

use super::accounting::{Pending, RequestAccounting, Verification};
use super::codec::{Accepted, WorkloadCodec};
use super::missed_replies::MissedReplies;
use super::pacer::Pacer;
use super::payload::RequestId;
use crate::io::buffer::ByteQueue;
use crate::io::clock::Moment;
use other_replies::not_due;
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
    /// Requests whose replies did not come in their turn.
    missed: MissedReplies,
    /// Since when one more request could have been sent.
    free_since: Moment,
    /// How many more requests the present connection may take.
    uses_left: u64,
    /// When the present connection is to be replaced.
    expires: Moment,
    /// When connect(2) was called, if the next request was the reason.
    connecting_since: Option<Moment>,
    /// When a storm dropped the connection that now returns.
    dropped_at: Option<Moment>,
    unparsed: ByteQueue,
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
            missed: MissedReplies::new(pipeline),
            free_since: Moment::START,
            uses_left: 0,
            expires: Moment::NEVER,
            connecting_since: None,
            dropped_at: None,
            unparsed: ByteQueue::default(),
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

    /// A connection was opened at `now`. It takes `most_requests`, and none from `expires` on.
    pub(super) fn on_open(&mut self, now: Moment, most_requests: u64, expires: Moment) {
        self.free_since = now;
        self.uses_left = most_requests;
        self.expires = expires;
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
        self.pending.is_empty() && self.missed.awaited() == 0 && self.unsent.is_empty()
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
        self.in_flight < self.pipeline && self.unsent.is_empty()
    }

    /// Whether the present connection may take one more now.
    pub(super) fn has_room(&self, now: Moment) -> bool {
        self.in_flight + self.missed.awaited() < self.pipeline
            && self.unsent.is_empty()
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
        while self.has_room(now)
            && output.len() < BATCH_BYTES
            && let Some(intended) = pacer.next_request(self.turn, self.connecting_since, now)
        {
            let sent = self.connecting_since.take().unwrap_or(now);
            let mut request = Pending::one(intended, sent);
            accounting.sent(&mut request, self.free_since, now);
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
        let mut request = Pending::one(now, now);
        accounting.sent(&mut request, now, now);
        self.begin(request, codec, output);
    }

    /// A request is in flight from now on; its bytes are appended to `output`.
    #[inline]
    fn begin(&mut self, request: Pending, codec: &mut WorkloadCodec, output: &mut Vec<u8>) {
        codec.append_request(self.id(self.sequence), output);
        self.in_flight += 1;
        match self.pending.back_mut() {
            Some(last) if (last.intended, last.sent) == (request.intended, request.sent) => {
                last.count += 1;
            }
            _ => self.pending.push_back(request),
        }
        self.sequence += 1;
        self.uses_left = self.uses_left.saturating_sub(1);
    }

    /// Takes bytes that came at `now`, and all replies that are whole with them.
    pub(super) fn receive(
        &mut self,
        mut input: &[u8],
        codec: &mut WorkloadCodec,
        accounting: &mut RequestAccounting,
        now: Moment,
    ) -> Result<(), Desynchronized> {
        let mut held = std::mem::take(&mut self.unparsed);
        if !held.is_empty() {
            let kept = held.len();
            let (joined, rest) = input.split_at(codec.bytes_to_join(input.len()));
            held.extend(joined, now);
            let mut taken = self.take_replies(held.bytes(), codec, accounting, now)?;
            if taken < kept && !rest.is_empty() {
                // Nothing is in flight that the bytes could be part of.
                held.extend(rest, now);
                let unasked = held.bytes().get(taken..).unwrap_or_default();
                taken += self.take_replies(unasked, codec, accounting, now)?;
            }
            if taken < kept || rest.is_empty() {
                held.consume(taken, now);
                return self.keep(held, codec);
            }
            // What was kept is done with.
            held.clear();
            input = input.get(taken - kept..).unwrap_or_default();
        }
        let taken = self.take_replies(input, codec, accounting, now)?;
        held.extend(input.get(taken..).unwrap_or_default(), now);
        self.unparsed = held;
        Ok(())
    }

    /// Keeps bytes that are no whole reply yet. More than the longest reply has belong to none.
    fn keep(&mut self, held: ByteQueue, codec: &WorkloadCodec) -> Result<(), Desynchronized> {
        self.unparsed = held;
        if self.unparsed.len() > codec.longest_reply() { Err(Desynchronized) } else { Ok(()) }
    }

    /// Takes all replies that are whole off the front of `bytes`, and says how many bytes they
    /// have. Right replies to requests that were sent together are accounted for together.
    fn take_replies(
        &mut self,
        bytes: &[u8],
        codec: &mut WorkloadCodec,
        accounting: &mut RequestAccounting,
        now: Moment,
    ) -> Result<usize, Desynchronized> {
        let mut taken = 0;
        while taken < bytes.len() {
            let rest = bytes.get(taken..).unwrap_or_default();
            if let Some(&together) = self.pending.front()
                && let Accepted { count, len, part } =
                    codec.take_accepted(self.oldest_id(), together.count, rest)
                && len + part > 0
            {
                if count > 0 {
                    let verification = codec.verification();
                    accounting.answered(&Pending { count, ..together }, verification, None, now);
                    self.forget_oldest(count, now);
                }
                self.unfinished.follow(len, rest.get(len..len + part).unwrap_or_default());
                taken += len + part;
            } else if let Some(len) = self.take_other_reply(rest, codec, accounting, now)? {
                taken += len;
            } else {
                break;
            }
        }
        Ok(taken)
    }

    /// The kernel has taken all that was sent, and no reply is due.
    pub(super) fn all_are_done(&mut self, accounting: &mut RequestAccounting, now: Moment) {
        for request in self.pending.drain(..) {
            accounting.answered(&request, Verification::Unverified, None, now);
        }
        self.in_flight = 0;
        self.free_since = now;
    }

    /// When the first request in flight times out.
    pub(super) fn deadline(&self, timeout: Duration) -> Moment {
        let oldest = self.pending.front().map(|request| request.sent);
        let earliest = self.missed.oldest().into_iter().chain(oldest).min();
        earliest.map_or(Moment::NEVER, |sent| sent + timeout)
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
        while let Some(&together) = self.pending.front()
            && together.sent + timeout <= now
        {
            self.describe_unfinished(codec, accounting);
            let is_lost =
                accounting.timed_out(&Pending { count: 1, ..together }, codec.replies_are_tagged());
            self.missed.remember_timed_out(self.oldest(), is_lost);
            self.forget_oldest(1, now);
            self.free_since = now;
            if !codec.replies_are_tagged() {
                return Err(Desynchronized);
            }
        }
        Ok(())
    }

    /// The connection has gone; `account` says what that means for a request that was in flight.
    pub(super) fn on_closed(
        &mut self,
        accounting: &mut RequestAccounting,
        account: impl Fn(&mut RequestAccounting, &Pending),
    ) {
        // Bytes that no request had asked for, and that nothing followed.
        if self.in_flight == 0 && !self.unparsed.is_empty() {
            let (connection, bytes) = (self.connection, self.unparsed.bytes());
            accounting.mismatch(|| not_due(connection, bytes));
            accounting.unsolicited(|mismatches| mismatches.unexpected += 1);
        }
        self.unfinished = Unfinished::default();
        let missed = self.missed.forget_all();
        self.pending.drain(..).chain(missed).for_each(|request| account(accounting, &request));
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

    /// The oldest `count` requests, which were sent together, are not in flight any more. There may
    /// be room for another since `now`.
    #[inline]
    fn forget_oldest(&mut self, count: u32, now: Moment) {
        if self.in_flight == self.pipeline {
            self.free_since = now;
        }
        self.in_flight -= count as usize;
        match self.pending.front_mut() {
            Some(together) if together.count > count => together.count -= count,
            _ => drop(self.pending.pop_front()),
        }
    }
}

/// The first `len` bytes, or as many as there are.
fn up_to(bytes: &[u8], len: usize) -> &[u8] {
    bytes.get(..len).unwrap_or(bytes)
}
