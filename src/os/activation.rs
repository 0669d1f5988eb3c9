//! Sockets that a service manager has bound and passes on by name: `LISTEN_PID`, `LISTEN_FDS` and
//! `LISTEN_FDNAMES`, sd_listen_fds(3).
//!
//! Invariant: this module reads the variables and touches no descriptor.
//! [`inherited_fd`](crate::os::inherited_fd) takes them.

use std::ffi::OsString;
use std::fmt;

#[cfg(test)]
mod tests;

/// The variables. No child process may see them: the sockets are not for it.
pub const VARIABLES: [&str; 4] = [PID, COUNT, NAMES, "LISTEN_PIDFDID"];

/// The variable with the process that they are for.
pub const PID: &str = "LISTEN_PID";
const COUNT: &str = "LISTEN_FDS";
const NAMES: &str = "LISTEN_FDNAMES";

/// The number of the first passed descriptor.
const FIRST: u16 = 3;

/// The name of all sockets if [`NAMES`] is not set, as sd_listen_fds_with_names(3) has it.
const NO_NAME: &str = "unknown";

/// A socket that was passed on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PassedSocket {
    /// The number of its descriptor.
    pub number: u16,
    /// Its name: `FileDescriptorName=` of a socket unit. Several sockets may have the same.
    pub name: String,
}

/// Why no sockets were passed to this process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ActivationError {
    /// This variable is not set: nothing was passed.
    NotSet(&'static str),
    /// They were passed to another process.
    OtherProcess {
        /// The process that `LISTEN_PID` names.
        meant: u32,
        /// This one.
        own: u32,
    },
    /// The value of a variable is not a number, or is too large.
    BadNumber {
        /// Which variable.
        variable: &'static str,
        /// Its value.
        value: String,
    },
    /// There are more names than sockets, or fewer.
    Names {
        /// The number of names.
        names: usize,
        /// The number of sockets.
        sockets: u16,
    },
}

impl fmt::Display for ActivationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ActivationError::NotSet(variable) => write!(
                f,
                "no sockets were passed: {variable} is not set (start the socket unit, not the \
                 service alone)"
            ),
            ActivationError::OtherProcess { meant, own } => write!(
                f,
                "the sockets were passed to process {meant} ({PID}), and this is process {own} \
                 (the program between has to exec readyd, not to fork)"
            ),
            ActivationError::BadNumber { variable, value } => {
                write!(f, "{variable}={value:?} in the environment is not a valid number")
            }
            ActivationError::Names { names, sockets } => write!(
                f,
                "{NAMES} has {names} names, and {COUNT} is {sockets} (colons separate names, and \
                 none may contain one)"
            ),
        }
    }
}

impl std::error::Error for ActivationError {}

/// The sockets that were passed to this process, whose pid is `own`. `variable` reads the
/// environment.
///
/// # Errors
///
/// [`ActivationError`] if none were passed, or the variables are wrong.
pub fn passed_sockets(
    own: u32,
    variable: impl Fn(&str) -> Option<OsString>,
) -> Result<Vec<PassedSocket>, ActivationError> {
    let text = |name: &'static str| {
        let value = variable(name).ok_or(ActivationError::NotSet(name))?;
        Ok((name, value.to_string_lossy().into_owned()))
    };
    let count = text(COUNT)?;
    let meant = number(text(PID)?)?;
    if meant != own {
        return Err(ActivationError::OtherProcess { meant, own });
    }
    let bad = |(variable, value)| ActivationError::BadNumber { variable, value };
    let sockets = u16::try_from(number(count.clone())?).ok();
    let sockets = sockets.filter(|count| count.checked_add(FIRST - 1).is_some());
    let sockets = sockets.ok_or_else(|| bad(count))?;
    let names = match variable(NAMES) {
        None => vec![NO_NAME.to_owned(); sockets.into()],
        Some(value) if value.is_empty() && sockets == 0 => Vec::new(),
        Some(value) => value.to_string_lossy().split(':').map(str::to_owned).collect(),
    };
    if names.len() != usize::from(sockets) {
        return Err(ActivationError::Names { names: names.len(), sockets });
    }
    Ok((FIRST..=u16::MAX).zip(names).map(|(number, name)| PassedSocket { number, name }).collect())
}

/// Only digits: `u32::from_str` would accept `+5`.
fn number((variable, value): (&'static str, String)) -> Result<u32, ActivationError> {
    let is_digits = value.bytes().all(|byte| byte.is_ascii_digit());
    let number = value.parse().ok().filter(|_| is_digits);
    number.ok_or(ActivationError::BadNumber { variable, value })
}
