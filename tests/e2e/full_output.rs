//! Standard output as a pipe that is full: nothing that is printed at a start holds up a signal.

use crate::support::lines::Lines;
use crate::support::server::READYD;
use crate::support::tools::Process;
use crate::support::{Client, eventually};
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::signal::{Signal, kill};
use std::fs;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};

/// A pipe that has no room.
fn full_pipe() -> (io::PipeReader, io::PipeWriter) {
    let (reader, mut writer) = io::pipe().expect("a pipe");
    fcntl(&writer, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).expect("a descriptor of our own");
    let full = loop {
        if let Err(error) = writer.write(&[b'x'; 4096]) {
            break error;
        }
    };
    assert_eq!(full.kind(), io::ErrorKind::WouldBlock);
    fcntl(&writer, FcntlArg::F_SETFL(OFlag::empty())).expect("a descriptor of our own");
    (reader, writer)
}

/// A server whose standard output is a full pipe, and its log.
fn start(arguments: &[&str]) -> (Process, Lines, io::PipeReader) {
    let (reader, writer) = full_pipe();
    let mut command = Command::new(READYD);
    command.args(arguments).env_remove("RUST_LOG");
    command.stdin(Stdio::null()).stdout(writer).stderr(Stdio::piped());
    let mut process = Process::start(&mut command);
    let log = Lines::of(process.child.stderr.take().expect("a pipe"));
    (process, log, reader)
}

/// Waits until a thread of the process is inside write(2).
fn wait_until_it_writes(process: &Process) {
    let tasks = format!("/proc/{}/task", process.id());
    let is_writing = |task: io::Result<fs::DirEntry>| {
        let path = task.expect("a thread").path().join("wchan");
        fs::read_to_string(path).is_ok_and(|call| call.contains("pipe_write"))
    };
    eventually("a thread that writes to the pipe", || {
        let mut tasks = fs::read_dir(&tasks).expect("a running process");
        tasks.any(is_writing).then_some(())
    });
}

const ADDRESSES: &[&str] = &["--listen=framed=127.0.0.1:0", "--print-addresses"];

const WAYS: [&[&str]; 2] = [&[], &["--shards", "2"]];

#[test]
fn field_server_06_stopped_while_the_addresses_wait_for_room_in_a_pipe() {
    for way in WAYS {
        for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGQUIT] {
            let (mut process, log, _reader) = start(&[ADDRESSES, way].concat());
            let line = log.wait_for("listening framed ");
            wait_until_it_writes(&process);
            kill(process.id(), signal).expect("send a signal");
            let status = process.wait();
            let lines = log.wait_for_end();
            assert_eq!(status.code(), Some(0), "{way:?} {signal}: {status}: {lines:?}");
            assert!(lines.last().is_some_and(|it| it.ends_with("stopped before serving")));
            assert!(!lines.iter().any(|line| line.contains("starting 2 shards")), "{lines:?}");
            let (_, address) = line.rsplit_once(' ').expect("an address");
            TcpStream::connect(address).expect_err("nobody listens any more");
        }
    }
}

#[test]
fn field_server_06_the_addresses_are_printed_when_there_is_room() {
    for way in WAYS {
        let (mut process, log, mut reader) = start(&[ADDRESSES, way].concat());
        let line = log.wait_for("listening framed ");
        wait_until_it_writes(&process);
        // Kept until the server serves.
        kill(process.id(), Signal::SIGUSR1).expect("send a signal");
        let (_, address) = line.rsplit_once(' ').expect("an address");
        let expected = format!("framed {address}\n");
        let mut printed = Vec::new();
        while !printed.ends_with(expected.as_bytes()) {
            let mut part = [0; 4096];
            let count = reader.read(&mut part).expect("bytes");
            assert_ne!(count, 0, "the address is missing");
            printed.extend_from_slice(&part[..count]);
        }
        let mut client = Client::connect(address.parse().expect("IP:PORT"));
        assert_eq!(client.ask("ECHO hello"), "hello");
        log.wait_for("statistics: ");
        drop(client);
        kill(process.id(), Signal::SIGTERM).expect("send a signal");
        assert_eq!(process.wait().code(), Some(0), "{:?}", log.all());
    }
}

#[test]
fn field_server_06_stopped_while_a_text_waits_for_room_in_a_pipe() {
    for flag in ["--help", "--version", "--check-config"] {
        for signal in [Signal::SIGTERM, Signal::SIGINT] {
            let (mut process, _, _reader) = start(&[flag]);
            wait_until_it_writes(&process);
            kill(process.id(), signal).expect("send a signal");
            assert_eq!(process.wait().signal(), Some(signal as i32), "{flag}");
        }
    }
}
