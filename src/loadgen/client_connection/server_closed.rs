//! What it means that the server closes, and what becomes of requests that were on their way.

use super::ClientConnection;
use crate::io::clock::Moment;
use crate::loadgen::accounting::RequestAccounting;
use crate::loadgen::codec::WorkloadCodec;
use crate::loadgen::counters::LATE;
use crate::loadgen::ends::RequestEnd;
use std::time::Duration;

/// A server that closes because of an answer does so within this time of it: the FIN may be a
/// scheduling delay behind the answer's last byte.
const PROMPTLY: Duration = Duration::from_millis(100);

/// What it means that the server has closed a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::loadgen) enum ServerClosed {
    /// All was answered, and it closed right then.
    AfterLastAnswer,
    /// It closed right behind an answer, and requests were on their way to it.
    AheadOfRequests,
    /// All was answered, or nothing was asked.
    BetweenRequests,
    /// It owed answers.
    InFlight,
}

impl ClientConnection {
    /// What it means that the server has closed or reset the present connection at `now`.
    pub(in crate::loadgen) fn on_server_closed(&self, now: Moment) -> ServerClosed {
        let prompt = self.last_answer.filter(|&at| now.since(at) <= PROMPTLY);
        match prompt {
            _ if self.is_answered() && prompt.is_some() => ServerClosed::AfterLastAnswer,
            _ if self.is_answered() => ServerClosed::BetweenRequests,
            // What is in flight was sent before the FIN could be known, and no byte of a reply to
            // it has come.
            Some(at)
                if self.unparsed.is_empty()
                    && !self.is_reply_begun
                    && self.missed.awaited() == 0
                    && self.pending.back().is_some_and(|last| last.sent() <= at + LATE) =>
            {
                ServerClosed::AheadOfRequests
            }
            _ => ServerClosed::InFlight,
        }
    }

    /// Whether a reply has come on the present connection.
    pub(in crate::loadgen) fn has_answered(&self) -> bool {
        self.last_answer.is_some()
    }

    /// Takes back what is in flight, to send it again on the next connection.
    pub(in crate::loadgen) fn take_back(&mut self) {
        self.taken_back.extend(self.pending.drain(..));
        self.in_flight = 0;
    }

    /// There is no next connection for what was taken back.
    pub(in crate::loadgen) fn lose_taken_back(&mut self, accounting: &mut RequestAccounting) {
        for request in self.taken_back.drain(..) {
            accounting.cut_off(request, RequestEnd::Lost);
        }
    }

    /// Sends again what was taken back. Its times go on.
    pub(super) fn begin_again(
        &mut self,
        codec: &mut WorkloadCodec,
        accounting: &mut RequestAccounting,
        output: &mut Vec<u8>,
    ) {
        for mut together in std::mem::take(&mut self.taken_back) {
            accounting.resent(&together);
            while together.count() > 1 {
                self.begin(together.split(1), codec, output);
            }
            self.begin(together, codec, output);
        }
    }
}
