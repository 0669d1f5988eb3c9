//! The kernel that both programs and all peers share: sockets, backlogs, time, and what is known of
//! every connection for the oracle.
//!
//! The two ends of connection `n` are neighbours: `2n` is the one that connected, `2n + 1` the one
//! that was accepted.

use super::facts::{EncryptedFacts, Facts};
use super::faults::Faults;
use super::knobs::{Knob, Knobs};
use super::pipe::{Fin, Pipe};
use super::prng::Prng;
use super::sockets::{
    BARRED_PORT, Backlog, End, Handshake, LISTENER_PORT, OWNERS, Owner, Passage, Progress, Route,
    SILENT_PORT, SocketError, Source, source_address,
};
use super::trace::{Outcome, Trace, What};
use crate::io::clock::{Moment, WallTime};
use crate::io::net::Token;
use nix::errno::Errno;
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// The whole network.
#[derive(Debug)]
pub struct Kernel {
    /// The time.
    pub now: Moment,
    /// The time of day, at [`Moment::START`].
    pub wall_offset: Duration,
    /// What may go wrong.
    pub knobs: Knobs,
    /// Chance.
    pub prng: Prng,
    /// All that happened.
    pub trace: Trace,
    /// Which calls fail.
    pub faults: Faults,
    /// All ends of all connections.
    pub ends: Vec<End>,
    /// What the server did to each connection.
    pub facts: Vec<Facts>,
    /// All listeners.
    pub listeners: Vec<Backlog>,
    /// Where addresses lead that do not lead where their port says.
    pub routes: BTreeMap<SocketAddr, Route>,
    /// Where all other addresses lead, if not where their port says.
    pub default_route: Option<Route>,
    /// Bytes that are under way to an end, and unread there, at most.
    pub window: usize,
    /// What the next poll of each owner tells.
    pub news: [Vec<Source>; OWNERS],
    /// Events that are owed when a fault which sticks is over.
    pub owed: Vec<Source>,
    /// The tokens of sockets that are closed.
    pub gone: [Vec<Token>; OWNERS],
    /// Events that the server was told of closed sockets.
    pub stale_told: u64,
    /// Sockets that each owner holds.
    pub held: [usize; OWNERS],
    /// Sockets that the server may hold.
    pub descriptor_limit: usize,
    /// Connections that the server read from, sent to or closed since the oracle last looked.
    pub touched: Vec<usize>,
    /// Connections that the server closed since the oracle last looked.
    pub closed: Vec<usize>,
    /// Who came and went since the oracle last looked, and when.
    pub passages: Vec<(Moment, Passage)>,
    /// Calls of the server that moved something on a connection, and how many they were before this
    /// turn.
    moves: u64,
    moves_before: u64,
    /// Each reading of the wall clock.
    pub readings: Vec<WallTime>,
    /// What a program did that tcp(7) or epoll(7) forbid, or that loses a client.
    pub violation: Option<String>,
    /// Deliveries so far.
    pub operations: u64,
    /// Since when the server has been stopping.
    pub stops_since: Option<Moment>,
    /// The server may close what is unfinished: it was told to stop at once, or too long ago.
    pub stops: bool,
    /// How long the server waits for a FIN after its own.
    pub linger: Duration,
    /// After this time a client may give up connecting.
    pub connect_timeout: Duration,
    /// All that the server serves is encrypted.
    pub is_encrypted: bool,
    under_way: Vec<usize>,
}

impl Kernel {
    /// A network without sockets.
    pub fn new(prng: Prng, knobs: Knobs, window: usize) -> Kernel {
        Kernel {
            now: Moment::START + Duration::from_secs(1000),
            wall_offset: Duration::from_secs(1_620_412_612),
            knobs,
            prng,
            trace: Trace::default(),
            faults: Faults::default(),
            ends: Vec::new(),
            facts: Vec::new(),
            listeners: Vec::new(),
            routes: BTreeMap::new(),
            default_route: None,
            window,
            news: Default::default(),
            owed: Vec::new(),
            gone: Default::default(),
            stale_told: 0,
            held: [0; OWNERS],
            descriptor_limit: usize::MAX,
            touched: Vec::new(),
            closed: Vec::new(),
            passages: Vec::new(),
            moves: 0,
            moves_before: 0,
            readings: Vec::new(),
            violation: None,
            operations: 0,
            stops_since: None,
            stops: false,
            linger: Duration::ZERO,
            connect_timeout: Duration::ZERO,
            is_encrypted: false,
            under_way: Vec::new(),
        }
    }

    /// Adds to the trace.
    pub fn note(&mut self, who: Owner, what: What, subject: usize, outcome: Outcome) {
        self.trace.note(self.now, who, what, subject, outcome);
    }

    /// The first violation counts: others may follow from it.
    pub fn violate(&mut self, what: String) {
        self.violation.get_or_insert(what);
    }

    /// Whether the knob is on.
    pub fn has(&self, knob: Knob) -> bool {
        self.knobs.has(knob)
    }

    /// Begins a connection from `source` to `address`; both ends are there from now on.
    pub fn begin(&mut self, owner: Owner, source: IpAddr, address: SocketAddr) -> usize {
        let index = self.ends.len();
        for (owner, held) in [(owner, true), (Owner::Server, false)] {
            self.ends.push(End {
                owner,
                held,
                progress: Progress::Connecting(address),
                so_error: SocketError::Sound,
                incoming: Pipe::new(self.window),
                fin_sent: false,
                token: None,
                handshake: Handshake::NotBegun,
                awaits_room: false,
                told_of_room: true,
                write_interest: true,
                has_news: false,
                is_under_way: false,
                was_told: false,
                empty_reads: 0,
            });
        }
        let listener = match self.route(address) {
            Route::Listener(number) => number,
            _ => usize::from(address.port().saturating_sub(LISTENER_PORT)),
        };
        if let Some(backlog) = self.listeners.get(listener) {
            self.ends[index + 1].owner = backlog.owner;
        }
        let mut facts = Facts::new(listener, source, self.now);
        if self.is_encrypted && self.ends[index + 1].owner == Owner::Server {
            facts.encrypted = Some(Box::new(EncryptedFacts::default()));
        }
        self.facts.push(facts);
        self.held[owner as usize] += 1;
        self.set_under_way(index);
        index
    }

    /// Where `address` leads.
    pub fn route(&self, address: SocketAddr) -> Route {
        if let Some(route) = self.routes.get(&address).copied().or(self.default_route) {
            return route;
        }
        let number = usize::from(address.port().saturating_sub(LISTENER_PORT));
        match address.port() {
            SILENT_PORT if self.has(Knob::DeadAddresses) => Route::Silent,
            BARRED_PORT => Route::Barred(Errno::ENETUNREACH),
            _ if number < self.listeners.len() => Route::Listener(number),
            _ => Route::Refused(Errno::ECONNREFUSED),
        }
    }

    /// From now on `address` leads there, for attempts that are under way, too.
    pub fn set_route(&mut self, address: SocketAddr, route: Route) {
        self.routes.insert(address, route);
        for index in 0..self.ends.len() {
            let is_concerned = self.ends[index].progress == Progress::Connecting(address);
            if is_concerned && self.is_still_under_way(index) {
                self.set_under_way(index);
            }
        }
    }

    /// The address from which connection `link` was made.
    pub fn peer_address(&self, link: usize) -> SocketAddr {
        source_address(self.facts[link].source, link)
    }

    /// The server did something to connection `link`. Returns the number of that call.
    pub fn count_move(&mut self, link: usize) -> u64 {
        self.moves += 1;
        if !self.has_moved(link) {
            self.facts[link].moved_at = self.moves;
        }
        self.moves
    }

    /// Whether the server did something to connection `link` in this turn.
    pub fn has_moved(&self, link: usize) -> bool {
        self.facts[link].moved_at > self.moves_before
    }

    /// A turn of the server is over, and was looked at.
    pub fn end_turn(&mut self) {
        self.moves_before = self.moves;
    }

    /// Something is to arrive at `end`.
    pub fn set_under_way(&mut self, end: usize) {
        if !self.ends[end].is_under_way {
            self.ends[end].is_under_way = true;
            self.under_way.push(end);
        }
    }

    /// Whether anything is still to arrive anywhere.
    pub fn is_quiet(&self) -> bool {
        self.under_way.is_empty()
    }

    /// Lets part of what is under way arrive, or all of it if the network is fast.
    pub fn deliver(&mut self) {
        let is_slow = self.has(Knob::SlowNetwork);
        let under_way = std::mem::take(&mut self.under_way);
        for end in under_way {
            self.ends[end].is_under_way = false;
            if !is_slow || self.prng.one_in(3) {
                self.deliver_to(end);
            }
            if self.is_still_under_way(end) {
                self.set_under_way(end);
            }
        }
    }

    fn is_still_under_way(&self, end: usize) -> bool {
        let End { progress, incoming, .. } = &self.ends[end];
        match progress {
            Progress::Connecting(address) => {
                self.ends[end].held
                    && self.ends[end].handshake != Handshake::Ignored
                    && self.route(*address) != Route::Silent
            }
            _ => incoming.is_under_way(),
        }
    }

    fn deliver_to(&mut self, index: usize) {
        self.operations += 1;
        if let Progress::Connecting(address) = self.ends[index].progress {
            if self.ends[index].held {
                self.reach_listener(index, address);
            }
            return;
        }
        let (is_slow, glued) = (self.has(Knob::SlowNetwork), self.has(Knob::FinWithData));
        let in_flight = self.ends[index].incoming.in_flight();
        let share = if is_slow { 1 + self.prng.below(in_flight) } else { in_flight };
        let fin_too = in_flight == 0 || glued || (!is_slow && self.prng.one_in(2));
        let end = &mut self.ends[index];
        if !end.held && end.progress == Progress::Failed {
            // No program holds this end any more, so none will read it.
            end.incoming.arrive(usize::MAX, true);
            let mut rest = vec![0; end.incoming.readable()];
            if end.incoming.read(&mut rest) > 0 {
                self.reset(index ^ 1, false);
            }
            return;
        }
        end.incoming.arrive(share, fin_too);
        let count = end.incoming.readable();
        let owner = end.owner;
        self.note(owner, What::Arrives, index, Outcome::Count(count));
        self.news_of(index);
    }

    /// Something happened at this end: an event will tell its owner once.
    pub fn news_of(&mut self, index: usize) {
        let end = &mut self.ends[index];
        if end.token.is_some() && !end.has_news {
            end.has_news = true;
            self.news[end.owner as usize].push(Source::End(index));
        }
    }

    /// A client came into a backlog.
    pub fn news_of_listener(&mut self, number: usize) {
        let backlog = &mut self.listeners[number];
        if backlog.token.is_some() && !backlog.has_news {
            backlog.has_news = true;
            self.news[backlog.owner as usize].push(Source::Listener(number));
        }
    }

    /// RST comes to this end. What came before it may be lost, unread.
    pub fn reset(&mut self, index: usize, purge: bool) {
        let end = &mut self.ends[index];
        end.incoming.reset(purge);
        if end.so_error == SocketError::Sound && end.progress != Progress::Failed {
            end.so_error = SocketError::Pending(Errno::ECONNRESET);
        }
        self.news_of(index);
    }

    /// The holder closes its end: FIN, or RST if it left something unread.
    pub fn close(&mut self, index: usize) {
        let end = &mut self.ends[index];
        let owner = end.owner;
        let was_connecting = matches!(end.progress, Progress::Connecting(_));
        let is_sound = end.so_error == SocketError::Sound && !was_connecting;
        let leaves_input = end.incoming.readable() > 0;
        let fin_sent = end.fin_sent;
        self.forget(index);
        if is_sound && leaves_input {
            // On its way to the peer, RST can overtake what the peer has not read.
            self.reset(index ^ 1, true);
        } else if is_sound && !fin_sent {
            self.ends[index ^ 1].incoming.fin = Fin::UnderWay;
            self.set_under_way(index ^ 1);
        }
        self.note(owner, What::Close, index, Outcome::Done);
    }

    /// The holder closes its end with RST.
    pub fn abort(&mut self, index: usize) {
        let owner = self.ends[index].owner;
        let is_sound = self.ends[index].so_error == SocketError::Sound;
        self.forget(index);
        if is_sound {
            self.reset(index ^ 1, false);
        }
        self.note(owner, What::Abort, index, Outcome::Done);
    }

    fn forget(&mut self, index: usize) {
        let end = &mut self.ends[index];
        assert!(end.held, "a socket is closed once");
        end.held = false;
        end.progress = Progress::Failed;
        end.has_news = false;
        self.held[end.owner as usize] -= 1;
        self.gone[end.owner as usize].extend(end.token.take());
    }

    /// All faults are over: what was withheld is told, and nothing new is.
    pub fn calm_down(&mut self) {
        self.note(Owner::Peer, What::FaultsStop, 0, Outcome::Done);
        self.faults.stop();
        self.knobs = Knobs::default();
        self.descriptor_limit = usize::MAX;
        self.window = self.window.max(1 << 20);
        for source in std::mem::take(&mut self.owed) {
            self.tell_again(source);
        }
        for index in 0..self.ends.len() {
            let end = &mut self.ends[index];
            end.incoming.window = end.incoming.window.max(1 << 20);
            let is_ignored = end.handshake == Handshake::Ignored;
            if end.held && matches!(end.progress, Progress::Connecting(_)) && !is_ignored {
                self.set_under_way(index);
            }
            if std::mem::take(&mut self.ends[index ^ 1].awaits_room) {
                self.news_of(index ^ 1);
            }
        }
    }

    /// The next poll tells of `source`, whether or not something is new.
    pub fn tell_again(&mut self, source: Source) {
        match source {
            Source::Listener(number) => self.news_of_listener(number),
            Source::End(index) => self.news_of(index),
        }
    }
}
