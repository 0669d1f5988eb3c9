//! Why the server could not run, in words that say what to do.

use crate::child::Ending;
use crate::listening::ListenFailure;
use crate::recordings::RecordingError;
use crate::sandbox::SandboxError;
use crate::service_manager::WatchdogError;
use crate::shard::{self, ShardError};
use crate::upgrade::UpgradeError;
use nix::errno::Errno;
use readyd::config::activation::AssignError;
use readyd::config::excess::Excess;
use readyd::config::{self, Located};
use readyd::os::descriptors::TooFewDescriptors;
use readyd::os::inherited_fd::InheritError;
use readyd::os::privileges::{Account, AccountError};
use readyd::os::sealed_memfd;
use readyd::table::LoadError;
use std::fmt;
use std::io::{self, ErrorKind};

/// Why the server could not run.
pub(crate) enum StartError {
    Listen(Box<ListenFailure>),
    /// A passed socket has no listener, or a listener no passed socket.
    Assign(AssignError),
    Account(Account, AccountError),
    /// This machine cannot do what `--sandbox=require` asks for.
    Sandbox(SandboxError),
    Table(LoadError),
    /// A certificate or key is not usable.
    #[cfg(feature = "tls")]
    Certificate(String),
    TooFewDescriptors(TooFewDescriptors),
    /// A limit exceeds the one of the system: an error only for `--check-config`.
    Excess(Excess),
    SharedTable(String),
    Recording(RecordingError),
    Shard(ShardError),
    /// This process cannot be the new one of an upgrade.
    Upgrade(UpgradeError),
    /// The descriptor of `--ready-fd` was not inherited.
    ReadyFd(InheritError),
    /// The service manager's watchdog leaves too little time for `--shard-timeout`.
    Watchdog(WatchdogError),
    /// A shard, counted from 0, that ended before it served.
    ShardFailed(usize, Ending),
    /// A shard, counted from 0, that could not be started, and why.
    ShardNotStarted(usize, String),
    /// Names of shards that exited with an error after they were told to stop.
    ShardsBroke(Vec<String>),
    /// SIGTERM or SIGINT came before the server served.
    Stopped,
    /// Standard output could not be written.
    Output(io::Error),
    System(&'static str, io::Error),
    /// Flags or lines of the configuration file are wrong; other errors are included.
    Flags {
        text: String,
        status: u8,
    },
    /// Several errors, or one with its place in the configuration.
    Several(Vec<Located<StartError>>),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StartError::Listen(failure) => write!(f, "{failure}"),
            StartError::Assign(error) => write!(f, "{error}"),
            StartError::Account(account, error) => write!(f, "--user {account}: {error}"),
            StartError::Sandbox(error) => write!(f, "{error}"),
            StartError::Table(error) => write!(f, "{error}"),
            #[cfg(feature = "tls")]
            StartError::Certificate(why) => f.write_str(why),
            StartError::TooFewDescriptors(error) => write!(f, "{error}"),
            StartError::Excess(excess) => write!(f, "{excess}"),
            StartError::SharedTable(why) => write!(f, "the table cannot be served: {why}"),
            StartError::Shard(error) => write!(f, "{error}"),
            StartError::Upgrade(error) => write!(f, "{error}"),
            StartError::ReadyFd(error) => write!(f, "--ready-fd: {error}"),
            StartError::Watchdog(error) => write!(f, "{error}"),
            StartError::Recording(error) => write!(f, "{error}"),
            StartError::ShardFailed(number, ending) => {
                write!(f, "{} could not start ({ending}); see above", shard::name(*number))
            }
            StartError::ShardNotStarted(number, why) => {
                write!(f, "cannot start {}: {why}", shard::name(*number))
            }
            StartError::ShardsBroke(names) => {
                write!(f, "{} did not exit cleanly; see above", names.join(", "))
            }
            StartError::Stopped => f.write_str("stopped by a signal before the check was complete"),
            StartError::Output(error) => write!(f, "cannot write to standard output: {error}"),
            StartError::System(what, error) => {
                write!(f, "cannot {what}: {error}{}", advice_on_memory(error))
            }
            StartError::Flags { text, .. } => f.write_str(text),
            StartError::Several(errors) => config::write_lines(f, errors.iter(), 0),
        }
    }
}

impl StartError {
    /// Whether the process may open no further descriptor.
    pub(crate) fn is_of_the_descriptor_limit(&self) -> bool {
        let error = match self {
            StartError::System(_, error) => error,
            StartError::Listen(failure) => match &**failure {
                ListenFailure::Bind { error, .. } | ListenFailure::BindUnix { error, .. } => error,
                _ => return false,
            },
            _ => return false,
        };
        error.raw_os_error() == Some(Errno::EMFILE as i32)
    }
}

/// The advice for EFBIG: to the kernel the scoreboard is a file.
fn advice_on_memory(error: &io::Error) -> &'static str {
    if error.kind() == ErrorKind::FileTooLarge { sealed_memfd::FILE_SIZE_ADVICE } else { "" }
}
