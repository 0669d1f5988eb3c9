//! One visit to one connection: read, serve, send, within a budget.
//!
//! Invariant: between visits the shared output buffer is empty. What the visit made was taken by the
//! kernel, or has moved into the connection, or is held, which the visit's outcome tells.

use super::budget::Buffered;
use super::entry::Entry;
use super::held::HeldReplies;
use crate::conn::{Connection, Step, Turn};
use crate::handlers::daytime::Calendar;
use crate::handlers::{Context, Responder};
use crate::io::clock::Moment;
use crate::io::net::{self, Net, Output, ReadOutcome};
use crate::io::token::Token;
use crate::server::client_log::ClientLog;
use crate::server::close::CloseReason;
use crate::server::limits::Limits;
use crate::server::stats::Stats;
use crate::server::stats::publishing::Publisher;
use crate::table::Table;
use std::io;
use std::ops::Range;

/// Bytes read or produced in one visit, and the size of the buffer that all connections share.
/// Large enough that a busy connection costs few system calls, small enough to stay in the cache and
/// that the others do not wait long.
const VISIT_BYTES: usize = 64 * 1024;

/// Reads, or their like, in one visit: the first mostly takes all there is, the next finds the FIN
/// behind it.
const STEPS_PER_VISIT: usize = 4;

/// A shared output buffer that grew beyond this for one large reply is given back.
const OUT_KEPT: usize = 4 * VISIT_BYTES;

/// What a visit leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Visited {
    /// Nothing to be sent.
    Done,
    /// A reply that is held, see [`HeldReplies`].
    Holding,
}

/// All that a visit needs, shared by all connections.
pub(super) struct Visitor<N: Net> {
    pub(super) net: N,
    pub(super) limits: Limits,
    pub(super) now: Moment,
    pub(super) table: Table,
    pub(super) stats: Stats,
    pub(super) publisher: Publisher,
    pub(super) log: ClientLog,
    pub(super) held: HeldReplies,
    pub(super) calendar: Calendar,
    scratch: Box<[u8]>,
    out: Vec<u8>,
    /// The reply in `scratch`, made of a request that lay there; then `out` is empty.
    echo: Range<usize>,
}

impl<N: Net> Visitor<N> {
    pub(super) fn new(
        net: N,
        limits: Limits,
        table: Table,
        calendar: Calendar,
        now: Moment,
    ) -> Visitor<N> {
        Visitor {
            net,
            now,
            stats: Stats::new(&table, &limits),
            publisher: Publisher::default(),
            log: ClientLog::new(limits.log_level, limits.log_rate),
            held: HeldReplies::default(),
            limits,
            table,
            calendar,
            scratch: vec![0; VISIT_BYTES].into_boxed_slice(),
            out: Vec::new(),
            echo: 0..0,
        }
    }

    /// Lets the service greet a new connection.
    pub(super) fn open(&mut self, entry: &mut Entry<N::Stream>) {
        self.with_engine(entry, |conn, turn, _| conn.open(turn));
        self.flush_or_fail(entry);
    }

    /// Does what is ready and wanted, up to the budget. A small reply that would only remain to be sent is
    /// held for `holder`, if there is one, which then has it sent.
    pub(super) fn visit(&mut self, entry: &mut Entry<N::Stream>, holder: Option<Token>) -> Visited {
        self.stats.visits += 1;
        let visited = self.exchange(entry, holder).unwrap_or_else(|error| {
            self.fail(entry, &error);
            Visited::Done
        });
        if self.out.capacity() > OUT_KEPT {
            self.out = Vec::new();
        }
        visited
    }

    /// Sends the held reply of this number, which is the connection's.
    pub(super) fn send_held(&mut self, entry: &mut Entry<N::Stream>, number: usize) {
        let reply = self.held.bytes(number);
        let Entry { stream, ready, conn, .. } = entry;
        match net::flush_queue(&mut self.net, stream, ready, conn.unsent(), reply, self.now) {
            Ok(taken) => self.count_taken(conn, taken),
            Err(error) => conn.abandon(conn.reason_or(reason_of(&error))),
        }
    }

    /// When output has waited for the write timeout, looks whether the peer is to blame.
    ///
    /// An event tells of room only when a third of the kernel's buffer is free. So there may be room that
    /// was made long ago, and to find it says nothing of the peer; or none has been made for minutes,
    /// though the peer takes a little at a time. When the peer last took bytes tells. Those for which it
    /// had room when the wait began say nothing either, however late the kernel sent them.
    ///
    /// Where it cannot be told, sending is tried. So it is where the peer has received everything: an event
    /// is still to come, or the kernel lacks memory.
    pub(super) fn look_at_output(&mut self, entry: &mut Entry<N::Stream>) {
        let limit = self.limits.write_timeout;
        let unsent = entry.conn.unsent();
        let is_late = |since: &Moment| *since + limit <= self.now;
        let Some(since) = unsent.waiting_since().filter(is_late) else { return };
        match self.net.output(&entry.stream) {
            Output::Held { last_taken, kept_back } => {
                if last_taken > since + kept_back.min(limit / 2) {
                    unsent.restart_wait(last_taken.min(self.now));
                }
            }
            Output::Delivered | Output::Unknown => entry.ready.write = true,
        }
    }

    /// Tells the engine that its deadline may have passed.
    pub(super) fn expire(&mut self, entry: &mut Entry<N::Stream>) {
        self.with_engine(entry, |conn, turn, _| conn.expire(turn));
        self.flush_or_fail(entry);
    }

    /// Ends the connection if all that had arrived is served.
    pub(super) fn drain(&mut self, entry: &mut Entry<N::Stream>) {
        if entry.conn.can_drain(entry.ready.read) {
            self.with_engine(entry, |conn, turn, _| conn.drain(turn));
            self.flush_or_fail(entry);
        }
    }

    /// What remains to be done with the socket; FIN, if it is time for it, has been sent.
    pub(super) fn next_step(&mut self, entry: &mut Entry<N::Stream>) -> Step {
        let step = entry.conn.next_step();
        if step == Step::SendFin {
            if let Err(error) = self.net.send_fin(&mut entry.stream) {
                self.fail(entry, &error);
                return entry.conn.next_step();
            }
            entry.conn.fin_sent(self.now);
        }
        step
    }

    /// Has the kernel tell when the peer takes output again, if it has ceased to. Most never do.
    pub(super) fn add_write_interest(&mut self, entry: &mut Entry<N::Stream>, index: usize) {
        let is_stuck = !entry.ready.write && entry.conn.has_unsent();
        if !is_stuck || entry.write_interest {
            return;
        }
        let token = Token::new(index, entry.generation);
        match self.net.add_write_interest(&mut entry.stream, token) {
            Ok(()) => entry.write_interest = true,
            Err(error) => self.fail(entry, &error),
        }
    }

    fn exchange(
        &mut self,
        entry: &mut Entry<N::Stream>,
        holder: Option<Token>,
    ) -> io::Result<Visited> {
        let mut budget = VISIT_BYTES;
        self.flush(entry)?;
        for step in 0..STEPS_PER_VISIT {
            let can_resume = entry.conn.can_resume(&self.limits);
            // What stalled during this visit has had its share of it.
            if budget == 0 || (can_resume && step > 0) {
                break;
            } else if can_resume {
                budget = 0;
                self.with_engine(entry, |conn, turn, _| conn.resume(turn));
            } else if entry.ready.read && entry.conn.wants_read() {
                budget = budget.saturating_sub(self.read(entry)?);
            } else if entry.ready.write && entry.conn.wants_to_produce() {
                self.with_engine(entry, |conn, turn, _| conn.produce(turn));
                budget = budget.saturating_sub(self.out.len());
            } else {
                break;
            }
            if let Some(holder) = holder
                && self.may_hold(entry)
            {
                self.held.push(holder, fresh(&self.scratch, &self.echo, &self.out));
                self.clear_fresh();
                return Ok(Visited::Holding);
            }
            self.flush(entry)?;
        }
        Ok(Visited::Done)
    }

    /// Whether sending what this visit made is all that remains to be done, for a connection that holds no
    /// memory: it will not be closed to make room before that.
    fn may_hold(&self, entry: &Entry<N::Stream>) -> bool {
        HeldReplies::suits(fresh(&self.scratch, &self.echo, &self.out))
            && entry.ready.write
            && !entry.has_work(&self.limits)
            && entry.buffered == Buffered::default()
            && entry.conn.memory() == (0, 0)
    }

    fn read(&mut self, entry: &mut Entry<N::Stream>) -> io::Result<usize> {
        let Entry { stream, ready, .. } = entry;
        match net::fill(&mut self.net, stream, ready, &mut self.scratch)? {
            ReadOutcome::Bytes(count) => {
                self.stats.bytes_in += count as u64;
                let echo = self.with_engine(entry, |conn, turn, scratch| {
                    conn.receive_in_place(scratch.get_mut(..count).unwrap_or_default(), turn)
                });
                self.echo = echo.unwrap_or_default();
                Ok(count)
            }
            ReadOutcome::Eof => {
                self.with_engine(entry, |conn, turn, _| conn.receive_eof(turn));
                Ok(0)
            }
            ReadOutcome::Nothing => Ok(0),
        }
    }

    /// Sends what waited before, then what this visit made; keeps what is not taken.
    fn flush(&mut self, entry: &mut Entry<N::Stream>) -> io::Result<()> {
        let fresh = fresh(&self.scratch, &self.echo, &self.out);
        if fresh.is_empty() && !entry.conn.has_unsent() {
            return Ok(());
        }
        let Entry { stream, ready, conn, .. } = entry;
        let taken = net::flush_queue(&mut self.net, stream, ready, conn.unsent(), fresh, self.now)?;
        self.clear_fresh();
        self.count_taken(conn, taken);
        Ok(())
    }

    fn count_taken(&mut self, conn: &mut Connection, taken: usize) {
        if taken > 0 {
            self.stats.bytes_out += taken as u64;
            conn.output_taken(self.now);
        }
    }

    /// Forgets what this visit made: it was taken, or never will be.
    fn clear_fresh(&mut self) {
        self.out.clear();
        self.echo = 0..0;
    }

    fn flush_or_fail(&mut self, entry: &mut Entry<N::Stream>) {
        if let Err(error) = self.flush(entry) {
            self.fail(entry, &error);
        }
    }

    fn fail(&mut self, entry: &mut Entry<N::Stream>, error: &io::Error) {
        let reason = entry.conn.reason_or(reason_of(error));
        // A send that fails for want of memory, say, leaves the connection as it was: a close would send
        // FIN behind half a reply. With nothing left to send, RST could destroy what the peer has not read.
        let fresh = fresh(&self.scratch, &self.echo, &self.out);
        if fresh.is_empty() && !entry.conn.has_unsent() {
            entry.conn.fail(reason);
        } else {
            self.clear_fresh();
            entry.conn.abandon(reason);
        }
    }

    /// Calls the engine with all that a turn of it needs.
    fn with_engine<T>(
        &mut self,
        entry: &mut Entry<N::Stream>,
        call: impl FnOnce(&mut Connection, &mut Turn<'_, Responder<'_, N>>, &mut [u8]) -> T,
    ) -> T {
        let context = Context {
            now: self.now,
            peer: entry.peer,
            wall_clock: &self.net,
            calendar: &mut self.calendar,
            table: &self.table,
            stats: &mut self.stats,
            publisher: &mut self.publisher,
            log: &mut self.log,
        };
        let mut turn = Turn {
            now: self.now,
            limits: &self.limits,
            framing: entry.service.framing(&self.limits),
            responder: &mut Responder { service: entry.service, context },
            out: &mut self.out,
        };
        call(&mut entry.conn, &mut turn, &mut self.scratch)
    }
}

/// What a visit made: in the input, or else in the output.
fn fresh<'a>(scratch: &'a [u8], echo: &Range<usize>, out: &'a [u8]) -> &'a [u8] {
    let echo = scratch.get(echo.clone()).unwrap_or_default();
    if echo.is_empty() { out } else { echo }
}

/// Whose doing it was that a call on a connection failed.
fn reason_of(error: &io::Error) -> CloseReason {
    match error.kind() {
        io::ErrorKind::ConnectionReset
        | io::ErrorKind::ConnectionAborted
        | io::ErrorKind::BrokenPipe
        | io::ErrorKind::NotConnected
        | io::ErrorKind::TimedOut
        | io::ErrorKind::HostUnreachable
        | io::ErrorKind::NetworkUnreachable => CloseReason::Reset,
        _ => CloseReason::SystemError,
    }
}
