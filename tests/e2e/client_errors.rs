//! What the client says, and the status it ends with, when it cannot do what was asked: 1 if it
//! could not be done, 2 for a wrong command line, 3 if many sessions ran and fell short.

use crate::support::lines::Lines;
use crate::support::readyc::{self, Ended, answers_with, ask, nobody_listens, stand_in};
use crate::support::tools::{self, Input, Process};
use crate::support::{Server, frame};
use socket2::Socket;
use std::io::{self, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::Stdio;
use std::thread;
use std::time::Duration;

fn assert_fails(server: SocketAddr, arguments: &[&str], why: &str) {
    assert_eq!(ask(server, arguments), Ended::failed(1, why), "{arguments:?}");
}

fn assert_wrong_command(arguments: &[&str], complaint: &str) {
    let ended = readyc::run(&mut readyc::command(arguments), b"");
    assert_eq!((ended.status, ended.stdout.as_str()), (Some(2), ""), "{arguments:?}");
    assert!(ended.stderr.contains(complaint), "{:?} lacks {complaint:?}", ended.stderr);
}

#[test]
fn nobody_is_there() {
    let (_holder, address) = nobody_listens();
    let why = format!("cannot connect to {address}: connection refused (is readyd running?)");
    for command in [&["echo", "x"][..], &["send", "x"], &["sync"], &["exchange"], &["stats"]] {
        assert_fails(address, command, &why);
    }
}

#[test]
fn the_name_leads_nowhere() {
    // RFC 6761: no name under `invalid` is ever found.
    let mut command = readyc::command(&["--server", "nowhere.invalid", "stats"]);
    let ended = readyc::run(&mut command, b"");
    assert_eq!((ended.status, ended.stdout.as_str()), (Some(1), ""));
    let stderr = &ended.stderr;
    assert!(stderr.starts_with("readyc: cannot find the address of nowhere.invalid: "), "{stderr}");
    assert!(stderr.ends_with(" (check the name, or give an IP address)\n"), "{stderr}");
}

#[test]
fn wrong_commands() {
    assert_wrong_command(&[], "Usage: readyc");
    assert_wrong_command(&["shout", "x"], "unrecognized subcommand 'shout'");
    assert_wrong_command(&["echo"], "<TEXT>...");
    assert_wrong_command(&["lookup"], "<KEY>...");
    assert_wrong_command(&["lookup", " "], "readyc: \" \" is not a key");
    assert_wrong_command(&["lookup", "--lines", "key"], "--plain");
    assert_wrong_command(&["daytime", "--ack", "thanks"], "--plain");
    assert_wrong_command(&["daytime", "--format", "julian"], "'julian'");
    assert_wrong_command(&["daytime", "--format", "dmy", "--plain"], "cannot be used with");
    assert_wrong_command(&["echo", "x", "--sessions", "0"], "must be at least 1");
    assert_wrong_command(&["echo", "x", "--repeat", "many"], "'many'");
    assert_wrong_command(&["sync", "--samples", "0"], "'0'");
    assert_wrong_command(&["echo", "x", "--timeout", "5 parsecs"], "unknown unit");
    for server in ["", ":9999", "[::1]9999"] {
        assert_wrong_command(&["--server", server, "stats"], "not a server (give HOST:PORT");
    }
    for server in ["localhost:", "localhost:http", "localhost:0", "127.0.0.1:0", "[::1]:65536"] {
        assert_wrong_command(&["--server", server, "stats"], "is not a port (1 to 65535)");
    }
}

#[test]
fn help_and_version_go_to_standard_output() {
    let run = |arguments: &[&str]| readyc::run(&mut readyc::command(arguments), b"");
    let version = concat!("readyc ", env!("CARGO_PKG_VERSION"), "\n");
    assert_eq!(run(&["--version"]), Ended::well(version));
    let commands = ["echo", "daytime", "lookup", "whoami", "stats", "send", "exchange", "sync"];
    let help = run(&["--help"]);
    assert_eq!((help.status, help.stderr.as_str()), (Some(0), ""));
    for command in commands {
        assert!(help.stdout.contains(&format!("\n  {command} ")), "no {command} in the help");
        let help = run(&[command, "--help"]);
        assert_eq!((help.status, help.stderr.as_str()), (Some(0), ""));
        assert!(help.stdout.contains(&format!("Usage: readyc {command} ")), "{}", help.stdout);
    }
}

/// A listener whose queue is full: a SYN that is sent there gets no answer.
fn full_backlog() -> (Socket, Vec<TcpStream>, SocketAddr) {
    let (socket, address) = nobody_listens();
    socket.listen(0).expect("listen");
    let knock = || TcpStream::connect_timeout(&address, Duration::from_millis(200)).ok();
    let mut queue = vec![TcpStream::connect(address).expect("connect")];
    queue.extend((0..10).map_while(|_| knock()));
    assert!(queue.len() < 10, "a queue of length 0 takes {}", queue.len());
    (socket, queue, address)
}

#[test]
fn nobody_opens() {
    let (_listener, _queue, address) = full_backlog();
    let why = format!(
        "cannot connect to {address}: no answer within 300ms (is the address right, or a firewall \
         in the way?)"
    );
    assert_fails(address, &["echo", "x", "--connect-timeout", "300ms"], &why);
}

#[test]
fn no_answer_comes() {
    let silent = stand_in(|mut client| drop(client.read_to_end()));
    let why = "the server did not answer within 200ms";
    for command in [&["echo", "x"][..], &["whoami", "--plain"], &["sync"], &["exchange"]] {
        assert_fails(silent, &[command, &["--timeout", "200ms"]].concat(), why);
    }
    assert_fails(silent, &["send", "x", "-t", "200ms"], why);
}

#[test]
fn the_answer_comes_to_no_end() {
    let server = Server::start(&["chargen"]);
    let why = "the answer is longer than the 1048576 bytes that are accepted";
    assert_fails(server.address("chargen"), &["whoami", "--plain"], why);
}

#[test]
fn the_answer_comes_too_slowly() {
    const DRIP: Duration = Duration::from_millis(10);
    let dripping = stand_in(|mut client| {
        while client.stream.write_all(b".").is_ok() {
            thread::sleep(DRIP);
        }
    });
    let why = "the server did not answer within 300ms";
    assert_fails(dripping, &["echo", "--plain", &"long".repeat(1000), "--timeout", "300ms"], why);
}

#[test]
fn the_answer_is_no_frame() {
    let plain = answers_with("Hello! You are connected to ('127.0.0.1', 1)");
    let why = "the answer is not a padded frame: header byte 0 is 0x48 ('H'); a header is the \
               body's length in decimal digits, then spaces up to 64 bytes (does that server speak \
               frames? see --plain)";
    for command in [&["echo", "x"][..], &["send", "x"], &["sync"]] {
        assert_fails(plain, command, why);
    }
}

#[test]
fn the_answer_is_too_long() {
    let boasting = answers_with(format!("{:<64}", (1u64 << 30) + 1));
    let why = "the answer is longer than the 1073741824 bytes that are accepted";
    assert_fails(boasting, &["echo", "x"], why);
}

#[test]
fn the_answer_is_wrong() {
    let why = "the answer is \"y\" and should be \"x\"";
    assert_fails(answers_with(frame("y")), &["echo", "x"], why);
    let plain = stand_in(|mut client| {
        client.read(5);
        client.send(b"jello");
    });
    let why = "the answer is \"jello\" and should be \"hello\"";
    assert_fails(plain, &["echo", "--plain", "hello"], why);
    let why = "the answer \"tea time\" is not a date in the format ctime";
    assert_fails(answers_with(frame("tea time")), &["daytime"], why);
    assert_fails(answers_with(frame("")), &["whoami"], "the answer is empty");
    let why = "the answer to TIME is not two clock stamps: \"noon\"";
    assert_fails(answers_with(frame("noon")), &["sync"], why);
}

#[test]
fn the_server_refuses() {
    let refusing = answers_with(frame("Error: not \x1b[31mtoday"));
    for command in [&["echo", "x"][..], &["lookup", "x"], &["daytime"], &["stats"]] {
        assert_fails(refusing, command, "the server refused: \"not \\x1b[31mtoday\"");
    }
}

#[test]
fn the_server_leaves() {
    let why = "the server closed the connection before it answered";
    for command in [&["echo", "x"][..], &["send", "x"], &["sync"]] {
        assert_fails(answers_with(""), command, why);
    }
    let why = "the server closed the connection 66 bytes into its answer";
    assert_fails(answers_with(&frame("hello")[..66]), &["echo", "hello"], why);
    let resetting = stand_in(|mut client| {
        client.read_frame();
        client.reset();
    });
    let why = "the connection broke: Connection reset by peer (os error 104)";
    assert_fails(resetting, &["echo", "x"], why);
}

#[test]
fn nobody_reads_what_is_printed() {
    let server = Server::start(&["framed", "exchange"]);
    let closed = |service, arguments: &[&str]| {
        let address = server.address(service).to_string();
        let (reader, writer) = io::pipe().expect("a pipe");
        drop(reader);
        let mut command = readyc::command(&[&["--server", &address], arguments].concat());
        command.stdin(Stdio::null()).stdout(writer).stderr(Stdio::piped());
        let mut process = Process::start(&mut command);
        let complaints = Lines::of(process.child.stderr.take().expect("a pipe"));
        (process.wait().code(), complaints.wait_for_end())
    };
    let quietly = (Some(0), Vec::<String>::new());
    assert_eq!(closed("framed", &["stats"]), quietly);
    assert_eq!(closed("framed", &["send", "one", "two"]), quietly);
    assert_eq!(closed("framed", &["echo", "x", "--sessions", "2"]), quietly);
    assert_eq!(closed("framed", &["sync"]), quietly);
    assert_eq!(closed("exchange", &["exchange"]), quietly);
}

#[test]
fn answers_go_into_a_pipe_as_they_are() {
    let sent = "\x1b]0;title\x07\x1b[2J\u{9b}31m\r\n\tend\0";
    let ended = ask(answers_with(frame(sent)), &["stats"]);
    assert_eq!(ended, Ended::well(format!("{sent}\n")));
    let address = answers_with(frame(b"\xff\xfe\n"));
    let output = tools::run(
        &mut readyc::command(&["stats", "--server", &address.to_string()]),
        Input::Whole(b""),
    );
    assert_eq!(output.stdout, b"\xff\xfe\n");
}
