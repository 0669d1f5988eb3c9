//! The lines, the table and the section that tell what the servers spent.

use super::Report;
use super::markup::escaped;
use super::server_side::{Levels, ServerFigures, ServerSide};
use super::table::{Severity, Table};
use super::units::{bytes, count, counted, micros, number, percent, seconds};
use std::fmt::Write;

#[cfg(test)]
mod tests;

/// More requests by the servers' own counts than the client made, by this share, are worth a word:
/// other clients loaded them, too.
const OF_OTHERS: f64 = 0.05;

/// What the servers spent, a line each; without any if nothing is known of them.
pub(crate) fn lines(report: &Report) -> Vec<String> {
    let Some(side) = &report.server else { return Vec::new() };
    let mut lines = Vec::new();
    let mut push = |name: &str, phrases: Vec<String>| {
        if !phrases.is_empty() {
            lines.push(format!("{name}: {}", phrases.join("; ")));
        }
    };
    if !side.servers.is_empty() {
        push("server", work(report, side));
        push("server memory", memory(side));
    }
    if side.servers.len() > 1 {
        for server in &side.servers {
            push(&format!("server {}", name(server)), of_one(server));
        }
    }
    for note in &side.notes {
        push("server", vec![note.clone()]);
    }
    lines
}

fn work(report: &Report, side: &ServerSide) -> Vec<String> {
    let each = side.cpu_us_per_request.map(|each| format!("{} of CPU per request", micros(each)));
    let share = side.cpu_share.map(|share| format!("{} of a CPU", percent(share)));
    let cpu: Vec<String> = each.into_iter().chain(share).collect();
    let requests = side.requests.map(|requests| {
        let requests = format!("{} by its own count", counted(requests, "request"));
        match others(report, side) {
            Some(others) => format!("{requests}, {others} of other clients"),
            None => requests,
        }
    });
    let batch = batch(&side.servers).map(|batch| format!("{} per turn of its loop", number(batch)));
    let counts: Vec<String> = requests.into_iter().chain(batch).collect();
    [cpu, counts]
        .into_iter()
        .filter(|parts| !parts.is_empty())
        .map(|parts| parts.join(", "))
        .collect()
}

/// The requests that other clients made, by the servers' own counts, if they are worth a word.
fn others(report: &Report, side: &ServerSide) -> Option<String> {
    let (asked, sent) = (&report.asked, report.achieved.sent);
    let others = side.requests?.saturating_sub(sent);
    // A warm-up ends with requests in flight; and idle connections may make one each.
    let own = asked.connections.saturating_mul(asked.pipeline).saturating_add(asked.idle);
    let is_exact = asked.slow_readers + asked.slow_writers == 0;
    let is_worth_a_word = others as f64 > own as f64 + sent as f64 * OF_OTHERS;
    (is_exact && is_worth_a_word).then(|| count(others))
}

/// Requests served per turn of the poll loop.
fn batch(servers: &[ServerFigures]) -> Option<f64> {
    let sums = servers.iter().try_fold((0u64, 0u64), |(requests, turns), server| {
        let counts = server.counts?;
        Some((requests.saturating_add(counts.requests), turns.saturating_add(counts.turns)))
    });
    let (requests, turns) = sums.filter(|(requests, turns)| *requests > 0 && *turns > 0)?;
    Some(requests as f64 / turns as f64)
}

fn memory(side: &ServerSide) -> Vec<String> {
    let resident = side.resident_bytes.map(|levels| format!("RSS {}", told(levels)));
    let buffers = side
        .tcp_buffers_bytes
        .map(|levels| format!("TCP buffers of the client's machine {}", told(levels)));
    resident.into_iter().chain(buffers).collect()
}

fn told(levels: Levels) -> String {
    let [before, max, after] =
        [levels.before, levels.max, levels.after].map(|level| bytes(level as f64));
    format!("{before} before, {max} max, {after} after")
}

/// One of several servers.
fn of_one(server: &ServerFigures) -> Vec<String> {
    let cpu = server.cpu_s.map(|cpu| format!("{} of CPU", seconds(cpu)));
    let resident =
        server.resident_bytes.map(|levels| format!("RSS {} max", bytes(levels.max as f64)));
    let requests = server.counts.map(|counts| counted(counts.requests, "request"));
    cpu.into_iter().chain(resident).chain(requests).collect()
}

fn name(server: &ServerFigures) -> String {
    match (server.addresses.as_slice(), server.pid) {
        ([], Some(pid)) => format!("process {pid}"),
        ([], None) => "of unknown address".to_owned(),
        (addresses, _) => addresses.join(", "),
    }
}

/// The servers' figures, a column for each, and one for the sums of several.
pub(crate) fn table(side: &ServerSide) -> Option<Table> {
    if side.servers.is_empty() {
        return None;
    }
    let several = side.servers.len() > 1;
    let mut head = vec![String::new()];
    head.extend(side.servers.iter().map(name));
    head.extend(several.then(|| "all".to_owned()));
    let head: Vec<&str> = head.iter().map(String::as_str).collect();
    let mut table = Table::new("Server", &head);
    let mut push =
        |name: &str, of: &dyn Fn(&ServerFigures) -> Option<String>, sum: Option<String>| {
            let mut cells: Vec<Option<String>> = side.servers.iter().map(of).collect();
            if several {
                cells.push(sum);
            } else if let (Some(sum), Some(only)) = (sum, cells.first_mut()) {
                only.get_or_insert(sum);
            }
            if cells.iter().any(Option::is_some) {
                let cells = cells.into_iter().map(|cell| cell.unwrap_or_else(|| "–".to_owned()));
                let cells: Vec<String> = std::iter::once(name.to_owned()).chain(cells).collect();
                table.push(Severity::Plain, cells);
            }
        };
    let counts = |of: fn(&super::ServerCounts) -> u64| {
        move |server: &ServerFigures| Some(count(of(server.counts.as_ref()?)))
    };
    let level = |of: fn(Levels) -> u64| {
        move |server: &ServerFigures| Some(bytes(of(server.resident_bytes?) as f64))
    };
    let sum = |of: fn(Levels) -> u64| side.resident_bytes.map(|sum| bytes(of(sum) as f64));
    push("process", &|server| Some(process(server)), None);
    push("CPU per request", &|_| None, side.cpu_us_per_request.map(micros));
    push("CPU", &|server| server.cpu_s.map(seconds), side.cpu_s.map(seconds));
    push("share of a CPU", &|_| None, side.cpu_share.map(percent));
    push("RSS before", &level(|levels| levels.before), sum(|levels| levels.before));
    push("RSS max", &level(|levels| levels.max), sum(|levels| levels.max));
    push("RSS after", &level(|levels| levels.after), sum(|levels| levels.after));
    push("requests", &counts(|counts| counts.requests), side.requests.map(count));
    let accepted = side.connections_accepted.map(count);
    push("connections accepted", &counts(|counts| counts.connections_accepted), accepted);
    push("connections refused", &counts(|counts| counts.connections_refused), None);
    push("pauses of accepting", &counts(|counts| counts.accept_pauses), None);
    push("answers with an error", &counts(|counts| counts.refusals), None);
    push("bytes read", &counts(|counts| counts.bytes_in), None);
    push("bytes sent", &counts(|counts| counts.bytes_out), None);
    push("turns of its poll loop", &counts(|counts| counts.turns), None);
    push("visits to connections", &counts(|counts| counts.visits), None);
    Some(table)
}

fn process(server: &ServerFigures) -> String {
    let program = server.program.as_deref().unwrap_or_default();
    let number = server.pid.map_or_else(String::new, |pid| format!("{program} {pid}"));
    match server.processes {
        Some(processes) if processes > 1 => {
            format!("{} and {}", number.trim(), counted(processes - 1, "descendant"))
        }
        _ => number.trim().to_owned(),
    }
}

/// The section of the page; empty if nothing is known of the servers.
pub(crate) fn section(report: &Report) -> String {
    let Some(side) = &report.server else { return String::new() };
    let Some(table) = table(side) else { return String::new() };
    let mut html = format!("<section class=\"single\">\n{}", table.html());
    if let Some(levels) = side.tcp_buffers_bytes {
        let told = format!("Buffers of all TCP sockets of the client's machine: {}.", told(levels));
        let _ = writeln!(html, "<p>{}</p>", escaped(&told));
    }
    for note in &side.notes {
        let _ = writeln!(html, "<p>{}.</p>", escaped(note));
    }
    html.push_str("</section>\n");
    html
}
