//! Padded frames, of one kind or a mixture of kinds.

use super::neighbours::{find_other, may_carry_tag};
use super::{EchoTemplates, Kind, ReplyMatch, Verdict};
use crate::client::conversations::Check;
use crate::handlers::daytime::Format;
use crate::loadgen::payload::{MessageTemplate, Payloads, RequestId, TAG_LEN, identify, mix};
use crate::loadgen::plan::{Mix, Sizes};
use crate::protocol::frame::{self, HEADER_LEN};
use crate::protocol::framing::{End, Framing};

const ECHO: &[u8] = b"ECHO ";

/// What a reply may be longer than the longest text to echo; error texts and values are shorter.
const SPARE: usize = 1 << 20;

/// Room for the header of a request and its first word.
const PREFIX_LEN: usize = HEADER_LEN + ECHO.len();

/// The requests and replies of a mixture.
#[derive(Debug)]
pub(super) struct Framed {
    mix: Mix,
    seed: u64,
    payloads: Payloads,
    /// The longest reply body that is believed.
    max_body: usize,
}

impl Framed {
    pub(super) fn new(mix: Mix, seed: u64) -> Framed {
        let longest = mix.sizes.max;
        Framed { mix, seed, payloads: Payloads::new(longest), max_body: longest + SPARE }
    }

    /// An echo request and its reply, if all echoes are equally long.
    pub(super) fn templates(&self) -> Option<EchoTemplates> {
        let Sizes { min, max } = self.mix.sizes;
        let template = |prefix: &[u8]| MessageTemplate::new(prefix, &self.payloads, max);
        (min == max && self.mix.echo > 0).then(|| EchoTemplates {
            request: template(&request_prefix(max)),
            reply: template(&frame::encode_header(max)),
        })
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

    pub(super) fn append_request(&self, id: RequestId, out: &mut Vec<u8>) {
        match self.kind(id) {
            Kind::Echo => {
                out.extend_from_slice(&request_prefix(self.size(id)));
                self.payloads.append(id, self.size(id), out);
            }
            Kind::Lookup => append_frame(&[b"LOOKUP ", self.key(id).as_bytes()], out),
            Kind::Daytime => append_frame(&[b"DAYTIME"], out),
        }
    }

    /// Cuts a reply off by its frame alone, whatever is in it.
    #[inline]
    pub(super) fn cut(&self, bytes: &[u8]) -> ReplyMatch {
        match (Framing::Padded { max_body: self.max_body }).find_end(bytes, 0) {
            Ok(End::At(len)) => ReplyMatch::Reply(len, Verdict::Unverified),
            Ok(End::Incomplete { .. }) => ReplyMatch::Incomplete,
            Err(_) => ReplyMatch::Desynchronized,
        }
    }

    /// What the bytes at the front of the stream are to the request `id`.
    pub(super) fn examine(&self, id: RequestId, bytes: &[u8]) -> ReplyMatch {
        let payloads = &self.payloads;
        let Some((header, rest)) = bytes.split_first_chunk::<HEADER_LEN>() else {
            return ReplyMatch::Incomplete;
        };
        let declared = frame::decode_header(header, self.max_body).ok();
        // The expected reply begins further on, but not a frame further on. So the bytes before it
        // are no reply.
        if declared != Some(self.size(id))
            && let Some(at) = payloads.find(id, self.size(id), rest)
        {
            return ReplyMatch::Unsolicited(at);
        }
        let tagged = rest.first_chunk::<TAG_LEN>().and_then(identify);
        if declared.is_some_and(|len| len != self.size(id))
            && self.kind(id) == Kind::Echo
            && may_carry_tag(payloads, id, rest, |other| self.size(other))
        {
            return ReplyMatch::Incomplete;
        }
        // A tag tells how long its payload has to be.
        let len = match (declared, tagged.map(|tagged| self.size(tagged))) {
            (None, None) if self.kind(id) == Kind::Echo => {
                // Nothing tells its length. The length of the expected reply is the likeliest.
                return whole_but_wrong(self.size(id), rest);
            }
            (None, None) => return ReplyMatch::Desynchronized,
            (Some(declared), Some(due)) if declared != due => {
                return whole_but_wrong(self.likelier_end(declared, due, rest), rest);
            }
            (None, Some(due)) => return whole_but_wrong(due, rest),
            (Some(declared), _) => declared,
        };
        match rest.get(..len) {
            Some(body) => ReplyMatch::Reply(HEADER_LEN + len, self.judge(id, body)),
            None => ReplyMatch::Incomplete,
        }
    }

    /// Where a payload ends if its header and its tag disagree: where the next header begins, or
    /// where the received bytes end.
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
        self.mix.sizes.min == self.mix.sizes.max && !self.is_mixture()
    }

    fn judge(&self, id: RequestId, body: &[u8]) -> Verdict {
        let payloads = &self.payloads;
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

    pub(super) fn describe_reply(&self, id: RequestId) -> Vec<u8> {
        let mut body = Vec::new();
        match self.kind(id) {
            Kind::Echo => self.payloads.append(id, self.size(id), &mut body),
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

fn whole_but_wrong(len: usize, rest: &[u8]) -> ReplyMatch {
    if rest.len() < len {
        return ReplyMatch::Incomplete;
    }
    ReplyMatch::Reply(HEADER_LEN + len, Verdict::Wrong)
}
