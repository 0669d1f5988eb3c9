//! The commands of the framed service.

use super::Desk;
use crate::conn::Outcome;
use crate::handlers::Service;
use crate::handlers::daytime::Format;
use crate::handlers::framed::RECEIVED;
use crate::server::close::CloseReason;
use proptest::prelude::*;
use std::collections::HashSet;
use std::net::{Ipv6Addr, SocketAddr};

fn desk() -> Desk {
    Desk::new(Service::FRAMED)
}

fn text(answer: Vec<u8>) -> String {
    String::from_utf8(answer).expect("the answer is text")
}

#[test]
fn nothing_is_said_unasked() {
    assert_eq!(desk().greet(), (Vec::new(), Outcome::Continue));
}

#[test]
fn commands_are_recognised_in_any_case_and_with_white_space_before_them() {
    let cases = [
        ("ECHO x", "x"),
        ("DAYTIME", "Fri May  7 20:36:52 2021"),
        ("LOOKUP 165.165.80.80", "6A:08:AA:C2"),
        ("WHOAMI", "Hello! You are connected to ('192.168.1.6', 57662)"),
        ("DAYTIME RFC3339", "2021-05-07T20:36:52Z"),
    ];
    for (command, answer) in cases {
        for command in [command.to_owned(), command.to_lowercase(), format!(" \t\r\n{command}")] {
            assert_eq!(text(desk().answer(command.as_bytes())), answer, "{command:?}");
        }
    }
    for command in ["help", "stats", "time"] {
        let upper = desk().answer(command.to_uppercase().as_bytes());
        assert_eq!(desk().answer(command.as_bytes()), upper);
        assert_ne!(upper, RECEIVED);
    }
}

#[test]
fn echo_takes_all_behind_one_separator() {
    let cases: [(&[u8], &[u8]); 7] = [
        (b"ECHO", b""),
        (b"ECHO ", b""),
        (b"ECHO  two", b" two"),
        (b"ECHO\ttab", b"tab"),
        (b"ECHO\n\n", b"\n"),
        (b"ECHO x ", b"x "),
        (b"ECHO ECHO x", b"ECHO x"),
    ];
    for (body, answer) in cases {
        assert_eq!(desk().answer(body), answer, "{body:?}");
    }
}

#[test]
fn daytime_knows_each_format_by_its_name() {
    let answers = [
        "Fri May  7 20:36:52 2021",
        "07/05/2021 20:36:52",
        "2021-05-07T20:36:52Z",
        "Fri, 07 May 2021 20:36:52 +0000",
        "1620419812",
    ];
    for (name, answer) in Format::NAMES.into_iter().zip(answers) {
        assert_eq!(text(desk().answer(format!("DAYTIME {name}").as_bytes())), answer);
        assert_eq!(Format::from_name(name).map(Format::name), Some(name));
    }
}

#[test]
fn what_cannot_be_answered_is_refused_with_a_reason() {
    let cases: [(&[u8], &str); 8] = [
        (
            b"DAYTIME klingon",
            "Error: no date format \"klingon\"; there are ctime, dmy, rfc3339, rfc2822, unix",
        ),
        (
            b"DAYTIME \xff\n\x1b[2J",
            "Error: no date format \"\\xff\\n\\x1b[2J\"; there are ctime, dmy, rfc3339, rfc2822, \
             unix",
        ),
        (b"TIME now", "Error: TIME takes no argument"),
        (b"whoami really", "Error: WHOAMI takes no argument"),
        (b"STATS all", "Error: no statistics \"all\"; there are STATS and STATS shards"),
        (b"HELP ECHO", "Error: HELP takes no argument"),
        (b"LOOKUP", "Error: LOOKUP needs a key, as in LOOKUP 165.165.80.80"),
        (b"LOOKUP \t ", "Error: LOOKUP needs a key, as in LOOKUP 165.165.80.80"),
    ];
    let mut desk = desk();
    for (refusals, (body, answer)) in (1..).zip(cases) {
        assert_eq!(text(desk.answer(body)), answer);
        assert_eq!(desk.stats.refusals, refusals);
    }
}

#[test]
fn white_space_is_no_argument() {
    for command in ["DAYTIME ", "TIME\n", "WHOAMI \r\n", "HELP\t", "STATS  "] {
        let answer = desk().answer(command.as_bytes());
        assert!(!answer.starts_with(b"Error") && answer != RECEIVED, "{command:?}");
    }
}

#[test]
fn time_gives_two_stamps_the_first_not_after_the_second() {
    let mut desk = desk();
    let first = text(desk.answer(b"TIME"));
    assert_eq!(first, "1620419812.000000001 1620419812.000000002");
    let second = text(desk.answer(b"TIME"));
    assert!(first < second, "the clock is read anew: {second}");
}

#[test]
fn lookup_finds_exactly_what_is_in_the_table() {
    let cases = [
        ("LOOKUP 165.165.80.80", "6A:08:AA:C2"),
        ("LOOKUP   165.165.79.1\n", "8A:BC:E3:FA"),
        ("LOOKUP 165.165.80", "Not Found"),
        ("LOOKUP 165.165.80.80 6A:08:AA:C2", "Not Found"),
        ("LOOKUP 6A:08:AA:C2", "Not Found"),
    ];
    for (body, answer) in cases {
        assert_eq!(text(desk().answer(body.as_bytes())), answer, "{body:?}");
    }
}

#[test]
fn whoami_tells_ipv6_addresses_too() {
    let mut desk = desk();
    desk.peer = SocketAddr::from((Ipv6Addr::LOCALHOST, 57662)).into();
    assert_eq!(text(desk.answer(b"WHOAMI")), "Hello! You are connected to ('::1', 57662)");
}

#[test]
fn stats_are_one_name_and_one_value_a_line() {
    let mut desk = desk();
    desk.answer(b"ECHO x");
    let answer = text(desk.answer(b"STATS"));
    assert!(answer.ends_with('\n'));
    let mut names = HashSet::new();
    for line in answer.lines() {
        let (name, value) = line.split_once(' ').expect("a name and a value");
        assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{name}");
        let is_number = value.parse::<f64>().is_ok_and(|value| value >= 0.0);
        assert!(is_number || name == "version", "{line}");
        assert!(names.insert(name), "{name} twice");
    }
    assert!(answer.contains("uptime_seconds 1.500\n"));
    assert!(answer.contains("\nrequests 2\nframes 2\nrefusals 0\n"));
}

#[test]
fn help_names_every_command() {
    let help = text(desk().answer(b"HELP"));
    let commands = ["ECHO", "DAYTIME", "TIME", "LOOKUP", "WHOAMI", "STATS", "HELP", "Disconnect !"];
    for command in commands {
        assert!(help.lines().any(|line| line.starts_with(command)), "{command}");
    }
    for format in Format::NAMES {
        assert!(help.contains(format), "{format}");
    }
}

#[test]
fn anything_else_is_received_and_logged() {
    let bodies: [&[u8]; 7] =
        [b"", b" ", b"Hello, server", b"ECHOx", b"DAYTIMES", b"\xff\0", b"TIME\0"];
    for body in bodies {
        let mut desk = desk();
        assert_eq!(desk.answer(body), b"Message received successfully....", "{body:?}");
        assert_eq!((desk.logged(), desk.stats.refusals), (1, 0));
    }
    let mut desk = desk();
    desk.answer(b"ECHO x");
    desk.answer(b"TIME now");
    assert_eq!(desk.logged(), 0);
}

#[test]
fn disconnect_with_its_mark_is_answered_and_ends_the_connection() {
    for body in ["Disconnect !", "DISCONNECT !", "disconnect  \t!\n", " Disconnect !"] {
        let finish = Outcome::Finish(CloseReason::Disconnect);
        assert_eq!(desk().ask(body.as_bytes()), (RECEIVED.to_vec(), finish), "{body:?}");
    }
    for body in ["Disconnect", "Disconnect!", "Disconnect ! now", "Disconnect !!", "Disconnect ?"] {
        assert_eq!(desk().answer(body.as_bytes()), RECEIVED, "{body:?}");
    }
}

proptest! {
    #[test]
    fn echo_is_exact_to_the_byte(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let answer = desk().answer(&[b"echo ", &bytes[..]].concat());
        prop_assert_eq!(answer, bytes);
    }

    #[test]
    fn every_body_has_an_answer_and_only_one_ends_the_connection(
        word in "(ECHO|DAYTIME|TIME|LOOKUP|WHOAMI|STATS|HELP|Disconnect|[a-z]{0,5})",
        rest in proptest::collection::vec(any::<u8>(), 0..20),
    ) {
        let body = [word.as_bytes(), &rest].concat();
        let (answer, outcome) = desk().ask(&body);
        prop_assert!(!answer.is_empty() || word == "ECHO");
        let is_goodbye = body.starts_with(b"Disconnect")
            && rest.first().is_some_and(u8::is_ascii_whitespace)
            && rest.trim_ascii() == b"!";
        prop_assert_eq!(outcome != Outcome::Continue, is_goodbye);
    }
}
