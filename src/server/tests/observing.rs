//! What a recorder is told: the chain from an event to the send, and the reasons.

use super::bench::{Bench, CHARGEN, FRAMED, frame};
use crate::io::clock::Moment;
use crate::io::event_loop::{EventHandler, LoopControl};
use crate::server::close::CloseReason;
use crate::server::limits::Limits;
use crate::trace::decode::{Block, Entry};
use crate::trace::encode::Encoder;
use crate::trace::event::*;
use crate::trace::memory_ring::MemoryRing;
use crate::trace::wire::BLOCK_BYTES;
use crate::trace::{AddressPolicy, Recorder, Recording, Trigger};
use std::time::Duration;

/// The blocks that were written.
#[derive(Clone, Default)]
struct Blocks(MemoryRing);

impl Blocks {
    fn entries(&self) -> Vec<Entry> {
        let bytes = self.0.to_bytes();
        let blocks = bytes.chunks(BLOCK_BYTES).map(|block| Block::parse(block).expect("a block"));
        blocks.flatten().map(|entry| entry.expect("an event")).collect()
    }

    fn events(&self) -> Vec<Event> {
        self.entries().into_iter().map(|entry| entry.event).collect()
    }
}

/// A bench whose server records, with a clock that stands.
fn recorded(limits: Limits, addresses: AddressPolicy, triggers: &[Trigger]) -> (Bench, Blocks) {
    let mut bench = Bench::with_limits(limits);
    let blocks = Blocks::default();
    let now = bench.now;
    let recording = Recording {
        ring: Box::new(blocks.0.clone()),
        encoder: Encoder::new(1, 0, 0, now),
        clock: Box::new(move || now),
        addresses,
        triggers: triggers.to_vec(),
        teller: None,
        tap: None,
    };
    bench.server.prepare_recording(Recorder::new(recording, now));
    assert_eq!(bench.server.toggle_recording(), Some(true));
    (bench, blocks)
}

fn usual() -> (Bench, Blocks) {
    recorded(Limits::default(), AddressPolicy::Full, &[])
}

#[test]
fn each_send_names_its_request_and_the_event_that_caused_it() {
    let (mut bench, blocks) = usual();
    let clients = [bench.connected(FRAMED), bench.connected(FRAMED)];
    for client in clients {
        assert!(!bench.ask(client, &frame(b"ECHO one").repeat(3)).is_empty());
    }
    bench.ask(clients[0], &frame(b"ECHO two"));
    let entries = blocks.entries();
    let is_of = |entry: &&Entry, number| entry.event.connection() == Some(number);
    let last: Vec<&Entry> = entries
        .iter()
        .rev()
        .take_while(|entry| !matches!(entry.event, Event::TurnBegan { events: 1, .. }))
        .collect();
    // The last turn with an event, in order.
    let last: Vec<&Entry> = last.into_iter().rev().collect();
    let ready = last.iter().find(|entry| matches!(entry.event, Event::Ready { .. }));
    let cause_of_last = ready.expect("an event").cause;
    let bytes = frame(b"two").len() as u32;
    let of_first: Vec<Event> =
        last.iter().copied().filter(|entry| is_of(entry, 1)).map(|entry| entry.event).collect();
    assert!(
        matches!(of_first[..], [
        Event::Ready { is_stale: false, .. },
        Event::Visit { cause: VisitCause::Ready, .. },
        Event::Received { end: RecvEnd::Short, .. },
        Event::Served { count: 1, last: 7, left: 0, reply, cause, .. },
        Event::Sent { end: SendEnd::All, moved, left: 0, request: 7, cause: of_send, .. },
        Event::Settled { queued: Queued::No, unsent: 0, .. },
        ..
    ] if (reply, moved) == (bytes, bytes) && (cause, of_send) == (cause_of_last, cause_of_last)),
        "{of_first:#?}"
    );
    for entry in &entries {
        if let Event::Sent { connection, request, cause, .. } = entry.event {
            let is_cause = |other: &&Entry| other.cause == cause && is_of(other, connection);
            assert!(entries.iter().any(|it| is_cause(&it)), "no cause of {entry:?}");
            assert!((1..=7).contains(&request), "{entry:?}");
        }
    }
}

#[test]
fn no_byte_of_a_client_is_in_a_trace() {
    let (mut bench, blocks) = usual();
    let client = bench.connected(FRAMED);
    bench.ask(client, &frame(b"ECHO kept-secret"));
    let bytes = blocks.0.to_bytes();
    assert!(!bytes.windows(11).any(|window| window == b"kept-secret"));
}

#[test]
fn a_reader_that_is_slow_makes_output_wait_and_the_close_has_its_reason() {
    let (mut bench, blocks) = usual();
    let client = bench.connected(CHARGEN);
    bench.run();
    bench.run_for(Duration::from_secs(31));
    assert_eq!(bench.closed(CloseReason::WriteTimeout), 1);
    let events = blocks.events();
    let blocked = |event: &Event| matches!(event, Event::Sent { end: SendEnd::WouldBlock, .. });
    assert!(events.iter().any(blocked), "{events:#?}");
    let position = |wanted: &dyn Fn(&Event) -> bool| events.iter().position(wanted);
    let armed = position(&|event| matches!(event, Event::TimerArmed { .. }));
    let fired = position(&|event| matches!(event, Event::TimerFired { .. }));
    let closed = position(&|event| {
        let reason = CloseReason::WriteTimeout;
        matches!(event, Event::Closed { reason: found, is_reset: true, .. } if *found == reason)
    });
    assert!(armed < fired && fired < closed && armed.is_some(), "{events:#?}");
    let _ = client;
}

#[test]
fn an_accept_that_pauses_is_told_and_is_a_trigger() {
    let limits = Limits { max_connections: 1, ..Limits::default() };
    let triggers = [Trigger::AcceptPaused];
    let (mut bench, blocks) = recorded(limits, AddressPolicy::Full, &triggers);
    assert_eq!(bench.server.take_trigger(), None);
    bench.connected(FRAMED);
    let paused = Event::NotAccepted { listener: FRAMED as u32, why: NoAccept::Full };
    assert!(blocks.events().contains(&paused), "{:#?}", blocks.events());
    assert_eq!(bench.server.take_trigger(), Some(Trigger::AcceptPaused));
    assert_eq!(bench.server.take_trigger(), None);
}

#[test]
fn a_turn_that_takes_long_is_a_trigger() {
    let trigger = Trigger::TurnLongerThan(Duration::from_millis(10));
    let (mut bench, _) = recorded(Limits::default(), AddressPolicy::Full, &[trigger]);
    let took = |bench: &mut Bench, millis| {
        let next = bench.turn();
        let ended = bench.now + Duration::from_millis(millis);
        bench.server.turn_ended(bench.now, ended, next);
        bench.server.take_trigger()
    };
    assert_eq!(took(&mut bench, 10), None);
    assert_eq!(took(&mut bench, 11), Some(trigger));
}

#[test]
fn hashed_addresses_tell_clients_apart_and_nothing_else() {
    let (mut bench, blocks) = recorded(Limits::default(), AddressPolicy::Hash, &[]);
    bench.connected(FRAMED);
    let peers: Vec<TracedPeer> = blocks
        .events()
        .into_iter()
        .filter_map(|event| match event {
            Event::Accepted { peer, .. } => Some(peer),
            _ => None,
        })
        .collect();
    assert!(matches!(peers[..], [TracedPeer::Hashed(_)]), "{peers:?}");
}

#[test]
fn while_recording_is_off_nothing_is_written_and_then_it_goes_on() {
    let (mut bench, blocks) = usual();
    let client = bench.connected(FRAMED);
    assert_eq!(bench.server.toggle_recording(), Some(false));
    let before = blocks.0.to_bytes();
    bench.ask(client, &frame(b"ECHO unseen"));
    assert_eq!(blocks.0.to_bytes(), before);
    assert_eq!(bench.server.toggle_recording(), Some(true));
    bench.ask(client, &frame(b"ECHO seen"));
    let served =
        blocks.events().into_iter().filter(|it| matches!(it, Event::Served { count: 1, .. }));
    assert_eq!(served.count(), 1);
    assert_eq!(blocks.events().iter().filter(|event| **event == Event::Recording).count(), 2);
}

#[test]
fn a_server_that_was_given_nothing_to_record_with_records_nothing() {
    let mut bench = Bench::new();
    assert_eq!(bench.server.toggle_recording(), None);
    assert_eq!(bench.server.take_trigger(), None);
    bench.server.turn_ended(Moment::START, Moment::START, LoopControl::Wait);
}
