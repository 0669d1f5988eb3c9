//! How edges are told: once, with all that holds by then; and everything else that epoll(7) leaves
//! open: when, in which order, how often, and for whom.

use super::kernel::Kernel;
use super::knobs::Knob;
use super::pipe::Fin;
use super::sockets::{Owner, Progress, SocketError, Source};
use super::trace::{Outcome, What};
use crate::io::net::Token;
use crate::io::readiness::Readiness;

/// With [`Knob::FewEventsAPoll`], what one poll takes at most.
const FEW: usize = 3;

impl Kernel {
    /// Whether the next poll may tell `owner` something.
    pub fn has_news(&self, owner: Owner) -> bool {
        !self.news[owner as usize].is_empty()
    }

    /// Whether something can be read that an event has told of, and no other event is to come.
    pub fn has_told_of_input(&self, index: usize) -> bool {
        let end = &self.ends[index];
        let is_over = end.incoming.fin == Fin::Arrived && !self.facts[index / 2].fin_read;
        let is_owed = |source: &Source| matches!(source, Source::End(other) if *other == index);
        (end.incoming.readable() > 0 || is_over)
            && end.so_error == SocketError::Sound
            && !end.has_news
            && !self.owed.iter().any(is_owed)
    }

    /// Whether there is room for what `index` sends, and no event is to come that tells of it: so
    /// an earlier one did, or no send has found that there is none.
    pub fn has_told_of_room(&self, index: usize) -> bool {
        let end = &self.ends[index];
        let is_owed = |source: &Source| matches!(source, Source::End(other) if *other == index);
        self.tells_of_room(index)
            && !end.awaits_room
            && end.so_error == SocketError::Sound
            && !end.has_news
            && !self.owed.iter().any(is_owed)
    }

    /// What one poll tells `owner`.
    pub fn poll(&mut self, owner: Owner) -> Vec<(Token, Readiness)> {
        let mut events = Vec::new();
        let mut later = Vec::new();
        for source in std::mem::take(&mut self.news[owner as usize]) {
            let is_late = (self.has(Knob::FewEventsAPoll) && events.len() >= FEW)
                || (self.has(Knob::LateEvents) && self.prng.one_in(3));
            if is_late {
                later.push(source);
            } else {
                events.extend(self.event(source));
            }
        }
        self.news[owner as usize].extend(later);
        if self.has(Knob::SpuriousEvents) && self.prng.one_in(3) {
            events.extend(self.spurious(owner));
        }
        if self.has(Knob::DuplicateEvents) && !events.is_empty() && self.prng.one_in(2) {
            let again = events[self.prng.below(events.len())];
            events.push(again);
            self.faults.count(Knob::DuplicateEvents);
        }
        if self.has(Knob::ShuffledEvents) {
            self.prng.shuffle(&mut events);
        }
        for &(token, readiness) in &events {
            self.note(owner, What::Event, token.0 as usize, Outcome::Ready(readiness));
        }
        if self.has(Knob::StaleEvents) && self.prng.one_in(2) {
            events.extend(self.stale(owner));
        }
        events
    }

    fn event(&mut self, source: Source) -> Option<(Token, Readiness)> {
        match source {
            Source::Listener(number) => {
                let backlog = &mut self.listeners[number];
                backlog.has_news = false;
                let readiness = Readiness { read: true, ..Readiness::default() };
                Some((backlog.token?, readiness))
            }
            Source::End(index) => {
                if !std::mem::take(&mut self.ends[index].has_news) {
                    return None;
                }
                let readiness = self.readiness(index);
                let token = self.ends[index].token?;
                self.ends[index].empty_reads = 0;
                self.ends[index].told_of_room |= readiness.write;
                self.ends[index].was_told |= readiness != Readiness::default();
                (readiness != Readiness::default()).then_some((token, readiness))
            }
        }
    }

    /// What the socket is ready for, as EPOLLIN, EPOLLOUT, EPOLLRDHUP and EPOLLHUP have it.
    fn readiness(&self, index: usize) -> Readiness {
        let end = &self.ends[index];
        let is_broken = end.so_error != SocketError::Sound;
        let is_connecting = matches!(end.progress, Progress::Connecting(_));
        let read_until_would_block = is_broken || end.incoming.fin == Fin::Arrived;
        let has_room = !is_connecting && self.tells_of_room(index);
        Readiness {
            read: read_until_would_block || end.incoming.readable() > 0,
            write: is_broken || (has_room && end.write_interest),
            read_until_would_block,
        }
    }

    /// An event without a cause, for a socket that is there.
    fn spurious(&mut self, owner: Owner) -> Option<(Token, Readiness)> {
        let index = self.prng.below(self.ends.len());
        let end = self.ends.get_mut(index).filter(|end| end.owner == owner && end.held)?;
        let token = end.token?;
        end.was_told = true;
        end.empty_reads = 0;
        self.faults.count(Knob::SpuriousEvents);
        let [read, write, read_until_would_block] = [0; 3].map(|_| self.prng.one_in(2));
        self.ends[index].told_of_room |= write;
        Some((token, Readiness { read, write, read_until_would_block }))
    }

    /// An event for a socket that is closed.
    fn stale(&mut self, owner: Owner) -> Option<(Token, Readiness)> {
        let gone = &self.gone[owner as usize];
        let recent = gone.len().min(8);
        let token = *gone.get(gone.len() - recent + self.prng.below(recent))?;
        self.stale_told += u64::from(owner == Owner::Server);
        self.faults.count(Knob::StaleEvents);
        let readiness =
            Readiness { read: true, write: true, read_until_would_block: self.prng.one_in(2) };
        self.note(owner, What::StaleEvent, token.0 as usize, Outcome::Ready(readiness));
        Some((token, readiness))
    }
}
