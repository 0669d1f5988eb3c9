use super::*;
use proptest::prelude::*;
use std::fs;
use std::path::Path;

/// Instants at which the readers of damaged files are asked.
const INSTANTS: [i64; 8] =
    [i64::MIN, -2_177_452_800, -1, 0, 1_620_419_812, 4_102_444_800, 253_402_300_800, i64::MAX];

/// Zones of many kinds; what this machine does not have is left out. There is always one.
fn real_files() -> Vec<Vec<u8>> {
    let names =
        ["Europe/Lisbon", "Asia/Kathmandu", "Africa/Casablanca", "America/New_York", "Etc/UTC"];
    let folder = Path::new("/usr/share/zoneinfo");
    let mut files: Vec<_> =
        names.iter().filter_map(|name| fs::read(folder.join(name)).ok()).collect();
    files.push(tzif("CET-1CEST,M3.5.0,M10.5.0/3"));
    files
}

/// A file that holds nothing but this rule.
pub(super) fn tzif(rule: &str) -> Vec<u8> {
    let header = |version: &[u8]| {
        let counts = [0u32, 0, 0, 0, 1, 4].map(u32::to_be_bytes).concat();
        [TZIF_MAGIC, version, &[0; 15], &counts, &[0; 6], b"AAA\0"].concat()
    };
    [&header(b"2")[..], &header(b"2"), b"\n", rule.as_bytes(), b"\n"].concat()
}

fn assert_bounded(rules: &ZoneRules) {
    for seconds in INSTANTS {
        assert!(rules.offset_at(seconds).abs() <= MAX_OFFSET, "at {seconds}");
    }
}

#[test]
fn utc_is_what_its_rule_says() {
    assert_eq!(ZoneRules::from_bytes(b"UTC0"), Ok(ZoneRules::utc()));
    assert!(INSTANTS.iter().all(|&seconds| ZoneRules::utc().offset_at(seconds) == 0));
}

#[test]
fn field_server_11_rules_go_to_another_process_as_bytes() {
    let rule = b"CET-1CEST,M3.5.0,M10.5.0/3".to_vec();
    for bytes in real_files().into_iter().chain([rule]) {
        let rules = ZoneRules::from_bytes(&bytes).expect("rules");
        assert_eq!(rules.as_bytes(), bytes);
        assert_eq!(ZoneRules::from_bytes(rules.as_bytes()), Ok(rules));
    }
}

proptest! {
    #[test]
    fn field_server_11_no_bytes_make_the_reader_panic(
        bytes in proptest::collection::vec(any::<u8>(), 0..400),
        has_magic in any::<bool>(),
    ) {
        let bytes = if has_magic { [TZIF_MAGIC, b"2", &bytes].concat() } else { bytes };
        if let Ok(rules) = ZoneRules::from_bytes(&bytes) {
            assert_bounded(&rules);
        }
    }

    #[test]
    fn field_server_11_a_damaged_file_is_refused_or_has_offsets_that_can_be(
        file in prop::sample::select(real_files()),
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        cut in proptest::option::of(any::<prop::sample::Index>()),
        in_header in any::<bool>(),
    ) {
        let mut bytes = file;
        let range = if in_header { bytes.len().min(60) } else { bytes.len() };
        for (place, value) in changes {
            bytes[place.index(range)] = value;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        if let Ok(rules) = ZoneRules::from_bytes(&bytes) {
            assert_bounded(&rules);
        }
    }

    #[test]
    fn field_server_11_every_text_of_the_alphabet_of_rules_is_refused_or_bounded(
        text in "[A-C<>]{0,5}[-+]?[0-9:]{0,6}([A-C]{3}[0-9:-]{0,4})?\
                 (,[JM]?[0-9.]{0,6}(/[-+0-9:]{0,6})?){0,3}",
    ) {
        if let Ok(rules) = ZoneRules::from_bytes(text.as_bytes()) {
            assert_bounded(&rules);
        }
    }
}
