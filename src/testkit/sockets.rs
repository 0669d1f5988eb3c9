//! Sockets and addresses: plain data, which the kernel moves.

use super::pipe::Pipe;
use crate::io::net::Token;
use nix::errno::Errno;
use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// Who holds a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// The server under test.
    Server,
    /// The client under test, speaking with that server.
    SessionPool,
    /// The client under test, speaking with a malicious server.
    Victim,
    /// A scripted peer, or the simulator itself.
    Peer,
}

/// How many they are.
pub const OWNERS: usize = 4;

/// Addresses from here on lead nowhere, each in its own way.
pub const REFUSING_PORT: u16 = 9000;
/// No SYN is answered here.
pub const SILENT_PORT: u16 = 9001;
/// connect(2) fails at once: ENETUNREACH.
pub const BARRED_PORT: u16 = 9002;
/// The port of listener 0; each further one has the next.
pub const LISTENER_PORT: u16 = 7000;

/// The address of the listener of that number.
pub fn listener_address(number: usize) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, LISTENER_PORT + number as u16))
}

/// The local port of connection 0; each further one has the next.
const FIRST_PORT: u16 = 1024;

/// The address from which connection `link` is made by a program at `source`.
///
/// # Panics
///
/// If there are more connections than ports.
pub fn source_address(source: IpAddr, link: usize) -> SocketAddr {
    let port = u16::try_from(link).ok().and_then(|link| link.checked_add(FIRST_PORT));
    SocketAddr::new(source, port.expect("a world has fewer connections than ports"))
}

/// The connection that was made from `address`.
pub fn link_of(address: SocketAddr) -> Option<usize> {
    address.port().checked_sub(FIRST_PORT).map(usize::from)
}

/// What the server did about a connection, as far as it concerns who may come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passage {
    /// accept(2) returned it.
    Accepted(usize),
    /// It was registered for events.
    Registered(usize),
    /// Its registration failed.
    CannotRegister(usize),
    /// It was closed.
    Closed(usize),
}

/// Where an attempt to connect leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// To the listener of that number.
    Listener(usize),
    /// It fails, after a while.
    Refused(Errno),
    /// No SYN is ever answered.
    Silent,
    /// connect(2) fails at once.
    Barred(Errno),
}

/// How far a connection attempt is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// To that address; the outcome is open.
    Connecting(SocketAddr),
    /// Both ends are there.
    Established,
    /// It failed, or the end was closed.
    Failed,
}

/// How far the handshake of the end that connects is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handshake {
    /// No segment has arrived.
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
pub enum SocketError {
    /// None.
    Sound,
    /// The next call says so.
    Pending(Errno),
    /// A call has said so.
    Collected,
}

/// One end of a connection.
#[derive(Debug)]
pub struct End {
    /// Who holds it.
    pub owner: Owner,
    /// A program holds it.
    pub held: bool,
    /// How far the attempt to connect is.
    pub progress: Progress,
    /// Its error.
    pub so_error: SocketError,
    /// The bytes on their way to this end, and its FIN.
    pub incoming: Pipe,
    /// Its owner sent FIN.
    pub fin_sent: bool,
    /// What it is registered as.
    pub token: Option<Token>,
    /// How far the handshake is.
    pub handshake: Handshake,
    /// An event told of room, and no send has found that there is none.
    pub told_of_room: bool,
    /// A send could not have all it wanted: then, and only then, more room is an edge.
    pub awaits_room: bool,
    /// Its owner asked for events that tell of room.
    pub write_interest: bool,
    /// Is in the list of what has news.
    pub has_news: bool,
    /// Is in the list of what is under way.
    pub is_under_way: bool,
    /// An event was told since it was registered.
    pub was_told: bool,
    /// Reads since the last event that found nothing.
    pub empty_reads: u32,
}

/// A listening socket.
#[derive(Debug)]
pub struct Backlog {
    /// Who holds it.
    pub owner: Owner,
    /// What it is registered as.
    pub token: Option<Token>,
    /// It was not closed.
    pub is_open: bool,
    /// Ends that wait to be accepted.
    pub waiting: VecDeque<usize>,
    /// Clients that are connected, and for which `waiting` has no room: the kernel leaves their
    /// handshakes unfinished, and they do not know it.
    pub unfinished: VecDeque<usize>,
    /// New handshakes are ignored.
    pub is_held_off: bool,
    /// A call about handshakes failed, so that the server cannot know of all.
    pub is_excused: bool,
    /// Is in the list of what has news.
    pub has_news: bool,
}

/// Who has news to tell.
#[derive(Clone, Copy, Debug)]
pub enum Source {
    /// A listener, by its number.
    Listener(usize),
    /// An end, by its number.
    End(usize),
}
