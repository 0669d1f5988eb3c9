//! One plan, in one session or in many at once.

use crate::Server;
use crate::args::{Crowd, MOST_SESSIONS, Task};
use crate::encryption::ClientNet;
use crate::failure::Failure;
use crate::output::{print_answer, print_line};
use readyd::client::conversations::Dialogue;
use readyd::client::{Finished, SessionError, SessionPool};
use readyd::io::clock::Moment;
use readyd::io::event_loop::{EventHandler, LoopControl, Wakeup};
use readyd::io::net::Token;
use readyd::io::readiness::Readiness;
use readyd::os::descriptors;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// Does the task; prints the answers of a single session, or the summary of many.
pub(crate) fn run(server: &Server, task: Task, crowd: &Crowd) -> Result<(), Failure> {
    let one_answer_each = task.one_answer_each;
    let plan = Rc::new(task.plan);
    if crowd.is_single() {
        let dialogue = server.run_one(Dialogue::new(plan))?;
        return dialogue.answers().iter().try_for_each(|answer| print_answer(answer));
    }
    descriptors::raise_limit();
    let sessions =
        if one_answer_each { crowd.sessions.saturating_mul(crowd.repeat) } else { crowd.sessions };
    if sessions > MOST_SESSIONS {
        return Err(Failure::Usage(format!(
            "--sessions times --repeat is {sessions}, and each needs a connection of its own here; \
             at most {MOST_SESSIONS} are possible"
        )));
    }
    let conversations = (0..sessions).map(|_| Dialogue::new(Rc::clone(&plan)));
    let open = usize::try_from(crowd.sessions).unwrap_or(usize::MAX);
    let started = Instant::now();
    let (mut reactor, pool) = server.pool(conversations, open)?;
    reactor.watch_signals().map_err(Failure::Reactor)?;
    let mut crowd_of_sessions = Interruptible { pool };
    reactor.run(&mut crowd_of_sessions).map_err(Failure::Reactor)?;
    let Interruptible { pool } = crowd_of_sessions;
    let mut summary = Summary {
        sessions,
        established: pool.established(),
        asked: crowd
            .sessions
            .saturating_mul(crowd.repeat)
            .saturating_mul(plan.exchanges.len() as u64),
        elapsed: started.elapsed(),
        ..Summary::default()
    };
    pool.finished().iter().for_each(|session| summary.add(session));
    summary.print()
}

/// Sessions that a signal ends, so that there is a summary of what they did.
struct Interruptible {
    pool: SessionPool<ClientNet, Dialogue>,
}

impl EventHandler for Interruptible {
    fn on_ready(&mut self, token: Token, readiness: Readiness) {
        self.pool.on_ready(token, readiness);
    }

    fn on_wakeup(&mut self, wakeup: Wakeup, _: Moment) {
        match wakeup {
            Wakeup::Terminate | Wakeup::StopAtOnce | Wakeup::Reload | Wakeup::CpuTimeLimit => {
                self.pool.interrupt();
            }
            Wakeup::ChildEnded
            | Wakeup::Report
            | Wakeup::Upgrade
            | Wakeup::ToggleTrace
            | Wakeup::Message => {}
        }
    }

    fn end_turn(&mut self, now: Moment) -> LoopControl {
        self.pool.end_turn(now)
    }
}

/// Reasons that are listed. Each wrong answer is a different reason, and a faulty server may give
/// every session another.
const REASONS_TOLD: usize = 8;

#[derive(Default)]
struct Summary {
    sessions: u64,
    established: usize,
    asked: u64,
    sent: u64,
    answered: u64,
    verified: u64,
    /// How often sessions failed for each reason, up to [`REASONS_TOLD`] of them.
    failures: BTreeMap<String, u64>,
    /// How often for all other reasons.
    other_failures: u64,
    elapsed: Duration,
}

impl Summary {
    fn add(&mut self, session: &Finished<Dialogue>) {
        self.sent += session.conversation.sent();
        self.answered += session.conversation.answered();
        self.verified += session.conversation.verified();
        if let Err(error) = &session.result {
            let reason = kind(error);
            if self.failures.len() < REASONS_TOLD || self.failures.contains_key(&reason) {
                *self.failures.entry(reason).or_default() += 1;
            } else {
                self.other_failures += 1;
            }
        }
    }

    fn print(&self) -> Result<(), Failure> {
        let failed = self.failures.values().sum::<u64>() + self.other_failures;
        let seconds = self.elapsed.as_secs_f64();
        let rate = self.answered as f64 / seconds.max(f64::MIN_POSITIVE);
        print_line(&format!(
            "sessions:  {} asked, {} established, {failed} failed\n\
             requests:  {} asked, {} sent, {} answered, {} verified\n\
             elapsed:   {seconds:.3} s ({rate:.0} answers/s)",
            self.sessions, self.established, self.asked, self.sent, self.answered, self.verified
        ))?;
        for (reason, count) in &self.failures {
            print_line(&format!("failed:    {count} x {reason}"))?;
        }
        if self.other_failures > 0 {
            print_line(&format!("failed:    {} x for other reasons", self.other_failures))?;
        }
        match (self.established, self.verified == self.asked && failed == 0) {
            (_, true) => Ok(()),
            (0, false) => Err(Failure::NothingEstablished),
            (_, false) => Err(Failure::FellShort),
        }
    }
}

/// The reason of a failure, under which sessions are counted.
fn kind(error: &SessionError) -> String {
    match error {
        SessionError::ClosedEarly { .. } => "the server closed before it answered".to_owned(),
        other => other.to_string(),
    }
}
