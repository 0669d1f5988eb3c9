//! What only shows in system calls: failures that are injected, interruptions, and calls not made.

use crate::support::tools::{self, Process};
use crate::support::{Launch, Scratch, Server, eventually};
use nix::sys::signal::{Signal, kill};
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

/// The command line that runs a server under strace, to be used as a wrapper.
fn strace(program: &Path, trace: &Path, options: &[&str]) -> Vec<String> {
    let as_string = |path: &Path| path.to_str().expect("a path of UTF-8").to_owned();
    let mut words = vec![as_string(program), "-f".to_owned(), "-o".to_owned(), as_string(trace)];
    words.extend(options.iter().map(|&option| option.to_owned()));
    words
}

#[test]
fn fault_03_eintr_of_a_tracer_that_comes_and_goes_ends_nothing() {
    // Attaching interrupts epoll_wait; mio hands EINTR on, and many a program ends there.
    let Some(program) = tools::find("strace") else { return };
    let scratch = Scratch::new();
    let server = Server::start(&["framed"]);
    let mut client = server.connect("framed");
    for round in 0..3 {
        let trace = scratch.path(&format!("trace-{round}"));
        let mut command = Command::new(&program);
        command.arg("-o").arg(&trace).args(["-p", &server.pid().to_string()]);
        let mut strace = Process::start(command.stderr(Stdio::null()));
        let mut refused = false;
        eventually("strace to attach", || {
            refused = strace.has_ended();
            let traced = fs::read_to_string(&trace).unwrap_or_default();
            (refused || traced.contains("epoll_wait(")).then_some(())
        });
        if refused {
            return tools::skip("strace may not attach to a process (kernel.yama.ptrace_scope)");
        }
        assert_eq!(client.ask("ECHO watched"), "watched");
        kill(strace.id(), Signal::SIGINT).expect("end strace");
        strace.wait();
        assert_eq!(client.ask("ECHO unwatched"), "unwatched");
        let traced = fs::read_to_string(&trace).expect("the trace");
        assert!(traced.contains("sendto("), "{traced}");
    }
}

/// Has the first accept fail with `errno`, and checks that the client it was for is served.
fn assert_client_survives_failed_accept(errno: &str, counter: &str) {
    let Some(program) = tools::find("strace") else { return };
    let scratch = Scratch::new();
    let trace = scratch.path("trace");
    let inject = format!("inject=accept4:error={errno}:when=1");
    let wrapper = strace(&program, &trace, &["-e", "trace=accept4", "-e", &inject]);
    let server = Launch::of(&["framed"]).wrapper(&wrapper).start();
    // No other client comes, so under edge-triggered epoll no event tells of this client again.
    assert_eq!(server.connect("framed").ask("ECHO let in"), "let in");
    assert_eq!(server.statistics().get(counter), 1);
    let traced = fs::read_to_string(&trace).expect("the trace");
    assert!(traced.contains(&format!("{errno} (")) && traced.contains("(INJECTED)"), "{traced}");
}

#[test]
fn fault_01_one_emfile_strands_nobody() {
    assert_client_survives_failed_accept("EMFILE", "accept_pauses");
}

#[test]
fn fault_01_one_enfile_strands_nobody() {
    assert_client_survives_failed_accept("ENFILE", "accept_pauses");
}

#[test]
fn fault_02_enobufs_at_accept_pauses_and_strands_nobody() {
    assert_client_survives_failed_accept("ENOBUFS", "accept_pauses");
}

#[test]
fn fault_02_econnaborted_at_accept_goes_on_to_the_next() {
    assert_client_survives_failed_accept("ECONNABORTED", "accept_errors");
}

#[test]
fn fault_02_ehostunreach_at_accept_goes_on_to_the_next() {
    assert_client_survives_failed_accept("EHOSTUNREACH", "accept_errors");
}

/// Watches a server for a while and returns the system calls that it made meanwhile.
fn calls_while_idle(trace: &Path) -> String {
    const WATCHED: Duration = Duration::from_secs(1);
    let length = || fs::metadata(trace).expect("the trace").len();
    let mut before = length();
    // What was begun before is over when nothing has been added for a moment.
    eventually("the server to come to rest", || {
        thread::sleep(Duration::from_millis(200));
        let now = length();
        let at_rest = now == before;
        before = now;
        at_rest.then_some(())
    });
    // Not to wait for something: this is how long the server is watched.
    thread::sleep(WATCHED);
    let traced = fs::read(trace).expect("the trace");
    String::from_utf8_lossy(&traced[before as usize..]).into_owned()
}

#[test]
fn an_idle_server_makes_no_system_calls() {
    let Some(program) = tools::find("strace") else { return };
    let scratch = Scratch::new();
    let trace = scratch.path("trace");
    let wrapper = strace(&program, &trace, &[]);
    let server = Launch::of(&["framed", "lookup", "daytime"]).wrapper(&wrapper).start();
    assert_eq!(calls_while_idle(&trace), "", "before anyone came");
    let mut client = server.connect("framed");
    client.ask("ECHO");
    assert_eq!(calls_while_idle(&trace), "", "with a client that asks nothing");
    drop(client);
    server.wait_for_statistic("connections_open", 0);
    assert_eq!(calls_while_idle(&trace), "", "after everyone left");
}

#[test]
fn a_request_costs_one_read_and_one_write() {
    const REQUESTS: usize = 20;
    let Some(program) = tools::find("strace") else { return };
    let scratch = Scratch::new();
    let trace = scratch.path("trace");
    let wrapper = strace(&program, &trace, &[]);
    let server = Launch::of(&["framed"]).wrapper(&wrapper).start();
    let mut client = server.connect("framed");
    client.ask("ECHO");
    let traced = || fs::read_to_string(&trace).expect("the trace");
    let before = traced().lines().count();
    for _ in 0..REQUESTS {
        client.ask("ECHO");
    }
    // The client may have the last reply before strace has written down that it was sent.
    let calls = eventually("all calls written down", || {
        let calls: Vec<String> = traced().lines().skip(before).map(str::to_owned).collect();
        let replies = calls.iter().filter(|call| call.contains("sendto(") && call.contains(" = "));
        (replies.count() == REQUESTS).then_some(calls)
    });
    let is_wait = |call: &&String| call.contains("epoll_wait(");
    let others: Vec<&String> = calls.iter().filter(|call| !is_wait(call)).collect();
    assert_eq!(others.len(), 2 * REQUESTS, "{others:#?}");
}
