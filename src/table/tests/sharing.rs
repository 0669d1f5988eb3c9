//! Tables in memory that processes share.

use super::*;
use crate::os::sealed_memfd;

#[test]
fn a_table_that_is_mapped_answers_as_the_one_that_was_sealed() {
    for (text, order) in [
        (numbered(3000), ColumnOrder::KeyValue),
        ("value key # comment\n".to_owned(), ColumnOrder::ValueKey),
        ("# nothing\n".to_owned(), ColumnOrder::KeyValue),
        (String::new(), ColumnOrder::KeyValue),
    ] {
        let table = parsed(&text, order);
        let sealed = table.seal().expect("memory");
        let mapped = Table::map(&sealed).expect("a table");
        drop(sealed);
        assert_eq!((mapped.len(), mapped.memory()), (table.len(), table.memory()));
        let keys = (0..3001).map(|i| format!("key-{i}")).chain(["key".into(), "value".into()]);
        for key in keys {
            assert_eq!(mapped.get(key.as_bytes()), table.get(key.as_bytes()), "{key}");
        }
    }
}

#[test]
fn what_is_no_table_is_refused() {
    let sealed = parsed("a b\n", ColumnOrder::KeyValue).seal().expect("memory");
    let whole = sealed_memfd::SealedMemfd::of_sealed(&sealed).expect("it is sealed").to_vec();
    let with = |place: usize, number: u64| {
        let mut bytes = whole.clone();
        bytes[8 * place..8 * place + 8].copy_from_slice(&number.to_ne_bytes());
        bytes
    };
    let wrong = [
        with(0, 0),
        with(1, 2),
        with(3, 1 << 20),
        with(3, u64::MAX),
        whole[..20].to_vec(),
        b"a b\n".to_vec(),
    ];
    for bytes in wrong {
        let sealed = sealed_memfd::seal(c"test", &[&bytes]).expect("memory");
        let error = Table::map(&sealed).expect_err("not a table");
        assert_eq!(error.to_string(), "not a table of this program");
    }
}

/// No other program writes such memory; even so, what stands there must not end a process.
#[test]
fn buckets_of_any_bytes_are_searched_without_harm() {
    let sealed = parsed(numbered(30), ColumnOrder::KeyValue).seal().expect("memory");
    let whole = sealed_memfd::SealedMemfd::of_sealed(&sealed).expect("it is sealed").to_vec();
    for byte in [0, 0x7F, 0x80, 0xFF] {
        let mut bytes = whole.clone();
        bytes[64..256].fill(byte);
        let sealed = sealed_memfd::seal(c"test", &[&bytes]).expect("memory");
        let table = Table::map(&sealed).expect("a table, by its header");
        for i in 0..40 {
            let _ = table.get(format!("key-{i}").as_bytes());
        }
    }
}
