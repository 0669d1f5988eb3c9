//! HTTP/1.x, as far as a metrics listener needs it: where the head of a request ends, and what it
//! asks for (RFC 9110, RFC 9112).
//!
//! A request that has a body is refused, so after a head comes the next head. A line may end
//! without its CR, as people type it.
//!
//! Invariant: pure functions of bytes, as everything in this room. A head that arrives byte by byte
//! fails with the same error, at the same byte, as one that arrives at once.

use super::frame::FrameError;
use super::framing::End;
use memchr::memchr;

#[cfg(test)]
mod tests;

/// The longest head that is accepted, in bytes, its empty line included.
pub const MAX_HEAD: usize = 8 * 1024;

/// What a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked<'a> {
    /// How.
    pub method: Method,
    /// The path, without the query.
    pub path: &'a [u8],
    /// What the client wants of the connection.
    pub then: Then,
}

/// The method of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// The head and the body of the answer.
    Get,
    /// The head alone.
    Head,
    /// One that changes something, which nothing here does.
    NotAllowed,
}

/// What becomes of the connection after the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// The next request may come.
    KeepOpen,
    /// The server closes it.
    Close,
}

/// Why a head cannot be answered as it stands; the client's fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeadError {
    /// It breaks the grammar, for this reason.
    Bad(&'static str),
    /// A body follows.
    Body,
    /// No server knows the method.
    UnknownMethod,
    /// A body in an encoding that is not known.
    UnknownCoding,
    /// The version of HTTP is another.
    Version,
}

/// The methods of RFC 9110 and 5789 that are not allowed here.
const NOT_ALLOWED: [&[u8]; 7] =
    [b"POST", b"PUT", b"DELETE", b"CONNECT", b"OPTIONS", b"TRACE", b"PATCH"];

/// Finds the end of the head that `bytes` begins with: behind its empty line. An empty line alone
/// is a head without a request, which [`parse`] knows. The first `searched` bytes do not hold the
/// end.
///
/// # Errors
///
/// [`FrameError`] when no continuation could make a head of these bytes.
pub fn find_end(bytes: &[u8], searched: usize) -> Result<End, FrameError> {
    // The first bytes of TLS are found at once; they may have no line end for a long time.
    if let Some(&byte) = bytes.first()
        && !byte.is_ascii_alphabetic()
        && !matches!(byte, b'\r' | b'\n')
    {
        return Err(FrameError::NotHttp { byte });
    }
    let mut from = searched;
    let most = bytes.get(..MAX_HEAD).unwrap_or(bytes);
    while let Some(at) = most.get(from..).and_then(|rest| memchr(b'\n', rest)) {
        let end = from + at;
        if is_line_empty(most.get(..end).unwrap_or_default()) {
            return Ok(End::At(end + 1));
        }
        from = end + 1;
    }
    if bytes.len() >= MAX_HEAD {
        return Err(FrameError::HeadOverLimit { limit: MAX_HEAD });
    }
    Ok(End::Incomplete { needed: 1 })
}

/// Whether the line is empty that ends behind `before`.
fn is_line_empty(before: &[u8]) -> bool {
    let before = before.strip_suffix(b"\r").unwrap_or(before);
    before.is_empty() || before.ends_with(b"\n")
}

/// Whether only the head of an answer is asked for, whatever else is wrong with the request.
pub fn is_head_request(head: &[u8]) -> bool {
    head.starts_with(b"HEAD ")
}

/// What the head asks for; `None` if it is an empty line in front of a request, RFC 9112 2.2.
///
/// # Errors
///
/// [`HeadError`] for the first thing that is wrong with it. The connection must be closed then: a
/// body may follow, or anything.
pub fn parse(head: &[u8]) -> Result<Option<Asked<'_>>, HeadError> {
    let mut lines = head.split(|&byte| byte == b'\n').map(without_cr);
    let first = lines.next().unwrap_or_default();
    if first.is_empty() {
        return Ok(None);
    }
    let mut words = first.split(|&byte| byte == b' ');
    let (Some(method), Some(target), Some(version), None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return Err(HeadError::Bad("the request line is not METHOD TARGET VERSION"));
    };
    let minor = minor_version(version)?;
    let method = method_of(method)?;
    let path = path(target)?;
    let mut fields = Fields::default();
    for line in lines.take_while(|line| !line.is_empty()) {
        fields.take(line)?;
    }
    let then = match fields.check(minor) {
        // The body is not read, so nothing behind it can be.
        Err(HeadError::Body) if method == Method::NotAllowed => Then::Close,
        Err(error) => return Err(error),
        Ok(()) if minor == 0 || fields.is_last => Then::Close,
        Ok(()) => Then::KeepOpen,
    };
    Ok(Some(Asked { method, path, then }))
}

fn without_cr(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}

fn minor_version(version: &[u8]) -> Result<u8, HeadError> {
    match version {
        [b'H', b'T', b'T', b'P', b'/', b'1', b'.', minor @ b'0'..=b'9'] => Ok(minor - b'0'),
        [b'H', b'T', b'T', b'P', b'/', b'0'..=b'9', b'.', b'0'..=b'9'] => Err(HeadError::Version),
        _ => Err(HeadError::Bad("the version is not HTTP/1.0 or HTTP/1.1")),
    }
}

fn method_of(method: &[u8]) -> Result<Method, HeadError> {
    match method {
        b"GET" => Ok(Method::Get),
        b"HEAD" => Ok(Method::Head),
        other if NOT_ALLOWED.contains(&other) => Ok(Method::NotAllowed),
        other if is_token(other) => Err(HeadError::UnknownMethod),
        _ => Err(HeadError::Bad("the method is not a token")),
    }
}

/// The path of a target in origin form or in absolute form, RFC 9112 3.2.
fn path(target: &[u8]) -> Result<&[u8], HeadError> {
    const SCHEME: &[u8] = b"http://";
    if !target.iter().all(u8::is_ascii_graphic) {
        return Err(HeadError::Bad("the target has bytes that no URI has"));
    }
    let from_path = match target {
        [b'/', ..] | b"*" => target,
        _ => match target.split_at_checked(SCHEME.len()) {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case(SCHEME) => {
                let is_end = |byte: &u8| matches!(byte, b'/' | b'?');
                let end = rest.iter().position(is_end).unwrap_or(rest.len());
                rest.get(end..).unwrap_or_default()
            }
            _ => return Err(HeadError::Bad("the target is not a path")),
        },
    };
    let path = from_path.split(|&byte| byte == b'?').next().unwrap_or_default();
    Ok(if path.is_empty() { b"/" } else { path })
}

/// What the header fields say of the connection and of a body.
#[derive(Debug, Default)]
struct Fields {
    hosts: usize,
    /// `Connection: close`.
    is_last: bool,
    lengths: usize,
    /// A length is not zero.
    has_body: bool,
    codings: usize,
    has_unknown_coding: bool,
}

impl Fields {
    fn take(&mut self, line: &[u8]) -> Result<(), HeadError> {
        if line.iter().any(|byte| byte.is_ascii_control() && *byte != b'\t') {
            return Err(HeadError::Bad("a header field has a control character"));
        }
        let colon = memchr(b':', line).ok_or(HeadError::Bad("a header field has no colon"))?;
        let (name, value) = line.split_at_checked(colon).unwrap_or((line, b""));
        // Among others, white space in front of the colon, and a line that continues another.
        if !is_token(name) {
            return Err(HeadError::Bad("the name of a header field is not a token"));
        }
        let value = value.get(1..).unwrap_or_default().trim_ascii();
        let is = |other: &str| name.eq_ignore_ascii_case(other.as_bytes());
        if is("host") {
            self.hosts += 1;
        } else if is("connection") {
            let mut options = value.split(|&byte| byte == b',').map(<[u8]>::trim_ascii);
            self.is_last |= options.any(|option| option.eq_ignore_ascii_case(b"close"));
        } else if is("content-length") {
            if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
                return Err(HeadError::Bad("Content-Length is not a number"));
            }
            self.lengths += 1;
            self.has_body |= value.iter().any(|&digit| digit != b'0');
        } else if is("transfer-encoding") {
            self.codings += 1;
            self.has_unknown_coding |= !value.eq_ignore_ascii_case(b"chunked");
        }
        Ok(())
    }

    /// Checks the fields together, for a request of HTTP/1.`minor`.
    fn check(&self, minor: u8) -> Result<(), HeadError> {
        match *self {
            Fields { hosts: 2.., .. } => Err(HeadError::Bad("there are several Host fields")),
            Fields { hosts: 0, .. } if minor > 0 => Err(HeadError::Bad("there is no Host field")),
            Fields { lengths: 2.., .. } => {
                Err(HeadError::Bad("there are several Content-Length fields"))
            }
            Fields { lengths: 1, codings: 1.., .. } => {
                Err(HeadError::Bad("Content-Length and Transfer-Encoding exclude each other"))
            }
            Fields { has_unknown_coding: true, .. } => Err(HeadError::UnknownCoding),
            Fields { codings: 1.., .. } | Fields { has_body: true, .. } => Err(HeadError::Body),
            _ => Ok(()),
        }
    }
}

/// Whether the bytes are a token, RFC 9110 5.6.2.
fn is_token(bytes: &[u8]) -> bool {
    let is_of_tokens =
        |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    !bytes.is_empty() && bytes.iter().all(is_of_tokens)
}
