//! A comparison as an HTML page.

use super::{Comparison, Side, Verdict};
use crate::loadgen::report::charts::distributions;
use crate::loadgen::report::html::{BannerKind, banner, figure, page};
use crate::loadgen::report::markup::escaped;
use crate::loadgen::report::{Report, SCHEMA, tables, words};
use std::fmt::Write;

/// The sides in the table and the chart.
const LETTERS: [&str; 2] = ["A", "B"];

/// Both sides as a self-contained HTML page; both percentile curves are in one chart.
pub fn html(comparison: &Comparison<'_>) -> String {
    let title = "Load tests compared";
    let sides = [comparison.before, comparison.after];
    let mut body = format!("<header>\n<h1>{}</h1>\n<dl class=\"sides\">\n", escaped(title));
    for (letter, side) in LETTERS.iter().zip(sides) {
        let _ = writeln!(
            body,
            "<div><dt>{letter}</dt><dd><strong>{}</strong>{}</dd></div>",
            escaped(&side.title()),
            described(side)
        );
    }
    body.push_str("</dl>\n</header>\n<main>\n<section aria-label=\"Verdict\">\n");
    let (kind, title_of_verdict) = match comparison.verdict() {
        Verdict::Regression => (BannerKind::Bad, "Regression"),
        Verdict::NoRegression => (BannerKind::Good, "No regression"),
        Verdict::NotEnoughRuns => (BannerKind::Warning, "Not enough runs"),
    };
    body.push_str(&banner(kind, title_of_verdict, &[comparison.conclusion()]));
    body.push_str("</section>\n");
    let heads = [0, 1].map(|at| format!("{}: {}", LETTERS[at], sides[at].head()));
    body.push_str(&comparison.table(&heads, LETTERS).html());
    if !comparison.reservations.is_empty() {
        let reservations = &comparison.reservations;
        body.push_str(&banner(BannerKind::Warning, "With reservations", reservations));
    }
    if !comparison.notes.is_empty() {
        body.push_str(&banner(BannerKind::Warning, "Note", &comparison.notes));
    }
    let _ = writeln!(body, "<p class=\"lead\">{}</p>", escaped(&explanation(comparison)));
    let latencies = sides.map(|side| side.latencies());
    let curves: Vec<_> = LETTERS.into_iter().zip(&latencies).collect();
    if let Some(chart) = distributions(&curves) {
        let note = "Log scale: each grid line is ten times rarer.";
        body.push_str(&figure(&chart, "percentiles", Some(note)));
    }
    body.push_str("<div class=\"columns\">\n");
    for (letter, side) in LETTERS.iter().zip(sides) {
        let _ = writeln!(body, "<section>\n<h2>{letter}: {}</h2>", escaped(&side.title()));
        for (at, report) in side.reports.iter().enumerate() {
            if side.reports.len() > 1 {
                let _ = writeln!(body, "<h3>{}</h3>", escaped(&side.run(at)));
            }
            body.push_str(&tables::asked_and_achieved(report).html());
            tables::latency(report).iter().for_each(|table| body.push_str(&table.html()));
        }
        let first = side.reports.first();
        first.iter().for_each(|report| body.push_str(&tables::environment(report).html()));
        body.push_str("</section>\n");
    }
    let _ = writeln!(
        body,
        "</div>\n</main>\n<footer>readyc compare; made from {SCHEMA} reports.</footer>"
    );
    page(title, &body)
}

/// What the runs of a side did; said once if all did the same.
fn described(side: &Side) -> String {
    let did =
        |report: &Report| format!("{}; {}", words::mode(report), words::setup(report).join("; "));
    let mut html = String::new();
    let mut said: Option<String> = None;
    for (at, report) in side.reports.iter().enumerate() {
        let file = match side.reports.len() {
            1 => String::new(),
            _ => format!("{}: ", side.run(at)),
        };
        let did = did(report);
        let what = if said.as_ref() == Some(&did) { "the same".to_owned() } else { did.clone() };
        said = Some(did);
        let line = format!("{file}{}; {what}", report.started_at);
        let _ = write!(html, "<br>{}", escaped(&line));
    }
    html
}

fn explanation(comparison: &Comparison<'_>) -> String {
    let caveat = comparison.caveat();
    if !comparison.is_of_pair() {
        return caveat.to_owned();
    }
    format!(
        "A change within the tolerance is no clear one: it is what was asked to be tolerated or \
         what each run varies by itself, from second to second or by chance, and more in short \
         runs. {caveat}"
    )
}
