//! [`Loopback`]: one client program and one server program on a [`Kernel`], for unit tests.
//!
//! Every address leads to the one listener, unless [`Loopback::set_way`] says otherwise. A program
//! drives an end through the seam, and so does a test that does it by hand. What is sent arrives
//! when [`Loopback::deliver`] is called, in pieces that a seed chooses, and a send may take less
//! than there is room for.
//!
//! Invariant: a call that tcp(7) or epoll(7) forbid fails the test at the next look at the network.

use super::kernel::Kernel;
use super::knobs::{Knob, Knobs};
use super::prng::Prng;
use super::sockets::{Owner, Route};
use crate::io::address::Address;
use crate::io::clock::{Moment, WallTime};
use crate::io::host::{Host, MonotonicClock, WallClock};
use crate::io::net::{Accept, AcceptOutcome, Connect, Encrypt, SocketIo};
use crate::io::readiness::{Interest, Readiness};
use crate::io::token::Token;
use nix::errno::Errno;
use std::cell::{RefCell, RefMut};
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::rc::Rc;

/// Bytes that one end holds at most, if a test does not say otherwise.
const WINDOW: usize = 1000;

/// Where the client lives.
const HOME: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// Who holds an end: the one that connected, or the one that accepted.
#[derive(Clone, Copy, Debug)]
pub enum Side {
    /// The program that connects.
    Client,
    /// The program that accepts.
    Server,
}

impl Side {
    fn owner(self) -> Owner {
        match self {
            Side::Client => Owner::SessionPool,
            Side::Server => Owner::Server,
        }
    }
}

/// What becomes of an attempt to connect.
#[derive(Clone, Copy, Debug)]
pub enum Way {
    /// It reaches the listener.
    Open,
    /// It fails, after a while.
    Refused(Errno),
    /// It is never answered.
    Silent,
    /// It fails at once.
    Barred(Errno),
}

/// The network; a clone is another handle on the same one.
#[derive(Clone, Debug)]
pub struct Loopback(Rc<RefCell<World>>);

#[derive(Debug)]
struct World {
    kernel: Kernel,
    /// The addresses that were connected to, in order.
    attempts: Vec<SocketAddr>,
    /// Calls that a program would pay for.
    calls: usize,
    /// The next registration fails with it.
    register_error: Option<Errno>,
    /// How many more calls on each end a signal interrupts.
    interruptions: Vec<usize>,
}

impl World {
    fn call_on(&mut self, index: usize) -> io::Result<()> {
        self.calls += 1;
        match self.interruptions.get_mut(index) {
            Some(left) if *left > 0 => {
                *left -= 1;
                Err(Errno::EINTR.into())
            }
            _ => Ok(()),
        }
    }
}

impl Loopback {
    /// A network that chooses by `seed`, in which every address leads to one listener.
    pub fn new(seed: u64) -> Loopback {
        let knobs = Knobs::of(&[Knob::SlowNetwork, Knob::ShortWrites]);
        let mut kernel = Kernel::new(Prng::new(seed), knobs, WINDOW);
        kernel.now = Moment::START;
        kernel.default_route = Some(Route::Listener(kernel.add_listener(Owner::Server)));
        Loopback(Rc::new(RefCell::new(World {
            kernel,
            attempts: Vec::new(),
            calls: 0,
            register_error: None,
            interruptions: Vec::new(),
        })))
    }

    fn world(&self) -> RefMut<'_, World> {
        let world = self.0.borrow_mut();
        assert_eq!(world.kernel.violation, None);
        world
    }

    /// Says what becomes of attempts to connect to `address`, those under way included.
    ///
    /// # Panics
    ///
    /// If it is the address of a unix socket.
    pub fn set_way(&self, address: impl Into<Address>, way: Way) {
        let Address::Inet(address) = address.into() else {
            panic!("there are no unix sockets on this network");
        };
        let route = match way {
            Way::Open => Route::Listener(0),
            Way::Refused(errno) => Route::Refused(errno),
            Way::Silent => Route::Silent,
            Way::Barred(errno) => Route::Barred(errno),
        };
        self.world().kernel.set_route(address, route);
    }

    /// How many bytes an end holds at most, on connections that are made from now on.
    pub fn set_window(&self, bytes: usize) {
        self.world().kernel.window = bytes;
    }

    /// Sets the clock, which stands still otherwise.
    pub fn set_now(&self, now: Moment) {
        self.world().kernel.now = now;
    }

    /// Lets the next registration fail.
    pub fn fail_register(&self, errno: Errno) {
        self.world().register_error = Some(errno);
    }

    /// Lets signals interrupt the next `times` calls on each end that there is.
    pub fn interrupt(&self, times: usize) {
        let world = &mut *self.world();
        world.interruptions = vec![times; world.kernel.ends.len()];
    }

    /// The addresses that were connected to, in order.
    pub fn attempts(&self) -> Vec<SocketAddr> {
        self.world().attempts.clone()
    }

    /// How many calls were made that a program would pay for.
    pub fn calls(&self) -> usize {
        self.world().calls
    }

    /// How many sockets `side` holds.
    pub fn held(&self, side: Side) -> usize {
        self.world().kernel.held[side.owner() as usize]
    }

    /// Lets part of what is under way arrive. Tells whether anything was.
    pub fn deliver(&self) -> bool {
        let kernel = &mut self.world().kernel;
        let was_quiet = kernel.is_quiet();
        kernel.deliver();
        !was_quiet
    }

    /// What is news, since the last call, of all sockets that `side` holds.
    pub fn events(&self, side: Side) -> Vec<(Token, Readiness)> {
        self.world().kernel.poll(side.owner())
    }
}

/// An end that a program holds; dropping it closes it.
#[derive(Debug)]
pub struct Stream {
    network: Loopback,
    index: usize,
    is_aborted: bool,
}

impl Drop for Stream {
    fn drop(&mut self) {
        // In a panic the network may be borrowed, and no test looks at it any more.
        let Ok(mut world) = self.network.0.try_borrow_mut() else { return };
        match self.is_aborted {
            true => world.kernel.abort(self.index),
            false => world.kernel.close(self.index),
        }
    }
}

impl Stream {
    fn new(network: &Loopback, index: usize) -> Stream {
        Stream { network: network.clone(), index, is_aborted: false }
    }
}

impl Host for Loopback {}

impl WallClock for Loopback {
    fn wall_time(&self) -> WallTime {
        WallTime::default()
    }
}

impl MonotonicClock for Loopback {
    fn now(&self) -> Moment {
        self.world().kernel.now
    }
}

impl SocketIo for Loopback {
    type Stream = Stream;

    fn register(
        &mut self,
        stream: &mut Stream,
        token: Token,
        interest: Interest,
    ) -> io::Result<()> {
        let world = &mut *self.world();
        if let Some(errno) = world.register_error.take() {
            return Err(errno.into());
        }
        world.kernel.ends[stream.index].write_interest = interest == Interest::ReadWrite;
        world.kernel.register(stream.index, token)
    }

    fn add_write_interest(&mut self, stream: &mut Stream, token: Token) -> io::Result<()> {
        self.world().kernel.add_write_interest(stream.index, token)
    }

    fn recv(&mut self, stream: &mut Stream, into: &mut [u8]) -> io::Result<usize> {
        let world = &mut *self.world();
        world.call_on(stream.index)?;
        world.kernel.recv(stream.index, into)
    }

    fn send(&mut self, stream: &mut Stream, bytes: &[u8]) -> io::Result<usize> {
        let world = &mut *self.world();
        world.call_on(stream.index)?;
        world.kernel.send(stream.index, bytes)
    }

    fn send_fin(&mut self, stream: &mut Stream) -> io::Result<()> {
        self.world().kernel.send_fin(stream.index)
    }

    fn abort(&mut self, mut stream: Stream) {
        stream.is_aborted = true;
    }
}

impl Accept for Loopback {
    type Listener = ();

    fn accept(&mut self, _: &()) -> AcceptOutcome<Stream> {
        let accepted = {
            let world = &mut *self.world();
            world.calls += 1;
            world.kernel.accept(0).map(|index| (index, world.kernel.peer_address(index / 2)))
        };
        accepted.map(|(index, address)| (Stream::new(self, index), address.into())).into()
    }

    fn register_listener(&mut self, _: &mut (), token: Token) -> io::Result<()> {
        let kernel = &mut self.world().kernel;
        kernel.listeners[0].token = Some(token);
        kernel.news_of_listener(0);
        Ok(())
    }
}

impl Encrypt for Loopback {}

impl Connect for Loopback {
    fn connect_from(&mut self, _: Option<SocketAddr>, to: &Address) -> io::Result<Stream> {
        let Address::Inet(address) = *to else { return Err(Errno::EAFNOSUPPORT.into()) };
        let index = {
            let world = &mut *self.world();
            world.calls += 1;
            world.attempts.push(address);
            world.kernel.connect(Owner::SessionPool, HOME, address)?
        };
        Ok(Stream::new(self, index))
    }

    fn connected(&mut self, stream: &mut Stream) -> io::Result<()> {
        let world = &mut *self.world();
        world.calls += 1;
        world.kernel.connected(stream.index)
    }

    fn local_addr(&self, stream: &Stream) -> io::Result<SocketAddr> {
        self.world().kernel.local_address(stream.index)
    }
}
