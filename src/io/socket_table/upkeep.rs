//! The table of sockets as a whole: walks over all sockets, and the memory that the table takes.

use super::{Queues, Socket, SocketTable};
use crate::io::endpoint::Endpoint;
use crate::io::token::Token;

/// Tokens that a queue keeps room for, however few sockets are open.
const QUEUE_KEPT: usize = 1024;

impl<S, E: Endpoint> SocketTable<S, E> {
    /// All sockets, in the order of their slots.
    pub fn iter(&self) -> impl Iterator<Item = (Token, &Socket<S, E>)> {
        self.sockets.iter().map(|(index, socket)| (Token::new(index, socket.generation), socket))
    }

    /// Tokens that wait for a visit. Some may be of sockets that have closed since.
    pub fn queued(&self) -> usize {
        self.queues.new_events.tokens.len() + self.queues.work_left.tokens.len()
    }

    /// How many sockets were opened after this one.
    pub fn age(&self, token: Token) -> u32 {
        self.generations.age(token.generation())
    }

    /// The sockets in the `count` slots from slot `from` on, so that a caller can come by all
    /// sockets in steps.
    pub fn walk(&self, from: usize, count: usize) -> impl Iterator<Item = Token> {
        let end = from.saturating_add(count);
        let mut next = from;
        std::iter::from_fn(move || {
            let index = self.sockets.next_occupied(next).filter(|&index| index < end)?;
            next = index + 1;
            Some(Token::new(index, self.sockets.get(index)?.generation))
        })
    }

    /// A bound on the slots in use: all are below.
    pub fn end(&self) -> usize {
        self.sockets.end()
    }

    /// Bytes that the table takes, free slots included, but not what endpoints hold.
    pub fn memory(&self) -> usize {
        let Queues { new_events, work_left } = &self.queues;
        self.sockets.memory()
            + self.timers.memory()
            + (new_events.tokens.capacity() + work_left.tokens.capacity()) * size_of::<Token>()
    }

    /// Gives back a part of the memory that a crowd needed and the sockets that are left do not:
    /// once a turn, so that no turn takes long. The sockets' own slots went when they closed.
    /// Returns whether there is more to give back.
    pub fn shrink_a_little(&mut self) -> bool {
        if !self.may_shrink {
            return false;
        }
        let Queues { new_events, work_left } = &mut self.queues;
        for queue in [&mut new_events.tokens, &mut work_left.tokens] {
            if queue.capacity() > QUEUE_KEPT && queue.len() < queue.capacity() / 8 {
                queue.shrink_to(QUEUE_KEPT.max(2 * queue.len()));
            }
        }
        self.may_shrink = self.timers.shrink_to(self.sockets.end());
        self.may_shrink
    }
}
