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
        self.by_kind().iter().all(|&number| number == 0)
    }

    fn by_kind(&self) -> [u64; 5] {
        let Errors { connect, read, write, timeout, .. } = self.errors;
        [connect, read, write, timeout, self.mismatched]
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

/// The errors of each server in all of these reports. Empty if they loaded a single server.
pub(crate) fn merged(reports: &[Report]) -> ByServer {
    let mut all = ByServer::new();
    let mut targets: Vec<&String> = reports.iter().flat_map(|one| &one.asked.targets).collect();
    targets.sort_unstable();
    targets.dedup();
    if targets.len() < 2 {
        return all;
    }
    for report in reports {
        for (server, errors) in &report.errors_by_server {
            all.entry(server.clone()).or_default().add(errors);
        }
        // Of a run with a single server, all errors are that server's.
        if let ([server], true) = (&*report.asked.targets, report.errors_by_server.is_empty()) {
            let errors = report.errors.clone();
            let own = ServerErrors { errors, mismatched: report.achieved.mismatched };
            all.entry(server.clone()).or_default().add(&own);
        }
    }
    all
}

/// The errors of the servers that had some, of at most this number of them: those with the most.
/// `None` of a single server, or without errors.
pub(crate) fn errors_by_server(report: &Report, most: usize) -> Option<Table> {
    const KINDS: [&str; 5] = ["connect", "read", "write", "timeout", "mismatch"];
    let shown = with_most_errors(report, most);
    // A kind of error that no server had needs no column.
    let had = |kind: usize| shown.iter().any(|(_, each)| each.by_kind().get(kind) > Some(&0));
    let had = [0, 1, 2, 3, 4].map(had);
    let named = KINDS.into_iter().zip(had).filter(|&(_, had)| had).map(|(kind, _)| kind);
    let head: Vec<&str> = ["server"].into_iter().chain(named).chain([""]).collect();
    // What happened is also told of all servers together.
    let spare = [head.len() - 1];
    let mut table = Table::with_remarks("Errors by server", &head).sparing(&spare);
    for (server, each) in shown {
        let mut cells = vec![server.clone()];
        let numbers = each.by_kind().into_iter().zip(had).filter(|&(_, had)| had);
        cells.extend(numbers.map(|(number, _)| count(number)));
        cells.push(errors_in_words(&each.errors.by_errno));
        table.push(Severity::Bad, cells);
    }
    (!table.rows.is_empty()).then_some(table)
}

/// The servers with the most errors, by name. None if there is only one server.
fn with_most_errors(report: &Report, most: usize) -> Vec<(&String, &ServerErrors)> {
    let all = &report.errors_by_server;
    let mut shown: Vec<_> = all.iter().filter(|(_, each)| !each.is_empty()).collect();
    if all.len() < 2 {
        shown.clear();
    }
    let total = |each: &ServerErrors| each.by_kind().into_iter().fold(0, u64::saturating_add);
    shown.sort_by_key(|(_, each)| std::cmp::Reverse(total(each)));
    shown.truncate(most);
    shown.sort_unstable_by_key(|(name, _)| *name);
    shown
}

/// The servers that the table leaves out, if there is a table.
pub(crate) fn others(report: &Report, most: usize) -> Option<String> {
    let all = &report.errors_by_server;
    let empty = all.values().filter(|each| each.is_empty()).count();
    let more = (all.len() - empty).saturating_sub(most);
    let told = |number: usize, what: &str| (number > 0).then(|| counted(number as u64, what));
    let with = told(more, "more server").map(|servers| format!("{servers} had errors"));
    let without = told(empty, "server").map(|servers| format!("{servers} had no error"));
    let told: Vec<String> = with.into_iter().chain(without).collect();
    (all.len() > 1 && empty < all.len() && !told.is_empty()).then(|| told.join(", "))
}
