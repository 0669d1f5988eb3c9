//! `readyc doctor`: against limits in a directory, and against those of this machine.

use super::support::readyc::{self, Ended};
use super::support::{Scratch, tools};
use std::path::Path;
use std::process::Command;

/// What a system with a range of 100 local ports, and else ample limits, says of itself.
const FILES: [(&str, &str); 11] = [
    (
        "proc/self/limits",
        "Max open files            1024                 524288               files\n",
    ),
    ("proc/sys/fs/nr_open", "1048576\n"),
    ("proc/sys/fs/file-max", "9223372036854775807\n"),
    ("proc/sys/fs/file-nr", "1000\t0\t9223372036854775807\n"),
    ("proc/sys/net/ipv4/ip_local_port_range", "40000\t40099\n"),
    ("proc/sys/net/ipv4/ip_local_reserved_ports", "\n"),
    ("proc/sys/net/ipv4/tcp_mem", "287898\t383867\t575796\n"),
    ("proc/sys/net/ipv4/tcp_max_syn_backlog", "2048\n"),
    ("proc/sys/net/core/somaxconn", "4096\n"),
    ("proc/net/sockstat", "sockets: used 1\nTCP: inuse 1 orphan 0 tw 0 alloc 1 mem 1\n"),
    ("proc/meminfo", "MemAvailable: 8000000 kB\n"),
];

/// A directory with these files.
struct Root(Scratch);

impl Root {
    fn new() -> Root {
        let root = Root(Scratch::new());
        for (file, text) in FILES {
            root.write(file, text);
        }
        root
    }

    fn write(&self, file: &str, text: &str) {
        let path = self.0.path(file);
        std::fs::create_dir_all(path.parent().expect("a directory")).expect("make directories");
        self.0.write(file, text);
    }

    fn doctor(&self, arguments: &[&str]) -> Ended {
        examine(&self.0.path(""), arguments)
    }
}

fn examine(root: &Path, arguments: &[&str]) -> Ended {
    let mut command = readyc::command(&["doctor", "--root"]);
    // Tables and remedies as they are on a wide terminal.
    readyc::run(command.arg(root).args(arguments).env("COLUMNS", "200"), b"")
}

#[test]
fn what_fits_is_a_success() {
    let ended = Root::new().doctor(&["-c", "60", "--idle", "40"]);
    assert_eq!((ended.status, ended.stderr.as_str()), (Some(0), ""), "{}", ended.stdout);
    assert!(ended.stdout.contains("\nlocal ports (ip_local_port_range)"), "{}", ended.stdout);
    assert!(!ended.stdout.contains("NOT ENOUGH"), "{}", ended.stdout);
    let last = "\nlargest N with current limits: 100 (limited by local ports)\n";
    assert!(ended.stdout.ends_with(last), "{}", ended.stdout);
}

#[test]
fn what_does_not_fit_has_a_status_of_its_own_and_a_remedy_that_helps() {
    let root = Root::new();
    let ended = root.doctor(&["-c", "1k"]);
    assert_eq!(ended.status, Some(3), "{}", ended.stdout);
    assert_eq!(ended.stderr, "readyc: this machine cannot open that many connections\n");
    let remedy = "    sysctl -w net.ipv4.ip_local_port_range=\"1024 65535\"   # as root";
    assert!(ended.stdout.contains(remedy), "{}", ended.stdout);
    assert!(ended.stdout.contains("\n    --source 127.0.0.2-127.0.0.11\n"), "{}", ended.stdout);
    let with_sources = ["-c", "1k", "--source", "127.0.0.2-127.0.0.6,127.0.0.7", "--source"];
    let ended = root.doctor(&[&with_sources[..], &["127.0.0.8-127.0.0.11"]].concat());
    assert_eq!(ended.status, Some(0), "{}", ended.stdout);
    root.write("proc/sys/net/ipv4/ip_local_port_range", "1024 65535\n");
    assert_eq!(root.doctor(&["-c", "1k"]).status, Some(0));
}

#[test]
fn each_server_named_is_a_destination() {
    let root = Root::new();
    let servers = ["127.0.0.1:1", "127.0.0.1:2", "[::1]:1"];
    let ended = root.doctor(&[&["-c", "300"], &servers[..]].concat());
    assert_eq!(ended.status, Some(0), "{}", ended.stdout);
    assert_eq!(root.doctor(&[&["-c", "301"], &servers[..]].concat()).status, Some(3));
    assert_eq!(root.doctor(&["-c", "101", "--server", "[::1]:1"]).status, Some(3));
}

/// The server's name is not looked up if others are given.
#[test]
fn servers_named_take_the_place_of_the_usual_one() {
    let arguments = ["--server", "no.such.host.invalid", "-c", "1", "127.0.0.1"];
    let ended = Root::new().doctor(&arguments);
    assert_eq!((ended.status, ended.stderr.as_str()), (Some(0), ""));
}

#[test]
fn json_is_one_document() {
    let ended = Root::new().doctor(&["-c", "1k", "--json"]);
    assert_eq!(ended.status, Some(3));
    let json: serde_json::Value = serde_json::from_str(&ended.stdout).expect("JSON");
    assert_eq!((&json["fits"], &json["connections"]), (&false.into(), &1000.into()));
    assert_eq!(json["largest"]["connections"], 100);
    assert_eq!(json["largest"]["limited_by"], "local_ports");
}

#[test]
fn what_is_unknown_is_said_and_does_not_refuse() {
    let root = Root::new();
    root.write("proc/sys/fs/nr_open", "banana\n");
    let ended = root.doctor(&["-c", "10"]);
    assert_eq!(ended.status, Some(0), "{}", ended.stderr);
    let told = "\nfile descriptor ceiling: unknown (proc/sys/fs/nr_open holds \"banana\", which \
                is no limit)\n";
    assert!(ended.stdout.contains(told), "{}", ended.stdout);
}

#[test]
fn what_cannot_be_examined_is_refused() {
    let root = Root::new();
    for (arguments, status, why) in [
        (&["-c", "0"][..], 2, "give at least one connection: --connections or --idle"),
        (
            &["--source", "127.0.0.3-127.0.0.2"],
            2,
            "--source: \"127.0.0.3-127.0.0.2\" ends before it begins (write the lower address \
             first)",
        ),
        (
            &["--source", "127.1.0.0/16", "--source", "127.2.0.0/16"],
            2,
            "--source: too many source addresses (at most 65536 can be used)",
        ),
    ] {
        assert_eq!(root.doctor(arguments), Ended::failed(status, why), "{arguments:?}");
    }
    let nowhere = root.0.path("nowhere");
    let ended = examine(&nowhere, &[]);
    assert_eq!((ended.status, ended.stdout.as_str()), (Some(1), ""));
    let why = format!("readyc: cannot read limits in {}/proc: ", nowhere.display());
    assert!(ended.stderr.starts_with(&why), "{}", ended.stderr);
}

#[test]
fn the_root_is_for_those_who_read_all_of_the_help() {
    let help = |option| readyc::run(&mut readyc::command(&["doctor", option]), b"").stdout;
    assert!(!help("-h").contains("--root"));
    assert!(help("--help").contains("Read the system's limits below DIR instead of /"));
}

/// Without `--root`, the limits are those that the program itself has.
#[test]
fn this_machine_is_examined() {
    let Some(shell) = tools::find("sh") else { return };
    let mut command = Command::new(shell);
    let script = "ulimit -n 200; exec \"$0\" doctor -c 169 127.0.0.1:9999";
    let ended = readyc::run(command.args(["-c", script, readyc::READYC]), b"");
    assert_eq!(ended.status, Some(3), "{ended:?}");
    let last = "\nlargest N with current limits: 168 (limited by worker file descriptors)\n";
    assert!(ended.stdout.ends_with(last), "{}", ended.stdout);
}
