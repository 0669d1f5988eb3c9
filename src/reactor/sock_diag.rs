//! The kernel's table of TCP sockets, by netlink: sock_diag(7).
//!
//! `/proc/net/tcp` has the same, but all of it, as text: with 80,000 sockets on the machine, most
//! of them in TIME-WAIT, to read it takes a quarter of a second. Here the kernel is asked for the
//! sockets in one state, and passes over the others: 3 ms on the same machine, however many there
//! are.

use nix::libc;
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, recv, send, socket,
};
use std::io::{self, ErrorKind};
use std::os::fd::AsRawFd;

#[cfg(test)]
mod tests;

/// `SOCK_DIAG_BY_FAMILY`, `linux/sock_diag.h`: the kind of the request, and of each socket in the
/// reply.
const SOCK_DIAG_BY_FAMILY: u16 = 20;

/// The state of a socket in the middle of its handshake, `TCP_SYN_RECV`, `linux/tcp_states.h`.
const SYN_RECV: u32 = 3;

/// What stands before each message, `struct nlmsghdr`: its length, its kind, and three fields more.
const HEADER: usize = 16;

/// The length of a request: a header, and `struct inet_diag_req_v2`. The last 48 bytes name a
/// socket.
const REQUEST: usize = HEADER + 8 + 48;

/// Where the local port of a socket stands in its message: behind family, state and two bytes more,
/// in network byte order.
const LOCAL_PORT: usize = HEADER + 4;

/// Parts of a reply that are looked at, of a page or so each: in a flood of half-open handshakes,
/// there is no end of them.
const MOST_PARTS: usize = 64;

/// Whether a handshake with one of these local ports is in flight, in the family `AF_INET` or
/// `AF_INET6`.
///
/// # Errors
///
/// When the kernel does not say: a policy forbids the socket, or the part of it that could is not
/// there.
pub(super) fn has_handshake(family: u8, ports: &[u16]) -> io::Result<bool> {
    // Nonblocking: the kernel makes each part of a reply when it is asked for, so there is nothing
    // to wait for.
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let protocol = SockProtocol::NetlinkSockDiag;
    let socket = socket(AddressFamily::Netlink, SockType::Raw, flags, protocol)?;
    send(socket.as_raw_fd(), &request(family), MsgFlags::empty())?;
    let mut part = [0; 16 * 1024];
    for _ in 0..MOST_PARTS {
        let count = recv(socket.as_raw_fd(), &mut part, MsgFlags::empty())?;
        match look_for(ports, part.get(..count).unwrap_or_default())? {
            Found::Handshake => return Ok(true),
            Found::End => return Ok(false),
            Found::Nothing => {}
        }
    }
    Err(ErrorKind::FileTooLarge.into())
}

/// The request for all TCP sockets of a family that are in the middle of a handshake.
fn request(family: u8) -> [u8; REQUEST] {
    let flags = (libc::NLM_F_REQUEST | libc::NLM_F_DUMP) as u16;
    let head = [
        &(REQUEST as u32).to_ne_bytes()[..],
        &SOCK_DIAG_BY_FAMILY.to_ne_bytes(),
        &flags.to_ne_bytes(),
        &[0; 8],
        &[family, libc::IPPROTO_TCP as u8, 0, 0],
        &(1u32 << SYN_RECV).to_ne_bytes(),
    ];
    // What names a socket stays empty: all are asked for.
    let mut request = [0; REQUEST];
    for (byte, value) in request.iter_mut().zip(head.concat()) {
        *byte = value;
    }
    request
}

/// What a part of a reply has told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found {
    Handshake,
    /// No such handshake, and more parts follow.
    Nothing,
    /// No such handshake, and that was all.
    End,
}

/// Looks through the messages of a part.
fn look_for(ports: &[u16], mut part: &[u8]) -> io::Result<Found> {
    while let Some(length) = part.first_chunk().map(|bytes| u32::from_ne_bytes(*bytes) as usize) {
        let message = part.get(..length).filter(|message| message.len() >= HEADER);
        let message = message.ok_or(ErrorKind::InvalidData)?;
        let kind =
            message.get(4..).and_then(<[u8]>::first_chunk).map(|kind| u16::from_ne_bytes(*kind));
        match kind.map(i32::from) {
            Some(libc::NLMSG_DONE) => return Ok(Found::End),
            Some(libc::NLMSG_ERROR) => return Err(ErrorKind::Unsupported.into()),
            _ if kind == Some(SOCK_DIAG_BY_FAMILY) => {
                let port = message.get(LOCAL_PORT..).and_then(<[u8]>::first_chunk);
                if port.is_some_and(|port| ports.contains(&u16::from_be_bytes(*port))) {
                    return Ok(Found::Handshake);
                }
            }
            _ => {}
        }
        // Each message begins at a multiple of four.
        part = part.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    Ok(Found::Nothing)
}
