use super::*;
use std::collections::BTreeSet;

const UPTIME: Duration = Duration::from_millis(12_500);

fn stats(number: u64) -> Stats {
    let count = Stats::default().to_numbers().len() as u64;
    Stats::from_numbers((0..count).map(|index| number + index))
}

/// The value of the only sample with this name and these labels.
fn value(text: &str, sample: &str) -> String {
    let mut found = text.lines().filter_map(|line| line.strip_prefix(sample)?.strip_prefix(' '));
    let value = found.next().unwrap_or_else(|| panic!("no {sample}"));
    assert_eq!(found.next(), None, "{sample} is there twice");
    value.to_owned()
}

/// Names are declared once, before their samples, and end as their kind asks for.
fn check(text: &str) {
    let (mut declared, mut seen) = (BTreeSet::new(), BTreeSet::new());
    let (mut name, mut kind) = ("", "");
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            name = rest.split_once(' ').expect("a name and its help").0;
            assert!(declared.insert(name), "{name} is declared twice");
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (typed, of_kind) = rest.split_once(' ').expect("a name and its type");
            assert_eq!(typed, name);
            kind = of_kind;
            assert_eq!(name.ends_with("_total"), kind == "counter", "{name}");
        } else {
            let (sample, value) = line.rsplit_once(' ').expect("a sample and its value");
            let own = sample.split('{').next().expect("a name");
            let suffix = own.strip_prefix(name).unwrap_or_else(|| panic!("{own} is not {name}"));
            let is_of_histogram = ["_bucket", "_sum", "_count"].contains(&suffix);
            assert!(if kind == "histogram" { is_of_histogram } else { suffix.is_empty() }, "{own}");
            assert!(value.parse::<f64>().is_ok_and(f64::is_finite), "{line}");
            assert!(seen.insert(sample), "{sample} is there twice");
        }
    }
    assert!(text.ends_with('\n'));
}

#[test]
fn the_text_of_a_server_is_sound() {
    for stats in [Stats::default(), stats(1), stats(1 << 50)] {
        check(&of_server(&stats, UPTIME));
    }
}

#[test]
fn shards_are_told_together_and_each() {
    let shards = Shards { count: 2, answering: 2, with_newest_table: 1 };
    let each = [stats(10), stats(1000)];
    let text = of_shards(shards, &each, UPTIME);
    check(&text);
    assert_eq!(value(&text, "readyd_shards"), "2");
    assert_eq!(value(&text, "readyd_shards_with_newest_table"), "1");
    let number = |sample: &str| value(&text, sample).parse::<u64>().expect("a count");
    for name in ["requests_total", "turn_events_count"] {
        let of = |shard| number(&format!("readyd_shard_{name}{{shard=\"{shard}\"}}"));
        assert_eq!(number(&format!("readyd_{name}")), of(1) + of(2), "{name}");
    }
    let closed = |labels: &str| number(&format!("readyd_{labels}reason=\"reset\"}}"));
    let of = |shard| closed(&format!("shard_connections_closed_total{{shard=\"{shard}\","));
    assert_eq!(closed("connections_closed_total{"), of(1) + of(2));
}

#[test]
fn what_confines_the_shards_is_told_once_and_of_each() {
    let shards = Shards { count: 2, answering: 2, with_newest_table: 2 };
    let of = |landlock_abi| Stats { landlock_abi, ..Stats::default() };
    let text = of_shards(shards, &[of(7), of(0)], UPTIME);
    assert_eq!(value(&text, "readyd_landlock_abi"), "7");
    assert_eq!(value(&text, "readyd_shard_landlock_abi{shard=\"1\"}"), "7");
    assert_eq!(value(&text, "readyd_shard_landlock_abi{shard=\"2\"}"), "0");
    assert_eq!(value(&of_server(&of(4), UPTIME), "readyd_landlock_abi"), "4");
}

#[test]
fn times_are_in_seconds_without_rounding() {
    let mut stats = Stats { cpu_micros: 1_500_010, ..Stats::default() };
    [1024, 1025, 3_000_000_000].iter().for_each(|&nanos| stats.turn_times.note(nanos));
    let text = of_server(&stats, UPTIME);
    assert_eq!(value(&text, "readyd_uptime_seconds"), "12.5");
    assert_eq!(value(&text, "readyd_cpu_seconds_total"), "1.50001");
    let bucket =
        |bound| value(&text, &format!("readyd_turn_duration_seconds_bucket{{le=\"{bound}\"}}"));
    assert_eq!(bucket("0.000001024"), "1");
    assert_eq!(bucket("0.000002048"), "2");
    assert_eq!(bucket("1.073741824"), "2");
    assert_eq!(bucket("+Inf"), "3");
    assert_eq!(value(&text, "readyd_turn_duration_seconds_sum"), "3.000002049");
    assert_eq!(value(&text, "readyd_turn_duration_seconds_count"), "3");
    assert_eq!(value(&text, "readyd_longest_turn_seconds"), "0");
}

#[test]
fn every_metric_is_documented_and_nothing_else_is() {
    const DOCUMENT: &str = include_str!("../../../../docs/statistics.md");
    let shards = Shards { count: 2, answering: 2, with_newest_table: 1 };
    let text = of_shards(shards, &[stats(10)], UPTIME);
    let mut told = Vec::new();
    let mut help = "";
    for line in text.lines().filter(|line| !line.contains(" readyd_shard_")) {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            help = rest.split_once(' ').expect("a name and its help").1;
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').expect("a name and its type");
            told.push(format!("| {name} | {kind} | {help} |"));
        }
    }
    let documented: Vec<&str> =
        DOCUMENT.lines().filter(|line| line.starts_with("| readyd_")).collect();
    assert_eq!(told, documented);
}
