//! What happens on the tracks of connections, and on the loop's apart from its turns.

use super::packets::{Mark, Name, TrackEvent, TrackKind, Unit};
use super::{CONNECTIONS, COUNTERS, Lane, PROCESS, Perfetto};
use crate::conn::{Inbound, Outbound};
use crate::trace::event::{Event, Number, RecvEnd, SendEnd};
use crate::trace::text;
use std::io::{self, Write};

impl<W: Write> Perfetto<W> {
    pub(super) fn of_loop(&mut self, event: &Event) -> io::Result<()> {
        let (name, detail): (Name, (&'static str, u64)) = match *event {
            Event::ListenerReady { listener } => {
                (("a client waits", ""), ("listener", listener.into()))
            }
            Event::Woken { by } => ((text::signal(by), ""), ("", 0)),
            Event::NotAccepted { listener, why } => {
                ((text::not_accepted(why), ""), ("listener", listener.into()))
            }
            Event::Refused { why, .. } => (("rejected", text::refused(why)), ("", 0)),
            Event::Shed { count } => {
                (("the memory limit is reached", ""), ("connections", count.into()))
            }
            Event::TimersMoved { count } => (("timers set again", ""), ("timers", count.into())),
            Event::TableReplaced { keys } => (("another table", ""), ("keys", keys)),
            Event::TableKept => (("the table could not be loaded", ""), ("", 0)),
            Event::ZoneReplaced => (("the time zone was read again", ""), ("", 0)),
            Event::Drain { step } => (("drain", text::drain(step)), ("", 0)),
            Event::Recording => (("recording begins", ""), ("", 0)),
            // The others are of a connection, or begin or end a turn.
            _ => return Ok(()),
        };
        self.on_loop(Mark::Instant, name, &[detail], 0)
    }

    pub(super) fn of_connection(&mut self, connection: Number, event: &Event) -> io::Result<()> {
        match *event {
            Event::Visit { cause, .. } => self.visit(connection, text::visit(cause)),
            Event::Received { asked, moved, end, .. } => {
                let errno = if let RecvEnd::Error(errno) = end { errno } else { 0 };
                let details = [("bytes", moved), ("room", asked), ("errno", errno)];
                self.instant(connection, ("recv", text::recv_end(end)), &details.map(wide), 0)
            }
            Event::Served { count, last, left, reply, cause, .. } => {
                let details = [
                    ("requests", count.into()),
                    ("last_request", last),
                    ("reply_bytes", reply.into()),
                    ("kept_bytes", left.into()),
                    ("event", cause),
                ];
                self.instant(connection, ("served", ""), &details, 0)
            }
            Event::Sent { moved, left, end, request, cause, .. } => {
                let errno = if let SendEnd::Error(errno) = end { errno } else { 0 };
                let details = [
                    ("bytes", moved.into()),
                    ("left", left.into()),
                    ("errno", errno.into()),
                    ("request", request),
                    ("event", cause),
                ];
                self.instant(connection, ("send", text::send_end(end)), &details, cause)?;
                self.unsent(connection, left)
            }
            Event::Settled { inbound, outbound, queued, unsent, .. } => {
                self.unsent(connection, unsent)?;
                self.settle(connection, inbound, outbound, text::queued(queued))
            }
            Event::Stalled { why, unsent, .. } => {
                let details = [("to_send", unsent.into())];
                self.instant(connection, ("stalled", text::stall(why)), &details, 0)
            }
            Event::Resumed { unsent, .. } => {
                self.instant(connection, ("resumed", ""), &[("to_send", unsent.into())], 0)
            }
            Event::TimerArmed { deadline, after, .. } => {
                let name = ("timer set", text::deadline(deadline));
                self.instant(connection, name, &[("after_ns", after)], 0)
            }
            Event::ProxyHeader { .. } => self.instant(connection, ("PROXY header", ""), &[], 0),
            Event::FinSent { .. } => self.instant(connection, ("FIN sent", ""), &[], 0),
            Event::Closed { reason, is_reset, lost, .. } => {
                let mut lane = self.lanes.remove(&connection).unwrap_or_default();
                self.introduce(connection, &mut lane)?;
                let what = if is_reset { "closed with RST" } else { "closed" };
                let details = [("lost_bytes", lost.into())];
                self.on_lane(connection, Mark::Instant, (what, reason.word()), &details, 0)?;
                self.leave(connection, &mut lane)
            }
            _ => Ok(()),
        }
    }

    /// A visit begins. One that did not end, for lack of events, ends.
    pub(super) fn visit(&mut self, connection: Number, why: &'static str) -> io::Result<()> {
        let mut lane = self.lanes.remove(&connection).unwrap_or_default();
        self.introduce(connection, &mut lane)?;
        if std::mem::replace(&mut lane.is_visited, true) {
            self.on_lane(connection, Mark::End, ("", ""), &[], 0)?;
        }
        let cause = lane.cause;
        self.lanes.insert(connection, lane);
        self.on_lane(connection, Mark::Begin, ("visit", why), &[("event", cause)], cause)
    }

    /// A visit ends; if the state is another than before, its slice begins.
    fn settle(
        &mut self,
        connection: Number,
        inbound: Inbound,
        outbound: Outbound,
        queued: &'static str,
    ) -> io::Result<()> {
        self.instant(connection, (queued, ""), &[], 0)?;
        let Some(mut lane) = self.lanes.remove(&connection) else { return Ok(()) };
        if std::mem::take(&mut lane.is_visited) {
            self.on_lane(connection, Mark::End, ("", ""), &[], 0)?;
        }
        let state = state(inbound, outbound);
        if lane.state != Some(state) {
            if lane.state.replace(state).is_some() {
                self.on_lane(connection, Mark::End, ("", ""), &[], 0)?;
            }
            self.on_lane(connection, Mark::Begin, state, &[], 0)?;
        }
        self.lanes.insert(connection, lane);
        Ok(())
    }

    /// The slices of a connection end.
    pub(super) fn leave(&mut self, connection: Number, lane: &mut Lane) -> io::Result<()> {
        let open = usize::from(lane.is_visited) + usize::from(lane.state.is_some());
        for _ in 0..open {
            self.on_lane(connection, Mark::End, ("", ""), &[], 0)?;
        }
        self.unsent -= u64::from(lane.unsent);
        if lane.has_counter {
            self.packets.counter(self.time, self.base + COUNTERS + u64::from(connection), 0)?;
        }
        Ok(())
    }

    /// The bytes that a connection has to send.
    fn unsent(&mut self, connection: Number, unsent: u32) -> io::Result<()> {
        let Some(lane) = self.lanes.get_mut(&connection) else { return Ok(()) };
        if lane.unsent == unsent {
            return Ok(());
        }
        self.unsent = self.unsent + u64::from(unsent) - u64::from(lane.unsent);
        lane.unsent = unsent;
        let counter = self.base + COUNTERS + u64::from(connection);
        if !std::mem::replace(&mut lane.has_counter, true) {
            let (parent, kind) = (self.track(connection), TrackKind::Counter(Unit::Bytes));
            self.packets.track(counter, parent, "bytes to send", kind)?;
        }
        self.packets.counter(self.time, counter, unsent.into())
    }

    fn instant(
        &mut self,
        connection: Number,
        name: Name,
        details: &[(&'static str, u64)],
        cause: u64,
    ) -> io::Result<()> {
        if !self.lanes.get(&connection).is_some_and(|lane| lane.is_named) {
            let mut lane = self.lanes.remove(&connection).unwrap_or_default();
            self.introduce(connection, &mut lane)?;
            self.lanes.insert(connection, lane);
        }
        self.on_lane(connection, Mark::Instant, name, details, cause)
    }

    /// Names the track of a connection before the first event on it.
    fn introduce(&mut self, connection: Number, lane: &mut Lane) -> io::Result<()> {
        if std::mem::replace(&mut lane.is_named, true) {
            return Ok(());
        }
        if lane.name.is_empty() {
            lane.name = format!("#{connection}");
        }
        let parent = self.base + PROCESS;
        self.packets.track(self.track(connection), parent, &lane.name, TrackKind::Plain)
    }

    fn on_lane(
        &mut self,
        connection: Number,
        mark: Mark,
        name: Name,
        details: &[(&'static str, u64)],
        cause: u64,
    ) -> io::Result<()> {
        let (time, track, flow) = (self.time, self.track(connection), self.flow(cause));
        self.packets.event(&TrackEvent { time, track, mark, name, details, flow })
    }

    fn track(&self, connection: Number) -> u64 {
        self.base + CONNECTIONS + u64::from(connection)
    }
}

fn wide((name, number): (&'static str, u32)) -> (&'static str, u64) {
    (name, number.into())
}

/// The state of both directions: in most slices both are open.
fn state(inbound: Inbound, outbound: Outbound) -> Name {
    match (inbound, outbound) {
        (Inbound::Open, outbound) => (text::output(outbound), ""),
        (inbound, Outbound::Open) => match inbound {
            Inbound::Stalled => ("input stalled", ""),
            Inbound::LingerRead => ("input thrown away", ""),
            _ => ("input ended", ""),
        },
        (inbound, outbound) => (text::output(outbound), text::input(inbound)),
    }
}
