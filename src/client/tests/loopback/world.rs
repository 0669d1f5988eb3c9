//! All connections in memory, and what is under way between their ends.

use super::end::{End, Incoming};
use crate::io::clock::Moment;
use crate::io::net::Token;
use nix::errno::Errno;
use std::collections::{HashMap, VecDeque};
use std::io::{self, ErrorKind};
use std::net::SocketAddr;

/// What becomes of an attempt to connect.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Way {
    /// It reaches the listener.
    Open,
    /// It fails, after a while.
    Refused(Errno),
    /// It is never answered.
    Silent,
    /// It fails at once.
    Barred(Errno),
}

/// The two ends of a connection are neighbours: `2n` the client's, `2n + 1` the server's.
#[derive(Debug)]
pub(super) struct World {
    pub(super) ends: Vec<End>,
    pub(super) backlog: VecDeque<usize>,
    pub(super) backlog_has_news: bool,
    pub(super) listener_token: Option<Token>,
    pub(super) ways: HashMap<SocketAddr, Way>,
    pub(super) attempts: Vec<SocketAddr>,
    /// Bytes that one end holds at most.
    pub(super) window: usize,
    pub(super) register_error: Option<Errno>,
    pub(super) calls: usize,
    /// How many sockets the clients hold, and the servers.
    pub(super) held: [usize; 2],
    pub(super) now: Moment,
    dice: u64,
}

impl World {
    pub(super) fn new(seed: u64) -> World {
        World {
            ends: Vec::new(),
            backlog: VecDeque::new(),
            backlog_has_news: false,
            listener_token: None,
            ways: HashMap::new(),
            attempts: Vec::new(),
            window: 1000,
            register_error: None,
            calls: 0,
            held: [0; 2],
            now: Moment::START,
            dice: seed | 1,
        }
    }

    /// A number below `bound`, by Marsaglia's xorshift.
    pub(super) fn roll(&mut self, bound: usize) -> usize {
        self.dice ^= self.dice << 13;
        self.dice ^= self.dice >> 7;
        self.dice ^= self.dice << 17;
        (self.dice % bound as u64) as usize
    }

    pub(super) fn way(&self, address: SocketAddr) -> Way {
        self.ways.get(&address).copied().unwrap_or(Way::Open)
    }

    pub(super) fn room(&self, end: usize) -> usize {
        self.window.saturating_sub(self.ends[end].unread())
    }

    pub(super) fn is_under_way(&self, end: usize) -> bool {
        let end = &self.ends[end];
        match end.incoming {
            Incoming::Connecting(address) => {
                end.is_held && !matches!(self.way(address), Way::Silent)
            }
            Incoming::FinUnderWay => true,
            _ => !end.in_flight.is_empty(),
        }
    }

    pub(super) fn deliver_to(&mut self, index: usize) {
        let share = 1 + self.roll(self.ends[index].in_flight.len().max(1));
        let way = match self.ends[index].incoming {
            Incoming::Connecting(address) => Some(self.way(address)),
            _ => None,
        };
        let end = &mut self.ends[index];
        end.has_news = true;
        match way {
            Some(Way::Refused(errno) | Way::Barred(errno)) => {
                end.incoming = Incoming::Failed(errno);
            }
            Some(_) => {
                end.incoming = Incoming::Open;
                self.backlog.push_back(index ^ 1);
                self.backlog_has_news = true;
            }
            None if end.in_flight.is_empty() => end.incoming = Incoming::FinArrived,
            None if end.is_held => end.arrived.extend(end.in_flight.drain(..share)),
            // Nobody is there to read it.
            None => {
                end.in_flight.clear();
                self.ends[index ^ 1].reset();
            }
        }
    }

    pub(super) fn connect(&mut self, address: SocketAddr) -> io::Result<usize> {
        self.calls += 1;
        self.attempts.push(address);
        if let Way::Barred(errno) = self.way(address) {
            return Err(errno.into());
        }
        let index = self.ends.len();
        self.ends.push(End::new(Incoming::Connecting(address)));
        self.ends.push(End::new(Incoming::Open));
        Ok(index)
    }

    pub(super) fn send(&mut self, index: usize, bytes: &[u8]) -> io::Result<usize> {
        self.calls += 1;
        let room = self.room(index ^ 1).min(bytes.len());
        let count = 1 + self.roll(room.max(1));
        let [end, peer] = self.ends.get_disjoint_mut([index, index ^ 1]).unwrap();
        end.interrupt()?;
        end.take_error()?;
        match (end.incoming, peer.incoming) {
            (Incoming::Broken, _) => Err(Errno::EPIPE.into()),
            (_, Incoming::FinUnderWay | Incoming::FinArrived) => panic!("sent after FIN"),
            (Incoming::Connecting(_), _) => Err(ErrorKind::WouldBlock.into()),
            _ if room == 0 => {
                end.is_blocked = true;
                Err(ErrorKind::WouldBlock.into())
            }
            _ => {
                peer.in_flight.extend(&bytes[..count]);
                Ok(count)
            }
        }
    }

    pub(super) fn close(&mut self, index: usize) {
        self.held[index % 2] -= 1;
        let end = &mut self.ends[index];
        end.is_held = false;
        let was_broken = matches!(end.incoming, Incoming::Reset | Incoming::Broken);
        if !end.arrived.is_empty() && !was_broken {
            self.ends[index ^ 1].reset();
        } else {
            self.send_fin(index);
        }
    }

    pub(super) fn send_fin(&mut self, index: usize) {
        let peer = &mut self.ends[index ^ 1];
        if peer.incoming == Incoming::Open {
            peer.incoming = Incoming::FinUnderWay;
        }
    }
}
