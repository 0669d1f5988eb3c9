//! What a connection is told when its time is up, or the server drains; and whether a peer that
//! takes no output is to blame.
//!
//! Invariant: what has arrived by then was in time, and was read before.

use super::connection::ServerConnection;
use super::context::ServerContext;
use super::turn::Cause;
use crate::io::clock::Moment;
use crate::io::net::{Net, Output};
use crate::io::socket_table::Socket;
use crate::server::close::CloseReason;

impl<N: Net> ServerContext<N> {
    /// Tells a connection that its deadline has passed, or that the server drains. What it says to
    /// that is sent: an error, or the reply to a last line.
    #[cold]
    pub(super) fn expire_or_drain(
        &mut self,
        socket: &mut Socket<N::Stream, ServerConnection>,
        cause: Cause,
        drains: bool,
        output: &mut Vec<u8>,
    ) {
        if Self::is_unopened(&socket.endpoint) {
            return self.expire_or_drain_unopened(socket, cause, drains);
        }
        // If a call has just failed, that is the reason.
        let has_failed = socket.endpoint.conn.has_failed();
        if N::CAN_ENCRYPT
            && cause == Cause::Expired
            && !has_failed
            && socket.endpoint.ciphertext_deadline(&self.limits) <= self.now
        {
            return socket.endpoint.conn.abandon(CloseReason::WriteTimeout);
        }
        let start = output.len();
        let can_drain = drains && socket.endpoint.conn.can_drain(socket.ready.read);
        self.with_engine(&mut socket.endpoint, output, start, |conn, cx| {
            if cause == Cause::Expired {
                conn.expire(cx);
            }
            if can_drain && conn.can_drain(false) {
                conn.drain(cx);
            }
        });
        self.send(socket, output.get(start..).unwrap_or_default());
        output.truncate(start);
    }

    /// When output has waited for the write timeout, looks whether the peer is to blame.
    ///
    /// An event tells of room only when a third of the kernel's buffer is free. So there may be
    /// room that was made long ago, and to find it says nothing of the peer; or none has been made
    /// for minutes, though the peer takes a little at a time. When the peer last took bytes tells.
    /// Those for which it had room when the wait began say nothing either, however late the kernel
    /// sent them.
    ///
    /// Where it cannot be told, sending is tried. So it is where the peer has received everything:
    /// an event is still to come, or the kernel lacks memory.
    pub(super) fn look_at_output(&mut self, socket: &mut Socket<N::Stream, ServerConnection>) {
        let limit = self.limits.write_timeout;
        let unsent = socket.endpoint.conn.unsent();
        let is_late = |since: &Moment| *since + limit <= self.now;
        let Some(since) = unsent.waiting_since().filter(is_late) else { return };
        match self.net.output(&socket.stream) {
            Output::Held { last_taken, kept_back } => {
                if last_taken > since + kept_back.min(limit / 2) {
                    unsent.restart_wait(last_taken.min(self.now));
                }
            }
            Output::Delivered | Output::Unknown => socket.ready.write = true,
        }
    }
}
