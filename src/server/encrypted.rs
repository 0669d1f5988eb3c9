//! Connections that are encrypted: between accept(2) and their first request is a handshake, and
//! before their end close_notify.
//!
//! The network encrypts and decrypts ([`Encrypt`](crate::io::net::Encrypt)); here is what the
//! server has to know of it. On a network that cannot, all of this is compiled away.
//!
//! Invariants:
//!
//! - Nothing is served before the handshake has succeeded.
//! - If the network holds ciphertext of a connection, the connection has a deadline by which the
//!   peer must take it, and is visited when there is room.

use super::admission::Refusal;
use super::connection::{PeerStanding, ServerConnection};
use super::context::ServerContext;
use super::work;
use crate::conn::{Action, Outbound};
use crate::io::address::Peer;
use crate::io::clock::Moment;
use crate::io::net::{Encryption, Identity, Net, TlsFailure, TlsHandshake};
use crate::io::socket_table::Socket;
use crate::server::close::CloseReason;
use log::Level;
use std::io::{self, ErrorKind};
use std::time::Duration;

/// What is between a connection's socket and its requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Layer {
    /// Nothing.
    #[default]
    Plain,
    /// Nothing yet: TLS begins behind the header of a proxy.
    BehindHeader(Identity),
    /// A handshake that is not over.
    Handshake(Ciphertext),
    /// TLS.
    Tls(Ciphertext),
}

/// Whether the network holds ciphertext that the kernel has not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ciphertext {
    Sent,
    Waits,
}

impl Layer {
    /// Whether the network encrypts already.
    #[inline]
    pub(super) fn is_encrypted(self) -> bool {
        cfg!(feature = "tls") && matches!(self, Layer::Handshake(_) | Layer::Tls(_))
    }

    /// Whether the handshake is not over.
    #[inline]
    pub(super) fn is_handshaking(self) -> bool {
        cfg!(feature = "tls") && matches!(self, Layer::Handshake(_))
    }

    /// Whether ciphertext waits for room, though all plaintext was taken.
    #[inline]
    pub(super) fn waits(self) -> bool {
        cfg!(feature = "tls")
            && matches!(self, Layer::Handshake(Ciphertext::Waits) | Layer::Tls(Ciphertext::Waits))
    }

    fn note(&mut self, now: Ciphertext) {
        match self {
            Layer::Plain | Layer::BehindHeader(_) => {}
            Layer::Handshake(ciphertext) | Layer::Tls(ciphertext) => *ciphertext = now,
        }
    }
}

/// How often handshakes may begin: with the same tolerance of a second as the limit for addresses.
#[derive(Debug, Default)]
pub(super) struct HandshakeRate {
    next: Option<Moment>,
}

impl HandshakeRate {
    /// Whether another may begin at `now`.
    pub(super) fn admit(&mut self, rate: Option<u32>, now: Moment) -> bool {
        const SECOND: Duration = Duration::from_secs(1);
        let Some(rate) = rate.filter(|rate| *rate > 0) else { return true };
        let next = self.next.map_or(now, |next| next.max(now)) + SECOND / rate;
        let is_admitted = next <= now + SECOND;
        if is_admitted {
            self.next = Some(next);
        }
        is_admitted
    }
}

/// Whether ciphertext is left, and the socket is sound: there is no room, or a signal came.
fn can_be_sent_later(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}

impl<N: Net> ServerContext<N> {
    /// Whether a connection of this standing may begin a handshake now, if it is to be encrypted.
    pub(super) fn admit_handshake(
        &mut self,
        tls: Option<Identity>,
        peer: &Peer,
        standing: PeerStanding,
    ) -> Result<PeerStanding, Refusal> {
        let rate = self.limits.tls_handshake_rate;
        if tls.is_none() || self.handshake_rate.admit(rate, self.now) {
            return Ok(standing);
        }
        if standing == PeerStanding::Admitted {
            self.admission.closed(peer);
        }
        Err(Refusal::TooManyHandshakes)
    }

    /// What is between a new connection's socket and its requests. `registered` is the outcome of
    /// its registration, or else why it cannot be encrypted.
    pub(super) fn first_layer(
        &mut self,
        stream: &mut N::Stream,
        tls: Option<Identity>,
        standing: PeerStanding,
        registered: io::Result<()>,
    ) -> (Layer, io::Result<()>) {
        match (tls, standing) {
            (None, _) => (Layer::Plain, registered),
            (Some(identity), PeerStanding::AwaitsHeader(_)) => {
                (Layer::BehindHeader(identity), registered)
            }
            (Some(identity), PeerStanding::Admitted | PeerStanding::Exempt) => {
                match registered.and_then(|()| self.begin_encryption(stream, identity, &[])) {
                    Ok(layer) => (layer, Ok(())),
                    Err(error) => (Layer::Plain, Err(error)),
                }
            }
        }
    }

    /// Encrypts a connection's stream from now on. Bytes of the client's may have been read.
    pub(super) fn begin_encryption(
        &mut self,
        stream: &mut N::Stream,
        identity: Identity,
        already_read: &[u8],
    ) -> io::Result<Layer> {
        self.net.encrypt(stream, identity, already_read)?;
        Ok(Layer::Handshake(Ciphertext::Sent))
    }

    /// Whether nothing may be served yet.
    #[inline]
    pub(super) fn is_unopened(endpoint: &ServerConnection) -> bool {
        endpoint.awaits_header() || (N::CAN_ENCRYPT && endpoint.layer.is_handshaking())
    }

    /// Heap bytes that a connection holds, and the network for it: of input, of output.
    #[inline]
    pub(super) fn memory_of(&self, socket: &Socket<N::Stream, ServerConnection>) -> (usize, usize) {
        let (input, output) = socket.endpoint.conn.memory();
        if N::CAN_ENCRYPT && socket.endpoint.layer.is_encrypted() {
            let Encryption { input: held, output: unsent, .. } =
                self.net.encryption(&socket.stream);
            return (input + held, output + unsent);
        }
        (input, output)
    }

    /// After a read of an encrypted connection: opens it if the handshake is over now.
    #[cold]
    pub(super) fn after_encrypted_read(
        &mut self,
        stream: &N::Stream,
        endpoint: &mut ServerConnection,
        output: &mut Vec<u8>,
        out_start: usize,
    ) {
        let Encryption { handshake, output: waiting, .. } = self.net.encryption(stream);
        let ciphertext = if waiting > 0 { Ciphertext::Waits } else { Ciphertext::Sent };
        endpoint.layer.note(ciphertext);
        if !endpoint.layer.is_handshaking() || !endpoint.conn.is_open() {
            return;
        }
        self.work.spent += work::HANDSHAKE_STEP;
        if handshake == TlsHandshake::UnderWay {
            return;
        }
        endpoint.layer = Layer::Tls(ciphertext);
        self.stats.tls_handshakes += 1;
        self.stats.tls_resumed += u64::from(handshake == TlsHandshake::Resumed);
        endpoint.conn.begin(self.now);
        self.with_engine(endpoint, output, out_start, |conn, cx| conn.open(cx));
    }

    /// Sends ciphertext that waits, if some does, and there may be room.
    #[inline]
    pub(super) fn send_ciphertext(&mut self, socket: &mut Socket<N::Stream, ServerConnection>) {
        if N::CAN_ENCRYPT && socket.ready.write && socket.endpoint.layer.waits() {
            self.send_waiting_ciphertext(socket);
        }
    }

    #[cold]
    fn send_waiting_ciphertext(&mut self, socket: &mut Socket<N::Stream, ServerConnection>) {
        match self.net.send_encrypted(&mut socket.stream) {
            Ok(()) => socket.endpoint.layer.note(Ciphertext::Sent),
            Err(error) => self.ciphertext_is_stuck(socket, &error),
        }
    }

    /// Before FIN: close_notify. Returns what is to be done now: `step`, unless the kernel has no
    /// room.
    #[cold]
    pub(super) fn say_goodbye(
        &mut self,
        socket: &mut Socket<N::Stream, ServerConnection>,
        step: Action,
    ) -> Action {
        let is_orderly =
            matches!(socket.endpoint.conn.stage().1, Outbound::Closing(_) | Outbound::FinSent(_));
        match self.net.send_close_notify(&mut socket.stream) {
            Err(error) if is_orderly && can_be_sent_later(&error) => {
                self.ciphertext_is_stuck(socket, &error);
                Action::Stay
            }
            // If the socket is broken, close(2) is all that is left.
            _ => {
                socket.endpoint.layer.note(Ciphertext::Sent);
                step
            }
        }
    }

    fn ciphertext_is_stuck(
        &mut self,
        socket: &mut Socket<N::Stream, ServerConnection>,
        error: &io::Error,
    ) {
        if can_be_sent_later(error) {
            socket.ready.write &= error.kind() == ErrorKind::Interrupted;
            if socket.endpoint.layer == Layer::Tls(Ciphertext::Sent) {
                // The peer has the write timeout from now on, however long nothing was said.
                socket.endpoint.conn.output_taken(self.now);
            }
            socket.endpoint.layer.note(Ciphertext::Waits);
            return;
        }
        let conn = &mut socket.endpoint.conn;
        match conn.stage().1 {
            // Output was dropped already. FIN would make the rest look whole.
            Outbound::Aborting(_) => {}
            _ if conn.has_unsent() => conn.abandon(CloseReason::from(error)),
            _ => conn.fail(CloseReason::from(error)),
        }
    }

    /// Tells why encryption ends a connection, if it does.
    pub(super) fn log_failure(&mut self, endpoint: &ServerConnection, error: &io::Error) {
        if TlsFailure::of(error).is_some() && endpoint.conn.is_open() {
            let line = format_args!("{}: {error}", endpoint.peer);
            self.log.line(self.now, Level::Info, line);
        }
    }
}
