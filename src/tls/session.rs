//! One encrypted connection: ciphertext in, plaintext out, and the other way round.
//!
//! It knows no socket. Ciphertext that it makes is appended to a buffer of the caller's.

use crate::io::buffer::ByteQueue;
use crate::io::clock::Moment;
use crate::io::net::{TlsError, TlsFailure, TlsHandshake};
#[cfg(feature = "client-library")]
use rustls::client::UnbufferedClientConnection;
use rustls::server::UnbufferedServerConnection;
use rustls::unbuffered::{ConnectionState, EncodeError, EncryptError, UnbufferedStatus};
use rustls::{CommonState, Error, HandshakeKind, InvalidMessage};

/// More than a record has beside its plaintext: header, type and tag.
const RECORD_OVERHEAD: usize = 64;

/// The most plaintext in a record.
const RECORD: usize = 16 * 1024;

/// No time: nobody asks since when these bytes wait.
const NO_TIME: Moment = Moment::START;

/// See the [module](self).
pub(super) struct Session {
    side: Side,
    /// The beginning of a record, or of a message of the handshake.
    pub(super) held: ByteQueue,
    /// Plaintext for which the reader had no room.
    pub(super) unread: ByteQueue,
    end: Option<End>,
    has_close_notify: bool,
}

enum Side {
    Server(UnbufferedServerConnection),
    #[cfg(feature = "client-library")]
    Client(UnbufferedClientConnection),
}

/// Nothing more can be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The peer has said so.
    CloseNotify,
    /// Encryption has failed.
    Failed(TlsError),
}

/// What is to be sent, once rustls lets it.
#[derive(Clone, Copy)]
enum Wish<'a> {
    Nothing,
    Plaintext(&'a [u8]),
    CloseNotify,
}

/// What a step came to.
enum Step {
    /// There may be another.
    More,
    /// Nothing is left to do without more bytes.
    Done,
    Failed(Error),
}

/// Where plaintext goes that is decrypted.
struct Reader<'a> {
    into: &'a mut [u8],
    used: usize,
    rest: &'a mut ByteQueue,
}

impl Reader<'_> {
    fn take(&mut self, bytes: &[u8]) {
        let room = self.into.get_mut(self.used..).unwrap_or_default();
        let count = if self.rest.is_empty() { room.len().min(bytes.len()) } else { 0 };
        let (now, later) = bytes.split_at(count);
        room.iter_mut().zip(now).for_each(|(to, from)| *to = *from);
        self.used += count;
        self.rest.extend(later, NO_TIME);
    }
}

impl Session {
    pub(super) fn of_server(connection: UnbufferedServerConnection) -> Session {
        Session::of(Side::Server(connection))
    }

    #[cfg(feature = "client-library")]
    pub(super) fn of_client(connection: UnbufferedClientConnection) -> Session {
        Session::of(Side::Client(connection))
    }

    fn of(side: Side) -> Session {
        let (held, unread) = (ByteQueue::default(), ByteQueue::default());
        Session { side, held, unread, end: None, has_close_notify: false }
    }

    fn common(&self) -> &CommonState {
        match &self.side {
            Side::Server(connection) => connection,
            #[cfg(feature = "client-library")]
            Side::Client(connection) => connection,
        }
    }

    /// How far the handshake is.
    pub(super) fn handshake(&self) -> TlsHandshake {
        let common = self.common();
        match common.handshake_kind() {
            _ if common.is_handshaking() => TlsHandshake::UnderWay,
            Some(HandshakeKind::Resumed) => TlsHandshake::Resumed,
            _ => TlsHandshake::Full,
        }
    }

    /// Why nothing more can be read.
    pub(super) fn end(&self) -> Option<&End> {
        self.end.as_ref()
    }

    /// Whether what still comes does not matter: a server says close_notify last of all.
    ///
    /// It must not matter. rustls answers a damaged record with an alert, and asserts that it has
    /// not said close_notify before.
    pub(super) fn ignores_input(&self) -> bool {
        self.has_close_notify && matches!(self.side, Side::Server(_))
    }

    /// Decrypts bytes that came, into `into`; what does not fit there is held. Returns how much of
    /// `into` was used. What is to be sent because of that is appended to `out`.
    pub(super) fn receive(
        &mut self,
        bytes: &mut [u8],
        into: &mut [u8],
        out: &mut Vec<u8>,
    ) -> usize {
        if self.ignores_input() {
            return 0;
        }
        let Session { side, held, unread, .. } = self;
        let mut reader = Reader { into, used: 0, rest: unread };
        let outcome = if held.is_empty() {
            let (used, outcome) = side.advance(bytes, Wish::Nothing, &mut reader, out);
            held.extend(bytes.get(used..).unwrap_or_default(), NO_TIME);
            outcome
        } else {
            held.extend(bytes, NO_TIME);
            let (used, outcome) = side.advance(held.bytes_mut(), Wish::Nothing, &mut reader, out);
            held.consume(used.min(held.len()), NO_TIME);
            outcome
        };
        let used = reader.used;
        self.note(outcome);
        if self.end.is_some() {
            self.held.clear();
        }
        used
    }

    /// Encrypts `bytes`, and appends the records to `out`. Call it when the handshake is over.
    pub(super) fn encrypt(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        self.write(Wish::Plaintext(bytes), out);
    }

    /// Appends close_notify to `out`, unless the handshake is not over.
    pub(super) fn close_notify(&mut self, out: &mut Vec<u8>) {
        self.has_close_notify = true;
        self.write(Wish::CloseNotify, out);
    }

    /// Appends what rustls has to send to `out`: the first message of a client.
    #[cfg(feature = "client-library")]
    pub(super) fn begin(&mut self, out: &mut Vec<u8>) {
        self.write(Wish::Nothing, out);
    }

    fn write(&mut self, wish: Wish<'_>, out: &mut Vec<u8>) {
        if matches!(self.end, Some(End::Failed(_))) {
            return;
        }
        let Session { side, held, unread, .. } = self;
        let mut reader = Reader { into: &mut [], used: 0, rest: unread };
        let (used, outcome) = side.advance(held.bytes_mut(), wish, &mut reader, out);
        if used > 0 {
            held.consume(used.min(held.len()), NO_TIME);
        }
        self.note(outcome);
    }

    fn note(&mut self, outcome: Outcome) {
        let was_shaking = self.common().is_handshaking();
        match outcome {
            Ok(false) => {}
            Ok(true) => self.end = Some(End::CloseNotify),
            Err(error) => self.end = Some(End::Failed(failure(error, was_shaking))),
        }
    }
}

/// Whether the peer has sent close_notify; or why it failed.
type Outcome = Result<bool, Error>;

impl Side {
    /// Goes through `incoming` record by record. Returns how many bytes are done with.
    fn advance(
        &mut self,
        incoming: &mut [u8],
        mut wish: Wish<'_>,
        reader: &mut Reader<'_>,
        out: &mut Vec<u8>,
    ) -> (usize, Outcome) {
        let (mut used, mut is_closed) = (0, false);
        loop {
            let rest = incoming.get_mut(used..).unwrap_or_default();
            let (discard, step) = self.step(rest, &mut wish, reader, out, &mut is_closed);
            used += discard;
            match step {
                Step::More => {}
                Step::Done => return (used, Ok(is_closed)),
                Step::Failed(error) => {
                    // What tells the peer why. Bytes that were refused must not be looked at again.
                    while self.wants_write() {
                        let rest = incoming.get_mut(used..).unwrap_or_default();
                        self.step(rest, &mut Wish::Nothing, reader, out, &mut is_closed);
                    }
                    return (used, Err(error));
                }
            }
        }
    }

    fn step(
        &mut self,
        incoming: &mut [u8],
        wish: &mut Wish<'_>,
        reader: &mut Reader<'_>,
        out: &mut Vec<u8>,
        is_closed: &mut bool,
    ) -> (usize, Step) {
        match self {
            Side::Server(connection) => {
                step(connection.process_tls_records(incoming), wish, reader, out, is_closed)
            }
            #[cfg(feature = "client-library")]
            Side::Client(connection) => {
                step(connection.process_tls_records(incoming), wish, reader, out, is_closed)
            }
        }
    }

    fn wants_write(&self) -> bool {
        match self {
            Side::Server(connection) => connection.wants_write(),
            #[cfg(feature = "client-library")]
            Side::Client(connection) => connection.wants_write(),
        }
    }
}

/// Acts on what rustls says next. Returns how many bytes it is done with.
fn step<D>(
    UnbufferedStatus { discard, state, .. }: UnbufferedStatus<'_, '_, D>,
    wish: &mut Wish<'_>,
    reader: &mut Reader<'_>,
    out: &mut Vec<u8>,
    is_closed: &mut bool,
) -> (usize, Step) {
    let state = match state {
        Ok(state) => state,
        Err(error) => return (discard, Step::Failed(error)),
    };
    let next = match state {
        ConnectionState::ReadTraffic(mut traffic) => {
            while let Some(Ok(record)) = traffic.next_record() {
                reader.take(record.payload);
            }
            Step::More
        }
        ConnectionState::EncodeTlsData(mut data) => {
            append(out, 0, |room| {
                data.encode(room).map_err(|error| match error {
                    EncodeError::InsufficientSize(size) => Some(size.required_size),
                    EncodeError::AlreadyEncoded => None,
                })
            });
            Step::More
        }
        ConnectionState::TransmitTlsData(data) => {
            data.done();
            Step::More
        }
        ConnectionState::WriteTraffic(mut traffic) => {
            let needed = |error| match error {
                EncryptError::InsufficientSize(size) => Some(size.required_size),
                EncryptError::EncryptExhausted => None,
            };
            match std::mem::replace(wish, Wish::Nothing) {
                Wish::Nothing => return (discard, Step::Done),
                Wish::Plaintext(bytes) => {
                    let records = bytes.len() / RECORD + 1;
                    let most = bytes.len() + records * RECORD_OVERHEAD;
                    append(out, most, |room| traffic.encrypt(bytes, room).map_err(needed));
                }
                Wish::CloseNotify => {
                    append(out, RECORD_OVERHEAD, |room| {
                        traffic.queue_close_notify(room).map_err(needed)
                    });
                }
            }
            Step::Done
        }
        ConnectionState::PeerClosed => {
            *is_closed = true;
            Step::More
        }
        // Early data is not accepted, so rustls has none.
        ConnectionState::BlockedHandshake | ConnectionState::Closed | _ => Step::Done,
    };
    (discard, next)
}

/// Has `write` write behind the end of `out`, in at least `guess` bytes. It returns how many it
/// wrote, or how many it needs.
fn append(
    out: &mut Vec<u8>,
    guess: usize,
    mut write: impl FnMut(&mut [u8]) -> Result<usize, Option<usize>>,
) {
    let before = out.len();
    let mut room = guess;
    // The second attempt has the room that the first asked for.
    for _ in 0..2 {
        out.resize(before + room, 0);
        match write(out.get_mut(before..).unwrap_or_default()) {
            Ok(written) => return out.truncate(before + written),
            Err(Some(needed)) => room = needed,
            Err(None) => break,
        }
    }
    out.truncate(before);
}

/// Whose fault an error is.
fn failure(error: Error, is_handshaking: bool) -> TlsError {
    let failure = match &error {
        Error::AlertReceived(_) => TlsFailure::Alert,
        _ if !is_handshaking => TlsFailure::Record,
        Error::InvalidMessage(
            InvalidMessage::InvalidContentType
            | InvalidMessage::UnknownProtocolVersion
            | InvalidMessage::MessageTooLarge
            | InvalidMessage::InvalidEmptyPayload,
        ) => TlsFailure::NotTls,
        Error::NoCertificatesPresented | Error::InvalidCertificate(_) => TlsFailure::Certificate,
        _ => TlsFailure::Handshake,
    };
    TlsError { failure, detail: error.to_string() }
}
