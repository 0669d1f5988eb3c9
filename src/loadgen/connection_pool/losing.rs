//! How connections cease that the load generator did not close of itself.

use super::ConnectionPool;
use crate::io::clock::Moment;
use crate::io::host::MonotonicClock;
use crate::io::net::Connect;
use crate::loadgen::accounts::Accounts;
use crate::loadgen::client_connection::ServerClosed;
use crate::loadgen::conn_state::Role;
use crate::loadgen::counters::Operation;
use crate::loadgen::ends::{ConnectionEnd, RequestEnd};
use crate::loadgen::pacer::Pacer;
use crate::loadgen::slot::{LoadEndpoint, UndecidedEnd};
use std::io::{self, ErrorKind};

/// Why a connection cannot be used any more.
#[derive(Debug)]
pub(in crate::loadgen) enum Loss {
    /// The server closed it.
    ServerClosed,
    /// A call failed, or the stream cannot be read.
    Failed(Operation, io::Error),
    /// A reply did not come in time, and could come in place of the next one.
    OutOfStep,
}

impl Loss {
    /// The end of a connection on which the server owed something.
    fn end(&self) -> ConnectionEnd {
        match self {
            Loss::ServerClosed => ConnectionEnd::InFlight,
            Loss::Failed(_, error) if error.kind() == ErrorKind::InvalidData => {
                ConnectionEnd::GivenUp
            }
            Loss::Failed(..) => ConnectionEnd::Reset,
            Loss::OutOfStep => ConnectionEnd::GivenUp,
        }
    }

    /// Whether the load generator itself ends the connection.
    pub(in crate::loadgen) fn is_given_up(&self) -> bool {
        self.end() == ConnectionEnd::GivenUp
    }

    fn into_error(self) -> Option<(Operation, io::Error)> {
        match self {
            Loss::ServerClosed => Some((Operation::Reading, ErrorKind::UnexpectedEof.into())),
            Loss::Failed(operation, error) => Some((operation, error)),
            Loss::OutOfStep => None,
        }
    }
}

impl<N: Connect + MonotonicClock> ConnectionPool<N> {
    /// A connection cannot be used any more. A slow peer that the server closed stays away.
    pub(in crate::loadgen) fn on_lost(
        &mut self,
        index: usize,
        loss: Loss,
        now: Moment,
        accounts: &mut Accounts,
        pacer: &mut Pacer,
    ) {
        // The reply to a probe may come together with the FIN behind it.
        if self.is_probe_answered(index) {
            self.on_probe_answered(index, accounts);
        }
        let end = match self.role(index) {
            Role::Active => match (self.server_closed(index, now), &loss) {
                (_, Loss::OutOfStep) => loss.end(),
                (ServerClosed::AfterLastAnswer, Loss::ServerClosed) => {
                    ConnectionEnd::AfterLastAnswer
                }
                // No request more was to come on it.
                (ServerClosed::AfterLastAnswer, _) if !self.may_take_another(index, now) => {
                    ConnectionEnd::AfterLastAnswer
                }
                (ServerClosed::BetweenRequests, Loss::ServerClosed) if self.has_answered(index) => {
                    ConnectionEnd::BetweenRequests
                }
                // It never served this connection: it has too many, or wants none.
                (ServerClosed::BetweenRequests, Loss::ServerClosed) => ConnectionEnd::WhileIdle,
                (ServerClosed::AheadOfRequests, _)
                    if loss.end() != ConnectionEnd::GivenUp && self.may_return(pacer) =>
                {
                    return self.take_back(index, loss, now, accounts, pacer);
                }
                _ => loss.end(),
            },
            Role::Idle if matches!(loss, Loss::ServerClosed) => ConnectionEnd::WhileIdle,
            Role::Idle => loss.end(),
            Role::SlowReader | Role::SlowWriter => ConnectionEnd::SlowPeer,
        };
        let has_answered = self.has_answered(index);
        self.close(index, accounts, RequestEnd::Lost, end);
        match end {
            ConnectionEnd::SlowPeer => return self.slots[index].connection.give_up(),
            // Nobody was let down, so the next connection need not be waited for.
            ConnectionEnd::AfterLastAnswer | ConnectionEnd::BetweenRequests
                if has_answered && self.may_return(pacer) =>
            {
                return self.connect_if_needed(index, now, accounts, pacer);
            }
            ConnectionEnd::AfterLastAnswer | ConnectionEnd::BetweenRequests => {}
            _ => {
                if let Some((operation, error)) = loss.into_error() {
                    accounts.main.failed(operation, &error);
                }
            }
        }
        self.connect_later(index, now, pacer);
    }

    fn server_closed(&self, index: usize, now: Moment) -> ServerClosed {
        match &self.slots[index].endpoint {
            LoadEndpoint::Active(client) => client.on_server_closed(now),
            _ => ServerClosed::InFlight,
        }
    }

    fn has_answered(&self, index: usize) -> bool {
        matches!(&self.slots[index].endpoint, LoadEndpoint::Active(client) if client.has_answered())
    }

    fn is_probe_answered(&self, index: usize) -> bool {
        matches!(&self.slots[index].endpoint,
            LoadEndpoint::Probe(client) if client.has_answered() && client.is_quiet())
    }

    fn may_take_another(&self, index: usize, now: Moment) -> bool {
        matches!(&self.slots[index].endpoint,
            LoadEndpoint::Active(client) if client.may_take_another(now))
    }

    fn may_return(&self, pacer: &Pacer) -> bool {
        self.plan.reconnecting.reconnect && pacer.awaits_replies()
    }

    /// Takes back the requests that were on their way when the server closed, and connects again
    /// to send them.
    fn take_back(
        &mut self,
        index: usize,
        loss: Loss,
        now: Moment,
        accounts: &mut Accounts,
        pacer: &mut Pacer,
    ) {
        self.close_socket(index, accounts);
        let end = loss.end();
        let slot = &mut self.slots[index];
        if let (LoadEndpoint::Active(client), Some((operation, error))) =
            (&mut slot.endpoint, loss.into_error())
        {
            client.take_back();
            client.on_closed(&mut accounts.main, RequestEnd::Lost);
            slot.undecided = Some(Box::new(UndecidedEnd { loss: end, operation, error }));
        }
        self.connect(index, now, accounts, pacer);
    }

    /// It is known now what the end of the last connection was, if it was undecided: whether the
    /// server `is_back`.
    pub(super) fn decide(&mut self, index: usize, is_back: bool, accounts: &mut Accounts) {
        let Some(undecided) = self.slots[index].undecided.take() else { return };
        if is_back {
            return accounts.ended(ConnectionEnd::AfterLastAnswer);
        }
        let UndecidedEnd { loss, operation, error } = *undecided;
        accounts.main.failed(operation, &error);
        accounts.ended(loss);
        if let LoadEndpoint::Active(client) = &mut self.slots[index].endpoint {
            client.lose_taken_back(&mut accounts.main);
        }
    }
}
