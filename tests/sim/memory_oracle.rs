//! An oracle for the memory that connections hold: the server's sum is right and within the limit,
//! and the right connections were shed when it was not.

use crate::model::Kind;
use crate::watch::Watch;
use readyd::server::ConnectionSnapshot;
use readyd::server::limits::Limits;
use readyd::testkit::facts::Facts;
use readyd::testkit::kernel::Kernel;
use std::collections::{BTreeMap, BTreeSet};

/// An upper bound for a queue's own size and the smallest allocation of a vector.
const QUEUE: usize = 128;

/// Bytes that a service without requests makes in one call.
const PRODUCED: usize = 64 * 1024;

/// An upper bound for the answer to a request that ends with a pause or a timeout.
const ANSWER: usize = 512;

/// An upper bound for what a server sends in a handshake, and for the tickets behind it.
const HANDSHAKE: usize = 4096;

/// What a connection held after a turn.
#[derive(Clone, Copy, Debug, Default)]
struct Held {
    input: usize,
    output: usize,
    /// Bytes that the server had read from its socket, and sent to it, by then.
    read: u64,
    sent: u64,
}

impl Held {
    fn sum(self) -> usize {
        self.input + self.output
    }
}

/// What else is known of a turn that is over.
#[derive(Clone, Copy)]
pub(crate) struct TurnRecord<'a> {
    pub(crate) kernel: &'a Kernel,
    pub(crate) watches: &'a [Option<Watch>],
    pub(crate) limits: &'a Limits,
}

/// What each connection held after the turn before and after this one.
#[derive(Debug, Default)]
pub(crate) struct MemoryOracle {
    before: BTreeMap<usize, Held>,
    after: BTreeMap<usize, Held>,
}

impl MemoryOracle {
    /// A turn is over: what was held after it is before the next.
    pub(crate) fn next_turn(&mut self) {
        self.before = std::mem::take(&mut self.after);
    }

    pub(crate) fn record(&mut self, kernel: &Kernel, link: usize, audited: &ConnectionSnapshot) {
        let (input, output) = (audited.input_heap, audited.output_heap);
        let facts = &kernel.facts[link];
        self.after.insert(link, Held { input, output, read: facts.wire_read, sent: facts.sent });
    }

    /// Checks the server's sum. Between turns it is exact and at most the limit. Within a turn it
    /// may exceed the limit by what one visit adds.
    ///
    /// # Errors
    ///
    /// What does not add up.
    pub(crate) fn check_sum(&self, counted: u64, limits: &Limits) -> Result<(), String> {
        let sum: usize = self.after.values().map(|held| held.sum()).sum();
        if counted != sum as u64 {
            return Err(format!("{sum} bytes are buffered, {counted} are counted"));
        }
        match sum > limits.memory_limit {
            true => Err(format!("{sum} bytes are buffered, over {}", limits.memory_limit)),
            false => Ok(()),
        }
    }

    /// Whether all connections together can have exceeded the memory limit during this turn.
    pub(crate) fn can_have_exceeded(&self, scene: &TurnRecord<'_>) -> bool {
        self.most_held(scene, |_| true) > scene.limits.memory_limit
    }

    /// Checks that `link` had to be shed.
    ///
    /// # Errors
    ///
    /// Why it should not have been shed, or not yet.
    pub(crate) fn check_shed(&self, link: usize, scene: &TurnRecord<'_>) -> Result<(), String> {
        self.check_newest(scene.kernel, link)?;
        let shed = scene.kernel.facts[link].ended_at;
        let was_there = |facts: &Facts| {
            facts.ended_at.is_none_or(|at| Some(at) >= shed) && Some(facts.accepted_order) < shed
        };
        let left = self.most_held(scene, was_there);
        let limit = scene.limits.memory_limit;
        match left > limit - limit / 8 {
            true => Ok(()),
            false => Err(format!("with it no more than {left} bytes were left, enough was free")),
        }
    }

    /// The most that those connections together can have held at any time of this turn.
    fn most_held(&self, scene: &TurnRecord<'_>, counts: impl Fn(&Facts) -> bool) -> usize {
        let kernel = scene.kernel;
        let moved = (0..kernel.facts.len()).filter(|&link| kernel.has_moved(link));
        let links: BTreeSet<usize> = self.before.keys().copied().chain(moved).collect();
        let counted = links.into_iter().filter(|&link| counts(&kernel.facts[link]));
        let most = counted.map(|link| {
            let held = self.before.get(&link).copied().unwrap_or_default();
            match scene.watches.get(link).and_then(Option::as_ref) {
                Some(watch) => most_held(kernel, link, held, watch, scene.limits),
                None => held.sum(),
            }
        });
        most.sum()
    }

    /// Checks that no newer connection that held something was left when `link` was shed.
    fn check_newest(&self, kernel: &Kernel, link: usize) -> Result<(), String> {
        let shed = &kernel.facts[link];
        let stayed = self.before.iter().find(|&(&other, held)| {
            let facts = &kernel.facts[other];
            let was_there = facts.ended_at.is_none_or(|at| Some(at) > shed.ended_at);
            let is_newer = facts.accepted_order > shed.accepted_order;
            // Until it was looked at in this turn, it held what it had held. To resume an encrypted
            // connection is no call on its socket.
            let moved_later = facts.encrypted.is_none() && Some(facts.moved_at) > shed.ended_at;
            let was_same = !kernel.has_moved(other) || moved_later;
            held.sum() > 0 && was_there && is_newer && was_same
        });
        match stayed {
            Some((other, held)) => {
                Err(format!("connection {other} is newer, held {held:?}, and stayed"))
            }
            None => Ok(()),
        }
    }
}

/// The most that a connection can have held at any time of this turn. A vector grows to twice what
/// is asked for, and may keep as many consumed bytes at its front as it has unconsumed ones.
fn most_held(kernel: &Kernel, link: usize, held: Held, watch: &Watch, limits: &Limits) -> usize {
    let model = &watch.model;
    let facts = &kernel.facts[link];
    let read = (facts.wire_read - held.read) as usize;
    // What is not decrypted, what is not read, and what is no request yet.
    let queues = if facts.encrypted.is_some() { 3 } else { 1 };
    let input = match read {
        0 => queues * held.input,
        _ => queues * (2 * (held.input + read) + QUEUE),
    };
    let waited = kernel.now.since(model.unfinished_since);
    let is_over = model.kind.has_lines() || waited >= limits.frame_timeout;
    // Two visits are possible in one turn: what waited after the first may have been sent in the
    // second.
    let sent = (facts.sent - held.sent) as usize;
    let owed = match model.kind {
        Kind::Chargen => PRODUCED,
        _ if !model.unfinished.is_empty() && is_over => model.owes_at_most() + ANSWER,
        _ => model.owes_at_most(),
    };
    let made = owed + sent;
    // Ciphertext waits beside the plaintext that is not encrypted yet.
    let made = if facts.encrypted.is_some() { 3 * made + HANDSHAKE } else { made };
    let output = match made {
        0 => held.output,
        made => held.output.max(4 * made + QUEUE),
    };
    input + output
}
