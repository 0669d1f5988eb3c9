//! What counts when two events are compared.

use crate::trace::event::{Event, TracedPeer};
use crate::trace::imported::Imported;

/// What one trace said of a connection before.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Track {
    pub(super) has_begun: bool,
    newest_cause: u64,
    newest_request: u64,
}

/// Whether a connection begins with this event.
pub(super) fn is_opening(event: &Event) -> bool {
    matches!(
        event,
        Event::Accepted { .. }
            | Event::Imported(Imported::Found { .. } | Imported::Connecting { .. })
    )
}

/// The event without what differs from run to run: times, ports, work, and numbers that are counted
/// over all connections. `None` if nothing of it counts.
pub(super) fn essence(event: &Event, track: &mut Track) -> Option<Event> {
    let mut event = *event;
    match &mut event {
        Event::Served { last, cause, count, .. } => {
            if *count > 0 {
                track.newest_request = *last;
            }
            *last = 0;
            *cause = track.distance(*cause);
        }
        Event::Sent { request, cause, .. } => {
            *request = u64::from(*request != track.newest_request);
            *cause = track.distance(*cause);
        }
        Event::Settled { work, .. } => *work = 0,
        Event::Accepted { peer, active, .. } => (*peer, *active) = (TracedPeer::Unix, 0),
        Event::Refused { peer, .. }
        | Event::ProxyHeader { peer, .. }
        | Event::Imported(Imported::Found { peer, .. } | Imported::Connecting { peer, .. }) => {
            *peer = TracedPeer::Unix;
        }
        Event::NotAccepted { why, .. } if !why.is_pause() => return None,
        // When a timer is set again, and how turns come about, is an accident of time.
        Event::TimerArmed { .. }
        | Event::TimersMoved { .. }
        | Event::TurnBegan { .. }
        | Event::TurnEnded { .. }
        | Event::ListenerReady { .. }
        | Event::Woken { .. }
        | Event::Recording
        | Event::Imported(
            Imported::Descriptor { .. } | Imported::ListCut { .. } | Imported::Unknown { .. },
        ) => return None,
        _ => {}
    }
    Some(event)
}

impl Track {
    /// 0 for the same cause as before, else 1.
    fn distance(&mut self, cause: u64) -> u64 {
        let is_other = cause != self.newest_cause;
        self.newest_cause = cause;
        u64::from(is_other)
    }
}
