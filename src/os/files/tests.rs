use super::*;
use crate::scratch::Scratch;
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use std::io::Write;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;

fn wrong_kind(path: &Path, accepted: Accepted) -> String {
    match open(path, accepted) {
        Err(OpenError::Kind(wrong)) => wrong.to_string(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_file_of_exactly_the_limit_is_read_and_a_longer_one_is_not() {
    let scratch = Scratch::new();
    let path = scratch.file("file", b"0123456789");
    assert_eq!(read(&path, 10).unwrap(), b"0123456789");
    assert_eq!(
        read(&path, 9).unwrap_err().to_string(),
        "it is longer than the limit of 9 bytes; shorten it"
    );
    assert_eq!(read(&scratch.file("empty", b""), 0).unwrap(), b"");
}

#[test]
fn a_pipe_is_read_to_its_end() {
    let (reader, mut writer) = io::pipe().unwrap();
    writer.write_all(b"all of it").unwrap();
    drop(writer);
    let path = PathBuf::from(format!("/proc/self/fd/{}", reader.as_raw_fd()));
    assert!(is_pipe(&path));
    assert_eq!(read(&path, 9).unwrap(), b"all of it");
}

#[test]
fn dev_null_is_an_empty_file() {
    assert_eq!(read(Path::new("/dev/null"), 0).unwrap(), b"");
}

#[test]
fn other_kinds_are_named_and_not_opened() {
    let scratch = Scratch::new();
    let socket = scratch.path().join("socket");
    let _listener = UnixListener::bind(&socket).unwrap();
    for (path, kind) in [
        (scratch.path(), "a directory"),
        (&socket, "a socket"),
        (Path::new("/dev/zero"), "a character device"),
        (Path::new("/dev/tty"), "a character device"),
    ] {
        let expected = format!("is {kind}; name a regular file or a pipe");
        assert_eq!(wrong_kind(path, Accepted::Streams), expected);
        let expected = format!("is {kind}; name a regular file");
        assert_eq!(wrong_kind(path, Accepted::RegularFiles), expected);
    }
}

/// To open the FIFO would wait for a writer for ever.
#[test]
fn a_reload_reads_no_pipe() {
    let scratch = Scratch::new();
    let fifo = scratch.path().join("fifo");
    mkfifo(&fifo, Mode::S_IRWXU).unwrap();
    assert!(is_pipe(&fifo));
    assert_eq!(
        wrong_kind(&fifo, Accepted::RegularFiles),
        "is a pipe, which is read at the start only; name a regular file"
    );
}

#[test]
fn a_link_is_what_it_leads_to() {
    let scratch = Scratch::new();
    let path = scratch.file("file", b"text");
    let link = scratch.path().join("link");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    assert_eq!(open(&link, Accepted::RegularFiles).unwrap().1, 4);
    let missing = open(&scratch.path().join("missing"), Accepted::Streams).unwrap_err();
    assert!(matches!(missing, OpenError::System(error) if error.kind() == io::ErrorKind::NotFound));
}
