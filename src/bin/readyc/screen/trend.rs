//! A figure over the last minute: its name, bars, and how high they reach.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::widgets::{Sparkline, Widget};

/// Columns of the name on the left.
pub(crate) const NAME: u16 = 14;
/// Columns of the scale on the right.
pub(crate) const SCALE: u16 = 12;

/// The bars of a figure, a second each. They begin on the left, and move on when there are as many
/// as can be shown.
pub(crate) struct Trend<'a> {
    pub(crate) name: &'a str,
    /// The latest value, in words.
    pub(crate) now: String,
    /// A value for each second. Absent ones leave a gap.
    pub(crate) values: &'a [Option<f64>],
    /// The most seconds that are shown. They fill the width, if there is a column for each.
    pub(crate) seconds: usize,
    /// A value in words, for the scale.
    pub(crate) shown: fn(f64) -> String,
    pub(crate) bars: Style,
    pub(crate) faint: Style,
}

impl Widget for &Trend<'_> {
    fn render(self, area: Rect, buffer: &mut Buffer) {
        let room = area.width.saturating_sub(NAME + SCALE);
        if room == 0 || area.height == 0 {
            return;
        }
        let (room, columns) = (usize::from(room), usize::from(SCALE - 1));
        let shown = self.seconds.clamp(1, room);
        let from = self.values.len().saturating_sub(shown);
        let values = self.values.get(from..).unwrap_or(&[]);
        let most = values.iter().flatten().copied().fold(0.0, f64::max);
        // A second is one column or several.
        let second = |column: usize| values.get(column * shown / room).copied().flatten();
        let height = |column| second(column).map(|value| height(value, most));
        let data: Vec<Option<u64>> = (0..room).map(height).collect();
        let bars = Rect { x: area.x + NAME, width: area.width - NAME - SCALE, ..area };
        Sparkline::default().data(data).max(HIGHEST).style(self.bars).render(bars, buffer);
        buffer.set_stringn(area.x, area.y, self.name, usize::from(NAME - 1), Style::default());
        let scale = bars.right() + 1;
        if area.height > 1 {
            let bottom = area.y + area.height - 1;
            if most > 0.0 {
                buffer.set_stringn(scale, area.y, (self.shown)(most), columns, self.faint);
            }
            buffer.set_stringn(scale, bottom, (self.shown)(0.0), columns, self.faint);
            let now = usize::from(NAME - 1);
            buffer.set_stringn(area.x, area.y + 1, &self.now, now, self.faint);
        } else {
            buffer.set_stringn(scale, area.y, &self.now, columns, self.faint);
        }
    }
}

/// The height of the highest bar, in steps that no terminal can show.
const HIGHEST: u64 = 1_000;

/// A value above zero is seen, however small it is.
fn height(value: f64, most: f64) -> u64 {
    if value <= 0.0 || most <= 0.0 {
        return 0;
    }
    ((value / most * HIGHEST as f64).round() as u64).max(HIGHEST / 64)
}
