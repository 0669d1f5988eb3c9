//! The wire formats, read as slowly and plainly as can be.
//!
//! Where the code under test counts digits, multiplies and compares numbers, this trims, compares
//! texts and tries every prefix; where it takes bytes as they come, this wants all of them at once.

use readyd::protocol::frame::{FrameError, HEADER_LEN};
use readyd::protocol::framing::{Framing, ReplyFraming, Request};
use readyd::protocol::http::MAX_HEAD;

/// Whether some header begins with `prefix`.
fn can_begin_header(prefix: &[u8]) -> bool {
    let text = String::from_utf8_lossy(prefix);
    let digits = text.trim_end_matches(' ');
    prefix.is_empty() || (!digits.is_empty() && digits.chars().all(|c| c.is_ascii_digit()))
}

/// The first byte that no header can have there.
pub(crate) fn first_bad_byte(bytes: &[u8]) -> Option<FrameError> {
    if can_begin_header(bytes) {
        return None;
    }
    let offset = (0..bytes.len()).find(|&at| !can_begin_header(&bytes[..=at]))?;
    Some(FrameError::BadByte { offset, byte: bytes[offset] })
}

/// The length that a header declares.
pub(crate) fn declared_length(header: &[u8], limit: usize) -> Result<usize, FrameError> {
    if let Some(error) = first_bad_byte(header) {
        return Err(error);
    }
    let text = String::from_utf8_lossy(header);
    let digits = text.trim_end_matches(' ');
    let significant = digits.trim_start_matches('0');
    let limit_digits = limit.to_string();
    // Of two numbers the one with more digits is larger, of equally long ones the later in a
    // dictionary.
    if (significant.len(), significant) > (limit_digits.len(), &limit_digits) {
        return Err(FrameError::OverLimit { declared: digits.parse().ok(), limit });
    }
    Ok(digits.parse().expect("it is within a limit that fits"))
}

/// What follows the last whole request of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rest {
    Nothing,
    /// Of this length, and it can become a request.
    Unfinished(usize),
    /// It cannot.
    Wrong(FrameError),
}

/// All whole requests in `stream`, and what follows them.
pub(crate) fn requests(framing: Framing, stream: &[u8]) -> (Vec<Request<'_>>, Rest) {
    match framing {
        Framing::Padded { max_body } => frames(stream, max_body),
        Framing::Line { max_line } => lines(stream, max_line),
        Framing::Fixed { len } => {
            let whole = stream.chunks_exact(len);
            let rest = rest_of(whole.remainder());
            (whole.map(bare).collect(), rest)
        }
        Framing::Http => heads(stream),
        Framing::Raw => (stream.chunks(1).map(bare).collect(), Rest::Nothing),
    }
}

fn bare(body: &[u8]) -> Request<'_> {
    Request { body, envelope: ReplyFraming::Bare }
}

fn rest_of(rest: &[u8]) -> Rest {
    if rest.is_empty() { Rest::Nothing } else { Rest::Unfinished(rest.len()) }
}

fn frames(mut stream: &[u8], max_body: usize) -> (Vec<Request<'_>>, Rest) {
    let mut requests = Vec::new();
    loop {
        let Some((header, behind)) = stream.split_at_checked(HEADER_LEN) else {
            let rest = first_bad_byte(stream).map_or(rest_of(stream), Rest::Wrong);
            return (requests, rest);
        };
        let len = match declared_length(header, max_body) {
            Ok(len) => len,
            Err(error) => return (requests, Rest::Wrong(error)),
        };
        let Some((body, next)) = behind.split_at_checked(len) else {
            return (requests, rest_of(stream));
        };
        requests.push(Request { body, envelope: ReplyFraming::Frame });
        stream = next;
    }
}

fn lines(stream: &[u8], max_line: usize) -> (Vec<Request<'_>>, Rest) {
    let mut requests = Vec::new();
    for line in stream.split_inclusive(|&byte| byte == b'\n') {
        let ended = line.strip_suffix(b"\n");
        let body = ended.unwrap_or(line);
        let without_cr = body.strip_suffix(b"\r");
        if without_cr.unwrap_or(body).len() > max_line {
            return (requests, Rest::Wrong(FrameError::LineOverLimit { limit: max_line }));
        }
        requests.push(match (ended, without_cr) {
            (None, _) => return (requests, rest_of(line)),
            (Some(_), Some(body)) => Request { body, envelope: ReplyFraming::CrLf },
            (Some(body), None) => Request { body, envelope: ReplyFraming::Lf },
        });
    }
    (requests, Rest::Nothing)
}

/// Heads of HTTP requests: lines up to an empty one.
fn heads(mut stream: &[u8]) -> (Vec<Request<'_>>, Rest) {
    let mut heads = Vec::new();
    while let Some(&byte) = stream.first() {
        if !byte.is_ascii_alphabetic() && byte != b'\r' && byte != b'\n' {
            return (heads, Rest::Wrong(FrameError::NotHttp { byte }));
        }
        let mut len = 0;
        let mut lines = stream.split_inclusive(|&byte| byte == b'\n');
        let is_last = |line: &[u8]| line == b"\n" || line == b"\r\n";
        let is_whole = lines.any(|line| {
            len += line.len();
            is_last(line)
        });
        if len > MAX_HEAD || (len == MAX_HEAD && !is_whole) {
            return (heads, Rest::Wrong(FrameError::HeadOverLimit { limit: MAX_HEAD }));
        }
        if !is_whole {
            return (heads, Rest::Unfinished(stream.len()));
        }
        let (head, behind) = stream.split_at(len);
        heads.push(bare(head));
        stream = behind;
    }
    (heads, Rest::Nothing)
}

/// `body` in an envelope, as a reply goes out.
pub(crate) fn enveloped(body: &[u8], envelope: ReplyFraming) -> Vec<u8> {
    match envelope {
        ReplyFraming::Frame => [format!("{:<64}", body.len()).as_bytes(), body].concat(),
        ReplyFraming::Lf => [body, b"\n"].concat(),
        ReplyFraming::CrLf => [body, b"\r\n"].concat(),
        ReplyFraming::Bare => body.to_vec(),
    }
}
