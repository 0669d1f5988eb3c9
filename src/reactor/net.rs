//! [`MioNet`]: the seam to the operating system, implemented with mio's sockets.
//!
//! Invariant: no call in here waits, because every socket is nonblocking; and none loops, so the
//! caller decides how much work one turn does.

use super::connect;
use super::handshakes;
use super::listener::Listener;
use super::tcp_info::TcpInfo;
use crate::io::address::Address;
use crate::io::clock::{Moment, WallTime};
use crate::io::host::{Host, MonotonicClock, Usage, WallClock};
use crate::io::net::{
    Accept, AcceptOutcome, Connect, Encrypt, Handshakes, Output, SocketIo, Token,
};
use crate::io::readiness::Interest;
use crate::os::memory;
use crate::os::usage::Meter;
use mio::Registry;
use mio::net::TcpStream;
use nix::time::{ClockId, clock_gettime};
use socket2::SockRef;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::os::fd::{AsFd, AsRawFd};
use std::time::{Duration, Instant, SystemTime};

/// TCP and unix sockets by way of mio. A server on it is compiled without hooks for a recorder; one
/// on [`Captured`](crate::capture::Captured) sockets has them.
#[derive(Debug)]
pub struct MioNet {
    pub(super) registry: Registry,
    /// When the reactor's clock started.
    pub(super) started: Instant,
    pub(super) meter: Meter,
}

impl MioNet {
    /// The same, with a meter for what the process uses, as a server needs it. It takes a
    /// descriptor.
    pub fn measuring(self, meter: Meter) -> Self {
        MioNet { meter, ..self }
    }

    /// A listener for this network. It must be nonblocking: see [`crate::os::listener`].
    pub fn listener(&self, listener: crate::os::listener::Listener) -> Listener {
        listener.into()
    }
}

impl WallClock for MioNet {
    fn wall_time(&self) -> WallTime {
        // A clock set before 1970 reads as 1970.
        SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().into()
    }
}

impl Host for MioNet {
    fn usage(&self) -> Usage {
        self.meter.usage()
    }

    fn time_in_turn(&self) -> Option<Moment> {
        Some(self.now())
    }

    fn give_memory_back(&self) {
        memory::trim_heap();
    }
}

impl MonotonicClock for MioNet {
    fn now(&self) -> Moment {
        Moment::START + self.started.elapsed()
    }

    fn cpu_time(&self) -> Option<Duration> {
        clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).ok().map(Duration::from)
    }
}

/// EPOLLIN and EPOLLPRI: bytes and FIN; and urgent data, because recv(2) stops short at it. mio
/// adds EPOLLET and EPOLLRDHUP.
const READ: mio::Interest = mio::Interest::READABLE.add(mio::Interest::PRIORITY);

/// The same, and EPOLLOUT.
const READ_WRITE: mio::Interest = READ.add(mio::Interest::WRITABLE);

/// The kernel keeps 64 bits for each registration, epoll_event(3type), and mio has a `usize` of
/// them.
fn mio_token(token: Token) -> mio::Token {
    const { assert!(usize::BITS == 64, "a token holds a generation and a slot") };
    mio::Token(token.0 as usize)
}

impl SocketIo for MioNet {
    type Stream = TcpStream;

    const IS_OBSERVED: bool = false;

    fn register(
        &mut self,
        stream: &mut TcpStream,
        token: Token,
        interest: Interest,
    ) -> io::Result<()> {
        let interest = match interest {
            Interest::Read => READ,
            Interest::ReadWrite => READ_WRITE,
        };
        self.registry.register(stream, mio_token(token), interest)
    }

    fn add_write_interest(&mut self, stream: &mut TcpStream, token: Token) -> io::Result<()> {
        // EPOLL_CTL_MOD looks at the socket anew: room that was made in the meantime is an event
        // too.
        self.registry.reregister(stream, mio_token(token), READ_WRITE)
    }

    fn recv(&mut self, stream: &mut TcpStream, into: &mut [u8]) -> io::Result<usize> {
        stream.read(into)
    }

    fn send(&mut self, stream: &mut TcpStream, bytes: &[u8]) -> io::Result<usize> {
        stream.write(bytes)
    }

    fn output(&self, stream: &TcpStream) -> Output {
        let now = self.started.elapsed();
        match TcpInfo::of(stream) {
            Some(info) if info.is_all_delivered() => Output::Delivered,
            Some(info) => Output::Held {
                last_taken: Moment::START + now.saturating_sub(info.since_last_taken()),
                kept_back: info.kept_back_at_most(),
            },
            None => Output::Unknown,
        }
    }

    fn send_fin(&mut self, stream: &mut TcpStream) -> io::Result<()> {
        stream.shutdown(Shutdown::Write)
    }

    fn abort(&mut self, stream: TcpStream) {
        // With a linger time of zero, close(2) sends RST. If it cannot be set, it sends FIN, and
        // the kernel gives up on the unsent bytes in its own time.
        let _ = SockRef::from(&stream).set_linger(Some(Duration::ZERO));
    }
}

impl Encrypt for MioNet {}

impl Accept for MioNet {
    type Listener = Listener;

    fn accept(&mut self, listener: &Listener) -> AcceptOutcome<TcpStream> {
        listener.accept().into()
    }

    fn register_listener(&mut self, listener: &mut Listener, token: Token) -> io::Result<()> {
        self.registry.register(listener, mio_token(token), mio::Interest::READABLE)
    }

    fn deregister_listener(&mut self, listener: &mut Listener) -> io::Result<()> {
        self.registry.deregister(listener)
    }

    fn descriptor(&self, listener: &Listener) -> Option<i32> {
        Some(listener.as_fd().as_raw_fd())
    }

    fn leave_to_others(&mut self, listener: &Listener) {
        listener.leave_file();
    }

    fn hold_off_handshakes(&mut self, listener: &Listener) -> io::Result<()> {
        match listener {
            Listener::Tcp(listener) => handshakes::hold_off(listener),
            Listener::Unix { .. } => Ok(()),
        }
    }

    fn admit_handshakes(&mut self, listener: &Listener) -> io::Result<()> {
        match listener {
            Listener::Tcp(listener) => handshakes::admit(listener),
            Listener::Unix { .. } => Ok(()),
        }
    }

    fn refuse_newcomers(&mut self, listener: &Listener) -> io::Result<()> {
        listener.refuse_newcomers()
    }

    fn handshakes<'a>(&mut self, listeners: impl Iterator<Item = &'a Listener>) -> Handshakes {
        match listeners.filter_map(Listener::handshake_address).collect::<io::Result<Vec<_>>>() {
            Ok(addresses) => handshakes::with(&addresses),
            Err(_) => Handshakes::Unknown,
        }
    }
}

impl Connect for MioNet {
    fn connect_from(
        &mut self,
        source: Option<SocketAddr>,
        address: &Address,
    ) -> io::Result<TcpStream> {
        connect::begin(source, address)
    }

    fn connected(&mut self, stream: &mut TcpStream) -> io::Result<()> {
        connect::outcome(stream)
    }

    fn local_addr(&self, stream: &TcpStream) -> io::Result<SocketAddr> {
        stream.local_addr()
    }
}
