//! The README's examples, run: what it shows is what a reader gets.

use super::support::readyc::READYC;
use super::support::tools::{self, Input};
use super::support::{Launch, loopback_of_ones_own};
use std::process::Command;

const README: &str = include_str!("../../README.md");

/// A command and the lines shown under it.
struct Example<'a> {
    command: &'a str,
    shown: String,
}

/// The examples in the README's `console` blocks. A command may go on in lines that are indented.
fn examples() -> Vec<Example<'static>> {
    let mut examples: Vec<Example<'_>> = Vec::new();
    for block in README.split("```console\n").skip(1) {
        let block = block.split("```").next().unwrap_or_default();
        for part in block.split("$ ").skip(1) {
            let end = part
                .match_indices('\n')
                .map(|(at, _)| at)
                .find(|&at| !part[..at].ends_with('\\'))
                .unwrap_or(part.len());
            let (command, shown) = part.split_at(end);
            examples.push(Example { command, shown: shown.trim_start_matches('\n').to_owned() });
        }
    }
    examples
}

/// What does not change from run to run: every number, and the sign before it, stands for any
/// other.
fn shape(text: &str) -> String {
    let mut shape = String::new();
    for c in text.trim_end().chars() {
        match c {
            '\r' => {}
            '0'..='9' if shape.ends_with('#') => {}
            '0'..='9' => shape.push('#'),
            '+' | '-' => shape.push('±'),
            _ => shape.push(c),
        }
    }
    // The names of days and months change too, but not in which places they stand.
    let is_name = |word: &&str| word.len() == 3 && word.chars().all(|c| c.is_ascii_alphabetic());
    shape
        .split(' ')
        .map(|word| if is_name(&word) { "aaa" } else { word })
        .collect::<Vec<_>>()
        .join(" ")
}

#[test]
fn every_example_gives_what_it_shows() {
    let Some(nc) = tools::find("nc.openbsd") else { return tools::skip("no nc.openbsd") };
    let address = loopback_of_ones_own().to_string();
    let examples = examples();
    let launch = examples.iter().find(|example| example.command.starts_with("readyd --listen"));
    let listeners: Vec<String> = launch
        .expect("the README starts a server")
        .command
        .split_whitespace()
        .filter(|word| word.contains('='))
        .map(|listener| listener.replace("127.0.0.1", &address))
        .collect();
    let server = Launch::of(&listeners.iter().map(String::as_str).collect::<Vec<_>>())
        .args(&["--utc"])
        .start();

    let mut run = 0;
    for Example { command, shown } in &examples {
        if command.starts_with("cargo") || command.starts_with("readyd") {
            continue;
        }
        let here = command
            .replace("nc ", &format!("{} ", nc.display()))
            .replace("127.0.0.1", &address)
            .replace("readyc", READYC);
        let mut shell = Command::new("sh");
        shell.args(["-c", &here]).env("READYC_SERVER", format!("{address}:9999"));
        let output = tools::run(&mut shell, Input::Silent);
        let printed = String::from_utf8_lossy(&output.stdout);
        assert_eq!(shape(&printed), shape(shown), "{command}\nprinted:\n{printed}");
        run += 1;
    }
    assert!(run >= 15, "only {run} examples were found in the README");
    drop(server);
}
