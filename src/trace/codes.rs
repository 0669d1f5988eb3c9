//! The numbers that stand for reasons and states in the bytes of an event.
//!
//! Invariant: a number never changes its meaning. A new reason takes a new number, and a reader
//! that does not know it reports [`Damage::Value`].

use super::event::{
    DrainStep, NoAccept, Queued, RefusalCause, Signal, StallCause, TracedPeer, VisitCause,
};
use super::payload::Direction;
use super::wire::{Cursor, Damage, Writer};
use crate::conn::{Deadline, Inbound, Outbound};
use crate::io::readiness::Readiness;
use crate::server::close::CloseReason;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// A value that is one byte.
pub(super) trait Code: Sized {
    /// Its byte.
    fn code(self) -> u8;

    /// The value of a byte.
    fn of(code: u8) -> Result<Self, Damage>;
}

macro_rules! codes {
    ($type:ident, $name:literal: $($variant:ident = $code:literal),+) => {
        impl Code for $type {
            fn code(self) -> u8 {
                match self { $($type::$variant => $code),+ }
            }

            fn of(code: u8) -> Result<$type, Damage> {
                match code {
                    $($code => Ok($type::$variant),)+
                    _ => Err(Damage::Value($name)),
                }
            }
        }
    };
}

codes!(Direction, "the direction of a payload": Received = 0, Sent = 1);
codes!(Signal, "a signal": Terminate = 0, StopAtOnce = 1, CpuTimeLimit = 2, Reload = 3,
    Report = 4, Message = 5, Other = 6);
codes!(VisitCause, "the cause of a visit": Opened = 0, Ready = 1, Expired = 2);
codes!(Queued, "the reason for another visit": No = 0, MoreToRead = 1, MoreToSend = 2,
    RequestsWait = 3);
codes!(StallCause, "the reason for a stall": Budget = 0, HighWater = 1);
codes!(NoAccept, "the outcome of accept": NoneWaiting = 0, Lost = 1, Interrupted = 2, Full = 3,
    OutOfResources = 4);
codes!(RefusalCause, "the reason for a refusal": Denied = 0, TooMany = 1, TooFast = 2,
    NotAProxy = 3, TooManyHandshakes = 4);
codes!(DrainStep, "the step of a drain": Began = 0, ListenersClosed = 1, AtOnce = 2, TimeUp = 3);
codes!(Deadline, "a deadline": Frame = 0, LineGap = 1, Idle = 2, Write = 3, Linger = 4);
codes!(Inbound, "the state of the input": Open = 0, Stalled = 1, LingerRead = 2, Ended = 3);
codes!(CloseReason, "the reason for a close": PeerClosed = 0, PeerClosedMidFrame = 1, Reset = 2,
    BadFrame = 3, OverLimit = 4, FrameTimeout = 5, IdleTimeout = 6, WriteTimeout = 7,
    Disconnect = 8, Served = 9, Drained = 10, Stopped = 11, Shed = 12, SystemError = 13,
    BadProxyHeader = 14, ProxyHeaderTimeout = 15, ProxyRefused = 16,
    TlsNotTls = 17, TlsHandshakeFailed = 18, TlsHandshakeTimeout = 19, TlsClientCertificate = 20,
    TlsAlert = 21, TlsBadRecord = 22, TlsTruncated = 23);

impl Code for bool {
    fn code(self) -> u8 {
        u8::from(self)
    }

    fn of(code: u8) -> Result<bool, Damage> {
        match code {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(Damage::Value("a yes or no")),
        }
    }
}

impl Code for Readiness {
    fn code(self) -> u8 {
        u8::from(self.read) | u8::from(self.write) << 1 | u8::from(self.read_until_would_block) << 2
    }

    fn of(code: u8) -> Result<Readiness, Damage> {
        match code {
            0..=7 => Ok(Readiness {
                read: code & 1 != 0,
                write: code & 2 != 0,
                read_until_would_block: code & 4 != 0,
            }),
            _ => Err(Damage::Value("readiness")),
        }
    }
}

/// The state of both directions: input in bits 0 and 1, output in bits 2 to 4; and the reason, if
/// the output has one: a second byte tells it.
#[inline(always)]
pub(super) fn states_code(inbound: Inbound, outbound: Outbound) -> (u8, Option<CloseReason>) {
    let (kind, reason) = match outbound {
        Outbound::Open => (0, None),
        Outbound::Producing => (1, None),
        Outbound::Closing(reason) => (2, Some(reason)),
        Outbound::FinSent(reason) => (3, Some(reason)),
        Outbound::Aborting(reason) => (4, Some(reason)),
        Outbound::Failed(reason) => (5, Some(reason)),
    };
    (inbound.code() | kind << 2, reason)
}

/// The way back from [`states_code`].
#[inline(always)]
pub(super) fn take_states(cursor: &mut Cursor<'_>) -> Result<(Inbound, Outbound), Damage> {
    let byte = cursor.byte()?;
    let inbound = Inbound::of(byte & 3)?;
    let mut reason = || CloseReason::of(cursor.byte()?);
    let outbound = match byte >> 2 {
        0 => Outbound::Open,
        1 => Outbound::Producing,
        2 => Outbound::Closing(reason()?),
        3 => Outbound::FinSent(reason()?),
        4 => Outbound::Aborting(reason()?),
        5 => Outbound::Failed(reason()?),
        _ => return Err(Damage::Value("the state of the output")),
    };
    Ok((inbound, outbound))
}

/// A client: a byte that tells what follows, then the address and the port, or the hash.
pub(super) fn put_peer(out: Writer<'_>, peer: TracedPeer) -> Writer<'_> {
    match peer {
        TracedPeer::Unix => out.byte(0),
        TracedPeer::Proxied => out.byte(1),
        TracedPeer::Inet(address) => {
            let out = match address.ip() {
                IpAddr::V4(ip) => out.byte(4).bytes(&ip.octets()),
                IpAddr::V6(ip) => out.byte(6).bytes(&ip.octets()),
            };
            out.bytes(&address.port().to_be_bytes())
        }
        TracedPeer::Hashed(hash) => out.byte(8).bytes(&hash.to_be_bytes()),
    }
}

/// The way back from [`put_peer`].
pub(super) fn take_peer(cursor: &mut Cursor<'_>) -> Result<TracedPeer, Damage> {
    let ip: IpAddr = match cursor.byte()? {
        0 => return Ok(TracedPeer::Unix),
        1 => return Ok(TracedPeer::Proxied),
        4 => Ipv4Addr::from(cursor.array::<4>()?).into(),
        6 => Ipv6Addr::from(cursor.array::<16>()?).into(),
        8 => return Ok(TracedPeer::Hashed(u64::from_be_bytes(cursor.array()?))),
        _ => return Err(Damage::Value("the kind of an address")),
    };
    let port = u16::from_be_bytes(cursor.array()?);
    Ok(TracedPeer::Inet(SocketAddr::new(ip, port)))
}
