//! What each call does to descriptors and connections.

use super::descriptor::{Descriptor, Kind, sockaddr};
use super::lexer::{Outcome, inside, items};
use super::loops::Tell;
use super::machine::{Machine, Made};
use super::tables::{Connection, Object};
use super::transfer::{Direction, Transfer};
use super::waits::data;
use crate::trace::event::{Event, NoAccept, Number, RecvEnd, SendEnd, TracedPeer};
use memchr::memmem;

/// ECONNRESET and EPIPE: the connection is broken.
const BROKEN: [u32; 2] = [104, 32];

impl Machine {
    /// The object of a descriptor. One that is not known is found by its text.
    pub(super) fn object(
        &mut self,
        made: Made<'_>,
        it: &Descriptor<'_>,
        tell: &mut Tell<'_>,
    ) -> Option<Object> {
        let (known, kind) = (self.tables.get(made.table, it.number), it.kind());
        let found = match (known, kind) {
            (Some(Object::Connection(number)), Kind::Connected(peer)) => {
                let connection = self.tables.connection_mut(number)?;
                if connection.peer == TracedPeer::Unix {
                    connection.peer = peer;
                }
                if connection.peer == peer {
                    return known;
                }
                // The descriptor was closed and used again, and that is not in the recording.
                self.found(peer, it.number)?
            }
            (None | Some(Object::Socket | Object::Other), Kind::Connected(peer))
            | (Some(_), Kind::Connected(peer @ TracedPeer::Inet(_))) => {
                self.found(peer, it.number)?
            }
            (Some(Object::Connection(_) | Object::Socket | Object::Listener(_)), Kind::Other) => {
                Object::Other
            }
            (Some(known), _) => return Some(known),
            (None, Kind::Alone) => Object::Socket,
            (None, Kind::Datagrams) => Object::Datagrams,
            (None, Kind::Epoll) => self.tables.add_epoll(),
            (None, Kind::Waker) => Object::Waker,
            (None, Kind::Other | Kind::Untold) => return None,
        };
        self.set(made, it.number, found, tell);
        Some(found)
    }

    fn found(&mut self, peer: TracedPeer, descriptor: u32) -> Option<Object> {
        let connection = Connection::new(peer, descriptor);
        self.tables.add_connection(connection).map(Object::Connection)
    }

    /// Has a descriptor stand for an object. What it stood for before was closed.
    fn set(&mut self, made: Made<'_>, descriptor: u32, object: Object, tell: &mut Tell<'_>) {
        if let Some(closed) = self.tables.set(made.table, descriptor, object) {
            self.closed(made.thread, made.ended, closed, false, tell);
        }
    }

    /// The connection of a descriptor. A socket for datagrams becomes one when it is used.
    pub(super) fn connection(
        &mut self,
        made: Made<'_>,
        it: &Descriptor<'_>,
        tell: &mut Tell<'_>,
    ) -> Option<Number> {
        match self.object(made, it, tell)? {
            Object::Connection(number) => Some(number),
            Object::Datagrams => {
                let object = self.found(TracedPeer::Unix, it.number)?;
                self.set(made, it.number, object, tell);
                if let Object::Connection(number) = object { Some(number) } else { None }
            }
            _ => None,
        }
    }

    /// The last descriptor of a connection was closed.
    pub(super) fn closed(
        &mut self,
        thread: u32,
        at: u64,
        connection: Number,
        is_exit: bool,
        tell: &mut Tell<'_>,
    ) {
        // A process ends with its last thread, which may be any.
        let home = self.tables.connection(connection).and_then(|it| it.home);
        let thread = home.filter(|_| is_exit).unwrap_or(thread);
        match self.teller_of(thread, connection, tell) {
            Some(mut teller) => teller.closed(at, connection, is_exit),
            None => drop(self.tables.remove_connection(connection)),
        }
    }

    pub(super) fn accept(&mut self, made: Made<'_>, tell: &mut Tell<'_>) {
        let Some(it) = argument(made, 0).and_then(Descriptor::read) else { return };
        let listener = match self.tables.get(made.table, it.number) {
            Some(Object::Listener(listener)) => listener,
            _ => {
                let object = self.tables.add_listener();
                self.set(made, it.number, object, tell);
                if let Object::Listener(listener) = object { listener } else { 0 }
            }
        };
        let (new, text) = match made.call.result {
            Outcome::Done(new, text) => (u32::try_from(new).unwrap_or(0), text),
            Outcome::Failed(errno) => {
                let why = no_accept(errno);
                if let Some(mut teller) = self.teller(made.thread, tell) {
                    teller.end_visit(made.began);
                    teller.tell(made.ended, Event::NotAccepted { listener, why });
                }
                return;
            }
            Outcome::Unknown => return,
        };
        let peer = match (Descriptor { number: new, text }).kind() {
            Kind::Connected(peer) => peer,
            _ => argument(made, 1).map_or(TracedPeer::Unix, sockaddr),
        };
        let Some(object @ Object::Connection(connection)) = self.found(peer, new) else { return };
        self.set(made, new, object, tell);
        if let Some(mut teller) = self.teller(made.thread, tell) {
            teller.end_visit(made.began);
            teller.accepted(made.ended, connection, listener);
        }
    }

    pub(super) fn connect(&mut self, made: Made<'_>, tell: &mut Tell<'_>) {
        let has_begun = match made.call.result {
            Outcome::Done(..) => true,
            Outcome::Failed(errno) => matches!(errno, b"EINPROGRESS" | b"EINTR"),
            Outcome::Unknown => false,
        };
        let Some(it) = argument(made, 0).and_then(Descriptor::read).filter(|_| has_begun) else {
            return;
        };
        let peer = argument(made, 1).map_or(TracedPeer::Unix, sockaddr);
        // The text behind the descriptor was written before the call.
        if !matches!(self.tables.get(made.table, it.number), Some(Object::Socket))
            && it.kind() != Kind::Alone
        {
            return;
        }
        let Some(object @ Object::Connection(connection)) = self.found(peer, it.number) else {
            return;
        };
        self.set(made, it.number, object, tell);
        if let Some(mut teller) = self.teller(made.thread, tell) {
            teller.connecting(made.ended, connection);
        }
    }

    pub(super) fn close(&mut self, made: Made<'_>, tell: &mut Tell<'_>) {
        let numbers: Vec<u32> =
            (0..2).filter_map(|place| argument(made, place)).map(number).collect();
        let is_done = matches!(made.call.result, Outcome::Done(..));
        let closed = match (made.call.name, numbers.as_slice()) {
            (b"close", &[only]) if is_done => vec![only],
            (b"close_range", &[first, last]) if is_done && !has(made, b"CLOEXEC") => {
                self.tables.range(made.table, first, last)
            }
            _ => return,
        };
        for descriptor in closed {
            if let Some(connection) = self.tables.close(made.table, descriptor) {
                self.closed(made.thread, made.ended, connection, false, tell);
            }
        }
    }

    pub(super) fn shutdown(&mut self, made: Made<'_>, tell: &mut Tell<'_>) {
        let Some(it) = argument(made, 0).and_then(Descriptor::read) else { return };
        let is_of_output = matches!(made.call.result, Outcome::Done(..))
            && (has(made, b"SHUT_WR") || has(made, b"SHUT_RDWR"));
        let Some(connection) = self.connection(made, &it, tell).filter(|_| is_of_output) else {
            return;
        };
        if let Some(it) = self.tables.connection_mut(connection) {
            it.is_shut = true;
        }
        if let Some(mut teller) = self.teller_of(made.thread, connection, tell) {
            teller.visit(made.began, connection);
            teller.tell(made.ended, Event::FinSent { connection });
        }
    }

    pub(super) fn epoll_ctl(&mut self, made: Made<'_>, tell: &mut Tell<'_>) {
        let descriptor = |place| argument(made, place).and_then(Descriptor::read);
        let (Some(instance), Some(it)) = (descriptor(0), descriptor(2)) else { return };
        let Some(epoll) = self.epoll(made, &instance, tell) else { return };
        let data = argument(made, 3).and_then(inside).and_then(data);
        if let (Some(data), Outcome::Done(..)) = (data, made.call.result) {
            self.object(made, &it, tell);
            self.tables.register((epoll, data), made.table, it.number);
        }
    }

    /// The epoll instance of a descriptor.
    pub(super) fn epoll(
        &mut self,
        made: Made<'_>,
        it: &Descriptor<'_>,
        tell: &mut Tell<'_>,
    ) -> Option<u32> {
        if !matches!(self.object(made, it, tell), Some(Object::Epoll(_))) {
            let object = self.tables.add_epoll();
            self.set(made, it.number, object, tell);
        }
        match self.tables.get(made.table, it.number) {
            Some(Object::Epoll(epoll)) => Some(epoll),
            _ => None,
        }
    }

    pub(super) fn exec(&mut self, made: Made<'_>, tell: &mut Tell<'_>) {
        if let Outcome::Done(..) = made.call.result {
            for connection in self.replace_table(made.thread) {
                self.closed(made.thread, made.ended, connection, true, tell);
            }
        }
    }

    pub(super) fn setsockopt(&mut self, made: Made<'_>, tell: &mut Tell<'_>) {
        if has(made, b"SO_LINGER") && has(made, b"l_onoff=1, l_linger=0}") {
            let it = argument(made, 0).and_then(Descriptor::read);
            let connection = it.and_then(|it| self.connection(made, &it, tell));
            if let Some(it) = connection.and_then(|it| self.tables.connection_mut(it)) {
                it.resets = true;
            }
        }
    }

    pub(super) fn dup(&mut self, made: Made<'_>, tell: &mut Tell<'_>) {
        let is_dup = made.call.name.starts_with(b"dup") || has(made, b"F_DUPFD");
        let (Some(old), Outcome::Done(new, _)) =
            (argument(made, 0).and_then(Descriptor::read).filter(|_| is_dup), made.call.result)
        else {
            return;
        };
        let new = u32::try_from(new).unwrap_or(0);
        if new != old.number {
            let object = self.object(made, &old, tell).unwrap_or(Object::Other);
            self.set(made, new, object, tell);
        }
    }

    /// Calls that make descriptors, and listen(2).
    pub(super) fn open(&mut self, made: Made<'_>, tell: &mut Tell<'_>) {
        let Outcome::Done(returned, _) = made.call.result else { return };
        let object = match made.call.name {
            b"socket" => socket(made),
            b"eventfd" | b"eventfd2" | b"inotify_init" | b"inotify_init1" => Object::Waker,
            b"timerfd_create" | b"signalfd" | b"signalfd4" => Object::Timer,
            b"epoll_create" | b"epoll_create1" => self.tables.add_epoll(),
            b"listen" => {
                let it = argument(made, 0).and_then(Descriptor::read);
                let Some(it) = it else { return };
                if !matches!(self.tables.get(made.table, it.number), Some(Object::Listener(_))) {
                    let object = self.tables.add_listener();
                    self.set(made, it.number, object, tell);
                }
                return;
            }
            name => {
                let place = if name == b"socketpair" { 3 } else { 0 };
                let pair = argument(made, place).and_then(inside).unwrap_or_default();
                for it in items(pair).filter_map(Descriptor::read) {
                    self.set(made, it.number, Object::Waker, tell);
                }
                return;
            }
        };
        self.set(made, u32::try_from(returned).unwrap_or(0), object, tell);
    }

    pub(super) fn transfer(&mut self, it: &Transfer<'_>, made: Made<'_>, tell: &mut Tell<'_>) {
        let Some(connection) = self.connection(made, &it.descriptor, tell) else { return };
        let Some(state) = self.tables.connection_mut(connection) else { return };
        let event = match it.direction {
            Direction::Receive => {
                let Some((asked, moved, end)) = it.received(made.call) else { return };
                state.has_ended |= end == RecvEnd::Eof;
                state.is_broken |= matches!(end, RecvEnd::Error(errno) if BROKEN.contains(&errno));
                Event::Received { connection, asked, moved, end }
            }
            Direction::Send => {
                let Some((moved, left, end)) = it.sent(made.call) else { return };
                state.unsent = left;
                state.is_broken |= matches!(end, SendEnd::Error(errno) if BROKEN.contains(&errno));
                Event::Sent { connection, moved, left, end, request: 0, cause: 0 }
            }
        };
        let Some(mut teller) = self.teller_of(made.thread, connection, tell) else { return };
        let of = teller.visit(made.began, connection);
        teller.spend(made.ended.saturating_sub(made.began));
        let event = match event {
            Event::Sent { connection, moved, left, end, request, .. } => {
                Event::Sent { connection, moved, left, end, request, cause: of }
            }
            event => event,
        };
        teller.tell(made.ended, event);
    }
}

fn argument<'a>(made: Made<'a>, place: usize) -> Option<&'a [u8]> {
    items(made.call.arguments).nth(place)
}

fn has(made: Made<'_>, word: &[u8]) -> bool {
    memmem::find(made.call.arguments, word).is_some()
}

/// A descriptor's number, or a bound that may be beyond all descriptors.
fn number(argument: &[u8]) -> u32 {
    super::lexer::digits(argument).map_or(0, |(it, _)| u32::try_from(it).unwrap_or(u32::MAX))
}

fn socket(made: Made<'_>) -> Object {
    let is_inet = has(made, b"AF_INET");
    if has(made, b"SOCK_STREAM") && (is_inet || has(made, b"AF_UNIX")) {
        Object::Socket
    } else if has(made, b"SOCK_DGRAM") && is_inet {
        Object::Datagrams
    } else {
        Object::Other
    }
}

fn no_accept(errno: &[u8]) -> NoAccept {
    match errno {
        b"EAGAIN" | b"EWOULDBLOCK" => NoAccept::NoneWaiting,
        b"EINTR" => NoAccept::Interrupted,
        b"EMFILE" | b"ENFILE" | b"ENOBUFS" | b"ENOMEM" => NoAccept::OutOfResources,
        _ => NoAccept::Lost,
    }
}
