//! What is packaged beside the programs: manual pages and completions. Each is compared with what
//! the programs say of themselves, and tried with the program that reads it.

mod balanced;

use crate::support::readyc::READYC;
use crate::support::server::READYD;
use crate::support::tools::{self, Input};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const PAGES: [(&str, &str); 4] =
    [("readyd", "8"), ("readyc", "1"), ("readyd-protocol", "7"), ("readyd.conf", "5")];

fn packaging(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging").join(name)
}

fn page(name: &str, section: &str) -> String {
    fs::read_to_string(packaging(&format!("man/{name}.{section}"))).expect("a page")
}

/// What `command` prints on standard output and standard error.
fn printed(command: &mut Command) -> String {
    let output = tools::run(command, Input::Whole(b""));
    String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
}

#[test]
fn mandoc_has_no_complaint() {
    let Some(mandoc) = tools::find("mandoc") else { return };
    for (name, section) in PAGES {
        let file = packaging(&format!("man/{name}.{section}"));
        let lint = printed(Command::new(&mandoc).args(["-T", "lint", "-W", "all"]).arg(file));
        // It looks for other pages among those that are installed.
        let complaints: Vec<&str> =
            lint.lines().filter(|line| !line.contains("referenced manual not found")).collect();
        let is_about_the_page = |line: &&&str| line.contains(&format!("{name}.{section}:"));
        assert_eq!(complaints.iter().find(is_about_the_page), None);
        let text = page(name, section);
        for line in text.lines().filter(|line| line.starts_with(".Xr read")) {
            let words: Vec<&str> = line.split(' ').collect();
            assert!(PAGES.contains(&(words[1], words[2])), "{name}: {line}");
        }
    }
}

/// The long options that have a line of their own: explanations stand further to the right.
fn options_of_help(help: &str) -> BTreeSet<String> {
    let is_item = |line: &&str| line.trim_start().starts_with('-') && !line.starts_with("       ");
    let items = help.lines().filter(is_item).map(str::trim_start);
    let first = items.clone().filter_map(|line| line.split(' ').next());
    let long = first.chain(items.filter_map(after_short));
    long.filter_map(|word| word.strip_prefix("--")).map(str::to_owned).collect()
}

/// `--long` of the line `-s, --long`.
fn after_short(line: &str) -> Option<&str> {
    let (short, long) = line.split_once(", ")?;
    (short.len() == 2 && short.starts_with('-')).then(|| long.split(' ').next())?
}

/// The long options that have an item in a part of a page.
fn options_of_page(text: &str) -> BTreeSet<String> {
    let items = text.lines().filter(|line| line.starts_with(".It"));
    let names = items.flat_map(|line| line.split("Fl Fl ").skip(1));
    names.map(|rest| rest.split(' ').next().unwrap_or_default().to_owned()).collect()
}

#[test]
fn readyd_8_has_the_options_of_help_and_no_others() {
    let help = printed(Command::new(READYD).arg("--help"));
    let options = options_of_help(&help);
    assert!(options.len() > 40, "{options:?}");
    assert_eq!(options, options_of_page(&page("readyd", "8")));
}

#[test]
fn readyc_1_has_the_commands_and_options_of_help_and_no_others() {
    let text = page("readyc", "1");
    let (before, sections) = text.split_once(".Sh COMMANDS").expect("the commands");
    let shared = options_of_page(before);
    assert_eq!(options_of_help(&printed(Command::new(READYC).arg("--help"))), shared);
    let mut told: BTreeSet<&str> = BTreeSet::new();
    for section in sections.split(".Ss ").skip(1) {
        let name = section.lines().next().expect("a name");
        told.insert(name.split(' ').next().unwrap_or_default());
        let help = printed(Command::new(READYC).args(name.split(' ')).arg("--help"));
        let mut options = options_of_help(&help);
        options.remove("help");
        let of_section = options_of_page(section);
        let missing: Vec<&String> = options.difference(&of_section).collect();
        assert!(missing.iter().all(|option| shared.contains(*option)), "{name}: {missing:?}");
        assert!(of_section.is_subset(&options), "{name}: {of_section:?}, {options:?}");
    }
    let help = printed(Command::new(READYC).arg("--help"));
    let (_, list) = help.split_once("\nCommands:\n").expect("the list of commands");
    let lines = list.lines().take_while(|line| !line.is_empty());
    let commands = lines.filter(|line| !line.starts_with("   "));
    let names = commands.filter_map(|line| line.split_whitespace().next());
    assert_eq!(names.filter(|name| *name != "help").collect::<BTreeSet<_>>(), told);
}

/// What is typed, and words that have to be offered for it.
const TYPED: &[(&str, &[&str])] = &[
    ("readyd --max-conn", &["--max-connections", "--max-connections-per-address"]),
    ("readyd --log ", &["off", "error", "warn", "info", "debug", "trace"]),
    ("readyd --listen e", &["echo=", "exchange="]),
    ("readyd --sandbox r", &["require"]),
    ("readyd --shards ", &["auto"]),
    ("readyc d", &["daytime", "doctor"]),
    ("readyc bench --pipe", &["--pipeline"]),
    ("readyc trace i", &["import"]),
];

/// Checks that the shell reads the scripts of both programs, and offers what it should.
fn try_completions(
    scripts: [&str; 2],
    check: &[&str],
    mut offers: impl FnMut(&str) -> Vec<String>,
) {
    for script in scripts {
        let [shell, arguments @ ..] = check else { panic!("no shell") };
        let file = packaging("completions").join(script);
        let output = tools::run(Command::new(shell).args(arguments).arg(file), Input::Whole(b""));
        assert!(output.status.success() && output.stderr.is_empty(), "{script}: {output:?}");
    }
    for (typed, expected) in TYPED {
        let expected: BTreeSet<String> = expected.iter().map(|word| (*word).to_owned()).collect();
        assert_eq!(offers(typed).into_iter().collect::<BTreeSet<_>>(), expected, "{typed:?}");
    }
}

#[test]
fn bash_completes() {
    let Some(bash) = tools::find("bash") else { return };
    // What an interactive bash calls, with the words split as it splits them.
    let asks = "source \"$1/$2.bash\"; shift; complete -p \"$1\" >/dev/null || exit; \
                COMP_WORDS=(\"$@\"); COMP_CWORD=$(($# - 1)); COMP_LINE=\"$*\"; \
                COMP_POINT=${#COMP_LINE}; compopt() { :; }; \
                \"_$1\" \"$1\" \"${@: -1}\" \"${@: -2:1}\"; printf '%s\\n' \"${COMPREPLY[@]}\"";
    let folder = packaging("completions");
    let mut offers = |line: &str| {
        let mut command = Command::new(&bash);
        command.args(["--norc", "-c", asks, "bash"]).arg(&folder).args(line.split(' '));
        printed(&mut command).lines().map(|line| line.trim_end().to_owned()).collect()
    };
    try_completions(["readyd.bash", "readyc.bash"], &["bash", "-n"], &mut offers);
    let of_value = printed(
        Command::new(&bash)
            .args(["--norc", "-c", asks, "bash"])
            .arg(&folder)
            .args(["readyd", "--log", "=", "de"]),
    );
    assert_eq!(of_value, "debug\n");
}

#[test]
fn zsh_completes() {
    let Some(zsh) = tools::find("zsh") else { return };
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/e2e/packaged/offers.zsh");
    let folder = packaging("completions");
    try_completions(["_readyd", "_readyc"], &["zsh", "-n"], |line| {
        let mut command = Command::new(&zsh);
        let shown = printed(command.arg("-f").arg(&script).arg(&folder).arg(line));
        let offers = shown.lines().filter_map(|line| Some(line.split_once("offer ")?.1));
        offers.map(|word| word.trim_end().to_owned()).collect()
    });
}

#[test]
fn fish_completes() {
    let Some(fish) = tools::find("fish") else { return };
    let folder = packaging("completions");
    try_completions(["readyd.fish", "readyc.fish"], &["fish", "-n"], |line| {
        let program = line.split(' ').next().expect("a program");
        let script = folder.join(format!("{program}.fish"));
        let asks = "source $argv[1]; complete -C $argv[2]";
        let mut command = Command::new(&fish);
        command.args(["--no-config", "-c", asks]).arg(script).arg(line);
        let offers = printed(&mut command);
        offers.lines().map(|line| line.split('\t').next().unwrap_or_default().to_owned()).collect()
    });
}
