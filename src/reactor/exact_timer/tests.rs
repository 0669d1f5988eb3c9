use super::{FIRST_SHARED, LEAST, Lead, MOST_OWN, MOST_SHARED, Processor};
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
fn the_lead_is_what_one_wake_up_in_two_thousand_exceeds() {
    for processor in [Processor::Own, Processor::Shared] {
        let mut lead = Lead::new(processor);
        woken(&mut lead, 200_000, |number| us(if number % 4_000 == 0 { 90 } else { 40 }));
        assert!(lead.length > us(39) && lead.length < us(50), "{:?}", lead.length);
        woken(&mut lead, 200_000, |number| us(if number % 400 == 0 { 90 } else { 40 }));
        assert!(lead.length > us(80) && lead.length < us(110), "{:?}", lead.length);
    }
}

#[test]
fn the_lead_stays_within_its_bounds() {
    for (processor, most) in [(Processor::Own, MOST_OWN), (Processor::Shared, MOST_SHARED)] {
        let mut lead = Lead::new(processor);
        woken(&mut lead, 100, |_| Duration::from_millis(50));
        assert_eq!(lead.length, most);
        woken(&mut lead, 100_000, |_| Duration::ZERO);
        assert_eq!(lead.length, LEAST);
    }
}

#[test]
fn the_thread_sleeps_until_the_lead_begins() {
    let mut lead = Lead::new(Processor::Shared);
    let now = Moment::START + us(1_000);
    assert_eq!(lead.sleep(now + us(1_000), now), Some(us(1_000) - FIRST_SHARED));
    assert_eq!(lead.sleep(now + FIRST_SHARED, now), None);
    assert_eq!(lead.sleep(now, now + us(5)), None, "the moment has passed");
}

#[test]
fn on_a_processor_of_its_own_the_thread_stays_awake_until_the_machine_is_quiet() {
    let mut lead = Lead::new(Processor::Own);
    let now = Moment::START + us(1_000);
    assert!(lead.sleep(now + us(500), now).is_some());
    woken(&mut lead, 20, |_| us(2_000));
    assert_eq!(lead.sleep(now + us(500), now), None);
    woken(&mut lead, 50_000, |_| us(30));
    assert!(lead.sleep(now + us(500), now).is_some());
}

#[test]
fn a_thread_that_never_sleeps_tries_again_after_a_while() {
    let mut lead = Lead::new(Processor::Shared);
    woken(&mut lead, 100, |_| Duration::from_millis(50));
    let mut now = Moment::START;
    let sleeps = (0..20_000).any(|_| {
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
