//! Networks around another network pass every call on.

use super::source::{RUST_FILES, read};

/// The files of the seam.
const SEAM: &[&str] = &[
    "src/io/net.rs",
    "src/io/net/accept.rs",
    "src/io/net/connect.rs",
    "src/io/net/secure.rs",
    "src/io/host.rs",
];

/// Networks around another, and where they are.
const AROUND: &[(&str, &str)] = &[("Secured", "src/tls/"), ("Captured", "src/capture/")];

/// Functions whose default calls another one of the trait.
const IN_OTHER_WORDS: &[&str] = &["connect"];

/// A function of the seam that has a default is easily forgotten in a network around another: then
/// the default answers, and the network below is never asked. A server with TLS lost its listeners
/// in an upgrade in this way.
#[test]
fn a_network_around_another_passes_every_call_on() {
    let mut complaints = Vec::new();
    let mut compared = 0;
    for path in SEAM {
        let seam = read(path);
        for (name, body) in blocks(&seam, "pub trait ", |line| {
            line.split([':', ' ', '{']).next().unwrap_or_default().to_owned()
        }) {
            for (network, folder) in AROUND {
                let of_it = format!(" {name} for {network}<");
                let files = RUST_FILES.iter().filter(|file| file.path.starts_with(folder));
                let own = files.flat_map(|file| blocks(&file.text, "impl<", str::to_owned));
                let Some((_, own)) = own.into_iter().find(|(line, _)| line.contains(&of_it)) else {
                    continue;
                };
                let own: Vec<&str> = functions(&own).collect();
                for function in functions(&body).filter(|name| !IN_OTHER_WORDS.contains(name)) {
                    compared += 1;
                    if !own.contains(&function) {
                        complaints.push(format!(
                            "{network} does not pass on {name}::{function}: its default answers"
                        ));
                    }
                }
            }
        }
    }
    assert!(compared >= 40, "only {compared} functions were found");
    super::check(complaints);
}

/// The items that begin with `beginning` at the left margin: what `named` makes of the rest of the
/// first line, and the text up to the closing brace.
fn blocks(text: &str, beginning: &str, named: impl Fn(&str) -> String) -> Vec<(String, String)> {
    let starts = text.match_indices(beginning).map(|(at, _)| at);
    let starts = starts.filter(|at| *at == 0 || text[..*at].ends_with('\n'));
    starts
        .map(|at| {
            let item = text[at..].split("\n}").next().unwrap_or_default();
            let line = item.lines().next().unwrap_or_default();
            (named(&line[beginning.len()..]), item.to_owned())
        })
        .collect()
}

fn functions(item: &str) -> impl Iterator<Item = &str> {
    let names = item.lines().filter_map(|line| line.strip_prefix("    fn "));
    names.filter_map(|rest| rest.split(['(', '<']).next())
}
