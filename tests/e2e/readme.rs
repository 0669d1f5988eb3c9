//! The examples in the documents, run: what they show is what a reader gets.
//!
//! `UPDATE_DOCS=1` writes what was printed into the documents instead of comparing it. The programs
//! are then those in the directory `READYD_PROGRAMS`, such as `target/release`, if it is given:
//! figures of a debug build are not for readers.

use super::support::documents::{Document, Example, in_words, labels, shape, shortened};
use super::support::readyc::READYC;
use super::support::tools::{self, Input, SHELL};
use super::support::{Launch, Scratch, Server, loopback_of_ones_own};
use nix::sys::signal::Signal;
use std::env;
use std::ffi::OsString;
use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::thread;

/// The programs that examples need and that are not on every machine.
const TOOLS: [&str; 5] = ["nc.openbsd", "nc.traditional", "ncat", "socat", "python3"];

/// The address that the documents have.
const SHOWN_ADDRESS: &str = "127.0.0.1";

/// Where the examples of one document run.
struct Stage {
    directory: Scratch,
    programs: PathBuf,
    address: String,
    updates: bool,
    server: Option<Server>,
}

impl Stage {
    /// Documents run at the same time, each on addresses of its own.
    fn new(number: u8) -> Stage {
        let [first, second, third, fourth] = loopback_of_ones_own().octets();
        // Of one's own are those from 64 to 127.
        let second = second.wrapping_add(64 * number);
        let address = Ipv4Addr::new(first, second, third, fourth);
        let of_cargo = Path::new(READYC).parent().expect("a directory").to_owned();
        let programs = env::var_os("READYD_PROGRAMS").map_or(of_cargo, PathBuf::from);
        Stage {
            directory: Scratch::new(),
            programs: programs.canonicalize().expect("the directory of the programs"),
            address: address.to_string(),
            updates: env::var_os("UPDATE_DOCS").is_some(),
            server: None,
        }
    }

    /// The command as this machine runs it.
    fn here(&self, command: &str) -> String {
        let mut here = command.replace("| nc ", "| nc.openbsd ");
        if let Some(rest) = here.strip_prefix("nc ") {
            here = format!("nc.openbsd {rest}");
        }
        if let Some(server) = &self.server {
            here = here.replace("$(pidof readyd)", &server.pid().to_string());
        }
        if !self.updates {
            // Enough for the first try, and the other tests need the processors.
            here = here.replace("--find-time 20s", "--find-time 12s");
        }
        // Where the examples run, files of theirs are removed.
        here.replace("/dev/shm/", "").replace(SHOWN_ADDRESS, &self.address)
    }

    fn shell(&self, here: &str) -> Command {
        let mut path = OsString::from(&self.programs);
        path.push(":");
        path.push(env::var_os("PATH").unwrap_or_default());
        let mut shell = Command::new(SHELL);
        shell.args(["-c", here]).current_dir(self.directory.path("")).env("PATH", path);
        shell.env("READYC_SERVER", format!("{}:9999", self.address)).env("COLUMNS", "120");
        shell
    }

    /// What the command prints. A server's complaints count.
    fn run(&self, command: &str) -> String {
        let here = self.here(command);
        println!("running {here}");
        let output = tools::run(&mut self.shell(&here), Input::Silent);
        let stderr = if command.starts_with("readyd") { output.stderr } else { Vec::new() };
        let printed = [output.stdout, stderr].concat();
        String::from_utf8_lossy(&printed).replace(&self.address, SHOWN_ADDRESS)
    }

    /// Starts the server of an example, and compares its first lines with those shown.
    fn serve(&mut self, example: &Example<'_>) {
        let here = self.here(&example.command.replace("\\\n", " "));
        let words: Vec<&str> = here.split_whitespace().skip(1).collect();
        let config = words.iter().position(|word| *word == "--config");
        let config = config.map(|at| self.directory.path(words[at + 1]));
        let config = config.map(|path| fs::read_to_string(path).expect("an example wrote it"));
        // The command line's list replaces the file's: it is the same list.
        let of_file = config.iter().flat_map(|text| text.lines());
        let of_file = of_file.filter_map(|line| line.strip_prefix("listen "));
        let (listeners, flags): (Vec<&str>, Vec<&str>) =
            words.iter().filter(|word| **word != "--listen").partition(|word| is_listener(word));
        let listeners: Vec<&str> = listeners.into_iter().chain(of_file).collect();
        let from_here = self.directory.path("");
        let directory = from_here.to_str().expect("a path of ASCII");
        let launch = Launch::of(&listeners).program(&self.programs.join("readyd")).args(&flags);
        let server = launch.wrapper(&["env", "-C", directory]).start();
        for line in example.shown.lines().filter(|line| *line != "...") {
            let shown = shape(line);
            server.log().wait("a line shown in a document", |log| {
                let is_it =
                    |line: &String| shape(&line.replace(&self.address, SHOWN_ADDRESS)) == shown;
                log.iter().any(is_it).then_some(())
            });
        }
        self.server = Some(server);
    }

    /// Sends the signal of a `kill` to the server, and waits until that has been done.
    fn signal(&mut self, name: &str) {
        let server = self.server.as_mut().expect("a document starts a server first");
        match name {
            "-HUP" => {
                let reloads = server.statistics().get("table_reloads");
                server.signal(Signal::SIGHUP);
                server.wait_for_statistic("table_reloads", reloads + 1);
            }
            "-TERM" => {
                server.signal(Signal::SIGTERM);
                assert_eq!(server.wait_for_exit().code(), Some(0));
            }
            _ => panic!("an example sends the signal {name}"),
        }
    }
}

/// Whether this is the value of `--listen`: a service and an address.
fn is_listener(word: &str) -> bool {
    let service = word.split_once('=').map(|(service, _)| service);
    service.is_some_and(|name| name.chars().all(|c| c.is_ascii_lowercase()))
}

/// Whether what the command needs is there. What is missing is said.
fn has_its_tools(here: &str) -> bool {
    let is_used = |tool: &&&str| here.split_whitespace().any(|word| word == **tool);
    TOOLS.iter().filter(is_used).all(|tool| tools::find(tool).is_some())
}

/// Runs all examples of the document; at least `fewest` of them can be compared.
fn every_example_gives_what_it_shows(name: &str, number: u8, fewest: usize) {
    let (mut document, mut stage) = (Document::read(name), Stage::new(number));
    if let Some(program) = document.program() {
        stage.directory.write("client.py", program);
    }
    let (mut compared, mut printed) = (0, Vec::new());
    for example in document.examples() {
        let command = example.command;
        let is_no_server = command.contains("--check-") || command.contains("--health ");
        if command.starts_with("readyd ") && !is_no_server {
            stage.serve(&example);
        } else if let Some(signal) = command.strip_prefix("kill ") {
            stage.signal(in_words(signal)[0]);
        } else if has_its_tools(&stage.here(command)) {
            // What a load test prints depends on the moment: only the names of its lines do not.
            let is_measured = command.contains("readyc bench") && !example.shown.is_empty();
            let whole = if is_measured { command.split(" | ").next() } else { None };
            if example.shown.lines().any(|line| line == "...") && !is_measured {
                let text = stage.run(command);
                let shown = shortened(&example.shown, &text);
                let shown = shown.unwrap_or_else(|| panic!("{name}: {command}\n{text}"));
                if stage.updates {
                    printed.push((example.place.clone(), shown));
                }
            } else if stage.updates {
                printed.push((example.place.clone(), stage.run(command)));
            } else if let Some(whole) = whole {
                let there = labels(&stage.run(whole));
                let missing = labels(&example.shown).into_iter().find(|name| !there.contains(name));
                assert_eq!(missing, None, "{name}: {command}\nprinted these names: {there:?}");
            } else {
                let text = stage.run(command);
                assert_eq!(shape(&text), shape(&example.shown), "{name}: {command}\n{text}");
            }
            compared += 1;
        }
    }
    assert!(compared >= fewest, "only {compared} examples were run of those in {name}");
    document.update(printed);
}

#[test]
fn every_example_of_the_readme_gives_what_it_shows() {
    every_example_gives_what_it_shows("README.md", 0, 5);
}

#[test]
fn every_example_of_the_protocol_gives_what_it_shows() {
    every_example_gives_what_it_shows("PROTOCOL.md", 1, 8);
}

#[test]
fn every_example_for_operators_gives_what_it_shows() {
    every_example_gives_what_it_shows("docs/operating.md", 2, 8);
}

#[test]
fn every_example_of_what_the_loop_does_gives_what_it_shows() {
    every_example_gives_what_it_shows("docs/seeing.md", 3, 10);
}

/// Runs PROTOCOL.md's client in Python against a server that reads one request and sends these
/// pieces, each by itself.
fn python_client(pieces: &[&[u8]]) -> Option<Output> {
    let python = tools::find("python3")?;
    let directory = Scratch::new();
    let document = Document::read("PROTOCOL.md");
    let program = directory.write("client.py", document.program().expect("the client"));
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("its address").port().to_string();
    let pieces: Vec<Vec<u8>> = pieces.iter().map(|piece| piece.to_vec()).collect();
    let server = thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a client");
        stream.set_nodelay(true).expect("an option of the socket");
        let mut request = [0; 64 + 5];
        stream.read_exact(&mut request).expect("a request");
        for piece in pieces {
            stream.write_all(&piece).expect("the client reads");
        }
        request
    });
    let mut command = Command::new(python);
    let output =
        tools::run(command.arg(program).args(["127.0.0.1", &port, "hello"]), Input::Silent);
    let expected = [format!("{:<64}", 5).as_bytes(), b"hello"].concat();
    assert_eq!(server.join().expect("the server").as_slice(), expected);
    Some(output)
}

#[test]
fn the_client_in_python_puts_a_reply_together_however_it_was_cut() {
    let reply = [format!("{:<64}", 11).as_bytes(), b"hello again"].concat();
    let bytes: Vec<&[u8]> = reply.chunks(1).collect();
    let two_cuts = [&reply[..7], &reply[7..70], &reply[70..]];
    for pieces in [&bytes[..], &two_cuts, &[&reply]] {
        let Some(output) = python_client(pieces) else { return };
        assert_eq!(String::from_utf8_lossy(&output.stdout), "hello again\n", "{output:?}");
        assert!(output.status.success(), "{output:?}");
    }
}

#[test]
fn the_client_in_python_does_not_take_a_part_for_a_reply() {
    let reply = [format!("{:<64}", 11).as_bytes(), b"hello"].concat();
    for (pieces, why) in [
        (&reply[..], "the server closed with 6 bytes to come"),
        (&reply[..10], "the server closed with 54 bytes to come"),
        (&[b'x'; 64], "not a header"),
    ] {
        let Some(output) = python_client(&[pieces]) else { return };
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && stderr.contains(why), "{why}: {output:?}");
        assert_eq!(output.stdout, b"");
    }
}

#[test]
fn the_client_in_python_has_forty_lines() {
    let document = Document::read("PROTOCOL.md");
    let lines = document.program().expect("the client").lines().count();
    assert!(lines <= 40, "{lines} lines, empty ones included");
}
