//! `--reuse-port`: several servers on one port.

use crate::support::{Client, Launch, Server, eventually};
use nix::sys::signal::Signal;
use std::net::SocketAddr;

fn start_on(listener: &str) -> Server {
    Launch::of(&[listener]).args(&["--reuse-port"]).start()
}

/// Connects until each of `servers` has a client, and returns all that it took.
fn until_all_have_one(address: SocketAddr, servers: &[&Server]) -> Vec<Client> {
    let mut clients = Vec::new();
    eventually("a client with each server", || {
        let mut client = Client::connect(address);
        assert_eq!(client.ask("ECHO hello"), "hello");
        clients.push(client);
        let has_one = |server: &&Server| server.statistics().get("connections_open") > 0;
        servers.iter().all(has_one).then_some(())
    });
    clients
}

#[test]
fn two_servers_share_a_port_and_one_serves_on_when_the_other_stops() {
    // Port 0 picks a port that is free though others could share it.
    let first = start_on("framed=127.0.0.1:0");
    let address = first.address("framed");
    let mut second = start_on(&format!("framed={address}"));
    assert_eq!(second.address("framed"), address);
    let mut clients = until_all_have_one(address, &[&first, &second]);

    second.signal(Signal::SIGTERM);
    let drained = second.wait_for_log("draining ");
    // Those of the second server read its FIN; the others are served.
    clients.retain_mut(|client| {
        let peer_of_first = first.log().containing(&format!("{} connected", client.address()));
        match peer_of_first.is_empty() {
            true => {
                assert_eq!(client.read_to_end(), b"", "{drained}");
                false
            }
            false => {
                assert_eq!(client.ask("ECHO still here"), "still here");
                true
            }
        }
    });
    assert_eq!(second.wait_for_exit().code(), Some(0));
    for _ in 0..20 {
        assert_eq!(Client::connect(address).ask("ECHO you alone"), "you alone");
    }
}

#[test]
fn who_does_not_share_keeps_the_others_out() {
    let alone = Server::start(&["framed"]);
    let listen = format!("framed={}", alone.address("framed"));
    let complaint = "another program listens there without sharing the port";
    crate::command_line::assert_cannot_run(&["--reuse-port", "--listen", &listen], complaint);
    let sharing = start_on("framed=127.0.0.1:0");
    let listen = format!("framed={}", sharing.address("framed"));
    crate::command_line::assert_cannot_run(&["--listen", &listen], "another program listens there");
}
