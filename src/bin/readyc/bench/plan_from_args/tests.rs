//! Plans from command lines.

use super::*;
use crate::args::{Args, Command};
use clap::Parser;

const TIMEOUTS: Timeouts =
    Timeouts { connect: Duration::from_secs(1), answer: Duration::from_secs(2) };

fn options(line: &str) -> Result<Box<Options>, String> {
    let words = ["readyc", "bench"].into_iter().chain(line.split_whitespace());
    match Args::try_parse_from(words) {
        Ok(Args { command: Command::Bench(options), .. }) => Ok(options),
        Ok(_) => unreachable!("the command is bench"),
        Err(error) => Err(error.to_string()),
    }
}

fn plan(line: &str) -> Result<Plan, String> {
    let server = "127.0.0.1:9999".parse().unwrap();
    options(line)?.plan(&server, TIMEOUTS).map_err(|failure| {
        assert_eq!(failure.status(), 2, "{failure}");
        failure.to_string()
    })
}

#[test]
fn without_options_it_is_a_closed_loop_of_echoes_for_ten_seconds() {
    let plan = plan("").unwrap();
    assert_eq!(plan.destinations, ["127.0.0.1:9999".parse().unwrap()]);
    assert_eq!((plan.connections.active, plan.connections.total(), plan.pipeline), (64, 64, 1));
    assert_eq!((plan.pace, plan.lifetime), (Pace::Closed, Lifetime::Run));
    assert_eq!(
        plan.until,
        StopCondition { requests: None, duration: Some(Duration::from_secs(10)) }
    );
    let Workload::Framed(mix) = plan.workload else { panic!("{:?}", plan.workload) };
    assert_eq!((mix.echo, mix.lookup, mix.daytime, mix.sizes), (1, 0, 0, Sizes::fixed(64)));
    assert!(plan.verify && plan.reconnecting.reconnect);
    assert_eq!((plan.connecting.timeout, plan.timeout), (TIMEOUTS.connect, TIMEOUTS.answer));
}

#[test]
fn units_and_suffixes_are_understood() {
    let plan = plan("-c 2k -I 10k -R 1.5k -d 1.5m -s 1KiB-64k --warmup 500ms -n 1m").unwrap();
    assert_eq!((plan.connections.active, plan.connections.idle), (2000, 10_000));
    assert_eq!(plan.pace, Pace::Rates(vec![Step { rate: 1500.0, duration: Duration::MAX }]));
    let until =
        StopCondition { requests: Some(1_000_000), duration: Some(Duration::from_secs(90)) };
    assert_eq!((plan.until, plan.warmup), (until, Duration::from_millis(500)));
    let Workload::Framed(mix) = plan.workload else { panic!("{:?}", plan.workload) };
    assert_eq!(mix.sizes, Sizes { min: 1024, max: 65_536 });
}

#[test]
fn what_ends_a_run_is_what_was_said() {
    let seconds = |seconds| Some(Duration::from_secs(seconds));
    for (line, requests, duration) in [
        ("-n 5", Some(5), None),
        ("-n 5 -d 3s", Some(5), seconds(3)),
        ("--step 10:2s,20:3s", None, seconds(5)),
        ("--step 10:2s,20:3s --warmup 1s", None, seconds(5)),
        ("--step 10:2s -d 7s", None, seconds(7)),
    ] {
        let workers = if requests.is_some() { " --workers 1" } else { "" };
        let plan = plan(&format!("{line}{workers}")).unwrap();
        assert_eq!(plan.until, StopCondition { requests, duration }, "{line}");
    }
}

#[test]
fn a_lifetime_is_a_time_or_a_number_of_requests() {
    assert_eq!(plan("--lifetime 7").unwrap().lifetime, Lifetime::Requests(7));
    assert_eq!(plan("--lifetime 7s").unwrap().lifetime, Lifetime::Time(Duration::from_secs(7)));
    assert_eq!(plan("--plain daytime").unwrap().lifetime, Lifetime::Requests(1));
}

#[test]
fn escapes_become_bytes() {
    let plan = plan(r"--send a\r\n\t\0\\\x7fé --until \x0a").unwrap();
    let send = [b"a\r\n\t\0\\\x7f", "é".as_bytes()].concat();
    let answer = Answer::Until(b"\n".to_vec());
    assert_eq!(plan.workload, Workload::Raw(RawProtocol { send, answer }));
}

#[test]
fn sources_and_destinations_are_lists() {
    let plan = plan("127.0.0.1:1 127.0.0.1:2 --source 127.0.0.2-127.0.0.4,127.0.0.9").unwrap();
    assert_eq!(plan.destinations.len(), 2);
    assert_eq!(plan.sources.len(), 4);
}

#[test]
fn what_makes_no_sense_is_refused_in_words() {
    for (line, word) in [
        ("-c 0", "--connections"),
        ("-c 0 -I 5 -R 10", "--rate"),
        ("-c 0 -I 5 -n 10", "--requests"),
        ("-c 0 -I 5 --herd 1s", "--herd"),
        ("-c 0 -I 5 --step 5:1s", "--step"),
        ("-c 3 --workers 4", "--workers"),
        ("-n 3 --workers 4", "--requests"),
        ("-P 0", "--pipeline"),
        ("-s 5-3", "--size"),
        ("-s 2GiB", "--size"),
        ("-R 0", "--rate"),
        ("-R nan", "--rate"),
        ("-R 1e300", "--rate"),
        ("-d 0s", "--duration"),
        ("--step 5", "--step"),
        ("--step 5:1s -R 5", "--step"),
        ("--mix echo=0", "--mix"),
        ("--mix ping=1", "--mix"),
        ("--mix echo=x", "--mix"),
        ("--send x", "--expect"),
        ("--expect x", "--send"),
        ("--send x --expect y --until z", "--expect"),
        (r"--send \q --expect y", r"\q"),
        (r"--send \x1 --expect y", r"\x1"),
        ("--lifetime 0", "--lifetime"),
        ("--plain daytime -P 2", "--pipeline"),
        ("--plain daytime --lifetime 5s", "--lifetime"),
        ("--plain echo -s 0", "--size"),
        ("--plain daytime --storm 1s", "--storm"),
        ("--plain discard --slow-readers 1", "--slow"),
        ("--plain daytime -I 1", "--idle"),
        ("--plain chargen -I 1", "--idle"),
        ("--source ::1", "--source"),
        ("--source nonsense", "--source"),
    ] {
        let told = plan(line).expect_err(line);
        assert!(told.contains(word), "{line}: {told}");
    }
}

#[test]
fn workers_busy_wait_unless_that_is_forbidden() {
    for (line, may) in [("-R 100", true), ("-R 100 --no-busy-wait", false)] {
        let plan = plan(line).unwrap();
        assert_eq!((plan.busy_wait, options(line).unwrap().asked(&plan).busy_wait), (may, may));
    }
}

#[test]
fn the_report_says_what_was_asked() {
    let line = "-c 5 -I 6 -R 7 -P 2 -s 8-9 -d 3s --mix echo=80,daytime=20 --lifetime 3";
    let options = options(line).unwrap();
    let asked = options.asked(&plan(line).unwrap());
    assert_eq!((asked.connections, asked.idle, asked.rate), (5, 6, Some(7.0)));
    assert_eq!((asked.pipeline, asked.size_min, asked.size), (2, 8, 9));
    assert_eq!((asked.duration_s, asked.requests), (Some(3.0), None));
    assert_eq!(asked.workload, "echo=80,daytime=20");
    assert_eq!(asked.lifetime.as_deref(), Some("3 requests"));
    assert_eq!(asked.targets, ["127.0.0.1:9999"]);
}
