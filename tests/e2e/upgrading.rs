//! SIGUSR2: another process of the program takes the place of the server, and no client notices.

use crate::command_line::as_str;
use crate::support::server::{READYD, Statistics};
use crate::support::tools::{self, SHELL};
use crate::support::{Client, Launch, PATIENCE, Scratch, Server, eventually};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, Uid};
use std::collections::HashMap;
use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

mod failing;
mod told;

/// How many shards: none, and some.
const SHARDS: [&str; 2] = ["1", "3"];

fn launch(listeners: &[&str], shards: &str) -> Launch {
    Launch::of(listeners).args(&["--shards", shards])
}

/// A copy of the program, which a test replaces.
fn copy_of_readyd(scratch: &Scratch) -> PathBuf {
    let path = scratch.path("readyd");
    // By another process: see `a_program_is_started_though_its_file_is_gone`.
    let copied = std::process::Command::new("cp").arg(READYD).arg(&path).status();
    assert!(copied.expect("cp").success());
    path
}

fn is_there(pid: Pid) -> bool {
    // A zombie that process 1 does not reap is not there.
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"));
    stat.is_ok_and(|stat| !stat.contains(") Z "))
}

fn wait_for_end(pid: Pid) {
    eventually("the end of the old process", || (!is_there(pid)).then_some(()));
}

/// The reply to `STATS`.
fn stats(address: SocketAddr) -> Statistics {
    Statistics::from_reply(&Client::connect(address).ask("STATS"))
}

#[test]
fn the_old_process_serves_its_clients_until_they_leave_and_the_new_one_the_others() {
    for shards in SHARDS {
        let mut server = launch(&["framed"], shards).start();
        let mut early = server.connect("framed");
        assert_eq!(early.ask("ECHO early"), "early");
        let old = server.upgrade();
        assert_ne!(old, server.pid());
        let mut late = server.connect("framed");
        assert_eq!(late.ask("ECHO late"), "late");
        assert_eq!(early.ask("ECHO still here"), "still here");
        assert!(is_there(old), "it has a client");
        // A shard may have let it in before it had the order to leave the listeners.
        drop(late);
        drop(early);
        wait_for_end(old);
        server.wait_for_log("the old process has served its last client");
        assert_eq!(server.connect("framed").ask("ECHO later"), "later");
        assert_eq!(server.log().containing("draining"), Vec::<String>::new());
    }
}

#[test]
fn one_upgrade_follows_another_while_each_process_has_a_client() {
    for shards in SHARDS {
        let mut server = launch(&["framed"], shards).start();
        let mut clients = vec![server.connect("framed")];
        let (mut requests, mut old) = (0, Vec::new());
        for _ in 0..3 {
            for client in &mut clients {
                assert_eq!(client.ask("ECHO a"), "a");
                requests += 1;
            }
            old.push(server.upgrade());
            clients.push(server.connect("framed"));
        }
        // The counters of all processes, which tell what they have counted within 0.1 s.
        eventually("all requests in the sum", || {
            (stats(server.address("framed")).get("requests") >= requests).then_some(())
        });
        for client in &mut clients {
            assert_eq!(client.ask("ECHO b"), "b");
        }
        drop(clients);
        old.into_iter().for_each(wait_for_end);
        let before = stats(server.address("framed"));
        server.upgrade();
        // What ended processes had counted is not counted twice, nor forgotten.
        let after = stats(server.address("framed"));
        let all = before.get("requests")..=before.get("requests") + 3;
        assert!(all.contains(&after.get("requests")), "{all:?}: {}", after.get("requests"));
    }
}

#[test]
fn no_counter_goes_back_and_nobody_is_refused_while_clients_come_and_go() {
    for shards in SHARDS {
        let mut server = launch(&["framed", "metrics"], shards).start();
        let address = server.address("framed");
        let (is_over, served) = (AtomicBool::new(false), AtomicU64::new(0));
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    while !is_over.load(Ordering::Relaxed) {
                        assert_eq!(Client::connect(address).ask("ECHO a"), "a");
                        served.fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
            scope.spawn(|| {
                // Of each process: while one hands over, the old one may still accept a client, and
                // tells of itself and those before it.
                let mut told: HashMap<u64, [u64; 2]> = HashMap::new();
                while !is_over.load(Ordering::Relaxed) {
                    let now = stats(address);
                    let sums = ["requests", "connections_accepted"].map(|name| now.get(name));
                    let before = told.insert(now.get("pid"), sums).unwrap_or_default();
                    let goes_on = before.iter().zip(&sums).all(|(before, now)| before <= now);
                    assert!(goes_on, "{before:?}, then {sums:?}");
                }
            });
            for _ in 0..3 {
                server.upgrade();
                let before = served.load(Ordering::Relaxed);
                eventually("clients served by the new process", || {
                    (served.load(Ordering::Relaxed) > before + 20).then_some(())
                });
            }
            is_over.store(true, Ordering::Relaxed);
        });
        server.wait_for_statistic("connections_open", 0);
        server.set_baseline();
        let requests = stats(address).get("requests");
        assert!(requests > served.load(Ordering::Relaxed), "{requests}");
    }
}

#[test]
fn the_socket_file_stays_until_the_last_process_ends() {
    for shards in SHARDS {
        let scratch = Scratch::new();
        let path = scratch.path("socket");
        let unix = format!("framed=unix:{},mode=0600", path.display());
        let mut server = launch(&[&unix, "framed"], shards).start();
        let file = fs::metadata(&path).expect("a socket").ino();
        let old = server.upgrade();
        wait_for_end(old);
        assert_eq!(fs::metadata(&path).expect("a socket").ino(), file);
        let mut stream = UnixStream::connect(&path).expect("the new process");
        stream.write_all(&crate::support::frame("ECHO a")).expect("the new process");
        let mut reply = vec![0; crate::support::frame("a").len()];
        stream.read_exact(&mut reply).expect("a reply");
        assert_eq!(reply, crate::support::frame("a"));
        drop(stream);
        server.signal(Signal::SIGTERM);
        server.wait_for_exit();
        assert!(!path.exists(), "the last process removes its file");
    }
}

fn configuration(scratch: &Scratch, lines: &[&str]) -> PathBuf {
    scratch.write("readyd.conf", &format!("{}\n", lines.join("\n")))
}

/// The new process reads its configuration, as at any start.
#[test]
fn another_configuration_applies() {
    let address = crate::support::loopback_of_ones_own();
    let at = |port: u16| SocketAddr::from((address, port));
    let line = |service: &str, port| format!("listen {service}={}", at(port));
    let scratch = Scratch::new();
    let (kept, gone, new) = (line("framed", 27001), line("framed", 27002), line("echo", 27003));
    // Port 0 stays the port that it was.
    let any = "listen framed=127.0.0.1:0";
    let path = configuration(&scratch, &[&kept, &gone, any]);
    let mut server = Launch::of(&[]).path("--config", &path).start();
    let line = server.wait_for_log("listening framed 127.0.0.1:");
    let chosen: SocketAddr = line.rsplit(' ').next().expect("a word").parse().expect("an address");
    for (shards, others) in [("shards 3", &new), ("shards 2", &new), ("shards 1", &gone)] {
        configuration(&scratch, &[any, &kept, others, shards, "max-frame 100"]);
        let old = server.upgrade();
        wait_for_end(old);
        assert_eq!(Client::connect(at(27001)).ask("ECHO a"), "a", "{shards}");
        assert_eq!(Client::connect(chosen).ask("ECHO b"), "b", "{shards}");
        let mut client = Client::connect(at(27001));
        client.send_frame("ECHO ".to_owned() + &"a".repeat(100));
        assert!(String::from_utf8_lossy(&client.read_frame()).starts_with("Error"), "{shards}");
        let (open, closed) = if *others == new { (27003, 27002) } else { (27002, 27003) };
        TcpStream::connect(at(open)).expect("a listener");
        TcpStream::connect(at(closed)).expect_err("no listener");
    }
}

#[test]
fn what_was_inherited_stays() {
    for shards in SHARDS {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a socket");
        let address = listener.local_addr().expect("an address");
        let launch = launch(&["framed=fd:0"], shards).stdin(std::os::fd::OwnedFd::from(listener));
        let mut server = launch.start();
        for _ in 0..2 {
            let old = server.upgrade();
            wait_for_end(old);
            assert_eq!(Client::connect(address).ask("ECHO a"), "a");
        }
    }
}

/// A connection of Prometheus or of a probe is kept open. Its next request is answered, and the one
/// after that goes to the new process.
#[test]
fn a_probe_learns_to_connect_to_the_new_process() {
    let mut server = Launch::of(&["framed", "metrics"]).start();
    let mut client = server.connect("framed");
    client.ask("ECHO a");
    let mut probe = TcpStream::connect(server.address("metrics")).expect("a listener");
    let ask = |probe: &mut TcpStream| {
        probe.write_all(b"GET /readyz HTTP/1.1\r\nHost: a\r\n\r\n").expect("a server");
        let mut bytes = [0; 1000];
        let count = probe.read(&mut bytes).expect("an answer");
        String::from_utf8_lossy(&bytes[..count]).into_owned()
    };
    assert!(!ask(&mut probe).contains("Connection: close"));
    server.upgrade();
    let answer = ask(&mut probe);
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    assert!(answer.to_lowercase().contains("connection: close"), "{answer}");
    assert_eq!(probe.read(&mut [0; 10]).expect("an end"), 0);
    let mut probe = TcpStream::connect(server.address("metrics")).expect("a listener");
    assert!(ask(&mut probe).starts_with("HTTP/1.1 200 OK"));
}

#[test]
fn clients_that_do_not_leave_are_drained_when_time_is_up() {
    for shards in SHARDS {
        let mut server = launch(&["framed"], shards).args(&["--drain-timeout", "1s"]).start();
        let mut client = server.connect("framed");
        client.ask("ECHO a");
        let old = server.upgrade();
        assert_eq!(client.ask("ECHO b"), "b");
        assert_eq!(client.read_to_end(), b"");
        wait_for_end(old);
    }
}

/// A signal to stop is for the new process, but the old one hears it, too.
#[test]
fn an_old_process_can_be_told_to_stop() {
    for shards in SHARDS {
        let mut server = launch(&["framed"], shards).start();
        let mut client = server.connect("framed");
        client.ask("ECHO a");
        let old = server.upgrade();
        kill(old, Signal::SIGTERM).expect("an old process");
        assert_eq!(client.read_to_end(), b"");
        wait_for_end(old);
        assert_eq!(server.connect("framed").ask("ECHO b"), "b");
    }
}

#[test]
fn rights_that_were_given_up_are_not_needed_again() {
    if !Uid::current().is_root() {
        return tools::skip("only root can give up rights");
    }
    for shards in SHARDS {
        let scratch = Scratch::new();
        let program = copy_of_readyd(&scratch);
        let folder = program.parent().expect("a folder");
        fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).expect("our folder");
        let launch = launch(&["framed"], shards).args(&["--user", "65534:65534"]);
        let mut server = launch.program(&program).start();
        let old = server.upgrade();
        wait_for_end(old);
        assert_eq!(server.connect("framed").ask("ECHO a"), "a");
        let status = server.proc_file("status");
        assert!(status.contains("Uid:\t65534\t65534\t65534\t65534"), "{status}");
    }
}

/// The program is the one that stands at the path by which the first was started.
#[test]
fn a_symbolic_link_is_followed_at_the_upgrade() {
    let scratch = Scratch::new();
    let program = copy_of_readyd(&scratch);
    let link = scratch.path("current");
    std::os::unix::fs::symlink(&program, &link).expect("our folder");
    let mut server = Launch::of(&["framed"]).program(&link).start();
    let other = scratch.path("other");
    fs::rename(&program, &other).expect("our folder");
    fs::remove_file(&link).expect("our folder");
    std::os::unix::fs::symlink(&other, &link).expect("our folder");
    server.upgrade();
    let executable = fs::read_link(format!("/proc/{}/exe", server.pid())).expect("a process");
    assert_eq!(executable, other);
}
