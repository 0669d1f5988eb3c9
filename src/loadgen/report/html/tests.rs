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
        "Short of what was asked",
        "1,200 of 200,000 requests were not answered",
        "interrupted after 9 of 10 seconds",
        "and above 99.40 % (*) unknown",
        "connection refused (12 ×) [ECONNREFUSED]",
        "Time by percentile",
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
