//! `readyc top`: what a terminal shows, and how it is left.

use crate::stats_watch::{free_port, stop};
use crate::support::readyc::{self, Ended, stand_in};
use crate::support::terminal::Terminal;
use crate::support::{Client, Launch, Scratch, Server, eventually};
use nix::sys::signal::{Signal, kill};
use std::fs;

/// To the alternate screen, and back.
const ENTER_VIEW: &str = "\x1b[?1049h";
const LEAVE_VIEW: &str = "\x1b[m\x1b[?25h\x1b[?1049l";

/// `readyc top` on a terminal of this size.
fn top(arguments: &[&str], size: (u16, u16)) -> Terminal {
    let mut command = readyc::command(&[&["top"], arguments].concat());
    command.env("TERM", "xterm").env_remove("COLUMNS").env_remove("NO_COLOR");
    Terminal::start_sized(command, size)
}

/// Whether the process has been stopped by a signal, proc_pid_stat(5).
fn is_stopped(terminal: &Terminal) -> bool {
    let stat = fs::read_to_string(format!("/proc/{}/stat", terminal.id())).expect("a process");
    stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('T'))
}

/// Presses q, and checks that the terminal is as it was.
fn quit(mut terminal: Terminal) -> String {
    terminal.press("q");
    terminal.wait_for(LEAVE_VIEW);
    eventually("the modes of a shell", || terminal.has_usual_modes().then_some(()));
    let (status, screen) = terminal.wait_for_exit();
    assert_eq!(status.code(), Some(0), "{screen}");
    assert!(screen.ends_with(LEAVE_VIEW), "{screen:?}");
    screen
}

#[test]
fn a_screen_shows_the_server_explains_itself_and_goes_at_q() {
    let server = Server::start(&["framed"]);
    let address = server.address("framed").to_string();
    let mut other = server.connect("framed");
    other.ask("ECHO hello");
    let mut terminal = top(&[&address, "--interval", "100ms"], (80, 24));
    terminal.wait_for(ENTER_VIEW);
    terminal.wait_for(&address);
    terminal.wait_for(&format!("pid {}, readyd {}", server.pid(), env!("CARGO_PKG_VERSION")));
    terminal.wait_for("2 of ");
    terminal.wait_for("idle");
    terminal.wait_for("turns ");
    assert!(!terminal.has_usual_modes());
    terminal.press("?");
    terminal.wait_for("one request each 100 ms is top's own");
    terminal.press("?");
    terminal.wait_for("requests");
    quit(terminal);
    // Its questions were on one connection.
    assert_eq!(server.statistics().get("connections_accepted"), 2);
}

#[test]
fn signals_leave_no_screen_behind() {
    let server = Server::start(&["framed"]);
    let address = server.address("framed").to_string();
    for (signal, by_signal) in
        [(Signal::SIGINT, None), (Signal::SIGTERM, Some(15)), (Signal::SIGHUP, Some(1))]
    {
        let mut terminal = top(&[&address], (80, 24));
        terminal.wait_for("connections");
        kill(terminal.id(), signal).expect("a running program");
        terminal.wait_for(LEAVE_VIEW);
        eventually("the modes of a shell", || terminal.has_usual_modes().then_some(()));
        let (status, _) = terminal.wait_for_exit();
        let ended = std::os::unix::process::ExitStatusExt::signal(&status);
        assert_eq!((status.success(), ended), (by_signal.is_none(), by_signal), "{signal}");
    }
}

#[test]
fn it_can_be_stopped_and_goes_on() {
    let server = Server::start(&["framed"]);
    let address = server.address("framed").to_string();
    let mut terminal = top(&[&address, "-i", "100ms"], (80, 24));
    terminal.wait_for("connections");
    kill(terminal.id(), Signal::SIGTSTP).expect("a running program");
    terminal.wait_for(LEAVE_VIEW);
    eventually("a stopped process", || is_stopped(&terminal).then_some(()));
    assert!(terminal.has_usual_modes());
    kill(terminal.id(), Signal::SIGCONT).expect("a stopped program");
    terminal.wait_for(ENTER_VIEW);
    terminal.wait_for("connections");
    eventually("the modes of a view", || (!terminal.has_usual_modes()).then_some(()));
    quit(terminal);
}

#[test]
fn it_follows_the_size_of_the_terminal() {
    let server = Server::start(&["framed"]);
    let address = server.address("framed").to_string();
    let mut terminal = top(&[&address, "-i", "1h"], (40, 10));
    terminal.wait_for("max turn");
    if !terminal.resize((120, 40)) {
        return;
    }
    terminal.wait_for("longest turn");
    terminal.resize((10, 3));
    terminal.resize((80, 24));
    terminal.wait_for("output queue");
    quit(terminal);
}

#[test]
fn a_server_that_is_not_there_is_waited_for() {
    let address = format!("127.0.0.1:{}", free_port());
    let mut terminal = top(&[&address, "-i", "100ms"], (80, 24));
    terminal.wait_for("connection refused");
    let listener = format!("framed={address}");
    let mut server = Launch::of(&[&listener]).start();
    terminal.wait_for(&format!("pid {}", server.pid()));
    stop(&mut server);
    terminal.wait_for("connection refused");
    terminal.wait_for("the figures are older");
    let mut server = Launch::of(&[&listener]).start();
    terminal.wait_for(&format!("pid {}", server.pid()));
    terminal.wait_for("the server was restarted");
    quit(terminal);
    // The client may have come before the descriptors were counted, so there is no baseline.
    stop(&mut server);
}

#[test]
fn a_server_that_hangs_does_not_keep_the_keyboard_waiting() {
    let silent = stand_in(|mut client: Client| {
        client.read_frame();
        client.send_frame("uptime_seconds 5\nconnections_open 7\n");
        client.read_frame();
        // It reads until the client is gone.
        client.read_to_end();
    });
    let mut terminal = top(&[&silent.to_string(), "-i", "100ms"], (80, 24));
    terminal.wait_for("no answer for");
    terminal.press("?");
    terminal.wait_for("Ctrl-C");
    quit(terminal);
}

#[test]
fn a_server_that_does_not_tell_of_shards_is_asked_for_the_whole() {
    let older = stand_in(|mut client: Client| {
        if client.read_frame() != b"STATS" {
            return client.send_frame("Error: STATS takes no argument");
        }
        client.send_frame("uptime_seconds 5\nconnections_open 7\npid 88\n");
        client.read_to_end();
    });
    let mut terminal = top(&[&older.to_string(), "-i", "100ms"], (80, 24));
    terminal.wait_for("pid 88");
    quit(terminal);
}

#[test]
fn shards_are_shown_together_and_apart() {
    let server = Launch::of(&["framed"]).args(&["--shards", "2"]).start();
    let address = server.address("framed").to_string();
    let mut terminal = top(&[&address, "-i", "100ms"], (80, 24));
    terminal.wait_for("shard  ");
    terminal.press("2");
    terminal.wait_for(", shard 2 of 2");
    terminal.press("0");
    terminal.wait_for(&address);
    quit(terminal);
}

#[test]
fn a_unix_socket_is_named_as_by_other_commands() {
    let scratch = Scratch::new();
    let name = format!("unix:{}", scratch.path("top.sock").display());
    let server = Launch::of(&[&format!("framed={name}")]).start();
    let mut terminal = top(&[&name], (120, 24));
    terminal.wait_for(&name);
    terminal.wait_for(&format!("pid {}", server.pid()));
    quit(terminal);
}

#[test]
fn no_color_is_respected() {
    let server = Server::start(&["framed"]);
    let address = server.address("framed").to_string();
    const COLOUR: &str = "\x1b[38;";
    for (variable, has_color) in [("READYC_NOTHING", true), ("NO_COLOR", false)] {
        let mut command = readyc::command(&["top", &address]);
        command.env("TERM", "xterm").env_remove("NO_COLOR").env(variable, "1");
        let mut terminal = Terminal::start_sized(command, (80, 24));
        terminal.wait_for("idle");
        let screen = quit(terminal);
        assert_eq!(screen.contains(COLOUR), has_color, "{variable}: {screen:?}");
    }
}

#[test]
fn without_a_terminal_it_says_what_to_use_instead() {
    let instead = "(readyc stats --watch 1s prints a line per second)";
    let ended = readyc::run(&mut readyc::command(&["top"]), b"");
    let why = format!("top: standard output is not a terminal {instead}");
    assert_eq!(ended, Ended::failed(2, &why));
    let mut command = readyc::command(&["top"]);
    command.env("TERM", "dumb");
    let (status, screen) = Terminal::start(command).wait_for_exit();
    let why = format!("readyc: top: the terminal has no screen, as TERM tells {instead}\r\n");
    assert_eq!((status.code(), screen), (Some(2), why));
}
