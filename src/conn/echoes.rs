//! The short ways of an echo, whose reply has come already.
//!
//! Most requests come alone. Then the reply is made where the request lies: its header is written before
//! the body, over the request's own header and command, so that neither a large body nor a small frame is
//! copied between two system calls. The others mostly come in rows of equal length, one after the other
//! in one read: those are copied, in a loop that does nothing else.
//!
//! Invariant: what is sent is what [`Connection::receive`] would have made of the same bytes.

use super::{Connection, Inbound, Respond, Turn, respond};
use crate::protocol::frame::{self, Frames, HEADER_LEN};
use crate::protocol::framing::{End, Envelope, Framing, Input};
use std::ops::Range;

impl Connection {
    /// As [`Connection::receive`]; but if `input` is one request and nothing else, and is echoed, the
    /// reply is made where the request lies: the range of `input` to be sent is returned, and nothing is
    /// in [`Turn::out`].
    pub fn receive_in_place<R: Respond>(
        &mut self,
        input: &mut [u8],
        turn: &mut Turn<'_, R>,
    ) -> Option<Range<usize>> {
        if !self.can_echo_in_place(input, turn) {
            self.receive(input, turn);
            return None;
        }
        self.active = turn.now;
        let request = turn.framing.unwrap(input);
        let Some(len) = turn.responder.echo(request).map(<[u8]>::len) else {
            let outcome = respond(request, turn);
            self.apply(outcome);
            return None;
        };
        let envelope = request.envelope;
        Some(wrap_last(input, len, envelope))
    }

    /// Answers the frames that `input` begins with, for as long as they have the same header as the one
    /// before, are echoed, and there is room for replies, but not more than `most` of them; returns how
    /// many.
    #[inline(never)] // so small that nearly all it needs stays in the processor's registers
    pub(super) fn echo_row<R: Respond>(
        &self,
        input: &mut Input<'_>,
        most: usize,
        turn: &mut Turn<'_, R>,
    ) -> usize {
        let framing @ Framing::Padded { max_body } = turn.framing else { return 0 };
        let Some(room) = turn.limits.output_limit.checked_sub(self.unsent.len()) else { return 0 };
        let room = room.saturating_add(turn.out_start);
        let mut replies = Frames::new(turn.out);
        let mut count = 0;
        while count < most && replies.buffered() <= room {
            let Some(frame) = input.same_frame(max_body) else { break };
            let Some(text) = turn.responder.echo(framing.unwrap(frame)) else { break };
            replies.append(text);
            input.take(frame.len());
            count += 1;
        }
        count
    }

    /// Whether `input` is a whole request with nothing before it, and not so large that its echo could
    /// be more output than may wait.
    fn can_echo_in_place<R>(&self, input: &[u8], turn: &Turn<'_, R>) -> bool {
        input.len() <= turn.limits.output_limit
            && self.inbound == Inbound::Open
            && self.unparsed.is_empty()
            && self.unsent.is_empty()
            && turn.out.len() == turn.out_start
            && matches!(turn.framing, Framing::Padded { .. } | Framing::Raw)
            && turn.framing.find_end(input, 0) == Ok(End::At(input.len()))
    }
}

/// Makes the last `len` bytes of `input`, which end a request, a reply where they lie; returns its
/// range. What came before them, a header and a command, leaves room for a header.
fn wrap_last(input: &mut [u8], len: usize, envelope: Envelope) -> Range<usize> {
    let (before, payload) = input.split_at_mut(input.len().saturating_sub(len));
    let header_len = match (envelope, before.last_chunk_mut::<HEADER_LEN>()) {
        (Envelope::Frame, Some(header)) => {
            *header = frame::encode_header(payload.len());
            HEADER_LEN
        }
        _ => 0,
    };
    before.len() - header_len..before.len() + payload.len()
}
