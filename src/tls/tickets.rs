//! The keys of session tickets: how a client that comes again resumes its session, whichever shard
//! it meets.
//!
//! A ticket has the state of a session, sealed with a key that only the server knows. All shards
//! begin with one [`TicketSeed`], and make the next key from the last one when six hours have
//! passed, each by itself. The step cannot be undone: the keys in a process do not open tickets
//! that are older than the key before.
//!
//! Invariant: each identity has keys of its own, made of the seed and of what its clients must
//! prove. A ticket never lets a client in that would have to show a certificate and has shown
//! none.

use super::clock::EngineClock;
use crate::io::clock::WallTime;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hmac;
use ring::rand::{SecureRandom, SystemRandom};
use rustls::server::ProducesTickets;
use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

/// Seconds after which there is another key.
const PERIOD: u64 = 6 * 60 * 60;

const SECRET: usize = 32;

/// Before the sealed state: whose key, and the nonce.
const NAME: usize = 16;

/// A longer ticket is none of ours. The state has the client's certificates, if it has any.
const LONGEST: usize = 32 * 1024;

/// Steps from a seed to the key of today. Only a clock that jumps by decades needs more.
const MOST_STEPS: u64 = 1 << 17;

type Secret = [u8; SECRET];

/// What keys are made of: the same for all shards, and for the server that follows this one.
#[derive(Clone, PartialEq, Eq)]
pub struct TicketSeed {
    /// The number of the six hours, since 1970, that `current` is for.
    period: u64,
    current: Secret,
    previous: Secret,
}

impl TicketSeed {
    /// Bytes of a seed.
    pub const LEN: usize = 8 + 2 * SECRET;

    /// The number of what the bytes mean and of how keys are made. It grows with each change of
    /// that, so that a program of another version takes no seed that it would misunderstand.
    pub const FORMAT: u64 = 1;

    /// A seed that nobody else has, from now on.
    ///
    /// # Errors
    ///
    /// The system has no random bytes.
    pub fn random(now: WallTime) -> io::Result<TicketSeed> {
        let period = now.seconds / PERIOD;
        let mut seed = TicketSeed { period, current: [0; SECRET], previous: [0; SECRET] };
        let random = SystemRandom::new();
        let fill = |secret: &mut Secret| {
            random.fill(secret).map_err(|_| io::Error::other("the system has no random bytes"))
        };
        fill(&mut seed.current)?;
        // No ticket was made with it.
        fill(&mut seed.previous)?;
        Ok(seed)
    }

    /// The seed, for another process. It is a secret.
    pub fn to_bytes(&self) -> Vec<u8> {
        [&self.period.to_le_bytes()[..], &self.current, &self.previous].concat()
    }

    /// The seed of [`TicketSeed::to_bytes`]; `None` if it is none.
    pub fn from_bytes(bytes: &[u8]) -> Option<TicketSeed> {
        let (period, secrets) = bytes.split_first_chunk()?;
        let (current, previous) = secrets.split_first_chunk()?;
        let previous = previous.try_into().ok()?;
        Some(TicketSeed { period: u64::from_le_bytes(*period), current: *current, previous })
    }

    /// Whether it is for a later time than `now`: the clock was wrong when it was made or stepped.
    /// One period is no fault: a clock may be set back a little at the end of one.
    pub fn is_ahead_of(&self, now: WallTime) -> bool {
        self.period > now.seconds / PERIOD + 1
    }

    /// Makes the key of `period`, if it is a later one. A clock that goes back changes nothing.
    fn advance(&mut self, period: u64) {
        for _ in 0..period.saturating_sub(self.period).min(MOST_STEPS) {
            self.previous = self.current;
            self.current = derive(&self.previous, b"next");
        }
        self.period = self.period.max(period);
    }
}

/// Another secret, from which the first cannot be found.
fn derive(secret: &Secret, purpose: &[u8]) -> Secret {
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), purpose);
    let mut derived = [0; SECRET];
    derived.iter_mut().zip(tag.as_ref()).for_each(|(to, from)| *to = *from);
    derived
}

/// A secret is not printed.
impl fmt::Debug for TicketSeed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TicketSeed").field("period", &self.period).finish_non_exhaustive()
    }
}

/// The keys of now, for all identities.
#[derive(Debug)]
pub struct Tickets {
    seed: Mutex<TicketSeed>,
    clock: Arc<EngineClock>,
}

impl Tickets {
    pub(super) fn new(seed: TicketSeed, clock: Arc<EngineClock>) -> Tickets {
        Tickets { seed: Mutex::new(seed), clock }
    }

    /// The seed as it is at `now`, for another process: a shard that starts later, or a successor.
    pub fn seed(&self, now: WallTime) -> TicketSeed {
        self.seed_at(now.seconds)
    }

    fn seed_at(&self, seconds: u64) -> TicketSeed {
        let mut seed = self.seed.lock().unwrap_or_else(PoisonError::into_inner);
        seed.advance(seconds / PERIOD);
        seed.clone()
    }

    /// The seed for a handshake, whose time the network tells.
    fn current(&self) -> TicketSeed {
        self.seed_at(self.clock.seconds())
    }

    /// The tickets of an identity. `context` says all that its clients must prove.
    pub(super) fn of_identity(self: &Arc<Tickets>, context: &[u8]) -> Arc<dyn ProducesTickets> {
        Arc::new(OfIdentity { tickets: Arc::clone(self), context: context.to_vec() })
    }
}

struct OfIdentity {
    tickets: Arc<Tickets>,
    context: Vec<u8>,
}

impl fmt::Debug for OfIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OfIdentity")
    }
}

/// A key, and the name by which tickets tell that it was used.
struct TicketKey {
    key: LessSafeKey,
    name: [u8; NAME],
}

impl OfIdentity {
    fn key(&self, secret: &Secret) -> Option<TicketKey> {
        let own = derive(secret, &self.context);
        let key = UnboundKey::new(&CHACHA20_POLY1305, &derive(&own, b"key")).ok()?;
        let name = *derive(&own, b"name").first_chunk()?;
        Some(TicketKey { key: LessSafeKey::new(key), name })
    }
}

impl TicketKey {
    fn seal(&self, state: &[u8]) -> Option<Vec<u8>> {
        let mut nonce = [0; NONCE_LEN];
        SystemRandom::new().fill(&mut nonce).ok()?;
        let mut sealed = state.to_vec();
        let (aad, once) = (Aad::from(self.name), Nonce::assume_unique_for_key(nonce));
        self.key.seal_in_place_append_tag(once, aad, &mut sealed).ok()?;
        Some([&self.name[..], &nonce, &sealed].concat())
    }

    fn open(&self, ticket: &[u8]) -> Option<Vec<u8>> {
        let (name, rest) = ticket.split_first_chunk::<NAME>()?;
        let (nonce, sealed) = rest.split_first_chunk::<NONCE_LEN>()?;
        // The name is no secret: each ticket has it.
        if *name != self.name {
            return None;
        }
        let mut state = sealed.to_vec();
        let (aad, once) = (Aad::from(self.name), Nonce::assume_unique_for_key(*nonce));
        let len = self.key.open_in_place(once, aad, &mut state).ok()?.len();
        state.truncate(len);
        Some(state)
    }
}

impl ProducesTickets for OfIdentity {
    fn enabled(&self) -> bool {
        true
    }

    fn lifetime(&self) -> u32 {
        2 * PERIOD as u32
    }

    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        self.key(&self.tickets.current().current)?.seal(plain)
    }

    fn decrypt(&self, cipher: &[u8]) -> Option<Vec<u8>> {
        if cipher.len() > LONGEST {
            return None;
        }
        let seed = self.tickets.current();
        let open = |secret| self.key(secret)?.open(cipher);
        open(&seed.current).or_else(|| open(&seed.previous))
    }
}
