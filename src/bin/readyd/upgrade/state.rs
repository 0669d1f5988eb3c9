//! The state of an upgrade: of one that this process begins, and of the one that has started it.

use super::kind;
use super::manifest::{Manifest, Origin, Passed};
use super::past::Past;
use super::predecessor::{Predecessor, UpgradeError};
use super::seed::{self, SealedSeed};
use super::starter::{Order, Starter};
use crate::child::{Ending, FAILURE};
use crate::listening;
use crate::shard::monotonic_nanos;
use readyd::io::clock::Moment;
use readyd::os::inherited_fd::fd_passing::{self, GONE, Note};
use readyd::os::listener::unix::SocketFile;
use readyd::os::{activation, notify};
use readyd::reactor::Inputs;
use readyd::server::stats::scoreboard::Scoreboard;
use std::env;
use std::io;
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::os::unix::net::UnixDatagram;
use std::process;
use std::sync::Weak;
use std::time::Duration;

/// How long one of the two processes waits for the other. A new one that loads files says so.
const PATIENCE: Duration = Duration::from_secs(30);

/// The pid whose end is the end of a container.
pub(crate) const INIT: u32 = 1;

/// See the [module](self).
pub(crate) struct Upgrades {
    starter: Starter,
    inputs: Inputs,
    began: u64,
    /// What this server counts.
    board: Option<Scoreboard>,
    past: Past,
    has_passed_sockets: bool,
    /// The files of unix sockets that have been handed over.
    files: Vec<Weak<SocketFile>>,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    /// This process is the new one, and waits for the old one's order.
    Awaits { control: UnixDatagram, until: Moment },
    /// No upgrade.
    Idle,
    /// A new process starts. It is given up at that moment unless it gives a sign of life.
    Starts { control: UnixDatagram, until: Moment },
    /// It could serve, and was told to.
    Told { control: UnixDatagram, pid: u64, until: Moment },
    /// It is being ended, since the upgrade has failed for this reason.
    Ends { why: String },
    /// Another process has the place of this one, and learns from this socket when this one ends;
    /// or this one stops.
    Over { _successor: Option<UnixDatagram> },
}

/// What an upgrade asks of the server.
#[derive(Debug)]
pub(crate) enum Step {
    /// Nothing now.
    Wait,
    /// The new process could serve: tell the service manager, then [`Upgrades::let_it_serve`].
    Introduce { pid: u64 },
    /// The new process serves: hand over.
    HandOver { pid: u64 },
    /// The new process was introduced, and has failed.
    TakeBack,
    /// This process is the new one and is to serve; then [`Upgrades::say_that_it_serves`].
    Serve,
    /// This process is the new one, and is not wanted any more.
    GiveUp(UpgradeError),
}

/// What a process begins with.
pub(crate) struct Given {
    pub(crate) starter: Starter,
    pub(crate) inputs: Inputs,
    pub(crate) board: Option<Scoreboard>,
    /// The process that has started this one by an upgrade.
    pub(crate) predecessor: Option<Predecessor>,
    /// The files of unix sockets that it has handed over.
    pub(crate) files: Vec<Weak<SocketFile>>,
}

impl Upgrades {
    /// Of a process that begins.
    ///
    /// # Errors
    ///
    /// When the sockets to earlier processes cannot be watched.
    pub(crate) fn new(given: Given) -> io::Result<Upgrades> {
        let Given { starter, inputs, board, predecessor, files } = given;
        let has_passed = predecessor.as_ref().is_some_and(Predecessor::has_passed_sockets);
        let (mut began, mut past, mut stage) = (monotonic_nanos(), Past::default(), Stage::Idle);
        if let Some(predecessor) = predecessor {
            (began, past) = (predecessor.began, predecessor.past);
            inputs.watch(&predecessor.control)?;
            past.watch(&inputs)?;
            stage = Stage::Awaits { control: predecessor.control, until: Moment::NEVER };
        }
        if let Starter::Launcher { launcher, .. } = &starter {
            inputs.watch(launcher)?;
        }
        let has_passed_sockets =
            activation::passed_sockets(process::id(), listening::variable(has_passed)).is_ok();
        Ok(Upgrades { starter, inputs, began, board, past, has_passed_sockets, files, stage })
    }

    /// Whether the statistics have no scoreboard yet that the next process can read.
    pub(crate) fn needs_board(&self) -> bool {
        self.board.is_none()
    }

    /// The scoreboard of this server.
    pub(crate) fn set_board(&mut self, board: Scoreboard) {
        self.board = Some(board);
    }

    /// Whether this process is the new one of an upgrade, and may not serve yet.
    pub(crate) fn awaits_order(&self) -> bool {
        matches!(self.stage, Stage::Awaits { .. })
    }

    /// Whether another process is about to take the place of this one.
    pub(crate) fn is_running(&self) -> bool {
        matches!(self.stage, Stage::Starts { .. } | Stage::Told { .. })
    }

    /// As the new process: tells the old one that this one could serve.
    pub(crate) fn say_that_it_is_ready(&mut self, now: Moment) {
        if let Stage::Awaits { control, until } = &mut self.stage
            && *until == Moment::NEVER
        {
            *until = now + PATIENCE;
            // If the old one is gone, that is noticed when its socket is read.
            let _ = send(control, kind::READY, process::id().into());
        }
    }

    /// As the new process: tells the old one that this one accepts clients.
    pub(crate) fn say_that_it_serves(&mut self) {
        if let Stage::Awaits { control, .. } = std::mem::replace(&mut self.stage, Stage::Idle) {
            let _ = send(&control, kind::SERVES, 0);
            self.past.add(control);
            self.files.drain(..).filter_map(|file| file.upgrade()).for_each(|file| file.keep());
        }
    }

    /// SIGUSR2: starts a new process with these listeners, and with the seed of the keys of TLS
    /// tickets, if there is one; or logs why not.
    pub(crate) fn begin(
        &mut self,
        listeners: Vec<(RawFd, Passed)>,
        seed: Option<io::Result<SealedSeed>>,
        now: Moment,
    ) {
        match &self.stage {
            Stage::Idle => {}
            Stage::Starts { .. } | Stage::Told { .. } | Stage::Ends { .. } => {
                return log::warn!("SIGUSR2 is ignored: an upgrade is running");
            }
            Stage::Awaits { .. } | Stage::Over { .. } => return,
        }
        if process::id() == INIT {
            return log::error!(
                "SIGUSR2 is ignored: this is process 1 of its container, and all others end with \
                 it; replace the container instead"
            );
        }
        let program = self.starter.program();
        log::info!("starting {program} to take the place of this process (SIGUSR2)");
        match self.start(listeners, seed) {
            Ok(control) => self.stage = Stage::Starts { control, until: now + PATIENCE },
            Err(why) => has_failed(&why),
        }
    }

    fn start(
        &mut self,
        listeners: Vec<(RawFd, Passed)>,
        seed: Option<io::Result<SealedSeed>>,
    ) -> Result<UnixDatagram, String> {
        let Some(board) = &self.board else { return Err("there is no scoreboard".to_owned()) };
        let cannot = |error: io::Error| error.to_string();
        let (ours, theirs) = fd_passing::linked().map_err(cannot)?;
        self.inputs.watch(&ours).map_err(cannot)?;
        seed.into_iter().for_each(|seed| seed::leave(seed, &ours));
        let (sockets, passed): (Vec<RawFd>, Vec<Passed>) = listeners.into_iter().unzip();
        let manifest = Manifest {
            began: self.began,
            has_passed_sockets: self.has_passed_sockets,
            listeners: passed,
        };
        let mut descriptors = vec![theirs.as_raw_fd()];
        descriptors.extend(sockets);
        descriptors.push(board.as_fd().as_raw_fd());
        descriptors.extend(self.past.descriptors());
        let withheld = self.withheld();
        self.starter.start(&Order { descriptors, manifest: manifest.to_string(), withheld })?;
        Ok(ours)
    }

    /// The variables that are not for the new process: those with the pid of this one.
    fn withheld(&self) -> Vec<&'static str> {
        let mut withheld = vec![notify::WATCHDOG_PID];
        // Without its pid, a watchdog would be for everybody.
        if !matches!(notify::watchdog(process::id(), |name| env::var_os(name)), Ok(Some(_))) {
            withheld.push(notify::WATCHDOG_PERIOD);
        }
        if !self.has_passed_sockets {
            withheld.extend(activation::VARIABLES);
        }
        withheld
    }

    /// What is new. Call it when a message has come and when [`Upgrades::due`] is over, until it
    /// says [`Step::Wait`].
    pub(crate) fn attend(&mut self, now: Moment) -> Step {
        for _ in 0..self.past.note_ends() {
            log::info!("the old process has served its last client");
        }
        loop {
            let (control, until) = match &mut self.stage {
                Stage::Idle | Stage::Over { .. } => return Step::Wait,
                Stage::Ends { why } => {
                    let Some(ending) = self.starter.take_ending() else { return Step::Wait };
                    has_failed(&with_ending(why, ending));
                    self.stage = Stage::Idle;
                    return Step::Wait;
                }
                Stage::Awaits { control, until }
                | Stage::Starts { control, until }
                | Stage::Told { control, until, .. } => (control, until),
            };
            let note = match fd_passing::receive(control) {
                Ok(Some((note, _))) => note,
                Ok(None) if now < *until => return Step::Wait,
                Ok(None) => return self.silent(),
                Err(_) => Note { kind: GONE, number: 0 },
            };
            if note.kind == kind::LOADING {
                *until = now + PATIENCE;
            } else if let Some(step) = self.on_note(note) {
                return step;
            }
        }
    }

    fn on_note(&mut self, note: Note) -> Option<Step> {
        Some(match (&self.stage, note.kind) {
            (Stage::Awaits { .. }, kind::GO) => Step::Serve,
            (Stage::Awaits { .. }, kind::CANCEL) => Step::GiveUp(UpgradeError::NotWanted("stops")),
            (Stage::Awaits { .. }, GONE) => Step::GiveUp(UpgradeError::NotWanted("has ended")),
            (Stage::Starts { .. }, kind::READY) => Step::Introduce { pid: note.number },
            (Stage::Told { pid, .. }, kind::SERVES) => {
                let pid = *pid;
                if let Stage::Told { control, .. } = self.over() {
                    self.stage = Stage::Over { _successor: Some(control) };
                }
                Step::HandOver { pid }
            }
            (Stage::Starts { .. }, FAILURE) => {
                let errno = i32::try_from(note.number).unwrap_or_default();
                let error = io::Error::from_raw_os_error(errno);
                self.fail(format!("cannot execute {}: {error}", self.starter.program()))
            }
            (Stage::Starts { .. } | Stage::Told { .. }, GONE) => self.fail(String::new()),
            _ => return None,
        })
    }

    fn silent(&mut self) -> Step {
        match &self.stage {
            Stage::Awaits { .. } => Step::GiveUp(UpgradeError::NotWanted("does not answer")),
            _ => self.fail(format!("the new process was silent for {PATIENCE:?}")),
        }
    }

    /// Ends the new process; this one serves on.
    pub(crate) fn fail(&mut self, why: String) -> Step {
        let step = match self.stage {
            Stage::Told { .. } => Step::TakeBack,
            _ => Step::Wait,
        };
        self.stage = Stage::Ends { why };
        self.starter.end();
        step
    }

    /// The service manager knows of the new process: lets that serve. Returns what is to be done if
    /// it cannot be told.
    pub(crate) fn let_it_serve(&mut self, pid: u64, now: Moment) -> Step {
        match self.over() {
            Stage::Starts { control, .. } => {
                let told = send(&control, kind::GO, 0);
                self.stage = Stage::Told { control, pid, until: now + PATIENCE };
                match told {
                    Ok(()) => Step::Wait,
                    Err(error) => self.fail(format!("the new process cannot be told: {error}")),
                }
            }
            other => {
                self.stage = other;
                Step::Wait
            }
        }
    }

    /// No upgrade comes any more. Returns the stage before.
    fn over(&mut self) -> Stage {
        std::mem::replace(&mut self.stage, Stage::Over { _successor: None })
    }

    /// This process is told to stop. Returns whether another one serves already, or is about to.
    pub(crate) fn stop(&mut self) -> bool {
        match self.over() {
            Stage::Starts { control, .. } => {
                log::info!("the upgrade ends, since this process is to stop");
                let _ = send(&control, kind::CANCEL, 0);
                self.starter.end();
                false
            }
            Stage::Told { control, .. } => {
                self.stage = Stage::Over { _successor: Some(control) };
                true
            }
            Stage::Over { _successor: successor } => {
                self.stage = Stage::Over { _successor: successor };
                false
            }
            Stage::Awaits { .. } | Stage::Idle | Stage::Ends { .. } => false,
        }
    }

    /// When [`Upgrades::attend`] has something to do though no message comes.
    pub(crate) fn due(&self) -> Option<Moment> {
        match self.stage {
            Stage::Awaits { until, .. }
            | Stage::Starts { until, .. }
            | Stage::Told { until, .. } => Some(until).filter(|until| *until != Moment::NEVER),
            Stage::Idle | Stage::Ends { .. } | Stage::Over { .. } => None,
        }
    }
}

fn send(control: &UnixDatagram, kind: u8, number: u64) -> io::Result<()> {
    fd_passing::send(control, Note { kind, number }, None)
}

fn with_ending(why: &str, ending: Ending) -> String {
    match why {
        "" => format!(
            "the new process ended before it served ({ending}); its own lines of the log say why"
        ),
        why => why.to_owned(),
    }
}

fn has_failed(why: &str) {
    log::error!("the upgrade has failed, and this process serves on: {why}");
}

/// What the next process is told of a listener that this one has.
pub(crate) fn passed(bound: &listening::Bound) -> Passed {
    use readyd::config::listen::BindTarget;
    use readyd::os::listener::Listener;
    let (socket, listen) = bound;
    let origin = match (&listen.target, socket) {
        (BindTarget::Inherited(number), _) => Origin::Inherited(*number),
        (_, Listener::Unix { file: Some(_), .. }) => Origin::BoundWithFile,
        _ => Origin::Bound,
    };
    Passed { service: listen.service.name().to_owned(), origin }
}
