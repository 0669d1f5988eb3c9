//! A network in memory: sockets with finite buffers, edge-triggered events, faults on demand.
//!
//! It is as strict as epoll. An edge is reported once, with all that the socket is ready for by
//! then; a server that forgets it waits in vain. And it is as strict as TCP: closing a socket with
//! unread input resets it, and sending after FIN is a bug of the caller, so it panics.

mod socket;

use crate::io::address::{self, Credentials};
use crate::io::clock::WallTime;
use crate::io::host::{Host, Usage, WallClock};
use crate::io::net::{Accept, AcceptOutcome, Encrypt, Handshakes, Output, SocketIo, Token};
use crate::io::readiness::{Interest, Readiness};
use socket::{Call, Peer};
pub(super) use socket::{Fault, ServerEnd, Socket};
use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

/// A client's end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Client(usize);

#[derive(Debug, Default)]
struct Backlog {
    token: Option<Token>,
    waiting: VecDeque<usize>,
    /// Clients in the middle of a handshake.
    handshakes: Vec<usize>,
    /// Clients that began to connect while they were held off, and try again.
    ignored: Vec<usize>,
    held_off: bool,
    closed: bool,
}

#[derive(Debug)]
struct World {
    sockets: Vec<Socket>,
    backlogs: Vec<Backlog>,
    /// Sockets with an edge that was not reported yet, in order.
    edges: Vec<usize>,
    listener_edges: Vec<usize>,
    accept: Call,
    register: Call,
    add_write_interest: Call,
    open_streams: usize,
    /// Whether it can be told that a handshake is in flight.
    shows_handshakes: bool,
}

/// The network; a clone is another handle on the same one.
#[derive(Clone, Debug)]
pub(super) struct FakeNet(Rc<RefCell<World>>);

impl FakeNet {
    pub(super) fn new() -> FakeNet {
        FakeNet(Rc::new(RefCell::new(World {
            sockets: Vec::new(),
            backlogs: Vec::new(),
            edges: Vec::new(),
            listener_edges: Vec::new(),
            accept: Call::NEW,
            register: Call::NEW,
            add_write_interest: Call::NEW,
            open_streams: 0,
            shows_handshakes: true,
        })))
    }

    pub(super) fn listener(&self) -> FakeListener {
        let mut world = self.0.borrow_mut();
        world.backlogs.push(Backlog::default());
        FakeListener { number: world.backlogs.len() - 1, net: self.clone() }
    }

    /// A client comes into the backlog of the listener with that number.
    pub(super) fn connect(&self, listener: usize) -> Client {
        self.connect_from(listener, Ipv4Addr::new(192, 0, 2, 1).into())
    }

    /// The same, from another address.
    pub(super) fn connect_from(&self, listener: usize, address: IpAddr) -> Client {
        let client = self.begin_from(listener, address);
        self.finish_handshake(listener, client);
        client
    }

    /// The same, by way of a unix socket.
    pub(super) fn connect_locally(&self, listener: usize, credentials: Credentials) -> Client {
        let client = self.connect(listener);
        self.socket(client, |socket| socket.credentials = Some(credentials));
        client
    }

    /// A client begins to connect.
    pub(super) fn begin(&self, listener: usize) -> Client {
        self.begin_from(listener, Ipv4Addr::new(192, 0, 2, 1).into())
    }

    fn begin_from(&self, listener: usize, address: IpAddr) -> Client {
        let mut world = self.0.borrow_mut();
        let number = world.sockets.len();
        world.sockets.push(Socket::waiting(address));
        let backlog = &mut world.backlogs[listener];
        if backlog.closed {
            world.sockets[number].server_end = ServerEnd::Reset;
        } else if backlog.held_off {
            backlog.ignored.push(number);
        } else {
            backlog.handshakes.push(number);
        }
        Client(number)
    }

    /// It comes into the backlog, unless it was ignored or refused.
    pub(super) fn finish_handshake(&self, listener: usize, client: Client) {
        let mut world = self.0.borrow_mut();
        let handshakes = &mut world.backlogs[listener].handshakes;
        let Some(place) = handshakes.iter().position(|&number| number == client.0) else { return };
        handshakes.remove(place);
        world.backlogs[listener].waiting.push_back(client.0);
        world.listener_edges.push(listener);
    }

    /// It cannot be told any more whether handshakes are in flight.
    pub(super) fn hide_handshakes(&self) {
        self.0.borrow_mut().shows_handshakes = false;
    }

    /// Clients that were ignored and try again.
    pub(super) fn ignored(&self, listener: usize) -> usize {
        self.0.borrow().backlogs[listener].ignored.len()
    }

    pub(super) fn send(&self, client: Client, bytes: &[u8]) {
        self.change(client, |socket| socket.unread.extend(bytes));
    }

    pub(super) fn fin(&self, client: Client) {
        self.change(client, |socket| socket.peer = Peer::Fin);
    }

    pub(super) fn reset(&self, client: Client) {
        self.change(client, |socket| {
            socket.peer = Peer::Reset;
            socket.unread.clear();
        });
    }

    /// The kernel takes `count` bytes more for this client.
    pub(super) fn widen(&self, client: Client, count: usize) {
        let is_edge = self.socket(client, |socket| {
            socket.window = socket.window.saturating_add(count);
            std::mem::take(&mut socket.awaits_room)
        });
        if is_edge {
            self.change(client, |_| ());
        }
    }

    /// Looks at one connection, or changes its faults and limits.
    pub(super) fn socket<T>(&self, client: Client, look: impl FnOnce(&mut Socket) -> T) -> T {
        look(&mut self.0.borrow_mut().sockets[client.0])
    }

    pub(super) fn received(&self, client: Client) -> Vec<u8> {
        self.socket(client, |socket| socket.received.clone())
    }

    pub(super) fn server_end(&self, client: Client) -> ServerEnd {
        self.socket(client, |socket| socket.server_end)
    }

    pub(super) fn token(&self, client: Client) -> Token {
        self.socket(client, |socket| socket.token).expect("the connection is registered")
    }

    pub(super) fn accept_call<T>(&self, look: impl FnOnce(&mut Call) -> T) -> T {
        look(&mut self.0.borrow_mut().accept)
    }

    pub(super) fn register_call<T>(&self, look: impl FnOnce(&mut Call) -> T) -> T {
        look(&mut self.0.borrow_mut().register)
    }

    pub(super) fn add_write_interest_call<T>(&self, look: impl FnOnce(&mut Call) -> T) -> T {
        look(&mut self.0.borrow_mut().add_write_interest)
    }

    /// Sockets that the server holds.
    pub(super) fn open_streams(&self) -> usize {
        self.0.borrow().open_streams
    }

    pub(super) fn address(&self, client: Client) -> SocketAddr {
        let address = self.socket(client, |socket| socket.address);
        SocketAddr::from((address, 1024 + client.0 as u16))
    }

    /// The edges since the last call, as epoll_wait reports them: each socket once.
    pub(super) fn poll(&self) -> Vec<(Token, Readiness)> {
        let mut world = self.0.borrow_mut();
        let mut events = Vec::new();
        let mut edges = std::mem::take(&mut world.listener_edges);
        edges.dedup();
        for listener in edges {
            let readiness = Readiness { read: true, ..Readiness::default() };
            events.extend(world.backlogs[listener].token.map(|token| (token, readiness)));
        }
        let mut edges = std::mem::take(&mut world.edges);
        edges.sort_unstable();
        edges.dedup();
        for number in edges {
            let socket = &world.sockets[number];
            let readiness = socket.readiness();
            if readiness != Readiness::default() {
                events.extend(socket.token.map(|token| (token, readiness)));
            }
        }
        events
    }

    pub(super) fn has_events(&self) -> bool {
        let world = self.0.borrow();
        !world.edges.is_empty() || !world.listener_edges.is_empty()
    }

    fn change(&self, client: Client, change: impl FnOnce(&mut Socket)) {
        let mut world = self.0.borrow_mut();
        change(&mut world.sockets[client.0]);
        if world.sockets[client.0].token.is_some() {
            world.edges.push(client.0);
        }
    }

    fn close(&self, number: usize, server_end: ServerEnd) {
        let mut world = self.0.borrow_mut();
        let socket = &mut world.sockets[number];
        socket.server_end = server_end;
        socket.token = None;
    }
}

#[derive(Debug)]
pub(super) struct FakeListener {
    number: usize,
    net: FakeNet,
}

impl Drop for FakeListener {
    /// Who waits in the backlog of a listener that closes is reset.
    fn drop(&mut self) {
        let waiting = {
            let backlog = &mut self.net.0.borrow_mut().backlogs[self.number];
            backlog.token = None;
            backlog.closed = true;
            let mut left = Vec::from(std::mem::take(&mut backlog.waiting));
            left.append(&mut backlog.handshakes);
            left.append(&mut backlog.ignored);
            left
        };
        waiting.into_iter().for_each(|number| self.net.close(number, ServerEnd::Reset));
    }
}

#[derive(Debug)]
pub(super) struct FakeStream {
    number: usize,
    net: FakeNet,
}

impl Drop for FakeStream {
    fn drop(&mut self) {
        let server_end = self.net.socket(Client(self.number), |socket| socket.end_if_closed_now());
        self.net.close(self.number, server_end);
        self.net.0.borrow_mut().open_streams -= 1;
    }
}

impl FakeNet {
    /// What the process has used, always.
    pub(super) const USAGE: Usage =
        Usage { process_id: 4711, cpu: Duration::from_micros(1234), resident_bytes: 5 << 20 };
}

impl Host for FakeNet {
    fn usage(&self) -> Usage {
        FakeNet::USAGE
    }
}

impl WallClock for FakeNet {
    /// Friday, 7 May 2021, 18:36:52 UTC.
    fn wall_time(&self) -> WallTime {
        WallTime { seconds: 1_620_412_612, nanos: 0 }
    }
}

impl SocketIo for FakeNet {
    type Stream = FakeStream;

    /// Reports at once what the socket is ready for, as EPOLL_CTL_ADD does.
    fn register(
        &mut self,
        stream: &mut FakeStream,
        token: Token,
        interest: Interest,
    ) -> io::Result<()> {
        assert_eq!(interest, Interest::Read, "a new socket is writable");
        let mut world = self.0.borrow_mut();
        world.register.make()?;
        world.sockets[stream.number].token = Some(token);
        world.edges.push(stream.number);
        Ok(())
    }

    /// Reports at once that there is room, as EPOLL_CTL_MOD does.
    fn add_write_interest(&mut self, stream: &mut FakeStream, token: Token) -> io::Result<()> {
        let mut world = self.0.borrow_mut();
        world.add_write_interest.make()?;
        let socket = &mut world.sockets[stream.number];
        assert_eq!(socket.token, Some(token));
        assert!(!socket.write_interest, "asked twice");
        socket.write_interest = true;
        world.edges.push(stream.number);
        Ok(())
    }

    fn output(&self, stream: &FakeStream) -> Output {
        self.socket(Client(stream.number), |socket| socket.output)
    }

    fn recv(&mut self, stream: &mut FakeStream, into: &mut [u8]) -> io::Result<usize> {
        self.socket(Client(stream.number), |socket| socket.recv(into))
    }

    fn send(&mut self, stream: &mut FakeStream, bytes: &[u8]) -> io::Result<usize> {
        self.socket(Client(stream.number), |socket| socket.send(bytes))
    }

    fn send_fin(&mut self, stream: &mut FakeStream) -> io::Result<()> {
        self.socket(Client(stream.number), Socket::send_fin)
    }

    fn abort(&mut self, stream: FakeStream) {
        self.socket(Client(stream.number), |socket| socket.server_end = ServerEnd::Aborted);
    }
}

impl FakeNet {
    fn try_accept(&self, listener: &FakeListener) -> io::Result<(FakeStream, address::Peer)> {
        let mut world = self.0.borrow_mut();
        world.accept.make()?;
        let waiting = &mut world.backlogs[listener.number].waiting;
        let number = waiting.pop_front().ok_or(ErrorKind::WouldBlock)?;
        world.sockets[number].server_end = ServerEnd::Open;
        world.open_streams += 1;
        let credentials = world.sockets[number].credentials;
        drop(world);
        let address = self.address(Client(number)).into();
        let peer = credentials.map_or(address, address::Peer::Unix);
        Ok((FakeStream { number, net: self.clone() }, peer))
    }
}

impl Encrypt for FakeNet {}

impl Accept for FakeNet {
    type Listener = FakeListener;

    fn accept(&mut self, listener: &FakeListener) -> AcceptOutcome<FakeStream> {
        self.try_accept(listener).into()
    }

    fn register_listener(&mut self, listener: &mut FakeListener, token: Token) -> io::Result<()> {
        let mut world = self.0.borrow_mut();
        world.register.make()?;
        world.backlogs[listener.number].token = Some(token);
        Ok(())
    }

    fn hold_off_handshakes(&mut self, listener: &FakeListener) -> io::Result<()> {
        self.0.borrow_mut().backlogs[listener.number].held_off = true;
        Ok(())
    }

    /// Who was ignored tries again.
    fn admit_handshakes(&mut self, listener: &FakeListener) -> io::Result<()> {
        let mut world = self.0.borrow_mut();
        let backlog = &mut world.backlogs[listener.number];
        backlog.held_off = false;
        let ignored = std::mem::take(&mut backlog.ignored);
        backlog.waiting.extend(&ignored);
        if !ignored.is_empty() {
            world.listener_edges.push(listener.number);
        }
        Ok(())
    }

    fn handshakes<'a>(&mut self, mut of: impl Iterator<Item = &'a FakeListener>) -> Handshakes {
        let world = self.0.borrow();
        if !world.shows_handshakes {
            return Handshakes::Unknown;
        }
        let is_in_flight = of.any(|each| !world.backlogs[each.number].handshakes.is_empty());
        if is_in_flight { Handshakes::InFlight } else { Handshakes::None }
    }
}
