//! How a connection is counted among all that are open.

use super::Connection;
use super::state::{Inbound, Outbound, State};
use crate::server::stats::standing::{Activity, Depth, Standing, Standings};

impl Connection {
    /// Counts the connection as it stands now. Call it when a visit has ended.
    #[inline]
    pub fn recount(&mut self, counts: &mut Standings) {
        let is_idle = self.state == State::new() && self.is_empty();
        if !is_idle || self.counted != Standing::default() {
            self.recount_changed(counts);
        }
    }

    /// Counts the connection no longer: it is being closed.
    #[inline]
    pub fn uncount(&self, counts: &mut Standings) {
        if self.counted != Standing::default() {
            counts.change(self.counted, Standing::default());
        }
    }

    #[inline(never)] // most visits change nothing
    fn recount_changed(&mut self, counts: &mut Standings) {
        let now = self.standing();
        if now != self.counted {
            counts.change(self.counted, now);
            self.counted = now;
        }
    }

    /// How the connection stands.
    pub fn standing(&self) -> Standing {
        let (inbound, outbound) = self.stage();
        let activity = match (outbound, inbound) {
            (Outbound::FinSent(_), _) => Activity::Lingering,
            (Outbound::Closing(_) | Outbound::Aborting(_) | Outbound::Failed(_), _) => {
                Activity::Closing
            }
            (Outbound::Producing, _) => Activity::Producing,
            (Outbound::Open, Inbound::Stalled) => Activity::Stalled,
            (Outbound::Open, _) if !self.unsent.is_empty() => Activity::Sending,
            (Outbound::Open, _) if !self.unparsed.is_empty() => Activity::Reading,
            (Outbound::Open, _) => Activity::Idle,
        };
        Standing { activity, depth: Depth::of(self.unsent.len()) }
    }

    /// Whether neither input nor output waits.
    fn is_empty(&self) -> bool {
        self.unparsed.is_empty() && self.unsent.is_empty()
    }
}
