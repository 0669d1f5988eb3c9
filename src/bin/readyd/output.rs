//! Standard output: texts that the user has asked for.
//!
//! Invariant: no write to a full pipe, or to a terminal that is stopped, keeps a signal from ending
//! the process.

use crate::interruptible;
use crate::start::StartError;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::Signal;
use readyd::os::standard_output;
use readyd::reactor::{self, Reactor};
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::os::fd::AsFd;

/// What a writable pipe takes at least, pipe(7).
pub(crate) const PIPE_BUF: usize = 4096;

/// Prints a text before the process exits. EPIPE is no failure: a reader such as head(1) has read
/// enough.
pub(crate) fn print_for_people(text: &str) -> Result<(), StartError> {
    let_signals_end_a_write(&io::stdout(), text);
    match print(text) {
        Err(StartError::Output(error)) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        outcome => outcome,
    }
}

/// Call it before the last write of a process: if a full pipe may block that, signals may end the
/// process. Otherwise they may not, so that one that is pending does not keep the text back.
pub(crate) fn let_signals_end_a_write(stream: &(impl AsFd + IsTerminal), text: &str) {
    if !takes_at_once(stream, text) {
        let _ = reactor::unblock_stopping_signals();
    }
}

/// Prints a text before the server serves. All its signals are watched already, `others` included.
pub(crate) fn print_at_start(
    text: String,
    reactor: &mut Reactor,
    others: &[Signal],
) -> Result<(), StartError> {
    // A thread costs memory that stays resident, so there is one only if the write may block.
    if takes_at_once(&io::stdout(), &text) {
        return print(&text);
    }
    let cannot = |error| StartError::System("watch signals", error);
    // The kernel keeps the others meanwhile: only a server can do what they ask for.
    reactor.watch_stopping_signals().map_err(cannot)?;
    let printed = interruptible::run(reactor, move || print(&text))?;
    reactor.watch_signals_and(others).map_err(cannot)?;
    printed
}

/// Whether write(2) of all of the text would not block. A writable terminal may have room for a
/// part of it.
fn takes_at_once(stream: &(impl AsFd + IsTerminal), text: &str) -> bool {
    let mut fds = [PollFd::new(stream.as_fd(), PollFlags::POLLOUT)];
    text.len() <= PIPE_BUF
        && !stream.is_terminal()
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
