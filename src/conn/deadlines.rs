//! The timeouts of a connection, and what happens when one passes.
//!
//! Invariant: exactly one deadline counts, the earliest of those that the state has. It is computed
//! when it is asked for, from three moments that the connection notes anyway. So a request need not
//! set any timer.

use super::{ConnContext, Connection, Handler};
use crate::io::clock::Moment;
use crate::protocol::framing::Framing;
use crate::server::close::CloseReason;
use crate::server::limits::Limits;

/// Which of a connection's times counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deadline {
    /// A frame or line must be whole.
    Frame,
    /// A last line without its end counts as whole.
    LineGap,
    /// A connection that does nothing is closed.
    Idle,
    /// The peer must take output.
    Write,
    /// The peer must answer our FIN.
    Linger,
}

impl Connection {
    /// When [`Connection::expire`] has something to do, if nothing else happens before.
    pub fn deadline(&self, framing: Framing, limits: &Limits) -> Moment {
        self.next_deadline(framing, limits).0
    }

    /// Acts on the deadline if it has passed.
    pub fn expire<R: Handler>(&mut self, cx: &mut ConnContext<'_, R>) {
        let (due, deadline) = self.next_deadline(cx.framing, cx.limits);
        if due > cx.now {
            return;
        }
        match deadline {
            Deadline::LineGap => self.serve_final_line(cx),
            Deadline::Frame => {
                let limit = cx.limits.frame_timeout;
                self.reply_error_and_close(
                    CloseReason::FrameTimeout,
                    format_args!("the request did not arrive whole within {limit:?}"),
                    cx,
                );
            }
            Deadline::Idle => self.finish(CloseReason::IdleTimeout),
            Deadline::Write => self.abandon(CloseReason::WriteTimeout),
            Deadline::Linger => self.state.linger_over(),
        }
    }

    /// When the deadline that counts passes, and which it is.
    pub fn next_deadline(&self, framing: Framing, limits: &Limits) -> (Moment, Deadline) {
        if self.state.is_lingering() {
            return (self.idle_since + limits.linger_timeout, Deadline::Linger);
        }
        let mut next = (Moment::NEVER, Deadline::Idle);
        if let Some(since) = self.unsent.waiting_since() {
            next = (since + limits.write_timeout, Deadline::Write);
        }
        if self.state.reads_requests()
            && let Some(since) = self.unparsed.waiting_since()
        {
            // Counted from the frame's first byte: a byte a minute does not keep a frame alive.
            let frame = since + limits.frame_timeout;
            if frame < next.0 {
                next = (frame, Deadline::Frame);
            }
            let gap = self.idle_since + limits.line_pause;
            if matches!(framing, Framing::Line { .. }) && gap < next.0 {
                next = (gap, Deadline::LineGap);
            }
        }
        if next.0 == Moment::NEVER {
            next.0 = self.idle_since + limits.idle_timeout;
        }
        next
    }
}
