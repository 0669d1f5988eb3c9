//! The lines that a process writes, collected by a thread so that the process is never held up.

use super::PATIENCE;
use std::io::{BufRead, BufReader, Read};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::Instant;

/// All lines so far, and the means to wait for more.
#[derive(Clone, Default)]
pub(crate) struct Lines(Arc<Shared>);

#[derive(Default)]
struct Shared {
    collected: Mutex<Collected>,
    changed: Condvar,
}

#[derive(Default)]
struct Collected {
    lines: Vec<String>,
    /// The process has closed its end: no more will come.
    ended: bool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Collected> {
        self.collected.lock().expect("no thread panics while it holds this lock")
    }

    fn collect(&self, from: impl Read) {
        let mut from = BufReader::new(from);
        let mut line = Vec::new();
        while from.read_until(b'\n', &mut line).is_ok_and(|count| count > 0) {
            let text = String::from_utf8_lossy(line.strip_suffix(b"\n").unwrap_or(&line));
            self.lock().lines.push(text.into_owned());
            self.changed.notify_all();
            line.clear();
        }
        self.lock().ended = true;
        self.changed.notify_all();
    }
}

impl Lines {
    /// Starts to collect.
    pub(crate) fn of(from: impl Read + Send + 'static) -> Lines {
        let lines = Lines::default();
        let shared = Arc::clone(&lines.0);
        thread::spawn(move || shared.collect(from));
        lines
    }

    /// The lines so far.
    pub(crate) fn all(&self) -> Vec<String> {
        self.0.lock().lines.clone()
    }

    /// The lines so far that contain `text`.
    pub(crate) fn containing(&self, text: &str) -> Vec<String> {
        self.0.lock().lines.iter().filter(|line| line.contains(text)).cloned().collect()
    }

    /// The first line that contains `text`, now or as soon as it comes.
    pub(crate) fn wait_for(&self, text: &str) -> String {
        self.wait(text, |lines| lines.iter().find(|line| line.contains(text)).cloned())
    }

    /// Every line, once the process has closed its end.
    pub(crate) fn wait_for_end(&self) -> Vec<String> {
        let deadline = Instant::now() + PATIENCE;
        let mut collected = self.0.lock();
        while !collected.ended {
            collected = self.wait_for_change(collected, deadline, "the end of the output");
        }
        collected.lines.clone()
    }

    /// Waits until `find` finds something in the lines so far.
    pub(crate) fn wait<T>(&self, what: &str, mut find: impl FnMut(&[String]) -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        let mut collected = self.0.lock();
        loop {
            if let Some(found) = find(&collected.lines) {
                return found;
            }
            if collected.ended {
                drop(collected);
                panic!("no {what:?} in the output, which has ended");
            }
            collected = self.wait_for_change(collected, deadline, what);
        }
    }

    fn wait_for_change<'a>(
        &'a self,
        collected: MutexGuard<'a, Collected>,
        deadline: Instant,
        what: &str,
    ) -> MutexGuard<'a, Collected> {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            // Unlocked first: the handler of the panic wants to read the lines.
            drop(collected);
            panic!("waited {PATIENCE:?} in vain for {what:?}");
        }
        let waited = self.0.changed.wait_timeout(collected, left);
        waited.expect("no thread panics while it holds this lock").0
    }
}
