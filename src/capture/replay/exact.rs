//! The driver of an exact replay: it tells the server what it was told, in the same order.

use super::net::{ReplayNet, ReplayStatistics};
use super::script::Script;
use super::{MakeRecorder, ReplayError, Replayed};
use crate::capture::reader::Reader;
use crate::capture::record::Record;
use crate::capture::start::{OfShard, Start};
use crate::capture::words::describe;
use crate::handlers::daytime::DateCache;
use crate::io::event_loop::{EventHandler, LoopControl};
use crate::io::net::{Net, Told};
use crate::server::Server;
use crate::server::limits::Limits;
use crate::table::{ColumnOrder, Table};
use crate::zone::ZoneRules;
use std::cell::RefCell;
use std::io::Read;
use std::rc::Rc;

/// What the server is told next.
enum Order {
    Told(Told<'static>),
    Table(Vec<u8>, bool),
    Zone(Vec<u8>),
    Limits(Vec<u8>),
    /// The capture ends, though the server went on.
    End,
    /// The capture has this here, which the server left out.
    NotDone(String),
}

/// Runs the server of a capture again. Every call that it makes has to be the one that was made.
///
/// # Errors
///
/// The first difference, with its place; or what is wrong with the capture.
pub fn exactly(
    reader: Reader<Box<dyn Read>>,
    start: &Start<'_>,
    trace: Option<MakeRecorder<'_>>,
) -> Result<Replayed, ReplayError> {
    let mut script = Script::new(reader);
    script.tables.push((start.table.to_vec(), start.is_value_first));
    if script.peek().is_none() {
        // It ends before the first turn, so not even the listeners were written.
        return script.error.take().map_or(Ok(script.done), |error| Err(error.into()));
    }
    let net = ReplayNet { script: Rc::new(RefCell::new(script)) };
    let mut server = server(net.clone(), start)?;
    if let Some(make) = trace {
        let clock = net.script.borrow_mut().clock.start(start.now);
        let recorder = make(clock);
        net.script.borrow_mut().tap = recorder.tap();
        server.prepare_recording(recorder);
        server.toggle_recording();
    }
    for (number, listener) in (0..).zip(&start.listeners) {
        let outcome = match listener.is_own {
            true => server.listen(number, listener.serves.clone()),
            false => server.listen_with_others(number, listener.serves.clone()),
        };
        outcome.map_err(|error| ReplayError::Server(error.to_string()))?;
    }
    if let Some(OfShard { number, supervisor, age }) = start.shard {
        let statistics = Box::new(ReplayStatistics { net: net.clone(), age });
        match number {
            0 => server.continue_statistics(statistics),
            _ => server.share_statistics(statistics, supervisor),
        }
    }
    let mut next = LoopControl::Poll;
    loop {
        // Not in the condition: there it would be borrowed while the server makes its calls.
        let order = next_order(&mut net.script.borrow_mut());
        match order {
            None | Some(Order::End) => break,
            Some(order) => follow(&net, &mut server, order, &mut next)?,
        }
    }
    drop(server);
    let script = &mut *net.script.borrow_mut();
    match (script.error.take(), script.difference.take()) {
        (Some(error), _) => Err(error.into()),
        (None, Some(difference)) => Err(ReplayError::Differs(difference)),
        (None, None) => Ok(script.done),
    }
}

/// The server of a capture, on another network.
pub(super) fn server<N: Net>(net: N, start: &Start<'_>) -> Result<Server<N>, ReplayError> {
    let table = table(start.table.to_vec(), start.is_value_first)?;
    let dates = DateCache::new(zone(&start.zone)?);
    Ok(Server::new(net, start.limits.clone(), table, dates, start.now))
}

/// A table of a capture.
pub(super) fn table(text: Vec<u8>, is_value_first: bool) -> Result<Table, ReplayError> {
    let order = if is_value_first { ColumnOrder::ValueKey } else { ColumnOrder::KeyValue };
    Table::parse(text, order).map_err(|error| ReplayError::Server(format!("its table: {error}")))
}

/// A time zone of a capture.
pub(super) fn zone(bytes: &[u8]) -> Result<ZoneRules, ReplayError> {
    let invalid = |error| ReplayError::Server(format!("its time zone: {error}"));
    ZoneRules::from_bytes(bytes).map_err(invalid)
}

/// Limits of a capture.
pub(super) fn limits(text: &[u8]) -> Result<Limits, ReplayError> {
    Limits::from_text(&String::from_utf8_lossy(text))
        .map_err(|name| ReplayError::Server(format!("what it says of {name:?} is not valid")))
}

fn next_order(script: &mut Script) -> Option<Order> {
    let mut again = None;
    let order = match script.peek()? {
        Record::Told(Told::Table { text, is_value_first }) => {
            Order::Table(text.to_vec(), is_value_first)
        }
        Record::Told(Told::Zone(bytes)) => Order::Zone(bytes.to_vec()),
        Record::Told(Told::Limits(text)) => Order::Limits(text.to_vec()),
        Record::Told(told) => without_bytes(told).map_or(Order::End, Order::Told),
        Record::TableAgain(number) => {
            again = usize::try_from(number).ok();
            Order::NotDone(format!("the order to use table {number}, which was not captured"))
        }
        Record::End(_) => Order::End,
        record => Order::NotDone(describe(&record)),
    };
    match (&order, again.and_then(|number| script.tables.get(number))) {
        (Order::Table(text, order), _) => script.tables.push((text.clone(), *order)),
        (Order::End, _) => script.follow(),
        (_, Some((text, order))) => return Some(Order::Table(text.clone(), *order)),
        _ => {}
    }
    Some(order)
}

/// What a server was told, if it is more than bytes.
pub(super) fn without_bytes(told: Told<'_>) -> Option<Told<'static>> {
    Some(match told {
        Told::Table { .. } | Told::Zone(_) | Told::Limits(_) => return None,
        Told::Ready(token, readiness) => Told::Ready(token, readiness),
        Told::Woken(wakeup) => Told::Woken(wakeup),
        Told::Turn(now) => Told::Turn(now),
        Told::TurnEnded { began, ended, next } => Told::TurnEnded { began, ended, next },
        Told::Drain(now) => Told::Drain(now),
        Told::DrainAndWait(now) => Told::DrainAndWait(now),
        Told::LeaveBacklog => Told::LeaveBacklog,
        Told::ServeBacklog(now) => Told::ServeBacklog(now),
        Told::HandOver(now) => Told::HandOver(now),
        Told::HoldIfIdle(now) => Told::HoldIfIdle(now),
        Told::AdmitAgain(now) => Told::AdmitAgain(now),
        Told::TableKept => Told::TableKept,
        Told::Statistics(now) => Told::Statistics(now),
        Told::Visit(token) => Told::Visit(token),
        Told::Closed { token, reason, is_reset } => Told::Closed { token, reason, is_reset },
    })
}

/// Has the server do what it was told.
fn follow(
    net: &ReplayNet,
    server: &mut Server<ReplayNet>,
    order: Order,
    next: &mut LoopControl,
) -> Result<(), ReplayError> {
    let told = match order {
        Order::Table(text, is_value_first) => {
            server.replace_table(table(text, is_value_first)?);
            return Ok(());
        }
        Order::Limits(text) => {
            server.replace_limits(limits(&text)?);
            return Ok(());
        }
        Order::Zone(bytes) => {
            server.replace_zone(zone(&bytes)?);
            return Ok(());
        }
        Order::NotDone(captured) => {
            let now = "left out".to_owned();
            net.script.borrow_mut().differ(captured, now);
            return Ok(());
        }
        Order::End => return Ok(()),
        Order::Told(told) => told,
    };
    match told {
        Told::Ready(token, readiness) => server.on_ready(token, readiness),
        Told::Woken(wakeup) => server.observe_wakeup(wakeup),
        Told::Turn(now) => *next = server.end_turn(now),
        Told::TurnEnded { began, ended, .. } => server.turn_ended(began, ended, *next),
        Told::Drain(now) => server.drain(now),
        Told::DrainAndWait(now) => server.drain_and_wait(now),
        Told::LeaveBacklog => server.leave_backlog(),
        Told::ServeBacklog(now) => server.serve_backlog(now),
        Told::HandOver(now) => server.hand_over(now),
        Told::HoldIfIdle(now) => _ = server.hold_if_idle(now),
        Told::AdmitAgain(now) => server.admit_again(now),
        Told::TableKept => server.keep_table(),
        Told::Statistics(now) => _ = server.statistics(now),
        Told::Visit(_)
        | Told::Closed { .. }
        | Told::Table { .. }
        | Told::Zone(_)
        | Told::Limits(_) => {
            net.script.borrow_mut().differ(describe(&Record::Told(told)), "left out".to_owned());
        }
    }
    Ok(())
}
