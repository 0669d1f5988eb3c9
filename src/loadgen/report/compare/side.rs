//! One side of a comparison: the runs before a change, or those after it.

use super::{Histogram, Report};

/// Longest name in the head of a table; a longer one loses its beginning.
const LONGEST_NAME: usize = 24;

/// The runs of one side.
#[derive(Clone, Debug)]
pub struct Side {
    /// What it is called.
    pub name: String,
    /// Its runs, at least one.
    pub reports: Vec<Report>,
    /// The file of each run, if they are known.
    files: Vec<String>,
}

impl Side {
    /// A side with one run or more.
    pub fn new(name: impl Into<String>, reports: Vec<Report>) -> Side {
        Side { name: name.into(), reports, files: Vec::new() }
    }

    /// The same side, whose runs were stored in these files.
    pub fn with_files(self, files: Vec<String>) -> Side {
        Side { files, ..self }
    }

    /// The whole name, and the file if it is another one.
    pub(super) fn title(&self) -> String {
        match self.files.as_slice() {
            [file] if !file.ends_with(&self.name) => format!("{} ({file})", self.name),
            _ => match self.reports.len() {
                1 => self.name.clone(),
                several => format!("{} ({several} runs)", self.name),
            },
        }
    }

    /// What the run at this place is called: its file, or its number.
    pub(super) fn run(&self, at: usize) -> String {
        self.files.get(at).cloned().unwrap_or_else(|| format!("run {}", at + 1))
    }

    /// The name, short enough for the head of a table; of several runs, with their number.
    pub(super) fn head(&self) -> String {
        let length = self.name.chars().count();
        let name: String = match length.checked_sub(LONGEST_NAME) {
            None | Some(0) => self.name.clone(),
            Some(over) => format!("…{}", self.name.chars().skip(over + 1).collect::<String>()),
        };
        match self.reports.len() {
            1 => name,
            several => format!("{name} ({several} runs)"),
        }
    }

    /// What its runs of an earlier version do not tell or tell differently, if there are any.
    pub(super) fn older_schema(&self) -> Option<String> {
        let runs = self.runs_with(|report| report.older_schema().is_some())?;
        let what = self.reports.iter().find_map(Report::older_schema)?;
        Some(format!("{runs}: {what}"))
    }

    /// The latencies of all its runs.
    pub(super) fn latencies(&self) -> Histogram {
        let mut all = Histogram::default();
        self.reports.iter().for_each(|report| all.merge(&report.histograms.latency));
        all
    }

    /// The names of its runs that `is_so` holds for, if it does for any: of a single run, the
    /// side's name.
    pub(super) fn runs_with(&self, is_so: impl Fn(&Report) -> bool) -> Option<String> {
        self.runs_called(&self.name, is_so)
    }

    /// The same, if the side is called `name`.
    pub(super) fn runs_called(
        &self,
        name: &str,
        is_so: impl Fn(&Report) -> bool,
    ) -> Option<String> {
        let count = self.reports.iter().filter(|report| is_so(report)).count();
        match (count, self.reports.len()) {
            (0, _) => None,
            (_, 1) => Some(name.to_owned()),
            (count, all) if count == all => Some(format!("all {all} runs of {name}")),
            (count, all) => Some(format!("{count} of the {all} runs of {name}")),
        }
    }
}
