//! The screen of `readyc top`: a pure function of what is known, the time and the area.
//!
//! ```text
//! header                                            which server, since when
//! body, where it has room for it:  connections by activity | by output queue | closes
//!                                  figures, shards, turns by their time, trends
//!       otherwise:                 the same in a few lines, the most important first
//! notice                            what is wrong, over the last lines of the body
//! footer                            keys
//! ```
//!
//! Invariant: a text that does not fit is left out whole, at the end of its line, except for the
//! name of the server.

use super::monitor::{Monitor, Status};
use parts::{Theme, fitted, full_line, span_of};
use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Clear, Widget};
use readyd::loadgen::report::units::{columns, wrapped};
use readyd::printable::printable;
use std::time::Duration;

mod compact;
mod full;
mod help;
mod parts;
mod shards;
#[cfg(test)]
mod tests;
mod times;

/// Below this size a body has no room for bars beside each other.
const LEAST_FULL: (u16, u16) = (72, 18);

/// For this long a start of the server is news.
const NEWS: Duration = Duration::from_secs(10);

/// What is shown now.
pub(super) struct View<'a> {
    pub(super) monitor: &'a Monitor,
    /// Since `readyc top` began.
    pub(super) now: Duration,
    pub(super) has_color: bool,
    /// Whether keys can be pressed: standard input is a terminal.
    pub(super) has_keys: bool,
}

impl Widget for &View<'_> {
    fn render(self, area: Rect, buffer: &mut Buffer) {
        let theme = Theme::of(self.has_color);
        let inner = Rect { x: area.x + 1, width: area.width.saturating_sub(2), ..area };
        let [header, body, footer] =
            Layout::vertical([Constraint::Length(1), Constraint::Fill(1), Constraint::Length(1)])
                .areas(inner);
        self.header(header.width).render(header, buffer);
        if self.monitor.shows_help {
            help::render(self.monitor, body, buffer, &theme);
        } else if self.monitor.has_figures() {
            let is_full = body.width >= LEAST_FULL.0 && body.height >= LEAST_FULL.1;
            match is_full {
                true => full::render(self.monitor, body, buffer, &theme),
                false => compact::render(self.monitor, body, buffer, &theme),
            }
            if !matches!(self.monitor.status, Status::Answered) {
                // It is not how the server is now.
                buffer.set_style(body, theme.stale);
            }
        }
        self.render_notice(body, buffer, &theme);
        self.footer(footer.width, &theme).render(footer, buffer);
    }
}

impl View<'_> {
    /// The server on the left; on the right its version, process and age.
    fn header(&self, width: u16) -> Line<'static> {
        let bold = Style::default().add_modifier(Modifier::BOLD);
        let Monitor { server, facts, selected, shards, .. } = self.monitor;
        let mut name = printable(server);
        if let Some(shard) = selected {
            name = format!("{name}, shard {} of {}", shard + 1, shards.len());
        }
        let title = "readyc top  ";
        let has_room = usize::from(width) >= columns(title) + columns(&name) + 12;
        let title = if has_room { title } else { "" };
        let used = columns(title) + columns(&name);
        let mut parts = Vec::new();
        parts.extend(facts.uptime.map(|uptime| format!("up {}", span_of(uptime))));
        parts.extend(facts.pid.map(|pid| format!("pid {pid}")));
        parts.extend(facts.version.iter().map(|it| format!("readyd {}", printable(it))));
        let right = fitted(&parts, ", ", usize::from(width).saturating_sub(used + 2));
        let gap = usize::from(width).saturating_sub(used + columns(&right));
        Line::from(vec![
            Span::styled(title, bold),
            Span::raw(name),
            Span::raw(" ".repeat(gap)),
            Span::raw(right),
        ])
    }

    /// What is wrong, if something is, in lines that cover the end of the body.
    fn render_notice(&self, body: Rect, buffer: &mut Buffer, theme: &Theme) {
        let Some(notice) = self.notice() else { return };
        let lines = wrapped(&printable(&notice), usize::from(body.width));
        let height = u16::try_from(lines.len()).unwrap_or(u16::MAX).min(body.height);
        let area = Rect { y: body.y + body.height - height, height, ..body };
        Clear.render(area, buffer);
        for (row, line) in area.rows().zip(lines) {
            full_line(Line::styled(line, theme.bad), row, buffer);
        }
    }

    fn notice(&self) -> Option<String> {
        let ago = |since: Duration| span_of(self.now.saturating_sub(since).as_secs_f64());
        match &self.monitor.status {
            Status::Answered => {
                let is_news = |restarted: &Duration| self.now < *restarted + NEWS;
                let restarted = self.monitor.restarted.filter(is_news);
                let restarted =
                    restarted.map(|at| format!("the server was restarted {} ago", ago(at)));
                let (shards, answering) = self.monitor.facts.shards.unwrap_or_default();
                let is_short = answering < shards;
                restarted
                    .or_else(|| is_short.then(|| format!("{answering} of {shards} shards answer")))
            }
            Status::Late(since) if self.monitor.has_figures() => {
                Some(format!("no answer for {}; the figures are older", ago(*since)))
            }
            Status::Late(since) => Some(format!("waiting for an answer for {}", ago(*since))),
            Status::Gone(since, why) => {
                let old = if self.monitor.has_figures() { "; the figures are older" } else { "" };
                Some(format!("{why}; trying again for {}{old}", ago(*since)))
            }
        }
    }

    fn footer(&self, width: u16, theme: &Theme) -> Line<'static> {
        let mut hints = vec!["q quit".to_owned(), "? help".to_owned()];
        if !self.has_keys {
            hints = vec!["Ctrl-C quits".to_owned()];
        } else if self.monitor.shows_help {
            hints = vec!["q quit".to_owned(), "? back".to_owned()];
        } else if !self.monitor.shards.is_empty() {
            hints.push("← → shard".to_owned());
        }
        Line::styled(fitted(&hints, "   ", usize::from(width)), theme.faint)
    }
}
