//! Clients behind a proxy: headers of the PROXY protocol, written here and by a real HAProxy.

use crate::support::tools::{self, Input, Process};
use crate::support::{Client, Launch, Scratch, Server, eventually, frame};
use crate::support::{loopback_of_ones_own, readyc};
use nix::sys::signal::Signal;
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Instant;

/// Ports of HAProxy, on a loopback address that no other process uses.
const TO_ALL: u16 = 8311;
const TO_LINES: u16 = 8312;
const TO_STRICT: u16 = 8313;
const OVER_TLS: u16 = 8314;
const OVER_UNIX: u16 = 8315;
const TO_TWO: u16 = 8316;
const ADMIN: u16 = 8317;

const FROM: &str = "framed=127.0.0.1:0,proxy=any,from=127.0.0.1/32,from=::1/128";

/// 203.0.113.7:50000, in a header of version 2.
const HEADER: &[u8] =
    b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xcb\0\x71\x07\xc0\0\x02\x01\xc3\x50\x01\xbb";

const WHOAMI: &str = "Hello! You are connected to";

/// A connection whose first bytes are `header`.
fn behind(server: &Server, header: &[u8]) -> Client {
    let mut client = server.connect("framed");
    client.send(header);
    client
}

#[test]
fn a_header_tells_who_the_client_is() {
    let deny = ["--deny", "203.0.113.8,127.0.0.0/8"];
    let server = Launch::of(&[FROM]).args(&deny).start();
    let mut client = behind(&server, HEADER);
    assert_eq!(client.ask("WHOAMI"), format!("{WHOAMI} ('203.0.113.7', 50000)"));
    let line = server.wait_for_log("203.0.113.7:50000 connected (by way of 127.0.0.1:");
    assert!(line.ends_with(", 1 active)"), "{line}");
    let mut unknown = behind(&server, b"PROXY UNKNOWN\r\n");
    assert_eq!(unknown.ask("WHOAMI"), format!("{WHOAMI} ('proxy', 0)"));
    server.wait_for_log("proxied connected (by way of 127.0.0.1:");
    let mut check = behind(&server, b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0");
    let address = check.address();
    assert_eq!(check.ask("WHOAMI"), format!("{WHOAMI} ('127.0.0.1', {})", address.port()));
    server.wait_for_log(&format!("{address} connected (PROXY header: LOCAL, 3 active)"));
    let mut denied = behind(&server, b"PROXY TCP4 203.0.113.8 192.0.2.1 1 2\r\n");
    assert!(denied.stream.read_to_end(&mut Vec::new()).is_err(), "it is reset");
    server.wait_for_log("203.0.113.8:1 rejected: this address is not allowed");
    server.wait_for_log("203.0.113.8:1 closed: refused, by the address in the PROXY header");
    let mut bad = behind(&server, b"GET / HTTP/1.1\r\n\r\n");
    assert!(bad.stream.read_to_end(&mut Vec::new()).is_err(), "it is reset");
    server.wait_for_log(": bad PROXY header: it begins with neither");
    let stranger = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));
    let _reset = Client::connect_from(stranger, server.address("framed"));
    server.wait_for_log("rejected: this listener is for proxies, and this is not one (from=)");
    let statistics = server.statistics();
    for (name, count) in [
        ("connections_accepted", 5),
        ("connections_open", 3),
        ("proxy_headers", 3),
        ("proxy_local", 1),
        ("refused_not_proxy", 1),
        ("refused_denied", 1),
        ("closed_proxy_refused", 1),
        ("closed_bad_proxy_header", 1),
    ] {
        assert_eq!(statistics.get(name), count, "{name}");
    }
}

#[test]
fn a_header_that_does_not_come_in_time_ends_the_connection() {
    let server = Launch::of(&[FROM]).args(&["--frame-timeout", "300ms"]).start();
    let mut client = behind(&server, &HEADER[..20]);
    assert_eq!(client.read_to_end(), b"");
    server.wait_for_log("closed: PROXY header timeout");
    assert_eq!(server.statistics().get("closed_proxy_header_timeout"), 1);
}

#[test]
fn shards_take_headers_and_keep_listeners_apart() {
    let listeners = [FROM, "framed=[::1]:0", "greeting=127.0.0.1:0,proxy=v2,from=127.0.0.0/8"];
    let server = Launch::of(&listeners).args(&["--shards", "2"]).start();
    for _ in 0..16 {
        let mut client = behind(&server, HEADER);
        assert_eq!(client.ask("WHOAMI"), format!("{WHOAMI} ('203.0.113.7', 50000)"));
        let mut greeted = server.connect("greeting");
        greeted.send(HEADER);
        let greeting = format!("{WHOAMI} ('203.0.113.7', 50000)");
        assert_eq!(greeted.read_to_end(), greeting.as_bytes());
    }
    let mut direct = Client::connect(server.addresses_of("framed")[1]);
    assert!(direct.ask("WHOAMI").starts_with(&format!("{WHOAMI} ('::1', ")));
    server.wait_for_statistic("proxy_headers", 32);
}

#[test]
fn what_proxies_send_is_replayed_and_traced() {
    let scratch = Scratch::new();
    let (capture, trace) = (scratch.path("capture"), scratch.path("trace"));
    let mut server = Launch::of(&[FROM, "daytime=127.0.0.1:0"])
        .path("--capture", &capture)
        .path("--trace", &trace)
        .start();
    for header in [HEADER, b"PROXY UNKNOWN\r\n", b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0"] {
        let mut client = server.connect("framed");
        let (begin, end) = header.split_at(5);
        client.send(begin);
        client.send(end);
        assert_eq!(client.ask("ECHO hello"), "hello");
    }
    let mut bad = behind(&server, b"GET / HTTP/1.1\r\n\r\n");
    assert!(bad.stream.read_to_end(&mut Vec::new()).is_err(), "it is reset");
    let silent = server.connect("framed");
    server.wait_for_statistic("connections_accepted", 5);
    server.signal(Signal::SIGTERM);
    assert!(server.wait_for_exit().success());
    drop(silent);
    let run = |words: &[&str]| readyc::run(&mut readyc::command(words), b"");
    let (capture, trace) = (capture.display().to_string(), trace.display().to_string());
    for level in ["exact", "outcome"] {
        let replayed = run(&["replay", &capture, "--level", level]);
        assert!(replayed.stdout.starts_with("the same: "), "{level}: {replayed:?}");
    }
    let told = run(&["trace", &trace]).stdout;
    for peer in ["203.0.113.7:50000", "a client without an address", "127.0.0.1:"] {
        assert!(told.contains(&format!("PROXY header: the peer is {peer}")), "{peer}");
    }
    assert!(told.contains("closed: bad_proxy_header, with RST"));
}

/// HAProxy with these sections behind its defaults, once it listens on all ports.
fn haproxy(scratch: &Scratch, sections: &str, ports: &[u16]) -> Option<Process> {
    let program = tools::find("haproxy")?;
    let defaults = "defaults\n mode tcp\n timeout connect 10s\n timeout client 60s\n \
                    timeout server 60s\n timeout check 10s\n retries 3\n option redispatch 1\n \
                    unique-id-format %ci:%cp_%fi:%fp_%Ts_%rt\n";
    let config = scratch.write("haproxy.cfg", &[defaults, sections].concat());
    let mut command = Command::new(program);
    command.args(["-db", "-f"]).arg(config).stdin(Stdio::null());
    let mut process = Process::start(command.stdout(Stdio::null()).stderr(Stdio::null()));
    for port in ports {
        process.wait_to_listen((loopback_of_ones_own(), *port).into());
    }
    Some(process)
}

/// An order to HAProxy, and its answer.
fn order(order: &str) -> String {
    let mut client = Client::connect((loopback_of_ones_own(), ADMIN).into());
    client.send(format!("{order}\n").as_bytes());
    String::from_utf8(client.read_to_end()).expect("text")
}

/// A client of HAProxy, from an address that is not the proxy's.
fn through(port: u16) -> Client {
    let source = Ipv4Addr::new(127, 0, 0, 9).into();
    let proxy = SocketAddr::from((loopback_of_ones_own(), port));
    Client::connect_from(source, proxy).expect("HAProxy accepts")
}

fn assert_known(mut client: Client) {
    let expected = format!("{WHOAMI} ('127.0.0.9', {})", client.address().port());
    assert_eq!(client.ask("WHOAMI"), expected);
}

/// A certificate with its key, for server and client alike.
fn certificate(scratch: &Scratch) -> Option<()> {
    let mut command = Command::new(tools::find("openssl")?);
    command.args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=client.example"]);
    command.arg("-keyout").arg(scratch.path("key")).arg("-out").arg(scratch.path("crt"));
    let output = tools::run(&mut command, Input::Whole(b""));
    assert!(output.status.success(), "{output:?}");
    let read = |name| std::fs::read_to_string(scratch.path(name)).expect("a file");
    scratch.write("pem", &(read("crt") + &read("key")));
    Some(())
}

#[test]
fn haproxy_tells_who_its_clients_are() {
    let scratch = Scratch::new();
    let Some(()) = certificate(&scratch) else { return };
    let unix = scratch.path("socket");
    let strict = "lookup=127.0.0.1:0,proxy=v2,from=127.0.0.1/32";
    let over_unix = format!("framed=unix:{},proxy=v2", unix.display());
    let server = Launch::of(&[FROM, strict, &over_unix]).start();
    let (host, pem) = (loopback_of_ones_own(), scratch.path("pem"));
    let (framed, lookup) = (server.address("framed"), server.address("lookup"));
    let sections = [
        format!("listen all\n bind {host}:{TO_ALL}\n server one {framed} send-proxy-v2\n"),
        format!("listen lines\n bind {host}:{TO_LINES}\n server one {framed} send-proxy\n"),
        format!("listen strict\n bind {host}:{TO_STRICT}\n server one {lookup} send-proxy\n"),
        format!(
            "listen tls\n bind {host}:{OVER_TLS} ssl crt {pem} ca-file {crt} verify required\n \
             server one {framed} send-proxy-v2-ssl-cn proxy-v2-options \
             ssl,cert-cn,ssl-cipher,cert-sig,cert-key,authority,unique-id,crc32c\n",
            pem = pem.display(),
            crt = scratch.path("crt").display(),
        ),
        format!(
            "listen unix\n bind {host}:{OVER_UNIX}\n server one unix@{} send-proxy-v2\n",
            unix.display()
        ),
    ];
    let ports = [TO_ALL, TO_LINES, TO_STRICT, OVER_TLS, OVER_UNIX];
    let Some(proxy) = haproxy(&scratch, &sections.concat(), &ports) else { return };
    for port in [TO_ALL, TO_LINES, OVER_UNIX] {
        assert_known(through(port));
    }
    let before = server.statistics().get("closed_bad_proxy_header");
    through(TO_STRICT).read_to_end();
    server.wait_for_statistic("closed_bad_proxy_header", before + 1);
    assert_known_over_tls(&server, &scratch, SocketAddr::from((host, OVER_TLS)));
    assert_eq!(server.statistics().get("closed_bad_proxy_header"), before + 1);
    drop(proxy);
}

/// A TLS client with a certificate: HAProxy tells of it in TLVs, some hundred bytes.
fn assert_known_over_tls(server: &Server, scratch: &Scratch, proxy: SocketAddr) {
    let headers = server.statistics().get("proxy_headers");
    let mut command = Command::new(tools::find("openssl").expect("it was there"));
    command.args(["s_client", "-quiet", "-no_ign_eof", "-servername", "server.example"]);
    command.args(["-connect", &proxy.to_string(), "-cert"]).arg(scratch.path("crt"));
    command.arg("-key").arg(scratch.path("key"));
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut client = Process::start(&mut command);
    let mut stdin = client.child.stdin.take().expect("a pipe");
    stdin.write_all(&frame("WHOAMI")).expect("a request");
    let mut stdout = client.child.stdout.take().expect("a pipe");
    let mut header = [0; 64];
    stdout.read_exact(&mut header).expect("the header of a reply");
    let len: usize = String::from_utf8_lossy(&header).trim().parse().expect("a length");
    let mut reply = vec![0; len];
    stdout.read_exact(&mut reply).expect("a reply");
    let reply = String::from_utf8_lossy(&reply).into_owned();
    assert!(reply.starts_with(&format!("{WHOAMI} ('127.0.0.1', ")), "{reply}");
    assert_eq!(server.statistics().get("proxy_headers"), headers + 1);
}

/// What became of the requests of a load.
#[derive(Default)]
struct Load {
    answered: AtomicU64,
    ends: AtomicBool,
    /// The numbers of the processes whose clients lost a request.
    lost: Mutex<Vec<(Option<u32>, Instant, io::Error)>>,
}

impl Load {
    /// Connects again and again, each time for some requests.
    fn run(&self) {
        while !self.ends.load(Ordering::Relaxed) {
            let (began, mut process) = (Instant::now(), None);
            if let Err(error) = self.conversation(&mut process) {
                self.lost.lock().expect("no panic").push((process, began, error));
            }
        }
    }

    fn conversation(&self, process: &mut Option<u32>) -> io::Result<()> {
        let mut client = through(TO_TWO);
        let whoami = ask(&mut client, "WHOAMI")?;
        assert_eq!(whoami, format!("{WHOAMI} ('127.0.0.9', {})", client.address().port()));
        let stats = ask(&mut client, "STATS")?;
        let pid = stats.lines().find_map(|line| line.strip_prefix("pid ")).expect("its number");
        *process = pid.parse().ok();
        for number in 0..8 {
            let text = format!("number {number}");
            assert_eq!(ask(&mut client, &format!("ECHO {text}"))?, text);
        }
        self.answered.fetch_add(10, Ordering::Relaxed);
        Ok(())
    }

    /// Waits until this number of requests more were answered.
    fn goes_on(&self, requests: u64) {
        let before = self.answered.load(Ordering::Relaxed);
        eventually("answers", || {
            (self.answered.load(Ordering::Relaxed) >= before + requests).then_some(())
        });
    }
}

fn ask(client: &mut Client, body: &str) -> io::Result<String> {
    client.stream.write_all(&frame(body))?;
    let mut header = [0; 64];
    client.stream.read_exact(&mut header)?;
    let len = String::from_utf8_lossy(&header).trim().parse().map_err(io::Error::other)?;
    let mut reply = vec![0; len];
    client.stream.read_exact(&mut reply)?;
    Ok(String::from_utf8_lossy(&reply).into_owned())
}

/// Servers of HAProxy that are up.
fn count_up() -> usize {
    let states = order("show stat");
    states.lines().filter(|line| line.starts_with("two,s") && line.contains(",UP,")).count()
}

fn launch_checked(scratch: &Scratch) -> Option<(Server, Server, Process)> {
    let launch = || Launch::of(&[FROM]).start();
    let (first, second) = (launch(), launch());
    let question = frame("ECHO up").iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let host = loopback_of_ones_own();
    let section = format!(
        "global\n stats socket ipv4@{host}:{ADMIN} level admin\nlisten two\n bind \
         {host}:{TO_TWO}\n option tcp-check\n tcp-check connect send-proxy\n \
         tcp-check send-binary {question}\n tcp-check expect string up\n \
         default-server send-proxy-v2 check-send-proxy check inter 100ms fall 1 rise 1 \
         proxy-v2-options unique-id,crc32c\n server s1 {}\n server s2 {}\n",
        first.address("framed"),
        second.address("framed")
    );
    let proxy = haproxy(scratch, &section, &[TO_TWO, ADMIN])?;
    eventually("both servers up", || (count_up() == 2).then_some(()));
    Some((first, second, proxy))
}

#[test]
fn behind_haproxy_one_is_killed_and_one_drained_and_only_the_killed_one_loses_requests() {
    let scratch = Scratch::new();
    let Some((mut first, mut second, proxy)) = launch_checked(&scratch) else {
        return;
    };
    let (load, killed) = (Load::default(), first.pid().as_raw().cast_unsigned());
    let (mut killed_at, mut third) = (Instant::now(), None);
    thread::scope(|scope| {
        (0..8).for_each(|_| _ = scope.spawn(|| load.run()));
        load.goes_on(500);
        first.signal(Signal::SIGKILL);
        first.wait_for_exit();
        killed_at = Instant::now();
        eventually("one server up", || (count_up() == 1).then_some(()));
        load.goes_on(500);
        // Another in its place, so that the second can be taken out.
        let address = first.address("framed");
        let listen = format!("framed={address},proxy=any,from=127.0.0.1/32");
        third = Some(Launch::of(&[&listen]).start());
        eventually("both servers up", || (count_up() == 2).then_some(()));
        load.goes_on(500);
        order("set server two/s2 state drain");
        eventually("no client of the second", || {
            let states = order("show stat");
            let line = states.lines().find(|line| line.starts_with("two,s2,")).expect("s2");
            (line.split(',').nth(4) == Some("0")).then_some(())
        });
        let served = second.statistics();
        assert!(served.get("proxy_headers") > 0 && served.get("proxy_local") > 0, "{served:?}");
        assert_eq!(served.get("closed_bad_proxy_header"), 0);
        second.signal(Signal::SIGTERM);
        assert!(second.wait_for_exit().success());
        load.goes_on(500);
        load.ends.store(true, Ordering::Relaxed);
    });
    for (process, began, error) in load.lost.into_inner().expect("no panic") {
        let is_the_killed_ones = match process {
            Some(process) => process == killed,
            // It had not said its number yet, so it may have been the killed one.
            None => began < killed_at,
        };
        assert!(is_the_killed_ones, "{process:?}: {error}");
    }
    drop(proxy);
    // Health checks came to it from its start, so its descriptors were not counted without them.
    let mut third = third.expect("it was started");
    third.signal(Signal::SIGTERM);
    assert!(third.wait_for_exit().success());
}
