//! What a connection has said and waits to hear.
//!
//! Invariant: the requests under way have consecutive sequence numbers, the newest being the one
//! before [`Talk::sequence`]. A reply that names a later one than expected overtakes those before
//! it; they are kept aside until they come after all, out of order, or their time is up.

use super::book::{Book, Pending, Quality};
use super::payload::RequestId;
use super::wire::{Examined, Verdict, Wire};
use crate::io::buffer::ByteQueue;
use crate::io::clock::Moment;
use crate::server::client_log::Escaped;
use std::collections::VecDeque;
use std::time::Duration;

/// How many requests that were given up are remembered, so that a reply that comes all the same is
/// not taken for a doubled one; or as many as a pipeline holds, so many times.
const GIVEN_UP_REMEMBERED: usize = 64;
const GIVEN_UP_PIPELINES_REMEMBERED: usize = 4;

/// Bytes of a wrong reply that are shown.
const SHOWN: usize = 160;

/// The stream cannot be read any further: nothing tells where the next reply begins.
#[derive(Debug)]
pub(super) struct OutOfStep;

#[derive(Debug)]
pub(super) struct Talk {
    /// The number among all workers' connections.
    pub(super) connection: u64,
    /// How many requests may be under way.
    pipeline: usize,
    /// Which of the connections that take turns in the schedule this is.
    pub(super) turn: u64,
    /// Requests that the schedule had this connection begin so far.
    pub(super) begun: u64,
    /// Requests whose time has come and that are not begun.
    pub(super) due: u64,
    /// The next request's number.
    pub(super) sequence: u64,
    /// Requests under way, oldest first.
    pending: VecDeque<Pending>,
    /// How many they are.
    under_way: usize,
    overtaken: Vec<(u64, Pending)>,
    /// Requests of which the reply is awaited no more, and whether it counts as lost.
    given_up: VecDeque<(u64, bool)>,
    /// Since when one more request could have been sent.
    pub(super) free_since: Moment,
    /// Requests sent on the present connection.
    pub(super) used: u32,
    /// When the present connection is to be replaced.
    pub(super) expires: Moment,
    /// When connecting began, if it was for the sake of the next request.
    pub(super) connecting_since: Option<Moment>,
    /// When a storm dropped the connection that now returns.
    pub(super) returns_since: Option<Moment>,
    pub(super) unparsed: ByteQueue,
    pub(super) unsent: ByteQueue,
}

impl Talk {
    pub(super) fn new(connection: u64, pipeline: usize) -> Talk {
        Talk {
            connection,
            pipeline,
            turn: 0,
            begun: 0,
            due: 0,
            sequence: 0,
            pending: VecDeque::new(),
            under_way: 0,
            overtaken: Vec::new(),
            given_up: VecDeque::new(),
            free_since: Moment::START,
            used: 0,
            expires: Moment::NEVER,
            connecting_since: None,
            returns_since: None,
            unparsed: ByteQueue::default(),
            unsent: ByteQueue::default(),
        }
    }

    fn id(&self, sequence: u64) -> RequestId {
        RequestId { connection: self.connection, sequence }
    }

    /// The oldest request under way; without any, the next to come.
    fn front(&self) -> u64 {
        self.sequence - self.under_way as u64
    }

    /// Requests of which nothing more is awaited in turn.
    pub(super) fn answered(&self) -> u64 {
        self.front()
    }

    /// A request is under way no more: there may be room for another since `now`.
    fn make_room(&mut self, now: Moment) {
        if self.under_way + 1 == self.pipeline {
            self.free_since = now;
        }
    }

    /// How many requests are under way.
    pub(super) fn under_way(&self) -> usize {
        self.under_way
    }

    /// How many answers are awaited, those that others overtook included.
    pub(super) fn awaited(&self) -> usize {
        self.under_way + self.overtaken.len()
    }

    /// Takes the oldest request under way out of the account.
    fn take_oldest(&mut self) -> Option<Pending> {
        let oldest = self.pending.front_mut()?;
        let one = Pending { count: 1, ..*oldest };
        oldest.count -= 1;
        if oldest.count == 0 {
            self.pending.pop_front();
        }
        self.under_way -= 1;
        Some(one)
    }

    /// Nothing is under way, nor waits to be sent.
    pub(super) fn is_quiet(&self) -> bool {
        self.pending.is_empty() && self.overtaken.is_empty() && self.unsent.is_empty()
    }

    /// Begins a request: it is under way, and its bytes are appended to `out`.
    #[inline]
    pub(super) fn begin(&mut self, request: Pending, wire: &mut Wire, out: &mut Vec<u8>) {
        wire.append_request(self.id(self.sequence), out);
        self.under_way += 1;
        match self.pending.back_mut() {
            Some(last) if (last.intended, last.sent) == (request.intended, request.sent) => {
                last.count += 1;
            }
            _ => self.pending.push_back(request),
        }
        self.sequence += 1;
        self.used += 1;
    }

    /// Takes bytes that came at `now`.
    pub(super) fn receive(
        &mut self,
        input: &[u8],
        wire: &mut Wire,
        book: &mut Book,
        now: Moment,
    ) -> Result<(), OutOfStep> {
        if self.unparsed.is_empty() {
            let taken = self.take_replies(input, wire, book, now)?;
            self.unparsed.extend(from(input, taken), now);
            return Ok(());
        }
        let mut held = std::mem::take(&mut self.unparsed);
        held.extend(input, now);
        let taken = self.take_replies(held.bytes(), wire, book, now)?;
        held.consume(taken, now);
        self.unparsed = held;
        // What is longer than any reply can be is none.
        if self.unparsed.len() > wire.longest_reply() { Err(OutOfStep) } else { Ok(()) }
    }

    /// Takes all whole replies in `bytes`, and says how many bytes they are.
    fn take_replies(
        &mut self,
        bytes: &[u8],
        wire: &mut Wire,
        book: &mut Book,
        now: Moment,
    ) -> Result<usize, OutOfStep> {
        let mut taken = 0;
        while taken < bytes.len() {
            taken += self.take_right_replies(from(bytes, taken), wire, book, now);
            let rest = from(bytes, taken);
            match wire.examine(self.id(self.front()), rest, self.under_way <= 1) {
                Examined::Incomplete => break,
                Examined::OutOfStep => return Err(OutOfStep),
                Examined::Stray(len) => {
                    self.note(up_to(rest, len), wire, book);
                    book.stray(|mismatches| mismatches.unexpected += 1);
                    taken += len;
                }
                Examined::Reply(len, verdict) => {
                    self.settle(up_to(rest, len), verdict, wire, book, now);
                    taken += len;
                }
            }
        }
        Ok(taken)
    }

    /// Takes the right replies to requests that were sent together, and accounts for them together.
    fn take_right_replies(
        &mut self,
        bytes: &[u8],
        wire: &mut Wire,
        book: &mut Book,
        now: Moment,
    ) -> usize {
        let Some(oldest) = self.pending.front().copied().filter(|_| !wire.is_mixture()) else {
            return 0;
        };
        let right = if wire.verifies() { Verdict::Right } else { Verdict::Unverified };
        let (first, mut count, mut taken) = (self.front(), 0, 0);
        while count < oldest.count
            && let id = self.id(first + u64::from(count))
            && let Examined::Reply(len, verdict) = wire.examine(id, from(bytes, taken), false)
            && verdict == right
        {
            count += 1;
            taken += len;
        }
        if count > 0 {
            let quality = if wire.verifies() { Quality::Verified } else { Quality::Unverified };
            book.answered(&Pending { count, ..oldest }, quality, None, now);
            if self.under_way == self.pipeline {
                self.free_since = now;
            }
            self.under_way -= count as usize;
            match self.pending.front_mut() {
                Some(oldest) if oldest.count > count => oldest.count -= count,
                _ => drop(self.pending.pop_front()),
            }
        }
        taken
    }

    /// Takes the peer's FIN. Tells whether it ended a reply.
    pub(super) fn receive_eof(&mut self, wire: &Wire, book: &mut Book, now: Moment) -> bool {
        let held = std::mem::take(&mut self.unparsed);
        match wire.examine_at_end(held.bytes()) {
            Examined::Reply(len, verdict) if self.under_way > 0 => {
                self.settle(up_to(held.bytes(), len), verdict, wire, book, now);
                true
            }
            _ => false,
        }
    }

    /// All that was sent has been taken by the kernel, and no answer is due.
    pub(super) fn settle_all(&mut self, book: &mut Book, now: Moment) {
        for request in self.pending.drain(..) {
            book.answered(&request, Quality::Unverified, None, now);
        }
        self.under_way = 0;
        self.free_since = now;
    }

    #[inline]
    fn settle(
        &mut self,
        reply: &[u8],
        verdict: Verdict,
        wire: &Wire,
        book: &mut Book,
        now: Moment,
    ) {
        let quality = match verdict {
            Verdict::Right => Quality::Verified,
            Verdict::Unverified => Quality::Unverified,
            Verdict::Wrong => Quality::Corrupt,
            Verdict::Another(named) => return self.settle_another(named, reply, wire, book, now),
        };
        if quality == Quality::Corrupt || self.under_way == 0 {
            self.note(reply, wire, book);
        }
        let sequence = self.front();
        match self.take_oldest() {
            Some(request) => {
                book.answered(&request, quality, wire.kind(self.id(sequence)), now);
                self.make_room(now);
            }
            None => book.stray(|mismatches| mismatches.unexpected += 1),
        }
    }

    /// The reply is a right one, but not to the request whose turn it is.
    fn settle_another(
        &mut self,
        named: RequestId,
        reply: &[u8],
        wire: &Wire,
        book: &mut Book,
        now: Moment,
    ) {
        if named.connection != self.connection & u64::from(u32::MAX) {
            self.note(reply, wire, book);
            return book.stray(|mismatches| mismatches.foreign += 1);
        }
        let kind = wire.kind(named);
        if (self.front()..self.sequence).contains(&named.sequence) {
            while self.front() < named.sequence {
                let sequence = self.front();
                let Some(request) = self.take_oldest() else { break };
                self.overtaken.push((sequence, request));
            }
            if let Some(request) = self.take_oldest() {
                book.answered(&request, Quality::Verified, kind, now);
            }
            self.free_since = now;
        } else if let Some(at) =
            self.overtaken.iter().position(|&(sequence, _)| sequence == named.sequence)
        {
            self.note(reply, wire, book);
            let (_, request) = self.overtaken.swap_remove(at);
            book.answered(&request, Quality::Swapped, kind, now);
        } else if let Some(at) =
            self.given_up.iter().position(|&(sequence, _)| sequence == named.sequence)
        {
            // It was not lost, only late; that it was not answered in time stays true.
            let was_counted = self.given_up.remove(at).is_some_and(|(_, counted)| counted);
            book.tally.mismatches.lost -= u64::from(was_counted);
        } else {
            self.note(reply, wire, book);
            book.stray(|mismatches| mismatches.doubled += 1);
        }
    }

    fn note(&self, reply: &[u8], wire: &Wire, book: &mut Book) {
        if book.tally.first_mismatch.is_some() {
            return;
        }
        let expected = wire.describe_reply(self.id(self.front()));
        book.tally.first_mismatch = Some(format!(
            "connection {}, request {}: got {}, expected {}",
            self.connection,
            self.front(),
            Escaped(up_to(reply, SHOWN)),
            Escaped(up_to(&expected, SHOWN))
        ));
    }

    /// When the first request under way is to be given up.
    pub(super) fn deadline(&self, timeout: Duration) -> Moment {
        let oldest = self.pending.front().map(|request| request.sent);
        self.overtaken
            .iter()
            .map(|(_, request)| request.sent)
            .chain(oldest)
            .min()
            .map_or(Moment::NEVER, |sent| sent + timeout)
    }

    /// Gives up the requests whose time is up. Tells whether the stream is in step all the same.
    pub(super) fn give_up(
        &mut self,
        wire: &Wire,
        book: &mut Book,
        timeout: Duration,
        now: Moment,
    ) -> Result<(), OutOfStep> {
        let is_over = |request: &Pending| request.sent + timeout <= now;
        self.overtaken.retain(|(sequence, request)| {
            let gives_up = is_over(request);
            if gives_up {
                let counts = book.timed_out(request, true);
                self.given_up.push_back((*sequence, counts));
            }
            !gives_up
        });
        while self.pending.front().is_some_and(is_over) {
            let sequence = self.front();
            if let Some(request) = self.take_oldest() {
                let counts = book.timed_out(&request, wire.replies_are_named());
                self.given_up.push_back((sequence, counts));
            }
            self.free_since = now;
            if !wire.replies_are_named() {
                return Err(OutOfStep);
            }
        }
        let remembered =
            GIVEN_UP_REMEMBERED.max(self.pipeline.saturating_mul(GIVEN_UP_PIPELINES_REMEMBERED));
        let forgotten = self.given_up.len().saturating_sub(remembered);
        self.given_up.drain(..forgotten);
        Ok(())
    }

    /// The connection has gone; `close` says what that means for a request that was under way.
    pub(super) fn hang_up(&mut self, book: &mut Book, close: impl Fn(&mut Book, &Pending)) {
        // Bytes that nobody had asked for and nothing followed.
        if self.under_way == 0 && !self.unparsed.is_empty() {
            book.stray(|mismatches| mismatches.unexpected += 1);
        }
        let overtaken = self.overtaken.drain(..).map(|(_, request)| request);
        self.pending.drain(..).chain(overtaken).for_each(|request| close(book, &request));
        self.under_way = 0;
        self.given_up = VecDeque::new();
        self.unparsed.clear();
        self.unsent.clear();
        self.used = 0;
    }
}

/// What is behind the first `len` bytes.
fn from(bytes: &[u8], len: usize) -> &[u8] {
    bytes.get(len..).unwrap_or_default()
}

/// The first `len` bytes, or as many as there are.
fn up_to(bytes: &[u8], len: usize) -> &[u8] {
    bytes.get(..len).unwrap_or(bytes)
}
