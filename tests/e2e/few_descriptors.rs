//! A descriptor limit that leaves next to nothing for connections.

use crate::command_line::{Ended, ended};
use crate::support::server::READYD;
use crate::support::tools::{self, SHELL};
use crate::support::{Client, Launch};
use nix::unistd::geteuid;
use std::process::Command;

const WAYS: [&[&str]; 3] = [&[], &["--shards", "2"], &["--check-config"]];

/// Whether the server sees /proc.
#[derive(Clone, Copy, Debug)]
enum Proc {
    There,
    /// Behind an empty file system, in a mount namespace of its own.
    Hidden,
}

/// Runs the server with a descriptor limit that is too low; tells which one it asks for.
fn limit_asked_for(proc: Proc, limit: u32, arguments: &[&str]) -> u32 {
    let (mut command, before) = match proc {
        Proc::There => (Command::new(SHELL), ""),
        Proc::Hidden => {
            let mut command = Command::new("unshare");
            command.args(["-m", SHELL]);
            (command, "mount -t tmpfs none /proc &&")
        }
    };
    let script = format!("{before} ulimit -n {limit} && exec \"$0\" \"$@\"");
    command.args(["-c", &script, READYD, "--listen", "framed=127.0.0.1:0"]).args(arguments);
    let Ended { status, stdout, stderr } = ended(&mut command);
    assert_eq!((status, stdout.as_str()), (Some(1), ""), "{arguments:?}: {stderr}");
    let complaint = format!("readyd: the descriptor limit of {limit} ");
    assert!(stderr.starts_with(&complaint), "{arguments:?}: {stderr}");
    assert_eq!(stderr.lines().count(), 1, "once, whoever finds it: {stderr}");
    let (_, rest) = stderr.split_once("need a limit of ").expect("the limit that is needed");
    rest.split(' ').next().and_then(|number| number.parse().ok()).expect("a number")
}

#[test]
fn field_server_14_fewer_than_sixteen_places_are_refused_with_the_limit_that_is_needed() {
    for way in WAYS {
        // Below 7 there is no room for the poll loop and its signals.
        for limit in [4, 5, 6, 7, 8, 20] {
            let needed = limit_asked_for(Proc::There, limit, way);
            assert_eq!(limit_asked_for(Proc::There, needed - 1, way), needed, "{way:?}");
        }
    }
}

#[test]
fn field_server_14_all_that_is_wrong_is_told_where_there_is_no_room_for_a_poll_loop() {
    for limit in [4, 5, 6] {
        let script = format!("ulimit -n {limit} && exec \"$0\" \"$@\"");
        let run = |arguments: &[&str]| {
            let mut command = Command::new(SHELL);
            ended(command.args(["-c", &script, READYD]).args(arguments))
        };
        for (flag, text) in [("--help", "Usage: readyd"), ("--version", "readyd 0.")] {
            let Ended { status, stdout, stderr } = run(&[flag]);
            assert_eq!(status, Some(0), "{stderr}");
            assert!(stdout.contains(text), "{stdout}");
        }
        let Ended { status, stderr, .. } = run(&["--shrads", "2"]);
        assert_eq!(status, Some(2), "{stderr}");
        assert!(stderr.contains("did you mean --shards"), "{stderr}");
        assert!(stderr.contains("need a limit of "), "{stderr}");
    }
}

#[test]
fn field_server_14_a_soft_limit_without_room_for_a_poll_loop_is_raised() {
    for limit in [4, 6] {
        let script = format!("ulimit -Sn {limit}; exec \"$0\" \"$@\"");
        for way in [WAYS[0], WAYS[1]] {
            let server = Launch::of(&["framed"]).args(way).wrapper(&[SHELL, "-c", &script]).start();
            assert_eq!(server.connect("framed").ask("ECHO hello"), "hello");
        }
    }
}

#[test]
fn field_server_14_the_limit_that_is_needed_has_room_for_sixteen() {
    for way in [WAYS[0], WAYS[1]] {
        let needed = limit_asked_for(Proc::There, 8, way);
        let server = Launch::of(&["framed"]).args(way).descriptor_limit(needed).start();
        server.wait_for_log("at most 16 connections (descriptor limit ");
        let mut clients: Vec<Client> = (0..16).map(|_| server.connect("framed")).collect();
        // Of shards, one may have got more of them than its part.
        let count = if way.is_empty() { 16 } else { 1 };
        for client in &mut clients[..count] {
            assert_eq!(client.ask("ECHO hello"), "hello");
        }
        assert_eq!(server.log().containing("accepting paused: Too many"), Vec::<String>::new());
    }
}

#[test]
fn field_server_14_a_supervisor_counts_the_listeners_of_all_shards() {
    let arguments = [&["--listen=echo=127.0.0.1:0"; 19] as &[&str], &["--shards", "4"]].concat();
    let needed = limit_asked_for(Proc::There, 70, &arguments);
    assert!(needed > 4 * 20, "{needed}");
    assert_eq!(limit_asked_for(Proc::There, needed - 1, &arguments), needed);
    let launch = Launch::of(&["echo"; 20]).args(&["--shards", "4"]);
    let server = launch.descriptor_limit(needed).start();
    let mut client = server.connect("echo");
    client.send(b"hello");
    client.expect("hello");
}

#[test]
fn field_server_14_who_asks_for_few_connections_gets_them() {
    let asked = ["--max-connections", "3"];
    let needed = limit_asked_for(Proc::There, 8, &asked);
    let server = Launch::of(&["framed"]).args(&asked).descriptor_limit(needed).start();
    let mut clients: Vec<Client> = (0..3).map(|_| server.connect("framed")).collect();
    for client in &mut clients {
        assert_eq!(client.ask("ECHO hello"), "hello");
    }
    // Six for two shards are three for each.
    let asked = ["--max-connections", "6", "--shards", "2"];
    let needed = limit_asked_for(Proc::There, 8, &asked);
    let server = Launch::of(&["framed"]).args(&asked).descriptor_limit(needed).start();
    assert_eq!(server.connect("framed").ask("ECHO hello"), "hello");
}

#[test]
fn field_server_14_the_count_is_right_without_proc() {
    if tools::find("unshare").is_none() {
        return;
    }
    if !geteuid().is_root() {
        return tools::skip("only root can mount");
    }
    let listeners = vec!["--listen=echo=127.0.0.1:0"; 30];
    for way in WAYS {
        let arguments = [&listeners, way].concat();
        let without = limit_asked_for(Proc::Hidden, 8, &arguments);
        assert_eq!(without, limit_asked_for(Proc::There, 8, &arguments), "{way:?}");
        assert_eq!(limit_asked_for(Proc::Hidden, without - 1, &arguments), without, "{way:?}");
    }
}
