//! [`SimNet`]: the simulated kernel, as [`Net`](crate::io::net::Net) sees it.

use super::kernel::Kernel;
use super::sockets::{Owner, Passage};
use super::trace::{Outcome, What};
use crate::io::address::{Address, Peer};
use crate::io::clock::WallTime;
use crate::io::host::{Host, Usage, WallClock};
use crate::io::net::{
    Accept, AcceptOutcome, Connect, Encrypt, Handshakes, Output, SocketIo, Token,
};
use crate::io::readiness::Interest;
use nix::errno::Errno;
use std::cell::RefCell;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

/// One program's way into the kernel.
#[derive(Clone, Debug)]
pub struct SimNet {
    /// The network.
    pub kernel: Rc<RefCell<Kernel>>,
    /// Which program it is.
    pub owner: Owner,
    /// Where its connections are made from.
    pub source: IpAddr,
}

/// A socket that a program holds; dropping it closes it.
#[derive(Debug)]
pub struct SimStream {
    index: usize,
    kernel: Rc<RefCell<Kernel>>,
    is_aborted: bool,
}

impl Drop for SimStream {
    fn drop(&mut self) {
        // In a panic the kernel may be borrowed, and no test looks at it any more.
        let Ok(mut kernel) = self.kernel.try_borrow_mut() else { return };
        if self.index % 2 == 1 {
            let link = self.index / 2;
            if !self.is_aborted {
                kernel.check_close(self.index);
            }
            kernel.facts[link].ended_at = Some(kernel.count_move(link));
            kernel.facts[link].is_closed = true;
            kernel.facts[link].is_aborted = self.is_aborted;
            kernel.closed.push(link);
            let now = kernel.now;
            kernel.passages.push((now, Passage::Closed(link)));
        }
        if self.is_aborted { kernel.abort(self.index) } else { kernel.close(self.index) }
    }
}

/// A listening socket that the server holds; dropping it closes it.
#[derive(Debug)]
pub struct SimListener {
    number: usize,
    kernel: Rc<RefCell<Kernel>>,
}

impl SimListener {
    /// A listener of the server.
    pub fn new(kernel: &Rc<RefCell<Kernel>>) -> SimListener {
        let number = kernel.borrow_mut().add_listener(Owner::Server);
        SimListener { number, kernel: Rc::clone(kernel) }
    }
}

impl Drop for SimListener {
    fn drop(&mut self) {
        let Ok(mut kernel) = self.kernel.try_borrow_mut() else { return };
        kernel.close_listener(self.number);
    }
}

impl SimNet {
    fn stream(&self, index: usize) -> SimStream {
        SimStream { index, kernel: Rc::clone(&self.kernel), is_aborted: false }
    }
}

impl Host for SimNet {
    /// The same in every world and at every time: what a reply tells of it can be replayed.
    fn usage(&self) -> Usage {
        Usage { process_id: 1, cpu: Duration::from_millis(1), resident_bytes: 1 << 20 }
    }
}

impl WallClock for SimNet {
    /// Each reading is a nanosecond after the one before, at least.
    fn wall_time(&self) -> WallTime {
        let kernel = &mut *self.kernel.borrow_mut();
        let tick = std::time::Duration::from_nanos(1);
        kernel.wall_offset += tick;
        let since_start = kernel.now.since(crate::io::clock::Moment::START);
        let wall = WallTime::from(kernel.wall_offset + since_start);
        kernel.readings.push(wall);
        kernel.note(self.owner, What::WallTime, wall.seconds as usize, Outcome::Done);
        wall
    }
}

impl SocketIo for SimNet {
    type Stream = SimStream;

    fn register(
        &mut self,
        stream: &mut SimStream,
        token: Token,
        interest: Interest,
    ) -> io::Result<()> {
        let kernel = &mut *self.kernel.borrow_mut();
        kernel.ends[stream.index].write_interest = interest == Interest::ReadWrite;
        kernel.register(stream.index, token)
    }

    fn add_write_interest(&mut self, stream: &mut SimStream, token: Token) -> io::Result<()> {
        self.kernel.borrow_mut().add_write_interest(stream.index, token)
    }

    fn output(&self, stream: &SimStream) -> Output {
        self.kernel.borrow_mut().output(stream.index)
    }

    fn recv(&mut self, stream: &mut SimStream, into: &mut [u8]) -> io::Result<usize> {
        self.kernel.borrow_mut().recv(stream.index, into)
    }

    fn send(&mut self, stream: &mut SimStream, bytes: &[u8]) -> io::Result<usize> {
        self.kernel.borrow_mut().send(stream.index, bytes)
    }

    fn send_fin(&mut self, stream: &mut SimStream) -> io::Result<()> {
        self.kernel.borrow_mut().send_fin(stream.index)
    }

    fn abort(&mut self, mut stream: SimStream) {
        stream.is_aborted = true;
    }
}

impl Accept for SimNet {
    type Listener = SimListener;

    fn accept(&mut self, listener: &SimListener) -> AcceptOutcome<SimStream> {
        let accepted = self.kernel.borrow_mut().accept(listener.number);
        let with_peer =
            |index| (self.stream(index), Peer::from(self.kernel.borrow().peer_address(index / 2)));
        accepted.map(with_peer).into()
    }

    fn register_listener(&mut self, listener: &mut SimListener, token: Token) -> io::Result<()> {
        let kernel = &mut *self.kernel.borrow_mut();
        kernel.note(self.owner, What::RegisterListener, listener.number, Outcome::Done);
        kernel.listeners[listener.number].token = Some(token);
        Ok(())
    }

    fn hold_off_handshakes(&mut self, listener: &SimListener) -> io::Result<()> {
        self.kernel.borrow_mut().hold_off(listener.number)
    }

    fn admit_handshakes(&mut self, listener: &SimListener) -> io::Result<()> {
        self.kernel.borrow_mut().admit(listener.number);
        Ok(())
    }

    fn handshakes<'a>(&mut self, of: impl Iterator<Item = &'a SimListener>) -> Handshakes {
        let numbers: Vec<usize> = of.map(|listener| listener.number).collect();
        self.kernel.borrow_mut().handshakes(&numbers)
    }
}

impl Encrypt for SimNet {}

impl Connect for SimNet {
    fn connect_from(&mut self, _: Option<SocketAddr>, to: &Address) -> io::Result<SimStream> {
        let Address::Inet(address) = *to else { return Err(Errno::EAFNOSUPPORT.into()) };
        let index = self.kernel.borrow_mut().connect(self.owner, self.source, address)?;
        Ok(self.stream(index))
    }

    fn connected(&mut self, stream: &mut SimStream) -> io::Result<()> {
        self.kernel.borrow_mut().connected(stream.index)
    }

    fn local_addr(&self, stream: &SimStream) -> io::Result<SocketAddr> {
        self.kernel.borrow_mut().local_address(stream.index)
    }
}
