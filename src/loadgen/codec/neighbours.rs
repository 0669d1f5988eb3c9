//! Which other request a reply answers, if not the expected one.

use super::SHORTEST_TAG;
use crate::loadgen::payload::{Payloads, RequestId, TAG_LEN, identify};

/// How far around an expected request another one is looked for, when payloads are too short to
/// carry a whole tag.
pub(super) const NEIGHBOURS: u64 = 1024;

/// The requests around `id`, nearest first: a reply that was lost or doubled is mostly a neighbour
/// of the expected one.
fn neighbours(id: RequestId) -> impl Iterator<Item = RequestId> {
    (1..=NEIGHBOURS)
        .flat_map(move |distance| {
            [id.sequence.checked_add(distance), id.sequence.checked_sub(distance)]
        })
        .flatten()
        .map(move |sequence| RequestId { sequence, ..id })
}

/// Whether `bytes`, too few for a tag, can be the start of a payload with the whole tag of `id` or
/// of a request around it. Then the verdict waits: it must not depend on how the stream was cut
/// into reads.
pub(super) fn may_carry_tag(
    payloads: &Payloads,
    id: RequestId,
    bytes: &[u8],
    size_of: impl Fn(RequestId) -> usize,
) -> bool {
    let is_start = |other: RequestId| {
        let size = size_of(other);
        size >= TAG_LEN && payloads.begins(other, size, bytes)
    };
    !bytes.is_empty() && bytes.len() < TAG_LEN && (is_start(id) || neighbours(id).any(is_start))
}

/// The request other than `id` whose whole payload stands at the front of `bytes`. No payload of
/// the run has fewer than `shortest` bytes.
pub(super) fn find_other(
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
    if let Some(tagged) = bytes.first_chunk().and_then(identify) {
        return Some(tagged).filter(|&tagged| is_there(tagged));
    }
    // A payload that is long enough for a whole tag would have had one.
    if shortest >= TAG_LEN {
        return None;
    }
    // A payload shorter than the shortest tag can only be taken for a damaged reply to `id`.
    let carries_tag = |other| (SHORTEST_TAG..TAG_LEN).contains(&size_of(other));
    neighbours(id).find(|&other| carries_tag(other) && is_there(other))
}
