//! Sessions that a client may resume: for load from many connections, more of them than rustls
//! remembers by itself.

use rustls::NamedGroup;
use rustls::client::{ClientSessionStore, Tls12ClientSessionValue, Tls13ClientSessionValue};
use rustls::pki_types::ServerName;
use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Tickets of one server that are remembered. The oldest go first.
const MOST_TICKETS: usize = 4096;

/// What is known of each server.
#[derive(Default)]
pub(super) struct ClientSessions(Mutex<HashMap<ServerName<'static>, OfServer>>);

#[derive(Default)]
struct OfServer {
    group: Option<NamedGroup>,
    /// TLS 1.2: it may be used again.
    session: Option<Tls12ClientSessionValue>,
    /// TLS 1.3: each is used once.
    tickets: VecDeque<Tls13ClientSessionValue>,
}

impl ClientSessions {
    fn all(&self) -> MutexGuard<'_, HashMap<ServerName<'static>, OfServer>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for ClientSessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientSessions")
    }
}

impl ClientSessionStore for ClientSessions {
    fn set_kx_hint(&self, server_name: ServerName<'static>, group: NamedGroup) {
        self.all().entry(server_name).or_default().group = Some(group);
    }

    fn kx_hint(&self, server_name: &ServerName<'_>) -> Option<NamedGroup> {
        self.all().get(server_name)?.group
    }

    fn set_tls12_session(&self, server_name: ServerName<'static>, value: Tls12ClientSessionValue) {
        self.all().entry(server_name).or_default().session = Some(value);
    }

    fn tls12_session(&self, server_name: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        self.all().get(server_name)?.session.clone()
    }

    fn remove_tls12_session(&self, server_name: &ServerName<'static>) {
        if let Some(server) = self.all().get_mut(server_name) {
            server.session = None;
        }
    }

    fn insert_tls13_ticket(
        &self,
        server_name: ServerName<'static>,
        value: Tls13ClientSessionValue,
    ) {
        let mut all = self.all();
        let tickets = &mut all.entry(server_name).or_default().tickets;
        if tickets.len() >= MOST_TICKETS {
            tickets.pop_front();
        }
        tickets.push_back(value);
    }

    fn take_tls13_ticket(
        &self,
        server_name: &ServerName<'static>,
    ) -> Option<Tls13ClientSessionValue> {
        self.all().get_mut(server_name)?.tickets.pop_back()
    }
}
