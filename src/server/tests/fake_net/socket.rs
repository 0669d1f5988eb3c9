//! One connection of the fake network: two byte queues, and what each end did to the other.

use crate::io::address::Credentials;
use crate::io::net::{Output, Token};
use crate::io::readiness::Readiness;
use nix::errno::Errno;
use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::net::IpAddr;

/// What a client knows of the server's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum ServerEnd {
    /// In the backlog.
    Waiting,
    Open,
    /// Sent FIN and still reads.
    HalfClosed,
    /// Closed in order.
    Closed,
    /// Closed with RST, and not on purpose: there was unread input, or its listener closed before
    /// it was accepted.
    Reset,
    /// Closed with RST on purpose.
    Aborted,
}

/// An error that a call fails with a number of times before it works again.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct Fault {
    errno: Errno,
    /// Calls before it that succeed.
    spared: usize,
    times: usize,
}

impl Fault {
    pub(in super::super) const NONE: Fault =
        Fault { errno: Errno::UnknownErrno, spared: 0, times: 0 };

    pub(in super::super) fn once(errno: Errno) -> Fault {
        Fault::times(errno, 1)
    }

    pub(in super::super) fn once_after(spared: usize, errno: Errno) -> Fault {
        Fault { spared, ..Fault::once(errno) }
    }

    pub(in super::super) fn times(errno: Errno, times: usize) -> Fault {
        Fault { errno, spared: 0, times }
    }

    pub(in super::super) fn for_ever(errno: Errno) -> Fault {
        Fault::times(errno, usize::MAX)
    }

    fn strike(&mut self) -> io::Result<()> {
        if self.spared > 0 {
            self.spared -= 1;
            return Ok(());
        }
        if self.times == 0 {
            return Ok(());
        }
        self.times -= 1;
        Err(self.errno.into())
    }
}

/// More calls of a kind on one socket than any test needs.
const MANY_CALLS: usize = 1_000_000;

/// The calls that can fail, and how often each was made.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct Call {
    pub(in super::super) fault: Fault,
    pub(in super::super) made: usize,
}

impl Call {
    pub(super) const NEW: Call = Call { fault: Fault::NONE, made: 0 };

    pub(super) fn make(&mut self) -> io::Result<()> {
        self.made += 1;
        assert!(self.made < MANY_CALLS, "the server spins");
        self.fault.strike()
    }
}

/// What the client has done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Peer {
    Open,
    Fin,
    /// Sent RST, which the next call says.
    Reset,
    /// Sent RST, which a call has said.
    Gone,
}

/// One connection, both ends.
#[derive(Debug)]
pub(in super::super) struct Socket {
    pub(in super::super) recv_call: Call,
    pub(in super::super) send_call: Call,
    /// Where the client is.
    pub(super) address: IpAddr,
    /// Who the client is, if it came by way of a unix socket.
    pub(super) credentials: Option<Credentials>,
    /// How many bytes more the kernel takes from the server.
    pub(in super::super) window: usize,
    /// Whether a send could not have all it wanted: then, and only then, more room is an edge.
    pub(super) awaits_room: bool,
    /// The most that one send takes.
    pub(in super::super) most_at_once: usize,
    /// What the kernel says of the bytes that it took.
    pub(in super::super) output: Output,
    /// All that the client got.
    pub(in super::super) received: Vec<u8>,
    pub(in super::super) server_end: ServerEnd,
    /// What the client sent and the server has not read.
    pub(super) unread: VecDeque<u8>,
    pub(super) peer: Peer,
    pub(super) token: Option<Token>,
    /// Whether the server asked for events that tell of room.
    pub(super) write_interest: bool,
}

impl Socket {
    pub(super) fn waiting(address: IpAddr) -> Socket {
        Socket {
            address,
            credentials: None,
            recv_call: Call::NEW,
            send_call: Call::NEW,
            window: 1 << 20,
            awaits_room: false,
            write_interest: false,
            most_at_once: usize::MAX,
            output: Output::Unknown,
            received: Vec::new(),
            server_end: ServerEnd::Waiting,
            unread: VecDeque::new(),
            peer: Peer::Open,
            token: None,
        }
    }

    pub(super) fn readiness(&self) -> Readiness {
        let read_until_would_block = self.peer != Peer::Open;
        let broken = matches!(self.peer, Peer::Reset | Peer::Gone);
        Readiness {
            read: !self.unread.is_empty() || read_until_would_block,
            write: (self.window > 0 && self.write_interest) || broken,
            read_until_would_block,
        }
    }

    pub(super) fn recv(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.recv_call.make()?;
        self.collect_reset()?;
        if self.unread.is_empty() && self.peer == Peer::Open {
            return Err(ErrorKind::WouldBlock.into());
        }
        let count = into.len().min(self.unread.len());
        into[..count].copy_from_slice(&self.unread.make_contiguous()[..count]);
        self.unread.drain(..count);
        Ok(count)
    }

    pub(super) fn send(&mut self, bytes: &[u8]) -> io::Result<usize> {
        assert_eq!(self.server_end, ServerEnd::Open, "sent after FIN");
        self.send_call.make()?;
        self.collect_reset()?;
        if self.peer == Peer::Gone {
            return Err(Errno::EPIPE.into());
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

    pub(super) fn send_fin(&mut self) -> io::Result<()> {
        assert_eq!(self.server_end, ServerEnd::Open, "one FIN is enough");
        if matches!(self.peer, Peer::Reset | Peer::Gone) {
            return Err(Errno::ENOTCONN.into());
        }
        self.server_end = ServerEnd::HalfClosed;
        Ok(())
    }

    /// What the client would see if the server closed now.
    pub(super) fn end_if_closed_now(&self) -> ServerEnd {
        match self.server_end {
            ServerEnd::Aborted => ServerEnd::Aborted,
            _ if self.unread.is_empty() => ServerEnd::Closed,
            _ => ServerEnd::Reset,
        }
    }

    fn collect_reset(&mut self) -> io::Result<()> {
        if self.peer == Peer::Reset {
            self.peer = Peer::Gone;
            return Err(Errno::ECONNRESET.into());
        }
        Ok(())
    }
}
