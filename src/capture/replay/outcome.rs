//! A replay that compares outcomes: what each client gets, and why its connection closes.
//!
//! The server is given the events, clock readings and orders of each turn, and asks for its input
//! when it wants it. It may take other turns than the one that was captured: what it does not ask
//! for waits, and where it wants a turn that was not captured, it gets one.
//!
//! Invariant: memory holds what one turn brought, and what the server has not asked for yet.

mod connection;
mod feed;
mod net;

use super::exact::{limits, server, table, zone};
use super::{CaptureEnd, MakeRecorder, ReplayError, Replayed};
use crate::capture::reader::Reader;
use crate::capture::record::{Record, Stream};
use crate::capture::start::{OfShard, Start};
use crate::io::address::Peer;
use crate::io::clock::Moment;
use crate::io::event_loop::{EventHandler, LoopControl};
use crate::io::net::{Token, Told};
use crate::io::readiness::Readiness;
use crate::server::Server;
use feed::Feed;
use net::{FedNet, FedStatistics};
use std::cell::{Cell, RefCell};
use std::fmt;
use std::io::Read;
use std::rc::Rc;

/// What was captured and what is so now, in words, if they differ.
type Verdict = Result<(), (String, String)>;

/// Turns that a server may take in a row without one of the capture.
const MOST_EXTRA_TURNS: u32 = 1000;

/// Where a client gets something else than when it was captured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The turn of the capture, counted from 1, at whose end it was found.
    pub turn: u64,
    /// The number of the connection: they are counted from 1 as they were accepted.
    pub stream: Stream,
    /// Its client.
    pub peer: Peer,
    /// What was captured.
    pub captured: String,
    /// What is so now.
    pub now: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Difference { turn, stream, peer, captured, now } = self;
        write!(
            f,
            "turn {turn}, connection {stream} ({peer}): captured is {captured}; now it is {now}"
        )
    }
}

/// What is done before a turn.
enum Order {
    Event(Token, Readiness),
    Told(Told<'static>),
    Table(Vec<u8>, bool),
    Zone(Vec<u8>),
    Limits(Vec<u8>),
}

/// A turn of the capture.
struct Turn {
    orders: Vec<Order>,
    began: Moment,
    now: Moment,
    ended: Moment,
    next: LoopControl,
}

/// Runs the server of a capture again, and compares what its clients get.
///
/// # Errors
///
/// The first client that gets something else; or what is wrong with the capture.
pub fn by_outcome(
    reader: Reader<Box<dyn Read>>,
    start: &Start<'_>,
    trace: Option<MakeRecorder<'_>>,
) -> Result<Replayed, ReplayError> {
    let net = FedNet(Rc::new(RefCell::new(Feed::new(&start.listeners))));
    let mut server = server(net.clone(), start)?;
    let clock = Rc::new(Cell::new(start.now));
    if let Some(make) = trace {
        let clock = Rc::clone(&clock);
        let recorder = make(Box::new(move || clock.get()));
        net.0.borrow_mut().tap = recorder.tap();
        server.prepare_recording(recorder);
        server.toggle_recording();
    }
    for (number, listener) in start.listeners.iter().enumerate() {
        let outcome = match listener.is_own {
            true => server.listen(number, listener.serves.clone()),
            false => server.listen_with_others(number, listener.serves.clone()),
        };
        outcome.map_err(|error| ReplayError::Server(error.to_string()))?;
    }
    if let Some(OfShard { number, supervisor, age }) = start.shard {
        let statistics = Box::new(FedStatistics { net: net.clone(), age });
        match number {
            0 => server.continue_statistics(statistics),
            _ => server.share_statistics(statistics, supervisor),
        }
    }
    let tables = vec![(start.table.to_vec(), start.is_value_first)];
    Run {
        reader,
        net,
        server,
        clock,
        tables,
        next: LoopControl::Poll,
        captured_next: LoopControl::Poll,
    }
    .finish()
}

struct Run {
    reader: Reader<Box<dyn Read>>,
    net: FedNet,
    server: Server<FedNet>,
    clock: Rc<Cell<Moment>>,
    tables: Vec<(Vec<u8>, bool)>,
    /// What the server has asked for, and what it had asked for when it was captured.
    next: LoopControl,
    captured_next: LoopControl,
}

impl Run {
    fn finish(mut self) -> Result<Replayed, ReplayError> {
        while let Some(turn) = self.read_turn()? {
            self.run_until(turn.now);
            self.run(&turn)?;
            let feed = &mut *self.net.0.borrow_mut();
            feed.compare(false);
            feed.forget_failures();
            feed.turn = self.reader.turn();
            feed.done.turns += 1;
            if feed.difference.is_some() {
                break;
            }
            self.captured_next = turn.next;
            if turn.next == LoopControl::Stop {
                feed.done.end = CaptureEnd::Stopped;
                break;
            }
        }
        drop(self.server);
        let feed = &mut *self.net.0.borrow_mut();
        feed.compare(feed.done.end == CaptureEnd::Stopped);
        match feed.difference.take() {
            Some(difference) => Err(ReplayError::ClientDiffers(difference)),
            None => Ok(feed.done),
        }
    }

    /// Reads a turn, and feeds what it brought. `None` at the end of the capture.
    fn read_turn(&mut self) -> Result<Option<Turn>, ReplayError> {
        let feed = &mut *self.net.0.borrow_mut();
        let (mut orders, mut now) = (Vec::new(), None);
        loop {
            let Some(record) = self.reader.take()? else { return Ok(None) };
            feed.done.records += 1;
            if let Record::Recv { outcome: Ok(bytes), .. } = record {
                feed.done.received += bytes.len() as u64;
            }
            match record {
                Record::Told(Told::TurnEnded { began, ended, next }) => {
                    let now = now.unwrap_or(began);
                    return Ok(Some(Turn { orders, began, now, ended, next }));
                }
                Record::Told(Told::Turn(moment)) => now = Some(moment),
                Record::End(cause) => feed.done.end = CaptureEnd::Ended(cause),
                // What follows is the server's own doing.
                Record::Told(Told::Closed { .. } | Told::Visit(_)) => feed.take(&record),
                Record::Told(_) if now.is_some() => {}
                Record::Told(Told::Ready(token, readiness)) => {
                    orders.extend(feed.token(token).map(|token| Order::Event(token, readiness)));
                }
                Record::Told(Told::Table { text, is_value_first }) => {
                    self.tables.push((text.to_vec(), is_value_first));
                    orders.push(Order::Table(text.to_vec(), is_value_first));
                }
                Record::TableAgain(number) => {
                    let known = usize::try_from(number).ok().and_then(|at| self.tables.get(at));
                    let unknown = || ReplayError::Server(format!("it has no table {number}"));
                    let (text, order) = known.ok_or_else(unknown)?;
                    orders.push(Order::Table(text.clone(), *order));
                }
                Record::Told(Told::Zone(bytes)) => orders.push(Order::Zone(bytes.to_vec())),
                Record::Told(Told::Limits(text)) => orders.push(Order::Limits(text.to_vec())),
                Record::Told(told) => {
                    orders.extend(super::exact::without_bytes(told).map(Order::Told));
                }
                record => feed.take(&record),
            }
        }
    }

    /// Runs a turn of the capture, and those that the server wants at once after it.
    fn run(&mut self, turn: &Turn) -> Result<(), ReplayError> {
        self.clock.set(turn.now);
        for order in &turn.orders {
            match order {
                Order::Event(token, readiness) => self.server.on_ready(*token, *readiness),
                Order::Table(text, order) => {
                    drop(self.server.replace_table(table(text.clone(), *order)?));
                }
                Order::Zone(bytes) => _ = self.server.replace_zone(zone(bytes)?),
                Order::Limits(text) => self.server.replace_limits(limits(text)?),
                Order::Told(told) => self.tell(*told),
            }
        }
        self.take_turn(turn.began, turn.now, turn.ended);
        // Where another turn follows at once, what is left is for that.
        let most = if turn.next == LoopControl::Poll { 0 } else { MOST_EXTRA_TURNS };
        for _ in 0..most {
            let news = self.net.0.borrow_mut().news();
            if news.is_empty() && self.next != LoopControl::Poll {
                break;
            }
            news.into_iter().for_each(|(token, bits)| self.server.on_ready(token, bits));
            self.take_turn(turn.ended, turn.ended, turn.ended);
        }
        Ok(())
    }

    /// Runs turns that the server wants before the next of the capture. If the captured server had
    /// wanted one as early, then its process stood still at that time, and so does this.
    fn run_until(&mut self, now: Moment) {
        let wanted = match self.captured_next {
            LoopControl::WaitUntil(moment) => moment.min(now),
            LoopControl::Wait => now,
            LoopControl::Poll | LoopControl::Stop => return,
        };
        for _ in 0..MOST_EXTRA_TURNS {
            match self.next {
                LoopControl::WaitUntil(moment) if moment < wanted => {
                    self.clock.set(moment);
                    self.take_turn(moment, moment, moment);
                }
                _ => return,
            }
        }
    }

    fn take_turn(&mut self, began: Moment, now: Moment, ended: Moment) {
        if self.next == LoopControl::Stop {
            return;
        }
        let news = self.net.0.borrow_mut().news();
        news.into_iter().for_each(|(token, bits)| self.server.on_ready(token, bits));
        self.next = self.server.end_turn(now);
        self.clock.set(ended);
        self.server.turn_ended(began, ended, self.next);
    }

    fn tell(&mut self, told: Told<'static>) {
        match told {
            Told::Woken(wakeup) => self.server.observe_wakeup(wakeup),
            Told::Drain(now) => self.server.drain(now),
            Told::DrainAndWait(now) => self.server.drain_and_wait(now),
            Told::LeaveBacklog => self.server.leave_backlog(),
            Told::HandOver(now) => self.server.hand_over(now),
            Told::ServeBacklog(now) => self.server.serve_backlog(now),
            Told::HoldIfIdle(now) => _ = self.server.hold_if_idle(now),
            Told::AdmitAgain(now) => self.server.admit_again(now),
            Told::TableKept => self.server.keep_table(),
            Told::Statistics(now) => _ = self.server.statistics(now),
            _ => {}
        }
    }
}
