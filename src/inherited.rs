//! Descriptors that come from other processes, as numbers: those that the process was started with, and
//! in [`handover`] those that it is given later. Nowhere else does a number become a descriptor.
//!
//! Invariant: no descriptor has two owners. All that this program opens is closed on exec
//! (`O_CLOEXEC` and its like, which the standard library, mio, socket2 and our own calls set), so a
//! descriptor without that mark has come through exec, from whoever started us, and nobody in here
//! owns it. Whoever takes it marks it, so it cannot be taken twice.

pub mod handover;

#[cfg(test)]
mod tests;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::sys::socket::{SockType, getsockopt, sockopt};
use std::fmt;
use std::io;
use std::net::TcpListener;
use std::os::fd::{BorrowedFd, FromRawFd, OwnedFd, RawFd};

/// Why a number does not stand for what was to be inherited; the fault of whoever started us.
#[derive(Debug)]
pub enum InheritError {
    /// Standard output and error are written to, whatever they are.
    Standard(RawFd),
    /// No descriptor has that number.
    NotOpen(RawFd),
    /// It is our own, or was taken already.
    NotInherited(RawFd),
    /// It is no socket that listens for TCP connections.
    NotListening(RawFd),
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
                write!(f, "descriptor {number} is not a listening TCP socket")
            }
            InheritError::System(error) => write!(f, "{error}"),
        }
    }
}

impl std::error::Error for InheritError {}

/// Takes a listening TCP socket that the process was started with, and makes it as
/// [`listener::bind`](crate::listener::bind) would have made it.
///
/// # Errors
///
/// [`InheritError`] if it is anything else.
pub fn listener(number: RawFd) -> Result<TcpListener, InheritError> {
    let socket = take(number)?;
    let is_listening = getsockopt(&socket, sockopt::AcceptConn).unwrap_or(false);
    let is_stream = getsockopt(&socket, sockopt::SockType) == Ok(SockType::Stream);
    let listener = TcpListener::from(socket);
    // The address of a Unix socket is none of TCP's.
    if !is_listening || !is_stream || listener.local_addr().is_err() {
        return Err(InheritError::NotListening(number));
    }
    listener.set_nonblocking(true).map_err(InheritError::System)?;
    socket2::SockRef::from(&listener).set_tcp_nodelay(true).map_err(InheritError::System)?;
    Ok(listener)
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
    // SAFETY: the number is not -1, and the kernel is asked about it before it is used. If it is not
    // open, that is what the kernel answers.
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
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

/// Runs `start` with `descriptors` open to what it starts, and closed on exec again after that.
///
/// To be called while the process has one thread: another could start something else meanwhile.
///
/// # Errors
///
/// What fcntl(2) or `start` say.
pub fn leave_open<T>(
    descriptors: &[BorrowedFd<'_>],
    start: impl FnOnce() -> io::Result<T>,
) -> io::Result<T> {
    let mark_all = |flag: FdFlag| {
        descriptors.iter().try_for_each(|fd| fcntl(fd, FcntlArg::F_SETFD(flag)).map(drop))
    };
    let started = mark_all(FdFlag::empty()).map_err(io::Error::from).and_then(|()| start());
    // Of a descriptor that is open, this cannot fail; and what was started has started.
    let _ = mark_all(FdFlag::FD_CLOEXEC);
    started
}
