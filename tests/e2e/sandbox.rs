//! `--sandbox`: the server gives up what serving does not need, and all that it has to do
//! afterwards still works. That each forbidden thing is refused, the tests of `os::landlock` show.

use crate::command_line::{ended, readyd};
use crate::shards::{first_clients_of_all, processes};
use crate::support::server::READYD;
use crate::support::tools;
use crate::support::{Launch, Scratch, eventually, tzif};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, geteuid};
use readyd::os::memory::limit_for_buffers;
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

const REQUIRE: &str = "--sandbox=require";

/// Whether this machine can do what `--sandbox=require` asks for.
fn is_confining() -> bool {
    let check = readyd(&["--check-sandbox"]);
    if check.status != Some(0) {
        tools::skip(&check.stderr);
    }
    check.status == Some(0)
}

/// The flags for a server that root starts for another user.
fn as_nobody() -> &'static [&'static str] {
    if geteuid().is_root() { &["--user", "65534:65534"] } else { &[] }
}

/// A folder to which any user may write.
fn open_folder(scratch: &Scratch, name: &str) -> PathBuf {
    let folder = scratch.path(name);
    fs::create_dir(&folder).expect("a folder");
    fs::set_permissions(&folder, Permissions::from_mode(0o777)).expect("a folder of ours");
    folder
}

/// Whether a process has renounced new rights, which Landlock takes.
fn has_no_new_privs(pid: Pid) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("a running process");
    status.lines().any(|line| line == "NoNewPrivs:\t1")
}

#[test]
fn a_confined_server_reloads_and_removes_its_socket() {
    if !is_confining() {
        return;
    }
    let scratch = Scratch::new();
    fs::create_dir_all(scratch.path("tables")).expect("a folder");
    fs::create_dir_all(scratch.path("zones")).expect("a folder");
    let table = scratch.write("tables/table", "colour red\n");
    let zone = scratch.write_bytes("zones/zone", &tzif("CET-1"));
    fs::create_dir_all(scratch.path("configs")).expect("a folder");
    let config = scratch.write("configs/conf", "max-connections 100\nmemory-limit 1MiB\n");
    let socket = open_folder(&scratch, "sockets").join("readyd.sock");
    let listener = format!("echo=unix:{}", socket.display());
    let mut server = Launch::of(&["framed", &listener])
        .args(&[REQUIRE])
        .args(as_nobody())
        .env("TZ", &zone)
        .path("--table", &table)
        .path("--config", &config)
        .start();
    let line = server.wait_for_log("sandboxed by Landlock ABI ");
    for folder in ["tables", "zones", "configs", "sockets"] {
        assert!(line.contains(&format!("/{folder}")), "{line}");
    }
    assert!(has_no_new_privs(server.pid()));
    assert!((4..=7).contains(&server.statistics().get("landlock_abi")));

    let mut client = server.connect("framed");
    assert_eq!(client.ask("LOOKUP colour"), "red");
    assert!(client.ask("DAYTIME rfc3339").ends_with("+01:00"));
    for (colour, zone, offset) in [("blue", "JST-9", "+09:00"), ("green", "CET-1", "+01:00")] {
        // Each is another file that takes the place of the last.
        scratch.write("tables/table", &format!("colour {colour}\n"));
        scratch.write_bytes("zones/zone", &tzif(zone));
        server.signal(Signal::SIGHUP);
        eventually("the new table", || (client.ask("LOOKUP colour") == colour).then_some(()));
        eventually("the new zone", || {
            client.ask("DAYTIME rfc3339").ends_with(offset).then_some(())
        });
    }
    // Without the flag, the limit follows from the memory, which can no longer be asked for.
    scratch.write("configs/conf", "max-connections 50\n");
    server.signal(Signal::SIGHUP);
    server.wait_for_log("configuration reloaded: max-connections 50");
    let stats = server.statistics();
    assert_eq!(stats.get("connections_max"), 50);
    assert_eq!(stats.get("memory_limit_bytes"), limit_for_buffers() as u64);
    assert!((4..=7).contains(&stats.get("landlock_abi")), "it is no limit");
    assert!(stats.get("resident_bytes") > 0);
    drop(client);
    assert!(fs::symlink_metadata(&socket).is_ok());
    server.signal(Signal::SIGTERM);
    assert_eq!(server.wait_for_exit().code(), Some(0));
    assert!(fs::symlink_metadata(&socket).is_err(), "the socket is left");
}

#[test]
fn a_table_that_moves_out_of_the_folder_is_refused_with_advice() {
    if !is_confining() {
        return;
    }
    let scratch = Scratch::new();
    let version = |name: &str, text: &str| {
        let folder = scratch.path(name);
        fs::create_dir(&folder).expect("a folder");
        fs::write(folder.join("table"), text).expect("write a file");
        let (link, draft) = (scratch.path("current"), scratch.path("draft"));
        symlink(&folder, &draft).expect("a link");
        fs::rename(&draft, &link).expect("rename the link");
        link.join("table")
    };
    let table = version("1", "colour red\n");
    let start = |sandbox: &str, shards: &str| {
        let server = Launch::of(&["framed"]).args(&["--sandbox", sandbox, "--shards", shards]);
        server.path("--table", &table).start()
    };
    let [confined, free, sharded] =
        [("require", "1"), ("off", "1"), ("require", "2")].map(|(how, count)| start(how, count));
    assert_eq!(free.statistics().get("landlock_abi"), 0);
    version("2", "colour blue\n");
    for server in [&confined, &free, &sharded] {
        server.signal(Signal::SIGHUP);
    }
    let line = confined.wait_for_log("keeping the old table: ");
    assert!(line.contains("Permission denied"), "{line}");
    // The files of time zones stand before this folder or behind it, by the names.
    let advice = line.split_once("the sandbox lets it read beneath ").expect("advice").1;
    assert!(advice.contains(&scratch.path("1").display().to_string()), "{line}");
    assert!(advice.contains(" only; see --sandbox"), "{line}");
    // The supervisor reads it for its shards.
    for server in [&free, &sharded] {
        server.wait_for_log("table reloaded: 1 key");
    }
    // A reload that was refused changes nothing.
    assert_eq!(confined.connect("framed").ask("LOOKUP colour"), "red");
}

#[test]
fn shards_are_confined_and_replaced_and_the_supervisor_is_not() {
    if !is_confining() {
        return;
    }
    let scratch = Scratch::new();
    let table = scratch.write("table", "colour red\n");
    let server =
        Launch::of(&["framed"]).args(&[REQUIRE, "--shards", "2"]).path("--table", &table).start();
    drop(first_clients_of_all(&server, 2));
    assert!(!has_no_new_privs(server.pid()), "the supervisor starts programs");
    let first = processes(&server, 2);
    for &pid in &first {
        eventually("a confined shard", || has_no_new_privs(pid).then_some(()));
    }
    for number in 1..=2 {
        let line = server.wait_for_log(&format!("shard {number}: sandboxed by Landlock ABI "));
        assert!(line.contains("opens no file"), "{line}");
    }
    let stats = server.statistics();
    assert!((4..=7).contains(&stats.get("landlock_abi")), "it is no sum");

    kill(first[0], Signal::SIGKILL).expect("kill a shard");
    let successor = eventually("a successor", || {
        processes(&server, 2).into_iter().find(|pid| !first.contains(pid))
    });
    eventually("a confined successor", || has_no_new_privs(successor).then_some(()));
    scratch.write("table", "colour blue\n");
    server.signal(Signal::SIGHUP);
    server.wait_for_log("table reloaded: 1 key");
    eventually("the new table in all shards", || {
        let mut clients: Vec<_> = (0..8).map(|_| server.connect("framed")).collect();
        clients.iter_mut().all(|client| client.ask("LOOKUP colour") == "blue").then_some(())
    });
}

/// The files for copies are opened before.
#[cfg(feature = "trace")]
#[test]
fn a_confined_server_keeps_copies_of_its_trace_and_a_capture() {
    if !is_confining() {
        return;
    }
    let scratch = Scratch::new();
    let (trace, capture) = (scratch.path("trace"), scratch.path("capture"));
    let mut server = Launch::of(&["framed"])
        .args(&[REQUIRE, "--trace-on", "close=disconnect"])
        .args(as_nobody())
        .path("--trace", &trace)
        .path("--capture", &capture)
        .start();
    let _ = server.connect("framed").ask("Disconnect !");
    server.wait_for_log("close=disconnect: the trace so far is in ");
    let size = |path: &Path| fs::metadata(path).expect("a file").len();
    assert!(size(&scratch.path("trace.kept-1")) > 0);
    server.signal(Signal::SIGTERM);
    assert_eq!(server.wait_for_exit().code(), Some(0));
    assert!(size(&capture) > 0);
}

/// A command that runs readyd with this fault in landlock_create_ruleset(2), as strace(1) puts it.
fn with_fault(fault: &str) -> Option<Vec<String>> {
    let strace = tools::find("strace")?;
    let inject = format!("inject=landlock_create_ruleset:{fault}");
    let words = ["--quiet=all", "-f", "-e", "trace=landlock_create_ruleset", "-o", "/dev/null"];
    let mut words: Vec<String> = words.map(str::to_owned).into();
    words.insert(0, strace.to_str().expect("UTF-8").to_owned());
    words.extend(["-e".to_owned(), inject]);
    Some(words)
}

#[test]
fn a_kernel_that_cannot_confine_is_told_and_ends_the_start_only_if_required() {
    if !is_confining() {
        return;
    }
    let cases = [
        ("error=ENOSYS", "this kernel has no Landlock (Linux 5.13 or newer, ", 0),
        ("error=EOPNOTSUPP", "this kernel was started without Landlock (add landlock to lsm=", 0),
        // The answer to which ABI there is.
        ("retval=2:when=1", "bind and connect over TCP (Linux 6.7)", 2),
    ];
    for (fault, sentence, abi) in cases {
        let Some(words) = with_fault(fault) else { return };
        let required = ended(
            Command::new(&words[0])
                .args(&words[1..])
                .args([READYD, REQUIRE, "--listen"])
                .arg("echo=127.0.0.1:0"),
        );
        assert_eq!(required.status, Some(1), "{fault}");
        let last = required.stderr.lines().last().expect("a complaint");
        assert!(last.contains("--sandbox=require: ") && last.contains(sentence), "{last}");

        let server = Launch::of(&["framed"]).wrapper(&words).start();
        let line = server.wait_for_log("sandboxed");
        assert!(line.contains(sentence), "{line}");
        assert_eq!(server.statistics().get("landlock_abi"), abi);
        assert_eq!(server.connect("framed").ask("ECHO hello"), "hello");
    }
}

#[test]
fn what_the_machine_can_is_told() {
    if !is_confining() {
        return;
    }
    let told = readyd(&["--check-sandbox", "--listen", "whatever else there is"]);
    let mut lines = told.stdout.lines();
    assert!(lines.next().is_some_and(|line| line.starts_with("Landlock ABI ")), "{}", told.stdout);
    assert!(told.stdout.contains("opening files, executing programs: forbidden\n"));
    assert!(told.stdout.contains("bind and connect over TCP: forbidden\n"));
    assert_eq!(told.stderr, "");

    let Some(words) = with_fault("error=ENOSYS") else { return };
    let missing =
        ended(Command::new(&words[0]).args(&words[1..]).args([READYD, "--check-sandbox"]));
    assert_eq!((missing.status, missing.stdout.as_str()), (Some(1), ""));
    assert!(missing.stderr.contains("this kernel has no Landlock"), "{}", missing.stderr);
    let Some(words) = with_fault("retval=2:when=1") else { return };
    let old = ended(Command::new(&words[0]).args(&words[1..]).args([READYD, "--check-sandbox"]));
    assert_eq!(old.status, Some(1));
    assert!(old.stdout.contains("bind and connect over TCP: not forbidden (Linux 6.7)\n"));
    assert!(old.stderr.contains("this kernel's Landlock (ABI 2) cannot forbid "), "{}", old.stderr);
}

#[test]
fn a_configuration_that_requires_too_much_is_not_valid() {
    let Some(words) = with_fault("error=ENOSYS") else { return };
    let check =
        ended(Command::new(&words[0]).args(&words[1..]).args([READYD, REQUIRE, "--check-config"]));
    assert_eq!(check.status, Some(1));
    assert!(check.stderr.contains("--sandbox=require: this kernel has no Landlock"));
    // The flag has three values.
    let wrong = readyd(&["--sandbox", "on"]);
    assert_eq!(wrong.status, Some(2));
    assert!(wrong.stderr.contains("not a way to confine (use require, try or off)"));
}
