//! What a view leaves on a real terminal when the program that shows it panics.

use super::keyboard::Keyboard;
use super::{ENTER, LEAVE, Screen, Stream};
use nix::pty::openpty;
use nix::sys::termios::tcgetattr;
use std::env;
use std::fs::File;
use std::io::Read;
use std::process::{Command, Stdio};

/// Set where the test below runs on a terminal of its own.
const ON_A_TERMINAL: &str = "READYC_TEST_ON_A_TERMINAL";

/// It runs twice: here, and as a program on a pseudoterminal that panics while it shows a view.
#[test]
fn field_load_13_a_panic_restores_the_terminal_before_its_message() {
    if env::var_os(ON_A_TERMINAL).is_some() {
        let mut screen = Screen::enter();
        screen.draw("all is well", (60, 15));
        panic!("the view has failed");
    }
    let pty = openpty(None, None).expect("a pseudoterminal");
    let end = || Stdio::from(pty.slave.try_clone().expect("duplicate a descriptor"));
    let name = "screen::tests::field_load_13_a_panic_restores_the_terminal_before_its_message";
    let mut command = Command::new(env::current_exe().expect("this program"));
    command.args([name, "--exact", "--nocapture"]).env(ON_A_TERMINAL, "1");
    let mut child = command.stdin(end()).stdout(end()).stderr(end()).spawn().expect("a process");
    drop((command, pty.slave));
    let (mut shown, mut bytes) = (File::from(pty.master), Vec::new());
    // Linux says with EIO that the program is gone.
    let _ = shown.read_to_end(&mut bytes);
    assert!(!child.wait().expect("an end").success());
    let screen = String::from_utf8_lossy(&bytes);
    let [enter, leave] = [ENTER, LEAVE].map(|bytes| str::from_utf8(bytes).expect("ASCII"));
    let (_, view) = screen.split_once(enter).expect("a view");
    let (view, after) = view.split_once(leave).expect("the terminal is restored");
    assert!(view.contains("all is well") && after.contains("the view has failed"), "{screen}");
    assert!(!after.contains(enter) && !after.contains(leave), "{screen}");
}

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
    let itself = env::current_exe().expect("this program");
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
