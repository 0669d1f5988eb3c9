//! By chance: tickets against a model that knows who made which when, and files of PEM put together
//! from parts.

use super::authority::{Authority, identity};
use super::tickets::{PERIOD, Process, START};
use crate::tls::certificate::{certificates, private_key};
use crate::tls::{CertificateError, PemFile, TicketSeed};
use proptest::prelude::*;
use proptest::sample::{Index, select};
use std::sync::LazyLock;

#[derive(Clone, Debug)]
enum Happening {
    /// The clock of a process is set.
    Clock { process: Index, seconds: u64 },
    /// It makes a ticket.
    Makes { process: Index },
    /// It is shown one.
    Shown { process: Index, ticket: Index },
    /// One that was changed.
    Changed { process: Index, ticket: Index, place: Index, flip: u8 },
    /// Another process goes on from its seed.
    HandsOver { process: Index },
}

fn happenings() -> impl Strategy<Value = Vec<Happening>> {
    let process = any::<Index>;
    let one = prop_oneof![
        (process(), 0..8 * PERIOD).prop_map(|(process, since)| {
            Happening::Clock { process, seconds: START - 3 * PERIOD + since }
        }),
        process().prop_map(|process| Happening::Makes { process }),
        (process(), any::<Index>())
            .prop_map(|(process, ticket)| Happening::Shown { process, ticket }),
        (process(), any::<Index>(), any::<Index>(), 1u8..=255).prop_map(
            |(process, ticket, place, flip)| Happening::Changed { process, ticket, place, flip }
        ),
        process().prop_map(|process| Happening::HandsOver { process }),
    ];
    prop::collection::vec(one, 1..60)
}

/// What the model knows of a process: the period of its clock, and of its newest key.
#[derive(Clone, Copy)]
struct Known {
    clock: u64,
    key: u64,
}

impl Known {
    /// Before a key is used.
    fn step(&mut self) -> u64 {
        self.key = self.key.max(self.clock);
        self.key
    }
}

proptest! {
    #[test]
    fn a_ticket_is_opened_with_the_key_of_its_period_or_the_next(all in happenings()) {
        let period = START / PERIOD;
        let seed = super::tickets::seed();
        let mut processes = vec![(Process::new(seed, START), Known { clock: period, key: period })];
        let mut tickets: Vec<(Vec<u8>, u64)> = Vec::new();
        for happening in all {
            let count = processes.len();
            let at = |index: Index| index.index(count);
            match happening {
                Happening::Clock { process, seconds } => {
                    let (process, known) = &mut processes[at(process)];
                    process.set_clock(seconds);
                    known.clock = seconds / PERIOD;
                }
                Happening::Makes { process } => {
                    let (process, known) = &mut processes[at(process)];
                    tickets.push((process.ticket(), known.step()));
                }
                Happening::Shown { process, ticket } if !tickets.is_empty() => {
                    let (process, known) = &mut processes[at(process)];
                    let (ticket, made) = &tickets[ticket.index(tickets.len())];
                    let key = known.step();
                    prop_assert_eq!(process.opens(ticket), key == *made || key == made + 1);
                }
                Happening::Changed { process, ticket, place, flip } if !tickets.is_empty() => {
                    let (process, known) = &mut processes[at(process)];
                    let mut ticket = tickets[ticket.index(tickets.len())].0.clone();
                    let place = place.index(ticket.len());
                    ticket[place] ^= flip;
                    known.step();
                    prop_assert!(!process.opens(&ticket));
                }
                Happening::HandsOver { process } if count < 5 => {
                    let (process, known) = &mut processes[at(process)];
                    known.step();
                    let (seed, known) = (process.seed_now().to_bytes(), *known);
                    let next = Process::new(TicketSeed::from_bytes(&seed).unwrap(), process.now());
                    processes.push((next, known));
                }
                _ => {}
            }
        }
    }

    #[test]
    fn bytes_by_chance_are_no_ticket(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(!Process::new(super::tickets::seed(), START).opens(&bytes));
    }
}

/// What stands in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Certificate,
    OtherCertificate,
    Key,
    EncryptedKey,
    Parameters,
    Remark,
}

const PARTS: [Part; 6] = [
    Part::Certificate,
    Part::OtherCertificate,
    Part::Key,
    Part::EncryptedKey,
    Part::Parameters,
    Part::Remark,
];

static TEXTS: LazyLock<[String; 6]> = LazyLock::new(|| {
    let authority = Authority::new();
    let signed = authority.sign();
    [
        signed.certificate,
        authority.certificate,
        signed.key,
        include_str!("fixtures/ec-encrypted.key").to_owned(),
        "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n".to_owned(),
        "a remark, not ENCRYPTED\n".to_owned(),
    ]
});

fn text(parts: &[Part]) -> String {
    parts.iter().map(|part| TEXTS[*part as usize].as_str()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn files_are_read_part_by_part(
        certificate in prop::collection::vec(select(&PARTS[..]), 0..6),
        key in prop::collection::vec(select(&PARTS[..]), 0..6),
        is_from_windows: bool,
    ) {
        let of_system = |text: String| match is_from_windows {
            true => text.replace('\n', "\r\n"),
            false => text,
        };
        let found = identity(of_system(text(&certificate)), of_system(text(&key)));
        let of = |parts: &[Part], wanted: Part| parts.contains(&wanted);
        let mut chain = certificate.iter().filter(|part| {
            matches!(part, Part::Certificate | Part::OtherCertificate)
        });
        let expected = match chain.next() {
            None => Err(CertificateError::Missing(PemFile::Certificate)),
            Some(_) if !of(&key, Part::Key) => Err(match of(&key, Part::EncryptedKey) {
                true => CertificateError::Encrypted,
                // The word alone says nothing.
                false => CertificateError::Missing(PemFile::Key),
            }),
            Some(Part::Certificate) => Ok(()),
            Some(_) if of(&certificate, Part::Certificate) => Err(CertificateError::NotFirst),
            Some(_) => Err(CertificateError::Mismatch),
        };
        prop_assert_eq!(found.map(drop), expected);
    }

    /// A file that was cut, joined or changed anywhere is an error or is read; nothing else.
    #[test]
    fn damaged_files_end_in_an_error(
        parts in prop::collection::vec(select(&PARTS[..]), 1..4),
        damage in prop::collection::vec((any::<Index>(), any::<u8>()), 0..10),
        cut: Index,
    ) {
        let mut bytes = text(&parts).into_bytes();
        for (place, byte) in damage {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        bytes.truncate(cut.index(bytes.len()) + 1);
        if let Ok(found) = certificates(&bytes, PemFile::Certificate) {
            prop_assert!(!found.is_empty());
        }
        if let Err(error) = private_key(&bytes) {
            prop_assert_eq!(error.file(), PemFile::Key);
            prop_assert!(error.to_string().is_ascii());
        }
        let _ = identity(&bytes, &bytes);
    }
}
