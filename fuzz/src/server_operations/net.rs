//! A network in memory, as strict as epoll and TCP: an edge is told once, closing with unread input
//! resets, and sending after FIN is the caller's bug.

use arbitrary::Arbitrary;
use readyd::clock::{Moment, WallTime};
use readyd::net::{Net, Readiness, Token, WallClock};
use std::cell::RefCell;
use std::collections::{BTreeSet, VecDeque};
use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

/// Calls of one kind in one life of a network: more means that the server spins.
const MANY_CALLS: usize = 5_000_000;

/// Linux's numbers of the errors that the calls can fail with.
const EINTR: i32 = 4;
const ENOTCONN: i32 = 107;
const EPIPE: i32 = 32;
const ECONNRESET: i32 = 104;
const ERRNOS: [i32; 12] = [EINTR, 24, 23, 12, 105, 103, 71, ECONNRESET, EPIPE, 110, 1, 113];

/// An error that a call fails with, so many times.
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

    fn errno(self) -> i32 {
        ERRNOS[usize::from(self.errno) % ERRNOS.len()]
    }

    fn strike(&mut self) -> io::Result<()> {
        match self.times.checked_sub(1) {
            None => Ok(()),
            Some(left) => {
                self.times = left;
                Err(io::Error::from_raw_os_error(self.errno()))
            }
        }
    }
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
    pub(super) server_end: ServerEnd,
    pub(super) received: Vec<u8>,
    /// How many bytes more the peer takes.
    pub(super) window: usize,
    pub(super) most_at_once: usize,
    pub(super) recv_fault: Fault,
    pub(super) send_fault: Fault,
    pub(super) was_accepted: bool,
    /// Whether it could not be registered, and so was dropped unserved.
    pub(super) was_refused: bool,
    unread: VecDeque<u8>,
    peer_end: PeerEnd,
    /// When the server half-closed.
    fin_at: Moment,
    /// Whether a call has told the server that the connection is lost.
    is_lost: bool,
    token: Option<Token>,
    awaits_room: bool,
}

impl Socket {
    fn waiting() -> Socket {
        Socket {
            server_end: ServerEnd::Waiting,
            received: Vec::new(),
            window: 1000,
            most_at_once: usize::MAX,
            recv_fault: Fault::default(),
            send_fault: Fault::default(),
            was_accepted: false,
            was_refused: false,
            unread: VecDeque::new(),
            peer_end: PeerEnd::Open,
            fin_at: Moment::NEVER,
            is_lost: false,
            token: None,
            awaits_room: false,
        }
    }

    /// Whether the server left bytes unread that it had room to answer.
    pub(super) fn is_neglected(&self) -> bool {
        self.token.is_some()
            && self.peer_end == PeerEnd::Open
            && !self.unread.is_empty()
            && self.window > 0
    }

    fn readiness(&self) -> Readiness {
        let read_on = self.peer_end != PeerEnd::Open;
        let is_broken = matches!(self.peer_end, PeerEnd::Reset | PeerEnd::Gone);
        Readiness {
            read: !self.unread.is_empty() || read_on,
            write: self.window > 0 || is_broken,
            read_on,
        }
    }

    /// Panics if the server closes on a peer that may still send: what it sends then would be answered
    /// by RST, which destroys the replies that it has not read.
    fn assert_may_close(&self, now: Moment) {
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

    fn recv(&mut self, into: &mut [u8]) -> io::Result<usize> {
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

    fn send(&mut self, bytes: &[u8]) -> io::Result<usize> {
        assert_eq!(self.server_end, ServerEnd::Open, "sent after FIN");
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

#[derive(Default)]
struct Backlog {
    token: Option<Token>,
    waiting: VecDeque<usize>,
    is_closed: bool,
}

/// What is between the peers and the server.
#[derive(Default)]
pub(super) struct Wires {
    pub(super) sockets: Vec<Socket>,
    pub(super) accept_fault: Fault,
    pub(super) register_fault: Fault,
    pub(super) now: Moment,
    /// Whether the server has been told to stop, and need not wait for anybody.
    pub(super) is_stopping: bool,
    /// Whether an accept ever failed, so that accepting may be paused.
    pub(super) has_failed_to_accept: bool,
    /// Streams that the server holds.
    pub(super) open: usize,
    pub(super) accepted: u64,
    /// Bytes that the server was given, and that it got rid of.
    pub(super) bytes: (u64, u64),
    /// Every token that a connection ever had.
    pub(super) tokens: Vec<Token>,
    backlogs: Vec<Backlog>,
    edges: BTreeSet<usize>,
    listener_edges: BTreeSet<usize>,
    calls: usize,
}

impl Wires {
    fn count_call(&mut self) {
        self.calls += 1;
        assert!(self.calls < MANY_CALLS, "the server spins");
    }
}

/// The network; a clone is another handle on the same one.
#[derive(Clone, Default)]
pub(super) struct MemoryNet(pub(super) Rc<RefCell<Wires>>);

impl MemoryNet {
    pub(super) fn listener(&self) -> Listener {
        let mut wires = self.0.borrow_mut();
        wires.backlogs.push(Backlog::default());
        Listener { number: wires.backlogs.len() - 1, net: self.clone() }
    }

    /// A peer comes; returns its number.
    pub(super) fn connect(&self, listener: usize) -> usize {
        let wires = &mut *self.0.borrow_mut();
        let number = wires.sockets.len();
        wires.sockets.push(Socket::waiting());
        if wires.backlogs[listener].is_closed {
            wires.sockets[number].server_end = ServerEnd::Reset;
        } else {
            wires.backlogs[listener].waiting.push_back(number);
            wires.listener_edges.insert(listener);
        }
        number
    }

    pub(super) fn write(&self, number: usize, bytes: &[u8]) {
        self.change(number, |socket| socket.unread.extend(bytes));
    }

    pub(super) fn fin(&self, number: usize) {
        self.change(number, |socket| {
            if socket.peer_end == PeerEnd::Open {
                socket.peer_end = PeerEnd::Fin;
            }
        });
    }

    pub(super) fn reset(&self, number: usize) {
        self.change(number, |socket| {
            socket.peer_end = PeerEnd::Reset;
            socket.unread.clear();
        });
    }

    pub(super) fn widen(&self, number: usize, count: usize) {
        let is_edge = self.socket(number, |socket| {
            socket.window = socket.window.saturating_add(count);
            std::mem::take(&mut socket.awaits_room)
        });
        if is_edge {
            self.change(number, |_| ());
        }
    }

    pub(super) fn socket<T>(&self, number: usize, look: impl FnOnce(&mut Socket) -> T) -> T {
        look(&mut self.0.borrow_mut().sockets[number])
    }

    /// Whether a connection has this token.
    pub(super) fn is_registered(&self, token: Token) -> bool {
        self.0.borrow().sockets.iter().any(|socket| socket.token == Some(token))
    }

    pub(super) fn address(number: usize) -> SocketAddr {
        let [_, _, high, low] = (number as u32).to_be_bytes();
        SocketAddr::from((Ipv4Addr::new(10, 0, high, low), 50_000))
    }

    pub(super) fn has_events(&self) -> bool {
        let wires = self.0.borrow();
        !wires.edges.is_empty() || !wires.listener_edges.is_empty()
    }

    /// The edges since the last call, as epoll_wait(2) reports them: each socket once.
    pub(super) fn events(&self) -> Vec<(Token, Readiness)> {
        let wires = &mut *self.0.borrow_mut();
        let mut events = Vec::new();
        for listener in std::mem::take(&mut wires.listener_edges) {
            let readiness = Readiness { read: true, ..Readiness::default() };
            events.extend(wires.backlogs[listener].token.map(|token| (token, readiness)));
        }
        for number in std::mem::take(&mut wires.edges) {
            let (socket, readiness) = (&wires.sockets[number], wires.sockets[number].readiness());
            if readiness != Readiness::default() {
                events.extend(socket.token.map(|token| (token, readiness)));
            }
        }
        events
    }

    fn change(&self, number: usize, change: impl FnOnce(&mut Socket)) {
        let wires = &mut *self.0.borrow_mut();
        change(&mut wires.sockets[number]);
        if wires.sockets[number].token.is_some() {
            wires.edges.insert(number);
        }
    }

    fn close(&self, number: usize, is_abort: bool) {
        let wires = &mut *self.0.borrow_mut();
        let (now, is_stopping) = (wires.now, wires.is_stopping);
        let socket = &mut wires.sockets[number];
        if !is_abort && !is_stopping && !std::thread::panicking() {
            socket.assert_may_close(now);
        }
        let is_reset = is_abort || !socket.unread.is_empty();
        socket.server_end = if is_reset { ServerEnd::Reset } else { ServerEnd::Closed };
        socket.was_refused = socket.token.is_none();
        socket.token = None;
        wires.open -= 1;
    }
}

pub(super) struct Listener {
    number: usize,
    net: MemoryNet,
}

impl Drop for Listener {
    /// Who waits in the backlog of a listener that closes is reset.
    fn drop(&mut self) {
        let wires = &mut *self.net.0.borrow_mut();
        let backlog = &mut wires.backlogs[self.number];
        backlog.token = None;
        backlog.is_closed = true;
        for number in std::mem::take(&mut backlog.waiting) {
            wires.sockets[number].server_end = ServerEnd::Reset;
        }
    }
}

pub(super) struct Stream {
    number: usize,
    net: MemoryNet,
    is_aborted: bool,
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.net.close(self.number, self.is_aborted);
    }
}

impl WallClock for MemoryNet {
    fn wall_time(&self) -> WallTime {
        WallTime { seconds: 1_620_412_612, nanos: 0 }
    }
}

impl Net for MemoryNet {
    type Listener = Listener;
    type Stream = Stream;

    fn accept(&mut self, listener: &Listener) -> io::Result<(Stream, SocketAddr)> {
        let wires = &mut *self.0.borrow_mut();
        wires.count_call();
        wires.has_failed_to_accept |= !wires.accept_fault.is_harmless();
        wires.accept_fault.strike()?;
        let waiting = &mut wires.backlogs[listener.number].waiting;
        let number = waiting.pop_front().ok_or(ErrorKind::WouldBlock)?;
        wires.sockets[number].server_end = ServerEnd::Open;
        wires.sockets[number].was_accepted = true;
        wires.open += 1;
        wires.accepted += 1;
        let stream = Stream { number, net: self.clone(), is_aborted: false };
        Ok((stream, MemoryNet::address(number)))
    }

    fn connect_from(&mut self, _: Option<IpAddr>, _: SocketAddr) -> io::Result<Stream> {
        Err(ErrorKind::Unsupported.into())
    }

    fn connected(&mut self, _: &Stream) -> io::Result<()> {
        Err(ErrorKind::Unsupported.into())
    }

    fn local_addr(&self, _: &Stream) -> io::Result<SocketAddr> {
        Err(ErrorKind::Unsupported.into())
    }

    /// Reports at once what the socket is ready for, as EPOLL_CTL_ADD does.
    fn register(&mut self, stream: &mut Stream, token: Token) -> io::Result<()> {
        let wires = &mut *self.0.borrow_mut();
        wires.register_fault.strike()?;
        wires.sockets[stream.number].token = Some(token);
        wires.tokens.push(token);
        wires.edges.insert(stream.number);
        Ok(())
    }

    fn register_listener(&mut self, listener: &mut Listener, token: Token) -> io::Result<()> {
        self.0.borrow_mut().backlogs[listener.number].token = Some(token);
        Ok(())
    }

    fn recv(&mut self, stream: &mut Stream, into: &mut [u8]) -> io::Result<usize> {
        let wires = &mut *self.0.borrow_mut();
        wires.count_call();
        let count = wires.sockets[stream.number].recv(into)?;
        wires.bytes.0 += count as u64;
        Ok(count)
    }

    fn send(&mut self, stream: &mut Stream, bytes: &[u8]) -> io::Result<usize> {
        let wires = &mut *self.0.borrow_mut();
        wires.count_call();
        let count = wires.sockets[stream.number].send(bytes)?;
        wires.bytes.1 += count as u64;
        Ok(count)
    }

    fn send_fin(&mut self, stream: &mut Stream) -> io::Result<()> {
        let now = self.0.borrow().now;
        self.socket(stream.number, |socket| {
            assert_eq!(socket.server_end, ServerEnd::Open, "one FIN is enough");
            if matches!(socket.peer_end, PeerEnd::Reset | PeerEnd::Gone) {
                return Err(io::Error::from_raw_os_error(ENOTCONN));
            }
            socket.server_end = ServerEnd::HalfClosed;
            socket.fin_at = now;
            Ok(())
        })
    }

    fn abort(&mut self, mut stream: Stream) {
        stream.is_aborted = true;
    }
}
