//! What is forbidden and what is kept, tried in another process: the test binary, which runs one
//! test again. A test that confined itself could not go on.

use super::*;
use crate::scratch::Scratch;
use nix::sys::signal::kill;
use nix::unistd::getppid;
use std::env;
use std::fs::{self as files, File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::path::Path;
use std::process::{Command, id};
use std::sync::mpsc;
use std::thread;

/// Of the child: the folder that it works in.
const FOLDER: &str = "READYD_TEST_LANDLOCK";

/// Runs `test` again in another process, and expects it to succeed there.
fn run_again(test: &str, folder: &Path) {
    let program = env::current_exe().expect("the test binary");
    let output = Command::new(program)
        .args(["--exact", &format!("os::landlock::tests::{test}"), "--nocapture"])
        .env(FOLDER, folder)
        .output()
        .expect("run the test binary");
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}

#[track_caller]
fn assert_refused<T>(what: &str, result: io::Result<T>) {
    match result {
        Ok(_) => panic!("{what} is not refused"),
        Err(error) => assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{what}: {error}"),
    }
}

#[test]
fn each_forbidden_thing_is_refused_and_what_is_kept_works() {
    if let Some(folder) = env::var_os(FOLDER) {
        return confined(Path::new(&folder));
    }
    if let Err(error) = abi() {
        return eprintln!("SKIPPED: {error}");
    }
    let scratch = Scratch::new();
    for name in ["kept/table", "kept/deeper/table", "sockets/one", "other/secret"] {
        scratch.file(name, "text");
    }
    run_again("each_forbidden_thing_is_refused_and_what_is_kept_works", scratch.path());
}

/// Runs in the child.
fn confined(folder: &Path) {
    let path = |name: &str| folder.join(name);
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let name = SocketAddr::from_abstract_name(format!("readyd-test-{}", id())).expect("a name");
    let abstract_listener = UnixListener::bind_addr(&name).expect("a name of our own");
    // This thread is there already, so it is not confined, and can be the client.
    let (begin, began) = mpsc::channel::<()>();
    let client = thread::spawn(move || {
        began.recv().expect("the order to begin");
        TcpStream::connect(address).and_then(|mut stream| stream.write_all(b"hello"))
    });
    let mut open_before = File::open(path("other/secret")).expect("it may be read yet");

    let kept =
        Kept { read: vec![path("kept"), path("no such folder")], remove: vec![path("sockets")] };
    let confined = confine(kept).expect("Landlock is there");
    assert_eq!(confined.abi, abi().expect("Landlock is there").min(NEWEST_ABI));
    assert_eq!(confined.kept.read, [path("kept")]);

    try_files(&path);
    // So is each thread that starts from now on.
    let secret = path("other/secret");
    let read = thread::spawn(move || File::open(secret)).join().expect("a thread");
    assert_refused("a file, in a thread", read);
    assert_refused("a program", Command::new("/bin/true").status());
    if confined.abi >= 4 {
        assert_refused("bind", TcpListener::bind("127.0.0.1:0"));
        assert_refused("connect", TcpStream::connect(address));
    }
    if confined.abi >= 6 {
        assert_refused("an abstract socket", UnixStream::connect_addr(&name));
        assert_eq!(kill(getppid(), None), Err(Errno::EPERM));
    }
    drop(abstract_listener);

    // What is open stays usable, and clients are served.
    let mut text = String::new();
    open_before.read_to_string(&mut text).expect("it was open before");
    assert_eq!(text, "text");
    begin.send(()).expect("the client waits");
    let (mut stream, _) = listener.accept().expect("a client");
    let mut text = String::new();
    stream.read_to_string(&mut text).expect("what the client sends");
    assert_eq!(text, "hello");
    client.join().expect("a thread").expect("it is not confined");
}

fn try_files(path: &impl Fn(&str) -> std::path::PathBuf) {
    for name in ["kept/table", "kept/deeper/table"] {
        assert_eq!(files::read_to_string(path(name)).expect("it is kept"), "text");
    }
    assert_refused("another file", File::open(path("other/secret")));
    assert_refused("a file of the system", File::open("/proc/self/status"));
    assert_refused("the list of a folder", files::read_dir(path("kept")));
    assert_refused("writing", OpenOptions::new().write(true).open(path("kept/table")));
    assert_refused("a new file", File::create(path("kept/new")));
    assert_refused("a new folder", files::create_dir(path("kept/new")));
    assert_refused("a new socket", UnixListener::bind(path("sockets/new")));
    assert_refused("a link", std::os::unix::fs::symlink("/", path("kept/new")));
    assert_refused("removing", files::remove_file(path("kept/table")));
    files::remove_file(path("sockets/one")).expect("it may be removed there");
    assert_refused("reading there", File::open(path("sockets")));
}

#[test]
fn an_older_abi_gets_no_right_that_it_does_not_know() {
    let of = |abi| {
        let RulesetAttributes { fs, net, scoped } = RulesetAttributes::of(abi);
        (fs, net, scoped)
    };
    let expected = [
        (0x1fff, 0, 0),
        (0x3fff, 0, 0),
        (0x7fff, 0, 0),
        (0x7fff, 3, 0),
        (0xffff, 3, 0),
        (0xffff, 3, 3),
        (0xffff, 3, 3),
    ];
    for (abi, rights) in (1..=NEWEST_ABI).zip(expected) {
        assert_eq!(of(abi), rights, "ABI {abi}");
    }
}

#[test]
fn why_there_is_no_landlock_is_told() {
    let missing = LandlockError::Missing.to_string();
    assert!(missing.contains("Linux 5.13 or newer"), "{missing}");
    let disabled = LandlockError::Disabled.to_string();
    assert!(disabled.contains("lsm="), "{disabled}");
    let refused = LandlockError::Refused("landlock_add_rule", Errno::ENOMEM).to_string();
    assert_eq!(refused, "landlock_add_rule: Cannot allocate memory (os error 12)");
}
