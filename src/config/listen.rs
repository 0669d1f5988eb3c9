//! `--listen SERVICE=ADDRESS[,OPTION[=VALUE]]...`, or `SERVICE=fd:NUMBER` for a socket that whoever
//! started the server has bound.

use crate::handlers::Service;
use crate::handlers::daytime::Format;
use std::fmt;
use std::net::{AddrParseError, SocketAddr};
use std::str::FromStr;

/// A listener that was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listen {
    /// What it serves.
    pub service: Service,
    /// Where.
    pub place: Place,
}

/// Where to listen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// There; port 0 picks a free one.
    Address(SocketAddr),
    /// On this descriptor, a listening socket that the process was started with.
    Inherited(u16),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Address(address) => write!(f, "{address}"),
            Place::Inherited(number) => write!(f, "fd:{number}"),
        }
    }
}

impl FromStr for Place {
    type Err = ListenError;

    fn from_str(text: &str) -> Result<Place, ListenError> {
        let Some(number) = text.strip_prefix("fd:") else {
            let bad = |error| ListenError::BadAddress(text.to_owned(), error);
            return text.parse().map(Place::Address).map_err(bad);
        };
        let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
        let number = number.parse().ok().filter(|_| is_number);
        number.map(Place::Inherited).ok_or_else(|| ListenError::BadDescriptor(text.to_owned()))
    }
}

/// Why a listener cannot be had as written; the operator's fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListenError {
    /// There is no `=` between a service and an address.
    NoAddress,
    /// There is no such service.
    UnknownService(String),
    /// The address is not `IP:PORT`.
    BadAddress(String, AddrParseError),
    /// What follows `fd:` is not the number of a descriptor.
    BadDescriptor(String),
    /// The service has no such option.
    UnknownOption(String, &'static str),
    /// There is no such format.
    UnknownFormat(String),
}

impl fmt::Display for ListenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ListenError::NoAddress => f.write_str(
                "no address (write it as SERVICE=IP:PORT, such as framed=127.0.0.1:9999)",
            ),
            ListenError::UnknownService(name) => {
                write!(f, "no service {name:?} (there are {})", Service::NAMES.join(", "))
            }
            ListenError::BadAddress(address, _) => {
                write!(f, "{address:?} is not an address (write IP:PORT or [IPv6]:PORT)")
            }
            ListenError::BadDescriptor(text) => {
                write!(f, "{text:?} is not a descriptor (write fd:NUMBER, at most 65535)")
            }
            ListenError::UnknownOption(option, "daytime") => {
                write!(f, "daytime has no option {option:?} (it has format=FORMAT and ack)")
            }
            ListenError::UnknownOption(option, service) => {
                write!(f, "{service} takes no options, {option:?} is not one")
            }
            ListenError::UnknownFormat(name) => {
                write!(f, "no date format {name:?} (there are {})", Format::NAMES.join(", "))
            }
        }
    }
}

impl std::error::Error for ListenError {}

impl FromStr for Listen {
    type Err = ListenError;

    fn from_str(text: &str) -> Result<Listen, ListenError> {
        let (name, rest) = text.split_once('=').ok_or(ListenError::NoAddress)?;
        let mut service =
            Service::from_name(name).ok_or_else(|| ListenError::UnknownService(name.to_owned()))?;
        let mut parts = rest.split(',');
        let place = parts.next().unwrap_or_default().parse()?;
        for option in parts {
            apply(&mut service, option)?;
        }
        Ok(Listen { service, place })
    }
}

fn apply(service: &mut Service, option: &str) -> Result<(), ListenError> {
    match (service, option.split_once('=')) {
        (Service::Daytime { format, .. }, Some(("format", name))) => {
            *format = Format::from_name(name)
                .ok_or_else(|| ListenError::UnknownFormat(name.to_owned()))?;
        }
        (Service::Daytime { ack, .. }, None) if option == "ack" => *ack = true,
        (service, _) => {
            return Err(ListenError::UnknownOption(option.to_owned(), service.name()));
        }
    }
    Ok(())
}
