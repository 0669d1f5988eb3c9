//! Signals and resource limits, with several processes.

use super::{clients_of_all, launch, processes};
use crate::signal_table::{Reader, send_all_survivable};
use crate::support::server::READYD;
use crate::support::tools::{self, Input, SHELL};
use crate::support::{Launch, Scratch, frame};
use nix::sys::signal::Signal;
use std::fs::{self, OpenOptions};
use std::path::Path;
use std::process::Command;

#[test]
fn field_server_01_no_signal_of_the_table_ends_a_supervisor_or_a_shard() {
    let server = launch(&["framed"], 2).start();
    let before = processes(&server, 2);
    let mut clients = clients_of_all(&server, 2);
    for pid in before.iter().copied().chain([server.pid()]) {
        send_all_survivable(pid);
        for client in clients.values_mut().flatten() {
            assert_eq!(client.ask("ECHO still here"), "still here", "after signals to {pid}");
        }
    }
    assert_eq!(processes(&server, 2), before);
}

#[test]
fn field_server_01_a_shard_at_its_limit_of_processor_time_drains_and_is_replaced() {
    let script = "ulimit -t 2; exec \"$0\" \"$@\"";
    let server = launch(&["chargen", "framed"], 2).wrapper(&[SHELL, "-c", script]).start();
    let reader = Reader::start(server.connect("chargen"));
    reader.wait_for_log(&server, "the CPU time limit is nearly reached");
    reader.finish();
    server.wait_for_log("is draining; its replacement starts at once");
    clients_of_all(&server, 2);
}

/// A limit of 64 KiB for each file, in the shell's units of 512 bytes.
const SMALL_FILES: &str = "ulimit -f 128; exec \"$0\" \"$@\"";

#[test]
fn field_server_01_a_log_at_the_limit_of_file_sizes_ends_neither_server_nor_supervisor_nor_shard() {
    for shards in ["1", "2"] {
        let scratch = Scratch::new();
        let path = scratch.path("log");
        let log = OpenOptions::new().create(true).append(true).open(&path).expect("a log file");
        let server = Launch::of(&["framed"])
            .wrapper(&[SHELL, "-c", SMALL_FILES])
            .args(&["--log-rate", "1m", "--shards", shards])
            .stderr(log)
            .start();
        let mut client = server.connect("framed");
        for _ in 0..20 {
            client.send(&frame([b'x'; 100]).repeat(100));
            client.expect(frame("Message received successfully....").repeat(100));
        }
        // The supervisor has lines of its own to lose, at these two.
        server.signal(Signal::SIGHUP);
        server.signal(Signal::SIGUSR1);
        assert_eq!(client.ask("ECHO still here"), "still here");
        assert!(fs::metadata(&path).expect("the log").len() <= 64 << 10);
    }
}

/// A table that is larger than a file may be, as text and as shared memory.
fn write_large_table(scratch: &Scratch) -> std::path::PathBuf {
    let line = |number| format!("key{number} value\n");
    scratch.write("table", &(0..10_000).map(line).collect::<String>())
}

fn complaint_of_limited(blocks: u32, more: &[&Path]) -> String {
    let script = format!("ulimit -f {blocks}; exec \"$0\" \"$@\"");
    let mut command = Command::new(SHELL);
    command.args(["-c", &script, READYD, "--shards", "2", "--listen", "echo=127.0.0.1:0"]);
    command.args(more).env_remove("RUST_LOG");
    let output = tools::run(&mut command, Input::Whole(b""));
    let stderr = String::from_utf8(output.stderr).expect("UTF-8");
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    stderr.lines().last().expect("a complaint").to_owned()
}

#[test]
fn field_server_01_shared_memory_over_the_limit_of_file_sizes_is_refused_at_the_start() {
    let scratch = Scratch::new();
    let table = write_large_table(&scratch);
    let advice =
        "(the limit of file sizes holds for memory that shards share, too: raise ulimit -f";
    let complaint = complaint_of_limited(128, &["--table".as_ref(), &table]);
    assert!(complaint.starts_with("readyd: the table cannot be served: "), "{complaint}");
    assert!(complaint.contains("File too large") && complaint.contains(advice), "{complaint}");
    let complaint = complaint_of_limited(1, &[]);
    assert!(complaint.starts_with("readyd: cannot create the shared statistics: "), "{complaint}");
    assert!(complaint.contains(advice), "{complaint}");
}

#[test]
fn field_server_01_a_table_that_has_grown_over_the_limit_of_file_sizes_leaves_the_old_one() {
    let scratch = Scratch::new();
    let table = scratch.write("table", "colour red\n");
    let server =
        launch(&["framed"], 2).wrapper(&[SHELL, "-c", SMALL_FILES]).path("--table", &table).start();
    write_large_table(&scratch);
    server.signal(Signal::SIGHUP);
    let line = server.wait_for_log("keeping the old table: ");
    assert!(line.contains("File too large"), "{line}");
    for client in clients_of_all(&server, 2).values_mut().flatten() {
        assert_eq!(client.ask("LOOKUP colour"), "red");
    }
}
