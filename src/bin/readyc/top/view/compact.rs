//! The body on a small terminal: a few lines, and trends where some are left.

use super::full::trends;
use super::parts::{
    Theme, byte_rate, core, depth, named, of_most, per_second, shown, time, whole, word,
};
use crate::top::figures::Figures;
use crate::top::monitor::Monitor;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::widgets::Widget;
use readyd::loadgen::report::units::bytes;
use readyd::server::stats::standing::{Activity, Depth};

/// Columns of a name.
const NAME: usize = 9;

/// Draws the lines that fit, the first before the others.
pub(super) fn render(monitor: &Monitor, area: Rect, buffer: &mut Buffer, theme: &Theme) {
    let lines = lines(monitor);
    let used = u16::try_from(lines.len()).unwrap_or(u16::MAX).min(area.height);
    for ((name, parts), row) in lines.iter().zip(area.rows()) {
        named(name, parts, area.width, NAME, theme).render(row, buffer);
    }
    let rest = Rect { y: area.y + used, height: area.height - used, ..area };
    let gap = u16::from(rest.height > 2);
    let below = Rect { y: rest.y + gap, height: rest.height - gap, ..rest };
    trends(monitor.shown(), below, buffer, theme);
}

fn lines(monitor: &Monitor) -> Vec<(&'static str, Vec<String>)> {
    let now = &monitor.shown().figures;
    let mut lines = vec![
        ("open", vec![of_most(now), format!("accepted {}", per_second(now.accepted))]),
        ("state", standings(now)),
        ("output", depths(now)),
        ("requests", requests(now)),
        (
            "bytes",
            vec![
                format!("in {}", shown(now.bytes_in, byte_rate)),
                format!("out {}", shown(now.bytes_out, byte_rate)),
                format!("buffers {}", shown(now.buffered, bytes)),
            ],
        ),
        (
            "loop",
            vec![
                format!("CPU {}", shown(now.cpu, core)),
                format!("max turn {}", time(now.longest_turn)),
            ],
        ),
        ("closed", closes(now)),
    ];
    if let Some((shards, answering)) = monitor.facts.shards {
        lines.push(("shards", vec![format!("{answering} of {shards} answer")]));
    }
    lines
}

/// Requests, and what was refused if something was.
fn requests(now: &Figures) -> Vec<String> {
    let mut parts = vec![per_second(now.requests)];
    let rare = [("errors", now.errors), ("rejected", now.rejected)];
    let seen = rare.into_iter().filter(|(_, rate)| rate.is_some_and(|rate| rate > 0.0));
    parts.extend(seen.map(|(name, rate)| format!("{name} {}", per_second(rate))));
    parts
}

/// Activities that some connections have, the rare ones first: they tell more.
fn standings(now: &Figures) -> Vec<String> {
    let Some(counts) = now.activities else { return vec!["not told".to_owned()] };
    let order = [3, 2, 1, 5, 6, 4, 0];
    let told = order.into_iter().filter_map(|at| Some((*Activity::ALL.get(at)?, *counts.get(at)?)));
    seen(told.map(|(activity, count)| (word(activity), count)))
}

/// Depths that some queues have, the deepest first.
fn depths(now: &Figures) -> Vec<String> {
    let Some(counts) = now.depths else { return vec!["not told".to_owned()] };
    seen(Depth::ALL.into_iter().zip(counts).rev().map(|(it, count)| (depth(it), count)))
}

fn seen(counts: impl Iterator<Item = (&'static str, f64)>) -> Vec<String> {
    let seen = counts.filter(|(_, count)| *count > 0.0);
    let parts: Vec<String> = seen.map(|(name, count)| format!("{name} {}", whole(count))).collect();
    if parts.is_empty() { vec!["none".to_owned()] } else { parts }
}

/// Closes of the last interval, and their reasons.
pub(super) fn closes(now: &Figures) -> Vec<String> {
    let mut parts = vec![per_second(now.closed)];
    let lately = now.closes.iter().filter(|close| close.rate.is_some_and(|rate| rate > 0.0));
    parts.extend(lately.map(|close| format!("{} {}", close.reason, per_second(close.rate))));
    if parts.len() == 1 {
        let ever = now.closes.iter().map(|it| format!("{} {}", it.reason, whole(it.total)));
        parts.extend(ever.take(1).map(|most| format!("since the start {most}")));
    }
    parts
}
