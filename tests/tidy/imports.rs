//! Which modules a file of the library or of a program imports.

use crate::source::numbered;

/// The module that a file is, without `crate`: `src/io/net.rs` is `io::net`.
pub(crate) fn module_of(path: &str) -> Vec<String> {
    let path = path.trim_start_matches("src/").trim_end_matches(".rs");
    path.split('/').filter(|&part| part != "lib").map(String::from).collect()
}

/// Every path in `code` that leads to a module of the library, with its line: from `use` as well as
/// in the middle of an expression. `module` is where the code stands.
pub(crate) fn imports(code: &str, module: &[String]) -> Vec<(usize, Vec<String>)> {
    let tokens = tokens(code);
    let mut found = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let before = |count| at.checked_sub(count).map_or("", |at| tokens[at].1);
        // `pub(in super::super)` is no import.
        let is_start = before(1) != "::" && (before(1), before(2)) != ("in", "(");
        let in_program = module.first().is_some_and(|room| room == "bin");
        let start = match tokens[at].1 {
            "readyd" if in_program => Some(Vec::new()),
            "crate" if !in_program => Some(Vec::new()),
            "super" if !in_program => Some(module[..module.len().saturating_sub(1)].to_vec()),
            _ => None,
        };
        let is_path = tokens.get(at + 1).is_some_and(|&(_, token)| token == "::");
        match start.filter(|_| is_path && is_start) {
            Some(prefix) => at = follow(&tokens, at + 2, prefix, &mut found),
            None => at += 1,
        }
    }
    found
}

/// Reads the path or the tree of paths that begins at `at`, after `prefix` and `::`. Says where it
/// ended.
fn follow(
    tokens: &[(usize, &str)],
    mut at: usize,
    mut prefix: Vec<String>,
    found: &mut Vec<(usize, Vec<String>)>,
) -> usize {
    while let Some(&(line, token)) = tokens.get(at) {
        at += 1;
        match token {
            "super" => drop(prefix.pop()),
            "{" => {
                while tokens.get(at).is_some_and(|&(_, token)| token != "}") {
                    at = match tokens[at].1 {
                        "," => at + 1,
                        _ => follow(tokens, at, prefix.clone(), found),
                    };
                }
                return at + 1;
            }
            name => prefix.push(name.to_owned()),
        }
        if tokens.get(at).is_none_or(|&(_, token)| token != "::") {
            found.push((line, prefix));
            return at;
        }
        at += 1;
    }
    at
}

/// Words, `::` and single other characters, each with its line.
fn tokens(code: &str) -> Vec<(usize, &str)> {
    let mut tokens = Vec::new();
    for (number, mut line) in numbered(code) {
        while let Some(head) = line.chars().next() {
            let is_part = |c: char| c.is_alphanumeric() || c == '_';
            let length = match head {
                _ if is_part(head) => line.find(|c| !is_part(c)).unwrap_or(line.len()),
                ':' if line.starts_with("::") => 2,
                _ => head.len_utf8(),
            };
            let (token, rest) = line.split_at(length);
            if !head.is_whitespace() {
                tokens.push((number, token));
            }
            line = rest;
        }
    }
    tokens
}

/// The code without the line that follows `#[cfg(test)]`, which is mostly `mod tests;`.
pub(crate) fn without_test_items(code: &str) -> String {
    let mut is_test = false;
    let mut kept = String::new();
    for line in code.lines() {
        kept.push_str(if is_test { "" } else { line });
        kept.push('\n');
        is_test = line.trim_start().starts_with("#[cfg(test)]");
    }
    kept
}

#[test]
fn imports_are_found_in_trees_and_expressions() {
    let code =
        "use super::{a::{B, self}, super::c};\npub(in super::super) fn f() -> crate::d::E {}\n";
    let module = ["io", "net", "mock"].map(String::from);
    let found: Vec<(usize, String)> =
        imports(code, &module).into_iter().map(|(line, path)| (line, path.join("::"))).collect();
    let expected = [(1, "io::net::a::B"), (1, "io::net::a::self"), (1, "io::c"), (2, "d::E")];
    assert_eq!(found, expected.map(|(line, path)| (line, path.to_owned())));
}
