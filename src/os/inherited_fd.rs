//! Descriptors that come from other processes, as numbers: those that the process was started with,
//! and in [`handover`] those that it is given later. Nowhere else does a number become a
//! descriptor.
//!
//! Invariant: no descriptor has two owners. All that this program opens is closed on exec
//! (`O_CLOEXEC` and its like, which the standard library, mio, socket2 and our own calls set), so a
//! descriptor without that mark was inherited through execve(2) from the parent process, and no
//! code in here owns it. [`take`] marks it, so it cannot be taken twice. What is not taken is
//! closed.

pub mod fd_passing;

#[cfg(test)]
mod tests;

use crate::os::listener::Listener;
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, FdFlag, OFlag, fcntl, open};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::socket::{SockType, getsockopt, sockopt};
use nix::sys::stat::Mode;
use nix::unistd::dup2_stdin;
use socket2::SockRef;
use std::fmt;
use std::fs::{self, DirEntry};
use std::io;
use std::os::fd::{BorrowedFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};

/// Numbers below this are tried for inherited descriptors where /proc does not tell which there
/// are.
const MOST_TRIED: RawFd = 1 << 16;

/// Why a number does not stand for what was to be inherited; the fault of the parent process.
#[derive(Debug)]
pub enum InheritError {
    /// Standard output and error are written to, whatever they are.
    Standard(RawFd),
    /// No descriptor has that number.
    NotOpen(RawFd),
    /// It is our own, or was taken already.
    NotInherited(RawFd),
    /// It is no stream socket that listens.
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
                "descriptor {number} is not open (whoever starts readyd has to leave it open)"
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

/// Takes a listening TCP or unix socket that the process was started with, and makes it as
/// [`listener::bind`](crate::os::listener::bind) would have made it.
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

/// Takes the descriptor `number`, which the process was started with.
///
/// # Errors
///
/// [`InheritError`] if it was not started with it.
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
    // SAFETY: the number is not -1, and the kernel is asked about it before it is used. If it is
    // not open, that is what the kernel answers.
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
    // SAFETY: it is open, and nobody owns it: all that this program opens is marked as closed on
    // exec, which this was not. From now on it is, so that the next call refuses it.
    let taken = unsafe { OwnedFd::from_raw_fd(number) };
    if number == 0 {
        return replace_standard_input(taken).map_err(InheritError::System);
    }
    Ok(taken)
}

/// The same under another number. Number 0 stays open, or the next file that is opened would be
/// taken for standard input, here and by every process that this one starts.
fn replace_standard_input(taken: OwnedFd) -> io::Result<OwnedFd> {
    let moved = taken.try_clone()?;
    dup2_stdin(null()?)?;
    // The number stands for another file now.
    let _ = taken.into_raw_fd();
    Ok(moved)
}

/// A file without bytes: /dev/null, or in a root directory without devices an empty file in memory.
///
/// # Errors
///
/// When the system has no descriptor.
pub fn null() -> io::Result<OwnedFd> {
    let opened = open(c"/dev/null", OFlag::O_RDWR | OFlag::O_CLOEXEC, Mode::empty());
    opened.or_else(|_| memfd_create(c"null", MFdFlags::MFD_CLOEXEC)).map_err(io::Error::from)
}

/// Closes what the process was started with and nobody has [taken](take), but for the standard
/// three: it would be open in this process, and in those that it starts, for as long as they run.
/// To be called when all that is wanted was taken.
pub fn close_others() {
    for number in open_numbers() {
        // What is not to be had is our own.
        drop(take(number));
    }
}

/// The numbers from 3 on that may stand for descriptors.
fn open_numbers() -> Vec<RawFd> {
    let number = |entry: io::Result<DirEntry>| entry.ok()?.file_name().to_str()?.parse().ok();
    match fs::read_dir("/proc/self/fd") {
        Ok(entries) => entries.filter_map(number).filter(|&number| number > 2).collect(),
        // Without /proc all have to be tried. They may have been opened under a higher limit than
        // there is now, but nobody needs to wait for billions of numbers.
        Err(_) => (3..MOST_TRIED).collect(),
    }
}
