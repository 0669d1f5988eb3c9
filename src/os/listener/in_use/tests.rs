use super::*;
use crate::io::address::UnixAddress;
use std::net::{TcpListener, TcpStream};
use std::os::linux::net::SocketAddrExt;
use std::process::id;

fn row(local: &str, state: State, uid: u32, inode: u64) -> Row {
    let remote = "192.0.2.1:80".parse().unwrap();
    Row { local: local.parse().unwrap(), remote, state, uid, inode }
}

fn found(wanted: &str, rows: &[Row]) -> Option<Row> {
    in_the_way(wanted.parse().unwrap(), rows.iter().copied())
}

#[test]
fn a_listener_outweighs_a_connection_and_that_one_that_lingers() {
    let lingers = row("127.0.0.1:80", State::TimeWait, 0, 0);
    let connection = row("127.0.0.1:80", State::Established, 7, 70);
    let listener = row("0.0.0.0:80", State::Listen, 8, 80);
    let elsewhere = row("127.0.0.1:81", State::Listen, 9, 90);
    assert_eq!(found("127.0.0.1:80", &[elsewhere]), None);
    assert_eq!(found("127.0.0.1:80", &[lingers, elsewhere]), Some(lingers));
    assert_eq!(found("127.0.0.1:80", &[lingers, connection]), Some(connection));
    assert_eq!(found("127.0.0.1:80", &[connection, lingers]), Some(connection));
    assert_eq!(found("127.0.0.1:80", &[lingers, connection, listener]), Some(listener));
}

#[test]
fn which_addresses_are_in_each_others_way() {
    let cases = [
        ("127.0.0.1:80", "127.0.0.1:80", true),
        ("127.0.0.1:80", "127.0.0.1:81", false),
        ("127.0.0.1:80", "127.0.0.2:80", false),
        ("127.0.0.1:80", "0.0.0.0:80", true),
        ("0.0.0.0:80", "127.0.0.1:80", true),
        // A listener for both versions of IP, and a connection to one.
        ("127.0.0.1:80", "[::]:80", true),
        ("127.0.0.1:80", "[::ffff:127.0.0.1]:80", true),
        ("127.0.0.1:80", "[::1]:80", false),
        ("[::1]:80", "[::1]:80", true),
        ("[::1]:80", "[::2]:80", false),
        ("[::1]:80", "[::]:80", true),
        ("[::]:80", "[::1]:80", true),
        ("[::]:80", "0.0.0.0:80", false),
        ("[::]:80", "[::ffff:127.0.0.1]:80", false),
    ];
    for (wanted, taken, expected) in cases {
        let is_found = found(wanted, &[row(taken, State::Listen, 0, 1)]).is_some();
        assert_eq!(is_found, expected, "{wanted} {taken}");
    }
}

#[test]
fn the_process_in_the_way_is_this_one() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let Holder::Listener { uid, process: Some(process) } = holder(address) else {
        panic!("{:?}", holder(address));
    };
    assert_eq!((uid, process.pid), (geteuid().as_raw(), std::process::id()));
    assert!(!process.name.is_empty());

    let client = TcpStream::connect(address).unwrap();
    let holder = holder(client.local_addr().unwrap());
    let is_ours =
        |process: &Option<Process>| process.as_ref().is_some_and(|p| p.pid == std::process::id());
    assert!(
        matches!(&holder, Holder::Connection { state: State::Established, process, .. }
            if is_ours(process)),
        "{holder:?}"
    );
}

#[test]
fn each_cause_has_its_advice() {
    let uid = geteuid().as_raw();
    let process = Some(Process { pid: 47, name: "a \"b\"\n".to_owned() });
    let ours = Holder::Listener { uid, process: process.clone() };
    let named = format!("process 47 (\"a \\\"b\\\"\\n\") of user {uid}");
    let expected =
        format!("another program listens there: {named}; stop it, or choose another port");
    assert_eq!(ours.advice(Port::Exclusive), expected);
    assert!(ours.advice(Port::Shared).contains("start it with --reuse-port"));
    let others = Holder::Listener { uid: uid + 1, process: None };
    assert!(others.advice(Port::Shared).contains("only processes of one user can share a port"));
    assert!(others.advice(Port::Exclusive).contains(&format!("a process of user {}", uid + 1)));
    let this = Some(Process { pid: id(), name: String::new() });
    let own = Holder::Listener { uid, process: this };
    assert!(own.advice(Port::Exclusive).starts_with("this process has another listener there"));
    let connection = Holder::Connection { state: State::CloseWait, uid, process };
    for port in [Port::Exclusive, Port::Shared] {
        let advice = connection.advice(port);
        assert!(advice.contains(&named) && advice.contains("(CLOSE_WAIT)"), "{advice}");
        assert!(Holder::Lingering(State::TimeWait).advice(port).contains("(TIME_WAIT); wait a"));
        assert!(Holder::Unknown.advice(port).contains("ss -tanp"));
        assert!(Holder::AllPorts.advice(port).contains("ip_local_port_range"));
    }
    assert_eq!(holder("127.0.0.1:0".parse().unwrap()), Holder::AllPorts);
}

#[test]
fn the_processes_that_listen_on_an_address() {
    let inet = TcpListener::bind("127.0.0.1:0").unwrap();
    let name = format!("@readyd-in-use-{}", id());
    let path = std::os::unix::net::SocketAddr::from_abstract_name(&name[1..]).unwrap();
    let unix = std::os::unix::net::UnixListener::bind_addr(&path).unwrap();
    let addresses = [inet.local_addr().unwrap().into(), UnixAddress::new(&name).unwrap().into()];
    for address in &addresses {
        let pids: Vec<u32> = listening(address).iter().map(|process| process.pid).collect();
        assert_eq!(pids, [id()], "{address}");
    }
    drop((inet, unix));
    assert!(addresses.iter().all(|address| listening(address).is_empty()));
}
