//! The launcher: a process that a server forks before it confines itself, and that starts programs
//! for it, since a confined process can execute none.
//!
//! Invariants: it reads no byte of a client, and starts the program with the path and the arguments
//! that the server had when it forked, nothing else. It is forked while the server has one thread
//! and no table, and ends when the server does: its socket says so.

use super::Command;
use super::starter::{self, Order};
use crate::child::{Child, Ending, FAILURE};
use nix::sys::prctl;
use nix::unistd::{self, ForkResult};
use readyd::os::inherited_fd;
use readyd::os::inherited_fd::fd_passing::{self, GONE, Note, Parcel};
use readyd::os::privileges::Credentials;
use readyd::os::process::LAUNCHER;
use std::io;
use std::net::Shutdown;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::os::unix::net::UnixDatagram;
use std::process;
use std::thread;
use std::time::Duration;

/// The first byte of the order to start the program. The names of withheld variables and the
/// manifest follow, each with a line end before it.
const START: u8 = b's';

/// The order to end what was started.
const END: &[u8] = b"e";

/// The kind of the note that tells how that ended.
const ENDED: u8 = b'e';

/// The server's end.
#[derive(Debug)]
pub(crate) struct Launcher {
    socket: UnixDatagram,
    process: Child,
}

/// How long the end of a server waits for the launcher's: some looks, in milliseconds.
const LOOKS: u32 = 200;

impl Drop for Launcher {
    /// The launcher ends when it sees that this end is closed. It is waited for, because process 1
    /// of a container may reap no orphans.
    fn drop(&mut self) {
        let _ = self.socket.shutdown(Shutdown::Both);
        let has_ended = |_: &u32| self.process.take_ending().is_some();
        for _ in (0..LOOKS).take_while(|look| !has_ended(look)) {
            thread::sleep(Duration::from_millis(1));
        }
    }
}

impl AsFd for Launcher {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Launcher {
    pub(super) fn start(&self, order: &Order) -> io::Result<()> {
        let Order { descriptors, manifest, withheld } = order;
        let lines: String = withheld.iter().map(|name| format!("\n{name}")).collect();
        let text = format!("{}{lines}\n{manifest}", char::from(START));
        fd_passing::send_parcel(&self.socket, text.as_bytes(), descriptors)
    }

    pub(super) fn end(&self) {
        // If the launcher is gone, that is read as an unknown end.
        let _ = fd_passing::send_parcel(&self.socket, END, &[]);
    }

    pub(super) fn take_ending(&self) -> Option<Ending> {
        match fd_passing::receive(&self.socket) {
            Ok(Some((Note { kind: ENDED, number }, _))) => Some(Ending::from_number(number)),
            Ok(Some((Note { kind: GONE, .. }, _))) | Err(_) => Some(Ending::Unknown),
            Ok(_) => None,
        }
    }
}

/// Forks the launcher, which becomes that user. Call it while the process has one thread.
///
/// # Errors
///
/// When the system refuses descriptors or a process.
#[expect(unsafe_code, reason = "in the child of a fork, locks of other threads stay held for ever")]
pub(super) fn fork(command: &Command, credentials: Option<&Credentials>) -> io::Result<Launcher> {
    let (ours, theirs) = fd_passing::linked()?;
    // SAFETY: the process has one thread, so no lock is held in the child.
    match unsafe { unistd::fork() }? {
        ForkResult::Parent { child } => Ok(Launcher { socket: ours, process: Child::of(child) }),
        ForkResult::Child => {
            let is_ready = become_launcher(&theirs, credentials).is_ok();
            // Without destructors: what the server owns is the server's.
            process::exit(if is_ready { launch(command, &theirs) } else { 1 })
        }
    }
}

/// The signals that a server watches are blocked already, and nobody reads them here.
fn become_launcher(socket: &UnixDatagram, credentials: Option<&Credentials>) -> Result<(), ()> {
    // The name that ps(1) shows.
    let _ = prctl::set_name(LAUNCHER);
    inherited_fd::close_all_but(socket.as_raw_fd()).map_err(drop)?;
    match credentials {
        Some(credentials) => credentials.drop_to().map_err(drop),
        None => Ok(()),
    }
}

/// Follows orders until the server has ended. Returns the exit status.
fn launch(command: &Command, socket: &UnixDatagram) -> i32 {
    let mut child: Option<Child> = None;
    while let Ok(Some(Parcel { text, descriptors })) = fd_passing::wait_for_parcel(socket) {
        if text == END {
            let ending = child.take().map_or(Ending::Unknown, |child| child.end());
            let note = Note { kind: ENDED, number: ending.to_number() };
            if fd_passing::send(socket, note, None).is_err() {
                return 1;
            }
            continue;
        }
        let text = String::from_utf8_lossy(&text).into_owned();
        let mut lines: Vec<&str> = text.split('\n').skip(1).collect();
        let manifest = lines.pop().unwrap_or_default();
        let numbers: Vec<RawFd> = descriptors.iter().map(AsRawFd::as_raw_fd).collect();
        let value = super::manifest::value(&numbers, manifest);
        match starter::start(command, value, lines, &numbers) {
            Ok(started) => child = Some(started),
            Err(error) => {
                let control = descriptors.into_iter().next().map(UnixDatagram::from);
                let note = Note { kind: FAILURE, number: error.errno() };
                let _ = control.map(|control| fd_passing::send(&control, note, None));
            }
        }
    }
    0
}
