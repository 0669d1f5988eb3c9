//! The completions of bash, zsh and fish in packaging/completions, made from the table of flags.

#[cfg(all(feature = "ops", feature = "trace"))]
use super::run;
use crate::config::flags::{FLAGS, Flag, is_list};
use crate::documented;
use crate::handlers::SERVICES;

/// What a shell offers for the value of a flag.
enum Offer {
    Nothing,
    Files,
    Users,
    Words(Vec<String>),
    /// Words that go on: no space follows.
    Beginnings(Vec<String>),
}

fn words(words: &[&str]) -> Offer {
    Offer::Words(words.iter().map(|word| (*word).to_owned()).collect())
}

fn offer(flag: &Flag) -> Offer {
    match flag.name {
        "listen" => {
            Offer::Beginnings(SERVICES.iter().map(|row| format!("{}=", row.name)).collect())
        }
        "log" => words(&["off", "error", "warn", "info", "debug", "trace"]),
        "shards" => words(&["auto"]),
        "sandbox" => words(&["require", "try", "off"]),
        "table-order" => words(&["key-value", "value-key"]),
        "trace-addresses" => words(&["full", "hash"]),
        "user" => Offer::Users,
        _ if flag.value.is_some_and(|value| value.starts_with("FILE")) => Offer::Files,
        _ => Offer::Nothing,
    }
}

/// What is above each of the three files.
const MADE: &str =
    "# Made from the table of flags: UPDATE_DOCS=1 cargo test --lib --bin readyc documented";

#[cfg(all(feature = "ops", feature = "trace"))]
#[test]
fn every_offered_value_is_one() {
    for flag in FLAGS {
        if let Offer::Words(words) = offer(flag) {
            let help = [flag.help, flag.more].concat();
            for word in words {
                assert!(help.contains(&word), "--{}: {help} has no {word}", flag.name);
                let (flag, value) = (format!("--{}", flag.name), word.as_str());
                let outcome = run(&["--trace", "/dev/shm/a", &flag, value]);
                assert!(outcome.is_ok(), "{flag} {value}: {outcome:?}");
            }
        }
    }
}

#[test]
fn documented_completion_of_bash() {
    let mut cases = String::new();
    let mut of_nothing = Vec::new();
    for flag in FLAGS.iter().filter(|flag| flag.value.is_some()) {
        let name = flag.name;
        let action = match offer(flag) {
            Offer::Nothing => {
                of_nothing.push(format!("--{name}"));
                continue;
            }
            Offer::Files => {
                "compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- \"$cur\")".to_owned()
            }
            Offer::Users => "mapfile -t COMPREPLY < <(compgen -u -- \"$cur\")".to_owned(),
            Offer::Words(words) => {
                format!("mapfile -t COMPREPLY < <(compgen -W \"{}\" -- \"$cur\")", words.join(" "))
            }
            Offer::Beginnings(words) => format!(
                "compopt -o nospace; mapfile -t COMPREPLY < <(compgen -W \"{}\" -- \"$cur\")",
                words.join(" ")
            ),
        };
        cases += &format!("    --{name}) {action}; return ;;\n");
    }
    let mut names: Vec<String> = FLAGS.iter().map(|flag| format!("--{}", flag.name)).collect();
    names.extend(["-h", "--help", "-V", "--version"].map(str::to_owned));
    let lines: Vec<String> = names.chunks(5).map(|chunk| chunk.join(" ")).collect();
    let text = format!(
        "# bash completion for readyd\n\
         {MADE}\n\
         \n\
         _readyd() {{\n\
         \x20   local cur=${{COMP_WORDS[COMP_CWORD]}} prev=${{COMP_WORDS[COMP_CWORD-1]}}\n\
         \x20   # COMP_WORDBREAKS has =, so --flag=value is three words.\n\
         \x20   if [[ $prev == = ]]; then\n\
         \x20       prev=${{COMP_WORDS[COMP_CWORD-2]}}\n\
         \x20   elif [[ $cur == = ]]; then\n\
         \x20       cur=\n\
         \x20   fi\n\
         \x20   COMPREPLY=()\n\
         \x20   case $prev in\n\
         {cases}\
         \x20   {})\n\
         \x20       return ;;\n\
         \x20   esac\n\
         \x20   mapfile -t COMPREPLY < <(compgen -W \"\n\
         \x20       {}\n\
         \x20   \" -- \"$cur\")\n\
         }}\n\
         complete -F _readyd readyd\n",
        of_nothing.join(" |\\\n        "),
        lines.join("\n        ")
    );
    documented::compare_file("packaging/completions/readyd.bash", &text);
}

#[test]
fn documented_completion_of_zsh() {
    let escape = |text: &str| {
        let text = text.replace('\\', "\\\\").replace('\'', "'\\''");
        text.replace('[', "\\[").replace(']', "\\]").replace(':', "\\:")
    };
    let mut specs = String::new();
    for flag in FLAGS {
        let (name, help) = (flag.name, escape(flag.help));
        let repeats = if is_list(name) { "*" } else { "" };
        let Some(value) = flag.value else {
            specs += &format!("    '--{name}[{help}]' \\\n");
            continue;
        };
        let action = match offer(flag) {
            Offer::Nothing => " ".to_owned(),
            Offer::Files => "_files".to_owned(),
            Offer::Users => "_users".to_owned(),
            Offer::Words(words) => format!("({})", words.join(" ")),
            // compadd -S '': no space follows.
            Offer::Beginnings(words) => {
                let words: Vec<String> = words.iter().map(|word| format!("\"{word}\"")).collect();
                format!("{{compadd -S \"\" -- {}}}", words.join(" "))
            }
        };
        specs += &format!("    '{repeats}--{name}=[{help}]:{}:{action}' \\\n", escape(value));
    }
    let text = format!(
        "#compdef readyd\n{MADE}\n\n_arguments -S \\\n{specs}    \
         '(- *)'{{-h,--help}}'[print the flags]' \\\n    \
         '(- *)'{{-V,--version}}'[print the version]'\n"
    );
    documented::compare_file("packaging/completions/_readyd", &text);
}

#[test]
fn documented_completion_of_fish() {
    let mut text = format!("# fish completion for readyd\n{MADE}\n\ncomplete -c readyd -f\n");
    for flag in FLAGS {
        let help = flag.help.replace('\\', "\\\\").replace('\'', "\\'");
        let value = match (flag.value, offer(flag)) {
            (None, _) => String::new(),
            (Some(_), Offer::Nothing) => " -x".to_owned(),
            (Some(_), Offer::Files) => " -r -F".to_owned(),
            (Some(_), Offer::Users) => " -x -a '(__fish_complete_users)'".to_owned(),
            (Some(_), Offer::Words(words) | Offer::Beginnings(words)) => {
                format!(" -x -a '{}'", words.join(" "))
            }
        };
        text += &format!("complete -c readyd -l {}{value} -d '{help}'\n", flag.name);
    }
    text += "complete -c readyd -s h -l help -d 'print the flags'\n\
             complete -c readyd -s V -l version -d 'print the version'\n";
    documented::compare_file("packaging/completions/readyd.fish", &text);
}
