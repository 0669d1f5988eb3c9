//! The knobs: what can go wrong, each on or off for a whole world.
//!
//! With everything on at once, one fault hides another: connections that are reset early never come
//! to block. So each seed draws its own selection, which is called swarm testing (Groce and others,
//! "Swarm testing", 2012).

use crate::dice::Dice;
use std::fmt;

macro_rules! knobs {
    ($($(#[doc = $doc:literal])* $knob:ident => $name:literal,)*) => {
        /// One kind of trouble.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Knob { $($(#[doc = $doc])* $knob,)* }

        impl Knob {
            pub(crate) const ALL: &[Knob] = &[$(Knob::$knob,)*];

            pub(crate) fn name(self) -> &'static str {
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
    Eintr => "eintr",
    RecvErrors => "recv-errors",
    SendErrors => "send-errors",
    FinErrors => "fin-errors",
    RegisterErrors => "register-errors",
    /// Accept fails for the reasons of one connection, which is lost.
    AcceptErrors => "accept-errors",
    /// Accept fails for want of descriptors or memory; the connection goes on waiting.
    AcceptStarvation => "accept-starvation",
    DescriptorLimit => "descriptor-limit",
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
    /// The server stops when nobody has been connected for so long.
    ExitOnIdle => "exit-on-idle",
    /// The last bytes and FIN share an edge.
    FinWithData => "fin-with-data",
    PeerResets => "peer-resets",
    /// Peers that close without reading what is answered.
    PeersVanish => "peers-vanish",
    NeverReading => "never-reading",
    /// A byte a minute.
    Trickle => "trickle",
    /// Peers that stay and say nothing.
    SilentPeers => "silent-peers",
    Garbage => "garbage",
    DeepPipelines => "deep-pipelines",
    LargeFrames => "large-frames",
    ReconnectStorm => "reconnect-storm",
    SmallOutputLimit => "small-output-limit",
    ShortDeadlines => "short-deadlines",
    /// The process stands still for a while.
    ClockLeaps => "clock-leaps",
    /// The time of day is set, back or forth.
    WallSteps => "wall-steps",
    Reloads => "reloads",
    BrokenTables => "broken-tables",
    Terminate => "terminate",
    TerminateTwice => "terminate-twice",
    FewLogLines => "few-log-lines",
    ConnectErrors => "connect-errors",
    /// The client's first addresses are dead ones.
    DeadAddresses => "dead-addresses",
    /// A second fleet, whose server is malicious.
    RogueServer => "rogue-server",
}

/// The knobs that are on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Knobs(u64);

impl Knobs {
    pub(crate) fn of(knobs: &[Knob]) -> Knobs {
        Knobs(knobs.iter().fold(0, |bits, &knob| bits | 1 << knob as u32))
    }

    /// A selection: of some seeds nearly none, of some nearly all.
    pub(crate) fn draw(dice: &mut Dice) -> Knobs {
        let share = dice.pick(&[0, 5, 15, 15, 30, 30, 50, 70]);
        let drawn = Knob::ALL.iter().filter(|_| dice.below(100) < share).copied();
        Knobs::of(&drawn.collect::<Vec<_>>())
    }

    pub(crate) fn has(self, knob: Knob) -> bool {
        self.0 & 1 << knob as u32 != 0
    }
}

/// A number for each knob.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Counts([u64; Knob::ALL.len()]);

impl Default for Counts {
    fn default() -> Counts {
        Counts([0; Knob::ALL.len()])
    }
}

impl Counts {
    pub(crate) fn add(&mut self, knob: Knob, more: u64) {
        self.0[knob as usize] += more;
    }

    pub(crate) fn of(&self, knob: Knob) -> u64 {
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
