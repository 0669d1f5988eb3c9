//! What was captured so far and the server has not asked for yet.

use super::Difference;
use super::connection::{Ending, Fed, REJECTED, Readings};
use crate::capture::record::{Accepted, CallError, ListenerCall, Record, Stream};
use crate::capture::start::Listener;
use crate::capture::statistics::each;
use crate::handlers::Service;
use crate::io::clock::WallTime;
use crate::io::host::Usage;
use crate::io::net::{Handshakes, Token, Told};
use crate::io::readiness::Readiness;
use crate::server::stats::Stats;
use crate::server::stats::publishing::Shards;
use crate::trace::payload::Tap;
use crate::trace::wire::Cursor;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// A listener.
#[derive(Default)]
struct FedListener {
    /// Its token in the server that is run again.
    token: Option<Token>,
    /// Its token when it was captured.
    captured: Option<Token>,
    /// Clients that wait to be accepted from it, or failures to.
    waiting: usize,
    has_news: bool,
}

/// Everything that is fed to a server.
#[derive(Default)]
pub(super) struct Feed {
    /// The turn of the capture, counted from 1.
    pub(super) turn: u64,
    /// Connections that are not compared to their ends.
    connections: BTreeMap<Stream, Fed>,
    accepted: Stream,
    /// Those for which something happened in this turn.
    touched: BTreeSet<Stream>,
    /// By the tokens of the capture, and by those of the server.
    captured_tokens: BTreeMap<u64, Stream>,
    tokens: BTreeMap<u64, Stream>,
    /// Registrations that failed.
    failed: BTreeMap<Stream, CallError>,
    listeners: Vec<FedListener>,
    /// The numbers of listeners that send without end.
    endless: BTreeSet<usize>,
    /// What accept(2) returned, and from which listener, in order: limits by address depend on it.
    backlog: VecDeque<(usize, Stream, Accepted)>,
    /// Which connection is visited, in the capture and now: the clock is read for it.
    captured_visited: Stream,
    visited: Stream,
    last_wall: WallTime,
    last_usage: Usage,
    handshakes: Readings<Handshakes>,
    pub(super) places_memory: u64,
    pub(super) total: Vec<u64>,
    pub(super) each: Vec<Stats>,
    pub(super) shards: Shards,
    pub(super) difference: Option<Difference>,
    pub(super) done: super::Replayed,
    /// Where the bytes of calls are left for a trace that has some of them.
    pub(super) tap: Option<Tap>,
}

impl Feed {
    /// What is fed to a server with these listeners.
    pub(super) fn new(listeners: &[Listener]) -> Feed {
        let is_endless =
            |(_, listener): &(usize, &Listener)| listener.serves.service == Service::CHARGEN;
        let endless = listeners.iter().enumerate().filter(is_endless).map(|(number, _)| number);
        let endless = endless.collect();
        let listeners = listeners.iter().map(|_| FedListener::default()).collect();
        Feed { turn: 1, listeners, endless, ..Feed::default() }
    }

    /// A connection for which something happens.
    pub(super) fn connection(&mut self, stream: Stream) -> Option<&mut Fed> {
        self.touched.insert(stream);
        self.connections.get_mut(&stream)
    }

    /// Takes what a record says, whatever the server does with it.
    pub(super) fn take(&mut self, record: &Record<'_>) {
        match *record {
            Record::Recv { stream, .. }
            | Record::Send { stream, .. }
            | Record::SendFin { stream, .. }
            | Record::AddWriteInterest { stream, .. }
            | Record::Output { stream, .. } => self.feed(stream, record),
            Record::Told(Told::Visit(token)) => {
                self.captured_visited = self.captured_tokens.get(&token.0).copied().unwrap_or(0);
            }
            Record::Accept { listener, outcome } => self.take_client(listener, outcome),
            Record::Register { stream, token, outcome, .. } => {
                self.captured_tokens.insert(token.0, stream);
                if let Some(fed) = self.connection(stream) {
                    fed.was_registered = true;
                }
                self.failed.extend(outcome.err().map(|error| (stream, error)));
            }
            Record::Listener { listener, call: ListenerCall::Register(token), .. } => {
                if let Some(listener) = self.listeners.get_mut(listener as usize) {
                    listener.captured = Some(token);
                }
            }
            // One that was registered is told of as closed.
            Record::Abort { stream } => {
                if let Some(fed) = self.connection(stream).filter(|fed| !fed.was_registered) {
                    fed.captured_end = Some(REJECTED);
                }
            }
            Record::WallTime(time) => {
                self.last_wall = time;
                self.feed(self.captured_visited, record);
            }
            Record::Usage(usage) => {
                self.last_usage = usage;
                self.feed(self.captured_visited, record);
            }
            Record::Encrypted(encrypted) => self.feed(encrypted.stream(), record),
            Record::Handshakes { answer, .. } => self.handshakes.push(answer),
            Record::PlacesMemory(bytes) => self.places_memory = bytes,
            Record::Each(numbers) => self.each = each(numbers),
            Record::Shards(shards) => self.shards = shards,
            Record::Total(numbers) => {
                let mut cursor = Cursor::new(numbers);
                self.total = std::iter::from_fn(|| cursor.number().ok()).collect();
            }
            Record::Told(Told::Closed { token, reason, is_reset }) => {
                if let Some(stream) = self.captured_tokens.remove(&token.0)
                    && let Some(fed) = self.connection(stream)
                {
                    fed.captured_end = Some((reason, is_reset));
                }
            }
            _ => {}
        }
    }

    fn feed(&mut self, stream: Stream, record: &Record<'_>) {
        if let Some(fed) = self.connection(stream) {
            fed.feed(record);
        }
    }

    fn take_client(&mut self, listener: u32, outcome: Accepted) {
        if outcome == Accepted::NoneWaiting {
            return;
        }
        if let Accepted::Connection(peer) = outcome {
            self.accepted += 1;
            let is_endless = self.endless.contains(&(listener as usize));
            self.connections.insert(self.accepted, Fed::new(peer, is_endless));
        }
        let (stream, number) = (self.accepted, listener as usize);
        if let Some(listener) = self.listeners.get_mut(number) {
            listener.waiting += 1;
            listener.has_news = true;
            self.backlog.push_back((number, stream, outcome));
        }
    }

    /// Failures that the server has not met are over when the turn is.
    pub(super) fn forget_failures(&mut self) {
        self.backlog.retain(|(number, _, outcome)| {
            let is_client = matches!(outcome, Accepted::Connection(_));
            if let Some(listener) = self.listeners.get_mut(*number).filter(|_| !is_client) {
                listener.waiting -= 1;
            }
            is_client
        });
    }

    /// The server's token for the token of an event that was captured; `None` if it has none.
    pub(super) fn token(&self, captured: Token) -> Option<Token> {
        if captured.generation() == 0 {
            let is_meant = |listener: &&FedListener| listener.captured == Some(captured);
            return self.listeners.iter().find(is_meant)?.token;
        }
        let stream = self.captured_tokens.get(&captured.0)?;
        self.connections.get(stream)?.token
    }

    /// Events that the server has not been told, though it has registered for them.
    pub(super) fn news(&mut self) -> Vec<(Token, Readiness)> {
        let mut events = Vec::new();
        for listener in &mut self.listeners {
            if let Some(token) = listener.token.filter(|_| listener.has_news) {
                listener.has_news = false;
                events.push((token, Readiness { read: true, ..Readiness::default() }));
            }
        }
        for stream in &self.touched {
            let fed = self.connections.get_mut(stream).filter(|fed| fed.end.is_none());
            let Some(fed) = fed else { continue };
            let Some(token) = fed.token else { continue };
            let read = std::mem::take(&mut fed.has_news) && fed.has_input();
            let write = fed.has_room_again();
            if read || write {
                events.push((token, Readiness { read, write, read_until_would_block: read }));
            }
        }
        events
    }

    /// accept(2). If a client of another listener is to come first, it is as if a signal had: the
    /// server then tries the others, too.
    pub(super) fn accept(&mut self, number: usize) -> (Stream, Accepted) {
        let next = self.backlog.front().map(|(first, ..)| *first);
        let Some(listener) = self.listeners.get_mut(number) else {
            return (0, Accepted::NoneWaiting);
        };
        if next != Some(number) {
            let is_early = listener.waiting > 0;
            return (0, if is_early { Accepted::Interrupted } else { Accepted::NoneWaiting });
        }
        listener.waiting -= 1;
        let (_, stream, accepted) =
            self.backlog.pop_front().unwrap_or((number, 0, Accepted::NoneWaiting));
        if matches!(accepted, Accepted::Connection(_)) {
            self.done.connections += 1;
        }
        (stream, accepted)
    }

    pub(super) fn register_listener(&mut self, listener: usize, token: Token) {
        if let Some(listener) = self.listeners.get_mut(listener) {
            listener.token = Some(token);
        }
    }

    pub(super) fn register(&mut self, stream: Stream, token: Token) -> Result<(), CallError> {
        self.tokens.insert(token.0, stream);
        if let Some(fed) = self.connection(stream) {
            fed.token = Some(token);
            fed.has_news = fed.has_input();
        }
        self.failed.remove(&stream).map_or(Ok(()), Err)
    }

    pub(super) fn send(&mut self, stream: Stream, bytes: &[u8]) -> Result<usize, CallError> {
        let Some(fed) = self.connection(stream) else { return Ok(bytes.len()) };
        let sent = fed.send(bytes);
        let count = sent.unwrap_or(0);
        self.done.sent += count as u64;
        if let Some(tap) = &self.tap {
            tap.sent(bytes.get(..count).unwrap_or_default());
        }
        sent
    }

    /// The server visits a connection.
    pub(super) fn visit(&mut self, token: Token) {
        self.visited = self.tokens.get(&token.0).copied().unwrap_or(0);
    }

    /// The server has closed a connection.
    pub(super) fn closed(&mut self, token: Token, end: Ending) {
        if let Some(stream) = self.tokens.remove(&token.0)
            && let Some(fed) = self.connection(stream)
        {
            fed.end = Some(end);
        }
    }

    /// Compares the connections for which something happened, and at the end all. Forgets those
    /// that have ended in both.
    pub(super) fn compare(&mut self, is_over: bool) {
        let touched = std::mem::take(&mut self.touched);
        let streams = if is_over { self.connections.keys().copied().collect() } else { touched };
        for stream in streams {
            let Some(fed) = self.connections.get_mut(&stream) else { continue };
            let verdict = fed.compare().and_then(|()| fed.compare_ends(is_over));
            let has_ended = fed.captured_end.is_some() && fed.end.is_some();
            let (peer, asks_statistics) = (fed.peer, fed.asks_statistics);
            if let Err((captured, now)) = verdict
                && self.difference.is_none()
            {
                let turn = self.turn;
                self.difference = Some(Difference { turn, stream, peer, captured, now });
            }
            self.done.not_compared += u64::from(asks_statistics && (is_over || has_ended));
            if has_ended {
                self.connections.remove(&stream);
            }
        }
    }

    /// The server resets a connection: one that it never registered was rejected.
    pub(super) fn aborted(&mut self, stream: Stream) {
        if let Some(fed) = self.connection(stream).filter(|fed| fed.token.is_none()) {
            fed.end = Some(REJECTED);
        }
    }

    pub(super) fn wall_time(&mut self) -> WallTime {
        let last = self.last_wall;
        self.connection(self.visited).and_then(|fed| fed.wall.take()).unwrap_or(last)
    }

    pub(super) fn usage(&mut self) -> Usage {
        let last = self.last_usage;
        self.connection(self.visited).and_then(|fed| fed.usage.take()).unwrap_or(last)
    }

    pub(super) fn handshakes(&mut self) -> Handshakes {
        self.handshakes.take().unwrap_or(Handshakes::None)
    }
}
