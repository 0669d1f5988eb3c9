//! What can be wrong with the command line or the configuration file.

use std::fmt;
use std::path::{Path, PathBuf};

/// Why the server cannot be started as asked; the operator's fault.
#[derive(Debug)]
pub enum ConfigError {
    /// There is no such flag.
    UnknownFlag(String),
    /// An argument that belongs to no flag.
    UnexpectedArgument(String),
    /// The flag needs a value and has none.
    MissingValue(&'static str),
    /// The flag takes no value and has one.
    UnexpectedValue(&'static str),
    /// The flag's value does not do.
    BadValue {
        /// Which flag.
        flag: &'static str,
        /// Its value.
        value: String,
        /// What is wrong with it.
        why: String,
    },
    /// The limits do not go together.
    Limits(crate::limits::LimitError),
    /// A socket that was inherited is one, and each shard needs its own.
    InheritedByShards,
    /// The configuration file cannot be read.
    Unreadable(PathBuf, crate::files::ReadError),
    /// A line of the configuration file is wrong.
    InFile {
        /// Which file.
        path: PathBuf,
        /// Which line, from 1.
        line: usize,
        /// What is wrong with it.
        error: Box<ConfigError>,
    },
}

impl fmt::Display for ConfigError {
    /// A name or a path is shown with its control characters escaped: it may come from a file that is
    /// not what it was taken for, and the text goes to a terminal or a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ConfigError::UnknownFlag(name) => {
                let name = name.escape_debug();
                write!(f, "unknown flag {name} (readyd --help lists them)")
            }
            ConfigError::UnexpectedArgument(argument) => {
                write!(f, "unexpected argument {argument:?} (readyd --help lists the flags)")
            }
            ConfigError::MissingValue(flag) => write!(f, "--{flag} needs a value"),
            ConfigError::UnexpectedValue(flag) => write!(f, "--{flag} takes no value"),
            ConfigError::BadValue { flag, value, why } => write!(f, "--{flag} {value:?}: {why}"),
            ConfigError::Limits(error) => write!(f, "{error}"),
            ConfigError::InheritedByShards => f.write_str(
                "--shards needs addresses to listen on, and fd: names a socket that is bound already",
            ),
            ConfigError::Unreadable(path, error) => write!(f, "{}: {error}", shown(path)),
            ConfigError::InFile { path, line, error } => {
                write!(f, "{} line {line}: {error}", shown(path))
            }
        }
    }
}

impl std::error::Error for ConfigError {}

fn shown(path: &Path) -> String {
    path.to_string_lossy().escape_debug().to_string()
}
