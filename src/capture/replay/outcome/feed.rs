//! What was captured so far and the server has not asked for yet.

use super::Difference;
use super::connection::{Ending, Fed, Readings};
use crate::capture::record::{Accepted, CallError, ListenerCall, Record, Stream};
use crate::io::clock::WallTime;
use crate::io::host::Usage;
use crate::io::net::{Handshakes, Token, Told};
use crate::io::readiness::Readiness;
use crate::server::stats::publishing::Shards;
use crate::trace::wire::Cursor;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// A listener.
#[derive(Default)]
struct FedListener {
    /// Its token in the server that is run again.
    token: Option<Token>,
    /// Its token when it was captured.
    captured: Option<Token>,
    backlog: VecDeque<(Stream, Accepted)>,
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
    /// Which connection was last read or accepted, in the capture and now: a clock that is read
    /// after that is read for it.
    captured_visited: Stream,
    pub(super) visited: Stream,
    last_wall: WallTime,
    last_usage: Usage,
    handshakes: Readings<Handshakes>,
    pub(super) places_memory: u64,
    pub(super) total: Vec<u64>,
    pub(super) shards: Shards,
    pub(super) difference: Option<Difference>,
    pub(super) done: super::Replayed,
}

impl Feed {
    pub(super) fn new(listeners: usize) -> Feed {
        let listeners = (0..listeners).map(|_| FedListener::default()).collect();
        Feed { turn: 1, listeners, ..Feed::default() }
    }

    /// A connection for which something happens.
    pub(super) fn connection(&mut self, stream: Stream) -> Option<&mut Fed> {
        self.touched.insert(stream);
        self.connections.get_mut(&stream)
    }

    /// Takes what a record says, whatever the server does with it.
    pub(super) fn take(&mut self, record: &Record<'_>) {
        match *record {
            Record::Recv { stream, .. } => {
                self.captured_visited = stream;
                self.feed(stream, record);
            }
            Record::Send { stream, .. } | Record::Output { stream, .. } => {
                self.feed(stream, record);
            }
            Record::Accept { listener, outcome } => self.take_client(listener, outcome),
            Record::Register { stream, token, outcome, .. } => {
                self.captured_tokens.insert(token.0, stream);
                self.failed.extend(outcome.err().map(|error| (stream, error)));
            }
            Record::Listener { listener, call: ListenerCall::Register(token), .. } => {
                if let Some(listener) = self.listeners.get_mut(listener as usize) {
                    listener.captured = Some(token);
                }
            }
            // It was rejected, and never registered.
            Record::Abort { stream } => {
                if !self.captured_tokens.values().any(|registered| *registered == stream) {
                    self.connections.remove(&stream);
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
            Record::Handshakes { answer, .. } => self.handshakes.push(answer),
            Record::PlacesMemory(bytes) => self.places_memory = bytes,
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
            self.captured_visited = self.accepted;
            self.connections.insert(self.accepted, Fed::new(peer));
        }
        let stream = self.accepted;
        if let Some(listener) = self.listeners.get_mut(listener as usize) {
            listener.backlog.push_back((stream, outcome));
            listener.has_news = true;
        }
    }

    /// Failures that the server has not met are over when the turn is.
    pub(super) fn forget_failures(&mut self) {
        for listener in &mut self.listeners {
            listener.backlog.retain(|(_, outcome)| matches!(outcome, Accepted::Connection(_)));
        }
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
            let write = fed.waits_for_room && fed.room() > 0;
            fed.waits_for_room &= !write;
            if read || write {
                events.push((token, Readiness { read, write, read_until_would_block: read }));
            }
        }
        events
    }

    pub(super) fn accept(&mut self, listener: usize) -> Option<(Stream, Accepted)> {
        let (stream, accepted) = self.listeners.get_mut(listener)?.backlog.pop_front()?;
        if matches!(accepted, Accepted::Connection(_)) {
            self.done.connections += 1;
            self.visited = stream;
        }
        Some((stream, accepted))
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
        self.done.sent += sent.unwrap_or(0) as u64;
        sent
    }

    /// The server has closed a connection.
    pub(super) fn closed(&mut self, token: Token, end: Ending) {
        if let Some(stream) = self.tokens.remove(&token.0)
            && let Some(fed) = self.connection(stream)
        {
            fed.end = Some(end);
        }
    }

    /// Compares the connections for which something happened, and at the end all. Forgets those that
    /// have ended in both.
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
