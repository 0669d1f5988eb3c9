//! How the new process of an upgrade is started, and ended if the upgrade fails.
//!
//! A process that is confined can execute no program: for it, a launcher does, which it has forked
//! before.

use super::Command;
use super::launcher::{self, Launcher};
use super::manifest;
use crate::background::{Handover, in_a_thread};
use crate::child::{Child, Ending, Executable, NotStarted, Start};
use nix::sys::signal::Signal;
use readyd::os::privileges::Credentials;
use readyd::reactor::Reactor;
use std::fmt;
use std::io;
use std::os::fd::RawFd;

/// See the [module](self).
pub(crate) enum Starter {
    /// This process forks.
    Here { command: Command, child: Option<Child>, ending: Handover<Ending> },
    /// The launcher does.
    Launcher { command: Command, launcher: Launcher },
}

/// What the new process gets.
pub(super) struct Order {
    /// The first is the socket to this process.
    pub(super) descriptors: Vec<RawFd>,
    pub(super) manifest: String,
    /// The variables of this process that are not for it.
    pub(super) withheld: Vec<&'static str>,
}

impl Starter {
    /// This process starts the program.
    pub(crate) fn here(command: Command, reactor: &Reactor) -> Starter {
        Starter::Here { command, child: None, ending: Handover::new(reactor) }
    }

    /// A launcher, which is forked now.
    ///
    /// # Errors
    ///
    /// When the system refuses descriptors or a process.
    pub(crate) fn launcher(
        command: Command,
        credentials: Option<&Credentials>,
    ) -> io::Result<Starter> {
        let launcher = launcher::fork(&command, credentials)?;
        Ok(Starter::Launcher { command, launcher })
    }

    /// The program's path, for people.
    pub(super) fn program(&self) -> String {
        match self {
            Starter::Here { command, .. } | Starter::Launcher { command, .. } => command.shown(),
        }
    }

    /// Starts the program. That execve(2) has failed is told through the socket.
    pub(super) fn start(&mut self, order: &Order) -> Result<(), String> {
        match self {
            Starter::Here { command, child, .. } => {
                let value = manifest::value(&order.descriptors, &order.manifest);
                let started = start(command, value, order.withheld.clone(), &order.descriptors);
                *child = Some(started.map_err(|error| error.to_string())?);
                Ok(())
            }
            Starter::Launcher { launcher, .. } => launcher.start(order).map_err(|error| {
                let count = order.descriptors.len();
                format!("the launcher cannot be given {count} descriptors: {error}")
            }),
        }
    }

    /// Kills the new process, if it has not ended. Its end is there to be
    /// [taken](Starter::take_ending) later.
    pub(super) fn end(&mut self) {
        match self {
            Starter::Here { child, ending, .. } => {
                let (Some(child), other_side) = (child.take(), ending.clone()) else {
                    return ending.leave(Ending::Unknown);
                };
                // Now: the thread may not come to that if this process ends.
                child.signal(Signal::SIGKILL);
                // waitpid(2) may wait for a disk.
                if in_a_thread(Box::new(move || other_side.leave(child.end()))).is_err() {
                    ending.leave(Ending::Unknown);
                }
            }
            Starter::Launcher { launcher, .. } => launcher.end(),
        }
    }

    /// How the new process has ended, once.
    pub(super) fn take_ending(&mut self) -> Option<Ending> {
        match self {
            Starter::Here { ending, .. } => ending.take(),
            Starter::Launcher { launcher, .. } => launcher.take_ending(),
        }
    }
}

/// Forks and executes the program.
pub(super) fn start(
    command: &Command,
    value: String,
    withheld: Vec<&str>,
    descriptors: &[RawFd],
) -> Result<Child, NotStarted> {
    let start = Start {
        program: Executable::Path(&command.program),
        arguments: command.arguments.clone(),
        variable: (manifest::VARIABLE, value),
        withheld,
        stderr: None,
        without_cloexec: descriptors.to_vec(),
        failure: descriptors.first().copied().unwrap_or(-1),
    };
    start.start()
}

impl fmt::Debug for Starter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.program())
    }
}
