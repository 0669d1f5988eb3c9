//! Events in rows of one size, and the last of them.

use crate::conn::Outbound;
use crate::server::close::CloseReason;
use crate::trace::codes::Code;
use crate::trace::decode::Entry;
use crate::trace::event::{Event, Next, RecvEnd, SendEnd, TracedPeer};
use crate::trace::wire::Kind;
use std::collections::VecDeque;

/// The kind of a row that stands for missing events.
const GAP: u8 = 0;

/// An event. What the fields mean depends on its kind: `page/decode.js` says the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Row {
    /// Nanoseconds of the clock.
    pub(super) time: u64,
    /// As [`Kind`], or [`GAP`].
    pub(super) kind: u8,
    /// Small numbers: reasons, states.
    pub(super) codes: [u8; 3],
    /// 0 if it has none.
    pub(super) connection: u32,
    /// Counts and sizes.
    pub(super) fields: [u32; 5],
    /// The number of a text; 0 is none.
    pub(super) text: u32,
}

impl Row {
    /// The row of an event.
    pub(super) fn of(entry: &Entry, text: u32) -> Row {
        let mut row = Row {
            time: entry.time.as_nanos(),
            connection: entry.event.connection().unwrap_or(0),
            text,
            ..Row::default()
        };
        let (kind, codes, fields) = frequent(entry).unwrap_or_else(|| rare(entry));
        (row.kind, row.codes, row.fields) = (kind as u8, codes, fields);
        row
    }
}

type Content = (Kind, [u8; 3], [u32; 5]);

/// The lower half of a number. The page takes it as the distance from the source's first one.
fn low(number: u64) -> u32 {
    number as u32
}

fn high(number: u64) -> u32 {
    (number >> 32) as u32
}

fn frequent(entry: &Entry) -> Option<Content> {
    Some(match entry.event {
        Event::TurnBegan { events, waited } => {
            (Kind::TurnBegan, [0; 3], [events, low(waited), high(waited), 0, 0])
        }
        Event::Ready { bits, is_stale, .. } => {
            let cause = if is_stale { 0 } else { low(entry.cause) };
            (Kind::Ready, [bits.code(), is_stale.code(), 0], [0, 0, 0, 0, cause])
        }
        Event::Visit { cause, .. } => (Kind::Visit, [cause.code(), 0, 0], [0; 5]),
        Event::Received { asked, moved, end, .. } => {
            let (end, errno) = match end {
                RecvEnd::Short => (0, 0),
                RecvEnd::Full => (1, 0),
                RecvEnd::WouldBlock => (2, 0),
                RecvEnd::Interrupted => (3, 0),
                RecvEnd::Eof => (4, 0),
                RecvEnd::Error(errno) => (5, errno),
            };
            (Kind::Received, [end, 0, 0], [asked, moved, errno, 0, 0])
        }
        Event::Served { count, last, left, reply, cause, .. } => {
            (Kind::Served, [0; 3], [count, left, reply, low(last), low(cause)])
        }
        Event::Sent { moved, left, end, request, cause, .. } => {
            let (end, errno) = match end {
                SendEnd::All => (0, 0),
                SendEnd::WouldBlock => (1, 0),
                SendEnd::Budget => (2, 0),
                SendEnd::Interrupted => (3, 0),
                SendEnd::Error(errno) => (4, errno),
            };
            (Kind::Sent, [end, 0, 0], [moved, left, errno, low(request), low(cause)])
        }
        Event::Settled { inbound, outbound, ready, queued, unparsed, unsent, work, .. } => {
            let (output, reason) = output(outbound);
            let codes = [
                inbound.code() | output << 2,
                reason.map_or(u8::MAX, Code::code),
                ready.code() | queued.code() << 3,
            ];
            (Kind::Settled, codes, [unparsed, unsent, work, 0, 0])
        }
        Event::TurnEnded { visits, queued, next } => {
            let (next, wait) = match next {
                Next::Poll => (0, 0),
                Next::WaitFor(nanos) => (1, nanos),
                Next::Wait => (2, 0),
                Next::Stop => (3, 0),
            };
            (Kind::TurnEnded, [next, 0, 0], [visits, queued, low(wait), high(wait), 0])
        }
        _ => return None,
    })
}

fn rare(entry: &Entry) -> Content {
    let cause = low(entry.cause);
    match entry.event {
        Event::ListenerReady { listener } => (Kind::ListenerReady, [0; 3], [listener, 0, 0, 0, 0]),
        Event::Woken { by } => (Kind::Woken, [by.code(), 0, 0], [0; 5]),
        Event::Stalled { why, unsent, .. } => {
            (Kind::Stalled, [why.code(), 0, 0], [0, unsent, 0, 0, 0])
        }
        Event::Resumed { unsent, .. } => (Kind::Resumed, [0; 3], [0, unsent, 0, 0, 0]),
        Event::TimerArmed { deadline, after, .. } => {
            (Kind::TimerArmed, [deadline.code(), 0, 0], [low(after), high(after), 0, 0, 0])
        }
        Event::TimerFired { deadline, .. } => {
            (Kind::TimerFired, [deadline.code(), 0, 0], [0, 0, 0, 0, cause])
        }
        Event::TimersMoved { count } => (Kind::TimersMoved, [0; 3], [count, 0, 0, 0, 0]),
        Event::Accepted { listener, active, .. } => {
            (Kind::Accepted, [0; 3], [listener, active, 0, 0, cause])
        }
        Event::NotAccepted { listener, why } => {
            (Kind::NotAccepted, [why.code(), 0, 0], [listener, 0, 0, 0, 0])
        }
        Event::Refused { why, .. } => (Kind::Refused, [why.code(), 0, 0], [0; 5]),
        Event::Shed { count } => (Kind::Shed, [0; 3], [count, 0, 0, 0, 0]),
        Event::FinSent { .. } => (Kind::FinSent, [0; 3], [0; 5]),
        Event::Closed { reason, is_reset, lost, .. } => {
            (Kind::Closed, [is_reset.code(), reason.code(), 0], [lost, 0, 0, 0, 0])
        }
        Event::TableReplaced { keys } => {
            (Kind::TableReplaced, [0; 3], [low(keys), high(keys), 0, 0, 0])
        }
        Event::TableKept => (Kind::TableKept, [0; 3], [0; 5]),
        Event::ZoneReplaced => (Kind::ZoneReplaced, [0; 3], [0; 5]),
        Event::Drain { step } => (Kind::Drain, [step.code(), 0, 0], [0; 5]),
        Event::ProxyHeader { .. } => (Kind::ProxyHeader, [0; 3], [0; 5]),
        // The others are in `frequent`.
        _ => (Kind::Recording, [0; 3], [0; 5]),
    }
}

/// The state of the output as its number, and the reason that it has.
pub(super) fn output(outbound: Outbound) -> (u8, Option<CloseReason>) {
    match outbound {
        Outbound::Open => (0, None),
        Outbound::Producing => (1, None),
        Outbound::Closing(reason) => (2, Some(reason)),
        Outbound::FinSent(reason) => (3, Some(reason)),
        Outbound::Aborting(reason) => (4, Some(reason)),
        Outbound::Failed(reason) => (5, Some(reason)),
    }
}

/// Who the client is that an event names.
pub(super) fn peer(event: &Event) -> Option<String> {
    match event {
        Event::Accepted { peer, .. }
        | Event::Refused { peer, .. }
        | Event::ProxyHeader { peer, .. } => Some(match peer {
            TracedPeer::Unix => "a unix socket".to_owned(),
            TracedPeer::Proxied => "a client without an address".to_owned(),
            TracedPeer::Inet(address) => address.to_string(),
            TracedPeer::Hashed(hash) => format!("client {hash:016x}"),
        }),
        _ => None,
    }
}

/// The last rows of those that were pushed.
#[derive(Debug)]
pub(super) struct Rows {
    rows: VecDeque<Row>,
    most: usize,
    pushed: u64,
    causes: Option<u64>,
    requests: Option<u64>,
}

impl Rows {
    pub(super) fn new(most: usize) -> Rows {
        Rows { rows: VecDeque::new(), most, pushed: 0, causes: None, requests: None }
    }

    pub(super) fn push(&mut self, row: Row) {
        if self.rows.len() == self.most {
            self.rows.pop_front();
        }
        self.rows.push_back(row);
        self.pushed += 1;
    }

    /// Remembers the first numbers of causes and requests: the page counts from there.
    pub(super) fn number_from(&mut self, entry: &Entry) {
        self.causes.get_or_insert(entry.cause);
        if let Event::Served { last, .. } = entry.event {
            self.requests.get_or_insert(last);
        }
    }

    pub(super) fn gap(&mut self) {
        let time = self.rows.back().map_or(0, |row| row.time);
        self.push(Row { time, kind: GAP, ..Row::default() });
    }

    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    pub(super) fn pushed(&self) -> u64 {
        self.pushed
    }

    pub(super) fn dropped(&self) -> u64 {
        self.pushed - self.rows.len() as u64
    }

    /// The time of the first row.
    pub(super) fn start(&self) -> u64 {
        self.rows.front().map_or(0, |row| row.time)
    }

    pub(super) fn cause_base(&self) -> u64 {
        self.causes.unwrap_or(0)
    }

    pub(super) fn request_base(&self) -> u64 {
        self.requests.unwrap_or(0)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Row> {
        self.rows.iter()
    }
}
