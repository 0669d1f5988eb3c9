//! A million connections of the whole server, over a network in memory: what they cost while
//! nothing happens, while a few speak, when all are timed out at one moment, and when the server
//! stops.
//!
//! A kernel with a million sockets needs gigabytes and minutes; this needs neither, and what it
//! measures is the server's alone. Before that, the tables that it keeps them in, by themselves:
//! the longest single step of each. Prints Markdown tables. With `--test`, two thousand connections
//! do, and only the outcome counts: all are timed out, all are drained, and the memory is given
//! back.

#[path = "million/parts.rs"]
mod parts;
mod support;

use readyd::io::event_loop::{EventHandler, LoopControl};
use readyd::os::memory;
use readyd::server::close::CloseReason;
use readyd::server::limits::Limits;
use std::time::Duration;
use support::cpu_time::thread_time;
use support::memory_net::Incoming;
use support::world::World;
use support::{frame, shuffled};

/// Connections that speak in one turn, where some do.
const ACTIVE: usize = 64;

/// Turns in which no connection speaks, or [`ACTIVE`] of them do; a test has connections for fewer.
const TURNS: usize = 1_000;

/// What the server may keep when all have left: one empty portion of slots (4,096 of 96 bytes), and
/// the places of timers that are too few to give back.
const KEPT: u64 = 512 << 10;

const KIB: u64 = 1024;

/// More than the places that the server keeps while no client is connected: what is given back
/// shows.
const IN_A_TEST: usize = 2_000;

fn main() {
    let is_test = std::env::args().any(|argument| argument == "--test");
    let connections = if is_test { IN_A_TEST } else { 1_000_000 };
    memory::return_large_blocks();
    parts::measure(connections);
    let mut world = World::new(Limits { max_connections: connections + 1, ..Limits::default() });
    world.wire.incoming.replace(Incoming::Nothing);
    world.turn();

    println!("\n| {connections} connections | turns | longest turn | all turns | a connection |");
    println!("|---|---|---|---|---|");
    let none = Memory::of(&world);
    open(&mut world, connections);
    let all = Memory::of(&world);
    keep_silent(&mut world);
    time_out(&mut world, connections);
    let timed_out = Memory::of(&world);
    open(&mut world, connections);
    drain(&mut world, connections);
    let drained = Memory::of(&world);
    speak(connections);

    println!("\n| memory | places | resident |");
    println!("|---|---|---|");
    none.print("nobody connected yet");
    all.print("all connected");
    timed_out.print("all timed out");
    drained.print("all connected again, and drained");
    let each = |bytes: u64| bytes as f64 / connections as f64;
    let places = each(all.places - none.places);
    let resident = each(all.resident.saturating_sub(none.resident));
    println!("| a connection | {places:.1} B | {resident:.1} B |");
    // A server that has drained stops, and gives its timers' memory back by that.
    assert!(timed_out.places <= none.places + KEPT, "the server keeps {} bytes", timed_out.places);
}

/// Lets all clients connect at one moment.
fn open(world: &mut World, connections: usize) {
    world.wire.backlog.set(connections);
    world.expect_clients();
    Turns::of_wake_up(world).0.print("they are accepted, 128 a turn", connections);
    assert_eq!(world.server.stats().open(), connections as u64, "not all were accepted");
    // None of them will speak; so that the list is not taken for the server's memory.
    world.wire.tokens.take();
}

fn keep_silent(world: &mut World) {
    let mut turns = Turns::default();
    for _ in 0..TURNS {
        turns.time(|| world.turn());
    }
    turns.print("nothing happens", 0);
}

/// No client has sent a byte, so all deadlines pass at the same moment; and no client answers the
/// FIN.
fn time_out(world: &mut World, connections: usize) {
    let next = world.turn();
    let happenings = [
        "their timers come near, and move in the wheel",
        "the idle timeout passes: FIN is sent",
        "the linger timeout passes: they are closed",
    ];
    follow(world, next, happenings, connections);
    assert_eq!(closed(world, CloseReason::IdleTimeout), connections, "not all timed out");
}

/// The server stops, and no client answers the FIN.
fn drain(world: &mut World, connections: usize) {
    let mut order = Turns::default();
    order.time(|| world.server.drain(world.now));
    order.print("the order to stop comes: all are queued", connections);
    let (turns, next) = Turns::of_wake_up(world);
    turns.print("each is looked at a last time: FIN is sent", connections);
    let happenings = [
        "their timers come near, and move in the wheel",
        "the linger timeout passes: they are closed",
    ];
    let next = follow(world, next, happenings, connections);
    assert_eq!(next, LoopControl::Stop, "the server goes on");
    assert_eq!(closed(world, CloseReason::Drained), connections, "not all were drained");
}

/// In a world of its own, whose lists do not mix with the memory of the other.
fn speak(connections: usize) {
    let mut world = World::with_connections(connections);
    let request = frame(&[b"ECHO ", &[b'x'; 32][..]].concat());
    let sent = ACTIVE * frame(&[b'x'; 32]).len();
    world.wire.incoming.replace(Incoming::Bytes(request));
    let tokens = world.wire.tokens.take();
    let same = tokens.chunks_exact(ACTIVE).next().into_iter().cycle().take(TURNS);
    let order = shuffled(&tokens);
    let others = order.chunks_exact(ACTIVE).take(TURNS);
    for (what, speakers) in [
        ("the same 64 speak", same.collect::<Vec<_>>()),
        ("64 others speak each time", others.collect()),
    ] {
        let mut turns = Turns::default();
        for active in &speakers {
            assert_eq!(turns.time(|| world.exchange(active)), sent, "wrong replies");
        }
        turns.print(what, ACTIVE * speakers.len());
    }
}

/// Wakes the server up whenever it has asked for it, and prints what that took; so often that all
/// `happenings` have had their time and no client is connected any more.
fn follow<const N: usize>(
    world: &mut World,
    mut next: LoopControl,
    happenings: [&str; N],
    connections: usize,
) -> LoopControl {
    for what in happenings {
        let LoopControl::WaitUntil(moment) = next else {
            panic!("no wake-up is asked for: {next:?}")
        };
        world.now = moment;
        let (turns, after) = Turns::of_wake_up(world);
        turns.print(what, connections);
        next = after;
    }
    assert_eq!(world.server.stats().open(), 0, "some are still connected");
    next
}

fn closed(world: &World, reason: CloseReason) -> usize {
    world.server.stats().closed[reason as usize] as usize
}

/// What some turns of the loop took, in CPU time.
#[derive(Default)]
struct Turns {
    count: usize,
    longest: Duration,
    all: Duration,
}

impl Turns {
    /// All turns until the server would wait for something. Time stands still meanwhile, so that
    /// what they cause falls due at one moment, too.
    fn of_wake_up(world: &mut World) -> (Turns, LoopControl) {
        let mut turns = Turns::default();
        loop {
            let next = turns.time(|| world.server.end_turn(world.now));
            let is_at_once = matches!(next, LoopControl::WaitUntil(moment) if moment <= world.now);
            if next != LoopControl::Poll && !is_at_once {
                return (turns, next);
            }
        }
    }

    fn time<T>(&mut self, turn: impl FnOnce() -> T) -> T {
        let start = thread_time();
        let outcome = turn();
        let took = thread_time() - start;
        self.count += 1;
        self.longest = self.longest.max(took);
        self.all += took;
        outcome
    }

    /// A line of the table; `connections` is how many were dealt with.
    fn print(&self, what: &str, connections: usize) {
        let [longest, all] = [self.longest, self.all].map(|time| time.as_secs_f64() * 1e3);
        let each = match connections {
            0 => "–".to_string(),
            _ => format!("{:.0} ns", self.all.as_nanos() as f64 / connections as f64),
        };
        let count = self.count;
        println!("| {what} | {count} | {longest:.3} ms | {all:.2} ms | {each} |");
    }
}

/// Bytes in use.
#[derive(Clone, Copy)]
struct Memory {
    /// By the server's statistics: slab, timers and queue.
    places: u64,
    /// Of the whole process, by the kernel's walk over its page tables.
    resident: u64,
}

impl Memory {
    fn of(world: &World) -> Memory {
        let rollup =
            std::fs::read_to_string("/proc/self/smaps_rollup").expect("Linux 4.14 or later");
        let line = rollup.lines().find_map(|line| line.strip_prefix("Rss:"));
        let kib = line.and_then(|rest| rest.trim().strip_suffix(" kB")).expect("a line on Rss");
        let resident = kib.parse::<u64>().expect("a number of KiB") * KIB;
        Memory { places: world.server.stats().places_memory, resident }
    }

    fn print(&self, when: &str) {
        println!("| {when} | {} KiB | {} KiB |", self.places / KIB, self.resident / KIB);
    }
}
