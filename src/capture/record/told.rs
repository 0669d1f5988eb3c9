//! The bytes of what a server was told.

use super::fields::{one_of, put_token, token};
use crate::capture::wire::{Fault, Source, Writer};
use crate::io::clock::Moment;
use crate::io::event_loop::{LoopControl, Wakeup};
use crate::io::net::Told;
use crate::io::readiness::Readiness;

const READY: u8 = 1;
const WOKEN: u8 = 2;
const TURN: u8 = 3;
const TURN_ENDED: u8 = 4;
const DRAIN: u8 = 5;
const DRAIN_AND_WAIT: u8 = 6;
const LEAVE_BACKLOG: u8 = 7;
const SERVE_BACKLOG: u8 = 8;
const HOLD_IF_IDLE: u8 = 9;
const ADMIT_AGAIN: u8 = 10;
const TABLE: u8 = 11;
const TABLE_KEPT: u8 = 12;
const ZONE: u8 = 13;
const STATISTICS: u8 = 14;
const CLOSED: u8 = 15;
const VISIT: u8 = 16;
const LIMITS: u8 = 17;
const HAND_OVER: u8 = 18;

/// What woke the loop, in the order of their numbers.
const WAKEUPS: [Wakeup; 9] = [
    Wakeup::Terminate,
    Wakeup::StopAtOnce,
    Wakeup::ChildEnded,
    Wakeup::CpuTimeLimit,
    Wakeup::Reload,
    Wakeup::Report,
    Wakeup::ToggleTrace,
    Wakeup::Message,
    Wakeup::Upgrade,
];

pub(super) fn encode(told: Told<'_>, to: &mut Writer) {
    let mut at = |kind, moment| {
        to.byte(kind);
        to.moment(moment);
    };
    match told {
        Told::Turn(now) => at(TURN, now),
        Told::Drain(now) => at(DRAIN, now),
        Told::DrainAndWait(now) => at(DRAIN_AND_WAIT, now),
        Told::ServeBacklog(now) => at(SERVE_BACKLOG, now),
        Told::HoldIfIdle(now) => at(HOLD_IF_IDLE, now),
        Told::HandOver(now) => at(HAND_OVER, now),
        Told::AdmitAgain(now) => at(ADMIT_AGAIN, now),
        Told::Statistics(now) => at(STATISTICS, now),
        Told::Ready(token, Readiness { read, write, read_until_would_block }) => {
            let flags = [read, write, read_until_would_block].into_iter().zip([1, 2, 4]);
            to.byte(READY);
            to.byte(flags.filter(|(is_set, _)| *is_set).map(|(_, bit)| bit).sum());
            put_token(to, token);
        }
        Told::TurnEnded { began, ended, next } => {
            at(TURN_ENDED, began);
            to.moment(ended);
            match next {
                LoopControl::Poll => to.byte(0),
                LoopControl::Wait => to.byte(1),
                LoopControl::Stop => to.byte(2),
                LoopControl::WaitUntil(moment) => {
                    to.byte(3);
                    to.number(moment.as_nanos().wrapping_sub(ended.as_nanos()));
                }
            }
        }
        Told::Woken(wakeup) => {
            let number = WAKEUPS.iter().position(|known| *known == wakeup).unwrap_or(0);
            to.byte(WOKEN);
            to.byte(number as u8);
        }
        Told::LeaveBacklog => to.byte(LEAVE_BACKLOG),
        Told::TableKept => to.byte(TABLE_KEPT),
        Told::Table { text, is_value_first } => {
            to.byte(TABLE);
            to.byte(is_value_first.into());
            to.bytes(text);
        }
        Told::Zone(rules) => {
            to.byte(ZONE);
            to.bytes(rules);
        }
        Told::Limits(text) => {
            to.byte(LIMITS);
            to.bytes(text);
        }
        Told::Visit(token) => {
            to.byte(VISIT);
            put_token(to, token);
        }
        Told::Closed { token, reason, is_reset } => {
            to.byte(CLOSED);
            to.byte(reason << 1 | u8::from(is_reset));
            put_token(to, token);
        }
    }
}

pub(super) fn decode<'a>(kind: u8, from: &mut Source<'a>) -> Result<Told<'a>, Fault> {
    Ok(match kind {
        TURN => Told::Turn(from.moment()?),
        DRAIN => Told::Drain(from.moment()?),
        DRAIN_AND_WAIT => Told::DrainAndWait(from.moment()?),
        SERVE_BACKLOG => Told::ServeBacklog(from.moment()?),
        HOLD_IF_IDLE => Told::HoldIfIdle(from.moment()?),
        HAND_OVER => Told::HandOver(from.moment()?),
        ADMIT_AGAIN => Told::AdmitAgain(from.moment()?),
        STATISTICS => Told::Statistics(from.moment()?),
        READY => {
            let bits = from.byte()?;
            let is_set = |bit| bits & bit != 0;
            let readiness =
                Readiness { read: is_set(1), write: is_set(2), read_until_would_block: is_set(4) };
            Told::Ready(token(from)?, readiness)
        }
        TURN_ENDED => {
            let (began, ended) = (from.moment()?, from.moment()?);
            let next = match from.byte()? {
                0 => LoopControl::Poll,
                1 => LoopControl::Wait,
                2 => LoopControl::Stop,
                3 => {
                    let nanos = ended.as_nanos().wrapping_add(from.number()?);
                    LoopControl::WaitUntil(Moment::from_nanos(nanos))
                }
                _ => return Err(Fault::Value("what a turn asked for")),
            };
            Told::TurnEnded { began, ended, next }
        }
        WOKEN => Told::Woken(one_of(&WAKEUPS, from)?),
        LEAVE_BACKLOG => Told::LeaveBacklog,
        TABLE_KEPT => Told::TableKept,
        TABLE => {
            let is_value_first = one_of(&[false, true], from)?;
            Told::Table { text: from.bytes()?, is_value_first }
        }
        ZONE => Told::Zone(from.bytes()?),
        LIMITS => Told::Limits(from.bytes()?),
        VISIT => Told::Visit(token(from)?),
        CLOSED => {
            let bits = from.byte()?;
            Told::Closed { token: token(from)?, reason: bits >> 1, is_reset: bits & 1 == 1 }
        }
        kind => return Err(Fault::Kind(kind)),
    })
}
