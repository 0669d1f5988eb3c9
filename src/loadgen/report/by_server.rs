//! The errors of each of several servers.

use super::table::{Severity, Table};
use super::units::{count, counted};
use super::words::errors_in_words;
use super::{Errors, Report};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

#[cfg(test)]
mod tests;

/// Errors by the server's name, `address:port`. Empty where only one server was loaded.
pub type ByServer = BTreeMap<String, ServerErrors>;

/// The errors of one of several servers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerErrors {
    /// Errors, by what was being done.
    #[serde(flatten)]
    pub errors: Errors,
    /// Replies of this server that were not the right ones.
    pub mismatched: u64,
}

impl ServerErrors {
    /// Adds what was counted elsewhere of the same server.
    pub fn add(&mut self, other: &ServerErrors) {
        self.errors.add(&other.errors);
        self.mismatched = self.mismatched.saturating_add(other.mismatched);
    }

    fn is_empty(&self) -> bool {
        let Errors { connect, read, write, timeout, .. } = self.errors;
        [connect, read, write, timeout, self.mismatched].iter().all(|&number| number == 0)
    }
}

impl Errors {
    /// Adds what was counted elsewhere.
    pub fn add(&mut self, other: &Errors) {
        for (ours, others) in [
            (&mut self.connect, other.connect),
            (&mut self.read, other.read),
            (&mut self.write, other.write),
            (&mut self.timeout, other.timeout),
        ] {
            *ours = ours.saturating_add(others);
        }
        for (ours, others) in [
            (&mut self.by_errno, &other.by_errno),
            (&mut self.connect_by_errno, &other.connect_by_errno),
        ] {
            for (name, number) in others {
                let total = ours.entry(name.clone()).or_default();
                *total = total.saturating_add(*number);
            }
        }
    }
}

/// Adds the errors of each server to those counted elsewhere.
pub(crate) fn add_by_server(all: &mut ByServer, other: &ByServer) {
    for (server, errors) in other {
        all.entry(server.clone()).or_default().add(errors);
    }
}

/// The errors of each server that had some; `None` of a single server, or without errors.
pub(crate) fn errors_by_server(report: &Report) -> Option<Table> {
    let head = ["server", "connect", "read", "write", "timeout", "mismatch", ""];
    let mut table = Table::with_remarks("Errors by server", &head);
    for (server, of_server) in report.errors_by_server.iter().filter(|(_, each)| !each.is_empty()) {
        let Errors { connect, read, write, timeout, .. } = of_server.errors;
        let numbers = [connect, read, write, timeout, of_server.mismatched].map(count);
        let mut cells = vec![server.clone()];
        cells.extend(numbers);
        cells.push(errors_in_words(&of_server.errors.by_errno));
        table.push(Severity::Bad, cells);
    }
    (!table.rows.is_empty()).then_some(table)
}

/// How many servers had no error, if others had.
pub(crate) fn without_errors(report: &Report) -> Option<String> {
    let all = &report.errors_by_server;
    let empty = all.values().filter(|each| each.is_empty()).count();
    (empty > 0 && empty < all.len())
        .then(|| format!("{} had no error", counted(empty as u64, "server")))
}
