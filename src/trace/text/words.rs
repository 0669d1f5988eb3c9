//! Reasons and states in words.

use crate::conn::{Deadline, Inbound, Outbound};
use crate::io::readiness::Readiness;
use crate::trace::event::*;
use crate::trace::payload::Direction;

/// What an event tells apart from a FIN or an error, in words.
pub(in crate::trace) fn direction(bits: Readiness) -> &'static str {
    match (bits.read, bits.write) {
        (true, true) => "readable, writable",
        (true, false) => "readable",
        (false, true) => "writable",
        (false, false) => "nothing",
    }
}

/// Why a connection is visited, in words.
pub(in crate::trace) fn visit(cause: VisitCause) -> &'static str {
    match cause {
        VisitCause::Opened => "it is new",
        VisitCause::Ready => "it is ready",
        VisitCause::Expired => "its time is up",
    }
}

/// What a recv(2) told, in words. The errno comes behind.
pub(in crate::trace) fn recv_end(end: RecvEnd) -> &'static str {
    match end {
        RecvEnd::Short => "short, no more is there",
        RecvEnd::Full => "full, there may be more",
        RecvEnd::WouldBlock => "would block",
        RecvEnd::Interrupted => "interrupted",
        RecvEnd::Eof => "FIN",
        RecvEnd::Error(_) => "error, errno ",
    }
}

/// Why no more was sent, in words. The errno comes behind.
pub(in crate::trace) fn send_end(end: SendEnd) -> &'static str {
    match end {
        SendEnd::All => "all taken",
        SendEnd::WouldBlock => "would block, the peer has no room",
        SendEnd::Budget => "budget, others have their turn",
        SendEnd::Interrupted => "interrupted",
        SendEnd::Error(_) => "error, errno ",
    }
}

/// Which way payload went, in words.
pub(in crate::trace) fn payload(direction: Direction) -> &'static str {
    match direction {
        Direction::Received => "received",
        Direction::Sent => "sent",
    }
}

/// Whether a connection is queued, in words.
pub(in crate::trace) fn queued(queued: Queued) -> &'static str {
    match queued {
        Queued::No => "waits",
        Queued::MoreToRead => "queued again: there may be more to read",
        Queued::MoreToSend => "queued again: there is more to send",
        Queued::RequestsWait => "queued again: requests wait",
    }
}

/// Why requests have to wait, in words.
pub(in crate::trace) fn stall(why: StallCause) -> &'static str {
    match why {
        StallCause::Budget => "its work of this visit is done",
        StallCause::HighWater => "output is at the high-water mark",
    }
}

/// Why none was accepted, in words.
pub(in crate::trace) fn not_accepted(why: NoAccept) -> &'static str {
    match why {
        NoAccept::NoneWaiting => "accept would block, no client waits",
        NoAccept::Lost => "a client was lost before it was accepted",
        NoAccept::Interrupted => "accept was interrupted",
        NoAccept::Full => "accepting pauses, all places are taken",
        NoAccept::OutOfResources => "accepting pauses, the system lacks something",
    }
}

/// Why a client was rejected, in words.
pub(in crate::trace) fn refused(why: RefusalCause) -> &'static str {
    match why {
        RefusalCause::Denied => "its address is not allowed",
        RefusalCause::TooMany => "its address has enough connections",
        RefusalCause::TooFast => "its address comes too often",
        RefusalCause::NotAProxy => "it is not a proxy of this listener",
        RefusalCause::TooManyHandshakes => "there are too many TLS handshakes",
    }
}

/// How far the server has stopped, in words.
pub(in crate::trace) fn drain(step: DrainStep) -> &'static str {
    match step {
        DrainStep::Began => "begins",
        DrainStep::ListenersClosed => "the listeners are closed",
        DrainStep::AtOnce => "stops at once",
        DrainStep::TimeUp => "time is up, what is left is cut off",
    }
}

/// The state of the input, in words.
pub(in crate::trace) fn input(state: Inbound) -> &'static str {
    match state {
        Inbound::Open => "open",
        Inbound::Stalled => "stalled",
        Inbound::LingerRead => "thrown away",
        Inbound::Ended => "ended",
    }
}

/// The state of the output, in words.
pub(in crate::trace) fn output(state: Outbound) -> &'static str {
    match state {
        Outbound::Open => "open",
        Outbound::Producing => "producing",
        Outbound::Closing(_) => "closing",
        Outbound::FinSent(_) => "FIN sent",
        Outbound::Aborting(_) => "aborting",
        Outbound::Failed(_) => "failed",
    }
}

/// What a timer is for, in words.
pub(in crate::trace) fn deadline(deadline: Deadline) -> &'static str {
    match deadline {
        Deadline::Frame => "frame timeout",
        Deadline::LineGap => "gap behind a line",
        Deadline::Idle => "idle timeout",
        Deadline::Write => "write timeout",
        Deadline::Linger => "linger timeout",
    }
}

/// What woke the loop, in words.
pub(in crate::trace) fn signal(signal: Signal) -> &'static str {
    match signal {
        Signal::Terminate => "SIGTERM or SIGINT",
        Signal::StopAtOnce => "SIGQUIT",
        Signal::CpuTimeLimit => "SIGXCPU",
        Signal::Reload => "SIGHUP",
        Signal::Report => "SIGUSR1",
        Signal::Message => "a message",
        Signal::Other => "another signal",
    }
}
