//! Each request is closed once in any case; and where replies have tags, each fault is told.

use super::peers::{Act, Asked, Peers, frame};
use super::rig::Rig;
use super::{framed_echo, plan};
use crate::client::tests::loopback::{Loopback, Way};
use crate::loadgen::Counters;
use crate::loadgen::payload::{Payloads, RequestId, TAG_LEN};
use crate::loadgen::plan::{
    Close, ConnectionCounts, Lifetime, Pace, Plan, Sizes, Step, StopCondition,
};
use crate::loadgen::report::Mismatches;
use nix::errno::Errno;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

const MILLISECOND: Duration = Duration::from_millis(1);

/// What is done to a reply.
#[derive(Clone, Debug)]
enum Fault {
    None,
    Drop,
    Double,
    /// It comes after the next one.
    Swap,
    CorruptBody(Index),
    CorruptHeader(&'static [u8]),
    /// A reply to another connection comes first.
    Foreign,
    Error,
    Fin,
    Reset,
    Late(u64),
    /// A part of it, and nothing more; or a FIN behind that part.
    Partial(Index),
    PartialFin(Index),
}

fn wrong_replies() -> impl Strategy<Value = Fault> {
    prop_oneof![
        10 => Just(Fault::None),
        1 => Just(Fault::Drop),
        1 => Just(Fault::Double),
        1 => Just(Fault::Swap),
        1 => any::<Index>().prop_map(Fault::CorruptBody),
        1 => select(vec![&b"9"[..], b"99999", b"0007", b"x", b"+", b" "])
            .prop_map(Fault::CorruptHeader),
        1 => Just(Fault::Foreign),
        1 => Just(Fault::Error),
    ]
}

fn any_fault() -> impl Strategy<Value = Fault> {
    prop_oneof![
        8 => wrong_replies(),
        1 => Just(Fault::Fin),
        1 => Just(Fault::Reset),
        1 => (1u64..3000).prop_map(Fault::Late),
        1 => any::<Index>().prop_map(Fault::Partial),
        1 => any::<Index>().prop_map(Fault::PartialFin),
    ]
}

/// What the faults that were done are to be counted as.
#[derive(Clone, Debug, Default)]
struct Done {
    mismatches: Mismatches,
    timeouts: u64,
}

/// Answers with `faults`, in turn.
fn faulty(
    faults: Vec<Fault>,
    timeout: Duration,
    done: Rc<RefCell<Done>>,
) -> impl FnMut(&Asked) -> Act {
    let mut faults = faults.into_iter().cycle();
    let mut held: HashMap<usize, Asked> = HashMap::new();
    move |asked| {
        let done = &mut *done.borrow_mut();
        let mut reply = asked.reply();
        if let Some(other) = held.remove(&asked.connection) {
            reply.extend_from_slice(&other.reply());
            if asked.at.since(other.at) < timeout {
                done.mismatches.swapped += 1;
            } else {
                done.timeouts += 1;
            }
            return Act::Say(reply);
        }
        match faults.next().expect("a cycle has no end") {
            Fault::None => {}
            // There is nothing to corrupt.
            Fault::CorruptBody(_) if asked.text.is_empty() => {}
            Fault::Drop => {
                done.mismatches.lost += 1;
                done.timeouts += 1;
                return Act::Nothing;
            }
            Fault::Double => {
                done.mismatches.doubled += 1;
                reply.extend_from_slice(&asked.reply());
            }
            Fault::Swap => {
                held.insert(asked.connection, asked.clone());
                return Act::Nothing;
            }
            Fault::CorruptBody(at) => {
                done.mismatches.corrupt += 1;
                let at = reply.len() - asked.text.len() + at.index(asked.text.len());
                reply[at] ^= 0x10;
            }
            Fault::CorruptHeader(bytes) => {
                done.mismatches.corrupt += 1;
                reply[..bytes.len()].copy_from_slice(bytes);
            }
            Fault::Foreign => {
                done.mismatches.foreign += 1;
                let foreign = RequestId { connection: 1_000_000, sequence: 7 };
                let mut text = Vec::new();
                Payloads::new(200).append(foreign, foreign_size(asked), &mut text);
                reply = [frame(&text), reply].concat();
            }
            Fault::Error => {
                done.mismatches.corrupt += 1;
                reply = frame(b"Error: not now");
            }
            Fault::Fin => return Act::Fin(reply),
            Fault::Partial(at) => reply.truncate(at.index(reply.len())),
            Fault::PartialFin(at) => {
                reply.truncate(at.index(reply.len()));
                return Act::Fin(reply);
            }
            Fault::Reset => return Act::Reset,
            Fault::Late(millis) => {
                return Act::SayAt(asked.at + MILLISECOND * millis as u32, reply);
            }
        }
        Act::Say(reply)
    }
}

/// All payloads of these runs are equally long.
fn foreign_size(asked: &Asked) -> usize {
    asked.text.len()
}

fn narrow_net(seed: u64, window: usize) -> Loopback {
    let net = Loopback::new(seed);
    net.set_window(window);
    net
}

fn requests(count: u64) -> StopCondition {
    StopCondition { requests: Some(count), duration: None }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn each_fault_of_a_tagged_reply_is_told_for_what_it_is(
        seed in any::<u64>(),
        faults in vec(wrong_replies(), 1..60),
        connections in 1usize..4,
        pipeline in 1usize..9,
        size in TAG_LEN..90,
        count in 1u64..100,
        window in prop_oneof![100usize..400, Just(100_000)],
    ) {
        let net = narrow_net(seed, window);
        let done = Rc::new(RefCell::new(Done::default()));
        let plan = Plan {
            connections: ConnectionCounts { active: connections, ..ConnectionCounts::default() },
            workload: framed_echo(Sizes::fixed(size)),
            pipeline,
            until: requests(count),
            ..plan()
        };
        let peers = Peers::new(&net, faulty(faults, plan.timeout, Rc::clone(&done)));
        let counters = Rig::new(net, plan, peers).started().run_to_end();
        let Done { mut mismatches, mut timeouts } = done.borrow().clone();
        // What was held for a next one that never came is not answered.
        let held = counters.errors.timeout - timeouts;
        prop_assert!(held <= connections as u64);
        timeouts += held;
        // A reply is lost only if a later one came, so those of the last requests may not be.
        prop_assert!(counters.mismatches.lost <= mismatches.lost + held);
        mismatches.lost = counters.mismatches.lost;
        prop_assert_eq!(&counters.mismatches, &mismatches);
        let requests = counters.requests;
        prop_assert_eq!((requests.sent, requests.unanswered()), (count, timeouts));
        let verified = requests.answered() - mismatches.corrupt - mismatches.swapped;
        prop_assert_eq!(requests.verified, verified);
        let opened = connections as u64;
        let connections = counters.connections;
        prop_assert_eq!((connections.ends.lost(), connections.opened), (0, opened));
    }

    #[test]
    fn in_any_case_each_request_is_closed_once_and_nothing_stays_open(
        (seed, window) in (any::<u64>(), prop_oneof![50usize..400, Just(100_000)]),
        faults in vec(any_fault(), 1..60),
        weather in vec(weather(), 1..20),
        interruptions in vec(0usize..3, 1..5),
        (active, idle, pipeline) in (1usize..6, 0usize..4, 1usize..9),
        (min, longer, verify) in (0usize..60, 0usize..100, any::<bool>()),
        (pace, until) in (pace(), until()),
        (lifetime, close) in (lifetime(), select(vec![Close::Fin, Close::Rst])),
        (storm_every, reconnect) in (prop::option::of(millis(100..800)), prop::bool::weighted(0.8)),
        warmup in prop_oneof![Just(Duration::ZERO), millis(1..700)],
    ) {
        let net = narrow_net(seed, window);
        // In no time at all, a closed loop does any number of requests: it has to be told how many.
        let (pace, warmup) = match pace {
            Pace::Closed if until.requests.is_none() => (Pace::Herd(MILLISECOND * 50), warmup),
            Pace::Closed => (Pace::Closed, Duration::ZERO),
            pace => (pace, warmup),
        };
        let mut plan = Plan {
            connections: ConnectionCounts { active, idle, ..ConnectionCounts::default() },
            workload: framed_echo(Sizes { min, max: min + longer }),
            timeout: Duration::from_secs(1),
            pace, until, lifetime, close, storm_every, pipeline, verify, warmup, seed,
            ..plan()
        };
        plan.reconnecting.reconnect = reconnect;
        let done = Rc::new(RefCell::new(Done::default()));
        let peers = Peers::new(&net, faulty(faults, plan.timeout, done));
        let counters = survive(Rig::new(net, plan, peers), &weather, &interruptions);
        prop_assert!(counters.connections.opened >= counters.connections.established);
        prop_assert!(counters.connections.peak <= (active + idle) as u64);
        prop_assert!(counters.requests.verified <= counters.requests.answered());
        match until.requests {
            Some(count) if counters.partial.is_none() => {
                prop_assert!(counters.requests.sent <= count);
            }
            _ => {}
        }
        if storm_every.is_none() {
            prop_assert_eq!(counters.requests.abandoned, 0);
        }
    }
}

/// Runs to the end, in changing weather, interrupted by signals.
fn survive<A: FnMut(&Asked) -> Act>(
    mut rig: Rig<Peers<A>>,
    weather: &[Way],
    interruptions: &[usize],
) -> Counters {
    let address = plan().destinations[0].clone();
    rig.open();
    rig.begin();
    // It always clears up.
    let weather = [weather, &[Way::Open; 5]].concat();
    for (way, &times) in weather.iter().cycle().zip(interruptions.iter().cycle()).take(3000) {
        if rig.load.is_over() {
            return rig.run_to_end();
        }
        rig.net.set_way(address.clone(), *way);
        rig.net.interrupt(times);
        rig.pass(MILLISECOND * 41);
    }
    panic!("the run does not come to an end");
}

fn weather() -> impl Strategy<Value = Way> {
    prop_oneof![
        6 => Just(Way::Open),
        1 => Just(Way::Silent),
        1 => Just(Way::Refused(Errno::ECONNREFUSED)),
        1 => Just(Way::Barred(Errno::EADDRNOTAVAIL)),
    ]
}

fn millis(range: std::ops::Range<u64>) -> impl Strategy<Value = Duration> {
    range.prop_map(Duration::from_millis)
}

fn pace() -> impl Strategy<Value = Pace> {
    let steps = vec((20.0f64..400.0, millis(50..1000)), 1..4).prop_map(|steps| {
        let step = |(rate, duration)| Step { rate, duration };
        Pace::Rates(steps.into_iter().map(step).collect())
    });
    prop_oneof![1 => Just(Pace::Closed), 2 => steps, 1 => millis(50..500).prop_map(Pace::Herd)]
}

fn until() -> impl Strategy<Value = StopCondition> {
    let duration = || millis(1..3000);
    prop_oneof![
        duration().prop_map(|duration| StopCondition { requests: None, duration: Some(duration) }),
        (1u64..300).prop_map(requests),
        (1u64..300, duration()).prop_map(|(count, duration)| StopCondition {
            duration: Some(duration),
            ..requests(count)
        }),
    ]
}

fn lifetime() -> impl Strategy<Value = Lifetime> {
    prop_oneof![
        2 => Just(Lifetime::Run),
        1 => millis(20..500).prop_map(Lifetime::Time),
        1 => (1u32..6).prop_map(Lifetime::Requests),
    ]
}
