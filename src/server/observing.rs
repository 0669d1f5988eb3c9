//! The server's hooks: what each says of the server to the [`Observer`](crate::trace::Observer).
//!
//! Invariant: nothing in here changes what the server does.

use super::Server;
use super::admission::Refusal;
use super::connection::ServerConnection;
use super::context::ServerContext;
use super::turn::{Cause, Reply};
use crate::conn::Inbound;
use crate::io::address::Peer;
use crate::io::clock::Moment;
use crate::io::endpoint::Endpoint;
use crate::io::event_loop::{LoopControl, Wakeup};
use crate::io::net::{MOST_SENT, Net, ReadOutcome, Told};
use crate::io::readiness::Readiness;
use crate::io::socket_table::{Socket, SocketTable};
use crate::io::token::Token;
use crate::server::close::CloseReason;
use crate::trace::event::{
    DrainStep, Event, Next, NoAccept, Queued, RecvEnd, RefusalCause, SendEnd, Signal, StallCause,
    VisitCause,
};
use crate::trace::{Recorder, Settled, Trigger, count_32};
use std::io;

impl<N: Net> Server<N> {
    /// Gives the server something to record with: [`Server::toggle_recording`] begins.
    pub fn prepare_recording(&mut self, recorder: Recorder) {
        self.cx.trace.prepare(recorder);
    }

    /// Switches recording off, or on again. Returns whether it is on now; `None` if the server was
    /// given nothing to record with.
    pub fn toggle_recording(&mut self) -> Option<bool> {
        self.cx.trace.toggle(self.cx.stats.requests)
    }

    /// What was looked out for and has happened since this was last asked.
    #[inline]
    pub fn take_trigger(&mut self) -> Option<Trigger> {
        self.cx.trace.take_trigger()
    }

    /// A signal or a message woke the loop.
    pub fn observe_wakeup(&mut self, wakeup: Wakeup) {
        self.cx.net.told(Told::Woken(wakeup));
        let by = match wakeup {
            Wakeup::Terminate => Signal::Terminate,
            Wakeup::StopAtOnce => Signal::StopAtOnce,
            Wakeup::CpuTimeLimit => Signal::CpuTimeLimit,
            Wakeup::Reload => Signal::Reload,
            Wakeup::Report => Signal::Report,
            Wakeup::Message => Signal::Message,
            _ => Signal::Other,
        };
        self.cx.trace.with(move |recorder| recorder.woken(by));
    }

    /// A turn ended.
    #[inline]
    pub(super) fn observe_end(&mut self, ended: Moment, next: LoopControl) {
        let (sockets, log) = (&self.sockets, &self.cx.log);
        self.cx.trace.with(move |recorder| {
            let next = match next {
                LoopControl::Poll => Next::Poll,
                LoopControl::WaitUntil(moment) => {
                    Next::WaitFor(moment.as_nanos().saturating_sub(ended.as_nanos()))
                }
                LoopControl::Wait => Next::Wait,
                LoopControl::Stop => Next::Stop,
            };
            recorder.turn_ended(ended, sockets.queued(), next);
            if let Some(teller) = recorder.teller() {
                teller.end_turn(ended, log.written(ended));
            }
        });
    }
}

impl<N: Net> ServerContext<N> {
    /// An event came.
    #[inline]
    pub(super) fn observe_event(&mut self, token: Token, bits: Readiness, is_stale: bool) {
        self.trace.with(move |recorder| {
            let event = Event::Ready { connection: token.generation(), bits, is_stale };
            recorder.before_turn(token, event);
        });
    }

    /// An event came for a listener.
    #[inline]
    pub(super) fn observe_listener(&mut self, number: usize) {
        let event = Event::ListenerReady { listener: count_32(number) };
        self.trace.with(move |recorder| recorder.before_turn(Token(0), event));
    }

    /// A visit began.
    #[inline]
    pub(super) fn observe_visit(&mut self, token: Token, cause: Cause, visited: &ServerConnection) {
        self.net.told(Told::Visit(token));
        let limits = &self.limits;
        self.trace.with(move |recorder| {
            recorder.visit(token);
            let cause = match cause {
                Cause::Opened => VisitCause::Opened,
                Cause::Ready => VisitCause::Ready,
                Cause::Expired => {
                    let (_, deadline) = visited.next_deadline(limits);
                    let connection = token.generation();
                    recorder.note(Event::TimerFired { connection, deadline });
                    recorder.note_cause(token);
                    VisitCause::Expired
                }
            };
            recorder.visit_began(cause);
        });
    }

    /// recv(2) was called.
    #[inline]
    pub(super) fn observe_recv(
        &mut self,
        outcome: &io::Result<ReadOutcome>,
        ready: Readiness,
        room: usize,
    ) {
        self.trace.with(move |recorder| {
            let (moved, end) = match outcome {
                Ok(ReadOutcome::Bytes(count)) if *count == room => (*count, RecvEnd::Full),
                Ok(ReadOutcome::Bytes(count)) => (*count, RecvEnd::Short),
                Ok(ReadOutcome::Eof) => (0, RecvEnd::Eof),
                Ok(ReadOutcome::Nothing) if ready.read => (0, RecvEnd::Interrupted),
                Ok(ReadOutcome::Nothing) => (0, RecvEnd::WouldBlock),
                Err(error) => (0, RecvEnd::Error(errno(error))),
            };
            recorder.received(count_32(room), count_32(moved), end);
        });
    }

    /// The engine has done something, and its reply has `reply` bytes.
    #[inline]
    pub(super) fn observe_engine(&mut self, connection: &ServerConnection, reply: usize) {
        let (stats, limits) = (&self.stats, &self.limits);
        self.trace.with(move |recorder| {
            let count = recorder.new_requests(stats.requests);
            let (left, waiting) = connection.conn.waiting();
            if count > 0 || reply > 0 || left > 0 {
                recorder.served(count, count_32(left), count_32(reply));
            }
            let is_stalled = connection.conn.stage().0 == Inbound::Stalled;
            if recorder.was_stalled(is_stalled) || is_stalled {
                let is_full = waiting + reply > limits.output_limit;
                let why = if is_full { StallCause::HighWater } else { StallCause::Budget };
                recorder.stalled_or_resumed(is_stalled.then_some(why), count_32(waiting + reply));
            }
        });
    }

    /// The first phase of a visit ended. A reply that was made in the input buffer is not known
    /// before. It has done this much work.
    #[inline]
    pub(super) fn observe_half(&mut self, reply: &Reply, work: u32) {
        self.trace.with(move |recorder| {
            if let Reply::InInput(range) = reply {
                recorder.served(0, 0, count_32(range.len()));
            }
            recorder.tick_if_worked(work);
        });
    }

    /// The second phase of a visit began.
    #[inline]
    pub(super) fn observe_second_half(&mut self, token: Token) {
        self.trace.with(move |recorder| recorder.go_on_with(token));
    }

    /// send(2) was called; `left` bytes are left.
    #[inline]
    pub(super) fn observe_send(
        &mut self,
        taken: &io::Result<usize>,
        ready: Readiness,
        left: usize,
    ) {
        self.trace.with(move |recorder| {
            let (moved, end) = match taken {
                Ok(moved) if left == 0 => (*moved, SendEnd::All),
                Ok(moved) if !ready.write => (*moved, SendEnd::WouldBlock),
                Ok(moved) if *moved >= MOST_SENT => (*moved, SendEnd::Budget),
                Ok(moved) => (*moved, SendEnd::Interrupted),
                Err(error) => (0, SendEnd::Error(errno(error))),
            };
            recorder.sent(count_32(moved), count_32(left), end);
        });
    }

    /// A visit ended, and the connection stays.
    #[inline]
    pub(super) fn observe_settled(
        &mut self,
        token: Token,
        sockets: &SocketTable<N::Stream, ServerConnection>,
        work: u32,
    ) {
        let limits = &self.limits;
        self.trace.with(move |recorder| {
            let Some(socket) = sockets.get(token) else { return };
            let ServerConnection { conn, .. } = &socket.endpoint;
            let (states, (unparsed, unsent)) = (conn.stage(), conn.waiting());
            let waiting = (count_32(unparsed), count_32(unsent));
            let queued = queued(socket, limits);
            recorder.settled(Settled { states, ready: socket.ready, queued, waiting, work });
            if let Some(at) = sockets.watched_until(token)
                && let Some(after) = recorder.timer_moved(token, at)
            {
                let (_, deadline) = socket.endpoint.next_deadline(limits);
                recorder.timer_armed(deadline, after);
            }
        });
    }

    /// `looks` timers fired. Those whose deadlines had moved, all but `expired`, were set again.
    #[inline]
    pub(super) fn observe_looks(&mut self, looks: usize, expired: Option<Token>) {
        self.trace.with(move |recorder| {
            let count = count_32(looks.saturating_sub(usize::from(expired.is_some())));
            if count > 0 {
                recorder.note(Event::TimersMoved { count });
            }
        });
    }

    /// A connection was accepted.
    #[inline]
    pub(super) fn observe_accepted(
        &mut self,
        token: Token,
        listener: usize,
        peer: &Peer,
        active: usize,
    ) {
        self.trace.with(move |recorder| {
            recorder.note(Event::Accepted {
                connection: token.generation(),
                listener: count_32(listener),
                peer: recorder.peer(peer),
                active: count_32(active),
            });
            recorder.note_cause(token);
        });
    }

    /// None was accepted.
    #[inline]
    pub(super) fn observe_not_accepted(&mut self, listener: usize, why: NoAccept) {
        self.trace.with(move |recorder| {
            recorder.note(Event::NotAccepted { listener: count_32(listener), why });
            if why.is_pause() {
                recorder.meet(|trigger| *trigger == Trigger::AcceptPaused);
            }
        });
    }

    /// A client was rejected.
    #[inline]
    pub(super) fn observe_refused(&mut self, refusal: Refusal, peer: &Peer) {
        let why = match refusal {
            Refusal::Denied => RefusalCause::Denied,
            Refusal::TooMany => RefusalCause::TooMany,
            Refusal::TooFast => RefusalCause::TooFast,
            Refusal::NotAProxy => RefusalCause::NotAProxy,
            Refusal::TooManyHandshakes => RefusalCause::TooManyHandshakes,
        };
        self.trace.with(move |recorder| {
            recorder.note(Event::Refused { why, peer: recorder.peer(peer) });
        });
    }

    /// The header of the PROXY protocol is complete.
    pub(super) fn observe_proxy_header(&mut self, peer: &Peer) {
        self.trace.with(move |recorder| {
            let (connection, peer) = (recorder.connection(), recorder.peer(peer));
            recorder.note(Event::ProxyHeader { connection, peer });
        });
    }

    /// FIN was sent.
    #[inline]
    pub(super) fn observe_fin(&mut self) {
        self.trace.with(move |recorder| {
            let connection = recorder.connection();
            recorder.note(Event::FinSent { connection });
        });
    }

    /// A connection is closed.
    #[inline]
    pub(super) fn observe_close(
        &mut self,
        token: Token,
        reason: CloseReason,
        is_reset: bool,
        lost: usize,
    ) {
        self.net.told(Told::Closed { token, reason: reason as u8, is_reset });
        self.trace.with(move |recorder| {
            recorder.tick();
            let connection = token.generation();
            recorder.note(Event::Closed { connection, reason, is_reset, lost: count_32(lost) });
            recorder.meet(|trigger| *trigger == Trigger::Close(reason));
        });
    }

    /// Something happened that concerns no connection.
    #[inline]
    pub(super) fn observe(&mut self, event: Event) {
        self.trace.with(move |recorder| recorder.note(event));
    }

    /// The server stops.
    pub(super) fn observe_drain(&mut self, step: DrainStep) {
        self.trace.with(move |recorder| {
            recorder.tick();
            recorder.note(Event::Drain { step });
        });
    }
}

/// Whether a connection is queued, and why.
fn queued<S>(socket: &Socket<S, ServerConnection>, limits: &super::Limits) -> Queued {
    let (wanted, ready) = (socket.endpoint.wanted(limits), socket.ready);
    if wanted.resume {
        Queued::RequestsWait
    } else if wanted.read && ready.read {
        Queued::MoreToRead
    } else if wanted.write && ready.write {
        Queued::MoreToSend
    } else {
        Queued::No
    }
}

fn errno(error: &io::Error) -> u32 {
    error.raw_os_error().and_then(|errno| u32::try_from(errno).ok()).unwrap_or(0)
}
