//! Listening sockets: which clients come into a backlog, and when; which are ignored, and which are
//! reset.
//!
//! A handshake takes time. Between the last accept and the close of its listener a client may come
//! to be connected; it is reset then, as by Linux.

use super::faults::Call;
use super::kernel::Kernel;
use super::knobs::Knob;
use super::sockets::{Backlog, Handshake, Owner, Progress, Route, SocketError};
use super::trace::{Outcome, What};
use crate::io::net::Handshakes;
use nix::errno::Errno;
use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

/// With [`Knob::FullBacklogs`], how many wait in one.
const FEW: usize = 2;

/// After this time without a sign of life, a handshake in flight may be given up.
const PATIENCE: Duration = Duration::from_secs(1);

impl Kernel {
    /// A listening socket of `owner`. Returns its number.
    pub fn add_listener(&mut self, owner: Owner) -> usize {
        self.listeners.push(Backlog {
            owner,
            token: None,
            is_open: true,
            waiting: VecDeque::new(),
            unfinished: VecDeque::new(),
            is_held_off: false,
            is_excused: false,
            has_news: false,
        });
        self.listeners.len() - 1
    }

    /// A segment of the handshake of `index` arrives.
    pub fn reach_listener(&mut self, index: usize, address: SocketAddr) {
        let number = match self.route(address) {
            Route::Listener(number) => number,
            Route::Silent => return,
            Route::Refused(errno) | Route::Barred(errno) => {
                self.refuse(index, errno);
                return self.news_of(index);
            }
        };
        let is_slow = self.has(Knob::SlowHandshakes);
        let handshake = self.ends[index].handshake;
        match self.listeners.get(number) {
            Some(backlog) if !backlog.is_open => self.refuse(index, Errno::ECONNREFUSED),
            Some(backlog) if backlog.is_held_off && handshake != Handshake::InFlight => {
                self.faults.count(Knob::SlowHandshakes);
                self.ends[index].handshake = Handshake::Ignored;
                return;
            }
            Some(_) if is_slow && handshake != Handshake::InFlight => {
                self.ends[index].handshake = Handshake::InFlight;
                return;
            }
            Some(_) => self.finish_handshake(index, number),
            None => self.refuse(index, Errno::ECONNREFUSED),
        }
        self.news_of(index);
    }

    fn finish_handshake(&mut self, index: usize, number: usize) {
        self.ends[index].handshake = Handshake::Finished;
        self.ends[index].progress = Progress::Established;
        self.ends[index + 1].progress = Progress::Established;
        let is_full = self.has(Knob::FullBacklogs) && self.listeners[number].waiting.len() >= FEW;
        if is_full && self.listeners[number].owner == Owner::Server {
            self.faults.count(Knob::FullBacklogs);
            self.listeners[number].unfinished.push_back(index + 1);
        } else {
            self.listeners[number].waiting.push_back(index + 1);
            self.news_of_listener(number);
        }
    }

    fn refuse(&mut self, index: usize, errno: Errno) {
        self.ends[index].progress = Progress::Failed;
        self.ends[index].so_error = SocketError::Pending(errno);
    }

    /// The next client in the backlog; one whose handshake was left unfinished takes its place.
    pub fn take_from_backlog(&mut self, number: usize) -> Option<usize> {
        let backlog = &mut self.listeners[number];
        let taken = backlog.waiting.pop_front()?;
        if let Some(next) = backlog.unfinished.pop_front() {
            backlog.waiting.push_back(next);
            self.news_of_listener(number);
        }
        Some(taken)
    }

    /// SO_ATTACH_FILTER.
    pub fn hold_off(&mut self, number: usize) -> io::Result<()> {
        let fault = self.faults.next(Call::HoldOff, self.knobs, &mut self.prng);
        let backlog = &mut self.listeners[number];
        backlog.is_held_off = fault.is_none();
        backlog.is_excused |= fault.is_some();
        self.note(Owner::Server, What::HoldOff, number, Outcome::Done);
        fault.map_or(Ok(()), |errno| Err(errno.into()))
    }

    /// SO_DETACH_FILTER. Who was ignored tries again.
    pub fn admit(&mut self, number: usize) {
        self.listeners[number].is_held_off = false;
        self.note(Owner::Server, What::Admit, number, Outcome::Done);
        self.try_again(number);
    }

    fn try_again(&mut self, number: usize) {
        for index in 0..self.ends.len() {
            let is_its = self.facts[index / 2].listener == number;
            if is_its && self.ends[index].handshake == Handshake::Ignored {
                self.ends[index].handshake = Handshake::NotBegun;
                self.set_under_way(index);
            }
        }
    }

    /// What sock_diag tells of handshakes with these listeners.
    pub fn handshakes(&mut self, listeners: &[usize]) -> Handshakes {
        let fault = self.faults.next(Call::Handshakes, self.knobs, &mut self.prng);
        let is_in_flight = listeners.iter().any(|&number| self.has_handshake(number));
        let outcome = Outcome::Count(is_in_flight.into());
        self.note(Owner::Server, What::Handshakes, listeners.len(), outcome);
        match (fault, is_in_flight) {
            (Some(_), _) => {
                listeners.iter().for_each(|&number| self.listeners[number].is_excused = true);
                Handshakes::Unknown
            }
            (None, true) => Handshakes::InFlight,
            (None, false) => Handshakes::None,
        }
    }

    fn has_handshake(&self, number: usize) -> bool {
        let is_in_flight = |index: usize| {
            let end = &self.ends[index];
            end.handshake == Handshake::InFlight && end.held && end.so_error == SocketError::Sound
        };
        !self.listeners[number].unfinished.is_empty()
            || (0..self.ends.len())
                .step_by(2)
                .any(|index| self.facts[index / 2].listener == number && is_in_flight(index))
    }

    /// A client that is connected, and was not accepted, is reset: the server must not let that
    /// happen.
    pub fn close_listener(&mut self, number: usize) {
        let has_handshake = self.has_handshake(number);
        let backlog = &mut self.listeners[number];
        let owner = backlog.owner;
        let mut left: Vec<usize> = std::mem::take(&mut backlog.waiting).into();
        left.extend(std::mem::take(&mut backlog.unfinished));
        backlog.token = None;
        backlog.has_news = false;
        backlog.is_open = false;
        let is_excused = backlog.is_excused || self.stops;
        let was_patient = self.stops_since.is_none_or(|since| self.now >= since + PATIENCE);
        let is_waited_for = left.iter().any(|&end| self.ends[end ^ 1].held);
        if owner == Owner::Server && !is_excused {
            if is_waited_for {
                self.violate(format!("clients {left:?} are connected, and reset unheard"));
            } else if has_handshake && !was_patient {
                self.violate("a handshake in flight is not waited for".to_owned());
            }
        }
        for end in left {
            self.ends[end].progress = Progress::Failed;
            self.reset(end ^ 1, true);
        }
        self.note(owner, What::CloseListener, number, Outcome::Done);
        self.try_again(number);
    }
}
