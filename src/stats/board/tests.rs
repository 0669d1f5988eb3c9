use super::*;
use crate::close::CloseReason;
use nix::unistd::dup;

/// Statistics in which each number is another, and one connection is open.
fn stats(first: u64) -> Stats {
    let mut stats = Stats::default();
    for (place, number) in stats.numbers().into_iter().zip(first..) {
        *place = number;
    }
    stats.accepted = stats.closed_total() + 1;
    stats
}

fn second_handle(board: &Board) -> Board {
    Board::of(dup(board).expect("a descriptor"), board.shards())
}

#[test]
fn what_one_writes_another_reads() {
    let board = Board::create(3).expect("memory");
    let other = second_handle(&board);
    assert_eq!(other.total(), Stats::default());
    board.write(2, &stats(100));
    board.write(0, &stats(7));
    assert_eq!(other.read(0), stats(7));
    assert_eq!(other.read(1), Stats::default());
    assert_eq!(other.read(2), stats(100));
    let mut sum = stats(7);
    sum.add(&stats(100));
    assert_eq!(other.total(), sum);
}

#[test]
fn there_is_nothing_where_there_is_no_place() {
    let board = Board::create(2).expect("memory");
    assert_eq!(board.read(2), Stats::default());
}

#[test]
fn a_successor_goes_on_from_what_stands_there() {
    let board = Board::create(2).expect("memory");
    let open = Stats { accepted: 5, requests: 50, table_keys: 2, ..Stats::default() };
    let mut first = Seat::take(second_handle(&board), 1, Duration::ZERO);
    first.publish(&open);
    assert_eq!((board.read(1).open(), board.total().open()), (5, 5));

    let mut second = Seat::take(second_handle(&board), 1, Duration::from_secs(9));
    assert_eq!((second.shards(), second.age_at_start()), (2, Duration::from_secs(9)));
    second.publish(&Stats { accepted: 1, requests: 2, table_keys: 3, ..Stats::default() });
    let total = second.total();
    assert_eq!((total.accepted, total.open(), total.requests, total.table_keys), (6, 1, 52, 3));
    assert_eq!(total.closed[CloseReason::SystemError as usize], 5);
}

#[test]
fn a_reading_during_writes_is_of_one_moment() {
    let board = Board::create(1).expect("memory");
    let writer = second_handle(&board);
    let same = |number| {
        let mut stats = Stats::default();
        stats.numbers().into_iter().for_each(|place| *place = number);
        stats
    };
    let writing = std::thread::spawn(move || (0..20_000).for_each(|n| writer.write(0, &same(n))));
    let mut last = 0;
    while !writing.is_finished() {
        let read = board.read(0);
        assert!(read.turns >= last, "{} after {last}", read.turns);
        last = read.turns;
    }
    writing.join().expect("no panic");
    assert_eq!(board.read(0), same(19_999));
}
