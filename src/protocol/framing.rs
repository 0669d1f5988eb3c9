//! Framing: where one request ends and the next begins.
//!
//! Invariant: the requests found in a byte stream do not depend on how the stream was chopped into
//! reads. A framing keeps nothing itself: it looks at bytes and answers.

use crate::io::buffer::ByteQueue;
use crate::io::clock::Moment;
use crate::protocol::frame::{self, FrameError, HEADER_LEN};

#[cfg(test)]
mod tests;

/// How a listener's byte stream is cut into requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// A 64-byte padded header, then a body of at most `max_body` bytes.
    Padded {
        /// Longest body accepted, in bytes.
        max_body: usize,
    },
    /// A line of at most `max_line` bytes, ended by `\n` or `\r\n`. The last one may lack its end.
    Line {
        /// Longest line accepted, in bytes, its end not counted.
        max_line: usize,
    },
    /// Exactly `len` bytes, at least one.
    Fixed {
        /// How many bytes.
        len: usize,
    },
    /// Whatever one read brought.
    Raw,
}

/// What a request came wrapped in, and so what its reply goes out in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Envelope {
    /// A padded header.
    Frame,
    /// A line ended by `\n`.
    Lf,
    /// A line ended by `\r\n`.
    CrLf,
    /// Nothing: raw bytes, or a last line without its end.
    Bare,
}

/// One request, borrowed from wherever its bytes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request<'a> {
    /// The payload, without header or line end.
    pub body: &'a [u8],
    /// What the payload came in.
    pub envelope: Envelope,
}

/// Where the first request of some bytes ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It is complete, and this many bytes long, header or line end included.
    At(usize),
    /// It is not complete, and cannot be with fewer than this many bytes more (at least one).
    Missing(usize),
}

impl Framing {
    /// Finds the end of the request that `bytes` begins with. The first `searched` bytes are known
    /// not to hold it, so that a long line which comes in small pieces is searched only once.
    ///
    /// # Errors
    ///
    /// [`FrameError`] when no continuation could make a request of these bytes.
    #[inline]
    pub fn find_end(self, bytes: &[u8], searched: usize) -> Result<End, FrameError> {
        match self {
            Framing::Padded { max_body } => find_frame_end(bytes, max_body),
            Framing::Line { max_line } => find_line_end(bytes, searched, max_line),
            Framing::Fixed { len } => match len.checked_sub(bytes.len()) {
                None | Some(0) => Ok(End::At(len)),
                Some(missing) => Ok(End::Missing(missing)),
            },
            Framing::Raw if bytes.is_empty() => Ok(End::Missing(1)),
            Framing::Raw => Ok(End::At(bytes.len())),
        }
    }

    /// How many bytes of `input` to add to an unfinished request that misses `missing` of them, so
    /// that the request is completed if it can be and not a byte of the next one is taken.
    pub fn share(self, missing: usize, input: &[u8]) -> usize {
        match self {
            Framing::Padded { .. } | Framing::Fixed { .. } => missing.min(input.len()),
            Framing::Line { .. } => find_newline(input).map_or(input.len(), |at| at + 1),
            Framing::Raw => input.len(),
        }
    }

    /// Unwraps the request that `bytes` holds exactly, as [`Framing::find_end`] found it. A line
    /// without its end is unwrapped too: it is the last thing a client sends before it half-closes.
    pub fn unwrap(self, bytes: &[u8]) -> Request<'_> {
        match self {
            Framing::Padded { .. } => Request {
                body: bytes.get(HEADER_LEN..).unwrap_or_default(),
                envelope: Envelope::Frame,
            },
            Framing::Line { .. } => {
                if let Some(body) = bytes.strip_suffix(b"\r\n") {
                    Request { body, envelope: Envelope::CrLf }
                } else if let Some(body) = bytes.strip_suffix(b"\n") {
                    Request { body, envelope: Envelope::Lf }
                } else {
                    Request { body: bytes, envelope: Envelope::Bare }
                }
            }
            Framing::Fixed { .. } | Framing::Raw => {
                Request { body: bytes, envelope: Envelope::Bare }
            }
        }
    }

    /// What a reply that answers no request (a greeting, an error) goes out in.
    pub fn envelope(self) -> Envelope {
        match self {
            Framing::Padded { .. } => Envelope::Frame,
            Framing::Line { .. } => Envelope::CrLf,
            Framing::Fixed { .. } | Framing::Raw => Envelope::Bare,
        }
    }
}

/// What one read brought, and is not used up yet.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a> {
    bytes: &'a [u8],
    last: Option<LastFrame<'a>>,
}

/// The last whole frame that was taken.
#[derive(Clone, Copy, Debug)]
struct LastFrame<'a> {
    max_body: usize,
    header: &'a [u8; HEADER_LEN],
    len: usize,
}

impl<'a> Input<'a> {
    /// All of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Input<'a> {
        Input { bytes, last: None }
    }

    /// What is not used up yet.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Takes a whole message off the front; `None` if it is not whole.
    fn take_message(&mut self, framing: Framing) -> Result<Option<&'a [u8]>, FrameError> {
        if let Framing::Padded { max_body } = framing
            && let Some(frame) = self.same_frame(max_body)
        {
            return Ok(Some(self.take(frame.len())));
        }
        let End::At(len) = framing.find_end(self.bytes, 0)? else { return Ok(None) };
        if let (Framing::Padded { max_body }, Some(header)) = (framing, self.bytes.first_chunk()) {
            self.last = Some(LastFrame { max_body, header, len });
        }
        Ok(Some(self.take(len)))
    }

    /// Whether there can be a [same frame](Input::same_frame).
    pub(crate) fn may_repeat(&self) -> bool {
        self.last.is_some_and(|last| last.len <= self.bytes.len())
    }

    /// The whole frame at the front, if its header is the same as that of the one taken before.
    ///
    /// Then it says the same. Comparing them is not only shorter than decoding: the processor foresees
    /// that they are equal, and works on the next frames before it has seen this one's length.
    #[inline(always)] // or else each frame of a row would pass through memory
    pub(crate) fn same_frame(&self, max_body: usize) -> Option<&'a [u8]> {
        let last = self.last.filter(|last| last.max_body == max_body)?;
        let frame = self.bytes.get(..last.len)?;
        are_same(last.header, frame.first_chunk()?).then_some(frame)
    }

    /// Takes `count` bytes off the front.
    pub(crate) fn take(&mut self, count: usize) -> &'a [u8] {
        let (taken, rest) = self.bytes.split_at(count);
        self.bytes = rest;
        taken
    }
}

/// Without a branch a word, so that vector instructions do it, here and not in a function of the C library.
fn are_same(one: &[u8; HEADER_LEN], other: &[u8; HEADER_LEN]) -> bool {
    let (one, other) = (one.as_chunks().0.iter(), other.as_chunks().0.iter());
    let words = one.zip(other).map(|(a, b)| u64::from_ne_bytes(*a) ^ u64::from_ne_bytes(*b));
    words.fold(0, |differing, word| differing | word) == 0
}

/// Takes the next whole message off a stream of which `held` came earlier and `input` just now, and
/// hands it to `with`; `None` if it is not whole yet. Then `held` has all of it that came.
///
/// A message that lies whole in `input` is never copied; one that began earlier is completed with
/// its share of `input`, and no more. The first `searched` bytes of `held` are known not to end it.
///
/// # Errors
///
/// [`FrameError`] when no continuation could make a message of these bytes.
pub fn next_message<T>(
    framing: Framing,
    held: &mut ByteQueue,
    input: &mut Input<'_>,
    mut searched: usize,
    now: Moment,
    with: impl FnOnce(&[u8]) -> T,
) -> Result<Option<T>, FrameError> {
    if held.is_empty() {
        return Ok(match input.take_message(framing)? {
            Some(message) => Some(with(message)),
            None => {
                held.extend(input.take(input.bytes.len()), now);
                None
            }
        });
    }
    loop {
        match framing.find_end(held.bytes(), searched)? {
            End::At(end) => {
                let result = with(held.bytes().get(..end).unwrap_or_default());
                held.consume(end, now);
                return Ok(Some(result));
            }
            End::Missing(_) if input.bytes.is_empty() => return Ok(None),
            End::Missing(missing) => {
                searched = held.len();
                let share = input.take(framing.share(missing, input.bytes));
                held.extend(share, now);
            }
        }
    }
}

fn find_frame_end(bytes: &[u8], max_body: usize) -> Result<End, FrameError> {
    match bytes.first_chunk::<HEADER_LEN>() {
        None => {
            frame::check_header_prefix(bytes)?;
            Ok(End::Missing(HEADER_LEN - bytes.len()))
        }
        Some(header) => {
            // Cannot overflow: a body is within the limit, and limits are below `isize::MAX`.
            let total = HEADER_LEN + frame::decode_header(header, max_body)?;
            match total.checked_sub(bytes.len()) {
                None | Some(0) => Ok(End::At(total)),
                Some(missing) => Ok(End::Missing(missing)),
            }
        }
    }
}

fn find_line_end(bytes: &[u8], searched: usize, max_line: usize) -> Result<End, FrameError> {
    let unsearched = bytes.get(searched..).unwrap_or_default();
    let end = find_newline(unsearched).map(|at| searched + at);
    let line = end.and_then(|end| bytes.get(..end)).unwrap_or(bytes);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    if line.len() > max_line {
        return Err(FrameError::LineOverLimit { limit: max_line });
    }
    Ok(end.map_or(End::Missing(1), |end| End::At(end + 1)))
}

/// Searches block by block. A loop that may end at any byte looks at one byte at a time; one that
/// always sees its block through becomes a vector instruction, and a long line costs a tenth.
fn find_newline(bytes: &[u8]) -> Option<usize> {
    const BLOCK: usize = 16;
    let has_none = |block: &&[u8]| block.iter().fold(true, |none, &byte| none & (byte != b'\n'));
    let skipped = bytes.chunks_exact(BLOCK).take_while(has_none).count() * BLOCK;
    bytes.iter().skip(skipped).position(|&byte| byte == b'\n').map(|at| skipped + at)
}
