use super::*;
use std::fs::File;

const PERIOD: u64 = 6 * 60 * 60;

fn maker_at(now: WallTime) -> IdentityMaker {
    IdentityMaker::new(TicketSeed::random(now).expect("random bytes"))
}

fn in_periods(periods: i64) -> WallTime {
    let seconds = now().seconds.saturating_add_signed(periods * PERIOD.cast_signed());
    WallTime { seconds, nanos: 0 }
}

/// The seed that a new process goes on with.
fn handed(bytes: &[u8], format: u64) -> Option<TicketSeed> {
    let memory = sealed_memfd::seal(c"test", &[bytes]).expect("a memfd");
    usable(SealedSeed { format, memory }, now())
}

#[test]
fn a_new_process_goes_on_with_the_seed_of_the_old_one_as_it_is_now() {
    let old = maker_at(in_periods(-3));
    let before = old.tickets().seed(in_periods(-3));
    let sealed = seal_seed_of(&old).expect("a memfd");
    assert_eq!(sealed.format, TicketSeed::FORMAT);
    let new = usable(sealed, now()).expect("a seed");
    assert_ne!(new, before, "it has stepped on");
    assert_eq!(new, old.tickets().seed(now()));
}

#[test]
fn a_seed_that_cannot_be_used_is_none() {
    let bytes = maker_at(now()).tickets().seed(now()).to_bytes();
    assert!(handed(&bytes, TicketSeed::FORMAT).is_some());
    assert_eq!(handed(&bytes, TicketSeed::FORMAT + 1), None, "of another version");
    assert_eq!(handed(&bytes[1..], TicketSeed::FORMAT), None);
    let future = maker_at(in_periods(100)).tickets().seed(now()).to_bytes();
    assert_eq!(handed(&future, TicketSeed::FORMAT), None, "of a clock that was wrong");
    let memory = File::open("/dev/null").expect("a file").into();
    let unsealed = SealedSeed { format: TicketSeed::FORMAT, memory };
    assert_eq!(usable(unsealed, now()), None);
}

#[test]
fn shards_get_the_files_and_the_seed_as_it_is_now() {
    let text = |text: &str| text.as_bytes().to_vec();
    let client_ca = Some(text("an authority"));
    let one = Texts { certificate: text("a certificate"), key: text("a key"), client_ca };
    let other = Texts { client_ca: None, ..one.clone() };
    let texts = BTreeMap::from([("one".to_owned(), one), ("other".to_owned(), other)]);
    let certificates = Certificates { texts, maker: maker_at(in_periods(-2)) };
    let first = certificates.maker.tickets().seed(in_periods(-2));
    let shard = Certificates::map(certificates.seal().expect("a memfd")).expect("its contents");
    assert_eq!(shard.texts, certificates.texts);
    let seed = shard.maker.tickets().seed(WallTime::default());
    assert_eq!(seed, certificates.maker.tickets().seed(now()));
    assert_ne!(seed, first, "an old seed would make the keys of all tickets since then");
    // Copies share the seed.
    assert_eq!(certificates.clone().maker.tickets().seed(WallTime::default()), seed);
}
