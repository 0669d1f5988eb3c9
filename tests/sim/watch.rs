//! One open connection after a turn: what the server holds of it, and for how long something waits.

use crate::model::{Kind, Model, Scene};
use readyd::io::clock::Moment;
use readyd::server::ConnectionSnapshot;
use readyd::server::close::CloseReason;
use readyd::testkit::facts::Facts;
use std::time::Duration;

/// Timers fire on whole milliseconds.
const TICK: Duration = Duration::from_millis(2);

/// One connection under observation.
#[derive(Debug)]
pub(crate) struct Watch {
    pub(crate) model: Model,
    /// Since when output has waited, as far as can be seen.
    waiting_since: Option<Moment>,
    /// Since when nothing but ciphertext has waited.
    ciphertext_since: Option<Moment>,
    /// It had input or output waiting after the last turn.
    was_busy: bool,
    /// When it last went on after that.
    went_on_at: Moment,
    pub(crate) reason: Option<CloseReason>,
}

impl Watch {
    pub(crate) fn new(model: Model, now: Moment) -> Watch {
        Watch {
            model,
            waiting_since: None,
            ciphertext_since: None,
            was_busy: false,
            went_on_at: now,
            reason: None,
        }
    }

    /// What the server holds of unfinished input is what the model holds, or there is a reason.
    pub(crate) fn account_for_input(
        &mut self,
        audited: &ConnectionSnapshot,
        facts: &Facts,
        is_draining: bool,
        scene: &Scene<'_>,
    ) -> Result<(), String> {
        let model = &mut self.model;
        let held = model.unfinished.len();
        let is_held = audited.input_waits >= held;
        if held == 0 || is_held || model.verdict.is_some() || facts.fin_read {
            return Ok(());
        }
        let quiet = scene.now.since(facts.last_read_at);
        if audited.input_waits > 0 {
            return Err(format!("{held} bytes wait, of which it knows {}", audited.input_waits));
        }
        if model.kind.has_lines() && (quiet >= scene.limits.line_pause || is_draining) {
            model.line_is_over(scene);
        } else if scene.now.since(model.unfinished_since) >= scene.limits.frame_timeout {
            model.time_is_over();
        } else if is_draining {
            model.verdict = Some(CloseReason::Drained);
        } else {
            return Err(format!("{held} bytes of an unfinished request are gone"));
        }
        Ok(())
    }

    /// Whatever waits, it does not wait longer than its deadline.
    pub(crate) fn check_deadline(
        &mut self,
        audited: &ConnectionSnapshot,
        facts: &Facts,
        scene: &Scene<'_>,
    ) -> Result<(), String> {
        let (now, limits) = (scene.now, scene.limits);
        if audited.output_waits == 0 {
            self.waiting_since = None;
        }
        let is_waiting = audited.output_waits > 0;
        if is_waiting {
            self.waiting_since.get_or_insert(now);
        }
        let has_ciphertext = facts.encrypted.is_some() && audited.output_heap > 0;
        self.ciphertext_since =
            (has_ciphertext && !is_waiting).then(|| self.ciphertext_since.unwrap_or(now));
        if self.was_busy {
            self.went_on_at = now;
        }
        self.was_busy =
            is_waiting || audited.has_work || audited.input_waits > self.model.unfinished.len();
        let active = facts.last_active().max(self.went_on_at);
        let is_unfinished = self.model.verdict.is_none() && !self.model.unfinished.is_empty();
        let (name, since, limit) = match (facts.fin_sent_at, self.waiting_since) {
            (Some(at), _) => ("linger", at, limits.linger_timeout),
            (None, Some(since)) => {
                let since = since.max(facts.last_sent_at).max(facts.taken_at);
                ("write", since, limits.write_timeout)
            }
            _ if facts.is_unopened() => ("handshake", self.went_on_at, limits.frame_timeout),
            _ if self.ciphertext_since.is_some() => (
                "ciphertext",
                self.ciphertext_since.unwrap_or(now).max(active),
                limits.write_timeout,
            ),
            _ if is_unfinished && self.model.kind == Kind::Framed => {
                let since = self.model.unfinished_since.max(facts.last_sent_at);
                ("frame", since.max(self.went_on_at), limits.frame_timeout)
            }
            _ if is_unfinished => ("pause", active, limits.line_pause.max(limits.frame_timeout)),
            _ => ("idle", active, limits.idle_timeout),
        };
        if now >= since + limit + TICK {
            let over = now.since(since + limit);
            return Err(format!(
                "its {name} deadline is over since {over:?}, and it is still open"
            ));
        }
        Ok(())
    }
}
