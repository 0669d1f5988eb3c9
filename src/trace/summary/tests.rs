//! Who waited for what: for a peer, for a place.

use super::*;
use crate::conn::Outbound;
use crate::io::readiness::Readiness;
use crate::server::close::CloseReason;
use crate::trace::event::{TracedPeer, VisitCause};

/// A summary, and the milliseconds at which what it is told happens.
#[derive(Default)]
struct Told(Summary);

impl Told {
    fn at(&mut self, millis: u64, event: Event) {
        self.0.add(&Entry { time: Moment::from_nanos(millis * 1_000_000), cause: 0, event });
    }

    fn settled(&mut self, millis: u64, connection: Number, waiting: (u32, u32), queued: Queued) {
        let (unparsed, unsent) = waiting;
        let (inbound, outbound, ready) = (Inbound::Open, Outbound::Open, Readiness::default());
        let work = 1;
        self.at(
            millis,
            Event::Settled { connection, inbound, outbound, ready, queued, unparsed, unsent, work },
        );
    }

    fn text(&self) -> String {
        self.0.to_string()
    }
}

#[test]
fn waits_for_a_peer_are_told_apart_and_those_for_the_server_are_none() {
    let mut told = Told::default();
    told.settled(1, 1, (64, 0), Queued::No);
    told.settled(2, 2, (0, 5000), Queued::No);
    told.settled(2, 3, (64, 9), Queued::RequestsWait);
    told.settled(3, 2, (0, 7000), Queued::No);
    told.settled(101, 1, (0, 0), Queued::No);
    told.settled(102, 3, (0, 0), Queued::No);
    let text = told.text();
    let rest = "\n  longest waits for the rest of a request\n   100.0 ms #1 from 0.001000000, with \
                64 bytes\n\n";
    assert!(text.contains(rest), "{text}");
    let read = "  longest waits for a peer to read\n   100.0 ms #2 from 0.002000000, with 7000 \
                bytes, and still waits\n";
    assert!(text.ends_with(read), "{text}");
    let (reason, is_reset, lost) = (CloseReason::WriteTimeout, true, 7000);
    told.at(202, Event::Closed { connection: 2, reason, is_reset, lost });
    let text = told.text();
    assert!(text.ends_with("   200.0 ms #2 from 0.002000000, with 7000 bytes\n"), "{text}");
}

#[test]
fn a_gap_ends_what_is_known_of_waits() {
    let mut told = Told::default();
    told.settled(1, 1, (64, 64), Queued::No);
    told.0.gap();
    told.settled(100, 1, (0, 0), Queued::No);
    assert!(!told.text().contains("longest waits"), "{}", told.text());
}

#[test]
fn a_pause_lasts_until_a_client_is_accepted_or_the_end() {
    let mut told = Told::default();
    assert!(told.text().contains("\naccepting paused: 0 times\n"), "{}", told.text());
    let (listener, why) = (0, NoAccept::Full);
    told.at(10, Event::NotAccepted { listener, why });
    let (connection, peer, active) = (2, TracedPeer::Unix, 1);
    told.at(110, Event::Accepted { connection, listener, peer, active });
    let text = told.text();
    assert!(text.contains("\naccepting paused: 1 time, 100.0 ms in all\n"), "{text}");
    told.at(200, Event::NotAccepted { listener, why });
    told.settled(250, 2, (0, 0), Queued::No);
    let text = told.text();
    assert!(text.contains("\naccepting paused: 2 times, 150.0 ms in all\n"), "{text}");
}

#[test]
fn the_connection_that_takes_most_time_is_the_first() {
    let mut told = Told::default();
    told.at(0, Event::TurnBegan { events: 2, waited: 0 });
    for (millis, connection, count) in [(0, 1, 1), (1, 2, 492)] {
        told.at(millis, Event::Visit { connection, cause: VisitCause::Ready });
        let (last, left, reply, cause) = (0, 0, 0, 0);
        told.at(millis, Event::Served { connection, count, last, left, reply, cause });
    }
    told.settled(31, 2, (0, 0), Queued::No);
    let text = told.text();
    let list = " at work\n    30.0 ms #2: 492 requests in 1 visit\n     1.0 ms #1: 1 request in 1 \
                visit\n";
    assert!(text.contains(list), "{text}");
}
