//! Sockets in a directory of our own.

use super::{FileRights, Obstacle, bind, is_same};
use crate::io::address::{Address, UnixAddress};
use crate::os::listener::Listener;
use crate::os::privileges::owner::FileOwner;
use nix::unistd::{getgid, getuid};
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{MetadataExt, symlink};
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::thread;

/// A directory that is removed with all that is in it.
struct Directory(PathBuf);

impl Directory {
    fn new(name: &str) -> Directory {
        let path = std::env::temp_dir().join(format!("readyd-{name}-{}", std::process::id()));
        fs::create_dir(&path).expect("a directory of our own");
        Directory(path)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn address(path: &Path) -> UnixAddress {
    format!("unix:{}", path.display()).parse().expect("an address")
}

fn listening(path: &Path) -> Listener {
    bind(&address(path), FileRights::default())
        .and_then(|bound| bound.listen(16))
        .expect("a path that is free")
}

#[test]
fn field_server_21_the_file_of_a_socket_goes_with_its_last_listener() {
    let directory = Directory::new("last-listener");
    let path = directory.path("x.sock");
    let listener = listening(&path);
    assert_eq!(listener.address().expect("it is bound"), Address::Unix(address(&path)));
    let same = listener.try_clone().expect("a descriptor");
    drop(listener);
    UnixStream::connect(&path).expect("one listener is left");
    drop(same);
    assert_eq!(fs::symlink_metadata(&path).expect_err("it is gone").kind(), ErrorKind::NotFound);
    drop(bind(&address(&path), FileRights::default()).expect("the path is free again"));
    assert!(!path.exists(), "one that never listened removes its file, too");
}

#[test]
fn field_server_21_a_file_that_took_its_place_is_left_alone() {
    let directory = Directory::new("took-place");
    let path = directory.path("x.sock");
    let listener = listening(&path);
    fs::rename(&path, directory.path("moved.sock")).expect("a directory of our own");
    let other = listening(&path);
    drop(listener);
    UnixStream::connect(&path).expect("the other one listens");
    drop(other);
    assert!(!path.exists());
}

#[test]
fn field_server_21_nobody_can_connect_before_it_listens() {
    let directory = Directory::new("before");
    let path = directory.path("x.sock");
    let bound = bind(&address(&path), FileRights::default()).expect("a path that is free");
    let refused = UnixStream::connect(&path).expect_err("it does not listen");
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    let _listener = bound.listen(16).expect("it is bound");
    UnixStream::connect(&path).expect("it listens");
}

#[test]
fn field_server_21_whatever_has_the_path_is_named_and_left_alone() {
    let directory = Directory::new("obstacles");
    let refused = |path: &Path| -> Obstacle {
        let before = fs::symlink_metadata(path).expect("it is there").file_type();
        let error = bind(&address(path), FileRights::default()).expect_err("the path is taken");
        assert_eq!(error.kind(), ErrorKind::AddrInUse);
        assert_eq!(fs::symlink_metadata(path).expect("it is left").file_type(), before);
        Obstacle::at(&address(path))
    };
    let served = directory.path("served.sock");
    let listener = UnixListener::bind(&served).expect("a socket");
    assert_eq!(refused(&served), Obstacle::Listener);
    drop(listener);
    let silent = directory.path("silent.sock");
    let _silent = bind(&address(&silent), FileRights::default()).expect("a path that is free");
    assert_eq!(refused(&silent), Obstacle::Silent);
    let datagrams = directory.path("datagrams.sock");
    let _datagrams = UnixDatagram::bind(&datagrams).expect("a socket");
    assert_eq!(refused(&datagrams), Obstacle::OtherSocket);
    let file = directory.path("file");
    File::create(&file).expect("a file");
    assert_eq!(refused(&file), Obstacle::OtherFile);
    assert_eq!(refused(&directory.0), Obstacle::OtherFile);
    let link = directory.path("link");
    symlink("nowhere", &link).expect("a link");
    assert_eq!(refused(&link), Obstacle::OtherFile);
    assert_eq!(Obstacle::at(&address(&directory.path("nothing"))), Obstacle::Nothing);
}

/// Leaves a socket's file behind, as a process does that is killed.
fn leave_behind(path: &Path) {
    drop(UnixListener::bind(path).expect("a socket"));
    // A child that another test starts has all descriptors until it calls execve(2).
    while super::stale::is_open(path).expect("the sockets of this machine") {
        thread::yield_now();
    }
}

/// Servers of one directory start at once, each with a socket of its own left behind.
#[test]
fn each_of_many_replaces_its_own_stale_socket() {
    let directory = Directory::new("each");
    let paths: Vec<_> = (0..8).map(|number| directory.path(&format!("{number}.sock"))).collect();
    for _ in 0..20 {
        paths.iter().for_each(|path| leave_behind(path));
        let bound: Vec<_> = thread::scope(|scope| {
            let bind = |path| bind(&address(path), FileRights::default());
            let starts: Vec<_> = paths.iter().map(|path| scope.spawn(move || bind(path))).collect();
            starts.into_iter().map(|start| start.join().expect("no panic")).collect()
        });
        assert!(bound.iter().all(Result::is_ok), "{bound:?}");
    }
}

#[test]
fn the_socket_of_a_process_that_has_ended_is_replaced() {
    let directory = Directory::new("stale");
    let path = directory.path("x.sock");
    leave_behind(&path);
    let _listener = listening(&path);
    UnixStream::connect(&path).expect("it listens");
    let files = fs::read_dir(&directory.0).expect("a directory").count();
    assert_eq!(files, 1, "nothing else is left there");
}

#[test]
fn of_many_that_replace_one_stale_socket_one_has_it() {
    let directory = Directory::new("race");
    let path = directory.path("x.sock");
    for _ in 0..100 {
        leave_behind(&path);
        let bind = || bind(&address(&path), FileRights::default()).and_then(|it| it.listen(16));
        let bound: Vec<_> = thread::scope(|scope| {
            let starts: Vec<_> = (0..4).map(|_| scope.spawn(bind)).collect();
            starts.into_iter().filter_map(|start| start.join().expect("no panic").ok()).collect()
        });
        assert_eq!(bound.len(), 1);
        UnixStream::connect(&path).expect("the one that has it can be reached");
    }
}

#[test]
fn the_file_has_the_rights_that_were_asked() {
    let directory = Directory::new("rights");
    let path = directory.path("x.sock");
    let owner: FileOwner = format!("{}:{}", getuid(), getgid()).parse().expect("an owner");
    let owner = Some(owner.resolve().expect("numbers"));
    for mode in [0o600, 0o666, 0o777, 0o000] {
        let rights = FileRights { mode: Some(mode), owner };
        let bound = bind(&address(&path), rights).expect("a path that is free");
        let file = fs::symlink_metadata(&path).expect("a socket");
        assert_eq!(file.mode() & 0o7777, mode);
        assert_eq!((file.uid(), file.gid()), (getuid().as_raw(), getgid().as_raw()));
        drop(bound);
    }
}

#[test]
fn field_server_21_a_listener_with_a_full_backlog_is_a_listener() {
    let directory = Directory::new("full");
    let path = directory.path("x.sock");
    let _listener = bind(&address(&path), FileRights::default())
        .and_then(|bound| bound.listen(0))
        .expect("a free path");
    let _first = UnixStream::connect(&path).expect("the backlog takes one");
    assert_eq!(Obstacle::at(&address(&path)), Obstacle::Listener);
}

#[test]
fn field_server_21_a_name_in_the_abstract_namespace_has_one_listener_and_no_file() -> io::Result<()>
{
    let name: UnixAddress =
        format!("unix:@readyd-test-{}", std::process::id()).parse().expect("an address");
    let listener = bind(&name, FileRights::default())?.listen(16)?;
    assert_eq!(listener.address()?, Address::Unix(name.clone()));
    let error = bind(&name, FileRights::default()).expect_err("the name is taken");
    assert_eq!(error.kind(), ErrorKind::AddrInUse);
    assert_eq!(Obstacle::at(&name), Obstacle::Name);
    drop(listener);
    bind(&name, FileRights::default())?;
    Ok(())
}

#[test]
fn field_server_21_a_socket_whose_path_cannot_be_written_has_no_address() {
    let directory = Directory::new("unwritable");
    let path = directory.path("line\nend");
    let socket = UnixListener::bind(&path).expect("a socket");
    let listener = Listener::from_socket(OwnedFd::from(socket)).expect("a listener");
    let error = listener.address().expect_err("a path with a line end");
    assert_eq!(error.kind(), ErrorKind::InvalidData);
    drop(listener);
    assert!(path.exists(), "it was not bound here");
}

#[test]
fn field_server_12_one_socket_is_known_by_two_paths() {
    let scratch = Directory::new("two-paths");
    let address = |name: &str| -> UnixAddress {
        UnixAddress::new(scratch.path(name).to_str().expect("UTF-8")).expect("an address")
    };
    let (one, again, other) = (address("one"), address("./one"), address("other"));
    assert!(is_same(&one, &one), "also if there is no file");
    assert!(!is_same(&one, &again) && !is_same(&one, &other));
    let _bound = [
        bind(&one, FileRights::default()).expect("no file"),
        bind(&other, FileRights::default()).expect("no file"),
    ];
    assert!(is_same(&one, &again) && !is_same(&one, &other));
    let name = |text: &str| UnixAddress::new(text).expect("an address");
    assert!(is_same(&name("@a"), &name("@a")) && !is_same(&name("@a"), &name("@b")));
}
