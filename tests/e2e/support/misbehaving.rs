//! A server of the framed echo protocol that does one thing wrong and says how often it did.
//!
//! Invariant: one thread serves all connections, one request after another, so that what happens
//! depends on the order of the requests alone. Everything waits in poll(2); nothing is asked for
//! again and again.

mod fault;

pub(crate) use fault::{Fault, Misdeeds, Place};

use super::PATIENCE;
use fault::{ConnectionId, Culprit};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use socket2::SockRef;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::thread::{self, JoinHandle};
use std::time::Duration;

const HEADER_LEN: usize = 64;

/// A running server.
pub(crate) struct Misbehaving {
    address: SocketAddr,
    /// The server ends when this is closed, as soon as its clients are gone.
    stop: UnixStream,
    server: JoinHandle<Account>,
}

/// All that a server saw and did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Account {
    /// Connections accepted, those that were reset at once included.
    pub(crate) accepted: u64,
    /// Connections reset as soon as they were accepted.
    pub(crate) reset: u64,
    /// Connections that got FIN though the client had not sent one.
    pub(crate) closed: u64,
    /// Where connections came from.
    pub(crate) peers: BTreeSet<IpAddr>,
    /// What went wrong with requests and replies.
    pub(crate) misdeeds: Misdeeds,
}

impl Misbehaving {
    /// Starts a server on a free port.
    pub(crate) fn start(fault: Fault) -> Misbehaving {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        listener.set_nonblocking(true).expect("make a listener nonblocking");
        let address = listener.local_addr().expect("its address");
        let (stop, stopped) = UnixStream::pair().expect("a pair of sockets");
        let mut server = Server {
            fault,
            listener: Some(listener),
            stopped,
            peers: BTreeMap::new(),
            culprit: Culprit::new(fault),
            account: Account::default(),
        };
        Misbehaving { address, stop, server: thread::spawn(move || server.run()) }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Waits until the clients have closed their connections and everything they sent was read.
    ///
    /// # Panics
    ///
    /// If a client sent what is not a frame, or keeps a connection open.
    pub(crate) fn finish(self) -> Account {
        drop(self.stop);
        self.server.join().expect("a client that keeps to the protocol and closes its connections")
    }
}

/// What a connection is used for.
enum Peer {
    Served {
        stream: TcpStream,
        received: Vec<u8>,
        replies: u64,
    },
    /// FIN was sent. A close with something unread would send RST, which can destroy the replies.
    Closing(TcpStream),
}

impl Peer {
    fn stream(&self) -> &TcpStream {
        match self {
            Peer::Served { stream, .. } | Peer::Closing(stream) => stream,
        }
    }
}

struct Server {
    fault: Fault,
    listener: Option<TcpListener>,
    stopped: UnixStream,
    peers: BTreeMap<ConnectionId, Peer>,
    culprit: Culprit,
    account: Account,
}

/// What poll(2) found.
struct Ready {
    to_accept: bool,
    to_stop: bool,
    to_read: Vec<ConnectionId>,
}

impl Server {
    fn run(&mut self) -> Account {
        let mut stopping = false;
        loop {
            let ready = self.wait(stopping);
            let idle = !ready.to_accept && ready.to_read.is_empty();
            if ready.to_accept {
                self.accept();
            }
            for id in ready.to_read {
                self.read(id);
            }
            if stopping && idle && (self.peers.is_empty() || self.fault == Fault::NeverRead) {
                break;
            }
            stopping |= ready.to_stop;
        }
        Account { misdeeds: self.culprit.misdeeds.clone(), ..self.account.clone() }
    }

    /// Waits for something to do; while stopping, for clients to close.
    fn wait(&self, stopping: bool) -> Ready {
        let heeds_peers = self.fault != Fault::NeverRead;
        let watched = |fd| PollFd::new(fd, PollFlags::POLLIN);
        let ids: Vec<ConnectionId> = self.peers.keys().copied().filter(|_| heeds_peers).collect();
        let streams = ids.iter().map(|id| self.peers[id].stream().as_fd());
        let mut fds: Vec<PollFd<'_>> = streams.map(watched).collect();
        fds.extend(self.listener.as_ref().map(|listener| watched(listener.as_fd())));
        if !stopping {
            fds.push(watched(self.stopped.as_fd()));
        }
        let timeout = match (stopping, ids.is_empty()) {
            (false, _) => PollTimeout::NONE,
            (true, true) => PollTimeout::ZERO,
            (true, false) => PollTimeout::try_from(PATIENCE).expect("PATIENCE in milliseconds"),
        };
        let found = poll(&mut fds, timeout).expect("poll");
        assert!(found > 0 || ids.is_empty(), "clients keep {} connections open", ids.len());
        let mut is_ready = fds.iter().map(|fd| fd.any() == Some(true));
        Ready {
            to_read: ids.into_iter().filter(|_| is_ready.next() == Some(true)).collect(),
            to_accept: self.listener.is_some() && is_ready.next() == Some(true),
            to_stop: !stopping && is_ready.next() == Some(true),
        }
    }

    fn accept(&mut self) {
        let Some(listener) = &self.listener else { return };
        let (stream, address) = match listener.accept() {
            Ok(accepted) => accepted,
            // The client has given up meanwhile.
            Err(error) if error.kind() == ErrorKind::WouldBlock => return,
            Err(error) => panic!("accept: {error}"),
        };
        let id = self.account.accepted as ConnectionId;
        self.account.accepted += 1;
        self.account.peers.insert(address.ip());
        if self.fault == Fault::ResetEverySecond && self.account.accepted.is_multiple_of(2) {
            self.account.reset += 1;
            // A close that may not linger sends RST.
            SockRef::from(&stream).set_linger(Some(Duration::ZERO)).expect("set SO_LINGER");
            return;
        }
        stream.set_nodelay(true).expect("set TCP_NODELAY");
        stream.set_write_timeout(Some(PATIENCE)).expect("set a write timeout");
        self.peers.insert(id, Peer::Served { stream, received: Vec::new(), replies: 0 });
    }

    fn read(&mut self, id: ConnectionId) {
        let mut piece = [0; 16 * 1024];
        let Some(peer) = self.peers.get_mut(&id) else { return };
        match (peer.stream().read(&mut piece), peer) {
            (Ok(0) | Err(_), _) => drop(self.peers.remove(&id)),
            (Ok(_), Peer::Closing(_)) => {}
            (Ok(count), Peer::Served { received, .. }) => {
                received.extend_from_slice(&piece[..count]);
                self.serve(id);
            }
        }
    }

    /// Answers all requests of a connection that have come whole.
    fn serve(&mut self, id: ConnectionId) {
        while let Some(Peer::Served { received, .. }) = self.peers.get_mut(&id)
            && let Some(body) = take_frame(received)
        {
            thread::sleep(self.culprit.pause());
            for (to, reply) in self.culprit.answer(id, &body) {
                self.send(to, &reply);
            }
            self.close_what_is_due(id);
        }
    }

    fn send(&mut self, to: ConnectionId, reply: &[u8]) {
        let Some(Peer::Served { stream, replies, .. }) = self.peers.get_mut(&to) else { return };
        *replies += 1;
        let length = match self.fault {
            Fault::Pieces { length } => length,
            _ => reply.len(),
        };
        // A client that is gone is found out when it is read from.
        let _ = reply.chunks(length).try_for_each(|piece| stream.write_all(piece));
    }

    fn close_what_is_due(&mut self, just_served: ConnectionId) {
        match self.fault {
            Fault::CloseEach { after } => {
                if let Some(Peer::Served { replies, .. }) = self.peers.get(&just_served)
                    && *replies == after
                {
                    self.close(just_served);
                }
            }
            Fault::Die { after } if self.culprit.misdeeds.requests == after => {
                self.listener = None;
                let everybody: Vec<ConnectionId> = self.peers.keys().copied().collect();
                everybody.into_iter().for_each(|id| self.close(id));
            }
            _ => {}
        }
    }

    fn close(&mut self, id: ConnectionId) {
        let Some(peer) = self.peers.remove(&id) else { return };
        let stream = match peer {
            Peer::Served { stream, .. } | Peer::Closing(stream) => stream,
        };
        // A client that is gone already needs no FIN.
        if stream.shutdown(Shutdown::Write).is_ok() {
            self.account.closed += 1;
            self.peers.insert(id, Peer::Closing(stream));
        }
    }
}

/// Takes the body of the first frame out of `received`, if all of it is there.
fn take_frame(received: &mut Vec<u8>) -> Option<Vec<u8>> {
    let header = received.get(..HEADER_LEN)?;
    let digits = str::from_utf8(header).expect("a header of ASCII").trim_end_matches(' ');
    let length: usize = digits.parse().unwrap_or_else(|_| panic!("not a header: {digits:?}"));
    received.get(HEADER_LEN..HEADER_LEN + length)?;
    let rest = received.split_off(HEADER_LEN + length);
    let mut frame = std::mem::replace(received, rest);
    Some(frame.split_off(HEADER_LEN))
}
