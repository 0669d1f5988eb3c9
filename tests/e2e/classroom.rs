//! The programs of `tests/classroom` are served unmodified, to the last character that they print.

use crate::support::Launch;
use crate::support::server::Server;
use crate::support::tools::{self, Input};
use std::path::Path;
use std::process::Command;

const CHAT_REPLY: &str = "Message received successfully....\n";

/// Runs `<name>_client.py` against the server's listener for `service`, and returns what it
/// printed; `None` without Python.
fn run_client(name: &str, server: &Server, service: &str, input: &[u8]) -> Option<String> {
    let python = tools::find("python3")?;
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/classroom");
    let mut command = Command::new(python);
    command.arg(folder.join(format!("{name}_client.py")));
    command.args(["127.0.0.1", &server.address(service).port().to_string()]);
    let output = tools::run(&mut command, Input::Whole(input));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{name}: {} {errors}", output.status);
    assert_eq!(errors, "");
    Some(String::from_utf8(output.stdout).expect("ASCII"))
}

/// As [`run_client`], for a client that prints the time: `expected` makes the whole output of what
/// `date` says in `format`.
fn assert_client_prints_time(
    name: &str,
    server: &Server,
    service: &str,
    format: &str,
    expected: impl Fn(&String) -> String,
) {
    let earliest = tools::now();
    let Some(printed) = run_client(name, server, service, b"") else { return };
    let Some(dates) = tools::dates_since(earliest, format, "UTC0") else { return };
    let possible: Vec<String> = dates.iter().map(expected).collect();
    assert!(possible.contains(&printed), "{printed:?} is none of {possible:?}");
}

/// The client's port in a line of the log.
fn port_in(line: &str) -> String {
    let after_address = line.split_once("127.0.0.1:").expect("the peer's address").1;
    after_address.split_once(' ').expect("text after the port").0.to_owned()
}

#[test]
fn chat() {
    let server = Server::start(&["framed"]);
    let Some(printed) = run_client("chat", &server, "framed", b"\n\n\n") else { return };
    assert_eq!(printed, CHAT_REPLY.repeat(4));
    for message in ["Hello World!", "Hello Everyone!", "Hello again!"] {
        server.wait_for_log(&format!(" message: \"{message}\""));
    }
    server.wait_for_log("closed: peer asked to disconnect");
}

#[test]
fn arp() {
    let server = Server::start(&["lookup"]);
    let Some(printed) = run_client("arp", &server, "lookup", b"") else { return };
    let acknowledgement = "not found: \"MAC address received successfully.\"";
    let port = port_in(&server.wait_for_log(acknowledgement));
    assert_eq!(printed, format!("('127.0.0.1', {port})\n6A:08:AA:C2\n"));
}

#[test]
fn greeting() {
    let server = Server::start(&["greeting"]);
    let Some(printed) = run_client("greeting", &server, "greeting", b"") else { return };
    let port = port_in(&server.wait_for_log("closed: served"));
    assert_eq!(printed, format!("Hello! You are connected to ('127.0.0.1', {port})\n"));
}

#[test]
fn exchange() {
    let server = Launch::of(&["exchange"]).args(&["--utc"]).start();
    let format = "%d/%m/%Y %H:%M:%S";
    assert_client_prints_time("exchange", &server, "exchange", format, |date| {
        format!("{date}\nNot Found\n")
    });
}

#[test]
fn daytime() {
    let server = Launch::of(&["daytime"]).args(&["--utc"]).start();
    let format = "%a %b %e %H:%M:%S %Y";
    assert_client_prints_time("daytime", &server, "daytime", format, |date| {
        format!("{date}\r\n\n")
    });
}

#[test]
fn date() {
    let server = Launch::of(&["daytime=127.0.0.1:0,format=dmy,ack"]).args(&["--utc"]).start();
    let format = "%d/%m/%Y %H:%M:%S";
    assert_client_prints_time("date", &server, "daytime", format, |date| format!("{date}\n"));
}
