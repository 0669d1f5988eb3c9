//! What a load run says of replies that nobody expected, and of errors; and what a server cannot do
//! to a terminal.

use crate::support::bench::{Run, bench_words};
use crate::support::frame;
use crate::support::readyc::{self, answers_with, command, nobody_listens, stand_in};
use crate::support::terminal::Terminal;
use std::io::{Read, Write};
use std::thread;
use std::time::Duration;

/// A run of redis's PING against a server that answers each with `answer`.
fn ping(answer: &'static [u8], words: &[&str]) -> Run {
    let server = stand_in(move |mut client| {
        let mut request = [0; 6];
        while client.stream.read_exact(&mut request).is_ok()
            && client.stream.write_all(answer).is_ok()
        {}
    });
    bench_words(&[server], &[&["--send", "PING\\r\\n", "-c", "1", "-t", "200ms"], words].concat())
}

#[test]
fn field_load_17_an_answer_that_was_not_due_is_called_so() {
    let run = ping(b"+PONG\r\n+PONG\r\n", &["--expect", "+PONG\\r\\n", "-n", "1"]);
    run.assert_fell_short();
    let told = run.value("first_mismatch").as_str().expect("a text");
    assert_eq!(told, "connection 0: got \"+PONG\\r\\n\", but no answer was due");
}

#[test]
fn field_load_17_bytes_on_an_idle_connection_are_shown() {
    let talker = stand_in(|mut client| {
        while client.stream.write_all(b"\x1b[2Jhello").is_ok() {
            thread::sleep(Duration::from_millis(20));
        }
    });
    let words = ["-c", "0", "-I", "1", "-d", "300ms", "--send", "x", "--expect", "y"];
    let run = bench_words(&[talker], &words);
    run.assert_fell_short();
    let told = run.value("first_mismatch").as_str().expect("a text");
    assert!(told.starts_with("an idle connection: got \"\\x1b[2Jhello"), "{told}");
    assert!(told.ends_with("\", but no answer was due"), "{told}");
}

#[test]
fn field_load_17_an_error_is_told_in_words_with_its_name() {
    let (_holder, nobody) = nobody_listens();
    let server = answers_with("");
    let (nobody, server) = (nobody.to_string(), server.to_string());
    let words = ["bench", "-c", "2", "-d", "300ms", "--no-reconnect", &nobody, &server];
    let ended = readyc::run(&mut command(&words), b"");
    let text = ended.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    let told = "1 of 2 connections were established: connection refused (1 ×) [ECONNREFUSED]";
    assert!(text.contains(told), "{ended:?}");
    let ended = readyc::run(&mut command(&["bench", "-n", "5", "-c", "5", &nobody]), b"");
    assert!(ended.stderr.contains("connection refused ("), "{ended:?}");
    assert!(ended.stderr.contains("×) [ECONNREFUSED]"), "{ended:?}");
}

#[test]
fn field_load_17_what_a_server_sends_turns_no_text_on_a_terminal() {
    let hostile = frame("invoice\u{202e}fdp.exe \u{2066}\u{200b}\u{feff}\u{2028}\u{61c}\u{e0041}");
    let server = answers_with(hostile).to_string();
    let terminal = Terminal::start(command(&["--server", &server, "send", "hello"]));
    let (_, screen) = terminal.wait_for_exit();
    let escaped = r"invoice\u{202e}fdp.exe \u{2066}\u{200b}\u{feff}\u{2028}\u{61c}\u{e0041}";
    assert!(screen.contains(escaped), "{screen:?}");
    assert!(!screen.contains('\u{202e}'), "{screen:?}");
}

#[test]
fn field_load_17_an_answer_that_never_ends_is_shown() {
    let words = ["--until", "\r\n.\r\n", "-n", "1", "--no-reconnect"];
    let run = ping(b"+PONG\r\n", &words);
    run.assert_fell_short();
    let told = run.value("first_unfinished").as_str().expect("a text");
    let expected = "connection 0, request 0: got 7 bytes, \"+PONG\\r\\n\", expected \
                    \"something that ends with \\r\\n.\\r\\n\"";
    assert_eq!(told, expected);
    let shortfalls = run.list("shortfalls").iter().filter_map(|line| line.as_str());
    let said = shortfalls.collect::<Vec<_>>().join("; ");
    assert!(said.contains("an answer began and did not end") && said.contains("+PONG"), "{said}");
    // So is one that is cut off, whatever was asked for.
    let server = stand_in(|mut client| {
        client.read(1);
        client.send(b"12345");
    });
    let words = ["--send", "x", "--expect-bytes", "10", "-c", "1", "-n", "1", "--no-reconnect"];
    let run = bench_words(&[server], &words);
    let told = run.value("first_unfinished").as_str().expect("a text");
    assert!(told.ends_with("got 5 bytes, \"12345\", expected \"10 bytes\""), "{told}");
}

/// A server that sends more than is shown: the first of it is.
#[test]
fn field_load_17_of_a_long_answer_that_never_ends_the_first_bytes_are_shown() {
    let server = stand_in(|mut client| {
        let mut request = [0; 1];
        if client.stream.read_exact(&mut request).is_ok() {
            client.send(b"<html>");
            client.send(&[b'.'; 100_000]);
            client.read_to_end();
        }
    });
    let words = ["--send", "x", "--until", "</html>", "-c", "1", "-n", "1", "-t", "300ms"];
    let run = bench_words(&[server], &[&words[..], &["--no-reconnect"]].concat());
    run.assert_fell_short();
    let told = run.value("first_unfinished").as_str().expect("a text");
    assert!(told.contains("got 100006 bytes, \"<html>......"), "{told}");
    assert!(told.ends_with("expected \"something that ends with </html>\""), "{told}");
}
