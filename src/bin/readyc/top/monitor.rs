//! What is known of a server: a state machine that is fed replies, failures and keys.
//!
//! Times are durations since `readyc top` began, and are given. Nothing here draws or waits.

use super::figures::Figures;
use crate::screen::keyboard::Key;
use crate::watch::Sample;
use std::collections::VecDeque;
use std::time::Duration;

#[cfg(test)]
pub(super) mod tests;

/// Samples that are kept: one for each column of a wide terminal.
pub(super) const HISTORY: usize = 300;

/// A server, or one of its shards.
#[derive(Clone, Debug, Default)]
pub(super) struct Track {
    last: Option<Sample>,
    /// What the last reply tells.
    pub(super) figures: Figures,
    /// The figures of each interval, the last at the end; `None` where there was no answer.
    pub(super) history: VecDeque<Option<Figures>>,
}

/// How the questions go.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Status {
    /// The last one was answered.
    Answered,
    /// One has been asked then, and the answer is late.
    Late(Duration),
    /// None has been answered since then, for this reason.
    Gone(Duration, String),
}

/// What is told of the whole server only.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Facts {
    pub(super) version: Option<String>,
    pub(super) pid: Option<u64>,
    pub(super) uptime: Option<f64>,
    /// How many there are to be, and how many answer.
    pub(super) shards: Option<(u64, u64)>,
}

/// See the [module](self).
#[derive(Clone, Debug)]
pub(super) struct Monitor {
    /// The server, as it was named.
    pub(super) server: String,
    pub(super) interval: Duration,
    pub(super) status: Status,
    pub(super) facts: Facts,
    pub(super) whole: Track,
    pub(super) shards: Vec<Track>,
    /// The shard, from 0, that is shown instead of the whole.
    pub(super) selected: Option<usize>,
    pub(super) shows_help: bool,
    /// When the server was seen to have been started again.
    pub(super) restarted: Option<Duration>,
}

/// What a key asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    /// To see what has changed.
    Draw,
    Quit,
}

impl Monitor {
    /// Nothing is known yet.
    pub(super) fn new(server: String, interval: Duration) -> Monitor {
        Monitor {
            server,
            interval,
            status: Status::Late(Duration::ZERO),
            facts: Facts::default(),
            whole: Track::default(),
            shards: Vec::new(),
            selected: None,
            shows_help: false,
            restarted: None,
        }
    }

    /// Whether there has been an answer.
    pub(super) fn has_figures(&self) -> bool {
        self.whole.last.is_some()
    }

    /// The server answered `STATS` or `STATS shards`: the numbers, and the whole text.
    pub(super) fn answered(&mut self, at: Duration, sample: Sample, text: &[u8]) {
        self.status = Status::Answered;
        let (whole, shards) = sample.into_shards();
        if let Some(last) = self.whole.last.take() {
            let is_new = whole.is_of_new_start(&last);
            if is_new {
                self.restarted = Some(at);
                self.shards.iter_mut().for_each(Track::begin_again);
            }
            self.whole.last = Some(if is_new { Sample::before_start() } else { last });
        }
        let uptime = |sample: &Sample| sample.get("uptime_seconds");
        let before = self.whole.last.as_ref().and_then(uptime).unwrap_or(0.0);
        let seconds = uptime(&whole).map_or(0.0, |now| now - before);
        self.facts = Facts::of(&whole, text);
        self.shards.resize_with(shards.len(), Track::default);
        self.whole.answered(whole, seconds);
        for (track, sample) in self.shards.iter_mut().zip(shards) {
            track.answered(sample, seconds);
        }
        self.selected = self.selected.filter(|&shard| shard < self.shards.len());
    }

    /// An interval is over, and what was asked at `asked` has not been answered.
    pub(super) fn missed(&mut self, asked: Duration) {
        if self.status == Status::Answered {
            self.status = Status::Late(asked);
        }
        self.leave_gap();
    }

    /// The server could not be asked, or did not answer.
    pub(super) fn failed(&mut self, at: Duration, why: String) {
        let since = match self.status {
            Status::Gone(since, _) | Status::Late(since) => since,
            Status::Answered => at,
        };
        self.status = Status::Gone(since, why);
        self.leave_gap();
    }

    /// A key was pressed.
    pub(super) fn pressed(&mut self, key: Key) -> Wish {
        const CTRL_C: char = '\u{3}';
        match key {
            Key::Character('q' | 'Q' | CTRL_C) => return Wish::Quit,
            Key::Character('?' | 'h' | 'H') => self.shows_help = !self.shows_help,
            Key::Escape => self.shows_help = false,
            Key::Right => self.select(1),
            Key::Left => self.select(self.shards.len()),
            Key::Character(digit) => {
                let number = digit.to_digit(10).and_then(|digit| usize::try_from(digit).ok());
                let is_there = |&number: &usize| number <= self.shards.len();
                if let Some(number) = number.filter(is_there) {
                    self.selected = number.checked_sub(1);
                }
            }
        }
        Wish::Draw
    }

    /// Goes on by `steps` from the whole to shard 1, 2 and so on, and around.
    fn select(&mut self, steps: usize) {
        let places = self.shards.len() + 1;
        let place = self.selected.map_or(0, |shard| shard + 1);
        self.selected = ((place + steps) % places).checked_sub(1);
    }

    /// What is shown: the whole, or a shard.
    pub(super) fn shown(&self) -> &Track {
        self.selected.and_then(|shard| self.shards.get(shard)).unwrap_or(&self.whole)
    }

    fn leave_gap(&mut self) {
        if self.has_figures() {
            self.whole.push(None);
            self.shards.iter_mut().for_each(|shard| shard.push(None));
        }
    }
}

impl Facts {
    fn of(sample: &Sample, text: &[u8]) -> Facts {
        let whole = |name: &str| sample.get(name).map(|number| number as u64);
        let text = String::from_utf8_lossy(text);
        let version = text.lines().find_map(|line| line.strip_prefix("version "));
        Facts {
            version: version.map(|version| version.trim().to_owned()),
            pid: whole("pid"),
            uptime: sample.get("uptime_seconds"),
            shards: whole("shards").zip(whole("shards_answering")),
        }
    }
}

impl Track {
    /// The reply has these numbers, `seconds` after those before.
    fn answered(&mut self, sample: Sample, seconds: f64) {
        self.figures = Figures::between(self.last.as_ref(), &sample, seconds);
        if self.last.is_some() {
            self.push(Some(self.figures.clone()));
        }
        self.last = Some(sample);
    }

    /// It counts from 0.
    fn begin_again(&mut self) {
        self.last = Some(Sample::before_start());
    }

    fn push(&mut self, figures: Option<Figures>) {
        self.history.push_back(figures);
        while self.history.len() > HISTORY {
            self.history.pop_front();
        }
    }

    /// A figure over time, the last at the end.
    pub(super) fn values(&self, of: fn(&Figures) -> Option<f64>) -> Vec<Option<f64>> {
        self.history.iter().map(|figures| figures.as_ref().and_then(of)).collect()
    }
}
