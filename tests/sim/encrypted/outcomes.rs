//! The same world in plaintext and encrypted: what everyone gets is the same.
//!
//! Compared are worlds whose troubles lose nothing: calls fail for a while, bytes come late and in
//! pieces, events come late, twice and in vain. There each peer must be told the same bytes, each
//! session must hear the same answers, and connections must be closed for the same reasons. In
//! other worlds it is for the oracle to say what is right: a reset or a deadline that comes a
//! little later meets other bytes.

use crate::layers::TlsManner;
use crate::model::Kind;
use crate::peers::{Ending, Peer, Reading, Writing};
use crate::setup::Setup;
use crate::volume;
use crate::wire::{self, Start};
use crate::world::World;
use readyd::server::close::CloseReason;
use readyd::testkit::knobs::{Knob, Knobs};
use std::collections::BTreeMap;

/// Seeds in a run, unless `SIM_OUTCOMES` says otherwise.
const SEEDS: u64 = 30;

/// Troubles that lose nothing.
const HARMLESS: &[Knob] = &[
    Knob::LateEvents,
    Knob::SpuriousEvents,
    Knob::ShuffledEvents,
    Knob::DuplicateEvents,
    Knob::StaleEvents,
    Knob::FewEventsAPoll,
    Knob::InterruptedPolls,
    Knob::ShortReads,
    Knob::ShortWrites,
    Knob::Eagain,
    Knob::Eintr,
    Knob::TinyWindows,
    Knob::SlowNetwork,
    Knob::SlowHandshakes,
    Knob::RoomUntold,
    Knob::FinWithData,
    Knob::DeepPipelines,
    Knob::LargeFrames,
    Knob::SmallOutputLimit,
    Knob::FewLogLines,
    Knob::Garbage,
];

/// Requests, or replies.
type Messages = Vec<Vec<u8>>;

/// What everyone got in a world.
#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    /// By number: the replies, and whether it was reset.
    peers: Vec<(Kind, Messages, bool)>,
    /// By requests: the replies, and whether all went well.
    sessions: BTreeMap<Messages, (Messages, bool)>,
    closes: BTreeMap<&'static str, u64>,
}

fn setup(seed: u64) -> Setup {
    let mut setup = Setup::draw_among(Knobs::of(HARMLESS), seed);
    // How much of an endless output is read depends on the windows.
    setup.peers.retain(|plan| plan.kind != Kind::Chargen);
    setup
}

/// The same with TLS, but spoken as it should be.
fn encrypted(seed: u64) -> Setup {
    let mut setup = setup(seed).encrypted();
    for plan in &mut setup.peers {
        let is_old = plan.tls.is_some_and(|manner| manner.is_old);
        plan.tls = Some(TlsManner { is_old, ..TlsManner::default() });
    }
    setup
}

fn outcome(setup: Setup) -> Result<Outcome, String> {
    let mut world = World::new(setup);
    world.run()?;
    let peers = world.peers.iter().map(|peer| {
        let replies = comparable(peer.plan.kind, &peer.plan.requests, &peer.received);
        (peer.plan.kind, replies, peer.was_reset)
    });
    let sessions = world.pools[0].finished().iter().map(|finished| {
        let asker = &finished.conversation;
        let heard = asker.bodies.iter().zip(&asker.heard);
        let heard = heard.filter(|(body, _)| is_comparable(body));
        let heard = heard.map(|(_, answer)| answer.clone()).collect();
        (asker.bodies.clone(), (heard, finished.result.is_ok()))
    });
    let closes = CloseReason::ALL.iter().zip(world.oracle.closes);
    let mut reasons = BTreeMap::new();
    for (why, count) in closes.filter(|(_, count)| *count > 0) {
        // The client under test does not wait for room to send close_notify.
        let why = if *why == CloseReason::TlsTruncated { &CloseReason::PeerClosed } else { why };
        *reasons.entry(why.word()).or_default() += count;
    }
    Ok(Outcome { peers: peers.collect(), sessions: sessions.collect(), closes: reasons })
}

/// Whether the answer depends neither on the time nor on the number of the connection.
fn is_comparable(body: &[u8]) -> bool {
    let (word, _) = wire::first_word(body);
    !matches!(&word[..], b"TIME" | b"DAYTIME" | b"STATS" | b"WHOAMI")
}

/// The replies of those that a peer got that can be compared.
fn comparable(kind: Kind, requests: &[Vec<u8>], received: &[u8]) -> Messages {
    match kind {
        Kind::Framed => {
            let (mut rest, mut replies) = (received, Vec::new());
            while let Start::Frame(end) = wire::start_of(rest, usize::MAX >> 1) {
                replies.push(rest[..end].to_vec());
                rest = &rest[end..];
            }
            let asked = requests.iter().map(|request| request.get(64..).unwrap_or_default());
            let mut same: Vec<_> = replies
                .iter()
                .zip(asked)
                .filter(|(_, body)| is_comparable(body))
                .map(|(reply, _)| reply.clone())
                .collect();
            same.push(format!("{} replies, and {} bytes", replies.len(), rest.len()).into());
            same
        }
        // Before the values stands the time.
        Kind::Exchange => vec![received.get(19..).unwrap_or_default().to_vec()],
        Kind::Lookup | Kind::Echo | Kind::Discard | Kind::Chargen => vec![received.to_vec()],
        Kind::Greeting | Kind::Time | Kind::Daytime | Kind::DaytimeAck => {
            vec![format!("{}", received.len() / 4).into()]
        }
    }
}

#[test]
fn encrypted_worlds_end_as_plain_ones() {
    let first = volume::number_from("SIM_FIRST").unwrap_or(1);
    let count = volume::number_from("SIM_OUTCOMES").unwrap_or(SEEDS);
    let seeds = volume::only_seed().map_or(first..first + count, |seed| seed..seed + 1);
    let mut replies = 0;
    for seed in seeds {
        let told = |which, setup| {
            outcome(setup).unwrap_or_else(|report| panic!("seed {seed}, {which}: {report}"))
        };
        let plain = told("plain", setup(seed));
        let encrypted = told("encrypted", encrypted(seed));
        replies += plain.peers.iter().map(|(_, replies, _)| replies.len()).sum::<usize>();
        for (number, (plain, encrypted)) in plain.peers.iter().zip(&encrypted.peers).enumerate() {
            assert_eq!(plain, encrypted, "seed {seed}, peer {number}");
        }
        assert_eq!(plain.closes, encrypted.closes, "seed {seed}");
        assert_eq!(plain, encrypted, "seed {seed}");
    }
    assert!(replies > 0, "something was compared");
}

/// One client behind another, in each way to read and to write: a peer's manners change nothing.
#[test]
fn encrypted_peers_are_served_in_all_manners() {
    for writing in [Writing::Pieces(1), Writing::Pieces(7), Writing::PingPong] {
        for reading in [Reading::Pieces(1), Reading::Pieces(100), Reading::Pieces(usize::MAX)] {
            for is_old in [false, true] {
                let requests = [&b"ECHO a"[..], &[b"ECHO ", &[b'x'; 2000][..]].concat()];
                let requests = requests.map(wire::frame).to_vec();
                let mut plan = crate::peers::Plan::new(Kind::Framed, requests);
                (plan.writing, plan.reading, plan.ending) = (writing, reading, Ending::HalfClose);
                plan.tls = Some(TlsManner { is_old, ..TlsManner::default() });
                let mut setup = Setup { is_encrypted: true, ..Setup::quiet(1) };
                (setup.limits.max_frame, setup.operations) = (3000, 100_000);
                setup.peers = vec![plan];
                let mut world = World::new(setup);
                world.run().unwrap_or_else(|report| panic!("{writing:?} {reading:?}: {report}"));
                let Peer { received, .. } = &world.peers[0];
                assert_eq!(received.len(), 64 + 1 + 64 + 2000, "{writing:?} {reading:?}");
            }
        }
    }
}
