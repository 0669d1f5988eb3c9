//! A terminal for a program to run on: a pseudoterminal, pty(7), with the test at the keyboard.

use super::eventually;
use super::tools::{self, Input, Process};
use nix::pty::{Winsize, openpty};
use nix::sys::signal::{Signal, kill};
use nix::sys::termios::{LocalFlags, tcgetattr};
use nix::unistd::Pid;
use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

const SIZE: (u16, u16) = (80, 24);

/// A running program and its terminal.
pub(crate) struct Terminal {
    process: Process,
    keyboard: File,
    screen: Arc<Mutex<Vec<u8>>>,
    /// How much of what was shown a test has waited for.
    seen: usize,
}

impl Terminal {
    /// Starts a program whose standard input, output and error are a terminal.
    pub(crate) fn start(command: Command) -> Terminal {
        Terminal::start_sized(command, SIZE)
    }

    /// The same, on a terminal of this many columns and rows.
    pub(crate) fn start_sized(mut command: Command, (columns, rows): (u16, u16)) -> Terminal {
        let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        let pty = openpty(&size, None).expect("a pseudoterminal");
        let end = || Stdio::from(pty.slave.try_clone().expect("duplicate a descriptor"));
        command.stdin(end()).stdout(end()).stderr(end());
        if !command.get_envs().any(|(name, _)| name == "TERM") {
            command.env("TERM", "xterm");
        }
        // The kernel stops no process whose group is orphaned, setpgid(2), as the group of these
        // tests may be. A group of its own has its parent in another group of the session.
        command.process_group(0);
        let process = Process::start(&mut command);
        let keyboard = File::from(pty.master);
        let shown = keyboard.try_clone().expect("duplicate a descriptor");
        let screen = Arc::new(Mutex::new(Vec::new()));
        thread::spawn({
            let screen = Arc::clone(&screen);
            move || collect(shown, &screen)
        });
        Terminal { process, keyboard, screen, seen: 0 }
    }

    /// Presses keys. What is typed before the program asks for input may be lost, as at any
    /// terminal: wait for its prompt.
    pub(crate) fn press(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).expect("type");
    }

    /// Gives the terminal this many columns and rows, as its window does. Returns false, and says
    /// that the test is skipped, where there is no stty.
    pub(crate) fn resize(&mut self, (columns, rows): (u16, u16)) -> bool {
        let Some(stty) = tools::find("stty") else { return false };
        let mut command = Command::new(stty);
        command.arg("-F").arg(format!("/proc/{}/fd/2", self.id()));
        command.args(["cols", &columns.to_string(), "rows", &rows.to_string()]);
        let output = tools::run(&mut command, Input::Whole(b""));
        assert!(output.status.success(), "{output:?}");
        // The kernel signals only the processes that the terminal controls.
        kill(self.id(), Signal::SIGWINCH).expect("signal a program");
        true
    }

    /// Whether keys are echoed and read line by line, as a shell leaves its terminal.
    pub(crate) fn has_usual_modes(&self) -> bool {
        let modes = tcgetattr(&self.keyboard).expect("the modes of a terminal");
        modes.local_flags.contains(LocalFlags::ECHO | LocalFlags::ICANON | LocalFlags::ISIG)
    }

    /// The process of the program.
    pub(crate) fn id(&self) -> Pid {
        self.process.id()
    }

    /// Waits until `text` is shown, after all that was waited for before.
    pub(crate) fn wait_for(&mut self, text: &str) {
        let found = eventually(&format!("{text:?} on the terminal"), || {
            let screen = self.screen.lock().unwrap_or_else(PoisonError::into_inner);
            let new = &screen[self.seen..];
            let found = new.windows(text.len()).position(|window| window == text.as_bytes());
            found.map(|position| position + text.len())
        });
        self.seen += found;
    }

    /// Waits for the program's end; returns all that was ever shown, line ends as `\r\n`.
    pub(crate) fn wait_for_exit(mut self) -> (ExitStatus, String) {
        let status = self.process.wait();
        // The thread lets go of the screen when the terminal's last user is gone.
        eventually("the end of the output", || {
            (Arc::strong_count(&self.screen) == 1).then_some(())
        });
        let screen = self.screen.lock().unwrap_or_else(PoisonError::into_inner);
        (status, String::from_utf8_lossy(&screen).into_owned())
    }
}

/// Reads until the program is gone: Linux says that with EIO.
fn collect(mut shown: File, screen: &Mutex<Vec<u8>>) {
    let mut piece = [0; 4096];
    while let Ok(count @ 1..) = shown.read(&mut piece) {
        screen.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(&piece[..count]);
    }
}
