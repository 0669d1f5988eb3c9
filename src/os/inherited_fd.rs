//! Descriptors of other processes that reach this one as numbers: inherited through execve(2), or
//! received with SCM_RIGHTS in [`fd_passing`]. No other module makes a descriptor out of a number.
//!
//! Invariant: no descriptor has two owners. All that this program opens is closed on exec
//! (`O_CLOEXEC`, which the standard library, mio, socket2 and our own calls set), so a descriptor
//! without FD_CLOEXEC was inherited through execve(2) from the parent process, and no code in here
//! owns it. [`take`] sets FD_CLOEXEC, so that it refuses the number the next time. [`close_others`]
//! closes what was not taken.

pub mod fd_passing;

#[cfg(test)]
mod tests;

use crate::os::listener::Listener;
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, FdFlag, OFlag, fcntl, open};
use nix::libc;
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::socket::{SockType, getsockopt, sockopt};
use nix::sys::stat::Mode;
use nix::unistd::{dup2_stdin, dup2_stdout};
use socket2::SockRef;
use std::fmt;
use std::fs::{self, DirEntry};
use std::io;
use std::os::fd::{BorrowedFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};

/// Where /proc does not list the open descriptors, all numbers below this are tried.
const MOST_TRIED: RawFd = 1 << 16;

/// Why a number is not the inherited descriptor that was expected; the fault of the parent process.
#[derive(Debug)]
pub enum InheritError {
    /// The number is 1 or 2: the process writes to these itself.
    Standard(RawFd),
    /// No descriptor has that number.
    NotOpen(RawFd),
    /// It has FD_CLOEXEC: this process opened it, or has taken it already.
    NotInherited(RawFd),
    /// It is not a listening stream socket.
    NotListening(RawFd),
    /// It is a unix socket with an address that cannot be written, such as a relative path.
    NoAddress(RawFd),
    /// The system refused.
    System(io::Error),
}

impl fmt::Display for InheritError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            InheritError::Standard(number) => {
                write!(f, "descriptor {number} is standard output or error")
            }
            InheritError::NotOpen(number) => write!(
                f,
                "descriptor {number} is not open (the process that starts readyd must leave it \
                 open)"
            ),
            InheritError::NotInherited(number) => {
                write!(f, "descriptor {number} was not inherited, or is named twice")
            }
            InheritError::NotListening(number) => {
                write!(f, "descriptor {number} is not a listening TCP or unix stream socket")
            }
            InheritError::NoAddress(number) => write!(
                f,
                "descriptor {number} is a unix socket whose address cannot be written as \
                 unix:/PATH or unix:@NAME (bind it to an absolute path in UTF-8)"
            ),
            InheritError::System(error) => write!(f, "{error}"),
        }
    }
}

impl std::error::Error for InheritError {}

/// Takes an inherited listening TCP or unix socket, and sets the options that
/// [`listener::bind`](crate::os::listener::bind) sets.
///
/// # Errors
///
/// [`InheritError`] if it is anything else.
pub fn listener(number: RawFd) -> Result<Listener, InheritError> {
    let socket = take(number)?;
    let is_listening = getsockopt(&socket, sockopt::AcceptConn).unwrap_or(false);
    let is_stream = getsockopt(&socket, sockopt::SockType) == Ok(SockType::Stream);
    if !is_listening || !is_stream {
        return Err(InheritError::NotListening(number));
    }
    let listener = Listener::from_socket(socket).map_err(InheritError::System)?;
    let has_address = listener.address().is_ok();
    let made = match &listener {
        // Sockets of other families listen, too.
        Listener::Tcp(_) if !has_address => return Err(InheritError::NotListening(number)),
        Listener::Unix { .. } if !has_address => return Err(InheritError::NoAddress(number)),
        Listener::Tcp(socket) => {
            socket.set_nonblocking(true).and_then(|()| SockRef::from(socket).set_tcp_nodelay(true))
        }
        Listener::Unix { socket, .. } => socket.set_nonblocking(true),
    };
    made.map(|()| listener).map_err(InheritError::System)
}

/// Takes the inherited descriptor `number`: the caller owns it from now on.
///
/// # Errors
///
/// [`InheritError`] if this descriptor was not inherited.
#[expect(
    unsafe_code,
    reason = "that nobody owns a descriptor which is only a number, we must know"
)]
pub fn take(number: RawFd) -> Result<OwnedFd, InheritError> {
    if number == 1 || number == 2 {
        return Err(InheritError::Standard(number));
    }
    if number < 0 {
        return Err(InheritError::NotOpen(number));
    }
    // SAFETY: the number is not -1, and fcntl(F_GETFD) is its first use. If it is not open, the
    // kernel answers EBADF.
    let borrowed = unsafe { BorrowedFd::borrow_raw(number) };
    let flags = match fcntl(borrowed, FcntlArg::F_GETFD) {
        Ok(flags) => FdFlag::from_bits_retain(flags),
        Err(Errno::EBADF) => return Err(InheritError::NotOpen(number)),
        Err(error) => return Err(InheritError::System(error.into())),
    };
    if flags.contains(FdFlag::FD_CLOEXEC) {
        return Err(InheritError::NotInherited(number));
    }
    fcntl(borrowed, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC))
        .map_err(|error| InheritError::System(error.into()))?;
    // SAFETY: it is open and has no owner: all that this program opens has FD_CLOEXEC, and this had
    // not. Now it has, so that the next call refuses it.
    let taken = unsafe { OwnedFd::from_raw_fd(number) };
    if number == 0 {
        return replace_standard_input(taken).map_err(InheritError::System);
    }
    Ok(taken)
}

/// Duplicates descriptor 0 under another number and puts /dev/null in its place. If 0 were closed,
/// the next file that is opened would become standard input, here and in every child process.
fn replace_standard_input(taken: OwnedFd) -> io::Result<OwnedFd> {
    let moved = taken.try_clone()?;
    dup2_stdin(null()?)?;
    // The number means another file now.
    let _ = taken.into_raw_fd();
    Ok(moved)
}

/// An empty file: /dev/null, or an empty memfd if the root directory has no devices.
///
/// # Errors
///
/// When the system has no descriptor.
pub fn null() -> io::Result<OwnedFd> {
    let opened = open(c"/dev/null", OFlag::O_RDWR | OFlag::O_CLOEXEC, Mode::empty());
    opened.or_else(|_| memfd_create(c"null", MFdFlags::MFD_CLOEXEC)).map_err(io::Error::from)
}

/// Closes all inherited descriptors that were not [taken](take), except 0, 1 and 2. Otherwise they
/// would stay open in this process and in its children. Call it when everything that is needed has
/// been taken.
pub fn close_others() {
    for number in open_numbers() {
        // `take` refuses our own descriptors.
        drop(take(number));
    }
}

/// Closes all descriptors but `kept`, 2, and 0 and 1, which become /dev/null. For the child of a
/// fork(2) that uses nothing of what its parent had.
///
/// # Errors
///
/// What open(2), dup2(2) or close_range(2) say.
#[expect(unsafe_code, reason = "what owns a descriptor in the parent has a copy in the child")]
pub fn close_all_but(kept: RawFd) -> io::Result<()> {
    let null = null()?;
    dup2_stdin(&null)?;
    dup2_stdout(&null)?;
    for (first, last) in [(3, kept - 1), (kept + 1, RawFd::MAX)] {
        // SAFETY: no memory is involved. The copies of owners in this process are never used.
        let closed = (first <= last)
            .then(|| unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) });
        Errno::result(closed.unwrap_or_default())?;
    }
    std::mem::forget(null);
    Ok(())
}

/// The numbers from 3 on that may be open descriptors.
fn open_numbers() -> Vec<RawFd> {
    let number = |entry: io::Result<DirEntry>| entry.ok()?.file_name().to_str()?.parse().ok();
    match fs::read_dir("/proc/self/fd") {
        Ok(entries) => entries.filter_map(number).filter(|&number| number > 2).collect(),
        // Without /proc all numbers have to be tried. A descriptor may lie above the present limit,
        // if it was opened under a higher one, but trying billions of numbers takes too long.
        Err(_) => (3..MOST_TRIED).collect(),
    }
}
