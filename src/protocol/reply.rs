//! A reply under construction: bytes appended to the output, in the envelope the request came in.
//!
//! Invariant: after [`Reply::finish`] the output holds exactly one whole reply more. A handler
//! appends the payload only; the 64 bytes of a frame's header are reserved first, blank, and its few
//! digits written when the payload's length is known, so every byte is written once and in place.

use crate::protocol::frame;
use crate::protocol::framing::Envelope;
use std::fmt;

#[cfg(test)]
mod tests;

/// A reply being appended to an output buffer.
#[derive(Debug)]
pub struct Reply<'a> {
    out: &'a mut Vec<u8>,
    start: usize,
    envelope: Envelope,
}

impl<'a> Reply<'a> {
    /// Begins a reply at the end of `out`.
    pub fn begin(out: &'a mut Vec<u8>, envelope: Envelope) -> Reply<'a> {
        let start = out.len();
        if envelope == Envelope::Frame {
            out.extend_from_slice(&frame::BLANK_HEADER);
        }
        Reply { out, start, envelope }
    }

    /// Begins a reply that is sent as it is.
    pub fn bare(out: &'a mut Vec<u8>) -> Reply<'a> {
        Reply::begin(out, Envelope::Bare)
    }

    /// Appends to the payload.
    pub fn push(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
    }

    /// Completes the reply: its header or its line end.
    #[inline]
    pub fn finish(self) {
        match self.envelope {
            Envelope::Frame => {
                let frame = self.out.get_mut(self.start..);
                if let Some((header, body)) = frame.and_then(<[u8]>::split_first_chunk_mut) {
                    frame::write_length(header, body.len());
                }
            }
            Envelope::Lf => self.out.push(b'\n'),
            Envelope::CrLf => self.out.extend_from_slice(b"\r\n"),
            Envelope::Bare => {}
        }
    }
}

impl fmt::Write for Reply<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.push(text.as_bytes());
        Ok(())
    }
}
