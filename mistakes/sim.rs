//! Each planted bug must be found: by a seed, or by a scenario.

use crate::volume;
use crate::{exhaustive, scenarios};
use readyd::planted::{Bug, plant};

/// Seeds that are tried before the scenarios.
const SEEDS: u64 = 3000;

/// Who found the bug that is planted, and what was said.
fn find() -> Option<(String, String)> {
    if let (_, Some((seed, report))) = volume::run_many(1, SEEDS) {
        return Some((format!("seed {seed}"), report));
    }
    scenarios::ALL.iter().find_map(|&(name, scenario)| {
        let report = exhaustive::run_all(name, &[scenario()])
            .or_else(|| exhaustive::run_all(name, &exhaustive::worlds(scenario)))?;
        Some((format!("scenario {name}"), report))
    })
}

#[test]
fn sim_planted_bugs_are_found() {
    std::panic::set_hook(Box::new(|_| {}));
    let mut escaped = Vec::new();
    volume::say(&format!("{:<28} {:<12} what was said\n", "bug", "found by"));
    for &bug in Bug::ALL {
        plant(Some(bug));
        let found = find();
        plant(None);
        let (by, report) = found.unwrap_or(("NOBODY".to_owned(), String::new()));
        let said: String = report.lines().next().unwrap_or_default().chars().take(110).collect();
        volume::say(&format!("{:<28} {by:<12} {said}\n", format!("{bug:?}")));
        if report.is_empty() {
            escaped.push(bug);
        }
    }
    let _ = std::panic::take_hook();
    assert!(escaped.is_empty(), "nobody found {escaped:?}");
}
