//! How a connection is counted among all that are open.

use super::Connection;
use super::state::{Inbound, Outbound};
use crate::server::stats::standing::{Activity, Depth, Standing, Standings};

impl Connection {
    /// Whether requests are read and answered, and nothing else: most connections are so, and for
    /// them [`Connection::next_step`] is to stay.
    #[inline]
    pub fn is_open(&self) -> bool {
        self.state.is_open()
    }

    /// Counts the connection as it stands now. Call it when a visit has ended; `is_idle` tells that
    /// it is open and holds nothing, as most are.
    #[inline]
    pub fn recount(&mut self, is_idle: bool, counts: &mut Standings) {
        if !is_idle || self.counted.is_some() {
            self.recount_changed(counts);
        }
    }

    /// Counts the connection no longer: it is being closed.
    #[inline]
    pub fn uncount(&self, counts: &mut Standings) {
        if let Some(counted) = self.counted {
            counts.change(counted, Standing::default());
        }
    }

    #[inline(never)] // most visits change nothing
    fn recount_changed(&mut self, counts: &mut Standings) {
        let (before, now) = (self.counted.unwrap_or_default(), self.standing());
        if now != before {
            counts.change(before, now);
            self.counted = Some(now).filter(|&now| now != Standing::default());
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
}
