//! Flags, files and exit statuses: 0 for an orderly end, 1 if it cannot run, 2 for a wrong command.

use crate::support::server::READYD;
use crate::support::tools::{self, Input};
use crate::support::{Client, Launch, Scratch, Server};
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::Command;

/// What one run of the program came to.
pub(crate) struct Ended {
    pub(crate) status: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Runs a server that is expected to end by itself.
pub(crate) fn readyd(arguments: &[&str]) -> Ended {
    ended(Command::new(READYD).args(arguments))
}

/// Runs a command that runs a server, which is expected to end by itself.
pub(crate) fn ended(command: &mut Command) -> Ended {
    let output = tools::run(command.env_remove("RUST_LOG"), Input::Whole(b""));
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    Ended { status: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

pub(crate) fn as_str(path: &Path) -> &str {
    path.to_str().expect("a path of UTF-8")
}

fn assert_wrong_command(arguments: &[&str], complaint: &str) {
    let ended = readyd(arguments);
    assert_eq!(ended.status, Some(2), "{arguments:?}");
    assert_eq!(ended.stdout, "", "{arguments:?}");
    assert_eq!(ended.stderr.lines().count(), 1, "{}", ended.stderr);
    assert!(ended.stderr.starts_with("readyd: "), "{}", ended.stderr);
    assert!(ended.stderr.contains(complaint), "{:?} lacks {complaint:?}", ended.stderr);
}

pub(crate) fn assert_cannot_run(arguments: &[&str], complaint: &str) {
    let ended = readyd(arguments);
    assert_eq!(ended.status, Some(1), "{arguments:?}: {}", ended.stderr);
    let last = ended.stderr.lines().last().expect("a complaint");
    assert!(last.starts_with("readyd: ") && last.contains(complaint), "{last:?}");
}

#[test]
fn help_and_version_go_to_standard_output() {
    let in_both = ["Usage: readyd ", "--listen", "--drain-timeout"];
    for (flag, only_here) in [("-h", "readyd --help"), ("--help", "SIGHUP"), ("--help", "chargen")]
    {
        let ended = readyd(&[flag]);
        assert_eq!((ended.status, ended.stderr.as_str()), (Some(0), ""));
        for word in in_both.iter().chain([&only_here]) {
            assert!(ended.stdout.contains(word), "no {word} in the help");
        }
        let widest = ended.stdout.lines().map(str::len).max();
        assert!(widest <= Some(80), "a line of {widest:?} characters");
    }
    for flag in ["--version", "-V"] {
        let ended = readyd(&[flag]);
        assert_eq!((ended.status, ended.stderr.as_str()), (Some(0), ""));
        assert_eq!(ended.stdout, concat!("readyd ", env!("CARGO_PKG_VERSION"), "\n"));
    }
}

#[test]
fn wrong_commands() {
    assert_wrong_command(&["--port", "80"], "unknown flag --port");
    assert_wrong_command(&["-p"], "unknown flag -p");
    assert_wrong_command(&["127.0.0.1"], "unexpected argument \"127.0.0.1\"");
    assert_wrong_command(&["--listen"], "--listen needs a value");
    assert_wrong_command(&["--utc=yes"], "--utc takes no value");
    assert_wrong_command(&["--listen", "framed"], "no address");
    assert_wrong_command(&["--listen", "framed=example.com:1"], "not an address");
    assert_wrong_command(&["--listen", "smtp=127.0.0.1:0"], "no service \"smtp\"");
    assert_wrong_command(&["--listen", "echo=127.0.0.1:0,ack"], "echo has no option \"ack\"");
    assert_wrong_command(&["--listen", "daytime=127.0.0.1:0,format=x"], "no date format \"x\"");
    assert_wrong_command(&["--listen", "echo=fd:x"], "not a descriptor");
    assert_wrong_command(&["--shards", "0"], "not from 1 to 1024");
    assert_wrong_command(&["--user", ":daemon"], "no user");
    assert_wrong_command(&["--frame-timeout", "5 parsecs"], "unknown unit");
    assert_wrong_command(&["--frame-timeout", "0s"], "--frame-timeout must be more than 0");
    assert_wrong_command(&["--max-frame", "2GiB"], "--max-frame must be at most");
    assert_wrong_command(&["--max-connections", "-1"], "not a number");
    assert_wrong_command(&["--max-connections", "0"], "--max-connections must be more than 0");
    assert_wrong_command(&["--log", "loud"], "not a level");
    assert_wrong_command(&["--table-order", "sideways"], "not an order");
}

#[test]
fn a_configuration_file_that_cannot_be_read() {
    assert_cannot_run(&["--config", "/nonexistent/readyd.conf"], "/nonexistent/readyd.conf: ");
}

#[test]
fn address_in_use() {
    let holder = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let listen = format!("echo={}", holder.local_addr().expect("its address"));
    assert_cannot_run(&["--listen", &listen], &format!("cannot listen on {listen}: "));
    assert_cannot_run(&["--listen", &listen], "another program listens there");
}

#[test]
fn address_of_another_machine() {
    // Reserved for documentation, RFC 5737: no machine has it.
    let listen = "echo=192.0.2.1:0";
    assert_cannot_run(&["--listen", listen], "no interface of this machine has this address");
}

#[test]
fn descriptors_that_are_no_listeners() {
    let one = ["--listen", "echo=fd:0"];
    assert_cannot_run(&one, "cannot listen on echo=fd:0: descriptor 0 is not a listening TCP");
    let open_nowhere = ["--listen", "echo=fd:65000"];
    assert_cannot_run(&open_nowhere, "descriptor 65000 is not open");
    assert_cannot_run(&["--listen", "echo=fd:1"], "descriptor 1 is standard output");
}

#[test]
fn a_listener_can_be_inherited() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("its address");
    let launch = Launch::of(&["framed=fd:0", "echo"]).stdin(OwnedFd::from(listener));
    let server = launch.start();
    assert_eq!(server.address("framed"), address);
    assert_eq!(server.connect("framed").ask("ECHO hello"), "hello");
}

#[test]
fn a_port_can_be_taken_over_while_old_connections_linger() {
    let first = Server::start(&["greeting"]);
    let address = first.address("greeting");
    // The server closes first, so the connection's TIME_WAIT is on its side.
    let mut client = first.connect("greeting");
    client.read_to_end();
    drop(client);
    drop(first);
    let second = Server::start(&[&format!("greeting={address}")]);
    assert_eq!(second.address("greeting"), address);
    assert!(second.connect("greeting").read_to_end().starts_with(b"Hello!"));
}

#[test]
fn tables_that_cannot_be_used() {
    let scratch = Scratch::new();
    let broken = scratch.write("broken", "colour red\nshape round\ncolour blue\n");
    let long = scratch.write("long", &"key value # and a comment\n".repeat(100));
    let listen = ["--listen", "lookup=127.0.0.1:0"];
    let run_with = |more: &[&str], complaint: &str| {
        assert_cannot_run(&[listen.as_slice(), more].concat(), complaint);
    };
    run_with(&["--table", as_str(&broken)], "line 3: key \"colour\" is already on line 1");
    run_with(&["--table", "/nonexistent/table"], "cannot open table \"/nonexistent/table\"");
    run_with(&["--table", "/"], "is a directory");
    run_with(&["--table", as_str(&long), "--table-limit", "1KiB"], "limit of 1024 bytes");
    run_with(&["--check-config", "--table", as_str(&broken)], "line 3");
}

#[test]
fn check_config_only_checks() {
    let holder = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let scratch = Scratch::new();
    let table = scratch.write("table", "colour red\n");
    // The port is taken, which shows that nothing is bound.
    let listen = format!("listen lookup={}", holder.local_addr().expect("its address"));
    let config = scratch.write("config", &format!("{listen}\ntable {}\n", as_str(&table)));
    let ended = readyd(&["--check-config", "--config", as_str(&config)]);
    assert_eq!((ended.status, ended.stderr.as_str()), (Some(0), ""));
    assert_eq!(ended.stdout, "the configuration is valid\n");

    let config = scratch.write("config", &format!("# comment\n\n{listen}\nfrobnicate 3\n"));
    let complaint = format!("{} line 4: unknown flag frobnicate", config.display());
    assert_wrong_command(&["--check-config", "--config", as_str(&config)], &complaint);
    let config = scratch.write("config", "idle-timeout\n");
    assert_wrong_command(&["--config", as_str(&config)], "line 1: --idle-timeout needs a value");
}

#[test]
fn the_command_line_wins_over_the_file() {
    let scratch = Scratch::new();
    let text = "listen chargen=127.0.0.1:0\n--max-frame=10\nutc\nidle-timeout 1h\n";
    let config = scratch.write("config", text);
    let server =
        Launch::of(&["framed"]).path("--config", &config).args(&["--max-frame", "20"]).start();
    assert!(server.addresses_of("chargen").is_empty(), "the command line names the listeners");
    let mut client = server.connect("framed");
    assert_eq!(client.ask("ECHO 15 bytes.."), "15 bytes..");
    client.send_frame("ECHO 21 bytes is more");
    assert_eq!(client.read_frame(), b"Error: a body of 21 bytes is over the limit of 20");
}

#[test]
fn listeners_from_the_file() {
    let scratch = Scratch::new();
    let text = "listen=echo=127.0.0.1:0\nprint-addresses\nexit-on-idle 10ms\n";
    let config = scratch.write("config", text);
    let ended = readyd(&["--config", as_str(&config)]);
    assert_eq!(ended.status, Some(0), "{}", ended.stderr);
    assert!(ended.stdout.starts_with("echo 127.0.0.1:"), "{}", ended.stdout);
    assert_eq!(ended.stdout.lines().count(), 1);
}

#[test]
fn print_addresses_in_the_order_of_the_command_line() {
    let server = Server::start(&["echo", "framed", "echo", "time"]);
    let echoes = server.addresses_of("echo");
    assert_eq!(echoes.len(), 2);
    for mut client in echoes.iter().map(|&address| Client::connect(address)) {
        client.send(b"which?");
        client.expect("which?");
    }
    assert_eq!(server.connect("framed").ask("ECHO"), "");
    assert_eq!(server.connect("time").read_to_end().len(), 4);
}
