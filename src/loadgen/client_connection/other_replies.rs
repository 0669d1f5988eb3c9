//! Replies that have to be looked at closely: most are not what they should be, or not in their
//! turn.

use super::{ClientConnection, Desynchronized, up_to};
use crate::counted::counted;
use crate::io::clock::Moment;
use crate::loadgen::accounting::{RequestAccounting, Verification};
use crate::loadgen::codec::{ReplyMatch, Verdict, WorkloadCodec};
use crate::loadgen::payload::RequestId;
use crate::server::client_log::Escaped;

/// Bytes of a wrong reply that are shown.
pub(super) const SHOWN: usize = 160;

/// What is wrong with a reply.
#[derive(Clone, Copy, Debug)]
pub(super) enum Fault {
    /// It has other bytes than the expected one.
    Wrong,
    /// No answer was due.
    NotDue,
    /// It is right, but for another connection's request.
    Foreign(RequestId),
    /// It is right for this request, and came after the answer to a later one.
    Swapped(u64),
    /// It is right for this request, which is not in flight.
    Doubled(u64),
}

/// Describes bytes that came when no answer was due.
pub(super) fn not_due(connection: u64, bytes: &[u8]) -> String {
    let got = Escaped(up_to(bytes, SHOWN));
    format!("connection {connection}: got {got}, but no answer was due")
}

impl ClientConnection {
    /// Takes a reply that has to be looked at closely, and says how long it is; `None` if it is not
    /// whole.
    pub(super) fn take_other_reply(
        &mut self,
        bytes: &[u8],
        codec: &mut WorkloadCodec,
        accounting: &mut RequestAccounting,
        now: Moment,
    ) -> Result<Option<usize>, Desynchronized> {
        match codec.examine(self.id(self.oldest()), bytes, self.in_flight <= 1) {
            ReplyMatch::Incomplete => Ok(None),
            // Part of an answer that was not asked for: the answer to the next request, at best.
            ReplyMatch::Part(_) if self.in_flight == 0 => Ok(None),
            ReplyMatch::Part(len) => {
                self.unfinished.follow(0, up_to(bytes, len));
                Ok(Some(len))
            }
            ReplyMatch::Desynchronized => Err(Desynchronized),
            ReplyMatch::Unsolicited(len) => {
                let fault = if self.in_flight == 0 { Fault::NotDue } else { Fault::Wrong };
                self.describe_mismatch(fault, up_to(bytes, len), codec, accounting);
                accounting.unsolicited(|mismatches| mismatches.unexpected += 1);
                Ok(Some(len))
            }
            ReplyMatch::Reply(len, verdict) => {
                self.unfinished.follow(len, b"");
                self.settle(up_to(bytes, len), verdict, codec, accounting, now);
                Ok(Some(len))
            }
        }
    }

    /// Takes the peer's FIN. Tells whether it ended a reply.
    pub(in crate::loadgen) fn receive_eof(
        &mut self,
        codec: &WorkloadCodec,
        accounting: &mut RequestAccounting,
        now: Moment,
    ) -> bool {
        let held = std::mem::take(&mut self.unparsed);
        if self.in_flight > 0
            && let ReplyMatch::Reply(len, verdict) = codec.examine_at_end(held.bytes())
        {
            self.settle(up_to(held.bytes(), len), verdict, codec, accounting, now);
            return true;
        }
        self.unparsed = held;
        self.describe_unfinished(codec, accounting);
        false
    }

    /// Accounts for a reply.
    fn settle(
        &mut self,
        reply: &[u8],
        verdict: Verdict,
        codec: &WorkloadCodec,
        accounting: &mut RequestAccounting,
        now: Moment,
    ) {
        let verification = match verdict {
            Verdict::Right => Verification::Verified,
            Verdict::Unverified => Verification::Unverified,
            Verdict::Wrong => Verification::Corrupt,
            Verdict::Another(other) => {
                return self.settle_other(other, reply, codec, accounting, now);
            }
        };
        if self.in_flight == 0 {
            self.describe_mismatch(Fault::NotDue, reply, codec, accounting);
        } else if verification == Verification::Corrupt {
            self.describe_mismatch(Fault::Wrong, reply, codec, accounting);
        }
        let kind = codec.kind(self.id(self.oldest()));
        match self.take_oldest(1, now) {
            Some(request) => accounting.answered(request, verification, kind, now),
            None => accounting.unsolicited(|mismatches| mismatches.unexpected += 1),
        }
    }

    /// Accounts for a reply that is right, but answers another request than the oldest in flight.
    fn settle_other(
        &mut self,
        other: RequestId,
        reply: &[u8],
        codec: &WorkloadCodec,
        accounting: &mut RequestAccounting,
        now: Moment,
    ) {
        if other.connection != self.connection & u64::from(u32::MAX) {
            self.describe_mismatch(Fault::Foreign(other), reply, codec, accounting);
            return accounting.unsolicited(|mismatches| mismatches.foreign += 1);
        }
        let kind = codec.kind(other);
        if (self.oldest()..self.sequence).contains(&other.sequence) {
            let mut sequence = self.oldest();
            while sequence < other.sequence
                && let Some(request) = self.take_oldest(1, now)
            {
                self.missed.set_aside(sequence, request);
                sequence += 1;
            }
            if let Some(request) = self.take_oldest(1, now) {
                accounting.answered(request, Verification::Verified, kind, now);
            }
            self.free_since = now;
        } else if let Some(request) = self.missed.take(other.sequence) {
            let fault = Fault::Swapped(other.sequence);
            self.describe_mismatch(fault, reply, codec, accounting);
            accounting.answered(request, Verification::Swapped, kind, now);
        } else if !self.missed.late_reply_came(other.sequence, accounting) {
            let fault = Fault::Doubled(other.sequence);
            self.describe_mismatch(fault, reply, codec, accounting);
            accounting.unsolicited(|mismatches| mismatches.doubled += 1);
        }
    }

    /// Describes what has come of the answer to the oldest request, if it has begun to come. It
    /// will not come whole any more.
    pub(in crate::loadgen) fn describe_unfinished(
        &self,
        codec: &WorkloadCodec,
        accounting: &mut RequestAccounting,
    ) {
        let (connection, request) = (self.connection, self.oldest());
        let rest = self.unparsed.bytes();
        if self.in_flight == 0 || self.unfinished.len() + rest.len() as u64 == 0 {
            return;
        }
        accounting.unfinished(|| {
            let shown = self.unfinished.shown(rest);
            let all = counted(self.unfinished.len() + rest.len() as u64, "byte");
            let expected = codec.describe_reply(self.id(request));
            format!(
                "connection {connection}, request {request}: got {all}, {}, expected {}",
                Escaped(&shown),
                Escaped(up_to(&expected, SHOWN))
            )
        });
    }

    pub(super) fn describe_mismatch(
        &self,
        fault: Fault,
        reply: &[u8],
        codec: &WorkloadCodec,
        accounting: &mut RequestAccounting,
    ) {
        let (connection, request) = (self.connection, self.oldest());
        // It came late, or the connection was not open before its first request.
        let may_be_greeting = codec.may_be_greeted() && request == self.first_of_connection;
        let hint =
            if may_be_greeting { " (is it the server's greeting? see --greeting)" } else { "" };
        accounting.mismatch(|| {
            let got = Escaped(up_to(reply, SHOWN));
            match fault {
                Fault::Wrong => {
                    let expected = codec.describe_reply(self.id(request));
                    let expected = Escaped(up_to(&expected, SHOWN));
                    format!(
                        "connection {connection}, request {request}: got {got}, expected \
                         {expected}{hint}"
                    )
                }
                Fault::NotDue => not_due(connection, reply),
                Fault::Foreign(other) => format!(
                    "connection {connection}, request {request}: got {got}, the answer to request \
                     {} of connection {}",
                    other.sequence, other.connection
                ),
                Fault::Swapped(other) => format!(
                    "connection {connection}, request {other}: got {got}, the right answer, but \
                     after the answer to a later request"
                ),
                Fault::Doubled(other) => format!(
                    "connection {connection}: got {got}, the answer to request {other}, which was \
                     answered before"
                ),
            }
        });
    }
}
