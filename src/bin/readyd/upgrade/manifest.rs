//! What an old process hands over to a new one, as text in an environment variable.
//!
//! ```text
//! READYD_UPGRADE=7 8 9 12|123456789 0 framed:- lines:3
//!                descriptors: the socket to the old process, the listeners, its scoreboard; then a
//!                scoreboard and a socket of each process before it that has not ended
//!                        |when the server began, CLOCK_MONOTONIC in nanoseconds
//!                                  whether sockets of the service manager are among them
//!                                    of each listener its service and its origin
//! ```
//!
//! Invariant: the text behind the bar has no descriptor, so a process that passes the descriptors
//! on, under other numbers, need not understand it.

use std::fmt;
use std::os::fd::RawFd;

#[cfg(test)]
mod tests;

/// The environment variable.
pub(crate) const VARIABLE: &str = "READYD_UPGRADE";

/// Where a listener came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// A process of this server has bound it.
    Bound,
    /// Likewise, and its file, a unix socket's, is removed when the server stops.
    BoundWithFile,
    /// It was inherited under this number, `--listen fd:NUMBER`.
    Inherited(u16),
}

/// What is told of a listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Passed {
    /// The name of its service.
    pub(crate) service: String,
    pub(crate) origin: Origin,
}

/// The text behind the bar.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Manifest {
    pub(super) began: u64,
    pub(super) has_passed_sockets: bool,
    pub(super) listeners: Vec<Passed>,
}

impl fmt::Display for Manifest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.began, u8::from(self.has_passed_sockets))?;
        for Passed { service, origin } in &self.listeners {
            match origin {
                Origin::Bound => write!(f, " {service}:-")?,
                Origin::BoundWithFile => write!(f, " {service}:file")?,
                Origin::Inherited(number) => write!(f, " {service}:{number}")?,
            }
        }
        Ok(())
    }
}

/// The value of the variable.
pub(super) fn value(descriptors: &[RawFd], manifest: &str) -> String {
    let descriptors: Vec<String> = descriptors.iter().map(RawFd::to_string).collect();
    format!("{}|{manifest}", descriptors.join(" "))
}

/// The descriptors of a value, by what they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Descriptors {
    pub(super) control: RawFd,
    pub(super) listeners: Vec<RawFd>,
    pub(super) board: RawFd,
    /// A scoreboard, and the socket to its process.
    pub(super) earlier: Vec<(RawFd, RawFd)>,
}

/// Parses the value of the variable.
pub(super) fn parse(value: &str) -> Option<(Descriptors, Manifest)> {
    let (numbers, text) = value.split_once('|')?;
    let mut words = text.split(' ');
    let began = words.next()?.parse().ok()?;
    let has_passed_sockets = match words.next()? {
        "0" => false,
        "1" => true,
        _ => return None,
    };
    let listeners = words.map(passed).collect::<Option<Vec<_>>>()?;
    let numbers: Option<Vec<RawFd>> = numbers.split(' ').map(|it| it.parse().ok()).collect();
    let mut numbers = numbers?.into_iter();
    let control = numbers.next()?;
    let sockets: Vec<RawFd> = numbers.by_ref().take(listeners.len()).collect();
    let board = numbers.next()?;
    let mut earlier = Vec::new();
    while let Some(board) = numbers.next() {
        earlier.push((board, numbers.next()?));
    }
    let descriptors = Descriptors { control, listeners: sockets, board, earlier };
    Some((descriptors, Manifest { began, has_passed_sockets, listeners }))
}

fn passed(word: &str) -> Option<Passed> {
    let (service, origin) = word.split_once(':')?;
    let origin = match origin {
        "-" => Origin::Bound,
        "file" => Origin::BoundWithFile,
        number => Origin::Inherited(number.parse().ok()?),
    };
    (!service.is_empty()).then(|| Passed { service: service.to_owned(), origin })
}
