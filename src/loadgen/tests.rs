//! Load on a network in memory, at a time of the tests' own.

mod closed;
mod crowds;
mod ends;
mod losing;
mod open;
mod peers;
mod probes;
mod random;
mod rates;
mod rig;

use super::plan::{
    Close, ConnectPolicy, ConnectionCounts, Lifetime, Mix, Pace, Plan, Probing, ReconnectPolicy,
    Sizes, StopCondition, Workload,
};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

/// One connection that says echo, in a closed loop, for no set time.
pub(super) fn plan() -> Plan {
    Plan {
        destinations: vec![SocketAddr::from((Ipv4Addr::LOCALHOST, 9999)).into()],
        sources: Vec::new(),
        connections: ConnectionCounts { active: 1, slow_rate: 10, ..ConnectionCounts::default() },
        workload: framed_echo(Sizes::fixed(64)),
        greeting: None,
        pace: Pace::Closed,
        busy_wait: true,
        pipeline: 1,
        until: StopCondition { requests: None, duration: None },
        warmup: Duration::ZERO,
        connecting: ConnectPolicy { rate: None, parallel: 100, timeout: Duration::from_secs(5) },
        lifetime: Lifetime::Run,
        close: Close::Fin,
        timeout: Duration::from_secs(5),
        probing: Probing::Off,
        verify: true,
        storm_every: None,
        reconnecting: ReconnectPolicy {
            reconnect: true,
            give_up_after: None,
            backoff: Duration::from_millis(100),
        },
        seed: 1,
    }
}

pub(super) fn framed_echo(sizes: Sizes) -> Workload {
    Workload::Framed(Mix { echo: 1, lookup: 0, daytime: 0, sizes, keys: Vec::new() })
}
