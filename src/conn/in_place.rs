//! A large echo is sent from where its request is, without a copy.
//!
//! The reply to `ECHO text` ends as the request does. So a reply of 4 KiB and more is made by
//! writing its header into the request's own buffer, in front of the text: into the buffer that
//! recv(2) filled, or into the connection's own if the request came in several reads. The handler
//! knows nothing of this; [`ReplyWriter::echo`] is all it calls.
//!
//! Invariant: what is sent is what the copying way would have made of the same bytes.

use super::{ConnContext, Connection, Handler, Outcome, Work};
use crate::protocol::frame::{self, HEADER_LEN};
use crate::protocol::framing::{End, Framing, ReplyFraming};
use crate::protocol::reply::ReplyWriter;
use std::ops::Range;

/// The shortest text that is echoed in place, in bytes. Copying a shorter one costs less than the
/// questions whether it can be spared.
pub(super) const MIN_TEXT: usize = 4096;

impl Connection {
    /// Whether all of `input` is one request, whose reply need not be in [`ConnContext::out`].
    pub(super) fn may_answer_in_place<R: Handler>(
        &self,
        input: &[u8],
        cx: &ConnContext<'_, R>,
    ) -> bool {
        // An error is found again, and answered, by `serve`.
        self.may_lend(cx)
            && self.unparsed.is_empty()
            && input.len() <= cx.limits.output_limit
            && cx.framing.find_end(input, 0) == Ok(End::At(input.len()))
    }

    /// Answers the request that `input` is, and returns where in it the reply is, unless the reply
    /// is in [`ConnContext::out`]. Call only if [`Connection::may_answer_in_place`].
    pub(super) fn answer_in_place<R: Handler>(
        &mut self,
        input: &mut [u8],
        cx: &mut ConnContext<'_, R>,
    ) -> Option<Range<usize>> {
        let (outcome, text_len) = answer_lending(input, cx);
        self.apply(outcome);
        (text_len > 0).then(|| make_reply_in(input, text_len, cx.framing.envelope()))
    }

    /// Answers the request that is the first `len` bytes held. If it is a large echo with nothing
    /// in front of it or behind it, its buffer becomes the output.
    pub(super) fn answer_held<R: Handler>(
        &mut self,
        len: usize,
        cx: &mut ConnContext<'_, R>,
    ) -> Outcome {
        let message = self.unparsed.bytes().get(..len).unwrap_or_default();
        if len < MIN_TEXT || len < self.unparsed.len() || !self.may_lend(cx) {
            let outcome = super::answer_alone(message, cx);
            self.unparsed.consume(len, cx.now);
            return outcome;
        }
        let (outcome, text_len) = answer_lending(message, cx);
        if text_len > 0 {
            let mut request = std::mem::take(&mut self.unparsed);
            let reply = make_reply_in(request.bytes_mut(), text_len, cx.framing.envelope());
            request.consume(reply.start, cx.now);
            self.unsent = request;
        } else {
            self.unparsed.clear();
        }
        outcome
    }

    /// Whether a reply need not be in [`ConnContext::out`]: no output of this connection is in
    /// front of it, it ends as its request does, and there is work left for it.
    fn may_lend<R>(&self, cx: &ConnContext<'_, R>) -> bool {
        self.unsent.is_empty()
            && cx.appended() == 0
            && matches!(cx.framing, Framing::Padded { .. } | Framing::Raw)
            && !cx.work.is_spent()
    }
}

/// Answers `message`. Returns the length of the text if it is a large echo; otherwise 0, and the
/// reply is in the output.
fn answer_lending<R: Handler>(message: &[u8], cx: &mut ConnContext<'_, R>) -> (Outcome, usize) {
    let before = cx.out.len();
    let request = cx.framing.payload(message);
    let mut reply = ReplyWriter::begin_lending(cx.out, request.envelope, MIN_TEXT);
    let outcome = cx.handler.on_request(request, &mut reply, cx.work);
    let text_len = reply.finish();
    cx.work.spent += Work::of_request(cx.out.len().saturating_sub(before));
    (outcome, text_len)
}

/// Makes the last `text_len` bytes of `message` a reply where they are, and returns its range. The
/// request's own header and command leave room for a header.
fn make_reply_in(message: &mut [u8], text_len: usize, envelope: ReplyFraming) -> Range<usize> {
    let end = message.len();
    let (before, text) = message.split_at_mut(end.saturating_sub(text_len));
    match (envelope, before.last_chunk_mut::<HEADER_LEN>()) {
        (ReplyFraming::Frame, Some(header)) => {
            *header = frame::encode_header(text.len());
            before.len() - HEADER_LEN..end
        }
        _ => before.len()..end,
    }
}
