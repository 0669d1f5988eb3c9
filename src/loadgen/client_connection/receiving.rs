//! Bytes that have come, and the replies that are whole with them.

use super::{ClientConnection, Desynchronized};
use crate::io::buffer::ByteQueue;
use crate::io::clock::Moment;
use crate::loadgen::accounting::RequestAccounting;
use crate::loadgen::codec::{Accepted, WorkloadCodec};

impl ClientConnection {
    /// Takes bytes that came at `now`, and all replies that are whole with them.
    pub(in crate::loadgen) fn receive(
        &mut self,
        mut input: &[u8],
        codec: &mut WorkloadCodec,
        accounting: &mut RequestAccounting,
        now: Moment,
    ) -> Result<(), Desynchronized> {
        if self.is_opening(codec) {
            return self.receive_opening(input, codec, accounting, now);
        }
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
                if taken > 0 {
                    self.note_unparsed();
                }
                held.consume(taken, now);
                return self.keep(held, codec);
            }
            // What was kept is done with.
            held.clear();
            input = input.get(taken - kept..).unwrap_or_default();
        }
        let taken = self.take_replies(input, codec, accounting, now)?;
        self.note_unparsed();
        held.extend(input.get(taken..).unwrap_or_default(), now);
        self.unparsed = held;
        Ok(())
    }

    /// Bytes that are kept from here on are new: notes whether a reply is awaited.
    #[inline]
    fn note_unparsed(&mut self) {
        self.is_unparsed_unasked = self.in_flight == 0 && !self.missed.remembers_any();
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
            if let Some(together) = self.pending.front()
                && let Accepted { count, len, part } =
                    codec.take_accepted(self.oldest_id(), together.count(), rest)
                && len + part > 0
            {
                if count > 0
                    && let Some(request) = self.take_oldest(count, now)
                {
                    accounting.answered(request, codec.verification(), None, now);
                }
                self.is_reply_begun = part > 0;
                self.unfinished.follow(len, rest.get(len..len + part).unwrap_or_default());
                taken += len + part;
            } else if let awaited = self.in_flight
                && let Some(len) = self.take_other_reply(rest, codec, accounting, now)?
            {
                self.is_reply_begun = self.in_flight == awaited;
                taken += len;
            } else {
                break;
            }
        }
        Ok(taken)
    }
}
