//! A pool on a network in memory, and its peers by hand.

use crate::client::session::{
    Conversation, Expect, NextAction, SessionError, SessionLimits, Writer,
};
use crate::client::session_pool::{PoolLimits, SessionPool};
use crate::client::tests::loopback::{Loopback, Side, Stream};
use crate::io::address;
use crate::io::clock::Moment;
use crate::io::event_loop::{EventHandler, LoopControl};
use crate::io::net::{Accept, AcceptOutcome, SocketIo};
use crate::protocol::frame::encode_header;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

/// More turns than any test needs between two things that happen: who takes more is spinning.
const TURNS: usize = 1000;

pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
pub(super) const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

pub(super) fn limits() -> PoolLimits {
    let session = SessionLimits {
        connect_timeout: CONNECT_TIMEOUT,
        answer_timeout: ANSWER_TIMEOUT,
        linger: Duration::from_secs(1),
        ..SessionLimits::default()
    };
    PoolLimits { session, ..PoolLimits::default() }
}

pub(super) fn address(number: u8) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::new(127, 0, 0, number), 9999))
}

pub(super) fn frame(body: &[u8]) -> Vec<u8> {
    [&encode_header(body.len())[..], body].concat()
}

/// Sends its name in a frame, a number of times, and expects it back each time.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Asker {
    pub(super) number: usize,
    pub(super) rounds: usize,
    pub(super) heard: usize,
}

impl Asker {
    pub(super) fn new(number: usize, rounds: usize) -> Asker {
        Asker { number, rounds, heard: 0 }
    }

    pub(super) fn name(&self) -> Vec<u8> {
        format!("asker {}", self.number).into_bytes()
    }

    fn ask(&self, writer: &mut Writer<'_>) -> NextAction {
        if self.heard == self.rounds {
            return NextAction::Finish;
        }
        writer.send_frame(&self.name());
        NextAction::Await(Expect::Frame)
    }
}

/// Askers with the numbers from 0, of one round each.
pub(super) fn askers(count: usize) -> impl Iterator<Item = Asker> {
    (0..count).map(|number| Asker::new(number, 1))
}

impl Conversation for Asker {
    fn connected(&mut self, writer: &mut Writer<'_>) -> NextAction {
        self.ask(writer)
    }

    fn answered(&mut self, answer: &[u8], writer: &mut Writer<'_>) -> Result<NextAction, String> {
        if answer != self.name() {
            return Err("not my name".to_owned());
        }
        self.heard += 1;
        Ok(self.ask(writer))
    }
}

/// The server's end of a connection.
pub(super) struct Peer {
    net: Loopback,
    stream: Stream,
    remote: address::Peer,
}

impl Peer {
    /// The client's address.
    pub(super) fn remote(&self) -> address::Peer {
        self.remote
    }

    /// All that has arrived.
    pub(super) fn read(&mut self) -> Vec<u8> {
        let mut bytes = vec![0; 1 << 20];
        let count = self.net.recv(&mut self.stream, &mut bytes).unwrap_or(0);
        bytes.truncate(count);
        bytes
    }

    /// Sends all of `bytes`, for which there must be room.
    pub(super) fn write(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let count = self.net.send(&mut self.stream, bytes).unwrap();
            bytes = &bytes[count..];
        }
    }

    pub(super) fn fin(&mut self) {
        self.net.send_fin(&mut self.stream).unwrap();
    }

    pub(super) fn reset(self) {
        let Peer { mut net, stream, .. } = self;
        net.abort(stream);
    }
}

pub(super) struct Rig<S: Conversation> {
    pub(super) net: Loopback,
    pub(super) pool: SessionPool<Loopback, S>,
    pub(super) now: Moment,
}

impl<S: Conversation> Rig<S> {
    pub(super) fn new(limits: PoolLimits, conversations: impl IntoIterator<Item = S>) -> Rig<S> {
        Rig::on(Loopback::new(1), &[address(1)], limits, conversations)
    }

    pub(super) fn on(
        net: Loopback,
        addresses: &[SocketAddr],
        limits: PoolLimits,
        conversations: impl IntoIterator<Item = S>,
    ) -> Rig<S> {
        let now = Moment::START + Duration::from_secs(1);
        let pool = SessionPool::new(net.clone(), addresses.to_vec(), limits, conversations, now);
        Rig { net, pool, now }
    }

    /// All that is under way arrives.
    pub(super) fn deliver(&self) {
        while self.net.deliver() {}
    }

    /// One turn of the loop, with what has arrived.
    pub(super) fn turn(&mut self) -> LoopControl {
        for (token, readiness) in self.net.events(Side::Client) {
            self.pool.on_ready(token, readiness);
        }
        let next = self.pool.end_turn(self.now);
        if let LoopControl::WaitUntil(moment) = next {
            assert!(moment > self.now, "waits for what has been");
        }
        next
    }

    /// Turns until there is nothing more to do or to deliver.
    pub(super) fn settle(&mut self) -> LoopControl {
        for _ in 0..TURNS {
            self.deliver();
            let next = self.turn();
            if next != LoopControl::Poll && !self.net.deliver() {
                return next;
            }
        }
        panic!("the pool spins");
    }

    /// Lets time pass to the last wake-up before `deadline`, up to which nothing is to happen. The
    /// timing wheel may have to be woken on the way, at most once a level.
    pub(super) fn wait_for(&mut self, deadline: Moment) {
        for _ in 0..4 {
            match self.settle() {
                LoopControl::WaitUntil(moment) if moment < deadline => self.now = moment,
                next => return assert_eq!(next, LoopControl::WaitUntil(deadline)),
            }
        }
        panic!("the pool wakes up for nothing");
    }

    pub(super) fn pass(&mut self, time: Duration) -> LoopControl {
        self.now = self.now + time;
        self.settle()
    }

    /// Accepts the connection that has waited longest.
    pub(super) fn accept(&mut self) -> Peer {
        let AcceptOutcome::Connection(stream, remote) = self.net.accept(&()) else {
            panic!("a connection waits");
        };
        Peer { net: self.net.clone(), stream, remote }
    }

    /// How many sockets the pool holds.
    pub(super) fn held(&self) -> usize {
        self.net.held(Side::Client)
    }

    /// How the sessions ended, in that order.
    pub(super) fn results(&self) -> Vec<&Result<(), SessionError>> {
        self.pool.finished().iter().map(|finished| &finished.result).collect()
    }

    /// The one session's failure.
    pub(super) fn failure(&self) -> &SessionError {
        match self.results()[..] {
            [Err(error)] => error,
            ref results => panic!("not one failure: {results:?}"),
        }
    }
}
