//! `--listen`: which addresses can be had, which cannot, and which get in each other's way.

use crate::command_line::{Ended, as_str, assert_cannot_run, ended, readyd};
use crate::support::server::READYD;
use crate::support::tools::{self, Input, Process, SHELL};
use crate::support::{Client, Launch, Scratch, Server};
use nix::unistd::geteuid;
use std::io::Read;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};

/// The ways to serve: alone, alone on a port that can be shared, and in shards.
const WAYS: [&[&str]; 3] = [&[], &["--reuse-port"], &["--shards", "2"]];

fn refused(arguments: &[&str], complaint: &str) {
    let ended = readyd(arguments);
    assert_eq!((ended.status, ended.stdout.as_str()), (Some(2), ""), "{arguments:?}");
    assert!(ended.stderr.contains(complaint), "{arguments:?}: {}", ended.stderr);
    assert_eq!(ended.stderr.lines().count(), 1, "{}", ended.stderr);
}

/// A port that no socket has on any address, at least a moment ago.
fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).expect("a free port");
    listener.local_addr().expect("its address").port()
}

/// Whether this machine has the address [::1].
fn has_ipv6() -> bool {
    TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_ok()
}

#[test]
fn field_server_12_two_services_on_one_address_are_refused_before_anything_is_bound() {
    // Taken, so that only a program which binds nothing says nothing about that.
    let holder = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = holder.local_addr().expect("its address").port();
    let (one, other) = (format!("echo=127.0.0.1:{port}"), format!("time=localhost:{port}"));
    let complaint =
        format!("--listen {other:?}: {one:?} has this address already (give one of them another");
    for way in WAYS {
        for check in [&[] as &[&str], &["--check-config"]] {
            let listeners = ["--listen", &one, "--listen", &other];
            refused(&[&listeners, way, check].concat(), &complaint);
        }
    }
    let scratch = Scratch::new();
    let config = scratch.write("config", &format!("listen {one}\n# and\nlisten {other}\n"));
    let complaint = format!("config line 3: --listen {other:?}: {one:?} (");
    refused(&["--config", as_str(&config), "--shards", "3"], &complaint);
}

#[test]
fn field_server_12_of_shared_ports_the_listener_of_the_very_address_gets_the_client() {
    let port = free_port();
    let (all, one) = (format!("time=0.0.0.0:{port}"), format!("echo=127.0.0.1:{port}"));
    refused(&["--listen", &all, "--listen", &one], "one of the two asks for all addresses");
    for way in [WAYS[1], WAYS[2]] {
        let server = Launch::of(&[&all, &one]).args(way).start();
        for _ in 0..20 {
            let mut client = Client::connect(server.address("echo"));
            client.send(b"very");
            client.expect("very");
            let mut client = Client::connect((Ipv4Addr::new(127, 0, 0, 2), port).into());
            assert_eq!(client.read_to_end().len(), 4, "the time in four bytes");
        }
    }
}

/// Runs a server that has one listening socket as descriptors 3 and 4; tells how it ended, and what
/// it said.
fn with_a_socket_twice(arguments: &[&str]) -> (Option<i32>, String) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let mut command = Command::new(SHELL);
    command.args(["-c", "exec \"$0\" \"$@\" 3<&0 </dev/null 4<&3", READYD]).args(arguments);
    command.stdin(Stdio::from(OwnedFd::from(listener))).stderr(Stdio::piped());
    let mut process = Process::start(command.env_remove("RUST_LOG"));
    let status = process.wait();
    let mut said = String::new();
    let mut stderr = process.child.stderr.take().expect("standard error is a pipe");
    stderr.read_to_string(&mut said).expect("UTF-8");
    (status.code(), said)
}

#[test]
fn field_server_12_an_inherited_socket_serves_one_thing() {
    refused(&["--listen", "echo=fd:3", "--listen", "time=fd:3"], "has this address already");
    let different = ["--listen", "echo=fd:3", "--listen", "time=fd:4"];
    let (status, said) = with_a_socket_twice(&different);
    assert_eq!(status, Some(1), "{said}");
    assert!(said.contains("cannot listen on time=fd:4: echo=fd:3 has its address"), "{said}");
    let alike = ["--listen", "echo=fd:3", "--listen", "echo=fd:4", "--exit-on-idle", "10ms"];
    let (status, said) = with_a_socket_twice(&alike);
    assert_eq!(status, Some(0), "two descriptors of one service share its clients: {said}");
}

#[test]
fn field_server_12_port_0_may_repeat() {
    for way in WAYS {
        let server = Launch::of(&["echo", "echo", "framed=localhost:0"]).args(way).start();
        let echoes = server.addresses_of("echo");
        assert_ne!(echoes[0], echoes[1]);
    }
}

/// The port of the log's line about a listener whose address begins like that.
fn port_in_log(server: &Server, text: &str) -> u16 {
    let line = server.wait_for_log(text);
    let (_, port) = line.rsplit_once(':').expect("an address");
    port.parse().expect("a port")
}

#[test]
fn field_server_13_localhost_is_both_loopback_addresses_on_one_port() {
    for way in WAYS {
        let server = Launch::of(&["echo=localhost:0"]).args(way).start();
        let port = port_in_log(&server, "listening echo 127.0.0.1:");
        let mut addresses: Vec<SocketAddr> = vec![(Ipv4Addr::LOCALHOST, port).into()];
        match has_ipv6() {
            true => {
                assert_eq!(port_in_log(&server, "listening echo [::1]:"), port);
                addresses.push((Ipv6Addr::LOCALHOST, port).into());
            }
            false => drop(server.wait_for_log("starting without it, as it is optional")),
        }
        for mut client in addresses.into_iter().map(Client::connect) {
            client.send(b"hello");
            client.expect("hello");
        }
    }
}

#[test]
fn field_server_13_a_port_alone_is_all_addresses() {
    let server = Server::start(&["echo=:0"]);
    let port = port_in_log(&server, "listening echo 0.0.0.0:");
    let mut addresses: Vec<SocketAddr> = vec![(Ipv4Addr::new(127, 0, 0, 7), port).into()];
    if has_ipv6() {
        assert_eq!(port_in_log(&server, "listening echo [::]:"), port);
        addresses.push((Ipv6Addr::LOCALHOST, port).into());
    }
    for mut client in addresses.into_iter().map(Client::connect) {
        client.send(b"hello");
        client.expect("hello");
    }
}

#[test]
fn field_server_13_the_second_address_may_be_missing_and_the_first_may_not() {
    if !has_ipv6() {
        return tools::skip("no [::1]");
    }
    let second = TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).expect("a free port");
    let port = second.local_addr().expect("its address").port();
    let listen = format!("echo=localhost:{port}");
    let server = Server::start(&[&listen]);
    let warning = server.wait_for_log(&format!("cannot listen on {listen} ([::1]:{port}): "));
    assert!(warning.contains(" WARN ") && warning.contains("starting without it"), "{warning}");
    assert_eq!(server.addresses_of("echo"), [(Ipv4Addr::LOCALHOST, port).into()]);
    drop((server, second));

    let first = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let listen = format!("echo=localhost:{}", first.local_addr().expect("its address").port());
    assert_cannot_run(&["--listen", &listen], &format!("cannot listen on {listen} (127.0.0.1:"));
}

/// An address of the kind that RFC 5737 reserves for documentation: no machine has it.
const NOBODYS: &str = "192.0.2.1:0";

#[test]
fn field_server_13_an_optional_listener_may_be_missing() {
    for way in WAYS {
        let listeners = [&format!("echo={NOBODYS},optional"), "framed"];
        let server = Launch::of(&listeners).args(way);
        // One address is printed of two listeners that were asked for.
        let server = server.args(&["--listen", "time=127.0.0.1:0"]).start();
        let warning = server.wait_for_log(&format!("cannot listen on echo={NOBODYS}: "));
        assert!(warning.contains(" WARN "), "{warning}");
        assert_eq!(
            server.log().containing("starting without it").len(),
            1,
            "once, not once a shard"
        );
        assert_eq!(server.addresses_of("echo"), []);
        assert_eq!(server.connect("framed").ask("ECHO hello"), "hello");
    }
    let server = Launch::of(&["framed", "time"]).args(&["--listen", "echo=fd:77,optional"]).start();
    server.wait_for_log("cannot listen on echo=fd:77: descriptor 77 is not open");
}

#[test]
fn field_server_13_without_any_listener_there_is_no_server() {
    for way in WAYS {
        let listen = ["--listen", &format!("echo={NOBODYS},optional")];
        assert_cannot_run(&[&listen, way].concat(), "there is nothing to listen on");
    }
}

#[test]
fn field_server_13_all_listeners_that_cannot_be_had_are_reported() {
    let holders = ["127.0.0.1:0", "127.0.0.1:0"].map(|any| TcpListener::bind(any).expect("a port"));
    let [one, other] = holders.each_ref().map(|holder| holder.local_addr().expect("its address"));
    for way in WAYS {
        let (one, other) = (format!("echo={one}"), format!("time={other}"));
        let nobodys = format!("daytime={NOBODYS}");
        let listeners = ["--listen", &one, "--listen", &other, "--listen", &nobodys];
        let others: [&[&str]; 3] =
            [&[], &["--table", "/nonexistent/table"], &["--user", "nosuchuser"]];
        for more in others {
            let Ended { status, stderr, .. } = readyd(&[&listeners, way, more].concat());
            assert_eq!(status, Some(1), "{stderr}");
            for listen in [&one, &other, &nobodys] {
                let complaint = format!("readyd: cannot listen on {listen}: ");
                assert_eq!(stderr.matches(&complaint).count(), 1, "{complaint}: {stderr}");
            }
            let complaints = stderr.lines().filter(|line| line.starts_with("readyd: ")).count();
            assert_eq!(complaints, 3 + more.len() / 2, "{more:?}: {stderr}");
        }
    }
}

#[test]
fn field_server_13_a_server_that_cannot_start_never_listened() {
    let Some(strace) = tools::find("strace") else { return };
    let holder = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let taken = format!("echo={}", holder.local_addr().expect("its address"));
    for way in WAYS {
        // A listener that could be had comes first: had it listened, a client of another server on
        // the same port could have been given to it, and been reset.
        let mut command = Command::new(&strace);
        command.args(["-f", "-e", "trace=bind,listen", READYD, "--listen", "framed=127.0.0.1:0"]);
        let Ended { status, stderr, .. } = ended(command.args(["--listen", &taken]).args(way));
        assert_eq!(status, Some(1), "{stderr}");
        assert!(stderr.contains("bind(") && !stderr.contains("listen("), "{stderr}");
    }
}

#[test]
fn field_server_13_addresses_that_no_client_can_reach_are_refused_with_what_to_write() {
    for (address, advice) in [
        ("[fe80::1]:7", "write [fe80::1%INTERFACE]:7"),
        ("[fe80::1%nosuch]:7", "there is no network interface \"nosuch\""),
        ("[::1%lo]:7", "write [::1]:7"),
        ("[::ffff:127.0.0.1]:7", "write 127.0.0.1:7"),
        ("224.0.0.1:7", "multicast"),
        ("[ff02::1%lo]:7", "multicast"),
        ("255.255.255.255:7", "broadcast"),
        ("127.255.255.255:7", "broadcast"),
        ("example.com:7", "other names are not looked up"),
    ] {
        refused(&["--listen", &format!("echo={address}")], advice);
    }
    assert_cannot_run(&["--listen", "echo=[fe80::1%99999]:7"], "interface with the number 99999");
}

/// Runs a script with a network of its own, in which the loopback interface is up; `$0` is the
/// server.
fn in_a_network(script: &str) -> Option<Ended> {
    let (Some(unshare), Some(_)) = (tools::find("unshare"), tools::find("ip")) else { return None };
    if !geteuid().is_root() {
        tools::skip("only root can make a network");
        return None;
    }
    let script = format!("ip link set lo up && {script}");
    Some(ended(Command::new(unshare).args(["-n", SHELL, "-c", &script, READYD])))
}

#[test]
fn field_server_13_an_interface_of_a_link_local_address_has_a_name_or_a_number() {
    let script = "ip addr add fe80::1/64 dev lo nodad && \
                  exec \"$0\" --print-addresses --exit-on-idle 10ms --listen 'echo=[fe80::1%lo]:7' \
                  --listen 'time=[fe80::1%1]:8'";
    let Some(Ended { status, stdout, stderr }) = in_a_network(script) else { return };
    assert_eq!(status, Some(0), "{stderr}");
    assert_eq!(stdout, "echo [fe80::1%1]:7\ntime [fe80::1%1]:8\n");
}

const BROADCAST: &str = "readyd: cannot listen on echo=192.0.2.255:7: 192.0.2.255 is a broadcast \
                         address, which no TCP client can connect to (write the address of one \
                         interface, or :7 for all)";

#[test]
fn field_server_13_an_optional_listener_may_name_an_interface_that_is_not_there() {
    for (interface, why) in [
        ("nosuch", "there is no network interface \"nosuch\" (ip link lists them)"),
        ("99999", "there is no network interface with the number 99999; ip link lists them"),
    ] {
        let listen = format!("echo=[fe80::1%{interface}]:19720");
        let optional = format!("{listen},optional");
        for way in WAYS {
            let launch = Launch::of(&["framed"]).args(&["--listen", &optional]).args(way);
            let server = launch.start();
            let warning = server.wait_for_log(&format!("cannot listen on {listen}: "));
            assert!(warning.contains(" WARN ") && warning.contains(why), "{warning}");
            assert!(warning.ends_with("; starting without it, as it is optional"), "{warning}");
            assert_eq!(server.connect("framed").ask("ECHO hello"), "hello");
        }
        assert_eq!(readyd(&["--check-config", "--listen", &optional]).status, Some(0));
        assert_cannot_run(&["--listen", &optional], "there is nothing to listen on");
    }
    // What no interface could make right is an error all the same.
    refused(&["--listen", "echo=[::1%nosuch]:7,optional"], "write [::1]:7");
    refused(&["--listen", "echo=[fe80::1%nosuch]:7"], "there is no network interface \"nosuch\"");
}

#[test]
fn field_server_13_an_interfaces_broadcast_address_is_not_listened_on() {
    // Not of the loopback interface, which has none.
    let script = "ip link add one type veth peer name other && ip link set one up && \
                  ip addr add 192.0.2.10/24 brd + dev one && \
                  exec \"$0\" --exit-on-idle 10ms --listen echo=192.0.2.255:7";
    let Some(Ended { status, stderr, .. }) = in_a_network(script) else { return };
    assert_eq!(status, Some(1), "{stderr}");
    assert_eq!(stderr.lines().last(), Some(BROADCAST), "{stderr}");
    // Without `brd`, no interface has it as its broadcast address.
    let script = "ip link add one type veth peer name other && ip link set one up && \
                  ip addr add 192.0.2.10/24 dev one && ip addr add 192.0.3.1/30 dev one && \
                  \"$0\" --exit-on-idle 10ms --listen echo=192.0.2.255:7; \
                  \"$0\" --exit-on-idle 10ms --listen echo=192.0.3.3:7 --shards 2; \
                  exec \"$0\" --exit-on-idle 10ms --listen echo=192.0.2.255:7,optional \
                  --listen echo=192.0.2.10:7";
    let Some(Ended { status, stderr, .. }) = in_a_network(script) else { return };
    assert_eq!(status, Some(0), "{stderr}");
    let complaints = stderr.lines().filter(|line| line.starts_with("readyd: "));
    let other = BROADCAST.replace("192.0.2.255", "192.0.3.3");
    assert_eq!(complaints.collect::<Vec<_>>(), [BROADCAST, &other]);
    let warning = "client can connect to (write the address of one interface, or :7 for all); \
                   starting without it";
    assert!(stderr.contains(warning), "{stderr}");
    // The second of two addresses is one like any other, RFC 3021.
    let script = "ip addr add 192.0.2.255/31 dev lo && \
                  exec \"$0\" --exit-on-idle 10ms --listen echo=192.0.2.255:7";
    let Some(Ended { status, stderr, .. }) = in_a_network(script) else { return };
    assert_eq!(status, Some(0), "{stderr}");
}

#[test]
fn field_server_13_no_port_is_left() {
    let script = "echo 40000 40000 > /proc/sys/net/ipv4/ip_local_port_range && \
                  exec \"$0\" --listen echo=127.0.0.1:0 --listen time=127.0.0.1:0";
    let Some(Ended { status, stderr, .. }) = in_a_network(script) else { return };
    assert_eq!(status, Some(1), "{stderr}");
    let complaint = "all ports of net.ipv4.ip_local_port_range are taken on this address";
    assert!(stderr.contains(complaint), "{stderr}");
}

#[test]
fn field_server_13_help_tells_the_addresses_and_the_options() {
    let mut command = Command::new(READYD);
    let output = tools::run(command.arg("--help"), Input::Whole(b""));
    let help = String::from_utf8(output.stdout).expect("UTF-8");
    for text in ["localhost:PORT", ":PORT (0.0.0.0 and [::])", "[fe80::1%eth0]:PORT", "optional"] {
        assert!(help.contains(text), "no {text} in {help}");
    }
}
