use super::*;
use nix::sys::wait::{Id, waitid};

fn shell(script: &str) -> Start<'static> {
    Start {
        program: "/bin/sh",
        arguments: ["sh", "-c", script].map(OsString::from).to_vec(),
        variable: ("READYD_TEST", "of the test".to_owned()),
        stderr: None,
    }
}

/// How the script ends. It is left as it is until then: only looked at.
fn ending_of(start: Start<'_>) -> Ending {
    let child = start.start().expect("a shell");
    let _ = waitid(Id::Pid(child.0), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT);
    child.take_ending().expect("it has ended")
}

#[test]
fn an_exit_status_is_told() {
    let ending = ending_of(shell("exit 7"));
    assert_eq!(ending, Ending::Status(7));
    assert!(!ending.is_success());
    assert_eq!(ending.to_string(), "exit status: 7");
    assert!(ending_of(shell("exit 0")).is_success());
}

#[test]
fn a_signal_is_told_by_number_and_name() {
    let ending = ending_of(shell("kill -KILL $$"));
    assert_eq!(ending.to_string(), "signal: 9 (SIGKILL)");
    assert!(!ending.is_success());
    let dumped = Ending::Signal { signal: Signal::SIGSEGV, dumped: true };
    assert_eq!(dumped.to_string(), "signal: 11 (SIGSEGV) (core dumped)");
}

#[test]
fn an_end_by_a_signal_without_a_name_is_an_end() {
    assert_eq!(ending_of(shell("kill -40 $$")), Ending::RealTimeSignal);
}

#[test]
fn what_is_no_child_any_more_has_ended() {
    let nobody_of_ours = Child(Pid::from_raw(1));
    assert_eq!(nobody_of_ours.take_ending(), Some(Ending::Unknown));
    assert!(!Ending::Unknown.is_success());
}

#[test]
fn a_child_that_runs_has_not_ended_and_can_be_signalled() {
    let child = shell("while :; do read _; done").start().expect("a shell");
    assert_eq!(child.take_ending(), None);
    child.signal(Signal::SIGTERM);
    let _ = waitid(Id::Pid(child.0), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT);
    let ended = Ending::Signal { signal: Signal::SIGTERM, dumped: false };
    assert_eq!(child.take_ending(), Some(ended));
}

#[test]
fn it_has_our_environment_and_the_variable() {
    let script = "[ \"$READYD_TEST\" = 'of the test' ] && [ -n \"$PATH\" ]";
    assert_eq!(ending_of(shell(script)), Ending::Status(0));
}

#[test]
fn a_variable_that_we_have_is_replaced() {
    let script = "[ \"$(tr '\\0' '\\n' < /proc/$$/environ | grep -c ^PATH=)\" = 1 ]";
    let path = env::var("PATH").expect("a path");
    let start = Start { variable: ("PATH", path), ..shell(script) };
    assert_eq!(ending_of(start), Ending::Status(0));
}

#[test]
fn its_input_and_output_are_null() {
    let script =
        "for number in 0 1; do [ \"$(readlink /proc/$$/fd/$number)\" = /dev/null ] || exit 1; done";
    assert_eq!(ending_of(shell(script)), Ending::Status(0));
}

#[test]
fn its_standard_error_can_be_another() {
    use std::os::fd::AsFd;
    let file = File::open("/").expect("a directory");
    let start =
        Start { stderr: Some(file.as_fd()), ..shell("[ \"$(readlink /proc/$$/fd/2)\" = / ]") };
    assert_eq!(ending_of(start), Ending::Status(0));
}

#[test]
fn sigpipe_ends_it_though_we_ignore_it() {
    assert_eq!(ending_of(shell("kill -PIPE $$")).to_string(), "signal: 13 (SIGPIPE)");
}

#[test]
fn what_cannot_be_started_is_told_at_once() {
    let start = Start { program: "/nonexistent", ..shell("") };
    assert_eq!(start.start().err().map(|error| error.kind()), Some(io::ErrorKind::NotFound));
    let start = Start { arguments: vec!["a\0b".into()], ..shell("") };
    assert_eq!(start.start().err().map(|error| error.kind()), Some(io::ErrorKind::InvalidInput));
}
