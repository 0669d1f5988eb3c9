use super::sample::eventful;
use serde_json::Value;
use std::collections::BTreeSet;

const SCHEMA_DOC: &str = include_str!("../../../docs/report-schema.md");

/// Names that are data, not fields: errors, kinds of requests, sysctls.
const MAPS: [&str; 5] = ["by_errno", "connect_by_errno", "errors_by_server", "kinds", "sysctls"];

fn fields<'a>(value: &'a Value, found: &mut BTreeSet<&'a str>) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                found.insert(name);
                match value {
                    Value::Object(entries) if MAPS.contains(&name.as_str()) => {
                        entries.values().for_each(|entry| fields(entry, found));
                    }
                    value => fields(value, found),
                }
            }
        }
        Value::Array(elements) => elements.iter().for_each(|element| fields(element, found)),
        Value::Null => panic!("a field of the sample is empty, so what it holds is not checked"),
        _ => {}
    }
}

#[test]
fn the_documented_schema_names_every_field() {
    let report = serde_json::to_value(eventful()).unwrap();
    // Only a storm that never ended has an empty field; the other one has it full.
    let mut report = report;
    report["storms"].as_array_mut().unwrap().truncate(1);
    let mut found = BTreeSet::new();
    fields(&report, &mut found);
    assert!(found.len() > 100, "{found:?}");
    let is_missing = |name: &&&str| {
        !SCHEMA_DOC.contains(&format!("`{name}`")) && !SCHEMA_DOC.contains(&format!("\"{name}\""))
    };
    let missing: Vec<_> = found.iter().filter(is_missing).collect();
    assert!(missing.is_empty(), "docs/report-schema.md does not name {missing:?}");
    assert!(SCHEMA_DOC.contains(super::SCHEMA));
}
