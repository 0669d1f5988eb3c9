//! Notes and descriptors that one process hands to another while both run, unix(7): a kind and a
//! number, and with them a descriptor if there is one, through a socket that the other has
//! inherited.

use nix::cmsg_space;
use nix::errno::Errno;
use nix::sys::socket::{ControlMessage, ControlMessageOwned, MsgFlags, recvmsg, sendmsg};
use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixDatagram;

#[cfg(test)]
mod tests;

/// What one process tells another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Note {
    /// What it is about.
    pub kind: u8,
    /// Which of that kind.
    pub number: u64,
}

/// Sends `note`, and a descriptor if there is one: the other process then has its own of the same
/// file. Does not wait.
///
/// # Errors
///
/// When the other does not take its notes, or is gone.
pub fn send(
    socket: &UnixDatagram,
    note: Note,
    descriptor: Option<BorrowedFd<'_>>,
) -> io::Result<()> {
    let numbers: Vec<RawFd> = descriptor.iter().map(BorrowedFd::as_raw_fd).collect();
    let message = ControlMessage::ScmRights(&numbers);
    let messages = if numbers.is_empty() { &[][..] } else { &[message][..] };
    let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
    let (kind, number) = ([note.kind], note.number.to_ne_bytes());
    let parts = [IoSlice::new(&kind), IoSlice::new(&number)];
    sendmsg::<()>(socket.as_raw_fd(), &parts, messages, flags, None)?;
    Ok(())
}

/// The next note, and the descriptor that came with it; `None` if there is no note. Does not wait.
///
/// A note whose descriptor this process had no room for, for want of descriptors, comes without it.
///
/// # Errors
///
/// What recvmsg(2) says.
pub fn receive(socket: &UnixDatagram) -> io::Result<Option<(Note, Option<OwnedFd>)>> {
    let (mut kind, mut number) = ([0], [0; size_of::<u64>()]);
    let mut parts = [IoSliceMut::new(&mut kind), IoSliceMut::new(&mut number)];
    let mut space = cmsg_space!(RawFd);
    let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_CMSG_CLOEXEC;
    let message = match recvmsg::<()>(socket.as_raw_fd(), &mut parts, Some(&mut space), flags) {
        Ok(message) => message,
        Err(Errno::EAGAIN) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    // The kernel cuts off control messages for which there are no descriptors: then there are none.
    let messages = message.cmsgs().into_iter().flatten();
    let mut numbers = messages.filter_map(|message| match message {
        ControlMessageOwned::ScmRights(numbers) => Some(numbers),
        _ => None,
    });
    // There is room for one: the kernel has closed the others.
    let descriptor = numbers.next().and_then(|numbers| numbers.first().copied()).map(own);
    let [kind] = kind;
    Ok(Some((Note { kind, number: u64::from_ne_bytes(number) }, descriptor)))
}

#[expect(unsafe_code, reason = "the kernel hands descriptors over as numbers")]
fn own(number: RawFd) -> OwnedFd {
    // SAFETY: recvmsg(2) has just made it for this process, and it is told to us alone, once.
    unsafe { OwnedFd::from_raw_fd(number) }
}
