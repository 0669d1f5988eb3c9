//! One process of a shard, as the supervisor sees it.

use super::SpawnTemplate;
use super::sockets::OfAShard;
use super::watchdog::{Finding, Look, Pulse};
use crate::child::{Child, Ending, Executable, NotStarted, Start};
use crate::control::{Answer, Line};
use crate::listening::Bound;
use crate::recordings::Recordings;
use crate::shard::{ShardSpec, VARIABLE};
use crate::upgrade;
use nix::sys::signal::Signal;
use nix::unistd::Pid;
use readyd::config::Config;
use readyd::config::listen::{BindTarget, Listen, SocketOptions};
use readyd::io::clock::Moment;
use readyd::os::{activation, notify, signals};
use readyd::server::stats::scoreboard::Scoreboard;
use std::fmt;
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::process;
use std::time::Duration;

/// Delay before a table that could not be sent or taken is sent again.
const RETRY: Duration = Duration::from_secs(1);

/// See the [module](self).
pub(super) struct Process {
    child: Child,
    line: Line,
    /// Its slot on the scoreboard.
    scoreboard_slot: usize,
    since: Moment,
    pulse: Pulse,
    /// Whether it has said that it waits for clients.
    serves: bool,
    /// What the watchdog found last.
    finding: Finding,
    table: Delivery,
    zone: Delivery,
    config: Delivery,
    certificates: Delivery,
    end: End,
}

/// The delivery of the newest table or time zone to a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Delivery {
    /// The process uses it.
    Taken,
    /// It was sent, and the process has not answered yet.
    Sent,
    /// It could not be sent or taken.
    Failed { retry_at: Moment },
}

impl Delivery {
    fn of(sent: &io::Result<()>, now: Moment) -> Delivery {
        if sent.is_ok() { Delivery::Sent } else { Delivery::failed(now) }
    }

    fn failed(now: Moment) -> Delivery {
        Delivery::Failed { retry_at: now + RETRY }
    }

    fn retry_at(self) -> Option<Moment> {
        match self {
            Delivery::Failed { retry_at } => Some(retry_at),
            Delivery::Taken | Delivery::Sent => None,
        }
    }
}

/// Whether a process has to exit, and its deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    NotAsked,
    By(Moment),
    Killed,
}

/// Why a process could not be started.
pub(super) enum StartFailure {
    /// A system call of the start failed.
    NotStarted(NotStarted),
    /// Its sockets or descriptors could not be made.
    System(&'static str, io::Error),
}

impl fmt::Display for StartFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StartFailure::NotStarted(error) => write!(f, "{error}"),
            StartFailure::System(call, error) => write!(f, "{call}: {error}"),
        }
    }
}

impl Process {
    /// Starts a process for shard `number`, which serves these listeners and records to these
    /// files.
    pub(super) fn start(
        template: &SpawnTemplate,
        number: usize,
        scoreboard_slot: usize,
        (OfAShard { listeners, own }, recordings): (&OfAShard, Recordings),
        now: Moment,
    ) -> Result<Process, StartFailure> {
        let listeners_of_it = inherited_by_it(listeners)?;
        let config = Config { listeners: listeners_of_it, ..template.config.clone() };
        let (line, of_the_shard) =
            Line::pair().map_err(|error| StartFailure::System("socketpair", error))?;
        let certificates = template.certificates.as_ref().map(|sealed| sealed.memory.as_fd());
        let spec = ShardSpec {
            number,
            scoreboard_slot,
            supervisor: process::id().cast_signed(),
            own_listeners: *own,
            measures_turns: template.measures_turns.into(),
            waits: template.waits.into(),
            began: template.began,
            scoreboard: template.scoreboard.as_fd().as_raw_fd(),
            table: template.table.memory.as_raw_fd(),
            zone: template.zone.memory.as_raw_fd(),
            certificates: certificates.map_or(0, |memory| memory.as_raw_fd()),
            control: of_the_shard.as_fd().as_raw_fd(),
            recordings: recordings.numbers(),
            earlier: template.earlier.iter().map(|board| board.as_fd().as_raw_fd()).collect(),
        };
        let mut arguments = vec!["readyd".into()];
        arguments.extend(config.to_args());
        let shared = [spec.scoreboard, spec.table, spec.zone, spec.control];
        let mut without_cloexec = [&shared[..], &spec.recordings, &spec.earlier].concat();
        without_cloexec.extend(listeners.iter().map(|(socket, _)| socket.as_raw_fd()));
        without_cloexec.extend(certificates.map(|memory| memory.as_raw_fd()));
        let start = Start {
            program: Executable::File(&template.program),
            arguments,
            variable: (VARIABLE, spec.to_string()),
            stderr: template.log.as_ref().map(AsFd::as_fd),
            withheld: not_for_children(),
            without_cloexec,
            failure: of_the_shard.as_fd().as_raw_fd(),
        };
        template.inputs.watch(&line).map_err(|error| StartFailure::System("epoll_ctl", error))?;
        let turns_before = template.scoreboard.read(scoreboard_slot).turns;
        let child = start.start().map_err(StartFailure::NotStarted)?;
        Ok(Process {
            child,
            line,
            scoreboard_slot,
            since: now,
            pulse: Pulse::new(turns_before),
            serves: false,
            finding: Finding::Turns,
            table: Delivery::Taken,
            zone: Delivery::Taken,
            config: Delivery::Taken,
            certificates: Delivery::Taken,
            end: End::NotAsked,
        })
    }

    pub(super) fn pid(&self) -> Pid {
        self.child.pid()
    }

    pub(super) fn scoreboard_slot(&self) -> usize {
        self.scoreboard_slot
    }

    pub(super) fn line(&self) -> &Line {
        &self.line
    }

    pub(super) fn note_that_it_serves(&mut self) {
        self.serves = true;
    }

    pub(super) fn serves(&self) -> bool {
        self.serves
    }

    /// How long it has run.
    pub(super) fn age(&self, now: Moment) -> Duration {
        now.since(self.since)
    }

    pub(super) fn signal(&self, signal: Signal) {
        self.child.signal(signal);
    }

    /// Has it begin or end recording.
    pub(super) fn toggle_trace(&self) {
        signals::send_trace_signal(self.child.pid());
    }

    /// Reaps it if it has ended. Its counters stay on the scoreboard.
    pub(super) fn take_ending(&mut self, scoreboard: &Scoreboard) -> Option<Ending> {
        let ending = self.child.take_ending()?;
        self.pulse.see(scoreboard.read(self.scoreboard_slot).turns);
        scoreboard.end(self.scoreboard_slot);
        Some(ending)
    }

    /// Whether it has ever served: it has said so, or its loop has turned.
    pub(super) fn has_served(&mut self, scoreboard: &Scoreboard) -> bool {
        self.pulse.see(scoreboard.read(self.scoreboard_slot).turns);
        self.serves || self.pulse.has_turned()
    }

    /// Checks whether its loop turns, and wakes it with a message. Returns whether it is stuck and
    /// has not been told to exit.
    pub(super) fn is_stuck(&mut self, scoreboard: &Scoreboard, look: Look) -> bool {
        self.finding = self.pulse.look(scoreboard.read(self.scoreboard_slot).turns, look);
        if self.finding != Finding::Turns {
            self.line.turn();
        }
        self.finding == Finding::Stuck && self.end == End::NotAsked
    }

    /// Whether its loop turned at the last check.
    pub(super) fn answers(&self) -> bool {
        matches!(self.finding, Finding::Turns | Finding::StandsStill)
    }

    /// Sets the deadline for its exit, unless there is an earlier one.
    pub(super) fn must_end_by(&mut self, when: Moment) {
        self.end = match self.end {
            End::NotAsked => End::By(when),
            End::By(before) => End::By(before.min(when)),
            End::Killed => End::Killed,
        };
    }

    /// The deadline for its exit, if it was told to exit.
    pub(super) fn ends_by(&self) -> Option<Moment> {
        match self.end {
            End::By(when) => Some(when),
            End::NotAsked | End::Killed => None,
        }
    }

    /// Kills it with SIGKILL. Its clients lose unsent replies.
    pub(super) fn kill(&mut self) {
        self.end = End::Killed;
        self.child.signal(Signal::SIGKILL);
    }

    /// Sends the newest table.
    pub(super) fn send_table(&mut self, template: &SpawnTemplate, now: Moment) -> io::Result<()> {
        let sent = self.line.use_table(template.table.version, template.table.memory.as_fd());
        self.table = Delivery::of(&sent, now);
        sent
    }

    /// Sends the newest rules of the time zone.
    pub(super) fn send_zone(&mut self, template: &SpawnTemplate, now: Moment) -> io::Result<()> {
        let sent = self.line.use_zone(template.zone.version, template.zone.memory.as_fd());
        self.zone = Delivery::of(&sent, now);
        sent
    }

    /// Sends the newest configuration.
    pub(super) fn send_config(&mut self, template: &SpawnTemplate, now: Moment) -> io::Result<()> {
        let config = &template.sealed_config;
        let sent = self.line.use_config(config.version, config.memory.as_fd());
        self.config = Delivery::of(&sent, now);
        sent
    }

    /// Sends the newest certificates, if there are any.
    pub(super) fn send_certificates(
        &mut self,
        template: &SpawnTemplate,
        now: Moment,
    ) -> io::Result<()> {
        let Some(sealed) = &template.certificates else { return Ok(()) };
        let sent = self.line.use_certificates(sealed.version, sealed.memory.as_fd());
        self.certificates = Delivery::of(&sent, now);
        sent
    }

    /// Sends what the process has not got if an earlier delivery failed.
    pub(super) fn send_again(&mut self, template: &SpawnTemplate, now: Moment) {
        let is_due = |delivery: Delivery| delivery.retry_at().is_some_and(|when| when <= now);
        // If it fails again, it is retried later.
        if is_due(self.table) {
            let _ = self.send_table(template, now);
        }
        if is_due(self.zone) {
            let _ = self.send_zone(template, now);
        }
        if is_due(self.config) {
            let _ = self.send_config(template, now);
        }
        if is_due(self.certificates) {
            let _ = self.send_certificates(template, now);
        }
    }

    /// Handles its answer about what it was sent.
    pub(super) fn on_answer(&mut self, answer: Answer, template: &SpawnTemplate, now: Moment) {
        let (table, zone) = (template.table.version, template.zone.version);
        let config = template.sealed_config.version;
        let certificates = template.certificates.as_ref().map(|sealed| sealed.version);
        match answer {
            Answer::HasTable { version } if version == table => self.table = Delivery::Taken,
            Answer::LacksTable { version } if version == table => {
                self.table = Delivery::failed(now);
            }
            Answer::HasZone { version } if version == zone => self.zone = Delivery::Taken,
            Answer::LacksZone { version } if version == zone => self.zone = Delivery::failed(now),
            Answer::HasConfig { version } if version == config => self.config = Delivery::Taken,
            Answer::LacksConfig { version } if version == config => {
                self.config = Delivery::failed(now);
            }
            Answer::HasCertificates { version } if Some(version) == certificates => {
                self.certificates = Delivery::Taken;
            }
            Answer::LacksCertificates { version } if Some(version) == certificates => {
                self.certificates = Delivery::failed(now);
            }
            _ => {}
        }
    }

    /// When a delivery is retried next.
    pub(super) fn sends_again_at(&self) -> Option<Moment> {
        let all = [self.table, self.zone, self.config, self.certificates];
        all.into_iter().filter_map(Delivery::retry_at).min()
    }

    /// Whether it was killed as stuck, and is still there after twice the timeout. It may wait for
    /// a disk: then SIGKILL waits, too.
    pub(super) fn outlives_its_kill(&self, timeout: Duration) -> bool {
        self.end == End::Killed && self.pulse.silent() >= timeout * 2
    }

    /// Whether it has not answered about a table or a time zone that it was sent.
    pub(super) fn has_unanswered_delivery(&self) -> bool {
        [self.table, self.zone, self.config, self.certificates].contains(&Delivery::Sent)
    }

    pub(super) fn has_newest_table(&self) -> bool {
        self.table == Delivery::Taken
    }
}

/// The variables that speak to the supervisor only: of the service manager, and of an upgrade.
fn not_for_children() -> Vec<&'static str> {
    let of_the_manager = activation::VARIABLES.into_iter().chain(notify::VARIABLES);
    of_the_manager.chain([upgrade::VARIABLE]).collect()
}

/// The configuration of the listeners that the process inherits.
fn inherited_by_it(listeners: &[Bound]) -> Result<Vec<Listen>, StartFailure> {
    let listens = listeners.iter().map(inherited).collect::<io::Result<_>>();
    listens.map_err(|error| StartFailure::System("its sockets", error))
}

/// The configuration of a listener that the process inherits.
fn inherited((socket, listen): &Bound) -> io::Result<Listen> {
    let number = u16::try_from(socket.as_raw_fd())
        .map_err(|_| io::Error::other("more sockets than --listen fd: has numbers for"))?;
    // What is set on a socket before it listens was set by the supervisor.
    let (target, socket) = (BindTarget::Inherited(number), SocketOptions::default());
    Ok(Listen { target, socket, ..listen.clone() })
}
