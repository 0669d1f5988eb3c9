//! [`Secured`]: a network whose streams can be encrypted.

use super::clock::EngineClock;
use super::identity::Identities;
use super::session::{End, Session};
use crate::io::buffer::ByteQueue;
use crate::io::clock::Moment;
use crate::io::host::WallClock;
use crate::io::net::{
    self, Encrypt, Encryption, Identity, Output, SocketIo, TlsError, TlsFailure, TlsHandshake,
    Token, Told,
};
use crate::io::readiness::{Interest, Readiness};
use std::io::{self, ErrorKind};
use std::sync::Arc;

/// Bytes that are read from a socket at once.
const INPUT: usize = 64 * 1024;

/// Plaintext that is encrypted at once. What the kernel does not take of it waits here.
const MOST_ENCRYPTED: usize = 64 * 1024;

/// Reads for one recv that bring no plaintext: after that it is the turn of other connections.
const READS: usize = 4;

/// No time: nobody asks since when these bytes wait.
const NO_TIME: Moment = Moment::START;

/// A network around another. It passes calls on; those on encrypted streams have plaintext here,
/// and ciphertext there.
pub struct Secured<N> {
    pub(super) network: N,
    pub(super) role: Role,
    pub(super) clock: Arc<EngineClock>,
    /// What was read: shared by all streams.
    pub(super) input: Box<[u8]>,
    /// What is to be sent, likewise.
    pub(super) cipher: Vec<u8>,
    #[cfg(feature = "client")]
    pub(super) handshakes: super::client::HandshakeCounts,
}

/// Whose network it is.
pub(super) enum Role {
    /// A server's: listeners say which streams are encrypted. Without identities none can be.
    Server(Option<Identities>),
    /// A client's. Its streams are encrypted, or none are.
    #[cfg(feature = "client")]
    Client(Option<super::client::ClientTls>),
}

/// A stream that may be encrypted.
#[derive(Debug)]
pub struct SecuredStream<S> {
    pub(super) socket: S,
    pub(super) layer: Option<Box<Layer>>,
}

/// What an encrypted stream has.
pub(super) struct Layer {
    pub(super) session: Session,
    /// Whether a client has sent its first message.
    #[cfg(feature = "client")]
    pub(super) has_begun: bool,
    /// Ciphertext that the kernel has not taken.
    unsent: ByteQueue,
    /// How much plaintext at the front of what is to be sent is encrypted already, and part of
    /// `unsent`.
    sealed: usize,
    has_close_notify: bool,
    /// The socket may have more than was read last.
    may_have_more: bool,
    /// Whether anything has come.
    has_input: bool,
    /// Whether the reader was told that nothing more will come.
    end_was_told: bool,
    /// The socket's end of stream, or its error, which it tells once.
    socket_end: Option<SocketEnd>,
}

#[derive(Debug)]
enum SocketEnd {
    Eof,
    Error(io::Error),
}

impl std::fmt::Debug for Layer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Layer")
            .field("handshake", &self.session.handshake())
            .finish_non_exhaustive()
    }
}

impl<N> Secured<N> {
    /// A network whose streams can be encrypted with these identities.
    pub fn new(network: N, identities: impl Into<Option<Identities>>) -> Secured<N> {
        Secured::with_role(network, Role::Server(identities.into()))
    }

    pub(super) fn with_role(network: N, role: Role) -> Secured<N> {
        let clock = match &role {
            Role::Server(identities) => {
                identities.as_ref().map(Identities::clock).unwrap_or_default()
            }
            #[cfg(feature = "client")]
            Role::Client(tls) => tls.as_ref().map(|tls| Arc::clone(&tls.clock)).unwrap_or_default(),
        };
        Secured {
            network,
            role,
            clock,
            input: vec![0; INPUT].into_boxed_slice(),
            cipher: Vec::new(),
            #[cfg(feature = "client")]
            handshakes: Default::default(),
        }
    }

    /// The network below.
    pub fn network(&self) -> &N {
        &self.network
    }
}

impl<S> SecuredStream<S> {
    pub(super) fn plain(socket: S) -> SecuredStream<S> {
        SecuredStream { socket, layer: None }
    }
}

impl Layer {
    pub(super) fn new(session: Session) -> Layer {
        Layer {
            session,
            #[cfg(feature = "client")]
            has_begun: false,
            unsent: ByteQueue::default(),
            sealed: 0,
            has_close_notify: false,
            may_have_more: false,
            has_input: false,
            end_was_told: false,
            socket_end: None,
        }
    }

    fn has_end(&self) -> bool {
        self.session.end().is_some() || self.socket_end.is_some()
    }

    /// What a read that finds nothing more tells.
    pub(super) fn at_end(&mut self) -> io::Result<usize> {
        self.end_was_told = self.has_end();
        match (self.session.end(), &self.socket_end) {
            (Some(End::CloseNotify), _) => Ok(0),
            (Some(End::Failed(error)), _) => Err(error.clone().into()),
            (None, Some(SocketEnd::Error(error))) => Err(match error.raw_os_error() {
                Some(errno) => io::Error::from_raw_os_error(errno),
                None => error.kind().into(),
            }),
            // A client that has sent nothing has lost nothing: probes connect, and go.
            (None, Some(SocketEnd::Eof)) if !self.has_input => Ok(0),
            (None, Some(SocketEnd::Eof)) => Err(TlsError::from(TlsFailure::Truncated).into()),
            (None, None) => Err(ErrorKind::WouldBlock.into()),
        }
    }

    /// Moves plaintext that was read before into `into`.
    fn take_unread(&mut self, into: &mut [u8]) -> usize {
        let unread = &mut self.session.unread;
        let count = unread.len().min(into.len());
        into.iter_mut().zip(unread.bytes()).for_each(|(to, from)| *to = *from);
        if count > 0 {
            unread.consume(count, NO_TIME);
        }
        count
    }

    /// Sends what waits, then `cipher`; what the kernel does not take waits.
    pub(super) fn flush<N: SocketIo>(
        &mut self,
        network: &mut N,
        socket: &mut N::Stream,
        cipher: &[u8],
    ) -> io::Result<usize> {
        let mut ready = Readiness { write: true, ..Readiness::default() };
        net::flush_queue(network, socket, &mut ready, &mut self.unsent, cipher, NO_TIME)
    }

    /// Reads from the socket once, and decrypts. Returns how much of `into` was used; `None` if
    /// nothing was there.
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
                (self.socket_end, self.may_have_more) = (Some(SocketEnd::Eof), false);
                return Ok(None);
            }
            Ok(count) => count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                self.may_have_more = false;
                return Ok(None);
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => return Err(error),
            Err(error) => {
                (self.socket_end, self.may_have_more) = (Some(SocketEnd::Error(error)), false);
                return Ok(None);
            }
        };
        self.has_input = true;
        self.may_have_more = count == most || network.has_more(socket);
        let used = self.session.receive(input.get_mut(..count).unwrap_or_default(), into, cipher);
        // If the socket is broken, reading tells, too.
        let _ = self.flush(network, socket, cipher);
        cipher.clear();
        Ok(Some(used))
    }
}

impl<N: SocketIo> Secured<N> {
    fn recv_encrypted(
        &mut self,
        socket: &mut N::Stream,
        layer: &mut Layer,
        into: &mut [u8],
    ) -> io::Result<usize> {
        let used = layer.take_unread(into);
        if used > 0 {
            return Ok(used);
        }
        let Secured { network, input, cipher, .. } = self;
        for _ in 0..READS {
            if layer.has_end() {
                return layer.at_end();
            }
            match layer.read(network, socket, input, cipher, into)? {
                None => return layer.at_end(),
                // A FIN that came with these bytes is told by no further event.
                Some(0) => {}
                Some(used) => return Ok(used),
            }
        }
        // The stream stays ready.
        Err(ErrorKind::Interrupted.into())
    }

    fn send_encrypted_bytes(
        &mut self,
        socket: &mut N::Stream,
        layer: &mut Layer,
        bytes: &[u8],
    ) -> io::Result<usize> {
        let Secured { network, cipher, .. } = self;
        let waited = layer.unsent.len();
        let sent = if waited > 0 { layer.flush(network, socket, &[])? } else { 0 };
        if layer.unsent.is_empty() && layer.sealed > 0 {
            let taken = layer.sealed.min(bytes.len());
            layer.sealed -= taken;
            return Ok(taken);
        }
        if !layer.unsent.is_empty() {
            // Progress is told, so that a slow peer is not taken for one that takes nothing. The
            // last byte is not taken before all ciphertext is.
            let taken = sent.min(layer.sealed.saturating_sub(1)).min(bytes.len());
            layer.sealed -= taken;
            return if taken > 0 { Ok(taken) } else { Err(ErrorKind::WouldBlock.into()) };
        }
        if layer.session.handshake() == TlsHandshake::UnderWay {
            return Err(ErrorKind::WouldBlock.into());
        }
        let chunk = bytes.get(..MOST_ENCRYPTED).unwrap_or(bytes);
        cipher.clear();
        layer.session.encrypt(chunk, cipher);
        let sent = layer.flush(network, socket, cipher);
        let made = cipher.len();
        cipher.clear();
        if made == 0 {
            return Err(TlsError::from(TlsFailure::Record).into());
        }
        let sent = sent?;
        if layer.unsent.is_empty() {
            return Ok(chunk.len());
        }
        layer.sealed = chunk.len();
        let taken = sent.min(layer.sealed - 1);
        layer.sealed -= taken;
        if taken > 0 { Ok(taken) } else { Err(ErrorKind::WouldBlock.into()) }
    }

    fn flush_all(&mut self, socket: &mut N::Stream, layer: &mut Layer) -> io::Result<()> {
        layer.flush(&mut self.network, socket, &self.cipher)?;
        self.cipher.clear();
        if layer.unsent.is_empty() { Ok(()) } else { Err(ErrorKind::WouldBlock.into()) }
    }
}

impl<N: SocketIo + WallClock> SocketIo for Secured<N> {
    type Stream = SecuredStream<N::Stream>;

    const IS_OBSERVED: bool = N::IS_OBSERVED;

    #[inline(always)]
    fn told(&mut self, told: Told<'_>) {
        self.network.told(told);
    }

    fn register(
        &mut self,
        stream: &mut Self::Stream,
        token: Token,
        interest: Interest,
    ) -> io::Result<()> {
        self.network.register(&mut stream.socket, token, interest)
    }

    fn add_write_interest(&mut self, stream: &mut Self::Stream, token: Token) -> io::Result<()> {
        self.network.add_write_interest(&mut stream.socket, token)
    }

    #[inline]
    fn recv(&mut self, stream: &mut Self::Stream, into: &mut [u8]) -> io::Result<usize> {
        let SecuredStream { socket, layer } = stream;
        match layer {
            None => self.network.recv(socket, into),
            Some(layer) => {
                if layer.session.handshake() == TlsHandshake::UnderWay {
                    self.clock.set(self.network.wall_time());
                }
                self.recv_encrypted(socket, layer, into)
            }
        }
    }

    #[inline]
    fn has_more(&self, SecuredStream { socket, layer }: &Self::Stream) -> bool {
        match layer {
            None => self.network.has_more(socket),
            Some(layer) => {
                layer.may_have_more
                    || !layer.session.unread.is_empty()
                    || (layer.has_end() && !layer.end_was_told)
            }
        }
    }

    #[inline]
    fn send(&mut self, stream: &mut Self::Stream, bytes: &[u8]) -> io::Result<usize> {
        let SecuredStream { socket, layer } = stream;
        match layer {
            None => self.network.send(socket, bytes),
            Some(layer) => self.send_encrypted_bytes(socket, layer, bytes),
        }
    }

    fn output(&self, stream: &Self::Stream) -> Output {
        self.network.output(&stream.socket)
    }

    fn send_fin(&mut self, stream: &mut Self::Stream) -> io::Result<()> {
        // A server has sent it. If there is no room for it, a client has nothing to lose.
        let _ = self.send_close_notify(stream);
        self.network.send_fin(&mut stream.socket)
    }

    fn close(&mut self, mut stream: Self::Stream) {
        let _ = self.send_close_notify(&mut stream);
    }

    fn abort(&mut self, stream: Self::Stream) {
        self.network.abort(stream.socket);
    }
}

impl<N: SocketIo + WallClock> Encrypt for Secured<N> {
    const CAN_ENCRYPT: bool = true;

    fn encrypt(
        &mut self,
        stream: &mut Self::Stream,
        identity: Identity,
        already_read: &[u8],
    ) -> io::Result<()> {
        let connection = match &self.role {
            Role::Server(Some(identities)) => identities.connection(identity)?,
            _ => return Err(ErrorKind::Unsupported.into()),
        };
        let mut layer = Layer::new(Session::of_server(connection));
        self.cipher.clear();
        if !already_read.is_empty() {
            self.clock.set(self.network.wall_time());
            layer.has_input = true;
            let mut bytes = already_read.to_vec();
            layer.session.receive(&mut bytes, &mut [], &mut self.cipher);
            // If the socket is broken, reading tells.
            let _ = self.flush_all(&mut stream.socket, &mut layer);
            self.cipher.clear();
        }
        stream.layer = Some(Box::new(layer));
        Ok(())
    }

    fn encryption(&self, stream: &Self::Stream) -> Encryption {
        let Some(layer) = &stream.layer else { return Encryption::default() };
        let Layer { session, unsent, .. } = &**layer;
        Encryption {
            handshake: session.handshake(),
            input: session.held.memory() + session.unread.memory(),
            output: unsent.memory(),
        }
    }

    fn send_encrypted(&mut self, stream: &mut Self::Stream) -> io::Result<()> {
        let SecuredStream { socket, layer } = stream;
        let Some(layer) = layer else { return Ok(()) };
        self.cipher.clear();
        self.flush_all(socket, layer)
    }

    fn send_close_notify(&mut self, stream: &mut Self::Stream) -> io::Result<()> {
        let SecuredStream { socket, layer } = stream;
        let Some(layer) = layer else { return Ok(()) };
        self.cipher.clear();
        if !layer.has_close_notify && layer.session.handshake() != TlsHandshake::UnderWay {
            layer.has_close_notify = true;
            layer.session.close_notify(&mut self.cipher);
        }
        self.flush_all(socket, layer)
    }
}
