//! The engine and the real services without sockets: bytes in, bytes out.
//!
//! What a request costs here is what it costs above the kernel. Every iteration checks how much
//! came out; what it says is checked once before.

mod support;

use criterion::{Throughput, criterion_group, criterion_main};
use readyd::handlers::Service;
use support::engine::Engine;
use support::{Criterion, FixedClock, frame};

/// What a client sends and must get.
struct Workload {
    name: &'static str,
    service: Service,
    /// What each read brings.
    reads: Vec<Vec<u8>>,
    requests: usize,
    replies: Vec<u8>,
}

impl Workload {
    /// `count` times the same frame, each in a read of its own.
    fn ping_pong(name: &'static str, count: usize, request: &[u8], reply: &[u8]) -> Workload {
        Workload {
            name,
            service: Service::FRAMED,
            reads: vec![frame(request); count],
            requests: count,
            replies: frame(reply).repeat(count),
        }
    }

    /// The same bytes, all in one read.
    fn pipelined(self, name: &'static str) -> Workload {
        Workload { name, reads: vec![self.reads.concat()], ..self }
    }

    /// The same bytes, `size` in each read.
    fn chopped(self, name: &'static str, size: usize) -> Workload {
        let reads = self.reads.concat().chunks(size).map(<[u8]>::to_vec).collect();
        Workload { name, reads, ..self }
    }

    /// `count` times the same line.
    fn lines(name: &'static str, count: usize, key: &str, value: &str) -> Workload {
        Workload {
            name,
            service: Service::LOOKUP,
            reads: vec![format!("{key}\r\n").into_bytes(); count],
            requests: count,
            replies: format!("{value}\r\n").into_bytes().repeat(count),
        }
    }
}

/// Every command, 32 times in one read: from these figures come the costs in the table of commands.
/// The text of `STATS` is made once a turn; `stats_first` makes it, and leaves out what the system
/// calls cost.
fn commands() -> Vec<Workload> {
    const EACH: usize = 32;
    let requests = [
        ("echo", &b"ECHO x"[..], EACH),
        ("daytime", b"DAYTIME", EACH),
        ("time", b"TIME", EACH),
        ("lookup", b"LOOKUP 165.165.80.80", EACH),
        ("whoami", b"WHOAMI", EACH),
        ("stats", b"STATS", EACH),
        ("stats_first", b"STATS", 1),
        ("help", b"HELP", EACH),
        ("message", b"Hello, server", EACH),
    ];
    let workload = |(name, request, count): (&'static str, &[u8], usize)| {
        let reply = Engine::new(Service::FRAMED).receive(&mut frame(request)).to_vec();
        Workload {
            name,
            service: Service::FRAMED,
            reads: vec![frame(request).repeat(count)],
            requests: count,
            replies: reply.repeat(count),
        }
    };
    requests.map(workload).into()
}

fn workloads() -> Vec<Workload> {
    const PIPELINE: usize = 32;
    let (small, large) = ([b'x'; 32], vec![b'x'; 16 * 1024]);
    let (echo_small, echo_large) =
        ([b"ECHO ", &small[..]].concat(), [b"ECHO ", &large[..]].concat());
    let echo = |count| Workload::ping_pong("echo_32", count, &echo_small, &small);
    let lookup = (b"LOOKUP 165.165.80.80", b"6A:08:AA:C2");
    let daytime = FixedClock::CTIME.as_bytes();
    let lines = || Workload::lines("line", PIPELINE, "165.165.80.80", "6A:08:AA:C2");
    vec![
        echo(1),
        echo(PIPELINE).pipelined("echo_32_pipelined"),
        echo(PIPELINE).chopped("echo_32_chopped_to_100", 100),
        Workload::ping_pong("echo_16k", 1, &echo_large, &large),
        Workload::ping_pong("echo_16k", 1, &echo_large, &large)
            .chopped("echo_16k_chopped_to_1k", 1024),
        Workload::ping_pong("lookup", PIPELINE, lookup.0, lookup.1).pipelined("lookup_pipelined"),
        Workload::ping_pong("daytime", PIPELINE, b"DAYTIME", daytime)
            .pipelined("daytime_pipelined"),
        lines(),
        lines().pipelined("line_pipelined"),
        Workload::lines("line_16k", 1, &"k".repeat(16 * 1024), "Not Found"),
    ]
}

fn engine(c: &mut Criterion) {
    measure(c, "engine", workloads());
    measure(c, "command", commands());
}

fn measure(c: &mut Criterion, group: &str, workloads: Vec<Workload>) {
    let mut group = c.benchmark_group(group);
    for Workload { name, service, mut reads, requests, replies } in workloads {
        let mut engine = Engine::new(service);
        let output: Vec<u8> =
            reads.iter_mut().flat_map(|read| engine.receive(read).to_vec()).collect();
        assert_eq!(output, replies, "{name} is answered wrongly");

        group.throughput(Throughput::Elements(requests as u64));
        group.bench_function(name, |b| {
            b.iter(|| {
                let sent: usize = reads.iter_mut().map(|read| engine.receive(read).len()).sum();
                // The counters of STATS get more digits from one time to the next.
                let difference = sent.abs_diff(replies.len());
                assert!(difference * 100 < replies.len(), "{name} is answered wrongly");
            })
        });
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = support::criterion();
    targets = engine
}
criterion_main!(benches);
