//! Every sequence of events comes back from its bytes, and no bytes make the decoder panic.

use super::decode::{Block, Entry};
use super::encode::Encoder;
use super::event::*;
use super::memory_ring::MemoryRing;
use super::payload::{CHUNK_BYTES, Chunk, Direction};
use super::wire::{
    BLOCK_BYTES, Damage, HEADER_BYTES, Header, LENGTH_OFFSET, OTHER_CONNECTION, PAYLOAD_BYTES,
};
use crate::conn::{Deadline, Inbound, Outbound};
use crate::io::clock::Moment;
use crate::io::readiness::Readiness;
use crate::server::close::CloseReason;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use std::net::SocketAddr;

fn bits() -> impl Strategy<Value = Readiness> {
    any::<[bool; 3]>().prop_map(|[read, write, read_until_would_block]| Readiness {
        read,
        write,
        read_until_would_block,
    })
}

fn reasons() -> impl Strategy<Value = CloseReason> {
    select(CloseReason::ALL.to_vec())
}

fn states() -> impl Strategy<Value = (Inbound, Outbound)> {
    let inbound =
        select(vec![Inbound::Open, Inbound::Stalled, Inbound::LingerRead, Inbound::Ended]);
    let outbound = (0..6_u8, reasons()).prop_map(|(kind, reason)| match kind {
        0 => Outbound::Open,
        1 => Outbound::Producing,
        2 => Outbound::Closing(reason),
        3 => Outbound::FinSent(reason),
        4 => Outbound::Aborting(reason),
        _ => Outbound::Failed(reason),
    });
    (inbound, outbound)
}

fn peers() -> impl Strategy<Value = TracedPeer> {
    prop_oneof![
        Just(TracedPeer::Unix),
        Just(TracedPeer::Proxied),
        any::<SocketAddr>()
            .prop_filter("no scope", |it| !it.to_string().contains('%'))
            .prop_map(|address| TracedPeer::Inet(SocketAddr::new(address.ip(), address.port()))),
        any::<u64>().prop_map(TracedPeer::Hashed),
    ]
}

fn payloads() -> impl Strategy<Value = Event> {
    let directions = select(vec![Direction::Received, Direction::Sent]);
    (connections(), directions, vec(any::<u8>(), 0..=CHUNK_BYTES)).prop_map(
        |(connection, direction, bytes)| Event::Payload {
            connection,
            direction,
            chunk: Chunk::of(&bytes),
        },
    )
}

fn deadlines() -> impl Strategy<Value = Deadline> {
    let all =
        [Deadline::Frame, Deadline::LineGap, Deadline::Idle, Deadline::Write, Deadline::Linger];
    select(all.to_vec())
}

fn recv_ends() -> impl Strategy<Value = RecvEnd> {
    prop_oneof![
        select(vec![
            RecvEnd::Short,
            RecvEnd::Full,
            RecvEnd::WouldBlock,
            RecvEnd::Interrupted,
            RecvEnd::Eof,
        ]),
        any::<u32>().prop_map(RecvEnd::Error),
    ]
}

fn send_ends() -> impl Strategy<Value = SendEnd> {
    prop_oneof![
        select(vec![SendEnd::All, SendEnd::WouldBlock, SendEnd::Budget, SendEnd::Interrupted]),
        any::<u32>().prop_map(SendEnd::Error),
    ]
}

/// Numbers as they are in traces, and the largest.
fn sizes() -> impl Strategy<Value = u32> {
    prop_oneof![4 => 0..200_000_u32, 1 => any::<u32>()]
}

fn connections() -> impl Strategy<Value = u32> {
    prop_oneof![4 => 1..50_u32, 1 => any::<u32>()]
}

fn calls() -> impl Strategy<Value = Event> {
    let queued =
        select(vec![Queued::No, Queued::MoreToRead, Queued::MoreToSend, Queued::RequestsWait]);
    prop_oneof![
        (connections(), sizes(), sizes(), recv_ends()).prop_map(
            |(connection, asked, moved, end)| Event::Received { connection, asked, moved, end }
        ),
        (connections(), sizes(), sizes(), sizes(), any::<u64>()).prop_map(
            |(connection, count, left, reply, cause)| {
                // The number of the last is set when it is known how many came before.
                Event::Served { connection, count, last: 0, left, reply, cause }
            }
        ),
        (connections(), sizes(), sizes(), send_ends(), any::<[u64; 2]>()).prop_map(
            |(connection, moved, left, end, [request, cause])| Event::Sent {
                connection,
                moved,
                left,
                end,
                request,
                cause
            }
        ),
        (connections(), states(), bits(), queued, any::<[u32; 3]>()).prop_map(
            |(connection, (inbound, outbound), ready, queued, [unparsed, unsent, work])| {
                Event::Settled {
                    connection,
                    inbound,
                    outbound,
                    ready,
                    queued,
                    unparsed,
                    unsent,
                    work,
                }
            }
        ),
    ]
}

fn of_a_connection() -> impl Strategy<Value = Event> {
    let visits = select(vec![VisitCause::Opened, VisitCause::Ready, VisitCause::Expired]);
    prop_oneof![
        (connections(), bits(), any::<bool>()).prop_map(|(connection, bits, is_stale)| {
            Event::Ready { connection, bits, is_stale }
        }),
        (connections(), visits).prop_map(|(connection, cause)| Event::Visit { connection, cause }),
        (connections(), any::<bool>(), sizes()).prop_map(|(connection, is_full, unsent)| {
            let why = if is_full { StallCause::HighWater } else { StallCause::Budget };
            Event::Stalled { connection, why, unsent }
        }),
        (connections(), sizes())
            .prop_map(|(connection, unsent)| Event::Resumed { connection, unsent }),
        (connections(), deadlines(), any::<u64>()).prop_map(|(connection, deadline, after)| {
            Event::TimerArmed { connection, deadline, after }
        }),
        (connections(), deadlines())
            .prop_map(|(connection, deadline)| Event::TimerFired { connection, deadline }),
        (connections(), sizes(), peers(), sizes()).prop_map(
            |(connection, listener, peer, active)| Event::Accepted {
                connection,
                listener,
                peer,
                active
            }
        ),
        (connections(), peers())
            .prop_map(|(connection, peer)| Event::ProxyHeader { connection, peer }),
        connections().prop_map(|connection| Event::FinSent { connection }),
        payloads(),
        (connections(), reasons(), any::<bool>(), sizes()).prop_map(
            |(connection, reason, is_reset, lost)| Event::Closed {
                connection,
                reason,
                is_reset,
                lost
            }
        ),
    ]
}

fn of_the_loop() -> impl Strategy<Value = Event> {
    let waits = select(vec![
        NoAccept::NoneWaiting,
        NoAccept::Lost,
        NoAccept::Interrupted,
        NoAccept::Full,
        NoAccept::OutOfResources,
    ]);
    let refusals = select(vec![
        RefusalCause::Denied,
        RefusalCause::TooMany,
        RefusalCause::TooFast,
        RefusalCause::NotAProxy,
    ]);
    let nexts = prop_oneof![
        select(vec![Next::Poll, Next::Wait, Next::Stop]),
        any::<u64>().prop_map(Next::WaitFor)
    ];
    prop_oneof![
        (sizes(), any::<u64>()).prop_map(|(events, waited)| Event::TurnBegan { events, waited }),
        sizes().prop_map(|listener| Event::ListenerReady { listener }),
        sizes().prop_map(|count| Event::TimersMoved { count }),
        sizes().prop_map(|count| Event::Shed { count }),
        (sizes(), waits).prop_map(|(listener, why)| Event::NotAccepted { listener, why }),
        (refusals, peers()).prop_map(|(why, peer)| Event::Refused { why, peer }),
        any::<u64>().prop_map(|keys| Event::TableReplaced { keys }),
        (sizes(), sizes(), nexts).prop_map(|(visits, queued, next)| Event::TurnEnded {
            visits,
            queued,
            next
        }),
    ]
}

pub(super) fn events() -> impl Strategy<Value = Event> {
    let plain = select(vec![
        Event::TableKept,
        Event::ZoneReplaced,
        Event::Recording,
        Event::Woken { by: Signal::Reload },
        Event::Woken { by: Signal::Other },
        Event::Drain { step: DrainStep::Began },
        Event::Drain { step: DrainStep::TimeUp },
    ]);
    prop_oneof![4 => calls(), 3 => of_a_connection(), 2 => of_the_loop(), 1 => plain]
}

/// What decoding must give: times that do not go back, and numbers counted up.
pub(super) fn entries(events: Vec<(u64, Event)>) -> Vec<Entry> {
    let (mut time, mut cause, mut requests) = (0_u64, 0_u64, 0_u64);
    let entry = |(later, mut event): (u64, Event)| {
        time = time.saturating_add(later);
        match &mut event {
            Event::Ready { is_stale: false, .. }
            | Event::TimerFired { .. }
            | Event::Accepted { .. } => cause += 1,
            Event::Served { count, last, .. } => {
                requests += u64::from(*count);
                *last = requests;
            }
            _ => {}
        }
        Entry { time: Moment::from_nanos(time), cause, event }
    };
    events.into_iter().map(entry).collect()
}

fn encoded(entries: &[Entry]) -> Vec<u8> {
    let mut blocks = MemoryRing::default();
    let mut encoder = Encoder::new(77, 3, 1_000_000, Moment::START);
    for entry in entries {
        encoder.write(&mut blocks, entry.time, &entry.event);
    }
    blocks.to_bytes()
}

proptest! {
    #[test]
    fn every_sequence_of_events_comes_back(
        events in vec((prop_oneof![Just(0), 0..5_000_000_u64, any::<u64>()], events()), 0..900)
    ) {
        let entries = entries(events);
        let bytes = encoded(&entries);
        let mut found = Vec::new();
        for (index, bytes) in bytes.chunks(BLOCK_BYTES).enumerate() {
            let block = Block::parse(bytes).expect("a block");
            prop_assert_eq!(block.header.sequence, index as u64 + 1);
            prop_assert_eq!((block.header.pid, block.header.shard), (77, 3));
            prop_assert_eq!(block.header.wall, block.header.time.wrapping_add(1_000_000));
            found.extend(block.map(|entry| entry.expect("an event")));
        }
        prop_assert_eq!(found, entries);
    }

    /// Each block alone, from whatever bytes.
    #[test]
    fn any_bytes_end_in_events_or_an_error(
        mut bytes in vec(any::<u8>(), 0..600),
        flips in vec((any::<usize>(), any::<u8>()), 0..8),
        is_headed in any::<bool>(),
    ) {
        if is_headed {
            let mut block = Header { sequence: 1, ..Header::default() }.to_bytes().to_vec();
            block[LENGTH_OFFSET..][..4].copy_from_slice(&(bytes.len() as u32).to_le_bytes());
            block.append(&mut bytes);
            bytes = block;
        }
        for (at, byte) in flips {
            if let Some(len @ 1..) = Some(bytes.len()) {
                bytes[at % len] ^= byte;
            }
        }
        if let Ok(block) = Block::parse(&bytes) {
            let entries: Vec<_> = block.collect();
            prop_assert!(entries.len() <= PAYLOAD_BYTES);
            // What is wrong ends it.
            let broken = entries.iter().position(Result::is_err);
            prop_assert!(broken.is_none_or(|at| at == entries.len() - 1));
        }
    }
}

#[test]
fn a_block_of_another_version_says_so() {
    let mut bytes = Header::default().to_bytes();
    bytes[8] = 3;
    let damage = Block::parse(&bytes).expect_err("another version");
    assert_eq!(damage, Damage::Version(3));
    assert!(damage.to_string().contains("version 3"), "{damage}");
    assert_eq!(Block::parse(b"\x7fELF....").expect_err("foreign"), Damage::NoMagic);
    assert_eq!(Block::parse(b"rdytr").expect_err("cut off"), Damage::CutOff);
}

#[test]
fn a_ping_pong_request_takes_few_bytes_an_event() {
    let ready = Readiness { read: true, write: true, read_until_would_block: false };
    let (connection, cause) = (1, 1);
    let turn = |number: u64| {
        let after = number * 25_000;
        let request = number + 1;
        [
            (after, Event::TurnBegan { events: 1, waited: 20_000 }),
            (after, Event::Ready { connection, bits: ready, is_stale: false }),
            (after, Event::Visit { connection, cause: VisitCause::Ready }),
            (after, Event::Received { connection, asked: 65536, moved: 96, end: RecvEnd::Short }),
            (after, Event::Served { connection, count: 1, last: 0, left: 0, reply: 96, cause }),
            (
                after + 1_000,
                Event::Sent { connection, moved: 96, left: 0, end: SendEnd::All, request, cause },
            ),
            (
                after + 5_000,
                Event::Settled {
                    connection,
                    inbound: Inbound::Open,
                    outbound: Outbound::Open,
                    ready,
                    queued: Queued::No,
                    unparsed: 0,
                    unsent: 0,
                    work: 30,
                },
            ),
            (after + 5_000, Event::TurnEnded { visits: 1, queued: 0, next: Next::Wait }),
        ]
    };
    let mut blocks = MemoryRing::default();
    let mut encoder = Encoder::new(1, 0, 0, Moment::START);
    let mut events = 0;
    for (time, mut event) in (0..1_000).flat_map(turn) {
        if let Event::Served { cause, .. } | Event::Sent { cause, .. } = &mut event {
            *cause = encoder.causes();
        }
        encoder.write(&mut blocks, Moment::from_nanos(time), &event);
        events += 1;
    }
    let bytes_each = blocks.to_bytes().len() as f64 / f64::from(events);
    assert!(bytes_each < 6.5, "{bytes_each} bytes an event");
}

#[test]
fn an_event_about_no_connection_names_none_at_the_beginning_of_a_block() {
    let mut blocks = MemoryRing::default();
    let mut encoder = Encoder::new(1, 0, 0, Moment::START);
    let visit = Event::Visit { connection: 5, cause: VisitCause::Ready };
    encoder.write(&mut blocks, Moment::START, &visit);
    encoder.end_block();
    encoder.write(&mut blocks, Moment::START, &Event::Shed { count: 1 });
    let bytes = blocks.to_bytes();
    let second = bytes.chunks(BLOCK_BYTES).nth(1).expect("a second block");
    assert_eq!(second[HEADER_BYTES] & OTHER_CONNECTION, 0);
}
