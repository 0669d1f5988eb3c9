//! The last lines of a report: what most readers look for, and whether it can be trusted.
//!
//! Invariant: on a terminal of 80 columns or more it has at most six lines, whatever has happened.
//! What does not fit stands in the banners above.

use super::page::{AnsiStyle, Page};
use crate::loadgen::report::doubt::LAST_OF_SUMMARY;
use crate::loadgen::report::units::{NO_BREAK, columns, count, number, wrapped};
use crate::loadgen::report::{Report, Validity, tables, words};
use crate::printable::printable;

/// The length of the summary. The verdict may have two of the lines.
#[cfg(test)]
pub(super) const MOST_LINES: usize = 6;

/// The width of the names, and of the gap behind them.
const NAMES: usize = 14;

/// Below this width the values stand under their names.
const SIDE_BY_SIDE: usize = 40;

/// From this width on each value has one line, and the verdict two.
const ROOMY: usize = 80;

pub(super) fn summary(page: &mut Page, report: &Report) {
    let is_bad = |is: bool| if is { AnsiStyle::Red } else { AnsiStyle::Plain };
    let (connections, is_short) = connections(report);
    let (errors, has_errors) = errors(report);
    let plain = AnsiStyle::Plain;
    for (name, style, value) in [
        ("throughput", plain, throughput(report)),
        ("latency", plain, latency(report)),
        ("connections", is_bad(is_short), connections),
        ("errors", is_bad(has_errors), errors),
    ] {
        entry(page, name, style, &value, 1);
    }
    let (style, verdict) = verdict(report);
    entry(page, "verdict", style, &verdict, 2);
}

/// A name and its value, which has at most `most` lines on a roomy terminal.
fn entry(page: &mut Page, name: &str, style: AnsiStyle, value: &str, most: usize) {
    let width = page.width();
    let is_beside = width >= SIDE_BY_SIDE;
    let indent = if is_beside { NAMES } else { 2 };
    let room = width.min(120) - indent;
    let mut lines = wrapped(&printable(value), room);
    let most = if width >= ROOMY { most } else { 4 * most };
    if is_beside && lines.len() > most {
        lines.truncate(most);
        if let Some(last) = lines.last_mut() {
            elide(last, room);
        }
    }
    let mut lead = format!("{name:<indent$}");
    if !is_beside {
        page.push(AnsiStyle::Bold, name);
        lead = " ".repeat(indent);
    }
    for line in lines {
        let bold = page.painted(AnsiStyle::Bold, lead.trim_end());
        let gap = " ".repeat(indent - columns(lead.trim_end()));
        let line = format!("{bold}{gap}{}", page.painted(style, &line));
        page.push(AnsiStyle::Plain, &line);
        lead = " ".repeat(indent);
    }
}

/// Ends the line with an ellipsis, in place of whole words.
fn elide(line: &mut String, room: usize) {
    const MORE: &str = " … (more above)";
    while columns(line) + columns(MORE) > room {
        match line.rfind(' ') {
            Some(at) => line.truncate(at),
            None => return,
        }
    }
    while line.ends_with([',', ';', ':', ' ']) {
        line.pop();
    }
    line.push_str(MORE);
}

fn throughput(report: &Report) -> String {
    let achieved = &report.achieved;
    let Some(achieved) = achieved.rate else {
        let why = match achieved.elapsed_s > 0.0 {
            true => "one answer alone has no rate",
            false => "the measured part has no length",
        };
        return format!("unknown: {why}");
    };
    let asked = report.asked.rate.map_or_else(String::new, |asked| {
        let mean = if report.steps.len() > 1 { " on average" } else { "" };
        format!(" of{NO_BREAK}{}{NO_BREAK}asked{mean}", number(asked))
    });
    format!("{} requests per second{asked}", number(achieved))
}

fn latency(report: &Report) -> String {
    if report.latency_us.count == 0 {
        return words::no_latency(report).to_owned();
    }
    let figures = tables::percentiles(report, &["p50", "p99", "p99.9", "max"]);
    let told = figures.iter().map(|(marked, value)| {
        // The marks stand behind the value, where they are no part of the name.
        let (name, marks) = marked.split_once(' ').unwrap_or((marked, ""));
        let figure = format!("{name} {value} {marks}");
        figure.trim_end().replace(' ', &NO_BREAK.to_string())
    });
    told.collect::<Vec<_>>().join(", ")
}

/// The connections in words, and whether there are fewer than were asked for.
fn connections(report: &Report) -> (String, bool) {
    let achieved = &report.achieved;
    let (asked, established) = (report.connections_asked(), achieved.connections_established);
    let (mut told, mut is_short) = if report.knows_served() {
        let (served, wanted) = (achieved.connections_served, report.to_be_served());
        (format!("served {} of {}", count(served), count(wanted)), served < wanted)
    } else {
        let told = format!("connected {} of {}, not probed", count(established), count(asked));
        (told, false)
    };
    if established < asked && report.knows_served() {
        told.push_str(&format!(", connected {} of {}", count(established), count(asked)));
    }
    is_short |= established < asked;
    if achieved.connections_lost > 0 {
        told.push_str(&format!(", {} lost", count(achieved.connections_lost)));
        is_short = true;
    }
    (told, is_short)
}

/// The errors in words, and whether there are any.
fn errors(report: &Report) -> (String, bool) {
    let errors = &report.errors;
    let kinds = [
        ("connect", errors.connect),
        ("read", errors.read),
        ("write", errors.write),
        ("timeout", errors.timeout),
        ("mismatch", report.achieved.mismatched),
    ];
    let all = kinds.iter().fold(0u64, |all, (_, number)| all.saturating_add(*number));
    if all == 0 {
        return ("none".to_owned(), false);
    }
    let kinds = kinds.iter().filter(|(_, number)| *number > 0);
    let kinds: Vec<String> =
        kinds.map(|(kind, number)| format!("{kind}{NO_BREAK}{}", count(*number))).collect();
    (format!("{}: {}", count(all), kinds.join(", ")), true)
}

/// Whether the figures can be believed, and whether all was achieved.
fn verdict(report: &Report) -> (AnsiStyle, String) {
    let client = &report.client;
    let mut told = Vec::new();
    if client.bottleneck {
        told.push(format!("INVALID: {}", doubt(report)));
    }
    if !report.met || !report.shortfalls.is_empty() {
        let said = report.shortfalls.iter().filter(|said| *said != "the result is partial");
        let partial = report.partial.iter().map(|why| format!("partial: {why}"));
        let shortfalls: Vec<String> = said.cloned().chain(partial).collect();
        told.push(format!("NOT MET: {}", shortfalls.join("; ")));
    } else if let Some(why) = &report.partial {
        told.push(format!("PARTIAL: {why}"));
    }
    if !told.is_empty() {
        return (AnsiStyle::Red, told.join("; "));
    }
    match client.validity {
        Validity::Noted => (AnsiStyle::Yellow, format!("OK, with a note: {}", client.verdict)),
        _ => (AnsiStyle::BoldGreen, "OK: the load that was asked for was achieved".to_owned()),
    }
}

/// What the load generator has done to the figures. The percentiles beyond those of the summary
/// make no run invalid, so if only they are in doubt, something else does.
fn doubt(report: &Report) -> String {
    let doubtful = tables::in_doubt(report);
    match doubtful.iter().any(|(_, quantile)| *quantile <= LAST_OF_SUMMARY) {
        false => report.client.verdict.clone(),
        true => {
            let names: Vec<&str> = doubtful.iter().map(|(name, _)| *name).collect();
            format!("{} may show the load generator, not the server (see above)", names.join(", "))
        }
    }
}
