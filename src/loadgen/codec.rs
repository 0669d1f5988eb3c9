//! The codec of a workload: requests as bytes, and what bytes are to the request that they should
//! answer.
//!
//! Which protocol it is, is decided once, by [`WorkloadCodec::new`]; so is everything that follows
//! from the plan alone.
//!
//! A reply that is verified is *matched*, not cut by the framing of its protocol: the right bytes
//! follow from the request, and a wrong length in a header is one of the faults that have to be
//! told. Only where nothing is verified does its [framing](crate::protocol::framing) alone say
//! where a reply ends.
//!
//! Invariant: a reply's right bytes follow from the request's id alone, so nothing that was sent
//! has to be kept to check a reply. Where a reply has no such identity, its shape is checked.

mod framed;
mod greeting;
mod neighbours;
mod plain;
mod raw;

use super::accounting::Verification;
use super::payload::{MessageTemplate, RequestId, mix};
use super::plan::{Greeting, Mix, Plan, Probing, Sizes, Workload};
use framed::Framed;
use plain::PlainPayloads;
use raw::{AnswerMatcher, Raw};

#[cfg(test)]
mod tests;

/// Of a reply that ends with FIN, this many bytes are awaited.
const LONGEST_UNTIL_FIN: usize = 16 << 20;

/// Bytes of an echo that asks whether a connection is served.
const PROBE_LEN: usize = 16;

/// What the bytes at the front of a stream are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplyMatch {
    /// Not a whole reply yet.
    Incomplete,
    /// This many bytes belong to a reply that has not ended, and do not tell where it will: they
    /// need not be kept.
    Part(usize),
    /// A reply of this many bytes.
    Reply(usize, Verdict),
    /// This many bytes belong to no reply; the expected one begins behind them.
    Unsolicited(usize),
    /// Nothing tells where the next reply begins.
    Desynchronized,
}

/// What [`WorkloadCodec::take_accepted`] has taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// Whole replies.
    pub count: u32,
    /// The bytes that they have.
    pub len: usize,
    /// Bytes behind them of a reply that has not ended, see [`ReplyMatch::Part`].
    pub part: usize,
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

impl Kind {
    /// Its name in a mixture.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Echo => "echo",
            Kind::Lookup => "lookup",
            Kind::Daytime => "daytime",
        }
    }
}

/// How client and server take turns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conversation {
    /// Each request is answered by a reply.
    RequestReply,
    /// The server speaks first, and a request is no more than a connection.
    ServerSpeaks,
    /// Nothing is answered: a request is done when the kernel has taken it.
    ClientSpeaks,
}

/// What is spoken, with all that it takes to speak it.
#[derive(Debug)]
enum Protocol {
    Framed(Framed),
    PlainEcho(PlainPayloads),
    Discard(PlainPayloads),
    Greeting(Greeting),
    Raw(Raw),
}

/// An echo request and its reply, where all are equally long: only the tag differs.
#[derive(Debug)]
struct EchoTemplates {
    request: MessageTemplate,
    reply: MessageTemplate,
}

/// The codec of a plan's workload.
#[derive(Debug)]
pub struct WorkloadCodec {
    protocol: Protocol,
    templates: Option<EchoTemplates>,
    conversation: Conversation,
    verify: bool,
    /// What is said of a reply that is as it should be.
    accepted: Verdict,
    is_mixture: bool,
    replies_are_tagged: bool,
    longest_reply: usize,
    /// What the server sends before the first request of each connection, if anything.
    greeting: Option<AnswerMatcher>,
}

impl WorkloadCodec {
    /// The codec of the plan's workload.
    pub fn new(plan: &Plan) -> WorkloadCodec {
        let (seed, verify) = (plan.seed, plan.verify);
        let mut is_mixture = false;
        let mut tag_len = 0;
        let (protocol, templates, longest_reply) = match &plan.workload {
            Workload::Framed(mix) => {
                let framed = Framed::new(mix.clone(), seed);
                is_mixture = framed.is_mixture();
                tag_len = if mix.lookup == 0 && mix.daytime == 0 { mix.sizes.min } else { 0 };
                let (templates, longest) = (framed.templates(), framed.longest_reply());
                (Protocol::Framed(framed), templates, longest)
            }
            Workload::PlainEcho(sizes) => {
                tag_len = sizes.min;
                let plain = PlainPayloads::new(*sizes, seed);
                let templates = plain.templates();
                (Protocol::PlainEcho(plain), templates, sizes.max)
            }
            Workload::Discard(sizes) => {
                (Protocol::Discard(PlainPayloads::new(*sizes, seed)), None, sizes.max)
            }
            Workload::Greeting(greeting) => {
                let longest = match greeting {
                    Greeting::Chargen(len) => *len,
                    _ => LONGEST_UNTIL_FIN,
                };
                (Protocol::Greeting(*greeting), None, longest)
            }
            Workload::Raw(raw) => {
                let raw = Raw::new(raw);
                let longest = raw.answer.longest();
                (Protocol::Raw(raw), None, longest)
            }
        };
        WorkloadCodec {
            templates,
            conversation: match &protocol {
                Protocol::Framed(_) | Protocol::PlainEcho(_) | Protocol::Raw(_) => {
                    Conversation::RequestReply
                }
                Protocol::Greeting(_) => Conversation::ServerSpeaks,
                Protocol::Discard(_) => Conversation::ClientSpeaks,
            },
            protocol,
            verify,
            accepted: if verify { Verdict::Right } else { Verdict::Unverified },
            is_mixture,
            replies_are_tagged: verify && tag_len >= SHORTEST_TAG,
            longest_reply,
            greeting: plan.greeting.as_ref().map(AnswerMatcher::new),
        }
    }

    /// What the bytes at the front of a new connection are to the greeting that was declared.
    pub fn examine_greeting(&self, bytes: &[u8]) -> ReplyMatch {
        match &self.greeting {
            Some(greeting) if !bytes.is_empty() => greeting.examine(bytes, true),
            _ => ReplyMatch::Incomplete,
        }
    }

    /// What the greeting is, in words or bytes.
    pub fn describe_greeting(&self) -> Vec<u8> {
        self.greeting.as_ref().map(AnswerMatcher::describe).unwrap_or_default()
    }

    /// Whether the first bytes of a connection may be a greeting that was not declared: the
    /// protocol is any.
    pub fn may_be_greeted(&self) -> bool {
        self.greeting.is_none() && matches!(self.protocol, Protocol::Raw(_))
    }

    /// What asks idle connections whether they are served, if anything does.
    pub fn for_probes(plan: &Plan) -> Option<WorkloadCodec> {
        let sizes = Sizes::fixed(PROBE_LEN);
        let workload = match (plan.probing, &plan.workload) {
            (Probing::Off, _) => return None,
            (Probing::Echo, Workload::PlainEcho(_)) => Workload::PlainEcho(sizes),
            (Probing::Echo, _) => {
                Workload::Framed(Mix { echo: 1, lookup: 0, daytime: 0, sizes, keys: Vec::new() })
            }
            (Probing::Request, workload) => workload.clone(),
        };
        Some(WorkloadCodec::new(&Plan { workload, ..plan.clone() }))
    }

    /// How client and server take turns.
    pub fn conversation(&self) -> Conversation {
        self.conversation
    }

    /// Whether a reply tells which request it answers, and that is verified. Then a reply that is
    /// lost does not bring those behind it out of step.
    pub fn replies_are_tagged(&self) -> bool {
        self.replies_are_tagged
    }

    /// How many bytes a reply can have at most, to be held until it is whole.
    pub fn longest_reply(&self) -> usize {
        self.longest_reply
    }

    /// Whether a reply that is as it should be was verified.
    pub(super) fn verification(&self) -> Verification {
        if self.verify { Verification::Verified } else { Verification::Unverified }
    }

    /// The request's kind, if it is one of a mixture.
    pub fn kind(&self, id: RequestId) -> Option<Kind> {
        match &self.protocol {
            Protocol::Framed(framed) if self.is_mixture => Some(framed.kind(id)),
            _ => None,
        }
    }

    /// Appends the request to `out`.
    #[inline]
    pub fn append_request(&mut self, id: RequestId, out: &mut Vec<u8>) {
        match (&mut self.templates, &self.protocol) {
            (Some(templates), Protocol::Framed(framed))
                if !self.is_mixture || framed.kind(id) == Kind::Echo =>
            {
                out.extend_from_slice(templates.request.stamp(id));
            }
            (_, Protocol::Framed(framed)) => framed.append_request(id, out),
            (_, Protocol::PlainEcho(plain) | Protocol::Discard(plain)) => plain.append(id, out),
            (_, Protocol::Raw(raw)) => out.extend_from_slice(&raw.send),
            (_, Protocol::Greeting(_)) => {}
        }
    }

    /// How many of `arrived` bytes have to be joined with bytes of an unfinished reply that were
    /// kept, to see whether it ends where they meet. Those behind them can be looked at where they
    /// are.
    pub fn bytes_to_join(&self, arrived: usize) -> usize {
        match &self.protocol {
            Protocol::Raw(raw) => raw.answer.bytes_to_join(arrived),
            _ => arrived,
        }
    }

    /// Takes as many replies as are whole and as they should be off the front of `bytes`: those to
    /// the request `first` and up to `most` in all.
    ///
    /// The replies of a mixture are looked at one by one, so it takes none of them.
    #[inline]
    pub fn take_accepted(&mut self, first: RequestId, most: u32, bytes: &[u8]) -> Accepted {
        let (mut count, mut taken) = (0, 0);
        while count < most && !self.is_mixture {
            let id = RequestId { sequence: first.sequence + u64::from(count), ..first };
            let rest = bytes.get(taken..).unwrap_or_default();
            let len = if self.verify
                && let Some(EchoTemplates { reply, .. }) = &mut self.templates
                && rest.starts_with(reply.stamp(id))
            {
                reply.bytes().len()
            } else {
                match self.examine(id, rest, false) {
                    ReplyMatch::Reply(len, verdict) if verdict == self.accepted => len,
                    ReplyMatch::Part(part) => return Accepted { count, len: taken, part },
                    _ => break,
                }
            };
            count += 1;
            taken += len;
        }
        Accepted { count, len: taken, part: 0 }
    }

    /// What the bytes at the front of the stream are to the request `id`, whose reply is awaited.
    /// `is_last` tells that no other request is in flight.
    pub fn examine(&mut self, id: RequestId, bytes: &[u8], is_last: bool) -> ReplyMatch {
        if bytes.is_empty() {
            return ReplyMatch::Incomplete;
        }
        let found = match &self.protocol {
            Protocol::Framed(framed) if !self.verify => framed.cut(bytes),
            Protocol::Framed(framed) => {
                if framed.kind(id) == Kind::Echo
                    && let Some(EchoTemplates { reply, .. }) = &mut self.templates
                    && bytes.starts_with(reply.stamp(id))
                {
                    return ReplyMatch::Reply(reply.bytes().len(), Verdict::Right);
                }
                framed.examine(id, bytes)
            }
            Protocol::PlainEcho(plain) => plain.examine(id, bytes),
            Protocol::Raw(raw) => raw.answer.examine(bytes, is_last),
            Protocol::Greeting(greeting) => greeting::examine(*greeting, bytes),
            Protocol::Discard(_) => ReplyMatch::Desynchronized,
        };
        match found {
            ReplyMatch::Reply(len, _) if !self.verify => {
                ReplyMatch::Reply(len, Verdict::Unverified)
            }
            found => found,
        }
    }

    /// What the bytes are when the peer's FIN stands behind them.
    pub fn examine_at_end(&self, bytes: &[u8]) -> ReplyMatch {
        match &self.protocol {
            Protocol::Greeting(greeting) => greeting::examine_at_end(*greeting, bytes),
            _ => ReplyMatch::Incomplete,
        }
    }

    /// What a right reply would be, in words or bytes, to be shown beside a wrong one.
    pub fn describe_reply(&self, id: RequestId) -> Vec<u8> {
        match &self.protocol {
            Protocol::Framed(framed) => framed.describe_reply(id),
            Protocol::PlainEcho(plain) => {
                let mut payload = Vec::new();
                plain.append(id, &mut payload);
                payload
            }
            Protocol::Raw(raw) => raw.answer.describe(),
            Protocol::Greeting(_) | Protocol::Discard(_) => b"the service's answer".to_vec(),
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

/// The shortest payload that tells its request from all that are looked for around it.
pub const SHORTEST_TAG: usize = 8;
