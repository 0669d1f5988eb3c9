//! Payloads that carry the tag of their request.
//!
//! ```text
//! | connection, 8 digits | sequence, 12 digits | check, 12 digits | abc...z abc...z ... |
//! ```
//!
//! The three numbers are the *tag*. Its digits are hexadecimal, so that a person can read a capture
//! of the network. A payload of fewer than 32 bytes is the end of the tag, which is a hash of the
//! first two numbers.
//!
//! Invariant: the check is a hash of connection and sequence. A reply whose numbers are not the
//! expected ones but whose check fits was made for another request; any other was corrupted.

#[cfg(test)]
mod tests;

/// What identifies a request: no two requests of a run have the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestId {
    /// The connection's number among those of all workers; its lower 32 bits count.
    pub connection: u64,
    /// The request's number on that connection; its lower 48 bits count.
    pub sequence: u64,
}

/// The length of a tag, in bytes.
pub const TAG_LEN: usize = 32;

const SEQUENCE_BITS: u32 = 48;
const SEQUENCE_MASK: u64 = (1 << SEQUENCE_BITS) - 1;

/// An odd number near 2⁶⁴ divided by the golden ratio.
const ODD: u64 = 0x9e37_79b9_7f4a_7c15;

/// A hash of two numbers: the finalizer of SplitMix64 (Steele, Lea & Flood, OOPSLA 2014), twice.
#[inline]
pub fn mix(a: u64, b: u64) -> u64 {
    finalize(finalize(a.wrapping_add(ODD)) ^ b)
}

#[inline]
fn finalize(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// The tag of a request: the digits that identify it.
#[inline]
pub fn request_tag(id: RequestId) -> [u8; TAG_LEN] {
    let sequence = id.sequence & SEQUENCE_MASK;
    let check = check(RequestId { sequence, ..id });
    let high = id.connection << 32 | sequence >> 16;
    let low = (sequence & 0xffff) << SEQUENCE_BITS | check;
    let mut digits = [0; TAG_LEN];
    for (place, number) in digits.chunks_exact_mut(8).zip([high >> 32, high, low >> 32, low]) {
        place.copy_from_slice(&hex(number as u32));
    }
    digits
}

/// A multiplication spreads each bit over those above it; the fold brings them down again.
#[inline]
fn check(id: RequestId) -> u64 {
    let number = id.connection << 32 ^ id.sequence;
    let spread = number.wrapping_mul(ODD);
    (spread ^ spread >> 32).wrapping_mul(ODD) >> (u64::BITS - SEQUENCE_BITS)
}

/// Which request has this tag; `None` if it is corrupt.
pub fn identify(tag: &[u8; TAG_LEN]) -> Option<RequestId> {
    let text = std::str::from_utf8(tag).ok()?;
    let id = RequestId {
        connection: u64::from_str_radix(text.get(..8)?, 16).ok()?,
        sequence: u64::from_str_radix(text.get(8..20)?, 16).ok()?,
    };
    // Compared as digits: the generator never writes another spelling, such as capitals.
    (request_tag(id) == *tag).then_some(id)
}

/// Eight hexadecimal digits, all at once: a nibble to each byte, and in each byte the distance to
/// its digit's character added.
#[inline]
fn hex(number: u32) -> [u8; 8] {
    const ONES: u64 = 0x0101_0101_0101_0101;
    let mut nibbles = u64::from(number);
    nibbles = (nibbles | nibbles << 16) & 0x0000_ffff_0000_ffff;
    nibbles = (nibbles | nibbles << 8) & 0x00ff_00ff_00ff_00ff;
    nibbles = (nibbles | nibbles << 4) & 0x0f0f_0f0f_0f0f_0f0f;
    let is_letter = (nibbles + 6 * ONES) >> 4 & ONES;
    (nibbles + ONES * u64::from(b'0') + is_letter * u64::from(b'a' - b'0' - 10)).to_be_bytes()
}

/// The last `size` digits, or all of them.
#[inline]
fn last(tag: &[u8; TAG_LEN], size: usize) -> &[u8] {
    tag.get(TAG_LEN.saturating_sub(size)..).unwrap_or_default()
}

/// Payloads of up to a certain length.
#[derive(Debug)]
pub struct Payloads {
    filler: Box<[u8]>,
}

impl Payloads {
    /// Payloads of at most `longest` bytes.
    pub fn new(longest: usize) -> Payloads {
        let filler = (b'a'..=b'z').cycle().take(longest.saturating_sub(TAG_LEN)).collect();
        Payloads { filler }
    }

    /// Appends the payload of `id` that is `size` bytes long.
    #[inline]
    pub fn append(&self, id: RequestId, size: usize, out: &mut Vec<u8>) {
        let tag = request_tag(id);
        out.extend_from_slice(last(&tag, size));
        let filler = self.filler.get(..size.saturating_sub(TAG_LEN));
        out.extend_from_slice(filler.unwrap_or(&self.filler));
    }

    /// Where in `bytes` the payload of `id` begins, if it has a whole tag: not at their front, and
    /// not a payload further on. A server that sends without end would otherwise have each of its
    /// bytes looked at again and again.
    pub fn find(&self, id: RequestId, size: usize, bytes: &[u8]) -> Option<usize> {
        let tag = request_tag(id);
        let behind = bytes.get(1..).filter(|_| size >= TAG_LEN)?;
        let mut windows = behind.windows(TAG_LEN).take(size - 1);
        windows.position(|window| window == tag).map(|at| at + 1)
    }

    /// Whether `bytes` are the whole payload of `id`, when that is `size` bytes long.
    #[inline]
    pub fn is(&self, id: RequestId, size: usize, bytes: &[u8]) -> bool {
        bytes.len() == size && self.begins(id, size, bytes)
    }

    /// Whether the payload of `id`, when that is `size` bytes long, begins with `bytes`.
    #[inline]
    pub fn begins(&self, id: RequestId, size: usize, bytes: &[u8]) -> bool {
        let tag = request_tag(id);
        let (start, rest) = bytes.split_at(bytes.len().min(TAG_LEN));
        bytes.len() <= size && last(&tag, size).starts_with(start) && self.filler.starts_with(rest)
    }
}

/// A message that is always the same but for the tag of its request. Setting the tag is all that it
/// takes to make the next request, or to know the next reply.
#[derive(Debug)]
pub struct MessageTemplate {
    bytes: Box<[u8]>,
    tag_at: usize,
    tag_len: usize,
}

impl MessageTemplate {
    /// `prefix`, then a payload of `size` bytes.
    pub fn new(prefix: &[u8], payloads: &Payloads, size: usize) -> MessageTemplate {
        let mut bytes = prefix.to_vec();
        payloads.append(RequestId { connection: 0, sequence: 0 }, size, &mut bytes);
        let bytes = bytes.into_boxed_slice();
        MessageTemplate { bytes, tag_at: prefix.len(), tag_len: size.min(TAG_LEN) }
    }

    /// The message for `id`.
    #[inline]
    pub fn stamp(&mut self, id: RequestId) -> &[u8] {
        let tag = request_tag(id);
        let (_, payload) = self.bytes.split_at_mut(self.tag_at);
        match payload.first_chunk_mut::<TAG_LEN>() {
            // The common case is a copy of known length.
            Some(place) => *place = tag,
            None => payload.copy_from_slice(last(&tag, self.tag_len)),
        }
        &self.bytes
    }

    /// The message for the request stamped last.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}
