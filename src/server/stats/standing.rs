//! How the open connections stand: what each does between two visits, and how much output waits
//! for it.
//!
//! Invariant: each connection is counted once by its activity and once by its output queue. The
//! count moves where a visit ends, so no reader has to walk the table of connections.

use super::Stats;

#[cfg(test)]
mod tests;

/// What a connection does between two visits. The first row that fits, from the last upward.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Activity {
    /// No request has begun to arrive, and no output waits.
    #[default]
    Idle,
    /// A request has arrived in part.
    Reading,
    /// Output waits that the kernel has not taken.
    Sending,
    /// Requests wait: until the peer takes output, or for their share of the next turn.
    Stalled,
    /// The service sends without being asked, for as long as the peer takes it.
    Producing,
    /// No request is served any more, and output waits that goes before our FIN.
    Closing,
    /// Our FIN was sent, and the peer's is still to come.
    Lingering,
}

/// How much output waits for a connection: the depth of its queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Depth {
    /// None.
    #[default]
    Empty,
    /// Less than 4 KiB.
    Small,
    /// Less than 64 KiB.
    Medium,
    /// Less than 1 MiB.
    Large,
    /// 1 MiB or more.
    Huge,
}

impl Activity {
    /// Every activity, in the order of the statistics.
    pub const ALL: [Activity; 7] = [
        Activity::Idle,
        Activity::Reading,
        Activity::Sending,
        Activity::Stalled,
        Activity::Producing,
        Activity::Closing,
        Activity::Lingering,
    ];

    /// The name of the gauge.
    pub const fn name(self) -> &'static str {
        match self {
            Activity::Idle => "connections_idle",
            Activity::Reading => "connections_reading",
            Activity::Sending => "connections_sending",
            Activity::Stalled => "connections_stalled",
            Activity::Producing => "connections_producing",
            Activity::Closing => "connections_closing",
            Activity::Lingering => "connections_lingering",
        }
    }
}

impl Depth {
    /// Every depth, in the order of the statistics.
    pub const ALL: [Depth; 5] =
        [Depth::Empty, Depth::Small, Depth::Medium, Depth::Large, Depth::Huge];

    /// The depth of a queue with that many bytes.
    pub fn of(bytes: usize) -> Depth {
        match bytes {
            0 => Depth::Empty,
            1..0x1000 => Depth::Small,
            0x1000..0x1_0000 => Depth::Medium,
            0x1_0000..0x10_0000 => Depth::Large,
            _ => Depth::Huge,
        }
    }

    /// The name of the gauge.
    pub const fn name(self) -> &'static str {
        match self {
            Depth::Empty => "output_queue_empty",
            Depth::Small => "output_queue_small",
            Depth::Medium => "output_queue_medium",
            Depth::Large => "output_queue_large",
            Depth::Huge => "output_queue_huge",
        }
    }
}

/// How one connection stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// What it does.
    pub activity: Activity,
    /// How much output waits.
    pub depth: Depth,
}

/// Connections by activity and by depth. Those of the first kinds, idle and with nothing that
/// waits, are not counted: they are all others that are open, and most change nothing else.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standings {
    /// In the order of [`Activity::ALL`], without the first.
    pub(super) activities: [u64; Activity::ALL.len() - 1],
    /// In the order of [`Depth::ALL`], without the first.
    pub(super) depths: [u64; Depth::ALL.len() - 1],
}

impl Standings {
    /// A connection that was counted as `before` is counted as `after`.
    pub fn change(&mut self, before: Standing, after: Standing) {
        let [down, up] = [before, after].map(|it| (it.activity as usize, it.depth as usize));
        for (counts, (down, up)) in
            [(&mut self.activities[..], (down.0, up.0)), (&mut self.depths[..], (down.1, up.1))]
        {
            // The first kind has no place.
            let mut add = |kind: usize, change: fn(u64) -> u64| {
                if let Some(count) = kind.checked_sub(1).and_then(|place| counts.get_mut(place)) {
                    *count = change(*count);
                }
            };
            add(down, |count| count.saturating_sub(1));
            add(up, |count| count + 1);
        }
    }
}

impl Stats {
    /// The gauges of all standings, by name.
    pub(super) fn standing_gauges(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let Standings { activities, depths } = &self.standings;
        let others = |counted: &[u64]| self.open().saturating_sub(counted.iter().sum());
        let activities = [others(activities)].into_iter().chain(*activities);
        let depths = [others(depths)].into_iter().chain(*depths);
        let activities = Activity::ALL.iter().map(|it| it.name()).zip(activities);
        activities.chain(Depth::ALL.iter().map(|it| it.name()).zip(depths))
    }
}
