//! A process's place on the scoreboard.

use super::Scoreboard;
use crate::server::stats::Stats;
use crate::server::stats::publishing::{Shards, SharedStats};
use std::io;
use std::time::Duration;

/// A process's slot on the scoreboard.
#[derive(Debug)]
pub struct ScoreboardSlot {
    scoreboard: Scoreboard,
    number: usize,
    /// What earlier processes in this slot had counted.
    predecessors: Stats,
    /// For how long there had been shards when this one began.
    age: Duration,
    /// The scoreboards of the processes before this server, which may still serve their clients.
    earlier: Vec<Scoreboard>,
    /// Measures the processor time of this process, if the server does not before it publishes.
    cpu_time: Option<fn() -> Duration>,
}

impl ScoreboardSlot {
    /// Slot `number`, from 0. Its process goes on from the numbers that the slot holds. The first
    /// shard began `age` ago.
    ///
    /// # Errors
    ///
    /// When those numbers cannot be read.
    pub fn take(
        scoreboard: Scoreboard,
        number: usize,
        age: Duration,
    ) -> io::Result<ScoreboardSlot> {
        let mut predecessors = scoreboard.try_read(number)?;
        predecessors.end_all();
        Ok(ScoreboardSlot {
            scoreboard,
            number,
            predecessors,
            age,
            earlier: Vec::new(),
            cpu_time: None,
        })
    }

    /// Adds what is counted on the scoreboards of the processes before this server.
    #[must_use]
    pub fn after(self, earlier: Vec<Scoreboard>) -> ScoreboardSlot {
        ScoreboardSlot { earlier, ..self }
    }

    /// Asks for the processor time that this process has used whenever it publishes.
    #[must_use]
    pub fn measuring(self, cpu_time: fn() -> Duration) -> ScoreboardSlot {
        ScoreboardSlot { cpu_time: Some(cpu_time), ..self }
    }
}

impl SharedStats for ScoreboardSlot {
    fn publish(&mut self, own: &Stats) {
        let mut stats = own.clone();
        if let Some(cpu_time) = self.cpu_time {
            stats.describe_cpu_time(cpu_time());
        }
        stats.follow(&self.predecessors);
        self.scoreboard.write(self.number, &stats);
    }

    fn total(&self) -> Stats {
        let mut total = self.scoreboard.total();
        self.earlier.iter().for_each(|earlier| total.follow(&earlier.total()));
        total
    }

    fn each(&self) -> Vec<Stats> {
        let mut each = self.scoreboard.each();
        for earlier in &self.earlier {
            for (shard, counted) in earlier.each().iter().enumerate() {
                let place = shard % each.len().max(1);
                each.iter_mut().skip(place).take(1).for_each(|own| own.follow(counted));
            }
        }
        each
    }

    fn shards(&self) -> Shards {
        self.scoreboard.overview()
    }

    fn age_at_start(&self) -> Duration {
        self.age
    }
}
