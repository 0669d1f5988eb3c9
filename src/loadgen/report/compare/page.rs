//! A comparison as an HTML page.

use super::{CAVEAT, Comparison, Verdict};
use crate::loadgen::report::Report;
use crate::loadgen::report::charts::distributions;
use crate::loadgen::report::html::{BannerKind, banner, figure, page};
use crate::loadgen::report::markup::escaped;
use crate::loadgen::report::{tables, words};

/// Two runs side by side as a self-contained HTML page; both percentile curves are in one chart.
pub fn html(before: &Report, after: &Report, comparison: &Comparison) -> String {
    let title = "Load test: two runs compared";
    let mut body = format!("<header>\n<h1>{}</h1>\n", escaped(title));
    for (name, report) in [("A", before), ("B", after)] {
        body.push_str(&format!(
            "<p class=\"lead\">{name}: {}; {}; {}</p>\n",
            escaped(&report.started_at),
            escaped(&words::mode(report)),
            escaped(&words::setup(report).join("; "))
        ));
    }
    body.push_str("</header>\n<main>\n");
    body.push_str(&match comparison.verdict() {
        Verdict::NotComparable => banner(BannerKind::Bad, "Not comparable", &comparison.obstacles),
        Verdict::Regression => banner(BannerKind::Bad, "Regression", &[comparison.conclusion()]),
        Verdict::NoRegression => {
            banner(BannerKind::Good, "No regression", &[comparison.conclusion()])
        }
    });
    body.push_str(&comparison.table().html());
    body.push_str(&format!(
        "<p class=\"lead\">A change within the tolerance is no clear one: it is what was asked to \
         be tolerated or what each run varies by itself, from second to second or by chance, and \
         more in short runs. {}</p>\n",
        escaped(CAVEAT)
    ));
    let latencies = [before, after].map(|report| &report.histograms.latency);
    let chart = distributions(&[("A", latencies[0]), ("B", latencies[1])]);
    body.push_str(&figure(&chart, "percentiles", None));
    body.push_str("<div class=\"columns\">\n");
    for (name, report) in [("A", before), ("B", after)] {
        body.push_str(&format!("<section>\n<h2>{name}</h2>\n"));
        body.push_str(&tables::asked_and_achieved(report).html());
        tables::latency(report).iter().for_each(|table| body.push_str(&table.html()));
        body.push_str(&tables::environment(report).html());
        body.push_str("</section>\n");
    }
    body.push_str("</div>\n</main>\n");
    page(title, &body)
}
