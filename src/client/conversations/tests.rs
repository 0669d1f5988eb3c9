//! The conversations, each called as a session calls it.

mod checking;
mod clock;
mod talking;

use crate::client::session::{Conversation, NextAction, Writer};
use crate::io::clock::WallTime;
use crate::io::host::{Host, WallClock};
use std::cell::Cell;
use std::net::{Ipv4Addr, SocketAddr};

/// What a conversation has around it: a clock, an address, and what it said.
struct Stage {
    time: Cell<WallTime>,
    local: SocketAddr,
    said: Vec<u8>,
}

impl Host for Cell<WallTime> {}

impl WallClock for Cell<WallTime> {
    fn wall_time(&self) -> WallTime {
        self.get()
    }
}

impl Stage {
    fn new() -> Stage {
        let local = SocketAddr::from((Ipv4Addr::new(165, 165, 80, 80), 50_000));
        Stage { time: Cell::default(), local, said: Vec::new() }
    }

    fn connected(&mut self, conversation: &mut impl Conversation) -> NextAction {
        conversation.connected(&mut Writer::new(Some(self.local), &self.time, &mut self.said))
    }

    fn answered(
        &mut self,
        conversation: &mut impl Conversation,
        answer: &[u8],
    ) -> Result<NextAction, String> {
        conversation
            .answered(answer, &mut Writer::new(Some(self.local), &self.time, &mut self.said))
    }

    fn resumed(&mut self, conversation: &mut impl Conversation) -> NextAction {
        conversation.resumed(&mut Writer::new(Some(self.local), &self.time, &mut self.said))
    }

    /// What was said since the last call.
    fn take_said(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.said)
    }
}
