use super::*;
use crate::loadgen::report::sample::{eventful, fruitless, sample};
use crate::loadgen::report::{Comparison, Second, Side, compare};

/// The page's tags, to check that they are those the page is meant to have.
fn tags(page: &str) -> Vec<&str> {
    page.split('<').skip(1).map(|rest| rest.split_once('>').expect("a whole tag").0).collect()
}

/// Asserts that every element that is opened is closed in its place.
fn assert_well_formed(page: &str) {
    let mut open: Vec<&str> = Vec::new();
    for tag in tags(page) {
        let name = tag.split([' ', '\n', '/']).next().unwrap();
        if let Some(closed) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(closed), "in {open:?}");
        } else if !(tag.ends_with('/') || ["!doctype", "meta", "br"].contains(&name)) {
            open.push(name);
        }
    }
    assert_eq!(open, Vec::<&str>::new());
}

/// Asserts that nothing would be fetched or run, and that no coordinate is missing.
fn assert_self_contained(page: &str) {
    for forbidden in ["<script", "<img", "<link", "<iframe", "http:", "https:", "url(", "@import"] {
        assert!(!page.contains(forbidden), "{forbidden}");
    }
    for nonsense in ["NaN", "inf\"", "-inf"] {
        assert!(!page.contains(nonsense), "{nonsense}");
    }
}

fn assert_sound(page: &str) {
    assert_well_formed(page);
    assert_self_contained(page);
    let ids: Vec<&str> =
        page.split(" id=\"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    let mut unique = ids.clone();
    unique.sort_unstable();
    unique.dedup();
    assert_eq!(unique.len(), ids.len(), "{ids:?}");
}

#[test]
fn every_report_makes_a_sound_page() {
    let short = |seconds: usize| {
        let mut report = sample();
        report.series.drain(..1);
        report.series.truncate(seconds);
        report
    };
    let mut silent = sample();
    silent.series = vec![Second::default(); 3];
    let mut long = sample();
    let second = long.series[1].clone();
    long.series =
        (0..5_000).map(|t| Second { t_s: f64::from(t), max_us: None, ..second.clone() }).collect();
    for report in [sample(), eventful(), fruitless(), short(0), short(1), short(2), silent, long] {
        assert_sound(&html(&report));
    }
}

#[test]
fn the_first_thing_is_the_verdict_and_then_the_figures_in_the_words_of_the_field() {
    let page = html(&sample());
    let (_, main) = page.split_once("<main>").expect("the main part");
    assert!(
        main.starts_with("\n<section aria-label=\"Verdict\">\n<div class=\"banner good\"><h2>Met")
    );
    let names: Vec<&str> =
        main.split("<dt>").skip(1).map(|rest| rest.split("</dt>").next().unwrap()).collect();
    let latency = ["p50", "p99", "p99.9", "max"].map(|name| format!("{name} latency"));
    assert_eq!(names[0], "throughput");
    assert_eq!(names[1..5], latency);
    assert_eq!(names[5..], ["connections", "errors"]);
    assert!(main.contains("<dd>64 <small>of 64</small></dd>"));
}

#[test]
fn what_is_not_known_is_no_number() {
    let mut single = sample();
    single.achieved.rate = None;
    single.histograms = Default::default();
    single.histograms.latency.record_nanos(1_000);
    single.latency_us = single.histograms.latency.percentiles();
    single.series.clear();
    let page = html(&single);
    assert!(
        page.contains("<dt>throughput</dt><dd>–</dd>")
            && page.contains("<dt>p50 latency</dt><dd>–</dd>")
    );
    assert!(page.contains("<dt>max latency</dt><dd>1.00 µs</dd>"));
    assert!(page.contains("Too few answers for a chart"));
}

#[test]
fn every_chart_has_its_values_in_a_table_that_can_be_unfolded() {
    let mut ladder = crate::loadgen::report::ladder::tests::ladder();
    ladder.rungs.reverse();
    let pages =
        [html(&eventful()), compare::html(&compared(&sample(), &eventful())), ladder.html()];
    for page in pages {
        let figures: Vec<&str> = page.split("<figure>").skip(1).collect();
        assert!(!figures.is_empty());
        for figure in figures {
            let (figure, _) = figure.split_once("</figure>").expect("its end");
            let (_, values) = figure.split_once("<details>\n<summary>Values: ").expect("values");
            assert!(values.matches("<tr>").count() > 2, "{values}");
        }
    }
}

fn compared(before: &Report, after: &Report) -> Comparison<'static> {
    let side = |name, report: &Report| Box::leak(Box::new(Side::new(name, vec![report.clone()])));
    Comparison::new(side("A", before), side("B", after), 0.1)
}

#[test]
fn odd_numbers_do_not_break_a_chart() {
    let mut report = sample();
    report.series[3].p50_us = Some(f64::MAX);
    report.series[4].p50_us = Some(-5.0);
    report.series[5].t_s = 1e18;
    report.series[6].connections = u64::MAX;
    assert_sound(&html(&report));
}

#[test]
fn the_page_says_what_matters() {
    let page = html(&eventful());
    for part in [
        "<h2>Not met</h2>",
        "1,200 of 200,000 requests were not answered",
        "interrupted after 9 of 10 seconds",
        "and above 99.40 % (*) unknown",
        "connection refused (12 ×) [ECONNREFUSED]",
        "Latency by percentile",
        "Errors over time",
        "Reconnect storms",
        "net.core.somaxconn",
        "readyc bench -R 20000",
        "Merged from",
    ] {
        assert!(page.contains(part), "{part}");
    }
    assert!(!html(&sample()).contains("Errors over time"));
}

#[test]
fn what_a_report_holds_is_text_and_never_markup() {
    const HOSTILE: &str = "</title></style><script>alert(1)</script>\"'onload=x&amp;\u{0}{body}";
    let mut report = eventful();
    let hostile = || HOSTILE.to_owned();
    report.shortfalls = vec![hostile()];
    report.partial = Some(hostile());
    report.notes = vec![hostile()];
    report.started_at = hostile();
    report.asked.targets = vec![hostile()];
    report.asked.sources = vec![hostile()];
    report.asked.workload = hostile();
    report.asked.lifetime = Some(hostile());
    report.errors.connect_by_errno.insert(hostile(), 1);
    report.errors.by_errno.insert(hostile(), 9);
    report.kinds.insert(hostile(), report.latency_us);
    report.client.verdict = hostile();
    report.environment.command = vec![hostile()];
    report.environment.kernel = hostile();
    report.environment.sysctls.insert(hostile(), hostile());
    report.merged[0].environment = report.environment.clone();
    let side = Side::new(hostile(), vec![report.clone()]);
    let comparison = Comparison::new(&side, &side, 0.05);
    for page in [html(&report), compare::html(&comparison)] {
        assert_sound(&page);
        assert!(page.contains("&lt;script&gt;alert(1)"));
        assert!(!page.contains("alert(1)</script"));
        assert!(!page.contains('\0'));
    }
}

#[test]
fn the_policy_forbids_requests_and_scripts() {
    assert!(html(&sample()).contains("default-src 'none'; style-src 'unsafe-inline'"));
}
