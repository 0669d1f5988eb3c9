//! The page of explanations.

use super::parts::Theme;
use crate::top::monitor::Monitor;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Widget;
use readyd::loadgen::report::units::{span, wrapped};

/// Columns of a name.
const NAME: usize = 12;

/// A name and what it means, the most important first: a small terminal shows the beginning.
const PAGE: [(&str, &str); 17] = [
    ("q, Ctrl-C", "quit"),
    ("?", "this page, and back"),
    ("← → Tab", "all shards together, or one"),
    ("0 1 … 9", "all together, or the shard of that number"),
    ("", ""),
    ("idle", "no request has begun to arrive, and no output waits"),
    ("reading", "a request has arrived in part"),
    ("sending", "output waits, because the client reads slowly"),
    ("stalled", "requests wait for room, or for their share of the next turn"),
    ("producing", "a service that sends without a request"),
    ("closing", "output waits, then the connection closes"),
    ("lingering", "FIN was sent, and the client's FIN is still to come"),
    ("output", "connections by how much output waits in their queues"),
    ("loop", "no other client is served during a turn; the longest is of the last 10 to 20 s"),
    ("CPU", "of one core; with shards, the sum over all"),
    ("", ""),
    ("more", "docs/statistics.md, docs/operating.md"),
];

pub(super) fn render(monitor: &Monitor, area: Rect, buffer: &mut Buffer, theme: &Theme) {
    let own = format!(
        "one request each {} is top's own, and is counted like the others",
        span(monitor.interval.as_secs_f64())
    );
    let page = PAGE.into_iter().chain([("own", own.as_str())]);
    let is_tight = usize::from(area.height) < PAGE.len() + 2;
    let mut lines = Vec::new();
    for (name, meaning) in page.filter(|(name, _)| !is_tight || !name.is_empty()) {
        let texts = wrapped(meaning, usize::from(area.width).saturating_sub(NAME).max(1));
        let texts = if texts.is_empty() { vec![String::new()] } else { texts };
        for (at, text) in texts.into_iter().enumerate() {
            let name = if at == 0 { name } else { "" };
            let name = Span::styled(format!("{name:<NAME$}"), theme.bold);
            lines.push(Line::from(vec![name, Span::raw(text)]));
        }
    }
    let room = usize::from(area.height);
    if lines.len() > room && room > 0 {
        lines.truncate(room - 1);
        lines.push(Line::styled("… a larger terminal shows more", theme.faint));
    }
    for (line, row) in lines.into_iter().zip(area.rows()) {
        line.render(row, buffer);
    }
}
