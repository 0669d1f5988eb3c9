//! Plain payloads: each reply is its request (RFC 862), or there is none (RFC 863).

use super::neighbours::{find_other, may_carry_tag};
use super::{EchoTemplates, ReplyMatch, Verdict};
use crate::loadgen::payload::{MessageTemplate, Payloads, RequestId, identify};
use crate::loadgen::plan::Sizes;

/// The payloads of a run, without any frame.
#[derive(Debug)]
pub(super) struct PlainPayloads {
    sizes: Sizes,
    seed: u64,
    payloads: Payloads,
}

impl PlainPayloads {
    pub(super) fn new(sizes: Sizes, seed: u64) -> PlainPayloads {
        PlainPayloads { sizes, seed, payloads: Payloads::new(sizes.max) }
    }

    /// Request and reply, if all are equally long and not empty.
    pub(super) fn templates(&self) -> Option<EchoTemplates> {
        let Sizes { min, max } = self.sizes;
        let template = || MessageTemplate::new(b"", &self.payloads, max);
        (min == max && min > 0).then(|| EchoTemplates { request: template(), reply: template() })
    }

    /// Appends the payload of `id`.
    pub(super) fn append(&self, id: RequestId, out: &mut Vec<u8>) {
        self.payloads.append(id, self.size_of(id), out);
    }

    fn size_of(&self, id: RequestId) -> usize {
        self.sizes.of(id, self.seed)
    }

    /// There is no frame: a reply is as long as its request.
    pub(super) fn examine(&self, id: RequestId, bytes: &[u8]) -> ReplyMatch {
        let size_of = |id| self.size_of(id);
        let size = size_of(id);
        if let Some(reply) = bytes.get(..size)
            && self.payloads.is(id, size, reply)
        {
            return ReplyMatch::Reply(size, Verdict::Right);
        }
        if self.payloads.begins(id, size, bytes) {
            return ReplyMatch::Incomplete;
        }
        // A tag tells how long its payload is.
        let len = bytes.first_chunk().and_then(identify).map_or(size, size_of);
        match find_other(&self.payloads, id, bytes, self.sizes.min, size_of) {
            Some(other) => ReplyMatch::Reply(size_of(other), Verdict::Another(other)),
            None if bytes.len() < len || may_carry_tag(&self.payloads, id, bytes, size_of) => {
                ReplyMatch::Incomplete
            }
            None => match self.payloads.find(id, size, bytes) {
                Some(at) => ReplyMatch::Unsolicited(at),
                None => ReplyMatch::Reply(len, Verdict::Wrong),
            },
        }
    }
}
