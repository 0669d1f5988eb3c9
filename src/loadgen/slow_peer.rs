//! Slow readers and slow writers: clients on bad lines, or with bad intentions.
//!
//! A slow writer writes its requests a few bytes at a time. A slow reader sends many requests, and
//! reads the replies a few bytes at a time, so that they pile up in the server. Neither's requests
//! are part of the result: the result shows what they do to other clients.
//!
//! Invariant: one portion is moved in each period, however often the peer is visited.

use super::client_connection::ClientConnection;
use super::visit::{Visit, VisitEnd};
use crate::io::clock::Moment;
use crate::io::host::MonotonicClock;
use crate::io::net::Connect;
use std::time::Duration;

/// Portions are moved this often, or as often as there is a whole byte to be moved.
const PORTIONS_PER_SECOND: usize = 10;

/// A slow reader has this many requests in flight, so that there is always more to read.
const READER_PIPELINE: usize = 64;

/// What a slow peer does slowly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    Reads,
    Writes,
}

/// A client that reads or writes slowly.
#[derive(Debug)]
pub(super) struct SlowPeer {
    pub(super) client: ClientConnection,
    pub(super) trickle: Trickle,
}

/// How much is moved, and when.
#[derive(Debug)]
pub(super) struct Trickle {
    direction: Direction,
    /// In bytes a second.
    rate: usize,
    /// When the next portion is due.
    next: Moment,
}

impl SlowPeer {
    pub(super) fn new(connection: u64, direction: Direction, rate: usize) -> SlowPeer {
        let pipeline = match direction {
            Direction::Reads => READER_PIPELINE,
            Direction::Writes => 1,
        };
        SlowPeer {
            client: ClientConnection::new(connection, pipeline),
            trickle: Trickle { direction, rate: rate.max(1), next: Moment::START },
        }
    }
}

impl Trickle {
    /// Moves a portion, if it is time, of a run that goes on since `start`. Says when the next is
    /// due.
    pub(super) fn visit<N: Connect + MonotonicClock>(
        &mut self,
        visit: &mut Visit<'_, N>,
        start: Moment,
        now: Moment,
    ) -> Result<Moment, VisitEnd> {
        let (mut portion, until_next) = portion(self.rate, now.since(start));
        if self.next <= now {
            self.next = start + until_next;
        } else {
            portion = 0;
        }
        match self.direction {
            Direction::Reads => {
                if portion > 0 && visit.socket.ready.read {
                    visit.read(portion)?;
                }
                send_requests(visit, now)?;
            }
            Direction::Writes => {
                if visit.socket.ready.read {
                    visit.read(usize::MAX)?;
                }
                if portion > 0 {
                    if visit.client.has_room_in_pipeline() {
                        visit.begin_unpaced(now);
                    }
                    visit.send_portion(portion, now)?;
                }
            }
        }
        Ok(self.next)
    }
}

/// Sends as many requests as the pipeline and the kernel have room for.
fn send_requests<N: Connect + MonotonicClock>(
    visit: &mut Visit<'_, N>,
    now: Moment,
) -> Result<(), VisitEnd> {
    loop {
        let has_room = visit.client.has_room_in_pipeline();
        if has_room {
            visit.begin_unpaced(now);
        }
        visit.send(now)?;
        if !has_room || !visit.socket.ready.write {
            return Ok(());
        }
    }
}

/// The bytes to move at a time `since_start` of the run, and when the next are due. Both follow
/// from the time alone, so that neither fractions of bytes nor wake-ups that come late add up.
fn portion(rate: usize, since_start: Duration) -> (usize, Duration) {
    const NANOS: u128 = 1_000_000_000;
    let portions = rate.min(PORTIONS_PER_SECOND) as u128;
    let number = since_start.as_nanos() * portions / NANOS;
    let moved_by = |number: u128| number * rate as u128 / portions;
    let bytes = moved_by(number + 1) - moved_by(number);
    let next = ((number + 1) * NANOS).div_ceil(portions);
    (bytes as usize, Duration::from_nanos(next as u64))
}
