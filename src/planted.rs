//! Bugs to plant on purpose, so that it can be seen that the tests find such bugs.
//!
//! They exist in builds with `--cfg planted_bugs` alone. In any other, `is_planted` is `false` for the
//! compiler to see, and nothing of them is in the program: read the code as if it were not there.

macro_rules! bugs {
    ($($(#[doc = $doc:literal])* $bug:ident,)*) => {
        /// A bug that can be planted.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Bug { $($(#[doc = $doc])* $bug,)* }

        impl Bug {
            /// All of them.
            pub const ALL: &[Bug] = &[$(Bug::$bug,)*];
        }
    };
}

bugs! {
    /// An event is delivered to whoever has the place now.
    NoGeneration,
    /// The same, at the client.
    ClientTakesForeignEvent,
    /// A short read counts as the last, though the event told of a FIN behind it.
    ShortReadEndsAll,
    /// What one read left is not read before the next edge.
    OneReadAnEdge,
    /// `EAGAIN` does not end the readiness to read.
    ReadinessOutlivesEagain,
    /// A read that a signal interrupts breaks the connection.
    InterruptedReadBreaks,
    /// After a write that would block, nobody asks to be told of room.
    WritingNotWatched,
    /// An echo that is sent from where the request lies begins behind its header.
    EchoOutOfPlace,
    /// The last replies of a turn that were held are sent in the next.
    HeldForgotten,
    /// What a short write left is thrown away.
    ShortWriteDropsTail,
    /// After `EMFILE` no time is set to try again.
    NoAcceptRetry,
    /// A place that becomes free lets nobody in.
    NoAcceptAfterClose,
    /// After a client that was lost before it was accepted, no other is looked for.
    LostClientEndsAccepting,
    /// One connection more than is allowed.
    OneConnectionTooMany,
    /// A body of one byte more than is allowed.
    OneByteTooMany,
    /// No half-close and no reading before a close.
    NoLinger,
    /// Each byte prolongs the time for its frame.
    BytesProlongFrame,
    /// A peer that takes nothing has no deadline.
    NoWriteDeadline,
    /// Room that is found in the kernel when output has waited too long counts as taken by the peer.
    RoomCountsAsTaken,
    /// A timer that fires early is not armed again.
    TimerNotRearmed,
    /// Output may grow without bound.
    NoHighWater,
    /// Requests that had to wait are forgotten.
    StalledForgotten,
    /// The bytes that complete a frame are taken for the next one's too.
    CompletionTakenTwice,
    /// A peer that closes in the middle of a frame counts as one that has finished.
    UnfinishedCountsAsFinished,
    /// An output that is given up ends in FIN, and looks whole.
    CutOffLooksWhole,
    /// A table that was loaded is not used.
    ReloadIgnored,
    /// An order to stop does not look whether requests have come.
    DrainDoesNotLook,
    /// Nor whether a client that is let in after it has sent one.
    LastClientsNotRead,
    /// New handshakes are not held off before the listeners are closed.
    HandshakesNotHeldOff,
    /// The listeners are closed while clients are in the middle of a handshake.
    HandshakesNotWaitedFor,
    /// The listeners are closed when all places are taken, with clients in the backlog.
    FullBacklogGivenUp,
    /// A server that nobody has used for long enough stops without a look into its backlog.
    IdleResetsBacklog,
    /// A connection that closes does not give back its client's place.
    PlaceKeptAtClose,
    /// Nor does one that cannot be registered.
    PlaceKeptByUnregistered,
    /// Each address of an IPv6 network is a client of its own.
    NetworkIsManyClients,
    /// A rule on IPv4 addresses does not hold for the same address written as an IPv6 one.
    MappedAddressEscapesRules,
    /// A client that is turned away is told so with FIN.
    TurnedAwayWithFin,
    /// A client that comes too often has to wait longer each time.
    ComingInVainCounts,
    /// How often a client came is forgotten after a second, however often it came in it.
    RateForgottenTooEarly,
    /// The memory limit is not looked at.
    NoShedding,
    /// The oldest connections are shed.
    OldestShed,
    /// All connections that hold something are shed.
    AllShed,
    /// A connection that is shed ends in FIN.
    ShedWithFin,
    /// Output that waits does not count as memory in use.
    OutputNotCounted,
    /// What a connection held when it closed goes on counting.
    SumKeptAtClose,
    /// What waited is not freed when it is thrown away.
    BytesLeaked,
    /// The client throws away what came with an answer.
    ClientDropsRest,
}

#[cfg(not(planted_bugs))]
pub(crate) const fn is_planted(_bug: Bug) -> bool {
    false
}

#[cfg(planted_bugs)]
pub use with_bugs::{is_planted, plant};

#[cfg(planted_bugs)]
mod with_bugs {
    use super::Bug;
    use std::sync::atomic::{AtomicUsize, Ordering};

    const NONE: usize = usize::MAX;

    static PLANTED: AtomicUsize = AtomicUsize::new(NONE);

    /// Plants that bug in place of any other, or none.
    pub fn plant(bug: Option<Bug>) {
        PLANTED.store(bug.map_or(NONE, |bug| bug as usize), Ordering::SeqCst);
    }

    /// Whether the bug is planted.
    pub fn is_planted(bug: Bug) -> bool {
        PLANTED.load(Ordering::Relaxed) == bug as usize
    }
}
