//! The identity of a run, by which a report that is given twice is recognised.
//!
//! Invariant: a [`Report`] that was read or built has an id. The same document always gets the
//! same one, however its JSON is indented.

use super::{Origin, Report};
use std::hash::{BuildHasher, Hasher, RandomState};

/// The offset basis and the prime of 128-bit FNV-1a (RFC 9923).
const FNV_BASIS: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
const FNV_PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;

/// A hash that is the same on all machines and in all versions of this program. It is no protection
/// against somebody who wants two documents to have the same one.
pub(super) fn hash(bytes: &[u8]) -> String {
    let hash = bytes
        .iter()
        .fold(FNV_BASIS, |hash, &byte| (hash ^ u128::from(byte)).wrapping_mul(FNV_PRIME));
    format!("{hash:032x}")
}

/// An id that no other run has, as good as certainly: 128 random bits.
pub fn random_id() -> String {
    // The standard library seeds each of these with random bits of the kernel.
    let random = || RandomState::new().build_hasher().finish();
    format!("{:016x}{:016x}", random(), random())
}

/// The runs whose figures are in a report: itself, or those that it was merged from.
pub(super) fn origins(report: &Report) -> Vec<Origin> {
    if !report.merged.is_empty() {
        return report.merged.clone();
    }
    vec![Origin {
        id: report.id.clone(),
        started_at: report.started_at.clone(),
        connections_established: report.achieved.connections_established,
        answered: report.achieved.answered,
        environment: report.environment.clone(),
    }]
}

/// The id of a merged report: the same for the same runs, in whatever order they were given.
pub(super) fn merged_id(origins: &[Origin]) -> String {
    let mut ids: Vec<&str> = origins.iter().map(|origin| origin.id.as_str()).collect();
    ids.sort_unstable();
    hash(ids.join(" ").as_bytes())
}

impl Origin {
    /// Whether both are the same run. Reports that were merged by an earlier version hold no ids,
    /// so there all that is known has to be equal.
    pub(super) fn is_same_run(&self, other: &Origin) -> bool {
        if !self.id.is_empty() && !other.id.is_empty() {
            return self.id == other.id;
        }
        let without_id = |origin: &Origin| Origin { id: String::new(), ..origin.clone() };
        without_id(self) == without_id(other)
    }
}
