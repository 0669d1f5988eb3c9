use super::*;
use crate::zone::{MAX_SIZE, ZoneRules};

/// What a file is made of.
#[derive(Clone)]
struct Maker {
    version: u8,
    times: Vec<i64>,
    indices: Vec<u8>,
    offsets: Vec<i32>,
    leap_seconds: u32,
    footer: &'static str,
}

impl Maker {
    fn new(version: u8) -> Maker {
        Maker {
            version,
            times: vec![-1_000_000_000, 0, 1_000_000_000],
            indices: vec![1, 2, 1],
            offsets: vec![100, 3600, -7200],
            leap_seconds: 0,
            footer: "\nCET-1\n",
        }
    }

    fn block(&self, time_size: usize) -> Vec<u8> {
        let mut bytes = [TZIF_MAGIC, &[self.version], &[0; RESERVED]].concat();
        let (times, types) = (self.times.len() as u32, self.offsets.len() as u32);
        for number in [types, types, self.leap_seconds, times, types, 4] {
            bytes.extend(number.to_be_bytes());
        }
        for time in &self.times {
            bytes.extend(&time.to_be_bytes()[8 - time_size..]);
        }
        bytes.extend(&self.indices);
        for offset in &self.offsets {
            bytes.extend([&offset.to_be_bytes()[..], &[0, 0]].concat());
        }
        bytes.extend(b"LMT\0");
        bytes.extend(vec![0; self.leap_seconds as usize * (time_size + 4)]);
        bytes.extend(vec![0; 2 * self.offsets.len()]);
        bytes
    }

    fn bytes(&self) -> Vec<u8> {
        if self.version == 0 {
            return self.block(4);
        }
        [self.block(4), self.block(8), self.footer.into()].concat()
    }

    fn rules(&self) -> Result<ZoneRules, RulesError> {
        ZoneRules::from_tzif(&self.bytes())
    }
}

#[test]
fn every_version_is_read() {
    for version in [0, b'2', b'3', b'4', b'5'] {
        let rules = Maker::new(version).rules().expect("a time zone");
        for (seconds, offset) in [
            (i64::MIN, 100),
            (-1_000_000_001, 100),
            (-1_000_000_000, 3600),
            (-1, 3600),
            (0, -7200),
            (999_999_999, -7200),
            (1_000_000_000, 3600),
            (i64::MAX, 3600),
        ] {
            assert_eq!(rules.offset_at(seconds), offset, "version {version}, {seconds}");
        }
    }
}

#[test]
fn times_of_eight_bytes_and_the_last_line_reach_beyond_2038() {
    let maker =
        Maker { times: vec![-1 << 40, 0, 1 << 40], footer: "\nJST-9\n", ..Maker::new(b'2') };
    let rules = maker.rules().expect("a time zone");
    for (seconds, offset) in [
        ((-1 << 40) - 1, 100),
        (-1 << 40, 3600),
        ((1 << 40) - 1, -7200),
        (1 << 40, 32_400),
        (i64::MAX, 32_400),
    ] {
        assert_eq!(rules.offset_at(seconds), offset, "{seconds}");
    }
}

#[test]
fn without_a_rule_the_last_offset_holds_and_without_transitions_the_first() {
    let no_rule = Maker { footer: "\n\n", ..Maker::new(b'2') };
    assert_eq!(no_rule.rules().map(|rules| rules.offset_at(i64::MAX)), Ok(3600));
    let nothing = Maker { times: vec![], indices: vec![], ..no_rule };
    assert_eq!(nothing.rules().map(|rules| rules.offset_at(0)), Ok(100));
    let only_rule = Maker { footer: "\n<-05>5\n", ..nothing };
    assert_eq!(only_rule.rules().map(|rules| rules.offset_at(0)), Ok(-18_000));
}

#[test]
fn what_is_wrong_is_said() {
    let good = Maker::new(b'2');
    let cases = [
        (Maker { version: b'1', ..good.clone() }, RulesError::Version(b'1')),
        (Maker { offsets: vec![], ..good.clone() }, RulesError::Types(0)),
        (Maker { offsets: vec![0; 257], ..good.clone() }, RulesError::Types(257)),
        (Maker { indices: vec![1, 3, 1], ..good.clone() }, RulesError::TypeMissing(3)),
        (Maker { times: vec![0, 0, 1], ..good.clone() }, RulesError::Order),
        (Maker { times: vec![0, -1, 1], ..good.clone() }, RulesError::Order),
        (Maker { offsets: vec![0, 93_600, 0], ..good.clone() }, RulesError::Offset(93_600)),
        (Maker { offsets: vec![0, 0, i32::MIN], ..good.clone() }, RulesError::Offset(i32::MIN)),
        (Maker { leap_seconds: 27, ..good.clone() }, RulesError::LeapSeconds),
        (Maker { footer: "\nMoon\n", ..good.clone() }, RulesError::Footer),
        (Maker { footer: "\nCET-1", ..good.clone() }, RulesError::CutOff),
        (Maker { footer: "", ..good.clone() }, RulesError::CutOff),
        (Maker { footer: "CET-1\n", ..good.clone() }, RulesError::CutOff),
    ];
    for (maker, error) in cases {
        assert_eq!(maker.rules(), Err(error));
    }
    for other in [&b""[..], b"TZi", b"CET-1", b"\x7fELF"] {
        assert_eq!(ZoneRules::from_tzif(other), Err(RulesError::NoTzif));
    }
    let large = [&b"TZif"[..], &[0; MAX_SIZE]].concat();
    assert_eq!(ZoneRules::from_tzif(&large), Err(RulesError::TooLarge));
}

#[test]
fn a_file_that_is_cut_off_anywhere_is_refused() {
    for version in [0, b'2'] {
        let bytes = Maker::new(version).bytes();
        for length in TZIF_MAGIC.len()..bytes.len() {
            let rules = ZoneRules::from_tzif(&bytes[..length]);
            assert_eq!(rules, Err(RulesError::CutOff), "{length}");
        }
        assert!(ZoneRules::from_tzif(&bytes).is_ok());
    }
}

/// A header may declare four thousand million of everything: nothing is reserved for that.
#[test]
fn counts_that_are_lies_are_refused() {
    for version in [0, b'2'] {
        let bytes = Maker::new(version).bytes();
        let all_at_once = [&bytes[..20], &[0xff; 24], &bytes[44..]].concat();
        assert!(ZoneRules::from_tzif(&all_at_once).is_err());
        for position in 20..44 {
            for value in [0x7f, 0xff] {
                let mut bytes = bytes.clone();
                bytes[position] = value;
                assert!(ZoneRules::from_tzif(&bytes).is_err(), "{position}, {value}");
            }
        }
    }
}
