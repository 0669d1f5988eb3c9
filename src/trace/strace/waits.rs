//! What a call that waits returned: the events in its lists.

use super::descriptor::Descriptor;
use super::lexer::{Call, Outcome, field, inside, items};
use crate::io::readiness::Readiness;
use crate::trace::event::Next;

/// The family of calls that a thread waits with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    /// epoll_wait(2), epoll_pwait(2), epoll_pwait2(2).
    Epoll,
    /// poll(2), ppoll(2).
    Poll,
    /// select(2), pselect(2).
    Select,
}

impl Family {
    /// The family of a call, if it waits for events.
    pub(super) fn of(name: &[u8]) -> Option<Family> {
        Some(match name {
            b"epoll_wait" | b"epoll_pwait" | b"epoll_pwait2" => Family::Epoll,
            b"poll" | b"ppoll" | b"ppoll_time64" => Family::Poll,
            b"select" | b"_newselect" | b"pselect6" | b"pselect6_time64" => Family::Select,
            _ => return None,
        })
    }
}

/// Which descriptor an event is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Subject {
    /// The one that was registered with this data.
    Data(u64),
    /// This one.
    Descriptor(u32),
}

/// Calls `tell` with each event of a call that returned.
pub(super) fn events(
    family: Family,
    call: &Call<'_>,
    mut tell: impl FnMut(Subject, Readiness),
) -> Option<()> {
    match family {
        Family::Epoll => {
            let list = inside(items(call.arguments).nth(1)?)?;
            for event in items(list).filter_map(inside) {
                // Before strace 5.0, the fields had no names.
                let flags = field(event, b"events").or_else(|| items(event).next());
                let (Some(flags), Some(data)) = (flags, data(event)) else { continue };
                tell(Subject::Data(data), bits(flags));
            }
        }
        Family::Poll => {
            let list = inside(call.remark.trim_ascii())?;
            for event in items(inside(items(list).next()?)?).filter_map(inside) {
                let subject = field(event, b"fd").and_then(Descriptor::read);
                let (Some(it), Some(flags)) = (subject, field(event, b"revents")) else {
                    continue;
                };
                tell(Subject::Descriptor(it.number), bits(flags));
            }
        }
        Family::Select => {
            for set in items(inside(call.remark.trim_ascii())?) {
                let (word, list) = set.split_at_checked(set.iter().position(|&b| b == b'[')?)?;
                let bits = Readiness {
                    read: word.starts_with(b"in"),
                    write: word.starts_with(b"out"),
                    read_until_would_block: word.starts_with(b"except"),
                };
                let members = inside(list)?.split(|&byte| byte == b' ');
                for it in members.filter_map(Descriptor::read) {
                    tell(Subject::Descriptor(it.number), bits);
                }
            }
        }
    }
    Some(())
}

/// The data of an event of epoll(7), as 64 bits.
pub(super) fn data(event: &[u8]) -> Option<u64> {
    let data = field(event, b"data").or_else(|| items(event).nth(1))?;
    number(match inside(data) {
        Some(fields) => field(fields, b"u64").or_else(|| field(fields, b"u32"))?,
        None => data,
    })
}

/// A number, decimal or hexadecimal.
fn number(text: &[u8]) -> Option<u64> {
    let text = str::from_utf8(text).ok()?;
    match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

fn bits(flags: &[u8]) -> Readiness {
    let mut bits = Readiness::default();
    for flag in flags.split(|&byte| byte == b'|') {
        let flag = flag.strip_prefix(b"E").unwrap_or(flag);
        match flag {
            b"POLLIN" | b"POLLRDNORM" => bits.read = true,
            b"POLLOUT" | b"POLLWRNORM" => bits.write = true,
            b"POLLRDHUP" | b"POLLHUP" | b"POLLERR" | b"POLLPRI" => {
                bits.read_until_would_block = true;
            }
            _ => {}
        }
    }
    bits
}

/// How many events a call that returned brought.
pub(super) fn count(call: &Call<'_>) -> u32 {
    match call.result {
        Outcome::Done(count, _) => u32::try_from(count).unwrap_or(0),
        Outcome::Failed(_) | Outcome::Unknown => 0,
    }
}

/// How long a call waits at most.
pub(super) fn limit(family: Family, call: &Call<'_>) -> Next {
    let place = match (family, call.name) {
        (Family::Epoll, _) => 3,
        (Family::Poll, _) => 2,
        (Family::Select, _) => 4,
    };
    let Some(limit) = items(call.arguments).nth(place) else { return Next::Wait };
    let nanos = match inside(limit) {
        Some(fields) => {
            let part = |name: &[u8]| field(fields, name).and_then(number);
            let seconds = part(b"tv_sec").unwrap_or(0);
            let fine = part(b"tv_nsec")
                .unwrap_or_else(|| part(b"tv_usec").unwrap_or(0).saturating_mul(1000));
            Some(seconds.saturating_mul(1_000_000_000).saturating_add(fine))
        }
        None => number(limit).map(|millis| millis.saturating_mul(1_000_000)),
    };
    match nanos {
        // -1 and NULL are no numbers.
        None => Next::Wait,
        Some(0) => Next::Poll,
        Some(nanos) => Next::WaitFor(nanos),
    }
}
