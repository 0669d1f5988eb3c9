//! What the misbehaving server does wrong, decided without a socket or a clock.
//!
//! Invariant: the nth request gets the same treatment in every run. Requests are counted from 1,
//! over all connections, in the order in which the server takes them.

use crate::support::frame;
use std::collections::HashMap;
use std::time::Duration;

/// A connection, by the order in which it was accepted, from 0.
pub(crate) type ConnectionId = usize;

/// What is done wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Nothing.
    Nothing,
    /// Once, before the reply to request `at`, no client is served for `pause`.
    Stall { at: u64, pause: Duration },
    /// Every nth reply is not sent.
    Drop { every: u64 },
    /// Every nth reply is sent twice.
    Double { every: u64 },
    /// Every nth reply is sent after the connection's next one. The client must have two requests
    /// under way.
    Swap { every: u64 },
    /// Every nth reply goes to the next connection that asks, and that one's reply to this. The
    /// client must have one request under way on each of two connections.
    Exchange { every: u64 },
    /// One byte of every nth reply is wrong.
    Corrupt { every: u64, place: Place },
    /// Every second connection is reset as soon as it is accepted.
    ResetEverySecond,
    /// Each connection gets FIN after this number of replies.
    CloseEach { after: u64 },
    /// After this number of replies to all, every connection gets FIN and the listener is closed.
    Die { after: u64 },
    /// No connection is ever read.
    NeverRead,
    /// So long passes before each reply.
    Delay { pause: Duration },
    /// Each reply is written in pieces of this number of bytes.
    Pieces { length: usize },
}

/// Which byte of a reply is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// The header's last byte is no space.
    HeaderPadding,
    /// The header says one byte more than there is.
    HeaderLength,
    /// The first digit of the payload's connection number is no digit.
    Id,
    /// The payload's last byte is another.
    Filler,
}

/// What was done, in numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Misdeeds {
    /// Requests that came.
    pub(crate) requests: u64,
    /// Stalls.
    pub(crate) stalled: u64,
    /// Replies not sent.
    pub(crate) dropped: u64,
    /// Replies sent twice.
    pub(crate) doubled: u64,
    /// Replies sent after the one that should have followed them.
    pub(crate) swapped: u64,
    /// Replies sent on the wrong connection: two for each exchange.
    pub(crate) exchanged: u64,
    /// Replies with a wrong byte.
    pub(crate) corrupted: u64,
}

/// Bytes to be sent on a connection.
pub(crate) type Delivery = (ConnectionId, Vec<u8>);

/// A [`Fault`], and where it has got to.
pub(crate) struct Culprit {
    fault: Fault,
    held: HashMap<ConnectionId, Vec<u8>>,
    pub(crate) misdeeds: Misdeeds,
}

impl Culprit {
    pub(crate) fn new(fault: Fault) -> Culprit {
        Culprit { fault, held: HashMap::new(), misdeeds: Misdeeds::default() }
    }

    /// How long to do nothing before the next request is answered.
    pub(crate) fn pause(&mut self) -> Duration {
        match self.fault {
            Fault::Stall { at, pause } if at == self.misdeeds.requests + 1 => {
                self.misdeeds.stalled += 1;
                pause
            }
            Fault::Delay { pause } => pause,
            _ => Duration::ZERO,
        }
    }

    /// What to send, in this order, when the request `body` has come from `from`.
    pub(crate) fn answer(&mut self, from: ConnectionId, body: &[u8]) -> Vec<Delivery> {
        let mut reply = frame(body.strip_prefix(b"ECHO ").unwrap_or(body));
        let misdeeds = &mut self.misdeeds;
        misdeeds.requests += 1;
        let number = misdeeds.requests;
        match self.fault {
            Fault::Drop { every } if number.is_multiple_of(every) => {
                misdeeds.dropped += 1;
                Vec::new()
            }
            Fault::Double { every } if number.is_multiple_of(every) => {
                misdeeds.doubled += 1;
                vec![(from, reply.clone()), (from, reply)]
            }
            Fault::Swap { every } => self.swap(every, from, reply),
            Fault::Exchange { every } => self.exchange(every, from, reply),
            Fault::Corrupt { every, place } if number.is_multiple_of(every) => {
                misdeeds.corrupted += 1;
                corrupt(&mut reply, place);
                vec![(from, reply)]
            }
            _ => vec![(from, reply)],
        }
    }

    fn swap(&mut self, every: u64, from: ConnectionId, reply: Vec<u8>) -> Vec<Delivery> {
        if let Some(held) = self.held.remove(&from) {
            self.misdeeds.swapped += 1;
            return vec![(from, reply), (from, held)];
        }
        self.hold_or_deliver(every, from, reply)
    }

    fn exchange(&mut self, every: u64, from: ConnectionId, reply: Vec<u8>) -> Vec<Delivery> {
        if let Some(&other) = self.held.keys().find(|&&other| other != from)
            && let Some(held) = self.held.remove(&other)
        {
            self.misdeeds.exchanged += 2;
            return vec![(from, held), (other, reply)];
        }
        self.hold_or_deliver(every, from, reply)
    }

    fn hold_or_deliver(&mut self, every: u64, to: ConnectionId, reply: Vec<u8>) -> Vec<Delivery> {
        if self.misdeeds.requests.is_multiple_of(every) {
            self.held.insert(to, reply);
            return Vec::new();
        }
        vec![(to, reply)]
    }
}

fn corrupt(reply: &mut [u8], place: Place) {
    const HEADER_LEN: usize = 64;
    let last = reply.len() - 1;
    match place {
        Place::HeaderPadding => reply[HEADER_LEN - 1] = b'x',
        Place::HeaderLength => {
            let header = frame(vec![0; reply.len() - HEADER_LEN + 1]);
            reply[..HEADER_LEN].copy_from_slice(&header[..HEADER_LEN]);
        }
        Place::Id => reply[HEADER_LEN] ^= 0x40,
        Place::Filler => reply[last] ^= 1,
    }
}
