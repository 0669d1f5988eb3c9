use super::{FIRST, LEAST, Lead, MOST};
use crate::io::clock::Moment;
use std::time::Duration;

const fn us(count: u64) -> Duration {
    Duration::from_micros(count)
}

/// Has the timer wake a thread as late as `late` says, `count` times.
fn woken(lead: &mut Lead, count: u64, late: impl Fn(u64) -> Duration) {
    (0..count).for_each(|number| lead.learn(late(number)));
}

#[test]
fn the_lead_is_what_one_wake_up_in_five_hundred_exceeds() {
    let mut lead = Lead::default();
    woken(&mut lead, 50_000, |number| us(if number % 1_000 == 0 { 90 } else { 40 }));
    assert!(lead.length > us(39) && lead.length < us(50), "{:?}", lead.length);
    woken(&mut lead, 50_000, |number| us(if number % 100 == 0 { 90 } else { 40 }));
    assert!(lead.length > us(80) && lead.length < us(110), "{:?}", lead.length);
}

#[test]
fn the_lead_stays_within_its_bounds() {
    let mut lead = Lead::default();
    woken(&mut lead, 100, |_| Duration::from_millis(50));
    assert_eq!(lead.length, MOST);
    woken(&mut lead, 100_000, |_| Duration::ZERO);
    assert_eq!(lead.length, LEAST);
}

#[test]
fn the_thread_sleeps_until_the_lead_begins() {
    let mut lead = Lead::default();
    let now = Moment::START + us(1_000);
    assert_eq!(lead.sleep(now + us(1_000), now), Some(us(1_000) - FIRST));
    assert_eq!(lead.sleep(now + FIRST, now), None);
    assert_eq!(lead.sleep(now, now + us(5)), None, "the moment has passed");
}

#[test]
fn a_thread_that_never_sleeps_tries_again_after_a_while() {
    let mut lead = Lead::default();
    woken(&mut lead, 100, |_| Duration::from_millis(50));
    let mut now = Moment::START;
    let sleeps = (0..5_000).any(|_| {
        let moment = now + us(150);
        let may_sleep = lead.sleep(moment, now).is_some();
        // Each moment counts once, however often the thread looks at the clock before it.
        let before = lead.length;
        assert!(may_sleep || lead.sleep(moment, now + us(10)).is_none());
        assert_eq!(lead.length, before);
        now = moment;
        may_sleep
    });
    assert!(sleeps, "{:?}", lead.length);
}
