//! The board on which the shards of one server write what they have counted, for each other to read.
//!
//! It is a file in memory without a name, memfd_create(2), which all of them have inherited: a place of
//! fixed size for each shard, written with pwrite(2) and read with pread(2). No lock, no message, nobody
//! to wait for.
//!
//! Invariant: a place has one writer, its shard, or who looks after the shards while there is none. What
//! a shard that ended had counted stays, so the sum of all never goes back.

use super::Stats;
use super::publishing::Ledger;
use nix::sys::memfd::{MFdFlags, memfd_create};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::time::Duration;

#[cfg(test)]
mod tests;

/// Bytes of a place: a power of two, so that none crosses a page and each write is whole even if its
/// process is killed meanwhile.
const PLACE: usize = 512;

const _: () = assert!(size_of::<Stats>() <= PLACE);

/// Readings until two agree. A writer comes by ten times a second, a reading takes microseconds.
const READINGS: usize = 4;

/// See the [module](self).
#[derive(Debug)]
pub struct Board {
    file: File,
    shards: usize,
}

impl Board {
    /// A board for so many shards, with nothing on it.
    ///
    /// # Errors
    ///
    /// When the system has no descriptor or no memory for it.
    pub fn create(shards: usize) -> io::Result<Board> {
        let file = File::from(memfd_create(c"readyd statistics", MFdFlags::MFD_CLOEXEC)?);
        // Written, not only sized: later there may be no memory left.
        file.write_all_at(&vec![0; shards * PLACE], 0)?;
        Ok(Board { file, shards })
    }

    /// The board that another process created.
    pub fn of(descriptor: OwnedFd, shards: usize) -> Board {
        Board { file: descriptor.into(), shards }
    }

    /// Shards that have a place.
    pub fn shards(&self) -> usize {
        self.shards
    }

    /// What shard `number`, from 0, had counted when it wrote last.
    pub fn read(&self, number: usize) -> Stats {
        self.places().get(number).cloned().unwrap_or_default()
    }

    /// Writes what shard `number` has counted.
    pub fn write(&self, number: usize, stats: &Stats) {
        let mut place = [0; PLACE];
        for (bytes, number) in place.chunks_exact_mut(8).zip(stats.clone().numbers()) {
            bytes.copy_from_slice(&number.to_ne_bytes());
        }
        // The memory is there already. If the write fails all the same, old numbers stand.
        let _ = self.file.write_all_at(&place, (number * PLACE) as u64);
    }

    /// What all shards had counted when they wrote last.
    pub fn total(&self) -> Stats {
        let mut total = Stats::default();
        self.places().iter().for_each(|stats| total.add(stats));
        total
    }

    fn places(&self) -> Vec<Stats> {
        self.bytes().chunks_exact(PLACE).map(stats_of).collect()
    }

    /// All places as they stood at one moment: a reading during a write could mix old and new.
    fn bytes(&self) -> Vec<u8> {
        let mut last = Vec::new();
        for _ in 0..READINGS {
            let mut bytes = vec![0; self.shards * PLACE];
            if self.file.read_exact_at(&mut bytes, 0).is_err() || bytes == last {
                break;
            }
            last = bytes;
        }
        last
    }
}

impl AsFd for Board {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

fn stats_of(place: &[u8]) -> Stats {
    let mut stats = Stats::default();
    for (number, bytes) in stats.numbers().into_iter().zip(place.chunks_exact(8)) {
        *number = bytes.try_into().map_or(0, u64::from_ne_bytes);
    }
    stats
}

/// A shard's place on the board.
#[derive(Debug)]
pub struct Seat {
    board: Board,
    number: usize,
    /// What those who had the place before had counted.
    predecessors: Stats,
    /// For how long there had been shards when this one began.
    age: Duration,
}

impl Seat {
    /// The place of shard `number`, from 0, which goes on from what stands there. The first shard began
    /// `age` ago.
    pub fn take(board: Board, number: usize, age: Duration) -> Seat {
        let mut predecessors = board.read(number);
        predecessors.end_all();
        Seat { board, number, predecessors, age }
    }
}

impl Ledger for Seat {
    fn publish(&mut self, own: &Stats) {
        let mut stats = own.clone();
        stats.add(&self.predecessors);
        self.board.write(self.number, &stats);
    }

    fn total(&self) -> Stats {
        self.board.total()
    }

    fn shards(&self) -> usize {
        self.board.shards()
    }

    fn age_at_start(&self) -> Duration {
        self.age
    }
}
