//! [`Secured`]: a network whose streams can be encrypted.

use super::clock::EngineClock;
use super::identity::Identities;
use super::layer::{Flushed, Layer};
use super::session::{End, Session};
use crate::io::host::WallClock;
use crate::io::net::{
    Encrypt, Encryption, Identity, Output, SocketIo, TlsError, TlsFailure, TlsHandshake, Token,
    Told,
};
use crate::io::readiness::Interest;
use std::io::{self, ErrorKind};
use std::sync::Arc;

/// Bytes that are read from a socket at once.
const INPUT: usize = 64 * 1024;

/// Plaintext that is encrypted at once. What the kernel does not take of it waits here.
const MOST_ENCRYPTED: usize = 64 * 1024;

/// Reads for one recv that bring no plaintext: after that it is the turn of other connections.
const READS: usize = 4;

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
    #[cfg(feature = "client-library")]
    pub(super) handshakes: super::client::HandshakeCounts,
}

/// Whose network it is.
pub(super) enum Role {
    /// A server's: listeners say which streams are encrypted. Without identities none can be.
    Server(Option<Identities>),
    /// A client's. Its streams are encrypted, or none are.
    #[cfg(feature = "client-library")]
    Client(Option<super::client::ClientTls>),
}

/// A stream that may be encrypted.
#[derive(Debug)]
pub struct SecuredStream<S> {
    pub(super) socket: S,
    pub(super) layer: Option<Box<Layer>>,
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
            #[cfg(feature = "client-library")]
            Role::Client(tls) => tls.as_ref().map(|tls| Arc::clone(&tls.clock)).unwrap_or_default(),
        };
        Secured {
            network,
            role,
            clock,
            input: vec![0; INPUT].into_boxed_slice(),
            cipher: Vec::new(),
            #[cfg(feature = "client-library")]
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
                if let Some(End::Failed(_)) = layer.session.end() {
                    // An alert may wait that tells the peer why.
                    let _ = layer.flush(network, socket, &[]);
                }
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
        let Flushed { taken, rest_waits } = layer.flush(network, socket, &[])?;
        if let Some(why) = rest_waits {
            return layer.take_sealed(taken.min(bytes.len()), why);
        }
        if layer.sealed > 0 {
            let taken = layer.sealed.min(bytes.len());
            layer.sealed -= taken;
            return Ok(taken);
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
        let Flushed { taken, rest_waits } = sent?;
        let Some(why) = rest_waits else { return Ok(chunk.len()) };
        layer.sealed = chunk.len();
        layer.take_sealed(taken, why)
    }

    fn flush_all(&mut self, socket: &mut N::Stream, layer: &mut Layer) -> io::Result<()> {
        let sent = layer.flush(&mut self.network, socket, &self.cipher)?;
        self.cipher.clear();
        sent.all()
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
        if let Some(layer) = &mut stream.layer {
            layer.end_output();
        }
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
            layer.receive(&mut already_read.to_vec(), &mut [], &mut self.cipher);
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
        layer.say_goodbye(&mut self.cipher);
        self.flush_all(socket, layer)
    }
}
