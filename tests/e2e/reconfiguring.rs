//! SIGHUP reads the configuration again: what takes effect, what does not, and what an error does.

use crate::support::{Launch, PATIENCE, Scratch, Server, eventually};
use nix::sys::signal::Signal;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};

/// A server with this file as its configuration; `more` are flags of the command line.
fn configured(scratch: &Scratch, text: &str, more: &[&str]) -> (Server, PathBuf) {
    let path = scratch.write("readyd.conf", text);
    let file = path.to_str().expect("UTF-8");
    let arguments = [&["--config", file][..], more].concat();
    (Launch::of(&["framed", "echo"]).args(&arguments).start(), path)
}

fn reload(server: &Server, path: &Path, text: &str) {
    fs::write(path, text).expect("a file of our own");
    server.signal(Signal::SIGHUP);
}

/// Whether a client of plain echo is served: a client that is rejected is reset.
fn is_let_in(server: &Server) -> bool {
    let Ok(mut client) = TcpStream::connect(server.address("echo")) else { return false };
    client.set_read_timeout(Some(PATIENCE)).expect("a valid timeout");
    client.write_all(b"x").is_ok() && client.read_exact(&mut [0; 1]).is_ok()
}

#[test]
fn limits_timeouts_lists_and_the_level_change_while_it_serves() {
    for shards in ["1", "2"] {
        let scratch = Scratch::new();
        let (server, path) = configured(&scratch, "idle-timeout 10m\n", &["--shards", shards]);
        let mut inside = server.connect("framed");
        assert_eq!(inside.ask("ECHO inside"), "inside");
        reload(&server, &path, "idle-timeout 300ms\nmax-connections 500\nlog debug\n");
        server.wait_for_log(
            "configuration reloaded: idle-timeout 0.3s, log debug, max-connections 500",
        );
        assert_eq!(inside.read_to_end(), b"");
        let most = eventually("the new limit", || {
            let most = server.statistics().get("connections_max");
            (most == 500).then_some(most)
        });
        assert_eq!(most, 500);

        reload(&server, &path, "deny 127.0.0.0/8\nidle-timeout 10m\n");
        server.wait_for_log(
            "configuration reloaded: deny 127.0.0.0/8, idle-timeout 600s, log is gone",
        );
        eventually("a rejection", || (!is_let_in(&server)).then_some(()));
        reload(&server, &path, "idle-timeout 10m\n");
        server.wait_for_log("configuration reloaded: deny is gone");
        eventually("a client that is let in", || is_let_in(&server).then_some(()));
    }
}

#[test]
fn an_error_changes_nothing_and_is_told_with_its_line() {
    let scratch = Scratch::new();
    let (server, path) = configured(&scratch, "max-connections 100\n", &[]);
    for (text, complaint) in [
        ("max-connections 50\nidel-timeout 5m\n", "readyd.conf line 2: unknown flag idel-timeout"),
        ("max-connections 50\nmax-frame 0\n", "--max-frame must be more than 0"),
        ("max-connections 1g\n", "max-connections"),
    ] {
        reload(&server, &path, text);
        let log = server.wait_for_log(complaint);
        assert!(log.contains("ERROR keeping the old configuration: "), "{log}");
        assert_eq!(server.statistics().get("connections_max"), 100, "{text}");
    }
    fs::remove_file(&path).expect("it is there");
    server.signal(Signal::SIGHUP);
    server.wait_for_log("No such file or directory");
    assert_eq!(server.statistics().get("connections_max"), 100);
    reload(&server, &path, "max-connections 70\n");
    server.wait_for_log("configuration reloaded: max-connections 70");
    assert_eq!(server.statistics().get("connections_max"), 70);
}

#[test]
fn a_setting_that_needs_a_restart_says_so_and_the_command_line_wins() {
    let scratch = Scratch::new();
    let flags = ["--idle-timeout", "5m"];
    let (server, path) = configured(&scratch, "backlog 100\n", &flags);
    reload(&server, &path, "backlog 200\nutc true\nidle-timeout 1s\n");
    server.wait_for_log("keeping the old configuration");
    reload(&server, &path, "backlog 200\nidle-timeout 1s\n");
    server.wait_for_log("backlog 200 takes effect at the next start; the old value stays");
    // The same file again: this has been said.
    server.signal(Signal::SIGHUP);
    server.wait_for_log("configuration reloaded: nothing has changed");
}

#[test]
fn without_a_file_only_the_table_and_the_zone_are_read() {
    let server = Launch::of(&["framed"]).start();
    server.signal(Signal::SIGHUP);
    server.wait_for_log("no table to reload");
    assert_eq!(server.connect("framed").ask("ECHO"), "");
}

#[test]
fn a_file_that_was_a_pipe_cannot_be_read_again() {
    let launch = Launch::of(&["framed"]).args(&["--config", "/dev/fd/9"]);
    let script = "exec \"$0\" \"$@\" 9< <(echo max-connections 77)";
    let mut server = launch.wrapper(&["/bin/bash", "-c", script]).start();
    server.set_baseline();
    assert_eq!(server.statistics().get("connections_max"), 77);
    for _ in 0..2 {
        server.signal(Signal::SIGHUP);
        server.wait_for_log("keeping the old configuration: ");
    }
    assert_eq!(server.statistics().get("connections_max"), 77);
}
