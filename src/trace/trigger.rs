//! What the server is asked to look out for, `--trace-on`: as text and as values.

use crate::server::close::CloseReason;
use std::fmt;
use std::time::Duration;

/// Something at which the trace so far is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// A turn took longer than this.
    TurnLongerThan(Duration),
    /// A connection was closed for this reason.
    Close(CloseReason),
    /// Accepting paused, though clients may wait.
    AcceptPaused,
}

impl Trigger {
    /// The reason of this word, which [`CloseReason::word`] gives.
    pub fn reason(word: &str) -> Option<CloseReason> {
        CloseReason::ALL.into_iter().find(|reason| reason.word() == word)
    }
}

/// As `--trace-on` takes it.
impl fmt::Display for Trigger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Trigger::TurnLongerThan(limit) => {
                write!(f, "turn>{}.{:09}s", limit.as_secs(), limit.subsec_nanos())
            }
            Trigger::Close(reason) => write!(f, "close={}", reason.word()),
            Trigger::AcceptPaused => f.write_str("accept-paused"),
        }
    }
}
