//! The body on a terminal of the usual size and larger.

use super::compact::closes;
use super::parts::{
    NAME, Theme, bar, byte_rate, core, depth, fitted, full_line, named, of_most, per_second, shown,
    time, whole, word,
};
use super::shards;
use crate::screen::trend::{self, Trend};
use crate::top::figures::Figures;
use crate::top::monitor::{HISTORY, Monitor, Track};
use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::Widget;
use readyd::loadgen::report::units::{bytes, columns, micros, number, rate};
use readyd::server::stats::standing::{Activity, Depth};

/// Columns between two blocks beside each other.
const GUTTER: u16 = 3;

/// From this width on, closes stand beside the queues.
const THREE_BLOCKS: u16 = 108;

/// Rows of the blocks: a title and the activities.
const BLOCK_ROWS: u16 = 8;

/// Rows of the figures without closes.
const FIGURE_ROWS: u16 = 3;

/// From this many rows that are left on, turns are shown by their time.
const ROOM_FOR_TIMES: u16 = 18;

pub(super) fn render(monitor: &Monitor, area: Rect, buffer: &mut Buffer, theme: &Theme) {
    let has_closes = area.width >= THREE_BLOCKS;
    let figure_rows = FIGURE_ROWS + u16::from(!has_closes);
    let shard_rows = shards::rows(monitor, area.height);
    let gap = |is: bool| Constraint::Length(u16::from(is));
    let [_, blocks, _, figures, _, table, _, rest, _] = Layout::vertical([
        gap(area.height > 22),
        Constraint::Length(BLOCK_ROWS),
        gap(true),
        Constraint::Length(figure_rows),
        gap(shard_rows > 0),
        Constraint::Length(shard_rows),
        gap(true),
        Constraint::Fill(1),
        gap(area.height > 30),
    ])
    .areas(area);
    let now = &monitor.shown().figures;
    render_blocks(now, blocks, has_closes, buffer, theme);
    for ((name, parts), row) in lines(now, !has_closes).iter().zip(figures.rows()) {
        named(name, parts, figures.width, NAME, theme).render(row, buffer);
    }
    shards::render(monitor, table, buffer, theme);
    let times_rows = if rest.height >= ROOM_FOR_TIMES { 5 } else { 0 };
    let [above, times] =
        Layout::vertical([Constraint::Fill(1), Constraint::Length(times_rows)]).areas(rest);
    trends(monitor.shown(), above, buffer, theme);
    super::times::render(monitor.shown(), times, buffer, theme);
}

/// Connections by activity, by queue and, where there is room, by how they ended.
fn render_blocks(now: &Figures, area: Rect, has_closes: bool, buffer: &mut Buffer, theme: &Theme) {
    let count = if has_closes { 3 } else { 2 };
    // Reasons are longer than the names of the others.
    let shares = [4, 4, 5].into_iter().take(count).map(Constraint::Fill);
    let places = Layout::horizontal(shares).spacing(GUTTER).split(area);
    let (Some(&left), Some(&middle)) = (places.first(), places.get(1)) else { return };
    let open = now.open.unwrap_or(0.0).max(1.0);
    let row = |name: &str, count: f64, style: &Style| Bar {
        name: name.to_owned(),
        value: whole(count),
        share: count / open,
        style: *style,
    };
    let activities = now.activities.iter().flat_map(|counts| Activity::ALL.into_iter().zip(counts));
    let bars = activities.zip(&theme.activities);
    let bars: Vec<Bar> = bars.map(|((it, count), style)| row(word(it), *count, style)).collect();
    render_bars("connections", &[of_most(now)], &bars, left, buffer, theme);

    let depths = now.depths.iter().flat_map(|counts| Depth::ALL.into_iter().zip(counts));
    let bars = depths.zip(&theme.depths);
    let bars: Vec<Bar> = bars.map(|((it, count), style)| row(depth(it), *count, style)).collect();
    let mut buffers = vec![format!("buffers {}", shown(now.buffered, bytes))];
    let limit = now.memory_limit.filter(|&limit| limit > 0.0);
    buffers.extend(limit.map(|limit| format!("of {}", bytes(limit))));
    render_bars("output queue", &buffers, &bars, middle, buffer, theme);
    if let Some(&right) = places.get(2) {
        render_closes(now, right, buffer, theme);
    }
}

/// A row of a block.
struct Bar {
    name: String,
    value: String,
    share: f64,
    style: Style,
}

/// A title with a total, and a bar for each row.
fn render_bars(
    title: &str,
    total: &[String],
    bars: &[Bar],
    area: Rect,
    buffer: &mut Buffer,
    theme: &Theme,
) {
    const VALUE: usize = 9;
    let mut rows = area.rows();
    if let Some(row) = rows.next() {
        full_line(titled(title, total, area.width, theme), row, buffer);
    }
    let room = usize::from(area.width).saturating_sub(NAME - 2 + VALUE + 1);
    for (it, row) in bars.iter().zip(rows) {
        let Bar { name, value, share, style } = it;
        // Nobody has to look at nothing.
        let style_of_words = if *share > 0.0 { Style::default() } else { theme.faint };
        let line = Line::from(vec![
            Span::styled(format!("{name:<width$}", width = NAME - 2), theme.faint),
            Span::styled(format!("{value:>VALUE$} "), style_of_words),
            Span::styled(bar(*share, room), *style),
        ]);
        full_line(line, row, buffer);
    }
}

fn titled(title: &str, total: &[String], width: u16, theme: &Theme) -> Line<'static> {
    let title = format!("{title:<NAME$}");
    let total = fitted(total, " ", usize::from(width).saturating_sub(NAME));
    Line::from(vec![Span::styled(title, theme.bold), Span::raw(total)])
}

/// Why connections were closed: per second, and since the start.
fn render_closes(now: &Figures, area: Rect, buffer: &mut Buffer, theme: &Theme) {
    const REASON: usize = 22;
    const RATE: usize = 9;
    const TOTAL: usize = 12;
    let row_of = |reason: &str, rate: String, total: String| {
        let text = format!("{reason:<REASON$}{rate:>RATE$}");
        let room = usize::from(area.width).saturating_sub(columns(&text)).min(TOTAL);
        let total = fitted(&[total], "", room.saturating_sub(1));
        format!("{text}{total:>room$}")
    };
    let mut rows = area.rows();
    let Some(head) = rows.next() else { return };
    let total: f64 = now.closes.iter().map(|close| close.total).sum();
    let line = Line::raw(row_of("closed", per_second(now.closed), whole(total)));
    full_line(line, head, buffer);
    buffer.set_style(Rect { width: head.width.min(REASON as u16), ..head }, theme.bold);
    for (close, row) in now.closes.iter().zip(rows) {
        let is_lately = close.rate.is_some_and(|rate| rate > 0.0);
        let style = if is_lately { Style::default() } else { theme.faint };
        let text = row_of(&close.reason, per_second(close.rate), whole(close.total));
        full_line(Line::styled(text, style), row, buffer);
    }
}

/// The figures that are no gauges.
fn lines(now: &Figures, has_closes: bool) -> Vec<(&'static str, Vec<String>)> {
    let mut lines = vec![
        (
            "requests",
            vec![
                per_second(now.requests),
                format!("errors {}", per_second(now.errors)),
                format!("accepted {}", per_second(now.accepted)),
                format!("rejected {}", per_second(now.rejected)),
            ],
        ),
        (
            "bytes",
            vec![
                format!("in {}", shown(now.bytes_in, byte_rate)),
                format!("out {}", shown(now.bytes_out, byte_rate)),
                format!("resident {}", shown(now.resident, bytes)),
            ],
        ),
        (
            "loop",
            vec![
                format!("CPU {}", shown(now.cpu, core)),
                format!("longest turn {}", time(now.longest_turn)),
                format!("turns {}", per_second(now.turns)),
                format!("visits per turn {}", shown(now.visits_per_turn, number)),
            ],
        ),
    ];
    if has_closes {
        lines.push(("closed", closes(now)));
    }
    lines
}

/// A figure over time: its name, its value in an interval, and that in words.
type Series = (&'static str, fn(&Figures) -> Option<f64>, fn(f64) -> String);

/// What is shown over time, the most important first.
const SERIES: [Series; 6] = [
    ("requests", |it| it.requests, rate),
    ("longest turn", |it| it.longest_turn, micros),
    ("connections", |it| it.open, whole),
    ("CPU", |it| it.cpu, core),
    ("bytes in", |it| it.bytes_in, byte_rate),
    ("bytes out", |it| it.bytes_out, byte_rate),
];

/// From this width on, trends stand beside each other.
const TWO_TRENDS: u16 = 160;

/// Figures over time, as many as have room and each as high as there is.
pub(super) fn trends(track: &Track, area: Rect, buffer: &mut Buffer, theme: &Theme) {
    let beside: u16 = if area.width >= TWO_TRENDS { 2 } else { 1 };
    let most = (SERIES.len() as u16).div_ceil(beside);
    // Two rows tell more than one, and three with a gap look better than two without.
    let count = match area.height {
        0..4 => area.height,
        4..12 => (area.height / 2).min(4),
        12.. => area.height / 4,
    };
    let count = count.min(most);
    let (share, mut left) = (area.height / count.max(1), area.height % count.max(1));
    let gap = u16::from(share >= 3);
    let mut series = SERIES.into_iter().zip(theme.trends);
    let mut y = area.y;
    for _ in 0..count {
        let height = share + u16::from(left > 0);
        left = left.saturating_sub(1);
        let row = Rect { y, height: height - gap, ..area };
        let places = Layout::horizontal(vec![Constraint::Fill(1); usize::from(beside)]);
        let places = places.spacing(GUTTER).split(row);
        for (place, ((name, of, words), bars)) in places.iter().zip(series.by_ref()) {
            let trend = Trend {
                name,
                now: shown(of(&track.figures), words),
                values: &track.values(of),
                seconds: usize::from(place.width).min(HISTORY),
                shown: words,
                bars,
                faint: theme.faint,
            };
            trend.render(*place, buffer);
            draw_axis(*place, buffer, theme);
        }
        y += height;
    }
}

/// Where a trend has no bar yet, a line of dots at its foot shows how far it will reach.
fn draw_axis(trend: Rect, buffer: &mut Buffer, theme: &Theme) {
    let Some(foot) = trend.rows().next_back() else { return };
    let width = foot.width.saturating_sub(trend::NAME + trend::SCALE);
    let bars = Rect { x: foot.x + trend::NAME, width, ..foot };
    for place in bars.positions() {
        if let Some(cell) = buffer.cell_mut(place).filter(|cell| cell.symbol() == " ") {
            cell.set_symbol("·").set_style(theme.faint);
        }
    }
}
