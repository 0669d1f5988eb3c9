//! Shards that serve sockets which the parent process of the server has bound.

use super::{clients_of_all, first_clients_of_all, launch, process_of, stats};
use crate::support::tools;
use crate::support::{Client, Launch, eventually};
use nix::sys::signal::{Signal, kill};
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::path::Path;

/// A program that binds some sockets on one free port, with `SO_REUSEPORT` or not, and executes
/// a server that inherits them as 10, 11 and so on.
const BIND: &str = "\
import os, socket, sys
count, shared = int(sys.argv[1]), sys.argv[2] == 'shared'
port = 0
for number in range(10, 10 + count):
    s = socket.socket()
    if shared:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    s.bind(('127.0.0.1', port))
    s.listen(100)
    port = s.getsockname()[1]
    os.dup2(s.fileno(), number)
os.execv(sys.argv[3], sys.argv[3:])
";

/// A server of `shards` shards with `sockets` inherited sockets of one port.
fn inheriting(python: &Path, shards: usize, sockets: usize, how: &str) -> Launch {
    let listeners: Vec<String> =
        (10..10 + sockets).map(|number| format!("framed=fd:{number}")).collect();
    let listeners: Vec<&str> = listeners.iter().map(String::as_str).collect();
    let wrapper = [python.to_str().expect("UTF-8"), "-c", BIND, &sockets.to_string(), how];
    launch(&listeners, shards).wrapper(&wrapper)
}

#[test]
fn field_server_08_as_many_inherited_sockets_as_shards_are_dealt_out() {
    let Some(python) = tools::find("python3") else { return };
    for (shards, sockets) in [(2, 2), (2, 4), (3, 4)] {
        let server = inheriting(&python, shards, sockets, "shared").start();
        let mut clients = clients_of_all(&server, shards);
        let one = &mut clients.values_mut().next().expect("a client")[0];
        assert_eq!(stats(one).get("shards"), shards as u64);
    }
}

#[test]
fn field_server_08_an_inherited_socket_that_may_be_shared_is_multiplied() {
    let Some(python) = tools::find("python3") else { return };
    let server = inheriting(&python, 3, 1, "shared").start();
    drop(clients_of_all(&server, 3));
    assert_eq!(server.log().containing("shards share one"), Vec::<String>::new());
}

#[test]
fn field_server_08_one_inherited_socket_is_served_by_all_shards() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let server = launch(&["framed=fd:0"], 3).stdin(OwnedFd::from(listener)).start();
    drop(first_clients_of_all(&server, 3));
    // A shard that ends leaves the socket open, for the others and for its successor.
    let victim = process_of(&server, 3, 2);
    kill(victim, Signal::SIGTERM).expect("signal a shard");
    server.wait_for_log("shard 2: the old process has exited");
    drop(clients_of_all(&server, 3));
    // A lost race for a client is no error.
    let mut client = server.connect("framed");
    eventually("all clients to be counted", || {
        let stats = stats(&mut client);
        let (open, errors) = (stats.get("connections_open"), stats.get("accept_errors"));
        (open == 1 && errors == 0).then_some(())
    });
}

#[test]
fn field_server_08_clients_of_a_shared_socket_are_served_while_a_shard_stands_still() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let server = launch(&["framed=fd:0"], 2).stdin(OwnedFd::from(listener)).start();
    drop(first_clients_of_all(&server, 2));
    let victim = process_of(&server, 2, 1);
    kill(victim, Signal::SIGSTOP).expect("stop a shard");
    for _ in 0..20 {
        let mut client: Client = server.connect("framed");
        assert_eq!(client.ask("ECHO by the other"), "by the other");
    }
    kill(victim, Signal::SIGCONT).expect("continue a shard");
}
