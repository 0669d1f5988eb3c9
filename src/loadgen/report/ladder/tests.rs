//! The ladder tells its result in one sentence, last, and escapes what is not its own.

use super::{FIND_SCHEMA, FindEnding, Ladder, Outcome, Quantity, Rung};
use crate::loadgen::report::sample::sample;
use crate::loadgen::report::{Percentiles, TextOptions};

fn rung(load: u64, p99: f64, held: bool) -> Rung {
    Rung {
        load,
        at_s: load as f64 / 1000.0,
        duration_s: 2.0,
        throughput: Some(load as f64),
        connections: 64,
        latency_us: Percentiles {
            count: 10_000,
            p50: 100.0,
            p99,
            max: 2.0 * p99,
            ..Default::default()
        },
        errors_share: 0.0,
        client_cpu_share: 0.25,
        client_work_share: None,
        server_cpu_share: None,
        outcome: if held { Outcome::Held } else { Outcome::Missed },
        misses: if held { Vec::new() } else { vec![format!("p99 < 5 ms: it was {p99} µs")] },
    }
}

pub(crate) fn ladder() -> Ladder {
    Ladder {
        schema: FIND_SCHEMA.to_owned(),
        id: "1".to_owned(),
        started_at: "2026-11-27T00:00:00Z".to_owned(),
        quantity: Quantity::Rate,
        targets: vec!["127.0.0.1:9999".to_owned()],
        workload: "echo".to_owned(),
        connections: Some(64),
        rate: None,
        goals: vec!["p99 < 5 ms".to_owned(), "errors < 0.1 %".to_owned()],
        held: Some(40_000),
        missed: Some(41_000),
        confirmations: 4,
        restless: 0,
        ending: FindEnding::Confirmed,
        reason: "the limit was found".to_owned(),
        rungs: vec![rung(20_000, 300.0, true), rung(40_000, 900.0, true), rung(41_000, 9e3, false)],
        environment: sample().environment,
    }
}

#[test]
fn the_result_is_the_last_line() {
    let text = ladder().text(TextOptions::default());
    let last = text.trim_end().rsplit_once("\nresult: ").expect("a result").1;
    let result = last.replace('\n', " ");
    assert_eq!(
        result,
        "40,000 requests per second held with p99 < 5 ms, errors < 0.1 % (held in 4 of its tries); \
         41,000 requests per second not"
    );
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
}

#[test]
fn a_goal_stays_on_one_line() {
    for width in 20..120 {
        let text = ladder().text(TextOptions { width, ..Default::default() });
        let result = text.rsplit_once("result: ").expect("a result").1;
        assert!(result.contains("p99 < 5 ms") && result.contains("errors < 0.1 %"), "{text}");
    }
}

#[test]
fn each_way_to_end_has_its_sentence() {
    let found = |held, missed, ending| Ladder { held, missed, ending, ..ladder() }.result();
    assert!(found(Some(9), None, FindEnding::AtTheMost).starts_with("at least 9 requests"));
    assert!(found(Some(9), None, FindEnding::OutOfTime).ends_with("(not confirmed)"));
    assert!(found(None, Some(1), FindEnding::NothingHeld).starts_with("not even 1 request per"));
    assert!(found(None, None, FindEnding::Interrupted).starts_with("no load was held"));
}

#[test]
fn what_the_samples_of_a_try_do_not_carry_is_left_out() {
    let mut few = ladder();
    few.rungs[0].latency_us.count = 99;
    let (all, some) = (ladder().html(), few.html());
    assert_eq!(some.matches("–").count(), all.matches("–").count() + 2, "table and values");
    assert!(few.text(TextOptions::default()).contains("–"));
}

#[test]
fn the_document_can_be_read_again() {
    let json = ladder().to_json();
    let read: Ladder = serde_json::from_str(&json).expect("what was written");
    assert_eq!(read.to_json(), json);
    assert!(json.contains("\"schema\": \"readyc.find/1\""));
    assert!(json.contains("\"ending\": \"confirmed\""));
}

#[test]
fn the_page_takes_no_text_for_markup() {
    let mut hostile = ladder();
    hostile.targets = vec!["<script>alert(1)</script>".to_owned()];
    hostile.rungs[2].misses = vec!["<b>".to_owned()];
    let page = hostile.html();
    assert!(!page.contains("<script>") && !page.contains("<b>"), "{page}");
    assert!(page.contains("Latency by load") && page.contains("p99"));
}

#[test]
fn a_search_that_tried_nothing_is_shown_too() {
    let empty = Ladder { rungs: Vec::new(), held: None, missed: None, ..ladder() };
    assert!(empty.html().contains("The tries"));
    let text = empty.text(TextOptions::default());
    assert!(text.contains("no load was held") && !text.contains("tries\n"), "{text}");
}

#[test]
fn the_client_s_cpu_is_shown_without_busy_waiting_where_that_is_known() {
    let shown = |ladder: &Ladder| ladder.text(TextOptions::default());
    assert!(shown(&ladder()).contains(" 25 %"));
    let mut known = ladder();
    known.rungs.iter_mut().for_each(|rung| rung.client_work_share = Some(0.125));
    assert!(shown(&known).contains("12.5 %") && !shown(&known).contains(" 25 %"));
}

#[test]
fn a_throughput_that_is_not_known_is_a_dash() {
    let mut short = ladder();
    short.rungs.truncate(1);
    assert!(!short.text(TextOptions::default()).contains('–'));
    short.rungs[0].throughput = None;
    assert!(short.text(TextOptions::default()).contains('–'));
    assert!(short.html().contains('–'));
    assert!(short.to_json().contains("\"throughput\": null"));
}

#[test]
fn the_servers_share_of_a_cpu_is_shown_where_there_is_room() {
    let shown = |ladder: &Ladder, width| ladder.text(TextOptions { width, ..Default::default() });
    assert!(!shown(&ladder(), 200).contains("server CPU"));
    let mut known = ladder();
    known.rungs[1].server_cpu_share = Some(1.5);
    let text = shown(&known, 100);
    assert!(text.contains("server CPU") && text.contains("150 %"), "{text}");
    assert!(!shown(&known, 80).contains("server CPU"));
    assert!(known.html().contains("server CPU"));
}
