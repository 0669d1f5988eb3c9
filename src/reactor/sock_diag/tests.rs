//! What replies tell, and that the kernel understands the request.

use super::*;
use std::net::{TcpListener, TcpStream};

/// A message of that kind; of a socket, with that local port.
fn message(kind: i32, port: u16) -> Vec<u8> {
    let length = (LOCAL_PORT + 2) as u32;
    let mut message = [&length.to_ne_bytes()[..], &(kind as u16).to_ne_bytes(), &[0; 10]].concat();
    message.extend([2, SYN_RECV as u8, 0, 0]);
    message.extend(port.to_be_bytes());
    // To the next multiple of four.
    message.extend([0; 2]);
    message
}

fn of_socket(port: u16) -> Vec<u8> {
    message(SOCK_DIAG_BY_FAMILY.into(), port)
}

#[test]
fn a_handshake_is_a_socket_with_one_of_our_ports() {
    let part = [of_socket(80), of_socket(0x1F91)].concat();
    let found = |ports: &[u16]| look_for(ports, &part).expect("a reply");
    assert_eq!(found(&[7, 0x1F91]), Found::Handshake);
    assert_eq!(found(&[80]), Found::Handshake);
    assert_eq!(found(&[0x911F, 443]), Found::Nothing);
    assert_eq!(look_for(&[80], &[]).expect("an empty reply"), Found::Nothing);
}

#[test]
fn a_reply_ends_with_a_message_that_says_so() {
    let part = [of_socket(80), message(libc::NLMSG_DONE, 0), of_socket(81)].concat();
    assert_eq!(look_for(&[81], &part).expect("a reply"), Found::End);
}

#[test]
fn what_is_no_reply_is_an_error() {
    let error = message(libc::NLMSG_ERROR, 0);
    let cut_off = &of_socket(80)[..LOCAL_PORT];
    let too_short = [&8u32.to_ne_bytes()[..], &[0; 12]].concat();
    let endless = [0; 32];
    for part in [&error[..], cut_off, &too_short, &endless] {
        look_for(&[80], part).expect_err("no reply");
    }
}

#[test]
fn the_kernel_understands_the_request() {
    for (family, address) in [(libc::AF_INET, "127.0.0.1:0"), (libc::AF_INET6, "[::1]:0")] {
        let listener = TcpListener::bind(address).expect("bind");
        let address = listener.local_addr().expect("an address");
        let _client = TcpStream::connect(address).expect("connect");
        assert!(!has_handshake(family as u8, &[address.port()]).expect("an answer"));
    }
    has_handshake(u8::MAX, &[80]).expect_err("there is no such family");
}
