use super::*;
use crate::server::close::CloseReason;
use crate::server::stats::publishing::SharedStats;
use nix::unistd::dup;
use std::time::Duration;

/// Statistics in which each number is another, and one connection is open.
fn stats(first: u64) -> Stats {
    let mut stats = Stats::default();
    for (place, number) in stats.numbers().into_iter().zip(first..) {
        *place = number;
    }
    stats.accepted = stats.closed_total() + 1;
    stats
}

fn second_handle(scoreboard: &Scoreboard) -> Scoreboard {
    Scoreboard::open(dup(scoreboard).expect("a descriptor")).expect("a scoreboard")
}

fn slot(scoreboard: &Scoreboard, number: usize, age: Duration) -> ScoreboardSlot {
    ScoreboardSlot::take(second_handle(scoreboard), number, age)
        .expect("a scoreboard that can be read")
}

#[test]
fn what_one_writes_another_reads() {
    let scoreboard = Scoreboard::create(3).expect("memory");
    let other = second_handle(&scoreboard);
    assert_eq!(other.total(), Stats::default());
    scoreboard.write(2, &stats(100));
    scoreboard.write(0, &stats(7));
    assert_eq!(other.read(0), stats(7));
    assert_eq!(other.read(1), Stats::default());
    assert_eq!(other.read(2), stats(100));
    let mut sum = stats(7);
    sum.add(&stats(100));
    assert_eq!(other.total(), sum);
}

#[test]
fn there_is_nothing_where_there_is_no_place() {
    let scoreboard = Scoreboard::create(2).expect("memory");
    assert_eq!(scoreboard.read(5), Stats::default());
}

#[test]
fn a_successor_goes_on_from_what_stands_there() {
    let scoreboard = Scoreboard::create(2).expect("memory");
    let open = Stats { accepted: 5, requests: 50, table_keys: 2, ..Stats::default() };
    let mut first = slot(&scoreboard, 1, Duration::ZERO);
    first.publish(&open);
    assert_eq!((scoreboard.read(1).open(), scoreboard.total().open()), (5, 5));

    let mut second = slot(&scoreboard, 1, Duration::from_secs(9));
    assert_eq!((second.shards().count, second.age_at_start()), (2, Duration::from_secs(9)));
    second.publish(&Stats { accepted: 1, requests: 2, table_keys: 3, ..Stats::default() });
    let total = second.total();
    assert_eq!((total.accepted, total.open(), total.requests, total.table_keys), (6, 1, 52, 3));
    assert_eq!(total.closed[CloseReason::SystemError as usize], 5);
}

#[test]
fn a_reading_during_writes_is_of_one_moment() {
    let scoreboard = Scoreboard::create(1).expect("memory");
    let writer = second_handle(&scoreboard);
    let same = |number| {
        let mut stats = Stats::default();
        stats.numbers().into_iter().for_each(|place| *place = number);
        stats
    };
    let writing = std::thread::spawn(move || (0..20_000).for_each(|n| writer.write(0, &same(n))));
    let mut last = 0;
    while !writing.is_finished() {
        let read = scoreboard.read(0);
        assert!(read.turns >= last, "{} after {last}", read.turns);
        last = read.turns;
    }
    writing.join().expect("no panic");
    assert_eq!(scoreboard.read(0), same(19_999));
}

#[test]
fn two_processes_of_a_shard_count_side_by_side() {
    let scoreboard = Scoreboard::create(1).expect("memory");
    let mut draining = slot(&scoreboard, 0, Duration::ZERO);
    let mut successor = slot(&scoreboard, 1, Duration::ZERO);
    draining.publish(&Stats { accepted: 3, requests: 30, ..Stats::default() });
    successor.publish(&Stats { accepted: 2, requests: 4, ..Stats::default() });
    assert_eq!((scoreboard.total().open(), scoreboard.total().requests), (5, 34));

    // The first ends, and the next process that has its slot goes on from there.
    scoreboard.end(0);
    assert_eq!((scoreboard.total().open(), scoreboard.total().requests), (2, 34));
    slot(&scoreboard, 0, Duration::ZERO).publish(&Stats::default());
    assert_eq!((scoreboard.total().open(), scoreboard.total().requests), (2, 34));
}

#[test]
fn a_writer_that_is_killed_in_the_middle_leaves_what_it_wrote_before() {
    let scoreboard = Scoreboard::create(1).expect("memory");
    scoreboard.write(0, &stats(100));
    scoreboard.write(0, &stats(200));
    // A third write would begin over the older copy, which is the first half.
    let part = [3_u64.to_ne_bytes(), 0_u64.to_ne_bytes(), 300_u64.to_ne_bytes()].concat();
    scoreboard.file.write_all_at(&part, scoreboard.layout.offset(0, 0)).expect("memory");
    assert_eq!(second_handle(&scoreboard).read(0), stats(200));
    scoreboard.write(0, &stats(400));
    scoreboard.write(0, &stats(500));
    assert_eq!(second_handle(&scoreboard).read(0), stats(500));

    // Nor does it matter if that was the first write of all.
    scoreboard.file.write_all_at(&part, scoreboard.layout.offset(1, 0)).expect("memory");
    assert_eq!(second_handle(&scoreboard).read(1), Stats::default());
    scoreboard.write(1, &stats(600));
    assert_eq!(second_handle(&scoreboard).read(1), stats(600));
}

#[test]
fn the_supervisor_tells_what_only_it_knows() {
    let scoreboard = Scoreboard::create(3).expect("memory");
    let count = 3;
    assert_eq!(scoreboard.overview(), Shards { count, ..Shards::default() });
    let known = Shards { count, answering: 2, with_newest_table: 1 };
    scoreboard.write_overview(&known);
    assert_eq!(second_handle(&scoreboard).overview(), known);
    assert_eq!(scoreboard.total(), Stats::default(), "nothing of it counts as a shard's");
}

/// A scoreboard as a version makes it that has these names and no others, and copies of this size.
fn board_with_names(names: &[&str], copy: usize) -> OwnedFd {
    let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
    Scoreboard::with_copies(2, &names, copy).expect("memory").file.into()
}

#[test]
fn a_board_of_another_version_is_read_and_written_by_name() {
    let theirs = ["turns", "of_tomorrow", "requests"];
    for copy in [SMALL_COPY, ROOMY_COPY] {
        let scoreboard = Scoreboard::open(board_with_names(&theirs, copy)).expect("a scoreboard");
        scoreboard.write(1, &Stats { requests: 5, turns: 7, bytes_in: 9, ..Stats::default() });
        assert_eq!(scoreboard.read(1), Stats { requests: 5, turns: 7, ..Stats::default() });
        let Ok(Newest::Whole(copy)) = scoreboard.newest(1) else { panic!("no copy") };
        assert_eq!(copy.numbers, [7, 0, 5]);
    }
}

#[test]
fn numbers_of_another_version_are_kept_and_missing_ones_are_zero() {
    let theirs = ["turns", "of_tomorrow", "requests"];
    let tomorrow = Scoreboard::open(board_with_names(&theirs, SMALL_COPY)).expect("a scoreboard");
    tomorrow.write_row(0, |row| row.copy_from_slice(&[1, 70, 20]));
    tomorrow.write_row(1, |row| row.copy_from_slice(&[2, 7, 3]));
    // What this version writes leaves the others alone.
    tomorrow.write(1, &Stats { requests: 4, turns: 2, ..Stats::default() });
    let ours = Scoreboard::create_after(1, &[tomorrow]).expect("memory");
    assert_eq!(ours.total(), Stats { requests: 24, turns: 3, ..Stats::default() });
    ours.write(1, &Stats { bytes_in: 9, ..Stats::default() });
    let next = Scoreboard::create_after(3, &[ours]).expect("memory");
    let sum = Stats { requests: 24, turns: 3, bytes_in: 9, ..Stats::default() };
    assert_eq!(next.total(), sum);
    assert_eq!(next.unknown(0).expect("memory"), [("of_tomorrow".to_owned(), 77)]);
}

#[test]
fn a_generation_goes_on_from_those_that_have_ended_and_counts_those_that_have_not() {
    let (ended, alive) =
        (Scoreboard::create(2).expect("memory"), Scoreboard::create(1).expect("memory"));
    ended.write(0, &Stats { accepted: 5, requests: 10, table_reloads: 1, ..Stats::default() });
    ended.write(3, &Stats { requests: 20, peak: 9, ..Stats::default() });
    alive.write(0, &Stats { accepted: 1, requests: 100, peak: 4, ..Stats::default() });
    let ours = Scoreboard::create_after(1, &[ended]).expect("memory");
    // What was open when it ended is closed.
    assert_eq!((ours.total().accepted, ours.total().open()), (5, 0));
    let mut own = slot(&ours, 0, Duration::ZERO).after(vec![second_handle(&alive)]);
    own.publish(&Stats { accepted: 2, requests: 1000, table_reloads: 1, ..Stats::default() });
    let total = own.total();
    assert_eq!((total.requests, total.accepted, total.open()), (1130, 8, 3));
    assert_eq!((total.peak, total.table_reloads), (9, 2));
    assert_eq!(own.each().first(), Some(&total));
    // The other counts on, and its end closes what it had open.
    alive.write(0, &Stats { accepted: 2, requests: 101, peak: 4, ..Stats::default() });
    assert_eq!(own.total().requests, 1131);
    alive.end_all();
    assert_eq!((own.total().accepted, own.total().open()), (9, 2));
}

#[test]
fn a_file_that_is_no_board_is_refused() {
    let no_scoreboard = |scoreboard: OwnedFd| {
        let error = Scoreboard::open(scoreboard).expect_err("it is none");
        assert_eq!(error.to_string(), "not a board for statistics");
    };
    let other_layout = Scoreboard::create(1).expect("memory");
    other_layout.file.write_all_at(b"readydS9", 0).expect("memory");
    no_scoreboard(other_layout.file.into());
    for place in 2..BEFORE_NAMES {
        let lying = Scoreboard::create(1).expect("memory");
        let number = u64::MAX.to_ne_bytes();
        lying.file.write_all_at(&number, (place * WORD) as u64).expect("memory");
        no_scoreboard(lying.file.into());
    }
    let empty = memfd_create(c"empty", MFdFlags::MFD_CLOEXEC).expect("memory");
    assert_eq!(Scoreboard::open(empty).expect_err("empty").kind(), io::ErrorKind::UnexpectedEof);
}

#[test]
fn a_place_has_room_for_histograms_unless_files_have_to_be_small() {
    assert_eq!(Scoreboard::create(4).expect("memory").layout.copy, ROOMY_COPY);
    let small = Scoreboard::create_small(2).expect("memory");
    let size = small.file.metadata().expect("a file").len();
    assert!(size <= 8192, "{size} bytes for two shards");
    small.write(3, &stats(100));
    let without = Stats {
        metrics_accepted: 0,
        metrics_closed: 0,
        draining: 0,
        turn_times: Default::default(),
        turn_events: Default::default(),
        queue_waits: Default::default(),
        ..stats(100)
    };
    assert_eq!(second_handle(&small).read(3), without);
}
