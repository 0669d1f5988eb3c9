//! Handshakes of TCP with listeners of ours: whether any are in flight, and how new ones are held
//! off.

use super::sock_diag;
use crate::io::net::Handshakes;
use nix::libc;
use socket2::{SockFilter, SockRef};
use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;

#[cfg(test)]
mod tests;

/// Where the flags stand in the header of a TCP segment, RFC 9293.
const FLAGS: u32 = 13;
const SYN: u32 = 0x02;
const ACK: u32 = 0x10;

/// Drops a segment that has SYN and not ACK, and passes every other whole: a program of the classic
/// Berkeley Packet Filter, which the kernel runs on each segment for the socket, from the TCP
/// header on. The segment that ends a handshake has ACK. Sockets that are accepted inherit the
/// program, and get no such segment.
const NO_FIRST_SEGMENTS: [SockFilter; 5] = [
    instruction(libc::BPF_LD | libc::BPF_B | libc::BPF_ABS, 0, 0, FLAGS),
    instruction(libc::BPF_ALU | libc::BPF_AND | libc::BPF_K, 0, 0, SYN | ACK),
    instruction(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, 0, 1, SYN),
    instruction(libc::BPF_RET | libc::BPF_K, 0, 0, 0),
    instruction(libc::BPF_RET | libc::BPF_K, 0, 0, u32::MAX),
];

const fn instruction(code: u32, if_so: u8, if_not: u8, operand: u32) -> SockFilter {
    SockFilter::new(code as u16, if_so, if_not, operand)
}

/// Has the kernel ignore the first segment of new handshakes: `SO_ATTACH_FILTER`, socket(7).
pub(super) fn hold_off(listener: &impl AsFd) -> io::Result<()> {
    SockRef::from(listener).attach_filter(&NO_FIRST_SEGMENTS)
}

/// Undoes [`hold_off`].
pub(super) fn admit(listener: &impl AsFd) -> io::Result<()> {
    SockRef::from(listener).detach_filter()
}

/// Whether any are in flight with listeners of these addresses.
///
/// A listener on IPv6 takes IPv6 only, see [`crate::os::listener`].
pub(super) fn with(listeners: &[SocketAddr]) -> Handshakes {
    let of_version = |is_ipv6| {
        let addresses = listeners.iter().filter(move |address| address.is_ipv6() == is_ipv6);
        addresses.map(SocketAddr::port).collect::<Vec<u16>>()
    };
    for (family, ports) in [(libc::AF_INET, of_version(false)), (libc::AF_INET6, of_version(true))]
    {
        if ports.is_empty() {
            continue;
        }
        match sock_diag::has_handshake(family as u8, &ports) {
            Ok(false) => {}
            Ok(true) => return Handshakes::InFlight,
            Err(_) => return Handshakes::Unknown,
        }
    }
    Handshakes::None
}
