//! Padded frames, of one kind or a mixture of kinds.

use super::{Examined, Kind, Verdict, find_other, may_name};
use crate::client::scripts::Check;
use crate::handlers::daytime::Format;
use crate::loadgen::payload::{DIGITS, Payloads, RequestId, Stamped, identify, mix};
use crate::loadgen::plan::Mix;
use crate::protocol::frame::{self, HEADER_LEN};

const ECHO: &[u8] = b"ECHO ";

/// What a reply may be longer than the longest text to echo; error texts and values are shorter.
const SPARE: usize = 1 << 20;

/// Room for the header of a request and its first word.
const PREFIX_LEN: usize = HEADER_LEN + ECHO.len();

#[derive(Debug)]
pub(super) struct Framed {
    mix: Mix,
    seed: u64,
    /// Longest reply that is believed.
    max_body: usize,
    /// An echo request and the reply to it, if all are equally long.
    equal: Option<Equal>,
}

#[derive(Debug)]
struct Equal {
    request: Stamped,
    reply: Stamped,
}

impl Framed {
    pub(super) fn new(mix: Mix, seed: u64, payloads: &Payloads) -> Framed {
        let sizes = mix.sizes;
        let equal = (sizes.min == sizes.max).then(|| Equal {
            request: Stamped::new(&request_prefix(sizes.max), payloads, sizes.max),
            reply: Stamped::new(&frame::encode_header(sizes.max), payloads, sizes.max),
        });
        Framed { max_body: sizes.max + SPARE, mix, seed, equal }
    }

    pub(super) fn longest_reply(&self) -> usize {
        HEADER_LEN + self.max_body
    }

    pub(super) fn is_mixture(&self) -> bool {
        let Mix { echo, lookup, daytime, .. } = self.mix;
        [echo, lookup, daytime].iter().filter(|&&weight| weight > 0).count() > 1
    }

    #[inline]
    pub(super) fn kind(&self, id: RequestId) -> Kind {
        let Mix { echo, lookup, daytime, .. } = self.mix;
        match (echo, lookup, daytime) {
            (_, 0, 0) => Kind::Echo,
            (0, _, 0) => Kind::Lookup,
            (0, 0, _) => Kind::Daytime,
            _ => {
                let sum = u64::from(echo) + u64::from(lookup) + u64::from(daytime);
                let drawn = mix(mix(!self.seed, id.connection), id.sequence) % sum;
                if drawn < u64::from(echo) {
                    Kind::Echo
                } else if drawn < u64::from(echo) + u64::from(lookup) {
                    Kind::Lookup
                } else {
                    Kind::Daytime
                }
            }
        }
    }

    fn size(&self, id: RequestId) -> usize {
        self.mix.sizes.of(id, self.seed)
    }

    fn key(&self, id: RequestId) -> &str {
        let keys = &self.mix.keys;
        let turn = id.sequence.wrapping_add(id.connection) as usize;
        turn.checked_rem(keys.len()).and_then(|index| keys.get(index)).map_or("", |key| key)
    }

    #[inline]
    pub(super) fn append_request(&mut self, payloads: &Payloads, id: RequestId, out: &mut Vec<u8>) {
        match self.kind(id) {
            Kind::Echo => match &mut self.equal {
                Some(equal) => out.extend_from_slice(equal.request.stamp(id)),
                None => {
                    out.extend_from_slice(&request_prefix(self.size(id)));
                    payloads.append(id, self.size(id), out);
                }
            },
            Kind::Lookup => append_frame(&[b"LOOKUP ", self.key(id).as_bytes()], out),
            Kind::Daytime => append_frame(&[b"DAYTIME"], out),
        }
    }

    #[inline]
    pub(super) fn examine(&mut self, payloads: &Payloads, id: RequestId, bytes: &[u8]) -> Examined {
        if self.kind(id) == Kind::Echo
            && let Some(equal) = &mut self.equal
            && let expected = equal.reply.stamp(id)
            && bytes.starts_with(expected)
        {
            return Examined::Reply(expected.len(), Verdict::Right);
        }
        self.examine_closely(payloads, id, bytes)
    }

    /// Only where the reply ends, whatever is in it.
    #[inline]
    pub(super) fn measure(&self, bytes: &[u8]) -> Examined {
        if let Some(Equal { reply, .. }) = &self.equal
            && bytes.starts_with(reply.prefix())
        {
            return whole(reply.bytes().len(), bytes);
        }
        let Some(header) = bytes.first_chunk::<HEADER_LEN>() else { return Examined::Incomplete };
        match frame::decode_header(header, self.max_body) {
            Ok(len) => whole(HEADER_LEN + len, bytes),
            Err(_) => Examined::OutOfStep,
        }
    }

    fn examine_closely(&self, payloads: &Payloads, id: RequestId, bytes: &[u8]) -> Examined {
        let Some((header, rest)) = bytes.split_first_chunk::<HEADER_LEN>() else {
            return Examined::Incomplete;
        };
        let declared = frame::decode_header(header, self.max_body).ok();
        // The expected reply further on, but not a frame further on, means that what stands before it
        // is none.
        if declared != Some(self.size(id))
            && let Some(at) =
                payloads.find(id, self.size(id), rest).filter(|&at| at < self.size(id))
        {
            return Examined::Stray(at);
        }
        let named = rest.first_chunk::<DIGITS>().and_then(identify);
        if declared.is_some_and(|len| len != self.size(id))
            && self.kind(id) == Kind::Echo
            && may_name(payloads, id, rest, |other| self.size(other))
        {
            return Examined::Incomplete;
        }
        // A payload that names its request tells how long it has to be.
        let len = match (declared, named.map(|named| self.size(named))) {
            (None, None) if self.kind(id) == Kind::Echo => {
                // It can only be hoped to be as long as the reply that should have come.
                return whole_but_wrong(self.size(id), rest);
            }
            (None, None) => return Examined::OutOfStep,
            (Some(declared), Some(due)) if declared != due => {
                return whole_but_wrong(self.likelier_end(declared, due, rest), rest);
            }
            (None, Some(due)) => return whole_but_wrong(due, rest),
            (Some(declared), _) => declared,
        };
        match rest.get(..len) {
            Some(body) => Examined::Reply(HEADER_LEN + len, self.judge(payloads, id, body)),
            None => Examined::Incomplete,
        }
    }

    /// Where a payload ends whose header and whose name disagree: there where the next header begins,
    /// or nothing has come yet.
    fn likelier_end(&self, declared: usize, due: usize, rest: &[u8]) -> usize {
        let continues = |end: usize| {
            rest.get(end..).is_some_and(|next| match next.first_chunk::<HEADER_LEN>() {
                Some(header) => frame::decode_header(header, self.max_body)
                    .is_ok_and(|len| !self.has_one_size() || len == self.mix.sizes.max),
                None => frame::check_header_prefix(next).is_ok(),
            })
        };
        if continues(declared) && !continues(due) { declared } else { due }
    }

    fn has_one_size(&self) -> bool {
        self.equal.is_some() && !self.is_mixture()
    }

    fn judge(&self, payloads: &Payloads, id: RequestId, body: &[u8]) -> Verdict {
        let is_right = match self.kind(id) {
            Kind::Echo => payloads.is(id, self.size(id), body),
            Kind::Lookup => Check::Something.verify(body).is_ok(),
            Kind::Daytime => Check::Date(Format::Ctime).verify(body).is_ok(),
        };
        let other = || {
            find_other(payloads, id, body, self.mix.sizes.min, |other| self.size(other))
                .filter(|&other| self.size(other) == body.len() && self.kind(other) == Kind::Echo)
        };
        match self.kind(id) {
            // Any text can be a value; not the text of another request.
            Kind::Lookup if is_right => other().map_or(Verdict::Right, Verdict::Another),
            _ if is_right => Verdict::Right,
            _ => other().map_or(Verdict::Wrong, Verdict::Another),
        }
    }

    pub(super) fn describe_reply(&self, payloads: &Payloads, id: RequestId) -> Vec<u8> {
        let mut body = Vec::new();
        match self.kind(id) {
            Kind::Echo => payloads.append(id, self.size(id), &mut body),
            Kind::Lookup => body.extend_from_slice(b"a value"),
            Kind::Daytime => body.extend_from_slice(b"a date and time"),
        }
        let mut described = frame::encode_header(body.len()).trim_ascii_end().to_vec();
        described.push(b' ');
        described.append(&mut body);
        described
    }
}

fn request_prefix(size: usize) -> [u8; PREFIX_LEN] {
    let mut prefix = [0; PREFIX_LEN];
    let (header, word) = prefix.split_at_mut(HEADER_LEN);
    header.copy_from_slice(&frame::encode_header(ECHO.len() + size));
    word.copy_from_slice(ECHO);
    prefix
}

fn append_frame(parts: &[&[u8]], out: &mut Vec<u8>) {
    let len = parts.iter().map(|part| part.len()).sum();
    out.extend_from_slice(&frame::encode_header(len));
    parts.iter().for_each(|part| out.extend_from_slice(part));
}

fn whole(len: usize, bytes: &[u8]) -> Examined {
    if bytes.len() < len {
        return Examined::Incomplete;
    }
    Examined::Reply(len, Verdict::Unverified)
}

fn whole_but_wrong(len: usize, rest: &[u8]) -> Examined {
    if rest.len() < len {
        return Examined::Incomplete;
    }
    Examined::Reply(HEADER_LEN + len, Verdict::Wrong)
}
