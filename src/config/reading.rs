//! Reading the command line and the file that it names, and combining the two.
//!
//! Invariant: reading goes on after an error, so that all are found at once. A flag that is wrong
//! leaves its setting as it was.

use super::duplicates;
use super::error::{ConfigError, ConfigErrors, Origin, Origins};
use super::flags::{Flag, HEALTH, HelpLength, ONLY_ON_COMMAND_LINE, find_flag, is_list};
use super::health;
use super::listen::{BindTarget, Listen};
use super::{Command, Config};
use crate::handlers::Service;
use std::ffi::OsString;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

/// The bytes that some editors put at the start of a file in UTF-8.
const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// The result of reading a command line and the configuration file that it names.
#[derive(Debug)]
pub struct Reading {
    /// The command, without the settings that are wrong.
    pub command: Command,
    /// Where each setting stands.
    pub origins: Origins,
    /// The errors.
    pub errors: ConfigErrors,
}

/// Reads the command line (without the program's name), and the configuration file if it names one.
pub fn read(args: impl IntoIterator<Item = OsString>) -> Reading {
    let mut reader = Reader::default();
    let command = match reader.arguments(args) {
        Arguments::Flags(given) => {
            reader.apply(&given);
            Command::Run(Box::new(reader.config))
        }
        Arguments::Other(command) => {
            reader.errors = ConfigErrors::default();
            command
        }
    };
    Reading { command, origins: reader.origins, errors: reader.errors }
}

/// As [`read`], without the places of the settings.
///
/// # Errors
///
/// [`ConfigErrors`] with all that is wrong.
pub fn from_args(args: impl IntoIterator<Item = OsString>) -> Result<Command, ConfigErrors> {
    let Reading { command, errors, .. } = read(args);
    if errors.is_empty() { Ok(command) } else { Err(errors) }
}

/// A flag on the command line, and its value if it takes one.
type Given = (&'static Flag, Option<String>);

/// The arguments of a command line.
enum Arguments {
    Flags(Vec<Given>),
    /// `--help`, `--version` or `--health`, whatever else there is.
    Other(Command),
}

#[derive(Default)]
struct Reader {
    config: Config,
    origins: Origins,
    errors: ConfigErrors,
}

impl Reader {
    fn arguments(&mut self, args: impl IntoIterator<Item = OsString>) -> Arguments {
        use lexopt::Arg::{Long, Short, Value};
        let mut parser = lexopt::Parser::from_args(args);
        let mut given: Vec<Given> = Vec::new();
        // The word after an unknown flag is taken for its value: one mistake, one error.
        let mut is_after_unknown = false;
        loop {
            let mut is_unknown = false;
            let next = match parser.next() {
                Ok(Some(argument)) => argument,
                Ok(None) => return Arguments::Flags(given),
                Err(error) => {
                    self.wrong(unexpected_value(error));
                    continue;
                }
            };
            match next {
                Short('h') => return Arguments::Other(Command::Help(HelpLength::Short)),
                Long("help") => return Arguments::Other(Command::Help(HelpLength::Long)),
                Short('V') | Long("version") => return Arguments::Other(Command::Version),
                Long(name) => match find_flag(name) {
                    Some(flag) if flag.name == HEALTH => {
                        if let Some(command) = self.health(flag, &mut parser) {
                            return Arguments::Other(command);
                        }
                    }
                    Some(flag) => given.extend(self.value_of(flag, &mut parser)),
                    None => {
                        let name = format!("--{name}");
                        is_unknown = parser.optional_value().is_none();
                        self.wrong(ConfigError::UnknownFlag(name));
                    }
                },
                Short(letter) => {
                    // `-listen` is one flag with a dash too few, and not six.
                    let rest = parser.optional_value().unwrap_or_default();
                    is_unknown = true;
                    let name = format!("-{letter}{}", rest.to_string_lossy());
                    self.wrong(ConfigError::UnknownFlag(name));
                }
                Value(_) if is_after_unknown => {}
                Value(value) => {
                    let value = value.to_string_lossy().into_owned();
                    self.wrong(ConfigError::UnexpectedArgument(value));
                }
            }
            is_after_unknown = is_unknown;
        }
    }

    /// The flag with its value; `None`, and an error is noted, if the value is wrong.
    fn value_of(&mut self, flag: &'static Flag, parser: &mut lexopt::Parser) -> Option<Given> {
        if flag.value.is_none() {
            return Some((flag, None));
        }
        let Ok(value) = parser.value() else {
            self.wrong(ConfigError::MissingValue(flag.name));
            return None;
        };
        let not_text = |value: OsString| ConfigError::BadValue {
            flag: flag.name,
            value: value.to_string_lossy().into_owned(),
            why: "not valid UTF-8".to_owned(),
        };
        match value.into_string() {
            Ok(text) => Some((flag, Some(text))),
            Err(value) => {
                self.wrong(not_text(value));
                None
            }
        }
    }

    /// What `--health` asks for; `None`, and an error is noted, if its value is wrong.
    fn health(&mut self, flag: &'static Flag, parser: &mut lexopt::Parser) -> Option<Command> {
        let (_, value) = self.value_of(flag, parser)?;
        let value = value.unwrap_or_default();
        match health::addresses(&value) {
            Ok(addresses) => Some(Command::Health(addresses)),
            Err(error) => {
                self.wrong(ConfigError::BadValue { flag: HEALTH, value, why: error.to_string() });
                None
            }
        }
    }

    /// Notes an error of the command line.
    fn wrong(&mut self, error: ConfigError) {
        self.errors.push(None, error);
    }

    /// Applies the file first, then the command line.
    fn apply(&mut self, given: &[Given]) {
        let file = given.iter().rev().find(|(flag, _)| flag.name == "config");
        if let Some((_, Some(path))) = file {
            self.file(Path::new(path));
            self.config.log_from_file = self.config.log.take();
        }
        // Flags that can be repeated replace all values of the file.
        for (flag, _) in given {
            match flag.name {
                "listen" => {
                    self.config.listeners.clear();
                    self.config.takes_passed_sockets = false;
                    self.origins.listeners.clear();
                }
                "allow" => self.config.limits.access.allow.clear(),
                "deny" => self.config.limits.access.deny.clear(),
                "stats-from" => self.config.limits.stats_from.clear(),
                _ => {}
            }
        }
        for (flag, value) in given {
            if flag.name != "config" {
                self.set(flag, value.as_deref().unwrap_or_default(), Origin::CommandLine);
            }
        }
        self.finish();
    }

    fn file(&mut self, path: &Path) {
        let bytes = match Config::read_file(path) {
            Ok(bytes) => bytes,
            Err(error) => return self.wrong(error),
        };
        let text = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(&bytes);
        let path: Arc<Path> = path.into();
        // The line of each setting. Few names: a search is as good as a map.
        let mut lines: Vec<(&'static str, usize)> = Vec::new();
        for (index, text) in text.split(|&byte| byte == b'\n').enumerate() {
            let line = index + 1;
            let origin = Origin::File { path: Arc::clone(&path), line };
            match std::str::from_utf8(text).map_err(|_| ConfigError::NotUtf8).and_then(setting) {
                Ok(Some((flag, value))) => {
                    let first = lines.iter().find(|(name, _)| *name == flag.name);
                    if let Some(&(flag, first)) = first {
                        // Which of the two is meant, only the operator knows.
                        self.errors.push(Some(&origin), ConfigError::Repeated { flag, first });
                        continue;
                    }
                    if !is_list(flag.name) {
                        lines.push((flag.name, line));
                    }
                    self.set(flag, value, origin);
                }
                Ok(None) => {}
                Err(error) => self.errors.push(Some(&origin), error),
            }
        }
    }

    fn set(&mut self, flag: &'static Flag, value: &str, origin: Origin) {
        match self.config.set(flag, value) {
            Ok(()) if self.config.listeners.len() > self.origins.listeners.len() => {
                self.origins.listeners.push(origin);
            }
            Ok(()) => self.origins.note(flag.name, origin),
            Err(error) => self.errors.push(Some(&origin), error),
        }
    }

    /// Checks and sets what depends on several settings.
    fn finish(&mut self) {
        let Reader { config, origins, errors } = self;
        duplicates::find(config, origins, errors);
        if config.listeners.is_empty() && !config.takes_passed_sockets {
            let target = BindTarget::Address(SocketAddr::from((Ipv4Addr::LOCALHOST, 9999)));
            let service = Service::FRAMED;
            config.listeners.push(Listen::new(service, target));
        }
        if let Some(max_connections) = config.max_connections {
            config.limits.max_connections = max_connections;
        }
        if let Some(memory_limit) = config.memory_limit {
            config.limits.memory_limit = memory_limit;
        }
        for error in config.limits.errors() {
            errors.push(origins.of(error.flag()), ConfigError::Limits(error));
        }
    }
}

/// lexopt reports a `--switch=value` at the argument after it.
fn unexpected_value(error: lexopt::Error) -> ConfigError {
    match error {
        lexopt::Error::UnexpectedValue { option, .. } => {
            match find_flag(option.trim_start_matches('-')) {
                Some(flag) => ConfigError::UnexpectedValue(flag.name),
                None => ConfigError::UnknownFlag(option),
            }
        }
        other => ConfigError::UnexpectedArgument(other.to_string()),
    }
}

/// Parses `name value`, `name = value` or `name`; `None` if the line is empty or begins with `#`.
fn setting(line: &str) -> Result<Option<(&'static Flag, &str)>, ConfigError> {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return Ok(None);
    }
    let line = line.trim_start_matches("--");
    let end = line.find(|c: char| c == '=' || c.is_whitespace()).unwrap_or(line.len());
    let (name, rest) = line.split_at(end);
    let long = match name {
        "-h" => "help",
        "-V" => "version",
        long => long,
    };
    if let Some(name) = ONLY_ON_COMMAND_LINE.into_iter().find(|name| *name == long) {
        return Err(ConfigError::OnlyOnCommandLine(name));
    }
    let Some(flag) = find_flag(name) else {
        return Err(ConfigError::UnknownFlag(name.to_owned()));
    };
    if let Some(comment) = comment_in(rest) {
        return Err(ConfigError::TrailingComment(comment.to_owned()));
    }
    let value = rest.trim_start();
    let value = value.strip_prefix('=').unwrap_or(value).trim();
    match (flag.value, value.is_empty()) {
        (Some(_), true) => Err(ConfigError::MissingValue(flag.name)),
        (None, false) => Err(ConfigError::UnexpectedValue(flag.name)),
        _ => Ok(Some((flag, value))),
    }
}

/// The part that looks like a comment behind a setting: a `#` after white space, and the rest of
/// the line.
fn comment_in(text: &str) -> Option<&str> {
    let is_start = |&(at, _): &(usize, &str)| {
        text.get(..at).is_some_and(|before| before.ends_with(char::is_whitespace))
    };
    let (at, _) = text.match_indices('#').find(is_start)?;
    text.get(at..)
}
