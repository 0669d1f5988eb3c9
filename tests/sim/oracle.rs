//! The oracle: after every turn of the server it compares what was done with what should have been.

use crate::addresses::ClientAddresses;
use crate::addresses::address_of;
use crate::admission_reference::AdmissionReference;
use crate::close_reason_oracle;
use crate::log_tap;
use crate::memory_oracle::{MemoryOracle, TurnRecord};
use crate::model::{Kind, Model, Scene};
use crate::nets::ServerNet;
use crate::watch::Watch;
use readyd::io::clock::WallTime;
use readyd::io::event_loop::LoopControl;
use readyd::server::close::CloseReason;
use readyd::server::limits::Limits;
use readyd::server::stats::standing::{Standing, Standings};
use readyd::server::{ConnectionSnapshot, Server};
use readyd::testkit::kernel::Kernel;
use readyd::testkit::knobs::Knob;
use readyd::testkit::sockets::Owner;
use readyd::testkit::sockets::{link_of, source_address};

/// What the largest reply can be that is not an echo, on a service without requests: a read's
/// worth.
const LARGEST_PIECE: usize = 64 * 1024;

/// What can wait of ciphertext: a piece and its overhead, behind the end of a handshake.
const LARGEST_CIPHERTEXT: usize = 72 * 1024;

/// All that is known of the server from outside.
#[derive(Debug, Default)]
pub(crate) struct Oracle {
    /// By connection.
    pub(crate) watches: Vec<Option<Watch>>,
    closed: [u64; CloseReason::ALL.len()],
    pub(crate) closes: [u64; CloseReason::ALL.len()],
    pub(crate) is_draining: bool,
    pub(crate) version: usize,
    readings_before: usize,
    pub(crate) replies: u64,
    all_logged: bool,
    admission: AdmissionReference,
    memory: MemoryOracle,
}

/// A turn that was done, and with what result.
pub(crate) struct TurnDone<'a> {
    pub(crate) server: &'a Server<ServerNet>,
    pub(crate) next: LoopControl,
    pub(crate) limits: &'a Limits,
}

impl Oracle {
    pub(crate) fn new(limits: &Limits, client_addresses: ClientAddresses) -> Oracle {
        let admission = AdmissionReference::new(client_addresses);
        Oracle { all_logged: limits.log_rate > 1000, admission, ..Oracle::default() }
    }

    /// # Errors
    ///
    /// What is wrong.
    pub(crate) fn after_turn(
        &mut self,
        kernel: &mut Kernel,
        done: &TurnDone<'_>,
    ) -> Result<(), String> {
        let readings = std::mem::take(&mut kernel.readings);
        let result = self.compare(kernel, done, &readings);
        kernel.readings = readings;
        self.readings_before = kernel.readings.len();
        self.memory.next_turn();
        kernel.end_turn();
        result
    }

    fn compare(
        &mut self,
        kernel: &mut Kernel,
        done: &TurnDone<'_>,
        readings: &[WallTime],
    ) -> Result<(), String> {
        let scene = Scene {
            now: kernel.now,
            limits: done.limits,
            version: self.version,
            readings,
            readings_before: self.readings_before,
        };
        self.admission.follow(kernel, done.server, done.limits)?;
        kernel.closed.retain(|&link| !kernel.facts[link].is_turned_away());
        for link in std::mem::take(&mut kernel.touched) {
            self.follow(kernel, link, &scene)
                .map_err(|what| format!("connection {link}: {what}"))?;
        }
        let mut open = 0;
        let mut standings = Standings::default();
        for audited in done.server.inspect() {
            open += 1;
            standings.change(Standing::default(), audited.standing);
            let link = address_of(audited.peer)
                .and_then(link_of)
                .filter(|&link| kernel.facts.get(link).is_some())
                .filter(|&link| audited.peer == kernel.peer_address(link).into())
                .ok_or("an address that nobody has")?;
            self.memory.record(kernel, link, &audited);
            self.inspect(kernel, link, &audited, done, &scene)
                .map_err(|what| format!("connection {link}: {what}"))?;
        }
        self.count(kernel, done, open)?;
        if standings != done.server.stats().standings {
            let counted = &done.server.stats().standings;
            return Err(format!("connections stand {standings:?}, but {counted:?} are counted"));
        }
        self.memory.check_sum(done.server.stats().buffered, done.limits)?;
        self.check_closes(kernel, done, &scene)
    }

    /// Gives the model what was read and what was sent.
    fn follow(
        &mut self,
        kernel: &mut Kernel,
        link: usize,
        scene: &Scene<'_>,
    ) -> Result<(), String> {
        let facts = &mut kernel.facts[link];
        facts.is_touched = false;
        if facts.is_turned_away() {
            return Ok(());
        }
        let address = source_address(facts.source, link);
        if self.watches.len() <= link {
            self.watches.resize_with(link + 1, || None);
        }
        let is_draining = self.is_draining;
        let watch = self.watches[link].get_or_insert_with(|| {
            let greeting =
                format!("Hello! You are connected to ('{}', {})", address.ip(), address.port());
            let kind = Kind::ALL[facts.listener];
            Watch::new(Model::new(kind, greeting.into_bytes(), scene), scene.now)
        });
        let model = &mut watch.model;
        let replies = model.replies;
        if !facts.fresh_in.is_empty() {
            model.read(&facts.fresh_in, scene);
            facts.fresh_in.clear();
        }
        if facts.fin_read && model.kind.has_lines() && !model.unfinished.is_empty() {
            model.line_is_over(scene);
        }
        model.sent(&facts.fresh_out, scene)?;
        facts.fresh_out.clear();
        if model.is_unasked() && !model.unfinished.is_empty() {
            let quiet = scene.now.since(facts.last_read_at);
            let late = scene.now.since(model.unfinished_since) >= scene.limits.frame_timeout;
            if model.kind.has_lines() && (is_draining || quiet >= scene.limits.line_pause) {
                model.line_is_over(scene);
            } else if late {
                model.time_is_over();
            }
            model.sent(&[], scene)?;
        }
        if model.is_unasked() {
            return Err(format!("an answer to nothing: {model:?}"));
        }
        self.replies += (model.replies - replies) as u64;
        Ok(())
    }

    /// Compares what the server says of an open connection with what must hold.
    fn inspect(
        &mut self,
        kernel: &Kernel,
        link: usize,
        audited: &ConnectionSnapshot,
        done: &TurnDone<'_>,
        scene: &Scene<'_>,
    ) -> Result<(), String> {
        let facts = &kernel.facts[link];
        let watch = self.watches[link].as_mut().ok_or("it was never accepted")?;
        if audited.has_work && !(audited.is_queued && done.next == LoopControl::Poll) {
            return Err(format!("it has work and is forgotten: {audited:?}, {:?}", done.next));
        }
        if audited.wants_read && !audited.has_work && kernel.has_told_of_input(2 * link + 1) {
            return Err(format!("it was told of input, and has forgotten it: {audited:?}"));
        }
        let waits =
            audited.output_waits > 0 || facts.encrypted.is_some() && audited.output_heap > 0;
        if waits && !audited.has_work && kernel.has_told_of_room(2 * link + 1) {
            return Err(format!("there is room for output, and it waits for none: {audited:?}"));
        }
        if audited.watched_until.is_none() {
            return Err("no deadline is watched".to_owned());
        }
        let piece = match watch.model.kind {
            Kind::Framed | Kind::Lookup | Kind::Exchange => watch.model.longest,
            _ => LARGEST_PIECE,
        };
        let bound = scene.limits.output_limit + piece;
        let sealed = if facts.encrypted.is_some() { LARGEST_CIPHERTEXT } else { 0 };
        if audited.output_waits > bound || audited.output_heap > 4 * (bound + sealed) + 512 {
            return Err(format!("too much output waits, over {bound} bytes: {audited:?}"));
        }
        // What is not decrypted yet counts, too.
        let received = facts.wire_read as usize * if facts.encrypted.is_some() { 2 } else { 1 };
        if audited.input_heap > 2 * received + 512 {
            return Err(format!("{received} bytes were received, but {audited:?}"));
        }
        watch.account_for_input(audited, facts, self.is_draining, scene)?;
        let is_in_time = watch.check_deadline(audited, facts, scene);
        // Handshakes are work: when many deadlines pass at once, some are for the next turn.
        if facts.encrypted.is_some() && done.next == LoopControl::Poll {
            return Ok(());
        }
        is_in_time
    }

    fn count(&self, kernel: &Kernel, done: &TurnDone<'_>, open: usize) -> Result<(), String> {
        let stats = done.server.stats();
        let held = kernel.held[Owner::Server as usize];
        if stats.open() != open as u64 || held != open || done.server.armed_timers() != open {
            return Err(format!(
                "{open} connections are open, but {} by the statistics, {held} descriptors, \
                 {} timers",
                stats.open(),
                done.server.armed_timers()
            ));
        }
        if open > done.limits.max_connections {
            return Err(format!("{open} connections are open, over the limit"));
        }
        if stats.stale_events != kernel.stale_told {
            return Err(format!(
                "{} stale events were told and {} counted: one was taken for a stranger's",
                kernel.stale_told, stats.stale_events
            ));
        }
        Ok(())
    }

    /// Each connection that went has one reason, and the right one.
    fn check_closes(
        &mut self,
        kernel: &mut Kernel,
        done: &TurnDone<'_>,
        scene: &Scene<'_>,
    ) -> Result<(), String> {
        let stats = done.server.stats();
        let mut given = [0; CloseReason::ALL.len()];
        for (number, count) in stats.closed.iter().enumerate() {
            given[number] = count - self.closed[number];
        }
        self.closed = stats.closed;
        let logged = log_tap::take_closes()?;
        let closed = std::mem::take(&mut kernel.closed);
        let all_closed = closed.len();
        let record = TurnRecord { kernel, watches: &self.watches, limits: done.limits };
        let may_shed =
            given[CloseReason::Shed as usize] > 0 && self.memory.can_have_exceeded(&record);
        let mut candidates = Vec::new();
        for &link in &closed {
            candidates.push(self.possible_reasons(kernel, link, &logged, &given, may_shed, scene)?);
        }
        let Some(reasons) = close_reason_oracle::assign(&candidates, &mut given) else {
            return Err(format!(
                "{closed:?} were closed, and cannot all have had the reasons counted"
            ));
        };
        for ((link, reason), candidates) in closed.into_iter().zip(reasons).zip(&candidates) {
            self.closes[reason as usize] += 1;
            if reason == CloseReason::Shed {
                kernel.faults.count(Knob::MemoryLimit);
            }
            // Where not all is logged, it may have been another of those closed in this turn.
            if reason == CloseReason::Shed && self.all_logged {
                let record = TurnRecord { kernel, watches: &self.watches, limits: done.limits };
                self.memory
                    .check_shed(link, &record)
                    .map_err(|what| format!("connection {link} was shed, but {what}"))?;
            }
            // If two connections close in one turn and the log tells nothing of them, each may have
            // had the other's reason.
            let is_certain = candidates.len() == 1 || all_closed == 1;
            if let Some(watch) = self.watches[link].as_mut().filter(|_| is_certain) {
                watch.reason = Some(reason);
            }
        }
        match given.iter().sum::<u64>() {
            0 => Ok(()),
            more => {
                Err(format!("{more} closes more were counted than the {all_closed} there were"))
            }
        }
    }

    /// The reasons for which a connection can have been closed: the one in the log, if it is there
    /// and a right one.
    fn possible_reasons(
        &self,
        kernel: &Kernel,
        link: usize,
        logged: &[(usize, CloseReason)],
        given: &[u64],
        may_shed: bool,
        scene: &Scene<'_>,
    ) -> Result<Vec<CloseReason>, String> {
        let facts = &kernel.facts[link];
        let watch = self.watches[link].as_ref().ok_or("closed before it was accepted")?;
        let told: Vec<CloseReason> =
            logged.iter().filter(|(number, _)| *number == link).map(|&(_, why)| why).collect();
        if told.len() > 1 || (self.all_logged && told.is_empty() && !facts.register_failed) {
            return Err(format!("connection {link} was closed for {told:?}"));
        }
        let evidence = close_reason_oracle::CloseEvidence {
            facts,
            watch,
            scene,
            is_draining: self.is_draining,
            may_shed,
        };
        if let Some(&why) = told.first() {
            return match evidence.verdict(why, kernel.stops) {
                Ok(()) => Ok(told),
                Err(what) => Err(format!("connection {link} was closed, \"{why}\", but {what}")),
            };
        }
        let all = match facts.register_failed {
            true => &[CloseReason::SystemError][..],
            false => &CloseReason::ALL,
        };
        let counted = |why: CloseReason| given[why as usize] > 0;
        let (mut possible, mut objections) = (Vec::new(), Vec::new());
        for &why in all.iter().filter(|&&why| counted(why)) {
            match evidence.verdict(why, kernel.stops) {
                Ok(()) => possible.push(why),
                Err(what) => objections.push(format!("\"{why}\", but {what}")),
            }
        }
        match possible.is_empty() {
            true => Err(format!("connection {link} was closed, {}", objections.join("; or "))),
            false => Ok(possible),
        }
    }
}
