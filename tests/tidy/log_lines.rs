//! Lines of the levels warn and error, which docs/operating.md explains.

use super::source::{RUST_FILES, is_production, read};

/// Where a line begins in the source.
const MACROS: &[&str] = &["log::warn!(", "log::error!(", ".warn(", "let why = format_args!("];

/// The shortest text by which a line can be found.
const TELLING: usize = 12;

/// Each line of the levels warn and error is explained to operators: the longest part of it that is
/// always the same stands in the document.
#[test]
fn operators_read_what_to_do_for_each_warning_and_error() {
    let document = in_one_line(&read("docs/operating.md"));
    let (mut complaints, mut explained) = (Vec::new(), 0);
    let servers = |path: &str| is_production(path) && !path.contains("src/bin/readyc/");
    for file in RUST_FILES.iter().filter(|file| servers(&file.path)) {
        for text in MACROS.iter().flat_map(|name| behind(&file.text, name)) {
            let Some(telling) = telling_part(text) else { continue };
            match document.contains(&telling) {
                true => explained += 1,
                false => complaints.push(format!(
                    "{}: \"{telling}\": say in docs/operating.md (Warnings and errors) what to do",
                    file.path
                )),
            }
        }
    }
    assert!(explained >= 40, "only {explained} lines were found");
    super::check(complaints);
}

/// The source behind each use of `name`, up to the end of the statement.
fn behind<'a>(text: &'a str, name: &str) -> Vec<&'a str> {
    let uses = text.match_indices(name).map(|(at, _)| &text[at + name.len()..]);
    uses.map(|rest| rest.split(");").next().unwrap_or(rest)).collect()
}

/// The longest part between two placeholders of the literal in `call`; `None` if all of it differs.
fn telling_part(call: &str) -> Option<String> {
    let literal = call.split_once('"')?.1;
    let literal = literal.split('"').next()?;
    let literal = in_one_line(&literal.replace("\\\n", " "));
    let parts = literal.split('{').map(|part| part.split_once('}').map_or(part, |(_, rest)| rest));
    let parts = parts.map(|part| part.trim_matches([' ', ':', ';', '(', ')']));
    let longest = parts.max_by_key(|part| part.len())?;
    (longest.len() >= TELLING).then(|| longest.to_owned())
}

fn in_one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
