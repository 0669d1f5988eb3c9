//! What an encrypted stream has: its session, the ciphertext that waits, and how it ends.
//!
//! Invariant: a record is sent whole, and in its place, or nothing is sent any more.

use super::session::{End, Session};
use crate::io::buffer::ByteQueue;
use crate::io::clock::Moment;
use crate::io::net::{self, SocketIo, TlsError, TlsFailure, TlsHandshake};
use crate::io::readiness::Readiness;
use std::io::{self, ErrorKind};

/// No time: nobody asks since when these bytes wait.
const NO_TIME: Moment = Moment::START;

/// What an encrypted stream has.
pub(super) struct Layer {
    pub(super) session: Session,
    /// Whether a client has sent its first message.
    #[cfg(feature = "client-library")]
    pub(super) has_begun: bool,
    /// Ciphertext that the kernel has not taken.
    pub(super) unsent: ByteQueue,
    /// How much plaintext at the front of what is to be sent is encrypted already, and part of
    /// `unsent`.
    pub(super) sealed: usize,
    outbound: Outbound,
    /// The socket may have more than was read last.
    pub(super) may_have_more: bool,
    /// Whether anything has come.
    has_input: bool,
    /// Whether the reader was told that nothing more will come.
    pub(super) end_was_told: bool,
    /// The socket's end of stream, or its error, which it tells once.
    socket_end: Option<SocketEnd>,
}

/// How far the end of what is sent is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outbound {
    Open,
    /// close_notify is sent, or waits as the last of the ciphertext.
    CloseNotify,
    /// Nothing more can be sent: behind FIN neither what waited, nor an answer to what is still
    /// read; nor anything behind records that are lost, because a send has failed.
    Over,
}

#[derive(Debug)]
enum SocketEnd {
    Eof,
    Error(io::Error),
}

/// What came of an attempt to send ciphertext.
pub(super) struct Flushed {
    /// Bytes that the kernel has taken.
    pub(super) taken: usize,
    /// Why the rest waits, if there is a rest. A signal that interrupts send(2) is followed by no
    /// event.
    pub(super) rest_waits: Option<ErrorKind>,
}

impl Flushed {
    /// `Ok` if nothing waits.
    pub(super) fn all(&self) -> io::Result<()> {
        self.rest_waits.map_or(Ok(()), |why| Err(why.into()))
    }
}

impl std::fmt::Debug for Layer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Layer")
            .field("handshake", &self.session.handshake())
            .finish_non_exhaustive()
    }
}

impl Layer {
    pub(super) fn new(session: Session) -> Layer {
        Layer {
            session,
            #[cfg(feature = "client-library")]
            has_begun: false,
            unsent: ByteQueue::default(),
            sealed: 0,
            outbound: Outbound::Open,
            may_have_more: false,
            has_input: false,
            end_was_told: false,
            socket_end: None,
        }
    }

    pub(super) fn has_end(&self) -> bool {
        self.session.end().is_some() || self.socket_end.is_some()
    }

    /// What a read that finds nothing more tells.
    pub(super) fn at_end(&mut self) -> io::Result<usize> {
        self.end_was_told = self.has_end();
        match (self.session.end(), &self.socket_end) {
            (Some(End::CloseNotify), _) => Ok(0),
            (Some(End::Failed(error)), _) => Err(error.clone().into()),
            (None, Some(SocketEnd::Error(error))) => Err(copy_of(error)),
            // A client that has sent nothing has lost nothing: probes connect, and go.
            (None, Some(SocketEnd::Eof)) if !self.has_input || self.session.ignores_input() => {
                Ok(0)
            }
            (None, Some(SocketEnd::Eof)) => Err(TlsError::from(TlsFailure::Truncated).into()),
            (None, None) => Err(ErrorKind::WouldBlock.into()),
        }
    }

    /// Moves plaintext that was read before into `into`.
    pub(super) fn take_unread(&mut self, into: &mut [u8]) -> usize {
        let unread = &mut self.session.unread;
        let count = unread.len().min(into.len());
        into.iter_mut().zip(unread.bytes()).for_each(|(to, from)| *to = *from);
        if count > 0 {
            unread.consume(count, NO_TIME);
        }
        count
    }

    /// Takes plaintext whose ciphertext is not all sent, because of `why`: as much as bytes of
    /// ciphertext were sent, so that a slow peer is not taken for one that takes nothing. The last
    /// byte is not taken before all ciphertext is.
    pub(super) fn take_sealed(&mut self, sent: usize, why: ErrorKind) -> io::Result<usize> {
        let taken = sent.min(self.sealed.saturating_sub(1));
        self.sealed -= taken;
        if taken > 0 { Ok(taken) } else { Err(why.into()) }
    }

    /// Sends what waits, then `cipher`; what the kernel does not take waits. After an error nothing
    /// more can be sent, for records are lost, though the socket may be sound: send(2) may have
    /// lacked memory.
    pub(super) fn flush<N: SocketIo>(
        &mut self,
        network: &mut N,
        socket: &mut N::Stream,
        cipher: &[u8],
    ) -> io::Result<Flushed> {
        if self.outbound == Outbound::Over {
            return match &self.socket_end {
                Some(SocketEnd::Error(error)) => Err(copy_of(error)),
                _ => Ok(Flushed { taken: 0, rest_waits: None }),
            };
        }
        let mut ready = Readiness { write: true, ..Readiness::default() };
        let unsent = &mut self.unsent;
        let taken = net::flush_queue(network, socket, &mut ready, unsent, cipher, NO_TIME)
            .inspect_err(|error| {
                self.outbound = Outbound::Over;
                self.socket_end.get_or_insert(SocketEnd::Error(copy_of(error)));
            })?;
        let rest_waits = match (unsent.is_empty(), ready.write) {
            (true, _) => None,
            (false, false) => Some(ErrorKind::WouldBlock),
            (false, true) => Some(ErrorKind::Interrupted),
        };
        Ok(Flushed { taken, rest_waits })
    }

    /// Reads from the socket once, and decrypts. Returns how much of `into` was used; `None` if
    /// nothing was there. What is to be sent because of that waits: to send it here would take the
    /// room that an event is to announce, and the event would not come.
    pub(super) fn read<N: SocketIo>(
        &mut self,
        network: &mut N,
        socket: &mut N::Stream,
        input: &mut [u8],
        cipher: &mut Vec<u8>,
        into: &mut [u8],
    ) -> io::Result<Option<usize>> {
        // What a call on another stream has left, if that failed, is not for this one.
        cipher.clear();
        let most = input.len();
        let count = match network.recv(socket, input) {
            Ok(0) => {
                self.socket_end.get_or_insert(SocketEnd::Eof);
                self.may_have_more = false;
                return Ok(None);
            }
            Ok(count) => count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                self.may_have_more = false;
                return Ok(None);
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => return Err(error),
            Err(error) => {
                self.socket_end.get_or_insert(SocketEnd::Error(error));
                self.may_have_more = false;
                return Ok(None);
            }
        };
        self.may_have_more = count == most || network.has_more(socket);
        let used = self.receive(input.get_mut(..count).unwrap_or_default(), into, cipher);
        if self.outbound != Outbound::Over {
            self.unsent.extend(cipher, NO_TIME);
        }
        cipher.clear();
        Ok(Some(used))
    }

    /// Decrypts bytes that came, as [`Session::receive`].
    pub(super) fn receive(
        &mut self,
        bytes: &mut [u8],
        into: &mut [u8],
        cipher: &mut Vec<u8>,
    ) -> usize {
        self.has_input = true;
        self.session.receive(bytes, into, cipher)
    }

    /// Appends close_notify to `cipher`, once, if the handshake is over.
    pub(super) fn say_goodbye(&mut self, cipher: &mut Vec<u8>) {
        let is_shaking = self.session.handshake() == TlsHandshake::UnderWay;
        if self.outbound == Outbound::Open && !is_shaking {
            self.outbound = Outbound::CloseNotify;
            self.session.close_notify(cipher);
        }
    }

    /// FIN is about to be sent.
    pub(super) fn end_output(&mut self) {
        self.outbound = Outbound::Over;
        self.unsent.clear();
    }
}

/// The same error once more: [`io::Error`] cannot be cloned.
fn copy_of(error: &io::Error) -> io::Error {
    match error.raw_os_error() {
        Some(errno) => io::Error::from_raw_os_error(errno),
        None => error.kind().into(),
    }
}
