use super::*;
use proptest::prelude::*;
use std::collections::VecDeque;

fn at(nanos: u64) -> Moment {
    Moment::from_nanos(nanos)
}

#[test]
fn an_empty_queue_is_one_pointer_and_no_heap() {
    assert_eq!(size_of::<ByteQueue>(), size_of::<usize>());
    let mut queue = ByteQueue::default();
    assert_eq!(queue.memory(), 0);
    queue.extend(b"", at(1));
    assert_eq!((queue.is_empty(), queue.waiting_since()), (true, None));
    queue.extend(b"abc", at(2));
    assert!(queue.memory() >= 3);
    queue.consume(3, at(3));
    assert_eq!((queue.memory(), queue.waiting_since()), (0, None));
}

#[test]
fn the_front_waits_since_it_came_or_the_one_before_it_left() {
    let mut queue = ByteQueue::default();
    queue.extend(b"ab", at(10));
    queue.extend(b"cd", at(20));
    assert_eq!(queue.waiting_since(), Some(at(10)));
    queue.consume(1, at(30));
    assert_eq!(queue.waiting_since(), Some(at(30)));
    queue.restart_wait(at(40));
    assert_eq!((queue.waiting_since(), queue.bytes()), (Some(at(40)), &b"bcd"[..]));
    queue.clear();
    assert_eq!((queue.len(), queue.memory()), (0, 0));
    queue.restart_wait(at(50));
    assert_eq!(queue.waiting_since(), None);
}

#[test]
#[should_panic(expected = "consumed 2 of 1 bytes")]
fn consuming_more_than_waits_is_a_bug() {
    let mut queue = ByteQueue::default();
    queue.extend(b"a", at(0));
    queue.consume(2, at(0));
}

proptest! {
    #[test]
    fn behaves_as_a_queue(
        steps in proptest::collection::vec((any::<bool>(), 0usize..300), 1..200),
    ) {
        let mut queue = ByteQueue::default();
        let mut model: VecDeque<u8> = VecDeque::new();
        let mut next = 0u8;
        for (add, count) in steps {
            if add {
                let bytes: Vec<u8> = (0..count).map(|i| next.wrapping_add(i as u8)).collect();
                next = next.wrapping_add(count as u8);
                queue.extend(&bytes, at(0));
                model.extend(&bytes);
            } else {
                let count = count.min(model.len());
                queue.consume(count, at(0));
                model.drain(..count);
            }
            prop_assert_eq!(queue.bytes(), model.make_contiguous() as &[u8]);
            prop_assert_eq!(queue.is_empty(), model.is_empty());
        }
    }
}

#[test]
fn waiting_bytes_can_be_changed_where_they_are() {
    let mut queue = ByteQueue::default();
    assert_eq!(queue.bytes_mut(), b"");
    queue.extend(b"abcd", Moment::START);
    queue.consume(1, Moment::START);
    queue.bytes_mut()[0] = b'x';
    assert_eq!(queue.bytes(), b"xcd");
}
