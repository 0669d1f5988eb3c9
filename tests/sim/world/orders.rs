//! Signals and jumps of the clock: a world's input from outside, by chance or by order.

use super::World;
use crate::setup::Action;
use crate::tables;
use readyd::testkit::knobs::Knob;
use readyd::testkit::sockets::Owner;
use readyd::testkit::trace::{Outcome, What};
use std::time::Duration;

impl World {
    /// Signals, clocks, and all other input from outside.
    pub(super) fn disturb(&mut self) {
        let knobs = self.kernel.borrow().knobs;
        let mut prng = self.prng.clone();
        let mut comes = |knob, times| knobs.has(knob) && prng.one_in(times);
        let (reload, broken) = (comes(Knob::Reloads, 30), comes(Knob::BrokenTables, 30));
        let (wall_step, leap) = (comes(Knob::WallSteps, 30), comes(Knob::ClockLeaps, 60));
        let terminate = comes(Knob::Terminate, 200) && self.drained_at.is_none();
        let again = comes(Knob::TerminateTwice, 40) && self.drained_at.is_some();
        self.prng = prng;
        if reload {
            self.reload();
        }
        if broken {
            self.fail_to_reload();
        }
        if wall_step {
            let years = 365 * 86_400 * self.prng.between(0, 60) as u64;
            let mut kernel = self.kernel.borrow_mut();
            kernel.wall_offset = Duration::from_secs(years + self.prng.below(86_400) as u64);
            kernel.note(Owner::Peer, What::WallStep, years as usize, Outcome::Done);
        }
        if leap {
            let millis = self.prng.below(100_000);
            self.leap(Duration::from_millis(millis as u64));
        }
        if terminate || again {
            self.terminate();
        }
    }

    /// What the setup wants done at this step.
    pub(super) fn follow_orders(&mut self) {
        let step = self.kernel.borrow().trace.step;
        let due: Vec<Action> = self
            .setup
            .actions
            .iter()
            .filter(|(at, _)| *at == step)
            .map(|&(_, what)| what)
            .collect();
        for action in due {
            match action {
                Action::Reload => self.reload(),
                Action::BrokenTable => self.fail_to_reload(),
                Action::Terminate => self.terminate(),
                Action::Leap(time) => self.leap(time),
            }
        }
    }

    /// SIGHUP, with a good table.
    pub(crate) fn reload(&mut self) {
        self.oracle.version += 1;
        let version = self.oracle.version;
        self.kernel.borrow_mut().note(Owner::Peer, What::Reload, version, Outcome::Done);
        self.server.replace_table(tables::table(version));
        self.server_loop.woken = true;
    }

    /// SIGHUP, with a text that is no table: what the daemon does then.
    pub(crate) fn fail_to_reload(&mut self) {
        assert!(tables::is_broken_text_refused(), "a broken table was taken");
        self.kernel.borrow_mut().note(Owner::Peer, What::BrokenTable, 0, Outcome::Done);
        self.server.keep_table();
        self.server_loop.woken = true;
    }

    /// SIGTERM.
    pub(crate) fn terminate(&mut self) {
        if self.server_loop.has_stopped() {
            return;
        }
        let now = self.now();
        {
            let kernel = &mut *self.kernel.borrow_mut();
            kernel.note(Owner::Peer, What::Terminate, 0, Outcome::Done);
            kernel.stops |= self.drained_at.is_some();
            kernel.stops_since.get_or_insert(now);
            if self.drained_at.is_none() {
                for (link, facts) in kernel.facts.iter_mut().enumerate() {
                    let arrived = kernel.ends[2 * link + 1].incoming.readable() as u64;
                    facts.arrived_at_drain = facts.wire_read + arrived;
                }
            }
        }
        self.server.drain(now);
        self.drained_at.get_or_insert(now);
        self.oracle.is_draining = true;
        self.server_loop.woken = true;
    }

    /// The process stands still for a while.
    pub(crate) fn leap(&mut self, time: Duration) {
        let kernel = &mut *self.kernel.borrow_mut();
        kernel.now = kernel.now + time;
        kernel.note(Owner::Peer, What::ClockLeap, 0, Outcome::Done);
    }
}
