//! A naive reference for admission: which clients the rules and limits on addresses should let in.
//! It follows the server's calls in their order.

use crate::addresses::{CLIENTS, ClientAddress, ClientAddresses};
use crate::nets::ServerNet;
use readyd::io::clock::Moment;
use readyd::server::Server;
use readyd::server::limits::Limits;
use readyd::testkit::kernel::Kernel;
use readyd::testkit::knobs::Knob;
use readyd::testkit::sockets::Passage;
use std::collections::BTreeSet;

/// Why a client should be turned away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refusal {
    Denied,
    TooMany,
    TooFast,
}

/// Allowances are counted in these parts of a second.
const PARTS: u128 = 1_000_000_000;

/// What is left of a client's rate. It is full after a second without a connection.
#[derive(Clone, Copy, Debug)]
struct Allowance {
    /// Connections that may come at once, times [`PARTS`].
    left: u128,
    at: Moment,
}

/// What the reference knows of all clients.
#[derive(Debug, Default)]
pub(crate) struct AdmissionReference {
    client_addresses: ClientAddresses,
    /// Connections of each client.
    open: [usize; CLIENTS],
    allowances: [Option<Allowance>; CLIENTS],
    inside: BTreeSet<usize>,
    /// The connection that is accepted but neither registered nor closed, and what the server
    /// should do with it.
    pending: Option<(usize, Result<(), Refusal>)>,
    refused: [u64; 3],
}

impl AdmissionReference {
    pub(crate) fn new(client_addresses: ClientAddresses) -> AdmissionReference {
        AdmissionReference { client_addresses, ..AdmissionReference::default() }
    }

    /// # Errors
    ///
    /// Which connection was let in or turned away wrongly, or which counter is wrong.
    pub(crate) fn follow(
        &mut self,
        kernel: &mut Kernel,
        server: &Server<ServerNet>,
        limits: &Limits,
    ) -> Result<(), String> {
        for (now, passage) in std::mem::take(&mut kernel.passages) {
            self.see(passage, now, kernel, limits)
                .map_err(|what| format!("at admission, {passage:?}: {what}"))?;
        }
        ensure(self.pending.is_none(), "an accepted connection was neither registered nor closed")?;
        self.compare(server, limits)
    }

    fn see(
        &mut self,
        passage: Passage,
        now: Moment,
        kernel: &mut Kernel,
        limits: &Limits,
    ) -> Result<(), String> {
        match passage {
            Passage::Accepted(link) => {
                let verdict = self.decide(kernel, link, now, limits);
                let before = self.pending.replace((link, verdict));
                ensure(before.is_none(), "the connection before was neither registered nor closed")
            }
            Passage::Registered(link) | Passage::CannotRegister(link) => {
                match self.pending.take() {
                    Some((other, Ok(()))) if other == link => {}
                    other => return Err(format!("that was for {other:?}")),
                }
                if let Passage::Registered(_) = passage {
                    self.open[ClientAddress::at(kernel.facts[link].source).client()] += 1;
                    self.inside.insert(link);
                }
                Ok(())
            }
            Passage::Closed(link) if self.inside.remove(&link) => {
                self.open[ClientAddress::at(kernel.facts[link].source).client()] -= 1;
                Ok(())
            }
            Passage::Closed(link) => match self.pending.take_if(|(other, _)| *other == link) {
                Some((_, Err(refusal))) => self.turned_away(kernel, link, refusal),
                Some((_, Ok(()))) => Err("it was turned away without a reason".to_owned()),
                None => Ok(()),
            },
        }
    }

    fn decide(
        &mut self,
        kernel: &Kernel,
        link: usize,
        now: Moment,
        limits: &Limits,
    ) -> Result<(), Refusal> {
        let client_address = ClientAddress::at(kernel.facts[link].source);
        if !self.client_addresses.allows(client_address) {
            return Err(Refusal::Denied);
        }
        let client = client_address.client();
        if limits.max_connections_per_address.is_some_and(|most| self.open[client] >= most) {
            return Err(Refusal::TooMany);
        }
        let Some(rate) = limits.accept_rate_per_address else { return Ok(()) };
        let full = u128::from(rate) * PARTS;
        let mut left = full;
        if let Some(known) = self.allowances[client] {
            let earned = now.since(known.at).as_nanos() * u128::from(rate);
            left = full.min(known.left + earned);
        }
        let is_allowed = left >= PARTS;
        left -= if is_allowed { PARTS } else { 0 };
        self.allowances[client] = Some(Allowance { left, at: now });
        if is_allowed { Ok(()) } else { Err(Refusal::TooFast) }
    }

    fn turned_away(
        &mut self,
        kernel: &mut Kernel,
        link: usize,
        refusal: Refusal,
    ) -> Result<(), String> {
        kernel.faults.count(match refusal {
            Refusal::Denied => Knob::AccessLists,
            Refusal::TooMany => Knob::AddressLimit,
            Refusal::TooFast => Knob::AddressRate,
        });
        let facts = &kernel.facts[link];
        self.refused[refusal as usize] += 1;
        ensure(facts.is_aborted, "it was turned away with FIN, which the kernel must remember")?;
        ensure(facts.read == 0 && facts.sent == 0, "it was turned away, and served before")
    }

    fn compare(&self, server: &Server<ServerNet>, limits: &Limits) -> Result<(), String> {
        let stats = server.stats();
        let counted =
            [stats.refused_denied, stats.refused_address_limit, stats.refused_address_rate];
        if counted != self.refused {
            return Err(format!(
                "denied, over the limit and too fast were {:?}, counted are {counted:?}",
                self.refused
            ));
        }
        let clients = match limits.max_connections_per_address {
            Some(_) => self.open.iter().filter(|&&count| count > 0).count(),
            None => 0,
        };
        let remembered = server.clients_counted();
        if remembered != clients {
            return Err(format!("{clients} clients are connected, {remembered} are remembered"));
        }
        Ok(())
    }
}

fn ensure(holds: bool, what: &str) -> Result<(), String> {
    if holds { Ok(()) } else { Err(what.to_owned()) }
}
