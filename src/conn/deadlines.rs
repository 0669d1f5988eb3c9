//! Until when a connection may wait for what, and what is done about it then.
//!
//! Invariant: there is always exactly one deadline that counts, the earliest of those that the state has.
//! It is worked out when asked for, from three moments that the connection notes anyway, so that a request
//! need not set anything.

use super::{Connection, Inbound, Outbound, Respond, Turn};
use crate::io::clock::Moment;
use crate::protocol::framing::Framing;
use crate::server::close::CloseReason;
use crate::server::limits::Limits;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Deadline {
    Frame,
    Pause,
    Idle,
    Write,
    Linger,
}

impl Connection {
    /// When [`Connection::expire`] has something to do, if nothing happens before.
    pub fn deadline(&self, framing: Framing, limits: &Limits) -> Moment {
        self.next_deadline(framing, limits).0
    }

    /// Does what the passed deadline asks for; nothing if it has not passed.
    pub fn expire<R: Respond>(&mut self, turn: &mut Turn<'_, R>) {
        let (due, deadline) = self.next_deadline(turn.framing, turn.limits);
        if due > turn.now {
            return;
        }
        match deadline {
            Deadline::Pause => self.serve_unterminated(turn),
            Deadline::Frame => {
                let limit = turn.limits.frame_timeout;
                self.refuse(
                    CloseReason::FrameTimeout,
                    format_args!("the request did not arrive whole within {limit:?}"),
                    turn,
                );
            }
            Deadline::Idle => self.finish(CloseReason::IdleTimeout),
            Deadline::Write => self.abandon(CloseReason::WriteTimeout),
            Deadline::Linger => self.inbound = Inbound::Ended,
        }
    }

    fn next_deadline(&self, framing: Framing, limits: &Limits) -> (Moment, Deadline) {
        if let Outbound::Finished(_) = self.outbound {
            return (self.active + limits.linger_timeout, Deadline::Linger);
        }
        let mut next = (Moment::NEVER, Deadline::Idle);
        if let Some(since) = self.unsent.waiting_since() {
            next = (since + limits.write_timeout, Deadline::Write);
        }
        if let (Inbound::Open, Some(since)) = (self.inbound, self.unparsed.waiting_since()) {
            // Counted from the frame's first byte: a byte a minute does not keep a frame alive.
            let frame = since + limits.frame_timeout;
            if frame < next.0 {
                next = (frame, Deadline::Frame);
            }
            let pause = self.active + limits.line_pause;
            if matches!(framing, Framing::Line { .. }) && pause < next.0 {
                next = (pause, Deadline::Pause);
            }
        }
        if next.0 == Moment::NEVER {
            next.0 = self.active + limits.idle_timeout;
        }
        next
    }
}
