//! Standard output: texts that the user has asked for.
//!
//! Invariant: no write to a full pipe, or to a terminal that is stopped, keeps a signal from ending
//! the process.

use crate::interruptible;
use crate::start::StartError;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use readyd::os::standard_output;
use readyd::reactor::{self, Reactor};
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::os::fd::AsFd;

/// What a writable pipe takes at least, pipe(7).
pub(crate) const PIPE_BUF: usize = 4096;

/// Prints a text before the process exits. EPIPE is no failure: a reader such as head(1) has read
/// enough.
pub(crate) fn print_for_people(text: &str) -> Result<(), StartError> {
    // Only this write is left, and a full pipe may block it: signals may end the process.
    let _ = reactor::unblock_stopping_signals();
    match print(text) {
        Err(StartError::Output(error)) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        outcome => outcome,
    }
}

/// Prints a text before the server serves.
pub(crate) fn print_at_start(text: String, reactor: &mut Reactor) -> Result<(), StartError> {
    // A thread costs memory that stays resident, so there is one only if the write may block.
    if takes_at_once(&text) {
        return print(&text);
    }
    interruptible::run(reactor, move || print(&text))?
}

/// Whether write(2) of all of the text would not block. A writable terminal may have room for a
/// part of it.
fn takes_at_once(text: &str) -> bool {
    let stdout = io::stdout();
    let mut fds = [PollFd::new(stdout.as_fd(), PollFlags::POLLOUT)];
    text.len() <= PIPE_BUF
        && !stdout.is_terminal()
        && poll(&mut fds, PollTimeout::ZERO).is_ok_and(|ready| ready > 0)
}

fn print(text: &str) -> Result<(), StartError> {
    let write = || {
        standard_output::check()?;
        let mut stdout = io::stdout().lock();
        stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush())
    };
    write().map_err(StartError::Output)
}
