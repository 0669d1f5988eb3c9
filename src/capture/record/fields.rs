//! The bytes of what records have in common: outcomes, tokens, addresses.

use super::{Accepted, CallError, KINDS, ListenerCall, OUTPUT, Stream};
use crate::capture::wire::{Fault, Source, Writer};
use crate::io::address::{Credentials, Peer};
use crate::io::clock::Moment;
use crate::io::net::{Output, TlsFailure, Token};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::time::Duration;

pub(super) fn numbers(to: &mut Writer, kind: u8, numbers: &[u64]) {
    to.byte(kind);
    numbers.iter().for_each(|&number| to.number(number));
}

/// Behind this many places for kinds of errors are those of TLS.
const FIRST_OF_TLS: u64 = 64;

/// A count is doubled; an errno is 1 mod 4, and the place of a kind 3 mod 4.
pub(super) fn put_outcome(to: &mut Writer, outcome: Result<u64, CallError>) {
    to.number(match outcome {
        Ok(count) => count << 1,
        Err(CallError::Errno(errno)) => u64::from(errno.cast_unsigned()) << 2 | 1,
        Err(CallError::Kind(kind)) => {
            let place = KINDS.iter().position(|known| *known == kind).unwrap_or(0);
            (place as u64) << 2 | 3
        }
        Err(CallError::Tls(failure)) => (FIRST_OF_TLS + failure as u64) << 2 | 3,
    });
}

pub(super) fn outcome(from: &mut Source<'_>) -> Result<Result<u64, CallError>, Fault> {
    let number = from.number()?;
    let strange = Fault::Value("an error");
    Ok(match number & 3 {
        0 | 2 => Ok(number >> 1),
        1 => {
            let errno = u32::try_from(number >> 2).map_err(|_| strange)?;
            Err(CallError::Errno(errno.cast_signed()))
        }
        _ => {
            if let Some(place) = (number >> 2).checked_sub(FIRST_OF_TLS) {
                let place = usize::try_from(place).map_err(|_| strange)?;
                return Ok(Err(CallError::Tls(*TlsFailure::ALL.get(place).ok_or(strange)?)));
            }
            let place = usize::try_from(number >> 2).map_err(|_| strange)?;
            Err(CallError::Kind(*KINDS.get(place).ok_or(strange)?))
        }
    })
}

pub(super) fn put_token(to: &mut Writer, token: Token) {
    to.number(token.index() as u64);
    to.number(token.generation().into());
}

pub(super) fn token(from: &mut Source<'_>) -> Result<Token, Fault> {
    let index: u32 = from.narrow("a token")?;
    Ok(Token::new(index as usize, from.narrow("a token")?))
}

pub(super) fn put_output(to: &mut Writer, stream: Stream, output: Output) {
    let (kind, held) = match output {
        Output::Delivered => (0, None),
        Output::Unknown => (1, None),
        Output::Held { last_taken, kept_back } => (2, Some((last_taken, kept_back))),
    };
    numbers(to, OUTPUT, &[stream.into(), kind]);
    if let Some((last_taken, kept_back)) = held {
        to.number(last_taken.as_nanos());
        to.number(nanos(kept_back));
    }
}

pub(super) fn output(from: &mut Source<'_>) -> Result<Output, Fault> {
    Ok(match from.number()? {
        0 => Output::Delivered,
        1 => Output::Unknown,
        2 => Output::Held {
            last_taken: Moment::from_nanos(from.number()?),
            kept_back: Duration::from_nanos(from.number()?),
        },
        _ => return Err(Fault::Value("what became of output")),
    })
}

pub(super) fn put_accepted(to: &mut Writer, outcome: Accepted) {
    match outcome {
        Accepted::Connection(Peer::Inet(SocketAddr::V4(address))) => {
            to.byte(0);
            to.bytes.extend_from_slice(&address.ip().octets());
            to.number(address.port().into());
        }
        Accepted::Connection(Peer::Inet(SocketAddr::V6(address))) => {
            to.byte(1);
            to.bytes.extend_from_slice(&address.ip().octets());
            let others = [address.flowinfo(), address.scope_id()];
            to.number(address.port().into());
            others.into_iter().for_each(|number| to.number(number.into()));
        }
        Accepted::Connection(Peer::Unix(Credentials { pid, uid })) => {
            to.byte(2);
            to.number(pid.into());
            to.number(uid.into());
        }
        // accept(2) tells of none.
        Accepted::Connection(Peer::Proxied) => to.byte(7),
        Accepted::NoneWaiting => to.byte(3),
        Accepted::Interrupted => to.byte(4),
        Accepted::Lost => to.byte(5),
        Accepted::Failed(error) => {
            to.byte(6);
            put_outcome(to, Err(error));
        }
    }
}

pub(super) fn accepted(from: &mut Source<'_>) -> Result<Accepted, Fault> {
    Ok(match from.byte()? {
        0 => {
            let ip = Ipv4Addr::from(from.cursor.array::<4>()?);
            let address = SocketAddrV4::new(ip, from.narrow("a port")?);
            Accepted::Connection(Peer::Inet(address.into()))
        }
        1 => {
            let ip = Ipv6Addr::from(from.cursor.array::<16>()?);
            let (port, flow) = (from.narrow("a port")?, stream(from)?);
            let address = SocketAddrV6::new(ip, port, flow, stream(from)?);
            Accepted::Connection(Peer::Inet(address.into()))
        }
        2 => {
            let credentials = Credentials { pid: stream(from)?, uid: stream(from)? };
            Accepted::Connection(Peer::Unix(credentials))
        }
        3 => Accepted::NoneWaiting,
        4 => Accepted::Interrupted,
        5 => Accepted::Lost,
        6 => Accepted::Failed(outcome(from)?.err().ok_or(Fault::Value("an error"))?),
        7 => Accepted::Connection(Peer::Proxied),
        _ => return Err(Fault::Value("what accept(2) returned")),
    })
}

pub(super) fn put_call(to: &mut Writer, call: ListenerCall) {
    match call {
        ListenerCall::Register(token) => {
            to.byte(0);
            put_token(to, token);
        }
        ListenerCall::Deregister => to.byte(1),
        ListenerCall::HoldOff => to.byte(2),
        ListenerCall::Admit => to.byte(3),
        ListenerCall::Refuse => to.byte(4),
    }
}

pub(super) fn call(from: &mut Source<'_>) -> Result<ListenerCall, Fault> {
    Ok(match from.byte()? {
        0 => ListenerCall::Register(token(from)?),
        1 => ListenerCall::Deregister,
        2 => ListenerCall::HoldOff,
        3 => ListenerCall::Admit,
        4 => ListenerCall::Refuse,
        _ => return Err(Fault::Value("what was asked of a listener")),
    })
}

pub(super) fn stream(from: &mut Source<'_>) -> Result<u32, Fault> {
    from.narrow("a number of 32 bits")
}

pub(super) fn flag(from: &mut Source<'_>) -> Result<bool, Fault> {
    one_of(&[false, true], from)
}

pub(super) fn one_of<T: Copy>(values: &[T], from: &mut Source<'_>) -> Result<T, Fault> {
    let place = from.narrow("a choice")?;
    values.get::<usize>(place).copied().ok_or(Fault::Value("a choice"))
}

pub(super) fn length(count: u64) -> Result<usize, Fault> {
    count.try_into().map_err(|_| Fault::CutOff)
}

pub(super) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
