//! Whatever happens, slices nest, and the bytes are protobuf. The end-to-end tests have Perfetto's
//! own classes decode a trace.

use super::*;
use crate::trace::tests::{entries, events};
use proptest::collection::vec;
use proptest::prelude::*;

/// The fields of a message: their numbers, and their values.
fn fields(mut bytes: &[u8]) -> Vec<(u64, Field<'_>)> {
    let mut fields = Vec::new();
    while !bytes.is_empty() {
        let tag = varint(&mut bytes);
        let value = match tag & 7 {
            0 => Field::Number(varint(&mut bytes)),
            1 => {
                let (number, rest) = bytes.split_at(8);
                bytes = rest;
                Field::Number(u64::from_le_bytes(number.try_into().expect("8 bytes")))
            }
            2 => {
                let length = varint(&mut bytes) as usize;
                let (inside, rest) = bytes.split_at(length);
                bytes = rest;
                Field::Bytes(inside)
            }
            other => panic!("wire type {other}"),
        };
        fields.push((tag >> 3, value));
    }
    fields
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Field<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

fn varint(bytes: &mut &[u8]) -> u64 {
    let mut number = 0;
    for shift in (0..70).step_by(7) {
        let (&byte, rest) = bytes.split_first().expect("a byte");
        *bytes = rest;
        number |= u64::from(byte & 127) << shift;
        if byte < 128 {
            break;
        }
    }
    number
}

fn number(fields: &[(u64, Field<'_>)], wanted: u64) -> Option<u64> {
    fields.iter().find_map(|(number, value)| match value {
        Field::Number(value) if *number == wanted => Some(*value),
        _ => None,
    })
}

/// Track, type and flow of every event.
fn decoded(bytes: &[u8]) -> Vec<(u64, u64, Option<u64>)> {
    let mut decoded = Vec::new();
    for (field, packet) in fields(bytes) {
        let (1, Field::Bytes(packet)) = (field, packet) else { panic!("no packet") };
        for (field, part) in fields(packet) {
            if let (11, Field::Bytes(event)) = (field, part) {
                let event = fields(event);
                let track = number(&event, 11).expect("a track");
                decoded.push((track, number(&event, 9).expect("a type"), number(&event, 47)));
            }
        }
    }
    decoded
}

fn written(entries: &[Entry]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut perfetto = Perfetto::new(&mut bytes);
    perfetto.source("a trace", 7, 7).expect("memory");
    entries.iter().try_for_each(|entry| perfetto.add(entry)).expect("memory");
    perfetto.gap().expect("memory");
    perfetto.source("another", 8, 8).expect("memory");
    entries.iter().try_for_each(|entry| perfetto.add(entry)).expect("memory");
    perfetto.end().expect("memory");
    bytes
}

#[test]
fn the_first_packet_names_the_process() {
    let bytes = written(&[]);
    let expected = b"\x0a\x1f\xe2\x03\x18\x08\x01\x12\x07a trace\x1a\x0b\x08\x07\x32\x07a trace";
    assert!(bytes.starts_with(expected), "{:x?}", &bytes[..40]);
}

proptest! {
    #[test]
    fn slices_nest_and_arrows_begin_at_events(happened in vec((0..9_u64, events()), 0..80)) {
        let entries = entries(happened);
        let mut open = std::collections::HashMap::new();
        let mut arrows = std::collections::HashSet::new();
        for (track, kind, flow) in decoded(&written(&entries)) {
            let depth = open.entry(track).or_insert(0_i32);
            *depth += match kind { 1 => 1, 2 => -1, _ => 0 };
            prop_assert!((0..=2).contains(depth), "track {track}: {depth}");
            let is_loop = track % EACH == LOOP;
            if is_loop {
                arrows.extend(flow);
            } else if kind == 1 && let Some(flow) = flow {
                prop_assert!(arrows.contains(&flow), "a visit whose cause did not happen");
            }
        }
        prop_assert!(open.values().all(|&depth| depth == 0));
    }
}
