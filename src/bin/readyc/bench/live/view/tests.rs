//! The view at the sizes of real terminals, and the lines that stand in for it.

use super::{Figures, Phase, View};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use readyd::loadgen::report::units::columns;

/// A run of 30 s at 20,000 requests per second, after 12 of them.
fn view() -> View {
    let second = |at: u32| Figures {
        throughput: 20_000.0 - f64::from(at % 7) * 90.0,
        in_flight: u64::from(at * 7 % 40),
        p50: Some(60.4),
        p99: Some(404.0 + f64::from(at * 37 % 200)),
        max: Some(3_210.0),
        lag: 5.7,
        connections: 64,
        errors: u64::from(at == 7),
    };
    let mut view = View {
        phase: Phase::Measuring(12.0),
        wanted: 64,
        length: Some(30.0),
        target: Some(20_000.0),
        is_open_loop: true,
        ..View::new("echo of 127.0.0.1:9999".to_owned(), true)
    };
    (0..12).for_each(|at| view.push(second(at)));
    view
}

/// The lines of a terminal of this size that shows the view, without trailing spaces.
fn drawn(view: &View, columns: u16, rows: u16) -> Vec<String> {
    let mut terminal = Terminal::new(TestBackend::new(columns, rows)).expect("a terminal");
    terminal.draw(|frame| frame.render_widget(view, frame.area())).expect("no I/O");
    let buffer = terminal.backend().buffer();
    let line = |y| (0..columns).map(|x| buffer[(x, y)].symbol()).collect::<String>();
    (0..rows).map(|y| line(y).trim_end().to_owned()).collect()
}

#[test]
fn the_least_terminal_shows_all_figures_and_a_line_of_bars_for_each() {
    let lines = drawn(&view(), 60, 15);
    assert_eq!(lines[0], " readyc bench  echo of 127.0.0.1:9999");
    assert!(lines[1].starts_with(" measuring     12 of 30 s  ━━━━━━━━━━━━━"), "{lines:#?}");
    assert_eq!(lines[3], " throughput    19,640 requests per second of 20,000 asked");
    assert_eq!(lines[4], " latency       p50 60.4 µs, p99 411 µs, max 3.21 ms");
    assert_eq!(lines[5], " in flight     37, generator lag 5.70 µs");
    assert_eq!(lines[6], " connections   64 of 64              errors  1");
    for (line, name) in lines[8..12].iter().zip(["throughput", "p99", "in flight", "errors"]) {
        assert!(line.starts_with(&format!(" {name} ")), "{lines:#?}");
    }
    assert!(lines[8].contains('█') && lines[8].ends_with("19,640/s"), "{lines:#?}");
    assert_eq!(lines[14], " Ctrl-C ends the run and prints the report");
}

#[test]
fn larger_terminals_have_higher_bars_and_a_scale() {
    for (columns, rows, height) in [(80, 24, 3), (200, 50, 10)] {
        let lines = drawn(&view(), columns, rows);
        let at = |name: &str| {
            let is_it = |line: &String| line.starts_with(&format!(" {name} "));
            8 + lines[8..].iter().position(is_it).unwrap_or_else(|| panic!("{name}: {lines:#?}"))
        };
        assert_eq!(at("p99") - at("throughput"), height + 1, "{lines:#?}");
        assert!(lines[at("throughput")].ends_with("20,000/s"), "{lines:#?}");
        assert!(lines[at("throughput") + height - 1].ends_with(" 0/s"), "{lines:#?}");
    }
}

/// Where bars stand in the row of the lowest parts of the throughput's.
fn bars(view: &View, columns: u16) -> String {
    let line = drawn(view, columns, 15).swap_remove(8);
    line.chars().skip(15).take(usize::from(columns) - 28).collect()
}

#[test]
fn the_bars_of_a_run_fill_the_width_when_it_is_over() {
    for columns in [60, 80, 81, 133, 200, 300] {
        let room = usize::from(columns) - 28;
        let mut view = view();
        // 12 of 30 seconds.
        let drawn = bars(&view, columns);
        let used = drawn.trim_end().chars().count();
        assert!((used * 30).abs_diff(room * 12) < 30, "{columns}: {drawn:?}");
        assert!(!drawn.trim_end().contains(' '), "{columns}: {drawn:?}");
        (0..18).for_each(|_| view.push(view.last()));
        let drawn = bars(&view, columns);
        assert_eq!(drawn.trim_end().chars().count(), room, "{columns}: {drawn:?}");
        // Of a longer run, and of one whose length is unknown, the last minute is shown.
        view.length = None;
        let drawn = bars(&view, columns);
        let seconds = 60.min(room);
        let used = drawn.trim_end().chars().count();
        assert!((used * seconds).abs_diff(room * 30.min(seconds)) < seconds, "{drawn:?}");
    }
}

#[test]
fn a_terminal_that_is_too_small_is_drawn_without_a_panic() {
    for (columns, rows) in [(40, 15), (20, 3), (1, 1), (300, 5)] {
        assert_eq!(drawn(&view(), columns, rows).len(), usize::from(rows));
    }
}

#[test]
fn the_step_of_a_search_and_what_was_said_are_shown() {
    let mut searching = view();
    searching.step = Some("step 5: 8,000 requests per second, goal p99 < 5 ms".to_owned());
    searching.said = vec!["worker 1 was stuck \u{1b}[2J".to_owned()];
    let lines = drawn(&searching, 80, 24);
    assert_eq!(lines[1], " step 5: 8,000 requests per second, goal p99 < 5 ms");
    assert_eq!(lines[23], " worker 1 was stuck \\u{1b}[2J");
}

#[test]
fn connecting_and_warming_up_are_told() {
    let mut view = view();
    view.phase = Phase::Connecting { open: 12_000 };
    view.wanted = 60_000;
    assert!(drawn(&view, 80, 24)[1].starts_with(" connecting    12,000 of 60,000  ━━━━━"));
    assert_eq!(view.status(40), "connecting: 12,000 of 60,000");
    assert_eq!(view.log_line(), "connecting: 12,000 of 60,000");
    view.phase = Phase::Warmup;
    assert!(view.status(80).starts_with("warm-up, 19,640/s"));
}

#[test]
fn the_status_line_leaves_out_what_has_no_room() {
    let view = view();
    assert_eq!(
        view.status(200),
        "12 of 30 s, 19,640/s, p99 411 µs, 1 error, p50 60.4 µs, 37 in flight, 64 connections, \
         lag 5.70 µs"
    );
    assert_eq!(view.status(39), "12 of 30 s, 19,640/s, p99 411 µs");
    for width in 0..200 {
        assert!(columns(&view.status(width)) <= width);
    }
}

#[test]
fn a_line_of_a_log_tells_the_last_second() {
    assert_eq!(
        view().log_line(),
        "12 of 30 s: 19,640 requests per second of 20,000 asked, in flight 37, p50 60.4 µs, p99 \
         411 µs, max 3.21 ms, lag 5.70 µs, 64 of 64 connections, 0 errors"
    );
    let mut closed = view();
    closed.is_open_loop = false;
    closed.target = None;
    closed.length = None;
    closed.requests = Some(1_000_000);
    closed.answered = 240_000;
    let told = "12 s, 240,000 of 1,000,000 requests: 19,640 requests per second, in flight 37, ";
    assert!(closed.log_line().starts_with(told), "{}", closed.log_line());
}

#[test]
fn only_the_last_minute_is_kept() {
    let mut view = view();
    (0..100).for_each(|_| view.push(Figures { errors: 2, ..Figures::default() }));
    assert_eq!((view.seconds.len(), view.errors), (60, 201));
}

#[test]
fn a_step_that_connects_shows_no_figure_of_the_step_before() {
    let view = View { phase: Phase::Connecting { open: 64 }, wanted: 128, ..view() };
    let lines = drawn(&view, 80, 24);
    assert_eq!(lines[4], " latency       p50 –, p99 –, max –");
    assert_eq!(lines[6], " connections   64 of 128             errors  1");
    let mut terminal = Terminal::new(TestBackend::new(80, 24)).expect("a terminal");
    terminal.draw(|frame| frame.render_widget(&view, frame.area())).expect("no I/O");
    // Fewer than are wanted are no fault yet.
    let cell = &terminal.backend().buffer()[(15, 6)];
    assert_eq!((cell.symbol(), cell.fg), ("6", ratatui::style::Color::Reset));
}
