//! The reactor: mio's poll, the operating system's clocks, signals. All of them are here alone.
//!
//! ```text
//! epoll_wait -> driver.ready(token, readiness) for each event -> driver.end_turn(now) -> epoll_wait
//! ```
//!
//! Invariant: the loop ends only because the driver says so or epoll itself fails. A signal that
//! interrupts epoll_wait (mio does not retry it) is a turn without events.

use crate::clock::{Moment, WallTime};
use crate::net::{Driver, Net, Next, Notice, Readiness, Token, WallClock};
use mio::event::Event;
use mio::net::{TcpListener, TcpStream};
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Registry, Waker};
use nix::sys::signal::{SigSet, SigmaskHow, Signal, sigprocmask};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

#[cfg(test)]
mod tests;

/// Events taken from the kernel at once. With few, connections at the end of a long ready list would
/// wait for many turns.
const EVENTS_PER_TURN: usize = 1024;

/// epoll_wait takes a wait as an `int` of milliseconds, which 25 days overflow.
const LONGEST_WAIT: Duration = Duration::from_secs(86_400);

const SIGNALS: mio::Token = mio::Token(usize::MAX);
const WAKER: mio::Token = mio::Token(usize::MAX - 1);

/// One poll loop.
#[derive(Debug)]
pub struct Reactor {
    poll: Poll,
    events: Events,
    started: Instant,
    signals: Option<SignalFd>,
    waker: Arc<Waker>,
}

impl Reactor {
    /// A reactor; its clock starts now.
    ///
    /// # Errors
    ///
    /// When the system has no descriptors or memory for epoll.
    pub fn new() -> io::Result<Reactor> {
        let poll = Poll::new()?;
        let waker = Arc::new(Waker::new(poll.registry(), WAKER)?);
        let events = Events::with_capacity(EVENTS_PER_TURN);
        Ok(Reactor { poll, events, started: Instant::now(), signals: None, waker })
    }

    /// From now on SIGTERM, SIGINT, SIGHUP and SIGUSR1 reach the driver as notices. Call before
    /// starting threads: those inherit the blocked signals, and would else take them.
    ///
    /// # Errors
    ///
    /// When the system refuses another descriptor.
    pub fn watch_signals(&mut self) -> io::Result<()> {
        let signals: SigSet = [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP, Signal::SIGUSR1]
            .into_iter()
            .collect();
        sigprocmask(SigmaskHow::SIG_BLOCK, Some(&signals), None)?;
        let fd = SignalFd::with_flags(&signals, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)?;
        let registry = self.poll.registry();
        registry.register(&mut SourceFd(&fd.as_raw_fd()), SIGNALS, Interest::READABLE)?;
        self.signals = Some(fd);
        Ok(())
    }

    /// The network whose events this reactor delivers.
    ///
    /// # Errors
    ///
    /// When the system refuses another descriptor.
    pub fn net(&self) -> io::Result<MioNet> {
        Ok(MioNet { registry: self.poll.registry().try_clone()? })
    }

    /// What another thread calls to have [`Notice::Woken`] delivered.
    pub fn waker(&self) -> Arc<Waker> {
        Arc::clone(&self.waker)
    }

    /// The time now, on the clock that drivers are given.
    pub fn now(&self) -> Moment {
        Moment::START + self.started.elapsed()
    }

    /// Turns the loop until the driver stops.
    ///
    /// # Errors
    ///
    /// When epoll itself fails, which means a bug or a broken system.
    pub fn run<D: Driver>(&mut self, driver: &mut D) -> io::Result<()> {
        let mut timeout = Some(Duration::ZERO);
        loop {
            self.poll_events(timeout)?;
            self.deliver(driver);
            timeout = match driver.end_turn(self.now()) {
                Next::Poll => Some(Duration::ZERO),
                Next::WaitUntil(moment) => Some(moment.since(self.now()).min(LONGEST_WAIT)),
                Next::Wait => None,
                Next::Stop => return Ok(()),
            };
        }
    }

    fn poll_events(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        match self.poll.poll(&mut self.events, timeout) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {
                self.events.clear();
                Ok(())
            }
            result => result,
        }
    }

    fn deliver<D: Driver>(&self, driver: &mut D) {
        for event in &self.events {
            match event.token() {
                SIGNALS => self.deliver_signals(driver),
                WAKER => driver.notice(Notice::Woken, self.now()),
                mio::Token(token) => driver.ready(Token(token), readiness(event)),
            }
        }
    }

    fn deliver_signals<D: Driver>(&self, driver: &mut D) {
        while let Some(Ok(Some(signal))) = self.signals.as_ref().map(SignalFd::read_signal) {
            let notice = match Signal::try_from(signal.ssi_signo as i32) {
                Ok(Signal::SIGHUP) => Notice::Reload,
                Ok(Signal::SIGUSR1) => Notice::Report,
                _ => Notice::Terminate,
            };
            driver.notice(notice, self.now());
        }
    }
}

/// What an event means. An error condition makes both directions ready: the next call collects it.
fn readiness(event: &Event) -> Readiness {
    Readiness {
        read: event.is_readable()
            || event.is_read_closed()
            || event.is_error()
            || event.is_priority(),
        write: event.is_writable() || event.is_write_closed() || event.is_error(),
        read_on: event.is_read_closed() || event.is_error() || event.is_priority(),
    }
}

/// TCP by way of mio.
#[derive(Debug)]
pub struct MioNet {
    registry: Registry,
}

impl MioNet {
    /// Binds and listens, and tells the address that was bound: port 0 picks a free one.
    ///
    /// `TCP_NODELAY` is set here, once: on Linux, accepted sockets inherit it. An IPv6 listener
    /// takes IPv6 only, so that `0.0.0.0` and `[::]` can be bound side by side.
    ///
    /// # Errors
    ///
    /// What socket(2), bind(2) or listen(2) say: the address is in use, not ours, not allowed.
    pub fn bind(&self, address: SocketAddr, backlog: u32) -> io::Result<(TcpListener, SocketAddr)> {
        let domain = Domain::for_address(address);
        let socket = Socket::new(domain, Type::STREAM, Some(Protocol::TCP))?;
        socket.set_nonblocking(true)?;
        // Without this, a restart fails for as long as connections of the last run linger.
        socket.set_reuse_address(true)?;
        if domain == Domain::IPV6 {
            socket.set_only_v6(true)?;
        }
        socket.set_tcp_nodelay(true)?;
        socket.bind(&address.into())?;
        socket.listen(i32::try_from(backlog).unwrap_or(i32::MAX))?;
        let listener = TcpListener::from_std(socket.into());
        let bound = listener.local_addr()?;
        Ok((listener, bound))
    }
}

impl WallClock for MioNet {
    fn wall_time(&self) -> WallTime {
        // A clock set before 1970 reads as 1970.
        SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().into()
    }
}

/// Both directions; and urgent data, because reads stop short at it.
const ALL: Interest = Interest::READABLE.add(Interest::WRITABLE).add(Interest::PRIORITY);

impl Net for MioNet {
    type Listener = TcpListener;
    type Stream = TcpStream;

    fn accept(&mut self, listener: &TcpListener) -> io::Result<(TcpStream, SocketAddr)> {
        listener.accept()
    }

    fn connect(&mut self, address: SocketAddr) -> io::Result<TcpStream> {
        let stream = TcpStream::connect(address)?;
        // Small requests go out at once, not when the answer to the one before has come.
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    fn connected(&mut self, stream: &TcpStream) -> io::Result<()> {
        match stream.take_error()? {
            Some(error) => Err(error),
            None => stream.peer_addr().map(drop),
        }
    }

    fn local_addr(&self, stream: &TcpStream) -> io::Result<SocketAddr> {
        stream.local_addr()
    }

    fn register(&mut self, stream: &mut TcpStream, token: Token) -> io::Result<()> {
        self.registry.register(stream, mio::Token(token.0), ALL)
    }

    fn register_listener(&mut self, listener: &mut TcpListener, token: Token) -> io::Result<()> {
        self.registry.register(listener, mio::Token(token.0), Interest::READABLE)
    }

    fn recv(&mut self, stream: &mut TcpStream, into: &mut [u8]) -> io::Result<usize> {
        stream.read(into)
    }

    fn send(&mut self, stream: &mut TcpStream, bytes: &[u8]) -> io::Result<usize> {
        stream.write(bytes)
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
