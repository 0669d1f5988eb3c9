//! A report as one page of HTML that needs nothing else.

use super::Report;

/// The report as a page.
pub fn html(report: &Report) -> String {
    format!("<!doctype html><title>readyc bench</title>{}", report.achieved.answered)
}
