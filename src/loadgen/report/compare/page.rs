//! A comparison as an HTML page.

use super::{Comparison, Verdict};
use crate::loadgen::report::charts::distributions;
use crate::loadgen::report::html::{BannerKind, banner, figure, page};
use crate::loadgen::report::markup::escaped;
use crate::loadgen::report::{tables, words};

/// The sides in the chart.
const LETTERS: [&str; 2] = ["A", "B"];

/// Both sides as a self-contained HTML page; both percentile curves are in one chart.
pub fn html(comparison: &Comparison<'_>) -> String {
    let title = "Load tests compared";
    let sides = [comparison.before, comparison.after];
    let mut body = format!("<header>\n<h1>{}</h1>\n", escaped(title));
    for (letter, side) in LETTERS.iter().zip(sides) {
        for report in &side.reports {
            body.push_str(&format!(
                "<p class=\"lead\">{letter}, {}: {}; {}; {}</p>\n",
                escaped(&side.name),
                escaped(&report.started_at),
                escaped(&words::mode(report)),
                escaped(&words::setup(report).join("; "))
            ));
        }
    }
    body.push_str("</header>\n<main>\n");
    let (kind, title_of_verdict) = match comparison.verdict() {
        Verdict::Regression => (BannerKind::Bad, "Regression"),
        Verdict::NoRegression => (BannerKind::Good, "No regression"),
        Verdict::NotEnoughRuns => (BannerKind::Warning, "Not enough runs"),
    };
    body.push_str(&banner(kind, title_of_verdict, &[comparison.conclusion()]));
    if !comparison.reservations.is_empty() {
        let reservations = &comparison.reservations;
        body.push_str(&banner(BannerKind::Warning, "With reservations", reservations));
    }
    body.push_str(&comparison.table().html());
    body.push_str(&format!("<p class=\"lead\">{}</p>\n", escaped(&explanation(comparison))));
    let latencies = sides.map(|side| side.latencies());
    let curves: Vec<_> = LETTERS.into_iter().zip(&latencies).collect();
    body.push_str(&figure(&distributions(&curves), "percentiles", None));
    body.push_str("<div class=\"columns\">\n");
    for (letter, side) in LETTERS.iter().zip(sides) {
        body.push_str(&format!("<section>\n<h2>{letter}, {}</h2>\n", escaped(&side.name)));
        for report in &side.reports {
            body.push_str(&tables::asked_and_achieved(report).html());
            tables::latency(report).iter().for_each(|table| body.push_str(&table.html()));
        }
        let first = side.reports.first();
        first.iter().for_each(|report| body.push_str(&tables::environment(report).html()));
        body.push_str("</section>\n");
    }
    body.push_str("</div>\n</main>\n");
    page(title, &body)
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
