//! What writes a trace down while the server runs.
//!
//! Invariants: on a network that is not observed, a hook is no code at all; on one that is, and
//! while recording is switched off, a branch that is never taken. Switched on, it costs no system
//! call but the clock's, and that one is read once a visit, and after work of [`LONG_WORK`].

mod visits;

pub use visits::Settled;

use super::decode::Entry;
use super::encode::{Encoder, Ring};
use super::event::{Event, Next, Number, Signal, TracedPeer};
use super::payload::{CHUNK_BYTES, Chunk, Direction, Tap};
use super::teller::Teller;
use super::trigger::Trigger;
use crate::io::address::Peer;
use crate::io::clock::Moment;
use crate::io::net::SocketIo;
use crate::io::token::Token;
use std::hash::{BuildHasher, RandomState};
use std::marker::PhantomData;

/// A call that moved more bytes than this took time: the clock is read after it.
const LONG_CALL: u32 = 64 * 1024;

/// So much work, in units of about 100 ns, takes time, too. A reading takes up to 90 ns, more than
/// four events: after each of the short first phases of visits, it would cost as much as all else.
const LONG_WORK: u32 = 50;

/// The place of the hooks of a server on a network `N`. By itself it records nothing.
pub struct Observer<N> {
    state: State,
    network: PhantomData<fn(N)>,
}

/// Whether there is something to record with, and whether it records.
#[derive(Default)]
enum State {
    #[default]
    Without,
    Resting(Box<Recorder>),
    Recording(Box<Recorder>),
}

impl<N> Default for Observer<N> {
    fn default() -> Observer<N> {
        Observer { state: State::Without, network: PhantomData }
    }
}

impl<N: SocketIo> Observer<N> {
    /// Calls `note` if events are recorded.
    #[inline(always)]
    pub fn with(&mut self, note: impl FnOnce(&mut Recorder)) {
        if cfg!(feature = "trace")
            && N::IS_OBSERVED
            && let State::Recording(recorder) = &mut self.state
        {
            cold(recorder, note);
        }
    }

    /// Has something to record with from now on, but does not record yet.
    pub fn prepare(&mut self, recorder: Recorder) {
        self.state = State::Resting(Box::new(recorder));
    }

    /// Switches recording off, or on again. The server has answered `requests` in all. Returns
    /// whether recording is on now; `None` if there is nothing to record with.
    pub fn toggle(&mut self, requests: u64) -> Option<bool> {
        self.state = match std::mem::take(&mut self.state) {
            State::Without => return None,
            State::Recording(recorder) => State::Resting(recorder),
            State::Resting(recorder) => State::Recording(recorder),
        };
        self.with(|recorder| recorder.go_on(requests));
        Some(matches!(self.state, State::Recording(_)))
    }

    /// The trigger that was met since this was last asked.
    pub fn take_trigger(&mut self) -> Option<Trigger> {
        let mut met = None;
        self.with(|recorder| met = recorder.met.take());
        met
    }
}

/// Apart from its caller, so that what is rarely done is not in the way of what is done always.
#[cold]
#[inline(never)]
fn cold(recorder: &mut Recorder, note: impl FnOnce(&mut Recorder)) {
    note(recorder);
}

/// How the addresses of clients are written down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AddressPolicy {
    /// As they are.
    #[default]
    Full,
    /// As hashes, keyed by a secret that is in no file: one client has one hash, and nobody can try
    /// which address it is.
    Hash,
}

/// What a trace is made with.
pub struct Recording {
    /// Where blocks are written.
    pub ring: Box<dyn Ring>,
    /// What makes their bytes.
    pub encoder: Encoder,
    /// The clock of the server's moments.
    pub clock: Box<dyn Fn() -> Moment>,
    /// How addresses are written down.
    pub addresses: AddressPolicy,
    /// What to look out for.
    pub triggers: Vec<Trigger>,
    /// What tells turns in words, if they are to be told.
    pub teller: Option<Teller>,
    /// Of a replay, where the bytes of its calls are, if some of them are to be in the trace.
    pub tap: Option<Tap>,
}

/// Writes events down.
pub struct Recorder {
    recording: Recording,
    secret: RandomState,
    /// The time of the next event.
    now: Moment,
    /// Work that was done since the clock was read.
    worked: u32,
    /// When the last turn ended.
    turn_ended: Moment,
    turn_began: Moment,
    /// Whether a signal has begun the turn that is to begin.
    has_begun: bool,
    visits: u32,
    /// The connection that is visited.
    current: Token,
    /// What happened since the last turn ended: the time is read when the turn begins.
    before_turn: Vec<(Token, Event)>,
    /// Requests that the server had answered when it was last looked.
    seen_requests: u64,
    /// By the number of the slot.
    lanes: Vec<Lane>,
    met: Option<Trigger>,
}

/// What is remembered of a connection, so that later events can name their causes.
#[derive(Clone, Copy, Debug, Default)]
struct Lane {
    /// Its number, which tells whether this is about another one that had the slot before.
    number: Number,
    cause: u64,
    request: u64,
    /// When its timer fires.
    timer: Moment,
    is_stalled: bool,
}

impl Recorder {
    /// What records into a ring from `now` on.
    pub fn new(recording: Recording, now: Moment) -> Recorder {
        Recorder {
            recording,
            secret: RandomState::new(),
            now,
            worked: 0,
            turn_ended: now,
            turn_began: now,
            has_begun: false,
            visits: 0,
            current: Token(0),
            before_turn: Vec::new(),
            seen_requests: 0,
            lanes: Vec::new(),
            met: None,
        }
    }

    /// Begins a block, in which the clock is read again.
    fn go_on(&mut self, requests: u64) {
        self.seen_requests = requests;
        self.now = (self.recording.clock)();
        (self.turn_ended, self.turn_began) = (self.now, self.now);
        self.has_begun = false;
        self.before_turn.clear();
        self.recording.encoder.end_block();
        self.note(Event::Recording);
    }

    /// Writes an event down.
    #[inline(never)]
    pub fn note(&mut self, event: Event) {
        let Recording { ring, encoder, .. } = &mut self.recording;
        encoder.write(&mut **ring, self.now, &event);
        self.tell_if_asked(|| event);
    }

    #[inline(always)]
    fn tell_if_asked(&mut self, event: impl FnOnce() -> Event) {
        if self.recording.teller.is_some() || self.recording.tap.is_some() {
            self.tell(event());
        }
    }

    /// Tells an event that was written down, in words or with what it moved.
    #[cold]
    #[inline(never)]
    fn tell(&mut self, event: Event) {
        let Recording { encoder, teller, .. } = &mut self.recording;
        if let Some(teller) = teller {
            teller.hear(&Entry { time: self.now, cause: encoder.causes(), event });
        }
        self.note_payload(&event);
    }

    /// Writes down the first bytes that the event moved, if it is a call.
    fn note_payload(&mut self, event: &Event) {
        let Recording { ring, encoder, tap: Some(tap), .. } = &mut self.recording else { return };
        let (connection, direction) = match *event {
            Event::Received { connection, .. } => (connection, Direction::Received),
            Event::Sent { connection, .. } => (connection, Direction::Sent),
            // What no event told is not taken for bytes of another connection.
            Event::Visit { .. } => {
                tap.take(Direction::Received);
                tap.take(Direction::Sent);
                return;
            }
            _ => return,
        };
        for bytes in tap.take(direction).chunks(CHUNK_BYTES) {
            let chunk = Chunk::of(bytes);
            let event = Event::Payload { connection, direction, chunk };
            encoder.write(&mut **ring, self.now, &event);
        }
    }

    /// Where the bytes of calls are to be left, if some of them are to be in the trace.
    pub fn tap(&self) -> Option<Tap> {
        self.recording.tap.clone()
    }

    /// Reads the clock: events from now on have this time.
    #[inline]
    pub fn tick(&mut self) {
        self.now = (self.recording.clock)();
        self.worked = 0;
    }

    /// Reads the clock if much work was done since it was read.
    #[inline]
    pub fn tick_if_worked(&mut self, work: u32) {
        self.worked = self.worked.saturating_add(work);
        if self.worked >= LONG_WORK {
            self.tick();
        }
    }

    /// Reads the clock if a call has moved more than 64 KiB, and so took a while.
    #[inline]
    fn tick_if_long(&mut self, moved: u32) {
        if moved > LONG_CALL {
            self.tick();
        }
    }

    /// Keeps an event until the turn begins.
    pub fn before_turn(&mut self, token: Token, event: Event) {
        self.before_turn.push((token, event));
    }

    /// A turn began at `now`, unless a signal began it already: what that asks for is done before
    /// the visits.
    pub fn turn_began(&mut self, now: Moment) {
        (self.now, self.worked) = (now, 0);
        if std::mem::take(&mut self.has_begun) {
            return;
        }
        (self.turn_began, self.visits) = (now, 0);
        let events = self.before_turn.len();
        let waited = now.since(self.turn_ended).as_nanos();
        self.note(Event::TurnBegan { events: count_32(events), waited: waited as u64 });
        // Its memory is kept for the next turn.
        let mut events = std::mem::take(&mut self.before_turn);
        for (token, event) in events.drain(..) {
            self.note(event);
            if matches!(event, Event::Ready { is_stale: false, .. }) {
                self.note_cause(token);
            }
        }
        self.before_turn = events;
    }

    /// A signal or a message came, after the events of the turn.
    pub fn woken(&mut self, by: Signal) {
        // The first signal of a turn begins it. Another finds that it has begun.
        self.turn_began((self.recording.clock)());
        self.has_begun = true;
        self.note(Event::Woken { by });
    }

    /// A turn ended at `now`, with `queued` connections that wait for a visit.
    pub fn turn_ended(&mut self, now: Moment, queued: usize, next: Next) {
        self.now = now;
        self.note(Event::TurnEnded { visits: self.visits, queued: count_32(queued), next });
        self.turn_ended = now;
        let took = now.since(self.turn_began);
        self.meet(|trigger| matches!(trigger, Trigger::TurnLongerThan(limit) if took > *limit));
    }

    /// A connection is visited, and the events to come are about it.
    pub fn visit(&mut self, token: Token) {
        self.current = token;
        self.visits += 1;
    }

    /// The events to come are about this connection.
    pub fn go_on_with(&mut self, token: Token) {
        self.current = token;
    }

    /// The number of the connection that is visited.
    #[inline]
    pub fn connection(&self) -> Number {
        self.current.generation()
    }

    /// The event before was the cause of what is done for this connection from now on.
    pub fn note_cause(&mut self, token: Token) {
        let cause = self.recording.encoder.causes();
        if let Some(lane) = self.lane(token) {
            lane.cause = cause;
        }
    }

    /// The server has answered `total` requests in all. Returns how many of them are new.
    pub fn new_requests(&mut self, total: u64) -> u32 {
        let before = std::mem::replace(&mut self.seen_requests, total);
        u32::try_from(total.wrapping_sub(before)).unwrap_or(u32::MAX)
    }

    /// Whether the requests of the connection that is visited had to wait before.
    pub fn was_stalled(&mut self, is_stalled: bool) -> bool {
        let lane = self.lane(self.current);
        lane.is_some_and(|lane| std::mem::replace(&mut lane.is_stalled, is_stalled))
    }

    /// Whether a timer that fires at `at` is another than was last seen. If so, returns how long it
    /// is until then.
    pub fn timer_moved(&mut self, token: Token, at: Moment) -> Option<u64> {
        let now = self.now;
        let lane = self.lane(token)?;
        (lane.timer != at).then(|| {
            lane.timer = at;
            at.as_nanos().saturating_sub(now.as_nanos())
        })
    }

    /// A client, as the trace may name it.
    pub fn peer(&self, peer: &Peer) -> TracedPeer {
        match (peer, self.recording.addresses) {
            (Peer::Unix(_), _) => TracedPeer::Unix,
            (Peer::Proxied, _) => TracedPeer::Proxied,
            (Peer::Inet(address), AddressPolicy::Full) => TracedPeer::Inet(*address),
            (Peer::Inet(address), AddressPolicy::Hash) => {
                TracedPeer::Hashed(self.secret.hash_one(address.ip()))
            }
        }
    }

    /// What tells turns in words.
    pub fn teller(&mut self) -> Option<&mut Teller> {
        self.recording.teller.as_mut()
    }

    /// Notes that a trigger is met, if there is one that `is_met` says so of.
    pub fn meet(&mut self, is_met: impl Fn(&Trigger) -> bool) {
        if self.met.is_none() {
            self.met = self.recording.triggers.iter().copied().find(is_met);
        }
    }

    #[inline]
    fn lane(&mut self, token: Token) -> Option<&mut Lane> {
        let index = token.index();
        if index >= self.lanes.len() {
            self.add_lanes(index + 1);
        }
        let lane = self.lanes.get_mut(index)?;
        if lane.number != token.generation() {
            *lane = Lane { number: token.generation(), ..Lane::default() };
        }
        Some(lane)
    }

    #[cold]
    #[inline(never)]
    fn add_lanes(&mut self, count: usize) {
        self.lanes.resize(count, Lane::default());
    }
}

/// A count, as far as 32 bits go.
pub fn count_32(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
