//! The decoder of traces: no panic, and what it takes is what the encoder makes of it.
//!
//! Input: a header and the events of a block, or events alone, which are given a header.

use readyd::io::clock::Moment;
use readyd::trace::decode::{Block, Entry};
use readyd::trace::encode::Encoder;
use readyd::trace::memory_ring::MemoryRing;
use readyd::trace::text;
use readyd::trace::wire::{BLOCK_BYTES, Header, LENGTH_OFFSET, PAYLOAD_BYTES};

/// Bytes of the longest line that an event becomes.
const MOST_TEXT: usize = 250;

/// See the [module](self).
pub fn check(data: &[u8]) {
    if let Ok(block) = Block::parse(data) {
        check_block(block);
    }
    let events = &data[..data.len().min(PAYLOAD_BYTES)];
    let mut block = Header { sequence: 1, ..Header::default() }.to_bytes().to_vec();
    block[LENGTH_OFFSET..][..4].copy_from_slice(&(events.len() as u32).to_le_bytes());
    block.extend(events);
    check_block(Block::parse(&block).expect("a header of our own"));
}

fn check_block(block: Block<'_>) {
    let is_first = block.header.causes == 0 && block.header.requests == 0;
    let entries: Vec<Entry> = block.map_while(Result::ok).collect();
    for entry in &entries {
        let mut line = Vec::new();
        text::line(&mut line, entry);
        assert!(line.len() <= MOST_TEXT && line.is_ascii(), "{entry:?}");
        assert_eq!(line.iter().filter(|&&byte| byte == b'\n').count(), 1, "{entry:?}");
    }
    if is_first {
        check_round_trip(&entries);
    }
}

/// Encoded again, the events are the same. Times that would go back in the server's clock, which a
/// hostile block can tell, stand still.
fn check_round_trip(entries: &[Entry]) {
    if !entries.is_sorted_by_key(|entry| entry.time) {
        return;
    }
    let mut blocks = MemoryRing::default();
    let mut encoder = Encoder::new(0, 0, 0, Moment::START);
    for entry in entries {
        encoder.write(&mut blocks, entry.time, &entry.event);
    }
    let again = blocks.to_bytes();
    let again = again.chunks(BLOCK_BYTES).flat_map(|block| Block::parse(block).expect("a block"));
    let again: Vec<Entry> = again.map(|entry| entry.expect("an event")).collect();
    assert_eq!(again, entries);
}
