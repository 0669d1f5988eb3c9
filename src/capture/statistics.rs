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
        let mut numbers = Writer::default();
        total.to_numbers().into_iter().for_each(|number| numbers.number(number));
        self.tape.borrow_mut().note(&Record::Total(&numbers.bytes));
        total
    }

    fn each(&self) -> Vec<Stats> {
        let each = self.shared.each();
        let mut numbers = Writer::default();
        for stats in &each {
            let own = stats.to_numbers();
            numbers.number(own.len() as u64);
            own.into_iter().for_each(|number| numbers.number(number));
        }
        self.tape.borrow_mut().note(&Record::Each(&numbers.bytes));
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

/// The way back from [`Record::Each`].
pub(super) fn each(numbers: &[u8]) -> Vec<Stats> {
    let mut cursor = Cursor::new(numbers);
    let next = move || {
        let count = cursor.number().ok()?;
        Some(Stats::from_numbers((0..count).map_while(|_| cursor.number().ok())))
    };
    std::iter::from_fn(next).collect()
}
