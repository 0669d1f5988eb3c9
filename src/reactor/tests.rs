//! The reactor on real sockets of the loopback interface, real signals, and a real thread.

use super::listener::Listener;
use super::{Processor, Reactor};
use crate::handlers::Service;
use crate::handlers::daytime::DateCache;
use crate::io::clock::Moment;
use crate::io::event_loop::{EventHandler, LoopControl, Wakeup};
use crate::io::host::WallClock;
use crate::io::net::{Accept, AcceptOutcome, Connect, SocketIo};
use crate::io::readiness::{Interest, Readiness};
use crate::io::token::Token;
use crate::os::listener::{self, AddressPresence, Port};
use crate::reactor::MioNet;
use crate::server::Server;
use crate::server::limits::Limits;
use crate::table::Table;
use mio::net::TcpStream;
use nix::sys::signal::{Signal, raise};
use socket2::{Domain, SockRef, Socket, Type};
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpStream as StdStream};
use std::thread;
use std::time::Duration;

const LOOPBACK: (Ipv4Addr, u16) = (Ipv4Addr::LOCALHOST, 0);
const BACKLOG: u32 = 16;

/// After this long something that should have happened has not: a failed test, not a hung one.
const PATIENCE: Duration = Duration::from_secs(20);

/// Notes what it is told, and stops when it has seen enough.
struct Witness<E> {
    events: Vec<(Token, Readiness)>,
    wakeups: Vec<Wakeup>,
    is_enough: E,
}

impl<E: FnMut(&[(Token, Readiness)], &[Wakeup]) -> bool> EventHandler for Witness<E> {
    fn on_ready(&mut self, token: Token, readiness: Readiness) {
        self.events.push((token, readiness));
    }

    fn on_wakeup(&mut self, wakeup: Wakeup, _now: Moment) {
        self.wakeups.push(wakeup);
    }

    fn end_turn(&mut self, now: Moment) -> LoopControl {
        assert!(now < Moment::START + PATIENCE, "waited for {:?}, {:?}", self.events, self.wakeups);
        if (self.is_enough)(&self.events, &self.wakeups) {
            return LoopControl::Stop;
        }
        LoopControl::WaitUntil(Moment::START + PATIENCE)
    }
}

/// Turns the loop until `is_enough`; returns all that was told.
fn watch(
    reactor: &mut Reactor,
    is_enough: impl FnMut(&[(Token, Readiness)], &[Wakeup]) -> bool,
) -> (Vec<(Token, Readiness)>, Vec<Wakeup>) {
    let mut witness = Witness { events: Vec::new(), wakeups: Vec::new(), is_enough };
    reactor.run(&mut witness).expect("epoll works");
    (witness.events, witness.wakeups)
}

/// Turns the loop until an event for `token` says what `is_expected` looks for.
fn watch_for(reactor: &mut Reactor, token: Token, is_expected: impl Fn(Readiness) -> bool) {
    watch(reactor, |events, _| {
        events.iter().any(|&(told, readiness)| told == token && is_expected(readiness))
    });
}

/// A listener on a free port of the loopback interface, and its address.
fn listening(net: &MioNet) -> (Listener, SocketAddr) {
    let socket = listener::bind(LOOPBACK.into(), Port::Exclusive, AddressPresence::Now)
        .expect("a free port");
    let socket = listener::listen(socket, BACKLOG).expect("nobody else has it");
    let address = socket.local_addr().expect("it is bound");
    (net.listener(listener::Listener::Tcp(socket)), address)
}

/// A listener, a client connected to it, and the client's other end, accepted.
fn connected(reactor: &mut Reactor, net: &mut MioNet) -> (StdStream, TcpStream) {
    let (mut listener, address) = listening(net);
    net.register_listener(&mut listener, Token(1)).expect("room in epoll");
    let client = StdStream::connect(address).expect("someone listens");
    client.set_read_timeout(Some(PATIENCE)).expect("a valid timeout");
    watch_for(reactor, Token(1), |readiness| readiness.read);
    let AcceptOutcome::Connection(stream, peer) = net.accept(&listener) else {
        panic!("a client waits");
    };
    assert_eq!(peer, client.local_addr().expect("it has one").into());
    assert!(matches!(net.accept(&listener), AcceptOutcome::NoneWaiting), "nobody else waits");
    (client, stream)
}

fn reactor_and_net() -> (Reactor, MioNet) {
    let reactor = Reactor::new().expect("descriptors for epoll");
    let net = reactor.net().expect("a descriptor");
    (reactor, net)
}

#[test]
fn accepted_sockets_send_without_delay() {
    let (mut reactor, mut net) = reactor_and_net();
    let (_client, stream) = connected(&mut reactor, &mut net);
    assert!(stream.nodelay().expect("a TCP socket"));
}

#[test]
fn bytes_and_fin_go_both_ways() {
    let (mut reactor, mut net) = reactor_and_net();
    let (mut client, mut stream) = connected(&mut reactor, &mut net);
    net.register(&mut stream, Token(2), Interest::ReadWrite).expect("room in epoll");
    watch_for(&mut reactor, Token(2), |readiness| readiness.write);
    let mut buffer = [0; 100];
    let error = net.recv(&mut stream, &mut buffer).expect_err("nothing has come");
    assert_eq!(error.kind(), ErrorKind::WouldBlock);

    client.write_all(b"question").expect("room in the socket");
    client.shutdown(Shutdown::Write).expect("a connected socket");
    watch_for(&mut reactor, Token(2), |readiness| {
        readiness.read && readiness.read_until_would_block
    });
    assert_eq!(net.recv(&mut stream, &mut buffer).expect("bytes came"), 8);
    assert_eq!(&buffer[..8], b"question");
    assert_eq!(net.recv(&mut stream, &mut buffer).expect("FIN came"), 0);

    assert_eq!(net.send(&mut stream, b"answer").expect("room in the socket"), 6);
    net.send_fin(&mut stream).expect("a connected socket");
    let mut answer = String::new();
    client.read_to_string(&mut answer).expect("an answer, then FIN");
    assert_eq!(answer, "answer");
}

#[test]
fn an_aborted_connection_is_reset() {
    let (mut reactor, mut net) = reactor_and_net();
    let (mut client, stream) = connected(&mut reactor, &mut net);
    net.abort(stream);
    let error = client.read(&mut [0; 1]).expect_err("RST, not FIN");
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
}

#[test]
fn a_reset_makes_both_directions_ready() {
    let (mut reactor, mut net) = reactor_and_net();
    let (client, mut stream) = connected(&mut reactor, &mut net);
    net.register(&mut stream, Token(2), Interest::ReadWrite).expect("room in epoll");
    SockRef::from(&client).set_linger(Some(Duration::ZERO)).expect("a valid time");
    drop(client);
    let all = Readiness { read: true, write: true, read_until_would_block: true };
    watch_for(&mut reactor, Token(2), |readiness| readiness == all);
    let error = net.recv(&mut stream, &mut [0; 1]).expect_err("it was reset");
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
}

#[test]
fn a_connect_ends_with_a_connection_or_with_the_reason_why_not() {
    let (mut reactor, mut net) = reactor_and_net();
    let (_listener, address) = listening(&net);
    let mut stream = net.connect(&address.into()).expect("a socket");
    net.register(&mut stream, Token(2), Interest::ReadWrite).expect("room in epoll");
    watch_for(&mut reactor, Token(2), |readiness| readiness.write);
    net.connected(&mut stream).expect("someone listens");
    assert!(net.local_addr(&stream).expect("it has one").ip().is_loopback());

    // Bound, so that no other socket listens there, and not listening itself.
    let taken = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    taken.bind(&SocketAddr::from(LOOPBACK).into()).expect("a free port");
    let deaf = taken.local_addr().ok().and_then(|address| address.as_socket()).expect("IPv4");
    let mut refused = net.connect(&deaf.into()).expect("a socket");
    net.register(&mut refused, Token(3), Interest::ReadWrite).expect("room in epoll");
    watch_for(&mut reactor, Token(3), |readiness| readiness.write);
    let error = net.connected(&mut refused).expect_err("nobody listens");
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
}

#[test]
fn another_thread_can_wake_the_loop() {
    let (mut reactor, _) = reactor_and_net();
    let waker = reactor.waker();
    let other = thread::spawn(move || waker.wake());
    let (events, wakeups) = watch(&mut reactor, |_, wakeups| !wakeups.is_empty());
    assert_eq!((events, wakeups), (vec![], vec![Wakeup::Message]));
    other.join().expect("no panic").expect("a wake-up");
}

/// A signal sent to one thread is pending for that thread, so this disturbs no other test.
#[test]
fn signals_arrive_as_notices() {
    let (mut reactor, _) = reactor_and_net();
    reactor.watch_signals_and(&[Signal::SIGQUIT, Signal::SIGCHLD]).expect("a descriptor");
    let cases = [
        (Signal::SIGQUIT, Wakeup::StopAtOnce),
        (Signal::SIGCHLD, Wakeup::ChildEnded),
        (Signal::SIGHUP, Wakeup::Reload),
        (Signal::SIGUSR1, Wakeup::Report),
        (Signal::SIGINT, Wakeup::Terminate),
        (Signal::SIGTERM, Wakeup::Terminate),
    ];
    for (signal, wakeup) in cases {
        raise(signal).expect("a known signal");
        let (_, wakeups) = watch(&mut reactor, |_, wakeups| !wakeups.is_empty());
        assert_eq!(wakeups, [wakeup], "{signal}");
    }
}

/// What can only be done later is kept by the kernel until then.
#[test]
fn until_all_signals_are_watched_only_those_to_stop_arrive() {
    let (mut reactor, _) = reactor_and_net();
    reactor.watch_stopping_signals().expect("a descriptor");
    for signal in [Signal::SIGUSR1, Signal::SIGHUP, Signal::SIGTERM] {
        raise(signal).expect("a known signal");
    }
    let (_, wakeups) = watch(&mut reactor, |_, wakeups| !wakeups.is_empty());
    assert_eq!(wakeups, [Wakeup::Terminate]);
    reactor.watch_signals().expect("a descriptor");
    let (_, wakeups) = watch(&mut reactor, |_, wakeups| wakeups.len() == 2);
    assert_eq!(wakeups, [Wakeup::Reload, Wakeup::Report]);
}

#[test]
fn a_moment_that_has_passed_is_not_waited_for() {
    struct Hurry(usize);
    impl EventHandler for Hurry {
        fn on_ready(&mut self, token: Token, _: Readiness) {
            panic!("nothing is registered as {token:?}");
        }

        fn end_turn(&mut self, now: Moment) -> LoopControl {
            self.0 += 1;
            match self.0 {
                1 => LoopControl::Poll,
                2 => LoopControl::WaitUntil(Moment::START),
                3 => LoopControl::WaitUntil(now),
                _ => LoopControl::Stop,
            }
        }
    }
    let (mut reactor, _) = reactor_and_net();
    let before = reactor.now();
    let mut hurry = Hurry(0);
    reactor.run(&mut hurry).expect("epoll works");
    assert_eq!(hurry.0, 4);
    assert!(reactor.now() >= before);
}

#[test]
fn the_wall_clock_is_set() {
    let (_reactor, net) = reactor_and_net();
    let year_2020 = 1_577_836_800;
    assert!(net.wall_time().seconds > year_2020);
    assert!(net.wall_time().nanos < 1_000_000_000);
}

/// Runs a server until one connection was served.
struct UntilOneIsServed(Server<MioNet>);

impl EventHandler for UntilOneIsServed {
    fn on_ready(&mut self, token: Token, readiness: Readiness) {
        self.0.on_ready(token, readiness);
    }

    fn end_turn(&mut self, now: Moment) -> LoopControl {
        let patience_ends = Moment::START + PATIENCE;
        assert!(now < patience_ends, "not served yet: {:?}", self.0.stats());
        match self.0.end_turn(now) {
            _ if self.0.stats().closed_total() == 1 => LoopControl::Stop,
            LoopControl::Wait => LoopControl::WaitUntil(patience_ends),
            next => next,
        }
    }
}

/// The server that the other tests run on a network in memory, once on the real one.
#[test]
fn the_server_serves() {
    let (mut reactor, net) = reactor_and_net();
    let (listener, address) = listening(&net);
    let dates = DateCache::utc();
    let mut server = Server::new(net, Limits::default(), Table::embedded(), dates, reactor.now());
    server.listen(listener, Service::ECHO).expect("room in epoll");

    let mut client = StdStream::connect(address).expect("someone listens");
    client.set_read_timeout(Some(PATIENCE)).expect("a valid timeout");
    let text: Vec<u8> = (0..1_000_000u32).map(|n| n as u8).collect();
    let expected = text.clone();
    let mut writer = client.try_clone().expect("a descriptor");
    let writing = thread::spawn(move || {
        writer.write_all(&text).expect("the server reads");
        writer.shutdown(Shutdown::Write).expect("a connected socket");
    });
    let reading = thread::spawn(move || {
        let mut received = Vec::new();
        client.read_to_end(&mut received).expect("an echo, then FIN");
        received
    });
    let mut handler = UntilOneIsServed(server);
    reactor.run(&mut handler).expect("epoll works");
    writing.join().expect("no panic");
    assert!(reading.join().expect("no panic") == expected, "not what was sent");
    assert_eq!((handler.0.stats().accepted, handler.0.stats().open()), (1, 0));
}

/// Waits once, stops after the next turn, and notes what it is told of its turns.
struct Sleeper {
    waits_until: Option<Moment>,
    turns: Vec<(Moment, Moment)>,
}

impl EventHandler for Sleeper {
    fn on_ready(&mut self, token: Token, _: Readiness) {
        panic!("nothing is registered as {token:?}");
    }

    fn end_turn(&mut self, now: Moment) -> LoopControl {
        match self.waits_until {
            None => {
                let until = now + Duration::from_millis(20);
                self.waits_until = Some(until);
                LoopControl::WaitUntil(until)
            }
            Some(until) if now < until => LoopControl::WaitUntil(until),
            Some(_) => LoopControl::Stop,
        }
    }

    fn turn_ended(&mut self, began: Moment, ended: Moment, _: LoopControl) {
        self.turns.push((began, ended));
    }
}

#[test]
fn field_server_20_what_is_waited_for_is_no_part_of_a_turn() {
    let (mut reactor, _) = reactor_and_net();
    let mut sleeper = Sleeper { waits_until: None, turns: Vec::new() };
    reactor.run(&mut sleeper).expect("epoll works");
    let moment = sleeper.waits_until.expect("there was a first turn");
    let (first, last) = (sleeper.turns[0], sleeper.turns[sleeper.turns.len() - 1]);
    assert!(sleeper.turns.iter().all(|(began, ended)| began <= ended), "{:?}", sleeper.turns);
    assert!(sleeper.turns.is_sorted(), "{:?}", sleeper.turns);
    assert!(first.1 < moment && last.0 >= moment, "{first:?}, {last:?}, {moment:?}");
}

/// Waits for many moments, too near to sleep until.
struct NearMoments {
    left: u32,
    moment: Moment,
}

impl EventHandler for NearMoments {
    fn on_ready(&mut self, token: Token, _: Readiness) {
        panic!("nothing is registered as {token:?}");
    }

    fn end_turn(&mut self, now: Moment) -> LoopControl {
        if now >= self.moment {
            self.left -= 1;
            self.moment = now + Duration::from_micros(100);
        }
        if self.left == 0 { LoopControl::Stop } else { LoopControl::WaitUntil(self.moment) }
    }
}

#[test]
fn a_loop_busy_waits_only_where_it_is_to_wait_exactly_and_may() {
    let waited = |busy_wait_on| {
        let (mut reactor, _) = reactor_and_net();
        let waited = reactor.wait_exactly(busy_wait_on).expect("there are descriptors");
        let mut handler = NearMoments { left: 100, moment: Moment::START };
        reactor.run(&mut handler).expect("epoll works");
        assert!(waited.so_far() <= reactor.now().since(Moment::START));
        waited.so_far()
    };
    assert!(waited(Some(Processor::Own)) > Duration::ZERO);
    assert!(waited(Some(Processor::Shared)) > Duration::ZERO);
    assert_eq!(waited(None), Duration::ZERO);
}

/// Takes a wakeup at one moment, and its turn at a later one.
#[derive(Default)]
struct LateTurn {
    noticed: Option<Moment>,
    turn: Option<(Moment, Moment)>,
}

impl EventHandler for LateTurn {
    fn on_ready(&mut self, token: Token, _: Readiness) {
        panic!("nothing is registered as {token:?}");
    }

    fn on_wakeup(&mut self, _: Wakeup, now: Moment) {
        self.noticed = Some(now);
    }

    fn end_turn(&mut self, _: Moment) -> LoopControl {
        if self.noticed.is_some() { LoopControl::Stop } else { LoopControl::Wait }
    }

    fn turn_ended(&mut self, began: Moment, ended: Moment, _: LoopControl) {
        self.turn = Some((began, ended));
    }
}

#[test]
fn field_server_20_what_a_wakeup_asks_for_is_a_part_of_its_turn() {
    let (mut reactor, _) = reactor_and_net();
    reactor.waker().wake().expect("a wake-up");
    let mut handler = LateTurn::default();
    reactor.run(&mut handler).expect("epoll works");
    let (began, ended) = handler.turn.expect("a turn");
    assert_eq!(handler.noticed, Some(began));
    assert!(ended > began);
}
