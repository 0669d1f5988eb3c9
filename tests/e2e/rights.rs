//! `--user`: what root could do is done first, and can then be done no more.

use crate::command_line::assert_cannot_run;
use crate::support::server::READYD;
use crate::support::tools::{self, Input, SHELL};
use crate::support::{Launch, Scratch, Server, loopback_of_ones_own};
use nix::sys::signal::Signal;
use nix::unistd::{User, geteuid};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

#[cfg(all(feature = "client", feature = "ops", feature = "trace"))]
mod recordings;

/// A user and group that no machine has given to anybody.
const STRANGER: &str = "3999999999:3999999998";

fn is_root() -> bool {
    let is_root = geteuid().is_root();
    if !is_root {
        tools::skip("only root can become another user");
    }
    is_root
}

/// The numbers behind `name` in the server's status: of a user the real, effective, saved and file
/// system's, of a group the same.
fn ids(server: &Server, name: &str) -> Vec<u32> {
    let status = server.proc_file("status");
    let line =
        status.lines().find_map(|line| line.strip_prefix(name)).expect("a line of that name");
    line.split_whitespace().map(|id| id.parse().expect("a number")).collect()
}

#[test]
fn root_gives_up_its_rights_once_the_port_is_bound_and_the_table_is_read() {
    if !is_root() {
        return;
    }
    let scratch = Scratch::new();
    let table = scratch.write("table", "colour red\n");
    fs::set_permissions(&table, fs::Permissions::from_mode(0o600)).expect("a file of ours");
    // A port that takes root's rights, on an address that no other test uses.
    let listen = format!("framed={}:17", loopback_of_ones_own());
    let server = Launch::of(&[&listen]).args(&["--user", STRANGER]).path("--table", &table).start();
    server.wait_for_log(&format!("serving as {STRANGER} (user 3999999999, group 3999999998)"));
    assert_eq!(ids(&server, "Uid:"), [3_999_999_999; 4]);
    assert_eq!(ids(&server, "Gid:"), [3_999_999_998; 4]);
    assert_eq!(ids(&server, "Groups:"), [3_999_999_998]);
    for capabilities in ["CapPrm:\t0000000000000000", "CapEff:\t0000000000000000"] {
        assert!(server.proc_file("status").contains(capabilities), "{capabilities}");
    }
    let mut client = server.connect("framed");
    assert_eq!(client.ask("LOOKUP colour"), "red");

    // What only root may read was read as root, and is not read again.
    scratch.write("table", "colour blue\n");
    fs::set_permissions(&table, fs::Permissions::from_mode(0o600)).expect("a file of ours");
    server.signal(Signal::SIGHUP);
    let line = server.wait_for_log("keeping the old table: ");
    assert!(line.contains("Permission denied"), "{line}");
    assert_eq!(client.ask("LOOKUP colour"), "red");
}

/// A system without accounts, as in a container of one program: /etc is empty there.
#[test]
fn field_server_16_two_numbers_need_no_list_of_accounts() {
    if !is_root() {
        return;
    }
    let Some(unshare) = tools::find("unshare") else { return };
    let script = "mount -t tmpfs none /etc && exec \"$0\" \"$@\"";
    let words = [unshare.to_str().expect("UTF-8"), "--mount", SHELL, "-c", script];
    for user in ["65534:65534", STRANGER] {
        let server = Launch::of(&["framed"]).wrapper(&words).args(&["--user", user]).start();
        assert!(fs::metadata(server.root().join("etc/passwd")).is_err(), "there is a list");
        let (uid, gid) = user.split_once(':').expect("two numbers");
        server.wait_for_log(&format!("serving as {user} (user {uid}, group {gid})"));
        assert_eq!(ids(&server, "Groups:"), [gid.parse::<u32>().expect("a number")]);
        assert_eq!(server.connect("framed").ask("ECHO hello"), "hello");
    }
}

#[test]
fn field_server_16_two_numbers_have_no_list_of_accounts_opened() {
    let Some(strace) = tools::find("strace") else { return };
    let opened_for = |user: &str| {
        let mut command = Command::new(&strace);
        command.args([
            "-f",
            "-e",
            "trace=open,openat,connect",
            READYD,
            "--check-config",
            "--user",
            user,
        ]);
        let output = tools::run(&mut command, Input::Whole(b""));
        String::from_utf8(output.stderr).expect("UTF-8")
    };
    let lists = ["/etc/passwd", "/etc/group", "nsswitch", "nscd"];
    let trace = opened_for(STRANGER);
    assert!(lists.iter().all(|list| !trace.contains(list)), "{trace}");
    // One number alone looks for its group.
    let trace = opened_for("3999999999");
    assert!(lists.iter().any(|list| trace.contains(list)), "{trace}");
}

#[test]
fn field_server_16_a_number_that_means_no_change_is_no_account() {
    for user in ["4294967295:1", "1:4294967295"] {
        let complaint = "4294967295 is no account: to the system it means no change";
        assert_cannot_run(&["--listen", "echo=127.0.0.1:0", "--user", user], complaint);
    }
}

#[test]
fn a_name_brings_its_groups() {
    if !is_root() {
        return;
    }
    let Ok(Some(nobody)) = User::from_name("nobody") else { return tools::skip("no user nobody") };
    let server = Launch::of(&["framed"]).args(&["--user", "nobody"]).start();
    assert_eq!(ids(&server, "Uid:"), [nobody.uid.as_raw(); 4]);
    assert_eq!(ids(&server, "Gid:"), [nobody.gid.as_raw(); 4]);
    assert!(ids(&server, "Groups:").contains(&nobody.gid.as_raw()));
}

#[test]
fn accounts_that_cannot_be_had() {
    let listen = ["--listen", "echo=127.0.0.1:0", "--user"];
    let run_as = |user: &'static str, complaint: &str| {
        assert_cannot_run(&[listen.as_slice(), &[user]].concat(), complaint);
    };
    run_as("no-such-user", "--user no-such-user: there is no user \"no-such-user\"");
    run_as("1:no-such-group", "there is no group \"no-such-group\"");
    run_as("3999999999", "has no entry that tells its group (write 3999999999:GROUP)");
    run_as("0", "root would keep all its rights");
    assert_cannot_run(&["--check-config", "--user", "no-such-user"], "there is no user");
    if !geteuid().is_root() {
        run_as(STRANGER, "only root can become another user");
    }
}

/// Runs a server with `--user`, itself run by setpriv(1) with these arguments.
fn complaint_of(setpriv: &[&str]) -> Option<String> {
    let mut command = Command::new(tools::find("setpriv")?);
    command.args(setpriv).arg(READYD);
    command.args(["--listen", "echo=127.0.0.1:0", "--user", STRANGER]);
    let output = tools::run(&mut command, Input::Whole(b""));
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let text = String::from_utf8(output.stderr).expect("UTF-8");
    Some(text.lines().last().expect("a complaint").to_owned())
}

#[test]
fn who_is_not_root_or_would_stay_mighty_is_refused() {
    if !is_root() {
        return;
    }
    let nobody = ["--reuid=65534", "--regid=65534", "--clear-groups"];
    if let Some(complaint) = complaint_of(&nobody) {
        assert!(complaint.contains("only root can become another user"), "{complaint}");
    }
    let caps = ["--inh-caps=+setuid,+setgid", "--ambient-caps=+setuid,+setgid"];
    if let Some(complaint) = complaint_of(&[nobody.as_slice(), &caps].concat()) {
        assert!(complaint.contains("the process could become root again"), "{complaint}");
    }
}
