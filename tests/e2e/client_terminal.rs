//! The client with a person before it: messages are typed, and what is received is made harmless.

use crate::support::readyc::{self, answers_with, stand_in};
use crate::support::terminal::Terminal;
use crate::support::{Server, frame};
use nix::sys::signal::{Signal, kill};
use std::net::SocketAddr;
use std::sync::{Arc, Barrier};

const RECEIVED: &str = "Message received successfully....";
const CTRL_A: &str = "\x01";
const CTRL_C: &str = "\x03";
const CTRL_D: &str = "\x04";
const BACKSPACE: &str = "\x7f";
const ENTER: &str = "\r";
const LEFT: &str = "\x1b[D";
const UP: &str = "\x1b[A";

fn start(server: SocketAddr, arguments: &[&str]) -> Terminal {
    Terminal::start(readyc::command(&[&["--server", &server.to_string()], arguments].concat()))
}

/// Types a line at the prompt and waits for `answer`.
fn say(terminal: &mut Terminal, keys: &[&str], answer: &str) {
    terminal.wait_for("> ");
    terminal.press(&keys.concat());
    terminal.press(ENTER);
    terminal.wait_for(&format!("\r\n{answer}\r\n"));
}

/// What a command shows on a terminal, and its exit status.
fn shown(server: SocketAddr, arguments: &[&str]) -> (Option<i32>, String) {
    let (status, screen) = start(server, arguments).wait_for_exit();
    (status.code(), screen)
}

#[test]
fn lines_are_typed_edited_and_recalled() {
    let server = Server::start(&["framed"]);
    let mut terminal = start(server.address("framed"), &["send"]);
    say(&mut terminal, &["Hello World?", BACKSPACE, "!"], RECEIVED);
    say(&mut terminal, &["verybody", LEFT, LEFT, CTRL_A, "Hello E"], RECEIVED);
    say(&mut terminal, &["ECHO Grüße"], "Grüße");
    say(&mut terminal, &[UP, UP, "!"], RECEIVED);
    say(&mut terminal, &[], RECEIVED);
    terminal.wait_for("> ");
    terminal.press(CTRL_D);
    terminal.wait_for(&format!("{RECEIVED}\r\n"));
    assert!(terminal.wait_for_exit().0.success());
    server.wait_for_log("closed: peer asked to disconnect");
    let messages: Vec<String> = server
        .log()
        .containing(" message: ")
        .iter()
        .map(|line| line.split_once(" message: ").expect("a message").1.to_owned())
        .collect();
    assert_eq!(
        messages,
        ["\"Hello World!\"", "\"Hello Everybody\"", "\"Hello Everybody!\"", "\"\""]
    );
}

#[test]
fn an_interrupt_ends_the_chat_in_order() {
    let server = Server::start(&["framed"]);
    let mut terminal = start(server.address("framed"), &["send"]);
    terminal.wait_for("> ");
    terminal.press("never sent");
    terminal.press(CTRL_C);
    terminal.wait_for(&format!("{RECEIVED}\r\n"));
    assert!(terminal.wait_for_exit().0.success());
    server.wait_for_log("closed: peer asked to disconnect");
    assert_eq!(server.statistics().get("frames"), 1);
}

#[test]
fn a_goodbye_that_is_typed_is_the_last_message() {
    let server = Server::start(&["framed"]);
    let mut terminal = start(server.address("framed"), &["send"]);
    say(&mut terminal, &["Disconnect !"], RECEIVED);
    assert!(terminal.wait_for_exit().0.success());
    assert_eq!(server.statistics().get("frames"), 1);
}

#[test]
fn a_server_that_left_meanwhile_is_noticed() {
    let in_step = Arc::new(Barrier::new(2));
    let leaving = stand_in({
        let in_step = Arc::clone(&in_step);
        move |mut client| {
            client.read_frame();
            client.send(&frame("Farewell."));
            in_step.wait();
            drop(client);
            in_step.wait();
        }
    });
    let mut terminal = start(leaving, &["send"]);
    say(&mut terminal, &["hello"], "Farewell.");
    terminal.wait_for("> ");
    in_step.wait();
    in_step.wait();
    terminal.press("are you there?");
    terminal.press(ENTER);
    terminal.wait_for("readyc: the server closed the connection before it answered\r\n");
    assert_eq!(terminal.wait_for_exit().0.code(), Some(1));
}

#[test]
fn nobody_is_asked_for_messages_to_nobody() {
    let (_holder, address) = readyc::nobody_listens();
    let complaint =
        format!("readyc: cannot connect to {address}: connection refused (is readyd running?)\r\n");
    assert_eq!(shown(address, &["send"]), (Some(1), complaint));
}

#[test]
fn escape_sequences_are_made_harmless() {
    let hostile = answers_with(frame("\x1b]0;title\x07\x1b[2J\u{9b}31m\ttab\x08\r\nend\0 Grüße"));
    let harmless = "\\u{1b}]0;title\\u{7}\\u{1b}[2J\\u{9b}31m\ttab\\u{8}\r\nend\\u{0} Grüße\r\n";
    assert_eq!(shown(hostile, &["stats"]), (Some(0), harmless.to_owned()));
    assert_eq!(shown(answers_with(frame(b"\x9b\xff")), &["stats"]).1, "\u{fffd}\u{fffd}\r\n");
    // Nor does a refusal reach the terminal as it came.
    let refusal = "readyc: the server refused: \"\\x1b[2J\"\r\n".to_owned();
    assert_eq!(shown(answers_with(frame("Error: \x1b[2J")), &["stats"]), (Some(1), refusal));
    let mut terminal = start(answers_with(frame("\x1b[2J")), &["send", "hello"]);
    terminal.wait_for("\\u{1b}[2J\r\n");
}

/// To the alternate screen, and back to the one where the command was typed.
const ENTER_VIEW: &str = "\x1b[?1049h";
const LEAVE_VIEW: &str = "\x1b[m\x1b[?25h\x1b[?1049l";

/// A load run on a terminal of this size.
fn bench(server: &Server, arguments: &str, size: (u16, u16), term: &str) -> Terminal {
    let target = server.address("framed").to_string();
    let mut command = readyc::command(&["bench", "-c", "4", &target]);
    command.args(arguments.split_whitespace()).env("TERM", term).env_remove("COLUMNS");
    Terminal::start_sized(command, size)
}

/// The lines without escape sequences.
fn lines(screen: &str) -> Vec<String> {
    let mut plain = String::new();
    for (at, part) in screen.split('\x1b').enumerate() {
        let end = part.find(|c: char| c.is_ascii_alphabetic()).map_or(0, |end| end + 1);
        plain.push_str(if at == 0 { part } else { &part[end..] });
    }
    plain.lines().map(|line| line.trim_end_matches('\r').to_owned()).collect()
}

#[test]
fn field_load_13_a_view_shows_the_run_and_leaves_the_screen_to_the_report() {
    let server = Server::start(&["framed"]);
    let mut terminal = bench(&server, "-d 2500ms -R 200", (80, 24), "xterm");
    terminal.wait_for(ENTER_VIEW);
    terminal.wait_for("readyc bench");
    terminal.wait_for("of 200 asked");
    terminal.wait_for("connections");
    let (status, screen) = terminal.wait_for_exit();
    assert!(matches!(status.code(), Some(0 | 3)), "{screen}");
    let (_, report) = screen.rsplit_once(LEAVE_VIEW).expect("the view goes");
    let lines = lines(report);
    assert!(lines.iter().all(|line| line.chars().count() <= 80), "{lines:#?}");
    let place = |name: &str| lines.iter().position(|line| line.starts_with(name)).expect(name);
    let summary = ["throughput", "latency  ", "connections", "errors", "verdict"].map(place);
    assert!(summary.is_sorted() && lines.len() - summary[0] <= 6, "{lines:#?}");
}

#[test]
fn field_load_13_an_interrupt_leaves_no_view_behind_and_what_was_said_stays() {
    let server = Server::start(&["framed"]);
    let mut terminal = bench(&server, "-d 1h", (80, 24), "xterm");
    terminal.wait_for(ENTER_VIEW);
    kill(terminal.id(), Signal::SIGINT).expect("signal a load run");
    let (status, screen) = terminal.wait_for_exit();
    assert_eq!(status.code(), Some(3), "{screen}");
    let (_, report) = screen.rsplit_once(LEAVE_VIEW).expect("the view goes");
    assert!(report.starts_with("readyc: interrupted: waiting for "), "{report}");
    assert!(lines(report).iter().any(|line| line.starts_with("verdict")), "{report}");
}

#[test]
fn field_load_13_a_small_terminal_has_a_status_line_and_a_dumb_one_plain_lines() {
    let server = Server::start(&["framed"]);
    let (_, small) = bench(&server, "-d 1500ms", (44, 10), "xterm").wait_for_exit();
    assert!(small.contains("\r\x1b[K1 of 1.5 s, ") && !small.contains(ENTER_VIEW), "{small}");
    assert!(lines(&small).iter().all(|line| line.chars().count() <= 44 || line.contains('\r')));
    let (_, dumb) = bench(&server, "-d 1500ms", (80, 24), "dumb").wait_for_exit();
    assert!(!dumb.contains('\x1b') && dumb.contains("1 of 1.5 s: "), "{dumb}");
    let (_, quiet) = bench(&server, "-d 1500ms --progress none", (80, 24), "xterm").wait_for_exit();
    assert!(!quiet.contains(ENTER_VIEW) && !quiet.contains("1 of 1.5 s"), "{quiet}");
}

#[test]
fn field_load_13_lines_of_progress_are_for_logs() {
    let server = Server::start(&["framed"]);
    let target = server.address("framed").to_string();
    let words = ["bench", "-c", "4", "-d", "1500ms", "-q", "--progress", "lines", &target];
    let ended = readyc::run(&mut readyc::command(&words), b"");
    assert_eq!((ended.status, ended.stdout.as_str()), (Some(0), ""), "{ended:?}");
    let seconds: Vec<&str> = ended.stderr.lines().filter(|line| line.contains(" s: ")).collect();
    assert!(seconds.len() >= 2 && seconds[0].starts_with("1 of 1.5 s: "), "{ended:?}");
    assert!(seconds.iter().all(|line| line.ends_with("4 of 4 connections, 0 errors")), "{ended:?}");
    assert!(!ended.stderr.contains('\x1b'), "{ended:?}");
}
