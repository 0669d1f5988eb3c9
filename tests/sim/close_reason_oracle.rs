//! An oracle for close reasons: whether a connection was closed for a reason that it had.

use crate::model::{Kind, Scene};
use crate::watch::Watch;
use nix::errno::Errno;
use readyd::io::clock::Moment;
use readyd::server::close::CloseReason;
use readyd::testkit::facts::{ClientEnd, Facts};

/// What is known of one closed connection.
pub(crate) struct CloseEvidence<'a> {
    pub(crate) facts: &'a Facts,
    pub(crate) watch: &'a Watch,
    pub(crate) scene: &'a Scene<'a>,
    pub(crate) is_draining: bool,
    /// Whether all connections together can have exceeded the memory limit in this turn.
    pub(crate) may_shed: bool,
}

impl CloseEvidence<'_> {
    /// # Errors
    ///
    /// Why the connection cannot have ended for `reason`. `stops` is whether the server may close
    /// what is unfinished.
    pub(crate) fn verdict(&self, reason: CloseReason, stops: bool) -> Result<(), String> {
        let model = &self.watch.model;
        let answered = model.is_answered();
        let broken = !self.facts.errors.is_empty() || self.facts.has_tls_failure();
        // Before the handshake is over nothing is owed, not even a greeting.
        let done = answered || broken || stops || self.facts.is_unopened();
        // An endless output has no replies, so it cannot be cut off.
        let is_whole = !model.is_cut_off() || model.kind == Kind::Chargen;
        ensure(is_whole || self.facts.is_aborted, "a reply that is cut off looks whole")?;
        match reason {
            CloseReason::PeerClosed | CloseReason::PeerClosedMidFrame => {
                let mid_frame = reason == CloseReason::PeerClosedMidFrame;
                ensure(self.facts.fin_read, "the peer had not closed")?;
                ensure(!self.is_truncated(), "the client has not sent close_notify")?;
                let is_first = model.verdict.is_none() || self.facts.is_unopened();
                ensure(is_first, "there was a reason before that")?;
                ensure(model.unfinished.is_empty() != mid_frame, "not where its requests end")?;
                ensure(done, "not everything that had come was answered")
            }
            CloseReason::BadFrame
            | CloseReason::OverLimit
            | CloseReason::Disconnect
            | CloseReason::Served => {
                ensure(model.verdict == Some(reason), "nothing that came calls for it")?;
                ensure(done, "the last reply was not sent whole")
            }
            CloseReason::FrameTimeout => self.frame_timeout(done),
            CloseReason::IdleTimeout => self.idle_timeout(),
            CloseReason::WriteTimeout => self.write_timeout(),
            CloseReason::Drained => self.drained(broken),
            CloseReason::Stopped => ensure(stops, "the server was not to stop yet"),
            CloseReason::Shed => self.shed(answered),
            CloseReason::Reset | CloseReason::SystemError => self.failed(reason, answered),
            CloseReason::BadProxyHeader
            | CloseReason::ProxyHeaderTimeout
            | CloseReason::ProxyRefused => Err("no listener is for proxies".to_owned()),
            CloseReason::TlsHandshakeTimeout => {
                let waited = self.scene.now.since(self.facts.accepted_at.unwrap_or_default());
                ensure(self.facts.is_unopened(), "its handshake was over")?;
                ensure(waited >= self.scene.limits.frame_timeout, "there was time left for it")
            }
            CloseReason::TlsNotTls
            | CloseReason::TlsHandshakeFailed
            | CloseReason::TlsClientCertificate
            | CloseReason::TlsAlert
            | CloseReason::TlsBadRecord
            | CloseReason::TlsTruncated => self.tls_failed(reason),
        }
    }

    /// Whether a client ended without close_notify that has sent something.
    fn is_truncated(&self) -> bool {
        let is_without = |end| end == ClientEnd::None;
        let encrypted = self.facts.encrypted.as_ref();
        encrypted.is_some_and(|encrypted| is_without(encrypted.client_end))
            && self.facts.wire_read > 0
    }

    /// What the network said is the reason, and the client has given it.
    fn tls_failed(&self, reason: CloseReason) -> Result<(), String> {
        let Some(encrypted) = &self.facts.encrypted else {
            return Err("it is not encrypted".to_owned());
        };
        let is_said = encrypted.failure.map(CloseReason::from) == Some(reason);
        ensure(is_said, "encryption has not failed so")?;
        match reason {
            CloseReason::TlsTruncated => {
                let has_end = encrypted.client_end == ClientEnd::CloseNotify;
                ensure(!has_end, "the client has sent close_notify")
            }
            _ => ensure(encrypted.is_bad_client, "the client does as TLS has it"),
        }
    }

    fn frame_timeout(&self, done: bool) -> Result<(), String> {
        let model = &self.watch.model;
        let waited = self.scene.now.since(model.unfinished_since);
        let is_known = model.verdict == Some(CloseReason::FrameTimeout);
        let is_late = !model.unfinished.is_empty() && waited >= self.scene.limits.frame_timeout;
        ensure(is_known || is_late, "there was time left for the request")?;
        ensure(done || is_late, "the error was not sent whole")
    }

    fn idle_timeout(&self) -> Result<(), String> {
        let model = &self.watch.model;
        let until = self.facts.fin_sent_at.unwrap_or(self.scene.now);
        let idle = until.since(self.facts.last_active());
        ensure(idle >= self.scene.limits.idle_timeout, "it was not idle for so long")?;
        ensure(model.verdict.is_none(), "there was a reason before that")?;
        ensure(model.is_answered(), "a reply was still owed")?;
        ensure(model.unfinished.is_empty(), "a request was unfinished")
    }

    fn write_timeout(&self) -> Result<(), String> {
        let since = self.facts.refused_since.unwrap_or(self.scene.now);
        // If nothing can be sent though the peer has taken all, the kernel is to blame.
        let is_known = self.facts.not_told_at != Some(self.scene.now)
            && self.facts.delivered_at != self.scene.now;
        let taken_at = if is_known { self.facts.taken_at } else { Moment::START };
        let waited = self.scene.now.since(since.max(self.facts.last_sent_at).max(taken_at));
        let is_late = waited >= self.scene.limits.write_timeout
            || self.facts.interrupted_at == Some(self.scene.now)
            || self.has_waiting_ciphertext();
        ensure(is_late, "the peer took output not long ago")?;
        let is_gone = self.facts.is_aborted || !self.facts.errors.is_empty();
        ensure(is_gone, "the kernel still holds its output")?;
        let model = &self.watch.model;
        let may_wait = model.kind == Kind::Chargen || self.facts.encrypted.is_some();
        ensure(!model.is_answered() || may_wait, "nothing was left to send")
    }

    /// Whether ciphertext alone may have waited for too long. That the peer takes a part of it does
    /// not count.
    fn has_waiting_ciphertext(&self) -> bool {
        let quiet = self.scene.now.since(self.facts.last_active());
        self.facts.encrypted.is_some() && quiet >= self.scene.limits.write_timeout
    }

    fn drained(&self, broken: bool) -> Result<(), String> {
        let model = &self.watch.model;
        let arrived = self.facts.plaintext_at_drain();
        let owed = model.request_ends.iter().filter(|&&end| end <= arrived).count();
        ensure(self.is_draining, "the server was not to stop")?;
        let is_whole = !model.is_cut_off() || model.kind == Kind::Chargen;
        ensure(is_whole || broken, "a reply was cut off")?;
        let is_read = model.read >= arrived || model.kind == Kind::Chargen;
        ensure(is_read || broken, "what had come before the order was not read")?;
        ensure(model.replies >= owed || broken, "what had come before the order was not answered")
    }

    fn shed(&self, answered: bool) -> Result<(), String> {
        let model = &self.watch.model;
        ensure(self.may_shed, "there was memory left")?;
        ensure(self.facts.is_aborted, "the kernel still holds its output")?;
        // Chargen's output is no reply, and neither is the acknowledgement that daytime keeps until
        // its output is taken.
        // Of an encrypted connection ciphertext counts, too.
        let owes_nothing = matches!(model.kind, Kind::Chargen | Kind::DaytimeAck)
            || self.facts.encrypted.is_some();
        ensure(!answered || !model.unfinished.is_empty() || owes_nothing, "it held nothing")
    }

    fn failed(&self, reason: CloseReason, answered: bool) -> Result<(), String> {
        let is_of_system =
            |errno: &Errno| matches!(errno, Errno::ENOMEM | Errno::ENOBUFS | Errno::ENOSPC);
        let fits = match reason {
            CloseReason::Reset => self.facts.errors.iter().any(|errno| !is_of_system(errno)),
            _ => self.facts.register_failed || self.facts.errors.iter().any(is_of_system),
        };
        ensure(fits, "no call on it failed so")?;
        // A verdict of the model stays, but the server may have found it only later in its input.
        let is_decided = model_decided(self.watch) && answered && !self.facts.register_failed;
        ensure(!is_decided, "there was a reason before that")
    }
}

fn model_decided(watch: &Watch) -> bool {
    watch.model.verdict.is_some()
}

fn ensure(holds: bool, what: &str) -> Result<(), String> {
    if holds { Ok(()) } else { Err(what.to_owned()) }
}

/// Gives each connection one of its possible reasons, each reason as often as it was counted, which
/// is `left`; `None` if that cannot be.
pub(crate) fn assign(
    possible: &[Vec<CloseReason>],
    left: &mut [u64; CloseReason::ALL.len()],
) -> Option<Vec<CloseReason>> {
    let Some((first, rest)) = possible.split_first() else { return Some(Vec::new()) };
    for &reason in first {
        if left[reason as usize] == 0 {
            continue;
        }
        left[reason as usize] -= 1;
        if let Some(mut reasons) = assign(rest, left) {
            reasons.insert(0, reason);
            return Some(reasons);
        }
        left[reason as usize] += 1;
    }
    None
}
