//! A reply under construction: bytes appended to the output, in the envelope the request came in.
//!
//! Invariant: after [`Reply::finish`] the output holds exactly one whole reply more. A handler
//! appends the payload only; the 64 bytes of a frame's header are reserved first, blank, and its few
//! digits written when the payload's length is known, so every byte is written once and in place.
//!
//! The exception is an echo: its payload is in the request already, and a large one need not be copied
//! at all. A reply that was begun with [`Reply::for_echo`] may end as [`Finished::Echo`]; then the
//! output is as it was.

use crate::frame;
use crate::framing::Envelope;
use std::fmt;

#[cfg(test)]
mod tests;

/// A reply being appended to an output buffer.
#[derive(Debug)]
pub struct Reply<'a> {
    out: &'a mut Vec<u8>,
    start: usize,
    envelope: Envelope,
    echo: Echo,
}

/// Whether the reply's payload may be, or is, the end of the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Echo {
    No,
    Possible,
    Last(usize),
}

/// Where a reply is that was finished.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finished {
    /// In the output.
    Appended,
    /// Its payload is the last so many bytes of the request's body; nothing is in the output.
    Echo(usize),
}

impl<'a> Reply<'a> {
    /// Begins a reply at the end of `out`.
    pub fn begin(out: &'a mut Vec<u8>, envelope: Envelope) -> Reply<'a> {
        let start = out.len();
        if envelope == Envelope::Frame {
            out.extend_from_slice(&frame::BLANK_HEADER);
        }
        Reply { out, start, envelope, echo: Echo::No }
    }

    /// Begins a reply that need not copy what it echoes: whoever calls can send it from the request.
    pub fn for_echo(out: &'a mut Vec<u8>, envelope: Envelope) -> Reply<'a> {
        Reply { echo: Echo::Possible, ..Reply::begin(out, envelope) }
    }

    /// Begins a reply that is sent as it is.
    pub fn bare(out: &'a mut Vec<u8>) -> Reply<'a> {
        Reply::begin(out, Envelope::Bare)
    }

    /// Appends to the payload.
    pub fn push(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
    }

    /// Makes `text`, which must be the end of the request's body, the whole payload. Call only once,
    /// and push nothing else.
    #[inline]
    pub fn echo(&mut self, text: &[u8]) {
        match self.echo {
            Echo::Possible => self.echo = Echo::Last(text.len()),
            Echo::No | Echo::Last(_) => self.push(text),
        }
    }

    /// Completes the reply: its header or its line end.
    #[inline(always)] // or else each reply would be moved through memory once more
    pub fn finish(self) -> Finished {
        if let Echo::Last(len) = self.echo {
            self.out.truncate(self.start);
            return Finished::Echo(len);
        }
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
        Finished::Appended
    }
}

impl fmt::Write for Reply<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.push(text.as_bytes());
        Ok(())
    }
}
