//! Programs of other people that stand between, or look for holes.

use crate::support::bench::bench;
use crate::support::tools::{self, Process};
use crate::support::{Client, Scratch, Server, eventually, frame, loopback_of_ones_own};
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

const SERVICES: [&str; 9] =
    ["framed", "lookup", "daytime", "time", "echo", "discard", "chargen", "greeting", "exchange"];

/// haproxy's port, on a loopback address that no other process uses.
const PROXY: u16 = 8307;

/// nmap waits some seconds for each of its questions that a silent service leaves unanswered.
const SCAN: Duration = Duration::from_secs(240);

/// haproxy in TCP mode before a server. Ten times a second it checks that an echo works. (Its
/// checks of connecting alone are reset before the third packet of the handshake: no server ever
/// sees them.)
fn proxied(server: &Server, scratch: &Scratch) -> Option<(Process, SocketAddr)> {
    let program = tools::find("haproxy")?;
    let address = SocketAddr::from((loopback_of_ones_own(), PROXY));
    let question = frame("ECHO up").iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let config = format!(
        "defaults\n mode tcp\n timeout connect 10s\n timeout client 60s\n timeout server 60s\n\
         listen readyd\n bind {address}\n option tcp-check\n tcp-check connect\n \
         tcp-check send-binary {question}\n tcp-check expect string up\n \
         server one {} check inter 100ms\n",
        server.address("framed")
    );
    let config = scratch.write("haproxy.cfg", &config);
    let mut command = Command::new(program);
    command.args(["-db", "-f"]).arg(config).stdin(Stdio::null());
    let mut process = Process::start(command.stdout(Stdio::null()).stderr(Stdio::null()));
    eventually("haproxy to listen", || {
        assert!(!process.has_ended(), "haproxy has ended");
        TcpStream::connect(address).ok()
    });
    Some((process, address))
}

#[test]
fn haproxy_before_the_server_is_not_noticed() {
    let scratch = Scratch::new();
    let server = Server::start(&["framed"]);
    let Some((proxy, address)) = proxied(&server, &scratch) else { return };
    // Half-close passes through, both ways.
    let mut client = Client::connect(address);
    client.send(&frame("ECHO through a proxy").repeat(200));
    client.finish_sending();
    assert_eq!(client.read_to_end(), frame("through a proxy").repeat(200));
    drop(client);
    // Many clients, old and new, each reply verified.
    let run = bench(&[address], "-c 50 -P 4 -n 5000 -s 0-3000 --lifetime 20");
    run.assert_met();
    assert_eq!(run.count("achieved.verified"), 5000, "{:#}", run.short());
    // Health checks come and go, and are no errors.
    let accepted = server.statistics().get("connections_accepted");
    eventually("some health checks", || {
        (server.statistics().get("connections_accepted") >= accepted + 5).then_some(())
    });
    let stats = server.statistics();
    assert!(stats.get("frames") > 5200, "{stats:?}");
    for counter in ["refusals", "closed_system_error", "accept_errors", "accept_pauses"] {
        assert_eq!(stats.get(counter), 0, "{counter}");
    }
    drop(proxy);
}

#[test]
fn nmap_asks_every_service_what_it_is() {
    let Some(program) = tools::find("nmap") else { return };
    let server = Server::start(&SERVICES);
    let ports = SERVICES.map(|service| server.address(service).port().to_string());
    let mut command = Command::new(program);
    command.args(["-sV", "-Pn", "-n", "--version-intensity", "3", "-p", &ports.join(",")]);
    command.arg("127.0.0.1").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut scan = Process::start(&mut command);
    let found = crate::support::lines::Lines::of(scan.child.stdout.take().expect("a pipe"));
    let deadline = Instant::now() + SCAN;
    while !scan.has_ended() {
        assert!(Instant::now() < deadline, "nmap is still asking: {:?}", found.all());
        assert_eq!(server.connect("framed").ask("ECHO still here"), "still here");
        thread::sleep(Duration::from_millis(100));
    }
    let found = found.wait_for_end().join("\n");
    // It knows these from their answers alone, for the ports are not the usual ones.
    for (service, known) in [("daytime", "daytime"), ("time", "time"), ("echo", "echo")] {
        let port = server.address(service).port();
        let line = found.lines().find(|line| line.starts_with(&format!("{port}/tcp")));
        let line = line.unwrap_or_else(|| panic!("nothing of port {port} in\n{found}"));
        assert!(line.contains(&format!(" open  {known}")), "{line}\n{found}");
    }
    eventually("nmap gone", || (server.statistics().get("connections_open") == 0).then_some(()));
    for line in server.log().all() {
        let is_printable = line.bytes().all(|byte| (b' '..=b'~').contains(&byte));
        assert!(is_printable && line.starts_with("20"), "{line:?}");
    }
}
