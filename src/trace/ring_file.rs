//! A ring as it lies in a file, perhaps while it is written.
//!
//! Invariant: a block that the server began again while it was read is not taken for what it was
//! before.

use super::wire::{BLOCK_BYTES, HEADER_BYTES, Header};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// Reads the blocks from place `first` on, as many as `into` has room for. Those that were begun
/// again meanwhile are zeros. Returns how many there were.
///
/// # Errors
///
/// What pread(2) says.
pub fn read_blocks(file: &File, first: u64, into: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while let Some(rest) = into.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, first * BLOCK_BYTES as u64 + filled as u64) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    let blocks = filled / BLOCK_BYTES;
    for (place, block) in (first..).zip(into.chunks_exact_mut(BLOCK_BYTES)).take(blocks) {
        let now = header_at(file, place)?;
        if sequence_of(block) != now.and_then(|header| sequence_of(&header)) {
            block.fill(0);
        }
    }
    Ok(blocks)
}

/// The header of the block at a place, as it is now; `None` if the file ends before.
///
/// # Errors
///
/// What pread(2) says.
pub fn header_at(file: &File, place: u64) -> io::Result<Option<[u8; HEADER_BYTES]>> {
    let mut header = [0; HEADER_BYTES];
    match file.read_exact_at(&mut header, place * BLOCK_BYTES as u64) {
        Ok(()) => Ok(Some(header)),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
        Err(error) => Err(error),
    }
}

fn sequence_of(block: &[u8]) -> Option<u64> {
    Header::parse(block).ok().map(|(header, _)| header.sequence)
}
