//! A server's process and its descendants, watched on this machine.

use readyd::loadgen::report::Levels;
use readyd::os::process::{ProcessTree, TreeUsage};
use std::time::Duration;

/// A process that is watched.
#[derive(Debug)]
pub(super) struct WatchedProcess {
    pub(super) tree: ProcessTree,
    pub(super) program: String,
    pub(super) processes: u64,
    pub(super) resident: Levels,
    /// Processor time when the measured part began.
    begin: Option<Duration>,
    /// Processor time in the measured part.
    pub(super) cpu: Option<Duration>,
    pub(super) has_ended: bool,
}

impl WatchedProcess {
    /// The process now, before the run.
    pub(super) fn new(tree: ProcessTree) -> WatchedProcess {
        let mut process = WatchedProcess {
            tree,
            program: tree.root().map(|root| root.name).unwrap_or_default(),
            processes: 0,
            resident: Levels::default(),
            begin: None,
            cpu: None,
            has_ended: false,
        };
        if let Some(usage) = process.usage() {
            process.resident = Levels::at(usage.resident_bytes);
        }
        process
    }

    /// What it has used by now; `None` once it has ended.
    fn usage(&mut self) -> Option<TreeUsage> {
        let usage = if self.has_ended { None } else { self.tree.usage() };
        match usage {
            Some(usage) => self.processes = usage.processes,
            None => self.has_ended = true,
        }
        usage
    }

    /// Looks at its memory.
    pub(super) fn look(&mut self) {
        if let Some(usage) = self.usage() {
            self.resident.look(usage.resident_bytes);
        }
    }

    /// The measured part begins.
    pub(super) fn begin(&mut self) {
        self.begin = self.usage().map(|usage| usage.cpu);
    }

    /// The measured part is over.
    pub(super) fn end(&mut self) {
        let now = self.usage().map(|usage| usage.cpu);
        let used = |now: Duration| Some(now.saturating_sub(self.begin?));
        self.cpu = now.and_then(used);
    }
}
