use super::*;
use crate::top::figures::Close;

/// A reply to `STATS`.
#[derive(Clone, Debug)]
pub(in crate::top) struct Reply(Vec<(String, String)>);

impl Reply {
    /// Of a server that has run for that many seconds.
    pub(in crate::top) fn of(uptime: f64) -> Reply {
        Reply(Vec::new())
            .with("uptime_seconds", format!("{uptime:.3}"))
            .with("version", "0.1.0")
            .with("pid", 4711)
            .with("connections_open", 3)
            .with("connections_max", 100)
    }

    /// The last value of a name counts.
    pub(in crate::top) fn with(mut self, name: &str, value: impl ToString) -> Reply {
        self.0.push((name.to_owned(), value.to_string()));
        self
    }

    pub(in crate::top) fn text(&self) -> String {
        self.0.iter().map(|(name, value)| format!("{name} {value}\n")).collect()
    }

    /// Has it answered at that second.
    pub(in crate::top) fn to(&self, monitor: &mut Monitor, at: u64) {
        let text = self.text();
        let sample = Sample::parse(text.as_bytes()).expect("it has numbers");
        monitor.answered(seconds(at), sample, text.as_bytes());
    }
}

pub(in crate::top) fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

fn monitor() -> Monitor {
    Monitor::new("127.0.0.1:9999".to_owned(), seconds(1))
}

#[test]
fn rates_are_by_the_servers_clock_and_need_two_replies() {
    let mut monitor = monitor();
    assert!(!monitor.has_figures());
    Reply::of(10.0).with("requests", 1_000).with("cpu_microseconds", 500_000).to(&mut monitor, 1);
    assert!(monitor.has_figures() && monitor.whole.history.is_empty());
    assert_eq!((monitor.whole.figures.requests, monitor.whole.figures.open), (None, Some(3.0)));
    Reply::of(14.0)
        .with("requests", 3_000)
        .with("cpu_microseconds", 2_500_000)
        .with("connections_closed", 8)
        .with("turns", 200)
        .with("visits", 500)
        .to(&mut monitor, 2);
    let now = &monitor.whole.figures;
    // Four seconds by its clock, whatever ours says.
    assert_eq!((now.requests, now.cpu), (Some(500.0), Some(0.5)));
    assert_eq!((now.closed, now.visits_per_turn), (Some(2.0), Some(2.5)));
    assert_eq!((now.bytes_in, now.depths), (None, None), "what is not told is not known");
    assert_eq!(monitor.whole.values(|it| it.requests), [Some(500.0)]);
    assert_eq!(monitor.facts.version.as_deref(), Some("0.1.0"));
    assert_eq!((monitor.facts.pid, monitor.facts.shards), (Some(4711), None));
}

#[test]
fn a_server_that_was_restarted_counts_from_its_start_and_nothing_is_negative() {
    for (pid, case) in [(4711, "the counters went back"), (4712, "it is another process")] {
        let mut monitor = monitor();
        let reply = Reply::of(100.0).with("requests", 50_000);
        reply.to(&mut monitor, 1);
        reply.clone().with("uptime_seconds", "101").with("requests", 50_100).to(&mut monitor, 2);
        assert_eq!((monitor.whole.figures.requests, monitor.restarted), (Some(100.0), None));
        Reply::of(2.0).with("pid", pid).with("requests", 60).to(&mut monitor, 4);
        assert_eq!(monitor.whole.figures.requests, Some(30.0), "{case}");
        assert_eq!(monitor.restarted, Some(seconds(4)), "{case}");
        assert_eq!(monitor.whole.values(|it| it.requests), [Some(100.0), Some(30.0)]);
    }
}

#[test]
fn gauges_that_fall_are_no_restart() {
    let mut monitor = monitor();
    let gauges = ["connections_stalled", "output_queue_huge", "buffered_bytes", "connections_idle"];
    let reply = |uptime, value: u64| {
        gauges.iter().fold(Reply::of(uptime), |reply, name| reply.with(name, value))
    };
    reply(1.0, 5).to(&mut monitor, 1);
    reply(2.0, 0).to(&mut monitor, 2);
    assert_eq!(monitor.restarted, None);
}

#[test]
fn closes_are_sorted_by_what_happens_now() {
    let mut monitor = monitor();
    let reply = |uptime, reset: u64, shed: u64| {
        Reply::of(uptime)
            .with("closed_reset", reset)
            .with("closed_shed", shed)
            .with("closed_peer_closed", 900)
            .with("closed_drained", 0)
    };
    reply(1.0, 5, 1).to(&mut monitor, 1);
    reply(3.0, 9, 3).to(&mut monitor, 2);
    let close =
        |reason: &str, total, rate| Close { reason: reason.to_owned(), total, rate: Some(rate) };
    assert_eq!(
        monitor.whole.figures.closes,
        [close("reset", 9.0, 2.0), close("shed", 3.0, 1.0), close("peer closed", 900.0, 0.0)]
    );
}

/// A server with two shards.
fn sharded(uptime: f64, one: u64, other: u64) -> Reply {
    Reply::of(uptime)
        .with("shards", 2)
        .with("shards_answering", 1)
        .with("requests", one + other)
        .with("shard_1_requests", one)
        .with("shard_2_requests", other)
        .with("shard_2_connections_open", 9)
}

#[test]
fn shards_are_known_together_and_apart() {
    let mut monitor = monitor();
    sharded(1.0, 10, 20).to(&mut monitor, 1);
    sharded(2.0, 20, 50).to(&mut monitor, 2);
    let requests = |track: &Track| track.figures.requests;
    assert_eq!(monitor.facts.shards, Some((2, 1)));
    assert_eq!(requests(monitor.shown()), Some(40.0));
    assert_eq!(monitor.shards.iter().map(requests).collect::<Vec<_>>(), [Some(10.0), Some(30.0)]);
    let press = |monitor: &mut Monitor, key| {
        assert_eq!(monitor.pressed(key), Wish::Draw);
        monitor.selected
    };
    for (key, selected) in [
        (Key::Right, Some(0)),
        (Key::Right, Some(1)),
        (Key::Right, None),
        (Key::Left, Some(1)),
        (Key::Left, Some(0)),
        (Key::Character('2'), Some(1)),
        (Key::Character('3'), Some(1)),
        (Key::Character('0'), None),
        (Key::Character('1'), Some(0)),
    ] {
        assert_eq!(press(&mut monitor, key), selected, "{key:?}");
    }
    press(&mut monitor, Key::Character('2'));
    assert_eq!((requests(monitor.shown()), monitor.shown().figures.open), (Some(30.0), Some(9.0)));
    // A restart without shards leaves none to show.
    Reply::of(0.5).with("pid", 1).to(&mut monitor, 3);
    assert_eq!((monitor.selected, monitor.shards.len()), (None, 0));
}

#[test]
fn a_restart_of_shards_begins_each_again() {
    let mut monitor = monitor();
    sharded(100.0, 1_000, 2_000).to(&mut monitor, 1);
    sharded(2.0, 30, 10).with("pid", 5).to(&mut monitor, 2);
    let rates: Vec<_> = monitor.shards.iter().map(|shard| shard.figures.requests).collect();
    assert_eq!(rates, [Some(15.0), Some(5.0)]);
}

#[test]
fn a_server_that_is_gone_leaves_gaps_and_comes_back() {
    let mut monitor = monitor();
    monitor.failed(seconds(0), "connection refused".to_owned());
    monitor.failed(seconds(1), "connection refused".to_owned());
    assert_eq!(monitor.status, Status::Gone(seconds(0), "connection refused".to_owned()));
    assert!(monitor.whole.history.is_empty(), "there is nothing yet to have gaps in");
    Reply::of(1.0).with("requests", 0).to(&mut monitor, 2);
    Reply::of(2.0).with("requests", 7).to(&mut monitor, 3);
    assert_eq!(monitor.status, Status::Answered);
    monitor.missed(seconds(3));
    assert_eq!(monitor.status, Status::Late(seconds(3)));
    monitor.missed(seconds(3));
    monitor.failed(seconds(6), "no answer".to_owned());
    assert_eq!(monitor.status, Status::Gone(seconds(3), "no answer".to_owned()));
    Reply::of(7.0).with("requests", 12).to(&mut monitor, 8);
    let requests = monitor.whole.values(|it| it.requests);
    assert_eq!(requests, [Some(7.0), None, None, None, Some(1.0)]);
    assert_eq!(monitor.restarted, None);
}

#[test]
fn turns_are_told_apart_by_their_time() {
    let mut monitor = monitor();
    let reply = |uptime, [turns, one, ten, hundred]: [u64; 4]| {
        Reply::of(uptime)
            .with("turns", turns)
            .with("turns_over_one_ms", one)
            .with("turns_over_ten_ms", ten)
            .with("turns_over_hundred_ms", hundred)
    };
    reply(1.0, [100, 0, 0, 0]).to(&mut monitor, 1);
    reply(2.0, [200, 50, 25, 5]).to(&mut monitor, 2);
    assert_eq!(monitor.whole.figures.turn_times, Some([0.5, 0.25, 0.2, 0.05]));
    // Nothing happened.
    reply(3.0, [200, 50, 25, 5]).to(&mut monitor, 3);
    assert_eq!(monitor.whole.figures.turn_times, None);
}

#[test]
fn history_is_bounded() {
    let mut monitor = monitor();
    for at in 0..400 {
        Reply::of(at as f64).with("requests", at * at).to(&mut monitor, at);
    }
    assert_eq!(monitor.whole.history.len(), HISTORY);
    assert_eq!(monitor.whole.figures.requests, Some(399.0 + 398.0));
}

#[test]
fn keys_quit_and_help() {
    let mut monitor = monitor();
    for key in ['q', 'Q', '\u{3}'] {
        assert_eq!(monitor.pressed(Key::Character(key)), Wish::Quit);
    }
    assert_eq!(monitor.pressed(Key::Character('?')), Wish::Draw);
    assert!(monitor.shows_help);
    monitor.pressed(Key::Character('?'));
    assert!(!monitor.shows_help);
    monitor.pressed(Key::Character('h'));
    monitor.pressed(Key::Escape);
    assert!(!monitor.shows_help);
    monitor.pressed(Key::Right);
    monitor.pressed(Key::Left);
    assert_eq!(monitor.selected, None, "there are no shards");
}
