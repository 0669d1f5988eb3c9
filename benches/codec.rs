//! The codec alone: a frame's header encoded, decoded, checked in part; the end of a line found.

mod support;

use criterion::{criterion_group, criterion_main};
use readyd::protocol::frame::{self, FrameError, HEADER_LEN};
use readyd::protocol::framing::{End, Framing};
use std::hint::black_box;
use support::Criterion;

const LIMIT: usize = 1 << 20;

/// A header whose first bytes are `text` and whose rest is spaces.
fn header(text: &str) -> [u8; HEADER_LEN] {
    let mut header = [b' '; HEADER_LEN];
    header[..text.len()].copy_from_slice(text.as_bytes());
    header
}

fn encode(c: &mut Criterion) {
    let mut group = c.benchmark_group("encode_header");
    for length in [0, 37, 16_384, LIMIT, usize::MAX] {
        assert_eq!(frame::encode_header(length), header(&length.to_string()));
        group.bench_function(length.to_string(), |b| {
            b.iter(|| frame::encode_header(black_box(length)))
        });
    }
    group.finish();
}

fn decode(c: &mut Criterion) {
    let with_zeros = "0".repeat(HEADER_LEN - 2) + "37";
    let bad = |offset, byte| Err(FrameError::BadByte { offset, byte });
    let over = |declared| Err(FrameError::OverLimit { declared, limit: LIMIT });
    let cases = [
        ("2_digits", header("37"), Ok(37)),
        ("7_digits", header("1048576"), Ok(1_048_576)),
        ("64_digits", header(&with_zeros), Ok(37)),
        ("over_limit", header("1048577"), over(Some(1_048_577))),
        ("over_64_bits", header("18446744073709551616"), over(None)),
        ("bad_first_byte", header("GET / HTTP/1.1"), bad(0, b'G')),
        ("bad_last_byte", header(&format!("{:<63}x", 37)), bad(63, b'x')),
    ];
    let mut group = c.benchmark_group("decode_header");
    for (name, header, expected) in cases {
        assert_eq!(frame::decode_header(&header, LIMIT), expected, "{name}");
        group.bench_function(name, |b| {
            b.iter(|| frame::decode_header(black_box(&header), black_box(LIMIT)))
        });
    }
    group.finish();
}

fn check_prefix(c: &mut Criterion) {
    let header = header("37");
    let mut group = c.benchmark_group("check_header_prefix");
    for length in [1, 2, 32, 63] {
        let prefix = &header[..length];
        assert_eq!(frame::check_header_prefix(prefix), Ok(()));
        group.bench_function(length.to_string(), |b| {
            b.iter(|| frame::check_header_prefix(black_box(prefix)))
        });
    }
    group.finish();
}

fn find_line_end(c: &mut Criterion) {
    let framing = Framing::Line { max_line: LIMIT };
    let mut group = c.benchmark_group("find_line_end");
    for length in [0, 13, 100, 16_384] {
        // A read mostly brings more than one line.
        let lines = ("k".repeat(length) + "\r\n").repeat(2).into_bytes();
        assert_eq!(framing.find_end(&lines, 0), Ok(End::At(length + 2)));
        group.bench_function(length.to_string(), |b| {
            b.iter(|| black_box(framing).find_end(black_box(&lines), black_box(0)))
        });
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = support::criterion();
    targets = encode, decode, check_prefix, find_line_end
}
criterion_main!(benches);
