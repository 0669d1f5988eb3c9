//! The services that have a listener of their own.

use super::Desk;
use crate::conn::Outcome;
use crate::handlers::daytime::Format;
use crate::handlers::{Options, Service};
use crate::io::address::{Credentials, Peer};
use crate::server::close::CloseReason;
use std::net::{Ipv6Addr, SocketAddr};

const SERVED: Outcome = Outcome::Finish(CloseReason::Served);

fn desk(name: &str) -> Desk {
    Desk::new(Service::from_name(name).expect("a service"))
}

#[test]
fn daytime_tells_the_time_and_finishes() {
    assert_eq!(desk("daytime").greet(), (b"Fri May  7 20:36:52 2021\r\n".to_vec(), SERVED));
    let mut dmy = Desk::new(Service::DAYTIME.with(Options { format: Format::Dmy, ack: false }));
    assert_eq!(dmy.greet(), (b"07/05/2021 20:36:52\r\n".to_vec(), SERVED));
}

#[test]
fn daytime_with_ack_waits_for_one_and_does_not_answer_it() {
    let mut desk = Desk::new(Service::DAYTIME.with(Options { format: Format::Ctime, ack: true }));
    assert_eq!(desk.greet(), (b"Fri May  7 20:36:52 2021".to_vec(), Outcome::Continue));
    assert_eq!(desk.ask(b"thank you"), (Vec::new(), SERVED));
    assert_eq!(desk.logged(), 1);
}

#[test]
fn time_is_seconds_since_1900_in_four_bytes() {
    // The examples of RFC 868: 1970, 1976, 1980, 1983. Then the last second before the number wraps
    // in 2036, and the first after it.
    let cases: [(u64, u32); 7] = [
        (0, 2_208_988_800),
        (189_302_400, 2_398_291_200),
        (315_532_800, 2_524_521_600),
        (420_595_200, 2_629_584_000),
        (2_085_978_495, u32::MAX),
        (2_085_978_496, 0),
        (2_085_978_497, 1),
    ];
    for (seconds, since_1900) in cases {
        let mut desk = desk("time");
        desk.set_time(seconds);
        assert_eq!(desk.greet(), (since_1900.to_be_bytes().to_vec(), SERVED), "{seconds}");
    }
}

#[test]
fn no_clock_is_too_wrong_to_be_told() {
    let mut time = desk("time");
    time.set_time(u64::MAX);
    assert_eq!(time.greet().0.len(), 4);
    let mut daytime = desk("daytime");
    daytime.set_time(u64::MAX);
    assert_eq!(daytime.greet().0, b"Fri Dec 31 23:59:59 9999\r\n");
}

#[test]
fn echo_returns_what_came() {
    let bytes: Vec<u8> = (0..=u8::MAX).collect();
    assert_eq!(desk("echo").greet(), (Vec::new(), Outcome::Continue));
    assert_eq!(desk("echo").answer(&bytes), bytes);
}

#[test]
fn discard_says_nothing() {
    assert_eq!(desk("discard").greet(), (Vec::new(), Outcome::Continue));
    assert_eq!(desk("discard").answer(b"anything"), b"");
}

#[test]
fn chargen_starts_by_itself_and_ignores_what_it_is_told() {
    assert_eq!(desk("chargen").greet(), (Vec::new(), Outcome::Produce));
    assert_eq!(desk("chargen").answer(b"stop"), b"");
}

#[test]
fn chargen_is_the_pattern_of_rfc_864_without_a_seam() {
    let mut desk = desk("chargen");
    let text = String::from_utf8([desk.produce(), desk.produce()].concat()).expect("ASCII");
    assert!(text.ends_with("\r\n"), "whole lines");
    let lines: Vec<&str> = text.split_terminator("\r\n").collect();
    assert!(lines.len() > 2 * 95, "around more than once in each portion");
    assert_eq!(
        lines[..2],
        [
            " !\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefg",
            "!\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefgh",
        ]
    );
    let printable: String = (' '..='~').collect();
    let twice = printable.repeat(2);
    for (number, line) in lines.into_iter().enumerate() {
        let first = number % printable.len();
        assert_eq!(line, &twice[first..first + 72], "line {number}");
    }
}

#[test]
fn greeting_tells_the_client_its_address() {
    let mut desk = desk("greeting");
    let answer = b"Hello! You are connected to ('192.168.1.6', 57662)".to_vec();
    assert_eq!(desk.greet(), (answer, SERVED));
    desk.peer = SocketAddr::from((Ipv6Addr::LOCALHOST, 1)).into();
    assert_eq!(desk.greet().0, b"Hello! You are connected to ('::1', 1)");
}

#[test]
fn field_server_21_a_client_of_a_unix_socket_is_told_its_user() {
    let mut desk = Desk::new(Service::GREETING);
    desk.peer = Peer::Unix(Credentials { pid: 4711, uid: 1000 });
    assert_eq!(desk.greet().0, b"Hello! You are connected to ('unix', 1000)");
}

#[test]
fn lookup_answers_keys_and_logs_them() {
    let mut desk = desk("lookup");
    assert_eq!(desk.greet(), (Vec::new(), Outcome::Continue));
    assert_eq!(desk.answer(b"165.165.80.80"), b"6A:08:AA:C2");
    assert_eq!(desk.answer(b" 165.165.79.1\t"), b"8A:BC:E3:FA");
    for key in [&b"165.165.80.81"[..], b"", b"\xff\n\0"] {
        assert_eq!(desk.answer(key), b"Not Found");
    }
    assert_eq!(desk.logged(), 5);
    assert_eq!(desk.stats.requests, 5);
    assert_eq!(desk.stats.frames, 0);
}

#[test]
fn exchange_opens_with_the_date_and_answers_addresses() {
    let mut desk = desk("exchange");
    assert_eq!(desk.greet(), (b"07/05/2021 20:36:52".to_vec(), Outcome::Continue));
    assert_eq!(desk.answer(b"165.165.80.80 "), b"6A:08:AA:C2");
    assert_eq!(desk.answer(b"127.0.0.1"), b"Not Found");
    assert_eq!(desk.logged(), 2, "what a client says of itself is always logged");
}
