use super::*;
use crate::io::host::Usage;
use crate::server::stats::VERSION;
use std::cell::RefCell;
use std::rc::Rc;

/// Notes what is published; there is one other shard, with a thousand requests.
#[derive(Clone, Debug, Default)]
struct Notes(Rc<RefCell<Vec<Stats>>>);

impl SharedStats for Notes {
    fn publish(&mut self, own: &Stats) {
        self.0.borrow_mut().push(own.clone());
    }

    fn total(&self) -> Stats {
        let mut total = requests(1000);
        self.0.borrow().last().iter().for_each(|own| total.add(own));
        total
    }

    fn each(&self) -> Vec<Stats> {
        let own = self.0.borrow().last().cloned().unwrap_or_default();
        vec![own, requests(1000)]
    }

    fn shards(&self) -> Shards {
        Shards { count: 2, answering: 2, with_newest_table: 2 }
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

/// A process whose figures never change.
struct Still;

const USAGE: Usage = Usage { process_id: 99, cpu: Duration::from_micros(7), resident_bytes: 4096 };

impl Host for Still {
    fn usage(&self) -> Usage {
        USAGE
    }
}

/// The supervisor's number.
const SUPERVISOR: u32 = 4711;

fn requests(requests: u64) -> Stats {
    Stats { requests, ..Stats::default() }
}

fn millis(count: u64) -> Moment {
    Moment::START + Duration::from_millis(count)
}

fn publisher() -> (Publisher, Notes) {
    let notes = Notes::default();
    (Publisher::new(Box::new(notes.clone()), SUPERVISOR), notes)
}

#[test]
fn a_busy_shard_publishes_once_in_a_while_and_once_more_when_it_rests() {
    let (mut publisher, notes) = publisher();
    assert_eq!(publisher.due(), None);
    for time in 0..250 {
        publisher.turn(&mut requests(time), &Still, millis(time));
    }
    assert_eq!(notes.published(), [0, 100, 200]);
    assert_eq!(publisher.due(), Some(millis(300)));
    publisher.turn(&mut requests(250), &Still, millis(300));
    assert_eq!(notes.published(), [0, 100, 200, 250]);
    assert_eq!(publisher.due(), None, "nothing happens, and nobody has to be woken");
    publisher.turn(&mut requests(251), &Still, millis(9000));
    assert_eq!((notes.published().len(), publisher.due()), (5, None));
}

#[test]
fn who_is_told_the_sum_is_told_what_is_published() {
    let (mut publisher, notes) = publisher();
    publisher.turn(&mut requests(1), &Still, millis(10));
    publisher.turn(&mut requests(2), &Still, millis(20));
    let start = format!(
        "uptime_seconds 60.021\nversion {VERSION}\npid {SUPERVISOR}\nshards 2\nshards_answering 2\n"
    );
    let report = publisher.report(&mut requests(3), &Still, millis(21), Detail::Together);
    assert!(report.starts_with(&start), "{report}");
    assert!(report.contains("\nrequests 1003\n"), "{report}");
    assert_eq!(notes.published(), [1, 3]);
    publisher.last_turn(&mut requests(4), &Still, millis(22));
    assert_eq!(notes.published(), [1, 3, 4]);
}

#[test]
fn who_is_alone_publishes_nothing() {
    let mut alone = Publisher::default();
    alone.turn(&mut requests(1), &Still, millis(1));
    alone.last_turn(&mut requests(1), &Still, millis(1));
    assert_eq!(alone.due(), None);
    let now = millis(5);
    let mut expected = requests(7);
    expected.describe_usage(USAGE);
    let expected = expected.report(Duration::from_millis(5), USAGE.process_id).to_string();
    assert_eq!(alone.report(&mut requests(7), &Still, now, Detail::Together), expected);
    assert!(expected.contains("\ncpu_microseconds 7\n"), "{expected}");
}

#[test]
fn the_first_process_tells_its_own_numbers_and_leaves_them_to_the_next() {
    let notes = Notes::default();
    let mut first = Publisher::first(Box::new(notes.clone()));
    let mut expected = requests(7);
    expected.describe_usage(USAGE);
    let expected = expected.report(Duration::from_millis(60_005), USAGE.process_id).to_string();
    let now = millis(5);
    assert_eq!(first.report(&mut requests(7), &Still, now, Detail::Together), expected);
    first.turn(&mut requests(8), &Still, millis(6));
    assert_eq!(notes.published(), [7], "nobody reads it yet");
    first.hand_over();
    first.turn(&mut requests(9), &Still, millis(7));
    first.last_turn(&mut requests(10), &Still, millis(8));
    assert_eq!(notes.published(), [7, 9, 10]);
}

#[test]
fn who_asks_for_each_shard_is_told_all_together_and_then_each() {
    let (mut publisher, _) = publisher();
    let mut own = requests(3);
    let together = publisher.report(&mut own, &Still, millis(21), Detail::Together).to_owned();
    assert_eq!(publisher.texts_to_make(&own, Detail::Together), 0);
    assert_eq!(publisher.texts_to_make(&own, Detail::Each), 3);
    let each = publisher.report(&mut own, &Still, millis(21), Detail::Each).to_owned();
    assert_eq!(publisher.texts_to_make(&own, Detail::Each), 0);
    let of_shards = each.strip_prefix(&together).expect("all together come first");
    let of_second = of_shards.find("shard_2_connections_open 0\n").expect("the second shard");
    let (first, second) = of_shards.split_at(of_second);
    assert!(first.lines().all(|line| line.starts_with("shard_1_")), "{first}");
    assert!(second.lines().all(|line| line.starts_with("shard_2_")), "{second}");
    assert!(first.contains("\nshard_1_requests 3\n"), "{first}");
    assert!(second.contains("\nshard_2_requests 1000\n"), "{second}");
    // Every name of a shard is one of the whole.
    let is_known = |line: &str| {
        let name = line.get("shard_1_".len()..).and_then(|line| line.split(' ').next());
        name.is_some_and(|name| together.contains(&format!("\n{name} ")))
    };
    assert!(of_shards.lines().all(is_known), "{of_shards}");
}

#[test]
fn who_is_alone_has_no_shards_to_tell_of() {
    let mut alone = Publisher::default();
    let together = alone.report(&mut requests(7), &Still, millis(5), Detail::Together).to_owned();
    assert_eq!(alone.texts_to_make(&requests(7), Detail::Each), 1);
    assert_eq!(alone.report(&mut requests(7), &Still, millis(5), Detail::Each), together);
}
