use super::*;
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::sys::wait::{Id, waitid};
use std::fs::File;
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;

fn sh() -> Program {
    Program::at(c"/bin/sh").expect("a shell")
}

fn of_the_shell<'a>(program: &'a Program, script: &str) -> Start<'a> {
    Start {
        program: Executable::File(program),
        arguments: ["sh", "-c", script].map(OsString::from).to_vec(),
        variable: ("READYD_TEST", "of the test".to_owned()),
        stderr: None,
        withheld: Vec::new(),
        without_cloexec: Vec::new(),
        failure: program.as_fd().as_raw_fd(),
    }
}

/// How the script ends.
fn ending(script: &str) -> Ending {
    ending_of(of_the_shell(&sh(), script))
}

/// How the script ends. It is left as it is until then: only looked at.
fn ending_of(start: Start<'_>) -> Ending {
    let child = start.start().expect("a shell");
    let _ = waitid(Id::Pid(child.0), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT);
    child.take_ending().expect("it has ended")
}

#[test]
fn an_exit_status_is_told() {
    let seven = ending("exit 7");
    assert_eq!(seven, Ending::Status(7));
    assert!(!seven.is_success());
    assert_eq!(seven.to_string(), "exit status: 7");
    assert!(ending("exit 0").is_success());
}

#[test]
fn a_signal_is_told_by_number_and_name() {
    let killed = ending("kill -KILL $$");
    assert_eq!(killed.to_string(), "signal: 9 (SIGKILL)");
    assert!(!killed.is_success());
    let dumped = Ending::Signal { signal: Signal::SIGSEGV, dumped: true };
    assert_eq!(dumped.to_string(), "signal: 11 (SIGSEGV) (core dumped)");
}

#[test]
fn an_end_by_a_signal_without_a_name_is_an_end() {
    assert_eq!(ending("kill -40 $$"), Ending::RealTimeSignal);
}

#[test]
fn what_is_no_child_any_more_has_ended() {
    let nobody_of_ours = Child(Pid::from_raw(1));
    assert_eq!(nobody_of_ours.take_ending(), Some(Ending::Unknown));
    assert!(!Ending::Unknown.is_success());
}

#[test]
fn a_child_that_runs_has_not_ended_and_can_be_signalled() {
    let program = sh();
    let child = of_the_shell(&program, "while :; do read _; done").start().expect("a shell");
    assert_eq!(child.take_ending(), None);
    child.signal(Signal::SIGTERM);
    let _ = waitid(Id::Pid(child.0), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT);
    let ended = Ending::Signal { signal: Signal::SIGTERM, dumped: false };
    assert_eq!(child.take_ending(), Some(ended));
}

#[test]
fn it_has_our_environment_and_the_variable() {
    let script = "[ \"$READYD_TEST\" = 'of the test' ] && [ -n \"$PATH\" ]";
    assert_eq!(ending(script), Ending::Status(0));
}

#[test]
fn a_variable_that_we_have_is_replaced() {
    let program = sh();
    let script = "[ \"$(tr '\\0' '\\n' < /proc/$$/environ | grep -c ^PATH=)\" = 1 ]";
    let path = env::var("PATH").expect("a path");
    let start = Start { variable: ("PATH", path), ..of_the_shell(&program, script) };
    assert_eq!(ending_of(start), Ending::Status(0));
}

#[test]
fn its_input_and_output_are_null() {
    let script =
        "for number in 0 1; do [ \"$(readlink /proc/$$/fd/$number)\" = /dev/null ] || exit 1; done";
    assert_eq!(ending(script), Ending::Status(0));
}

#[test]
fn its_standard_error_can_be_another() {
    let program = sh();
    let file = File::open("/").expect("a directory");
    let script = "[ \"$(readlink /proc/$$/fd/2)\" = / ]";
    let start = Start { stderr: Some(file.as_fd()), ..of_the_shell(&program, script) };
    assert_eq!(ending_of(start), Ending::Status(0));
}

#[test]
fn it_has_the_descriptors_that_are_left_open_and_no_others() {
    let program = sh();
    let (left, other) = (File::open("/").expect("a file"), File::open("/").expect("a file"));
    let [open, closed] = [left.as_raw_fd(), other.as_raw_fd()];
    let script = format!("[ -e /proc/$$/fd/{open} ] && ! [ -e /proc/$$/fd/{closed} ]");
    let start = of_the_shell(&program, &script);
    let start = Start { without_cloexec: vec![left.as_raw_fd()], ..start };
    assert_eq!(ending_of(start), Ending::Status(0));
    let flags = fcntl(&left, FcntlArg::F_GETFD).expect("it is open");
    assert_eq!(flags, FdFlag::FD_CLOEXEC.bits(), "here it is still closed on exec");
}

#[test]
fn a_program_is_started_though_its_file_is_gone() {
    let path = env::temp_dir().join(format!("readyd-child-{}", std::process::id()));
    // By another process: while a child that another test starts has a descriptor that can write to
    // the file, execve(2) fails with ETXTBSY.
    let copied = std::process::Command::new("cp").arg("/bin/sh").arg(&path).status();
    assert!(copied.expect("cp").success());
    let name = CString::new(path.clone().into_os_string().into_vec()).expect("a path");
    let program = Program::at(&name).expect("the copy");
    std::fs::remove_file(&path).expect("the copy");
    assert_eq!(ending_of(of_the_shell(&program, "exit 3")), Ending::Status(3));
}

#[test]
fn the_name_under_which_this_process_was_started_is_known() {
    let own = std::fs::metadata(env::current_exe().expect("a path")).expect("a file");
    let named = std::path::Path::new(exec::own_path().to_str().expect("UTF-8"));
    let named = std::fs::metadata(named).expect("a file");
    assert_eq!((own.dev(), own.ino()), (named.dev(), named.ino()));
}

#[test]
fn what_cannot_be_executed_is_told_with_the_errno() {
    let program = Program::at(c"/").expect("a directory");
    let (mut reader, writer) = io::pipe().expect("descriptors");
    let start = Start { failure: writer.as_raw_fd(), ..of_the_shell(&program, "") };
    assert_eq!(ending_of(start), Ending::Status(127));
    drop(writer);
    let mut told = Vec::new();
    io::Read::read_to_end(&mut reader, &mut told).expect("a pipe that can be read");
    assert_eq!(told, [vec![FAILURE], (Errno::EACCES as u64).to_ne_bytes().to_vec()].concat());
}

#[test]
fn what_cannot_be_written_as_a_c_string_is_refused() {
    let program = sh();
    let start = Start { arguments: vec!["a\0b".into()], ..of_the_shell(&program, "") };
    let error = start.start().expect_err("a C string has no NUL");
    assert!(error.to_string().starts_with("its arguments: "), "{error}");
}

#[test]
fn a_program_is_started_by_its_path_and_does_not_get_what_is_withheld() {
    let program = sh();
    let script =
        "[ -z \"$PATH\" ] && [ \"$(readlink /proc/$$/exe)\" = \"$(readlink -f /bin/sh)\" ]";
    let path = c"/bin/sh";
    let start = of_the_shell(&program, "exit 4");
    let by_path = Start { program: Executable::Path(path), ..start };
    assert_eq!(ending_of(by_path), Ending::Status(4));
    let script =
        format!("PATH_WAS=\"$PATH\"; PATH=/bin:/usr/bin; {}", script.replace("$PATH", "$HOME"));
    let start = Start { withheld: vec!["HOME"], ..of_the_shell(&program, &script) };
    assert_eq!(ending_of(start), Ending::Status(0));
}

#[test]
fn an_ending_is_the_same_after_it_was_a_number() {
    let of = |signal, dumped| Ending::Signal { signal, dumped };
    let all = [Ending::Status(0), Ending::Status(255), Ending::RealTimeSignal, Ending::Unknown];
    let signals = [of(Signal::SIGKILL, false), of(Signal::SIGSEGV, true)];
    for ending in all.into_iter().chain(signals) {
        assert_eq!(Ending::from_number(ending.to_number()), ending);
    }
}
