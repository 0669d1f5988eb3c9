//! How a captured server began: all that it was made of.
//!
//! It is written as pairs of a name and a value, which are text but for tables and time zones. So a
//! reader of another version can tell what it does not know.

use super::wire::{Fault, Source, Writer};
use crate::handlers::daytime::Format;
use crate::handlers::{Options, Service};
use crate::io::clock::Moment;
use crate::io::net::Identity;
use crate::protocol::proxy_header::Versions;
use crate::server::access;
use crate::server::limits::Limits;
use crate::server::proxied::{Proxies, Serves};
use crate::server::stats::VERSION;
use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

/// The beginning of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Start<'a> {
    /// The version of the program.
    pub version: Cow<'a, str>,
    /// The number of its process.
    pub pid: u32,
    /// If it is a shard, what it knows of the others; if it goes on with the statistics of earlier
    /// processes, what it knows of these.
    pub shard: Option<OfShard>,
    /// When it began.
    pub now: Moment,
    /// Its limits.
    pub limits: Limits,
    /// What its table is built from.
    pub table: Cow<'a, [u8]>,
    /// Whether a line of the table has the value before the key.
    pub is_value_first: bool,
    /// The rules of its time zone.
    pub zone: Cow<'a, [u8]>,
    /// Its listeners.
    pub listeners: Vec<Listener>,
}

/// What a shard knows of the server that it is a part of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OfShard {
    /// Its number, from 1; 0 if it is no shard, and goes on with the statistics of others.
    pub number: u32,
    /// The process that takes signals for all.
    pub supervisor: u32,
    /// How long there had been shards when it started.
    pub age: Duration,
}

/// A listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// What it serves, and to whom.
    pub serves: Serves,
    /// Whether no other process has it.
    pub is_own: bool,
    /// Where it is, for people.
    pub address: String,
}

/// Why a server cannot be made of a beginning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StartFault {
    /// The bytes are no beginning.
    Bytes(Fault),
    /// It has something that this program does not know: it was written by a newer one.
    Unknown(String),
    /// A value does not fit its name.
    Value(String),
}

impl fmt::Display for StartFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StartFault::Bytes(fault) => write!(f, "{fault}"),
            StartFault::Unknown(name) => {
                write!(f, "it says {name:?} of its server, which this version does not know")
            }
            StartFault::Value(name) => write!(f, "what it says of {name:?} is not valid"),
        }
    }
}

impl std::error::Error for StartFault {}

impl From<Fault> for StartFault {
    fn from(fault: Fault) -> StartFault {
        StartFault::Bytes(fault)
    }
}

impl Default for Start<'_> {
    /// This version of the program, with nothing else said.
    fn default() -> Self {
        Start {
            version: VERSION.into(),
            pid: 0,
            shard: None,
            now: Moment::START,
            limits: Limits::default(),
            table: Cow::default(),
            is_value_first: false,
            zone: Cow::default(),
            listeners: Vec::new(),
        }
    }
}

impl Start<'_> {
    /// The bytes.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut to = Writer::default();
        let mut put = |name: &str, value: &[u8]| {
            to.bytes(name.as_bytes());
            to.bytes(value);
        };
        put("version", self.version.as_bytes());
        put("pid", self.pid.to_string().as_bytes());
        if let Some(OfShard { number, supervisor, age }) = self.shard {
            put("shard", format!("{number} {supervisor} {}", age.as_nanos()).as_bytes());
        }
        put("now", self.now.as_nanos().to_string().as_bytes());
        for (name, value) in self.limits.words() {
            put(name, value.as_bytes());
        }
        for Listener { serves, is_own, address } in &self.listeners {
            let Serves { service, proxies, tls } = serves;
            let Options { format, ack } = service.options;
            let (ack, own) = (u8::from(ack), u8::from(*is_own));
            let value = format!("{} {} {ack} {own} {address}", service.name(), format.name());
            put("listener", value.as_bytes());
            if let Some(proxies) = proxies {
                put("proxies", proxies.to_string().as_bytes());
            }
            if let Some(Identity(identity)) = tls {
                put("tls", identity.to_string().as_bytes());
            }
        }
        put("zone", &self.zone);
        put(if self.is_value_first { "table-value-key" } else { "table-key-value" }, &self.table);
        to.bytes
    }

    /// Reads the bytes.
    pub(super) fn decode(mut from: Source<'_>) -> Result<Start<'static>, StartFault> {
        let mut start = Start::default();
        while !from.cursor.is_empty() {
            let (name, value) = (from.bytes()?, from.bytes()?);
            let name = String::from_utf8_lossy(name);
            match &*name {
                "zone" => start.zone = value.to_vec().into(),
                "table-key-value" | "table-value-key" => {
                    start.table = value.to_vec().into();
                    start.is_value_first = name == "table-value-key";
                }
                _ => {
                    let text = std::str::from_utf8(value)
                        .map_err(|_| StartFault::Value(name.clone().into_owned()))?;
                    start.set(&name, text)?;
                }
            }
        }
        start.limits.validate().map_err(|error| StartFault::Value(error.flag().to_owned()))?;
        Ok(start)
    }

    fn set(&mut self, name: &str, text: &str) -> Result<(), StartFault> {
        let is_set = match name {
            "version" => {
                self.version = text.to_owned().into();
                Some(())
            }
            "pid" => text.parse().ok().map(|pid| self.pid = pid),
            "shard" => shard(text).map(|shard| self.shard = Some(shard)),
            "now" => text.parse().ok().map(|nanos| self.now = Moment::from_nanos(nanos)),
            "listener" => listener(text).map(|listener| self.listeners.push(listener)),
            // Of the listener before.
            "proxies" => proxies(text).and_then(|proxies| {
                self.listeners.last_mut().map(|last| last.serves.proxies = Some(Box::new(proxies)))
            }),
            "tls" => text.parse().ok().and_then(|identity| {
                self.listeners.last_mut().map(|last| last.serves.tls = Some(Identity(identity)))
            }),
            _ => match self.limits.set_word(name, text) {
                Some(is_set) => is_set,
                None => return Err(StartFault::Unknown(name.to_owned())),
            },
        };
        is_set.ok_or_else(|| StartFault::Value(name.to_owned()))
    }
}

fn shard(text: &str) -> Option<OfShard> {
    let mut words = text.split(' ');
    Some(OfShard {
        number: words.next()?.parse().ok()?,
        supervisor: words.next()?.parse().ok()?,
        age: Duration::from_nanos(words.next()?.parse().ok()?),
    })
}

fn listener(text: &str) -> Option<Listener> {
    let mut words = text.splitn(5, ' ');
    let service = Service::from_name(words.next()?)?;
    let format = Format::from_name(words.next()?)?;
    let mut is_set = || words.next().map(|word| word == "1");
    let (ack, is_own) = (is_set()?, is_set()?);
    let service = service.with(Options { format, ack });
    Some(Listener { serves: service.into(), is_own, address: words.next()?.to_owned() })
}

/// Reads what the operator wrote: `proxy=v2,from=CIDR,from=CIDR`.
fn proxies(text: &str) -> Option<Proxies> {
    let (versions, from) = match text.split_once(",from=") {
        Some((versions, from)) => (versions, access::ranges(&from.replace(",from=", ",")).ok()?),
        None => (text, Vec::new()),
    };
    Some(Proxies { versions: Versions::from_name(versions.strip_prefix("proxy=")?)?, from })
}
