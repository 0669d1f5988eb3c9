//! The calls on sockets, with what tcp(7) and epoll(7) promise of them and nothing more.

use super::faults::{self, Call};
use super::kernel::Kernel;
use super::knobs::Knob;
use super::pipe::Fin;
use super::sockets::{Owner, Passage, Progress, SocketError, Source};
use super::trace::{Outcome, What};
use crate::io::clock::Moment;
use crate::io::net::Token;
use nix::errno::Errno;
use std::io;

/// Reads in vain between two events.
const MOST_EMPTY_READS: u32 = 200;

impl Kernel {
    /// The fault that this call is to have, with all that it does to the connection.
    pub(super) fn fault(&mut self, call: Call, index: usize) -> io::Result<()> {
        let Some(errno) = self.faults.next(call, self.knobs, &mut self.prng) else { return Ok(()) };
        match errno {
            // That nothing is ready is no lie if it is so; if it is one, an edge must follow.
            Errno::EAGAIN | Errno::ENOTCONN if matches!(call, Call::Recv | Call::Connected) => {
                if errno == Errno::ENOTCONN && call == Call::Recv {
                    self.break_link(index, errno);
                } else {
                    self.owe(call, Source::End(index));
                    self.nothing_has_arrived(index, 0);
                }
            }
            Errno::EAGAIN if call == Call::Send => {
                // The event that follows tells nothing if there is too little room by then.
                self.ends[index].awaits_room = true;
                self.owe(call, Source::End(index));
            }
            Errno::EINTR => {}
            _ if matches!(call, Call::Register | Call::LocalAddress) => {}
            _ if faults::breaks(errno) => self.break_link(index, errno),
            _ => self.evidence(index, errno),
        }
        Err(errno.into())
    }

    /// An edge follows; if the fault sticks, when it is over.
    pub(super) fn owe(&mut self, call: Call, source: Source) {
        if self.faults.is_stuck(call) {
            self.owed.push(source);
        } else {
            self.tell_again(source);
        }
    }

    /// As far as its owner can tell, nothing is there beyond what it has read and these `count`
    /// bytes.
    fn nothing_has_arrived(&mut self, index: usize, count: usize) {
        let facts = &mut self.facts[index / 2];
        facts.arrived_at_drain = facts.arrived_at_drain.min(facts.wire_read + count as u64);
    }

    pub(super) fn evidence(&mut self, index: usize, errno: Errno) {
        if index % 2 == 1 {
            self.facts[index / 2].errors.push(errno);
        }
    }

    /// The network breaks the connection: one end is told by this call, the other by RST.
    fn break_link(&mut self, index: usize, errno: Errno) {
        self.evidence(index, errno);
        self.ends[index].so_error = SocketError::Collected;
        self.ends[index].incoming.reset(true);
        self.reset(index ^ 1, false);
    }

    pub(super) fn touch(&mut self, index: usize) {
        self.count_move(index / 2);
        let facts = &mut self.facts[index / 2];
        if !facts.is_touched {
            facts.is_touched = true;
            self.touched.push(index / 2);
        }
    }

    /// EPOLL_CTL_ADD: what the socket is ready for already is told too.
    pub fn register(&mut self, index: usize, token: Token) -> io::Result<()> {
        let result = self.fault(Call::Register, index);
        let outcome = Outcome::of(&result.as_ref().map(|()| token.0 as usize).map_err(copy_of));
        self.note(self.ends[index].owner, What::Register, index, outcome);
        if index % 2 == 1 {
            let link = index / 2;
            self.facts[link].was_let_in = true;
            self.facts[link].register_failed = result.is_err();
            let passage = match result {
                Ok(()) => Passage::Registered(link),
                Err(_) => Passage::CannotRegister(link),
            };
            self.passages.push((self.now, passage));
        }
        result?;
        if self.ends[index].token.replace(token).is_some() {
            self.violate(format!("socket #{index} is registered twice"));
        }
        self.news_of(index);
        Ok(())
    }

    /// EPOLL_CTL_MOD: room that there is already is told too.
    pub fn add_write_interest(&mut self, index: usize, token: Token) -> io::Result<()> {
        let result = self.fault(Call::AddWriteInterest, index);
        let outcome = Outcome::of(&result.as_ref().map(|()| token.0 as usize).map_err(copy_of));
        self.note(self.ends[index].owner, What::AddWriteInterest, index, outcome);
        result?;
        if self.ends[index].token != Some(token) || self.ends[index].write_interest {
            self.violate(format!(
                "socket #{index} is modified, but not as one that was registered"
            ));
        }
        self.ends[index].write_interest = true;
        self.news_of(index);
        Ok(())
    }

    pub(super) fn take_error(&mut self, index: usize) -> io::Result<()> {
        if let SocketError::Pending(errno) = self.ends[index].so_error {
            self.ends[index].so_error = SocketError::Collected;
            self.evidence(index, errno);
            return Err(errno.into());
        }
        Ok(())
    }

    /// recv(2).
    ///
    /// # Errors
    ///
    /// EAGAIN if nothing has arrived; an error that the socket has pending; or a fault.
    pub fn recv(&mut self, index: usize, into: &mut [u8]) -> io::Result<usize> {
        let is_peer = self.ends[index].owner == Owner::Peer;
        let result = if is_peer { Ok(()) } else { self.fault(Call::Recv, index) };
        let result = result.and_then(|()| self.try_recv(index, into, is_peer));
        if let Ok(count) = result {
            self.trace_contents(index, &into[..count]);
            if index % 2 == 1 && !is_peer {
                self.touch(index);
                self.facts[index / 2].wire_read += count as u64;
                if self.facts[index / 2].encrypted.is_none() {
                    self.has_read(index, &into[..count]);
                }
            }
        }
        let what = if is_peer { What::PeerReads } else { What::Recv };
        // Peers look again and again, which is of no interest.
        if !is_peer || result.is_ok() {
            self.note(self.ends[index].owner, what, index, Outcome::of(&result));
        }
        result
    }

    /// Ciphertext is never the same again, but its length is.
    fn trace_contents(&mut self, index: usize, bytes: &[u8]) {
        if self.facts[index / 2].encrypted.is_none() {
            self.trace.contents(bytes);
        }
    }

    /// The server has read these bytes, plaintext if the connection is encrypted, or the end.
    pub fn has_read(&mut self, index: usize, bytes: &[u8]) {
        let now = self.now;
        let facts = &mut self.facts[index / 2];
        facts.fin_read |= bytes.is_empty();
        facts.read += bytes.len() as u64;
        // After its FIN the server answers nothing: what it reads then it throws away.
        if !bytes.is_empty() && facts.fin_sent_at.is_none() {
            facts.fresh_in.extend_from_slice(bytes);
            facts.last_read_at = now;
        }
    }

    fn try_recv(&mut self, index: usize, into: &mut [u8], is_peer: bool) -> io::Result<usize> {
        let end = &mut self.ends[index];
        let readable = end.incoming.readable();
        if readable > 0 {
            let mut most = into.len();
            let can_fall_short = !is_peer && end.incoming.fin != Fin::Arrived;
            if can_fall_short && self.has(Knob::ShortReads) && self.prng.one_in(3) {
                most = most.min(1 + self.prng.below(readable));
                self.faults.count(Knob::ShortReads);
            }
            let end = &mut self.ends[index];
            let count = end.incoming.read(&mut into[..most]);
            if most < into.len() && count < readable {
                // The kernel never has more than it gives: the rest comes later, with an edge.
                end.incoming.take_back();
                self.set_under_way(index);
                self.nothing_has_arrived(index, count);
            }
            if index.is_multiple_of(2) && count > 0 {
                self.facts[index / 2].taken_at = self.now;
            }
            if self.ends[index ^ 1].awaits_room && self.tells_of_room(index ^ 1) {
                self.ends[index ^ 1].awaits_room = false;
                self.news_of(index ^ 1);
            }
            return Ok(count);
        }
        if self.ends[index].incoming.fin == Fin::Arrived {
            return Ok(0);
        }
        self.take_error(index)?;
        match self.ends[index].so_error {
            SocketError::Sound => {
                self.count_empty_read(index);
                Err(Errno::EAGAIN.into())
            }
            _ => Ok(0),
        }
    }

    /// A program asks again at a deadline, or when it is to stop; but not for ever.
    fn count_empty_read(&mut self, index: usize) {
        let end = &mut self.ends[index];
        end.empty_reads += 1;
        let expects_events = end.owner != Owner::Peer && end.token.is_some();
        if expects_events && end.empty_reads > MOST_EMPTY_READS {
            self.violate(format!("socket #{index} is read again and again, and no event said so"));
        }
    }

    /// send(2).
    ///
    /// # Errors
    ///
    /// EAGAIN if there is no room; an error that the socket has pending; or a fault.
    pub fn send(&mut self, index: usize, bytes: &[u8]) -> io::Result<usize> {
        let is_peer = self.ends[index].owner == Owner::Peer;
        let result = if is_peer { Ok(()) } else { self.fault(Call::Send, index) };
        let result = result.and_then(|()| self.try_send(index, bytes, is_peer));
        if index % 2 == 1 && !is_peer {
            self.touch(index);
            if self.facts[index / 2].encrypted.is_none() || result.is_err() {
                let was_told = self.ends[index].told_of_room;
                self.has_sent(index, bytes, &result, was_told);
            }
        }
        if let Ok(count) = result {
            self.trace_contents(index, &bytes[..count]);
        }
        let what = if is_peer { What::PeerSends } else { What::Send };
        self.note(self.ends[index].owner, what, index, Outcome::of(&result));
        result
    }

    /// The server has tried to send these bytes, plaintext if the connection is encrypted; an event
    /// had told of room, or none.
    pub fn has_sent(
        &mut self,
        index: usize,
        bytes: &[u8],
        result: &io::Result<usize>,
        was_told: bool,
    ) {
        let now = self.now;
        let facts = &mut self.facts[index / 2];
        match result {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                facts.interrupted_at = Some(now);
                facts.refused_since.get_or_insert(now);
            }
            &Ok(count) => {
                facts.sent += count as u64;
                facts.fresh_out.extend_from_slice(&bytes[..count]);
                // Room that no event has told of says nothing of the peer.
                if was_told {
                    facts.last_sent_at = now;
                    facts.refused_since = None;
                }
            }
            Err(_) => _ = facts.refused_since.get_or_insert(now),
        }
    }

    fn try_send(&mut self, index: usize, bytes: &[u8], is_peer: bool) -> io::Result<usize> {
        if self.ends[index].fin_sent {
            self.violate(format!("socket #{index}: sent after FIN"));
            return Err(Errno::EPIPE.into());
        }
        if let Progress::Connecting(_) = self.ends[index].progress {
            return Err(Errno::EAGAIN.into());
        }
        self.take_error(index)?;
        if self.ends[index].so_error == SocketError::Collected {
            self.evidence(index, Errno::EPIPE);
            return Err(Errno::EPIPE.into());
        }
        let mut count = bytes.len().min(self.ends[index ^ 1].incoming.room());
        self.ends[index].awaits_room = count < bytes.len();
        if count == 0 && !bytes.is_empty() {
            self.ends[index].told_of_room = false;
            return Err(Errno::EAGAIN.into());
        }
        if !is_peer && self.has(Knob::ShortWrites) && self.prng.one_in(3) {
            count = 1 + self.prng.below(count);
            self.faults.count(Knob::ShortWrites);
        }
        let count = count.min(bytes.len());
        self.ends[index ^ 1].incoming.push(&bytes[..count]);
        self.set_under_way(index ^ 1);
        Ok(count)
    }

    /// shutdown(2) for writing.
    ///
    /// # Errors
    ///
    /// ENOTCONN if the connection is broken, or a fault.
    pub fn send_fin(&mut self, index: usize) -> io::Result<()> {
        let is_peer = self.ends[index].owner == Owner::Peer;
        let result = if is_peer { Ok(()) } else { self.fault(Call::Fin, index) };
        let result = result.and_then(|()| self.try_send_fin(index));
        let what = if is_peer { What::PeerFin } else { What::Fin };
        let outcome = Outcome::of(&result.as_ref().map(|()| 0).map_err(copy_of));
        self.note(self.ends[index].owner, what, index, outcome);
        result
    }

    fn try_send_fin(&mut self, index: usize) -> io::Result<()> {
        if self.ends[index].fin_sent {
            self.violate(format!("socket #{index}: FIN was sent before"));
        }
        if self.ends[index].so_error != SocketError::Sound {
            self.ends[index].so_error = SocketError::Collected;
            self.evidence(index, Errno::ENOTCONN);
            return Err(Errno::ENOTCONN.into());
        }
        self.ends[index].fin_sent = true;
        self.ends[index ^ 1].incoming.fin = Fin::UnderWay;
        self.set_under_way(index ^ 1);
        if index % 2 == 1 {
            self.count_move(index / 2);
            self.facts[index / 2].fin_sent_at = Some(self.now);
        }
        Ok(())
    }

    /// The server drops a connection: closing one that has unread input, or that the peer still
    /// sends to, resets it and can destroy what the peer has not read yet.
    pub fn check_close(&mut self, index: usize) {
        let (now, linger, stops) = (self.now, self.linger, self.stops);
        let (end, facts) = (&self.ends[index], &self.facts[index / 2]);
        let has_lingered = facts.fin_sent_at.is_some_and(|at| now >= at + linger);
        let is_broken = end.so_error != SocketError::Sound || !facts.errors.is_empty();
        let is_over = facts.fin_read && end.incoming.readable() == 0;
        // Nothing was said that RST could destroy, or nothing more can be.
        let is_broken = is_broken || facts.is_unopened() || facts.has_tls_failure();
        if !(is_over || has_lingered || is_broken || facts.register_failed || stops) {
            self.violate(format!(
                "socket #{index} is closed while the peer may send: RST can destroy the last reply \
                 (FIN sent at {:?}, {} bytes unread)",
                facts.fin_sent_at.map(Moment::as_nanos),
                end.incoming.readable()
            ));
        }
    }
}

/// The same error once more: [`io::Error`] cannot be cloned.
pub(super) fn copy_of(error: &io::Error) -> io::Error {
    io::Error::from_raw_os_error(error.raw_os_error().unwrap_or(0))
}
