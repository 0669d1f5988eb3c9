//! The statistics that shards share, captured: what the others counted decides what a shard's
//! clients are told.

use super::record::Record;
use super::tape::Tape;
use super::wire::Writer;
use crate::server::stats::Stats;
use crate::server::stats::publishing::{Shards, SharedStats};
use crate::trace::wire::Cursor;
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

/// Shared statistics that pass each call on, and write down its outcome.
pub struct CapturedStatistics {
    shared: Box<dyn SharedStats>,
    tape: Rc<RefCell<Tape>>,
}

impl CapturedStatistics {
    /// Writes what `shared` says to `tape`.
    pub fn new(shared: Box<dyn SharedStats>, tape: Rc<RefCell<Tape>>) -> CapturedStatistics {
        CapturedStatistics { shared, tape }
    }
}

impl SharedStats for CapturedStatistics {
    fn publish(&mut self, own: &Stats) {
        self.shared.publish(own);
        self.tape.borrow_mut().note(&Record::Published);
    }

    fn total(&self) -> Stats {
        let total = self.shared.total();
        self.tape.borrow_mut().note(&Record::Total(&to_bytes(std::slice::from_ref(&total))));
        total
    }

    fn each(&self) -> Vec<Stats> {
        let each = self.shared.each();
        self.tape.borrow_mut().note(&Record::Each(&to_bytes(&each)));
        each
    }

    fn shards(&self) -> Shards {
        let shards = self.shared.shards();
        self.tape.borrow_mut().note(&Record::Shards(shards));
        shards
    }

    fn age_at_start(&self) -> Duration {
        self.shared.age_at_start()
    }
}

fn to_bytes(each: &[Stats]) -> Vec<u8> {
    let mut numbers = Writer::default();
    each.iter().flat_map(Stats::to_numbers).for_each(|number| numbers.number(number));
    numbers.bytes
}

/// The way back: the statistics that a record has, one after the other.
pub(super) fn from_bytes(bytes: &[u8]) -> Vec<Stats> {
    let mut cursor = Cursor::new(bytes);
    let numbers: Vec<u64> = std::iter::from_fn(|| cursor.number().ok()).collect();
    let length = Stats::default().to_numbers().len();
    numbers.chunks(length).map(|numbers| Stats::from_numbers(numbers.iter().copied())).collect()
}
