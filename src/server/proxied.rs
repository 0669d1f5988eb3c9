//! Clients behind a proxy, which begins each connection with a header of the PROXY protocol.
//!
//! Invariants:
//!
//! - A header counts only from a sender that the operator trusts. Anybody could write one.
//! - The client that a header tells of is as if it had connected itself: rules and limits on
//!   addresses, the greeting and the log are about it. Before that, a connection has nothing but
//!   its place.

use super::connection::{PeerStanding, ServerConnection};
use super::context::ServerContext;
use super::encrypted::Layer;
use super::turn::Cause;
use crate::handlers::Service;
use crate::io::address::Peer;
use crate::io::net::{Identity, Net};
use crate::io::socket_table::Socket;
use crate::protocol::proxy_header::{self, MAX_LEN, ProxyHeader, Source, Versions};
use crate::server::access::Cidr;
use crate::server::close::CloseReason;
use log::Level;
use std::fmt;
use std::ops::Range;

/// What a listener serves, and to whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Serves {
    /// The service.
    pub service: Service,
    /// If proxies connect: which.
    pub proxies: Option<Box<Proxies>>,
    /// If connections are encrypted: with which certificate.
    pub tls: Option<Identity>,
}

impl From<Service> for Serves {
    fn from(service: Service) -> Serves {
        Serves { service, proxies: None, tls: None }
    }
}

/// Which proxies may connect to a listener, and with which headers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proxies {
    /// The versions of the protocol that are accepted.
    pub versions: Versions,
    /// The ranges that the proxies' addresses are in. A unix socket needs none: the mode of its
    /// file says who may connect.
    pub from: Vec<Cidr>,
}

/// `proxy=v2,from=CIDR,from=CIDR`, as an operator writes it.
impl fmt::Display for Proxies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "proxy={}", self.versions)?;
        self.from.iter().try_for_each(|range| write!(f, ",from={range}"))
    }
}

/// Who has connected to a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sender {
    Client,
    /// A trusted proxy: a header of these versions comes first.
    Proxy(Versions),
    /// It may be a client, or a proxy that is not trusted.
    Stranger,
}

impl Serves {
    /// Who a peer of the listener is.
    #[inline]
    pub(super) fn sender(&self, peer: &Peer) -> Sender {
        match &self.proxies {
            Some(proxies) if cfg!(feature = "ops") => proxies.sender(peer),
            _ => Sender::Client,
        }
    }
}

impl Proxies {
    fn sender(&self, peer: &Peer) -> Sender {
        let is_in = |ip| self.from.iter().any(|range| range.contains(ip));
        match peer.ip() {
            Some(ip) if !is_in(ip) => Sender::Stranger,
            _ => Sender::Proxy(self.versions),
        }
    }
}

impl<N: Net> ServerContext<N> {
    /// Takes bytes of a connection whose header is not complete. If it is complete now, the
    /// connection is opened, unless its client is refused, and the bytes behind it are served.
    /// Returns where in `input` the reply is if it was made there.
    #[cold]
    pub(super) fn take_header(
        &mut self,
        stream: &mut N::Stream,
        connection: &mut ServerConnection,
        input: &mut [u8],
        output: &mut Vec<u8>,
        out_start: usize,
    ) -> Option<Range<usize>> {
        let PeerStanding::AwaitsHeader(versions) = connection.standing else { return None };
        let held = connection.conn.held();
        let most = MAX_LEN.saturating_sub(held).min(input.len());
        let new = input.get(..most).unwrap_or_default();
        // A header comes whole, as a rule. Then it is not copied.
        let bytes = if held == 0 { new } else { connection.conn.hold(new, self.now) };
        match proxy_header::parse(bytes, versions) {
            Ok(Some(ProxyHeader { len, source })) => {
                connection.conn.begin(self.now);
                if self.introduce(connection, source) {
                    let used = len.saturating_sub(held);
                    let rest = input.get_mut(used..).unwrap_or_default();
                    if let Layer::BehindHeader(identity) = connection.layer {
                        match self.begin_encryption(stream, identity, rest) {
                            Ok(layer) => connection.layer = layer,
                            Err(error) => self.fail(connection, &error, false),
                        }
                        return None;
                    }
                    let in_place = self.with_engine(connection, output, out_start, |conn, cx| {
                        conn.open(cx);
                        if rest.is_empty() { None } else { conn.receive(rest, cx) }
                    });
                    return in_place.map(|range| range.start + used..range.end + used);
                }
            }
            Ok(None) if held == 0 => _ = connection.conn.hold(new, self.now),
            Ok(None) => {}
            Err(error) => {
                let line = format_args!("{}: bad PROXY header: {error}", connection.peer);
                self.log.line(self.now, Level::Warn, line);
                connection.conn.abandon(CloseReason::BadProxyHeader);
            }
        }
        None
    }

    /// The header is complete: from now on its client is the peer. Returns whether it may come in.
    fn introduce(&mut self, connection: &mut ServerConnection, source: Source) -> bool {
        let proxy = connection.peer;
        connection.peer = match source {
            Source::Proxy => proxy,
            Source::Client(address) => Peer::Inet(address),
            Source::Unnamed => Peer::Proxied,
        };
        let peer = connection.peer;
        self.observe_proxy_header(&peer);
        let active = self.stats.open();
        if source == Source::Proxy {
            self.stats.proxy_local += 1;
            connection.standing = PeerStanding::Exempt;
            let line = format_args!("{peer} connected (PROXY header: LOCAL, {active} active)");
            self.log.line(self.now, Level::Info, line);
            return true;
        }
        self.stats.proxy_headers += 1;
        match self.admission.admit(&peer, &self.limits, self.now) {
            Ok(()) => {
                connection.standing = PeerStanding::Admitted;
                let line = format_args!("{peer} connected (by way of {proxy}, {active} active)");
                self.log.line(self.now, Level::Info, line);
                true
            }
            Err(refusal) => {
                connection.standing = PeerStanding::Exempt;
                connection.conn.abandon(CloseReason::ProxyRefused);
                self.count_refusal(refusal, &peer);
                false
            }
        }
    }

    /// The deadline of a connection that has not been opened has passed, or the server drains.
    pub(super) fn expire_or_drain_unopened(
        &mut self,
        socket: &mut Socket<N::Stream, ServerConnection>,
        cause: Cause,
        drains: bool,
    ) {
        let Socket { endpoint, ready, .. } = socket;
        if !endpoint.conn.is_open() {
            // It is being closed already.
        } else if cause == Cause::Expired && endpoint.next_deadline(&self.limits).0 <= self.now {
            endpoint.conn.fail(match endpoint.awaits_header() {
                true => CloseReason::ProxyHeaderTimeout,
                false => CloseReason::TlsHandshakeTimeout,
            });
        } else if drains && !ready.read {
            endpoint.conn.fail(CloseReason::Drained);
        }
    }
}
