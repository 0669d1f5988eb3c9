//! The command line and the configuration file: no panic, the same words mean the same in both, and
//! every error can be shown. And values, against a reference that computes them another way.
//!
//! Input: a byte that chooses; then arguments, settings, ranges of addresses, or one value.

mod ranges;
#[cfg(test)]
mod tests;
mod values;

use crate::printable::assert_harmless;
use crate::scratch_file::ScratchFile;
use arbitrary::{Arbitrary, Unstructured};
use readyd::config::{self, Command, Config, ConfigErrors, Origin};
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

/// Every flag but the one that [names a file](NAMES_A_FILE), whether it takes a value, and values
/// that do.
const FLAGS: &[(&str, &[&str])] = &[
    (
        "listen",
        &[
            "framed=127.0.0.1:0",
            "daytime=[::1]:13,format=dmy,ack",
            "echo=0.0.0.0:7,optional",
            "time=fd:3",
            "lookup=localhost:7",
            "discard=:8",
            "chargen=[fe80::1%lo]:7",
            "echo=unix:/run/readyd.sock",
            "framed=unix:@readyd,optional",
            "metrics=127.0.0.1:9100",
            "framed=unix:/x,mode=0660,owner=root:0",
            "time=127.0.0.1:37,freebind",
            "echo=systemd:web",
            "framed=:9,proxy=v2,from=10.0.0.0/8,from=2001:db8::/32",
            "echo=unix:@e,proxy=any,optional",
            "echo=:7,proxy=v1,from=10.0.0.1/8",
            "systemd:",
            "framed=:9,tls,cert=/c.pem,key=/k.pem",
            "echo=:7,tls,cert=c,key=k,client-ca=a,optional",
            "echo=:7,tls,cert=c",
            "echo=:7,key=k",
        ],
    ),
    ("reuse-port", &[]),
    ("shards", &["1", "1024", "0", "auto"]),
    ("shard-timeout", &["1s", "0s", "999ms"]),
    ("user", &["nobody", "65534:65534", ":"]),
    ("print-addresses", &[]),
    ("ready-fd", &["3", "65535", "2", "65536"]),
    ("table", &["a file"]),
    ("table-order", &["key-value", "value-key"]),
    ("table-limit", &["4GiB", "0"]),
    ("utc", &[]),
    ("max-connections", &["20k", "0", "2000m"]),
    ("max-connections-per-address", &["20", "0"]),
    ("accept-rate-per-address", &["1", "1k", "0"]),
    ("tls-handshake-rate", &["100", "0", "5m"]),
    ("allow", &["10.0.0.0/8, 2001:db8::/32", "::1", "::ffff:10.1.2.3", "10.0.0.1/8"]),
    ("deny", &["10.1.0.0/16", "::/0,0.0.0.0/0", "fe80::/129", "localhost"]),
    ("memory-limit", &["64KiB", "0"]),
    ("max-frame", &["1.5KiB", "1GiB", "0"]),
    ("output-limit", &["0", "1g"]),
    ("frame-timeout", &["500ms", "0s"]),
    ("idle-timeout", &["1.5h"]),
    ("write-timeout", &["7"]),
    ("drain-timeout", &["0us"]),
    ("log-rate", &["4294967295", "4294967296"]),
    ("exit-on-idle", &["2d", "0"]),
    ("backlog", &["4096"]),
    ("tcp-keepalive", &["1m", "1ms", "10h"]),
    ("tcp-user-timeout", &["30s", "0"]),
    ("trace", &["/dev/shm/trace", "ring,size=1MiB,paused", ",size=0"]),
    ("trace-on", &["turn>10ms,close=write_timeout,accept-paused", "close=no"]),
    ("trace-addresses", &["full", "hash", "none"]),
    ("capture", &["/tmp/capture-%p", "a,b,size=64KiB", ",size=1GiB", "c,size=0"]),
    ("log", &["off", "TRACE"]),
    ("check-config", &[]),
    ("stats-from", &["10.0.0.0/8,::1", "10.0.0.1/8"]),
    ("drain-delay", &["1500ms", "0", "-1"]),
    ("health", &["127.0.0.1:9100", ":9100", "unix:@metrics", "fd:3"]),
    ("check-sandbox", &[]),
    ("sandbox", &["require", "try", "off", "on"]),
];

/// A flag whose value is the name of a file of settings.
const NAMES_A_FILE: &str = "config";

/// A flag that only the command line has.
/// Flags that may be given more than once, in a file, too.
const LISTS: [&str; 4] = ["listen", "allow", "deny", "stats-from"];

const CHECK_CONFIG: &str = "check-config";

/// Another flag that only the command line has: with it, nothing is served.
const HEALTH: &str = "health";

/// And another one.
const CHECK_SANDBOX: &str = "check-sandbox";

#[derive(Arbitrary, Debug)]
enum Value<'a> {
    Known(u8),
    Text(&'a str),
}

/// A flag, and its value if it takes one.
#[derive(Arbitrary, Debug)]
struct Setting<'a> {
    flag: u8,
    value: Value<'a>,
}

impl Setting<'_> {
    fn words(&self) -> (&'static str, Option<&str>) {
        let (name, known) = FLAGS[usize::from(self.flag) % FLAGS.len()];
        let value = match self.value {
            _ if known.is_empty() => None,
            Value::Known(number) => Some(known[usize::from(number) % known.len()]),
            Value::Text(text) => Some(text),
        };
        (name, value)
    }
}

#[derive(Arbitrary, Debug)]
enum Argument<'a> {
    /// `--flag value`.
    Setting(Setting<'a>),
    /// `--flag=value`, also where the flag takes none.
    Joined(Setting<'a>, &'a [u8]),
    Any(&'a [u8]),
}

thread_local! {
    static FILE: ScratchFile = ScratchFile::new();
}

/// See the [module](self).
pub fn check(data: &[u8]) {
    let Some((choice, rest)) = data.split_first() else { return };
    match choice % 8 {
        0 | 4 => check_arguments(&mut Unstructured::new(rest)),
        1 | 5 => check_settings(&mut Unstructured::new(rest)),
        2 | 6 => check_file(rest),
        3 => values::check(&String::from_utf8_lossy(rest)),
        _ => ranges::check(&mut Unstructured::new(rest)),
    }
}

/// Whatever the arguments are.
fn check_arguments(input: &mut Unstructured<'_>) {
    let mut words: Vec<OsString> = Vec::new();
    while !input.is_empty()
        && let Ok(argument) = Argument::arbitrary(input)
    {
        match argument {
            Argument::Setting(setting) => {
                let (name, value) = setting.words();
                words.push(format!("--{name}").into());
                words.extend(value.map(OsString::from));
            }
            Argument::Joined(setting, value) => {
                let flag = format!("--{}=", setting.words().0);
                words.push(OsString::from_vec([flag.as_bytes(), value].concat()));
            }
            Argument::Any(bytes) => words.push(OsString::from_vec(bytes.to_vec())),
        }
    }
    // Whichever file it names, of the machine that this runs on, is not part of the input.
    let names_a_file = format!("--{NAMES_A_FILE}");
    if !words.iter().any(|word| word.to_string_lossy().starts_with(&names_a_file)) {
        let _ = run(words);
    }
}

/// The same settings on the command line and in a file.
fn check_settings(input: &mut Unstructured<'_>) {
    let (mut words, mut lines, mut given) = (Vec::new(), String::new(), Vec::new());
    while !input.is_empty()
        && let Ok(setting) = Setting::arbitrary(input)
    {
        let (name, value) = setting.words();
        let value = value.map(str::trim);
        let is_for_words_only = |text: &str| {
            // In a file it would end the line, or look like a comment.
            let after_space = |(at, _): (usize, &str)| text[..at].ends_with(char::is_whitespace);
            let has_comment = text.starts_with('#') || text.match_indices('#').any(after_space);
            text.is_empty() || text.contains('\n') || has_comment
        };
        let is_for_words = [CHECK_CONFIG, HEALTH, CHECK_SANDBOX].contains(&name);
        if is_for_words || value.is_some_and(is_for_words_only) {
            continue;
        }
        // On the command line the last one wins, and in a file a setting is given once.
        if !LISTS.contains(&name) {
            if given.contains(&name) {
                continue;
            }
            given.push(name);
        }
        words.push(OsString::from(match value {
            Some(value) => format!("--{name}={value}"),
            None => format!("--{name}"),
        }));
        lines += &format!("{name} = {}\n", value.unwrap_or_default());
    }
    let from_words = run(words);
    let from_file = run_file(lines.as_bytes());
    match (from_words, from_file) {
        (Ok(mut from_words), Ok(from_file)) => {
            // What a file says of the log gives way to the environment.
            from_words.log_from_file = from_words.log.take();
            assert_eq!(from_words, from_file);
        }
        (Err(errors), Err(in_file)) => assert_eq!(kinds(&errors), kinds(&in_file)),
        (from_words, from_file) => panic!("{from_words:?}, but from a file {from_file:?}"),
    }
}

/// What is wrong, without where: an error names others by their lines.
fn kinds(errors: &ConfigErrors) -> Vec<std::mem::Discriminant<config::ConfigError>> {
    errors.iter().map(|error| std::mem::discriminant(&error.what)).collect()
}

/// Whatever is in the file; and a file whose name is that, where there is none.
fn check_file(bytes: &[u8]) {
    if let Err(errors) = run_file(bytes) {
        let lines = bytes.split(|&byte| byte == b'\n').count();
        let is_in_file = |origin: &Origin| match origin {
            Origin::File { line, .. } => (1..=lines).contains(line),
            Origin::CommandLine => false,
        };
        assert!(errors.iter().all(|error| is_in_file(&error.origin)), "{errors}");
    }
    let missing = OsString::from_vec([b"/dev/null/", bytes].concat());
    run(vec!["--config".into(), missing]).expect_err("there is no such file");
}

fn run_file(contents: &[u8]) -> Result<Config, ConfigErrors> {
    FILE.with(|file| run(vec!["--config".into(), file.write(contents).into()]))
}

/// What the arguments ask for; for help and the version, the default.
fn run(words: Vec<OsString>) -> Result<Config, ConfigErrors> {
    match config::from_args(words) {
        Ok(Command::Run(config)) => {
            config.limits.validate().expect("limits that were validated");
            let serves = !config.listeners.is_empty() || config.takes_passed_sockets;
            assert!(serves, "nothing to serve");
            config.listeners.iter().for_each(values::check_listen);
            check_written_out(&config);
            Ok(*config)
        }
        Ok(Command::Help(_) | Command::Version | Command::CheckSandbox | Command::Health(_)) => {
            Ok(Config::default())
        }
        Err(errors) => {
            errors.iter().for_each(|error| assert_harmless(&error.to_string()));
            Err(errors)
        }
    }
}

/// A configuration that is written out as flags is understood as the same again.
fn check_written_out(config: &Config) {
    match config::from_args(config.to_args()) {
        Ok(Command::Run(again)) => {
            assert_eq!(
                *again,
                Config { log_from_file: None, counted_cpus: None, ..config.clone() }
            );
        }
        other => panic!("{other:?}"),
    }
}
