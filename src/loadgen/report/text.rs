//! A report as text for a terminal.
//!
//! Invariant: warnings that affect the figures stand above them. Only our own escape sequences are
//! printed, and without colour none.

use super::distribution::{Bar, bars};
use super::table::{Severity, Table};
use super::units::{count, micros, percent, wrapped};
use super::{Report, Validity, server, tables, words};
use crate::printable::printable;

#[cfg(test)]
mod tests;

/// How a report is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TextOptions {
    /// Columns of the terminal.
    pub width: usize,
    /// Whether to use the terminal's colours; without, not one escape sequence is printed.
    pub color: bool,
    /// Whether to print the percentile spectrum in detail.
    pub spectrum: bool,
}

impl Default for TextOptions {
    fn default() -> TextOptions {
        TextOptions { width: 80, color: false, spectrum: false }
    }
}

/// The report as text, ending with a line end.
pub fn text(report: &Report, options: TextOptions) -> String {
    let mut page = Page::new(options);
    warnings(&mut page, report);
    page.line(AnsiStyle::Bold, &words::mode(report));
    page.phrases(&words::setup(report));
    page.table(&tables::asked_and_achieved(report));
    if let Some(not_probed) = words::not_probed(report) {
        page.line(AnsiStyle::Yellow, &not_probed);
    }
    if let Some(after) = words::after_window(report) {
        page.line(AnsiStyle::Plain, &format!("answers: {after}"));
    }
    page.line(AnsiStyle::Plain, &format!("connect: {}", words::connecting(report)));
    page.line(AnsiStyle::Plain, &format!("traffic: {}", words::traffic(report)));
    match tables::errors(report) {
        None => {
            page.line(AnsiStyle::Plain, "errors: none");
            page.blank();
        }
        Some(table) => {
            page.blank();
            page.table(&table);
        }
    }
    latency(&mut page, report);
    for table in [
        tables::kinds(report),
        tables::steps(report),
        tables::storms(report),
        tables::slow(report),
        options.spectrum.then(|| tables::spectrum(report)).flatten(),
    ]
    .into_iter()
    .flatten()
    {
        page.table(&table);
    }
    for line in server::lines(report) {
        page.line(AnsiStyle::Plain, &line);
    }
    client(&mut page, report);
    page.text
}

/// The warnings that a reader needs before the figures.
fn warnings(page: &mut Page, report: &Report) {
    if report.client.bottleneck {
        page.banner(words::INVALID, [report.client.verdict.as_str()]);
    }
    if !report.met || !report.shortfalls.is_empty() {
        page.banner("SHORT OF WHAT WAS ASKED", report.shortfalls.iter().map(String::as_str));
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

fn latency(page: &mut Page, report: &Report) {
    let Some(table) = tables::latency(report) else {
        let why = if report.asked.is_answered() {
            "no request was answered"
        } else {
            "not applicable, because this service answers nothing"
        };
        page.line(AnsiStyle::Plain, &format!("latency: {why}"));
        page.blank();
        return;
    };
    if let Some(unknown) = words::unknown_percentiles(report) {
        page.line(AnsiStyle::Yellow, &unknown);
    }
    page.table(&table);
    page.bars(&bars(&report.histograms.latency));
}

fn client(page: &mut Page, report: &Report) {
    let client = &report.client;
    if let Some(lag) = client.send_lag_us.filter(|lag| lag.count > 0) {
        page.line(
            AnsiStyle::Plain,
            &format!(
                "send lag: {} median, {} 99 %, {} longest; {} late by the client",
                tables::if_carried(&lag, 0.5, lag.p50),
                tables::if_carried(&lag, 0.99, lag.p99),
                micros(lag.max),
                count(client.late_by_client)
            ),
        );
    }
    let (style, verdict) = match (client.bottleneck, client.verdict.as_str()) {
        (true, _) => (AnsiStyle::Red, "; it shows in the figures, see above".to_owned()),
        _ if client.validity == Validity::Noted => (AnsiStyle::Plain, "; see above".to_owned()),
        (false, "") => (AnsiStyle::Plain, String::new()),
        (false, verdict) => (AnsiStyle::Plain, format!("; {verdict}")),
    };
    page.line(
        style,
        &format!(
            "client: {} of a CPU, loop lag {} 99 %, {} longest{verdict}",
            percent(client.cpu_share),
            micros(client.loop_lag_us_p99),
            micros(client.loop_lag_us_max),
        ),
    );
}

/// Colours, by their SGR numbers (ECMA-48).
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum AnsiStyle {
    Plain,
    Bold,
    Faint,
    Red,
    Green,
    Yellow,
}

impl AnsiStyle {
    fn sgr(self) -> &'static str {
        match self {
            AnsiStyle::Plain => "",
            AnsiStyle::Bold => "1",
            AnsiStyle::Faint => "2",
            AnsiStyle::Red => "1;31",
            AnsiStyle::Green => "1;32",
            AnsiStyle::Yellow => "33",
        }
    }
}

/// The lines of the text so far.
pub(crate) struct Page {
    options: TextOptions,
    pub(crate) text: String,
}

impl Page {
    pub(crate) fn new(options: TextOptions) -> Page {
        Page { options, text: String::new() }
    }

    fn painted(&self, style: AnsiStyle, text: &str) -> String {
        if self.options.color && style != AnsiStyle::Plain && !text.is_empty() {
            format!("\x1b[{}m{text}\x1b[0m", style.sgr())
        } else {
            text.to_owned()
        }
    }

    fn push(&mut self, style: AnsiStyle, line: &str) {
        let line = self.painted(style, line);
        self.text.push_str(&line);
        self.text.push('\n');
    }

    /// A sentence, broken where the terminal ends.
    pub(crate) fn line(&mut self, style: AnsiStyle, text: &str) {
        self.hanging(style, "", text);
    }

    fn hanging(&mut self, style: AnsiStyle, first: &str, text: &str) {
        let indent = first.chars().count();
        let width = self.options.width.saturating_sub(indent).max(20);
        for (at, line) in wrapped(&printable(text), width).iter().enumerate() {
            let lead = if at == 0 { first } else { &" ".repeat(indent) };
            self.push(style, &format!("{lead}{line}"));
        }
    }

    pub(crate) fn blank(&mut self) {
        self.text.push('\n');
    }

    /// A banner: a title and lines.
    pub(crate) fn banner<'a>(&mut self, title: &str, lines: impl IntoIterator<Item = &'a str>) {
        self.push(AnsiStyle::Red, title);
        for line in lines {
            self.hanging(AnsiStyle::Plain, "  - ", line);
        }
        self.blank();
    }

    pub(crate) fn notes(&mut self, notes: &[&String]) {
        for note in notes {
            self.hanging(AnsiStyle::Yellow, "note: ", note);
        }
        self.blank();
    }

    fn phrases(&mut self, phrases: &[String]) {
        self.line(AnsiStyle::Plain, &phrases.join("; "));
        self.blank();
    }

    /// The table under its title.
    pub(crate) fn table(&mut self, table: &Table) {
        for (at, (severity, line)) in table.lines().iter().enumerate() {
            let style = match (at, severity) {
                (0, _) => AnsiStyle::Faint,
                (_, Severity::Plain) => AnsiStyle::Plain,
                (_, Severity::Bad) => AnsiStyle::Red,
                (_, Severity::Good) => AnsiStyle::Green,
            };
            if at > 0 {
                self.push(style, &format!("  {line}"));
            } else if line.starts_with(' ') || line.is_empty() {
                // The first column has no name, and leaves room for the title.
                let length = table.title.chars().count();
                let rest: String = format!("  {line}").chars().skip(length).collect();
                self.push(style, format!("{}{rest}", table.title).trim_end());
            } else {
                self.push(style, table.title);
                self.push(style, &format!("  {line}"));
            }
        }
        self.blank();
    }

    fn bars(&mut self, bars: &[Bar]) {
        let all: u64 = bars.iter().map(|bar| bar.count).sum();
        let most = bars.iter().map(|bar| bar.count).max().unwrap_or(0);
        let mut table = Table::with_remarks("Distribution", &["", "requests", "", ""]);
        let width = self.options.width.saturating_sub(48).clamp(10, 40);
        for bar in bars {
            let drawn = drawn(bar.count, most, width);
            table.push(Severity::Plain, [bar.range(), count(bar.count), bar.share(all), drawn]);
        }
        self.table(&table);
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
