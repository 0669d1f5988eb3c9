//! Sockets that a service manager passes on by name: `--listen SERVICE=systemd:NAME`.

use crate::command_line::{Ended, ended};
use crate::support::server::READYD;
use crate::support::tools::{self, Process};
use crate::support::{Client, Launch, Scratch, eventually, loopback_of_ones_own};
use nix::unistd::{User, getuid};
use std::collections::HashSet;
use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What a service manager does: it binds a socket for each word `NAME` (a free port of 127.0.0.1),
/// `NAME=PATH` (a unix socket) or `NAME=dgram`, as descriptors 3, 4 and so on, and executes the
/// rest of the command line. The first word is the pid to tell, or `own`.
const ACTIVATE: &str = "\
import os, socket, sys
meant, names, at = sys.argv[1], [], 2
sockets = []
while sys.argv[at] != '--':
    name, _, what = sys.argv[at].partition('=')
    family = socket.AF_UNIX if what.startswith('/') else socket.AF_INET
    kind = socket.SOCK_DGRAM if what == 'dgram' else socket.SOCK_STREAM
    s = socket.socket(family, kind)
    if what == 'shared':
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    s.bind(what if family == socket.AF_UNIX else ('127.0.0.1', 0))
    if kind == socket.SOCK_STREAM:
        s.listen(100)
    sockets.append(os.dup2(s.fileno(), 100 + at))
    names.append(name)
    at += 1
for number, s in enumerate(sockets):
    os.dup2(s, 3 + number)
os.environ['LISTEN_FDS'] = str(len(names))
os.environ['LISTEN_FDNAMES'] = ':'.join(names)
os.environ['LISTEN_PID'] = str(os.getpid()) if meant == 'own' else meant
os.closerange(3 + len(names), 200)
os.execv(sys.argv[at + 1], sys.argv[at + 1:])
";

fn words<'a>(python: &'a Path, meant: &'a str, sockets: &[&'a str]) -> Vec<&'a str> {
    let python = python.to_str().expect("UTF-8");
    [&[python, "-c", ACTIVATE, meant], sockets, &["--"]].concat()
}

fn python() -> Option<PathBuf> {
    tools::find("python3")
}

/// How a server ends that cannot start with these sockets.
fn end_of(meant: &str, sockets: &[&str], listeners: &[&str]) -> Option<Ended> {
    let python = python()?;
    let words = words(&python, meant, sockets);
    let mut command = Command::new(words[0]);
    command.args(&words[1..]).arg(READYD);
    listeners.iter().for_each(|listener| {
        command.args(["--listen", listener]);
    });
    Some(ended(&mut command))
}

fn assert_fails(meant: &str, sockets: &[&str], listeners: &[&str], complaint: &str) {
    let Some(ended) = end_of(meant, sockets, listeners) else { return };
    assert_eq!(ended.status, Some(1), "{}", ended.stderr);
    assert!(ended.stderr.contains(complaint), "{}", ended.stderr);
}

#[test]
fn passed_sockets_are_served_by_name_in_any_order() {
    let Some(python) = python() else { return };
    let scratch = Scratch::new();
    let path = scratch.path("socket");
    let unix = format!("local={}", path.display());
    let words = words(&python, "own", &["clock", &unix, "web"]);
    let listeners = ["framed=systemd:web", "time=systemd:clock", "echo=systemd:local"];
    let server = Launch::of(&listeners).wrapper(&words).start();
    server.wait_for_log("passed socket \"web\" (descriptor 5) is for framed");
    assert_eq!(server.connect("framed").ask("ECHO by name"), "by name");
    assert_eq!(server.connect("time").read_to_end().len(), 4);
    let mut stream = UnixStream::connect(&path).expect("a listener");
    stream.write_all(b"hello").expect("send");
    let mut echoed = [0; 5];
    stream.read_exact(&mut echoed).expect("an echo");
    assert_eq!(&echoed, b"hello");
}

#[test]
fn alone_systemd_takes_all_by_the_names_of_services() {
    let Some(python) = python() else { return };
    let words = words(&python, "own", &["time", "framed", "framed"]);
    let server = Launch::of(&["systemd:"]).wrapper(&words).start();
    let addresses = |service: &str| -> Vec<SocketAddr> {
        let lines = server.log().containing(&format!("listening {service} "));
        let last = |line: &String| line.rsplit(' ').next().and_then(|word| word.parse().ok());
        lines.iter().filter_map(last).collect()
    };
    let (framed, time) = (addresses("framed"), addresses("time"));
    assert_eq!((framed.len(), time.len()), (2, 1));
    for address in framed {
        assert_eq!(Client::connect(address).ask("ECHO"), "");
    }
    assert_eq!(Client::connect(time[0]).read_to_end().len(), 4);
}

#[test]
fn shards_serve_passed_sockets_and_do_not_see_the_variables() {
    let Some(python) = python() else { return };
    let words = words(&python, "own", &["framed=shared"]);
    let launch = Launch::of(&["systemd:"]).args(&["--shards", "2"]);
    let server = launch.wrapper(&words).start();
    assert_eq!(server.connect("framed").ask("ECHO"), "");
    let children = eventually("two shards that run", || {
        let children = server.proc_file(&format!("task/{}/children", server.pid()));
        let environments: Vec<String> = children
            .split_whitespace()
            .filter_map(|pid| fs::read(format!("/proc/{pid}/environ")).ok())
            .map(|text| String::from_utf8_lossy(&text).into_owned())
            .filter(|text| text.contains("READYD_SHARD="))
            .collect();
        (environments.len() == 2).then_some(environments)
    });
    assert!(server.proc_file("environ").contains("LISTEN_FDS=1"));
    for environment in children {
        assert!(!environment.contains("LISTEN_"), "{environment}");
    }
}

#[test]
fn sockets_and_listeners_that_do_not_match_are_errors() {
    assert_fails(
        "own",
        &["web"],
        &["framed=systemd:wbe"],
        "cannot listen on framed=systemd:wbe: no passed socket has this name (there are \"web\"",
    );
    assert_fails(
        "own",
        &["web", "clock"],
        &["framed=systemd:web"],
        "the passed socket \"clock\" (descriptor 4) has no listener",
    );
    assert_fails(
        "own",
        &["readyd.socket"],
        &["systemd:"],
        "the passed socket \"readyd.socket\" (descriptor 3) is not named like a service",
    );
    assert_fails(
        "own",
        &["web=dgram"],
        &["framed=systemd:web"],
        "descriptor 3 is not a listening TCP or unix stream socket",
    );
    assert_fails("1", &["web"], &["framed=systemd:web"], "were passed to process 1 (LISTEN_PID)");
    assert_fails("0x1", &["web"], &["systemd:"], "LISTEN_PID=\"0x1\" in the environment is not");
    assert_fails("own", &["a:b"], &["systemd:"], "LISTEN_FDNAMES has 2 names");
}

#[test]
fn all_errors_are_found_at_once() {
    let listeners = ["framed=systemd:one", "time=systemd:two"];
    let Some(ended) = end_of("own", &["three"], &listeners) else { return };
    assert_eq!(ended.stderr.lines().count(), 3, "{}", ended.stderr);
}

#[test]
fn systemd_socket_activate_starts_it_with_the_first_client() {
    let Some(activate) = tools::find("systemd-socket-activate") else { return };
    let address = format!("{}:9900", loopback_of_ones_own());
    let mut command = Command::new(activate);
    command.args(["--listen", &address, "--fdname", "framed", READYD, "--listen", "systemd:"]);
    command.args(["--exit-on-idle", "200ms"]).env_remove("RUST_LOG");
    let mut process = Process::start(&mut command);
    let stream = eventually("a listener", || TcpStream::connect(&address).ok());
    let mut client = Client::over(stream);
    assert_eq!(client.ask("ECHO on demand"), "on demand");
    drop(client);
    assert_eq!(process.wait().code(), Some(0));
}

#[test]
fn inetd_starts_it_with_a_client_and_waits_until_it_leaves() {
    let Some(program) = tools::find("inetutils-inetd") else { return };
    let scratch = Scratch::new();
    let address = format!("{}:9901", loopback_of_ones_own());
    let user = User::from_uid(getuid()).expect("a list of users").expect("an entry").name;
    let flags = "--listen framed=fd:0 --exit-on-idle 200ms";
    let line = format!("{address} stream tcp wait {user} {READYD} readyd {flags}\n");
    let config = scratch.write("inetd.conf", &line);
    let mut command = Command::new(program);
    command.args(["--debug", &format!("--pidfile={}", scratch.path("pid").display())]);
    let _inetd = Process::start(command.arg(config).stderr(Stdio::null()));
    // The second client comes after the first server has left: then another one is started.
    let mut seen = HashSet::new();
    for _ in 0..2 {
        let stream = eventually("a listener", || TcpStream::connect(&address).ok());
        let mut client = Client::over(stream);
        assert_eq!(client.ask("ECHO on demand"), "on demand");
        let statistics = client.ask("STATS");
        let pid = statistics.lines().find_map(|line| line.strip_prefix("pid ")).expect("a pid");
        assert!(seen.insert(pid.to_owned()), "{pid}");
        drop(client);
        eventually("its end", || (!Path::new("/proc").join(pid).exists()).then_some(()));
    }
}
