//! What can be wrong with the command line or the configuration file, and where.

use super::flags::{FLAGS, is_only_on_command_line};
use super::similar::nearest;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The most errors that are kept and shown; further ones are only counted. A file that is no
/// configuration at all would fill the screen otherwise.
const MOST_SHOWN: usize = 20;

/// The most bytes of a value that an error shows.
const EXCERPT_BYTES: usize = 200;

/// Where a setting stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// On the command line.
    CommandLine,
    /// In a configuration file.
    File {
        /// Which file.
        path: Arc<Path>,
        /// Which line, from 1.
        line: usize,
    },
}

/// A value, mostly an error, and the place in the configuration that it belongs to.
///
/// Displayed with the file and the line before it, if it comes from a file. An error on the command
/// line names its flag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Located<T> {
    /// Where.
    pub origin: Origin,
    /// What.
    pub what: T,
}

impl<T> Located<T> {
    /// `what`, at `origin`; `None` means the command line.
    pub fn new(origin: Option<&Origin>, what: T) -> Located<T> {
        Located { origin: origin.cloned().unwrap_or(Origin::CommandLine), what }
    }

    /// Another value at the same place.
    pub fn map<U>(self, into: impl FnOnce(T) -> U) -> Located<U> {
        Located { origin: self.origin, what: into(self.what) }
    }
}

impl<T: fmt::Display> fmt::Display for Located<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Origin::File { path, line } = &self.origin {
            write!(f, "{} line {line}: ", shown(path))?;
        }
        write!(f, "{}", self.what)
    }
}

/// The place of each setting that was given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origins {
    flags: Vec<(&'static str, Origin)>,
    pub(super) listeners: Vec<Origin>,
}

impl Origins {
    /// Where the flag `name` was set last; `None` if it was not.
    pub fn of(&self, name: &str) -> Option<&Origin> {
        self.flags.iter().find(|(flag, _)| *flag == name).map(|(_, origin)| origin)
    }

    /// The place of listener number `index` of [`Config::listeners`](super::Config::listeners).
    pub fn of_listener(&self, index: usize) -> Option<&Origin> {
        self.listeners.get(index)
    }

    pub(super) fn note(&mut self, name: &'static str, origin: Origin) {
        match self.flags.iter_mut().find(|(flag, _)| *flag == name) {
            Some((_, known)) => *known = origin,
            None => self.flags.push((name, origin)),
        }
    }
}

/// All errors, in the order in which they were found: of the file, of the command line, and of both
/// together.
#[derive(Debug, Default)]
pub struct ConfigErrors {
    first: Vec<Located<ConfigError>>,
    /// The number of errors that are not kept.
    more: usize,
    has_wrong_flags: bool,
}

impl ConfigErrors {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.first.is_empty()
    }

    /// The first twenty.
    pub fn iter(&self) -> impl Iterator<Item = &Located<ConfigError>> {
        self.first.iter()
    }

    /// Whether any error is in a flag or setting itself, rather than in a file it names or in the
    /// system.
    pub fn has_wrong_flags(&self) -> bool {
        self.has_wrong_flags
    }

    pub(super) fn push(&mut self, origin: Option<&Origin>, error: ConfigError) {
        self.has_wrong_flags |= !matches!(error, ConfigError::Unreadable(..));
        match self.first.len() {
            0..MOST_SHOWN => self.first.push(Located::new(origin, error)),
            _ => self.more += 1,
        }
    }
}

impl fmt::Display for ConfigErrors {
    /// An error a line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_lines(f, self.first.iter(), self.more)
    }
}

/// Writes errors, one a line, at most twenty; then how many were left out, and then `more`.
///
/// # Errors
///
/// If the formatter fails.
pub fn write_lines<E: fmt::Display>(
    f: &mut fmt::Formatter<'_>,
    errors: impl ExactSizeIterator<Item = E>,
    more: usize,
) -> fmt::Result {
    let more = more + errors.len().saturating_sub(MOST_SHOWN);
    let mut lines: Vec<String> = errors.take(MOST_SHOWN).map(|error| error.to_string()).collect();
    if more > 0 {
        lines.push(format!("and {more} more"));
    }
    f.write_str(&lines.join("\n"))
}

impl std::error::Error for ConfigErrors {}

/// Why the server cannot be started as asked; the operator's fault.
#[derive(Debug)]
pub enum ConfigError {
    /// There is no such flag.
    UnknownFlag(String),
    /// The flag is for the command line, and stands in a file.
    OnlyOnCommandLine(&'static str),
    /// The file has the setting twice, and it is no list.
    Repeated {
        /// Which setting.
        flag: &'static str,
        /// The line with the first one.
        first: usize,
    },
    /// An argument that belongs to no flag.
    UnexpectedArgument(String),
    /// The flag needs a value and has none.
    MissingValue(&'static str),
    /// The flag takes no value and has one.
    UnexpectedValue(&'static str),
    /// The flag's value is wrong.
    BadValue {
        /// Which flag.
        flag: &'static str,
        /// Its value.
        value: String,
        /// What is wrong with it.
        why: String,
    },
    /// Two listeners want one address.
    SameAddress {
        /// The later one, as it is written.
        listen: String,
        /// The earlier one, as it is written.
        earlier: Box<Located<String>>,
    },
    /// One listener wants an address, another all addresses, of the same port.
    OverlappingAddress {
        /// The later one, as it is written.
        listen: String,
        /// The earlier one, as it is written.
        earlier: Box<Located<String>>,
    },
    /// A line of the file is not valid UTF-8.
    NotUtf8,
    /// A comment stands behind a setting. This is its text.
    TrailingComment(String),
    /// The limits contradict each other.
    Limits(crate::server::limits::LimitError),
    /// The configuration file cannot be read.
    Unreadable(PathBuf, crate::os::files::ReadError),
}

impl fmt::Display for ConfigError {
    /// Control characters of names and paths are escaped: they may come from any file, and the text
    /// goes to a terminal or a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ConfigError::UnknownFlag(name) => write_unknown(f, name),
            ConfigError::OnlyOnCommandLine(flag) => {
                write!(f, "{flag} is only for the command line (write --{flag} there)")
            }
            ConfigError::Repeated { flag, first } => {
                write!(f, "line {first} has {flag} already, and it is no list (remove one)")
            }
            ConfigError::UnexpectedArgument(argument) => {
                let argument = excerpt(argument);
                write!(f, "unexpected argument {argument:?} (readyd --help lists the flags)")
            }
            ConfigError::MissingValue(flag) => write!(f, "--{flag} needs a value"),
            ConfigError::UnexpectedValue(flag) => write!(f, "--{flag} takes no value"),
            ConfigError::BadValue { flag, value, why } => {
                write!(f, "--{flag} {:?}: {why}", excerpt(value))
            }
            ConfigError::SameAddress { listen, earlier } => write!(
                f,
                "--listen {listen:?}: {} has this address already (give one of them another)",
                Earlier(earlier)
            ),
            ConfigError::OverlappingAddress { listen, earlier } => write!(
                f,
                "--listen {listen:?}: {} has this port already, and one of the two asks for all \
                 addresses (give one of them another port; or use --reuse-port, with which the \
                 kernel gives each client to the listener with the more specific address)",
                Earlier(earlier)
            ),
            ConfigError::NotUtf8 => f.write_str("not valid UTF-8 (save the file as UTF-8 text)"),
            ConfigError::TrailingComment(comment) => write!(
                f,
                "a comment needs a line of its own (move {:?} to the line before; a value with \
                 white space and # in it can be given on the command line only)",
                excerpt(comment)
            ),
            ConfigError::Limits(error) => write!(f, "{error}"),
            ConfigError::Unreadable(path, error) => write!(f, "{}: {error}", shown(path)),
        }
    }
}

impl std::error::Error for ConfigError {}

/// An earlier listener in the text of an error about a later one.
struct Earlier<'a>(&'a Located<String>);

impl fmt::Display for Earlier<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Located { origin, what } = self.0;
        match origin {
            Origin::CommandLine => write!(f, "{what:?}"),
            Origin::File { path, line } => write!(f, "{what:?} ({} line {line})", shown(path)),
        }
    }
}

/// A name in a file has no dashes. Flags that are only for the command line are not proposed there.
fn write_unknown(f: &mut fmt::Formatter<'_>, written: &str) -> fmt::Result {
    let name = written.trim_start_matches('-');
    let in_a_file = !written.starts_with('-');
    let dashes = if in_a_file { "" } else { "--" };
    write!(f, "unknown flag {} (", excerpt(written).escape_debug())?;
    let known = FLAGS.iter().map(|flag| flag.name).chain(["help", "version"]);
    let known = known.filter(|name| !(in_a_file && is_only_on_command_line(name)));
    if let Some(meant) = nearest(name, known) {
        write!(f, "did you mean {dashes}{meant}? ")?;
    }
    f.write_str("readyd --help lists them)")
}

/// The beginning of a text, at most [`EXCERPT_BYTES`].
fn excerpt(text: &str) -> String {
    match text.char_indices().find(|(at, _)| *at >= EXCERPT_BYTES) {
        Some((end, _)) => format!("{}...", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

fn shown(path: &Path) -> String {
    path.to_string_lossy().escape_debug().to_string()
}
