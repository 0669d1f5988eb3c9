//! Calls that wait: a turn ends when one begins, and the next begins when it returns.

use super::descriptor::Descriptor;
use super::lexer::{Outcome, field, inside, items};
use super::loops::Tell;
use super::machine::{Machine, Made};
use super::tables::Object;
use super::waits::{self, Family, Subject};
use crate::io::readiness::Readiness;
use crate::trace::event::{Event, Next, Signal};
use crate::trace::imported::Imported;
use memchr::memmem;

impl Machine {
    pub(super) fn wait(&mut self, family: Family, made: Made<'_>, tell: &mut Tell<'_>) {
        let Some(&of_loop) = self.waiting.get(&made.thread) else { return };
        if family != of_loop && of_loop == Family::Epoll {
            return;
        }
        let call = made.call;
        let is_made_again = memmem::find(call.remark, b"ERESTART").is_some();
        let is_end = call.result == Outcome::Unknown && !is_made_again;
        let next = if is_end { Next::Stop } else { waits::limit(family, call) };
        let count = waits::count(call);
        let Some(mut teller) = self.teller(made.thread, tell) else { return };
        teller.end_turn(made.began, next);
        if is_end {
            return;
        }
        teller.begin_turn(made.ended, count, made.ended.saturating_sub(made.began));
        if family != Family::Epoll {
            self.find_polled(made, tell);
        }
        let mut events = Vec::new();
        waits::events(family, call, |subject, bits| events.push((subject, bits)));
        let missing = count.saturating_sub(u32::try_from(events.len()).unwrap_or(u32::MAX));
        for (subject, bits) in events {
            self.event(made, subject, bits, tell);
        }
        if missing > 0 {
            self.losses.cut += u64::from(missing);
            self.tell_imported(made, Imported::ListCut { missing }, tell);
        }
    }

    /// Descriptors that a call of poll(2) or select(2) names are found by their texts.
    fn find_polled(&mut self, made: Made<'_>, tell: &mut Tell<'_>) {
        for list in items(made.call.arguments).filter_map(inside) {
            for item in items(list) {
                let polled = inside(item).and_then(|item| field(item, b"fd"));
                match polled {
                    Some(it) => self.find(made, it, tell),
                    // A set of select(2) has blanks between its members.
                    None => {
                        for it in item.split(|&byte| byte == b' ') {
                            self.find(made, it, tell);
                        }
                    }
                }
            }
        }
    }

    fn find(&mut self, made: Made<'_>, it: &[u8], tell: &mut Tell<'_>) {
        if let Some(it) = Descriptor::read(it) {
            self.object(made, &it, tell);
        }
    }

    fn event(&mut self, made: Made<'_>, subject: Subject, bits: Readiness, tell: &mut Tell<'_>) {
        let number = match subject {
            Subject::Descriptor(number) => Some(number),
            Subject::Data(data) => self.descriptor_of(made, data, tell),
        };
        let object = number.and_then(|number| self.tables.get(made.table, number));
        let text = Descriptor { number: number.unwrap_or(0), text: &[] };
        let event = match object {
            Some(Object::Connection(_) | Object::Datagrams) => {
                let connection = self.connection(made, &text, tell);
                if let (Some(it), Some(mut teller)) = (connection, self.teller(made.thread, tell)) {
                    teller.ready(made.ended, it, bits);
                }
                return;
            }
            Some(Object::Listener(listener)) => Event::ListenerReady { listener },
            Some(Object::Waker) => Event::Woken { by: Signal::Message },
            Some(Object::Timer | Object::Epoll(_)) => Event::Woken { by: Signal::Other },
            Some(Object::Socket | Object::Other) | None => {
                self.losses.unknown += 1;
                return self.tell_imported(made, Imported::Unknown { count: 1 }, tell);
            }
        };
        if let Some(mut teller) = self.teller(made.thread, tell) {
            teller.tell(made.ended, event);
        }
    }

    /// The descriptor that an event of epoll(7) is for. What was registered before the recording
    /// began is not known; then the data is taken for the descriptor, which it is in many programs.
    fn descriptor_of(&mut self, made: Made<'_>, data: u64, tell: &mut Tell<'_>) -> Option<u32> {
        let instance = items(made.call.arguments).next().and_then(Descriptor::read)?;
        let epoll = self.epoll(made, &instance, tell)?;
        self.tables.registered(epoll, data).or_else(|| u32::try_from(data).ok())
    }

    fn tell_imported(&mut self, made: Made<'_>, what: Imported, tell: &mut Tell<'_>) {
        if let Some(mut teller) = self.teller(made.thread, tell) {
            teller.tell(made.ended, Event::Imported(what));
        }
    }
}
