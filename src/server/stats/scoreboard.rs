//! The scoreboard: memory in which each shard of a server writes its statistics and reads those of
//! the others.
//!
//! It is a file in memory without a name, memfd_create(2), which all shards inherit. Each shard has
//! two slots, for two processes: one that drains, and its successor. One more slot is the
//! supervisor's. A slot is written with pwrite(2) and read with pread(2): no lock, no message, no
//! waiting.
//!
//! ```text
//! the beginning   what it is (a name and a layout number), how many shards, how many numbers, how
//!                 long the beginning, a copy and the names are; and the names of the numbers
//! then            the slots, each of two copies
//! a copy          version, checksum, the numbers in the order of the names
//! ```
//!
//! The names stand on the scoreboard, so another version of the program can read it: it finds each
//! number by name, and leaves out those that it does not know.
//!
//! Invariants:
//!
//! - A slot has one writer, its process, or the supervisor while there is none. What a process
//!   that ended had counted stays, and its successor in that slot goes on from there. So the sum
//!   of all never goes back.
//! - A slot is never torn. A writer overwrites the older copy, and its checksum comes with it: a
//!   reader takes the newest copy that is whole, also when the writer is killed in the middle of a
//!   write.

use super::Stats;
use super::publishing::Shards;
use nix::sys::memfd::{MFdFlags, memfd_create};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;

mod generations;
mod slot;
#[cfg(test)]
mod tests;

pub use slot::ScoreboardSlot;

/// The first eight bytes. The last of them is the number of the layout that the module describes.
const NAME: u64 = u64::from_le_bytes(*b"readydS2");

/// Bytes of one copy of a slot: a thousand numbers, which is room for histograms.
const ROOMY_COPY: usize = 8192;

/// Where the limit of file sizes, RLIMIT_FSIZE, does not allow that, a copy is a multiple of this.
const SMALL_COPY: usize = 128;

/// Numbers before the names.
const BEFORE_NAMES: usize = 6;

/// No scoreboard begins with more bytes than this.
const LONGEST_BEGINNING: usize = 1 << 16;

const WORD: usize = 8;

/// Before the numbers of a copy: its version and its checksum.
const BEFORE_NUMBERS: usize = 2 * WORD;

/// Numbers that only the supervisor knows, behind those of [`Stats`].
const OF_THE_SUPERVISOR: [&str; 2] = ["shards_answering", "shards_with_newest_table"];

/// Readings of a slot until a copy is whole. For a reading to fail, a writer has to write both
/// copies in the microseconds that the reading takes, and it writes ten times a second.
const READINGS: usize = 16;

/// Slots of one shard: one for the process that drains, one for its successor.
pub const SLOTS_PER_SHARD: usize = 2;

/// See the [module](self).
#[derive(Debug)]
pub struct Scoreboard {
    file: File,
    shards: usize,
    /// The names of the numbers on it.
    names: Vec<String>,
    /// Where each of our numbers stands on this scoreboard, which another version may have made.
    columns: Vec<Option<usize>>,
    layout: Layout,
}

/// Where things stand on a scoreboard, in bytes but for the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Layout {
    /// How many numbers a copy has.
    width: usize,
    beginning: usize,
    copy: usize,
}

impl Scoreboard {
    /// A scoreboard for `shards` shards, with nothing on it.
    ///
    /// # Errors
    ///
    /// When the system has no descriptor or no memory for it.
    pub fn create(shards: usize) -> io::Result<Scoreboard> {
        Scoreboard::create_after(shards, &[])
    }

    /// A scoreboard as small as it can be. What only metrics listeners show is missing there, and
    /// is 0 for all who read: connections of operators count as those of clients then.
    fn create_small(shards: usize) -> io::Result<Scoreboard> {
        let missing = Stats::names_for_metrics();
        let mut names = own_names();
        names.retain(|name| !missing.contains(name));
        Scoreboard::with_copies(shards, &names, least_copy(&names))
    }

    fn with_copies(shards: usize, names: &[String], copy: usize) -> io::Result<Scoreboard> {
        let file = File::from(memfd_create(c"readyd statistics", MFdFlags::MFD_CLOEXEC)?);
        let text = names.join("\n");
        let beginning = (BEFORE_NAMES * WORD + text.len()).next_multiple_of(SMALL_COPY);
        let layout = Layout { width: names.len(), beginning, copy };
        let numbers =
            [shards, layout.width, beginning, copy, text.len()].map(|number| number as u64);
        let words = [NAME].into_iter().chain(numbers);
        let mut bytes: Vec<u8> = words.flat_map(u64::to_ne_bytes).collect();
        bytes.extend_from_slice(text.as_bytes());
        bytes.resize(layout.offset(SLOTS_PER_SHARD * shards + 1, 0) as usize, 0);
        // Written, not only sized: later there may be no memory left.
        file.write_all_at(&bytes, 0)?;
        let column = |own: &String| names.iter().position(|name| name == own);
        let columns = own_names().iter().map(column).collect();
        Ok(Scoreboard { file, shards, names: names.to_vec(), columns, layout })
    }

    /// The scoreboard that another process created, perhaps of another version.
    ///
    /// # Errors
    ///
    /// When it cannot be read, or is no scoreboard of this layout.
    pub fn open(descriptor: OwnedFd) -> io::Result<Scoreboard> {
        let no_scoreboard =
            || io::Error::new(io::ErrorKind::InvalidData, "not a board for statistics");
        let file = File::from(descriptor);
        let mut start = [0; BEFORE_NAMES * WORD];
        file.read_exact_at(&mut start, 0)?;
        let mut numbers = words(&start);
        let name = numbers.next();
        let mut next = || numbers.next().and_then(|number| usize::try_from(number).ok());
        let (shards, width, beginning, copy, length) = (next(), next(), next(), next(), next());
        let (Some(shards), Some(width), Some(beginning), Some(copy), Some(length)) =
            (shards, width, beginning, copy, length)
        else {
            return Err(no_scoreboard());
        };
        let layout = Layout { width, beginning, copy };
        if name != Some(NAME) || !layout.is_sound() || length > beginning {
            return Err(no_scoreboard());
        }
        let mut text = vec![0; length];
        file.read_exact_at(&mut text, (BEFORE_NAMES * WORD) as u64)?;
        let text = String::from_utf8(text).map_err(|_| no_scoreboard())?;
        let theirs: Vec<&str> = text.split('\n').collect();
        if theirs.len() != width {
            return Err(no_scoreboard());
        }
        let column = |own: &String| theirs.iter().position(|their| their == own);
        let columns = own_names().iter().map(column).collect();
        let names = theirs.into_iter().map(str::to_owned).collect();
        Ok(Scoreboard { file, shards, names, columns, layout })
    }

    /// How many shards there are.
    pub fn shards(&self) -> usize {
        self.shards
    }

    /// What the process in `slot`, from 0, had counted when it wrote last.
    pub fn read(&self, slot: usize) -> Stats {
        self.try_read(slot).unwrap_or_default()
    }

    fn try_read(&self, slot: usize) -> io::Result<Stats> {
        let mut stats = Stats::default();
        let numbers = self.numbers(slot)?;
        for (own, number) in stats.numbers().into_iter().zip(numbers) {
            *own = number;
        }
        Ok(stats)
    }

    /// Writes what the process in `slot` has counted.
    pub fn write(&self, slot: usize, stats: &Stats) {
        let mut stats = stats.clone();
        let numbers: Vec<u64> = stats.numbers().into_iter().map(|number| *number).collect();
        self.write_numbers(slot, &numbers);
    }

    /// Notes that the process in `slot` has ended. What it had counted stays, and what was open is
    /// closed.
    pub fn end(&self, slot: usize) {
        if let Ok(mut counted) = self.try_read(slot) {
            counted.end_all();
            self.write(slot, &counted);
        }
    }

    /// What all had counted when they wrote last.
    pub fn total(&self) -> Stats {
        let mut total = Stats::default();
        (0..SLOTS_PER_SHARD * self.shards).for_each(|slot| total.add(&self.read(slot)));
        total
    }

    /// What the processes of each shard had counted when they wrote last.
    pub fn each(&self) -> Vec<Stats> {
        let slots = |shard| SLOTS_PER_SHARD * shard..SLOTS_PER_SHARD * (shard + 1);
        let of_shard = |shard| {
            let mut counted = Stats::default();
            slots(shard).for_each(|slot| counted.add(&self.read(slot)));
            counted
        };
        (0..self.shards).map(of_shard).collect()
    }

    /// What the supervisor has written about the shards.
    pub fn overview(&self) -> Shards {
        let numbers = self.numbers(self.slot_of_the_supervisor()).unwrap_or_default();
        let mut numbers = numbers.into_iter().skip(Stats::default().numbers().len());
        let mut next = || numbers.next().unwrap_or_default();
        Shards { count: self.shards as u64, answering: next(), with_newest_table: next() }
    }

    /// Writes what only the supervisor knows about the shards.
    pub fn write_overview(&self, shards: &Shards) {
        let mut numbers = vec![0; Stats::default().numbers().len()];
        numbers.extend([shards.answering, shards.with_newest_table]);
        self.write_numbers(self.slot_of_the_supervisor(), &numbers);
    }

    fn slot_of_the_supervisor(&self) -> usize {
        SLOTS_PER_SHARD * self.shards
    }

    /// Our numbers of a slot: 0 for those that this scoreboard does not have, and for an empty
    /// slot.
    fn numbers(&self, slot: usize) -> io::Result<Vec<u64>> {
        for _ in 0..READINGS {
            match self.newest(slot)? {
                Newest::Whole(copy) => {
                    let at = |column: &Option<usize>| copy.numbers.get((*column)?).copied();
                    return Ok(self.columns.iter().map(|it| at(it).unwrap_or_default()).collect());
                }
                Newest::Never => return Ok(vec![0; self.columns.len()]),
                Newest::Torn => {}
            }
        }
        Err(io::Error::other("each reading met a write"))
    }

    /// Writes our numbers. Those whose names this version does not know stay as they are.
    fn write_numbers(&self, slot: usize, numbers: &[u64]) {
        self.write_row(slot, |row| {
            for (column, number) in self.columns.iter().zip(numbers) {
                if let Some(place) = column.and_then(|column| row.get_mut(column)) {
                    *place = *number;
                }
            }
        });
    }

    fn write_row(&self, slot: usize, change: impl FnOnce(&mut [u64])) {
        let (version, half, mut row) = match self.newest(slot) {
            Ok(Newest::Whole(copy)) => (copy.version + 1, 1 - copy.half, copy.numbers),
            Ok(Newest::Never) => (1, 0, Vec::new()),
            // A copy with a lower version than the one that stands there would not be seen.
            Ok(Newest::Torn) | Err(_) => return,
        };
        row.resize(self.layout.width, 0);
        change(&mut row);
        let head = [version, checksum(version, &row)];
        let bytes: Vec<u8> = head.iter().chain(&row).flat_map(|word| word.to_ne_bytes()).collect();
        // The memory is there already. If the write fails all the same, old numbers stand.
        let _ = self.file.write_all_at(&bytes, self.layout.offset(slot, half));
    }

    fn newest(&self, slot: usize) -> io::Result<Newest> {
        if slot > self.slot_of_the_supervisor() {
            return Ok(Newest::Never);
        }
        let copies = [self.copy(slot, 0)?, self.copy(slot, 1)?];
        let are_written = copies.iter().all(|copy| copy.version > 0);
        let whole = copies.into_iter().filter(|copy| copy.version > 0 && copy.is_whole());
        Ok(match whole.max_by_key(|copy| copy.version) {
            Some(copy) => Newest::Whole(copy),
            None if are_written => Newest::Torn,
            None => Newest::Never,
        })
    }

    fn copy(&self, slot: usize, half: u64) -> io::Result<Copy> {
        let mut bytes = vec![0; BEFORE_NUMBERS + self.layout.width * WORD];
        self.file.read_exact_at(&mut bytes, self.layout.offset(slot, half))?;
        let mut words = words(&bytes);
        let (version, sum) = (words.next(), words.next());
        let (version, sum) = (version.unwrap_or_default(), sum.unwrap_or_default());
        Ok(Copy { version, sum, half, numbers: words.collect() })
    }
}

impl Layout {
    /// Whether its numbers can be used without a check.
    fn is_sound(self) -> bool {
        let needed =
            self.width.checked_mul(WORD).and_then(|bytes| bytes.checked_add(BEFORE_NUMBERS));
        let are_small = self.beginning <= LONGEST_BEGINNING && self.copy <= ROOMY_COPY << 8;
        are_small && needed.is_some_and(|needed| needed <= self.copy)
    }

    fn offset(self, slot: usize, half: u64) -> u64 {
        (self.beginning + 2 * slot * self.copy) as u64 + half * self.copy as u64
    }
}

impl AsFd for Scoreboard {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

/// What is found in a slot.
enum Newest {
    /// The newest copy that is whole.
    Whole(Copy),
    /// Nothing was written whole yet.
    Never,
    /// Both copies were being written while they were read.
    Torn,
}

/// One of the two copies of a slot.
struct Copy {
    version: u64,
    sum: u64,
    half: u64,
    numbers: Vec<u64>,
}

impl Copy {
    fn is_whole(&self) -> bool {
        checksum(self.version, &self.numbers) == self.sum
    }
}

/// The bytes of a copy that has room for the numbers with these names, and for no more.
fn least_copy(names: &[String]) -> usize {
    (BEFORE_NUMBERS + names.len() * WORD).next_multiple_of(SMALL_COPY)
}

/// The names of all numbers that this version writes, in their order.
fn own_names() -> Vec<String> {
    let names = Stats::names().into_iter();
    names.chain(OF_THE_SUPERVISOR.map(str::to_owned)).collect()
}

fn words(bytes: &[u8]) -> impl Iterator<Item = u64> {
    bytes.chunks_exact(WORD).map(|word| word.try_into().map_or(0, u64::from_ne_bytes))
}

/// FNV-1a over the words: against a reading in the middle of a write, not against malice.
fn checksum(version: u64, numbers: &[u64]) -> u64 {
    let add = |sum: u64, number: &u64| (sum ^ number).wrapping_mul(0x0000_0100_0000_01B3);
    numbers.iter().fold(add(0xCBF2_9CE4_8422_2325, &version), add)
}
