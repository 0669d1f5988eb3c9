//! Keys of tickets: which tickets they open, and when.

use crate::io::clock::WallTime;
use crate::tls::clock::EngineClock;
use crate::tls::tickets::{TicketSeed, Tickets};
use rustls::server::ProducesTickets;
use std::sync::Arc;

const STATE: &[u8] = b"the state of a session";

/// Bytes of the name, the nonce and the tag.
const OVERHEAD: usize = 16 + 12 + 16;

/// As long as a key is the current one.
pub(super) const PERIOD: u64 = 6 * 60 * 60;

/// In the middle of a period.
pub(super) const START: u64 = 80_000 * PERIOD + PERIOD / 2;

fn at(seconds: u64) -> WallTime {
    WallTime { seconds, nanos: 0 }
}

pub(super) fn seed() -> TicketSeed {
    TicketSeed::random(at(START)).unwrap()
}

/// The keys of one process, and its clock.
pub(super) struct Process {
    tickets: Arc<Tickets>,
    clock: Arc<EngineClock>,
}

impl Process {
    pub(super) fn new(seed: TicketSeed, now: u64) -> Process {
        let clock = Arc::new(EngineClock::default());
        clock.set(at(now));
        Process { tickets: Arc::new(Tickets::new(seed, Arc::clone(&clock))), clock }
    }

    pub(super) fn set_clock(&self, seconds: u64) {
        self.clock.set(at(seconds));
    }

    pub(super) fn now(&self) -> u64 {
        self.clock.seconds()
    }

    /// What it hands over.
    pub(super) fn seed_now(&self) -> TicketSeed {
        self.tickets.seed(at(self.now()))
    }

    fn identity(&self) -> Arc<dyn ProducesTickets> {
        self.tickets.of_identity(b"no certificates of clients")
    }

    pub(super) fn ticket(&self) -> Vec<u8> {
        self.identity().encrypt(STATE).unwrap()
    }

    pub(super) fn opens(&self, ticket: &[u8]) -> bool {
        match self.identity().decrypt(ticket) {
            Some(state) => {
                assert_eq!(state, STATE);
                true
            }
            None => false,
        }
    }
}

#[test]
fn each_shard_opens_the_tickets_of_all() {
    let seed = seed();
    let shards = [0, 1, 2].map(|_| Process::new(seed.clone(), START));
    for one in &shards {
        let ticket = one.ticket();
        assert!(shards.iter().all(|other| other.opens(&ticket)));
    }
    assert!(!Process::new(self::seed(), START).opens(&shards[0].ticket()), "another server");
}

#[test]
fn a_key_that_is_older_than_the_one_before_opens_nothing() {
    let process = Process::new(seed(), START);
    let first = process.ticket();
    process.set_clock(START + PERIOD);
    assert!(process.opens(&first), "the key before");
    let second = process.ticket();
    process.set_clock(START + 2 * PERIOD);
    assert!(process.opens(&second));
    assert!(!process.opens(&first), "two steps ago");
    // Nor can the seed be turned back, here or in another process.
    process.set_clock(START);
    assert!(!process.opens(&first));
    assert!(!Process::new(process.tickets.seed(at(START)), START).opens(&first));
    // A ticket is announced for as long as it may be opened.
    assert_eq!(u64::from(process.identity().lifetime()), 2 * PERIOD);
    assert!(process.identity().enabled());
}

#[test]
fn a_ticket_is_opened_for_a_whole_period_at_least() {
    for made in [0, 1, PERIOD / 2, PERIOD - 1] {
        let begin = 80_000 * PERIOD;
        let process = Process::new(TicketSeed::random(at(begin)).unwrap(), begin + made);
        let ticket = process.ticket();
        process.set_clock(begin + made + PERIOD);
        assert!(process.opens(&ticket), "made {made} s after the change");
        process.set_clock(begin + 2 * PERIOD);
        assert!(!process.opens(&ticket), "made {made} s after the change");
    }
}

#[test]
fn shards_that_step_at_different_times_and_by_different_numbers_agree() {
    let seed = seed();
    let (awake, asleep) = (Process::new(seed.clone(), START), Process::new(seed, START));
    for period in 0..20 {
        awake.set_clock(START + period * PERIOD);
        awake.ticket();
    }
    asleep.set_clock(START + 19 * PERIOD);
    assert!(asleep.opens(&awake.ticket()));
    assert!(awake.opens(&asleep.ticket()));
    // One that is a period behind reads the other's tickets with its next key, not before.
    awake.set_clock(START + 20 * PERIOD);
    let newest = awake.ticket();
    assert!(awake.opens(&asleep.ticket()));
    assert!(!asleep.opens(&newest));
    asleep.set_clock(START + 20 * PERIOD);
    assert!(asleep.opens(&newest));
}

#[test]
fn a_clock_that_goes_back_changes_nothing() {
    let process = Process::new(seed(), START);
    process.set_clock(START + 3 * PERIOD);
    let ticket = process.ticket();
    for earlier in [START, 0] {
        process.set_clock(earlier);
        assert!(process.opens(&ticket));
        assert!(process.opens(&process.ticket()));
        assert_eq!(process.tickets.seed(at(earlier)), process.tickets.seed(at(START)));
    }
}

#[test]
fn a_clock_that_jumps_to_the_end_of_time_ends() {
    let process = Process::new(seed(), START);
    let before = process.ticket();
    process.set_clock(u64::MAX);
    assert!(!process.opens(&before));
    assert!(process.opens(&process.ticket()));
}

#[test]
fn a_ticket_that_was_changed_in_any_byte_is_refused() {
    let process = Process::new(seed(), START);
    let ticket = process.ticket();
    assert_eq!(ticket.len(), OVERHEAD + STATE.len());
    for place in 0..ticket.len() {
        for bit in [1, 0x80] {
            let mut changed = ticket.clone();
            changed[place] ^= bit;
            assert!(!process.opens(&changed), "byte {place}");
        }
    }
}

#[test]
fn a_ticket_that_is_cut_or_longer_is_refused() {
    let process = Process::new(seed(), START);
    let ticket = process.ticket();
    for length in 0..ticket.len() {
        assert!(!process.opens(&ticket[..length]), "{length} bytes");
        assert!(!process.opens(&ticket[ticket.len() - length..]), "the last {length} bytes");
    }
    assert!(!process.opens(&[&ticket[..], b"x"].concat()));
    assert!(!process.opens(&[&ticket[..], &ticket[..]].concat()));
    assert!(!process.opens(&vec![0; 1 << 20]));
}

#[test]
fn what_another_server_sealed_is_refused_under_a_name_of_ours_too() {
    let (process, other) = (Process::new(seed(), START), Process::new(seed(), START));
    let (ours, theirs) = (process.ticket(), other.ticket());
    assert!(!process.opens(&theirs));
    assert!(!process.opens(&[&ours[..16], &theirs[16..]].concat()));
}

#[test]
fn a_state_may_be_empty_and_as_long_as_chains_of_certificates() {
    let process = Process::new(seed(), START);
    let identity = process.identity();
    for length in [0, 1, 16 * 1024] {
        let state = vec![7; length];
        let ticket = identity.encrypt(&state).unwrap();
        assert_eq!(identity.decrypt(&ticket), Some(state));
    }
}

#[test]
fn no_two_tickets_are_alike() {
    let process = Process::new(seed(), START);
    let (one, other) = (process.ticket(), process.ticket());
    assert_eq!(one[..16], other[..16], "the name of the key");
    assert_ne!(one[16..28], other[16..28], "the nonce");
    assert_ne!(one[28..], other[28..]);
    assert!(!one.windows(STATE.len()).any(|part| part == STATE));
}

#[test]
fn an_identity_that_asks_for_more_does_not_take_the_tickets_of_one_that_asks_for_less() {
    let process = Process::new(seed(), START);
    let open = process.tickets.of_identity(b"nothing");
    let closed = process.tickets.of_identity(b"a certificate");
    let again = process.tickets.of_identity(b"a certificate");
    let (easy, hard) = (open.encrypt(STATE).unwrap(), closed.encrypt(STATE).unwrap());
    assert_eq!(closed.decrypt(&easy), None);
    assert_eq!(open.decrypt(&hard), None);
    assert_eq!(closed.decrypt(&[&hard[..16], &easy[16..]].concat()), None);
    assert_eq!(again.decrypt(&hard).as_deref(), Some(STATE));
}

#[test]
fn a_seed_goes_on_in_another_process() {
    let process = Process::new(seed(), START);
    let first = process.ticket();
    let later = START + PERIOD;
    let bytes = process.tickets.seed(at(later)).to_bytes();
    assert_eq!(bytes.len(), TicketSeed::LEN);
    let next = Process::new(TicketSeed::from_bytes(&bytes).unwrap(), later);
    assert!(next.opens(&first), "the key before");
    let second = next.ticket();
    assert!(process.opens(&second));
    // The seed is handed on as it is then: the keys before cannot be made of it.
    let much_later = START + 3 * PERIOD;
    let bytes = next.tickets.seed(at(much_later)).to_bytes();
    let last = Process::new(TicketSeed::from_bytes(&bytes).unwrap(), START);
    assert!(!last.opens(&first) && !last.opens(&second));
}

#[test]
fn bytes_that_are_no_seed_make_none() {
    let bytes = seed().to_bytes();
    assert_eq!(TicketSeed::from_bytes(&bytes).unwrap().to_bytes(), bytes);
    for length in (0..bytes.len()).chain([bytes.len() + 1]) {
        let mut wrong = bytes.clone();
        wrong.resize(length, 0);
        assert_eq!(TicketSeed::from_bytes(&wrong), None, "{length} bytes");
    }
}

#[test]
fn a_seed_from_the_future_is_told() {
    let seed = seed();
    assert!(!seed.is_ahead_of(at(START)));
    assert!(!seed.is_ahead_of(at(START + 100 * PERIOD)));
    // A clock may be set a little, and a period end then.
    assert!(!seed.is_ahead_of(at(START - PERIOD)));
    assert!(seed.is_ahead_of(at(START - 2 * PERIOD)));
    assert!(seed.is_ahead_of(at(0)));
    let mut bytes = seed.to_bytes();
    bytes[..8].fill(0xFF);
    let seed = TicketSeed::from_bytes(&bytes).unwrap();
    assert!(seed.is_ahead_of(at(u64::MAX)));
}

#[test]
fn a_seed_is_not_printed() {
    let seed = seed();
    let bytes = seed.to_bytes();
    let process = Process::new(seed.clone(), START);
    for text in
        [format!("{seed:?}"), format!("{:?}", process.tickets), format!("{:?}", process.identity())]
    {
        for byte in bytes[8..].windows(2) {
            assert!(!text.contains(&format!("{}, {}", byte[0], byte[1])), "{text}");
        }
    }
}
