//! What stands at a path before the server writes there: what is ours stays, and what another user
//! may have put there is not written to.

use super::*;
use crate::os::privileges::Account;
use crate::scratch::Scratch;
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use std::io::{Read, Write};
use std::os::unix::fs::{chown, symlink};

const STRANGER: u32 = 3_999_999_999;

fn stranger() -> Credentials {
    let account: Account = format!("{STRANGER}:{STRANGER}").parse().expect("an account");
    account.resolve().expect("numbers do")
}

#[test]
fn a_file_that_is_ours_keeps_what_is_in_it() {
    let scratch = Scratch::new();
    let path = scratch.file("kept", "of an earlier server");
    let mut file = open_or_create(&path, None).expect("a file");
    assert_eq!(fs::read_to_string(&path).expect("a file"), "of an earlier server");
    file.write_all(b"AT").expect("it is open for writing");
    assert_eq!(fs::read_to_string(&path).expect("a file"), "AT an earlier server");
    assert!(!with_suffix(&path, ".old").exists());
}

#[test]
fn a_symbolic_link_is_not_followed() {
    let scratch = Scratch::new();
    let target = scratch.file("target", "precious");
    let path = scratch.path().join("kept");
    for name in ["target", "nowhere"] {
        symlink(scratch.path().join(name), &path).expect("a link");
        for open in [create, open_or_create] {
            let error = open(&path, Some(&stranger())).expect_err("no file");
            assert_eq!(error.to_string(), "it is no regular file");
        }
        fs::remove_file(&path).expect("the link");
    }
    assert_eq!(fs::read_to_string(&target).expect("a file"), "precious");
    assert_eq!(fs::metadata(&target).expect("a file").uid(), geteuid().as_raw());
    assert!(!scratch.path().join("nowhere").exists());
}

#[test]
fn a_pipe_is_not_waited_for() {
    let scratch = Scratch::new();
    let path = scratch.path().join("kept");
    mkfifo(&path, Mode::S_IRWXU).expect("a pipe");
    for open in [create, open_or_create] {
        let error = open(&path, None).expect_err("no file");
        assert_eq!(error.to_string(), "it is no regular file");
    }
}

#[test]
fn a_file_with_a_second_name_is_set_aside() {
    let scratch = Scratch::new();
    let precious = scratch.file("precious", "precious");
    let path = scratch.path().join("kept");
    fs::hard_link(&precious, &path).expect("a second name");
    let mut file = open_or_create(&path, None).expect("a file");
    file.write_all(b"a copy").expect("it is open for writing");
    assert_eq!(fs::read_to_string(&precious).expect("a file"), "precious");
    assert_eq!(fs::read_to_string(with_suffix(&path, ".old")).expect("a file"), "precious");
    let mut text = String::new();
    File::open(&path).expect("a file").read_to_string(&mut text).expect("text");
    assert_eq!(text, "a copy");
}

#[test]
fn a_new_file_is_its_owners_and_no_other_file_is_given_away() {
    let scratch = Scratch::new();
    let path = scratch.file("kept", "of root");
    let (ours, owner) = (geteuid().as_raw(), stranger());
    // Only root can give a file away; without that it stays ours, and is open all the same.
    let expected = if geteuid().is_root() { STRANGER } else { ours };
    open_or_create(&path, Some(&owner)).expect("a file");
    assert_eq!(fs::metadata(&path).expect("a file").uid(), expected);
    assert_eq!(fs::metadata(&path).expect("a file").mode() & 0o777, 0o600);
    let old = with_suffix(&path, ".old");
    assert_eq!(fs::metadata(&old).expect("a file").uid(), ours);
    assert_eq!(fs::read_to_string(&old).expect("a file"), "of root");
    if geteuid().is_root() {
        fs::write(&path, "of the stranger").expect("a file");
        open_or_create(&path, Some(&owner)).expect("a file");
        assert_eq!(fs::read_to_string(&path).expect("a file"), "of the stranger");
        chown(&path, Some(STRANGER - 1), None).expect("root may");
        open_or_create(&path, Some(&owner)).expect("a file");
        assert_eq!(fs::read_to_string(&path).expect("a file"), "");
        assert_eq!(fs::metadata(&old).expect("a file").uid(), STRANGER - 1);
    }
}
