//! Connections of proxies that do anything at any time: after every turn the invariants hold, and
//! at the end nothing is left.

use super::bench::{Bench, frame};
use super::fake_net::{Client, Fault, ServerEnd};
use crate::handlers::Service;
use crate::io::event_loop::LoopControl;
use crate::protocol::proxy_header::Versions;
use crate::server::access::{AccessRules, ranges};
use crate::server::limits::Limits;
use crate::server::proxied::{Proxies, Serves};
use crate::testkit::prng::Prng;
use nix::errno::Errno;
use std::net::IpAddr;
use std::time::Duration;

const WORLDS: u64 = 300;

const STEPS: usize = 200;

/// Requests of these services, and a part of a line.
const SERVICES: [Service; 4] =
    [Service::FRAMED, Service::LOOKUP, Service::GREETING, Service::CHARGEN];

fn limits() -> Limits {
    Limits {
        access: AccessRules { deny: ranges("203.0.113.3").unwrap(), ..AccessRules::default() },
        max_connections_per_address: Some(3),
        accept_rate_per_address: Some(20),
        memory_limit: 20_000,
        ..Limits::default()
    }
}

/// What a connection is yet to send.
fn script(prng: &mut Prng) -> Vec<u8> {
    let mut bytes = match prng.below(8) {
        0 => b"\r\n\r\n\0\r\nQUIT\n\x20\x11\0\x03abc".to_vec(),
        1 => b"PROXY UNKNOWN\r\n".to_vec(),
        2 => b"GET / HTTP/1.1\r\n\r\n".to_vec(),
        3 => [b"\r\n\r\n\0\r\nQUIT\n\x21\0\x0f\xf0", &[7; 4080][..]].concat(),
        _ => {
            let client = prng.below(4);
            format!("PROXY TCP4 203.0.113.{client} 192.0.2.1 7 8\r\n").into_bytes()
        }
    };
    for _ in 0..prng.below(4) {
        bytes.extend(frame(b"ECHO hello"));
        bytes.extend(b"165.165.80.80\r\n");
    }
    bytes
}

struct Random {
    bench: Bench,
    prng: Prng,
    listeners: Vec<usize>,
    clients: Vec<(Client, Vec<u8>)>,
}

impl Random {
    fn new(seed: u64) -> Random {
        let mut bench = Bench::with_limits(limits());
        let mut listeners = Vec::new();
        for service in SERVICES {
            let proxies = Proxies { versions: Versions::Any, from: ranges("10.0.0.0/8").unwrap() };
            listeners.push(bench.listen(Serves {
                service,
                proxies: Some(Box::new(proxies)),
                tls: None,
            }));
        }
        // Direct clients of the proxy's own address are counted beside it.
        listeners.push(super::bench::ECHO);
        Random { bench, prng: Prng::new(seed), listeners, clients: Vec::new() }
    }

    fn step(&mut self) {
        let Random { bench, prng, listeners, clients } = self;
        let one = (!clients.is_empty()).then(|| prng.below(clients.len()));
        match (prng.below(12), one) {
            (0..=2, _) | (_, None) => {
                let listener = listeners[prng.below(listeners.len())];
                let address: IpAddr = ["10.0.0.1", "192.0.2.1"][prng.below(8) / 7].parse().unwrap();
                clients.push((bench.net.connect_from(listener, address), script(prng)));
            }
            (3..=7, Some(one)) => {
                let (client, left) = &mut clients[one];
                let count = (1 + prng.below(60)).min(left.len());
                let count = if prng.below(2) == 0 { left.len() } else { count };
                let bytes: Vec<u8> = left.drain(..count).collect();
                bench.net.send(*client, &bytes);
            }
            (8, Some(one)) => bench.net.fin(clients.swap_remove(one).0),
            (9, Some(one)) => bench.net.reset(clients.swap_remove(one).0),
            (10, Some(one)) => {
                let errno = [Errno::ENOMEM, Errno::EINTR, Errno::ECONNRESET][prng.below(3)];
                let fault = Fault::once(errno);
                bench.net.socket(clients[one].0, |socket| socket.recv_call.fault = fault);
            }
            _ => bench.advance(Duration::from_millis([1, 500, 31_000][prng.below(3)])),
        }
        if self.prng.below(3) > 0 {
            self.bench.turn();
        }
    }

    fn end(mut self) {
        if self.prng.below(2) == 0 {
            self.bench.server.drain(self.bench.now);
            let next = self.bench.run_for(Duration::from_secs(20));
            assert_eq!(next, LoopControl::Stop);
        } else {
            for (client, _) in &self.clients {
                self.bench.net.reset(*client);
            }
            self.bench.run();
        }
        let stuck = self.clients.iter().filter(|(client, _)| {
            matches!(self.bench.net.server_end(*client), ServerEnd::Open | ServerEnd::HalfClosed)
        });
        assert_eq!(stuck.count(), 0);
        self.bench.assert_clean();
        assert_eq!(self.bench.server.cx.admission.counted(), 0);
    }
}

#[test]
fn whatever_proxies_do_nothing_is_left_of_them() {
    for seed in 0..WORLDS {
        let mut random = Random::new(seed);
        (0..STEPS).for_each(|_| random.step());
        random.end();
    }
}
