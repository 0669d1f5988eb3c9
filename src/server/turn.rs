//! What a turn of the loop does for connections that are ready, in two phases.
//!
//! ```text
//! read and serve up to 8 connections into one output buffer -> send to each its part -> the next 8
//! ```
//!
//! A send(2) on one machine also does the receiver's work, and if the receiver sleeps in
//! epoll_wait, wakes it first, which costs more than all else. A peer that drives many connections
//! is woken once by sends in a row, but for each of them if there is a recv(2) in between. And the
//! kernel's code for reading, and then its code for sending, stays in the processor's cache. (Redis
//! sends its replies in `beforeSleep` for the same reason.)
//!
//! A large reply that was made where its request lies, in the input buffer, ends phase one: the
//! next read would overwrite it.
//!
//! Invariants:
//!
//! - Every reply takes this way, whatever else is ready.
//! - Between turns the buffers are empty: the kernel took what they held, or it has moved into the
//!   connection.
//! - A failed recv(2) or send(2) ends its own connection and no other.

use super::Server;
use super::connection::ServerConnection;
use super::context::ServerContext;
use super::work;
use crate::conn::{Action, ConnContext, Connection, Work};
use crate::handlers::{BoundService, Context};
use crate::io::clock::Moment;
use crate::io::net::{self, Net, ReadOutcome};
use crate::io::socket_table::Socket;
use crate::io::token::Token;
use std::io;
use std::ops::Range;

/// The size of the input buffer, and the output at which phase one ends: large enough that a busy
/// connection costs few system calls, small enough to stay in the processor's cache.
const BATCH_BYTES: usize = 64 * 1024;

/// Connections in a batch. Larger batches were measured and gained nothing.
const BATCH_CONNECTIONS: usize = 8;

/// At most 4 steps (read, resume or produce) in one visit. Usually read 1 empties the socket, and
/// read 2, if an event told of it, returns 0, the FIN.
const STEPS_PER_VISIT: usize = 4;

/// An output buffer that has grown beyond this for a large reply goes back to the heap.
const OUTPUT_KEPT: usize = 4 * BATCH_BYTES;

/// Deadlines looked at in one turn, so that many which pass at once do not hold all others up.
const EXPIRIES_PER_TURN: usize = 4096;

/// The buffers of phase one, and whose replies are in them.
pub(super) struct Batch {
    input: Box<[u8]>,
    output: Vec<u8>,
    visits: Vec<Visit>,
}

/// Why a connection is visited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// It was accepted.
    Opened,
    /// Its socket is ready for work that it wants.
    Ready,
    /// Its deadline has passed.
    Expired,
}

/// A connection that was visited in phase one.
#[derive(Clone, Debug)]
struct Visit {
    token: Token,
    cause: Cause,
    reply: Reply,
    work: u32,
}

/// Where the bytes are that a visit made.
#[derive(Clone, Debug)]
pub(super) enum Reply {
    InOutput(Range<usize>),
    InInput(Range<usize>),
}

impl Default for Batch {
    fn default() -> Batch {
        Batch {
            input: vec![0; BATCH_BYTES].into_boxed_slice(),
            output: Vec::new(),
            visits: Vec::with_capacity(BATCH_CONNECTIONS),
        }
    }
}

impl Batch {
    pub(super) fn is_full(&self) -> bool {
        self.visits.len() >= BATCH_CONNECTIONS
            || self.output.len() >= BATCH_BYTES
            || matches!(self.visits.last(), Some(Visit { reply: Reply::InInput(_), .. }))
    }

    fn bytes(&self, reply: &Reply) -> &[u8] {
        let (buffer, range) = match reply {
            Reply::InOutput(range) => (self.output.as_slice(), range),
            Reply::InInput(range) => (&*self.input, range),
        };
        buffer.get(range.clone()).unwrap_or_default()
    }

    fn clear(&mut self) {
        self.visits.clear();
        self.output.clear();
        if self.output.capacity() > OUTPUT_KEPT {
            self.output = Vec::new();
        }
    }
}

impl<N: Net> Server<N> {
    /// Visits the connections that are ready, until the work of a turn is done.
    pub(super) fn serve_ready(&mut self) {
        // When time is up, there will be no other turn for what has arrived.
        let most = if self.is_time_up() { work::LAST_TURN } else { work::TURN };
        self.sockets.begin_turn();
        while self.sockets.has_ready_in_turn() && self.cx.work.spent < most {
            self.read_and_serve_batch(most / 2);
            self.send_batch();
        }
    }

    /// Phase one. The sockets with work left go first once `half` of the turn's work is done.
    fn read_and_serve_batch(&mut self, half: u32) {
        while !self.batch.is_full() && self.sockets.has_ready_in_turn() {
            let is_half_spent = self.cx.work.spent >= half;
            let Some(token) = self.sockets.next_ready(is_half_spent) else { break };
            self.visit(token, Cause::Ready);
            // Sending may free it.
            if self.memory.is_exceeded_with(self.batch.output.len()) {
                break;
            }
        }
    }

    /// Reads and serves one connection. Its reply is in the batch then.
    pub(super) fn visit(&mut self, token: Token, cause: Cause) {
        let Some(socket) = self.sockets.get_mut(token) else { return };
        self.cx.observe_visit(token, cause, &socket.endpoint);
        let (spent, memory) = (self.cx.work.spent, self.cx.memory_of(socket));
        let start = self.batch.output.len();
        let reply = self.cx.exchange(socket, cause, &mut self.batch).unwrap_or_else(|error| {
            let has_output = self.batch.output.len() > start;
            self.batch.output.truncate(start);
            self.cx.fail(&mut socket.endpoint, &error, has_output);
            Reply::InOutput(start..start)
        });
        let holds = self.cx.memory_of(socket);
        if holds != memory {
            self.memory.change(memory, holds);
        }
        let work = self.cx.work.spent - spent;
        self.cx.observe_half(&reply, work);
        self.batch.visits.push(Visit { token, cause, reply, work });
    }

    /// Phase two.
    pub(super) fn send_batch(&mut self) {
        let visits = std::mem::take(&mut self.batch.visits);
        for visit in &visits {
            self.finish_visit(visit);
        }
        self.batch.visits = visits;
        self.batch.clear();
    }

    /// Sends what the visit has made. Then closes the connection, or has it queued and its deadline
    /// watched.
    fn finish_visit(&mut self, visit: &Visit) {
        let token = visit.token;
        // A connection of the batch may have been shed since.
        let Some(socket) = self.sockets.get_mut(token) else { return };
        self.cx.observe_second_half(token);
        let (spent, memory) = (self.cx.work.spent, self.cx.memory_of(socket));
        self.cx.send(socket, self.batch.bytes(&visit.reply));
        let drains = self.phase.is_draining() && !socket.endpoint.service.is_for_operators();
        if drains || visit.cause == Cause::Expired {
            self.cx.expire_or_drain(socket, visit.cause, drains, &mut self.batch.output);
        }
        self.cx.add_write_interest(socket, token);
        let is_open = socket.endpoint.conn.is_open();
        let action = if is_open { Action::Stay } else { self.cx.next_action(socket, token) };
        let holds = self.cx.memory_of(socket);
        if holds != memory {
            self.memory.change(memory, holds);
        }
        match action {
            Action::Close(reason) => drop(self.close(token, reason)),
            Action::Abort(reason) => self.abort(token, reason),
            Action::Stay | Action::SendFin => {
                let is_idle = is_open && holds == (0, 0);
                socket.endpoint.conn.recount(is_idle, &mut self.cx.stats.standings);
                let work = visit.work + self.cx.work.spent - spent;
                self.sockets.reschedule(token, work::share(work), &self.cx.limits);
                self.cx.observe_settled(token, &self.sockets, work);
                if self.memory.is_exceeded() {
                    self.shed();
                }
            }
        }
    }

    /// Does for connections what their deadlines ask for. Returns whether there may be more of
    /// them.
    pub(super) fn expire_deadlines(&mut self, now: Moment) -> bool {
        let (most, mut looks) = (self.cx.work.spent + work::SIDE_WORK, EXPIRIES_PER_TURN);
        while self.cx.work.spent < most {
            let before = looks;
            let expired = self.sockets.next_expired(now, &mut looks, &self.cx.limits);
            self.cx.observe_looks(before - looks, expired);
            let Some(token) = expired else { return looks == 0 };
            self.visit(token, Cause::Expired);
            self.send_batch();
        }
        true
    }
}

impl<N: Net> ServerContext<N> {
    /// Does what is ready and wanted, within the budget of a visit. Returns where the reply is.
    fn exchange(
        &mut self,
        socket: &mut Socket<N::Stream, ServerConnection>,
        cause: Cause,
        batch: &mut Batch,
    ) -> io::Result<Reply> {
        let start = batch.output.len();
        let mut bytes_left = BATCH_BYTES;
        match cause {
            Cause::Ready => self.count_visit(),
            Cause::Opened if Self::is_unopened(&socket.endpoint) => {}
            Cause::Opened => {
                self.with_engine(&mut socket.endpoint, &mut batch.output, start, |conn, cx| {
                    conn.open(cx)
                });
            }
            Cause::Expired => {
                self.stats.visits += 1;
                // What has arrived was in time, though its event is still to come: of more events
                // than one epoll_wait takes, or of one that a signal interrupted. A try tells.
                socket.ready.read = true;
                self.look_at_output(socket);
            }
        }
        if socket.ready.write && socket.endpoint.conn.has_unsent() {
            self.send(socket, &[]);
        }
        self.send_ciphertext(socket);
        for step in 0..STEPS_PER_VISIT {
            let conn = &socket.endpoint.conn;
            if conn.can_resume(&self.limits) {
                // A connection that stalled during this visit has had its share of the turn.
                if step == 0 {
                    self.with_engine(&mut socket.endpoint, &mut batch.output, start, |conn, cx| {
                        conn.resume(cx)
                    });
                }
                break;
            } else if socket.ready.read && conn.wants_read() && bytes_left > 0 {
                let (count, in_place) = self.read(socket, batch, start)?;
                self.send_ciphertext(socket);
                if let Some(range) = in_place {
                    return Ok(Reply::InInput(range));
                }
                bytes_left = bytes_left.saturating_sub(count);
            } else if socket.ready.write && conn.wants_to_produce() && batch.output.len() == start {
                self.with_engine(&mut socket.endpoint, &mut batch.output, start, |conn, cx| {
                    conn.produce(cx)
                });
            } else {
                break;
            }
        }
        Ok(Reply::InOutput(start..batch.output.len()))
    }

    /// Calls the engine of a connection. What it has to say is appended to `output`, where this
    /// visit's output began at `out_start`.
    #[inline]
    pub(super) fn with_engine<T>(
        &mut self,
        connection: &mut ServerConnection,
        output: &mut Vec<u8>,
        out_start: usize,
        call: impl FnOnce(&mut Connection, &mut ConnContext<'_, BoundService<'_>>) -> T,
    ) -> T {
        let before = output.len();
        let ServerConnection { conn, peer, service, .. } = connection;
        self.work.granted = self.work.spent + Work::VISIT;
        let context = Context {
            now: self.now,
            peer: *peer,
            options: service.options,
            system: &self.net,
            dates: &mut self.dates,
            table: &self.table,
            stats: &mut self.stats,
            publisher: &mut self.publisher,
            log: &mut self.log,
        };
        let mut turn = ConnContext {
            now: self.now,
            limits: &self.limits,
            framing: service.framing(&self.limits),
            handler: &mut BoundService { spec: service.spec(), context },
            out_start,
            out: &mut *output,
            work: &mut self.work,
        };
        let outcome = call(conn, &mut turn);
        self.observe_engine(connection, output.len() - before);
        outcome
    }

    /// Reads once, in a visit whose output begins at `start`. Returns how many bytes, and where in
    /// the input the reply is if it was made there.
    fn read(
        &mut self,
        socket: &mut Socket<N::Stream, ServerConnection>,
        batch: &mut Batch,
        start: usize,
    ) -> io::Result<(usize, Option<Range<usize>>)> {
        let Socket { stream, ready, endpoint, .. } = socket;
        let filled = net::fill(&mut self.net, stream, ready, &mut batch.input);
        self.observe_recv(&filled, *ready, batch.input.len());
        let Batch { input, output, .. } = batch;
        match filled? {
            ReadOutcome::Bytes(count) => {
                self.stats.bytes_in += count as u64;
                self.work.spent += work::of_recv(count);
                let input = input.get_mut(..count).unwrap_or_default();
                if endpoint.awaits_header() {
                    let in_place = self.take_header(stream, endpoint, input, output, start);
                    // Of what came behind the header, a read tells what it is.
                    ready.read |= N::CAN_ENCRYPT && endpoint.layer.is_encrypted();
                    return Ok((count, in_place));
                }
                if N::CAN_ENCRYPT && endpoint.layer.is_encrypted() {
                    self.after_encrypted_read(stream, endpoint, output, start);
                }
                let in_place =
                    self.with_engine(endpoint, output, start, |conn, cx| conn.receive(input, cx));
                Ok((count, in_place))
            }
            ReadOutcome::Eof => {
                self.work.spent += work::of_recv(0);
                if N::CAN_ENCRYPT && endpoint.layer.is_encrypted() {
                    self.after_encrypted_read(stream, endpoint, output, start);
                }
                if Self::is_unopened(endpoint) {
                    endpoint.conn.close_unserved();
                } else {
                    self.with_engine(endpoint, output, start, |conn, cx| conn.receive_eof(cx));
                }
                Ok((0, None))
            }
            ReadOutcome::Nothing => {
                self.work.spent += work::of_recv(0);
                if N::CAN_ENCRYPT && endpoint.layer.is_encrypted() {
                    self.after_encrypted_read(stream, endpoint, output, start);
                }
                Ok((0, None))
            }
        }
    }

    /// Sends what waited before, then `bytes`; keeps what the kernel does not take.
    pub(super) fn send(&mut self, socket: &mut Socket<N::Stream, ServerConnection>, bytes: &[u8]) {
        let Socket { stream, ready, endpoint, .. } = socket;
        let unsent = endpoint.conn.unsent();
        if bytes.is_empty() && unsent.is_empty() {
            return;
        }
        let taken = net::flush_queue(&mut self.net, stream, ready, unsent, bytes, self.now);
        let left = unsent.len();
        self.observe_send(&taken, *ready, left);
        match taken {
            Ok(taken) => {
                self.work.spent += work::of_send(taken);
                if taken > 0 {
                    self.stats.bytes_out += taken as u64;
                    endpoint.conn.output_taken(self.now);
                }
            }
            Err(error) => self.fail(endpoint, &error, !bytes.is_empty()),
        }
    }

    /// Has the kernel tell when the peer takes output again, if it has ceased to. Most never do.
    pub(super) fn add_write_interest(
        &mut self,
        socket: &mut Socket<N::Stream, ServerConnection>,
        token: Token,
    ) {
        let waits = socket.endpoint.conn.has_unsent() || socket.endpoint.layer.waits();
        let is_stuck = !socket.ready.write && waits;
        if !is_stuck || socket.has_write_interest {
            return;
        }
        match self.net.add_write_interest(&mut socket.stream, token) {
            Ok(()) => socket.has_write_interest = true,
            Err(error) => self.fail(&mut socket.endpoint, &error, false),
        }
    }
}
