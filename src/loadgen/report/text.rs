//! A report as a person reads it at the end of a run.
//!
//! Invariant: what forbids trusting the figures stands above them. No escape sequence is printed
//! that is not our own, and without colour none at all.

use super::distribution::{Bar, bars};
use super::table::{Table, Tone};
use super::units::{count, micros, percent, printable, wrapped};
use super::{Report, tables, words};

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
    page.line(Paint::Bold, &words::mode(report));
    page.phrases(&words::setup(report));
    page.table(&tables::asked_and_achieved(report));
    page.line(Paint::Plain, &format!("connect: {}", words::connecting(report)));
    page.line(Paint::Plain, &format!("traffic: {}", words::traffic(report)));
    match tables::errors(report) {
        None => {
            page.line(Paint::Plain, "errors: none");
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
    client(&mut page, report);
    page.text
}

/// What has to be known before any figure is read.
fn warnings(page: &mut Page, report: &Report) {
    if report.client.bottleneck {
        page.banner("THE CLIENT WAS THE BOTTLENECK", [report.client.verdict.as_str()]);
    }
    if !report.met || !report.shortfalls.is_empty() {
        page.banner("SHORT OF WHAT WAS ASKED", report.shortfalls.iter().map(String::as_str));
    }
    if let Some(reason) = &report.partial {
        page.banner("PARTIAL", [reason.as_str()]);
    }
    if !report.notes.is_empty() {
        page.notes(&report.notes);
    }
}

fn latency(page: &mut Page, report: &Report) {
    let Some(table) = tables::latency(report) else {
        page.line(Paint::Plain, "latency: no request was answered");
        page.blank();
        return;
    };
    if let Some(unknown) = words::unknown_percentiles(report) {
        page.line(Paint::Yellow, &unknown);
    }
    page.table(&table);
    page.bars(&bars(&report.histograms.latency));
}

fn client(page: &mut Page, report: &Report) {
    let client = &report.client;
    if let Some(lag) = client.send_lag_us.filter(|lag| lag.count > 0) {
        page.line(
            Paint::Plain,
            &format!(
                "send lag: {} median, {} 99 %, {} longest; {} late by the client",
                micros(lag.p50),
                micros(lag.p99),
                micros(lag.max),
                count(client.late_by_client)
            ),
        );
    }
    let (paint, verdict) = match (client.bottleneck, client.verdict.as_str()) {
        (true, _) => (Paint::Red, "; it was the bottleneck, see above".to_owned()),
        (false, "") => (Paint::Plain, String::new()),
        (false, verdict) => (Paint::Plain, format!("; {verdict}")),
    };
    page.line(
        paint,
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
pub(crate) enum Paint {
    Plain,
    Bold,
    Faint,
    Red,
    Green,
    Yellow,
}

impl Paint {
    fn sgr(self) -> &'static str {
        match self {
            Paint::Plain => "",
            Paint::Bold => "1",
            Paint::Faint => "2",
            Paint::Red => "1;31",
            Paint::Green => "1;32",
            Paint::Yellow => "33",
        }
    }
}

/// Lines of text as they are laid out.
pub(crate) struct Page {
    options: TextOptions,
    pub(crate) text: String,
}

impl Page {
    pub(crate) fn new(options: TextOptions) -> Page {
        Page { options, text: String::new() }
    }

    fn painted(&self, paint: Paint, text: &str) -> String {
        if self.options.color && paint != Paint::Plain && !text.is_empty() {
            format!("\x1b[{}m{text}\x1b[0m", paint.sgr())
        } else {
            text.to_owned()
        }
    }

    fn push(&mut self, paint: Paint, line: &str) {
        let line = self.painted(paint, line);
        self.text.push_str(&line);
        self.text.push('\n');
    }

    /// A sentence, broken where the terminal ends.
    pub(crate) fn line(&mut self, paint: Paint, text: &str) {
        self.hanging(paint, "", text);
    }

    fn hanging(&mut self, paint: Paint, first: &str, text: &str) {
        let indent = first.chars().count();
        let width = self.options.width.saturating_sub(indent).max(20);
        for (at, line) in wrapped(&printable(text), width).iter().enumerate() {
            let lead = if at == 0 { first } else { &" ".repeat(indent) };
            self.push(paint, &format!("{lead}{line}"));
        }
    }

    pub(crate) fn blank(&mut self) {
        self.text.push('\n');
    }

    /// A heading that cannot be missed, and what it is about.
    pub(crate) fn banner<'a>(&mut self, title: &str, lines: impl IntoIterator<Item = &'a str>) {
        self.push(Paint::Red, title);
        for line in lines {
            self.hanging(Paint::Plain, "  - ", line);
        }
        self.blank();
    }

    pub(crate) fn notes(&mut self, notes: &[String]) {
        for note in notes {
            self.hanging(Paint::Yellow, "note: ", note);
        }
        self.blank();
    }

    fn phrases(&mut self, phrases: &[String]) {
        self.line(Paint::Plain, &phrases.join("; "));
        self.blank();
    }

    /// The table under its title.
    pub(crate) fn table(&mut self, table: &Table) {
        for (at, (tone, line)) in table.lines().iter().enumerate() {
            let paint = match (at, tone) {
                (0, _) => Paint::Faint,
                (_, Tone::Plain) => Paint::Plain,
                (_, Tone::Bad) => Paint::Red,
                (_, Tone::Good) => Paint::Green,
            };
            if at > 0 {
                self.push(paint, &format!("  {line}"));
            } else if line.starts_with(' ') || line.is_empty() {
                // The first column has no name, and leaves room for the title.
                let length = table.title.chars().count();
                let rest: String = format!("  {line}").chars().skip(length).collect();
                self.push(paint, format!("{}{rest}", table.title).trim_end());
            } else {
                self.push(paint, table.title);
                self.push(paint, &format!("  {line}"));
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
            table.push(Tone::Plain, [bar.range(), count(bar.count), bar.share(all), drawn]);
        }
        self.table(&table);
    }
}

/// A bar to an eighth of a column; what is more than nothing can be seen.
fn drawn(count: u64, most: u64, width: usize) -> String {
    const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    if count == 0 || most == 0 {
        return String::new();
    }
    let eighths = (count as f64 / most as f64 * width as f64 * 8.0).round() as usize;
    let eighths = eighths.max(1);
    format!("{}{}", "█".repeat(eighths / 8), EIGHTHS[eighths % 8])
}
