//! The screen at the sizes of real terminals, and at all others.

use super::View;
use crate::screen::keyboard::Key;
use crate::top::monitor::Monitor;
use crate::top::monitor::tests::{Reply, seconds};
use proptest::prelude::*;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::style::{Color, Modifier};

/// A busy server of this many shards, or without, that has been watched for `count` seconds.
fn busy(shards: usize, count: u64) -> Monitor {
    let mut monitor = Monitor::new("127.0.0.1:9999".to_owned(), seconds(1));
    for at in 0..count {
        busy_reply(shards, at).to(&mut monitor, at);
    }
    monitor
}

fn busy_reply(shards: usize, at: u64) -> Reply {
    let uptime = 273_600.0 + at as f64;
    let mut reply = Reply::of(uptime);
    let prefixes = (1..=shards).map(|number| format!("shard_{number}_"));
    for prefix in std::iter::once(String::new()).chain(prefixes) {
        let numbers = [
            ("connections_open", 1_204),
            ("connections_max", 10_000),
            ("connections_idle", 1_100),
            ("connections_reading", 3),
            ("connections_sending", 80),
            ("connections_stalled", 12),
            ("connections_producing", 0),
            ("connections_closing", 5),
            ("connections_lingering", 4),
            ("output_queue_empty", 1_100),
            ("output_queue_small", 80),
            ("output_queue_medium", 20),
            ("output_queue_large", 3),
            ("output_queue_huge", 1),
            ("connections_accepted", 1_200_000 + 120 * at),
            ("connections_closed", 1_198_796 + 118 * at),
            ("closed_peer_closed", 1_198_000 + 117 * at),
            ("closed_reset", 796 + at),
            ("requests", 52_310 * at + at * at),
            ("refusals", 2 * at),
            ("bytes_in", 12_900_000 * at),
            ("bytes_out", 14_890_000 * at),
            ("memory_limit_bytes", 1 << 30),
            ("buffered_bytes", 12 << 20),
            ("resident_bytes", 31 << 20),
            ("cpu_microseconds", 610_000 * at),
            ("visits", 52_000 * at),
            ("turns", 10_200 * at),
            ("turns_over_one_ms", 30 * at),
            ("turns_over_ten_ms", at),
            ("turns_over_hundred_ms", 0),
            ("longest_turn_microseconds", 1_204),
        ];
        for (name, value) in numbers {
            reply = reply.with(&format!("{prefix}{name}"), value);
        }
    }
    match shards {
        0 => reply,
        _ => reply.with("shards", shards).with("shards_answering", shards),
    }
}

fn terminal(
    monitor: &Monitor,
    now: u64,
    size: (u16, u16),
    has_color: bool,
) -> Terminal<TestBackend> {
    let mut terminal = Terminal::new(TestBackend::new(size.0, size.1)).expect("a terminal");
    let view = View { monitor, now: seconds(now), has_color, has_keys: true };
    terminal.draw(|frame| frame.render_widget(&view, frame.area())).expect("no I/O");
    terminal
}

/// The lines of a terminal of this size, without trailing spaces.
fn drawn(monitor: &Monitor, now: u64, size: (u16, u16)) -> Vec<String> {
    let terminal = terminal(monitor, now, size, true);
    let buffer = terminal.backend().buffer();
    let line = |y| (0..size.0).map(|x| buffer[(x, y)].symbol()).collect::<String>();
    (0..size.1).map(|y| line(y).trim_end().to_owned()).collect()
}

/// Checks that a line is there, whatever stands beside its end.
fn assert_has(lines: &[String], begin: &str) {
    assert!(lines.iter().any(|line| line.starts_with(begin)), "{begin:?} is not in {lines:#?}");
}

#[test]
fn the_smallest_terminal_shows_every_kind_of_figure() {
    let lines = drawn(&busy(0, 30), 30, (40, 10));
    assert_eq!(
        lines,
        [
            " readyc top  127.0.0.1:9999  up 3 d 4 h",
            " open     1,204 of 10,000",
            " state    stalled 12  sending 80",
            " output   ≥ 1 MiB 1  < 1 MiB 3",
            " requests 52,367/s  errors 2/s",
            " bytes    in 12.3 MiB/s  out 14.2 MiB/s",
            " loop     CPU 61 %  max turn 1.20 ms",
            " closed   118/s  peer closed 117/s",
            " requests      ████████████ 52,367/s",
            " q quit   ? help",
        ]
    );
}

#[test]
fn a_usual_terminal_shows_bars_beside_each_other_and_trends() {
    let lines = drawn(&busy(0, 30), 30, (80, 24));
    for begin in [
        " readyc top  127.0.0.1:9999                  up 3 d 4 h, pid 4711, readyd 0.1.0",
        " connections   1,204 of 10,000            output queue  buffers 12.0 MiB",
        " idle            1,100 ━━━━━━━━━━━━",
        " sending            80 ━",
        " requests      52,367/s  errors 2/s  accepted 120/s  rejected –",
        " bytes         in 12.3 MiB/s  out 14.2 MiB/s  resident 31.0 MiB",
        " loop          CPU 61 %  longest turn 1.20 ms  turns 10,200/s",
        " closed        118/s  peer closed 117/s  reset 1/s",
        " q quit   ? help",
    ] {
        assert_has(&lines, begin);
    }
    for name in ["requests", "longest turn", "connections", "CPU"] {
        let of_trend =
            |line: &&String| line.starts_with(&format!(" {name} ")) && line.contains('█');
        assert!(lines.iter().any(|line| of_trend(&line)), "{name}: {lines:#?}");
    }
}

#[test]
fn larger_terminals_show_closes_turns_and_more_trends() {
    let lines = drawn(&busy(0, 60), 60, (120, 40));
    let closed = lines.iter().find(|line| line.contains("peer closed")).expect("closes");
    assert!(closed.ends_with("117/s   1,204,903"), "{closed}");
    assert_has(&lines, " > 100 ms      ");
    assert_has(&lines, " 1 – 10 ms     ");
    let lines = drawn(&busy(0, 300), 300, (300, 100));
    for name in ["requests", "connections", "bytes in", "CPU", "bytes out", "longest turn"] {
        assert!(lines.iter().any(|line| line.contains(name)), "{name}");
    }
    assert!(lines.iter().any(|line| line.chars().filter(|&c| c == '█').count() > 150));
}

#[test]
fn shards_stand_beside_each_other_and_one_can_be_chosen() {
    let mut monitor = busy(4, 20);
    let lines = drawn(&monitor, 20, (80, 24));
    assert_has(&lines, " shard         open     requests    CPU  longest turn  stalled     closed");
    assert_has(&lines, " 4            1,204     52,347/s   61 %       1.20 ms       12      118/s");
    assert_has(&lines, " q quit   ? help   ← → shard");
    assert_has(&drawn(&monitor, 20, (40, 10)), " shards   4 of 4 answer");
    monitor.pressed(Key::Character('3'));
    let lines = drawn(&monitor, 20, (80, 24));
    assert_has(&lines, " readyc top  127.0.0.1:9999, shard 3 of 4");
    let terminal = terminal(&monitor, 20, (80, 24), true);
    let row = lines.iter().position(|line| line.starts_with(" 3     ")).expect("a row of shard 3");
    let cell = &terminal.backend().buffer()[(5, u16::try_from(row).expect("a row"))];
    assert!(cell.modifier.contains(Modifier::REVERSED), "{cell:?}");
}

#[test]
fn the_selected_shard_is_in_sight_however_many_there_are() {
    let mut monitor = busy(64, 5);
    monitor.pressed(Key::Left);
    for size in [(80, 24), (120, 40), (300, 100)] {
        let lines = drawn(&monitor, 5, size);
        assert_has(&lines, " 64     ");
    }
}

#[test]
fn what_is_wrong_is_said_over_the_figures() {
    let mut monitor = Monitor::new("example:9999".to_owned(), seconds(1));
    assert_eq!(drawn(&monitor, 0, (80, 24))[22], " waiting for an answer for 0 s");
    let refused = "cannot connect to 127.0.0.1:9999: connection refused (is readyd running?)";
    monitor.failed(seconds(1), refused.to_owned());
    let lines = drawn(&monitor, 8, (40, 10));
    assert_eq!(
        lines[6..9],
        [
            " cannot connect to 127.0.0.1:9999:",
            " connection refused (is readyd",
            " running?); trying again for 8 s"
        ]
    );
    let mut monitor = busy(0, 5);
    monitor.missed(seconds(5));
    let lines = drawn(&monitor, 67, (80, 24));
    assert_eq!(lines[22], " no answer for 1 m 2 s; the figures are older");
    assert_has(&lines, " requests      ");
    let stale = terminal(&monitor, 67, (80, 24), true);
    assert!(stale.backend().buffer()[(1, 3)].modifier.contains(Modifier::DIM));
    Reply::of(1.0).to(&mut monitor, 70);
    assert_eq!(drawn(&monitor, 73, (80, 24))[22], " the server was restarted 3 s ago");
    assert!(!drawn(&monitor, 80, (80, 24))[22].contains("restarted"));
    let mut monitor = busy(4, 5);
    busy_reply(4, 5).with("shards_answering", 3).to(&mut monitor, 5);
    assert_eq!(drawn(&monitor, 5, (80, 24))[22], " 3 of 4 shards answer");
}

#[test]
fn text_from_the_server_is_harmless() {
    let mut monitor = Monitor::new("evil\u{1b}[2J".to_owned(), seconds(1));
    let reply = Reply::of(1.0).with("version", "\u{1b}]0;x\u{7}").with("closed_\u{202e}x", 5);
    reply.to(&mut monitor, 1);
    monitor.failed(seconds(2), "the server refused: \u{9b}31m".to_owned());
    for size in [(40, 10), (80, 24), (120, 40)] {
        let text = drawn(&monitor, 2, size).concat();
        assert!(!text.contains(readyd::printable::is_steering), "{text:?}");
    }
}

#[test]
fn without_colours_there_are_none() {
    let monitor = busy(4, 30);
    for size in [(40, 10), (80, 24), (120, 40)] {
        let terminal = terminal(&monitor, 30, size, false);
        let cells = &terminal.backend().buffer().content;
        assert!(cells.iter().all(|cell| cell.fg == Color::Reset && cell.bg == Color::Reset));
    }
}

#[test]
fn the_help_says_the_keys_first() {
    let mut monitor = busy(0, 3);
    monitor.pressed(Key::Character('?'));
    let small = drawn(&monitor, 3, (40, 10));
    assert_has(&small, " q, Ctrl-C   quit");
    assert_has(&small, " … a larger terminal shows more");
    assert_has(&small, " q quit   ? back");
    let lines = drawn(&monitor, 3, (80, 24));
    assert_has(&lines, " stalled     requests wait for room");
    assert_has(&lines, " own         one request each 1 s is top's own");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_size_is_drawn_and_no_figure_is_cut(
        size in (1u16..320, 1u16..110),
        shards in 0usize..9,
        count in 1u64..90,
        keys in proptest::collection::vec(proptest::sample::select(vec![
            Key::Right, Key::Left, Key::Character('?'), Key::Character('2'), Key::Escape,
        ]), 0..6),
        is_gone in any::<bool>(),
    ) {
        let mut monitor = busy(shards, count);
        for key in keys {
            monitor.pressed(key);
        }
        if is_gone {
            monitor.failed(seconds(count), "connection refused".to_owned());
        }
        let lines = drawn(&monitor, count + 3, size);
        if size.0 < 40 || size.1 < 10 {
            return Ok(());
        }
        // Nothing stands in the last column, where a text would be cut.
        for line in &lines {
            prop_assert!(line.chars().count() < usize::from(size.0), "{line:?}");
        }
        if is_gone {
            prop_assert!(lines.concat().contains("connection refused"));
        }
        prop_assert!(lines[lines.len() - 1].starts_with(" q quit"));
    }
}
