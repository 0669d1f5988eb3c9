use super::*;
use readyd::io::address::UnixAddress;
use std::net::{Ipv4Addr, TcpListener};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::thread;

const LONG: Duration = Duration::from_secs(20);

/// A server that answers one client, and its address.
fn server(answer: &'static [u8]) -> (Address, thread::JoinHandle<Vec<u8>>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port is free");
    let address = listener.local_addr().expect("it has an address").into();
    let serve = move || {
        let (mut stream, _) = listener.accept().expect("a client");
        let mut question = vec![0; QUESTION.len()];
        stream.read_exact(&mut question).expect("a question");
        stream.write_all(answer).expect("it is read");
        question
    };
    (address, thread::spawn(serve))
}

fn asked(addresses: &[Address]) -> Result<Health, (String, HealthError)> {
    health_of_one(addresses, Instant::now() + LONG)
}

#[test]
fn the_status_of_readyz_tells() {
    for (answer, expected) in [
        (&b"HTTP/1.1 200 OK\r\n\r\nready\n"[..], Some(Health::Ready)),
        (b"HTTP/1.0 503 Service Unavailable\r\n\r\n", Some(Health::Draining)),
        (b"HTTP/1.1 404 Not Found\r\n\r\n", None),
        (b"220 mail.example.org ESMTP\r\n", None),
        (b"", None),
    ] {
        let (address, server) = server(answer);
        assert_eq!(asked(&[address]).ok(), expected, "{}", answer.escape_ascii());
        assert!(server.join().expect("it served").starts_with(b"GET /readyz HTTP/1.0\r\n"));
    }
}

#[test]
fn the_next_address_is_asked_where_nobody_listens() {
    let nobody = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|it| it.local_addr());
    let nobody = Address::Inet(nobody.expect("a port was free"));
    let (address, server) = server(b"HTTP/1.1 200 OK\r\n\r\n");
    assert_eq!(asked(&[nobody.clone(), address]).ok(), Some(Health::Ready));
    server.join().expect("it served");
    let (at, error) = asked(std::slice::from_ref(&nobody)).expect_err("nobody listens");
    assert_eq!(at, nobody.to_string());
    assert!(error.to_string().contains("refused"), "{error}");
}

#[test]
fn a_server_that_is_silent_does_not_hold_it_up() {
    let name = format!("@readyd-health-{}", std::process::id());
    let address = UnixAddress::new(&name).expect("a name");
    let sock_addr = <SocketAddr as SocketAddrExt>::from_abstract_name(&name[1..]);
    let silent = UnixListener::bind_addr(&sock_addr.expect("a name")).expect("it is free");
    let until = Instant::now() + Duration::from_millis(50);
    let (at, error) = health_of_one(&[address.into()], until).expect_err("nothing is said");
    assert_eq!(at, format!("unix:{name}"));
    assert!(error.to_string().starts_with("no answer within"), "{error}");
    drop(silent);
}
