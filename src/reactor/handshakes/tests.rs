//! What is seen of handshakes, and the filter, on real sockets.

use super::*;
use std::io::Read;
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

#[test]
fn nobody_is_in_the_middle_of_a_handshake_with_a_listener_on_this_machine() {
    for address in ["127.0.0.1:0", "[::1]:0"] {
        let listener = TcpListener::bind(address).expect("bind");
        let address = listener.local_addr().expect("an address");
        let _client = TcpStream::connect(address).expect("connect");
        assert_eq!(with(&[address]), Handshakes::None);
    }
    assert_eq!(with(&[]), Handshakes::None);
}

#[test]
fn who_is_held_off_is_neither_let_in_nor_refused_and_comes_in_when_admitted() {
    const A_WHILE: Duration = Duration::from_millis(50);
    let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
    let address = listener.local_addr().expect("an address");
    let before = TcpStream::connect(address).expect("connect");
    hold_off(&listener).expect("attach a filter");
    let result = TcpStream::connect_timeout(&address, A_WHILE);
    assert_eq!(result.expect_err("nobody is let in").kind(), io::ErrorKind::TimedOut);
    let (mut accepted, _) = listener.accept().expect("the one before");
    admit(&listener).expect("detach the filter");
    TcpStream::connect(address).expect("connect");
    // The filter passes the segments of established connections.
    io::Write::write_all(&mut &before, b"x").expect("send");
    let mut byte = [0];
    accepted.read_exact(&mut byte).expect("receive");
    assert_eq!(&byte, b"x");
}
