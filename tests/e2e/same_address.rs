//! Two listeners of one server on one address, which only the system can tell: an inherited socket,
//! a path that is written in two ways.

use crate::command_line::{Ended, ended, readyd};
use crate::support::server::READYD;
use crate::support::{Scratch, tools};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

/// A program that binds a socket, TCP or unix, and executes a server that inherits it as 9. The
/// program itself, the parent process, keeps the socket open, as systemd does.
const BIND: &str = "\
import os, socket, subprocess, sys
place, program = sys.argv[1], sys.argv[2:]
if place == 'tcp':
    s = socket.socket()
    s.bind(('127.0.0.1', 0))
    port = s.getsockname()[1]
else:
    s = socket.socket(socket.AF_UNIX)
    s.bind(place.replace('@', '\\0') if place.startswith('@') else place)
    port = 0
s.listen(100)
os.dup2(s.fileno(), 9)
words = [word.replace('PORT', str(port)) for word in program]
sys.exit(subprocess.run(words, pass_fds=[9]).returncode)
";

/// How a server with that socket and these listeners ends.
fn with_inherited(place: &str, arguments: &[&str]) -> Option<Ended> {
    let python = tools::find("python3")?;
    let mut command = Command::new(python);
    command.args(["-c", BIND, place, READYD, "--exit-on-idle", "10ms"]);
    Some(ended(command.args(arguments)))
}

const WAYS: [&[&str]; 3] = [&[], &["--reuse-port"], &["--shards", "2"]];

#[test]
fn field_server_12_an_inherited_socket_that_has_the_port_is_named() {
    let inherited = "--listen=framed=fd:9";
    for way in WAYS {
        for address in ["127.0.0.1:PORT", ":PORT", "0.0.0.0:PORT", "localhost:PORT"] {
            for service in ["echo", "framed"] {
                let other = format!("--listen={service}={address}");
                // Whichever comes first, and whatever else is wrong.
                for arguments in [
                    vec![inherited, &other],
                    vec![&other, inherited],
                    vec![inherited, &other, "--user", "nosuchuser"],
                    vec![inherited, &other, "--table", "/nonexistent/table"],
                ] {
                    let arguments = [&arguments, way].concat();
                    let Some(Ended { status, stderr, .. }) = with_inherited("tcp", &arguments)
                    else {
                        return;
                    };
                    assert_eq!(status, Some(1), "{arguments:?}: {stderr}");
                    let named = stderr.contains(": framed=fd:9 has its address, 127.0.0.1:");
                    assert!(named, "{arguments:?}: {stderr}");
                    assert!(!stderr.contains("another program"), "{arguments:?}: {stderr}");
                }
            }
        }
    }
}

#[test]
fn field_server_12_an_inherited_unix_socket_that_has_the_path_is_named() {
    let scratch = Scratch::new();
    for (number, way) in WAYS.iter().enumerate() {
        let path = scratch.path(&format!("s{number}"));
        let path = path.to_str().expect("UTF-8");
        let other = format!("--listen=echo=unix:{}", path.replacen('/', "/./", 1));
        let arguments = [&["--listen=framed=fd:9", &other], *way].concat();
        let Some(Ended { status, stderr, .. }) = with_inherited(path, &arguments) else { return };
        assert_eq!(status, Some(1), "{stderr}");
        let complaint = format!(": framed=fd:9 has its address, unix:{path}, already");
        assert!(stderr.contains(&complaint), "{stderr}");
        let name = format!("@readyd-test-{}-{number}", std::process::id());
        let other = format!("--listen=echo=unix:{name}");
        let arguments = [&["--listen=framed=fd:9", &other], *way].concat();
        let Some(Ended { stderr, .. }) = with_inherited(&name, &arguments) else { return };
        let complaint = format!(": framed=fd:9 has its address, unix:{name}, already");
        assert!(stderr.contains(&complaint), "{stderr}");
    }
}

#[test]
fn field_server_12_one_unix_socket_is_refused_however_its_path_is_written() {
    let scratch = Scratch::new();
    let folder = scratch.path("folder");
    fs::create_dir(&folder).expect("a folder");
    let link = scratch.path("link");
    symlink(&folder, &link).expect("a link");
    let text = |path: &Path| path.to_str().expect("UTF-8").to_owned();
    let (folder, link) = (text(&folder), text(&link));
    let first = format!("framed=unix:{folder}/u");
    let others =
        [format!("{folder}/../folder/u"), format!("{link}/u"), format!("{link}/../link/./u")];
    for way in WAYS {
        for check in [&[] as &[&str], &["--check-config"]] {
            for other in &others {
                let other = format!("echo=unix:{other}");
                let listeners = ["--listen", &first, "--listen", &other];
                let Ended { status, stderr, .. } = readyd(&[&listeners, way, check].concat());
                let complaint = format!(
                    "readyd: --listen {other:?}: {first:?} has this address already (give one of \
                     them another)\n"
                );
                assert_eq!((status, stderr), (Some(2), complaint));
            }
        }
    }
    // A file of another folder is another.
    let (one, other) = (format!("echo=unix:{folder}/v"), format!("time=unix:{link}/w"));
    let listeners = ["--listen", &one, "--listen", &other, "--check-config"];
    assert_eq!(readyd(&listeners).status, Some(0));
}

#[test]
fn field_server_12_a_port_that_the_kernel_chose_is_named_with_its_listener() {
    // Of a range of one port, the kernel chooses the one that the second listener wants.
    let (Some(unshare), Some(_)) = (tools::find("unshare"), tools::find("ip")) else { return };
    if !nix::unistd::geteuid().is_root() {
        return tools::skip("only root can make a network");
    }
    let script = "ip link set lo up && \
                  echo 40000 40000 > /proc/sys/net/ipv4/ip_local_port_range && \
                  exec \"$0\" --listen echo=127.0.0.1:0 --listen time=127.0.0.1:40000";
    let mut command = Command::new(unshare);
    let Ended { status, stderr, .. } =
        ended(command.args(["-n", tools::SHELL, "-c", script, READYD]));
    assert_eq!(status, Some(1), "{stderr}");
    let complaint = "cannot listen on time=127.0.0.1:40000: echo=127.0.0.1:40000 has its address";
    assert!(stderr.contains(complaint), "{stderr}");
}
