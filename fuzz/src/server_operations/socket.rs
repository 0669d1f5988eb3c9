//! One connection in memory: its two ends, and what is between them.

use super::admission_reference::{Refusal, Source};
use arbitrary::Arbitrary;
use readyd::io::clock::Moment;
use readyd::io::net::Token;
use readyd::io::readiness::Readiness;
use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::time::Duration;

/// Linux's numbers of the errors that the calls can fail with.
const EINTR: i32 = 4;
const ENOTCONN: i32 = 107;
const EPIPE: i32 = 32;
const ECONNRESET: i32 = 104;
const ERRNOS: [i32; 12] = [EINTR, 24, 23, 12, 105, 103, 71, ECONNRESET, EPIPE, 110, 1, 113];

/// Accepts that may fail in a row before accepting is paused.
const MANY_ACCEPTS: u8 = 128;

/// An error that a call fails with, `times` times.
#[derive(Arbitrary, Clone, Copy, Debug, Default)]
pub(super) struct Fault {
    errno: u8,
    times: u8,
}

impl Fault {
    /// Whether a connection survives it.
    pub(super) fn is_harmless(self) -> bool {
        self.errno() == EINTR || self.times == 0
    }

    /// Whether it may pause accepting; interruptions do if they are too many in a row.
    pub(super) fn may_pause_accepting(self) -> bool {
        !self.is_harmless() || self.times >= MANY_ACCEPTS
    }

    fn errno(self) -> i32 {
        ERRNOS[usize::from(self.errno) % ERRNOS.len()]
    }

    pub(super) fn strike(&mut self) -> io::Result<()> {
        match self.times.checked_sub(1) {
            None => Ok(()),
            Some(left) => {
                self.times = left;
                Err(io::Error::from_raw_os_error(self.errno()))
            }
        }
    }
}

/// What the server has done with a new peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reception {
    /// It waits in the backlog, or was reset there.
    Unseen,
    /// It was accepted, and this should come of it.
    Accepted(Result<(), Refusal>),
    Registered,
    /// It was let in, but could not be registered, and so was dropped unserved.
    Unregistrable,
    TurnedAway(Refusal),
}

/// The server's end of a connection, as the peer sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ServerEnd {
    Waiting,
    Open,
    HalfClosed,
    Closed,
    /// Closed by RST.
    Reset,
}

/// How long the server waits for a peer's FIN after its own.
const LINGER: Duration = Duration::from_secs(2);

/// What the peer has done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PeerEnd {
    Open,
    Fin,
    /// Sent RST, which the next call tells.
    Reset,
    /// Sent RST, and a call has told.
    Gone,
}

pub(super) struct Socket {
    pub(super) source: Source,
    pub(super) address: SocketAddr,
    pub(super) reception: Reception,
    pub(super) server_end: ServerEnd,
    pub(super) received: Vec<u8>,
    /// How many bytes more the peer takes.
    pub(super) window: usize,
    pub(super) most_at_once: usize,
    pub(super) recv_fault: Fault,
    pub(super) send_fault: Fault,
    /// Whether the server closed with RST what it had served.
    pub(super) was_aborted: bool,
    pub(super) token: Option<Token>,
    unread: VecDeque<u8>,
    peer_end: PeerEnd,
    /// When the server half-closed.
    fin_at: Moment,
    /// Whether a call has told the server that the connection is lost.
    is_lost: bool,
    awaits_room: bool,
    /// Whether the server wants to be told when it can write.
    write_interest: bool,
}

impl Socket {
    /// A peer from there, which waits in a backlog.
    pub(super) fn waiting(source: Source, port: u16) -> Socket {
        Socket {
            source,
            address: SocketAddr::new(source.ip(), port),
            reception: Reception::Unseen,
            server_end: ServerEnd::Waiting,
            received: Vec::new(),
            window: 1000,
            most_at_once: usize::MAX,
            recv_fault: Fault::default(),
            send_fault: Fault::default(),
            was_aborted: false,
            token: None,
            unread: VecDeque::new(),
            peer_end: PeerEnd::Open,
            fin_at: Moment::NEVER,
            is_lost: false,
            awaits_room: false,
            write_interest: false,
        }
    }

    /// Whether the server left bytes unread that it had room to answer.
    pub(super) fn is_neglected(&self) -> bool {
        self.token.is_some()
            && self.peer_end == PeerEnd::Open
            && !self.unread.is_empty()
            && self.window > 0
    }

    pub(super) fn readiness(&self) -> Readiness {
        let read_until_would_block = self.peer_end != PeerEnd::Open;
        let is_broken = matches!(self.peer_end, PeerEnd::Reset | PeerEnd::Gone);
        Readiness {
            read: !self.unread.is_empty() || read_until_would_block,
            write: (self.write_interest && self.window > 0) || is_broken,
            read_until_would_block,
        }
    }

    /// Whether the server holds it.
    pub(super) fn is_open(&self) -> bool {
        matches!(self.server_end, ServerEnd::Open | ServerEnd::HalfClosed)
    }

    /// Whether the server ever took it out of the backlog.
    pub(super) fn was_accepted(&self) -> bool {
        self.reception != Reception::Unseen
    }

    pub(super) fn write(&mut self, bytes: &[u8]) {
        self.unread.extend(bytes);
    }

    pub(super) fn fin(&mut self) {
        if self.peer_end == PeerEnd::Open {
            self.peer_end = PeerEnd::Fin;
        }
    }

    pub(super) fn reset(&mut self) {
        self.peer_end = PeerEnd::Reset;
        self.unread.clear();
    }

    /// The peer takes so much more. Tells whether the server waits for that.
    pub(super) fn widen(&mut self, count: usize) -> bool {
        self.window = self.window.saturating_add(count);
        std::mem::take(&mut self.awaits_room)
    }

    /// The server registers it, if it is to be let in.
    pub(super) fn register(&mut self, token: Token, fault: &mut Fault) -> io::Result<()> {
        assert_eq!(self.reception, Reception::Accepted(Ok(())), "let in from {}", self.address);
        self.reception = Reception::Unregistrable;
        fault.strike()?;
        self.reception = Reception::Registered;
        self.token = Some(token);
        Ok(())
    }

    /// The server wants to be told when it can write.
    pub(super) fn add_write_interest(&mut self, token: Token) {
        assert_eq!(self.token, Some(token), "watched under another name");
        assert!(!self.write_interest, "once is enough");
        self.write_interest = true;
    }

    /// The server half-closes.
    pub(super) fn send_fin(&mut self, now: Moment) -> io::Result<()> {
        assert_eq!(self.server_end, ServerEnd::Open, "one FIN is enough");
        if matches!(self.peer_end, PeerEnd::Reset | PeerEnd::Gone) {
            return Err(io::Error::from_raw_os_error(ENOTCONN));
        }
        self.server_end = ServerEnd::HalfClosed;
        self.fin_at = now;
        Ok(())
    }

    /// The server closes, with RST if it `is_abort`; that is how it turns away a new peer.
    pub(super) fn close(&mut self, is_abort: bool) {
        match self.reception {
            Reception::Accepted(Err(refusal)) => {
                assert!(is_abort, "{} was turned away without RST", self.address);
                assert!(self.received.is_empty(), "sent to {}, who is turned away", self.address);
                self.reception = Reception::TurnedAway(refusal);
            }
            Reception::Accepted(Ok(())) => panic!("{} was to be let in", self.address),
            _ => self.was_aborted = is_abort,
        }
        let is_reset = is_abort || !self.unread.is_empty();
        self.server_end = if is_reset { ServerEnd::Reset } else { ServerEnd::Closed };
        self.token = None;
    }

    /// Panics if the server closes on a peer that may still send: what it sends then would be
    /// answered by RST, which destroys the replies that it has not read.
    pub(super) fn assert_may_close(&self, now: Moment) {
        let is_over = self.peer_end != PeerEnd::Open || self.is_lost || self.token.is_none();
        let has_lingered = self.server_end == ServerEnd::HalfClosed && now >= self.fin_at + LINGER;
        assert!(is_over || has_lingered, "closed on a peer that may still send");
    }

    fn collect_reset(&mut self) -> io::Result<()> {
        if self.peer_end == PeerEnd::Reset {
            self.peer_end = PeerEnd::Gone;
            return Err(io::Error::from_raw_os_error(ECONNRESET));
        }
        Ok(())
    }

    pub(super) fn recv(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.is_lost |= !self.recv_fault.is_harmless();
        self.recv_fault.strike()?;
        self.collect_reset()?;
        if self.unread.is_empty() && self.peer_end == PeerEnd::Open {
            return Err(ErrorKind::WouldBlock.into());
        }
        let count = into.len().min(self.unread.len());
        for (place, byte) in into.iter_mut().zip(self.unread.drain(..count)) {
            *place = byte;
        }
        Ok(count)
    }

    pub(super) fn send(&mut self, bytes: &[u8]) -> io::Result<usize> {
        assert_eq!(self.server_end, ServerEnd::Open, "sent after FIN");
        assert_eq!(self.reception, Reception::Registered, "sent to whom nobody let in");
        assert!(!bytes.is_empty(), "a send of nothing");
        self.is_lost |= !self.send_fault.is_harmless();
        self.send_fault.strike()?;
        self.collect_reset()?;
        if self.peer_end == PeerEnd::Gone {
            return Err(io::Error::from_raw_os_error(EPIPE));
        }
        self.awaits_room = self.window < bytes.len();
        if self.window == 0 {
            return Err(ErrorKind::WouldBlock.into());
        }
        let count = bytes.len().min(self.window).min(self.most_at_once);
        self.window -= count;
        self.received.extend_from_slice(&bytes[..count]);
        Ok(count)
    }
}
