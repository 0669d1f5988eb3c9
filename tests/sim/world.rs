//! A world: the real server, the real client and scripted peers on one simulated kernel, stepped
//! one after the other in virtual time.

use crate::addresses::ClientAddress;
use crate::hostile_servers::HostileServers;
use crate::layers::stalls;
use crate::log_tap;
use crate::model::Kind;
use crate::nets::{ClientNet, Nets, ServerNet};
use crate::oracle::{Oracle, TurnDone};
use crate::peers::Peer;
use crate::sessions::Asker;
use crate::setup::{PoolSetup, Setup};
use crate::tables;
use readyd::capture::{Captured, Tape};
use readyd::client::SessionPool;
use readyd::handlers::daytime::{DateCache, Format};
use readyd::handlers::{Options, Service};
use readyd::io::clock::Moment;
use readyd::io::event_loop::{EventHandler, LoopControl};
use readyd::server::Server;
use readyd::testkit::kernel::Kernel;
use readyd::testkit::knobs::Knob;
use readyd::testkit::net::{SimListener, SimNet};
use readyd::testkit::prng::{Prng, mix};
use readyd::testkit::sockets::Owner;
use readyd::testkit::trace::{Outcome, What};
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

mod capturing;
mod orders;

/// When all faults are over, everything is done within this virtual time.
const PATIENCE: Duration = Duration::from_secs(60);

/// And within this number of steps.
const MOST_STEPS: u64 = 100_000;

/// A loop that is asked to poll so often, and finds nothing, is slow to be asked again.
const SPINS: u32 = 50;

/// One program on its loop.
#[derive(Debug)]
struct Loop {
    owner: Owner,
    next: LoopControl,
    /// Something other than a socket woke it.
    woken: bool,
}

impl Loop {
    fn new(owner: Owner) -> Loop {
        Loop { owner, next: LoopControl::Poll, woken: false }
    }

    fn is_due(&self, now: Moment) -> bool {
        self.woken
            || match self.next {
                LoopControl::Poll => true,
                LoopControl::WaitUntil(moment) => now >= moment,
                LoopControl::Wait | LoopControl::Stop => false,
            }
    }

    fn has_stopped(&self) -> bool {
        self.next == LoopControl::Stop
    }
}

/// Everything.
pub(crate) struct World {
    pub(crate) kernel: Rc<RefCell<Kernel>>,
    pub(crate) setup: Setup,
    pub(crate) server: Server<ServerNet>,
    server_loop: Loop,
    pub(crate) pools: Vec<SessionPool<ClientNet, Asker>>,
    pool_loops: Vec<Loop>,
    pub(crate) peers: Vec<Peer>,
    pub(crate) hostile_servers: HostileServers,
    pub(crate) oracle: Oracle,
    prng: Prng,
    drained_at: Option<Moment>,
    is_calm: bool,
    spins: u32,
}

const SERVICES: [Service; Kind::ALL.len()] = [
    Service::FRAMED,
    Service::LOOKUP,
    Service::EXCHANGE,
    Service::ECHO,
    Service::DISCARD,
    Service::CHARGEN,
    Service::GREETING,
    Service::TIME,
    Service::DAYTIME.with(Options { format: Format::Ctime, ack: false }),
    Service::DAYTIME.with(Options { format: Format::Ctime, ack: true }),
];

impl World {
    pub(crate) fn new(setup: Setup) -> World {
        World::with_capture(setup, None)
    }

    fn with_capture(setup: Setup, tape: Option<Rc<RefCell<Tape>>>) -> World {
        log_tap::install();
        let seed = mix(setup.seed);
        let mut kernel = Kernel::new(Prng::new(mix(seed ^ 1)), setup.knobs, setup.window);
        kernel.linger = setup.limits.linger_timeout;
        kernel.connect_timeout = setup.pool.limits.session.connect_timeout;
        kernel.descriptor_limit = setup.descriptor_limit;
        kernel.faults.injection = setup.injection;
        kernel.faults.keep_calls = true;
        kernel.is_encrypted = setup.is_encrypted;
        let kernel = Rc::new(RefCell::new(kernel));
        let net = |owner, client_address: ClientAddress| SimNet {
            kernel: Rc::clone(&kernel),
            owner,
            source: client_address.ip(),
        };
        let now = kernel.borrow().now;
        let limits = setup.limits.clone();
        let dates = DateCache::utc();
        let nets = Nets::new(setup.is_encrypted);
        let net_of_server = nets.server(net(Owner::Server, ClientAddress::default()));
        let net_of_server = Captured::new(net_of_server, tape);
        let listeners = SERVICES.map(|_| net_of_server.listener(SimListener::new(&kernel)));
        let mut server = Server::new(net_of_server, limits, tables::table(0), dates, now);
        for (listener, service) in listeners.into_iter().zip(SERVICES) {
            server.listen(listener, nets.serves(service)).expect("listeners have no faults");
        }
        kernel.borrow_mut().add_listener(Owner::Peer);
        let pool = |net: ClientNet, setup: &PoolSetup| {
            let conversations = setup
                .conversations
                .iter()
                .map(|(bodies, depth)| Asker::new(bodies.clone(), *depth));
            SessionPool::new(net, setup.addresses.clone(), setup.limits, conversations, now)
        };
        let client = nets.client(net(Owner::SessionPool, setup.pool.client_address));
        let victim = nets.plain_client(net(Owner::Victim, setup.victims.client_address));
        World {
            pools: vec![pool(client, &setup.pool), pool(victim, &setup.victims)],
            pool_loops: vec![Loop::new(Owner::SessionPool), Loop::new(Owner::Victim)],
            server,
            server_loop: Loop::new(Owner::Server),
            peers: setup.peers.iter().cloned().map(Peer::new).collect(),
            hostile_servers: HostileServers::new(Kind::ALL.len()),
            oracle: Oracle::new(&setup.limits, setup.client_addresses.clone()),
            prng: Prng::new(mix(seed ^ 2)),
            kernel,
            setup,
            drained_at: None,
            is_calm: false,
            spins: 0,
        }
    }

    /// Runs the world to its end.
    ///
    /// # Errors
    ///
    /// What went wrong first.
    pub(crate) fn run(&mut self) -> Result<(), String> {
        let begun = self.now();
        while self.kernel.borrow().operations < self.setup.operations
            && !self.is_done()
            && self.now().since(begun) < Duration::from_secs(100_000)
        {
            self.step()?;
        }
        self.finish()
    }

    /// Ends all faults, lets everything finish, stops the server, and checks that nothing is left.
    ///
    /// # Errors
    ///
    /// What is not as it should be.
    pub(crate) fn finish(&mut self) -> Result<(), String> {
        self.calm_down();
        self.step_until("all work is done", World::is_done)?;
        if self.drained_at.is_none() {
            self.terminate();
        }
        self.step_until("the server stops", |world| world.server_loop.has_stopped())?;
        self.check_empty()
    }

    pub(crate) fn now(&self) -> Moment {
        self.kernel.borrow().now
    }

    fn is_done(&self) -> bool {
        let server = self.server_loop.has_stopped() || self.server.stats().open() == 0;
        server
            && self.peers.iter().all(Peer::is_done)
            && self.pool_loops.iter().all(Loop::has_stopped)
            && self.hostile_servers.are_done()
            && self.kernel.borrow().is_quiet()
    }

    fn step_until(&mut self, what: &str, is_so: impl Fn(&World) -> bool) -> Result<(), String> {
        let (begun, first) = (self.now(), self.kernel.borrow().trace.step);
        while !is_so(self) {
            self.step()?;
            let steps = self.kernel.borrow().trace.step - first;
            if self.now().since(begun) > self.patience() || steps > MOST_STEPS {
                return Err(format!(
                    "all faults are over, but it takes more than {:?} and {steps} steps until \
                     {what}: {} peers and {} connections are left; server {:?}, clients {:?}",
                    self.now().since(begun),
                    self.peers.iter().filter(|peer| !peer.is_done()).count(),
                    self.server.stats().open(),
                    self.server_loop.next,
                    self.pool_loops.iter().map(|each| each.next).collect::<Vec<_>>(),
                ));
            }
        }
        Ok(())
    }

    /// Where an address may come only so often, each peer may have to wait for a second; and where
    /// it may have few connections, until handshakes that stall have ended, one after the other.
    fn patience(&self) -> Duration {
        let stalls = self.setup.peers.iter().filter(|plan| plan.tls.is_some_and(stalls)).count();
        let stalled = self.setup.limits.frame_timeout * stalls as u32;
        stalled
            + match self.setup.limits.accept_rate_per_address {
                Some(_) => PATIENCE + Duration::from_secs(self.peers.len() as u64),
                None => PATIENCE,
            }
    }

    pub(crate) fn calm_down(&mut self) {
        self.is_calm = true;
        self.kernel.borrow_mut().calm_down();
        self.peers.iter_mut().for_each(Peer::calm_down);
        self.hostile_servers.calm_down();
    }

    /// One step: some of all that can happen.
    ///
    /// # Errors
    ///
    /// The first violation.
    pub(crate) fn step(&mut self) -> Result<(), String> {
        let passed = Duration::from_micros(self.prng.below(100) as u64);
        {
            let kernel = &mut *self.kernel.borrow_mut();
            kernel.trace.step += 1;
            kernel.operations += 1;
            kernel.now = kernel.now + passed;
        }
        self.disturb();
        self.follow_orders();
        let mut is_active = self.let_peers_act();
        self.kernel.borrow_mut().deliver();
        is_active |= self.turn_server()?;
        for number in 0..self.pools.len() {
            is_active |= self.turn_pool(number)?;
        }
        is_active |= self.has_news();
        if let Some(violation) = self.kernel.borrow_mut().violation.take() {
            return Err(violation);
        }
        if !is_active && !self.sweep() {
            self.pass_time()?;
        }
        Ok(())
    }

    /// Whether anything is to arrive, or to be told.
    fn has_news(&self) -> bool {
        let kernel = self.kernel.borrow();
        let mut loops = self.pool_loops.iter().chain([&self.server_loop]);
        !kernel.is_quiet() || loops.any(|each| !each.has_stopped() && kernel.has_news(each.owner))
    }

    fn let_peers_act(&mut self) -> bool {
        let mut is_active = self.hostile_servers.act(&mut self.kernel.borrow_mut());
        if self.peers.is_empty() {
            return is_active;
        }
        for _ in 0..self.prng.between(1, 4) {
            let number = self.prng.below(self.peers.len());
            if self.peers[number].act(&mut self.kernel.borrow_mut()) {
                self.kernel.borrow_mut().operations += 1;
                is_active = true;
            }
        }
        is_active
    }

    /// Whether any peer at all can do something.
    fn sweep(&mut self) -> bool {
        let kernel = &mut *self.kernel.borrow_mut();
        let acted = self.hostile_servers.act(kernel);
        self.peers.iter_mut().fold(acted, |acted, peer| peer.act(kernel) || acted)
    }

    /// Whether a poll returns now, and with what.
    fn poll(
        kernel: &RefCell<Kernel>,
        each: &Loop,
        prng: &mut Prng,
    ) -> Option<Vec<(readyd::io::token::Token, readyd::io::readiness::Readiness)>> {
        let kernel = &mut *kernel.borrow_mut();
        if each.has_stopped() {
            return None;
        }
        let is_due = each.is_due(kernel.now);
        let is_interrupted = kernel.has(Knob::InterruptedPolls) && prng.one_in(5);
        if !is_due && !is_interrupted && !kernel.has_news(each.owner) {
            return None;
        }
        if is_interrupted {
            kernel.faults.count(Knob::InterruptedPolls);
            return Some(Vec::new());
        }
        let events = kernel.poll(each.owner);
        (is_due || !events.is_empty()).then_some(events)
    }

    fn turn_server(&mut self) -> Result<bool, String> {
        let Some(events) = World::poll(&self.kernel, &self.server_loop, &mut self.prng) else {
            return Ok(false);
        };
        let now = self.now();
        let drain_timeout = self.setup.limits.drain_timeout;
        let is_over = self.drained_at.is_some_and(|at| now >= at + drain_timeout);
        self.kernel.borrow_mut().stops |= is_over;
        let is_quiet = events.is_empty();
        for (token, readiness) in events {
            self.server.on_ready(token, readiness);
        }
        let next = self.server.end_turn(now);
        self.server.turn_ended(now, self.now(), next);
        self.server_loop.next = next;
        self.server_loop.woken = false;
        if self.server.is_draining() && self.drained_at.is_none() {
            self.stops_by_itself();
        }
        let kernel = &mut *self.kernel.borrow_mut();
        kernel.note(Owner::Server, What::EndTurn, 0, Outcome::LoopControl(next));
        if let LoopControl::WaitUntil(moment) = next
            && moment <= now
        {
            return Err(format!("the server waits for what has been: {moment:?}"));
        }
        self.oracle.after_turn(
            kernel,
            &TurnDone { server: &self.server, next, limits: &self.setup.limits },
        )?;
        Ok(Self::was_active(&mut self.spins, is_quiet, next))
    }

    /// No client has been connected for long enough.
    fn stops_by_itself(&mut self) {
        let now = self.now();
        let kernel = &mut *self.kernel.borrow_mut();
        kernel.note(Owner::Server, What::Terminate, 0, Outcome::Done);
        kernel.faults.count(Knob::ExitOnIdle);
        kernel.stops_since = Some(now);
        self.drained_at = Some(now);
        self.oracle.is_draining = true;
    }

    /// Whether a turn was more than asking again: so that time passes for those who ask for ever.
    fn was_active(spins: &mut u32, is_quiet: bool, next: LoopControl) -> bool {
        *spins = if is_quiet && next == LoopControl::Poll { *spins + 1 } else { 0 };
        !is_quiet || (next == LoopControl::Poll && *spins < SPINS)
    }

    fn turn_pool(&mut self, number: usize) -> Result<bool, String> {
        let (pool, each) = (&mut self.pools[number], &mut self.pool_loops[number]);
        let Some(events) = World::poll(&self.kernel, each, &mut self.prng) else {
            return Ok(false);
        };
        let now = self.kernel.borrow().now;
        let is_quiet = events.is_empty();
        for (token, readiness) in events {
            pool.on_ready(token, readiness);
        }
        let next = pool.end_turn(now);
        each.next = next;
        self.kernel.borrow_mut().note(each.owner, What::EndTurn, 0, Outcome::LoopControl(next));
        if pool.has_forgotten() {
            return Err("the client has forgotten a session that has work".to_owned());
        }
        if matches!(next, LoopControl::WaitUntil(moment) if moment <= now)
            || next == LoopControl::Wait
        {
            return Err(format!("the client waits for what will not be: {next:?}"));
        }
        Ok(Self::was_active(&mut self.spins, is_quiet, next))
    }

    /// Nothing happens by itself: time passes until something does.
    fn pass_time(&mut self) -> Result<(), String> {
        let now = self.now();
        let loops = self.pool_loops.iter().chain([&self.server_loop]);
        let wakeups = loops.filter_map(|each| match each.next {
            LoopControl::WaitUntil(moment) => Some(moment),
            LoopControl::Poll => Some(now + Duration::from_millis(50)),
            LoopControl::Wait | LoopControl::Stop => None,
        });
        let peers = self.peers.iter().filter_map(|peer| peer.wakes_at(now));
        let next = wakeups.chain(peers).min();
        let late = match self.kernel.borrow().has(Knob::ClockLeaps) && self.prng.one_in(4) {
            true => Duration::from_millis(self.prng.below(100_000) as u64),
            false => Duration::ZERO,
        };
        match next {
            Some(moment) => self.kernel.borrow_mut().now = now.max(moment) + late,
            None if self.is_calm => return self.stand_still(),
            None => {}
        }
        Ok(())
    }

    fn stand_still(&self) -> Result<(), String> {
        match self.is_done() || self.server_loop.woken {
            true => Ok(()),
            false => Err(format!("all wait, and nobody has a deadline: {}", self.who_is_left())),
        }
    }

    fn who_is_left(&self) -> String {
        let kernel = self.kernel.borrow();
        let peers = self.peers.iter().filter(|peer| !peer.is_done());
        let peers: Vec<String> = peers.map(|peer| peer.describe(&kernel)).collect();
        let waiting: Vec<usize> = kernel.listeners.iter().map(|each| each.waiting.len()).collect();
        format!("peers {peers:#?}, backlogs {waiting:?}, server {:?}", self.server_loop.next)
    }
}
