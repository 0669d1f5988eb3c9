//! Encrypted streams: what a server asks of a network that has them, and why they fail.
//!
//! The network does all of TLS below the seam. recv and send of an encrypted stream have plaintext,
//! and are else what they are for any stream: a count that is short of the room means that nothing
//! more is there, and bytes that send has taken are on their way. So framing, limits and deadlines
//! do not know that a stream is encrypted, and a capture of the calls has what was said.

use super::SocketIo;
use std::fmt;
use std::io::{self, ErrorKind};

/// Streams that can be encrypted. A network whose streams cannot has nothing to say.
pub trait Encrypt: SocketIo {
    /// Whether streams of this network can be encrypted. The loop is compiled for each network, so
    /// that one without encryption costs nothing.
    const CAN_ENCRYPT: bool = false;

    /// Encrypts a stream from now on, as a server that has this identity. The client's first bytes
    /// may have been read already.
    ///
    /// # Errors
    ///
    /// The network has no encryption, or no such identity.
    fn encrypt(
        &mut self,
        _: &mut Self::Stream,
        _: Identity,
        _already_read: &[u8],
    ) -> io::Result<()> {
        Err(ErrorKind::Unsupported.into())
    }

    /// How the encryption of a stream stands.
    fn encryption(&self, _: &Self::Stream) -> Encryption {
        Encryption::default()
    }

    /// Sends what encryption has yet to send. It may be called at any time.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::WouldBlock`] if the kernel does not take all of it; else the connection is
    /// broken.
    fn send_encrypted(&mut self, _: &mut Self::Stream) -> io::Result<()> {
        Ok(())
    }

    /// Says that nothing more will be sent on an encrypted stream: close_notify.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::WouldBlock`] if the kernel does not take it now; else the connection is broken.
    fn send_close_notify(&mut self, _: &mut Self::Stream) -> io::Result<()> {
        Ok(())
    }
}

/// Which certificate and key a listener has: a number that the network's owner gave it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity(pub u8);

/// How the encryption of a stream stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Encryption {
    /// The handshake.
    pub handshake: TlsHandshake,
    /// Heap bytes of ciphertext that is not decrypted yet, and of plaintext that was not read.
    pub input: usize,
    /// Heap bytes of ciphertext that the kernel has not taken. If there are some, the stream waits
    /// for room to send, though all plaintext was taken.
    pub output: usize,
}

/// How far a handshake is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TlsHandshake {
    /// It is not over.
    #[default]
    UnderWay,
    /// It succeeded, with keys that were made for this connection.
    Full,
    /// It succeeded, with keys of an earlier connection.
    Resumed,
}

/// Why encryption ends a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsFailure {
    /// The peer does not speak TLS.
    NotTls,
    /// The two sides have no version, cipher or signature in common, or the peer breaks the rules
    /// of the handshake.
    Handshake,
    /// The peer has no certificate, or one that is not accepted.
    Certificate,
    /// The peer says that it failed: it does not accept our certificate, for example.
    Alert,
    /// A record was changed on its way, or breaks the rules.
    Record,
    /// The end of the stream came without the peer's word that it is the end.
    Truncated,
}

impl TlsFailure {
    /// All of them.
    pub const ALL: [TlsFailure; 6] = [
        TlsFailure::NotTls,
        TlsFailure::Handshake,
        TlsFailure::Certificate,
        TlsFailure::Alert,
        TlsFailure::Record,
        TlsFailure::Truncated,
    ];

    /// What has failed, if it is encryption.
    pub fn of(error: &io::Error) -> Option<TlsFailure> {
        error.get_ref()?.downcast_ref().map(|error: &TlsError| error.failure)
    }
}

/// A failure, and what is known of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsError {
    /// Which.
    pub failure: TlsFailure,
    /// What the library says.
    pub detail: String,
}

impl From<TlsFailure> for TlsError {
    fn from(failure: TlsFailure) -> TlsError {
        TlsError { failure, detail: String::new() }
    }
}

impl From<TlsError> for io::Error {
    fn from(error: TlsError) -> io::Error {
        io::Error::new(ErrorKind::InvalidData, error)
    }
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.failure {
            TlsFailure::NotTls => "the peer does not speak TLS",
            TlsFailure::Handshake => "the TLS handshake failed",
            TlsFailure::Certificate => "the peer's certificate is missing or not accepted",
            TlsFailure::Alert => "the peer ended TLS with an alert",
            TlsFailure::Record => "a TLS record is damaged",
            TlsFailure::Truncated => "the stream ended without close_notify",
        })?;
        if self.detail.is_empty() { Ok(()) } else { write!(f, ": {}", self.detail) }
    }
}

impl std::error::Error for TlsError {}
