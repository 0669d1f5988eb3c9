//! A visit: what is done with an open connection when an event or a deadline comes to it.
//!
//! A visit reads before it sends: a reply makes room for the next request, and both go by one
//! reading of the clock. The clock is read after the call that brought the reply, so that the
//! reply's time counts what the client needed for the connections before this one. A client that
//! cannot keep up shows in its own result.

use super::accounting::RequestAccounting;
use super::client_connection::{ClientConnection, Desynchronized};
use super::codec::WorkloadCodec;
use super::counters::Operation;
use super::pacer::Pacer;
use super::slot::OpenSocket;
use crate::io::clock::Moment;
use crate::io::host::MonotonicClock;
use crate::io::net::{self, Connect, ReadOutcome};
use std::io::{self, ErrorKind};

/// Reads in one visit; a connection that has more is visited again in the next turn.
const READS_PER_VISIT: usize = 4;

/// The size of the buffer that all connections share, and what one read takes at most.
const READ_BYTES: usize = 64 * 1024;

/// Why a visit ends a connection.
#[derive(Debug)]
pub(super) enum VisitEnd {
    /// A call failed, or the server sent what no reply can be.
    Failed(Operation, io::Error),
    /// The server closed it.
    ServerClosed,
    /// The server closed it, and that ended its reply.
    ReplyEnded,
    /// It is not needed any more.
    Finished,
}

/// The buffers that all connections of a worker share.
#[derive(Debug)]
pub(super) struct Buffers {
    /// What the last recv(2) brought.
    pub(super) input: Box<[u8]>,
    /// Requests that were begun and not given to send(2) yet; empty between two visits.
    pub(super) output: Vec<u8>,
}

impl Default for Buffers {
    fn default() -> Buffers {
        Buffers { input: vec![0; READ_BYTES].into_boxed_slice(), output: Vec::new() }
    }
}

/// A client, its socket, and what both need to exchange requests and replies.
pub(super) struct Visit<'a, N: Connect> {
    pub(super) socket: OpenSocket<'a, N>,
    pub(super) client: &'a mut ClientConnection,
    pub(super) codec: &'a mut WorkloadCodec,
    pub(super) accounting: &'a mut RequestAccounting,
    pub(super) buffers: &'a mut Buffers,
}

impl<N: Connect + MonotonicClock> Visit<'_, N> {
    /// Reads replies, and sends a request for each that made room for one.
    pub(super) fn exchange(&mut self, pacer: &mut Pacer) -> Result<(), VisitEnd> {
        for _ in 0..READS_PER_VISIT {
            let now =
                if self.socket.ready.read { self.read(usize::MAX)? } else { self.socket.net.now() };
            let output = &mut self.buffers.output;
            self.client.begin_requests(self.codec, pacer, self.accounting, output, now);
            if let Err(end) = self.send(now) {
                self.read_rest()?;
                return Err(end);
            }
            if !self.socket.ready.read {
                break;
            }
        }
        Ok(())
    }

    /// Reads to the end of a connection that takes nothing more: answers may stand before it.
    fn read_rest(&mut self) -> Result<(), VisitEnd> {
        self.socket.ready.read = true;
        while self.socket.ready.read {
            self.read(usize::MAX)?;
        }
        Ok(())
    }

    /// [`Visit::exchange`] where the request was to connect, and its reply may be here already.
    pub(super) fn hear_greeting(&mut self, pacer: &mut Pacer) -> Result<(), VisitEnd> {
        let mut now = self.socket.net.now();
        for _ in 0..READS_PER_VISIT {
            let output = &mut self.buffers.output;
            self.client.begin_requests(self.codec, pacer, self.accounting, output, now);
            if self.client.in_flight() == 0 {
                // Nothing was requested, so there is nothing to hear either.
                return Err(VisitEnd::Finished);
            }
            if !self.socket.ready.read {
                break;
            }
            now = self.read(usize::MAX)?;
        }
        Ok(())
    }

    /// [`Visit::exchange`] where no request is answered: it is done when the kernel has all of it.
    pub(super) fn send_only(&mut self, pacer: &mut Pacer) -> Result<(), VisitEnd> {
        self.exchange(pacer)?;
        if !self.client.has_unsent() {
            self.client.all_are_done(self.accounting, self.socket.net.now());
        }
        Ok(())
    }

    /// Reads what has come to an idle connection: first the greeting, if one was declared. If it
    /// `asks`, it then sends one request, to see whether it is served.
    pub(super) fn probe(&mut self, asks: bool) -> Result<(), VisitEnd> {
        let now = self.socket.net.now();
        while !self.client.is_past_opening() && self.socket.ready.read {
            self.read(usize::MAX)?;
        }
        if asks && self.client.is_past_opening() && !self.client.was_asked() {
            self.begin_unpaced(now);
        }
        self.send(now)?;
        while self.socket.ready.read {
            self.read(usize::MAX)?;
        }
        Ok(())
    }

    /// Begins a request that no schedule asks for.
    pub(super) fn begin_unpaced(&mut self, now: Moment) {
        self.client.begin_unpaced(self.codec, self.accounting, &mut self.buffers.output, now);
    }

    /// Gives the kernel the requests that were begun.
    pub(super) fn send(&mut self, now: Moment) -> Result<(), VisitEnd> {
        let output = &mut self.buffers.output;
        let was_stuck = self.client.has_unsent();
        if !was_stuck && output.is_empty() {
            return Ok(());
        }
        let OpenSocket { net, stream, ready } = &mut self.socket;
        let sent = net::flush_queue(*net, stream, ready, self.client.unsent_mut(), output, now);
        output.clear();
        let count = sent.map_err(|error| VisitEnd::Failed(Operation::Writing, error))?;
        self.accounting.gave(count, now);
        if was_stuck && !self.client.has_unsent() {
            self.client.on_sent(now);
        }
        Ok(())
    }

    /// The same, but gives it at most `most` bytes.
    pub(super) fn send_portion(&mut self, most: usize, now: Moment) -> Result<(), VisitEnd> {
        let unsent = self.client.unsent_mut();
        unsent.extend(&self.buffers.output, now);
        self.buffers.output.clear();
        if !self.socket.ready.write {
            return Ok(());
        }
        let OpenSocket { net, stream, ready } = &mut self.socket;
        let portion = unsent.bytes().get(..most).unwrap_or(unsent.bytes());
        let count = net::flush(*net, stream, ready, portion)
            .map_err(|error| VisitEnd::Failed(Operation::Writing, error))?;
        if count > 0 {
            unsent.consume(count, now);
        }
        self.accounting.gave(count, now);
        Ok(())
    }

    /// Reads once, at most `most` bytes, and takes the replies. Says when they came.
    pub(super) fn read(&mut self, most: usize) -> Result<Moment, VisitEnd> {
        let room = self.buffers.input.len().min(most);
        let input = self.buffers.input.get_mut(..room).unwrap_or_default();
        let OpenSocket { net, stream, ready } = &mut self.socket;
        let filled = match net::fill(*net, stream, ready, input) {
            Ok(filled) => filled,
            Err(error) => {
                self.client.describe_unfinished(self.codec, self.accounting);
                return Err(VisitEnd::Failed(Operation::Reading, error));
            }
        };
        let now = net.now();
        self.accounting.look_for_absence(now, || net.cpu_time());
        let oldest = self.client.oldest();
        let outcome = match filled {
            ReadOutcome::Nothing => Ok(now),
            ReadOutcome::Bytes(count) => {
                self.accounting.received(count, now);
                let input = input.get(..count).unwrap_or_default();
                let taken = self.client.receive(input, self.codec, self.accounting, now);
                taken.map(|()| now).map_err(|Desynchronized| {
                    self.client.describe_unfinished(self.codec, self.accounting);
                    VisitEnd::Failed(Operation::Reading, ErrorKind::InvalidData.into())
                })
            }
            ReadOutcome::Eof if self.client.receive_eof(self.codec, self.accounting, now) => {
                Err(VisitEnd::ReplyEnded)
            }
            ReadOutcome::Eof => Err(VisitEnd::ServerClosed),
        };
        if self.client.oldest() != oldest {
            self.client.on_answered(self.accounting, now);
            if self.client.returns_from_storm()
                && let Some(after) = self.client.served(now)
            {
                self.accounting.served_after_storm(after);
            }
        }
        outcome
    }
}
