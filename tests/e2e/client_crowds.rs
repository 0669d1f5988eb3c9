//! Many sessions at once: every number of the summary is exact, and the server is left as it was.

use crate::crowds::{CROWD_TURN, can_open_a_crowd};
use crate::support::readyc::{self, Ended, READYC, ask, nobody_listens, stand_in};
use crate::support::tools::SHELL;
use crate::support::{Launch, Server, frame};
use std::net::SocketAddr;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError};

/// A run without the line that tells how long it took, which is checked for its form.
fn without_elapsed(ended: Ended) -> Ended {
    let is_elapsed = |line: &&str| line.starts_with("elapsed:   ");
    let elapsed: Vec<&str> = ended.stdout.lines().filter(is_elapsed).collect();
    assert!(elapsed.len() == 1 && elapsed[0].ends_with(" answers/s)"), "{elapsed:?}");
    let rest = ended.stdout.split_inclusive('\n').filter(|line| !is_elapsed(line)).collect();
    Ended { stdout: rest, ..ended }
}

/// Runs `command` in several sessions, several times; `sessions_asked` is how many connections that
/// takes.
fn assert_crowd_is_served(
    server: SocketAddr,
    command: &[&str],
    [sessions, repeat]: [u64; 2],
    sessions_asked: u64,
    requests: u64,
) {
    let numbers = [sessions.to_string(), repeat.to_string()];
    let crowd = ["--sessions", &numbers[0], "--repeat", &numbers[1]];
    let ended = ask(server, &[command, &crowd].concat());
    let expected = format!(
        "sessions:  {sessions_asked} asked, {sessions_asked} established, 0 failed\n\
         requests:  {requests} asked, {requests} sent, {requests} answered, {requests} verified\n"
    );
    assert_eq!(without_elapsed(ended), Ended::well(expected), "{command:?}");
}

#[test]
fn ten_thousand_sessions_at_once() {
    const CROWD: u64 = 10_000;
    let _turn = CROWD_TURN.lock().unwrap_or_else(PoisonError::into_inner);
    if !can_open_a_crowd() {
        return;
    }
    let server = Server::start(&["framed", "echo", "daytime", "lookup"]);
    let serve = |service, command: &[&str], requests| {
        assert_crowd_is_served(server.address(service), command, [CROWD, 1], CROWD, requests);
    };
    serve("framed", &["echo", "hello"], CROWD);
    serve("framed", &["daytime", "--format", "rfc3339"], CROWD);
    serve("framed", &["lookup", "165.165.80.80", "nothing"], 2 * CROWD);
    serve("echo", &["echo", "--plain", "hello"], CROWD);
    serve("daytime", &["daytime", "--plain"], CROWD);
    serve("lookup", &["lookup", "--plain", "165.165.80.80"], CROWD);
    server.wait_for_statistic("connections_open", 0);
    assert_eq!(server.statistics().get("connections_accepted"), 6 * CROWD);
}

#[test]
fn a_thousand_sessions_a_hundred_times() {
    const EACH: [u64; 2] = [1000, 100];
    const REQUESTS: u64 = 1000 * 100;
    let _turn = CROWD_TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let server = Server::start(&["framed", "echo", "lookup"]);
    let serve = |service, command: &[&str]| {
        assert_crowd_is_served(server.address(service), command, EACH, 1000, REQUESTS);
    };
    serve("framed", &["echo", "hello"]);
    serve("framed", &["daytime"]);
    serve("framed", &["lookup", "165.165.80.80"]);
    serve("echo", &["echo", "--plain", "hello"]);
    serve("lookup", &["lookup", "--plain", "--lines", "165.165.80.80"]);
    server.wait_for_statistic("connections_open", 0);
    let stats = server.statistics();
    assert_eq!((stats.get("frames"), stats.get("connections_accepted")), (3 * REQUESTS, 5 * 1000));
}

#[test]
fn a_service_of_one_answer_a_connection_is_connected_to_again() {
    let _turn = CROWD_TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let server =
        Launch::of(&["daytime=127.0.0.1:0,ack"]).args(&["--max-connections", "100"]).start();
    let address = server.address("daytime");
    let command = ["daytime", "--plain", "--ack", "thanks"];
    assert_crowd_is_served(address, &command, [100, 5], 500, 500);
    server.wait_for_statistic("connections_open", 0);
    let stats = server.statistics();
    assert_eq!(stats.get("closed_served"), 500);
    assert!(stats.get("connections_peak") <= 100, "{stats:?}");
}

#[test]
fn one_session_many_times() {
    let server = Server::start(&["framed", "lookup"]);
    assert_crowd_is_served(server.address("framed"), &["echo", "x"], [1, 50], 1, 50);
    // An answer that ends with a pause is told from the next, which is the same.
    let command = ["lookup", "--plain", "key"];
    assert_crowd_is_served(server.address("lookup"), &command, [1, 3], 1, 3);
}

/// A stand-in that serves every third client as `echo x` expects it, sends every third a wrong
/// answer, and sends every third away.
fn moody() -> SocketAddr {
    let served = Arc::new(AtomicUsize::new(0));
    stand_in(move |mut client| {
        client.read_frame();
        match served.fetch_add(1, Ordering::Relaxed) % 3 {
            0 => client.send(&frame("x")),
            1 => client.send(&frame("y")),
            _ => {}
        }
    })
}

#[test]
fn some_of_many_fall_short() {
    let ended = ask(moody(), &["echo", "x", "--sessions", "30"]);
    let expected = "sessions:  30 asked, 30 established, 20 failed\n\
                    requests:  30 asked, 30 sent, 20 answered, 10 verified\n\
                    failed:    10 x the answer is \"y\" and should be \"x\"\n\
                    failed:    10 x the server closed before it answered\n";
    let stderr = "readyc: did not achieve what was asked for\n".to_owned();
    let expected = Ended { status: Some(3), stdout: expected.to_owned(), stderr };
    assert_eq!(without_elapsed(ended), expected);
}

#[test]
fn none_of_many_is_connected() {
    let (_holder, address) = nobody_listens();
    let ended = ask(address, &["echo", "x", "--sessions", "20", "--repeat", "2"]);
    let stdout = format!(
        "sessions:  20 asked, 0 established, 20 failed\n\
         requests:  40 asked, 0 sent, 0 answered, 0 verified\n\
         failed:    20 x cannot connect to {address}: connection refused (is readyd running?)\n"
    );
    let stderr = "readyc: no session could be established\n".to_owned();
    assert_eq!(without_elapsed(ended), Ended { status: Some(1), stdout, stderr });
}

#[test]
fn more_sessions_than_descriptors() {
    let server = Server::start(&["framed"]);
    let address = server.address("framed").to_string();
    let mut command = Command::new(SHELL);
    command.args(["-c", "ulimit -n 50; exec \"$0\" \"$@\"", READYC, "--server", &address]);
    // A server that answers late would keep all sessions open at once; here some may do in turn.
    let ended = readyc::run(command.args(["echo", "x", "--sessions", "200"]), b"");
    let text = without_elapsed(ended);
    assert_eq!(text.status, Some(3), "{text:?}");
    let why = " x cannot connect to ";
    let hint = ": too many open files (raise the limit with ulimit -n)\n";
    assert!(text.stdout.contains(why) && text.stdout.ends_with(hint), "{text:?}");
}

#[test]
fn not_every_lie_is_told() {
    let served = Arc::new(AtomicUsize::new(0));
    let liar = stand_in(move |mut client| {
        client.read_frame();
        client.send(&frame(format!("lie {}", served.fetch_add(1, Ordering::Relaxed))));
    });
    let ended = ask(liar, &["echo", "x", "--sessions", "20"]);
    let told = ended.stdout.lines().filter(|line| line.starts_with("failed:")).count();
    assert_eq!((ended.status, told), (Some(3), 9), "{ended:?}");
    assert!(ended.stdout.ends_with("failed:    12 x for other reasons\n"), "{ended:?}");
}
