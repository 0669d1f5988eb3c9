//! The descriptors of each process, and what they stand for.
//!
//! Invariant: all tables together hold at most [`MOST_DESCRIPTORS`], whatever a recording says.

use crate::trace::event::{Number, TracedPeer};
use std::collections::{BTreeMap, HashMap};

/// Descriptors that are followed. Further ones are not.
const MOST_DESCRIPTORS: usize = 1_000_000;

/// Descriptors of a process that forks which its child is known to have. Further ones are found
/// when they are used.
const MOST_INHERITED: usize = 10_000;

/// Registrations with epoll instances that are followed.
const MOST_REGISTRATIONS: usize = 1_000_000;

/// What a descriptor stands for. Several may stand for one object, dup(2) and fork(2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Object {
    /// An epoll(7) instance: its number, from 1.
    Epoll(u32),
    /// A listener: its number, from 0.
    Listener(u32),
    Connection(Number),
    /// A socket that is neither yet.
    Socket,
    /// A socket for datagrams that was not used yet.
    Datagrams,
    /// Something that wakes a loop.
    Waker,
    /// A timer, or a signal that is read.
    Timer,
    /// A file, say.
    Other,
}

/// The number of a table of descriptors: threads share one, processes have their own.
pub(super) type TableNumber = u32;

/// A connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Connection {
    pub(super) peer: TracedPeer,
    /// The descriptor by which it was opened or found.
    pub(super) descriptor: u32,
    /// Descriptors that stand for it.
    references: u32,
    /// The loop that told of it last: its thread.
    pub(super) home: Option<u32>,
    /// The newest event for it: the turn of its home, and the number of the cause.
    pub(super) newest: Option<(u64, u64)>,
    /// Whether it was not visited yet since it was accepted.
    pub(super) is_new: bool,
    /// FIN has come.
    pub(super) has_ended: bool,
    /// ECONNRESET or EPIPE was seen.
    pub(super) is_broken: bool,
    /// shutdown(2) of the output.
    pub(super) is_shut: bool,
    /// SO_LINGER of 0 is set: close(2) sends RST.
    pub(super) resets: bool,
    /// Bytes that the last call was given and did not take.
    pub(super) unsent: u32,
    /// Where it is registered: the epoll instance, and its data.
    registered: Option<(u32, u64)>,
}

impl Connection {
    pub(super) fn new(peer: TracedPeer, descriptor: u32) -> Connection {
        Connection {
            peer,
            descriptor,
            references: 0,
            home: None,
            newest: None,
            is_new: true,
            has_ended: false,
            is_broken: false,
            is_shut: false,
            resets: false,
            unsent: 0,
            registered: None,
        }
    }
}

/// All descriptors.
#[derive(Debug, Default)]
pub(super) struct Tables {
    tables: HashMap<TableNumber, BTreeMap<u32, Object>>,
    last_table: TableNumber,
    held: usize,
    connections: HashMap<Number, Connection>,
    last_connection: Number,
    last_listener: u32,
    /// Descriptors, by epoll instance and data.
    registrations: HashMap<(u32, u64), u32>,
    last_epoll: u32,
}

impl Tables {
    /// A table without descriptors.
    pub(super) fn add_table(&mut self) -> TableNumber {
        self.last_table = self.last_table.wrapping_add(1);
        self.tables.insert(self.last_table, BTreeMap::new());
        self.last_table
    }

    /// fork(2): a table with the same descriptors.
    pub(super) fn copy_table(&mut self, from: TableNumber) -> TableNumber {
        let from = self.tables.get(&from).filter(|table| table.len() <= MOST_INHERITED);
        let descriptors = from.cloned().unwrap_or_default();
        let copy = self.add_table();
        for (descriptor, object) in descriptors {
            self.set(copy, descriptor, object);
        }
        copy
    }

    /// The connections that nobody has open any more, now that a table is gone.
    pub(super) fn remove_table(&mut self, table: TableNumber) -> Vec<Number> {
        let descriptors = self.tables.remove(&table).unwrap_or_default();
        self.held -= descriptors.len();
        let mut closed: Vec<Number> =
            descriptors.into_values().filter_map(|object| self.let_go(object)).collect();
        closed.sort_unstable();
        closed
    }

    pub(super) fn get(&self, table: TableNumber, descriptor: u32) -> Option<Object> {
        self.tables.get(&table)?.get(&descriptor).copied()
    }

    /// Has a descriptor stand for an object. Returns the connection that is closed by that.
    pub(super) fn set(
        &mut self,
        table: TableNumber,
        descriptor: u32,
        object: Object,
    ) -> Option<Number> {
        let closed = self.close(table, descriptor);
        if self.held < MOST_DESCRIPTORS {
            if let Object::Connection(number) = object
                && let Some(connection) = self.connections.get_mut(&number)
            {
                connection.references += 1;
            }
            self.tables.entry(table).or_default().insert(descriptor, object);
            self.held += 1;
        }
        closed
    }

    /// close(2). Returns the connection, if this was the last descriptor of one.
    pub(super) fn close(&mut self, table: TableNumber, descriptor: u32) -> Option<Number> {
        let object = self.tables.get_mut(&table)?.remove(&descriptor)?;
        self.held -= 1;
        self.let_go(object)
    }

    fn let_go(&mut self, object: Object) -> Option<Number> {
        let Object::Connection(number) = object else { return None };
        let connection = self.connections.get_mut(&number)?;
        connection.references = connection.references.saturating_sub(1);
        if connection.references > 0 {
            return None;
        }
        if let Some(registered) = connection.registered.take() {
            self.registrations.remove(&registered);
        }
        Some(number)
    }

    /// A connection. `None` if there are too many.
    pub(super) fn add_connection(&mut self, connection: Connection) -> Option<Number> {
        if self.connections.len() >= MOST_DESCRIPTORS {
            return None;
        }
        self.last_connection = self.last_connection.checked_add(1)?;
        self.connections.insert(self.last_connection, connection);
        Some(self.last_connection)
    }

    pub(super) fn connection(&self, number: Number) -> Option<&Connection> {
        self.connections.get(&number)
    }

    pub(super) fn connection_mut(&mut self, number: Number) -> Option<&mut Connection> {
        self.connections.get_mut(&number)
    }

    /// A connection that was closed is told and forgotten.
    pub(super) fn remove_connection(&mut self, number: Number) -> Option<Connection> {
        self.connections.remove(&number)
    }

    /// Connections that are open.
    pub(super) fn open(&self) -> u32 {
        u32::try_from(self.connections.len()).unwrap_or(u32::MAX)
    }

    pub(super) fn add_listener(&mut self) -> Object {
        let object = Object::Listener(self.last_listener);
        self.last_listener = self.last_listener.saturating_add(1);
        object
    }

    pub(super) fn add_epoll(&mut self) -> Object {
        self.last_epoll = self.last_epoll.saturating_add(1);
        Object::Epoll(self.last_epoll)
    }

    /// epoll_ctl(2), with EPOLL_CTL_ADD or EPOLL_CTL_MOD.
    pub(super) fn register(
        &mut self,
        (epoll, data): (u32, u64),
        table: TableNumber,
        descriptor: u32,
    ) {
        if let Some(Object::Connection(number)) = self.get(table, descriptor)
            && let Some(connection) = self.connections.get_mut(&number)
        {
            connection.registered = Some((epoll, data));
        }
        if self.registrations.len() < MOST_REGISTRATIONS {
            self.registrations.insert((epoll, data), descriptor);
        }
    }

    /// The descriptor that was registered with this data.
    pub(super) fn registered(&self, epoll: u32, data: u64) -> Option<u32> {
        self.registrations.get(&(epoll, data)).copied()
    }

    /// The descriptors of a table from `first` to `last`.
    pub(super) fn range(&self, table: TableNumber, first: u32, last: u32) -> Vec<u32> {
        let Some(table) = self.tables.get(&table).filter(|_| first <= last) else {
            return Vec::new();
        };
        table.range(first..=last).map(|(&descriptor, _)| descriptor).collect()
    }
}
