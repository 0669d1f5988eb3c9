//! Descriptors: none is left behind, none is confused with another, and none is for UDP.

use crate::injection::strace::{self, Attached};
use crate::support::{Client, Launch, Server, eventually, frame};
use std::fs;

const SERVICES: [&str; 9] =
    ["framed", "lookup", "daytime", "time", "echo", "discard", "chargen", "greeting", "exchange"];

#[test]
fn fault_14_events_of_a_connection_that_is_gone_reach_nobody_else() {
    let server = Server::start(&["framed"]);
    let mut gone = server.connect("framed");
    gone.ask("ECHO");
    // A close(2) that is not made leaves the socket in epoll, so that its events keep coming after
    // the server has forgotten the connection and given its place to another.
    let options = strace::injection("close", "EIO", "1");
    let Some(strace) = Attached::to(&server, &options) else { return };
    // An answer that it never reads has it send RST in the end, which is an event.
    gone.send_frame("ECHO unread");
    gone.finish_sending();
    server.wait_for_statistic("connections_open", 0);
    assert_eq!(strace::injected(&strace.detach()), 1);

    let mut heir = server.connect("framed");
    assert_eq!(heir.ask("ECHO mine"), "mine");
    drop(gone);
    eventually("an event of the connection that is gone", || {
        assert_eq!(heir.ask("ECHO still mine"), "still mine");
        (server.statistics().get("events_stale") > 0).then_some(())
    });
    assert_eq!(server.statistics().get("connections_open"), 1);
    drop(heir);
    // It is the one server that keeps a descriptor: the close of it was taken away.
    stop_with_one_descriptor_too_many(server);
}

fn stop_with_one_descriptor_too_many(mut server: Server) {
    server.signal(nix::sys::signal::Signal::SIGTERM);
    assert_eq!(server.wait_for_exit().code(), Some(0));
}

#[test]
fn fault_18_no_service_listens_on_udp() {
    let server = Server::start(&SERVICES);
    let fds = fs::read_dir(format!("/proc/{}/fd", server.pid())).expect("a running server");
    let links = fds.filter_map(|fd| fs::read_link(fd.ok()?.path()).ok());
    let inodes: Vec<String> = links
        .filter_map(|link| {
            let name = link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?;
            Some(name.to_owned())
        })
        .collect();
    assert!(inodes.len() >= SERVICES.len(), "a socket for each listener: {inodes:?}");
    for table in ["udp", "udp6", "udplite", "raw", "packet"] {
        let Ok(text) = fs::read_to_string(format!("/proc/net/{table}")) else { continue };
        let used = |inode: &&String| text.split_whitespace().any(|word| word == **inode);
        assert_eq!(inodes.iter().find(used), None, "a socket of {table}");
    }
}

/// A way for a connection to end.
type Ending = fn(Client);

#[test]
fn fault_19_no_descriptor_is_left_whichever_way_connections_end() {
    let endings: [Ending; 6] = [
        drop,
        Client::reset,
        |mut client| client.finish_sending(),
        |mut client| client.send(b"not a frame"),
        |mut client| client.send(&frame("ECHO half of it")[..70]),
        |mut client| {
            client.send(&frame("ECHO").repeat(50));
            client.reset();
        },
    ];
    let server = Launch::of(&SERVICES).args(&["--log-rate", "1"]).start();
    for _ in 0..20 {
        for service in SERVICES {
            for end in endings {
                end(server.connect(service));
            }
        }
    }
    let connections = 20 * SERVICES.len() * endings.len();
    eventually("all of them accepted and gone", || {
        let stats = server.statistics();
        let all = stats.get("connections_accepted") == connections as u64;
        (all && stats.get("connections_open") == 0).then_some(())
    });
    assert_eq!(server.connect("framed").ask("ECHO still here"), "still here");
    // That no descriptor and nothing in CLOSE-WAIT is left is checked when the server is dropped.
}
