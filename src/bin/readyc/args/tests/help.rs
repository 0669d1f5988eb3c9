//! `-h` and `--help`: what they show is what the command accepts, and it fits a terminal.

use crate::args::command;
use clap::{Arg, Command};
use std::collections::BTreeSet;

/// Columns of the terminal that every help has to fit.
const COLUMNS: usize = 80;

/// Lines of `-h` that are read at a glance, and the most.
const SHORT_LINES: usize = 64;

/// readyc itself and each of its commands, under its whole name.
fn commands() -> Vec<(String, Command)> {
    let mut readyc = command();
    readyc.build();
    let of_commands = readyc.get_subcommands().filter(|command| command.get_name() != "help");
    let mut all: Vec<_> =
        of_commands.map(|command| (command.get_name().to_owned(), command.clone())).collect();
    assert_eq!(all.len(), 15);
    all.push(("readyc".to_owned(), readyc));
    all
}

fn both_helps(command: &mut Command) -> [String; 2] {
    [command.render_help().to_string(), command.render_long_help().to_string()]
}

/// The long options that a text names: words that begin with two dashes.
fn options_in(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '-');
    let names = words.filter_map(|word| word.strip_prefix("--")).filter(|name| !name.is_empty());
    names.map(str::to_owned).collect()
}

fn name(arg: &Arg) -> Option<String> {
    arg.get_long().map(str::to_owned)
}

#[test]
fn each_help_fits_eighty_columns() {
    for (name, mut command) in commands() {
        for help in both_helps(&mut command) {
            let longest = help.lines().max_by_key(|line| line.chars().count()).unwrap();
            assert!(longest.chars().count() <= COLUMNS, "{name}: {longest}");
        }
    }
}

/// An option, its value, its help and its default are one line.
#[test]
fn the_short_help_has_one_line_for_each_option() {
    for (name, mut command) in commands() {
        let [short, _] = both_helps(&mut command);
        assert!(short.lines().count() <= SHORT_LINES, "{name}: {}", short.lines().count());
        let shown = command.get_arguments().filter(|arg| !arg.is_hide_short_help_set());
        for long in shown.filter_map(Arg::get_long) {
            let begin = format!("--{long}");
            let is_its_line = |line: &&str| {
                let mut words = line.split([' ', ',']).filter(|word| !word.is_empty());
                let first = words.by_ref().find(|word| word.starts_with("--"));
                first == Some(&begin) && line.starts_with(['-', ' '])
            };
            let line = short.lines().find(is_its_line);
            let line = line.unwrap_or_else(|| panic!("{name}: no line for {begin}\n{short}"));
            assert!(line.contains("  "), "{name}: {line}");
        }
        // Help that does not fit beside its option goes on in a line that begins with no option.
        let is_spilt = |line: &&str| line.starts_with("            ");
        let of_arguments = short.split_once("Options:").map_or(short.as_str(), |(_, rest)| rest);
        assert_eq!(of_arguments.lines().find(is_spilt), None, "{name}");
    }
}

#[test]
fn the_long_help_says_more_than_the_short_one() {
    for (name, mut command) in commands() {
        let [short, long] = both_helps(&mut command);
        assert!(long.lines().count() > short.lines().count(), "{name}");
    }
}

/// No option is accepted in silence: the long help shows all, and names no other.
#[test]
fn what_is_accepted_is_shown_and_what_is_named_is_accepted() {
    for (command_name, mut command) in commands() {
        let [short, long] = both_helps(&mut command);
        let accepted: BTreeSet<String> = command.get_arguments().filter_map(name).collect();
        assert!(!command.get_arguments().any(Arg::is_hide_set), "{command_name} hides an option");
        let named = options_in(&long);
        let silent: Vec<_> = accepted.difference(&named).collect();
        assert!(silent.is_empty(), "{command_name} accepts {silent:?}, and its help is silent");
        for help in [short, long] {
            let unknown: Vec<_> = options_in(&help).difference(&accepted).cloned().collect();
            assert!(unknown.is_empty(), "the help of {command_name} names {unknown:?}");
        }
    }
}

/// Options of one group stand together.
#[test]
fn options_about_the_server_have_a_heading() {
    let has_server = |(_, command): &(String, Command)| {
        command.get_arguments().any(|arg| arg.get_long() == Some("server"))
    };
    let (with, without): (Vec<_>, Vec<_>) = commands().into_iter().partition(has_server);
    let names: Vec<_> = without.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["compare", "merge", "trace", "replay"]);
    for (name, mut command) in with {
        let [_, long] = both_helps(&mut command);
        let (_, under) = long.split_once("\nServer:\n").unwrap_or_else(|| panic!("{name}: {long}"));
        assert!(under.contains("--server <HOST[:PORT]>"), "{name}");
    }
}

/// Each command tells its own default.
#[test]
fn the_time_limit_for_an_answer_is_the_commands_own() {
    for (name, mut command) in commands() {
        let default = match name.as_str() {
            "compare" | "merge" | "trace" | "replay" | "doctor" => continue,
            "readyc" => "[default: 30s; bench: 5s]",
            "bench" => "[default: 5s]",
            _ => "[default: 30s]",
        };
        for help in both_helps(&mut command) {
            let (_, behind) = help.split_once("--timeout <DURATION>").unwrap();
            let at = behind.find("[default: ").unwrap();
            assert!(behind[at..].starts_with(default), "{name}: {behind}");
        }
    }
}

/// `-` stands for standard output wherever a file is written.
#[test]
fn every_output_says_what_a_dash_means() {
    let mut outputs = 0;
    for (name, command) in commands() {
        let is_output = |arg: &&Arg| arg.get_value_names().is_some_and(|names| names[0] == "FILE");
        for arg in command.get_arguments().filter(is_output) {
            let help = arg.get_long_help().or(arg.get_help()).unwrap().to_string();
            assert!(help.contains("standard output"), "{name}: {}: {help}", arg.get_id());
            outputs += 1;
        }
    }
    assert!(outputs >= 6, "{outputs}");
}
