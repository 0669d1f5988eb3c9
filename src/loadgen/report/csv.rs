//! The run second by second, as comma-separated values.
//!
//! Invariant: the columns are the fields of [`Second`](super::Second), by their names and in their
//! order; a value that is absent is empty. No value needs quoting: all are numbers.

use super::Report;
use std::fmt::Write;

#[cfg(test)]
mod tests;

const HEADER: &str = "t_s,connections,opened,sent,answered,errors,p50_us,p99_us,max_us,stalled_s,\
                      length_s,connections_least,connections_most,asked,served\n";

/// The series of a report: a header line, then a line for each second.
pub fn csv(report: &Report) -> String {
    let mut csv = HEADER.to_owned();
    for second in &report.series {
        let _ = writeln!(
            csv,
            "{},{},{},{},{},{},{},{},{},{},{},{},{},{},{}",
            second.t_s,
            second.connections,
            second.opened,
            second.sent,
            second.answered,
            second.errors,
            or_empty(second.p50_us),
            or_empty(second.p99_us),
            or_empty(second.max_us),
            second.stalled_s,
            second.length_s,
            second.connections_least.map_or_else(String::new, |least| least.to_string()),
            second.connections_most.map_or_else(String::new, |most| most.to_string()),
            second.asked,
            second.served
        );
    }
    csv
}

fn or_empty(value: Option<f64>) -> String {
    value.map_or_else(String::new, |value| value.to_string())
}
