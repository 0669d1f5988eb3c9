//! Loads that cannot be run: each says what is wrong and what to do, with the right status.

use crate::support::bench::bench as load;
use crate::support::readyc::{self, Ended, nobody_listens};
use crate::support::{Launch, Server};

/// Runs `readyc bench` with these arguments, words with a space between.
fn bench(arguments: &str) -> Ended {
    let words: Vec<&str> = ["bench"].into_iter().chain(arguments.split_whitespace()).collect();
    readyc::run(&mut readyc::command(&words), b"")
}

/// Arguments that are not accepted, and a word that the message must hold.
const BAD_USAGE: &[(&str, &str)] = &[
    ("-c 0", "0"),
    ("-c many", "many"),
    ("-c -1", "-1"),
    ("-I lots", "lots"),
    ("-n 0", "0"),
    ("-d 0", "0"),
    ("-d soon", "soon"),
    ("-d -1s", "-1"),
    ("-R 0", "0"),
    ("-R -5", "-5"),
    ("-R fast", "fast"),
    ("-R nan", "nan"),
    ("-R inf", "inf"),
    ("-P 0", "0"),
    ("-s 9-3", "9-3"),
    ("-s big", "big"),
    ("-s 18446744073709551616", "18446744073709551616"),
    ("-t 0", "0"),
    ("-t never", "never"),
    ("--connect-timeout 0", "0"),
    ("--connect-rate 0", "0"),
    ("--connect-parallel 0", "0"),
    ("--mix echo", "echo"),
    ("--mix shout=3", "shout"),
    ("--mix echo=0", "--mix"),
    ("--source 127.0.0.9-127.0.0.2", "127.0.0.9"),
    ("--source 300.0.0.1", "300.0.0.1"),
    ("--source 127.0.0.0/33", "127.0.0.0/33"),
    ("--workers 0", "0"),
    ("--step 100", "100"),
    ("--step 100:1s,200", "200"),
    ("--step 100:1s -R 5", "--step"),
    ("--lifetime 0", "0"),
    ("--close gently", "gently"),
    ("--herd 0", "0"),
    ("--storm 0", "0"),
    ("--plain finger", "finger"),
    ("--plain echo --mix echo=1", "--plain"),
    ("--send x", "--expect"),
    ("--expect x", "--send"),
    ("--send x --expect y --until z", "--until"),
    ("--send x --expect y --plain echo", "--plain"),
    ("--send \\q --expect y", "\\q"),
    ("--send x --expect-bytes none", "none"),
    ("--seed x", "x"),
    ("--slow-readers -1", "-1"),
    ("--slow-writers x", "x"),
    ("--frobnicate", "--frobnicate"),
];

#[test]
fn bad_usage_is_said() {
    // No request is sent: the address would not answer.
    let (_holder, address) = nobody_listens();
    let mut wrong = Vec::new();
    for (arguments, word) in BAD_USAGE {
        let ended = bench(&format!("{arguments} {address}"));
        let said = ended.stderr.contains(word) && !ended.stderr.contains("panicked");
        if ended.status != Some(2) || !said || !ended.stdout.is_empty() {
            wrong.push((arguments, ended));
        }
    }
    assert!(wrong.is_empty(), "{} of {}: {wrong:#?}", wrong.len(), BAD_USAGE.len());
}

#[test]
fn help_is_no_error() {
    let ended = bench("--help");
    assert_eq!((ended.status, ended.stderr.as_str()), (Some(0), ""));
    for flag in ["--connections", "--rate", "--pipeline", "--lifetime", "--source", "--workers"] {
        assert!(ended.stdout.contains(flag), "{flag}");
    }
}

#[test]
fn nobody_listens_anywhere() {
    let (_holder, address) = nobody_listens();
    for length in ["-d 300ms", "-n 100", "-R 100 -n 100", "--lifetime 1 -n 100"] {
        let ended = bench(&format!("-c 5 {length} {address}"));
        assert_unreachable(&ended, "ECONNREFUSED");
    }
}

/// Checks that a run says that it had no connection, and why.
fn assert_unreachable(ended: &Ended, why: &str) {
    assert_eq!(ended.status, Some(1), "{ended:?}");
    for said in ["no connection was established", why] {
        assert!(ended.stderr.contains(said), "{said:?} is not in {ended:?}");
    }
}

#[test]
fn a_name_that_means_nothing() {
    let ended = bench("-n 1 no-such-host.invalid:7");
    assert!(matches!(ended.status, Some(1 | 2)), "{ended:?}");
    assert!(ended.stderr.contains("no-such-host.invalid"), "{ended:?}");
}

#[test]
fn a_source_that_is_not_ours() {
    let server = Server::start(&["framed"]);
    // TEST-NET-1, RFC 5737: no machine has an address of it.
    let target = server.address("framed");
    for length in ["-d 300ms", "-n 2"] {
        let ended = bench(&format!("-c 2 {length} --source 192.0.2.1 {target}"));
        assert_unreachable(&ended, "EADDRNOTAVAIL");
    }
}

#[test]
fn a_server_that_has_no_room() {
    let server = Launch::of(&["framed"]).args(&["--max-connections", "3"]).start();
    let run = load(&[server.address("framed")], "-c 6 -d 300ms -t 500ms");
    run.assert_fell_short();
    // The others wait in the backlog: connected, and never answered.
    assert!(run.count("achieved.unanswered") >= 3, "{:#}", run.short());
    assert!(run.count("achieved.answered") > 0, "{:#}", run.short());
    assert_eq!(server.statistics().get("connections_peak"), 3);
}

#[test]
fn a_server_of_another_protocol() {
    let server = Server::start(&["chargen"]);
    let target = server.address("chargen");
    // The second connection has nothing to ask for half a second, in which the server has spoken.
    let ended = bench(&format!("-c 2 -R 2 -d 2s -t 1s {target}"));
    // It speaks before the first request, so nothing can be measured.
    assert_eq!((ended.status, ended.stdout.as_str()), (Some(1), ""), "{ended:?}");
    assert!(ended.stderr.contains("before any request"), "{ended:?}");
    drop(server);
}
