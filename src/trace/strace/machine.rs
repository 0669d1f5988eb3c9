//! Lines of a recording become events: whose call it is, what its descriptors stand for, and what
//! it did.

use super::lexer::{self, Call, Line, Outcome, What};
use super::loops::{Loop, Tell, Teller};
use super::tables::{TableNumber, Tables};
use super::transfer::Transfer;
use super::waits::Family;
use crate::trace::event::{Event, Next, Number, Signal};
use std::collections::HashMap;

/// Threads that are followed.
const MOST_THREADS: usize = 65_536;

/// Bytes of all calls that have begun.
const MOST_UNFINISHED: usize = 16 * 1024 * 1024;

/// What a recording says so far.
#[derive(Debug, Default)]
pub(super) struct Machine {
    /// Threads that wait for events, and with which family of calls.
    pub(super) waiting: HashMap<u32, Family>,
    pub(super) tables: Tables,
    threads: HashMap<u32, Thread>,
    loops: HashMap<u32, Loop>,
    /// Threads that have begun to make another.
    cloning: Vec<u32>,
    /// Threads that share a table of descriptors.
    users: HashMap<TableNumber, u32>,
    /// The table of the first process.
    first_table: Option<TableNumber>,
    /// Bytes of calls that have begun.
    unfinished: usize,
    /// What cannot be told.
    pub(super) losses: Losses,
}

/// What a recording has that cannot be told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Losses {
    /// io_uring_enter(2) was called: what goes through such a ring is not seen by strace(1).
    pub io_uring: bool,
    /// Events that strace(1) cut from its lists.
    pub cut: u64,
    /// Events for descriptors that are not known.
    pub unknown: u64,
    /// Calls on connections by threads that wait for no events, and before a loop knew them.
    pub elsewhere: u64,
}

/// A thread.
#[derive(Debug)]
struct Thread {
    table: TableNumber,
    /// The call that has begun, and when.
    begun: Option<(u64, Vec<u8>)>,
}

/// A call that was made: by which thread, and when.
#[derive(Clone, Copy)]
pub(super) struct Made<'a> {
    pub(super) thread: u32,
    pub(super) table: TableNumber,
    pub(super) began: u64,
    pub(super) ended: u64,
    pub(super) call: &'a Call<'a>,
}

impl Machine {
    /// Begins with the threads that are known to wait for events.
    pub(super) fn new(waiting: &HashMap<u32, Family>) -> Machine {
        Machine { waiting: waiting.clone(), ..Machine::default() }
    }

    /// Goes on by a line.
    pub(super) fn line(&mut self, line: &Line<'_>, tell: &mut Tell<'_>) {
        let (thread, at) = (line.thread, line.time);
        match line.what {
            What::Call(text) => self.call(thread, at, at, text, tell),
            What::Unfinished(text) => self.begin(thread, at, text),
            What::Resumed(rest) => {
                let begun = self.threads.get_mut(&thread).and_then(|it| it.begun.take());
                let Some((began, mut text)) = begun else { return };
                self.unfinished -= text.len();
                self.cloning.retain(|&parent| parent != thread);
                text.extend_from_slice(rest);
                self.call(thread, began, at, &text, tell);
            }
            What::Signal(name) => {
                let by = signal(name);
                if let Some(mut teller) = self.teller(thread, tell) {
                    teller.tell(at, Event::Woken { by });
                }
            }
            What::Ended => self.end_thread(thread, at, tell),
            What::Other => {}
        }
    }

    fn begin(&mut self, thread: u32, at: u64, text: &[u8]) {
        if !is_of_interest(lexer::name(text)) || self.table_of(thread).is_none() {
            return;
        }
        if self.unfinished + text.len() > MOST_UNFINISHED {
            return;
        }
        if let Some(it) = self.threads.get_mut(&thread) {
            let forgotten = it.begun.replace((at, text.to_vec()));
            self.unfinished -= forgotten.map_or(0, |(_, text)| text.len());
            self.unfinished += text.len();
            if is_clone(lexer::name(text)) && !self.cloning.contains(&thread) {
                self.cloning.push(thread);
            }
        }
    }

    /// The table of a thread's descriptors. A new thread may make calls before clone(2) has
    /// returned to its parent. A thread that nobody made belongs to the first process.
    pub(super) fn table_of(&mut self, thread: u32) -> Option<TableNumber> {
        if let Some(it) = self.threads.get(&thread) {
            return Some(it.table);
        }
        let parent = self.cloning.pop().and_then(|parent| self.threads.get(&parent));
        let cloned = parent.and_then(|it| Some((it.table, shares_files(&it.begun.as_ref()?.1))));
        let table = match (cloned, self.first_table) {
            (Some((table, true)), _) | (None, Some(table)) => table,
            (Some((table, false)), _) => self.tables.copy_table(table),
            (None, None) => self.tables.add_table(),
        };
        self.first_table.get_or_insert(table);
        self.add_thread(thread, table);
        self.threads.contains_key(&thread).then_some(table)
    }

    /// clone(2) or fork(2) returned in the parent.
    pub(super) fn cloned(&mut self, parent: TableNumber, child: u32, text: &[u8]) {
        if self.threads.contains_key(&child) {
            return;
        }
        let table = if shares_files(text) { parent } else { self.tables.copy_table(parent) };
        self.add_thread(child, table);
    }

    /// execve(2) succeeded: the thread has a table of its own. Returns the connections that are
    /// closed by that.
    pub(super) fn replace_table(&mut self, thread: u32) -> Vec<Number> {
        let new = self.tables.add_table();
        let Some(it) = self.threads.get_mut(&thread) else { return Vec::new() };
        let old = std::mem::replace(&mut it.table, new);
        if self.first_table == Some(old) {
            self.first_table = Some(new);
        }
        self.users.insert(new, 1);
        self.leave_table(old)
    }

    /// A thread does not use a table any more.
    fn leave_table(&mut self, table: TableNumber) -> Vec<Number> {
        let users = self.users.entry(table).or_default();
        *users = users.saturating_sub(1);
        if *users > 0 {
            return Vec::new();
        }
        self.users.remove(&table);
        self.tables.remove_table(table)
    }

    fn add_thread(&mut self, thread: u32, table: TableNumber) {
        if self.threads.len() < MOST_THREADS {
            self.threads.insert(thread, Thread { table, begun: None });
            *self.users.entry(table).or_default() += 1;
        }
    }

    fn end_thread(&mut self, thread: u32, at: u64, tell: &mut Tell<'_>) {
        if let Some(mut teller) = self.teller(thread, tell) {
            teller.end_turn(at, Next::Stop);
        }
        let Some(Thread { table, begun }) = self.threads.remove(&thread) else { return };
        self.unfinished -= begun.map_or(0, |(_, text)| text.len());
        self.cloning.retain(|&parent| parent != thread);
        for connection in self.leave_table(table) {
            self.closed(thread, at, connection, true, tell);
        }
    }

    /// The loop of a thread, if it is one.
    pub(super) fn teller<'a, 'b>(
        &'a mut self,
        thread: u32,
        tell: &'a mut Tell<'b>,
    ) -> Option<Teller<'a, 'b>> {
        if !self.waiting.contains_key(&thread) {
            return None;
        }
        let state = self.loops.entry(thread).or_default();
        Some(Teller { thread, state, tables: &mut self.tables, tell })
    }

    /// The loop that tells of a connection: the thread's own, or else the one that knew it last.
    pub(super) fn teller_of<'a, 'b>(
        &'a mut self,
        thread: u32,
        connection: Number,
        tell: &'a mut Tell<'b>,
    ) -> Option<Teller<'a, 'b>> {
        let home = self.tables.connection(connection).and_then(|it| it.home);
        let is_loop = self.waiting.contains_key(&thread);
        let Some(thread) = is_loop.then_some(thread).or(home) else {
            self.losses.elsewhere += 1;
            return None;
        };
        self.teller(thread, tell)
    }

    fn call(&mut self, thread: u32, began: u64, seen: u64, text: &[u8], tell: &mut Tell<'_>) {
        if !is_of_interest(lexer::name(text)) {
            return;
        }
        let (Some(call), Some(table)) = (lexer::call(text), self.table_of(thread)) else { return };
        let ended = call.took.map_or(seen, |took| began.saturating_add(took));
        let made = Made { thread, table, began, ended, call: &call };
        match call.name {
            b"accept" | b"accept4" => self.accept(made, tell),
            b"connect" => self.connect(made, tell),
            b"close" | b"close_range" => self.close(made, tell),
            b"shutdown" => self.shutdown(made, tell),
            b"epoll_ctl" => self.epoll_ctl(made, tell),
            b"clone" | b"clone3" | b"fork" | b"vfork" => {
                if let Outcome::Done(child @ 1.., _) = call.result {
                    self.cloned(table, u32::try_from(child).unwrap_or(0), call.arguments);
                }
            }
            b"execve" | b"execveat" => self.exec(made, tell),
            b"setsockopt" => self.setsockopt(made, tell),
            b"io_uring_enter" | b"io_uring_setup" => self.losses.io_uring = true,
            b"dup" | b"dup2" | b"dup3" | b"fcntl" | b"fcntl64" => self.dup(made, tell),
            name => match Family::of(name) {
                Some(family) => self.wait(family, made, tell),
                None => {
                    let transfers = Transfer::of(&call);
                    if transfers == [None, None] {
                        return self.open(made, tell);
                    }
                    for transfer in transfers.into_iter().flatten() {
                        self.transfer(&transfer, made, tell);
                    }
                }
            },
        }
    }
}

/// Whether a call is followed. The others, of files and memory, are most of many recordings.
fn is_of_interest(name: &[u8]) -> bool {
    const NAMES: &[&[u8]] = &[
        b"accept",
        b"accept4",
        b"connect",
        b"close",
        b"close_range",
        b"shutdown",
        b"epoll_ctl",
        b"clone",
        b"clone3",
        b"fork",
        b"vfork",
        b"execve",
        b"execveat",
        b"setsockopt",
        b"io_uring_enter",
        b"io_uring_setup",
        b"dup",
        b"dup2",
        b"dup3",
        b"fcntl",
        b"fcntl64",
        b"read",
        b"recv",
        b"recvfrom",
        b"readv",
        b"recvmsg",
        b"recvmmsg",
        b"recvmmsg_time64",
        b"write",
        b"send",
        b"sendto",
        b"writev",
        b"sendmsg",
        b"sendmmsg",
        b"sendfile",
        b"sendfile64",
        b"splice",
        b"socket",
        b"socketpair",
        b"pipe",
        b"pipe2",
        b"eventfd",
        b"eventfd2",
        b"inotify_init",
        b"inotify_init1",
        b"timerfd_create",
        b"signalfd",
        b"signalfd4",
        b"epoll_create",
        b"epoll_create1",
        b"listen",
    ];
    Family::of(name).is_some() || NAMES.contains(&name)
}

fn is_clone(name: &[u8]) -> bool {
    matches!(name, b"clone" | b"clone3" | b"fork" | b"vfork")
}

/// Whether a call of clone(2) makes a thread that shares descriptors.
fn shares_files(text: &[u8]) -> bool {
    memchr::memmem::find(text, b"CLONE_FILES").is_some()
}

fn signal(name: &[u8]) -> Signal {
    match name {
        b"SIGTERM" | b"SIGINT" => Signal::Terminate,
        b"SIGQUIT" => Signal::StopAtOnce,
        b"SIGXCPU" => Signal::CpuTimeLimit,
        b"SIGHUP" => Signal::Reload,
        b"SIGUSR1" => Signal::Report,
        _ => Signal::Other,
    }
}
