//! One peer: what it has written, what it must get for it, and whether it got that.

use super::Request;
use crate::reference::{self, Rest, enveloped};
use readyd::handlers::Service;
use readyd::protocol::framing::{Framing, ReplyFraming};
use std::net::SocketAddr;

/// The services of the listeners, by number.
pub(super) const SERVICES: [Service; 7] = [
    Service::FRAMED,
    Service::ECHO,
    Service::LOOKUP,
    Service::CHARGEN,
    Service::GREETING,
    Service::DISCARD,
    Service::TIME,
];

/// The key whose value is the number of the table, `v00000007`.
pub(super) const KEY: &[u8] = b"version";

const DIGITS: usize = 8;
const RECEIVED: &[u8] = b"Message received successfully....";
const TIMED_OUT: &[u8] = b"Error: the request did not arrive whole within 3s";
pub(super) const MAX_FRAME: usize = 1000;

pub(super) struct Peer {
    pub(super) number: usize,
    pub(super) service: Service,
    /// What has arrived at the server's kernel.
    pub(super) delivered: Vec<u8>,
    pub(super) is_done: bool,
    /// Whether something befell the connection that may cost it replies.
    pub(super) is_broken: bool,
    address: SocketAddr,
    under_way: Vec<u8>,
    /// The number of the table when it came.
    first_version: u32,
}

/// A part of what must be received.
enum Expected {
    Exactly(Vec<u8>),
    AnyFrame,
    /// The number of a table.
    Version(ReplyFraming),
}

impl Peer {
    pub(super) fn new(number: usize, address: SocketAddr, listener: usize, version: u32) -> Peer {
        Peer {
            number,
            service: SERVICES[listener],
            delivered: Vec::new(),
            is_done: false,
            is_broken: false,
            address,
            under_way: Vec::new(),
            first_version: version,
        }
    }

    pub(super) fn ask(&mut self, request: Request<'_>) {
        let bytes = match (self.service, request) {
            (Service::FRAMED, Request::Echo(len)) => {
                let text = vec![b'x'; usize::from(len) % (MAX_FRAME - 5)];
                enveloped(&[b"ECHO ", &text[..]].concat(), ReplyFraming::Frame)
            }
            (Service::FRAMED, Request::Text(text)) => enveloped(text, ReplyFraming::Frame),
            (Service::FRAMED, Request::LookUp) => {
                enveloped(&[b"LOOKUP ", KEY].concat(), ReplyFraming::Frame)
            }
            (Service::FRAMED, Request::Disconnect) => {
                enveloped(b"Disconnect !", ReplyFraming::Frame)
            }
            (Service::LOOKUP, Request::LookUp) => enveloped(KEY, ReplyFraming::Lf),
            (Service::LOOKUP, _) => enveloped(b"nothing", ReplyFraming::CrLf),
            (_, Request::Echo(len)) => (b'a'..=b'z').cycle().take(usize::from(len)).collect(),
            (_, Request::Text(text)) => text.to_vec(),
            (_, Request::LookUp | Request::Disconnect) => b"?".to_vec(),
        };
        self.under_way.extend(bytes);
    }

    /// Writes what need not be a request. To the look-up service it would be one after a pause, and
    /// so what is one would hang on the time.
    pub(super) fn write(&mut self, bytes: &[u8]) {
        if self.service != Service::LOOKUP {
            self.under_way.extend_from_slice(bytes);
        }
    }

    /// Takes up to `count` bytes of what is under way; of lines all, for the same reason.
    pub(super) fn deliver(&mut self, count: usize) -> Vec<u8> {
        let count = match self.service {
            Service::LOOKUP => self.under_way.len(),
            _ => count.min(self.under_way.len()),
        };
        let bytes: Vec<u8> = self.under_way.drain(..count).collect();
        self.delivered.extend_from_slice(&bytes);
        bytes
    }

    fn expected(&self) -> Vec<Expected> {
        let delivered = &self.delivered;
        match self.service {
            Service::FRAMED => framed(delivered),
            Service::LOOKUP => {
                let framing = Framing::Line { max_line: MAX_FRAME };
                let (requests, _) = reference::requests(framing, delivered);
                let reply = |request: &readyd::protocol::framing::Request<'_>| match request.body {
                    KEY => Expected::Version(request.envelope),
                    _ => Expected::Exactly(enveloped(b"Not Found", request.envelope)),
                };
                requests.iter().map(reply).collect()
            }
            Service::ECHO => vec![Expected::Exactly(delivered.clone())],
            Service::GREETING => {
                let (ip, port) = (self.address.ip(), self.address.port());
                let text = format!("Hello! You are connected to ('{ip}', {port})");
                vec![Expected::Exactly(text.into_bytes())]
            }
            // 7 May 2021 at 18:36:52 UTC.
            Service::TIME => vec![Expected::Exactly(3_829_401_412_u32.to_be_bytes().to_vec())],
            _ => Vec::new(),
        }
    }

    /// Panics if `received` is not what must come, from its start and without gaps; if `is_whole`,
    /// to its end. Nothing is to come of tables after the one of number `newest`. A peer that was
    /// slow may have been told so instead of a reply, unless the server `is_patient`.
    pub(super) fn check(&self, received: &[u8], newest: u32, is_whole: bool, is_patient: bool) {
        if self.service == Service::CHARGEN {
            return assert_chargen(received);
        }
        let timed_out = enveloped(TIMED_OUT, ReplyFraming::Frame);
        let is_refusal =
            |rest: &[u8]| !is_patient && !rest.is_empty() && timed_out.starts_with(rest);
        let (mut rest, mut oldest) = (received, self.first_version);
        for (number, expected) in self.expected().iter().enumerate() {
            let wanted = expected.bytes(rest, &mut oldest);
            if let Some(after) = rest.strip_prefix(&wanted[..]) {
                rest = after;
                continue;
            }
            let is_beginning = wanted.starts_with(rest) || is_refusal(rest);
            assert!(is_beginning, "reply {number} to {}: {}", self.number, rest.escape_ascii());
            assert!(!is_whole, "reply {number} to {} is not whole", self.number);
            return;
        }
        assert!(rest.is_empty() || is_refusal(rest), "unasked: {}", rest.escape_ascii());
        assert!(oldest <= newest, "of a table that is still to come");
    }
}

impl Expected {
    /// The bytes that must stand at the front of `rest`; of a version, one that is not before
    /// `oldest`.
    fn bytes(&self, rest: &[u8], oldest: &mut u32) -> Vec<u8> {
        match self {
            Expected::Exactly(bytes) => bytes.clone(),
            Expected::AnyFrame => {
                let Some(header) = rest.get(..64) else {
                    return enveloped(&[b'?'; 1 << 10], ReplyFraming::Frame);
                };
                let len = reference::declared_length(header, 1 << 16).expect("a header");
                let body = rest[64..].iter().copied().chain(std::iter::repeat(b'?')).take(len);
                enveloped(&body.collect::<Vec<u8>>(), ReplyFraming::Frame)
            }
            Expected::Version(envelope) => {
                let blank = enveloped(&[b'v'; 1 + DIGITS], *envelope);
                let at = blank.iter().position(|&byte| byte == b'v').expect("it is there") + 1;
                let digits = rest.get(at..at + DIGITS);
                let version = digits.and_then(|digits| str::from_utf8(digits).ok()?.parse().ok());
                if let Some(version) = version {
                    assert!(version >= *oldest, "a table that had been replaced");
                    *oldest = version;
                }
                enveloped(format!("v{oldest:08}").as_bytes(), *envelope)
            }
        }
    }
}

fn framed(delivered: &[u8]) -> Vec<Expected> {
    let (requests, rest) = reference::requests(Framing::Padded { max_body: MAX_FRAME }, delivered);
    let mut replies = Vec::new();
    for request in requests {
        let text = request.body.trim_ascii_start();
        let mut parts = text.splitn(2, u8::is_ascii_whitespace);
        let word = parts.next().unwrap_or_default().to_ascii_uppercase();
        let text = parts.next().unwrap_or_default();
        let exactly = |body| Expected::Exactly(enveloped(body, ReplyFraming::Frame));
        replies.push(match (&word[..], text.trim_ascii()) {
            (b"ECHO", _) => exactly(text),
            (b"LOOKUP", KEY) => Expected::Version(ReplyFraming::Frame),
            (b"LOOKUP" | b"DAYTIME" | b"TIME" | b"WHOAMI" | b"STATS" | b"HELP", _) => {
                Expected::AnyFrame
            }
            (b"DISCONNECT", b"!") => {
                replies.push(exactly(RECEIVED));
                return replies;
            }
            _ => exactly(RECEIVED),
        });
    }
    if let Rest::Wrong(error) = rest {
        let text = format!("Error: {error}");
        replies.push(Expected::Exactly(enveloped(text.as_bytes(), ReplyFraming::Frame)));
    }
    replies
}

fn assert_chargen(received: &[u8]) {
    for (at, &byte) in received.iter().enumerate() {
        let (line, column) = (at / 74, at % 74);
        let expected = match column {
            72 => b'\r',
            73 => b'\n',
            _ => b' ' + ((line + column) % 95) as u8,
        };
        assert_eq!(byte, expected, "character {at}");
    }
}
