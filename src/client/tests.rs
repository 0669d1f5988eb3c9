//! The client and the server, each the real one, on one network in memory.

pub(crate) use crate::testkit::loopback;

use crate::client::conversations::{Check, Dialogue, Exchange, Plan};
use crate::client::{Expect, PoolLimits, SessionPool};
use crate::handlers::Service;
use crate::handlers::daytime::DateCache;
use crate::io::clock::Moment;
use crate::io::event_loop::{EventHandler, LoopControl};
use crate::server::Server;
use crate::server::limits::Limits;
use crate::table::Table;
use loopback::{Loopback, Side};
use proptest::collection::vec;
use proptest::prelude::*;
use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;

/// More turns than the longest of these pools needs.
const TURNS: usize = 200_000;

const NOW: Moment = Moment::START;

/// How the sessions of a pool speak with the server.
#[derive(Clone, Copy, Debug)]
enum Echo {
    Framed,
    Plain,
}

impl Echo {
    fn service(self) -> Service {
        match self {
            Echo::Framed => Service::FRAMED,
            Echo::Plain => Service::ECHO,
        }
    }

    fn exchange(self, text: &[u8]) -> Exchange {
        let check = Check::Exactly(text.to_vec());
        match self {
            Echo::Framed => Exchange::framed(&[b"ECHO ", text].concat(), check),
            Echo::Plain => Exchange::plain(text, Expect::Bytes(text.len()), check),
        }
    }
}

struct Pair {
    net: Loopback,
    server: Server<Loopback>,
    pool: SessionPool<Loopback, Dialogue>,
}

impl Pair {
    /// One turn of each loop; what is under way arrives in part.
    fn turn(&mut self) -> (LoopControl, LoopControl) {
        self.net.deliver();
        for (token, readiness) in self.net.events(Side::Server) {
            self.server.on_ready(token, readiness);
        }
        let server = self.server.end_turn(NOW);
        self.net.deliver();
        for (token, readiness) in self.net.events(Side::Client) {
            self.pool.on_ready(token, readiness);
        }
        (server, self.pool.end_turn(NOW))
    }

    /// Turns until the pool stops and the server has closed all its connections. Time stands
    /// still: no deadline helps one that has forgotten something.
    fn run(&mut self) {
        let mut was_quiet = false;
        for _ in 0..TURNS {
            let calls = self.net.calls();
            let (server, pool) = self.turn();
            if pool == LoopControl::Stop && self.server.stats().open() == 0 {
                return;
            }
            let is_quiet = self.net.calls() == calls && !self.net.deliver();
            assert!(!(was_quiet && is_quiet), "all stand still: server {server:?}, pool {pool:?}");
            was_quiet = is_quiet;
        }
        panic!("the sessions do not come to an end");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_round_of_every_session_is_verified_and_nothing_stays_open(
        seed in any::<u64>(),
        echo in prop_oneof![Just(Echo::Framed), Just(Echo::Plain)],
        texts in vec(vec(any::<u8>(), 1..3000), 1..4),
        (sessions, rounds) in (1usize..30, 1u64..10),
        (open, max_connections) in (1usize..30, 1usize..30),
        window in 50usize..5000,
        output_limit in 100usize..10_000,
    ) {
        let net = Loopback::new(seed);
        net.set_window(window);
        let limits = Limits { max_connections, output_limit, ..Limits::default() };
        let dates = DateCache::utc();
        let mut server = Server::new(net.clone(), limits, Table::embedded(), dates, NOW);
        server.listen((), echo.service()).unwrap();
        let plan = Rc::new(Plan {
            exchanges: texts.iter().map(|text| echo.exchange(text)).collect(),
            rounds,
            last_word: Vec::new(),
            keep_answers: false,
        });
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 9999));
        let limits = PoolLimits { open, ..PoolLimits::default() };
        let conversations = (0..sessions).map(|_| Dialogue::new(Rc::clone(&plan)));
        let pool = SessionPool::new(net.clone(), vec![address], limits, conversations, NOW);

        let mut pair = Pair { net, server, pool };
        pair.run();

        let asked = rounds * texts.len() as u64;
        prop_assert_eq!(pair.pool.finished().len(), sessions);
        for finished in pair.pool.finished() {
            prop_assert!(finished.result.is_ok(), "{:?}", finished.result);
            prop_assert_eq!(finished.conversation.verified(), asked);
        }
        prop_assert_eq!(pair.pool.established(), sessions);
        prop_assert_eq!(pair.server.stats().accepted, sessions as u64);
        if let Echo::Framed = echo {
            prop_assert_eq!(pair.server.stats().frames, sessions as u64 * asked);
        }
        prop_assert_eq!([Side::Client, Side::Server].map(|side| pair.net.held(side)), [0, 0]);
    }
}
