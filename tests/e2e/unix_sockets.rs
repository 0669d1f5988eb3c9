//! `--listen SERVICE=unix:/PATH`: what is the same as with TCP, and what is not.

use crate::command_line::assert_cannot_run;
use crate::support::server::READYD;
use crate::support::tools::{self, Input, Process, SHELL};
use crate::support::{Launch, PATIENCE, Scratch, Server, eventually, frame};
use nix::sys::signal::{Signal, kill};
use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};
use nix::unistd::{Pid, getgid, getuid};
use std::fs;
use std::io::{ErrorKind, IoSlice, Read, Write};
use std::net::Shutdown;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio, id};
use std::thread;

fn listener(service: &str, path: &Path) -> String {
    format!("{service}=unix:{}", path.display())
}

fn connect(path: &Path) -> UnixStream {
    let stream = UnixStream::connect(path).expect("someone listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a valid timeout");
    stream
}

/// The body of the reply to `body`.
fn ask(stream: &mut UnixStream, body: &str) -> String {
    stream.write_all(&frame(body)).expect("send");
    reply(stream)
}

fn reply(stream: &mut UnixStream) -> String {
    let mut header = [0; HEADER];
    stream.read_exact(&mut header).expect("a header");
    let length =
        std::str::from_utf8(&header).expect("digits").trim_end().parse().expect("a number");
    let mut body = vec![0; length];
    stream.read_exact(&mut body).expect("a body");
    String::from_utf8(body).expect("text")
}

/// Bytes of the header of a frame.
const HEADER: usize = 64;

fn is_socket(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|file| file.file_type().is_socket())
}

#[test]
fn field_server_21_a_unix_socket_is_served_and_removed() {
    let scratch = Scratch::new();
    let path = scratch.path("x.sock");
    let mut server = Server::start(&[&listener("framed", &path), "echo"]);
    server.wait_for_log(&format!("listening framed unix:{}", path.display()));
    let mut client = connect(&path);
    server.wait_for_log(&format!("unix:pid={},uid={} connected", id(), getuid()));
    assert_eq!(ask(&mut client, "ECHO hello"), "hello");
    let greeting = format!("Hello! You are connected to ('unix', {})", getuid());
    assert_eq!(ask(&mut client, "WHOAMI"), greeting);
    let large = "x".repeat(300_000);
    assert_eq!(ask(&mut client, &format!("ECHO {large}")), large);
    drop(client);
    server.wait_for_log(&format!("unix:pid={},uid={} closed: peer closed", id(), getuid()));
    assert!(is_socket(&path));
    server.signal(Signal::SIGTERM);
    assert_eq!(server.wait_for_exit().code(), Some(0));
    assert!(!path.exists());
}

#[test]
fn field_server_21_independent_clients_are_served() {
    let scratch = Scratch::new();
    let [echo, greeting] = ["echo.sock", "greeting.sock"].map(|name| scratch.path(name));
    let _server =
        Server::start(&[&listener("echo", &echo), &listener("greeting", &greeting), "framed"]);
    let said = |program: &Path, arguments: &[&str], input: &[u8]| {
        let output = tools::run(Command::new(program).args(arguments), Input::Whole(input));
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).expect("text")
    };
    let path = echo.to_str().expect("UTF-8");
    if let Some(nc) = tools::find("nc") {
        assert_eq!(said(&nc, &["-N", "-U", path], b"by way of nc"), "by way of nc");
    }
    if let Some(socat) = tools::find("socat") {
        let arguments = ["-t30", "-", &format!("UNIX-CONNECT:{path}")];
        assert_eq!(said(&socat, &arguments, b"by way of socat"), "by way of socat");
    }
    if let Some(python) = tools::find("python3") {
        let script = "import os, socket, sys\n\
                      client = socket.socket(socket.AF_UNIX)\n\
                      client.connect(sys.argv[1])\n\
                      told = client.makefile().read()\n\
                      assert told == f\"Hello! You are connected to ('unix', {os.getuid()})\", \
                      told";
        said(&python, &["-c", script, greeting.to_str().expect("UTF-8")], b"");
    }
}

#[test]
fn field_server_21_a_client_who_has_connected_before_the_stop_is_served() {
    let scratch = Scratch::new();
    let path = scratch.path("x.sock");
    let mut server = Server::start(&[&listener("framed", &path)]);
    server.signal(Signal::SIGSTOP);
    let clients: Vec<UnixStream> = (0..50)
        .map(|_| {
            let mut client = connect(&path);
            client.write_all(&frame("ECHO before the stop")).expect("send");
            client
        })
        .collect();
    server.signal(Signal::SIGTERM);
    server.signal(Signal::SIGCONT);
    for mut client in clients {
        assert_eq!(reply(&mut client), "before the stop");
        assert_eq!(client.read(&mut [0; 1]).expect("its FIN"), 0);
    }
    assert_eq!(server.wait_for_exit().code(), Some(0));
}

/// Connects again and again until that is refused. Each connection must be greeted.
fn connect_until_refused(path: &Path) -> usize {
    let mut greeted = 0;
    while let Ok(mut client) = UnixStream::connect(path) {
        client.set_read_timeout(Some(PATIENCE)).expect("a valid timeout");
        let mut told = String::new();
        client.read_to_string(&mut told).expect("a greeting");
        assert!(told.starts_with("Hello! "), "{told:?}, after {greeted}");
        greeted += 1;
    }
    greeted
}

#[test]
fn field_server_21_a_stop_leaves_nobody_unserved_who_could_connect() {
    let scratch = Scratch::new();
    let path = scratch.path("x.sock");
    for _ in 0..10 {
        let mut server = Server::start(&[&listener("greeting", &path)]);
        let clients: Vec<_> = (0..4)
            .map(|_| {
                let path = path.clone();
                thread::spawn(move || connect_until_refused(&path))
            })
            .collect();
        eventually("a crowd", || {
            (server.statistics().get("connections_accepted") > 20).then_some(())
        });
        server.signal(Signal::SIGTERM);
        for client in clients {
            client.join().expect("all who have connected are greeted");
        }
        assert_eq!(server.wait_for_exit().code(), Some(0));
    }
}

#[test]
fn field_server_21_newcomers_are_refused_while_the_server_drains() {
    let scratch = Scratch::new();
    let path = scratch.path("x.sock");
    let mut server = Server::start(&[&listener("framed", &path)]);
    let mut inside = connect(&path);
    // More than the kernel holds for a client that does not read yet.
    let large = "x".repeat(900_000);
    inside.write_all(&frame(format!("ECHO {large}"))).expect("send");
    server.wait_for_statistic("requests", 1);
    server.signal(Signal::SIGTERM);
    server.wait_for_log("draining 1 connection");
    let refusal = eventually("a refusal", || UnixStream::connect(&path).err());
    assert!(
        matches!(refusal.kind(), ErrorKind::ConnectionRefused | ErrorKind::NotFound),
        "{refusal}"
    );
    assert_eq!(reply(&mut inside), large);
    drop(inside);
    assert_eq!(server.wait_for_exit().code(), Some(0));
}

#[test]
fn field_server_21_what_is_at_the_path_is_named_and_left_alone_unless_it_is_stale() {
    let scratch = Scratch::new();
    let path = scratch.path("x.sock");
    let listen = listener("framed", &path);
    let server = Server::start(&[&listen]);
    assert_cannot_run(&["--listen", &listen], "another program listens on this socket");
    assert_eq!(ask(&mut connect(&path), "ECHO undisturbed"), "undisturbed");
    drop(server);

    let mut killed = Process::start(
        Command::new(READYD).args(["--listen", &listen]).stdin(Stdio::null()).stderr(Stdio::null()),
    );
    eventually("a listener", || UnixStream::connect(&path).ok());
    kill(killed.id(), Signal::SIGKILL).expect("it runs");
    killed.wait();
    assert!(is_socket(&path), "a process that is killed removes nothing");
    let server = Server::start(&[&listen]);
    server.wait_for_log("was left behind by a process that has ended; replaced");
    assert_eq!(ask(&mut connect(&path), "ECHO its successor"), "its successor");
    drop(server);

    let file = scratch.write("file", "text");
    let listen = listener("framed", &file);
    assert_cannot_run(&["--listen", &listen], "a file with this path that is no socket");
    assert_eq!(fs::read_to_string(&file).expect("it is left"), "text");
    let listen = listener("framed", &scratch.path("none/x.sock"));
    assert_cannot_run(&["--listen", &listen], "its directory does not exist; create it");
}

#[test]
fn field_server_21_a_start_that_fails_leaves_no_socket() {
    let scratch = Scratch::new();
    let path = scratch.path("x.sock");
    let (one, other) = (listener("framed", &path), listener("echo", &scratch.path("none/x.sock")));
    assert_cannot_run(&["--listen", &one, "--listen", &other], "its directory does not exist");
    assert!(!path.exists());
}

#[test]
fn field_server_12_two_listeners_of_one_unix_path_are_refused() {
    let scratch = Scratch::new();
    let path = scratch.path("x.sock");
    let (one, other) = (listener("framed", &path), listener("echo", &path));
    for more in [&[][..], &["--shards", "2"], &["--check-config"]] {
        let arguments = [&["--listen", &one, "--listen", &other], more].concat();
        let output = tools::run(Command::new(READYD).args(&arguments), Input::Whole(b""));
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        let complaint = String::from_utf8(output.stderr).expect("text");
        assert!(complaint.contains("has this address already"), "{complaint}");
    }
    assert!(!path.exists());
}

/// The processes that serve, if shards do.
fn shards(server: &Server) -> Vec<Pid> {
    let children = server.proc_file(&format!("task/{}/children", server.pid()));
    let pid = |word: &str| Pid::from_raw(word.parse().expect("a number"));
    children.split_whitespace().map(pid).collect()
}

#[test]
fn field_server_21_shards_serve_one_unix_socket_and_it_outlives_each_of_them() {
    let scratch = Scratch::new();
    let path = scratch.path("x.sock");
    let launch = Launch::of(&[&listener("framed", &path), "echo"]).args(&["--shards", "2"]);
    let mut server = launch.start();
    let before = shards(&server);
    assert_eq!(before.len(), 2);
    let crowd = |path: &Path| {
        let mut clients: Vec<UnixStream> = (0..40).map(|_| connect(path)).collect();
        for client in &mut clients {
            assert_eq!(ask(client, "ECHO of many"), "of many");
        }
    };
    crowd(&path);
    // A shard that ends before its first turn is one that could not start. In its second report it
    // has turned.
    eventually("both shards to have turned", || {
        server.statistics();
        let reports = |shard| server.log().containing(&format!("{shard}: statistics: turns "));
        let have_turned = ["shard 1", "shard 2"].iter().all(|shard| reports(shard).len() >= 2);
        have_turned.then_some(())
    });
    kill(before[0], Signal::SIGKILL).expect("it runs");
    eventually("another shard", || {
        let now = shards(&server);
        (now.len() == 2 && !now.contains(&before[0])).then_some(())
    });
    assert!(is_socket(&path));
    crowd(&path);
    server.signal(Signal::SIGTERM);
    assert_eq!(server.wait_for_exit().code(), Some(0));
    assert!(!path.exists());
}

#[test]
fn field_server_21_a_unix_socket_can_be_inherited_and_is_not_removed() {
    let scratch = Scratch::new();
    for shards in ["1", "2"] {
        let path = scratch.path(&format!("{shards}.sock"));
        let socket = OwnedFd::from(UnixListener::bind(&path).expect("a socket"));
        let launch = Launch::of(&["framed=fd:0", "echo"]).stdin(Stdio::from(socket));
        let mut server = launch.args(&["--shards", shards, "--tcp-keepalive", "60s"]).start();
        server.wait_for_log(&format!("listening framed unix:{}", path.display()));
        assert_eq!(ask(&mut connect(&path), "ECHO hello"), "hello");
        server.signal(Signal::SIGTERM);
        assert_eq!(server.wait_for_exit().code(), Some(0));
        assert!(is_socket(&path), "another program made it");
    }
}

/// The kernel ends a read where a descriptor was sent, and tells of what is behind it by no further
/// edge.
#[test]
fn field_server_21_bytes_behind_a_descriptor_are_read() {
    let scratch = Scratch::new();
    let path: PathBuf = scratch.path("x.sock");
    let server = Server::start(&[&listener("echo", &path), "framed"]);
    let mut client = connect(&path);
    client.write_all(b"before ").expect("send");
    let mut echoed = [0; 7];
    client.read_exact(&mut echoed).expect("an echo");
    server.signal(Signal::SIGSTOP);
    let descriptors = [client.as_raw_fd()];
    for text in [b"one ", b"two "] {
        let rights = [ControlMessage::ScmRights(&descriptors)];
        let bytes = [IoSlice::new(text)];
        sendmsg::<()>(client.as_raw_fd(), &bytes, &rights, MsgFlags::empty(), None).expect("send");
    }
    client.write_all(b"three").expect("send");
    server.signal(Signal::SIGCONT);
    let mut echoed = [0; 13];
    client.read_exact(&mut echoed).expect("an echo of all three");
    assert_eq!(&echoed, b"one two three");
    client.shutdown(Shutdown::Write).expect("it is connected");
    assert_eq!(client.read(&mut echoed).expect("FIN"), 0);
}

#[test]
fn field_server_21_a_client_that_reads_nothing_is_given_up() {
    let scratch = Scratch::new();
    let path = scratch.path("x.sock");
    let launch = Launch::of(&[&listener("chargen", &path), "framed"]);
    let server = launch.args(&["--write-timeout", "500ms"]).start();
    let _client = connect(&path);
    server.wait_for_statistic("closed_write_timeout", 1);
}

#[test]
fn field_server_21_the_umask_says_who_may_connect() {
    let scratch = Scratch::new();
    let path = scratch.path("x.sock");
    let script = "umask 077; exec \"$0\" \"$@\"";
    let launch = Launch::of(&[&listener("framed", &path)]).wrapper(&[SHELL, "-c", script]);
    let _server = launch.start();
    let mode = std::os::unix::fs::PermissionsExt::mode(
        &fs::symlink_metadata(&path).expect("it is there").permissions(),
    );
    assert_eq!(mode & 0o777, 0o700);
}

#[test]
fn the_file_of_a_socket_has_the_mode_and_owner_that_were_asked() {
    let scratch = Scratch::new();
    let path = scratch.path("x.sock");
    let (uid, gid) =
        if getuid().is_root() { (65_534, 65_534) } else { (getuid().as_raw(), getgid().as_raw()) };
    for more in [&[][..], &["--shards", "2"]] {
        let listen = format!("{},mode=0620,owner={uid}:{gid}", listener("framed", &path));
        let server = Launch::of(&[&listen]).args(more).start();
        let file = fs::symlink_metadata(&path).expect("a socket");
        assert_eq!((file.mode() & 0o7777, file.uid(), file.gid()), (0o620, uid, gid));
        assert_eq!(ask(&mut connect(&path), "ECHO"), "");
        drop(server);
    }
    let listen = format!("{},owner=nobody-has-this-name", listener("framed", &path));
    assert_cannot_run(&["--listen", &listen], "there is no user \"nobody-has-this-name\"");
    assert!(!path.exists());
}

#[test]
fn a_user_has_as_many_connections_as_one_address_may_have() {
    let scratch = Scratch::new();
    let path = scratch.path("x.sock");
    let launch = Launch::of(&[&listener("framed", &path)]);
    let server = launch.args(&["--max-connections-per-address", "2"]).start();
    let mut clients = [connect(&path), connect(&path)];
    for client in &mut clients {
        assert_eq!(ask(client, "ECHO"), "");
    }
    let mut third = connect(&path);
    assert_eq!(third.read(&mut [0; 1]).expect("end of file"), 0);
    server.wait_for_log("too many connections from this address or user");
    drop(clients);
    eventually("a place", || {
        let mut next = connect(&path);
        next.write_all(&frame("ECHO")).ok()?;
        next.read_exact(&mut [0; HEADER]).ok()
    });
}
