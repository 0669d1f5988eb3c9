//! What is recorded by a server that gives up root's rights: its files are made before. A process
//! that takes the place of another makes them with the rights that are left.

use super::{STRANGER, is_root};
use crate::command_line::assert_cannot_run;
use crate::recording::{entries, trace};
use crate::support::readyc::{command, run};
use crate::support::{Launch, Scratch, Server, eventually, tools};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use readyd::trace::event::Event;
use readyd::trace::reader::Reader;
use std::fs::{self, File, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

/// How many shards: none, and some.
const SHARDS: [&str; 2] = ["1", "2"];

/// As /dev/shm: everybody may make files, and rename those of nobody else.
const EVERYBODYS: u32 = 0o1777;

/// Root's: others may read what is there.
const ROOTS: u32 = 0o755;

/// A server that serves as [`STRANGER`] and records to `trace` in a folder of root's.
fn recorded(scratch: &Scratch, folder: u32, shards: &str, arguments: &[&str]) -> Server {
    fs::set_permissions(scratch.path(""), Permissions::from_mode(folder)).expect("our folder");
    let value = format!("{},size=1MiB", scratch.path("trace").display());
    let common = ["--user", STRANGER, "--shards", shards, "--trace", &value];
    Launch::of(&["framed"]).args(&common).args(arguments).start()
}

/// The traces of a server.
fn traces(scratch: &Scratch, shards: &str) -> Vec<PathBuf> {
    match shards {
        "1" => vec![scratch.path("trace")],
        _ => [1, 2].map(|number| scratch.path(&format!("trace.{number}"))).to_vec(),
    }
}

/// The processes that serve clients.
fn serving(server: &Server, shards: &str) -> Vec<Pid> {
    match shards {
        "1" => vec![server.pid()],
        _ => eventually("two shards", || Some(server.shards()).filter(|all| all.len() == 2)),
    }
}

/// The process that has written a trace, and its shard.
fn writer(path: &Path) -> Option<(Pid, u16)> {
    let mut reader = Reader::open(File::open(path).ok()?).ok()?;
    let header = reader.first_header().expect("a trace")?;
    Some((Pid::from_raw(header.pid.cast_signed()), header.shard))
}

/// Waits until one of `pids` has written a trace, and returns it.
fn wait_for_writer(server: &Server, path: &Path, pids: &[Pid]) -> Pid {
    eventually("the trace of another process", || {
        assert_eq!(server.connect("framed").ask("ECHO hello"), "hello");
        writer(path).map(|(pid, _)| pid).filter(|pid| pids.contains(pid))
    })
}

fn old(path: &Path) -> PathBuf {
    format!("{}.old", path.display()).into()
}

fn status_of_trace_by(pid: Pid) -> Option<i32> {
    run(&mut command(&["trace", "--pid", &pid.to_string(), "--summary"]), b"").status
}

/// The files of the folder that a process has open.
fn open_in(scratch: &Scratch, pid: Pid) -> usize {
    let open = fs::read_dir(format!("/proc/{pid}/fd")).expect("a process");
    let paths = open.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok());
    paths.filter(|path| path.starts_with(scratch.path(""))).count()
}

#[test]
fn shards_record_in_a_folder_of_root() {
    if !is_root() {
        return;
    }
    let scratch = Scratch::new();
    let capture = scratch.path("capture");
    let capture = ["--capture", capture.to_str().expect("UTF-8")];
    let more = [&capture[..], &["--trace-on", "close=disconnect"]].concat();
    let mut server = recorded(&scratch, ROOTS, "2", &more);
    let pids = serving(&server, "2");
    for (number, path) in (1..).zip(traces(&scratch, "2")) {
        let pid = wait_for_writer(&server, &path, &pids);
        assert_eq!(writer(&path), Some((pid, number)));
        let found = fs::metadata(&path).expect("a file");
        assert_eq!((found.uid(), found.mode() & 0o777), (3_999_999_999, 0o600));
        assert_eq!(status_of_trace_by(pid), Some(0));
        eventually("a request in the trace", || {
            assert_eq!(server.connect("framed").ask("ECHO hello"), "hello");
            let mut events = entries(&path).into_iter().map(|entry| entry.event);
            events.any(|event| matches!(event, Event::Served { count: 1, .. })).then_some(())
        });
    }
    let mut client = server.connect("framed");
    let _ = client.ask("Disconnect !");
    let line = server.wait_for_log("close=disconnect: the trace so far is in ");
    let kept = line.split(" is in ").nth(1).expect("a path");
    assert!(kept.ends_with(".kept-1"), "{line}");
    assert!(trace(Path::new(kept), &["--why-closed"]).stdout.contains("closed: disconnect"));
    drop(client);
    assert_eq!(open_in(&scratch, server.pid()), 0, "they are the shards'");
    server.signal(Signal::SIGTERM);
    assert!(server.wait_for_exit().success());
    for number in ["1", "2"] {
        let capture = format!("{}.{number}", capture[1]);
        let ended = run(&mut command(&["replay", &capture]), b"");
        assert_eq!((ended.status, ended.stderr.as_str()), (Some(0), ""), "{capture}");
    }
}

/// As on a file system without owners.
#[test]
fn a_file_that_cannot_be_given_away_is_written_to_all_the_same() {
    if !is_root() {
        return;
    }
    let Some(setpriv) = tools::find("setpriv") else { return };
    let scratch = Scratch::new();
    let path = scratch.path("trace");
    let value = format!("{},size=1MiB", path.display());
    let server = Launch::of(&["framed"])
        .args(&["--user", STRANGER, "--trace", &value])
        .wrapper(&[setpriv.as_os_str(), "--bounding-set=-chown".as_ref()])
        .start();
    let told = format!("cannot give {} to user 3999999999, ", path.display());
    server.wait_for_log(&told);
    assert_eq!(server.log().containing(&told).len(), 1);
    assert_eq!(fs::metadata(&path).expect("a trace").uid(), 0);
    assert_eq!(wait_for_writer(&server, &path, &[server.pid()]), server.pid());
}

#[test]
fn a_successor_without_a_file_serves_and_leaves_the_trace_of_the_shard_that_was_killed() {
    if !is_root() {
        return;
    }
    let scratch = Scratch::new();
    let server = recorded(&scratch, ROOTS, "2", &[]);
    let pids = serving(&server, "2");
    let paths = traces(&scratch, "2");
    let writers = [0, 1].map(|shard| wait_for_writer(&server, &paths[shard], &pids));
    kill(writers[0], Signal::SIGKILL).expect("signal a shard");
    let path = paths[0].display();
    server.wait_for_log(&format!("shard 1: serving without --trace {path}: Permission denied"));
    let pids = eventually("a successor", || {
        Some(serving(&server, "2")).filter(|pids| !pids.contains(&writers[0]))
    });
    let successor = *pids.iter().find(|pid| !writers.contains(pid)).expect("a successor");
    assert_eq!(server.connect("framed").ask("ECHO hello"), "hello");
    assert_eq!(status_of_trace_by(successor), Some(2));
    assert_eq!(status_of_trace_by(writers[1]), Some(0));
    assert_eq!(writer(&paths[0]), Some((writers[0], 1)));
    assert!(!entries(&paths[0]).is_empty());
    assert_eq!(server.log().containing("serving without").len(), 1);
    assert_eq!(server.log().containing("restarting").len(), 1);
}

#[test]
fn the_new_process_of_an_upgrade_serves_without_a_file_as_well() {
    if !is_root() {
        return;
    }
    for shards in SHARDS {
        let scratch = Scratch::new();
        let mut server = recorded(&scratch, ROOTS, shards, &[]);
        let pids = serving(&server, shards);
        let paths = traces(&scratch, shards);
        for path in &paths {
            wait_for_writer(&server, path, &pids);
        }
        server.upgrade();
        server.wait_for_log("the old process has served its last client");
        for path in &paths {
            server.wait_for_log(&format!("serving without --trace {}: ", path.display()));
            assert!(pids.contains(&writer(path).expect("a trace").0));
        }
        assert_eq!(server.connect("framed").ask("ECHO hello"), "hello");
        assert_eq!(server.log().containing("serving without").len(), paths.len());
    }
}

#[test]
fn later_processes_record_where_everybody_may_make_files() {
    if !is_root() {
        return;
    }
    for shards in SHARDS {
        let scratch = Scratch::new();
        let mut server =
            recorded(&scratch, EVERYBODYS, shards, &["--trace-on", "close=disconnect"]);
        let paths = traces(&scratch, shards);
        let mut last = wait_for_writer(&server, &paths[0], &serving(&server, shards));
        if shards != "1" {
            kill(last, Signal::SIGKILL).expect("signal a shard");
            let pids = eventually("a successor", || {
                Some(serving(&server, shards)).filter(|pids| !pids.contains(&last))
            });
            let successor = wait_for_writer(&server, &paths[0], &pids);
            assert_eq!(writer(&old(&paths[0])), Some((last, 1)));
            last = successor;
        }
        server.upgrade();
        let new = wait_for_writer(&server, &paths[0], &serving(&server, shards));
        assert_eq!(status_of_trace_by(new), Some(0));
        assert_eq!(writer(&old(&paths[0])).map(|(pid, _)| pid), Some(last));
        server.wait_for_log("the old process has served its last client");
        assert_eq!(server.log().containing("serving without"), Vec::<String>::new());
    }
}

/// In /dev/shm any user can make a link where root is about to write.
#[test]
fn root_does_not_follow_a_link_to_where_it_is_to_write() {
    for shards in SHARDS {
        let scratch = Scratch::new();
        let precious = scratch.write("precious", "precious");
        let path = traces(&scratch, shards).remove(0);
        symlink(&precious, format!("{}.kept-3", path.display())).expect("a link");
        let value = format!("{},size=1MiB", scratch.path("trace").display());
        let listen = ["--listen", "framed=127.0.0.1:0", "--shards", shards];
        let record = ["--trace", &value, "--trace-on", "accept-paused"];
        let complaint = format!("--trace {}.kept-3: it is no regular file", path.display());
        assert_cannot_run(&[listen, record].concat(), &complaint);
        assert_eq!(fs::read_to_string(&precious).expect("a file"), "precious");
        assert!(!path.exists());
    }
}
