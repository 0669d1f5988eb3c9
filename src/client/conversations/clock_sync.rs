//! Clock offset by Cristian's algorithm ("Probabilistic clock synchronization", 1989), with the two
//! server stamps of NTP (RFC 5905, section 8).
//!
//! ```text
//! server ------- t2 == t3 -------      t2: request read   t3: reply made
//!               /        \
//! client ---- t1 -------- t4 ----      t1: before sending t4: after receiving
//! ```
//!
//! The request took some time, the reply some, together `(t4-t1) - (t3-t2)`; how it was divided is
//! unknown. Assuming halves, the offset is off by at most half of it. So the sample with the
//! smallest round trip is the best, and its half is a bound, not an estimate.

use crate::client::session::{Conversation, Expect, NextAction, Writer};
use crate::io::clock::WallTime;
use crate::server::client_log::Escaped;

/// Four stamps of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// Our clock before sending.
    pub sent: WallTime,
    /// The server's clock when it had read the request.
    pub read: WallTime,
    /// The server's clock when it made the reply.
    pub replied: WallTime,
    /// Our clock after receiving.
    pub received: WallTime,
}

/// What a sample says about the server's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Estimate {
    /// How far the server's clock is ahead of ours, in nanoseconds.
    pub offset_ns: i128,
    /// The offset is within plus or minus this, in nanoseconds.
    pub bound_ns: i128,
}

impl Sample {
    /// The time on the way, both ways together, in nanoseconds. Less than zero if a clock was set
    /// meanwhile, or the server's stamps are made up.
    pub fn round_trip_ns(&self) -> i128 {
        (nanos(self.received) - nanos(self.sent)) - (nanos(self.replied) - nanos(self.read))
    }

    /// The offset and its bound, rounded so that the bound holds.
    pub fn estimate(&self) -> Estimate {
        let there = nanos(self.read) - nanos(self.sent);
        let back = nanos(self.replied) - nanos(self.received);
        let offset_ns = (there + back).div_euclid(2);
        Estimate { offset_ns, bound_ns: (self.round_trip_ns() + 1).div_euclid(2) + 1 }
    }
}

fn nanos(time: WallTime) -> i128 {
    i128::from(time.seconds) * 1_000_000_000 + i128::from(time.nanos)
}

const CONTRADICTION: &str = "the clocks contradict each other: the server says that it took longer \
                             than the whole round trip (was one of them set meanwhile? try again)";

/// A session that takes samples, one after the other.
#[derive(Debug)]
pub struct ClockSync {
    wanted: usize,
    sent: WallTime,
    samples: Vec<Sample>,
}

impl ClockSync {
    /// A session that will take `wanted` samples, at least one.
    pub fn new(wanted: usize) -> ClockSync {
        ClockSync { wanted, sent: WallTime::default(), samples: Vec::new() }
    }

    /// How many samples were taken.
    pub fn count(&self) -> usize {
        self.samples.len()
    }

    /// The sample with the smallest round trip.
    pub fn best(&self) -> Option<Sample> {
        self.samples.iter().copied().min_by_key(Sample::round_trip_ns)
    }

    fn ask(&mut self, writer: &mut Writer<'_>) -> NextAction {
        self.sent = writer.wall_clock.wall_time();
        writer.send_frame(b"TIME");
        NextAction::Await(Expect::Frame)
    }
}

impl Conversation for ClockSync {
    fn connected(&mut self, writer: &mut Writer<'_>) -> NextAction {
        self.ask(writer)
    }

    fn answered(&mut self, answer: &[u8], writer: &mut Writer<'_>) -> Result<NextAction, String> {
        let received = writer.wall_clock.wall_time();
        let (read, replied) = stamps(answer).ok_or_else(|| {
            format!("the answer to TIME is not two clock stamps: {}", Escaped(answer))
        })?;
        let sample = Sample { sent: self.sent, read, replied, received };
        if sample.round_trip_ns() < 0 {
            return Err(CONTRADICTION.to_owned());
        }
        self.samples.push(sample);
        Ok(if self.samples.len() < self.wanted { self.ask(writer) } else { NextAction::Finish })
    }
}

/// `SECONDS.NANOSECONDS SECONDS.NANOSECONDS`
fn stamps(answer: &[u8]) -> Option<(WallTime, WallTime)> {
    let (read, replied) = std::str::from_utf8(answer).ok()?.split_once(' ')?;
    Some((stamp(read)?, stamp(replied)?))
}

fn stamp(text: &str) -> Option<WallTime> {
    let (seconds, nanos) = text.split_once('.')?;
    let is_number = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if nanos.len() != 9 || !is_number(seconds) || !is_number(nanos) {
        return None;
    }
    Some(WallTime { seconds: seconds.parse().ok()?, nanos: nanos.parse().ok()? })
}
