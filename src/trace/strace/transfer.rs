//! What a call that moves bytes was given, and what it returned.

use super::descriptor::Descriptor;
use super::lexer::{Call, Outcome, field, inside, items};
use crate::trace::event::{RecvEnd, SendEnd};

/// Which way bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    Receive,
    Send,
}

/// How a call tells the bytes that it has room for, or is to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Size {
    /// As a number, in this argument.
    Number(usize),
    /// As a list of buffers, in this argument.
    Buffers(usize),
    /// As a message's header, in this argument.
    Message(usize),
    /// As a list of messages, in this argument.
    Messages(usize),
}

/// A call that moves bytes between the program and a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Transfer<'a> {
    pub(super) direction: Direction,
    pub(super) descriptor: Descriptor<'a>,
    size: Size,
}

impl<'a> Transfer<'a> {
    /// The transfers that a call is: splice(2) is two.
    pub(super) fn of(call: &Call<'a>) -> [Option<Transfer<'a>>; 2] {
        use Direction::{Receive, Send};
        let (direction, place, size) = match call.name {
            b"read" | b"recv" | b"recvfrom" => (Receive, 0, Size::Number(2)),
            b"readv" => (Receive, 0, Size::Buffers(1)),
            b"recvmsg" => (Receive, 0, Size::Message(1)),
            b"recvmmsg" | b"recvmmsg_time64" => (Receive, 0, Size::Messages(1)),
            b"write" | b"send" | b"sendto" => (Send, 0, Size::Number(2)),
            b"writev" => (Send, 0, Size::Buffers(1)),
            b"sendmsg" => (Send, 0, Size::Message(1)),
            b"sendmmsg" => (Send, 0, Size::Messages(1)),
            b"sendfile" | b"sendfile64" => (Send, 0, Size::Number(3)),
            b"splice" => {
                let size = Size::Number(4);
                return [(Receive, 0), (Send, 2)].map(|(direction, place)| {
                    Some(Transfer { direction, descriptor: descriptor(call, place)?, size })
                });
            }
            _ => return [None, None],
        };
        [descriptor(call, place).map(|it| Transfer { direction, descriptor: it, size }), None]
    }

    /// Bytes that there was room for or that were to be sent, as far as they are told.
    fn asked(&self, call: &Call<'_>) -> Option<u64> {
        let argument = |place| items(call.arguments).nth(place);
        match self.size {
            Size::Number(place) => number(argument(place)?),
            Size::Buffers(place) => Some(buffers(argument(place)?)),
            Size::Message(place) => {
                Some(buffers(field(inside(argument(place)?)?, b"msg_iov").unwrap_or_default()))
            }
            Size::Messages(_) => None,
        }
    }

    /// Bytes that were moved, if the call succeeded.
    fn moved(&self, call: &Call<'_>, returned: i64) -> u64 {
        match self.size {
            Size::Messages(place) => {
                let list = items(call.arguments).nth(place).and_then(inside).unwrap_or_default();
                let lengths = items(list)
                    .filter_map(|message| field(inside(message)?, b"msg_len").and_then(number));
                lengths.fold(0, u64::saturating_add)
            }
            _ => u64::try_from(returned).unwrap_or(0),
        }
    }

    /// Bytes that there was room for, bytes that came, and how it ended. `None` if it is not known.
    pub(super) fn received(&self, call: &Call<'_>) -> Option<(u32, u32, RecvEnd)> {
        let asked = self.asked(call);
        Some(match call.result {
            Outcome::Done(returned, _) => {
                let moved = self.moved(call, returned);
                let asked = asked.unwrap_or(moved).max(moved);
                let end = match moved {
                    0 if asked > 0 => RecvEnd::Eof,
                    _ if moved == asked => RecvEnd::Full,
                    _ => RecvEnd::Short,
                };
                (narrow(asked), narrow(moved), end)
            }
            Outcome::Failed(errno) => {
                let end = match errno {
                    b"EAGAIN" | b"EWOULDBLOCK" => RecvEnd::WouldBlock,
                    b"EINTR" => RecvEnd::Interrupted,
                    _ => RecvEnd::Error(number_of(errno)),
                };
                (narrow(asked.unwrap_or(0)), 0, end)
            }
            Outcome::Unknown => return None,
        })
    }

    /// Bytes that were taken, bytes that are left, and how it ended. `None` if it is not known.
    pub(super) fn sent(&self, call: &Call<'_>) -> Option<(u32, u32, SendEnd)> {
        let asked = self.asked(call);
        Some(match call.result {
            Outcome::Done(returned, _) => {
                let moved = self.moved(call, returned);
                let left = asked.unwrap_or(moved).saturating_sub(moved);
                let end = if left == 0 { SendEnd::All } else { SendEnd::WouldBlock };
                (narrow(moved), narrow(left), end)
            }
            Outcome::Failed(errno) => {
                let end = match errno {
                    b"EAGAIN" | b"EWOULDBLOCK" => SendEnd::WouldBlock,
                    b"EINTR" => SendEnd::Interrupted,
                    _ => SendEnd::Error(number_of(errno)),
                };
                (0, narrow(asked.unwrap_or(0)), end)
            }
            Outcome::Unknown => return None,
        })
    }
}

fn descriptor<'a>(call: &Call<'a>, place: usize) -> Option<Descriptor<'a>> {
    items(call.arguments).nth(place).and_then(Descriptor::read)
}

fn number(text: &[u8]) -> Option<u64> {
    super::lexer::digits(text).map(|(number, _)| number)
}

/// The bytes of a list of `{iov_base=""..., iov_len=8}`.
fn buffers(list: &[u8]) -> u64 {
    let buffers = items(inside(list).unwrap_or_default()).filter_map(inside);
    let lengths = buffers.filter_map(|buffer| field(buffer, b"iov_len").and_then(number));
    lengths.fold(0, u64::saturating_add)
}

fn narrow(bytes: u64) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

/// The number of an errno of Linux. 0 if it is none that sockets give.
pub(super) fn number_of(errno: &[u8]) -> u32 {
    match errno {
        b"EPERM" => 1,
        b"EIO" => 5,
        b"EBADF" => 9,
        b"ENOMEM" => 12,
        b"EACCES" => 13,
        b"EFAULT" => 14,
        b"EINVAL" => 22,
        b"ENFILE" => 23,
        b"EMFILE" => 24,
        b"EPIPE" => 32,
        b"EPROTO" => 71,
        b"ENOTSOCK" => 88,
        b"EDESTADDRREQ" => 89,
        b"EMSGSIZE" => 90,
        b"EOPNOTSUPP" => 95,
        b"ENETDOWN" => 100,
        b"ENETUNREACH" => 101,
        b"ECONNABORTED" => 103,
        b"ECONNRESET" => 104,
        b"ENOBUFS" => 105,
        b"ENOTCONN" => 107,
        b"ESHUTDOWN" => 108,
        b"ETIMEDOUT" => 110,
        b"ECONNREFUSED" => 111,
        b"EHOSTUNREACH" => 113,
        _ => 0,
    }
}
