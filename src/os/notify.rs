//! Datagrams to the service manager, sd_notify(3): `NOTIFY_SOCKET`, `WATCHDOG_USEC` and
//! `WATCHDOG_PID`.
//!
//! Invariant: nothing here blocks or ends the server. A manager that does not read, or is gone,
//! loses messages.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

#[cfg(test)]
mod tests;

/// The variables. No child process may see them: the manager takes messages of the process that it
/// has started.
pub const VARIABLES: [&str; 3] = [SOCKET, WATCHDOG_PERIOD, WATCHDOG_PID];

const SOCKET: &str = "NOTIFY_SOCKET";

/// The variable with the time within which the manager expects a ping.
pub const WATCHDOG_PERIOD: &str = "WATCHDOG_USEC";

/// The variable with the pid of the process that is to send it.
pub const WATCHDOG_PID: &str = "WATCHDOG_PID";

/// A variable whose value cannot be used; the fault of the process that has set it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadVariable {
    /// Its name.
    pub name: &'static str,
    /// Its value.
    pub value: String,
    /// What it should be.
    pub expected: &'static str,
}

impl fmt::Display for BadVariable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let BadVariable { name, value, expected } = self;
        write!(f, "{name}={value:?} in the environment is not {expected}")
    }
}

impl std::error::Error for BadVariable {}

/// The socket to the service manager.
#[derive(Debug)]
pub struct Notifier {
    socket: UnixDatagram,
    address: SocketAddr,
}

impl Notifier {
    /// The socket that the environment names, which `variable` reads; `None` if it names none.
    ///
    /// # Errors
    ///
    /// [`BadVariable`] if the value is not an absolute path or a name that begins with `@`, or is
    /// too long for a socket.
    pub fn from_environment(
        variable: impl Fn(&str) -> Option<OsString>,
    ) -> Result<Option<Notifier>, BadVariable> {
        let Some(value) = variable(SOCKET) else { return Ok(None) };
        let bad = || BadVariable {
            name: SOCKET,
            value: value.to_string_lossy().into_owned(),
            expected: "/PATH or @NAME of a unix socket, of at most 107 bytes",
        };
        let address = address(&value).ok_or_else(bad)?;
        // Without a descriptor there is nobody to tell, and no server either.
        let Ok(socket) = UnixDatagram::unbound() else { return Ok(None) };
        if socket.set_nonblocking(true).is_err() {
            return Ok(None);
        }
        // Now, since the user may have fewer rights later. If it fails, `send` tries again.
        let _ = socket.connect_addr(&address);
        Ok(Some(Notifier { socket, address }))
    }

    /// Sends lines of `NAME=VALUE`. Does not wait.
    ///
    /// # Errors
    ///
    /// What connect(2) or send(2) say: the manager is gone, or its queue is full.
    pub fn send(&self, lines: &str) -> io::Result<()> {
        let send = || self.socket.send(lines.as_bytes()).map(drop);
        send().or_else(|error| match error.kind() {
            io::ErrorKind::WouldBlock => Err(error),
            // The manager may have made its socket anew.
            _ => self.socket.connect_addr(&self.address).and_then(|()| send()),
        })
    }
}

fn address(value: &OsStr) -> Option<SocketAddr> {
    match value.as_bytes() {
        [b'@', name @ ..] if !name.is_empty() => SocketAddr::from_abstract_name(name).ok(),
        [b'/', rest @ ..] if !rest.is_empty() => SocketAddr::from_pathname(value).ok(),
        _ => None,
    }
}

/// How often the manager expects `WATCHDOG=1` of the process `own`; `None` if it does not.
///
/// # Errors
///
/// [`BadVariable`] if a value is not a positive number.
pub fn watchdog(
    own: u32,
    variable: impl Fn(&str) -> Option<OsString>,
) -> Result<Option<Duration>, BadVariable> {
    let number = |name: &'static str| -> Result<Option<u64>, BadVariable> {
        let Some(value) = variable(name) else { return Ok(None) };
        let value = value.to_string_lossy().into_owned();
        let is_digits = value.bytes().all(|byte| byte.is_ascii_digit());
        let number = value.parse().ok().filter(|number| is_digits && *number > 0);
        number.map(Some).ok_or(BadVariable { name, value, expected: "a positive number" })
    };
    let Some(micros) = number(WATCHDOG_PERIOD)? else { return Ok(None) };
    let is_for_us = number(WATCHDOG_PID)?.is_none_or(|pid| pid == u64::from(own));
    Ok(is_for_us.then_some(Duration::from_micros(micros)))
}
