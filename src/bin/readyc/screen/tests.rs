//! The terminal after a panic: this program runs itself on a pseudoterminal, pty(7).

use super::keyboard::Keyboard;
use super::{ENTER, LEAVE, Screen, Stream};
use nix::pty::openpty;
use nix::sys::termios::tcgetattr;
use std::fs::File;
use std::io::Read;
use std::process::{Command, Stdio};

#[test]
#[ignore = "the other test runs it"]
fn a_panic_while_a_screen_is_shown() {
    let _keyboard = Keyboard::take().expect("a terminal");
    let _screen = Screen::enter_on(Stream::Output);
    panic!("on purpose");
}

#[test]
fn a_panic_leaves_the_terminal_as_it_was_and_is_told_there() {
    let pty = openpty(None, None).expect("a pseudoterminal");
    let before = tcgetattr(&pty.master).expect("the modes of a terminal");
    let itself = std::env::current_exe().expect("this program");
    let mut command = Command::new(itself);
    command.args(["screen::tests::a_panic_while_a_screen_is_shown", "--exact", "--ignored"]);
    command.arg("--nocapture").env("RUST_BACKTRACE", "0");
    let end = || Stdio::from(pty.slave.try_clone().expect("duplicate a descriptor"));
    command.stdin(end()).stdout(end()).stderr(end());
    let mut child = command.spawn().expect("start it");
    drop(command);
    drop(pty.slave);
    // Linux tells the end of the last user with EIO.
    let (mut shown, mut piece) = (Vec::new(), [0; 4096]);
    let mut terminal = File::from(pty.master);
    while let Ok(count @ 1..) = terminal.read(&mut piece) {
        shown.extend_from_slice(&piece[..count]);
    }
    assert!(!child.wait().expect("its end").success());
    let place = |text: &[u8]| shown.windows(text.len()).position(|window| window == text);
    let order = [place(ENTER), place(LEAVE), place(b"on purpose")];
    assert!(order.iter().all(Option::is_some) && order.is_sorted(), "{order:?}");
    assert_eq!(shown.windows(LEAVE.len()).filter(|window| *window == LEAVE).count(), 1);
    let after = tcgetattr(&terminal).expect("the modes of a terminal");
    assert_eq!(after.local_flags, before.local_flags);
}
