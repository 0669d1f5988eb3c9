//! One end of a connection in memory: what comes to it, as its kernel sees it.

use crate::io::net::Token;
use crate::io::readiness::Readiness;
use nix::errno::Errno;
use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;

/// How it stands with what comes to an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Incoming {
    /// Nothing yet: the connection is being made.
    Connecting(SocketAddr),
    /// Nothing ever.
    Failed(Errno),
    Open,
    /// The peer has sent FIN, which comes behind the bytes in flight.
    FinUnderWay,
    FinArrived,
    /// The next call says so, once what has arrived is read.
    Reset,
    /// A call has said so.
    Broken,
}

#[derive(Debug)]
pub(super) struct End {
    pub(super) incoming: Incoming,
    pub(super) in_flight: VecDeque<u8>,
    pub(super) arrived: VecDeque<u8>,
    pub(super) is_held: bool,
    /// A send was refused: there is an edge when the peer has room again.
    pub(super) is_blocked: bool,
    /// Something happened that was not reported yet.
    pub(super) has_news: bool,
    pub(super) token: Option<Token>,
    /// So many calls more are interrupted by a signal.
    pub(super) interruptions: usize,
}

impl End {
    pub(super) fn new(incoming: Incoming) -> End {
        End {
            incoming,
            in_flight: VecDeque::new(),
            arrived: VecDeque::new(),
            is_held: true,
            is_blocked: false,
            has_news: false,
            token: None,
            interruptions: 0,
        }
    }

    pub(super) fn unread(&self) -> usize {
        self.in_flight.len() + self.arrived.len()
    }

    pub(super) fn readiness(&self, peer_has_room: bool) -> Readiness {
        let is_broken =
            matches!(self.incoming, Incoming::Failed(_) | Incoming::Reset | Incoming::Broken);
        let is_connecting = matches!(self.incoming, Incoming::Connecting(_));
        let read_until_would_block = is_broken || self.incoming == Incoming::FinArrived;
        Readiness {
            read: read_until_would_block || !self.arrived.is_empty(),
            write: is_broken || (peer_has_room && !is_connecting),
            read_until_would_block,
        }
    }

    pub(super) fn interrupt(&mut self) -> io::Result<()> {
        if self.interruptions > 0 {
            self.interruptions -= 1;
            return Err(Errno::EINTR.into());
        }
        Ok(())
    }

    /// The error that the socket has pending, SO_ERROR.
    pub(super) fn take_error(&mut self) -> io::Result<()> {
        match self.incoming {
            Incoming::Failed(errno) => {
                self.incoming = Incoming::Broken;
                Err(errno.into())
            }
            Incoming::Reset => {
                self.incoming = Incoming::Broken;
                Err(Errno::ECONNRESET.into())
            }
            _ => Ok(()),
        }
    }

    pub(super) fn recv(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if !self.arrived.is_empty() {
            let count = into.len().min(self.arrived.len());
            into.iter_mut().zip(self.arrived.drain(..count)).for_each(|(to, byte)| *to = byte);
            return Ok(count);
        }
        self.take_error()?;
        match self.incoming {
            Incoming::FinArrived | Incoming::Broken => Ok(0),
            _ => Err(ErrorKind::WouldBlock.into()),
        }
    }

    /// RST comes; what was sent before it has arrived.
    pub(super) fn reset(&mut self) {
        let last = std::mem::take(&mut self.in_flight);
        self.arrived.extend(last);
        if !matches!(self.incoming, Incoming::Failed(_) | Incoming::Broken) {
            self.incoming = Incoming::Reset;
            self.has_news = true;
        }
    }
}
