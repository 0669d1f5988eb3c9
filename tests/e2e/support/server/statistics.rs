//! The server's counters, as `STATS` and the log tell them.

use std::collections::HashMap;

/// The server's counters at one moment.
#[derive(Clone, Debug)]
pub(crate) struct Statistics(pub(super) HashMap<String, String>);

impl Statistics {
    /// Reads the reply to `STATS`.
    pub(crate) fn from_reply(reply: &str) -> Statistics {
        let counter = |line: &str| line.split_once(' ').map(|(n, v)| (n.to_owned(), v.to_owned()));
        Statistics(reply.lines().filter_map(counter).collect())
    }

    /// The counters' names, sorted.
    pub(crate) fn names(&self) -> Vec<&String> {
        let mut names: Vec<&String> = self.0.keys().collect();
        names.sort();
        names
    }

    pub(crate) fn get(&self, name: &str) -> u64 {
        let value = self.text(name);
        value.parse().unwrap_or_else(|_| panic!("{name} is {value:?}"))
    }

    /// A value as it was written: the version is no number.
    pub(crate) fn text(&self, name: &str) -> &str {
        self.0.get(name).unwrap_or_else(|| panic!("no counter {name} in {self:?}"))
    }
}
