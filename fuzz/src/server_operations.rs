//! A sequence of operations on the whole server, over a network in memory: whatever peers, the
//! network and the operator do, the invariants hold after each turn, and every reply arrives, once
//! and in order.
//!
//! Input: limits, how it ends; then the operations.

mod admission_reference;
mod invariants;
mod net;
mod peer;
mod socket;
mod world;

use admission_reference::{AdmissionReference, Rules, Source};
use arbitrary::{Arbitrary, Unstructured};
use readyd::server::limits::Limits;
use socket::Fault;
use std::time::Duration;
use world::World;

/// More operations find nothing that these do not.
const MOST_OPERATIONS: usize = 400;

#[derive(Arbitrary, Debug)]
struct Setup {
    max_connections: u8,
    output_limit: u16,
    /// Whether deadlines are so far off that none passes, which makes all replies certain.
    is_patient: bool,
    ending: Ending,
    /// Less one: none at all would be refused.
    memory_limit: Option<u16>,
    max_connections_per_address: Option<u8>,
    accept_rate_per_address: Option<u8>,
    rules: Rules,
}

impl Setup {
    fn limits(&self) -> Limits {
        let timeout = Duration::from_secs(if self.is_patient { 1_000_000_000 } else { 3 });
        let few = |number: u8| 1 + number % 4;
        let defaults = Limits::default();
        Limits {
            max_connections: 1 + usize::from(self.max_connections % 8),
            max_connections_per_address: self.max_connections_per_address.map(|n| few(n).into()),
            accept_rate_per_address: self.accept_rate_per_address.map(|n| few(n).into()),
            access: self.rules.for_server(),
            memory_limit: self.memory_limit.map_or(defaults.memory_limit, |n| 1 + usize::from(n)),
            max_frame: 1000,
            output_limit: usize::from(self.output_limit),
            frame_timeout: timeout,
            idle_timeout: timeout,
            write_timeout: timeout,
            log_rate: 3,
            ..defaults
        }
    }
}

/// What becomes of the server after the operations.
#[derive(Arbitrary, Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    /// Every peer takes all output, sends the rest and half-closes.
    Finished,
    /// No peer does anything more.
    LeftAlone,
    /// The server is told to stop.
    Drained,
    /// It is told twice.
    Stopped,
}

#[derive(Arbitrary, Debug)]
enum Operation<'a> {
    Connect {
        listener: u8,
        source: Source,
    },
    /// Requests are written, to be delivered later.
    Ask {
        peer: u8,
        count: u8,
        request: Request<'a>,
    },
    /// Any bytes, where a request should be.
    Write {
        peer: u8,
        bytes: &'a [u8],
    },
    /// `count` bytes of what was written arrive.
    Deliver {
        peer: u8,
        count: u16,
    },
    Fin {
        peer: u8,
    },
    Reset {
        peer: u8,
    },
    /// The peer takes so much more.
    Widen {
        peer: u8,
        count: u16,
    },
    /// The peer takes no more than this at once.
    Choke {
        peer: u8,
        most: u8,
    },
    FailRecv {
        peer: u8,
        fault: Fault,
    },
    FailSend {
        peer: u8,
        fault: Fault,
    },
    FailAccept(Fault),
    FailRegister(Fault),
    /// An event that tells of nothing, for a connection that may be gone.
    Spurious {
        token: u8,
        readiness: u8,
    },
    /// An event for what never was.
    Unknown {
        token: u64,
        readiness: u8,
    },
    Reload,
    KeepTable,
    Turn,
    /// Turns until there is nothing to do, then lets time pass.
    Pass {
        millis: u16,
    },
    /// Lets time pass while the loop does not turn.
    Jump {
        seconds: u8,
    },
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Request<'a> {
    Echo(u16),
    Text(&'a [u8]),
    LookUp,
    Disconnect,
}

/// See the [module](self).
pub fn check(data: &[u8]) {
    let input = &mut Unstructured::new(data);
    let Ok(setup) = Setup::arbitrary(input) else { return };
    let limits = setup.limits();
    let admission = AdmissionReference::new(setup.rules, &limits);
    let mut world = World::new(limits, admission, setup.is_patient);
    for _ in 0..MOST_OPERATIONS {
        if input.is_empty() {
            break;
        }
        let Ok(operation) = Operation::arbitrary(input) else { break };
        world.operate(&operation);
    }
    match setup.ending {
        Ending::Finished => world.finish(),
        Ending::LeftAlone if setup.is_patient => world.finish(),
        Ending::LeftAlone => world.leave_alone(),
        Ending::Drained => world.drain(1),
        Ending::Stopped => world.drain(2),
    }
}
