//! Upgrades that fail: the old process serves on, and the next upgrade may succeed.

use super::*;

/// Replaces the program by a script.
fn replace(program: &Path, script: &str) {
    fs::remove_file(program).expect("our folder");
    fs::write(program, format!("#!{SHELL}\n{script}\n")).expect("our folder");
    fs::set_permissions(program, fs::Permissions::from_mode(0o755)).expect("our file");
}

fn fails(server: &mut Server, why: &str) {
    let pid = server.pid();
    let before = server.log().containing("the upgrade has failed").len();
    server.signal(Signal::SIGUSR2);
    eventually("a failed upgrade", || {
        (server.log().containing("the upgrade has failed").len() > before).then_some(())
    });
    let line = server.log().containing("the upgrade has failed").pop().expect("a line");
    assert!(line.contains(why), "{line}");
    assert!(line.contains("and this process serves on"), "{line}");
    assert_eq!(server.pid(), pid);
    assert_eq!(server.connect("framed").ask("ECHO here"), "here");
}

#[test]
fn a_program_that_is_missing_or_fails_changes_nothing() {
    for arguments in [&["--shards", "1"][..], &["--shards", "3"], &["--sandbox", "off"]] {
        let scratch = Scratch::new();
        let program = copy_of_readyd(&scratch);
        let mut server = Launch::of(&["framed"]).args(arguments).program(&program).start();
        let mut client = server.connect("framed");
        client.ask("ECHO a");
        fs::remove_file(&program).expect("our file");
        fails(&mut server, &format!("cannot execute {}: No such file", program.display()));
        fs::write(&program, "no program").expect("our folder");
        fails(&mut server, "Permission denied");
        replace(&program, "exit 7");
        fails(&mut server, "the new process ended before it served (exit status: 7)");
        replace(&program, "kill -SEGV $$");
        fails(&mut server, "the new process ended before it served (signal: 11 (SIGSEGV)");
        fs::remove_file(&program).expect("our file");
        copy_of_readyd(&scratch);
        assert_eq!(client.ask("ECHO b"), "b");
        drop(client);
        let old = server.upgrade();
        wait_for_end(old);
        assert_eq!(server.connect("framed").ask("ECHO c"), "c");
    }
}

#[test]
fn a_configuration_with_an_error_changes_nothing() {
    for shards in SHARDS {
        let scratch = Scratch::new();
        let path = configuration(&scratch, &["max-frame 1000"]);
        let mut server = launch(&["framed"], shards).path("--config", &path).start();
        configuration(&scratch, &["max-frames 1000"]);
        fails(&mut server, "(exit status: 2)");
        server.wait_for_log("max-frames");
        configuration(&scratch, &["table /no/such/table"]);
        fails(&mut server, "(exit status: 1)");
        server.wait_for_log("cannot open table");
        assert_eq!(server.log().containing("Address already in use"), Vec::<String>::new());
        configuration(&scratch, &["max-frame 1001"]);
        server.upgrade();
    }
}

/// A program that neither answers nor ends.
fn silent(scratch: &Scratch) -> String {
    format!("echo $$ > {}/silent; exec sleep 1000", scratch.path("").display())
}

fn pid_of_silent(scratch: &Scratch) -> Pid {
    eventually("the silent program", || {
        let text = fs::read_to_string(scratch.path("silent")).ok()?;
        text.trim().parse().ok().map(Pid::from_raw)
    })
}

#[test]
fn a_second_signal_is_ignored_while_an_upgrade_runs_and_a_stop_ends_it() {
    for arguments in [&["--shards", "1"][..], &["--shards", "3"], &["--sandbox", "off"]] {
        let scratch = Scratch::new();
        let program = copy_of_readyd(&scratch);
        let mut server = Launch::of(&["framed"]).args(arguments).program(&program).start();
        replace(&program, &silent(&scratch));
        server.signal(Signal::SIGUSR2);
        let silent = pid_of_silent(&scratch);
        server.signal(Signal::SIGUSR2);
        server.wait_for_log("SIGUSR2 is ignored: an upgrade is running");
        assert_eq!(server.connect("framed").ask("ECHO here"), "here");
        server.signal(Signal::SIGTERM);
        assert_eq!(server.wait_for_exit().code(), Some(0));
        server.log().wait_for("the upgrade ends, since this process is to stop");
        wait_for_end(silent);
    }
}

#[test]
fn a_silent_program_is_given_up() {
    let scratch = Scratch::new();
    let program = copy_of_readyd(&scratch);
    let mut server = Launch::of(&["framed"]).program(&program).start();
    replace(&program, "sleep 0.2; kill -STOP $$");
    server.signal(Signal::SIGUSR2);
    // Half of what the test may take, plus some: the limit is 30 s.
    thread::sleep(PATIENCE / 2);
    server.log().wait_for("the new process was silent for 30s");
    fs::remove_file(&program).expect("our file");
    copy_of_readyd(&scratch);
    server.upgrade();
}

/// The variable comes from an upgrade only.
#[test]
fn a_variable_without_an_upgrade_is_an_error() {
    for value in ["", "7", "3 4 5|0 0 framed:-", "0 1 2|1 0 framed:-", "a|b"] {
        let mut command = std::process::Command::new(READYD);
        command.args(["--listen", "framed=127.0.0.1:0"]).env("READYD_UPGRADE", value);
        let ended = crate::command_line::ended(&mut command);
        assert_eq!(ended.status, Some(1), "{value}: {}", ended.stderr);
        assert!(ended.stderr.contains("READYD_UPGRADE"), "{value}: {}", ended.stderr);
    }
}

#[test]
fn a_shard_leaves_it_to_its_supervisor() {
    let server = launch(&["framed"], "2").start();
    let children = server.proc_file(&format!("task/{}/children", server.pid()));
    let shard: i32 = children.split_whitespace().next().expect("a shard").parse().expect("a pid");
    kill(Pid::from_raw(shard), Signal::SIGUSR2).expect("a shard");
    server.wait_for_log("SIGUSR2 is ignored: it is for the supervisor of the shards");
}
