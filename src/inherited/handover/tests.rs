use super::*;
use std::fs::File;
use std::io::Read;
use std::os::fd::AsFd;

#[test]
fn what_is_handed_over_is_the_same_file() {
    let (ours, theirs) = UnixDatagram::pair().expect("descriptors");
    assert!(receive(&theirs).expect("it can be read").is_none(), "and it does not wait");
    let (mut reader, writer) = io::pipe().expect("descriptors");
    send(&ours, b'a', Some(writer.as_fd())).expect("room in the socket");
    send(&ours, b'b', None).expect("room in the socket");
    drop(writer);

    let (note, descriptor) = receive(&theirs).expect("it can be read").expect("a note");
    let mut file = File::from(descriptor.expect("a descriptor"));
    assert_eq!(note, b'a');
    io::Write::write_all(&mut file, b"through the pipe").expect("somebody reads");
    drop(file);
    let mut text = String::new();
    reader.read_to_string(&mut text).expect("it can be read");
    assert_eq!(text, "through the pipe");

    let (note, descriptor) = receive(&theirs).expect("it can be read").expect("a note");
    assert_eq!((note, descriptor.is_none()), (b'b', true));
    assert!(receive(&theirs).expect("it can be read").is_none());
}

#[test]
fn who_does_not_listen_holds_nobody_up() {
    let (ours, theirs) = UnixDatagram::pair().expect("descriptors");
    let mut sent = 0;
    while send(&ours, b'a', None).is_ok() {
        sent += 1;
    }
    assert!(sent > 0);
    drop(theirs);
    assert!(send(&ours, b'a', None).is_err());
}
