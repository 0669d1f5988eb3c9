//! The options that say which server is meant and how long to wait for it.
//!
//! They stand before the command or behind it. A command has only those that mean something to it.

use crate::args::some_time;
use crate::encryption::TlsOptions;
use crate::failure::Failure;
use crate::server_name::ServerName;
use std::env;
use std::time::Duration;

#[cfg(test)]
mod tests;

/// The environment variable that replaces the default server.
const VARIABLE: &str = "READYC_SERVER";

/// The server without an option and without [`VARIABLE`].
const DEFAULT_SERVER: &str = "127.0.0.1:9999";

/// How long to wait for a connection without an option.
const DEFAULT_CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// The options of the commands that have a session with the server.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Server")]
pub(crate) struct ServerOptions {
    /// or unix:/PATH [default: 127.0.0.1:9999]
    ///
    /// The server: HOST or HOST:PORT (port 9999 if none is given), an IPv6 address in brackets, or
    /// a unix socket (unix:/PATH, or unix:@NAME for an abstract one). The environment variable
    /// READYC_SERVER replaces the default
    #[arg(long, value_name = "HOST[:PORT]")]
    pub(crate) server: Option<ServerName>,

    /// Time limit to connect [default: 5s]
    ///
    /// How long to wait for a connection [default: 5s]
    #[arg(long, value_name = "DURATION", value_parser = some_time)]
    pub(crate) connect_timeout: Option<Duration>,

    /// Time limit for each answer [default: 30s]
    ///
    /// How long to wait for each answer [default: 30s]
    #[arg(short, long, value_name = "DURATION", value_parser = some_time)]
    pub(crate) timeout: Option<Duration>,

    #[command(flatten)]
    pub(crate) tls: TlsOptions,
}

/// The options of `bench`, which waits for less time.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Server")]
pub(crate) struct BenchServer {
    /// or unix:/PATH; used if no ADDR is given
    ///
    /// The server, if no ADDR is given. The environment variable READYC_SERVER replaces the
    /// default, 127.0.0.1:9999
    #[arg(long, value_name = "HOST[:PORT]", hide_short_help = true)]
    server: Option<ServerName>,

    /// Time limit to connect [default: 5s]
    ///
    /// How long to wait for a connection [default: 5s]
    #[arg(long, value_name = "DURATION", value_parser = some_time)]
    connect_timeout: Option<Duration>,

    /// Time limit for each answer [default: 5s]
    ///
    /// How long to wait for each answer [default: 5s]. A request without an answer by then counts
    /// as a timeout
    #[arg(short, long, value_name = "DURATION", value_parser = some_time)]
    timeout: Option<Duration>,

    #[command(flatten)]
    tls: TlsOptions,
}

impl From<&BenchServer> for ServerOptions {
    fn from(options: &BenchServer) -> ServerOptions {
        let BenchServer { server, connect_timeout, timeout, tls } = options.clone();
        ServerOptions { server, connect_timeout, timeout, tls }
    }
}

/// The option of a command that needs the server's address but no session with it.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Server")]
pub(crate) struct AddressOnly {
    /// or unix:/PATH; used if no ADDR is given
    ///
    /// The server, if no ADDR is given. The environment variable READYC_SERVER replaces the
    /// default, 127.0.0.1:9999
    #[arg(long, value_name = "HOST[:PORT]")]
    server: Option<ServerName>,
}

impl AddressOnly {
    /// The options behind this command, with those before it.
    ///
    /// # Errors
    ///
    /// [`Failure::Usage`] for a timeout before it, for which it has no use.
    pub(crate) fn with(
        &self,
        before: &ServerOptions,
        command: &str,
    ) -> Result<ServerOptions, Failure> {
        let server = self.server.clone().or_else(|| before.server.clone());
        ServerOptions { server: None, ..before.clone() }.refuse(command)?;
        Ok(ServerOptions { server, ..ServerOptions::default() })
    }
}

impl ServerOptions {
    /// These options, and those before the command where these are silent.
    pub(crate) fn or(self, before: &ServerOptions) -> ServerOptions {
        ServerOptions {
            server: self.server.or_else(|| before.server.clone()),
            connect_timeout: self.connect_timeout.or(before.connect_timeout),
            timeout: self.timeout.or(before.timeout),
            tls: self.tls.or(&before.tls),
        }
    }

    /// Refuses all options, for a command that has no use for them.
    ///
    /// # Errors
    ///
    /// [`Failure::Usage`] if there is one.
    pub(crate) fn refuse(&self, command: &str) -> Result<(), Failure> {
        let given = [
            ("--server", self.server.is_some()),
            ("--connect-timeout", self.connect_timeout.is_some()),
            ("--timeout", self.timeout.is_some()),
        ];
        let given = given.iter().find(|(_, is_given)| *is_given).map(|(option, _)| *option);
        match given.or(self.tls.given()) {
            Some(option) => {
                Err(Failure::Usage(format!("{option}: has no meaning for {command} (remove it)")))
            }
            None => Ok(()),
        }
    }

    /// The server: of the option, else of the environment, else the default.
    ///
    /// # Errors
    ///
    /// [`Failure::Usage`] if the environment names none.
    pub(crate) fn server(&self) -> Result<ServerName, Failure> {
        let from_environment = || env::var(VARIABLE).ok().filter(|name| !name.is_empty());
        match (&self.server, from_environment()) {
            (Some(server), _) => Ok(server.clone()),
            (None, Some(name)) => {
                name.parse().map_err(|why| Failure::Usage(format!("{VARIABLE} {name:?}: {why}")))
            }
            (None, None) => DEFAULT_SERVER.parse().map_err(Failure::Usage),
        }
    }

    /// How long to wait for a connection.
    pub(crate) fn connect_timeout(&self) -> Duration {
        self.connect_timeout.unwrap_or(DEFAULT_CONNECT_TIMEOUT)
    }
}
