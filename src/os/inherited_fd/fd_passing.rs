//! Messages and descriptors from one running process to another (SCM_RIGHTS, unix(7)). A message is
//! a kind, a number and at most one descriptor, a [`Note`]; or a text and many descriptors, a
//! [`Parcel`]. It goes through a socket that the other process has inherited.
//!
//! Of two kinds of sockets: a pair of [`UnixDatagram`], which says nothing when the other end is
//! closed, or a [`linked`] pair, which does.

use nix::cmsg_space;
use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, ControlMessage, ControlMessageOwned, MsgFlags, SockFlag, SockType, recvmsg,
    sendmsg, socketpair,
};
use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixDatagram;

#[cfg(test)]
mod tests;

/// The kind of the [`Note`] that is read from a [`linked`] socket when the other end is closed. No
/// process sends it.
pub const GONE: u8 = 0;

/// The most descriptors of a [`Parcel`], SCM_MAX_FD in unix(7).
pub const MOST_DESCRIPTORS: usize = 253;

/// The most bytes of a [`Parcel`]'s text.
pub const LONGEST_TEXT: usize = 16 * 1024;

/// Two sockets that keep the bounds of messages, and tell with [`GONE`] when the other is closed:
/// SOCK_SEQPACKET.
///
/// # Errors
///
/// When the system has no descriptors.
pub fn linked() -> io::Result<(UnixDatagram, UnixDatagram)> {
    let flags = SockFlag::SOCK_CLOEXEC;
    let (one, other) = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, flags)?;
    Ok((one.into(), other.into()))
}

/// A text, and descriptors.
#[derive(Debug)]
pub struct Parcel {
    /// The text.
    pub text: Vec<u8>,
    /// The descriptors, which this process owns.
    pub descriptors: Vec<OwnedFd>,
}

/// Sends a text, and duplicates of the descriptors with these numbers. Does not block.
///
/// # Errors
///
/// [`io::ErrorKind::InvalidInput`] if there are too many; what sendmsg(2) says.
pub fn send_parcel(socket: &UnixDatagram, text: &[u8], numbers: &[RawFd]) -> io::Result<()> {
    if numbers.len() > MOST_DESCRIPTORS || text.len() > LONGEST_TEXT || text.is_empty() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let message = ControlMessage::ScmRights(numbers);
    let messages = if numbers.is_empty() { &[][..] } else { &[message][..] };
    let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
    sendmsg::<()>(socket.as_raw_fd(), &[IoSlice::new(text)], messages, flags, None)?;
    Ok(())
}

/// Waits for the next parcel; `None` if the other end is closed.
///
/// # Errors
///
/// What recvmsg(2) says.
pub fn wait_for_parcel(socket: &UnixDatagram) -> io::Result<Option<Parcel>> {
    let mut text = vec![0; LONGEST_TEXT];
    let mut space = cmsg_space!([RawFd; MOST_DESCRIPTORS]);
    let flags = MsgFlags::MSG_CMSG_CLOEXEC;
    let mut parts = [IoSliceMut::new(&mut text)];
    let message = loop {
        match recvmsg::<()>(socket.as_raw_fd(), &mut parts, Some(&mut space), flags) {
            Err(Errno::EINTR) => {}
            outcome => break outcome?,
        }
    };
    let length = message.bytes;
    let mut descriptors = Vec::new();
    for message in message.cmsgs().into_iter().flatten() {
        if let ControlMessageOwned::ScmRights(numbers) = message {
            descriptors.extend(numbers.into_iter().map(own));
        }
    }
    text.truncate(length);
    Ok((length > 0).then_some(Parcel { text, descriptors }))
}

/// A message to another process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Note {
    /// What the message is about; the programs give the numbers their meaning.
    pub kind: u8,
    /// Which one of that kind.
    pub number: u64,
}

/// Sends `note` and, if there is one, a descriptor: the kernel gives the other process a duplicate.
/// Does not block.
///
/// # Errors
///
/// EAGAIN if the other process's queue is full, ECONNREFUSED or EPIPE if it is gone.
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

/// The next message and its descriptor; `None` if there is no message. Does not block.
///
/// If this process has no free descriptor, the message comes without its descriptor.
///
/// # Errors
///
/// What recvmsg(2) says.
pub fn receive(socket: &UnixDatagram) -> io::Result<Option<(Note, Option<OwnedFd>)>> {
    let (mut kind, mut number) = ([0], [0; size_of::<u64>()]);
    let mut parts = [IoSliceMut::new(&mut kind), IoSliceMut::new(&mut number)];
    let mut space = cmsg_space!(RawFd);
    let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_CMSG_CLOEXEC;
    let message = loop {
        match recvmsg::<()>(socket.as_raw_fd(), &mut parts, Some(&mut space), flags) {
            Ok(message) => break message,
            Err(Errno::EAGAIN) => return Ok(None),
            Err(Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
    };
    // Without a free descriptor the kernel cuts the control message off (MSG_CTRUNC).
    let messages = message.cmsgs().into_iter().flatten();
    let mut numbers = messages.filter_map(|message| match message {
        ControlMessageOwned::ScmRights(numbers) => Some(numbers),
        _ => None,
    });
    // The buffer has room for one descriptor: the kernel closes any others.
    let descriptor = numbers.next().and_then(|numbers| numbers.first().copied()).map(own);
    let [kind] = kind;
    Ok(Some((Note { kind, number: u64::from_ne_bytes(number) }, descriptor)))
}

#[expect(unsafe_code, reason = "the kernel hands descriptors over as numbers")]
fn own(number: RawFd) -> OwnedFd {
    // SAFETY: recvmsg(2) has just made it for this process, and reports the number only here, once.
    unsafe { OwnedFd::from_raw_fd(number) }
}
