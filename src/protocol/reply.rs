//! A reply under construction: bytes appended to the output, framed as the request was.
//!
//! Invariant: after [`ReplyWriter::finish`] the output holds exactly one whole reply more, or none
//! if the reply is lent. A handler appends the payload only. The writer reserves the 64 bytes of a
//! frame's header first, blank, and writes the few digits once it knows the payload's length, so
//! every byte is written once and in place.

use crate::protocol::frame::{self, EncodedLength};
use crate::protocol::framing::ReplyFraming;
use std::fmt;

#[cfg(test)]
mod tests;

/// A reply being appended to an output buffer.
#[derive(Debug)]
pub struct ReplyWriter<'a> {
    out: &'a mut Vec<u8>,
    start: usize,
    envelope: ReplyFraming,
    /// An echo of at least this number of bytes is lent.
    lends_from: usize,
    lent: usize,
}

impl<'a> ReplyWriter<'a> {
    /// Begins a reply at the end of `out`.
    #[inline]
    pub fn begin(out: &'a mut Vec<u8>, envelope: ReplyFraming) -> ReplyWriter<'a> {
        let start = out.len();
        if envelope == ReplyFraming::Frame {
            out.extend_from_slice(&frame::BLANK_HEADER);
        }
        ReplyWriter { out, start, envelope, lends_from: usize::MAX, lent: 0 }
    }

    /// Begins a reply that is sent as it is.
    pub fn raw(out: &'a mut Vec<u8>) -> ReplyWriter<'a> {
        ReplyWriter::begin(out, ReplyFraming::Bare)
    }

    /// Begins a reply for whose sake an echo of at least `lends_from` bytes is not copied:
    /// [`ReplyWriter::finish`] returns its length, and leaves `out` as it was.
    pub fn begin_lending(
        out: &'a mut Vec<u8>,
        envelope: ReplyFraming,
        lends_from: usize,
    ) -> ReplyWriter<'a> {
        ReplyWriter { lends_from, ..ReplyWriter::begin(out, envelope) }
    }

    /// Appends to the payload.
    #[inline]
    pub fn push(&mut self, bytes: &[u8]) {
        debug_assert!(self.lent == 0, "an echo is the whole reply");
        self.out.extend_from_slice(bytes);
    }

    /// Makes `tail` the whole payload. It must be the end of the request's own body: then a large
    /// one can be sent from where it is.
    #[inline]
    pub fn echo(&mut self, tail: &[u8]) {
        if tail.len() < self.lends_from {
            self.push(tail);
        } else {
            self.lent = tail.len();
        }
    }

    /// Completes the reply with its header or its line end. Returns the length of the echo if it is
    /// lent; otherwise 0.
    #[inline]
    pub fn finish(self) -> usize {
        self.finish_with(&mut EncodedLength::default())
    }

    /// As [`ReplyWriter::finish`], with the digits of the last reply's length.
    #[inline]
    pub fn finish_with(self, last: &mut EncodedLength) -> usize {
        if self.lent > 0 {
            self.out.truncate(self.start);
            return self.lent;
        }
        if self.envelope == ReplyFraming::Frame {
            let frame = self.out.get_mut(self.start..);
            if let Some((header, body)) = frame.and_then(<[u8]>::split_first_chunk_mut) {
                last.encode_into(header, body.len());
            }
        } else {
            self.out.extend_from_slice(self.envelope.line_end());
        }
        0
    }
}

impl fmt::Write for ReplyWriter<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.push(text.as_bytes());
        Ok(())
    }
}
