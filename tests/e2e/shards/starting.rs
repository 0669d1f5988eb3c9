//! How shards are started.

use super::{clients_of_all, first_clients_of_all, launch, process_of};
use crate::command_line::assert_cannot_run;
use crate::support::server::READYD;
use crate::support::tools::{self, SHELL};
use crate::support::{Client, Launch, Scratch, eventually};
use nix::sys::signal::{Signal, kill};
use nix::unistd::geteuid;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A copy of the program, with this mode.
fn copy(scratch: &Scratch, mode: u32) -> PathBuf {
    let path = scratch.path("readyd");
    fs::copy(READYD, &path).expect("a copy");
    fs::set_permissions(&path, Permissions::from_mode(mode)).expect("a file of ours");
    path
}

/// What the kernel calls a process, as ps(1) and top(1) show it.
fn name_of(pid: nix::unistd::Pid) -> String {
    fs::read_to_string(format!("/proc/{pid}/comm")).expect("a running shard").trim_end().to_owned()
}

fn kill_and_see_the_successor(launch: Launch, before: impl FnOnce()) {
    let server = launch.start();
    drop(first_clients_of_all(&server, 2));
    before();
    let victim = process_of(&server, 2, 1);
    assert_eq!(name_of(victim), "readyd");
    kill(victim, Signal::SIGKILL).expect("kill a shard");
    server.wait_for_log("shard 1 exited (signal: 9 (SIGKILL)); restarting at once");
    drop(clients_of_all(&server, 2));
}

#[test]
fn field_server_07_a_shard_is_started_though_the_program_file_is_deleted() {
    let scratch = Scratch::new();
    let program = copy(&scratch, 0o755);
    let launch = launch(&["framed"], 2).program(&program);
    kill_and_see_the_successor(launch, || fs::remove_file(&program).expect("the copy"));
}

#[test]
fn field_server_07_a_shard_is_started_though_the_program_file_is_replaced() {
    let scratch = Scratch::new();
    let program = copy(&scratch, 0o755);
    let launch = launch(&["framed"], 2).program(&program);
    kill_and_see_the_successor(launch, || {
        let other = scratch.write("other", "not a program");
        fs::rename(other, &program).expect("files of ours");
    });
}

/// A shell that hides what is in these folders from what it then runs.
fn hiding(folders: &[&str]) -> Option<Vec<String>> {
    let unshare = tools::find("unshare")?;
    if !geteuid().is_root() {
        tools::skip("only root can hide folders");
        return None;
    }
    let mounts = folders.iter().map(|folder| format!("mount -t tmpfs none {folder} && "));
    let script = mounts.collect::<String>() + "exec \"$0\" \"$@\"";
    let words = [unshare.to_str()?, "--mount", SHELL, "-c", &script];
    Some(words.map(str::to_owned).to_vec())
}

#[test]
fn field_server_07_shards_are_started_without_proc_and_dev_null() {
    let Some(hiding) = hiding(&["/proc", "/dev"]) else { return };
    let launch = launch(&["framed"], 2).wrapper(&hiding);
    kill_and_see_the_successor(launch, || {});
}

#[test]
fn field_server_07_a_program_that_the_user_may_not_execute_is_refused_with_root_s_rights() {
    if !geteuid().is_root() {
        return tools::skip("only root can become another user");
    }
    let scratch = Scratch::new();
    let program = copy(&scratch, 0o750);
    let mut command = Command::new(program);
    command.args(["--shards", "2", "--user", "3999999999:3999999998"]);
    let output =
        tools::run(command.args(["--listen", "framed=127.0.0.1:0"]), tools::Input::Whole(b""));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("user 3999999999, group 3999999998 may not execute"), "{stderr}");
    assert!(!stderr.contains("serving as"), "{stderr}");
}

#[test]
fn field_server_02_two_sigterms_right_after_the_start_kill_no_shard() {
    for round in 0..30 {
        let mut server = launch(&["framed"], 2).start();
        server.signal(Signal::SIGTERM);
        server.signal(Signal::SIGTERM);
        assert_eq!(server.wait_for_exit().code(), Some(0), "round {round}");
        assert_eq!(server.log().containing("did not exit cleanly"), Vec::<String>::new());
    }
}

/// The files that a process has open, by their names.
fn open_files(pid: nix::unistd::Pid) -> Vec<PathBuf> {
    let entries = fs::read_dir(format!("/proc/{pid}/fd")).expect("a running process");
    entries.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok()).collect()
}

#[test]
fn field_server_08_what_was_inherited_and_not_named_is_closed() {
    let scratch = Scratch::new();
    let file = scratch.write("file", "open in the parent");
    let script = format!("exec 7<{0} 9<{0} \"$0\" \"$@\"", file.to_str().expect("UTF-8"));
    let wrapper = [SHELL, "-c", &script];
    let is_file = |path: &PathBuf| path.as_path() == Path::new(&file);
    let alone = Launch::of(&["framed"]).wrapper(&wrapper).start();
    eventually("the file to be closed", || {
        (!open_files(alone.pid()).iter().any(is_file)).then_some(())
    });
    let server = launch(&["framed"], 2).wrapper(&wrapper).start();
    let shards = super::processes_once_they_run(&server, 2);
    for pid in shards.into_iter().chain([server.pid()]) {
        assert!(!open_files(pid).iter().any(is_file), "process {pid}");
    }
}

#[test]
fn a_shard_timeout_that_is_too_short_is_refused() {
    for timeout in ["999ms", "1us"] {
        let ended = Command::new(READYD).args(["--shard-timeout", timeout]).output();
        let ended = ended.expect("it can be run");
        assert_eq!(ended.status.code(), Some(2));
        assert!(String::from_utf8_lossy(&ended.stderr).contains("less than 1s"));
    }
    let no_port = ["--shards", "2", "--shard-timeout", "0", "--listen", "echo=192.0.2.1:0"];
    assert_cannot_run(&no_port, "cannot listen on echo=");
}

/// The first of the CPUs that this process may use, as taskset(1) takes it.
#[cfg(feature = "ops")]
fn first_cpu() -> String {
    let status = fs::read_to_string("/proc/self/status").expect("a process's own status");
    let list = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
    list.expect("the list").trim().chars().take_while(char::is_ascii_digit).collect()
}

#[cfg(feature = "ops")]
#[test]
fn there_is_a_shard_for_each_cpu_that_it_may_use() {
    let cpus = std::thread::available_parallelism().expect("a number").get();
    let server = Launch::of(&["framed=127.0.0.1:0"]).args(&["--shards", "auto"]).start();
    let noun =
        |count: usize, noun: &str| format!("{count} {noun}{}", if count == 1 { "" } else { "s" });
    let line =
        format!("shards auto: {} may be used, so {}", noun(cpus, "CPU"), noun(cpus, "shard"));
    server.wait_for_log(&line);
    assert_eq!(Client::connect(server.address("framed")).ask("ECHO hello"), "hello");
    drop(server);
    if tools::find("taskset").is_none() {
        return;
    }
    let taskset = ["taskset", "-c", &first_cpu()];
    // A server that is confined has a child that starts upgrades for it.
    let arguments = ["--shards", "auto", "--sandbox", "off"];
    let launch = Launch::of(&["framed=127.0.0.1:0"]).args(&arguments);
    let server = launch.wrapper(&taskset).start();
    server.wait_for_log("shards auto: 1 CPU may be used, so 1 shard");
    // It serves by itself, without a supervisor.
    assert_eq!(server.shards(), []);
    assert_eq!(server.log().containing("starting"), Vec::<String>::new());
    assert_eq!(Client::connect(server.address("framed")).ask("ECHO hello"), "hello");
}
