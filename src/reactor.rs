//! The reactor: the loop around epoll_wait(2). mio, signals and the system's clocks are in here and
//! in the files below it alone.
//!
//! ```text
//! epoll_wait -> on_ready(token, readiness) for each event -> end_turn(now) -> epoll_wait
//! ```
//!
//! # Edge and level
//!
//! epoll(7) knows two ways to tell. *Level-triggered*, epoll_wait(2) returns a socket every time as
//! long as it is ready. *Edge-triggered* (EPOLLET), it returns the socket once, when something new
//! arrives: bytes, a FIN, room to send. If the program then leaves bytes unread, no second event
//! says so. So the program itself has to remember that the socket is still ready, which is what
//! [`Readiness`] is for. In return, a socket that is ready but not wanted (a client that is not
//! read because its replies wait) costs no event in any turn.
//!
//! This code never names EPOLLET. mio adds it to every registration (its `interests_to_epoll`), and
//! adds EPOLLRDHUP wherever it asks for EPOLLIN. The kernel adds EPOLLERR and EPOLLHUP, asked or
//! not. We ask for the rest: EPOLLIN and EPOLLPRI always, EPOLLOUT by
//! [`add_write_interest`](crate::io::net::SocketIo::add_write_interest), when send(2) has found no
//! room. `readiness`, at the end of this file, has the table of what each bit becomes.
//!
//! Invariant: the loop ends only because the handler says so or epoll itself fails. A signal that
//! interrupts epoll_wait (mio does not retry it) is a turn without events.

pub use exact_timer::{BusyWaited, Processor};
pub use net::MioNet;
pub use signal_queue::unblock_stopping_signals;
pub use watching::Inputs;

use crate::io::clock::Moment;
use crate::io::event_loop::{EventHandler, LoopControl, Wakeup};
use crate::io::readiness::Readiness;
use crate::io::token::Token;
use crate::os::usage::Meter;
use exact_timer::ExactTimer;
use mio::event::Event;
use mio::{Events, Poll, Waker};
use signal_queue::SignalQueue;
use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::time::{Duration, Instant};

mod accept_outcome;
mod connect;
mod exact_timer;
mod handshakes;
pub mod listener;
mod net;
mod signal_queue;
mod sock_diag;
mod tcp_info;
mod watching;

#[cfg(test)]
mod tests;

/// Events taken from the kernel at once. With few, connections at the end of a long ready list
/// would wait for many turns.
const EVENTS_PER_TURN: usize = 1024;

/// epoll_wait takes a wait as an `int` of milliseconds, which 25 days overflow.
const LONGEST_WAIT: Duration = Duration::from_secs(86_400);

const SIGNALS: mio::Token = mio::Token(usize::MAX);
const WAKER: mio::Token = mio::Token(usize::MAX - 1);
const TIMER: mio::Token = mio::Token(usize::MAX - 2);
const INPUT: mio::Token = mio::Token(usize::MAX - 3);

/// One poll loop.
#[derive(Debug)]
pub struct Reactor {
    poll: Poll,
    events: Events,
    started: Instant,
    signals: Option<SignalQueue>,
    waker: Arc<Waker>,
    exact_timer: Option<ExactTimer>,
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

    /// The network whose events this reactor delivers.
    ///
    /// # Errors
    ///
    /// When the system refuses another descriptor.
    pub fn net(&self) -> io::Result<MioNet> {
        let registry = self.poll.registry().try_clone()?;
        Ok(MioNet { registry, started: self.started, meter: Meter::default() })
    }

    /// What another thread calls to have [`Wakeup::Message`] delivered.
    pub fn waker(&self) -> Arc<Waker> {
        Arc::clone(&self.waker)
    }

    /// The time now, on the clock that handlers are given.
    pub fn now(&self) -> Moment {
        Moment::START + self.started.elapsed()
    }

    /// The clock of [`Reactor::now`], for a recorder.
    pub fn clock(&self) -> impl Fn() -> Moment + use<> {
        let started = self.started;
        move || Moment::START + started.elapsed()
    }

    /// Turns the loop until the handler stops.
    ///
    /// # Errors
    ///
    /// When epoll itself fails, which means a bug or a broken system.
    pub fn run<H: EventHandler>(&mut self, handler: &mut H) -> io::Result<()> {
        let mut timeout = Some(Duration::ZERO);
        loop {
            self.poll_events(timeout)?;
            let first_wakeup = self.deliver(handler);
            let now = self.now();
            if let Some(timer) = &mut self.exact_timer {
                timer.turn_began(now, !self.events.is_empty());
            }
            let next = handler.end_turn(now);
            let ended = self.now();
            // Events are only noted, which takes no time; what wakeups ask for may.
            handler.turn_ended(first_wakeup.unwrap_or(now), ended, next);
            timeout = match next {
                LoopControl::Poll => Some(Duration::ZERO),
                LoopControl::WaitUntil(moment) => self.wait_until(moment, ended)?,
                LoopControl::Wait => None,
                LoopControl::Stop => return Ok(()),
            };
        }
    }

    /// How long epoll may wait, so that it ends at `moment`.
    fn wait_until(&mut self, moment: Moment, now: Moment) -> io::Result<Option<Duration>> {
        match &mut self.exact_timer {
            Some(timer) => timer.wait_until(moment.min(now + LONGEST_WAIT), now),
            None => Ok(Some(moment.since(now).min(LONGEST_WAIT))),
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

    /// Tells the handler what has happened, and returns when it was given the first wakeup, if it
    /// was.
    fn deliver<H: EventHandler>(&mut self, handler: &mut H) -> Option<Moment> {
        let Reactor { events, started, signals, exact_timer, .. } = self;
        let now = || Moment::START + started.elapsed();
        let mut first_wakeup = None;
        for event in &*events {
            match event.token() {
                SIGNALS => {
                    first_wakeup.get_or_insert_with(now);
                    while let Some(wakeup) = signals.as_ref().and_then(SignalQueue::next) {
                        handler.on_wakeup(wakeup, now());
                    }
                }
                TIMER => {
                    if let Some(timer) = exact_timer {
                        timer.woke(now());
                    }
                }
                WAKER | INPUT => {
                    let now = now();
                    first_wakeup.get_or_insert(now);
                    handler.on_wakeup(Wakeup::Message, now);
                }
                mio::Token(token) => handler.on_ready(Token(token as u64), readiness(event)),
            }
        }
        first_wakeup
    }
}

/// What an event means for a socket.
///
/// ```text
/// epoll bit   the kernel sets it for              mio's predicates                 Readiness
/// EPOLLIN     bytes to read, or FIN               is_readable                      read
/// EPOLLRDHUP  FIN (with EPOLLIN)                  is_read_closed                   read, until
/// EPOLLPRI    urgent data, tcp(7)                 is_priority                      read, until
/// EPOLLOUT    room to send                        is_writable                      write
/// EPOLLERR    an error: RST, a failed connect(2)  is_error                         all three
/// EPOLLHUP    both directions closed              is_read_closed, is_write_closed  all three
/// ```
///
/// `until` is `read_until_would_block`. An error makes both directions ready: the next recv(2),
/// send(2) or SO_ERROR collects it.
fn readiness(event: &Event) -> Readiness {
    let has_end = event.is_read_closed() || event.is_error();
    let is_urgent = event.is_priority();
    Readiness {
        read: event.is_readable() || has_end || is_urgent,
        write: event.is_writable() || event.is_write_closed() || event.is_error(),
        read_until_would_block: has_end || is_urgent,
    }
}
