use super::*;
use std::cell::RefCell;
use std::rc::Rc;

/// Notes what is published; there is one other shard, with a thousand requests.
#[derive(Clone, Debug, Default)]
struct Notes(Rc<RefCell<Vec<Stats>>>);

impl Ledger for Notes {
    fn publish(&mut self, own: &Stats) {
        self.0.borrow_mut().push(own.clone());
    }

    fn total(&self) -> Stats {
        let mut total = requests(1000);
        self.0.borrow().last().iter().for_each(|own| total.add(own));
        total
    }

    fn shards(&self) -> usize {
        2
    }

    fn age_at_start(&self) -> Duration {
        Duration::from_secs(60)
    }
}

impl Notes {
    fn published(&self) -> Vec<u64> {
        self.0.borrow().iter().map(|stats| stats.requests).collect()
    }
}

fn requests(requests: u64) -> Stats {
    Stats { requests, ..Stats::default() }
}

fn millis(count: u64) -> Moment {
    Moment::START + Duration::from_millis(count)
}

fn publisher() -> (Publisher, Notes) {
    let notes = Notes::default();
    (Publisher::new(Box::new(notes.clone())), notes)
}

#[test]
fn a_busy_shard_publishes_once_in_a_while_and_once_more_when_it_rests() {
    let (mut publisher, notes) = publisher();
    assert_eq!(publisher.due(), None);
    for time in 0..250 {
        publisher.turn(&requests(time), millis(time));
    }
    assert_eq!(notes.published(), [0, 100, 200]);
    assert_eq!(publisher.due(), Some(millis(300)));
    publisher.turn(&requests(250), millis(300));
    assert_eq!(notes.published(), [0, 100, 200, 250]);
    assert_eq!(publisher.due(), None, "nothing happens, and nobody has to be woken");
    publisher.turn(&requests(251), millis(9000));
    assert_eq!((notes.published().len(), publisher.due()), (5, None));
}

#[test]
fn who_is_told_the_sum_is_told_what_is_published() {
    let (mut publisher, notes) = publisher();
    publisher.turn(&requests(1), millis(10));
    publisher.turn(&requests(2), millis(20));
    let report = publisher.report(&requests(3), millis(21));
    assert!(report.starts_with("uptime_seconds 60.021\nshards 2\n"), "{report}");
    assert!(report.contains("\nrequests 1003\n"), "{report}");
    assert_eq!(notes.published(), [1, 3]);
    publisher.last_turn(&requests(4), millis(22));
    assert_eq!(notes.published(), [1, 3, 4]);
}

#[test]
fn who_is_alone_publishes_nothing() {
    let mut alone = Publisher::default();
    alone.turn(&requests(1), millis(1));
    alone.last_turn(&requests(1), millis(1));
    assert_eq!(alone.due(), None);
    let now = millis(5);
    assert_eq!(alone.report(&requests(7), now), requests(7).report(now).to_string());
}
