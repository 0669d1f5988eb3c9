//! A network in memory with both ends of every connection: whoever drives an end, a fleet, a server
//! or a test, does so by way of [`Net`].
//!
//! It is as strict as epoll and TCP are. An edge is reported once, with all that the socket is ready
//! for; a read that falls short has emptied the socket; FIN comes behind the bytes; a close with
//! unread input resets. What is sent arrives when [`Loopback::deliver`] is called, in pieces that a
//! seed chooses.

mod end;
mod world;

pub(crate) use world::Way;

use crate::io::clock::{Moment, WallTime};
use crate::io::host::{Host, MonotonicClock, WallClock};
use crate::io::net::{Accept, AcceptOutcome, Connect, SocketIo, Token};
use crate::io::readiness::{Interest, Readiness};
use end::Incoming;
use nix::errno::Errno;
use std::cell::RefCell;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::rc::Rc;
use world::World;

/// Who holds an end: the one that connected, or the one that accepted.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Side {
    Client = 0,
    Server = 1,
}

/// The network; a clone is another handle on the same one.
#[derive(Clone, Debug)]
pub(crate) struct Loopback(Rc<RefCell<World>>);

impl Loopback {
    /// A network that chooses by `seed`, in which every address leads to one listener.
    pub(crate) fn new(seed: u64) -> Loopback {
        Loopback(Rc::new(RefCell::new(World::new(seed))))
    }

    pub(crate) fn set_way(&self, address: SocketAddr, way: Way) {
        self.0.borrow_mut().ways.insert(address, way);
    }

    pub(crate) fn set_window(&self, bytes: usize) {
        self.0.borrow_mut().window = bytes;
    }

    /// Sets the clock, which stands still otherwise.
    #[cfg(feature = "client")]
    pub(crate) fn set_now(&self, now: Moment) {
        self.0.borrow_mut().now = now;
    }

    /// Lets the next registration fail.
    pub(crate) fn fail_register(&self, errno: Errno) {
        self.0.borrow_mut().register_error = Some(errno);
    }

    /// Lets signals interrupt the next `times` calls on each end that there is.
    pub(crate) fn interrupt(&self, times: usize) {
        self.0.borrow_mut().ends.iter_mut().for_each(|end| end.interruptions = times);
    }

    /// The addresses that were connected to, in order.
    pub(crate) fn attempts(&self) -> Vec<SocketAddr> {
        self.0.borrow().attempts.clone()
    }

    /// How many calls were made that a program would pay for.
    pub(crate) fn calls(&self) -> usize {
        self.0.borrow().calls
    }

    /// How many sockets `side` holds.
    pub(crate) fn held(&self, side: Side) -> usize {
        self.0.borrow().held[side as usize]
    }

    /// Lets part of what is under way arrive. Tells whether anything was.
    pub(crate) fn deliver(&self) -> bool {
        let mut world = self.0.borrow_mut();
        let under_way: Vec<usize> =
            (0..world.ends.len()).filter(|&end| world.is_under_way(end)).collect();
        for &end in &under_way {
            if world.roll(2) == 0 && world.is_under_way(end) {
                world.deliver_to(end);
            }
        }
        !under_way.is_empty()
    }

    /// What is news, since the last call, of all sockets that `side` holds.
    pub(crate) fn events(&self, side: Side) -> Vec<(Token, Readiness)> {
        let world = &mut *self.0.borrow_mut();
        let mut events = Vec::new();
        if let (Side::Server, Some(token), true) =
            (side, world.listener_token, world.backlog_has_news)
        {
            world.backlog_has_news = false;
            events.push((token, Readiness { read: true, ..Readiness::default() }));
        }
        for index in (side as usize..world.ends.len()).step_by(2) {
            let peer_has_room = world.room(index ^ 1) > 0;
            let end = &mut world.ends[index];
            if let (Some(token), true, true) = (end.token, end.is_held, end.has_news) {
                end.has_news = false;
                events.push((token, end.readiness(peer_has_room)));
            }
        }
        events
    }
}

/// An end that someone holds; dropping it closes it.
#[derive(Debug)]
pub(crate) struct Stream {
    network: Loopback,
    index: usize,
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.network.0.borrow_mut().close(self.index);
    }
}

impl Stream {
    fn new(network: &Loopback, index: usize) -> Stream {
        network.0.borrow_mut().held[index % 2] += 1;
        Stream { network: network.clone(), index }
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
        self.0.borrow().now
    }
}

impl SocketIo for Loopback {
    type Stream = Stream;

    fn register(&mut self, stream: &mut Stream, token: Token, _: Interest) -> io::Result<()> {
        let world = &mut *self.0.borrow_mut();
        if let Some(errno) = world.register_error.take() {
            return Err(errno.into());
        }
        let end = &mut world.ends[stream.index];
        end.token = Some(token);
        end.has_news = !matches!(end.incoming, Incoming::Connecting(_));
        Ok(())
    }

    fn recv(&mut self, stream: &mut Stream, into: &mut [u8]) -> io::Result<usize> {
        let world = &mut *self.0.borrow_mut();
        world.calls += 1;
        world.ends[stream.index].interrupt()?;
        let count = world.ends[stream.index].recv(into)?;
        let peer = &mut world.ends[stream.index ^ 1];
        peer.has_news |= std::mem::take(&mut peer.is_blocked);
        Ok(count)
    }

    fn send(&mut self, stream: &mut Stream, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().send(stream.index, bytes)
    }

    fn send_fin(&mut self, stream: &mut Stream) -> io::Result<()> {
        self.0.borrow_mut().send_fin(stream.index);
        Ok(())
    }

    fn abort(&mut self, stream: Stream) {
        let world = &mut *self.0.borrow_mut();
        world.ends[stream.index].incoming = Incoming::Broken;
        world.ends[stream.index ^ 1].reset();
    }
}

impl Accept for Loopback {
    type Listener = ();

    fn accept(&mut self, _listener: &()) -> AcceptOutcome<Stream> {
        self.0.borrow_mut().calls += 1;
        let Some(index) = self.0.borrow_mut().backlog.pop_front() else {
            return AcceptOutcome::NoneWaiting;
        };
        AcceptOutcome::Connection(Stream::new(self, index), address_of(index ^ 1).into())
    }

    fn register_listener(&mut self, _listener: &mut (), token: Token) -> io::Result<()> {
        self.0.borrow_mut().listener_token = Some(token);
        Ok(())
    }
}

impl Connect for Loopback {
    fn connect_from(&mut self, _: Option<IpAddr>, address: SocketAddr) -> io::Result<Stream> {
        let index = self.0.borrow_mut().connect(address)?;
        Ok(Stream::new(self, index))
    }

    fn connected(&mut self, stream: &Stream) -> io::Result<()> {
        let world = &mut *self.0.borrow_mut();
        world.calls += 1;
        let end = &mut world.ends[stream.index];
        end.take_error()?;
        match end.incoming {
            Incoming::Connecting(_) | Incoming::Broken => Err(ErrorKind::NotConnected.into()),
            _ => Ok(()),
        }
    }

    fn local_addr(&self, stream: &Stream) -> io::Result<SocketAddr> {
        Ok(address_of(stream.index))
    }
}

fn address_of(index: usize) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, 10_000 + index as u16))
}
