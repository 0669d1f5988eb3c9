//! A report as one page of HTML that needs nothing else: no network, no script, no font, no image.
//!
//! Invariant: all content of a report is shown as text: it passes `markup::escaped`, and a content
//! security policy also forbids the page every request and every script.

use super::charts::{Timeline, percentiles};
use super::distribution::bars;
use super::markup::escaped;
use super::svg::Chart;
use super::table::Table;
use super::units::{count, rate, unknown};
use super::words::listed;
use super::{Report, Validity, by_server, server, tables, words};
use std::fmt::Write;

#[cfg(test)]
mod tests;

/// The report as a page.
pub fn html(report: &Report) -> String {
    let title = format!("Load test of {}", listed(&report.asked.targets, 2));
    let mut body = format!(
        "<header>\n<h1>{}</h1>\n<p class=\"lead\">{}<br>{}<br>{}</p>\n</header>\n<main>\n",
        escaped(&title),
        escaped(&report.started_at),
        escaped(&words::mode(report)),
        escaped(&words::setup(report).join("; "))
    );
    verdict(&mut body, report);
    tiles(&mut body, report);
    overview(&mut body, report);
    latency(&mut body, report);
    timeline(&mut body, report);
    for table in [tables::steps(report), tables::storms(report), tables::slow(report)] {
        section(&mut body, table);
    }
    body.push_str(&server::section(report));
    body.push_str("<section>\n<h2>How it was measured</h2>\n<div class=\"columns\">\n<div>");
    body.push_str(&tables::client(report).html());
    body.push_str("</div>\n<div>");
    body.push_str(&tables::environment(report).html());
    body.push_str("</div>\n</div>\n");
    tables::merged(report).iter().for_each(|table| body.push_str(&table.html()));
    body.push_str("</section>\n</main>\n");
    let _ = writeln!(body, "<footer>readyc bench; made from a {} report.</footer>", super::SCHEMA);
    page(&title, &body)
}

/// A page around `body`, which is HTML; the title is text.
pub(crate) fn page(title: &str, body: &str) -> String {
    format!(
        include_str!("html/page.html"),
        title = escaped(title),
        style = include_str!("html/style.css"),
        body = body
    )
}

/// The kind of a banner.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum BannerKind {
    Bad,
    Warning,
    Good,
}

/// A banner: a title and lines.
pub(crate) fn banner<S: AsRef<str>>(kind: BannerKind, title: &str, lines: &[S]) -> String {
    let class = match kind {
        BannerKind::Bad => "bad",
        BannerKind::Warning => "warn",
        BannerKind::Good => "good",
    };
    let mut html = format!("<div class=\"banner {class}\"><h2>{}</h2>", escaped(title));
    let lines = lines.iter().filter(|line| !line.as_ref().is_empty());
    let items: String = lines.map(|line| format!("<li>{}</li>", escaped(line.as_ref()))).collect();
    if !items.is_empty() {
        let _ = write!(html, "<ul>{items}</ul>");
    }
    html.push_str("</div>\n");
    html
}

fn verdict(body: &mut String, report: &Report) {
    let client = &report.client;
    body.push_str("<section aria-label=\"Verdict\">\n");
    if client.bottleneck {
        body.push_str(&banner(
            BannerKind::Bad,
            "Invalid: the figures show the client's limits",
            &[&client.verdict],
        ));
    }
    if !report.met || !report.shortfalls.is_empty() {
        body.push_str(&banner(BannerKind::Bad, "Not met", &report.shortfalls));
    }
    if let Some(reason) = &report.partial {
        body.push_str(&banner(BannerKind::Warning, "Partial", &[reason]));
    }
    let noted = (client.validity == Validity::Noted).then_some(&client.verdict);
    let notes: Vec<&String> = noted.into_iter().chain(&report.notes).collect();
    if !notes.is_empty() {
        body.push_str(&banner(BannerKind::Warning, "Note", &notes));
    }
    if report.met && !client.bottleneck && report.partial.is_none() {
        let title = "Met: all that was asked for was achieved";
        let verdict = if noted.is_some() { "" } else { &client.verdict };
        body.push_str(&banner(BannerKind::Good, title, &[verdict]));
    }
    body.push_str("</section>\n");
}

fn tiles(body: &mut String, report: &Report) {
    let (achieved, latency) = (&report.achieved, &report.latency_us);
    let time = |quantile, value| {
        if latency.count == 0 {
            return unknown();
        }
        tables::if_carried(latency, quantile, value)
    };
    let errors = &report.errors;
    let wrong = [errors.connect, errors.read, errors.write, errors.timeout, achieved.mismatched];
    let wrong = wrong.iter().fold(0u64, |all, number| all.saturating_add(*number));
    let (established, asked) = (achieved.connections_established, report.connections_asked());
    let (served, wanted) = (achieved.connections_served, report.to_be_served());
    // Those that were established where it is not known which were served, or where those are
    // missing that nobody was to serve.
    let is_served = report.knows_served() && (served < wanted || established >= asked);
    let (asked, served) = if is_served { (wanted, served) } else { (asked, established) };
    body.push_str("<dl class=\"tiles\">\n");
    tile(body, "throughput", &achieved.rate.map_or_else(unknown, rate), None, false);
    tile(body, "p50 latency", &time(0.5, latency.p50), None, false);
    tile(body, "p99 latency", &time(0.99, latency.p99), None, false);
    tile(body, "p99.9 latency", &time(0.999, latency.p999), None, false);
    tile(body, "max latency", &time(1.0, latency.max), None, false);
    let of_asked = format!("of {}", count(asked));
    tile(body, "connections", &count(served), Some(&of_asked), served < asked);
    tile(body, "errors", &count(wrong), None, wrong > 0);
    body.push_str("</dl>\n");
}

/// A figure with its name above and, smaller, what it is to be seen beside.
fn tile(body: &mut String, name: &str, value: &str, beside: Option<&str>, is_bad: bool) {
    let class = if is_bad { "tile bad" } else { "tile" };
    let beside =
        beside.map_or_else(String::new, |text| format!(" <small>{}</small>", escaped(text)));
    let _ = writeln!(
        body,
        "<div class=\"{class}\"><dt>{}</dt><dd>{}{beside}</dd></div>",
        escaped(name),
        escaped(value)
    );
}

fn overview(body: &mut String, report: &Report) {
    body.push_str("<section>\n<h2>Result</h2>\n<div class=\"columns\">\n<div>");
    body.push_str(&tables::asked_and_achieved(report).html());
    if let Some(not_probed) = words::not_probed(report) {
        let _ = write!(body, "<p>{}.</p>", escaped(&not_probed));
    }
    body.push_str("</div>\n<div>");
    match tables::errors(report) {
        Some(table) => body.push_str(&table.html()),
        None => body.push_str("<p>Errors: none.</p>"),
    }
    let _ = write!(
        body,
        "<p>{}.</p><p>{}.</p></div>\n</div>\n</section>\n",
        escaped(&words::connecting(report)),
        escaped(&words::traffic(report))
    );
    if let Some(table) = by_server::errors_by_server(report, usize::MAX) {
        body.push_str(&table.html());
        by_server::others(report, usize::MAX)
            .iter()
            .for_each(|others| body.push_str(&format!("<p>{}.</p>\n", escaped(others))));
    }
    if let Some(after) = words::after_window(report) {
        let _ = writeln!(body, "<p>{}.</p>", escaped(&after));
    }
}

fn latency(body: &mut String, report: &Report) {
    body.push_str("<section>\n<h2>Latency</h2>\n");
    let Some(table) = tables::latency(report) else {
        body.push_str("<p>No request was answered.</p>\n</section>\n");
        return;
    };
    if let Some(unknown) = words::unknown_percentiles(report) {
        body.push_str(&banner(BannerKind::Warning, "Tail incomplete", &[unknown]));
    }
    let note = "Log scale: each grid line is ten times rarer.";
    match percentiles(report) {
        Some(chart) => body.push_str(&figure(&chart, "percentiles", Some(note))),
        None => body.push_str("<p>Too few answers for a chart of percentiles.</p>\n"),
    }
    body.push_str("<div class=\"columns\">\n<div>");
    body.push_str(&table.html());
    body.push_str("</div>\n<div>");
    body.push_str(&distribution(report));
    body.push_str("</div>\n</div>\n");
    tables::kinds(report).iter().for_each(|table| body.push_str(&table.html()));
    tables::spectrum(report).iter().for_each(|table| body.push_str(&folded(table)));
    body.push_str("</section>\n");
}

fn distribution(report: &Report) -> String {
    let bars = bars(&report.histograms.latency);
    let most = bars.iter().map(|bar| bar.count).max().unwrap_or(0).max(1);
    let all = bars.iter().map(|bar| bar.count).sum();
    let mut html =
        "<div class=\"scroll\"><table>\n<caption>Distribution of the latency</caption>\n\
                    <thead><tr><th scope=\"col\"></th><th scope=\"col\">requests</th>\
                    <th scope=\"col\"></th></tr></thead>\n<tbody>\n"
            .to_owned();
    for bar in &bars {
        let width = bar.count as f64 * 100.0 / most as f64;
        let drawn = match bar.count {
            0 => String::new(),
            _ => format!("<span style=\"width:{width:.2}%\"></span>"),
        };
        let _ = writeln!(
            html,
            "<tr><th scope=\"row\">{}</th><td title=\"{}\">{}</td><td \
             class=\"bar\">{drawn}</td></tr>",
            escaped(bar.range().trim()),
            escaped(&bar.share(all)),
            count(bar.count)
        );
    }
    html.push_str("</tbody>\n</table></div>\n");
    html
}

fn timeline(body: &mut String, report: &Report) {
    let timeline = Timeline::new(&report.series, report.achieved.elapsed_s);
    if timeline.is_empty() {
        return;
    }
    body.push_str("<section>\n<h2>Over time</h2>\n");
    if let Some(resolution) = timeline.resolution() {
        let _ = writeln!(body, "<p class=\"lead\">{}</p>", escaped(&resolution));
    }
    let latency = timeline.latency();
    if !latency.lines.is_empty() {
        body.push_str(&figure(&latency, "latency", timeline.without_p99()));
    }
    body.push_str(&figure(&timeline.throughput(), "throughput", None));
    body.push_str(&figure(&timeline.connections(), "connections", None));
    if timeline.has_errors() {
        body.push_str(&figure(&timeline.errors(), "errors", None));
    }
    body.push_str("</section>\n");
}

/// A chart, its caption, and its values to be unfolded; `id` must be unique on the page.
pub(crate) fn figure(chart: &Chart, id: &str, note: Option<&str>) -> String {
    let note = note.map_or_else(String::new, |note| format!("<span>{}</span>", escaped(note)));
    format!(
        "<figure>\n<figcaption>{}{note}</figcaption>\n{}{}</figure>\n",
        escaped(chart.title),
        chart.html(id),
        folded(&chart.values)
    )
}

/// A table that the reader can unfold.
fn folded(table: &Table) -> String {
    format!(
        "<details>\n<summary>Values: {}</summary>\n{}</details>\n",
        escaped(&table.title.to_lowercase()),
        table.html()
    )
}

fn section(body: &mut String, table: Option<Table>) {
    if let Some(table) = table {
        let _ = write!(body, "<section class=\"single\">\n{}</section>\n", table.html());
    }
}
