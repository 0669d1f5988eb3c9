//! The catalogue of faults, `docs/reliability.md`, names tests that exist, and at least one for each.

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
        let named: Vec<&str> = row.split('`').filter(|word| word.starts_with("fault_")).collect();
        assert!(!named.is_empty(), "no test for fault {number}");
        for name in named {
            assert!(name.starts_with(&format!("fault_{number:02}_")), "{name} in row {number}");
            assert!(sources.contains(&format!("fn {name}(")), "there is no test {name}");
        }
    }
    let mut existing =
        sources.split("\nfn fault_").skip(1).filter_map(|rest| rest.split('(').next());
    let missing = existing.find(|name| !catalogue.contains(&format!("`fault_{name}`")));
    assert_eq!(missing, None, "a test that the catalogue does not name");
}
