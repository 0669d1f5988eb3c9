//! The events as columns of numbers, which the page uses as typed arrays.
//!
//! First the columns of 32 bits, so that each begins at a multiple of four bytes, then those of 8
//! bits. All numbers are little-endian, as on every machine that runs a browser.

use super::rows::{Row, Rows};
use serde_json::{Value, json};
use std::io::{self, Write};

/// The name of a column, and what of a row is in it.
type Column<T> = (&'static str, fn(&Row) -> T);

/// The columns of 32 bits. `dt` is the time since the row before, as far as 32 bits go, and `dh` is
/// the rest of it: differences of more than four seconds are rare, so it is nearly all zeros.
const WIDE: [Column<u32>; 7] = [
    ("connection", |row| row.connection),
    ("a", |row| row.fields[0]),
    ("b", |row| row.fields[1]),
    ("c", |row| row.fields[2]),
    ("request", |row| row.fields[3]),
    ("cause", |row| row.fields[4]),
    ("text", |row| row.text),
];

/// The columns of 8 bits.
const NARROW: [Column<u8>; 4] = [
    ("kind", |row| row.kind),
    ("x", |row| row.codes[0]),
    ("y", |row| row.codes[1]),
    ("z", |row| row.codes[2]),
];

/// How hard it is tried to make the data small. Higher ones take twice as long for a tenth.
const LEVEL: u8 = 4;

/// The names of the columns, and the bytes of a number in each.
pub(super) fn layout() -> Value {
    let times = ["dt", "dh"].iter().map(|name| json!([name, 4]));
    let wide = WIDE.iter().map(|(name, _)| json!([name, 4]));
    let narrow = NARROW.iter().map(|(name, _)| json!([name, 1]));
    times.chain(wide).chain(narrow).collect()
}

/// The columns, one behind the other.
pub(super) fn bytes(rows: &Rows) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(rows.len() * 40);
    let mut last = rows.start();
    let mut high = Vec::with_capacity(rows.len() * 4);
    for row in rows.iter() {
        let passed = row.time.saturating_sub(last);
        last = last.max(row.time);
        bytes.extend_from_slice(&(passed as u32).to_le_bytes());
        high.extend_from_slice(&((passed >> 32) as u32).to_le_bytes());
    }
    bytes.append(&mut high);
    for (_, field) in WIDE {
        rows.iter().for_each(|row| bytes.extend_from_slice(&field(row).to_le_bytes()));
    }
    for (_, field) in NARROW {
        bytes.extend(rows.iter().map(field));
    }
    bytes
}

/// Writes bytes, deflated and in base64.
pub(super) fn deflate(out: &mut dyn Write, bytes: &[u8]) -> io::Result<()> {
    let deflated = miniz_oxide::deflate::compress_to_vec(bytes, LEVEL);
    let mut text = Vec::with_capacity(64 * 1024);
    for part in deflated.chunks(48 * 1024) {
        text.clear();
        base64(&mut text, part);
        out.write_all(&text)?;
    }
    Ok(())
}

/// Appends bytes in base64 (RFC 4648). Parts of a multiple of three bytes can be joined.
fn base64(text: &mut Vec<u8>, bytes: &[u8]) {
    for part in bytes.chunks(3) {
        let byte = |at: usize| u32::from(part.get(at).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        let digits = part.len() + 1;
        let digit = |at: usize| match (bits >> (18 - 6 * at)) & 63 {
            _ if at >= digits => b'=',
            low @ 0..26 => b'A' + low as u8,
            low @ 26..52 => b'a' + (low - 26) as u8,
            low @ 52..62 => b'0' + (low - 52) as u8,
            62 => b'+',
            _ => b'/',
        };
        text.extend((0..4).map(digit));
    }
}
