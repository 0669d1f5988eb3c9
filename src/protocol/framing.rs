//! Framing: where one request ends and the next begins.
//!
//! Invariant: the requests found in a byte stream do not depend on how the stream was chopped into
//! reads. A framing has no state: it looks at bytes and answers.

use crate::io::buffer::ByteQueue;
use crate::io::clock::Moment;
use crate::protocol::frame::{self, FrameError, HEADER_LEN};
#[cfg(feature = "ops")]
use crate::protocol::http;
use memchr::memchr;

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
    /// All bytes that one read brought.
    Raw,
    /// The head of an HTTP request, which has no body.
    #[cfg(feature = "ops")]
    Http,
}

/// How a request was framed. Its reply is framed alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplyFraming {
    /// A padded header.
    Frame,
    /// A line ended by `\n`.
    Lf,
    /// A line ended by `\r\n`.
    CrLf,
    /// Nothing: raw bytes, or a last line without its end.
    Bare,
}

impl ReplyFraming {
    /// What ends the payload.
    pub fn line_end(self) -> &'static [u8] {
        match self {
            ReplyFraming::Lf => b"\n",
            ReplyFraming::CrLf => b"\r\n",
            ReplyFraming::Frame | ReplyFraming::Bare => b"",
        }
    }
}

/// One request, borrowed from the buffer that its bytes are in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request<'a> {
    /// The payload, without header or line end.
    pub body: &'a [u8],
    /// How the payload was framed.
    pub envelope: ReplyFraming,
}

/// Where the first request of some bytes ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It is complete, and this many bytes long, header or line end included.
    At(usize),
    /// It is not complete.
    Incomplete {
        /// It cannot be complete with fewer bytes more than this (at least one).
        needed: usize,
    },
}

impl Framing {
    /// Finds the end of the request that `bytes` begins with. The first `searched` bytes are known
    /// not to hold it, so a long line that comes in small pieces is searched only once.
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
                Some(missing) => Ok(End::Incomplete { needed: missing }),
            },
            Framing::Raw if bytes.is_empty() => Ok(End::Incomplete { needed: 1 }),
            Framing::Raw => Ok(End::At(bytes.len())),
            #[cfg(feature = "ops")]
            Framing::Http => http::find_end(bytes, searched),
        }
    }

    /// How many bytes of `input` belong to an unfinished request that lacks at least `missing`
    /// bytes. They complete the request if they can, and no byte of the next request is among them.
    pub fn bytes_to_take(self, missing: usize, input: &[u8]) -> usize {
        match self {
            Framing::Padded { .. } | Framing::Fixed { .. } => missing.min(input.len()),
            Framing::Line { .. } => memchr(b'\n', input).map_or(input.len(), |at| at + 1),
            Framing::Raw => input.len(),
            #[cfg(feature = "ops")]
            Framing::Http => memchr(b'\n', input).map_or(input.len(), |at| at + 1),
        }
    }

    /// The payload of the request that `bytes` holds exactly, as [`Framing::find_end`] found it. A
    /// line may lack its end: it is the last thing that a client sends before it half-closes.
    #[inline]
    pub fn payload(self, bytes: &[u8]) -> Request<'_> {
        match self {
            Framing::Padded { .. } => Request {
                body: bytes.get(HEADER_LEN..).unwrap_or_default(),
                envelope: ReplyFraming::Frame,
            },
            Framing::Line { .. } => {
                if let Some(body) = bytes.strip_suffix(b"\r\n") {
                    Request { body, envelope: ReplyFraming::CrLf }
                } else if let Some(body) = bytes.strip_suffix(b"\n") {
                    Request { body, envelope: ReplyFraming::Lf }
                } else {
                    Request { body: bytes, envelope: ReplyFraming::Bare }
                }
            }
            _ => Request { body: bytes, envelope: ReplyFraming::Bare },
        }
    }

    /// How a reply is framed that answers no request: a greeting, an error.
    pub fn envelope(self) -> ReplyFraming {
        match self {
            Framing::Padded { .. } => ReplyFraming::Frame,
            Framing::Line { .. } => ReplyFraming::CrLf,
            _ => ReplyFraming::Bare,
        }
    }
}

/// The bytes of one recv(2) that are not parsed yet.
#[derive(Clone, Copy, Debug)]
pub struct ReadCursor<'a> {
    bytes: &'a [u8],
    last: Option<DecodedHeader<'a>>,
}

/// The header that was decoded last.
#[derive(Clone, Copy, Debug)]
struct DecodedHeader<'a> {
    bytes: &'a [u8; HEADER_LEN],
    body_len: usize,
}

impl<'a> ReadCursor<'a> {
    /// A cursor at the front of `bytes`.
    #[inline]
    pub fn new(bytes: &'a [u8]) -> ReadCursor<'a> {
        ReadCursor { bytes, last: None }
    }

    /// The bytes that are not parsed yet.
    #[inline]
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Takes the message at the front; `None` if it is not whole.
    ///
    /// A header that equals the last one is not decoded again. The comparison is shorter than
    /// decoding. And because the processor predicts that the headers are equal, it works on the
    /// next messages before it has seen this one's length.
    ///
    /// # Errors
    ///
    /// [`FrameError`] when no continuation could make a message of these bytes.
    #[inline]
    pub fn take_message(&mut self, framing: Framing) -> Result<Option<&'a [u8]>, FrameError> {
        let end = match (framing, self.bytes.first_chunk()) {
            (Framing::Padded { max_body }, Some(header)) => {
                let body_len = match self.last {
                    Some(last) if last.body_len <= max_body && are_same(last.bytes, header) => {
                        last.body_len
                    }
                    _ => frame::decode_header(header, max_body)?,
                };
                self.last = Some(DecodedHeader { bytes: header, body_len });
                frame_end(body_len, self.bytes.len())
            }
            _ => framing.find_end(self.bytes, 0)?,
        };
        match end {
            End::At(len) => Ok(Some(self.take(len))),
            End::Incomplete { .. } => Ok(None),
        }
    }

    /// Takes all that is left.
    pub fn take_rest(&mut self) -> &'a [u8] {
        self.take(self.bytes.len())
    }

    /// Takes `count` bytes off the front.
    #[inline]
    fn take(&mut self, count: usize) -> &'a [u8] {
        let (taken, rest) = self.bytes.split_at(count);
        self.bytes = rest;
        taken
    }
}

/// Compares without a branch a word. Compiled by itself this is 17 vector instructions; inlined
/// into a larger function it is not, and `==` would call memcmp(3).
#[inline(never)]
fn are_same(one: &[u8; HEADER_LEN], other: &[u8; HEADER_LEN]) -> bool {
    let (one, other) = (one.as_chunks().0.iter(), other.as_chunks().0.iter());
    let words = one.zip(other).map(|(a, b)| u64::from_ne_bytes(*a) ^ u64::from_ne_bytes(*b));
    words.fold(0, |differing, word| differing | word) == 0
}

/// A whole message, and where its bytes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Message<'a> {
    /// All of it came with this read. It is not copied, and the cursor is behind it.
    Read(&'a [u8]),
    /// It lies at the beginning of the bytes that are held, and is this long. The caller consumes
    /// it.
    Held(usize),
}

/// Finds the next whole message of a stream: `held` came with earlier reads, `input` with this one.
/// `None` if it is not whole yet; then all bytes that came are in `held`.
///
/// The first `searched` bytes of `held` are known not to end the message.
///
/// # Errors
///
/// [`FrameError`] when no continuation could make a message of these bytes.
pub fn next_message<'a>(
    framing: Framing,
    held: &mut ByteQueue,
    input: &mut ReadCursor<'a>,
    searched: usize,
    now: Moment,
) -> Result<Option<Message<'a>>, FrameError> {
    if !held.is_empty() {
        return Ok(complete_held(framing, held, input, searched, now)?.map(Message::Held));
    }
    let message = input.take_message(framing)?;
    if message.is_none() {
        held.extend(input.take_rest(), now);
    }
    Ok(message.map(Message::Read))
}

/// Completes the message that `held` begins with, which must hold some bytes, and returns its
/// length; `None` if it is not whole yet. Only the rest of this one message is moved from `input`
/// to `held`.
///
/// # Errors
///
/// [`FrameError`] when no continuation could make a message of these bytes.
pub fn complete_held(
    framing: Framing,
    held: &mut ByteQueue,
    input: &mut ReadCursor<'_>,
    mut searched: usize,
    now: Moment,
) -> Result<Option<usize>, FrameError> {
    loop {
        match framing.find_end(held.bytes(), searched)? {
            End::At(len) => return Ok(Some(len)),
            End::Incomplete { .. } if input.bytes.is_empty() => return Ok(None),
            End::Incomplete { needed: missing } => {
                searched = held.len();
                held.extend(input.take(framing.bytes_to_take(missing, input.bytes)), now);
            }
        }
    }
}

fn find_frame_end(bytes: &[u8], max_body: usize) -> Result<End, FrameError> {
    match bytes.first_chunk::<HEADER_LEN>() {
        None => {
            frame::check_header_prefix(bytes)?;
            Ok(End::Incomplete { needed: HEADER_LEN - bytes.len() })
        }
        Some(header) => Ok(frame_end(frame::decode_header(header, max_body)?, bytes.len())),
    }
}

/// Where a frame ends, after `have` bytes of it have come.
#[inline]
fn frame_end(body_len: usize, have: usize) -> End {
    // Cannot overflow: a body is within the limit, and limits are below `isize::MAX`.
    let len = HEADER_LEN + body_len;
    if have >= len { End::At(len) } else { End::Incomplete { needed: len - have } }
}

fn find_line_end(bytes: &[u8], searched: usize, max_line: usize) -> Result<End, FrameError> {
    let unsearched = bytes.get(searched..).unwrap_or_default();
    let end = memchr(b'\n', unsearched).map(|at| searched + at);
    let line = end.and_then(|end| bytes.get(..end)).unwrap_or(bytes);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    if line.len() > max_line {
        return Err(FrameError::LineOverLimit { limit: max_line });
    }
    Ok(end.map_or(End::Incomplete { needed: 1 }, |end| End::At(end + 1)))
}
