//! The bytes of a trace: the header of a block, numbers, and what each kind of event is called.

use super::block::Block;
use std::fmt;
use std::sync::atomic::Ordering;

/// Bytes of a block, its header included.
pub const BLOCK_BYTES: usize = 4096;

/// Bytes of a block's header.
pub const HEADER_BYTES: usize = 64;

/// Bytes for events in a block.
pub const PAYLOAD_BYTES: usize = BLOCK_BYTES - HEADER_BYTES;

/// What every block begins with.
pub const MAGIC: [u8; 8] = *b"rdytrace";

/// The version of the format.
pub const VERSION: u16 = 1;

/// The version of a block that may have events with payload, which only replays write.
pub const PAYLOAD_VERSION: u16 = 2;

/// Where in the header the length of the payload is: it is written last.
pub const LENGTH_OFFSET: usize = 12;

/// Bit 6 of an event's first byte: it is about another connection than the event before.
pub(super) const OTHER_CONNECTION: u8 = 0x40;

/// Bit 7 of an event's first byte: time has passed since the event before.
pub(super) const TIME_PASSED: u8 = 0x80;

/// The header of a block, without its length.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Header {
    /// Blocks are counted from 1. Block `n` is at place `(n - 1) % places` of the ring.
    pub sequence: u64,
    /// When the block begins, in nanoseconds of the server's monotonic clock.
    pub time: u64,
    /// The same moment, in nanoseconds since 1970-01-01 UTC.
    pub wall: u64,
    /// Causes that were numbered before.
    pub causes: u64,
    /// Requests that were numbered before.
    pub requests: u64,
    /// The server's process.
    pub pid: u32,
    /// Which shard it is, from 1; 0 without `--shards`.
    pub shard: u16,
    /// Whether the block may have events with payload: its version is [`PAYLOAD_VERSION`].
    pub has_payload: bool,
}

impl Header {
    /// The header's bytes, with a length of 0.
    pub fn to_bytes(self) -> [u8; HEADER_BYTES] {
        let version = if self.has_payload { PAYLOAD_VERSION } else { VERSION };
        let fields: [&[u8]; 11] = [
            &MAGIC,
            &version.to_le_bytes(),
            &(HEADER_BYTES as u16).to_le_bytes(),
            &[0; 4],
            &self.sequence.to_le_bytes(),
            &self.time.to_le_bytes(),
            &self.wall.to_le_bytes(),
            &self.causes.to_le_bytes(),
            &self.requests.to_le_bytes(),
            &self.pid.to_le_bytes(),
            &self.shard.to_le_bytes(),
        ];
        let mut bytes = [0; HEADER_BYTES];
        let mut at = 0;
        for field in fields {
            if let Some(place) = bytes.get_mut(at..at + field.len()) {
                place.copy_from_slice(field);
            }
            at += field.len();
        }
        bytes
    }

    /// Reads a header and the length of the payload.
    ///
    /// # Errors
    ///
    /// [`Damage`] if this is no block, or one of another version.
    pub fn parse(block: &[u8]) -> Result<(Header, usize), Damage> {
        let mut cursor = Cursor::new(block);
        if cursor.array::<8>()? != MAGIC {
            return Err(Damage::NoMagic);
        }
        let version = u16::from_le_bytes(cursor.array()?);
        if ![VERSION, PAYLOAD_VERSION].contains(&version) {
            return Err(Damage::Version(version));
        }
        if usize::from(u16::from_le_bytes(cursor.array()?)) != HEADER_BYTES {
            return Err(Damage::Value("the length of a header"));
        }
        let length = u32::from_le_bytes(cursor.array()?) as usize;
        if length > PAYLOAD_BYTES {
            return Err(Damage::Value("the length of a block"));
        }
        let mut number = || cursor.array().map(u64::from_le_bytes);
        let [sequence, time, wall, causes, requests] =
            [number()?, number()?, number()?, number()?, number()?];
        let pid = u32::from_le_bytes(cursor.array()?);
        let shard = u16::from_le_bytes(cursor.array()?);
        let has_payload = version == PAYLOAD_VERSION;
        Ok((Header { sequence, time, wall, causes, requests, pid, shard, has_payload }, length))
    }
}

/// Why bytes are not a trace, or not a whole one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Damage {
    /// The first bytes are not those of a block.
    NoMagic,
    /// The block is of this version of the format.
    Version(u16),
    /// An event is cut off.
    CutOff,
    /// A number has more than 64 bits.
    LongNumber,
    /// There is no event of this kind.
    Kind(u8),
    /// A value that does not exist.
    Value(&'static str),
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Damage::NoMagic => f.write_str("not a block of a trace"),
            Damage::Version(version) => write!(
                f,
                "a block of version {version} of the format, and this program reads versions \
                 {VERSION} and {PAYLOAD_VERSION} (use the readyc of the readyd that wrote it)"
            ),
            Damage::CutOff => f.write_str("an event is cut off"),
            Damage::LongNumber => f.write_str("a number has more than 64 bits"),
            Damage::Kind(kind) => write!(f, "there is no event of kind {kind}"),
            Damage::Value(what) => write!(f, "{what} has a value that does not exist"),
        }
    }
}

impl std::error::Error for Damage {}

/// Writes the bytes of an event into a block.
///
/// They go straight to their place: gathered elsewhere and copied, they would have to be read while
/// the processor has not stored all of them yet, and it waits for that. For the same reason it is
/// passed on by value: where it is stays in two registers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Writer<'a> {
    block: &'a Block,
    at: usize,
}

impl<'a> Writer<'a> {
    /// Begins at byte `at` of the block's payload.
    #[inline(always)]
    pub(super) fn new(block: &'a Block, at: usize) -> Writer<'a> {
        Writer { block, at }
    }

    /// Has the block be as long as it is now. Returns how long that is.
    #[inline(always)]
    pub(super) fn commit(self) -> usize {
        self.block.commit(self.at);
        self.at
    }

    /// Adds a byte. No event has more than there is room for.
    #[inline(always)]
    pub(super) fn byte(self, byte: u8) -> Writer<'a> {
        let Some(place) = self.block.payload.get(self.at) else { return self };
        place.store(byte, Ordering::Relaxed);
        Writer { at: self.at + 1, ..self }
    }

    /// Adds bytes.
    pub(super) fn bytes(self, bytes: &[u8]) -> Writer<'a> {
        bytes.iter().fold(self, |out, &byte| out.byte(byte))
    }

    /// Adds a number as LEB128: seven bits a byte, the lowest first; bit 7 tells that more follow.
    #[inline(always)]
    pub(super) fn number(self, number: impl Into<u64>) -> Writer<'a> {
        match number.into() {
            short @ ..0x80 => self.byte(short as u8),
            long => self.long_number(long),
        }
    }

    // Unfolded where it is called, it would fill the processor's cache with copies of the loop.
    #[inline(never)]
    fn long_number(mut self, mut number: u64) -> Writer<'a> {
        while number >= 0x80 {
            self = self.byte(number as u8 | 0x80);
            number >>= 7;
        }
        self.byte(number as u8)
    }
}

/// Bytes that are being read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    /// Begins at the first byte.
    pub(crate) fn new(bytes: &'a [u8]) -> Cursor<'a> {
        Cursor { rest: bytes }
    }

    /// Whether all was read.
    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The next byte.
    #[inline]
    pub(crate) fn byte(&mut self) -> Result<u8, Damage> {
        let (&byte, rest) = self.rest.split_first().ok_or(Damage::CutOff)?;
        self.rest = rest;
        Ok(byte)
    }

    /// The next `N` bytes.
    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], Damage> {
        let (array, rest) = self.rest.split_first_chunk().ok_or(Damage::CutOff)?;
        self.rest = rest;
        Ok(*array)
    }

    /// The next `count` bytes.
    pub(crate) fn take(&mut self, count: usize) -> Result<&'a [u8], Damage> {
        let (bytes, rest) = self.rest.split_at_checked(count).ok_or(Damage::CutOff)?;
        self.rest = rest;
        Ok(bytes)
    }

    /// How many bytes are left.
    pub(crate) fn len(&self) -> usize {
        self.rest.len()
    }

    /// A number as [`Writer::number`] writes it. Most take one byte or two.
    #[inline(always)]
    pub(crate) fn number(&mut self) -> Result<u64, Damage> {
        let (number, rest) = match *self.rest {
            [only, ref rest @ ..] if only < 0x80 => (only.into(), rest),
            [low, high, ref rest @ ..] if high < 0x80 => {
                (u64::from(low & 0x7f) | u64::from(high) << 7, rest)
            }
            // Of a copy, so that this one can stay in registers.
            _ => Cursor { rest: self.rest }.long_number()?,
        };
        self.rest = rest;
        Ok(number)
    }

    #[inline(never)]
    fn long_number(mut self) -> Result<(u64, &'a [u8]), Damage> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                return Err(Damage::LongNumber);
            }
            number |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok((number, self.rest));
            }
        }
        Err(Damage::LongNumber)
    }

    /// A number of 32 bits.
    #[inline(always)]
    pub(crate) fn number_32(&mut self) -> Result<u32, Damage> {
        u32::try_from(self.number()?).map_err(|_| Damage::Value("a number of 32 bits"))
    }
}

/// A difference as a number: 0, -1, 1, -2, ... become 0, 1, 2, 3, ...
pub(super) fn zigzag(difference: u32) -> u32 {
    let signed = difference.cast_signed();
    (signed << 1 ^ signed >> 31).cast_unsigned()
}

/// The way back from [`zigzag`].
pub(super) fn unzigzag(number: u32) -> u32 {
    (number >> 1) ^ (number & 1).wrapping_neg()
}

/// The kinds of events, as the lower six bits of an event's first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Kind {
    TurnBegan = 1,
    Ready,
    ListenerReady,
    Woken,
    Visit,
    Received,
    Served,
    Sent,
    Settled,
    Stalled,
    Resumed,
    TimerArmed,
    TimerFired,
    TimersMoved,
    Accepted,
    NotAccepted,
    Refused,
    Shed,
    FinSent,
    Closed,
    TableReplaced,
    TableKept,
    ZoneReplaced,
    Drain,
    TurnEnded,
    Recording,
    ProxyHeader,
    Payload,
}

impl Kind {
    pub(super) const ALL: [Kind; 28] = [
        Kind::TurnBegan,
        Kind::Ready,
        Kind::ListenerReady,
        Kind::Woken,
        Kind::Visit,
        Kind::Received,
        Kind::Served,
        Kind::Sent,
        Kind::Settled,
        Kind::Stalled,
        Kind::Resumed,
        Kind::TimerArmed,
        Kind::TimerFired,
        Kind::TimersMoved,
        Kind::Accepted,
        Kind::NotAccepted,
        Kind::Refused,
        Kind::Shed,
        Kind::FinSent,
        Kind::Closed,
        Kind::TableReplaced,
        Kind::TableKept,
        Kind::ZoneReplaced,
        Kind::Drain,
        Kind::TurnEnded,
        Kind::Recording,
        Kind::ProxyHeader,
        Kind::Payload,
    ];

    /// The kind of this number.
    pub(super) fn of(number: u8) -> Result<Kind, Damage> {
        let index = usize::from(number).checked_sub(1);
        index.and_then(|index| Kind::ALL.get(index)).copied().ok_or(Damage::Kind(number))
    }
}
