//! The catalogue of faults, `docs/reliability.md`, names tests that exist, and at least one for
//! each.

use std::fs;
use std::path::Path;

/// Faults that are numbered.
const FAULTS: usize = 20;

/// The text of every source file below `folder`.
fn sources(folder: &Path) -> String {
    let entries = fs::read_dir(folder).expect("the tests are there").filter_map(Result::ok);
    let text = |path: &Path| match path.extension() {
        Some(extension) if extension == "rs" => fs::read_to_string(path).expect("a source file"),
        _ if path.is_dir() => sources(path),
        _ => String::new(),
    };
    entries.map(|entry| text(&entry.path())).collect()
}

#[test]
fn each_fault_has_a_test_and_each_test_named_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let sources = sources(&root.join("tests"));
    let catalogue = fs::read_to_string(root.join("docs/reliability.md")).expect("the catalogue");
    let (_, rows) = catalogue.split_once("## The catalogue").expect("a heading");
    for number in 1..=FAULTS {
        let row = rows.lines().find(|line| line.starts_with(&format!("| {number} |")));
        let row = row.unwrap_or_else(|| panic!("no row for fault {number}"));
        let named: Vec<&str> = row.split('`').filter(|word| is_of_a_fault(word)).collect();
        assert!(!named.is_empty(), "no test for fault {number}");
        for name in named {
            let of_this =
                name.trim_start_matches("sim_").starts_with(&format!("fault_{number:02}_"));
            assert!(of_this, "{name} in row {number}");
            assert!(sources.contains(&format!("fn {name}(")), "there is no test {name}");
        }
    }
    let mut existing = sources.split("\nfn ").skip(1).filter_map(|rest| rest.split('(').next());
    let missing =
        existing.find(|name| is_of_a_fault(name) && !catalogue.contains(&format!("`{name}`")));
    assert_eq!(missing, None, "a test that the catalogue does not name");
}

/// What users met, by the numbers of the rows.
const FROM_THE_FIELD: usize = 21;

#[test]
fn each_fault_from_the_field_has_tests_and_each_test_named_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let sources = sources(&root.join("tests")) + &sources(&root.join("src"));
    let catalogue = fs::read_to_string(root.join("docs/reliability.md")).expect("the catalogue");
    let (_, rest) = catalogue.split_once("## From the field").expect("a heading");
    let (rows, _) = rest.split_once("\n## ").expect("a heading after it");
    for number in 1..=FROM_THE_FIELD {
        let mut of_this = rows.lines().filter(|line| line.starts_with(&format!("| {number} |")));
        let named = of_this.clone().flat_map(|row| row.split('`').skip(1).step_by(2));
        let named: Vec<&str> = named.filter(|word| word.starts_with("field_server_")).collect();
        assert!(of_this.next().is_some() && !named.is_empty(), "no test for number {number}");
        for name in named {
            assert!(name.starts_with(&format!("field_server_{number:02}_")), "{name} in {number}");
            assert!(sources.contains(&format!("fn {name}(")), "there is no test {name}");
        }
    }
}

fn is_of_a_fault(name: &str) -> bool {
    name.starts_with("fault_") || name.starts_with("sim_fault_")
}

#[test]
fn each_promise_of_security_names_tests_that_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let sources = sources(&root.join("tests")) + &sources(&root.join("src"));
    let security = fs::read_to_string(root.join("SECURITY.md")).expect("the promises");
    let (_, rest) = security.split_once("## What is promised").expect("a heading");
    let (promises, _) = rest.split_once("\n## ").expect("a heading after it");
    let rows: Vec<&str> = promises.lines().filter(|line| line.starts_with("| ")).skip(1).collect();
    assert!(rows.len() > 10, "the table of promises");
    for row in rows {
        let shown_by = row.trim_end_matches(" |").rsplit(" | ").next().unwrap_or_default();
        for name in shown_by.split('`').skip(1).step_by(2) {
            let (suite, name) = name.split_once(": ").unwrap_or(("", name));
            let exists = match suite {
                "fuzz" => root.join(format!("fuzz/fuzz_targets/{name}.rs")).exists(),
                _ => {
                    root.join(name).exists()
                        || sources.contains(&format!("fn {name}("))
                        || sources.contains(&format!("mod {name};"))
                }
            };
            assert!(exists, "there is no {name}");
        }
    }
}
