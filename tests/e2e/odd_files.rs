//! Files that are not files, where a table or a configuration is expected; and texts that do not
//! end.

use crate::command_line::assert_cannot_run;
use crate::support::server::READYD;
use crate::support::tools::{self, Input, SHELL};
use crate::support::{Client, Launch, Scratch, Server};
use nix::sys::signal::Signal;
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Command;

const LISTEN: [&str; 2] = ["--listen", "lookup=127.0.0.1:0"];

fn as_str(path: &Path) -> &str {
    path.to_str().expect("a path of UTF-8")
}

/// Checks that a server with this configuration ends at once, and says so.
fn assert_no_configuration(path: &Path, complaint: &str) {
    let mut command = Command::new(READYD);
    let output = tools::run(command.arg("--config").arg(path), Input::Silent);
    let stderr = String::from_utf8(output.stderr).expect("UTF-8");
    assert_eq!(stderr, format!("readyd: {}: {complaint}\n", path.display()));
    assert!(!output.status.success());
}

#[test]
fn field_server_09_a_configuration_that_is_no_file() {
    let scratch = Scratch::new();
    let socket = scratch.path("socket");
    let _listener = UnixListener::bind(&socket).expect("a Unix socket");
    let is_a = |kind: &str| format!("it is {kind}; name a regular file or a pipe");
    assert_no_configuration(Path::new("/dev/zero"), &is_a("a character device"));
    assert_no_configuration(Path::new("/dev/urandom"), &is_a("a character device"));
    assert_no_configuration(Path::new("/"), &is_a("a directory"));
    assert_no_configuration(&socket, &is_a("a socket"));
}

#[test]
fn field_server_09_a_configuration_of_at_most_a_mebibyte() {
    let scratch = Scratch::new();
    let comment = |length: usize| format!("#{}\n", "x".repeat(length - 2));
    let most = scratch.write("most", &comment(1 << 20));
    let check = ["--check-config", "--config", as_str(&most)];
    let mut command = Command::new(READYD);
    let output = tools::run(command.args(check).env_remove("RUST_LOG"), Input::Silent);
    assert!(output.status.success(), "{output:?}");

    let too_long = "it is longer than the limit of 1048576 bytes; shorten it";
    assert_no_configuration(&scratch.write("longer", &comment((1 << 20) + 1)), too_long);
    // The pipe of an endless one is read no further: the writer learns that by SIGPIPE.
    let mut command = Command::new(SHELL);
    command.args(["-c", "yes | \"$0\" --config /dev/stdin", READYD]);
    let output = tools::run(&mut command, Input::Silent);
    let stderr = String::from_utf8(output.stderr).expect("UTF-8");
    assert_eq!(stderr, format!("readyd: /dev/stdin: {too_long}\n"));
}

#[test]
fn field_server_09_a_table_that_is_no_file() {
    let scratch = Scratch::new();
    let socket = scratch.path("socket");
    let _listener = UnixListener::bind(&socket).expect("a Unix socket");
    for (path, kind) in [
        (Path::new("/dev/zero"), "a character device"),
        (Path::new("/dev/urandom"), "a character device"),
        (Path::new("/"), "a directory"),
        (&socket, "a socket"),
    ] {
        let complaint = format!("table {path:?} is {kind}; name a regular file or a pipe");
        for more in [&[][..], &["--shards", "2"], &["--check-config"]] {
            let arguments = [&LISTEN, more, &["--table", as_str(path)]].concat();
            assert_cannot_run(&arguments, &complaint);
        }
    }
}

/// A pipe that never ends, and a file of a gibibyte: neither is read beyond the line at fault.
#[test]
fn field_server_09_a_table_is_judged_as_it_is_read() {
    // In so little address space nothing of that size can be kept.
    const ADDRESS_SPACE_KIB: usize = 96 << 10;
    let limited = |script: &str| {
        let mut command = Command::new(SHELL);
        let script = format!("ulimit -v {ADDRESS_SPACE_KIB}; {script}");
        command.args(["-c", &script, READYD]).env_remove("RUST_LOG");
        let output = tools::run(command.args(LISTEN), Input::Silent);
        String::from_utf8(output.stderr).expect("UTF-8")
    };
    let said = limited("cat /dev/urandom | \"$0\" \"$@\" --table /dev/stdin");
    assert!(said.contains("table \"/dev/stdin\": line "), "{said}");
    let said = limited("yes one-word | \"$0\" \"$@\" --table /dev/stdin");
    assert!(said.contains("line 1: key \"one-word\" has no value"), "{said}");

    let scratch = Scratch::new();
    let table = scratch.write("table", "# a comment\none-word\n");
    let file = File::options().write(true).open(&table).expect("the table");
    file.set_len(1 << 30).expect("a sparse file");
    let mut command = Command::new(READYD);
    command.args(LISTEN).arg("--table").arg(&table);
    let strace = tools::find("strace");
    if let Some(strace) = &strace {
        let mut traced = Command::new(strace);
        traced.args(["-f", "-e", "trace=read", "-P", as_str(&table), "-o"]);
        traced.arg(scratch.path("trace")).arg(READYD).args(command.get_args());
        command = traced;
    }
    let output = tools::run(command.env_remove("RUST_LOG"), Input::Silent);
    let said = String::from_utf8(output.stderr).expect("UTF-8");
    assert!(said.contains("line 2: key \"one-word\" has no value"), "{said}");
    if strace.is_some() {
        let trace = fs::read_to_string(scratch.path("trace")).expect("strace's output");
        assert_eq!(trace.lines().filter(|line| line.contains("read(")).count(), 1, "{trace}");
    }
}

/// Checks that SIGHUP is refused with `complaint`, and the table that is there stays.
fn assert_refused(server: &Server, client: &mut Client, complaint: &str) {
    let before = server.log().containing("keeping the old table: ").len();
    server.signal(Signal::SIGHUP);
    let line = server.log().wait(complaint, |lines| {
        let mut refusals = lines.iter().filter(|line| line.contains("keeping the old table: "));
        refusals.nth(before).cloned()
    });
    assert!(line.contains("ERROR") && line.contains(complaint), "{line}");
    assert_eq!(client.ask("LOOKUP colour"), "red");
}

#[test]
fn field_server_09_a_reload_takes_only_a_regular_file() {
    for shards in ["1", "2"] {
        let scratch = Scratch::new();
        let table = scratch.write("table", "colour red\n");
        let server =
            Launch::of(&["framed"]).args(&["--shards", shards]).path("--table", &table).start();
        let mut client = server.connect("framed");
        let mut replace = |make: &dyn Fn(&Path), complaint: &str| {
            fs::remove_file(&table).expect("remove what is there");
            make(&table);
            assert_refused(&server, &mut client, complaint);
        };
        replace(
            &|path| mkfifo(path, Mode::S_IRWXU).expect("make a FIFO"),
            "is a pipe, which is read at the start only; name a regular file",
        );
        replace(
            &|path| drop(UnixListener::bind(path).expect("a Unix socket")),
            "is a socket; name a regular file",
        );
        replace(
            &|path| symlink("/dev/zero", path).expect("a link"),
            "is a character device; name a regular file",
        );
        replace(&|path| symlink("/", path).expect("a link"), "is a directory; name a regular file");
        // The mended file is taken, and nothing of what was refused holds it up.
        fs::remove_file(&table).expect("remove what is there");
        scratch.write("table", "colour blue\n");
        server.signal(Signal::SIGHUP);
        server.wait_for_log("table reloaded: 1 key");
        crate::support::eventually("the new table", || {
            (client.ask("LOOKUP colour") == "blue").then_some(())
        });
    }
}

/// What was read from a pipe is gone; what stands at its path now is looked at all the same.
#[test]
fn field_server_09_a_table_from_a_fifo_can_be_followed_by_a_file() {
    let scratch = Scratch::new();
    let table = scratch.path("table");
    mkfifo(&table, Mode::S_IRWXU).expect("make a FIFO");
    let writer = std::thread::spawn({
        let table = table.clone();
        // Waits for the server to open it.
        move || fs::write(table, "colour red\n").expect("write to a FIFO")
    });
    let server = Launch::of(&["framed"]).path("--table", &table).start();
    writer.join().expect("the writing thread");
    let mut client = server.connect("framed");
    let complaint = "was a pipe at the start, and its text cannot be read again";
    assert_refused(&server, &mut client, complaint);
    fs::remove_file(&table).expect("remove the FIFO");
    assert_refused(&server, &mut client, complaint);
    scratch.write("table", "colour blue\n");
    server.signal(Signal::SIGHUP);
    server.wait_for_log("table reloaded: 1 key");
    assert_eq!(client.ask("LOOKUP colour"), "blue");
}
