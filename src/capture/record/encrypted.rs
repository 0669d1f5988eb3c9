//! The records of encrypted streams. What was read and sent on them is plaintext.

use super::fields::{numbers, one_of, outcome, put_outcome, stream};
use super::{Outcome, Stream};
use crate::capture::wire::{Fault, Source, Writer};
use crate::io::net::{Encryption, Identity, TlsHandshake};

/// What was asked of a stream that is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encrypted {
    /// To be encrypted.
    Begin {
        /// Which.
        stream: Stream,
        /// With which certificate.
        identity: Identity,
        /// The outcome.
        outcome: Outcome,
    },
    /// How its encryption stands.
    State {
        /// Which.
        stream: Stream,
        /// How it does.
        state: Encryption,
    },
    /// To send what encryption had to send.
    Sent {
        /// Which.
        stream: Stream,
        /// The outcome.
        outcome: Outcome,
    },
    /// To say that nothing more will be sent.
    CloseNotify {
        /// Which.
        stream: Stream,
        /// The outcome.
        outcome: Outcome,
    },
    /// The read before has left something to read.
    More {
        /// Which stream.
        stream: Stream,
    },
}

const HANDSHAKES: [TlsHandshake; 3] =
    [TlsHandshake::UnderWay, TlsHandshake::Full, TlsHandshake::Resumed];

/// What such a record is called in a capture: its first byte.
pub(super) const BEGIN: u8 = 53;
const STATE: u8 = 54;
const SENT: u8 = 55;
const CLOSE_NOTIFY: u8 = 56;
pub(super) const MORE: u8 = 57;

impl Encrypted {
    /// The number of the stream.
    pub(in crate::capture) fn stream(&self) -> Stream {
        match *self {
            Encrypted::Begin { stream, .. }
            | Encrypted::State { stream, .. }
            | Encrypted::Sent { stream, .. }
            | Encrypted::CloseNotify { stream, .. }
            | Encrypted::More { stream } => stream,
        }
    }

    pub(super) fn encode(&self, to: &mut Writer) {
        match *self {
            Encrypted::Begin { stream, identity: Identity(identity), outcome } => {
                numbers(to, BEGIN, &[stream.into(), identity.into()]);
                put_outcome(to, outcome.map(|()| 0));
            }
            Encrypted::State { stream, state: Encryption { handshake, input, output } } => {
                let state = [stream.into(), handshake as u64, input as u64, output as u64];
                numbers(to, STATE, &state);
            }
            Encrypted::Sent { stream, outcome } => {
                numbers(to, SENT, &[stream.into()]);
                put_outcome(to, outcome.map(|()| 0));
            }
            Encrypted::CloseNotify { stream, outcome } => {
                numbers(to, CLOSE_NOTIFY, &[stream.into()]);
                put_outcome(to, outcome.map(|()| 0));
            }
            Encrypted::More { stream } => numbers(to, MORE, &[stream.into()]),
        }
    }

    pub(super) fn decode(kind: u8, from: &mut Source<'_>) -> Result<Encrypted, Fault> {
        let stream = stream(from)?;
        Ok(match kind {
            BEGIN => {
                let identity = Identity(from.narrow("an identity")?);
                Encrypted::Begin { stream, identity, outcome: outcome(from)?.map(|_| ()) }
            }
            STATE => {
                let handshake = one_of(&HANDSHAKES, from)?;
                let (input, output) = (from.narrow("a size")?, from.narrow("a size")?);
                Encrypted::State { stream, state: Encryption { handshake, input, output } }
            }
            SENT => Encrypted::Sent { stream, outcome: outcome(from)?.map(|_| ()) },
            CLOSE_NOTIFY => Encrypted::CloseNotify { stream, outcome: outcome(from)?.map(|_| ()) },
            _ => Encrypted::More { stream },
        })
    }
}
