//! Where traces part is found, whatever their times, ports and turns.

use super::*;
use crate::conn::Deadline;
use crate::io::clock::Moment;
use crate::trace::event::{RecvEnd, TracedPeer, VisitCause};
use crate::trace::tests::{entries, events};
use proptest::collection::vec;
use proptest::prelude::*;

/// A connection that is accepted, receives these bytes, and is closed.
fn connection(number: Number, received: &[u32]) -> Vec<Event> {
    let peer = TracedPeer::Inet(([127, 0, 0, 1], 40_000 + number as u16).into());
    let mut events = vec![
        Event::Accepted { connection: number, listener: 0, peer, active: number },
        Event::Visit { connection: number, cause: VisitCause::Opened },
    ];
    events.extend(received.iter().map(|&moved| Event::Received {
        connection: number,
        asked: 65_536,
        moved,
        end: RecvEnd::Short,
    }));
    let reason = CloseReason::PeerClosed;
    events.push(Event::Closed { connection: number, reason, is_reset: false, lost: 0 });
    events
}

fn timed(events: Vec<Event>, every: u64) -> Vec<Entry> {
    let entry = |(at, event)| Entry { time: Moment::from_nanos(at * every), cause: 0, event };
    (0..).zip(events).map(entry).collect()
}

fn report(a: &[Entry], b: &[Entry]) -> Report {
    let mut diff = Diff::default();
    for at in 0..a.len().max(b.len()) {
        a.get(at).into_iter().for_each(|entry| diff.add(A, entry));
        b.get(at).into_iter().for_each(|entry| diff.add(B, entry));
    }
    diff.finish()
}

#[test]
fn times_turns_and_the_order_of_connections_do_not_count() {
    let a = [connection(1, &[5, 6]), connection(2, &[7])].concat();
    let turn = Event::TurnBegan { events: 3, waited: 9 };
    let timer = Event::TimerArmed { connection: 2, deadline: Deadline::Idle, after: 5 };
    let mut b = [connection(2, &[7]), vec![turn], connection(1, &[5, 6])].concat();
    b.insert(1, timer);
    let report = report(&timed(a, 10), &timed(b, 77));
    assert_eq!((report.same, report.paired, report.diverged, report.partly), (9, 2, 0, 0));
}

#[test]
fn the_first_divergence_is_told_with_what_followed() {
    let a = [connection(1, &[5, 6]), connection(2, &[7, 8])].concat();
    let b = [connection(1, &[5, 9, 4]), connection(2, &[7])].concat();
    let report = report(&timed(a, 1), &timed(b, 1));
    assert_eq!((report.same, report.paired, report.diverged), (3 + 3, 2, 2));
    let first = &report.divergences[0];
    assert_eq!((first.connection, first.same, first.place), (1, 3, [3, 3]));
    let bytes = |entry: &Entry| match entry.event {
        Event::Received { moved, .. } => moved,
        _ => 0,
    };
    assert_eq!(first.at.map(|entry| entry.map(|entry| bytes(&entry))), [Some(6), Some(9)]);
    assert_eq!(first.after.each_ref().map(Vec::len), [1, 2]);
    assert_eq!(first.outcome.map(|outcome| outcome.received), [11, 18]);
    let second = &report.divergences[1];
    assert_eq!((second.connection, second.place), (2, [8, 9]));
    assert_eq!(second.outcome[1].closed, Some(CloseReason::PeerClosed));
}

#[test]
fn a_connection_that_one_trace_lacks_is_a_divergence() {
    let a = [connection(1, &[5]), connection(2, &[7])].concat();
    let report = report(&timed(a, 1), &timed(connection(1, &[5]), 1));
    assert_eq!((report.same, report.diverged), (4, 1));
    assert_eq!(report.divergences[0].connection, 2);
    assert!(report.divergences[0].at[B].is_none());
}

#[test]
fn connections_without_their_beginning_are_left_out() {
    let whole = timed(connection(1, &[5, 6]), 1);
    assert_eq!(report(&whole, &whole[2..]).partly, 1);
    let mut diff = Diff::default();
    whole[..2].iter().for_each(|entry| diff.add(A, entry));
    diff.gap(A);
    whole[3..].iter().for_each(|entry| diff.add(A, entry));
    whole.iter().for_each(|entry| diff.add(B, entry));
    let report = diff.finish();
    assert_eq!((report.partly, report.diverged), (1, 0));
}

proptest! {
    /// A trace is the same as itself, in whatever steps both are read; and nothing panics.
    #[test]
    fn a_trace_is_the_same_as_itself(
        happened in vec((0..9_u64, events()), 0..120),
        lead in 0..60_usize,
    ) {
        let mut closed = std::collections::HashSet::new();
        let mut entries = entries(happened);
        // Nothing happens to a connection behind its end.
        entries.retain(|entry| {
            let is_closed = entry.event.connection().is_some_and(|it| closed.contains(&it));
            if let Event::Closed { connection, .. } = entry.event {
                closed.insert(connection);
            }
            !is_closed
        });
        let mut diff = Diff::default();
        for at in 0..entries.len() + lead {
            entries.get(at).into_iter().for_each(|entry| diff.add(A, entry));
            let behind = at.checked_sub(lead).and_then(|at| entries.get(at));
            behind.into_iter().for_each(|entry| diff.add(B, entry));
        }
        let report = diff.finish();
        prop_assert_eq!(report.diverged, 0);
        let other = entries.iter().rev().copied().collect::<Vec<_>>();
        let _ = super::tests::report(&entries, &other);
    }
}
