//! The kernel that both programs and all peers share: sockets, backlogs, time, and what is known of
//! every connection for the oracle.
//!
//! The two ends of connection `n` are neighbours: `2n` is the one that connected, `2n + 1` the one that
//! was accepted.

use crate::dice::Dice;
use crate::doorman::Passage;
use crate::facts::Facts;
use crate::faults::Faults;
use crate::homes::{Home, Neighbourhood};
use crate::knobs::{Knob, Knobs};
use crate::pipe::{Fin, Pipe};
use crate::sockets::{
    Backlog, End, Fate, Handshake, LISTENER_PORT, OWNERS, Owner, Progress, SILENT_PORT, Source,
};
use crate::trace::{Outcome, Trace, What};
use nix::errno::Errno;
use readyd::io::clock::{Moment, WallTime};
use readyd::io::net::Token;
use std::net::SocketAddr;
use std::time::Duration;

/// The whole network.
#[derive(Debug)]
pub(crate) struct Kernel {
    pub(crate) now: Moment,
    pub(crate) wall_offset: Duration,
    pub(crate) knobs: Knobs,
    pub(crate) dice: Dice,
    pub(crate) trace: Trace,
    pub(crate) faults: Faults,
    pub(crate) ends: Vec<End>,
    pub(crate) facts: Vec<Facts>,
    pub(crate) listeners: Vec<Backlog>,
    pub(crate) window: usize,
    pub(crate) news: [Vec<Source>; OWNERS],
    /// Events that are owed when a fault which sticks is over.
    pub(crate) owed: Vec<Source>,
    /// The tokens of sockets that are closed.
    pub(crate) gone: [Vec<Token>; OWNERS],
    pub(crate) stale_told: u64,
    pub(crate) held: [usize; OWNERS],
    pub(crate) descriptor_limit: usize,
    /// Connections of which the server read, sent or closed something since the oracle last looked.
    pub(crate) touched: Vec<usize>,
    pub(crate) closed: Vec<usize>,
    pub(crate) neighbourhood: Neighbourhood,
    /// Who came and went since the oracle last looked, and when.
    pub(crate) passages: Vec<(Moment, Passage)>,
    /// Calls of the server that moved something on a connection, and how many they were before this turn.
    moves: u64,
    moves_before: u64,
    pub(crate) readings: Vec<WallTime>,
    pub(crate) violation: Option<String>,
    pub(crate) operations: u64,
    /// Since when the server has been stopping.
    pub(crate) stops_since: Option<Moment>,
    /// The server may close what is unfinished: it was told to stop at once, or too long ago.
    pub(crate) stops: bool,
    pub(crate) linger: Duration,
    pub(crate) connect_timeout: Duration,
    under_way: Vec<usize>,
}

impl Kernel {
    pub(crate) fn new(dice: Dice, knobs: Knobs, window: usize) -> Kernel {
        Kernel {
            now: Moment::START + Duration::from_secs(1000),
            wall_offset: Duration::from_secs(1_620_412_612),
            knobs,
            dice,
            trace: Trace::default(),
            faults: Faults::default(),
            ends: Vec::new(),
            facts: Vec::new(),
            listeners: Vec::new(),
            window,
            news: Default::default(),
            owed: Vec::new(),
            gone: Default::default(),
            stale_told: 0,
            held: [0; OWNERS],
            descriptor_limit: usize::MAX,
            touched: Vec::new(),
            closed: Vec::new(),
            neighbourhood: Neighbourhood::of_all(),
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
            under_way: Vec::new(),
        }
    }

    pub(crate) fn note(&mut self, who: Owner, what: What, subject: usize, outcome: Outcome) {
        self.trace.note(self.now, who, what, subject, outcome);
    }

    /// The first violation counts: others may follow from it.
    pub(crate) fn violate(&mut self, what: String) {
        self.violation.get_or_insert(what);
    }

    pub(crate) fn has(&self, knob: Knob) -> bool {
        self.knobs.has(knob)
    }

    /// Begins a connection from `home` to `address`; both ends are there from now on.
    pub(crate) fn begin(&mut self, owner: Owner, home: Home, address: SocketAddr) -> usize {
        let index = self.ends.len();
        for (owner, held) in [(owner, true), (Owner::Server, false)] {
            self.ends.push(End {
                owner,
                held,
                progress: Progress::Connecting(address),
                fate: Fate::Sound,
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
        let listener = usize::from(address.port().saturating_sub(LISTENER_PORT));
        if let Some(backlog) = self.listeners.get(listener) {
            self.ends[index + 1].owner = backlog.owner;
        }
        self.facts.push(Facts::new(listener, home, self.now));
        self.held[owner as usize] += 1;
        self.set_under_way(index);
        index
    }

    /// The address from which connection `link` was made.
    pub(crate) fn peer_address(&self, link: usize) -> SocketAddr {
        self.facts[link].home.address(link)
    }

    /// The server did something to connection `link`. Returns the number of that call.
    pub(crate) fn count_move(&mut self, link: usize) -> u64 {
        self.moves += 1;
        if !self.has_moved(link) {
            self.facts[link].moved_at = self.moves;
        }
        self.moves
    }

    /// Whether the server did something to connection `link` in this turn.
    pub(crate) fn has_moved(&self, link: usize) -> bool {
        self.facts[link].moved_at > self.moves_before
    }

    /// A turn of the server is over, and was looked at.
    pub(crate) fn end_turn(&mut self) {
        self.moves_before = self.moves;
    }

    pub(crate) fn set_under_way(&mut self, end: usize) {
        if !self.ends[end].is_under_way {
            self.ends[end].is_under_way = true;
            self.under_way.push(end);
        }
    }

    /// Whether anything is still to arrive anywhere.
    pub(crate) fn is_quiet(&self) -> bool {
        self.under_way.is_empty()
    }

    /// Lets part of what is under way arrive, or all of it if the network is fast.
    pub(crate) fn deliver(&mut self) {
        let is_slow = self.has(Knob::SlowNetwork);
        let under_way = std::mem::take(&mut self.under_way);
        for end in under_way {
            self.ends[end].is_under_way = false;
            if !is_slow || self.dice.one_in(3) {
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
                    && (address.port() != SILENT_PORT || !self.has(Knob::DeadAddresses))
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
        let share = if is_slow { 1 + self.dice.below(in_flight) } else { in_flight };
        let fin_too = in_flight == 0 || glued || (!is_slow && self.dice.one_in(2));
        let end = &mut self.ends[index];
        if !end.held && end.progress == Progress::Failed {
            // Nobody is there to read it.
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

    /// Something happened at this end: whoever holds it will be told once.
    pub(crate) fn news_of(&mut self, index: usize) {
        let end = &mut self.ends[index];
        if end.token.is_some() && !end.has_news {
            end.has_news = true;
            self.news[end.owner as usize].push(Source::End(index));
        }
    }

    pub(crate) fn news_of_listener(&mut self, number: usize) {
        let backlog = &mut self.listeners[number];
        if backlog.token.is_some() && !backlog.has_news {
            backlog.has_news = true;
            self.news[backlog.owner as usize].push(Source::Listener(number));
        }
    }

    /// RST comes to this end. What came before it may be lost, unread.
    pub(crate) fn reset(&mut self, index: usize, purge: bool) {
        let end = &mut self.ends[index];
        end.incoming.reset(purge);
        if end.fate == Fate::Sound && end.progress != Progress::Failed {
            end.fate = Fate::Pending(Errno::ECONNRESET);
        }
        self.news_of(index);
    }

    /// The holder closes its end: FIN, or RST if it left something unread.
    pub(crate) fn close(&mut self, index: usize) {
        let end = &mut self.ends[index];
        let owner = end.owner;
        let was_connecting = matches!(end.progress, Progress::Connecting(_));
        let is_sound = end.fate == Fate::Sound && !was_connecting;
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
    pub(crate) fn abort(&mut self, index: usize) {
        let owner = self.ends[index].owner;
        let is_sound = self.ends[index].fate == Fate::Sound;
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
    pub(crate) fn calm_down(&mut self) {
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

    pub(crate) fn tell_again(&mut self, source: Source) {
        match source {
            Source::Listener(number) => self.news_of_listener(number),
            Source::End(index) => self.news_of(index),
        }
    }
}
