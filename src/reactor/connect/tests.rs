use super::*;
use std::net::{Ipv4Addr, Ipv6Addr, TcpListener};
use std::os::unix::net::UnixListener;

/// A socket that has connected to its own address.
fn connected_to_itself(ip: std::net::IpAddr) -> TcpStream {
    let domain = Domain::for_address((ip, 0).into());
    let socket = Socket::new(domain, Type::STREAM, None).expect("a socket");
    socket.bind(&SocketAddr::new(ip, 0).into()).expect("a port of the range");
    let own = socket.local_addr().expect("it is bound");
    socket.connect(&own).expect("the kernel lets it");
    socket.set_nonblocking(true).expect("a socket");
    TcpStream::from_std(socket.into())
}

#[test]
fn field_load_14_a_connection_to_oneself_is_an_error() {
    for ip in [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()] {
        let stream = connected_to_itself(ip);
        let error = outcome(&stream).expect_err("it is connected to itself");
        assert!(ConnectedToItself::is(&error), "{error:?}");
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
        // The port is free at once.
        let own = stream.local_addr().expect("it is bound");
        drop(stream);
        TcpListener::bind(own).expect("the port is free");
    }
}

#[test]
fn a_connection_to_a_listener_is_none() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let address = listener.local_addr().expect("it is bound");
    let source = SocketAddr::from((Ipv4Addr::new(127, 0, 0, 2), 0));
    for source in [None, Some(source)] {
        let stream = begin(source, &address.into()).expect("a socket");
        listener.accept().expect("a client");
        outcome(&stream).expect("it is connected");
    }
}

#[test]
fn field_load_18_a_unix_socket_is_connected_to_until_its_backlog_is_full() {
    let name = format!("@readyd-test-connect-{}", std::process::id());
    let address = Address::Unix(UnixAddress::new(&name).expect("an address"));
    let refused = begin(None, &address).expect_err("it does not exist");
    assert_eq!(refused.raw_os_error(), Some(Errno::ECONNREFUSED as i32));
    let Address::Unix(unix_address) = &address else { unreachable!() };
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None).expect("a socket");
    socket.bind(&sock_addr(unix_address).expect("an address")).expect("the name is free");
    socket.listen(1).expect("it is bound");
    let listener = UnixListener::from(OwnedFd::from(socket));
    let streams: Vec<TcpStream> =
        std::iter::from_fn(|| begin(None, &address).ok()).take(100).collect();
    assert!((1..100).contains(&streams.len()), "{}", streams.len());
    streams.iter().for_each(|stream| outcome(stream).expect("it is connected"));
    let full = begin(None, &address).expect_err("the backlog is full");
    assert_eq!(full.kind(), io::ErrorKind::WouldBlock);
    listener.accept().expect("a client");
    begin(None, &address).expect("there is room");
    let source = Some(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
    assert!(begin(source, &address).is_err());
}
