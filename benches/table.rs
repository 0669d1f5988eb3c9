//! Lookups in tables that fit the processor's caches, and in one that does not.

mod support;

use criterion::{BenchmarkId, criterion_group, criterion_main};
use readyd::table::{ColumnOrder, Table};
use std::hint::black_box;
use support::{Criterion, address, scattered};

/// Keys that are asked for in turn. Few enough that fetching a key costs nothing itself.
const ASKED: usize = 1 << 14;

fn hardware_address(number: usize) -> String {
    let [_, a, b, c] = (number as u32).to_be_bytes();
    format!("02:00:00:{a:02X}:{b:02X}:{c:02X}")
}

fn lookup(c: &mut Criterion) {
    let mut group = c.benchmark_group("table");
    for entries in [1_000, 100_000, 1_000_000] {
        let text: String = (0..entries)
            .map(|number| format!("{} {}\n", address(10, number), hardware_address(number)))
            .collect();
        let table =
            Table::parse(text.into_bytes(), ColumnOrder::KeyValue).expect("a table without faults");
        assert_eq!(table.len(), entries);

        for (name, network) in [("hit", 10), ("miss", 11)] {
            let numbers: Vec<usize> = scattered(entries).take(ASKED).collect();
            let keys: Vec<String> = numbers.iter().map(|&n| address(network, n)).collect();
            for (&number, key) in numbers.iter().zip(&keys) {
                let expected = (name == "hit").then(|| hardware_address(number));
                assert_eq!(table.get(key.as_bytes()), expected.as_deref().map(str::as_bytes));
            }
            let mut asked = keys.iter().cycle();
            group.bench_function(BenchmarkId::new(name, entries), |b| {
                b.iter(|| {
                    let key = asked.next().expect("a cycle does not end");
                    black_box(table.get(key.as_bytes()).map(<[u8]>::len))
                })
            });
        }
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = support::criterion();
    targets = lookup
}
criterion_main!(benches);
