//! A listener on a name in the abstract namespace, and clients in this process.

use super::Listener;
use crate::io::address::{Credentials, Peer, UnixAddress};
use crate::io::net::{Accept, AcceptOutcome, Handshakes, Output, SocketIo};
use crate::os::listener::unix;
use crate::reactor::{MioNet, Reactor};
use nix::unistd::getuid;
use socket2::{Domain, Socket, Type};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;

fn listening(name: &str) -> (MioNet, Listener, UnixAddress) {
    let name = format!("unix:@readyd-{name}-{}", std::process::id());
    let address: UnixAddress = name.parse().expect("an address");
    let listener = unix::bind(&address, unix::FileRights::default())
        .and_then(|bound| bound.listen(16))
        .expect("a free name");
    let net = Reactor::new().and_then(|reactor| reactor.net()).expect("descriptors");
    let listener = net.listener(listener);
    (net, listener, address)
}

fn connect(address: &UnixAddress) -> io::Result<UnixStream> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.connect(&unix::sock_addr(address)?)?;
    Ok(socket.into())
}

#[test]
fn field_server_21_a_client_of_a_unix_socket_is_accepted_with_its_credentials() {
    let (mut net, listener, address) = listening("accepted");
    assert!(matches!(net.accept(&listener), AcceptOutcome::NoneWaiting), "nobody waits");
    let mut client = connect(&address).expect("it listens");
    let AcceptOutcome::Connection(mut stream, peer) = net.accept(&listener) else {
        panic!("a client waits");
    };
    let ours = Credentials { pid: std::process::id(), uid: getuid().as_raw() };
    assert_eq!(peer, Peer::Unix(ours));

    let nothing = net.recv(&mut stream, &mut [0; 8]).expect_err("it does not wait");
    assert_eq!(nothing.kind(), ErrorKind::WouldBlock);
    client.write_all(b"request").expect("send");
    let mut bytes = [0; 8];
    assert_eq!(net.recv(&mut stream, &mut bytes).expect("bytes"), 7);
    assert_eq!(net.send(&mut stream, b"reply").expect("room"), 5);
    assert_eq!(net.output(&stream), Output::Unknown, "TCP_INFO is TCP's");
    net.send_fin(&mut stream).expect("it is connected");
    let mut reply = String::new();
    client.read_to_string(&mut reply).expect("a reply and FIN");
    assert_eq!(reply, "reply");
    net.abort(stream);
}

#[test]
fn field_server_21_the_backlog_of_a_unix_socket_is_emptied_after_newcomers_are_refused() {
    let (mut net, listener, address) = listening("refusing");
    let waiting = [(); 3].map(|()| connect(&address).expect("it listens"));
    net.hold_off_handshakes(&listener).expect("there are none");
    assert_eq!(net.handshakes([&listener].into_iter()), Handshakes::None);
    let _fourth = connect(&address).expect("it still listens");
    net.admit_handshakes(&listener).expect("there are none");

    net.refuse_newcomers(&listener).expect("it listens");
    let refused = connect(&address).expect_err("it takes nobody more");
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    for _ in 0..waiting.len() + 1 {
        let accepted = net.accept(&listener);
        assert!(matches!(accepted, AcceptOutcome::Connection(..)), "a client waits");
    }
    assert!(matches!(net.accept(&listener), AcceptOutcome::NoneWaiting), "nobody waits");
}
