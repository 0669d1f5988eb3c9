//! A scoreboard that goes on from those of earlier processes, perhaps of other versions.
//!
//! Invariant: a number whose name this version does not know is kept, and one that an earlier
//! version did not know is 0 there.

use super::{Newest, ROOMY_COPY, SLOTS_PER_SHARD, Scoreboard, least_copy, own_names};
use std::io;

impl Scoreboard {
    /// A scoreboard for `shards` shards that go on from what has been counted on those of servers
    /// that have `ended`. Numbers whose names this version does not know are kept.
    ///
    /// # Errors
    ///
    /// As [`Scoreboard::create`].
    pub fn create_after(shards: usize, ended: &[Scoreboard]) -> io::Result<Scoreboard> {
        let mut names = own_names();
        for name in ended.iter().flat_map(|board| &board.names) {
            if !names.contains(name) {
                names.push(name.clone());
            }
        }
        let roomy = ROOMY_COPY.max(least_copy(&names));
        let created = Scoreboard::with_copies(shards, &names, roomy);
        let board = created.or_else(|error| match error.kind() {
            io::ErrorKind::FileTooLarge => Scoreboard::create_small(shards),
            _ => Err(error),
        })?;
        ended.iter().for_each(|earlier| board.go_on_from(earlier));
        Ok(board)
    }

    /// Adds what has been counted on the scoreboard of a server that has ended, each shard's
    /// numbers to those of the shard in its place.
    fn go_on_from(&self, ended: &Scoreboard) {
        for (shard, mut counted) in ended.each().into_iter().enumerate() {
            let slot = SLOTS_PER_SHARD * (shard % self.shards.max(1));
            counted.end_all();
            counted.follow(&self.read(slot));
            self.write(slot, &counted);
        }
        let unknown = |slot| ended.unknown(slot).unwrap_or_default();
        let mut sums: Vec<(String, u64)> = self.unknown(0).unwrap_or_default();
        for (name, number) in (0..SLOTS_PER_SHARD * ended.shards).flat_map(unknown) {
            if let Some((_, sum)) = sums.iter_mut().find(|(known, _)| *known == name) {
                *sum = sum.saturating_add(number);
            }
        }
        self.write_row(0, |row| {
            for (name, number) in &sums {
                let column = self.names.iter().position(|known| known == name);
                if let Some(place) = column.and_then(|column| row.get_mut(column)) {
                    *place = *number;
                }
            }
        });
    }

    /// The numbers of a slot whose names this version does not know.
    pub(super) fn unknown(&self, slot: usize) -> io::Result<Vec<(String, u64)>> {
        let numbers = match self.newest(slot)? {
            Newest::Whole(copy) => copy.numbers,
            Newest::Never | Newest::Torn => Vec::new(),
        };
        let is_unknown = |at: &usize| !self.columns.contains(&Some(*at));
        let named = self.names.iter().enumerate().filter(|(at, _)| is_unknown(at));
        let number = |at: usize| numbers.get(at).copied().unwrap_or_default();
        Ok(named.map(|(at, name)| (name.clone(), number(at))).collect())
    }

    /// Notes that the server of this scoreboard has ended, as [`Scoreboard::end`] does for a slot.
    pub fn end_all(&self) {
        (0..SLOTS_PER_SHARD * self.shards).for_each(|slot| self.end(slot));
    }

    /// Another handle on the same scoreboard.
    ///
    /// # Errors
    ///
    /// When the system has no descriptor.
    pub fn try_clone(&self) -> io::Result<Scoreboard> {
        let (file, names) = (self.file.try_clone()?, self.names.clone());
        Ok(Scoreboard { file, names, columns: self.columns.clone(), ..*self })
    }
}
