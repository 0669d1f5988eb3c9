//! The network of a replay by outcome: calls are answered from what was captured so far.

use super::feed::Feed;
use crate::capture::record::{Accepted, Stream};
use crate::io::clock::WallTime;
use crate::io::host::{Host, Usage, WallClock};
use crate::io::net::{
    Accept, AcceptOutcome, Encrypt, Encryption, Handshakes, Identity, Output, SocketIo, Token, Told,
};
use crate::io::readiness::Interest;
use crate::server::stats::Stats;
use crate::server::stats::publishing::{Shards, SharedStats};
use std::cell::RefCell;
use std::io;
use std::rc::Rc;
use std::time::Duration;

/// See the [module](self).
#[derive(Clone)]
pub(super) struct FedNet(pub(super) Rc<RefCell<Feed>>);

/// A stream, by its number.
#[derive(Debug)]
pub(super) struct FedStream(Stream);

impl WallClock for FedNet {
    fn wall_time(&self) -> WallTime {
        self.0.borrow_mut().wall_time()
    }
}

impl Host for FedNet {
    fn usage(&self) -> Usage {
        self.0.borrow_mut().usage()
    }

    fn memory_of_places(&self, _: u64) -> u64 {
        self.0.borrow().places_memory
    }
}

impl SocketIo for FedNet {
    type Stream = FedStream;

    fn told(&mut self, told: Told<'_>) {
        match told {
            Told::Visit(token) => self.0.borrow_mut().visit(token),
            Told::Closed { token, reason, is_reset } => {
                self.0.borrow_mut().closed(token, (reason, is_reset));
            }
            _ => {}
        }
    }

    fn register(&mut self, stream: &mut FedStream, token: Token, _: Interest) -> io::Result<()> {
        self.0.borrow_mut().register(stream.0, token).map_err(io::Error::from)
    }

    fn recv(&mut self, stream: &mut FedStream, into: &mut [u8]) -> io::Result<usize> {
        let feed = &mut *self.0.borrow_mut();
        let read = feed.connection(stream.0).map_or(Ok(0), |fed| fed.recv(into));
        if let (Ok(count), Some(tap)) = (&read, &feed.tap) {
            tap.received(into.get(..*count).unwrap_or_default());
        }
        read.map_err(io::Error::from)
    }

    fn send(&mut self, stream: &mut FedStream, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().send(stream.0, bytes).map_err(io::Error::from)
    }

    fn output(&self, stream: &FedStream) -> Output {
        let feed = &mut *self.0.borrow_mut();
        let output = feed.connection(stream.0).and_then(|fed| fed.outputs.take());
        output.unwrap_or(Output::Unknown)
    }

    fn add_write_interest(&mut self, stream: &mut FedStream, _: Token) -> io::Result<()> {
        let feed = &mut *self.0.borrow_mut();
        let outcome = feed.connection(stream.0).map_or(Ok(()), |fed| fed.write_interest);
        outcome.map_err(io::Error::from)
    }

    fn send_fin(&mut self, stream: &mut FedStream) -> io::Result<()> {
        let feed = &mut *self.0.borrow_mut();
        let outcome = feed.connection(stream.0).map_or(Ok(()), |fed| fed.fin);
        outcome.map_err(io::Error::from)
    }

    fn abort(&mut self, stream: FedStream) {
        self.0.borrow_mut().aborted(stream.0);
    }
}

impl Encrypt for FedNet {
    const CAN_ENCRYPT: bool = true;

    fn encrypt(&mut self, _: &mut FedStream, _: Identity, _already_read: &[u8]) -> io::Result<()> {
        Ok(())
    }

    fn encryption(&self, stream: &FedStream) -> Encryption {
        let feed = &mut *self.0.borrow_mut();
        let handshake = feed.connection(stream.0).map(|fed| fed.handshake).unwrap_or_default();
        Encryption { handshake, ..Encryption::default() }
    }
}

impl Accept for FedNet {
    /// Its number.
    type Listener = usize;

    fn accept(&mut self, of: &usize) -> AcceptOutcome<FedStream> {
        let (stream, outcome) = self.0.borrow_mut().accept(*of);
        match outcome {
            Accepted::Connection(peer) => AcceptOutcome::Connection(FedStream(stream), peer),
            Accepted::NoneWaiting => AcceptOutcome::NoneWaiting,
            Accepted::Interrupted => AcceptOutcome::Interrupted,
            Accepted::Lost => AcceptOutcome::Lost,
            Accepted::Failed(error) => AcceptOutcome::Failed(error.into()),
        }
    }

    fn register_listener(&mut self, of: &mut usize, token: Token) -> io::Result<()> {
        self.0.borrow_mut().register_listener(*of, token);
        Ok(())
    }

    fn handshakes<'a>(&mut self, _: impl Iterator<Item = &'a usize>) -> Handshakes {
        self.0.borrow_mut().handshakes()
    }
}

/// The statistics of all shards, as they were captured.
pub(super) struct FedStatistics {
    pub(super) net: FedNet,
    pub(super) age: Duration,
}

impl SharedStats for FedStatistics {
    fn publish(&mut self, _: &Stats) {}

    fn total(&self) -> Stats {
        Stats::from_numbers(self.net.0.borrow().total.iter().copied())
    }

    fn each(&self) -> Vec<Stats> {
        self.net.0.borrow().each.clone()
    }

    fn shards(&self) -> Shards {
        self.net.0.borrow().shards
    }

    fn age_at_start(&self) -> Duration {
        self.age
    }
}
