//! Descriptors that were and were not inherited. Those that were are played by ones that the test
//! takes the mark of.

use super::*;
use crate::io::address::Address;
use nix::unistd::dup;
use socket2::{Domain, Socket, Type};
use std::fs::File;
use std::net::{TcpListener, UdpSocket};
use std::os::fd::{AsFd, AsRawFd, IntoRawFd};
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};

/// The number of a descriptor that no value owns and that has no mark, as after exec.
fn inherited(original: impl AsFd) -> RawFd {
    let number = dup(original).expect("a descriptor").into_raw_fd();
    assert!(!is_closed_on_exec(number));
    number
}

fn is_closed_on_exec(number: RawFd) -> bool {
    let flags = std::fs::read_to_string(format!("/proc/self/fdinfo/{number}")).expect("it is open");
    let flags = flags.lines().find_map(|line| line.strip_prefix("flags:")).expect("its flags");
    let flags = i32::from_str_radix(flags.trim(), 8).expect("an octal number");
    flags & nix::fcntl::OFlag::O_CLOEXEC.bits() != 0
}

fn error(number: RawFd) -> String {
    listener(number).expect_err("it is no listener of ours").to_string()
}

#[test]
fn a_listener_is_taken_once() {
    let original = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let number = inherited(&original);
    let taken = listener(number).expect("it was inherited");
    let address = original.local_addr().expect("it is bound");
    assert_eq!(taken.address().expect("it is bound"), Address::Inet(address));
    let error_of_accept = original.accept().expect_err("nobody has come, and it does not wait");
    assert_eq!(error_of_accept.kind(), io::ErrorKind::WouldBlock);
    assert!(is_closed_on_exec(number));
    assert_eq!(error(number), format!("descriptor {number} was not inherited, or is named twice"));
}

#[test]
fn what_is_ours_is_not_taken() {
    let ours = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let number = ours.as_raw_fd();
    assert_eq!(error(number), format!("descriptor {number} was not inherited, or is named twice"));
    ours.local_addr().expect("it is still open");
}

#[test]
fn what_does_not_listen_is_refused() {
    let bound = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    let udp = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    let (stream, _other_end) = UnixStream::pair().expect("two sockets");
    let datagrams = UnixDatagram::unbound().expect("a socket");
    let file = File::open("/dev/null").expect("a file");
    let no_listeners: [&dyn AsFd; 5] = [&bound, &udp, &stream, &datagrams, &file];
    for number in no_listeners.map(|it| inherited(it.as_fd())) {
        let expected = format!("descriptor {number} is not a listening TCP or unix stream socket");
        assert_eq!(error(number), expected);
    }
}

#[test]
fn field_server_21_a_unix_socket_is_taken_with_its_address() {
    let directory = std::env::temp_dir();
    let bind = |path: &std::path::Path| {
        let socket = UnixListener::bind(path).expect("a path of our own");
        std::fs::remove_file(path).expect("the path of our own");
        inherited(&socket)
    };
    let path = directory.join(format!("readyd-inherited-{}", std::process::id()));
    let taken = listener(bind(&path)).expect("it was inherited");
    let address = format!("unix:{}", path.display());
    assert_eq!(taken.address().expect("it is bound").to_string(), address);

    let number = bind(&directory.join(format!("readyd\n{}", std::process::id())));
    let expected = format!(
        "descriptor {number} is a unix socket whose address cannot be written as unix:/PATH or \
         unix:@NAME (bind it to an absolute path in UTF-8)"
    );
    assert_eq!(error(number), expected);
}

#[test]
fn numbers_that_stand_for_nothing() {
    assert_eq!(error(2), "descriptor 2 is standard output or error");
    for number in [-1, 1 << 20] {
        let expected = format!(
            "descriptor {number} is not open (the process that starts readyd must leave it open)"
        );
        assert_eq!(error(number), expected);
    }
}

#[test]
fn among_the_open_numbers_are_those_that_were_inherited() {
    let original = File::open("/dev/null").expect("a file");
    let number = inherited(&original);
    assert!(open_numbers().contains(&number));
    assert!(open_numbers().iter().all(|&number| number > 2));
    drop(take(number).expect("it was inherited"));
}
