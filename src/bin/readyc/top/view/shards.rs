//! The shards beside each other.

use super::parts::{Theme, byte_rate, core, full_line, per_second, shown, time, whole};
use crate::top::figures::Figures;
use crate::top::monitor::Monitor;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};
use readyd::server::stats::standing::Activity;

/// A column: its head, how wide it is, and a shard's figure.
type Column = (&'static str, usize, fn(&Figures) -> String);

/// The columns, the most important first.
const COLUMNS: [Column; 9] = [
    ("open", 9, |it| shown(it.open, whole)),
    ("requests", 13, |it| per_second(it.requests)),
    ("CPU", 7, |it| shown(it.cpu, core)),
    ("longest turn", 14, |it| time(it.longest_turn)),
    ("stalled", 9, |it| shown(stalled(it), whole)),
    ("closed", 11, |it| per_second(it.closed)),
    ("bytes in", 14, |it| shown(it.bytes_in, byte_rate)),
    ("bytes out", 14, |it| shown(it.bytes_out, byte_rate)),
    ("accepted", 12, |it| per_second(it.accepted)),
];

/// Columns of the shard's number, with the mark of the selected one.
const NUMBER: usize = 9;

fn stalled(figures: &Figures) -> Option<f64> {
    figures.activities?.get(Activity::Stalled as usize).copied()
}

/// How many rows the table takes in a body of this height: none without shards.
pub(super) fn rows(monitor: &Monitor, height: u16) -> u16 {
    let wanted = u16::try_from(monitor.shards.len()).unwrap_or(u16::MAX).saturating_add(1);
    // What stands above takes 14, and a line and two rows of trends are below. Four shards are
    // shown on a terminal of the usual size, and more where they leave half to the trends.
    let most = height.saturating_sub(17).min(5.max(height.saturating_sub(14) / 2));
    if monitor.shards.is_empty() || most < 2 { 0 } else { wanted.min(most) }
}

/// The shards that have room, the selected one among them.
pub(super) fn render(monitor: &Monitor, area: Rect, buffer: &mut Buffer, theme: &Theme) {
    let mut rows = area.rows();
    let Some(head) = rows.next() else { return };
    let room = usize::from(area.width);
    let mut used = NUMBER;
    let columns: Vec<Column> = COLUMNS
        .into_iter()
        .take_while(|(_, width, _)| {
            used += width;
            used <= room
        })
        .collect();
    let names = columns.iter().map(|(name, width, _)| format!("{name:>width$}"));
    let mut line = vec![Span::styled(format!("{:<NUMBER$}", "shard"), theme.bold)];
    line.extend(names.map(|name| Span::styled(name, theme.faint)));
    full_line(Line::from(line), head, buffer);
    let shown = usize::from(area.height.saturating_sub(1));
    let selected = monitor.selected.unwrap_or(0);
    let first = (selected + 1).saturating_sub(shown);
    let tracks = monitor.shards.iter().enumerate().skip(first);
    for ((number, track), row) in tracks.zip(rows) {
        let is_selected = monitor.selected == Some(number);
        let style = if is_selected {
            Style::default().add_modifier(Modifier::REVERSED)
        } else {
            Style::default()
        };
        let cells = columns.iter().map(|(_, width, of)| format!("{:>width$}", of(&track.figures)));
        let text = format!("{:<NUMBER$}{}", number + 1, cells.collect::<String>());
        full_line(Line::styled(text, style), row, buffer);
    }
}
