//! Line charts as SVG, so that a page shows them without a script and on paper.
//!
//! Invariant: every coordinate is finite and inside the picture, whatever the numbers were; every
//! text is escaped. The style sheet of the page sets the colours by class. Lines also differ in
//! their dashes, for readers who cannot distinguish the colours.

use super::markup::escaped;
use super::table::Table;
use std::fmt::Write;

#[cfg(test)]
mod tests;

/// How values are laid out along an axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scale {
    Linear,
    /// Logarithmic; for values above zero.
    Log,
}

impl Scale {
    fn place(self, value: f64) -> f64 {
        match self {
            Scale::Linear => value,
            Scale::Log => value.max(f64::MIN_POSITIVE).log10(),
        }
    }
}

/// An axis, its ends, and its labelled ticks.
pub(crate) struct Axis {
    pub(crate) label: &'static str,
    scale: Scale,
    from: f64,
    to: f64,
    ticks: Vec<(f64, String)>,
}

impl Axis {
    /// An axis from one value to another with the given ticks.
    pub(crate) fn new(
        label: &'static str,
        (from, to): (f64, f64),
        ticks: Vec<(f64, String)>,
    ) -> Axis {
        // A single value stands in the middle.
        let (from, to) = if to > from { (from, to) } else { (from - 0.5, from + 0.5) };
        Axis { label, scale: Scale::Linear, from, to, ticks }
    }

    /// An axis in even steps that holds all `values`, and zero unless there are values below it.
    pub(crate) fn linear(
        label: &'static str,
        values: impl Iterator<Item = f64>,
        name: fn(f64) -> String,
    ) -> Axis {
        let (least, most) = ends(values).unwrap_or((0.0, 1.0));
        let (least, most) = (least.min(0.0), if most > 0.0 { most } else { 1.0 });
        let step = even_step(most - least);
        let from = (least / step).floor();
        let to = (most / step).ceil();
        let ticks = (from as i64..=to as i64)
            .map(|at| at as f64 * step)
            .map(|value| (value, name(value)))
            .collect();
        Axis { label, scale: Scale::Linear, from: from * step, to: to * step, ticks }
    }

    /// An axis from the least to the most of `values`, even steps within named.
    pub(crate) fn fitting(
        label: &'static str,
        values: impl Iterator<Item = f64>,
        name: fn(f64) -> String,
    ) -> Axis {
        let (from, to) = ends(values).unwrap_or((0.0, 1.0));
        let step = even_step(to - from);
        let ticks = ((from / step).ceil() as i64..=(to / step).floor() as i64)
            .map(|at| at as f64 * step)
            .map(|value| (value, name(value)))
            .collect();
        Axis::new(label, (from, to), ticks)
    }

    /// A logarithmic axis that contains all `values` above zero; a linear one if their range is
    /// small.
    pub(crate) fn log_axis(
        label: &'static str,
        values: impl Iterator<Item = f64> + Clone,
        name: fn(f64) -> String,
    ) -> Axis {
        match ends(values.clone().filter(|value| *value > 0.0)) {
            Some((least, most)) if most / least > 12.0 => {
                let marks: Vec<f64> = (least.log10().floor() as i32..=most.log10().ceil() as i32)
                    .flat_map(|power| [1.0, 2.0, 5.0].map(|step| step * 10f64.powi(power)))
                    .collect();
                // Over many powers of ten, there are no marks between them.
                let is_far = most / least >= 3e3;
                let is_named = |mark: &f64| !is_far || mark.log10().fract().abs() < 1e-9;
                let marks: Vec<f64> = marks.into_iter().filter(is_named).collect();
                let from = marks.iter().rfind(|mark| **mark <= least).copied().unwrap_or(least);
                let to = marks.iter().find(|mark| **mark >= most).copied().unwrap_or(most);
                let ticks = marks
                    .into_iter()
                    .filter(|&mark| mark >= from && mark <= to)
                    .map(|mark| (mark, name(mark)))
                    .collect();
                Axis { label, scale: Scale::Log, from, to, ticks }
            }
            _ => Axis::linear(label, values, name),
        }
    }

    /// Where `value` lies between the ends, 0 to 1.
    fn share(&self, value: f64) -> f64 {
        let [value, from, to] = [value, self.from, self.to].map(|value| self.scale.place(value));
        let share = (value - from) / (to - from);
        if share.is_finite() { share.clamp(0.0, 1.0) } else { 0.0 }
    }
}

fn ends(values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    values.filter(|value| value.is_finite()).fold(None, |ends, value| match ends {
        None => Some((value, value)),
        Some((least, most)) => Some((value.min(least), value.max(most))),
    })
}

/// A step of 1, 2 or 5 times a power of ten; four to ten steps make up `length`.
fn even_step(length: f64) -> f64 {
    if length <= 0.0 {
        return 1.0;
    }
    let power = 10f64.powf((length / 5.0).log10().floor());
    let step =
        [1.0, 2.0, 5.0, 10.0].iter().map(|step| step * power).find(|step| length / step <= 6.0);
    step.unwrap_or(length).max(f64::MIN_POSITIVE)
}

/// A line; where it has no value it is broken.
pub(crate) struct Line {
    pub(crate) name: &'static str,
    pub(crate) points: Vec<(f64, Option<f64>)>,
}

/// A chart of up to four lines.
pub(crate) struct Chart {
    /// Read out to readers who do not see the chart.
    pub(crate) title: &'static str,
    /// A description of the chart in words.
    pub(crate) description: String,
    pub(crate) x: Axis,
    pub(crate) y: Axis,
    pub(crate) lines: Vec<Line>,
    /// Tooltips at positions along the x axis, ascending.
    pub(crate) hints: Vec<(f64, String)>,
    /// The values, for readers without a pointer.
    pub(crate) values: Table,
    /// The end of the shaded part of the x axis, and what the shade means.
    pub(crate) shade: Option<(f64, &'static str)>,
}

/// A size that a chart is drawn in.
#[derive(Clone, Copy)]
struct Size {
    class: &'static str,
    width: f64,
    height: f64,
    /// Above the drawing: the label of the y axis and the legend, beside or above each other.
    top: f64,
}

/// A chart is drawn twice, and the page shows the one that fits: on a phone the text of the wide
/// one would be too small.
const SIZES: [Size; 2] = [
    Size { class: "wide", width: 760.0, height: 300.0, top: 30.0 },
    Size { class: "narrow", width: 360.0, height: 280.0, top: 52.0 },
];

const LEFT: f64 = 66.0;
const RIGHT: f64 = 14.0;
const BOTTOM: f64 = 44.0;

/// The height of the legend.
const LEGEND: f64 = 12.0;

/// The width of a character of the axes' text, about.
const CHARACTER: f64 = 6.6;

/// With this few points, each is marked.
const MARKED: usize = 40;

impl Chart {
    /// The chart in all sizes; `id` must be unique on the page.
    pub(crate) fn html(&self, id: &str) -> String {
        SIZES.iter().map(|&size| Drawing { chart: self, size }.svg(id)).collect()
    }
}

struct Drawing<'a> {
    chart: &'a Chart,
    size: Size,
}

impl Drawing<'_> {
    fn x(&self, value: f64) -> f64 {
        LEFT + self.chart.x.share(value) * (self.size.width - LEFT - RIGHT)
    }

    fn y(&self, value: f64) -> f64 {
        self.bottom() - self.chart.y.share(value) * (self.bottom() - self.top())
    }

    fn bottom(&self) -> f64 {
        self.size.height - BOTTOM
    }

    fn right(&self) -> f64 {
        self.size.width - RIGHT
    }

    fn top(&self) -> f64 {
        self.size.top
    }

    fn svg(&self, id: &str) -> String {
        let Size { class, width, height, .. } = self.size;
        let mut svg = format!(
            "<svg class=\"chart {class}\" viewBox=\"0 0 {width} {height}\" role=\"img\" \
             aria-labelledby=\"{id}-{class}-title {id}-{class}-desc\">\n\
             <title id=\"{id}-{class}-title\">{}</title>\n\
             <desc id=\"{id}-{class}-desc\">{}</desc>\n",
            escaped(self.chart.title),
            escaped(&self.chart.description)
        );
        self.shade(&mut svg);
        self.axes(&mut svg);
        self.legend(&mut svg);
        for (at, line) in self.chart.lines.iter().enumerate() {
            self.line(&mut svg, at, line);
        }
        self.hints(&mut svg);
        svg.push_str("</svg>\n");
        svg
    }

    fn shade(&self, svg: &mut String) {
        let Some((until, meaning)) = self.chart.shade else { return };
        let width = self.x(until) - LEFT;
        let top = self.top();
        let height = self.bottom() - top;
        let _ = writeln!(
            svg,
            "<rect class=\"shade\" x=\"{LEFT:.1}\" y=\"{top:.1}\" width=\"{width:.1}\" \
             height=\"{height:.1}\"><title>{}</title></rect>",
            escaped(meaning)
        );
    }

    fn axes(&self, svg: &mut String) {
        let (top, bottom, right) = (self.top(), self.bottom(), self.right());
        for (value, name) in &self.chart.y.ticks {
            let y = self.y(*value);
            let _ = writeln!(
                svg,
                "<line class=\"grid\" x1=\"{LEFT:.1}\" x2=\"{right:.1}\" y1=\"{y:.1}\" \
                 y2=\"{y:.1}\"/>\
                 <text class=\"tick\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
                LEFT - 6.0,
                y + 4.0,
                escaped(name)
            );
        }
        // Labels that would overlap are left out, but never the last; their ticks remain.
        let mut free_from = f64::MIN;
        let half = |name: &str| name.chars().count() as f64 * CHARACTER / 2.0;
        let ticks = &self.chart.x.ticks;
        let last = ticks.last().map_or(f64::MAX, |(value, name)| {
            self.x(*value).min(self.size.width - half(name) - 1.0) - half(name) - CHARACTER
        });
        for (at, (value, name)) in ticks.iter().enumerate() {
            let (x, half) = (self.x(*value), half(name));
            let is_free = x - half >= free_from && x + half <= last;
            let _ = writeln!(
                svg,
                "<line class=\"grid\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{top:.1}\" \
                 y2=\"{bottom:.1}\"/>"
            );
            if is_free || at + 1 == ticks.len() {
                let center = x.min(self.size.width - half - 1.0);
                let _ = writeln!(
                    svg,
                    "<text class=\"tick\" x=\"{center:.1}\" y=\"{:.1}\" \
                     text-anchor=\"middle\">{}</text>",
                    bottom + 16.0,
                    escaped(name)
                );
                free_from = x + half + CHARACTER;
            }
        }
        let _ = writeln!(
            svg,
            "<line class=\"axis\" x1=\"{LEFT:.1}\" x2=\"{right:.1}\" y1=\"{bottom:.1}\" \
             y2=\"{bottom:.1}\"/>\
             <text class=\"label\" x=\"{right:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>\
             <text class=\"label\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
            self.size.height - 8.0,
            escaped(self.chart.x.label),
            6.0,
            top - 14.0,
            escaped(self.chart.y.label)
        );
    }

    /// A sample of each line and its name, from the right, above the chart.
    fn legend(&self, svg: &mut String) {
        let mut end = self.right();
        for (at, line) in self.chart.lines.iter().enumerate().rev() {
            let length = line.name.chars().count() as f64 * (CHARACTER + 0.4);
            let y = LEGEND;
            let _ = writeln!(
                svg,
                "<line class=\"line line{at}\" x1=\"{:.1}\" x2=\"{:.1}\" y1=\"{y:.1}\" \
                 y2=\"{y:.1}\"/>\
                 <text class=\"name\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
                end - length - 30.0,
                end - length - 6.0,
                end - length,
                y + 4.0,
                escaped(line.name)
            );
            end -= length + 46.0;
        }
    }

    fn line(&self, svg: &mut String, at: usize, line: &Line) {
        let mut path = String::new();
        let mut is_drawing = false;
        let mut marks = String::new();
        for (index, &(x, y)) in line.points.iter().enumerate() {
            let Some(y) = y else {
                is_drawing = false;
                continue;
            };
            let (x, y) = (self.x(x), self.y(y));
            let _ = write!(path, "{}{x:.1} {y:.1}", if is_drawing { "L" } else { "M" });
            let goes_on = line.points.get(index + 1).is_some_and(|(_, next)| next.is_some());
            if line.points.len() <= MARKED || !(is_drawing || goes_on) {
                let _ = write!(
                    marks,
                    "<circle class=\"mark mark{at}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"2.2\"/>"
                );
            }
            is_drawing = true;
        }
        if !path.is_empty() {
            let _ = writeln!(svg, "<path class=\"line line{at}\" d=\"{path}\"/>{marks}");
        }
    }

    /// Invisible stripes, each reaching half the way to its neighbours; browsers show their titles
    /// as tooltips.
    fn hints(&self, svg: &mut String) {
        let places: Vec<f64> = self.chart.hints.iter().map(|(value, _)| self.x(*value)).collect();
        let top = self.top();
        let height = self.bottom() - top;
        for (at, (_, text)) in self.chart.hints.iter().enumerate() {
            let here = places[at];
            let from = if at == 0 { LEFT } else { (places[at - 1] + here) / 2.0 };
            let to = places.get(at + 1).map_or(self.right(), |next| (here + next) / 2.0);
            let _ = writeln!(
                svg,
                "<rect class=\"hint\" x=\"{from:.1}\" y=\"{top:.1}\" width=\"{:.1}\" \
                 height=\"{height:.1}\"><title>{}</title></rect>",
                (to - from).max(0.0),
                escaped(text)
            );
        }
    }
}
