//! The deadlines of sockets. A timer may fire early, never late: when it fires, the socket's own
//! deadline is asked for, and the timer armed anew if the deadline has moved.

use super::SocketTable;
use crate::io::clock::Moment;
use crate::io::endpoint::Endpoint;
use crate::io::token::Token;

impl<S, E: Endpoint> SocketTable<S, E> {
    /// Takes the next socket whose deadline has passed. If the deadline was moved since its timer
    /// was armed, the timer is armed anew; each timer takes one of `looks`, and without any left
    /// none is taken.
    pub fn next_expired(
        &mut self,
        now: Moment,
        looks: &mut usize,
        limits: &E::Limits,
    ) -> Option<Token> {
        while *looks > 0 {
            if self.next_deadline().is_none_or(|next| next > now) {
                return None;
            }
            self.next_deadline = None;
            let index = self.timers.pop_due(now)?;
            *looks -= 1;
            let Some(socket) = self.sockets.get(index) else { continue };
            let token = Token::new(index, socket.generation);
            let deadline = socket.endpoint.deadline(limits);
            if deadline <= now {
                return Some(token);
            }
            self.timers.arm(index, deadline);
        }
        None
    }

    /// When the next timer fires.
    #[inline]
    pub fn next_deadline(&mut self) -> Option<Moment> {
        *self.next_deadline.get_or_insert_with(|| self.timers.next_wakeup())
    }

    /// When the timer of a socket fires.
    pub fn watched_until(&self, token: Token) -> Option<Moment> {
        self.timers.deadline(token.index())
    }

    /// Timers that are armed: one for each socket.
    pub fn armed_timers(&self) -> usize {
        self.timers.len()
    }
}
