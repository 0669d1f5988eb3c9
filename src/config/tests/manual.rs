//! The parts of the manual pages that come from the tables of flags, services and commands.

use crate::config::flags::{FLAGS, Flag, HEADINGS, is_list, is_only_on_command_line};
use crate::documented::{self, mdoc, mdoc_word};
use crate::handlers::SERVICES;
use crate::handlers::framed::COMMANDS;

/// A flag's explanation in sentences, its default last.
fn explained(flag: &Flag) -> String {
    let (help, default) = match flag.help.split_once(" [") {
        Some((help, default)) => (help, default.trim_end_matches(']')),
        None => (flag.help, ""),
    };
    let mut sentences = format!("{help}.");
    if let Some(first) = sentences.get_mut(..1)
        && !is_name(help)
    {
        first.make_ascii_uppercase();
    }
    if !flag.more.is_empty() {
        sentences += &format!("\n{}", flag.more);
    }
    if !default.is_empty() {
        sentences += &format!(" Default: {default}.");
    }
    sentences
}

/// Whether a help begins with a value, which keeps its case.
fn is_name(help: &str) -> bool {
    ["require,", "off,", "full,", "key-value "].iter().any(|value| help.starts_with(value))
}

fn left(dashes: &str, flag: &Flag) -> String {
    let value = flag.value.map_or(String::new(), |value| format!(" Ar {}", mdoc_word(value)));
    format!(".It {dashes} {}{value}\n", flag.name)
}

#[test]
fn documented_options_of_readyd_8() {
    let mut text = String::new();
    for flag in FLAGS {
        if let Some((_, title)) = HEADINGS.iter().find(|(first, _)| *first == flag.name) {
            let end = if text.is_empty() { "" } else { ".El\n" };
            text += &format!("{end}.Ss {title}\n.Bl -tag -width Ds\n");
        }
        text += &left("Fl Fl", flag);
        text += &mdoc(&explained(flag));
    }
    text += ".It Fl h , Fl Fl help\nPrint the flags; with\n.Fl Fl help ,\nexplained.\n";
    text += ".It Fl V , Fl Fl version\nPrint the version.\n.El\n";
    documented::compare("packaging/man/readyd.8", "options", &text);
}

#[test]
fn documented_services_of_readyd_8() {
    let mut text = String::from(".Bl -tag -width greeting -compact\n");
    for service in &SERVICES {
        text += &format!(".It Cm {}\n{}", service.name, mdoc(service.help));
    }
    documented::compare("packaging/man/readyd.8", "services", &(text + ".El\n"));
}

#[test]
fn documented_settings_of_readyd_conf_5() {
    let mut text = String::from(".Bl -tag -width Ds -compact\n");
    for flag in FLAGS.iter().filter(|flag| !is_only_on_command_line(flag.name)) {
        let is_repeated = is_list(flag.name) && !flag.help.contains("repeatable");
        text += &left("Ic", flag);
        text += &mdoc(&format!("{}{}", flag.help, if is_repeated { "; repeatable" } else { "" }));
    }
    documented::compare("packaging/man/readyd.conf.5", "settings", &(text + ".El\n"));
}

#[test]
fn documented_commands_of_readyd_protocol_7() {
    let mut text = String::from(".Bl -tag -width Ds\n");
    for command in &COMMANDS {
        // mandoc would ask for a space before the exclamation mark.
        let usage = mdoc_word(&command.usage()).replace("!\"", "!\\&\"");
        text += &format!(".It Ql {usage}\n{}", mdoc(command.help));
    }
    documented::compare("packaging/man/readyd-protocol.7", "commands", &(text + ".El\n"));
}
