//! What is in the file after some blocks, and that nothing is where no ring can be.

use super::{Medium, TraceRing};
use crate::io::clock::Moment;
use crate::os::own_files::with_suffix;
use crate::scratch::Scratch;
use crate::trace::decode::Block;
use crate::trace::encode::Encoder;
use crate::trace::event::Event;
use crate::trace::wire::BLOCK_BYTES;
use std::fs;

fn write(ring: &mut TraceRing, events: u32) {
    let mut encoder = Encoder::new(1, 0, 0, Moment::START);
    for count in 1..=events {
        encoder.write(ring, Moment::from_nanos(count.into()), &Event::Shed { count });
    }
}

/// The last number written down in each block that was used.
fn blocks(bytes: &[u8]) -> Vec<(u64, u32)> {
    let blocks = bytes.chunks(BLOCK_BYTES).filter_map(|bytes| Block::parse(bytes).ok());
    blocks
        .map(|block| {
            let sequence = block.header.sequence;
            match block.last().expect("an event").expect("whole").event {
                Event::Shed { count } => (sequence, count),
                other => panic!("{other:?}"),
            }
        })
        .collect()
}

#[test]
fn the_file_has_the_newest_blocks_and_the_old_file_stays() {
    let scratch = Scratch::new();
    let path = scratch.path().join("trace");
    fs::write(&path, "of an earlier server").expect("a file");
    let size = (TraceRing::FEWEST_BLOCKS * BLOCK_BYTES) as u64;
    let file = TraceRing::create(&path, size + 1, None).expect("a file");
    let (mut ring, medium) = TraceRing::open(&file).expect("a ring");
    assert!(matches!(medium, Medium::Memory | Medium::Other));
    let bytes = fs::read(&path).expect("the file");
    assert_eq!(bytes.len() as u64, size);
    assert_eq!(blocks(&bytes), []);
    write(&mut ring, 20_000);
    let found = blocks(&fs::read(&path).expect("the file"));
    assert_eq!(found.len(), TraceRing::FEWEST_BLOCKS);
    let newest = found.iter().max().expect("a block");
    assert_eq!(newest.1, 20_000);
    let oldest = found.iter().min().expect("a block");
    assert_eq!(newest.0 - oldest.0 + 1, TraceRing::FEWEST_BLOCKS as u64);
    assert!(oldest.0 > 1, "it went round");
    let old = fs::read_to_string(with_suffix(&path, ".old")).expect("the old file");
    assert_eq!(old, "of an earlier server");
}

#[test]
fn what_is_no_regular_file_is_left_alone() {
    let scratch = Scratch::new();
    let path = scratch.path().join("directory");
    fs::create_dir(&path).expect("a directory");
    let error = TraceRing::create(&path, 1 << 20, None).expect_err("no ring");
    assert_eq!(error.to_string(), "it is no regular file");
    assert!(path.is_dir());
}

#[test]
fn a_file_without_room_is_not_left_behind() {
    let scratch = Scratch::new();
    let path = scratch.path().join("trace");
    assert!(TraceRing::create(&path, 1 << 60, None).is_err());
    assert!(!path.exists());
}
