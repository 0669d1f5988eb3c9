//! Descriptors that one process hands to another while both run, unix(7): a note of one byte, and with it
//! a descriptor, through a socket that the other has inherited.

use nix::cmsg_space;
use nix::errno::Errno;
use nix::sys::socket::{ControlMessage, ControlMessageOwned, MsgFlags, recvmsg, sendmsg};
use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixDatagram;

#[cfg(test)]
mod tests;

/// Sends `note`, and a descriptor if there is one: the other process then has its own of the same file.
/// Does not wait.
///
/// # Errors
///
/// When the other does not take its notes, or is gone.
pub fn send(socket: &UnixDatagram, note: u8, descriptor: Option<BorrowedFd<'_>>) -> io::Result<()> {
    let numbers: Vec<RawFd> = descriptor.iter().map(BorrowedFd::as_raw_fd).collect();
    let message = ControlMessage::ScmRights(&numbers);
    let messages = if numbers.is_empty() { &[][..] } else { &[message][..] };
    let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
    sendmsg::<()>(socket.as_raw_fd(), &[IoSlice::new(&[note])], messages, flags, None)?;
    Ok(())
}

/// The next note, and the descriptor that came with it; `None` if there is no note. Does not wait.
///
/// # Errors
///
/// What recvmsg(2) says.
pub fn receive(socket: &UnixDatagram) -> io::Result<Option<(u8, Option<OwnedFd>)>> {
    let mut note = [0];
    let mut parts = [IoSliceMut::new(&mut note)];
    let mut space = cmsg_space!(RawFd);
    let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_CMSG_CLOEXEC;
    let message = match recvmsg::<()>(socket.as_raw_fd(), &mut parts, Some(&mut space), flags) {
        Ok(message) => message,
        Err(Errno::EAGAIN) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let numbers = message.cmsgs()?.find_map(|message| match message {
        ControlMessageOwned::ScmRights(numbers) => Some(numbers),
        _ => None,
    });
    // There is room for one: the kernel has closed the others.
    let descriptor = numbers.and_then(|numbers| numbers.first().copied()).map(own);
    let [note] = note;
    Ok(Some((note, descriptor)))
}

#[expect(unsafe_code, reason = "the kernel hands descriptors over as numbers")]
fn own(number: RawFd) -> OwnedFd {
    // SAFETY: recvmsg(2) has just made it for this process, and it is told to us alone, once.
    unsafe { OwnedFd::from_raw_fd(number) }
}
