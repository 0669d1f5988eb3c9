//! At the end nothing is left, and all that was counted adds up.

use crate::nets;
use crate::sessions::Asker;
use crate::world::World;
use readyd::client::{Finished, SessionError};
use readyd::server::close::CloseReason;
use readyd::testkit::sockets::Owner;
use readyd::testkit::sockets::link_of;

impl World {
    /// # Errors
    ///
    /// What is left, or does not add up.
    pub(crate) fn check_empty(&self) -> Result<(), String> {
        let kernel = self.kernel.borrow();
        for owner in [Owner::Server, Owner::SessionPool, Owner::Victim, Owner::Peer] {
            let held = kernel.held[owner as usize];
            ensure(held == 0, || format!("{owner:?} has {held} descriptors left"))?;
        }
        let left: Vec<_> = self.server.inspect().collect();
        ensure(left.is_empty(), || format!("connections are left: {left:?}"))?;
        ensure(self.server.armed_timers() == 0, || "a timer is armed for nobody".to_owned())?;
        let stats = self.server.stats();
        let accepted = kernel.facts.iter().filter(|facts| facts.was_let_in);
        let (read, sent, count) = accepted
            .filter(|facts| facts.listener < crate::model::Kind::ALL.len())
            .fold((0, 0, 0), |(read, sent, count), facts| {
                (read + facts.read, sent + facts.sent, count + 1)
            });
        let counted = (stats.accepted, stats.bytes_in);
        ensure(counted == (count, read), || {
            format!("{counted:?} connections and bytes were counted of {:?}", (count, read))
        })?;
        ensure(stats.bytes_out <= sent, || {
            format!("{} bytes sent were counted of {sent}", stats.bytes_out)
        })?;
        drop(kernel);
        nets::check_ending(self)?;
        self.check_sessions()
    }

    fn check_sessions(&self) -> Result<(), String> {
        for (pool, setup) in self.pools.iter().zip([&self.setup.pool, &self.setup.victims]) {
            let (sessions, timers) = pool.inspect();
            ensure((sessions, timers) == (0, 0), || {
                format!("the client has {sessions} sessions and {timers} timers left")
            })?;
            let (given, back) = (setup.conversations.len(), pool.finished().len());
            ensure(given == back, || {
                format!("{given} conversations were given and {back} came back")
            })?;
        }
        for finished in self.pools[0].finished() {
            self.check_session(finished).map_err(|what| {
                format!(
                    "session of {:?}: {what} ({:?})",
                    finished.conversation.local, finished.result
                )
            })?;
        }
        for finished in self.pools[1].finished() {
            self.check_victim(finished)?;
        }
        Ok(())
    }

    /// What the client heard is what the server said, and it ended as the server did.
    fn check_session(&self, finished: &Finished<Asker>) -> Result<(), String> {
        let Finished { conversation, result } = finished;
        let is_ok = result.is_ok();
        ensure(!is_ok || conversation.heard.len() == conversation.bodies.len(), || {
            "not all was heard".to_owned()
        })?;
        ensure(is_ok || self.may_fail(result), || "nothing went wrong".to_owned())?;
        let Some(link) = conversation.local.and_then(link_of) else { return Ok(()) };
        let watch = self.oracle.watches.get(link).and_then(Option::as_ref);
        let said = watch.map_or(&[][..], |watch| &watch.model.heard[..]);
        ensure(said.starts_with(&conversation.heard), || {
            format!("{} answers were heard, {} were given", conversation.heard.len(), said.len())
        })?;
        match result {
            Err(SessionError::ClosedEarly { .. }) => {
                let reason = watch.and_then(|watch| watch.reason);
                let is_ours = reason == Some(CloseReason::PeerClosed);
                ensure(!is_ours, || "the server did not close first".to_owned())
            }
            Err(
                SessionError::WrongAnswer(_)
                | SessionError::BadAnswer(_)
                | SessionError::OverLimit { .. },
            ) => Err("the server's answers are right".to_owned()),
            _ => Ok(()),
        }
    }

    /// Whether anything at all could have made a session fail.
    fn may_fail(&self, result: &Result<(), SessionError>) -> bool {
        let had_faults = self.setup.knobs != readyd::testkit::knobs::Knobs::default();
        had_faults || self.kernel.borrow().faults.had_injection || matches!(result, Ok(()))
    }

    fn check_victim(&self, finished: &Finished<Asker>) -> Result<(), String> {
        let Finished { conversation, result } = finished;
        let Some(link) = conversation.local.and_then(link_of) else { return Ok(()) };
        let Some(&behaviour) = self.hostile_servers.behaviours.get(&link) else { return Ok(()) };
        ensure(
            crate::hostile_servers::may_end(behaviour, result, conversation.bodies.len()),
            || format!("a session with a server that does {behaviour:?} ended with {result:?}"),
        )
    }
}

fn ensure(holds: bool, what: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(what()) }
}
