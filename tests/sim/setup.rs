//! What a seed makes of a world: its knobs, its limits, its peers and what they will say.

use crate::homes::{Home, Neighbourhood};
use crate::model::Kind;
use crate::peers::{Ending, MINUTE, Plan, Reading, Writing};
use crate::wire::frame;
use readyd::client::FleetLimits;
use readyd::server::limits::Limits;
use readyd::testkit::dice::Dice;
use readyd::testkit::faults::Injection;
use readyd::testkit::knobs::{Knob, Knobs};
use readyd::testkit::sockets::{BARRED_PORT, REFUSING_PORT, SILENT_PORT, listener_address};
use std::net::SocketAddr;
use std::time::Duration;

/// The sessions of the client under test.
#[derive(Clone, Debug)]
pub(crate) struct FleetSetup {
    pub(crate) addresses: Vec<SocketAddr>,
    pub(crate) limits: FleetLimits,
    pub(crate) home: Home,
    /// For each session: what it asks, and how many questions it has under way.
    pub(crate) scripts: Vec<(Vec<Vec<u8>>, usize)>,
}

/// A signal or a jump of the clock, at a step of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Reload,
    BrokenTable,
    Terminate,
    Leap(Duration),
}

/// A world before its first step.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    pub(crate) seed: u64,
    pub(crate) knobs: Knobs,
    pub(crate) limits: Limits,
    pub(crate) window: usize,
    pub(crate) descriptor_limit: usize,
    /// When so much has happened, all faults stop.
    pub(crate) operations: u64,
    pub(crate) neighbourhood: Neighbourhood,
    pub(crate) peers: Vec<Plan>,
    pub(crate) fleet: FleetSetup,
    pub(crate) victims: FleetSetup,
    pub(crate) actions: Vec<(u64, Action)>,
    /// A fault at one call.
    pub(crate) injection: Option<Injection>,
}

impl Setup {
    /// A world without faults and without anyone in it.
    pub(crate) fn quiet(seed: u64) -> Setup {
        let nobody = FleetSetup {
            addresses: vec![listener_address(Kind::Framed as usize)],
            limits: FleetLimits::default(),
            home: Home::default(),
            scripts: Vec::new(),
        };
        let rogues =
            FleetSetup { addresses: vec![listener_address(Kind::ALL.len())], ..nobody.clone() };
        Setup {
            seed,
            knobs: Knobs::default(),
            limits: Limits { max_frame: 4096, log_rate: u32::MAX, ..Limits::default() },
            window: 4096,
            descriptor_limit: usize::MAX,
            operations: 400,
            neighbourhood: Neighbourhood::of_all(),
            peers: Vec::new(),
            fleet: nobody,
            victims: rogues,
            actions: Vec::new(),
            injection: None,
        }
    }

    /// The world of that seed.
    pub(crate) fn draw(seed: u64) -> Setup {
        let dice = &mut Dice::new(seed);
        let knobs = Knobs::draw(dice);
        let (size, operations) = match dice.below(200) {
            0 => (dice.between(100, 256), dice.between(2000, 5000)),
            1..10 => (dice.between(20, 100), dice.between(500, 2000)),
            _ => (dice.between(2, 14), dice.between(200, 500)),
        };
        let sessions = dice.between(0, size / 2);
        let mut setup = Setup { knobs, operations: operations as u64, ..Setup::quiet(seed) };
        setup.draw_limits(dice);
        setup.neighbourhood = Neighbourhood::draw(knobs, &mut setup.limits, size, dice);
        setup.fleet.home = setup.neighbourhood.pick(dice);
        setup.peers = (0..size - sessions).map(|number| setup.draw_peer(number, dice)).collect();
        setup.fleet.scripts = (0..sessions).map(|number| setup.draw_script(number, dice)).collect();
        if knobs.has(Knob::RogueServer) {
            let victims = dice.between(1, 4);
            setup.victims.scripts =
                (0..victims).map(|number| setup.draw_script(number, dice)).collect();
        }
        setup
    }

    fn draw_limits(&mut self, dice: &mut Dice) {
        let (knobs, limits) = (self.knobs, &mut self.limits);
        limits.max_frame = dice.pick(&[1000, 4096, 65_536]);
        if knobs.has(Knob::SmallOutputLimit) {
            limits.output_limit = dice.pick(&[0, 100, 1000, 5000]);
        }
        if knobs.has(Knob::ConnectionLimit) {
            limits.max_connections = dice.between(1, 6);
        }
        if knobs.has(Knob::MemoryLimit) {
            limits.memory_limit = dice.pick(&[100, 300, 1000, 3000, 10_000, 100_000]);
        }
        if knobs.has(Knob::ShortDeadlines) {
            let mut time = |low, high| Duration::from_millis(dice.between(low, high) as u64);
            limits.frame_timeout = time(100, 3000);
            limits.idle_timeout = time(100, 5000);
            limits.write_timeout = time(100, 3000);
            limits.linger_timeout = time(1, 2000);
            limits.drain_timeout = time(1, 3000);
        }
        if knobs.has(Knob::ExitOnIdle) {
            limits.exit_on_idle = Some(Duration::from_millis(dice.between(1, 5000) as u64));
        }
        if knobs.has(Knob::FewLogLines) {
            limits.log_rate = dice.between(0, 5) as u32;
        }
        if knobs.has(Knob::DescriptorLimit) {
            self.descriptor_limit = dice.between(1, 6);
        }
        self.window = match knobs.has(Knob::TinyWindows) {
            true => dice.between(1, 60),
            false if knobs.has(Knob::LargeFrames) => dice.pick(&[4096, 100_000, 300_000]),
            false => dice.pick(&[500, 4096, 100_000]),
        };
        let fleet = &mut self.fleet;
        fleet.limits.open = dice.between(1, 20);
        fleet.limits.connecting = dice.between(1, 5);
        if knobs.has(Knob::DeadAddresses) {
            let dead = dice.pick(&[REFUSING_PORT, SILENT_PORT, BARRED_PORT]);
            let mut address = fleet.addresses[0];
            address.set_port(dead);
            fleet.addresses.insert(0, address);
        }
    }

    fn draw_peer(&self, number: usize, dice: &mut Dice) -> Plan {
        let kind = match dice.below(4) {
            0 | 1 => Kind::Framed,
            2 => dice.pick(&[Kind::Lookup, Kind::Exchange, Kind::Echo]),
            _ => dice.pick(&Kind::ALL),
        };
        let requests = self.draw_requests(kind, number, dice);
        let total: usize = requests.iter().map(Vec::len).sum();
        let mut plan = Plan::new(kind, requests);
        plan.home = self.neighbourhood.pick(dice);
        plan.is_welcome = self.neighbourhood.welcomes(plan.home);
        if !self.knobs.has(Knob::ReconnectStorm) {
            plan.starts_at = dice.below(self.operations as usize / 2) as u64;
        }
        plan.writing = match dice.below(4) {
            0 if matches!(kind, Kind::Framed | Kind::Lookup | Kind::Exchange) => Writing::PingPong,
            1 => Writing::Pieces(dice.between(1, 200)),
            _ => Writing::Pieces(usize::MAX),
        };
        if dice.one_in(3) {
            plan.reading = Reading::Pieces(dice.between(1, 500));
        }
        if kind == Kind::Chargen {
            plan.ending = Ending::CloseAfterReading(dice.below(100_000));
        }
        self.misbehave(&mut plan, total, dice);
        plan
    }

    /// What the knobs make of a peer's manners.
    fn misbehave(&self, plan: &mut Plan, total: usize, dice: &mut Dice) {
        let mut is_so = |knob, times| self.knobs.has(knob) && dice.one_in(times);
        let (trickles, never_reads) = (is_so(Knob::Trickle, 4), is_so(Knob::NeverReading, 4));
        let (resets, vanishes) = (is_so(Knob::PeerResets, 3), is_so(Knob::PeersVanish, 4));
        let is_silent = is_so(Knob::SilentPeers, 4);
        if trickles {
            plan.writing = Writing::Trickle(MINUTE);
        }
        if never_reads {
            plan.reading = Reading::Never;
        }
        if resets {
            plan.ending = Ending::ResetAt(dice.below(total + 1));
        } else if vanishes {
            plan.ending = Ending::VanishAt(dice.below(total + 1));
        } else if is_silent {
            plan.ending = Ending::Stay;
        }
    }

    fn draw_requests(&self, kind: Kind, number: usize, dice: &mut Dice) -> Vec<Vec<u8>> {
        let most = if self.knobs.has(Knob::DeepPipelines) { 200 } else { 12 };
        let count = dice.below(most);
        let mut requests: Vec<Vec<u8>> = match kind {
            Kind::Framed => (0..count).map(|k| frame(&self.draw_body((number, k), dice))).collect(),
            Kind::Lookup | Kind::Exchange => (0..count).map(|_| draw_line(dice)).collect(),
            _ => (0..count.min(20)).map(|k| self.draw_text((number, k), true, dice)).collect(),
        };
        if self.knobs.has(Knob::Garbage) && dice.one_in(3) {
            requests.push(self.draw_garbage(kind, dice));
        } else if kind == Kind::Framed && dice.one_in(6) {
            requests.push(frame(dice.pick(&[&b"Disconnect !"[..], b"  disconnect  ! "])));
        }
        requests
    }

    fn draw_script(&self, number: usize, dice: &mut Dice) -> (Vec<Vec<u8>>, usize) {
        let count = dice.below(8);
        let name = number + 1000;
        let bodies = (0..count).map(|k| self.draw_body((name, k), dice)).collect();
        (bodies, dice.between(1, 4))
    }

    fn draw_body(&self, name: (usize, usize), dice: &mut Dice) -> Vec<u8> {
        let key = dice.below(crate::tables::KEYS + 1);
        match dice.below(16) {
            0 => format!("LOOKUP key{key}").into_bytes(),
            1 => format!(" lookup\tkey{key}  ").into_bytes(),
            2 => b"TIME".to_vec(),
            3 => b"WHOAMI".to_vec(),
            4 => {
                let format = dice.pick(&["", "ctime", "dmy", "RFC3339", "rfc2822", "unix", "x"]);
                format!("DAYTIME {format}").into_bytes()
            }
            5 => dice.pick(&[&b"STATS"[..], b"HELP", b"HELP me", b"LOOKUP", b"ECHO", b""]).to_vec(),
            6 => b"good morning \x00\xff\n".to_vec(),
            _ => [b"ECHO ", &self.draw_text(name, false, dice)[..]].concat(),
        }
    }

    /// A text that no other request has.
    fn draw_text(&self, (peer, number): (usize, usize), is_raw: bool, dice: &mut Dice) -> Vec<u8> {
        let name = format!("{peer}.{number} ");
        let most = self.limits.max_frame - 40;
        // Where there are no frames, more than one read takes.
        let most = if is_raw { most.max(100_000) } else { most };
        let size = match dice.below(8) {
            0 if self.knobs.has(Knob::LargeFrames) => dice.below(most),
            0 | 1 => dice.below(600),
            _ => dice.below(40),
        };
        let letter = dice.next_u64().to_le_bytes()[0];
        [name.as_bytes(), &vec![letter; size.min(most)]].concat()
    }

    fn draw_garbage(&self, kind: Kind, dice: &mut Dice) -> Vec<u8> {
        if kind != Kind::Framed {
            return vec![b'x'; dice.pick(&[3, self.limits.max_frame + 5])];
        }
        let bad: &[u8] = dice.pick(&[
            &b"+5"[..],
            b"5\t",
            b" 5",
            b"5 1",
            b"5_0",
            b"-1",
            b"99999999999999999999999999",
            b"GET / HTTP/1.1\r\n\r\n",
            b"0\0",
            b"\xd9\xa1",
        ]);
        let padding = dice.pick(&[0, 64 - bad.len()]);
        let over = format!("{:<64}", self.limits.max_frame + 1);
        match dice.below(4) {
            0 => over.into_bytes(),
            // Declares what never comes.
            1 => frame(&vec![0; self.limits.max_frame])[..64 + dice.below(20)].to_vec(),
            _ => [bad, &vec![b' '; padding]].concat(),
        }
    }
}

fn draw_line(dice: &mut Dice) -> Vec<u8> {
    let key = dice.below(crate::tables::KEYS + 1);
    let end = dice.pick(&["\n", "\r\n", " \n"]);
    match dice.below(8) {
        0 => end.as_bytes().to_vec(),
        1 => [b"\x00\xfe\x1b[2J", end.as_bytes()].concat(),
        _ => format!("key{key}{end}").into_bytes(),
    }
}
