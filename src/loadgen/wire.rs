//! The wire: requests as bytes, and what bytes say about the request that they should answer.
//!
//! Invariant: a reply's right bytes follow from the request's id alone, so nothing that was sent has
//! to be kept to check what comes back. Where a reply has no such identity, its shape is checked.

mod custom;
mod framed;
mod greeting;

use super::payload::{DIGITS, Payloads, RequestId, identify, mix};
use super::plan::{Answer, Custom, Greeting, Plan, Sizes, Work};
use framed::Framed;

#[cfg(test)]
mod tests;

/// Of a reply whose length nothing tells before it has ended, this much is awaited.
const LONGEST_OF_UNKNOWN_LENGTH: usize = 16 << 20;

/// What the bytes at the front of a stream are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Examined {
    /// Not a whole reply yet.
    Incomplete,
    /// A reply of this many bytes.
    Reply(usize, Verdict),
    /// So many bytes that belong to no reply; behind them stands the expected one.
    Stray(usize),
    /// Nothing that tells where the next reply begins.
    OutOfStep,
}

/// What a reply is to the request that awaits one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The reply to it.
    Right,
    /// A reply; nothing more was asked.
    Unverified,
    /// Not what it should be.
    Wrong,
    /// The whole and right reply to another request.
    Another(RequestId),
}

/// The kind of a request in a mixture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `ECHO`.
    Echo,
    /// `LOOKUP`.
    Lookup,
    /// `DAYTIME`.
    Daytime,
}

/// The work of a plan, ready to be put on the wire.
#[derive(Debug)]
pub struct Wire {
    work: Work,
    verify: bool,
    seed: u64,
    payloads: Payloads,
    framed: Option<Framed>,
}

impl Wire {
    /// The wire form of the plan's work.
    pub fn new(plan: &Plan) -> Wire {
        let longest = match &plan.work {
            Work::Framed(mix) => mix.sizes.max,
            Work::PlainEcho(sizes) | Work::Discard(sizes) => sizes.max,
            Work::Greeting(_) | Work::Custom(_) => 0,
        };
        let payloads = Payloads::new(longest);
        let framed = match &plan.work {
            Work::Framed(mix) => Some(Framed::new(mix.clone(), plan.seed, &payloads)),
            _ => None,
        };
        Wire { work: plan.work.clone(), verify: plan.verify, seed: plan.seed, payloads, framed }
    }

    /// Whether replies say which request they answer, and are asked. Then one that is lost does not
    /// bring those behind it out of step.
    pub fn replies_are_named(&self) -> bool {
        let have_names = match &self.work {
            Work::Framed(mix) => {
                mix.lookup == 0 && mix.daytime == 0 && mix.sizes.min >= SHORTEST_NAME
            }
            Work::PlainEcho(sizes) => sizes.min >= SHORTEST_NAME,
            _ => false,
        };
        have_names && self.verify
    }

    /// Whether a request is answered at all.
    pub fn has_replies(&self) -> bool {
        !matches!(self.work, Work::Discard(_))
    }

    /// Whether the server speaks first, and a request is no more than a connection.
    pub fn is_greeting(&self) -> bool {
        matches!(self.work, Work::Greeting(_))
    }

    /// How many bytes a reply can have at most, to be held until it is whole.
    pub fn longest_reply(&self) -> usize {
        match (&self.work, &self.framed) {
            (_, Some(framed)) => framed.longest_reply(),
            (Work::PlainEcho(sizes) | Work::Discard(sizes), _) => sizes.max,
            (Work::Greeting(Greeting::Chargen(len)), _) => *len,
            (Work::Custom(Custom { answer: Answer::Exactly(bytes), .. }), _) => bytes.len(),
            (Work::Custom(Custom { answer: Answer::Bytes(len), .. }), _) => *len,
            _ => LONGEST_OF_UNKNOWN_LENGTH,
        }
    }

    /// Whether replies are verified.
    pub fn verifies(&self) -> bool {
        self.verify
    }

    /// Whether requests are of several kinds.
    pub fn is_mixture(&self) -> bool {
        self.framed.as_ref().is_some_and(Framed::is_mixture)
    }

    /// The request's kind, if it is one of a mixture.
    pub fn kind(&self, id: RequestId) -> Option<Kind> {
        self.framed.as_ref().filter(|framed| framed.is_mixture()).map(|framed| framed.kind(id))
    }

    /// Appends the request to `out`.
    #[inline]
    pub fn append_request(&mut self, id: RequestId, out: &mut Vec<u8>) {
        match (&self.work, &mut self.framed) {
            (_, Some(framed)) => framed.append_request(&self.payloads, id, out),
            (Work::PlainEcho(sizes) | Work::Discard(sizes), _) => {
                self.payloads.append(id, sizes.of(id, self.seed), out);
            }
            (Work::Custom(custom), _) => out.extend_from_slice(&custom.send),
            _ => {}
        }
    }

    /// What the bytes at the front of the stream are to the request `id`, of which the reply is
    /// awaited. `is_last` tells that no other request is under way.
    #[inline]
    pub fn examine(&mut self, id: RequestId, bytes: &[u8], is_last: bool) -> Examined {
        let examined = match (&self.work, &mut self.framed) {
            _ if bytes.is_empty() => return Examined::Incomplete,
            (_, Some(framed)) if !self.verify => return framed.measure(bytes),
            (_, Some(framed)) => framed.examine(&self.payloads, id, bytes),
            (Work::PlainEcho(sizes), _) => self.examine_plain(*sizes, id, bytes),
            (Work::Custom(custom), _) => custom::examine(&custom.answer, bytes, is_last),
            (Work::Greeting(greeting), _) => greeting::examine(*greeting, bytes),
            _ => Examined::OutOfStep,
        };
        match examined {
            Examined::Reply(len, _) if !self.verify => Examined::Reply(len, Verdict::Unverified),
            examined => examined,
        }
    }

    /// What the bytes are when the peer's FIN stands behind them.
    pub fn examine_at_end(&self, bytes: &[u8]) -> Examined {
        match &self.work {
            Work::Greeting(greeting) => greeting::examine_at_end(*greeting, bytes),
            _ => Examined::Incomplete,
        }
    }

    /// What a right reply would be, in words or bytes, for telling of a wrong one.
    pub fn describe_reply(&self, id: RequestId) -> Vec<u8> {
        match (&self.work, &self.framed) {
            (_, Some(framed)) => framed.describe_reply(&self.payloads, id),
            (Work::PlainEcho(sizes), _) => {
                let mut payload = Vec::new();
                self.payloads.append(id, sizes.of(id, self.seed), &mut payload);
                payload
            }
            (Work::Custom(custom), _) => match &custom.answer {
                Answer::Exactly(bytes) => bytes.clone(),
                Answer::Bytes(len) => format!("{len} bytes").into_bytes(),
                Answer::Until(end) => [b"something that ends with ", &end[..]].concat(),
            },
            _ => b"the service's answer".to_vec(),
        }
    }

    /// A plain echo has no frame: a reply is as long as its request.
    fn examine_plain(&self, sizes: Sizes, id: RequestId, bytes: &[u8]) -> Examined {
        let size_of = |id| sizes.of(id, self.seed);
        let size = size_of(id);
        if let Some(reply) = bytes.get(..size)
            && self.payloads.is(id, size, reply)
        {
            return Examined::Reply(size, Verdict::Right);
        }
        if self.payloads.begins(id, size, bytes) {
            return Examined::Incomplete;
        }
        // A payload that names its request tells how long it is.
        let len = bytes.first_chunk().and_then(identify).map_or(size, size_of);
        match find_other(&self.payloads, id, bytes, sizes.min, size_of) {
            Some(other) => Examined::Reply(size_of(other), Verdict::Another(other)),
            None if bytes.len() < len || may_name(&self.payloads, id, bytes, size_of) => {
                Examined::Incomplete
            }
            None => match self.payloads.find(id, size, bytes) {
                Some(at) => Examined::Stray(at),
                None => Examined::Reply(len, Verdict::Wrong),
            },
        }
    }
}

impl Sizes {
    /// Always the same length.
    pub fn fixed(size: usize) -> Sizes {
        Sizes { min: size, max: size }
    }

    /// The length of a request's payload.
    #[inline]
    fn of(self, id: RequestId, seed: u64) -> usize {
        if self.min == self.max {
            return self.min;
        }
        let span = (self.max - self.min) as u64 + 1;
        self.min + (mix(mix(seed, id.connection), id.sequence) % span) as usize
    }
}

/// So many bytes of payload, digits of the hash, tell a request from all that are looked for around it.
pub const SHORTEST_NAME: usize = 8;

/// How far around an expected request another one is looked for, when payloads are too short to name
/// their request in full.
const NEIGHBOURS: u64 = 1024;

/// Nearest first: what is lost or doubled is mostly next to what is expected.
fn neighbours(id: RequestId) -> impl Iterator<Item = RequestId> {
    (1..=NEIGHBOURS)
        .flat_map(move |distance| {
            [id.sequence.checked_add(distance), id.sequence.checked_sub(distance)]
        })
        .flatten()
        .map(move |sequence| RequestId { sequence, ..id })
}

/// Whether `bytes`, too few to name a request, can be the start of a payload that names `id` or one
/// around it in full. The verdict on them waits, or it would hang on how the stream was cut.
fn may_name(
    payloads: &Payloads,
    id: RequestId,
    bytes: &[u8],
    size_of: impl Fn(RequestId) -> usize,
) -> bool {
    let is_start = |other: RequestId| {
        let size = size_of(other);
        size >= DIGITS && payloads.begins(other, size, bytes)
    };
    !bytes.is_empty() && bytes.len() < DIGITS && (is_start(id) || neighbours(id).any(is_start))
}

/// The request other than `id` whose whole payload stands at the front of `bytes`. No payload of the
/// run has fewer than `shortest` bytes.
fn find_other(
    payloads: &Payloads,
    id: RequestId,
    bytes: &[u8],
    shortest: usize,
    size_of: impl Fn(RequestId) -> usize,
) -> Option<RequestId> {
    let is_there = |other: RequestId| {
        let size = size_of(other);
        size > 0
            && other != id
            && bytes.get(..size).is_some_and(|bytes| payloads.is(other, size, bytes))
    };
    if let Some(named) = bytes.first_chunk().and_then(identify) {
        return Some(named).filter(|&named| is_there(named));
    }
    // A payload that is not too short to name its request in full would have done so.
    if shortest >= DIGITS {
        return None;
    }
    // One that is shorter still can only be taken for a damaged reply to the request whose turn it is.
    let can_name = |other| (SHORTEST_NAME..DIGITS).contains(&size_of(other));
    neighbours(id).find(|&other| can_name(other) && is_there(other))
}
