//! TLS, with certificates of our own, against OpenSSL and Python's ssl.

#[cfg(feature = "client")]
mod audit;

use crate::command_line::{Ended, readyd};
use crate::support::tools::{self, Input};
use crate::support::{Launch, Scratch, Server, eventually, frame};
use nix::sys::signal::Signal;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use std::fs;
use std::io::Read;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Command, Output};

#[cfg(feature = "ops")]
mod upgraded;

/// An authority, and files in PEM of certificates that it has signed.
struct Authority {
    scratch: Scratch,
    params: CertificateParams,
    key: KeyPair,
}

impl Authority {
    fn new() -> Authority {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        // OpenSSL takes a certificate whose issuer has the name of its subject for self-signed.
        params.distinguished_name.push(DnType::CommonName, "an authority for tests");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).expect("a certificate").pem();
        let scratch = Scratch::new();
        scratch.write("ca.pem", &certificate);
        Authority { scratch, params, key }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.scratch.path(name)
    }

    /// Writes `NAME.pem` and `NAME.key` for `localhost`.
    fn sign(&self, name: &str, change: impl FnOnce(&mut CertificateParams)) {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).expect("a name");
        change(&mut params);
        let issuer = Issuer::new(self.params.clone(), &self.key);
        let certificate = params.signed_by(&key, &issuer).expect("a certificate");
        self.scratch.write(&format!("{name}.pem"), &certificate.pem());
        self.scratch.write(&format!("{name}.key"), &key.serialize_pem());
    }

    /// The options of a listener with that certificate.
    fn options(&self, name: &str) -> String {
        let file = |ending| self.path(&format!("{name}.{ending}"));
        format!("tls,cert={},key={}", file("pem").display(), file("key").display())
    }
}

/// A plain listener for frames, and an encrypted one.
fn launch(options: &str) -> Launch {
    Launch::of(&["framed", &format!("framed=127.0.0.1:0,{options}")])
}

fn encrypted(server: &Server) -> SocketAddr {
    server.addresses_of("framed")[1]
}

/// What a Python program does, with `c`, a context that trusts the authority, `connect()` for a
/// connection and `frame(text)`.
fn python(authority: &Authority, address: SocketAddr, program: &str) -> Option<Output> {
    let interpreter = tools::find("python3")?;
    let beginning = "import socket, ssl, sys\n\
        c = ssl.create_default_context(cafile=sys.argv[1])\n\
        def connect(session=None):\n\
        \x20   raw = socket.create_connection((sys.argv[2], int(sys.argv[3])), timeout=20)\n\
        \x20   return c.wrap_socket(raw, server_hostname='localhost', session=session)\n\
        def frame(text):\n\
        \x20   return b'%-64d' % len(text) + text\n\
        def read(s, count):\n\
        \x20   got = b''\n\
        \x20   while len(got) < count:\n\
        \x20       part = s.recv(65536)\n\
        \x20       assert part, got\n\
        \x20       got += part\n\
        \x20   return got\n";
    let mut command = Command::new(interpreter);
    command.arg("-c").arg([beginning, program].concat()).arg(authority.path("ca.pem"));
    command.args([address.ip().to_string(), address.port().to_string()]);
    Some(tools::run(&mut command, Input::Whole(b"")))
}

fn text(output: &Output) -> String {
    let Output { status, stdout, stderr } = output;
    assert!(status.success(), "{}", String::from_utf8_lossy(stderr));
    String::from_utf8_lossy(stdout).into_owned()
}

#[test]
fn openssl_and_python_are_served_by_both_versions() {
    let authority = Authority::new();
    authority.sign("server", |_| ());
    let server = launch(&authority.options("server")).start();
    if let Some(openssl) = tools::find("openssl") {
        for version in ["-tls1_2", "-tls1_3"] {
            let mut command = Command::new(&openssl);
            command.args(["s_client", "-connect", &encrypted(&server).to_string(), version]);
            command.args(["-servername", "localhost", "-verify_return_error", "-quiet"]);
            command.arg("-CAfile").arg(authority.path("ca.pem"));
            // The server closes when it is asked to.
            let requests = [frame("ECHO over TLS"), frame("Disconnect !")].concat();
            let told = tools::run(&mut command, Input::Whole(&requests));
            let received = String::from_utf8_lossy(&told.stdout).into_owned();
            assert!(received.contains("over TLS"), "{version}: {told:?}");
        }
    }
    let program = "for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):\n\
        \x20   c.maximum_version = version\n\
        \x20   s = connect()\n\
        \x20   body = b'x' * 300000\n\
        \x20   s.sendall(frame(b'ECHO ' + body))\n\
        \x20   assert read(s, 300064) == frame(body)\n\
        \x20   print(s.version(), s.unwrap() is not None)\n";
    if let Some(told) = python(&authority, encrypted(&server), program) {
        assert_eq!(text(&told), "TLSv1.2 True\nTLSv1.3 True\n");
    }
    let statistics = server.statistics();
    assert_eq!(statistics.get("closed_tls_truncated"), 0);
    let expires = statistics.get("tls_certificate_expires");
    assert!(expires > tools::now(), "{expires}");
}

#[test]
fn what_is_no_tls_or_stalls_or_breaks_off_ends_alone() {
    let authority = Authority::new();
    authority.sign("server", |_| ());
    let server = launch(&authority.options("server")).args(&["--frame-timeout", "700ms"]).start();
    let mut inside = server.connect("framed");
    let connect = || crate::support::Client::connect(encrypted(&server));
    let mut plain = connect();
    plain.send(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let mut alert = Vec::new();
    let _ = plain.stream.read_to_end(&mut alert);
    assert_eq!(alert.first(), Some(&21), "an alert: {alert:?}");
    server.wait_for_log(": the peer does not speak TLS: ");
    let mut silent = connect();
    assert_eq!(silent.read_to_end(), b"");
    server.wait_for_log("closed: TLS handshake timeout");
    let program = "s = connect()\n\
        s.sendall(frame(b'ECHO a'))\n\
        read(s, 65)\n\
        s.close()\n";
    if let Some(told) = python(&authority, encrypted(&server), program) {
        text(&told);
        server.wait_for_log("closed: stream ended without close_notify");
        assert_eq!(server.statistics().get("closed_tls_truncated"), 1);
    }
    if let Some(openssl) = tools::find("openssl") {
        // R at the beginning of a line asks for a renegotiation, which TLS 1.2 still has.
        let mut command = Command::new(openssl);
        command.args(["s_client", "-connect", &encrypted(&server).to_string(), "-tls1_2"]);
        let told = tools::run(&mut command, Input::Whole(b"R\nR\nR\n"));
        assert!(String::from_utf8_lossy(&told.stderr).contains("RENEGOTIATING"), "{told:?}");
    }
    assert_eq!(inside.ask("ECHO still served"), "still served");
    for name in ["closed_tls_not_tls", "closed_tls_handshake_timeout"] {
        assert_eq!(server.statistics().get(name), 1, "{name}");
    }
}

#[test]
fn clients_must_have_a_certificate_of_the_authority_that_is_named() {
    let authority = Authority::new();
    authority.sign("server", |_| ());
    authority.sign("client", |_| ());
    let ca = authority.path("ca.pem");
    let options = format!("{},client-ca={}", authority.options("server"), ca.display());
    let server = launch(&options).start();
    let client = authority.path("client");
    let program = format!(
        "c.load_cert_chain('{0}.pem', '{0}.key')\n\
         s = connect()\n\
         s.sendall(frame(b'ECHO a'))\n\
         print(read(s, 65)[-1:].decode())\n\
         s.unwrap()\n",
        client.display()
    );
    let Some(told) = python(&authority, encrypted(&server), &program) else { return };
    assert_eq!(text(&told), "a\n");
    let without = "s = connect()\ns.sendall(frame(b'ECHO a'))\nread(s, 65)\n";
    let told = python(&authority, encrypted(&server), without).expect("it was there before");
    assert!(!told.status.success());
    server.wait_for_log("closed: client certificate missing or not accepted");
    assert_eq!(server.statistics().get("closed_tls_client_certificate"), 1);
}

/// The certificate that the server shows, as text that differs for each.
fn shown(authority: &Authority, address: SocketAddr) -> Option<String> {
    let told = python(authority, address, "print(connect().getpeercert(True).hex())\n")?;
    Some(text(&told))
}

#[test]
fn certificate_and_key_are_replaced_together_or_not_at_all() {
    for shards in ["1", "2"] {
        let authority = Authority::new();
        for name in ["server", "second"] {
            authority.sign(name, |_| ());
        }
        let server = launch(&authority.options("server")).args(&["--shards", shards]).start();
        let Some(first) = shown(&authority, encrypted(&server)) else { return };
        let replace = |from: &str, to: &str| {
            // As a tool that renews certificates does.
            let new = authority.path("new");
            fs::copy(authority.path(from), &new).expect("a file of our own");
            fs::rename(new, authority.path(to)).expect("a file of our own");
        };
        replace("second.pem", "server.pem");
        server.signal(Signal::SIGHUP);
        let line = server.wait_for_log("keeping the old certificates: key=");
        assert!(line.contains("the key does not belong to the certificate"), "{line}");
        assert_eq!(shown(&authority, encrypted(&server)).as_ref(), Some(&first));
        replace("second.key", "server.key");
        server.signal(Signal::SIGHUP);
        server.wait_for_log("certificates reloaded");
        eventually("the new certificate", || {
            (shown(&authority, encrypted(&server)).as_ref() != Some(&first)).then_some(())
        });
        assert!(server.log().containing("damaged").is_empty());
    }
}

#[test]
fn sessions_are_resumed_by_whichever_shard_is_met() {
    let authority = Authority::new();
    authority.sign("server", |_| ());
    let server = launch(&authority.options("server")).args(&["--shards", "4"]).start();
    let program = "resumed = 0\n\
        session = None\n\
        for turn in range(201):\n\
        \x20   s = connect(session)\n\
        \x20   s.sendall(frame(b'ECHO a'))\n\
        \x20   read(s, 65)\n\
        \x20   resumed += s.session_reused\n\
        \x20   session = s.session\n\
        \x20   s.unwrap()\n\
        print(resumed)\n";
    let Some(told) = python(&authority, encrypted(&server), program) else { return };
    let resumed: u64 = text(&told).trim().parse().expect("a number");
    assert!(resumed >= 198, "{resumed} of 200");
    server.wait_for_statistic("tls_handshakes", 201);
    assert_eq!(server.statistics().get("tls_resumed"), resumed);
}

#[test]
fn files_that_cannot_be_used_are_named_with_what_to_do() {
    let authority = Authority::new();
    authority.sign("server", |_| ());
    authority.sign("other", |_| ());
    let key = fs::read_to_string(authority.path("server.key")).expect("it was written");
    let certificate = fs::read_to_string(authority.path("server.pem")).expect("it was written");
    let cut = &certificate[..certificate.len() / 2];
    authority.scratch.write("cut.pem", cut);
    authority.scratch.write("garbage.pem", &certificate.replace("MII", "!!!"));
    authority.scratch.write("empty.pem", "");
    let encrypted = key.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY");
    authority.scratch.write("encrypted.key", &encrypted);
    let cases = [
        ("server.pem", "other.key", "the key does not belong to the certificate"),
        ("none.pem", "server.key", "No such file or directory"),
        ("server.pem", "none.key", "No such file or directory"),
        ("empty.pem", "server.key", "no certificate in it"),
        ("cut.pem", "server.key", "the PEM text is cut off"),
        ("garbage.pem", "server.key", "the PEM text is damaged"),
        ("server.key", "server.key", "no certificate in it"),
        ("server.pem", "server.pem", "no private key in it"),
        ("server.pem", "encrypted.key", "the key is encrypted with a passphrase"),
        (".", "server.key", "it is a directory"),
    ];
    let path = |name: &str| authority.path(name).display().to_string();
    for (certificate, key, why) in cases {
        let listen = format!("framed=127.0.0.1:0,tls,cert={},key={}", path(certificate), path(key));
        for check in [&["--check-config"][..], &[], &["--shards", "2"]] {
            let Ended { status, stderr, .. } =
                readyd(&[&["--listen", &listen][..], check].concat());
            assert_eq!(status, Some(1), "{certificate} {key}: {stderr}");
            assert!(stderr.contains(why), "{certificate} {key}: {stderr}");
            let named = if why.contains("key") { path(key) } else { path(certificate) };
            assert!(stderr.contains(&named) || key == "none.key", "{named}: {stderr}");
        }
    }
}

#[test]
fn an_expired_certificate_is_told_at_the_start() {
    let authority = Authority::new();
    authority.sign("server", |params| {
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(2021, 2, 3);
    });
    let server = launch(&authority.options("server")).start();
    server.wait_for_log("WARN  a certificate has expired on 2021-02-03");
    assert_eq!(server.statistics().get("tls_certificate_expires"), 1_612_310_400);
}

/// A clock that was not set at the boot shows the same.
#[test]
fn a_certificate_of_the_future_is_told_at_the_start() {
    let authority = Authority::new();
    authority.sign("server", |params| params.not_before = date_time_ymd(2095, 6, 7));
    for shards in ["1", "2"] {
        let server = launch(&authority.options("server")).args(&["--shards", shards]).start();
        server.wait_for_log("WARN  a certificate is not valid before 2095-06-07");
    }
}

#[cfg(all(feature = "client", feature = "trace"))]
#[test]
fn a_capture_has_plaintext_says_so_and_is_replayed() {
    use crate::support::readyc;
    let authority = Authority::new();
    authority.sign("server", |_| ());
    let capture = authority.path("capture");
    let mut server = launch(&authority.options("server")).path("--capture", &capture).start();
    server.wait_for_log("the capture has what TLS clients say and are told, not encrypted");
    let program = "for size in (1, 70000, 5):\n\
        \x20   s = connect()\n\
        \x20   s.sendall(frame(b'ECHO ' + b's' * size))\n\
        \x20   read(s, 64 + size)\n\
        \x20   s.unwrap() if size < 100 else s.close()\n";
    let Some(told) = python(&authority, encrypted(&server), program) else { return };
    text(&told);
    let mut plain = crate::support::Client::connect(encrypted(&server));
    plain.send(b"GET / HTTP/1.1\r\n\r\n");
    let _ = plain.stream.read_to_end(&mut Vec::new());
    server.signal(Signal::SIGTERM);
    assert!(server.wait_for_exit().success());
    let bytes = fs::read(&capture).expect("the capture");
    assert!(contains(&bytes, b"ECHO sssss"), "plaintext is in it");
    let key = fs::read(authority.path("server.key")).expect("it was written");
    assert!(!contains(&bytes, &key), "the key is not");
    let capture = capture.display().to_string();
    for level in ["exact", "outcome"] {
        let words = ["replay", &capture, "--level", level];
        let replayed = readyc::run(&mut readyc::command(&words), b"");
        assert!(replayed.stdout.starts_with("the same: "), "{level}: {replayed:?}");
    }
}

#[cfg(all(feature = "client", feature = "trace"))]
fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

#[cfg(feature = "client")]
#[test]
fn readyc_and_its_load_are_encrypted() {
    use crate::support::bench::bench_words;
    use crate::support::readyc;
    let authority = Authority::new();
    authority.sign("server", |_| ());
    authority.sign("client", |_| ());
    let file = |name: &str| authority.path(name).display().to_string();
    let options = format!("{},client-ca={}", authority.options("server"), file("ca.pem"));
    let server = launch(&options).args(&["--shards", "2"]).start();
    let address = encrypted(&server);
    let (ca, cert, key) = (file("ca.pem"), file("client.pem"), file("client.key"));
    let trust = ["--tls", "--ca", &ca, "--servername", "localhost"];
    let shown = ["--cert", &cert, "--tls-key", &key];
    let all = [&trust[..], &shown].concat();
    let said = readyc::ask(address, &[&["echo", "over", "TLS"][..], &all].concat());
    assert_eq!(said.stdout, "over TLS\n", "{said:?}");
    // What may stand before the command, too.
    let said = readyc::ask(address, &[&all[..], &["whoami"]].concat());
    assert!(said.stdout.contains("127.0.0.1"), "{said:?}");
    for (words, why) in [
        (&["--tls", "--ca", &ca][..], "certificate not valid for name \"127.0.0.1\""),
        (&["--ca", &ca], "--ca: is about TLS (add --tls)"),
        (&["--tls", "--ca", &key], "--ca: no certificate in it"),
        (&["--tls", "--ca", &ca, "--cert", &cert], "--cert: needs --tls-key"),
        (&["--tls", "--ca", "/none"], "--ca /none: No such file or directory"),
    ] {
        let said = readyc::ask(address, &[&["echo", "a"][..], words].concat());
        assert!(said.stderr.contains(why), "{words:?}: {said:?}");
    }
    let load = ["-c", "20", "-d", "1s", "--warmup", "200ms", "--lifetime", "4"];
    let run = bench_words(&[address], &[&load[..], &all].concat());
    let (made, resumed) = (run.count("achieved.tls.handshakes"), run.count("achieved.tls.resumed"));
    assert!(run.number("achieved.tls.handshakes_per_s") > 1.0);
    // Each of the first 20 is new. Later ones have a ticket, whichever shard they meet.
    assert!(made > 100 && resumed as f64 >= 0.99 * (made - 20) as f64, "{resumed} of {made}");
    assert_eq!(run.count("achieved.mismatched"), 0);
    server.wait_for_standstill();
    // Those that were in a handshake when the run ended. All others said close_notify.
    assert!(server.statistics().get("closed_tls_truncated") <= 20);
}
