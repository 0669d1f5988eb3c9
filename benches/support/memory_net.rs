//! A network in memory, with next to no cost of its own: what remains is the server's.
//!
//! Invariant: once every connection is open, a turn allocates nothing in here.

use super::FixedClock;
use readyd::io::clock::WallTime;
use readyd::io::host::{Host, WallClock};
use readyd::io::net::{Accept, AcceptOutcome, Encrypt, SocketIo, Token};
use readyd::io::readiness::Interest;
use std::cell::{Cell, RefCell};
use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::RawFd;
use std::rc::Rc;

/// The server's end: a handle on a [`Wire`] that the bench holds too.
pub(crate) struct MemoryNet(pub(crate) Rc<Wire>);

/// What is between the clients, which the bench plays, and the server.
#[derive(Default)]
pub(crate) struct Wire {
    /// Connections that wait to be accepted.
    pub(crate) backlog: Cell<usize>,
    /// What any connection brings when it is read from.
    pub(crate) incoming: RefCell<Incoming>,
    /// All that the server has sent, on whatever connection, until a bench clears it.
    pub(crate) sent: RefCell<Vec<u8>>,
    /// The tokens of all connections that were ever accepted, the last one at the end.
    pub(crate) tokens: RefCell<Vec<Token>>,
}

/// What a read finds.
#[derive(Default)]
pub(crate) enum Incoming {
    /// The peer's FIN.
    #[default]
    Fin,
    /// Nothing: the client is silent.
    Nothing,
    /// These bytes. The server must have room for all of them and one more: then it knows from the
    /// short count that nothing is left, as it does with a socket.
    Bytes(Vec<u8>),
}

impl Host for MemoryNet {}

impl WallClock for MemoryNet {
    fn wall_time(&self) -> WallTime {
        FixedClock.wall_time()
    }
}

/// A listener, or a connection: nothing that the wire would need to know. It is as large as a
/// descriptor, so that the server's memory is what it would be with sockets.
#[derive(Default)]
pub(crate) struct End {
    descriptor: RawFd,
}

const PEER: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 50_000);

impl SocketIo for MemoryNet {
    type Stream = End;

    // As a server without --trace.
    const IS_OBSERVED: bool = false;

    fn register(&mut self, _: &mut End, token: Token, _: Interest) -> io::Result<()> {
        self.0.tokens.borrow_mut().push(token);
        Ok(())
    }

    fn recv(&mut self, _: &mut End, into: &mut [u8]) -> io::Result<usize> {
        match &*self.0.incoming.borrow() {
            Incoming::Fin => Ok(0),
            Incoming::Nothing => Err(ErrorKind::WouldBlock.into()),
            Incoming::Bytes(bytes) => {
                into[..bytes.len()].copy_from_slice(bytes);
                Ok(bytes.len())
            }
        }
    }

    fn send(&mut self, _: &mut End, bytes: &[u8]) -> io::Result<usize> {
        self.0.sent.borrow_mut().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn send_fin(&mut self, _: &mut End) -> io::Result<()> {
        Ok(())
    }

    fn abort(&mut self, _: End) {}
}

impl Encrypt for MemoryNet {}

impl Accept for MemoryNet {
    type Listener = End;

    fn accept(&mut self, _: &End) -> AcceptOutcome<End> {
        let Some(left) = self.0.backlog.get().checked_sub(1) else {
            return AcceptOutcome::NoneWaiting;
        };
        self.0.backlog.set(left);
        AcceptOutcome::Connection(End::default(), PEER.into())
    }

    fn register_listener(&mut self, _: &mut End, _: Token) -> io::Result<()> {
        Ok(())
    }
}
