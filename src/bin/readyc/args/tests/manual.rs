//! The parts of readyc(1) that come from the table of commands.

use super::documented::{self, mdoc, mdoc_line, mdoc_word};
use crate::args::command;
use clap::{Arg, ArgAction, Command};

const PAGE: &str = "packaging/man/readyc.1";

/// What stands in the help of each command, but once in the page.
const OF_EVERY_COMMAND: [&str; 3] = ["server", "connect_timeout", "timeout"];

fn readyc() -> Command {
    let mut readyc = command();
    readyc.build();
    readyc
}

fn is_help(command: &Command) -> bool {
    command.get_name() == "help"
}

/// `.It` of an option: its flags and its value.
fn option(arg: &Arg) -> String {
    let short = arg.get_short().map(|short| format!("Fl {short}"));
    let long = arg.get_long().map(|long| format!("Fl Fl {long}"));
    let flags: Vec<String> = short.into_iter().chain(long).collect();
    let takes_value = matches!(arg.get_action(), ArgAction::Set | ArgAction::Append);
    let names = arg.get_value_names().unwrap_or_default();
    let value = match (takes_value, names) {
        (true, [name]) => format!(" Ar {}", mdoc_word(name)),
        _ => String::new(),
    };
    format!(".It {}{value}\n", flags.join(" , "))
}

fn explained(arg: &Arg) -> String {
    let help = arg.get_long_help().or(arg.get_help()).expect("every option has a help");
    let defaults: Vec<_> =
        arg.get_default_values().iter().map(|value| value.to_string_lossy()).collect();
    let takes_value = matches!(arg.get_action(), ArgAction::Set | ArgAction::Append);
    let default = match takes_value && !arg.is_hide_default_value_set() && !defaults.is_empty() {
        true => format!(" [default: {}]", defaults.join(" ")),
        false => String::new(),
    };
    mdoc(&format!("{help}{default}."))
}

fn items<'a>(args: impl Iterator<Item = &'a Arg>) -> String {
    let items: String = args.map(|arg| [option(arg), explained(arg)].concat()).collect();
    match items.is_empty() {
        true => String::new(),
        false => format!(".Bl -tag -width Ds\n{items}.El\n"),
    }
}

/// A command and those below it: how it is called, its arguments, its options, and its remarks.
fn section(name: &str, command: &Command) -> String {
    let options = command.get_opts().chain(command.get_arguments().filter(|arg| is_switch(arg)));
    let options: Vec<&Arg> = options.filter(|arg| arg.get_id() != "help").collect();
    let positionals: Vec<&Arg> = command.get_positionals().collect();
    let mut call = format!(".Ss {name}\n.Nm\n.Cm {name}\n");
    if !options.is_empty() {
        call += ".Op Ar OPTION ...\n";
    }
    for arg in &positionals {
        let [value] = arg.get_value_names().unwrap_or_default() else { panic!("{arg:?}") };
        let more = if arg.get_num_args().is_some_and(|count| count.max_values() > 1) {
            " ..."
        } else {
            ""
        };
        let macros = if arg.is_required_set() { ".Ar" } else { ".Op Ar" };
        let behind = if arg.is_last_set() { ".Op Fl Fl\n" } else { "" };
        call += &format!("{behind}{macros} {}{more}\n", mdoc_word(value));
    }
    let about = command.get_long_about().or(command.get_about()).expect("every command has it");
    let mut text = format!("{call}.Pp\n{}", mdoc(&format!("{about}.")));
    let arguments: String = positionals
        .iter()
        .map(|arg| {
            let [value] = arg.get_value_names().unwrap_or_default() else { panic!("{arg:?}") };
            format!(".It Ar {}\n{}", mdoc_word(value), explained(arg))
        })
        .collect();
    if !arguments.is_empty() {
        text += &format!(".Bl -tag -width Ds\n{arguments}.El\n");
    }
    let is_listed =
        |arg: &&&Arg| name == "bench" || !OF_EVERY_COMMAND.contains(&arg.get_id().as_str());
    let mut headings: Vec<Option<&str>> = Vec::new();
    for arg in options.iter().filter(is_listed) {
        if !headings.contains(&arg.get_help_heading()) {
            headings.push(arg.get_help_heading());
        }
    }
    for heading in headings {
        let title = heading.unwrap_or("Options");
        let of_heading =
            options.iter().filter(is_listed).filter(|arg| arg.get_help_heading() == heading);
        text += &format!(".Pp\n{title}:\n{}", items(of_heading.copied()));
    }
    if let Some(after) = command.get_after_long_help().or(command.get_after_help()) {
        let lines: String = after.to_string().lines().map(mdoc_line).collect();
        text += &format!(".Bd -literal -offset Ds\n{lines}.Ed\n");
    }
    for below in command.get_subcommands().filter(|below| !is_help(below)) {
        text += &section(&format!("{name} {}", below.get_name()), below);
    }
    text
}

fn is_switch(arg: &Arg) -> bool {
    !arg.is_positional() && !matches!(arg.get_action(), ArgAction::Set | ArgAction::Append)
}

#[test]
fn documented_options_of_readyc_1() {
    let readyc = readyc();
    documented::compare(PAGE, "options", &items(readyc.get_arguments()));
}

#[test]
fn documented_commands_of_readyc_1() {
    let readyc = readyc();
    let commands = readyc.get_subcommands().filter(|command| !is_help(command));
    let text: String = commands.map(|command| section(command.get_name(), command)).collect();
    documented::compare(PAGE, "commands", &text);
}

/// What clap_complete makes for each shell.
#[test]
fn documented_completions_of_readyc() {
    use clap_complete::Shell;
    let of_shells =
        [(Shell::Bash, "readyc.bash"), (Shell::Zsh, "_readyc"), (Shell::Fish, "readyc.fish")];
    for (shell, name) in of_shells {
        let mut script = Vec::new();
        clap_complete::generate(shell, &mut command(), "readyc", &mut script);
        let script = String::from_utf8(script).unwrap();
        documented::compare_file(&format!("packaging/completions/{name}"), &script);
    }
}
