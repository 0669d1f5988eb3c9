//! TLS sessions and SIGUSR2: the keys of tickets go over to the new process.

use super::*;
use crate::support::server::READYD;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::Path;

const VERSIONS: [&str; 2] = ["-tls1_2", "-tls1_3"];

/// A client that comes again and again, with the session that it had before.
struct Regular<'a> {
    authority: &'a Authority,
    openssl: &'a Path,
    version: &'static str,
    session: PathBuf,
}

impl<'a> Regular<'a> {
    fn new(authority: &'a Authority, openssl: &'a Path, version: &'static str) -> Regular<'a> {
        let session = authority.path(&format!("session{version}"));
        Regular { authority, openssl, version, session }
    }

    /// Has a request answered. Returns whether the session was resumed.
    fn comes(&self, address: SocketAddr) -> bool {
        let mut command = Command::new(self.openssl);
        command.args(["s_client", "-connect", &address.to_string(), self.version, "-ign_eof"]);
        command.args(["-servername", "localhost", "-verify_return_error"]);
        command.arg("-CAfile").arg(self.authority.path("ca.pem"));
        command.arg("-sess_out").arg(&self.session);
        if self.session.exists() {
            command.arg("-sess_in").arg(&self.session);
        }
        let requests = [frame("ECHO over TLS"), frame("Disconnect !")].concat();
        let told = tools::run(&mut command, Input::Whole(&requests));
        let received = String::from_utf8_lossy(&told.stdout).into_owned();
        assert!(received.contains("over TLS"), "{told:?}");
        received.contains("\nReused, TLSv1.")
    }
}

/// A server whose number of shards a test changes by its configuration.
struct Rig {
    authority: Authority,
    config: PathBuf,
}

impl Rig {
    fn new() -> Rig {
        let authority = Authority::new();
        authority.sign("server", |_| ());
        let config = authority.path("readyd.conf");
        Rig { authority, config }
    }

    fn configure(&self, shards: usize) {
        fs::write(&self.config, format!("shards {shards}\n")).expect("a file of our own");
    }

    fn launch(&self) -> Launch {
        launch(&self.authority.options("server")).path("--config", &self.config)
    }
}

#[test]
fn sessions_are_resumed_after_an_upgrade_whatever_the_number_of_shards() {
    let Some(openssl) = tools::find("openssl") else { return };
    for numbers in [&[1, 1, 1][..], &[3, 3], &[1, 3, 1], &[2, 1, 4]] {
        let rig = Rig::new();
        let regulars = VERSIONS.map(|version| Regular::new(&rig.authority, &openssl, version));
        let (first, later) = numbers.split_first().expect("a number");
        rig.configure(*first);
        let mut server = rig.launch().start();
        let address = encrypted(&server);
        for regular in &regulars {
            assert!(!regular.comes(address), "{} comes for the first time", regular.version);
        }
        for shards in later {
            rig.configure(*shards);
            server.upgrade();
            for regular in &regulars {
                assert!(regular.comes(address), "{numbers:?} {}", regular.version);
            }
        }
        assert_eq!(server.statistics().get("closed_tls_alert"), 0);
    }
}

/// Files are read again before the upgrade, and after it.
#[test]
fn a_reload_keeps_the_keys_of_tickets_and_an_upgrade_after_it_too() {
    let Some(openssl) = tools::find("openssl") else { return };
    for shards in [1, 2] {
        let rig = Rig::new();
        let regular = Regular::new(&rig.authority, &openssl, "-tls1_3");
        rig.configure(shards);
        let mut server = rig.launch().start();
        let address = encrypted(&server);
        assert!(!regular.comes(address));
        for upgrades in 1..=2 {
            server.signal(Signal::SIGHUP);
            eventually("a reload", || {
                (server.log().containing("certificates reloaded").len() == upgrades).then_some(())
            });
            assert!(regular.comes(address), "{shards} shards, reload {upgrades}");
            server.upgrade();
            assert!(regular.comes(address), "{shards} shards, upgrade {upgrades}");
        }
    }
}

/// A program that looks for the secret where it must not be, drops it, and becomes readyd: as a
/// version that has another way to hand it over, or none.
const WITHOUT_SEED: &str = "#!/usr/bin/env python3\n\
import array, base64, os, socket, sys\n\
control = socket.socket(fileno=os.dup(int(os.environ['READYD_UPGRADE'].split()[0])))\n\
note, parts, *_ = control.recvmsg(100, 100)\n\
memory = array.array('i', parts[0][2])[0]\n\
secret = os.pread(memory, 1000, 0)[8:]\n\
about = ''.join(open('/proc/self/' + name, errors='surrogateescape').read()\n\
\x20               for name in ('environ', 'cmdline'))\n\
shown = [secret.hex(), secret[:30].hex(), base64.b64encode(secret[:30]).decode()]\n\
found = any(text.lower() in about.lower() for text in shown)\n\
open(os.path.join(os.path.dirname(sys.argv[0]), 'found'), 'w').write(f'{len(secret)} {found}')\n\
os.close(memory)\n\
os.execv(os.environ['REAL_READYD'], [os.environ['REAL_READYD'], *sys.argv[1:]])\n";

#[test]
fn a_new_process_that_gets_no_keys_begins_with_new_ones() {
    let (Some(openssl), Some(_)) = (tools::find("openssl"), tools::find("python3")) else { return };
    for shards in [1, 2] {
        let rig = Rig::new();
        let program = rig.authority.path("program");
        // By another process, so that no descriptor to write to it is open when it is executed.
        let copied = Command::new("cp").arg(READYD).arg(&program).status();
        assert!(copied.expect("cp").success());
        let regular = Regular::new(&rig.authority, &openssl, "-tls1_3");
        rig.configure(shards);
        let mut server = rig.launch().program(&program).env("REAL_READYD", READYD).start();
        let address = encrypted(&server);
        assert!(!regular.comes(address));
        fs::remove_file(&program).expect("our folder");
        fs::write(&program, WITHOUT_SEED).expect("our folder");
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("our file");
        server.upgrade();
        let found = fs::read_to_string(rig.authority.path("found")).expect("the program ran");
        assert_eq!(found, "64 False");
        assert!(!regular.comes(address), "the keys of its session are gone");
        assert!(regular.comes(address), "the new ones are good");
        assert_eq!(server.log().containing(" WARN "), Vec::<String>::new());
    }
}

#[test]
fn neither_process_keeps_the_memory_with_the_seed() {
    for shards in [1, 2] {
        let rig = Rig::new();
        rig.configure(shards);
        let mut server = rig.launch().start();
        let client = server.connect("framed");
        let old = server.upgrade();
        for pid in [old, server.pid()] {
            for entry in fs::read_dir(format!("/proc/{pid}/fd")).expect("a process") {
                // It may have been closed meanwhile.
                let Ok(target) = fs::read_link(entry.expect("an entry").path()) else { continue };
                let target = target.display().to_string();
                assert!(!target.contains("readyd tickets"), "{pid}: {target}");
            }
        }
        drop(client);
    }
}

/// The network with TLS stands between the server and its sockets, and a trace has it too.
#[test]
fn all_listeners_go_over_those_of_unix_sockets_with_their_files() {
    let authority = Authority::new();
    authority.sign("server", |_| ());
    let options = authority.options("server");
    let encrypted = format!("framed=127.0.0.1:0,{options}");
    let trace = authority.path("trace").display().to_string();
    let trace: &[&str] = if cfg!(feature = "trace") { &["--trace", &trace] } else { &[] };
    for (other, arguments) in [(encrypted.as_str(), &[][..]), ("echo", trace)] {
        let path = authority.path("socket");
        let unix = format!("framed=unix:{},mode=0600", path.display());
        let mut server = Launch::of(&["framed", &unix, other]).args(arguments).start();
        for _ in 0..2 {
            server.upgrade();
            // At the address that it had.
            assert_eq!(server.connect("framed").ask("ECHO a"), "a");
            UnixStream::connect(&path).expect("the file is there, and its listener");
        }
        server.signal(Signal::SIGTERM);
        server.wait_for_exit();
        assert!(!path.exists(), "the last process removes it");
    }
}
