//! Random clients on a random network: whatever happens, every reply arrives, in order.
//!
//! The bench checks after each turn that no connection with work was forgotten. At the end the
//! clients take everything, and what each got is compared with what it asked for.

use super::bench::{Bench, ECHO, FRAMED, LOOKUP, frame};
use super::fake_net::{Client, FakeNet, Fault, ServerEnd};
use crate::io::event_loop::LoopControl;
use crate::server::limits::Limits;
use nix::errno::Errno;
use proptest::prelude::*;
use proptest::sample::select;
use std::time::Duration;

#[derive(Clone, Debug)]
enum Event {
    Connect(usize),
    FailAccept(Fault),
    Turns(usize),
    Sleep(Duration),
    /// One client does something: the one with this number, modulo how many there are.
    OfClient(usize, Act),
}

#[derive(Clone, Debug)]
enum Act {
    /// Writes `count` requests with replies of about `size` bytes.
    Ask {
        count: usize,
        size: usize,
    },
    /// This number of the bytes that were written get through.
    Deliver(usize),
    Fin,
    Reset,
    /// Its kernel takes this number of bytes more.
    Widen(usize),
    /// Its kernel takes no more than this at once.
    Choke(usize),
    FailRecv(Fault),
    FailSend(Fault),
}

fn event() -> impl Strategy<Value = Event> {
    let accept_errors = select(&[Errno::EMFILE, Errno::ECONNABORTED, Errno::EINTR][..]);
    let accept_fault = (accept_errors, 1..4usize).prop_map(|(errno, n)| Fault::times(errno, n));
    prop_oneof![
        4 => select(&[FRAMED, ECHO, LOOKUP][..]).prop_map(Event::Connect),
        1 => accept_fault.prop_map(Event::FailAccept),
        8 => (1..4usize).prop_map(Event::Turns),
        1 => (0..1500u64).prop_map(|millis| Event::Sleep(Duration::from_millis(millis))),
        30 => (0..100usize, act()).prop_map(|(number, act)| Event::OfClient(number, act)),
    ]
}

fn act() -> impl Strategy<Value = Act> {
    let interrupted = || (1..6usize).prop_map(|times| Fault::times(Errno::EINTR, times));
    let size = prop_oneof![0..50usize, 0..5000usize];
    prop_oneof![
        8 => (1..200usize, size).prop_map(|(count, size)| Act::Ask { count, size }),
        8 => prop_oneof![1..100usize, 1..100_000usize].prop_map(Act::Deliver),
        1 => Just(Act::Fin),
        1 => Just(Act::Reset),
        4 => (1..10_000usize).prop_map(Act::Widen),
        1 => (50..1000usize).prop_map(Act::Choke),
        1 => interrupted().prop_map(Act::FailRecv),
        1 => interrupted().prop_map(Act::FailSend),
    ]
}

/// A client, what it has written that is still under way, and what it expects for all of it.
struct Script {
    client: Client,
    listener: usize,
    under_way: Vec<u8>,
    delivered: usize,
    expected: Vec<u8>,
    /// By request: where in all that is written it ends, and where in all replies its own does.
    ends: Vec<(usize, usize)>,
    done: Done,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Done {
    No,
    Fin,
    Reset,
}

impl Script {
    fn new(net: &FakeNet, listener: usize) -> Script {
        let client = net.connect(listener);
        net.socket(client, |socket| socket.window = 1000);
        Script {
            client,
            listener,
            under_way: Vec::new(),
            delivered: 0,
            expected: Vec::new(),
            ends: Vec::new(),
            done: Done::No,
        }
    }

    fn play(&mut self, net: &FakeNet, act: Act) {
        match act {
            Act::Ask { count, size } if self.done == Done::No => {
                (0..count).for_each(|_| self.ask(size));
            }
            Act::Ask { .. } => {}
            Act::Deliver(count) => self.deliver(net, count),
            Act::Fin => self.fin(net),
            Act::Reset => self.reset(net),
            Act::Widen(count) => net.widen(self.client, count),
            Act::Choke(most) => net.socket(self.client, |socket| socket.most_at_once = most),
            Act::FailRecv(fault) => {
                net.socket(self.client, |socket| socket.recv_call.fault = fault)
            }
            Act::FailSend(fault) => {
                net.socket(self.client, |socket| socket.send_call.fault = fault)
            }
        }
    }

    /// Writes a request whose reply cannot be mistaken for another's.
    fn ask(&mut self, size: usize) {
        let number = self.ends.len();
        let text = [format!("{number} ").into_bytes(), vec![b'x'; size]].concat();
        match self.listener {
            FRAMED => {
                self.under_way.extend(frame(&[b"ECHO ", &text[..]].concat()));
                self.expected.extend(frame(&text));
            }
            ECHO => {
                self.under_way.extend(&text);
                self.expected.extend(&text);
            }
            _ => {
                let (request, reply) = match number % 2 {
                    0 => ("165.165.80.80\n", "6A:08:AA:C2\n"),
                    _ => ("?\r\n", "Not Found\r\n"),
                };
                self.under_way.extend(request.bytes());
                self.expected.extend(reply.bytes());
            }
        }
        self.ends.push((self.delivered + self.under_way.len(), self.expected.len()));
    }

    fn deliver(&mut self, net: &FakeNet, count: usize) {
        if self.done != Done::No {
            return;
        }
        let count = match self.listener {
            // A pause in the middle of a line would count as its end.
            LOOKUP => self.under_way.len(),
            _ => count.min(self.under_way.len()),
        };
        let bytes: Vec<u8> = self.under_way.drain(..count).collect();
        net.send(self.client, &bytes);
        self.delivered += count;
    }

    /// The replies to all that has got through.
    fn expected_so_far(&self) -> &[u8] {
        if self.listener == ECHO {
            return &self.expected[..self.delivered];
        }
        let complete = self.ends.partition_point(|&(end, _)| end <= self.delivered);
        let end = complete.checked_sub(1).map_or(0, |last| self.ends[last].1);
        &self.expected[..end]
    }

    /// Whether `received` is the beginning of the replies, some of them followed by `refusal`.
    fn expects(&self, received: &[u8], refusal: &[u8]) -> bool {
        let reply_ends = self.ends.iter().map(|&(_, end)| end);
        self.expected.starts_with(received)
            || reply_ends.chain([0]).any(|end| {
                let rest = received.strip_prefix(&self.expected[..end]);
                rest.is_some_and(|rest| refusal.starts_with(rest))
            })
    }

    /// The client half-closes after all it has written.
    fn fin(&mut self, net: &FakeNet) {
        if self.done == Done::No {
            self.deliver(net, usize::MAX);
            net.fin(self.client);
            self.done = Done::Fin;
        }
    }

    fn reset(&mut self, net: &FakeNet) {
        if self.done != Done::Reset {
            net.reset(self.client);
            self.done = Done::Reset;
        }
    }
}

fn play(bench: &mut Bench, scripts: &mut Vec<Script>, event: Event) {
    match event {
        Event::Connect(listener) => scripts.push(Script::new(&bench.net, listener)),
        Event::FailAccept(fault) => bench.net.accept_call(|call| call.fault = fault),
        Event::Turns(count) => {
            (0..count).for_each(|_| {
                bench.turn();
            });
        }
        Event::Sleep(duration) => {
            bench.run_for(duration);
        }
        Event::OfClient(number, act) => {
            let number = number % scripts.len().max(1);
            if let Some(script) = scripts.get_mut(number) {
                script.play(&bench.net, act);
            }
        }
    }
}

fn play_all(events: Vec<Event>, limits: Limits) -> (Bench, Vec<Script>) {
    let mut bench = Bench::with_limits(limits);
    let mut scripts = Vec::new();
    for event in events {
        play(&mut bench, &mut scripts, event);
    }
    (bench, scripts)
}

/// Limits with deadlines of `seconds`.
fn limits(seconds: u64) -> impl Strategy<Value = Limits> {
    let output_limit = select(&[0usize, 1000, 20_000, 1 << 20][..]);
    let timeout = Duration::from_secs(seconds);
    (output_limit, 1..10usize).prop_map(move |(output_limit, max_connections)| Limits {
        output_limit,
        max_connections,
        frame_timeout: timeout,
        idle_timeout: timeout,
        write_timeout: timeout,
        ..Limits::default()
    })
}

/// Where this is about what arrives, and not about which connection is given up.
const LONG: u64 = 1_000_000;

fn take_everything(bench: &Bench, scripts: &[Script]) {
    for script in scripts {
        bench.net.widen(script.client, usize::MAX);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn every_reply_arrives_in_order(
        events in proptest::collection::vec(event(), 1..80),
        limits in limits(LONG),
    ) {
        let (mut bench, mut scripts) = play_all(events, limits);
        take_everything(&bench, &scripts);
        for script in &mut scripts {
            script.fin(&bench.net);
        }
        // A client in the backlog gets in when another leaves, or when a pause is over.
        bench.run_for(Duration::from_secs(10));
        for script in &scripts {
            let received = bench.net.received(script.client);
            if script.done == Done::Reset {
                prop_assert!(script.expected.starts_with(&received));
            } else {
                prop_assert_eq!(received, &script.expected[..]);
                prop_assert_eq!(bench.net.server_end(script.client), ServerEnd::Closed);
            }
        }
        prop_assert_eq!(bench.server.stats().accepted, scripts.len() as u64);
        bench.assert_clean();
    }

    #[test]
    fn draining_answers_all_that_has_arrived_and_nothing_by_halves(
        events in proptest::collection::vec(event(), 1..80),
        limits in limits(LONG),
    ) {
        let limits = Limits { drain_timeout: Duration::from_secs(LONG), ..limits };
        let (mut bench, mut scripts) = play_all(events, limits);
        take_everything(&bench, &scripts);
        let is_there = |bench: &Bench, script: &Script| {
            let end = bench.net.server_end(script.client);
            matches!(end, ServerEnd::Open | ServerEnd::Waiting) && script.done != Done::Reset
        };
        scripts.retain(|script| is_there(&bench, script));
        bench.server.drain(bench.now);
        let mut next = bench.run();
        // A client in the backlog gets in when another leaves, or when a pause is over.
        for _ in 0..100 {
            scripts.iter().for_each(|script| bench.net.fin(script.client));
            if next != LoopControl::Stop {
                next = bench.run_for(Duration::from_secs(2));
            }
        }
        prop_assert_eq!(next, LoopControl::Stop);
        for script in &scripts {
            prop_assert_eq!(bench.net.received(script.client), script.expected_so_far());
            prop_assert_eq!(bench.net.server_end(script.client), ServerEnd::Closed);
        }
        bench.assert_clean();
    }

    #[test]
    fn left_alone_every_connection_ends(
        events in proptest::collection::vec(event(), 1..80),
        limits in limits(3),
    ) {
        let refusal = frame(b"Error: the request did not arrive whole within 3s");
        let (mut bench, scripts) = play_all(events, limits);
        // The bench takes care that the loop is never woken for nothing.
        bench.run_for(Duration::from_secs(1000));
        bench.assert_clean();
        for script in &scripts {
            prop_assert!(script.expects(&bench.net.received(script.client), &refusal));
        }
        prop_assert_eq!(bench.server.stats().accepted, scripts.len() as u64);
    }
}
