//! Why the text of a listener is wrong, and what to write instead.

use super::{LONGEST_SOCKET_NAME, options_of};
use crate::config::address::AddressError;
use crate::config::similar::nearest;
use crate::handlers::Service;
use crate::handlers::daytime::Format;
use crate::os::privileges::AccountError;
use crate::server::access::CidrError;
use std::fmt;

/// Why the text of a listener is wrong; the operator's fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListenError {
    /// There is no `=` between a service and an address.
    NoAddress,
    /// There is no such service.
    UnknownService(String),
    /// The address is wrong, or a server cannot listen on it.
    Address(AddressError),
    /// What follows `fd:` is not the number of a descriptor.
    BadDescriptor(String),
    /// What follows `systemd:` cannot be the name of a socket.
    BadSocketName(String),
    /// It is nothing that a client can connect to.
    NotToAsk(String),
    /// The program was built without the feature that it needs.
    NotBuilt,
    /// The service has no such option.
    UnknownOption(String, Service),
    /// The option takes no value and has one.
    UnexpectedValue(&'static str),
    /// The option takes a value and has none.
    MissingValue(&'static str, &'static str),
    /// The option is there twice.
    RepeatedOption(&'static str),
    /// There is no such format.
    UnknownFormat(String),
    /// There are no such versions of the PROXY protocol.
    UnknownVersions(String),
    /// What follows `from=` is not a range of addresses.
    BadRange(CidrError),
    /// There is `from=`, and no `proxy=`.
    FromWithoutProxy,
    /// There is `proxy=`, and no `from=`: any client could say that it is another.
    ProxyWithoutFrom,
    /// The program was built without TLS.
    NoTls,
    /// The option is about TLS, and there is no `tls`.
    WithoutTls(&'static str),
    /// There is `tls`, and this option is missing.
    TlsWithout(&'static str),
    /// The option is about PROXY headers, and the service reads none.
    NoProxies(&'static str),
    /// The option is about the file of a unix socket, and there is none.
    NoFile(&'static str),
    /// The option is about binding an IP address, and none is bound.
    NothingToBind(&'static str),
    /// The mode is not octal, or has bits beyond the permissions.
    BadMode(String),
    /// What follows `owner=` names no owner.
    BadOwner(AccountError),
}

impl From<AddressError> for ListenError {
    fn from(error: AddressError) -> ListenError {
        ListenError::Address(error)
    }
}

impl fmt::Display for ListenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ListenError::NoAddress => f.write_str(
                "no address (write it as SERVICE=IP:PORT, such as framed=127.0.0.1:9999)",
            ),
            ListenError::UnknownService(name) => {
                write!(f, "no service {name:?} (")?;
                if let Some(meant) = nearest(name, Service::NAMES.into_iter()) {
                    write!(f, "did you mean {meant}? ")?;
                }
                write!(f, "there are {})", Service::NAMES.join(", "))
            }
            ListenError::Address(error) => write!(f, "{error}"),
            ListenError::BadDescriptor(text) => {
                write!(f, "{text:?} is not a descriptor (write fd:NUMBER, at most 65535)")
            }
            ListenError::BadSocketName(text) => write!(
                f,
                "{text:?} names no socket (write systemd:NAME, at most {LONGEST_SOCKET_NAME} bytes \
                 without colons and control characters; or --listen systemd: for all sockets)"
            ),
            ListenError::NotToAsk(text) => write!(
                f,
                "{text:?} is no address of a server (write IP:PORT, [IPv6]:PORT, localhost:PORT or \
                 unix:/PATH, as its metrics listener has it)"
            ),
            ListenError::NotBuilt => f.write_str("this readyd was built without the feature `ops`"),
            ListenError::UnknownOption(option, service) => {
                write!(f, "{} has no option {option:?} (", service.name())?;
                let key = option.split('=').next().unwrap_or_default();
                if let Some(meant) = nearest(key, options_of(*service).map(|known| known.key)) {
                    write!(f, "did you mean {meant}? ")?;
                }
                let all: Vec<String> = options_of(*service).map(ToString::to_string).collect();
                write!(f, "it has {})", all.join(", "))
            }
            ListenError::UnexpectedValue(key) => write!(f, "option {key} takes no value"),
            ListenError::MissingValue(key, value) => {
                write!(f, "option {key} needs a value (write {key}={value})")
            }
            ListenError::RepeatedOption(key) => {
                write!(f, "option {key} is given twice (remove one)")
            }
            ListenError::UnknownFormat(name) => {
                write!(f, "no date format {name:?} (there are {})", Format::NAMES.join(", "))
            }
            ListenError::NoTls => f.write_str("this readyd was built without the feature `tls`"),
            ListenError::WithoutTls(key) => {
                write!(f, "option {key} is about TLS, and tls is not given (add tls)")
            }
            ListenError::TlsWithout(key) => {
                write!(f, "option tls needs {key}=FILE, in PEM (both cert and key are needed)")
            }
            ListenError::UnknownVersions(_)
            | ListenError::BadRange(_)
            | ListenError::FromWithoutProxy
            | ListenError::ProxyWithoutFrom
            | ListenError::NoProxies(_)
            | ListenError::NoFile(_)
            | ListenError::NothingToBind(_)
            | ListenError::BadMode(_)
            | ListenError::BadOwner(_) => self.of_an_option(f),
        }
    }
}

impl ListenError {
    /// What is wrong with the value of an option that every service has.
    fn of_an_option(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ListenError::UnknownVersions(name) => write!(
                f,
                "no versions {name:?} of the PROXY protocol (write proxy=v2, or proxy=any for \
                 versions 1 and 2)"
            ),
            ListenError::BadRange(error) => write!(f, "option from: {error}"),
            ListenError::FromWithoutProxy => {
                f.write_str("option from names proxies, and proxy is not given (add proxy=v2)")
            }
            ListenError::ProxyWithoutFrom => f.write_str(
                "option proxy needs from=CIDR, the addresses of the proxies: any other client \
                 could say that it is somebody else",
            ),
            ListenError::NoProxies(key) => write!(
                f,
                "option {key} is about PROXY headers, and a metrics listener reads none (leave \
                 {key} out)"
            ),
            ListenError::NoFile(key) => write!(
                f,
                "option {key} is about the file of a unix socket (write unix:/PATH, or leave {key} \
                 out)"
            ),
            ListenError::NothingToBind(key) => write!(
                f,
                "option {key} is about binding an IP address (write IP:PORT, or leave {key} out)"
            ),
            ListenError::BadMode(text) => {
                write!(f, "{text:?} is no mode of a file (write it in octal, such as mode=0660)")
            }
            ListenError::BadOwner(error) => write!(f, "option owner: {error}"),
            _ => Ok(()),
        }
    }
}

impl std::error::Error for ListenError {}
