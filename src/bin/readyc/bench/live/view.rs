//! What is known of a run while it goes on, as a view, as a status line and as a line of a log.

use crate::screen::trend::Trend;
use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::Widget;
use readyd::loadgen::report::units::{columns, count, counted, micros, number, rate};
use readyd::printable::printable;
use std::collections::VecDeque;

#[cfg(test)]
mod tests;

/// The most seconds that are shown as bars.
const MINUTE: usize = 60;

/// The least, so that a bar does not become a wall.
const LEAST_SECONDS: usize = 5;

/// Rows of bars are not higher, however high the terminal is.
const HIGHEST_BARS: u16 = 12;

/// A second of the run.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Figures {
    /// Answers per second.
    pub(super) throughput: f64,
    pub(super) in_flight: u64,
    /// Microseconds; absent without answers.
    pub(super) p50: Option<f64>,
    pub(super) p99: Option<f64>,
    pub(super) max: Option<f64>,
    /// The longest delay by the client itself, in microseconds.
    pub(super) lag: f64,
    pub(super) connections: u64,
    pub(super) errors: u64,
}

/// What the run does now.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Phase {
    Connecting {
        open: u64,
    },
    Warmup,
    /// Seconds since it began.
    Measuring(f64),
}

/// All that is shown.
#[derive(Clone, Debug)]
pub(super) struct View {
    /// The workload and the servers.
    pub(super) title: String,
    /// Of a search: the step under way and its goals.
    pub(super) step: Option<String>,
    pub(super) phase: Phase,
    /// Connections that are asked for.
    pub(super) wanted: u64,
    /// Length of the warm-up in seconds.
    pub(super) warmup: f64,
    /// Length of the measured part in seconds, if it has one.
    pub(super) length: Option<f64>,
    /// Requests in all, if their number ends the run.
    pub(super) requests: Option<u64>,
    pub(super) answered: u64,
    /// Requests per second that are asked for now.
    pub(super) target: Option<f64>,
    pub(super) is_open_loop: bool,
    /// The last minute, the last second at the end.
    pub(super) seconds: VecDeque<Figures>,
    pub(super) errors: u64,
    /// What was said, the latest at the end.
    pub(super) said: Vec<String>,
    pub(super) has_color: bool,
}

impl View {
    /// A run that has not begun.
    pub(super) fn new(title: String, has_color: bool) -> View {
        View {
            title,
            step: None,
            phase: Phase::Connecting { open: 0 },
            wanted: 0,
            warmup: 0.0,
            length: None,
            requests: None,
            answered: 0,
            target: None,
            is_open_loop: false,
            seconds: VecDeque::new(),
            errors: 0,
            said: Vec::new(),
            has_color,
        }
    }

    /// A second has passed.
    pub(super) fn push(&mut self, figures: Figures) {
        self.errors += figures.errors;
        self.seconds.push_back(figures);
        while self.seconds.len() > MINUTE {
            self.seconds.pop_front();
        }
    }

    /// The latest second. While connections are opened there is none: of a search, those before
    /// are of another try.
    fn last(&self) -> Figures {
        match self.phase {
            Phase::Connecting { open } => Figures { connections: open, ..Figures::default() },
            _ => self.seconds.back().copied().unwrap_or_default(),
        }
    }

    /// How far the run is, 0 to 1, if it has an end.
    fn share(&self) -> Option<f64> {
        let Phase::Measuring(elapsed) = self.phase else { return None };
        let by_time = self.length.map(|length| elapsed / length);
        let by_requests = self.requests.map(|all| self.answered as f64 / all as f64);
        let share = by_time.into_iter().chain(by_requests).reduce(f64::max)?;
        Some(share.clamp(0.0, 1.0))
    }

    /// How far the run is, in words: `12 of 30 s`.
    fn progress(&self) -> String {
        match (self.phase, self.length, self.requests) {
            (Phase::Connecting { open }, ..) => {
                format!("connecting: {} of {}", count(open), count(self.wanted))
            }
            (Phase::Warmup, ..) => "warm-up".to_owned(),
            (Phase::Measuring(elapsed), Some(length), _) => {
                format!("{} of {} s", number(elapsed.round().min(length)), number(length))
            }
            (Phase::Measuring(elapsed), None, Some(requests)) => {
                format!("{elapsed:.0} s, {} of {} requests", count(self.answered), count(requests))
            }
            (Phase::Measuring(elapsed), None, None) => format!("{elapsed:.0} s"),
        }
    }

    fn time(figure: Option<f64>) -> String {
        figure.map_or_else(|| "–".to_owned(), micros)
    }

    /// The lag of the generator, if it has a schedule.
    fn lag(&self) -> Option<String> {
        self.is_open_loop.then(|| micros(self.last().lag))
    }

    /// The latest second in one line of at most `width` columns, the least important part left out.
    pub(super) fn status(&self, width: usize) -> String {
        let last = self.last();
        let mut parts = vec![self.progress()];
        if !matches!(self.phase, Phase::Connecting { .. }) {
            parts.extend([
                rate(last.throughput),
                format!("p99 {}", View::time(last.p99)),
                counted(self.errors, "error"),
                format!("p50 {}", View::time(last.p50)),
                format!("{} in flight", count(last.in_flight)),
                counted(last.connections, "connection"),
            ]);
            parts.extend(self.lag().map(|lag| format!("lag {lag}")));
        }
        parts.extend(self.step.as_ref().map(|step| printable(step)));
        let mut line = String::new();
        for part in parts {
            let gap = if line.is_empty() { "" } else { ", " };
            if columns(&line) + gap.len() + columns(&part) > width {
                break;
            }
            line.push_str(gap);
            line.push_str(&part);
        }
        line
    }

    /// The latest second as a line of a log.
    pub(super) fn log_line(&self) -> String {
        let last = self.last();
        if matches!(self.phase, Phase::Connecting { .. }) {
            return self.progress();
        }
        let target =
            self.target.map_or_else(String::new, |target| format!(" of {} asked", number(target)));
        let lag = self.lag().map_or_else(String::new, |lag| format!(", lag {lag}"));
        format!(
            "{}: {} requests per second{target}, in flight {}, p50 {}, p99 {}, max {}{lag}, {} of \
             {}, {}",
            self.progress(),
            number(last.throughput),
            count(last.in_flight),
            View::time(last.p50),
            View::time(last.p99),
            View::time(last.max),
            count(last.connections),
            counted(self.wanted, "connection"),
            counted(last.errors, "error"),
        )
    }
}

/// A value in words.
type Shown = fn(f64) -> String;

/// The colours, or none.
struct Theme {
    name: Style,
    faint: Style,
    bad: Style,
    bar: Style,
    trends: [Style; 4],
}

impl Theme {
    fn of(has_color: bool) -> Theme {
        let plain = Style::default();
        if !has_color {
            let bold = plain.add_modifier(Modifier::BOLD);
            return Theme { name: plain, faint: plain, bad: bold, bar: plain, trends: [plain; 4] };
        }
        let of = |color| plain.fg(color);
        Theme {
            // The colour "bright black" is the background of some terminals.
            name: plain.add_modifier(Modifier::DIM),
            faint: plain.add_modifier(Modifier::DIM),
            bad: of(Color::Red).add_modifier(Modifier::BOLD),
            bar: of(Color::Cyan),
            trends: [Color::Green, Color::Yellow, Color::Cyan, Color::Red].map(of),
        }
    }
}

impl Widget for &View {
    fn render(self, area: Rect, buffer: &mut Buffer) {
        let theme = Theme::of(self.has_color);
        let margin = Rect { x: area.x + 1, width: area.width.saturating_sub(2), ..area };
        let has_step = u16::from(self.step.is_some());
        let [title, step, progress, _, figures, _, trends, said] = Layout::vertical([
            Constraint::Length(1),
            Constraint::Length(has_step),
            Constraint::Length(1),
            Constraint::Length(1),
            Constraint::Length(4),
            Constraint::Length(1),
            Constraint::Fill(1),
            Constraint::Length(1),
        ])
        .areas(margin);
        self.title_line().render(title, buffer);
        if let Some(told) = &self.step {
            Line::styled(printable(told), theme.bar).render(step, buffer);
        }
        self.render_progress(progress, buffer, &theme);
        self.render_figures(figures, buffer, &theme);
        self.render_trends(trends, buffer, &theme);
        let hint = "Ctrl-C ends the run and prints the report";
        let (text, style) = match self.said.last() {
            Some(last) => (printable(last), theme.bar),
            None => (hint.to_owned(), theme.faint),
        };
        Line::styled(text, style).render(said, buffer);
    }
}

impl View {
    fn title_line(&self) -> Line<'_> {
        let bold = Style::default().add_modifier(Modifier::BOLD);
        Line::from(vec![Span::styled("readyc bench  ", bold), printable(&self.title).into()])
    }

    /// How far the run is, and a bar.
    fn render_progress(&self, area: Rect, buffer: &mut Buffer, theme: &Theme) {
        let words = match self.phase {
            Phase::Measuring(_) => format!("measuring     {}", self.progress()),
            Phase::Connecting { open } => {
                format!("connecting    {} of {}", count(open), count(self.wanted))
            }
            Phase::Warmup => self.progress(),
        };
        let used = u16::try_from(columns(&words)).unwrap_or(u16::MAX);
        Line::raw(words).render(area, buffer);
        let share = match self.phase {
            Phase::Connecting { open } => Some(open as f64 / self.wanted.max(1) as f64),
            _ => self.share(),
        };
        let room = area.width.saturating_sub(used + 2);
        let (Some(share), true) = (share, room >= 5) else { return };
        let full = (f64::from(room) * share.min(1.0)).round() as usize;
        let empty = usize::from(room) - full;
        let bar = Line::from(vec![
            Span::styled("━".repeat(full), theme.bar),
            Span::styled("─".repeat(empty), theme.faint),
        ]);
        bar.render(Rect { x: area.x + used + 2, width: room, ..area }, buffer);
    }

    fn render_figures(&self, area: Rect, buffer: &mut Buffer, theme: &Theme) {
        let last = self.last();
        let target =
            self.target.map_or_else(String::new, |target| format!(" of {} asked", number(target)));
        let lag = self.lag().map_or_else(String::new, |lag| format!(", generator lag {lag}"));
        let errors = match last.errors {
            0 => count(self.errors),
            now => format!("{}, {} in the last second", count(self.errors), count(now)),
        };
        let is_connecting = matches!(self.phase, Phase::Connecting { .. });
        let is_short = !is_connecting && last.connections < self.wanted;
        let bad = |is: bool| if is { theme.bad } else { Style::default() };
        let rows = Layout::vertical([Constraint::Length(1); 4]).split(area);
        let lines = [
            (
                "throughput",
                format!("{} requests per second{target}", number(last.throughput)),
                Style::default(),
            ),
            (
                "latency",
                format!(
                    "p50 {}, p99 {}, max {}",
                    View::time(last.p50),
                    View::time(last.p99),
                    View::time(last.max)
                ),
                Style::default(),
            ),
            ("in flight", format!("{}{lag}", count(last.in_flight)), Style::default()),
            (
                "connections",
                format!("{} of {}", count(last.connections), count(self.wanted)),
                bad(is_short && !self.seconds.is_empty()),
            ),
        ];
        for ((name, value, style), row) in lines.into_iter().zip(rows.iter()) {
            Line::from(vec![
                Span::styled(format!("{name:<14}"), theme.name),
                Span::styled(value, style),
            ])
            .render(*row, buffer);
        }
        // Beside the connections, which take little room.
        if let Some(row) = rows.last() {
            let beside = Rect { x: row.x + 36, width: row.width.saturating_sub(36), ..*row };
            Line::from(vec![
                Span::styled("errors  ", theme.name),
                Span::styled(errors, bad(self.errors > 0)),
            ])
            .render(beside, buffer);
        }
    }

    /// The seconds that the bars have room for: those of the whole run if they are few.
    fn shown_seconds(&self) -> usize {
        match self.length {
            // Of a search, the bars of several tries stand side by side.
            Some(length) if self.step.is_none() => {
                let whole = (self.warmup + length).ceil() as usize;
                whole.clamp(LEAST_SECONDS, MINUTE)
            }
            _ => MINUTE,
        }
    }

    /// The last minute, as high as there is room.
    fn render_trends(&self, area: Rect, buffer: &mut Buffer, theme: &Theme) {
        let last = self.last();
        let values = |of: fn(&Figures) -> Option<f64>| -> Vec<Option<f64>> {
            self.seconds.iter().map(of).collect()
        };
        let trends: [(&str, String, Vec<Option<f64>>, Shown); 4] = [
            ("throughput", rate(last.throughput), values(|second| Some(second.throughput)), rate),
            ("p99", View::time(last.p99), values(|second| second.p99), micros),
            (
                "in flight",
                count(last.in_flight),
                values(|second| Some(second.in_flight as f64)),
                number,
            ),
            ("errors", count(last.errors), values(|second| Some(second.errors as f64)), number),
        ];
        // A line between two of them, if each has several.
        let gap = u16::from(area.height >= 4 * 2 + 3);
        let rows = area.height.saturating_sub(3 * gap).min(4 * HIGHEST_BARS);
        let seconds = self.shown_seconds();
        let mut y = area.y;
        for (at, ((name, now, values, shown), bars)) in
            (0..).zip(trends.into_iter().zip(theme.trends))
        {
            // Of several, the rows that are left over go to the first.
            let height = (rows + gap * (3 - at)) / 4;
            let row = Rect { y, height, ..area };
            y += height + gap;
            let faint = theme.faint;
            let trend = Trend { name, now, values: &values, seconds, shown, bars, faint };
            trend.render(row.intersection(area), buffer);
        }
    }
}
