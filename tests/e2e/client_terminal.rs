//! The client with a person before it: messages are typed, and what is received is made harmless.

use crate::support::readyc::{self, answers_with, stand_in};
use crate::support::terminal::Terminal;
use crate::support::{Server, frame};
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
