//! Turns of the loop by their time, over time: the denser a cell, the more of the interval's turns.

use super::parts::{Theme, full_line};
use crate::top::monitor::Track;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

/// Columns of the name on the left, as of a trend.
const NAME: usize = 14;
/// Columns on the right, as of a trend.
const RIGHT: usize = 12;

/// The rows, from the long turns to the short ones: a name, and its place among the shares.
const ROWS: [(&str, usize); 4] =
    [("> 100 ms", 3), ("10 – 100 ms", 2), ("1 – 10 ms", 1), ("< 1 ms", 0)];

/// Draws a title and a row for each kind of turn.
pub(super) fn render(track: &Track, area: Rect, buffer: &mut Buffer, theme: &Theme) {
    let mut rows = area.rows();
    let Some(title) = rows.next() else { return };
    let text = "a denser cell: more of the turns";
    let line = vec![Span::styled(format!("{:<NAME$}", "turns"), theme.bold)];
    let line = line.into_iter().chain([Span::styled(text, theme.faint)]);
    full_line(Line::from(line.collect::<Vec<_>>()), title, buffer);
    let room = usize::from(area.width).saturating_sub(NAME + RIGHT);
    for ((name, place), row) in ROWS.into_iter().zip(rows) {
        let shares = track.history.iter().map(|figures| {
            let times = figures.as_ref().and_then(|figures| figures.turn_times);
            times.and_then(|times| times.get(place).copied())
        });
        let cells: Vec<char> = shares.map(cell).collect();
        let from = cells.len().saturating_sub(room);
        let cells: String = cells.get(from..).unwrap_or_default().iter().collect();
        let style = theme.times.get(place).copied().unwrap_or_else(Style::default);
        let line =
            vec![Span::styled(format!("{name:<NAME$}"), theme.faint), Span::styled(cells, style)];
        full_line(Line::from(line), row, buffer);
    }
}

/// How dense: each step stands for ten times as many turns.
fn cell(share: Option<f64>) -> char {
    match share {
        None => ' ',
        Some(0.0) => '·',
        Some(share) if share < 0.01 => '░',
        Some(share) if share < 0.1 => '▒',
        Some(share) if share < 0.5 => '▓',
        Some(_) => '█',
    }
}
