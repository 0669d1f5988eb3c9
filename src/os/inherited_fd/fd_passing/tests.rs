use super::*;
use std::fs::File;
use std::io::Read;
use std::os::fd::AsFd;

fn note(kind: u8, number: u64) -> Note {
    Note { kind, number }
}

#[test]
fn what_is_handed_over_is_the_same_file() {
    let (ours, theirs) = UnixDatagram::pair().expect("descriptors");
    assert!(receive(&theirs).expect("it can be read").is_none(), "and it does not wait");
    let (mut reader, writer) = io::pipe().expect("descriptors");
    send(&ours, note(b'a', 1), Some(writer.as_fd())).expect("room in the socket");
    send(&ours, note(b'b', u64::MAX), None).expect("room in the socket");
    drop(writer);

    let (told, descriptor) = receive(&theirs).expect("it can be read").expect("a note");
    let mut file = File::from(descriptor.expect("a descriptor"));
    assert_eq!(told, note(b'a', 1));
    io::Write::write_all(&mut file, b"through the pipe").expect("somebody reads");
    drop(file);
    let mut text = String::new();
    reader.read_to_string(&mut text).expect("it can be read");
    assert_eq!(text, "through the pipe");

    let (told, descriptor) = receive(&theirs).expect("it can be read").expect("a note");
    assert_eq!((told, descriptor.is_none()), (note(b'b', u64::MAX), true));
    assert!(receive(&theirs).expect("it can be read").is_none());
}

#[test]
fn who_does_not_listen_holds_nobody_up() {
    let (ours, theirs) = UnixDatagram::pair().expect("descriptors");
    let mut sent = 0;
    while send(&ours, note(b'a', 0), None).is_ok() {
        sent += 1;
    }
    assert!(sent > 0);
    drop(theirs);
    assert!(send(&ours, note(b'a', 0), None).is_err());
}
