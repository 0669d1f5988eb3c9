//! Why two runs cannot be compared.

use crate::loadgen::report::units::{count, rate, span};
use crate::loadgen::report::{Asked, Report, words};

/// Why two runs cannot be compared.
pub(super) fn obstacles(before: &Report, after: &Report) -> Vec<String> {
    let mut obstacles = Vec::new();
    for (name, report) in [("A", before), ("B", after)] {
        if report.client.bottleneck {
            obstacles.push(format!(
                "in {name} the client was the bottleneck: its figures tell the client's limits"
            ));
        }
        if let Some(reason) = &report.partial {
            obstacles.push(format!("{name} is partial: {reason}"));
        }
        if report.achieved.answered == 0 {
            obstacles.push(format!("{name} has no answers"));
        }
    }
    if before.mode != after.mode {
        obstacles.push(format!("A is {}; B is {}", words::mode(before), words::mode(after)));
    }
    obstacles.extend(differences(&before.asked, &after.asked));
    obstacles
}

/// The settings that differ between two runs and affect the result.
fn differences(before: &Asked, after: &Asked) -> Vec<String> {
    let differ = |name: &str, before: String, after: String| {
        (before != after).then(|| format!("{name}: {before} in A, {after} in B"))
    };
    let per_second = |asked: Option<f64>| asked.map_or_else(|| "no limit".to_owned(), rate);
    let verified = |asked: &Asked| if asked.verify { "yes" } else { "no" }.to_owned();
    let lives = |asked: &Asked| asked.lifetime.clone().unwrap_or_else(|| "the run".to_owned());
    let every = |seconds: Option<f64>| seconds.map_or_else(|| "never".to_owned(), span);
    [
        differ("workload", before.workload.clone(), after.workload.clone()),
        differ("size", words::size(before), words::size(after)),
        differ("connections", count(before.connections), count(after.connections)),
        differ("idle connections", count(before.idle), count(after.idle)),
        differ("slow readers", count(before.slow_readers), count(after.slow_readers)),
        differ("slow writers", count(before.slow_writers), count(after.slow_writers)),
        differ("rate", per_second(before.rate), per_second(after.rate)),
        differ("requests under way on each", count(before.pipeline), count(after.pipeline)),
        differ("a connection lives", lives(before), lives(after)),
        differ("all speak at once, every", every(before.herd_s), every(after.herd_s)),
        differ("all reconnect, every", every(before.storm_s), every(after.storm_s)),
        differ("replies verified", verified(before), verified(after)),
    ]
    .into_iter()
    .flatten()
    .collect()
}
