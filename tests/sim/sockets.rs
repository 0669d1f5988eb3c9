//! Sockets and addresses: plain data, which the kernel moves.

use crate::pipe::Pipe;
use nix::errno::Errno;
use readyd::io::net::Token;
use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddr};

/// Who holds a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    /// The server under test.
    Server,
    /// The client under test, speaking with that server.
    Fleet,
    /// The client under test, speaking with a malicious server.
    Victim,
    /// A scripted peer, or the simulator itself.
    Peer,
}

/// How many they are.
pub(crate) const OWNERS: usize = 4;

/// Addresses from here on lead nowhere, each in its own way.
pub(crate) const REFUSING_PORT: u16 = 9000;
pub(crate) const SILENT_PORT: u16 = 9001;
pub(crate) const BARRED_PORT: u16 = 9002;
pub(crate) const LISTENER_PORT: u16 = 7000;

/// The address of the listener of that number.
pub(crate) fn listener_address(number: usize) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, LISTENER_PORT + number as u16))
}

/// How far a connection attempt is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    Connecting(SocketAddr),
    Established,
    Failed,
}

/// How far the handshake of the end that connects is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Handshake {
    NotBegun,
    /// The listener is held off; the client tries again later.
    Ignored,
    /// The listener knows of it.
    InFlight,
    /// The client knows that it is connected.
    Finished,
}

/// The socket's error, as SO_ERROR has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Sound,
    /// The next call says so.
    Pending(Errno),
    /// A call has said so.
    Collected,
}

/// One end of a connection.
#[derive(Debug)]
pub(crate) struct End {
    pub(crate) owner: Owner,
    pub(crate) held: bool,
    pub(crate) progress: Progress,
    pub(crate) fate: Fate,
    /// What comes to this end.
    pub(crate) incoming: Pipe,
    pub(crate) fin_sent: bool,
    pub(crate) token: Option<Token>,
    pub(crate) handshake: Handshake,
    /// An event told of room, and no send has found that there is none.
    pub(crate) told_of_room: bool,
    /// A send could not have all it wanted: then, and only then, more room is an edge.
    pub(crate) awaits_room: bool,
    /// Its owner asked for events that tell of room.
    pub(crate) write_interest: bool,
    /// Is in the list of what has news.
    pub(crate) has_news: bool,
    /// Is in the list of what is under way.
    pub(crate) is_under_way: bool,
    /// An event was told since it was registered.
    pub(crate) was_told: bool,
    /// Reads since the last event that found nothing.
    pub(crate) empty_reads: u32,
}

/// A listening socket.
#[derive(Debug)]
pub(crate) struct Backlog {
    pub(crate) owner: Owner,
    pub(crate) token: Option<Token>,
    pub(crate) is_open: bool,
    pub(crate) waiting: VecDeque<usize>,
    /// Clients that are connected, and for which `waiting` has no room: the kernel leaves their handshakes
    /// unfinished, and they do not know it.
    pub(crate) unfinished: VecDeque<usize>,
    pub(crate) is_held_off: bool,
    /// A call about handshakes failed, so that the server cannot know of all.
    pub(crate) is_excused: bool,
    pub(crate) has_news: bool,
}

/// Who has news to tell.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Source {
    Listener(usize),
    End(usize),
}
