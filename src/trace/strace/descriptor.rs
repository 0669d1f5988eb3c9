//! What a descriptor is, as strace -yy writes it behind the number.

use super::lexer::{decoration, digits};
use crate::trace::event::TracedPeer;
use memchr::memmem;
use std::net::SocketAddr;

/// A descriptor in the arguments or the result of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Descriptor<'a> {
    pub(super) number: u32,
    /// The text in angle brackets. Empty without `-yy`.
    pub(super) text: &'a [u8],
}

/// What the text in angle brackets proves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A socket with a peer.
    Connected(TracedPeer),
    /// A socket without one: it may listen, or be about to connect.
    Alone,
    /// A socket for datagrams.
    Datagrams,
    /// A pipe, an eventfd(2), a timer: a loop is woken with it.
    Waker,
    /// An epoll(7) instance.
    Epoll,
    /// A file, or something else that is no matter of a loop.
    Other,
    /// There is no text.
    Untold,
}

impl<'a> Descriptor<'a> {
    /// Reads `8<TCP:[127.0.0.1:7101->127.0.0.1:47904]>` or `8`.
    pub(super) fn read(argument: &'a [u8]) -> Option<Descriptor<'a>> {
        let (number, rest) = digits(argument)?;
        let number = u32::try_from(number).ok().filter(|&number| number <= i32::MAX as u32)?;
        Some(Descriptor { number, text: decoration(rest).0 })
    }

    /// What it is.
    pub(super) fn kind(&self) -> Kind {
        let text = self.text;
        let starts = |prefix: &[u8]| text.starts_with(prefix);
        if text.is_empty() {
            Kind::Untold
        } else if starts(b"TCP") || starts(b"UNIX-STREAM:") || starts(b"UNIX-SEQPACKET:") {
            match self.ends() {
                Some((_, peer)) => Kind::Connected(peer_of(text, peer)),
                None => Kind::Alone,
            }
        } else if starts(b"UDP") {
            Kind::Datagrams
        } else if starts(b"anon_inode:[eventpoll") {
            Kind::Epoll
        } else if starts(b"pipe:") || starts(b"signalfd:") || starts(b"anon_inode:") {
            Kind::Waker
        } else {
            Kind::Other
        }
    }

    /// Both ends of a connection, as text.
    pub(super) fn ends(&self) -> Option<(&'a [u8], &'a [u8])> {
        let open = memchr::memchr(b'[', self.text)?;
        let inside = self.text.get(open + 1..)?.strip_suffix(b"]")?;
        let arrow = memmem::find(inside, b"->")?;
        Some((inside.get(..arrow)?, inside.get(arrow + 2..)?))
    }
}

fn peer_of(text: &[u8], peer: &[u8]) -> TracedPeer {
    if text.starts_with(b"UNIX") { TracedPeer::Unix } else { address(peer) }
}

/// An address. One that is not understood counts as a unix socket, which has none.
fn address(text: &[u8]) -> TracedPeer {
    let text = str::from_utf8(text).unwrap_or_default();
    text.parse::<SocketAddr>().map_or(TracedPeer::Unix, TracedPeer::Inet)
}

/// The address in `{sa_family=AF_INET, sin_port=htons(7103), sin_addr=inet_addr("127.0.0.1")}`.
pub(super) fn sockaddr(argument: &[u8]) -> TracedPeer {
    let between = |from: &[u8], to: u8| {
        let start = memmem::find(argument, from)? + from.len();
        let rest = argument.get(start..)?;
        rest.get(..memchr::memchr(to, rest)?)
    };
    let port = between(b"_port=htons(", b')');
    let ip = between(b"inet_addr(\"", b'"').or_else(|| between(b"inet_pton(AF_INET6, \"", b'"'));
    let found = ip.zip(port).and_then(|(ip, port)| {
        let ip = str::from_utf8(ip).ok()?.parse().ok()?;
        let port = str::from_utf8(port).ok()?.parse().ok()?;
        Some(TracedPeer::Inet(SocketAddr::new(ip, port)))
    });
    found.unwrap_or(TracedPeer::Unix)
}
