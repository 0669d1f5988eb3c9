//! What the parts of the screen have in common: colours, and texts that fit.

use crate::top::figures::Figures;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::Widget;
use readyd::loadgen::report::units::{bytes, columns, count, micros, percent, rate};
use readyd::server::stats::standing::{Activity, Depth};

/// Columns of the name on the left of a line, the gap included.
pub(super) const NAME: usize = 14;

/// The colours, or none.
pub(super) struct Theme {
    pub(super) bold: Style,
    pub(super) faint: Style,
    pub(super) bad: Style,
    pub(super) stale: Style,
    pub(super) activities: [Style; Activity::ALL.len()],
    pub(super) depths: [Style; Depth::ALL.len()],
    pub(super) trends: [Style; 6],
    /// Of turns, from the short to the long.
    pub(super) times: [Style; 4],
}

impl Theme {
    pub(super) fn of(has_color: bool) -> Theme {
        let plain = Style::default();
        let bold = plain.add_modifier(Modifier::BOLD);
        let dim = plain.add_modifier(Modifier::DIM);
        if !has_color {
            return Theme {
                bold,
                faint: plain,
                bad: bold,
                stale: plain,
                activities: [plain; 7],
                depths: [plain; 5],
                trends: [plain; 6],
                times: [plain; 4],
            };
        }
        use Color::{Blue, Cyan, Green, Magenta, Red, Yellow};
        Theme {
            bold,
            // The colour "bright black" is the background of some terminals.
            faint: dim,
            bad: bold.fg(Red),
            stale: dim,
            activities: [Blue, Cyan, Green, Yellow, Green, Magenta, Magenta]
                .map(|color| plain.fg(color)),
            depths: [Blue, Green, Cyan, Yellow, Red].map(|color| plain.fg(color)),
            trends: [Green, Yellow, Blue, Cyan, Magenta, Magenta].map(|color| plain.fg(color)),
            times: [Green, Cyan, Yellow, Red].map(|color| plain.fg(color)),
        }
    }
}

/// The parts with the gap between them, as many from the first as fit `width` columns.
pub(super) fn fitted(parts: &[String], gap: &str, width: usize) -> String {
    let mut line = String::new();
    for part in parts {
        let gap = if line.is_empty() { "" } else { gap };
        if columns(&line) + columns(gap) + columns(part) > width {
            break;
        }
        line.push_str(gap);
        line.push_str(part);
    }
    line
}

/// A name, and behind it the parts that fit.
pub(super) fn named(
    name: &str,
    parts: &[String],
    width: u16,
    name_width: usize,
    theme: &Theme,
) -> Line<'static> {
    let text = fitted(parts, "  ", usize::from(width).saturating_sub(name_width));
    Line::from(vec![Span::styled(format!("{name:<name_width$}"), theme.faint), Span::raw(text)])
}

/// A line, in a row that it has for itself.
pub(super) fn full_line(line: Line<'_>, row: Rect, buffer: &mut Buffer) {
    line.render(row, buffer);
}

/// In place of a figure that is not known.
pub(super) const UNKNOWN: &str = "–";

/// A figure in words, or a dash.
pub(super) fn shown(figure: Option<f64>, words: fn(f64) -> String) -> String {
    figure.map_or_else(|| UNKNOWN.to_owned(), words)
}

/// A whole number.
pub(super) fn whole(number: f64) -> String {
    count(number.max(0.0).round() as u64)
}

/// Something per second: `52,310/s`, `12.5/s`, `0/s`.
pub(super) fn per_second(figure: Option<f64>) -> String {
    shown(figure, rate)
}

/// Bytes per second.
pub(super) fn byte_rate(figure: f64) -> String {
    format!("{}/s", bytes(figure))
}

/// A share of one processor core, without decimals: it changes each second.
pub(super) fn core(share: f64) -> String {
    percent((share * 100.0).round() / 100.0)
}

/// A time in microseconds.
pub(super) fn time(figure: Option<f64>) -> String {
    shown(figure, micros)
}

/// Seconds in the two largest units: `3 d 4 h`, `12 m 3 s`, `7 s`.
pub(super) fn span_of(seconds: f64) -> String {
    let whole = seconds.max(0.0) as u64;
    match whole {
        0..60 => format!("{whole} s"),
        60..3_600 => format!("{} m {} s", whole / 60, whole % 60),
        3_600..86_400 => format!("{} h {} m", whole / 3_600, whole / 60 % 60),
        _ => format!("{} d {} h", count(whole / 86_400), whole / 3_600 % 24),
    }
}

/// The word of a gauge's name that tells the kinds apart: `idle`.
pub(super) fn word(activity: Activity) -> &'static str {
    activity.name().trim_start_matches("connections_")
}

/// How deep a queue is, in words.
pub(super) fn depth(depth: Depth) -> &'static str {
    match depth {
        Depth::Empty => "none",
        Depth::Small => "< 4 KiB",
        Depth::Medium => "< 64 KiB",
        Depth::Large => "< 1 MiB",
        Depth::Huge => "≥ 1 MiB",
    }
}

/// `1,204 of 10,000`.
pub(super) fn of_most(figures: &Figures) -> String {
    let most = figures.most.filter(|&most| most > 0.0);
    let most = most.map_or_else(String::new, |most| format!(" of {}", whole(most)));
    format!("{}{most}", shown(figures.open, whole))
}

/// A bar that fills this share of `room` columns; something that is not nothing is seen.
pub(super) fn bar(share: f64, room: usize) -> String {
    let halves = (share.clamp(0.0, 1.0) * 2.0 * room as f64).round() as usize;
    let halves = if share > 0.0 { halves.max(1) } else { 0 };
    let half = if halves % 2 == 1 { "╸" } else { "" };
    format!("{}{half}", "━".repeat(halves / 2))
}
