//! What a seed makes of a world: its knobs, its limits, its peers and what they will say.

use crate::addresses::{ClientAddress, ClientAddresses};
#[cfg(all(feature = "tls", feature = "client-library"))]
use crate::layers::TlsManner;
use crate::model::Kind;
use crate::peers::{Ending, MINUTE, Plan, Reading, Writing};
use crate::wire::frame;
use readyd::client::PoolLimits;
use readyd::server::limits::Limits;
use readyd::testkit::faults::Injection;
use readyd::testkit::knobs::{Knob, Knobs};
use readyd::testkit::prng::Prng;
use readyd::testkit::sockets::{BARRED_PORT, REFUSING_PORT, SILENT_PORT, listener_address};
use std::net::SocketAddr;
use std::time::Duration;

/// The sessions of the client under test.
#[derive(Clone, Debug)]
pub(crate) struct PoolSetup {
    pub(crate) addresses: Vec<SocketAddr>,
    pub(crate) limits: PoolLimits,
    pub(crate) client_address: ClientAddress,
    /// For each session: what it asks, and how many questions it has under way.
    pub(crate) conversations: Vec<(Vec<Vec<u8>>, usize)>,
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
    pub(crate) client_addresses: ClientAddresses,
    pub(crate) peers: Vec<Plan>,
    pub(crate) pool: PoolSetup,
    pub(crate) victims: PoolSetup,
    pub(crate) actions: Vec<(u64, Action)>,
    /// A fault at one call.
    pub(crate) injection: Option<Injection>,
    /// All that the server serves is encrypted.
    pub(crate) is_encrypted: bool,
}

impl Setup {
    /// A world without faults and without anyone in it.
    pub(crate) fn quiet(seed: u64) -> Setup {
        let nobody = PoolSetup {
            addresses: vec![listener_address(Kind::Framed as usize)],
            limits: PoolLimits::default(),
            client_address: ClientAddress::default(),
            conversations: Vec::new(),
        };
        let hostile_servers =
            PoolSetup { addresses: vec![listener_address(Kind::ALL.len())], ..nobody.clone() };
        Setup {
            seed,
            knobs: Knobs::default(),
            limits: Limits { max_frame: 4096, log_rate: u32::MAX, ..Limits::default() },
            window: 4096,
            descriptor_limit: usize::MAX,
            operations: 400,
            client_addresses: ClientAddresses::of_all(),
            peers: Vec::new(),
            pool: nobody,
            victims: hostile_servers,
            actions: Vec::new(),
            injection: None,
            is_encrypted: false,
        }
    }

    #[cfg(all(feature = "tls", feature = "client-library"))]
    /// The same world, with TLS. How each peer speaks it, the seed tells.
    pub(crate) fn encrypted(mut self) -> Setup {
        let prng = &mut Prng::new(readyd::testkit::prng::mix(self.seed ^ 0x715));
        self.is_encrypted = true;
        // The handshakes are calls, too.
        self.operations *= 2;
        for plan in &mut self.peers {
            plan.tls = Some(TlsManner::draw(prng));
        }
        self
    }

    /// The world of that seed.
    pub(crate) fn draw(seed: u64) -> Setup {
        Setup::draw_among(Knobs::of(Knob::ALL), seed)
    }

    /// The world of that seed, with no other troubles than these.
    pub(crate) fn draw_among(troubles: Knobs, seed: u64) -> Setup {
        let prng = &mut Prng::new(seed);
        let knobs = Knobs::draw(prng).and(troubles);
        let (size, operations) = match prng.below(200) {
            0 => (prng.between(100, 256), prng.between(2000, 5000)),
            1..10 => (prng.between(20, 100), prng.between(500, 2000)),
            _ => (prng.between(2, 14), prng.between(200, 500)),
        };
        let sessions = prng.between(0, size / 2);
        let mut setup = Setup { knobs, operations: operations as u64, ..Setup::quiet(seed) };
        setup.draw_limits(prng);
        setup.client_addresses = ClientAddresses::draw(knobs, &mut setup.limits, size, prng);
        setup.pool.client_address = setup.client_addresses.pick(prng);
        setup.peers = (0..size - sessions).map(|number| setup.draw_peer(number, prng)).collect();
        setup.pool.conversations =
            (0..sessions).map(|number| setup.draw_conversation(number, prng)).collect();
        if knobs.has(Knob::HostileServer) {
            let victims = prng.between(1, 4);
            setup.victims.conversations =
                (0..victims).map(|number| setup.draw_conversation(number, prng)).collect();
        }
        setup
    }

    fn draw_limits(&mut self, prng: &mut Prng) {
        let (knobs, limits) = (self.knobs, &mut self.limits);
        limits.max_frame = prng.pick(&[1000, 4096, 65_536]);
        if knobs.has(Knob::SmallOutputLimit) {
            limits.output_limit = prng.pick(&[0, 100, 1000, 5000]);
        }
        if knobs.has(Knob::ConnectionLimit) {
            limits.max_connections = prng.between(1, 6);
        }
        if knobs.has(Knob::MemoryLimit) {
            limits.memory_limit = prng.pick(&[100, 300, 1000, 3000, 10_000, 100_000]);
        }
        if knobs.has(Knob::ShortDeadlines) {
            let mut time = |low, high| Duration::from_millis(prng.between(low, high) as u64);
            limits.frame_timeout = time(100, 3000);
            limits.idle_timeout = time(100, 5000);
            limits.write_timeout = time(100, 3000);
            limits.linger_timeout = time(1, 2000);
            limits.drain_timeout = time(1, 3000);
        }
        if knobs.has(Knob::ExitOnIdle) {
            limits.exit_on_idle = Some(Duration::from_millis(prng.between(1, 5000) as u64));
        }
        if knobs.has(Knob::FewLogLines) {
            limits.log_rate = prng.between(0, 5) as u32;
        }
        if knobs.has(Knob::DescriptorLimit) {
            self.descriptor_limit = prng.between(1, 6);
        }
        self.window = match knobs.has(Knob::TinyWindows) {
            true => prng.between(1, 60),
            false if knobs.has(Knob::LargeFrames) => prng.pick(&[4096, 100_000, 300_000]),
            false => prng.pick(&[500, 4096, 100_000]),
        };
        let pool = &mut self.pool;
        pool.limits.open = prng.between(1, 20);
        pool.limits.connecting = prng.between(1, 5);
        if knobs.has(Knob::DeadAddresses) {
            let dead = prng.pick(&[REFUSING_PORT, SILENT_PORT, BARRED_PORT]);
            let mut address = pool.addresses[0];
            address.set_port(dead);
            pool.addresses.insert(0, address);
        }
    }

    fn draw_peer(&self, number: usize, prng: &mut Prng) -> Plan {
        let kind = match prng.below(4) {
            0 | 1 => Kind::Framed,
            2 => prng.pick(&[Kind::Lookup, Kind::Exchange, Kind::Echo]),
            _ => prng.pick(&Kind::ALL),
        };
        let requests = self.draw_requests(kind, number, prng);
        let total: usize = requests.iter().map(Vec::len).sum();
        let mut plan = Plan::new(kind, requests);
        plan.client_address = self.client_addresses.pick(prng);
        plan.is_welcome = self.client_addresses.allows(plan.client_address);
        if !self.knobs.has(Knob::ReconnectStorm) {
            plan.starts_at = prng.below(self.operations as usize / 2) as u64;
        }
        plan.writing = match prng.below(4) {
            0 if matches!(kind, Kind::Framed | Kind::Lookup | Kind::Exchange) => Writing::PingPong,
            1 => Writing::Pieces(prng.between(1, 200)),
            _ => Writing::Pieces(usize::MAX),
        };
        if prng.one_in(3) {
            plan.reading = Reading::Pieces(prng.between(1, 500));
        }
        if kind == Kind::Chargen {
            plan.ending = Ending::CloseAfterReading(prng.below(100_000));
        }
        self.misbehave(&mut plan, total, prng);
        plan
    }

    /// What the knobs make of a peer's manners.
    fn misbehave(&self, plan: &mut Plan, total: usize, prng: &mut Prng) {
        let mut is_so = |knob, times| self.knobs.has(knob) && prng.one_in(times);
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
            plan.ending = Ending::ResetAt(prng.below(total + 1));
        } else if vanishes {
            plan.ending = Ending::VanishAt(prng.below(total + 1));
        } else if is_silent {
            plan.ending = Ending::Stay;
        }
    }

    fn draw_requests(&self, kind: Kind, number: usize, prng: &mut Prng) -> Vec<Vec<u8>> {
        let most = if self.knobs.has(Knob::DeepPipelines) { 200 } else { 12 };
        let count = prng.below(most);
        let mut requests: Vec<Vec<u8>> = match kind {
            Kind::Framed => (0..count).map(|k| frame(&self.draw_body((number, k), prng))).collect(),
            Kind::Lookup | Kind::Exchange => (0..count).map(|_| draw_line(prng)).collect(),
            _ => (0..count.min(20)).map(|k| self.draw_text((number, k), true, prng)).collect(),
        };
        if self.knobs.has(Knob::Garbage) && prng.one_in(3) {
            requests.push(self.draw_garbage(kind, prng));
        } else if kind == Kind::Framed && prng.one_in(6) {
            requests.push(frame(prng.pick(&[&b"Disconnect !"[..], b"  disconnect  ! "])));
        }
        requests
    }

    fn draw_conversation(&self, number: usize, prng: &mut Prng) -> (Vec<Vec<u8>>, usize) {
        let count = prng.below(8);
        let name = number + 1000;
        let bodies = (0..count).map(|k| self.draw_body((name, k), prng)).collect();
        (bodies, prng.between(1, 4))
    }

    fn draw_body(&self, name: (usize, usize), prng: &mut Prng) -> Vec<u8> {
        let key = prng.below(crate::tables::KEYS + 1);
        match prng.below(16) {
            0 => format!("LOOKUP key{key}").into_bytes(),
            1 => format!(" lookup\tkey{key}  ").into_bytes(),
            2 => b"TIME".to_vec(),
            3 => b"WHOAMI".to_vec(),
            4 => {
                let format = prng.pick(&["", "ctime", "dmy", "RFC3339", "rfc2822", "unix", "x"]);
                format!("DAYTIME {format}").into_bytes()
            }
            5 => prng.pick(&[&b"STATS"[..], b"HELP", b"HELP me", b"LOOKUP", b"ECHO", b""]).to_vec(),
            6 => b"good morning \x00\xff\n".to_vec(),
            _ => [b"ECHO ", &self.draw_text(name, false, prng)[..]].concat(),
        }
    }

    /// A text that no other request has.
    fn draw_text(&self, (peer, number): (usize, usize), is_raw: bool, prng: &mut Prng) -> Vec<u8> {
        let name = format!("{peer}.{number} ");
        let most = self.limits.max_frame - 40;
        // Where there are no frames, more than one read takes.
        let most = if is_raw { most.max(100_000) } else { most };
        let size = match prng.below(8) {
            0 if self.knobs.has(Knob::LargeFrames) => prng.below(most),
            0 | 1 => prng.below(600),
            _ => prng.below(40),
        };
        let letter = prng.next_u64().to_le_bytes()[0];
        [name.as_bytes(), &vec![letter; size.min(most)]].concat()
    }

    fn draw_garbage(&self, kind: Kind, prng: &mut Prng) -> Vec<u8> {
        if kind != Kind::Framed {
            return vec![b'x'; prng.pick(&[3, self.limits.max_frame + 5])];
        }
        let bad: &[u8] = prng.pick(&[
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
        let padding = prng.pick(&[0, 64 - bad.len()]);
        let over = format!("{:<64}", self.limits.max_frame + 1);
        match prng.below(4) {
            0 => over.into_bytes(),
            // Declares what never comes.
            1 => frame(&vec![0; self.limits.max_frame])[..64 + prng.below(20)].to_vec(),
            _ => [bad, &vec![b' '; padding]].concat(),
        }
    }
}

fn draw_line(prng: &mut Prng) -> Vec<u8> {
    let key = prng.below(crate::tables::KEYS + 1);
    let end = prng.pick(&["\n", "\r\n", " \n"]);
    match prng.below(8) {
        0 => end.as_bytes().to_vec(),
        1 => [b"\x00\xfe\x1b[2J", end.as_bytes()].concat(),
        _ => format!("key{key}{end}").into_bytes(),
    }
}
