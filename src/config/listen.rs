//! `--listen SERVICE=ADDRESS[,OPTION[=VALUE]]...`
//!
//! ADDRESS is `IP:PORT`, `[IPv6]:PORT`, `localhost:PORT` (127.0.0.1, and `[::1]` where the machine
//! has it), `:PORT` (0.0.0.0, and `[::]` where the machine has it), `unix:/PATH` or `unix:@NAME`
//! for a unix socket, `fd:NUMBER` for an inherited socket, or `systemd:NAME` for a passed socket
//! with that name. No host name is looked up: that could take seconds, and the answer could change
//! from start to start.
//!
//! `--listen systemd:` alone is no listener: it stands for all passed sockets whose names are names
//! of services. See [`activation`](super::activation).
//!
//! A comma ends an option, so a path here has none, an option with several values is repeated
//! (`key=A,key=B`), and one that has one value is an error if it is repeated. `OPTIONS` is the
//! table.

mod error;
mod proxies;
mod socket_options;
mod tls;

pub use error::ListenError;
pub use socket_options::{FileMode, SocketOptions};
pub use tls::TlsFiles;

use super::address::AddressError;
use crate::handlers::daytime::Format;
use crate::handlers::{Options, Service};
use crate::io::address::{Address, UnixAddress};
use crate::server::proxied::{Proxies, Serves};
use proxies::ProxyOptions;
use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;
use tls::TlsOptions;

/// A listener of the configuration. Its text is what stands after `--listen`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listen {
    /// What it serves.
    pub service: Service,
    /// Where.
    pub target: BindTarget,
    /// Whether the server runs without it.
    pub presence: Presence,
    /// If proxies connect to it: which, and with which headers.
    pub proxies: Option<Box<Proxies>>,
    /// If connections are encrypted: the files of certificate and key.
    pub tls: Option<Box<TlsFiles>>,
    /// What is set on its socket.
    pub socket: SocketOptions,
}

/// Whether a listener has to be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// Without it the server does not start.
    Required,
    /// If it cannot be bound, a warning says so and the server starts without it.
    Optional,
}

/// Where to listen. Port 0 picks a free one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BindTarget {
    /// On this IP address.
    Address(SocketAddr),
    /// On 127.0.0.1 and, if it can be bound, on the same port of `[::1]`.
    Localhost(u16),
    /// On 0.0.0.0 and, if it can be bound, on the same port of `[::]`.
    AllAddresses(u16),
    /// On this link-local address, as it is written, of a network interface that is not there. Only
    /// an optional listener may have it.
    NoInterface(String),
    /// On this unix socket.
    Unix(UnixAddress),
    /// On this inherited descriptor, a listening socket.
    Inherited(u16),
    /// On the listening sockets with this name that the service manager passes on.
    Systemd(String),
}

impl BindTarget {
    /// The IP addresses to bind, in this order: the first must be there if the listener is
    /// required, the second may be missing. None for a unix socket, if the socket is bound already,
    /// and if there is no such interface.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        match *self {
            BindTarget::Address(address) => vec![address],
            BindTarget::Localhost(port) => {
                vec![(Ipv4Addr::LOCALHOST, port).into(), (Ipv6Addr::LOCALHOST, port).into()]
            }
            BindTarget::AllAddresses(port) => {
                vec![(Ipv4Addr::UNSPECIFIED, port).into(), (Ipv6Addr::UNSPECIFIED, port).into()]
            }
            BindTarget::NoInterface(_)
            | BindTarget::Unix(_)
            | BindTarget::Inherited(_)
            | BindTarget::Systemd(_) => Vec::new(),
        }
    }
}

impl fmt::Display for BindTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BindTarget::Address(address) => write!(f, "{address}"),
            BindTarget::Localhost(port) => write!(f, "localhost:{port}"),
            BindTarget::AllAddresses(port) => write!(f, ":{port}"),
            BindTarget::NoInterface(address) => f.write_str(address),
            BindTarget::Unix(address) => write!(f, "{address}"),
            BindTarget::Inherited(number) => write!(f, "fd:{number}"),
            BindTarget::Systemd(name) => write!(f, "{SYSTEMD}{name}"),
        }
    }
}

impl FromStr for BindTarget {
    type Err = ListenError;

    fn from_str(text: &str) -> Result<BindTarget, ListenError> {
        if let Some(number) = text.strip_prefix("fd:") {
            let bad = || ListenError::BadDescriptor(text.to_owned());
            return digits(number).map(BindTarget::Inherited).ok_or_else(bad);
        }
        if let Some(name) = text.strip_prefix(SYSTEMD) {
            return socket_name(name).map(BindTarget::Systemd);
        }
        let with_port = |port, target: fn(u16) -> BindTarget| {
            let bad = || AddressError::Form(text.to_owned()).into();
            digits(port).map(target).ok_or_else(bad)
        };
        if let Some(port) = text.strip_prefix("localhost:") {
            return with_port(port, BindTarget::Localhost);
        }
        if let Some(port) = text.strip_prefix(':')
            && !port.contains(':')
        {
            return with_port(port, BindTarget::AllAddresses);
        }
        Ok(match text.parse() {
            Ok(Address::Inet(address)) => BindTarget::Address(address),
            Ok(Address::Unix(address)) => BindTarget::Unix(address),
            Err(AddressError::NoInterface(address)) => BindTarget::NoInterface(address),
            Err(error) => return Err(error.into()),
        })
    }
}

/// What stands before the name of a passed socket. Alone it asks for all passed sockets.
pub(super) const SYSTEMD: &str = "systemd:";

/// The most bytes of the name of a passed socket, systemd.socket(5).
const LONGEST_SOCKET_NAME: usize = 255;

/// The name of a passed socket, as sd_listen_fds_with_names(3) can have it.
fn socket_name(name: &str) -> Result<String, ListenError> {
    check_ops()?;
    let is_wrong = |c: char| c.is_control() || c == ':';
    if name.is_empty() || name.len() > LONGEST_SOCKET_NAME || name.contains(is_wrong) {
        return Err(ListenError::BadSocketName(format!("{SYSTEMD}{name}")));
    }
    Ok(name.to_owned())
}

/// An error if the program can neither take passed sockets nor PROXY headers.
pub(super) fn check_ops() -> Result<(), ListenError> {
    if cfg!(feature = "ops") { Ok(()) } else { Err(ListenError::NotBuilt) }
}

/// An error if the program has no TLS.
pub(super) fn check_tls() -> Result<(), ListenError> {
    if cfg!(feature = "tls") { Ok(()) } else { Err(ListenError::NoTls) }
}

/// Only digits: `u16::from_str` would accept `+5`.
fn digits(text: &str) -> Option<u16> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

/// Which values an option takes.
enum Takes {
    Nothing,
    /// `=` and one value; its name in messages.
    OneValue(&'static str),
    /// The same, as often as it is given.
    Values(&'static str),
}

/// A row of [`OPTIONS`].
struct ListenOption {
    key: &'static str,
    takes: Takes,
    /// The service that has it; `None` for every service.
    service: Option<&'static str>,
    /// Whether it needs the feature `ops`.
    is_of_ops: bool,
}

/// What may follow an address.
const OPTIONS: &[ListenOption] = &[
    every("optional", Takes::Nothing),
    of_ops("mode", Takes::OneValue("MODE")),
    of_ops("owner", Takes::OneValue("USER[:GROUP]")),
    of_ops("freebind", Takes::Nothing),
    of_ops("proxy", Takes::OneValue("v2|any")),
    of_ops("from", Takes::Values("CIDR")),
    every("tls", Takes::Nothing),
    every("cert", Takes::OneValue("FILE")),
    every("key", Takes::OneValue("FILE")),
    every("client-ca", Takes::OneValue("FILE")),
    ListenOption { service: Some("daytime"), ..every("format", Takes::OneValue("FORMAT")) },
    ListenOption { service: Some("daytime"), ..every("ack", Takes::Nothing) },
];

const fn every(key: &'static str, takes: Takes) -> ListenOption {
    ListenOption { key, takes, service: None, is_of_ops: false }
}

const fn of_ops(key: &'static str, takes: Takes) -> ListenOption {
    ListenOption { is_of_ops: true, ..every(key, takes) }
}

impl fmt::Display for ListenOption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.takes {
            Takes::Nothing => f.write_str(self.key),
            Takes::OneValue(name) | Takes::Values(name) => write!(f, "{}={name}", self.key),
        }
    }
}

fn options_of(service: Service) -> impl Iterator<Item = &'static ListenOption> {
    OPTIONS.iter().filter(move |option| option.service.is_none_or(|name| name == service.name()))
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.service.name(), self.target)?;
        if self.service.name() == Service::DAYTIME.name() {
            let Options { format, ack } = self.service.options;
            write!(f, ",format={}{}", format.name(), if ack { ",ack" } else { "" })?;
        }
        write!(f, "{}", self.socket)?;
        if let Some(proxies) = &self.proxies {
            write!(f, ",{proxies}")?;
        }
        if let Some(files) = &self.tls {
            write!(f, ",{files}")?;
        }
        match self.presence {
            Presence::Required => Ok(()),
            Presence::Optional => f.write_str(",optional"),
        }
    }
}

impl FromStr for Listen {
    type Err = ListenError;

    fn from_str(text: &str) -> Result<Listen, ListenError> {
        let (name, rest) = text.split_once('=').ok_or(ListenError::NoAddress)?;
        if name == "metrics" {
            check_ops()?;
        }
        let service =
            Service::from_name(name).ok_or_else(|| ListenError::UnknownService(name.to_owned()))?;
        let mut parts = rest.split(',');
        let target = parts.next().unwrap_or_default().parse()?;
        let mut listen = Listen::new(service, target);
        let mut given: Vec<&str> = Vec::new();
        let mut proxies = ProxyOptions::default();
        let mut tls = TlsOptions::default();
        for text in parts {
            let (option, value) = listen.option(text)?;
            let is_list = matches!(option.takes, Takes::Values(_));
            if given.contains(&option.key) && !is_list {
                return Err(ListenError::RepeatedOption(option.key));
            }
            given.push(option.key);
            if option.is_of_ops {
                check_ops()?;
                listen.apply_of_ops(option, value, &mut proxies)?;
            } else if let "tls" | "cert" | "key" | "client-ca" = option.key {
                tls.set(option.key, value)?;
            } else {
                listen.apply(option.key, value)?;
            }
        }
        listen.proxies = proxies.finish(&listen.target)?;
        listen.tls = tls.finish()?;
        listen.socket.check(&listen.target)?;
        match (listen.presence, listen.target) {
            (Presence::Required, BindTarget::NoInterface(address)) => {
                Err(AddressError::NoInterface(address).into())
            }
            (_, target) => Ok(Listen { target, ..listen }),
        }
    }
}

impl Listen {
    /// A listener that has to be there, without options of its socket.
    pub fn new(service: Service, target: BindTarget) -> Listen {
        let (presence, socket) = (Presence::Required, SocketOptions::default());
        Listen { service, target, presence, socket, proxies: None, tls: None }
    }

    /// What it serves, and to whom. If it is encrypted, the caller knows the number of its
    /// certificate.
    pub fn serves(&self) -> Serves {
        Serves { service: self.service, proxies: self.proxies.clone(), tls: None }
    }

    /// Whether it does with its clients what another does.
    pub fn serves_like(&self, other: &Listen) -> bool {
        self.service == other.service && self.proxies == other.proxies && self.tls == other.tls
    }

    /// The option that `text` gives, and its value.
    fn option<'a>(&self, text: &'a str) -> Result<(&'static ListenOption, &'a str), ListenError> {
        let (key, value) = match text.split_once('=') {
            Some((key, value)) => (key, Some(value)),
            None => (text, None),
        };
        let unknown = || ListenError::UnknownOption(text.to_owned(), self.service);
        let option =
            options_of(self.service).find(|option| option.key == key).ok_or_else(unknown)?;
        let value = match (&option.takes, value) {
            (Takes::Nothing, None) => "",
            (Takes::OneValue(_) | Takes::Values(_), Some(value)) => value,
            (Takes::Nothing, Some(_)) => return Err(ListenError::UnexpectedValue(option.key)),
            (Takes::OneValue(name) | Takes::Values(name), None) => {
                return Err(ListenError::MissingValue(option.key, name));
            }
        };
        Ok((option, value))
    }

    /// Applies an option that only a program with the feature `ops` has.
    fn apply_of_ops(
        &mut self,
        option: &'static ListenOption,
        value: &str,
        proxies: &mut ProxyOptions,
    ) -> Result<(), ListenError> {
        match option.key {
            "mode" => self.socket.mode = Some(value.parse()?),
            "owner" => {
                self.socket.owner = Some(value.parse().map_err(ListenError::BadOwner)?);
            }
            "freebind" => self.socket.is_freebind = true,
            "proxy" | "from" if self.service.is_for_operators() => {
                return Err(ListenError::NoProxies(option.key));
            }
            "proxy" => proxies.set_versions(value)?,
            "from" => proxies.add_range(value)?,
            key => return Err(ListenError::UnknownOption(key.to_owned(), self.service)),
        }
        Ok(())
    }

    /// Applies an option that every program has.
    fn apply(&mut self, key: &str, value: &str) -> Result<(), ListenError> {
        let options = &mut self.service.options;
        match key {
            "optional" => self.presence = Presence::Optional,
            "ack" => options.ack = true,
            "format" => {
                options.format = Format::from_name(value)
                    .ok_or_else(|| ListenError::UnknownFormat(value.to_owned()))?;
            }
            _ => return Err(ListenError::UnknownOption(key.to_owned(), self.service)),
        }
        Ok(())
    }
}
