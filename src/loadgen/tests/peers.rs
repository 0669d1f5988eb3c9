//! Who answers by a script: well, late, wrongly or not at all.

use super::rig::OtherSide;
use crate::client::tests::loopback::{Loopback, Stream};
use crate::io::clock::Moment;
use crate::io::net::{Accept, AcceptOutcome, SocketIo};
use crate::protocol::frame::{HEADER_LEN, decode_header, encode_header};
use std::io::ErrorKind;

/// A request that has come.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    /// Which connection, counted from 0 in the order of accepting.
    pub(super) connection: usize,
    /// Which request of that connection, from 0.
    pub(super) turn: usize,
    /// What came behind `ECHO `.
    pub(super) text: Vec<u8>,
    pub(super) at: Moment,
}

/// What becomes of the connection on which it came.
#[derive(Clone, Debug)]
pub(super) enum Act {
    /// These bytes go out at once.
    Say(Vec<u8>),
    /// They go out then.
    SayAt(Moment, Vec<u8>),
    Nothing,
    /// They go out, then it is closed.
    Fin(Vec<u8>),
    Reset,
}

impl Asked {
    /// The right reply.
    pub(super) fn reply(&self) -> Vec<u8> {
        frame(&self.text)
    }

    pub(super) fn answer(&self) -> Act {
        Act::Say(self.reply())
    }
}

pub(super) fn frame(body: &[u8]) -> Vec<u8> {
    [&encode_header(body.len())[..], body].concat()
}

struct Peer {
    stream: Stream,
    unread: Vec<u8>,
    unsent: Vec<u8>,
    asked: usize,
    /// Once all is sent.
    is_closing: bool,
}

/// The server's side of all connections.
pub(super) struct Peers<A> {
    net: Loopback,
    act: A,
    peers: Vec<Option<Peer>>,
    later: Vec<(Moment, usize, Vec<u8>)>,
    /// All that was asked.
    pub(super) asked: Vec<Asked>,
    pub(super) accepts: bool,
}

impl<A: FnMut(&Asked) -> Act> Peers<A> {
    pub(super) fn new(net: &Loopback, act: A) -> Peers<A> {
        let (peers, later, asked) = (Vec::new(), Vec::new(), Vec::new());
        Peers { net: net.clone(), act, peers, later, asked, accepts: true }
    }

    /// Says something unasked, if the connection is still there.
    pub(super) fn say(&mut self, connection: usize, bytes: &[u8]) {
        if let Some(peer) = &mut self.peers[connection] {
            peer.unsent.extend_from_slice(bytes);
        }
        self.flush(connection);
    }

    pub(super) fn fin(&mut self, connection: usize) {
        self.peers[connection] = None;
    }

    pub(super) fn reset(&mut self, connection: usize) {
        if let Some(peer) = self.peers[connection].take() {
            self.net.abort(peer.stream);
        }
    }

    pub(super) fn reset_all(&mut self) {
        (0..self.peers.len()).for_each(|connection| self.reset(connection));
    }

    fn listen(&mut self, connection: usize) {
        let mut bytes = [0; 4096];
        while let Some(peer) = &mut self.peers[connection] {
            match self.net.recv(&mut peer.stream, &mut bytes) {
                Ok(0) => self.fin(connection),
                Ok(count) => peer.unread.extend_from_slice(&bytes[..count]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => self.fin(connection),
            }
        }
    }

    fn answer(&mut self, connection: usize, now: Moment) {
        while let Some(peer) = &mut self.peers[connection]
            && let Some(header) = peer.unread.first_chunk::<HEADER_LEN>()
        {
            let end = HEADER_LEN + decode_header(header, 1 << 20).expect("load sends frames");
            let Some(body) = peer.unread.get(HEADER_LEN..end) else { return };
            let text = body.strip_prefix(b"ECHO ").expect("load says echo").to_vec();
            peer.unread.drain(..end);
            let asked = Asked { connection, turn: peer.asked, text, at: now };
            peer.asked += 1;
            let act = (self.act)(&asked);
            self.asked.push(asked);
            match act {
                Act::Say(bytes) => peer.unsent.extend_from_slice(&bytes),
                Act::SayAt(at, bytes) => self.later.push((at, connection, bytes)),
                Act::Nothing => {}
                Act::Fin(bytes) => {
                    peer.unsent.extend_from_slice(&bytes);
                    peer.is_closing = true;
                }
                Act::Reset => self.reset(connection),
            }
        }
    }

    fn flush(&mut self, connection: usize) {
        while let Some(peer) = &mut self.peers[connection] {
            if peer.unsent.is_empty() {
                if peer.is_closing {
                    self.fin(connection);
                }
                return;
            }
            match self.net.send(&mut peer.stream, &peer.unsent) {
                Ok(count) => drop(peer.unsent.drain(..count)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => self.fin(connection),
            }
        }
    }
}

impl<A: FnMut(&Asked) -> Act> OtherSide for Peers<A> {
    fn turn(&mut self, now: Moment) -> Option<Moment> {
        while self.accepts
            && let AcceptOutcome::Connection(stream, _) = self.net.accept(&())
        {
            let (unread, unsent) = (Vec::new(), Vec::new());
            self.peers.push(Some(Peer { stream, unread, unsent, asked: 0, is_closing: false }));
        }
        let (due, later) =
            std::mem::take(&mut self.later).into_iter().partition(|(at, ..)| *at <= now);
        self.later = later;
        let due: Vec<(Moment, usize, Vec<u8>)> = due;
        due.iter().for_each(|(_, connection, bytes)| self.say(*connection, bytes));
        for connection in 0..self.peers.len() {
            if self.peers[connection].is_some() {
                self.listen(connection);
                self.answer(connection, now);
                self.flush(connection);
            }
        }
        self.later.iter().map(|(at, ..)| *at).min()
    }
}
