//! A load run watched at a terminal: the view, what the keyboard's signals do to it, and terminals
//! that are small, dumb, without colour, or change their size.

use crate::support::readyc;
use crate::support::terminal::Terminal;
use crate::support::{Server, eventually};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs;
use std::os::unix::process::{CommandExt, ExitStatusExt};

/// To the alternate screen, and back to the one where the command was typed.
const ENTER_VIEW: &str = "\x1b[?1049h";
const LEAVE_VIEW: &str = "\x1b[m\x1b[?25h\x1b[?1049l";

/// A load run on a terminal of this size.
fn bench(server: &Server, arguments: &str, size: (u16, u16), term: &str) -> Terminal {
    let target = server.address("framed").to_string();
    let mut command = readyc::command(&["bench", "-c", "4", &target]);
    command.args(arguments.split_whitespace()).env("TERM", term);
    command.env_remove("COLUMNS").env_remove("NO_COLOR");
    // The kernel ignores SIGTSTP in a group of processes that no shell looks after.
    command.process_group(0);
    Terminal::start_sized(command, size)
}

/// The lines without escape sequences.
fn lines(screen: &str) -> Vec<String> {
    let mut plain = String::new();
    for (at, part) in screen.split('\x1b').enumerate() {
        let end = part.find(|c: char| c.is_ascii_alphabetic()).map_or(0, |end| end + 1);
        plain.push_str(if at == 0 { part } else { &part[end..] });
    }
    plain.lines().map(|line| line.trim_end_matches('\r').to_owned()).collect()
}

#[test]
fn field_load_13_a_view_shows_the_run_and_leaves_the_screen_to_the_report() {
    let server = Server::start(&["framed"]);
    let mut terminal = bench(&server, "-d 2500ms -R 200", (80, 24), "xterm");
    terminal.wait_for(ENTER_VIEW);
    terminal.wait_for("readyc bench");
    terminal.wait_for("of 200 asked");
    terminal.wait_for("connections");
    let (status, screen) = terminal.wait_for_exit();
    assert!(matches!(status.code(), Some(0 | 3)), "{screen}");
    let (_, report) = screen.rsplit_once(LEAVE_VIEW).expect("the view goes");
    let lines = lines(report);
    assert!(lines.iter().all(|line| line.chars().count() <= 80), "{lines:#?}");
    let place = |name: &str| lines.iter().position(|line| line.starts_with(name)).expect(name);
    let summary = ["throughput", "latency  ", "connections", "errors", "verdict"].map(place);
    assert!(summary.is_sorted() && lines.len() - summary[0] <= 6, "{lines:#?}");
}

#[test]
fn field_load_13_an_interrupt_leaves_no_view_behind_and_what_was_said_stays() {
    let server = Server::start(&["framed"]);
    let mut terminal = bench(&server, "-d 1h", (80, 24), "xterm");
    terminal.wait_for(ENTER_VIEW);
    kill(terminal.id(), Signal::SIGINT).expect("signal a load run");
    let (status, screen) = terminal.wait_for_exit();
    assert_eq!(status.code(), Some(3), "{screen}");
    let (_, report) = screen.rsplit_once(LEAVE_VIEW).expect("the view goes");
    assert!(report.starts_with("readyc: interrupted: waiting for "), "{report}");
    assert!(lines(report).iter().any(|line| line.starts_with("verdict")), "{report}");
}

#[test]
fn field_load_13_on_a_terminal_the_verdict_is_the_last_word_of_a_run_that_fell_short() {
    let server = Server::start(&["framed"]);
    let goal = ["-n 100 --goal p50<1us", "--find rate --goal p50<1us --rate 200"];
    for (arguments, last) in goal.into_iter().zip(["verdict", "result: "]) {
        let (status, screen) = bench(&server, arguments, (80, 24), "xterm").wait_for_exit();
        assert_eq!(status.code(), Some(3), "{screen}");
        let lines = lines(&screen);
        let at = lines.iter().rposition(|line| line.starts_with(last)).expect(last);
        assert!(!lines[at..].iter().any(|line| line.starts_with("readyc: ")), "{lines:#?}");
    }
    // In a log the cause of the exit status stands by itself.
    let target = server.address("framed").to_string();
    let words = ["bench", "-n", "100", "--goal", "p50<1us", &target];
    let ended = readyc::run(&mut readyc::command(&words), b"");
    assert_eq!(ended.stderr, "readyc: did not achieve what was asked for\n");
}

#[test]
fn field_load_13_a_small_terminal_has_a_status_line_and_a_dumb_one_plain_lines() {
    let server = Server::start(&["framed"]);
    let (_, small) = bench(&server, "-d 1500ms", (44, 10), "xterm").wait_for_exit();
    assert!(small.contains("\r\x1b[K1 of 1.5 s, ") && !small.contains(ENTER_VIEW), "{small}");
    assert!(lines(&small).iter().all(|line| line.chars().count() <= 44 || line.contains('\r')));
    let (_, dumb) = bench(&server, "-d 1500ms", (80, 24), "dumb").wait_for_exit();
    assert!(!dumb.contains('\x1b') && dumb.contains("1 of 1.5 s: "), "{dumb}");
    let (_, quiet) = bench(&server, "-d 1500ms --progress none", (80, 24), "xterm").wait_for_exit();
    assert!(!quiet.contains(ENTER_VIEW) && !quiet.contains("1 of 1.5 s"), "{quiet}");
}

#[test]
fn field_load_13_lines_of_progress_are_for_logs() {
    let server = Server::start(&["framed"]);
    let target = server.address("framed").to_string();
    let words = ["bench", "-c", "4", "-d", "1500ms", "-q", "--progress", "lines", &target];
    let ended = readyc::run(&mut readyc::command(&words), b"");
    assert_eq!((ended.status, ended.stdout.as_str()), (Some(0), ""), "{ended:?}");
    let seconds: Vec<&str> = ended.stderr.lines().filter(|line| line.contains(" s: ")).collect();
    assert!(seconds.len() >= 2 && seconds[0].starts_with("1 of 1.5 s: "), "{ended:?}");
    assert!(seconds.iter().all(|line| line.ends_with("4 of 4 connections, 0 errors")), "{ended:?}");
    assert!(!ended.stderr.contains('\x1b'), "{ended:?}");
}

/// Waits until a signal has stopped the process.
fn wait_until_stopped(id: Pid) {
    eventually("a stopped process", || {
        let stat = fs::read_to_string(format!("/proc/{id}/stat")).expect("a process");
        let (_, fields) = stat.rsplit_once(')').expect("the name in parentheses");
        fields.trim_start().starts_with('T').then_some(())
    });
}

/// Stops the program as Ctrl-Z does, and has it go on.
fn stop_and_continue(terminal: &mut Terminal, taken_away: &str, again: &str) {
    kill(terminal.id(), Signal::SIGTSTP).expect("signal a load run");
    terminal.wait_for(taken_away);
    wait_until_stopped(terminal.id());
    kill(terminal.id(), Signal::SIGCONT).expect("signal a load run");
    terminal.wait_for(again);
}

#[test]
fn field_load_13_ctrl_z_gives_the_terminal_back_until_the_run_goes_on() {
    let server = Server::start(&["framed"]);
    let mut terminal = bench(&server, "-d 1h", (80, 24), "xterm");
    terminal.wait_for(ENTER_VIEW);
    terminal.wait_for("readyc bench");
    stop_and_continue(&mut terminal, LEAVE_VIEW, ENTER_VIEW);
    terminal.wait_for("readyc bench");
    stop_and_continue(&mut terminal, LEAVE_VIEW, ENTER_VIEW);
    kill(terminal.id(), Signal::SIGINT).expect("signal a load run");
    assert_eq!(terminal.wait_for_exit().0.code(), Some(3));
    // A status line is taken away, too.
    let mut terminal = bench(&server, "-d 1h", (44, 10), "xterm");
    terminal.wait_for(" of 3,600 s, ");
    stop_and_continue(&mut terminal, "\r\x1b[K", "\r\x1b[K");
}

/// When a try has been told, the next has not begun: no run is there to be told of signals.
#[test]
fn field_load_13_ctrl_z_between_two_tries_of_a_search_stops_it_too() {
    let server = Server::start(&["framed"]);
    let arguments = "--find rate --rate 200 --goal p50<1h --find-time 1h";
    let mut terminal = bench(&server, arguments, (80, 24), "xterm");
    for _ in 0..3 {
        terminal.wait_for("held (throughput ");
        stop_and_continue(&mut terminal, LEAVE_VIEW, ENTER_VIEW);
    }
    // And an interrupt there ends it before the next try.
    terminal.wait_for("held (throughput ");
    kill(terminal.id(), Signal::SIGINT).expect("signal a load run");
    let (status, screen) = terminal.wait_for_exit();
    assert_eq!(status.code(), Some(3), "{screen}");
    let (_, ladder) = screen.rsplit_once(LEAVE_VIEW).expect("the view goes");
    assert!(ladder.contains("interrupted") && !ladder.contains("\x1b[?"), "{ladder}");
}

#[test]
fn field_load_13_ctrl_backslash_restores_the_terminal_and_ends_the_run_at_once() {
    let server = Server::start(&["framed"]);
    let mut terminal = bench(&server, "-d 1h", (80, 24), "xterm");
    terminal.wait_for(ENTER_VIEW);
    terminal.wait_for("readyc bench");
    kill(terminal.id(), Signal::SIGQUIT).expect("signal a load run");
    let (status, screen) = terminal.wait_for_exit();
    assert_eq!(status.signal(), Some(Signal::SIGQUIT as i32), "{screen}");
    assert!(screen.ends_with(LEAVE_VIEW), "{screen}");
    assert_eq!(screen.matches(ENTER_VIEW).count(), 1, "{screen}");
}

#[test]
fn field_load_13_without_colour_the_view_has_no_colour() {
    let server = Server::start(&["framed"]);
    let view_of = |no_color: &str| {
        let target = server.address("framed").to_string();
        let mut command = readyc::command(&["bench", "-c", "4", "-d", "1500ms", &target]);
        command.env("NO_COLOR", no_color).env_remove("CLICOLOR_FORCE").env("TERM", "xterm");
        Terminal::start(command).wait_for_exit().1
    };
    // The numbers of colours in SGR sequences, ECMA-48 and xterm: 30 to 49, and 90 to 107.
    let colors = |screen: &str| {
        let sequences = screen.split("\x1b[").skip(1).filter_map(|rest| rest.split_once('m'));
        let numbers = sequences.flat_map(|(sequence, _)| sequence.split(';'));
        let numbers = numbers.filter_map(|number| number.parse::<u32>().ok());
        numbers.filter(|number| matches!(number, 30..=49 | 90..=107)).count()
    };
    let plain = view_of("1");
    assert!(plain.contains(ENTER_VIEW) && plain.contains("throughput"), "{plain}");
    assert_eq!(colors(&plain), 0, "{plain}");
    // An empty one is none, https://no-color.org.
    assert_ne!(colors(&view_of("")), 0);
}

#[test]
fn field_load_13_the_view_follows_the_size_of_the_terminal() {
    let server = Server::start(&["framed"]);
    let mut terminal = bench(&server, "-d 1h", (40, 15), "xterm");
    terminal.wait_for(" of 3,600 s, ");
    for (size, is_view) in [
        ((80, 24), true),
        ((200, 50), true),
        ((20, 5), false),
        ((60, 15), true),
        ((59, 15), false),
        ((300, 90), true),
    ] {
        if !terminal.resize(size) {
            return;
        }
        if is_view {
            // The hint stands in the last line.
            terminal.wait_for(&format!("\x1b[{};1H", size.1));
            terminal.wait_for("Ctrl-C ends the run");
        } else {
            terminal.wait_for(LEAVE_VIEW);
            terminal.wait_for("\r\x1b[K");
            terminal.wait_for(" of 3,600 s");
        }
    }
    kill(terminal.id(), Signal::SIGINT).expect("signal a load run");
    assert_eq!(terminal.wait_for_exit().0.code(), Some(3));
}

#[test]
fn field_load_13_what_is_no_terminal_gets_neither_view_nor_escape_sequences() {
    let server = Server::start(&["framed"]);
    let target = server.address("framed").to_string();
    let words = ["bench", "-c", "4", "-d", "1500ms", &target];
    let ended = readyc::run(readyc::command(&words).env("TERM", "xterm"), b"");
    assert!(matches!(ended.status, Some(0 | 3)), "{ended:?}");
    assert_eq!(ended.stderr, "", "{ended:?}");
    assert!(ended.stdout.contains("\nverdict ") && !ended.stdout.contains('\x1b'), "{ended:?}");
}
