//! A network in memory, as strict as epoll and TCP: an edge is told once, closing with unread input
//! resets, and sending after FIN is the caller's bug.

use super::admission_reference::{AdmissionReference, Source};
use super::socket::{Fault, Reception, ServerEnd, Socket};
use readyd::io::address::Peer;
use readyd::io::clock::{Moment, WallTime};
use readyd::io::host::{Host, WallClock};
use readyd::io::net::{Accept, AcceptOutcome, SocketIo, Token, Encrypt};
use readyd::io::readiness::{Interest, Readiness};
use std::cell::RefCell;
use std::collections::{BTreeSet, VecDeque};
use std::io::{self, ErrorKind};
use std::rc::Rc;

/// Calls of one kind in one life of a network: more means that the server spins.
const MANY_CALLS: usize = 5_000_000;

/// The port that the first peer comes from.
const FIRST_PORT: u16 = 50_000;

#[derive(Default)]
struct Backlog {
    token: Option<Token>,
    waiting: VecDeque<usize>,
    is_closed: bool,
}

/// What is between the peers and the server.
pub(super) struct Wires {
    pub(super) sockets: Vec<Socket>,
    admission: AdmissionReference,
    pub(super) accept_fault: Fault,
    pub(super) register_fault: Fault,
    pub(super) now: Moment,
    /// Whether the server has been told to stop, and need not wait for anybody.
    pub(super) is_stopping: bool,
    /// Whether accepts ever failed in a way that pauses accepting.
    pub(super) may_have_paused: bool,
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
    fn new(admission: AdmissionReference, now: Moment) -> Wires {
        Wires {
            sockets: Vec::new(),
            admission,
            accept_fault: Fault::default(),
            register_fault: Fault::default(),
            now,
            is_stopping: false,
            may_have_paused: false,
            open: 0,
            accepted: 0,
            bytes: (0, 0),
            tokens: Vec::new(),
            backlogs: Vec::new(),
            edges: BTreeSet::new(),
            listener_edges: BTreeSet::new(),
            calls: 0,
        }
    }

    /// The server has taken a connection out of a backlog.
    fn accept(&mut self, number: usize) {
        let source = self.sockets[number].source;
        let is_of_client =
            |socket: &&Socket| socket.is_open() && socket.source.client() == source.client();
        let open = self.sockets.iter().filter(is_of_client).count();
        let verdict = self.admission.decide(source, open, self.now);
        self.sockets[number].reception = Reception::Accepted(verdict);
        self.sockets[number].server_end = ServerEnd::Open;
        self.open += 1;
        self.accepted += 1;
    }

    fn count_call(&mut self) {
        self.calls += 1;
        assert!(self.calls < MANY_CALLS, "the server spins");
    }
}

/// The network; a clone is another handle on the same one.
#[derive(Clone)]
pub(super) struct MemoryNet(pub(super) Rc<RefCell<Wires>>);

impl MemoryNet {
    pub(super) fn new(admission: AdmissionReference, now: Moment) -> MemoryNet {
        MemoryNet(Rc::new(RefCell::new(Wires::new(admission, now))))
    }

    pub(super) fn listener(&self) -> Listener {
        let mut wires = self.0.borrow_mut();
        wires.backlogs.push(Backlog::default());
        Listener { number: wires.backlogs.len() - 1, net: self.clone() }
    }

    /// A peer comes; returns its number.
    pub(super) fn connect(&self, listener: usize, source: Source) -> usize {
        let wires = &mut *self.0.borrow_mut();
        let number = wires.sockets.len();
        wires.sockets.push(Socket::waiting(source, FIRST_PORT + number as u16));
        if wires.backlogs[listener].is_closed {
            wires.sockets[number].server_end = ServerEnd::Reset;
        } else {
            wires.backlogs[listener].waiting.push_back(number);
            wires.listener_edges.insert(listener);
        }
        number
    }

    pub(super) fn write(&self, number: usize, bytes: &[u8]) {
        self.change(number, |socket| socket.write(bytes));
    }

    pub(super) fn fin(&self, number: usize) {
        self.change(number, Socket::fin);
    }

    pub(super) fn reset(&self, number: usize) {
        self.change(number, Socket::reset);
    }

    pub(super) fn widen(&self, number: usize, count: usize) {
        if self.socket(number, |socket| socket.widen(count)) {
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
        if std::thread::panicking() {
            return;
        }
        if !is_abort && !is_stopping {
            socket.assert_may_close(now);
        }
        socket.close(is_abort);
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

impl Host for MemoryNet {}

impl WallClock for MemoryNet {
    fn wall_time(&self) -> WallTime {
        WallTime { seconds: 1_620_412_612, nanos: 0 }
    }
}

impl SocketIo for MemoryNet {
    type Stream = Stream;

    /// Reports at once what the socket is ready for, as EPOLL_CTL_ADD does.
    fn register(&mut self, stream: &mut Stream, token: Token, _: Interest) -> io::Result<()> {
        let wires = &mut *self.0.borrow_mut();
        wires.sockets[stream.number].register(token, &mut wires.register_fault)?;
        wires.tokens.push(token);
        wires.edges.insert(stream.number);
        Ok(())
    }

    /// Reports at once whether there is room by now, as EPOLL_CTL_MOD does.
    fn add_write_interest(&mut self, stream: &mut Stream, token: Token) -> io::Result<()> {
        self.socket(stream.number, |socket| socket.add_write_interest(token));
        self.change(stream.number, |_| ());
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
        self.socket(stream.number, |socket| socket.send_fin(now))
    }

    fn abort(&mut self, mut stream: Stream) {
        stream.is_aborted = true;
    }
}

impl MemoryNet {
    fn try_accept(&self, listener: &Listener) -> io::Result<(Stream, Peer)> {
        let wires = &mut *self.0.borrow_mut();
        wires.count_call();
        wires.may_have_paused |= wires.accept_fault.may_pause_accepting();
        wires.accept_fault.strike()?;
        let waiting = &mut wires.backlogs[listener.number].waiting;
        let number = waiting.pop_front().ok_or(ErrorKind::WouldBlock)?;
        wires.accept(number);
        let stream = Stream { number, net: self.clone(), is_aborted: false };
        Ok((stream, wires.sockets[number].address.into()))
    }
}

impl Encrypt for MemoryNet {}

impl Accept for MemoryNet {
    type Listener = Listener;

    fn accept(&mut self, listener: &Listener) -> AcceptOutcome<Stream> {
        self.try_accept(listener).into()
    }

    fn register_listener(&mut self, listener: &mut Listener, token: Token) -> io::Result<()> {
        self.0.borrow_mut().backlogs[listener.number].token = Some(token);
        Ok(())
    }
}
