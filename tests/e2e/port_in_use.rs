//! A port that is taken: what is in the way, and what to do.

use crate::command_line::{Ended, ended, readyd};
use crate::support::server::READYD;
use crate::support::tools::{self, Process, SHELL};
use crate::support::{eventually, loopback_of_ones_own};
use nix::unistd::geteuid;
use std::fs;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::process::{self, Command, Stdio};

/// Alone, and where SO_REUSEPORT is set, which changes what is in the way.
const WAYS: [&[&str]; 3] = [&[], &["--reuse-port"], &["--shards", "2"]];

/// What the server says that is to listen on an address which is taken.
fn complaint(address: SocketAddr, way: &[&str]) -> String {
    let listen = format!("echo={address}");
    let Ended { status, stderr, .. } = readyd(&[&["--listen", &listen], way].concat());
    assert_eq!(status, Some(1), "{stderr}");
    let start = format!("readyd: cannot listen on {listen}: Address already in use");
    assert_eq!(stderr.matches(&start).count(), 1, "{stderr}");
    stderr
}

/// This process, as the server names it.
fn this_process() -> String {
    let name = fs::read_to_string("/proc/self/comm").expect("Linux");
    format!("process {} ({:?}) of user {}", process::id(), name.trim_end(), geteuid())
}

/// A connection from an address of our own to a listener.
fn connection(listener: &TcpListener) -> (TcpStream, TcpStream) {
    let client = TcpStream::connect(listener.local_addr().expect("its address")).expect("connect");
    let (server, _) = listener.accept().expect("accept");
    (client, server)
}

#[test]
fn field_server_13_another_listener_is_named_with_its_process() {
    let holder = TcpListener::bind("127.0.0.1:0").expect("a free port");
    for way in WAYS {
        let complaint = complaint(holder.local_addr().expect("its address"), way);
        assert!(complaint.contains("another program listens there"), "{complaint}");
        assert!(complaint.contains(&this_process()), "{complaint}");
    }
}

#[test]
fn field_server_13_a_clients_local_port_is_not_taken_for_a_listener() {
    let listener = TcpListener::bind((loopback_of_ones_own(), 0)).expect("a free port");
    let (client, _server) = connection(&listener);
    for way in WAYS {
        let complaint = complaint(client.local_addr().expect("its address"), way);
        let expected = format!(
            "no program listens there, but {} has a connection with this local port (ESTABLISHED)",
            this_process()
        );
        assert!(complaint.contains(&expected), "{complaint}");
    }
}

#[test]
fn field_server_13_a_connection_that_lingers_is_not_taken_for_a_listener() {
    let listener = TcpListener::bind((loopback_of_ones_own(), 0)).expect("a free port");
    let (client, server) = connection(&listener);
    let address = client.local_addr().expect("its address");
    // Who closes first keeps TIME_WAIT.
    client.shutdown(Shutdown::Write).expect("send FIN");
    drop((server, client));
    eventually("TIME_WAIT", || {
        let list = fs::read_to_string("/proc/net/tcp").expect("Linux");
        let port = format!(":{:04X} ", address.port());
        let is_it = |line: &str| line.contains(&port) && line.contains(" 06 ");
        list.lines().any(is_it).then_some(())
    });
    for way in WAYS {
        let complaint = complaint(address, way);
        let expected = "the kernel keeps a connection with this local port that was closed \
                        (TIME_WAIT); wait a minute";
        assert!(complaint.contains(expected), "{complaint}");
    }
}

#[test]
fn field_server_13_another_users_listener_cannot_share_its_port() {
    let Some(setpriv) = tools::find("setpriv") else { return };
    if !geteuid().is_root() {
        return tools::skip("only root can start a process of another user");
    }
    let holder = TcpListener::bind((loopback_of_ones_own(), 0)).expect("a free port");
    let address = holder.local_addr().expect("its address");
    drop(holder);
    // A copy, where another user may execute it.
    let program = std::env::temp_dir().join(format!("readyd-{}", process::id()));
    fs::copy(READYD, &program).expect("a writable temporary directory");
    let mut command = Command::new(setpriv);
    command.args(["--reuid", "3999999999", "--clear-groups"]).arg(&program);
    command.args(["--reuse-port", "--listen", &format!("framed={address}")]);
    let mut other = Process::start(command.stderr(Stdio::null()));
    other.wait_to_listen(address);
    fs::remove_file(&program).expect("our own file");
    let complaint = complaint(address, &["--reuse-port"]);
    assert!(
        complaint.contains("of user 3999999999, and only processes of one user"),
        "{complaint}"
    );
}

#[test]
fn field_server_13_without_proc_the_advice_is_general() {
    let Some(unshare) = tools::find("unshare") else { return };
    if !geteuid().is_root() {
        return tools::skip("only root can mount");
    }
    let holder = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let listen = format!("echo={}", holder.local_addr().expect("its address"));
    for way in WAYS {
        let script = "mount -t tmpfs none /proc && exec \"$0\" \"$@\"";
        let mut command = Command::new(&unshare);
        command.args(["-m", SHELL, "-c", script, READYD, "--listen", &listen]).args(way);
        let Ended { status, stderr, .. } = ended(&mut command);
        assert_eq!(status, Some(1), "{stderr}");
        assert!(stderr.contains("another socket has this address: "), "{stderr}");
    }
}
