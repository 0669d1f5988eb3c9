//! How a connection comes to be: accept(2), connect(2), and what is asked of it then.

use super::calls::copy_of;
use super::faults::{self, Call};
use super::kernel::Kernel;
use super::knobs::Knob;
use super::sockets::{Owner, Passage, Progress, Route, SocketError, Source};
use super::trace::{Outcome, What};
use nix::errno::Errno;
use std::io;
use std::net::{IpAddr, SocketAddr};

impl Kernel {
    /// accept(2) on listener `number`. Returns the end that was accepted.
    ///
    /// # Errors
    ///
    /// EAGAIN if no client waits, or a fault.
    pub fn accept(&mut self, number: usize) -> io::Result<usize> {
        let result = self.try_accept(number);
        let owner = self.listeners[number].owner;
        if owner != Owner::Peer || result.is_ok() {
            self.note(owner, What::Accept, number, Outcome::of(&result));
        }
        result
    }

    fn try_accept(&mut self, number: usize) -> io::Result<usize> {
        let owner = self.listeners[number].owner;
        if owner != Owner::Peer {
            self.fail_accept(number)?;
        }
        let Some(index) = self.take_from_backlog(number) else {
            return Err(Errno::EAGAIN.into());
        };
        self.ends[index].held = true;
        self.held[owner as usize] += 1;
        let now = self.now;
        if owner == Owner::Server {
            self.touch(index);
            self.facts[index / 2].accepted_order = self.facts[index / 2].moved_at;
            self.passages.push((now, Passage::Accepted(index / 2)));
        }
        let arrived = self.ends[index].incoming.readable() as u64;
        let facts = &mut self.facts[index / 2];
        if self.stops_since.is_some() {
            facts.arrived_at_drain = arrived;
        }
        facts.accepted_at = Some(now);
        facts.last_read_at = now;
        facts.last_sent_at = now;
        Ok(index)
    }

    fn fail_accept(&mut self, number: usize) -> io::Result<()> {
        if let Some(errno) = self.faults.next(Call::Accept, self.knobs, &mut self.prng) {
            if errno == Errno::EAGAIN && !self.listeners[number].waiting.is_empty() {
                self.owe(Call::Accept, Source::Listener(number));
                // A server that stops does not wait for that edge: no real EAGAIN is followed by
                // one.
                self.listeners[number].is_excused = true;
            } else if !faults::leaves_backlog(errno)
                && let Some(lost) = self.take_from_backlog(number)
            {
                self.ends[lost].progress = Progress::Failed;
                self.reset(lost ^ 1, true);
            }
            return Err(errno.into());
        }
        let is_at_limit = self.held[Owner::Server as usize] >= self.descriptor_limit;
        if is_at_limit && !self.listeners[number].waiting.is_empty() {
            self.faults.count(Knob::DescriptorLimit);
            return Err(Errno::EMFILE.into());
        }
        Ok(())
    }

    /// connect(2) of `owner`, from `source` to `address`. Returns the end that connects.
    ///
    /// # Errors
    ///
    /// A fault.
    pub fn connect(
        &mut self,
        owner: Owner,
        source: IpAddr,
        address: SocketAddr,
    ) -> io::Result<usize> {
        let result = self.try_connect(owner, source, address);
        let what = if owner == Owner::Peer { What::PeerConnects } else { What::Connect };
        self.note(owner, what, usize::from(address.port()), Outcome::of(&result));
        result
    }

    fn try_connect(
        &mut self,
        owner: Owner,
        source: IpAddr,
        address: SocketAddr,
    ) -> io::Result<usize> {
        if owner != Owner::Peer {
            if let Some(errno) = self.faults.next(Call::Connect, self.knobs, &mut self.prng) {
                return Err(errno.into());
            }
            if let Route::Barred(errno) = self.route(address) {
                return Err(errno.into());
            }
        }
        Ok(self.begin(owner, source, address))
    }

    /// Whether a connect has ended, and how: SO_ERROR, then getpeername(2).
    pub fn connected(&mut self, index: usize) -> io::Result<()> {
        let is_early = self.now < self.facts[index / 2].begun_at + self.connect_timeout;
        if !self.ends[index].was_told && is_early {
            self.violate(format!("socket #{index} is taken for connected, and no event said so"));
        }
        let result = self.fault(Call::Connected, index).and_then(|()| {
            self.take_error(index)?;
            match self.ends[index].progress {
                Progress::Established if self.ends[index].so_error == SocketError::Sound => Ok(()),
                _ => Err(Errno::ENOTCONN.into()),
            }
        });
        let outcome = Outcome::of(&result.as_ref().map(|()| 0).map_err(copy_of));
        self.note(self.ends[index].owner, What::Connected, index, outcome);
        result
    }

    /// getsockname(2).
    ///
    /// # Errors
    ///
    /// A fault.
    pub fn local_address(&mut self, index: usize) -> io::Result<SocketAddr> {
        let result = self.fault(Call::LocalAddress, index);
        let outcome = Outcome::of(&result.as_ref().map(|()| 0).map_err(copy_of));
        self.note(self.ends[index].owner, What::LocalAddress, index, outcome);
        result.map(|()| self.peer_address(index / 2))
    }
}
