//! The reactor: mio's poll, the operating system's clocks, signals. All of them are here alone.
//!
//! ```text
//! epoll_wait -> driver.ready(token, readiness) for each event -> driver.end_turn(now) -> epoll_wait
//! ```
//!
//! Invariant: the loop ends only because the driver says so or epoll itself fails. A signal that
//! interrupts epoll_wait (mio does not retry it) is a turn without events.

use crate::io::address::Peer;
use crate::io::clock::{Moment, WallTime};
use crate::io::net::{
    Driver, Handshakes, Host, MonotonicClock, Net, Next, Notice, Output, Readiness, Token, Usage,
    WallClock,
};
use crate::os::memory;
use crate::os::signals;
use crate::os::usage::Meter;
use listener::Listener;
use mio::event::Event;
use mio::net::TcpStream;
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Registry, Waker};
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::signal::{SigSet, SigmaskHow, Signal, sigprocmask};
use nix::sys::signalfd::{SfdFlags, SignalFd, siginfo};
use nix::sys::socket::{setsockopt, sockopt};
use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr};
use std::os::fd::{AsFd, AsRawFd};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};
use tcp_info::TcpInfo;

mod handshakes;
pub mod listener;
mod sock_diag;
mod tcp_info;

#[cfg(test)]
mod tests;

/// Events taken from the kernel at once. With few, connections at the end of a long ready list would
/// wait for many turns.
const EVENTS_PER_TURN: usize = 1024;

/// epoll_wait takes a wait as an `int` of milliseconds, which 25 days overflow.
const LONGEST_WAIT: Duration = Duration::from_secs(86_400);

const SIGNALS: mio::Token = mio::Token(usize::MAX);
const WAKER: mio::Token = mio::Token(usize::MAX - 1);
const TIMER: mio::Token = mio::Token(usize::MAX - 2);
const INPUT: mio::Token = mio::Token(usize::MAX - 3);

/// Before a moment that is waited for exactly, the loop looks for events without waiting for this
/// long: waking a sleeping thread takes about that long.
const WAKING_TIME: Duration = Duration::from_micros(30);

/// One poll loop.
#[derive(Debug)]
pub struct Reactor {
    poll: Poll,
    events: Events,
    started: Instant,
    signals: Option<SignalFd>,
    waker: Arc<Waker>,
    exact_timer: Option<TimerFd>,
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
        Ok(Reactor {
            poll,
            events,
            started: Instant::now(),
            signals: None,
            waker,
            exact_timer: None,
        })
    }

    /// From now on the signals that [`signals::TABLE`] has watched reach the
    /// driver as notices. Call before starting threads: those inherit the blocked signals, and would
    /// else take them. So do processes that are started: what is sent to them before they watch signals
    /// themselves waits for that.
    ///
    /// # Errors
    ///
    /// When the system refuses another descriptor.
    pub fn watch_signals(&mut self) -> io::Result<()> {
        self.watch_signals_and(&[])
    }

    /// The same, and others that [`Notice`] knows: SIGCHLD.
    ///
    /// # Errors
    ///
    /// When the system refuses another descriptor.
    pub fn watch_signals_and(&mut self, others: &[Signal]) -> io::Result<()> {
        let mut signals = signals::watched()?;
        others.iter().for_each(|&signal| signals.add(signal));
        self.watch(&signals, &signals)
    }

    /// From now on the signals that stop a server reach the driver as notices. The others that are watched,
    /// such as SIGHUP, are kept by the kernel until [`Reactor::watch_signals`] is called: only a server at
    /// work can do what they ask for.
    ///
    /// # Errors
    ///
    /// When the system refuses another descriptor.
    pub fn watch_stopping_signals(&mut self) -> io::Result<()> {
        let blocked = signals::watched()?;
        self.watch(&blocked, &signals::stopping(&blocked))
    }

    /// Blocks signals and reads some of them from a descriptor, instead of those watched so far. A
    /// signal that is blocked is kept even if it is ignored, sigaction(2), and even by process 1 of a
    /// container, where the default of a signal is to do nothing.
    fn watch(&mut self, blocked: &SigSet, watched: &SigSet) -> io::Result<()> {
        sigprocmask(SigmaskHow::SIG_BLOCK, Some(blocked), None)?;
        let fd = SignalFd::with_flags(watched, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)?;
        let registry = self.poll.registry();
        registry.register(&mut SourceFd(&fd.as_raw_fd()), SIGNALS, Interest::READABLE)?;
        self.signals = Some(fd);
        Ok(())
    }

    /// From now on [`Next::WaitUntil`] is kept to some microseconds. epoll_wait(2) counts whole
    /// milliseconds; timerfd_create(2) counts nanoseconds and, unlike the timeouts of other calls, is
    /// not put off by the thread's timer slack. It costs a system call a wait, and some CPU time
    /// right before each moment.
    ///
    /// # Errors
    ///
    /// When the system refuses another descriptor.
    pub fn wait_exactly(&mut self) -> io::Result<()> {
        let flags = TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC;
        let timer = TimerFd::new(ClockId::CLOCK_MONOTONIC, flags)?;
        let fd = timer.as_fd().as_raw_fd();
        self.poll.registry().register(&mut SourceFd(&fd), TIMER, Interest::READABLE)?;
        self.exact_timer = Some(timer);
        Ok(())
    }

    /// From now on [`Notice::Woken`] is delivered when there is something new to be read from `input`,
    /// a pipe, which becomes nonblocking. (A thread that waits for it would cost every system call of
    /// this one: the kernel counts references to the descriptors that threads share.)
    ///
    /// # Errors
    ///
    /// When it cannot be waited for, as a regular file.
    pub fn watch_input(&mut self, input: &impl AsFd) -> io::Result<()> {
        watch_input(self.poll.registry(), input)
    }

    /// What watches further inputs while the loop runs.
    ///
    /// # Errors
    ///
    /// When the system refuses another descriptor.
    pub fn inputs(&self) -> io::Result<Inputs> {
        self.poll.registry().try_clone().map(Inputs)
    }

    /// The network whose events this reactor delivers.
    ///
    /// # Errors
    ///
    /// When the system refuses another descriptor.
    pub fn net(&self) -> io::Result<MioNet> {
        let registry = self.poll.registry().try_clone()?;
        Ok(MioNet { registry, started: self.started, meter: Meter::default() })
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
            let first_notice = self.deliver(driver);
            let now = self.now();
            let next = driver.end_turn(now);
            let ended = self.now();
            // Events are only noted, which takes no time; what notices ask for may.
            driver.turn_ended(first_notice.unwrap_or(now), ended);
            timeout = match next {
                Next::Poll => Some(Duration::ZERO),
                Next::WaitUntil(moment) => self.wait_until(moment, ended)?,
                Next::Wait => None,
                Next::Stop => return Ok(()),
            };
        }
    }

    /// How long epoll may wait, so that it ends at `moment`.
    fn wait_until(&self, moment: Moment, now: Moment) -> io::Result<Option<Duration>> {
        let wait = moment.since(now).min(LONGEST_WAIT);
        let Some(timer) = &self.exact_timer else { return Ok(Some(wait)) };
        let Some(sleep) = wait.checked_sub(WAKING_TIME).filter(|sleep| !sleep.is_zero()) else {
            return Ok(Some(Duration::ZERO));
        };
        // It is registered for edges, and each setting is an edge of its own: it need not be read.
        let expiration = Expiration::OneShot(TimeSpec::from_duration(sleep));
        timer.set(expiration, TimerSetTimeFlags::empty())?;
        Ok(None)
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

    /// Tells the driver what has happened, and returns when it was given the first notice, if it was.
    fn deliver<D: Driver>(&self, driver: &mut D) -> Option<Moment> {
        let mut first_notice = None;
        for event in &self.events {
            match event.token() {
                SIGNALS => {
                    first_notice.get_or_insert_with(|| self.now());
                    self.deliver_signals(driver);
                }
                // That it woke the loop is all it is for.
                TIMER => {}
                WAKER | INPUT => {
                    let now = self.now();
                    first_notice.get_or_insert(now);
                    driver.notice(Notice::Woken, now);
                }
                mio::Token(token) => driver.ready(Token(token), readiness(event)),
            }
        }
        first_notice
    }

    fn deliver_signals<D: Driver>(&self, driver: &mut D) {
        while let Some(signal) = self.next_signal() {
            let signal = Signal::try_from(signal.ssi_signo.cast_signed());
            if let Some(notice) = signal.ok().and_then(signals::notice) {
                driver.notice(notice, self.now());
            }
        }
    }

    /// The next signal that waits. An interrupted read is tried again: no further edge would tell of
    /// the signals that it left.
    fn next_signal(&self) -> Option<siginfo> {
        loop {
            match self.signals.as_ref()?.read_signal() {
                Err(Errno::EINTR) => {}
                result => return result.ok().flatten(),
            }
        }
    }
}

/// Lets the signals that stop a server act by themselves again: for a process that is about to end and has something
/// to write before, which a full pipe or a stopped terminal would hold up for ever.
///
/// # Errors
///
/// None that sigprocmask(2) tells of.
pub fn unblock_stopping_signals() -> io::Result<()> {
    let stopping = signals::stopping(&SigSet::all());
    sigprocmask(SigmaskHow::SIG_UNBLOCK, Some(&stopping), None).map_err(io::Error::from)
}

/// Pipes and sockets that wake the loop: see [`Reactor::inputs`].
#[derive(Debug)]
pub struct Inputs(Registry);

impl Inputs {
    /// The same as [`Reactor::watch_input`]. What is closed is watched no more.
    ///
    /// # Errors
    ///
    /// When it cannot be waited for, as a regular file.
    pub fn watch(&self, input: &impl AsFd) -> io::Result<()> {
        watch_input(&self.0, input)
    }
}

fn watch_input(registry: &Registry, input: &impl AsFd) -> io::Result<()> {
    let flags = OFlag::from_bits_retain(fcntl(input, FcntlArg::F_GETFL)?);
    fcntl(input, FcntlArg::F_SETFL(flags | OFlag::O_NONBLOCK))?;
    let fd = input.as_fd().as_raw_fd();
    registry.register(&mut SourceFd(&fd), INPUT, Interest::READABLE)
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

/// TCP by way of mio, and listeners on unix sockets.
#[derive(Debug)]
pub struct MioNet {
    registry: Registry,
    /// When the reactor's clock started.
    started: Instant,
    meter: Meter,
}

impl MioNet {
    /// The same, with a meter for what the process uses, as a server needs it. It takes a descriptor.
    pub fn measuring(self, meter: Meter) -> MioNet {
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

    fn give_memory_back(&self) {
        memory::give_back_what_is_free();
    }
}

impl MonotonicClock for MioNet {
    fn now(&self) -> Moment {
        Moment::START + self.started.elapsed()
    }
}

/// Begins to connect from `source`.
///
/// bind(2) would take a port that no other socket on that address can have, whatever it connects to,
/// and there are 28,000 of them. With `IP_BIND_ADDRESS_NO_PORT`, ip(7), connect(2) takes one, which
/// only has to differ for the same destination.
fn connect_from(source: IpAddr, address: SocketAddr) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    setsockopt(&socket, sockopt::IpBindAddressNoPort, &true)?;
    socket.bind(&SocketAddr::new(source, 0).into())?;
    match socket.connect(&address.into()) {
        Err(error) if error.raw_os_error() != Some(Errno::EINPROGRESS as i32) => Err(error),
        _ => Ok(TcpStream::from_std(socket.into())),
    }
}

/// What comes; and urgent data, because reads stop short at it.
const READING: Interest = Interest::READABLE.add(Interest::PRIORITY);

/// Both directions.
const ALL: Interest = READING.add(Interest::WRITABLE);

impl Net for MioNet {
    type Listener = Listener;
    type Stream = TcpStream;

    fn accept(&mut self, listener: &Listener) -> io::Result<(TcpStream, Peer)> {
        listener.accept()
    }

    fn connect_from(
        &mut self,
        source: Option<IpAddr>,
        address: SocketAddr,
    ) -> io::Result<TcpStream> {
        let stream = match source {
            Some(source) => connect_from(source, address)?,
            None => TcpStream::connect(address)?,
        };
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

    fn register_accepted(&mut self, stream: &mut TcpStream, token: Token) -> io::Result<()> {
        self.registry.register(stream, mio::Token(token.0), READING)
    }

    fn watch_writing(&mut self, stream: &mut TcpStream, token: Token) -> io::Result<()> {
        // epoll looks anew at what it is asked to watch: room made in the meantime is an event too.
        self.registry.reregister(stream, mio::Token(token.0), ALL)
    }

    fn register_listener(&mut self, listener: &mut Listener, token: Token) -> io::Result<()> {
        self.registry.register(listener, mio::Token(token.0), Interest::READABLE)
    }

    fn deregister_listener(&mut self, listener: &mut Listener) -> io::Result<()> {
        self.registry.deregister(listener)
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
