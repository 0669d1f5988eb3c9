//! The knobs: what can go wrong, each on or off for a whole world.
//!
//! With everything on at once, one fault hides another: connections that are reset early never come
//! to block. So each seed draws its own selection, which is called swarm testing (Groce and others,
//! "Swarm testing", 2012).

use super::prng::Prng;
use std::fmt;

macro_rules! knobs {
    ($($(#[doc = $doc:literal])* $knob:ident => $name:literal,)*) => {
        /// One kind of trouble.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Knob { $($(#[doc = $doc])* $knob,)* }

        impl Knob {
            /// All of them.
            pub const ALL: &[Knob] = &[$(Knob::$knob,)*];

            /// Its name in reports.
            pub fn name(self) -> &'static str {
                match self { $(Knob::$knob => $name,)* }
            }
        }
    };
}

knobs! {
    /// An edge may be told a few polls late, with all that has happened by then.
    LateEvents => "late-events",
    /// Events that nothing caused.
    SpuriousEvents => "spurious-events",
    /// Events in any order.
    ShuffledEvents => "shuffled-events",
    /// The same event twice.
    DuplicateEvents => "duplicate-events",
    /// Events for connections that are gone.
    StaleEvents => "stale-events",
    /// A poll takes only a few of the events there are.
    FewEventsAPoll => "few-events-a-poll",
    /// Polls that a signal interrupts: turns without an event, at any time.
    InterruptedPolls => "interrupted-polls",
    /// A read gets less than was told of; the rest comes later.
    ShortReads => "short-reads",
    /// A write takes less than there is room for.
    ShortWrites => "short-writes",
    /// `EAGAIN` though something is ready; an edge follows.
    Eagain => "eagain",
    /// A signal interrupts a call.
    Eintr => "eintr",
    /// recv(2) fails.
    RecvErrors => "recv-errors",
    /// send(2) fails.
    SendErrors => "send-errors",
    /// shutdown(2) fails.
    FinErrors => "fin-errors",
    /// epoll_ctl(2) fails.
    RegisterErrors => "register-errors",
    /// Accept fails for the reasons of one connection, which is lost.
    AcceptErrors => "accept-errors",
    /// Accept fails for want of descriptors or memory; the connection goes on waiting.
    AcceptStarvation => "accept-starvation",
    /// The server may hold few sockets.
    DescriptorLimit => "descriptor-limit",
    /// The server lets few clients in.
    ConnectionLimit => "connection-limit",
    /// What all connections hold in buffers is limited, to little.
    MemoryLimit => "memory-limit",
    /// A few connections for each address.
    AddressLimit => "address-limit",
    /// A few connections a second for each address.
    AddressRate => "address-rate",
    /// Ranges of addresses that are allowed, and that are denied.
    AccessLists => "access-lists",
    /// Windows of a few bytes.
    TinyWindows => "tiny-windows",
    /// What is sent arrives in pieces, late.
    SlowNetwork => "slow-network",
    /// Handshakes take a while.
    SlowHandshakes => "slow-handshakes",
    /// A backlog has room for two; the next client does not know that its handshake is unfinished.
    FullBacklogs => "full-backlogs",
    /// An event tells of room only when a third of the window is free.
    RoomUntold => "room-untold",
    /// Calls that ask the kernel what it knows, or tell it how to treat newcomers, fail.
    AskErrors => "ask-errors",
    /// The server stops when no client has been connected for a while.
    ExitOnIdle => "exit-on-idle",
    /// The last bytes and FIN share an edge.
    FinWithData => "fin-with-data",
    /// Peers that close with RST.
    PeerResets => "peer-resets",
    /// Peers that close without reading what is answered.
    PeersVanish => "peers-vanish",
    /// Peers that never read.
    NeverReading => "never-reading",
    /// A byte a minute.
    Trickle => "trickle",
    /// Peers that stay and say nothing.
    SilentPeers => "silent-peers",
    /// Peers that send no frames.
    Garbage => "garbage",
    /// Many requests at once.
    DeepPipelines => "deep-pipelines",
    /// Frames larger than what one visit reads.
    LargeFrames => "large-frames",
    /// All come at once, and again.
    ReconnectStorm => "reconnect-storm",
    /// Little output may wait.
    SmallOutputLimit => "small-output-limit",
    /// Deadlines of seconds.
    ShortDeadlines => "short-deadlines",
    /// The process stands still for a while.
    ClockLeaps => "clock-leaps",
    /// The time of day is set, back or forth.
    WallSteps => "wall-steps",
    /// The table is replaced.
    Reloads => "reloads",
    /// The new table is at fault.
    BrokenTables => "broken-tables",
    /// SIGTERM.
    Terminate => "terminate",
    /// SIGTERM, twice.
    TerminateTwice => "terminate-twice",
    /// Few log lines a second.
    FewLogLines => "few-log-lines",
    /// connect(2) fails.
    ConnectErrors => "connect-errors",
    /// The client's first addresses are dead ones.
    DeadAddresses => "dead-addresses",
    /// A second pool, whose server is malicious.
    HostileServer => "hostile-server",
}

/// The knobs that are on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Knobs(u64);

impl Knobs {
    /// These are on, the others off.
    pub fn of(knobs: &[Knob]) -> Knobs {
        Knobs(knobs.iter().fold(0, |bits, &knob| bits | 1 << knob as u32))
    }

    /// A selection: of some seeds nearly none, of some nearly all.
    pub fn draw(prng: &mut Prng) -> Knobs {
        let share = prng.pick(&[0, 5, 15, 15, 30, 30, 50, 70]);
        let drawn = Knob::ALL.iter().filter(|_| prng.below(100) < share).copied();
        Knobs::of(&drawn.collect::<Vec<_>>())
    }

    /// Those of them that are also among `others`.
    pub fn and(self, others: Knobs) -> Knobs {
        Knobs(self.0 & others.0)
    }

    /// Whether it is on.
    pub fn has(self, knob: Knob) -> bool {
        self.0 & 1 << knob as u32 != 0
    }
}

/// A number for each knob.
#[derive(Clone, Copy, Debug)]
pub struct Counts([u64; Knob::ALL.len()]);

impl Default for Counts {
    fn default() -> Counts {
        Counts([0; Knob::ALL.len()])
    }
}

impl Counts {
    /// Adds to the number of a knob.
    pub fn add(&mut self, knob: Knob, more: u64) {
        self.0[knob as usize] += more;
    }

    /// These are on, the others off.
    pub fn of(&self, knob: Knob) -> u64 {
        self.0[knob as usize]
    }
}

impl fmt::Display for Knobs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut names = Knob::ALL.iter().filter(|&&knob| self.has(knob)).map(|knob| knob.name());
        f.write_str(names.next().unwrap_or("none"))?;
        names.try_for_each(|name| write!(f, " {name}"))
    }
}
