//! Real servers of other people serve the client, and other people's clients not met elsewhere are
//! served by the server.

use crate::support::lines::Lines;
use crate::support::readyc::{self, Ended, ask, assert_dated};
use crate::support::terminal::Terminal;
use crate::support::tools::{self, Process};
use crate::support::{Scratch, Server, eventually, loopback_of_ones_own};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::process::{Command, Stdio};

/// The ports of a server on a loopback address that no other process uses; each test has its own.
const XINETD_ECHO: u16 = 8007;
const XINETD_DAYTIME: u16 = 8013;
const SOCAT: u16 = 8107;
const NCAT: u16 = 8207;

/// Starts a server and waits until it listens on `port`.
fn start(command: &mut Command, port: u16) -> (Process, SocketAddr) {
    let address = SocketAddr::from((loopback_of_ones_own(), port));
    let mut process = Process::start(command.stdin(Stdio::null()).stdout(Stdio::null()));
    eventually("a server of other people", || {
        assert!(!process.has_ended(), "{command:?} has ended");
        TcpStream::connect(address).ok()
    });
    (process, address)
}

/// Checks that an echo server of other people gives back what the client sends, to one and to many.
fn assert_echoes(server: SocketAddr) {
    let echo = |arguments: &[&str]| ask(server, &[&["echo", "--plain"], arguments].concat());
    assert_eq!(echo(&["Grüße an", "alle"]), Ended::well("Grüße an alle\n"));
    // More than one segment, and more than any of these servers reads at once.
    let long = "0123456789".repeat(10_000);
    assert_eq!(echo(&[&long]), Ended::well(format!("{long}\n")));
    let ended = echo(&["hello", "--sessions", "20", "--repeat", "5"]);
    let summary = "sessions:  20 asked, 20 established, 0 failed\n\
                   requests:  100 asked, 100 sent, 100 answered, 100 verified\n";
    assert!(ended.stdout.starts_with(summary) && ended.status == Some(0), "{ended:?}");
}

/// What xinetd needs to know of one of its own services. Unless it is told so, it takes more than a
/// few connections a second for an attack.
fn xinetd_service(name: &str, host: Ipv4Addr, port: u16) -> String {
    format!(
        "service {name}\n{{\n type = INTERNAL UNLISTED\n id = {name}-stream\n socket_type = \
         stream\n protocol = tcp\n wait = no\n bind = {host}\n port = {port}\n cps = 10000 1\n \
         instances = UNLIMITED\n}}\n"
    )
}

#[test]
fn xinetd() {
    let Some(program) = tools::find("xinetd") else { return };
    let scratch = Scratch::new();
    let host = loopback_of_ones_own();
    let services = ["echo", "daytime"].into_iter().zip([XINETD_ECHO, XINETD_DAYTIME]);
    let services: String = services.map(|(name, port)| xinetd_service(name, host, port)).collect();
    let config = scratch.write("xinetd.conf", &services);
    let mut command = Command::new(program);
    command.args(["-dontfork", "-f"]).arg(&config).arg("-pidfile").arg(scratch.path("pid"));
    command.args(["-filelog", "/dev/null"]);
    let (_xinetd, echo) = start(command.env("TZ", "UTC0"), XINETD_ECHO);
    assert_echoes(echo);

    let earliest = tools::now();
    let ended = ask(SocketAddr::from((host, XINETD_DAYTIME)), &["daytime", "--plain"]);
    assert_dated(&ended, earliest, "%d %^b %Y %H:%M:%S UTC", |date| format!("{date}\r\n"));
}

#[test]
fn socat() {
    let (Some(program), Some(_)) = (tools::find("socat"), tools::find("cat")) else { return };
    let listen = format!("TCP-LISTEN:{SOCAT},bind={},fork,reuseaddr", loopback_of_ones_own());
    let (_socat, address) = start(Command::new(program).args([&listen, "EXEC:cat"]), SOCAT);
    assert_echoes(address);
}

#[test]
fn ncat() {
    let (Some(program), Some(cat)) = (tools::find("ncat"), tools::find("cat")) else { return };
    let mut command = Command::new(program);
    command.args(["--listen", "--keep-open", "--exec"]).arg(cat);
    command.args([loopback_of_ones_own().to_string(), NCAT.to_string()]);
    let (_ncat, address) = start(&mut command, NCAT);
    assert_echoes(address);
}

/// An echo server and a daytime server as Python's manual would have one write them.
const SOCKETSERVER: &str = "
import socketserver, sys, time, threading

class Echo(socketserver.StreamRequestHandler):
    def handle(self):
        while data := self.rfile.read1():
            self.wfile.write(data)

class Daytime(socketserver.StreamRequestHandler):
    def handle(self):
        self.wfile.write(time.ctime().encode() + b'\\r\\n')

socketserver.ThreadingTCPServer.daemon_threads = True
servers = [socketserver.ThreadingTCPServer((sys.argv[1], 0), each) for each in (Echo, Daytime)]
for server in servers:
    threading.Thread(target=server.serve_forever).start()
    print(server.server_address[1], flush=True)
";

#[test]
fn python_socketserver() {
    let Some(python) = tools::find("python3") else { return };
    let mut command = Command::new(python);
    command.args(["-c", SOCKETSERVER, "127.0.0.1"]).env("TZ", "UTC0");
    let mut process = Process::start(command.stdin(Stdio::null()).stdout(Stdio::piped()));
    let lines = Lines::of(process.child.stdout.take().expect("a pipe"));
    let ports = lines.wait("two ports", |lines| (lines.len() == 2).then(|| lines.to_vec()));
    let address =
        |n: usize| SocketAddr::from(([127, 0, 0, 1], ports[n].parse::<u16>().expect("a port")));
    assert_echoes(address(0));
    let earliest = tools::now();
    let ended = ask(address(1), &["daytime", "--plain"]);
    assert_dated(&ended, earliest, "%a %b %e %H:%M:%S %Y", |date| format!("{date}\r\n"));
}

#[test]
fn rdate_reads_the_time() {
    let Some(rdate) = tools::find("rdate") else { return };
    let server = Server::start(&["time"]);
    let port = server.address("time").port().to_string();
    let earliest = tools::now();
    let mut command = Command::new(rdate);
    command.args(["-4", "-p", "-o", &port, "127.0.0.1"]).env("TZ", "UTC0").env("LC_ALL", "C");
    let ended = readyc::run(&mut command, b"");
    assert_dated(&ended, earliest, "%a %b %e %H:%M:%S UTC %Y", |date| format!("{date}\n"));
}

#[test]
fn telnet_looks_up_what_is_typed() {
    let Some(telnet) = tools::find("telnet") else { return };
    let server = Server::start(&["lookup"]);
    let mut command = Command::new(telnet);
    command.args(["127.0.0.1", &server.address("lookup").port().to_string()]);
    let mut terminal = Terminal::start(command);
    terminal.wait_for("Escape character is '^]'.");
    for (key, value) in [("165.165.80.80", "6A:08:AA:C2"), ("10.0.0.1", "Not Found")] {
        terminal.press(&format!("{key}\r"));
        terminal.wait_for(&format!("{value}\r\n"));
    }
    terminal.press("\x1d");
    terminal.wait_for("telnet> ");
    terminal.press("quit\r");
    terminal.wait_for("Connection closed.");
    terminal.wait_for_exit();
    server.wait_for_log("closed: peer closed");
}
