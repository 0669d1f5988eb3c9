//! Faults that broke real systems, a test each. The oracle checks every turn of them as well: the
//! tests add what else has to happen.

use crate::addresses::ClientAddress;
use crate::model::Kind;
use crate::peers::{Ending, MINUTE, Peer, Plan, Reading, Writing};
use crate::setup::{Action, Setup};
use crate::wire::frame;
use crate::world::World;
use readyd::server::close::CloseReason;
use readyd::server::limits::Limits;
use readyd::testkit::faults::Call;
use readyd::testkit::knobs::{Knob, Knobs};
use std::time::Duration;

/// A world that depends on chance is tried with these seeds.
const SEEDS: std::ops::Range<u64> = 0..20;

fn asker() -> Plan {
    let requests = (0..5).map(|k| frame(format!("ECHO request {k}").as_bytes())).collect();
    Plan { writing: Writing::PingPong, ..Plan::new(Kind::Framed, requests) }
}

fn world_of(peers: Vec<Plan>) -> Setup {
    Setup { peers, operations: 2000, ..Setup::quiet(1) }
}

/// Runs a world in which nothing may be found wrong.
fn run(setup: Setup) -> World {
    let mut world = World::new(setup);
    if let Err(what) = world.run() {
        let trace = world.kernel.borrow().trace.to_string();
        panic!("{what}\n{trace}");
    }
    world
}

/// Runs a crowd of askers, with these knobs on and all others off, for several seeds.
fn run_crowd(knobs: &[Knob]) -> Vec<World> {
    let crowd = world_of(vec![asker(); 12]);
    let setups = SEEDS.map(|seed| Setup { seed, knobs: Knobs::of(knobs), ..crowd.clone() });
    setups.map(run).collect()
}

fn closes(world: &World, reason: CloseReason) -> u64 {
    world.oracle.closes[reason as usize]
}

#[test]
fn sim_fault_01_emfile_at_accept() {
    let mut setup = world_of(vec![asker(); 12]);
    setup.peers[0].ending = Ending::Stay;
    setup.descriptor_limit = 1;
    setup.limits.idle_timeout = Duration::from_secs(100);
    let world = run(setup);
    assert_eq!(world.oracle.closes.iter().sum::<u64>(), 12, "all were let in");
    // Once a second, and when a place becomes free. Also, each listener's backlog is found empty.
    let calls = &world.kernel.borrow().faults.calls;
    let accepts = calls.iter().filter(|&&call| call == Call::Accept).count();
    assert!(accepts < 100 + 12 * 3, "{accepts} calls of accept: the loop spins");
}

#[test]
fn sim_fault_02_clients_lost_before_they_are_accepted() {
    let worlds = run_crowd(&[Knob::AcceptErrors]);
    assert!(worlds.iter().any(|world| world.server.stats().accept_errors > 0));
    let starved = run_crowd(&[Knob::AcceptStarvation]);
    assert!(starved.iter().any(|world| world.server.stats().accept_pauses > 0));
    assert!(starved.iter().all(|world| closes(world, CloseReason::PeerClosed) == 12));
}

#[test]
fn sim_fault_03_eintr() {
    for world in run_crowd(&[Knob::Eintr, Knob::InterruptedPolls]) {
        assert_eq!(closes(&world, CloseReason::PeerClosed), 12);
    }
}

#[test]
fn sim_fault_04_hup_with_in() {
    for world in run_crowd(&[Knob::FinWithData]) {
        assert_eq!(closes(&world, CloseReason::PeerClosed), 12);
    }
}

#[test]
fn sim_fault_04_rst_at_any_byte() {
    let requests = asker().requests;
    for at in 0..=requests.concat().len() {
        let mut hasty = Plan::new(Kind::Framed, requests.clone());
        hasty.ending = Ending::ResetAt(at);
        let world = run(world_of(vec![asker(), hasty]));
        assert_eq!(closes(&world, CloseReason::PeerClosed), 1, "the other one, at byte {at}");
    }
}

#[test]
fn sim_fault_05_half_close_then_reply() {
    let request = frame(b"ECHO all of it");
    let world = run(world_of(vec![Plan::new(Kind::Framed, vec![request; 50])]));
    assert_eq!(world.peers[0].received, frame(b"all of it").repeat(50));
}

#[test]
fn sim_fault_07_never_reading_client() {
    let mut deaf = Plan::new(Kind::Framed, vec![frame(&[b'x'; 2000]); 500]);
    deaf.reading = Reading::Never;
    let mut setup = world_of(vec![deaf, asker()]);
    setup.limits.output_limit = 1000;
    let world = run(setup);
    assert_eq!(closes(&world, CloseReason::WriteTimeout), 1);
    assert_eq!(closes(&world, CloseReason::PeerClosed), 1);
}

/// A client of an endless service reads so much, takes in a few bytes each time, and no more; no
/// event tells of room as small as that. The oracle sees whether it is closed in time, to the
/// millisecond.
#[test]
fn field_server_18_a_window_that_opens_a_few_bytes_at_a_time_prolongs_no_deadline() {
    for seed in SEEDS {
        let mut reader = Plan::new(Kind::Chargen, Vec::new());
        reader.reading = Reading::Pieces(1 + seed as usize);
        reader.ending = Ending::StopReadingAfter(100 + 7 * seed as usize);
        let setup = world_of(vec![reader, asker()]);
        let world = run(Setup { seed, knobs: Knobs::of(&[Knob::RoomUntold]), ..setup });
        assert_eq!(closes(&world, CloseReason::WriteTimeout), 1);
        assert_eq!(closes(&world, CloseReason::PeerClosed), 1);
    }
}

/// The client reads a byte a second. Its window is so large that an event would tell of it only
/// after a minute.
#[test]
fn field_server_18_a_steady_slow_reader_is_not_cut_off() {
    let mut reader = Plan::new(Kind::Chargen, Vec::new());
    reader.reading = Reading::Trickle(Duration::from_secs(1));
    reader.ending = Ending::CloseAfterReading(300);
    let mut setup = world_of(vec![reader]);
    setup.knobs = Knobs::of(&[Knob::RoomUntold]);
    setup.window = 180;
    setup.limits.write_timeout = Duration::from_secs(2);
    let world = run(setup);
    assert_eq!(closes(&world, CloseReason::WriteTimeout), 0);
}

#[test]
fn sim_fault_08_slow_header() {
    let mut slow = asker();
    slow.writing = Writing::Trickle(MINUTE);
    let mut less_slow = asker();
    less_slow.writing = Writing::Trickle(Duration::from_secs(2));
    let world = run(world_of(vec![slow, less_slow]));
    assert_eq!(closes(&world, CloseReason::FrameTimeout), 2, "no byte prolongs the time");
}

#[test]
fn sim_fault_10_length_lies() {
    let mut liar = Plan::new(Kind::Framed, vec![format!("{:<64}", 1 << 30).into_bytes()]);
    liar.ending = Ending::Stay;
    let mut setup = world_of(vec![liar; 100]);
    setup.limits.max_frame = 1 << 30;
    // The oracle compares the heap with what was received, after every turn.
    let world = run(setup);
    assert_eq!(closes(&world, CloseReason::FrameTimeout), 100);
}

#[test]
fn sim_fault_12_hot_connection() {
    let mut hot = Plan::new(Kind::Chargen, Vec::new());
    hot.ending = Ending::CloseAfterReading(usize::MAX);
    let mut world = World::new(world_of(vec![hot, asker(), asker(), asker()]));
    for _ in 0..2000 {
        world.step().expect("nothing is wrong");
    }
    assert!(world.peers[1..].iter().all(Peer::is_done), "it starves the others");
    assert!(!world.peers[0].is_done());
    world.finish().expect("nothing is wrong");
}

#[test]
fn sim_fault_13_reconnect_storm() {
    let mut late = vec![Plan { starts_at: 100, ..asker() }; 200];
    late.push(Plan { requests: vec![frame(b"ECHO on and on"); 50], ..asker() });
    let world = run(Setup { operations: 5000, ..world_of(late) });
    assert_eq!(closes(&world, CloseReason::PeerClosed), 201);
}

#[test]
fn sim_fault_14_stale_events() {
    let worlds = run_crowd(&[Knob::StaleEvents, Knob::DuplicateEvents, Knob::ShuffledEvents]);
    assert!(worlds.iter().any(|world| world.server.stats().stale_events > 0));
}

#[test]
fn sim_fault_15_clocks() {
    run_crowd(&[Knob::WallSteps, Knob::ClockLeaps, Knob::SilentPeers]);
}

#[test]
fn sim_fault_16_broken_table_on_reload() {
    let lines = (0..20).map(|k| format!("key{}\n", k % 8).into_bytes()).collect();
    let peer = Plan { writing: Writing::PingPong, ..Plan::new(Kind::Lookup, lines) };
    let actions = vec![(5, Action::BrokenTable), (9, Action::Reload), (13, Action::BrokenTable)];
    let world = run(Setup { actions, ..world_of(vec![peer]) });
    let stats = world.server.stats();
    assert_eq!((stats.table_failures, stats.table_reloads), (2, 1));
    assert_eq!(closes(&world, CloseReason::PeerClosed), 1);
}

#[test]
fn sim_fault_17_sigterm_at_any_step() {
    let slow = Plan { reading: Reading::Pieces(20), ..asker() };
    let piped = Plan { writing: Writing::Pieces(100), ..asker() };
    for step in 1..80 {
        let peers = vec![asker(), slow.clone(), piped.clone()];
        let once = vec![(step, Action::Terminate)];
        run(Setup { actions: once.clone(), ..world_of(peers.clone()) });
        let twice = [once, vec![(step + 3, Action::Terminate)]].concat();
        run(Setup { actions: twice, window: 50, ..world_of(peers.clone()) });
        let late = vec![(step, Action::Terminate), (step + 2, Action::Leap(MINUTE))];
        run(Setup { actions: late, window: 50, ..world_of(peers) });
    }
}

/// Clients wait in full backlogs, with all places taken, or are in the middle of their handshakes.
#[test]
fn field_server_05_sigterm_at_any_step_resets_nobody_who_has_connected() {
    let knobs = Knobs::of(&[Knob::SlowHandshakes, Knob::FullBacklogs]);
    for step in 1..40 {
        for places in [1, 3, 100] {
            let mut setup = Setup { knobs, seed: step, ..world_of(vec![asker(); 8]) };
            setup.actions = vec![(step, Action::Terminate)];
            setup.limits.max_connections = places;
            // The oracle sees that no client is reset, and that the requests which had arrived are
            // answered.
            let world = run(setup);
            let others = world.oracle.closes.iter().sum::<u64>()
                - closes(&world, CloseReason::Drained)
                - closes(&world, CloseReason::PeerClosed);
            assert_eq!(others, 0, "at step {step} with {places} places");
        }
    }
}

#[test]
fn field_server_05_a_server_that_stops_because_it_is_idle_resets_nobody() {
    let late = |starts_at| Plan { starts_at, ..asker() };
    for seed in 0..100 {
        let mut setup = world_of(vec![asker(), late(60 + seed), late(90 + 2 * seed)]);
        setup.limits.exit_on_idle = Some(Duration::from_millis(2));
        let knobs = Knobs::of(&[Knob::SlowHandshakes]);
        run(Setup { seed, knobs, ..setup });
    }
}

/// Nothing comes round the seam that could change a reply.
#[test]
fn field_server_00_the_same_seed_gives_the_same_statistics_to_the_byte() {
    for seed in SEEDS {
        let statistics = [(); 2].map(|()| {
            let mut setup = Setup::draw(seed);
            setup.limits.max_connections_per_address = Some(1000);
            setup.limits.accept_rate_per_address = Some(1000);
            let mut world = run(setup);
            world.server.statistics(world.now())
        });
        assert_eq!(statistics[0], statistics[1], "seed {seed}");
    }
}

#[test]
fn sim_fault_19_descriptor_leaks() {
    // The oracle counts descriptors after every turn, and at the end there are none.
    let knobs = [Knob::RegisterErrors, Knob::RecvErrors, Knob::SendErrors, Knob::FinErrors];
    let worlds = run_crowd(&knobs);
    assert!(worlds.iter().any(|world| closes(world, CloseReason::SystemError) > 0));
}

#[test]
fn sim_fault_20_memory_of_all_connections() {
    let half = frame(&[b'x'; 2000])[..1000].to_vec();
    let mut hoarder = Plan::new(Kind::Framed, vec![half]);
    hoarder.ending = Ending::Stay;
    let mut setup = world_of(vec![hoarder; 20]);
    setup.peers.push(asker());
    setup.limits.memory_limit = 10_000;
    // That the newest go, and that the sum stays within the limit, is seen by the oracle.
    let world = run(setup);
    assert!(closes(&world, CloseReason::Shed) > 8);
    assert!(closes(&world, CloseReason::FrameTimeout) > 0, "the oldest have their time");
    assert_eq!(closes(&world, CloseReason::PeerClosed), 1, "who holds nothing is served");
}

/// Twelve clients from one address and three from another. They all come again until they are let
/// in.
fn crowd_of_two_addresses(limit: impl Fn(&mut Limits)) -> Vec<World> {
    let near = Plan { client_address: ClientAddress::ALL[3], ..asker() };
    let far = Plan { client_address: ClientAddress::ALL[6], ..asker() };
    let mut crowd = world_of([vec![near; 12], vec![far; 3]].concat());
    limit(&mut crowd.limits);
    SEEDS.map(|seed| run(Setup { seed, ..crowd.clone() })).collect()
}

#[test]
fn sim_fault_20_connections_of_one_address() {
    for world in crowd_of_two_addresses(|limits| limits.max_connections_per_address = Some(2)) {
        assert!(world.server.stats().refused_address_limit > 0);
        assert_eq!(closes(&world, CloseReason::PeerClosed), 15, "all were let in");
    }
}

#[test]
fn sim_fault_20_connections_of_one_address_in_a_second() {
    for world in crowd_of_two_addresses(|limits| limits.accept_rate_per_address = Some(4)) {
        assert!(world.server.stats().refused_address_rate > 0);
        assert_eq!(closes(&world, CloseReason::PeerClosed), 15, "all were let in");
    }
}
