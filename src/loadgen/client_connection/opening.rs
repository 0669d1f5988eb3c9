//! What a server sends before the first request of a connection: a greeting that was declared, or
//! bytes that were not.

use super::unfinished::Unfinished;
use super::{ClientConnection, Desynchronized, up_to};
use crate::io::clock::Moment;
use crate::loadgen::accounting::RequestAccounting;
use crate::loadgen::codec::{Conversation, ReplyMatch, Verdict, WorkloadCodec};
use crate::server::client_log::Escaped;
use std::time::Duration;

/// How long FIN is awaited behind bytes that were not declared: a server that refuses a connection
/// may say why, and closes.
const REFUSAL_GRACE: Duration = Duration::from_millis(100);

/// What to do about bytes that came before any request.
const HOW_TO_DECLARE: &str = " (if it greets its clients, declare that \
    with --greeting TEXT, --greeting-bytes N or --greeting-until TEXT)";

/// Bytes of a greeting that are shown.
const SHOWN: usize = 160;

/// What has to be seen before the first request is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Opening {
    /// Nothing: requests may be sent.
    Done,
    /// The greeting that was declared, since the connection was opened.
    Greeting { since: Moment },
    /// Bytes came that were not declared: either a greeting, or a refusal that FIN will follow.
    Undeclared { since: Moment },
}

/// The server speaks first, and that was not declared.
#[derive(Debug)]
pub(in crate::loadgen) struct SpeaksFirst;

impl ClientConnection {
    /// Whether nothing has to be seen before a request may be sent.
    #[inline]
    pub(in crate::loadgen) fn is_past_opening(&self) -> bool {
        self.opening == Opening::Done
    }

    /// Whether no request has gone out on the present connection.
    #[inline]
    pub(super) fn is_unused(&self) -> bool {
        self.sequence == self.first_of_connection
    }

    /// Takes bytes that came before the first request.
    pub(super) fn receive_opening(
        &mut self,
        input: &[u8],
        codec: &WorkloadCodec,
        accounting: &mut RequestAccounting,
        now: Moment,
    ) -> Result<(), Desynchronized> {
        if let Opening::Undeclared { .. } = self.opening {
            // No more than is shown.
            let room = SHOWN.saturating_sub(self.unparsed.len());
            self.unparsed.extend(up_to(input, room), now);
            return Ok(());
        }
        self.unparsed.extend(input, now);
        if let Opening::Greeting { .. } = self.opening {
            let bytes = self.unparsed.bytes();
            match codec.examine_greeting(bytes) {
                ReplyMatch::Reply(len, Verdict::Right) => {
                    self.unparsed.consume(len, now);
                    self.unfinished = Unfinished::default();
                    self.opening = Opening::Done;
                    self.free_since = now;
                }
                ReplyMatch::Reply(len, _) => {
                    let (connection, got) =
                        (self.connection, Escaped(up_to(bytes, len.min(SHOWN))));
                    accounting.unsolicited(|mismatches| mismatches.unexpected += 1);
                    accounting.mismatch(|| {
                        format!(
                            "connection {connection}: the server's greeting is {got}, and \
                             --greeting declares {}",
                            Escaped(up_to(&codec.describe_greeting(), SHOWN))
                        )
                    });
                    return Err(Desynchronized);
                }
                ReplyMatch::Part(len) => {
                    self.unfinished.follow(0, up_to(bytes, len));
                    self.unparsed.consume(len, now);
                }
                ReplyMatch::Incomplete
                | ReplyMatch::Unsolicited(_)
                | ReplyMatch::Desynchronized => {}
            }
        }
        if self.opening == Opening::Done && !self.unparsed.is_empty() {
            self.opening = Opening::Undeclared { since: now };
        }
        Ok(())
    }

    /// Whether bytes that come now come before the first request, and have to be looked at for
    /// that.
    #[inline]
    pub(super) fn is_opening(&self, codec: &WorkloadCodec) -> bool {
        self.is_unused() && codec.conversation() == Conversation::RequestReply
    }

    /// When the opening has taken too long.
    pub(super) fn opening_deadline(&self, timeout: Duration) -> Moment {
        match self.opening {
            Opening::Done => Moment::NEVER,
            Opening::Greeting { since } => since + timeout,
            Opening::Undeclared { since } => since + REFUSAL_GRACE,
        }
    }

    /// Acts on an opening that has taken too long: the connection is of no use. Tells whether that
    /// is because the server speaks first.
    pub(in crate::loadgen) fn expire_opening(
        &self,
        timeout: Duration,
        now: Moment,
    ) -> Result<Result<(), Desynchronized>, SpeaksFirst> {
        match self.opening {
            _ if self.opening_deadline(timeout) > now => Ok(Ok(())),
            Opening::Undeclared { .. } => Err(SpeaksFirst),
            Opening::Greeting { .. } | Opening::Done => Ok(Err(Desynchronized)),
        }
    }

    /// What came instead of the greeting that was declared; nothing, if it has come or none was
    /// declared.
    pub(in crate::loadgen) fn describe_missed_greeting(
        &self,
        codec: &WorkloadCodec,
    ) -> Option<String> {
        let Opening::Greeting { .. } = self.opening else { return None };
        let shown = self.unfinished.shown(self.unparsed.bytes());
        let got = match shown.as_slice() {
            [] => "nothing".to_owned(),
            shown => Escaped(shown).to_string(),
        };
        let declared = codec.describe_greeting();
        let declared = Escaped(up_to(&declared, SHOWN));
        Some(format!(
            "the server's greeting is not the one that was declared: it sent {got}, and \
             --greeting declares {declared}"
        ))
    }

    /// The bytes that came before the first request, and what to do about it.
    pub(in crate::loadgen) fn describe_undeclared(&self) -> String {
        let sent = Escaped(self.unparsed.bytes());
        format!("the server sent {sent} before any request{HOW_TO_DECLARE}")
    }
}
