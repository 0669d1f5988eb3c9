//! What must hold after each turn: what the server says of itself is what the network has seen.

use super::admission_reference::Refusal;
use super::net::{MemoryNet, Wires};
use super::peer::Peer;
use super::socket::{Reception, Socket};
use readyd::server::Server;
use readyd::server::close::CloseReason;
use readyd::server::limits::Limits;
use std::collections::BTreeMap;

/// See the [module](self).
pub(super) fn check(server: &Server<MemoryNet>, wires: &Wires, limits: &Limits) {
    let stats = server.stats();
    assert_eq!(stats.open(), wires.open as u64, "opened less closed");
    assert!(wires.open <= limits.max_connections, "{} connections", wires.open);
    assert_eq!(stats.bytes_in, wires.bytes.0);
    // Of a flush that fails, what went before is not counted.
    assert!(stats.bytes_out <= wires.bytes.1, "more sent than was taken");
    check_admission(server, wires);
    check_clients(server, wires, limits);
    check_memory(server, limits);
}

/// Everyone who was accepted was let in or turned away, and counted so.
fn check_admission(server: &Server<MemoryNet>, wires: &Wires) {
    let stats = server.stats();
    let count = |is_so: &dyn Fn(Reception) -> bool| {
        wires.sockets.iter().filter(|socket| is_so(socket.reception)).count() as u64
    };
    let turned_away = |refusal| count(&|reception| reception == Reception::TurnedAway(refusal));
    assert_eq!(stats.refused_denied, turned_away(Refusal::Denied));
    assert_eq!(stats.refused_address_limit, turned_away(Refusal::TooMany));
    assert_eq!(stats.refused_address_rate, turned_away(Refusal::TooFast));
    let is_let_in =
        |reception| matches!(reception, Reception::Registered | Reception::Unregistrable);
    assert_eq!(stats.accepted, count(&is_let_in), "let in");
    let pending = count(&|reception| matches!(reception, Reception::Accepted(_)));
    assert_eq!(pending, 0, "neither let in nor turned away");
    assert_eq!(stats.accepted + refused(server), wires.accepted, "accepted by the network");
}

/// Clients that were turned away, as the server counts them.
pub(super) fn refused(server: &Server<MemoryNet>) -> u64 {
    let stats = server.stats();
    stats.refused_denied + stats.refused_address_limit + stats.refused_address_rate
}

/// No client has more connections than one may, and none is counted that has none.
fn check_clients(server: &Server<MemoryNet>, wires: &Wires, limits: &Limits) {
    let mut connections = BTreeMap::new();
    for socket in wires.sockets.iter().filter(|socket| socket.is_open()) {
        *connections.entry(socket.source.client()).or_insert(0) += 1;
    }
    if let Some(most) = limits.max_connections_per_address {
        assert_eq!(server.clients_counted(), connections.len(), "clients that are connected");
        assert!(connections.values().all(|&count| count <= most), "too many of one client");
    } else {
        assert_eq!(server.clients_counted(), 0, "there is nothing to count");
    }
}

/// The memory in use is what the connections hold, and within its limit.
fn check_memory(server: &Server<MemoryNet>, limits: &Limits) {
    let input: usize = server.inspect().map(|one| one.input_heap).sum();
    let output: usize = server.inspect().map(|one| one.output_heap).sum();
    let buffered = server.stats().buffered;
    assert_eq!(buffered, (input + output) as u64, "bytes in buffers");
    assert_eq!(server.stats().buffered_output, output as u64, "bytes of output in buffers");
    assert!(buffered <= limits.memory_limit as u64, "{buffered} bytes in buffers");
}

/// A connection is reset if it is shed or the peer takes nothing for too long, and else only if the
/// peer or the network had broken it.
pub(super) fn check_resets(server: &Server<MemoryNet>, wires: &Wires, peers: &[Peer]) {
    let closed = |reason| server.stats().closed[reason as usize];
    let given_up = closed(CloseReason::Shed) + closed(CloseReason::WriteTimeout);
    let were_aborted = |is_so: &dyn Fn(&Peer) -> bool| {
        let socket = |peer: &&Peer| -> &Socket { &wires.sockets[peer.number] };
        let was_aborted = |peer: &&Peer| is_so(peer) && socket(peer).was_aborted;
        peers.iter().filter(was_aborted).count() as u64
    };
    assert!(given_up <= were_aborted(&|_| true), "given up without RST");
    assert!(were_aborted(&|peer| !peer.is_broken) <= given_up, "reset for nothing");
}
