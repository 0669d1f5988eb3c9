//! Whatever becomes of its connections, every conversation comes back once.

use super::rig::{Asker, Rig, address, limits};
use crate::client::session::SessionError;
use crate::client::session_pool::PoolLimits;
use crate::client::tests::loopback::{Loopback, Side, Stream, Way};
use crate::io::event_loop::{EventHandler, LoopControl};
use crate::io::net::{Accept, AcceptOutcome, SocketIo};
use nix::errno::Errno;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use std::io::ErrorKind;

/// More turns than the longest of these pools needs.
const TURNS: usize = 100_000;

/// What a server does once it has sent back this many bytes.
#[derive(Clone, Copy, Debug)]
enum Behaviour {
    Close(usize),
    Reset(usize),
    FallSilent(usize),
    Babble(usize),
}

fn behaviours() -> impl Strategy<Value = Vec<Behaviour>> {
    let after = || 0..500usize;
    vec(
        prop_oneof![
            4 => Just(Behaviour::Close(usize::MAX)),
            1 => after().prop_map(Behaviour::Close),
            1 => after().prop_map(Behaviour::Reset),
            1 => after().prop_map(Behaviour::FallSilent),
            1 => after().prop_map(Behaviour::Babble),
        ],
        1..20,
    )
}

/// How it stands with each of two addresses, for one turn.
fn weather() -> impl Strategy<Value = Vec<[Way; 2]>> {
    let way = || {
        prop_oneof![
            6 => Just(Way::Open),
            1 => Just(Way::Silent),
            1 => select(vec![Errno::ECONNREFUSED, Errno::EHOSTUNREACH]).prop_map(Way::Refused),
            1 => select(vec![Errno::EMFILE, Errno::ENETUNREACH]).prop_map(Way::Barred),
        ]
    };
    vec([way(), way()], 1..20)
}

/// A server's end, which sends back all it receives.
struct Mirror {
    stream: Stream,
    behaviour: Behaviour,
    pending: Vec<u8>,
    mirrored: usize,
}

impl Mirror {
    /// Does what can be done; `None` once the connection is closed.
    fn visit(mut self, net: &mut Loopback) -> Option<Mirror> {
        let mut bytes = [0; 100];
        loop {
            match net.recv(&mut self.stream, &mut bytes) {
                Ok(0) => return None,
                Ok(count) => self.pending.extend_from_slice(&bytes[..count]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return None,
            }
        }
        let (Behaviour::Close(limit)
        | Behaviour::Reset(limit)
        | Behaviour::FallSilent(limit)
        | Behaviour::Babble(limit)) = self.behaviour;
        let share = self.pending.len().min(limit - self.mirrored);
        if share > 0
            && let Ok(count) = net.send(&mut self.stream, &self.pending[..share])
        {
            self.pending.drain(..count);
            self.mirrored += count;
        }
        match self.behaviour {
            _ if self.mirrored < limit => Some(self),
            Behaviour::Close(_) => None,
            Behaviour::Reset(_) => {
                net.abort(self.stream);
                None
            }
            Behaviour::FallSilent(_) => Some(self),
            Behaviour::Babble(_) => {
                let _ = net.send(&mut self.stream, b"nonsense");
                self.behaviour = Behaviour::FallSilent(limit);
                Some(self)
            }
        }
    }
}

/// Turns until the pool stops. Time passes only while nothing else does.
fn run(rig: &mut Rig<Asker>, behaviours: &[Behaviour], weather: &[[Way; 2]], open: usize) {
    let mut behaviours = behaviours.iter().cycle();
    let mut mirrors: Vec<Mirror> = Vec::new();
    let mut was_quiet = false;
    for (turn, ways) in weather.iter().cycle().enumerate().take(TURNS) {
        (1..).zip(ways).for_each(|(number, &way)| rig.net.set_way(address(number), way));
        rig.net.interrupt(turn % 3);
        let calls = rig.net.calls();
        let next = rig.turn();
        let pool_is_quiet = rig.net.calls() == calls;
        assert!(rig.net.held(Side::Client) <= open);
        while let AcceptOutcome::Connection(stream, _) = rig.net.accept(&()) {
            let behaviour = *behaviours.next().expect("a cycle does not end");
            mirrors.push(Mirror { stream, behaviour, pending: Vec::new(), mirrored: 0 });
        }
        mirrors = mirrors.into_iter().filter_map(|mirror| mirror.visit(&mut rig.net)).collect();
        let is_quiet = !rig.net.deliver() && pool_is_quiet;
        match next {
            LoopControl::Stop => return,
            LoopControl::Poll => {}
            LoopControl::WaitUntil(moment) if is_quiet && was_quiet => rig.now = moment,
            LoopControl::WaitUntil(_) => {}
            LoopControl::Wait => panic!("the pool waits without a deadline"),
        }
        was_quiet = is_quiet;
    }
    panic!("the pool does not come to an end");
}

proptest! {
    #[test]
    fn every_script_comes_back_once(
        seed in any::<u64>(),
        rounds in vec(0usize..5, 0..40),
        behaviours in behaviours(),
        weather in weather(),
        (connecting, open) in (1usize..10, 1usize..20),
        window in prop_oneof![1usize..20, Just(1000)],
    ) {
        let net = Loopback::new(seed);
        net.set_window(window);
        let limits = PoolLimits { connecting, open, ..limits() };
        let conversations: Vec<Asker> =
            rounds.iter().enumerate().map(|(number, &rounds)| Asker::new(number, rounds)).collect();
        let mut rig = Rig::on(net, &[address(1), address(2)], limits, conversations);
        run(&mut rig, &behaviours, &weather, open);

        prop_assert_eq!(rig.pool.end_turn(rig.now), LoopControl::Stop);
        prop_assert_eq!(rig.held(), 0);
        let established = rig.pool.established();
        let mut finished = rig.pool.into_finished();
        finished.sort_by_key(|finished| finished.conversation.number);
        let numbers: Vec<usize> =
            finished.iter().map(|finished| finished.conversation.number).collect();
        prop_assert_eq!(numbers, Vec::from_iter(0..rounds.len()));
        let mut unconnected = 0;
        for finished in finished {
            let Asker { rounds, heard, .. } = finished.conversation;
            match finished.result {
                Ok(()) => prop_assert_eq!(heard, rounds),
                Err(SessionError::Connect(..) | SessionError::ConnectTimeout(..)) => {
                    prop_assert_eq!(heard, 0);
                    unconnected += 1;
                }
                Err(_) => prop_assert!(heard < rounds),
            }
        }
        prop_assert_eq!(established + unconnected, rounds.len());
    }

    #[test]
    fn on_a_sound_network_all_is_heard(
        seed in any::<u64>(),
        rounds in vec(0usize..10, 0..40),
        (connecting, open) in (1usize..10, 1usize..20),
        window in prop_oneof![1usize..20, Just(1000)],
    ) {
        let net = Loopback::new(seed);
        net.set_window(window);
        let limits = PoolLimits { connecting, open, ..limits() };
        let conversations = rounds.iter().map(|&rounds| Asker::new(0, rounds)).collect::<Vec<_>>();
        let mut rig = Rig::on(net, &[address(1), address(2)], limits, conversations);
        run(&mut rig, &[Behaviour::Close(usize::MAX)], &[[Way::Open; 2]], open);
        prop_assert_eq!(rig.net.attempts().len(), rounds.len());
        prop_assert_eq!(rig.pool.finished().len(), rounds.len());
        for finished in rig.pool.finished() {
            prop_assert!(finished.result.is_ok());
            prop_assert_eq!(finished.conversation.heard, finished.conversation.rounds);
        }
    }
}
