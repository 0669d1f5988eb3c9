//! A report as text for a terminal: the warnings, what was asked, the tables, and last the summary.
//!
//! Invariant: no line is wider than the terminal. Warnings that affect the figures stand above
//! them, and the verdict is in the last lines, too, because the first have left the screen. Only
//! our own escape sequences are printed, and without colour none.

use super::distribution::{Bar, bars};
use super::table::{Severity, Table};
use super::units::count;
use super::{Report, Validity, by_server, server, tables, words};

mod layout;
mod page;
mod summary;
#[cfg(test)]
mod tests;

pub(crate) use page::{AnsiStyle, Page};

/// Terminals that are narrower are treated like this: nothing can be laid out in less.
pub const NARROWEST: usize = 20;

/// How many servers' errors are printed, unless all details are.
const SERVERS_WITH_ERRORS: usize = 10;

/// How a report is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TextOptions {
    /// Columns of the terminal, at least [`NARROWEST`].
    pub width: usize,
    /// Whether to use the terminal's colours; without, not one escape sequence is printed.
    pub color: bool,
    /// Whether to print the latency distribution in detail: all percentiles, the bars, and the
    /// percentile spectrum.
    pub detail: bool,
}

impl Default for TextOptions {
    fn default() -> TextOptions {
        TextOptions { width: 80, color: false, detail: false }
    }
}

/// The report as text, ending with a line end.
pub fn text(report: &Report, options: TextOptions) -> String {
    let mut page = Page::new(options);
    warnings(&mut page, report);
    page.line(AnsiStyle::Bold, &words::mode(report));
    page.line(AnsiStyle::Plain, &words::setup(report).join("; "));
    page.blank();
    // If all was achieved, the summary says so in fewer lines.
    if options.detail || !report.met {
        page.table(&tables::asked_and_achieved(report));
    }
    facts(&mut page, report);
    errors(&mut page, report);
    let latency = if options.detail { tables::latency(report) } else { None };
    for table in [
        latency.or_else(|| tables::latency_in_short(report)),
        options.detail.then(|| tables::kinds(report)).flatten(),
        tables::steps(report),
        tables::storms(report),
        tables::slow(report),
        options.detail.then(|| tables::spectrum(report)).flatten(),
    ]
    .into_iter()
    .flatten()
    {
        page.table(&table);
    }
    if options.detail {
        distribution(&mut page, &bars(&report.histograms.latency));
    }
    summary::summary(&mut page, report);
    page.text
}

/// The warnings that a reader needs before the figures.
fn warnings(page: &mut Page, report: &Report) {
    if report.client.bottleneck {
        page.banner(words::INVALID, [report.client.verdict.as_str()]);
    }
    if !report.met || !report.shortfalls.is_empty() {
        page.banner("NOT MET", report.shortfalls.iter().map(String::as_str));
    }
    if let Some(reason) = &report.partial {
        page.banner("PARTIAL", [reason.as_str()]);
    }
    let noted = (report.client.validity == Validity::Noted).then_some(&report.client.verdict);
    let notes: Vec<&String> = noted.into_iter().chain(&report.notes).collect();
    if !notes.is_empty() {
        page.notes(&notes);
    }
}

/// What happened, a line each.
fn facts(page: &mut Page, report: &Report) {
    if let Some(not_probed) = words::not_probed(report) {
        page.line(AnsiStyle::Yellow, &not_probed);
    }
    page.line(AnsiStyle::Plain, &format!("connect: {}", words::connecting(report)));
    if let Some(tls) = words::encrypting(report) {
        page.line(AnsiStyle::Plain, &format!("TLS: {tls}"));
    }
    page.line(AnsiStyle::Plain, &format!("requests: {}", words::requests(report)));
    page.line(AnsiStyle::Plain, &format!("traffic: {}", words::traffic(report)));
    for line in words::generator(report) {
        page.line(AnsiStyle::Plain, &format!("generator: {line}"));
    }
    for line in server::lines(report) {
        page.line(AnsiStyle::Plain, &line);
    }
    if let Some(unknown) = words::unknown_percentiles(report) {
        page.line(AnsiStyle::Yellow, &unknown);
    }
    page.blank();
}

/// The errors of all servers together, and of each.
fn errors(page: &mut Page, report: &Report) {
    if let Some(table) = tables::errors(report) {
        page.table(&table);
    }
    let most = if page.is_detailed() { usize::MAX } else { SERVERS_WITH_ERRORS };
    if let Some(table) = by_server::errors_by_server(report, most) {
        page.open_table(&table);
        if let Some(others) = by_server::others(report, most) {
            page.hanging(AnsiStyle::Plain, "  ", &others);
        }
        page.blank();
    }
}

/// The latency as bars. They shrink with the terminal.
fn distribution(page: &mut Page, bars: &[Bar]) {
    let all: u64 = bars.iter().map(|bar| bar.count).sum();
    let most = bars.iter().map(|bar| bar.count).max().unwrap_or(0);
    let mut table = Table::with_remarks("Distribution", &["", "requests", "", ""]).sparing(&[3, 2]);
    let room = page.width().saturating_sub(48).clamp(10, 40);
    for bar in bars {
        let drawn = drawn(bar.count, most, room);
        table.push(Severity::Plain, [bar.range(), count(bar.count), bar.share(all), drawn]);
    }
    if !bars.is_empty() {
        page.table(&table);
    }
}

/// A bar, to an eighth of a column. A count above 0 has at least an eighth.
fn drawn(count: u64, most: u64, width: usize) -> String {
    const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    if count == 0 || most == 0 {
        return String::new();
    }
    let eighths = (count as f64 / most as f64 * width as f64 * 8.0).round() as usize;
    let eighths = eighths.max(1);
    format!("{}{}", "█".repeat(eighths / 8), EIGHTHS[eighths % 8])
}
