//! Makes the plan from the command line, and the part of the report that says what was asked.

use super::options::{CloseName, Options, Service};
use crate::failure::Failure;
use crate::server_name::ServerName;
use readyd::counted::counted;
use readyd::io::address::{Address, SourceAddress};
use readyd::loadgen::plan::{
    Answer, Close, ConnectPolicy, ConnectionCounts, Greeting, Lifetime, Mix, Pace, Plan, Probing,
    RawProtocol, ReconnectPolicy, Sizes, Step, StopCondition, Workload,
};
use readyd::loadgen::preflight::parse_sources;
use readyd::loadgen::report::{Asked, DISCARD};
use std::net::TcpStream;
use std::time::Duration;

#[cfg(test)]
mod tests;

/// Length of a run without `--duration`, `--requests` or `--step`.
const DEFAULT_DURATION: Duration = Duration::from_secs(10);

/// How long a run that ends with a number of requests waits for a server that is gone.
const DEFAULT_GIVE_UP: Duration = Duration::from_secs(10);

/// Bytes of an endless stream that count as one answer.
const CHARGEN_BYTES: usize = 4096;

/// The timeouts of a run, from options that all commands share.
#[derive(Clone, Copy)]
pub(super) struct Timeouts {
    pub(super) connect: Duration,
    pub(super) answer: Duration,
}

impl Options {
    /// The plan that the options stand for.
    pub(super) fn plan(&self, server: &ServerName, timeouts: Timeouts) -> Result<Plan, Failure> {
        let workload = self.workload()?;
        let is_greeting = matches!(workload, Workload::Greeting(_));
        let lifetime = match self.lifetime {
            Some(lifetime) if is_greeting && lifetime != Lifetime::Requests(1) => {
                return usage("--lifetime: this service answers once per connection");
            }
            _ if is_greeting => Lifetime::Requests(1),
            lifetime => lifetime.unwrap_or(Lifetime::Run),
        };
        if is_greeting && self.pipeline > 1 {
            return usage("--pipeline: this service answers once per connection");
        }
        let connections = ConnectionCounts {
            active: self.connections,
            idle: self.idle,
            slow_readers: self.slow_readers,
            slow_writers: self.slow_writers,
            slow_rate: self.slow_rate,
        };
        self.check(&connections, &workload)?;
        let plan = Plan {
            destinations: self.destinations(server, timeouts.connect)?,
            sources: self.sources()?,
            connections,
            workload,
            greeting: self.greeting(),
            pace: self.pace(),
            busy_wait: !self.no_busy_wait,
            pipeline: self.pipeline,
            until: self.until_when(),
            warmup: self.warmup,
            connecting: ConnectPolicy {
                rate: self.connect_rate,
                parallel: self.connect_parallel,
                timeout: timeouts.connect,
            },
            lifetime,
            close: match self.close {
                CloseName::Fin => Close::Fin,
                CloseName::Rst => Close::Rst,
            },
            timeout: timeouts.answer,
            probing: self.probing(),
            verify: !self.no_verify,
            storm_every: self.storm,
            reconnecting: ReconnectPolicy {
                reconnect: !self.no_reconnect,
                give_up_after: self.give_up_after.or_else(|| {
                    // Without a time limit it would wait for ever for a server that is gone.
                    self.until_when().duration.is_none().then_some(DEFAULT_GIVE_UP)
                }),
                backoff: self.backoff,
            },
            seed: self.seed,
        };
        check_families(&plan)?;
        Ok(plan)
    }

    fn check(&self, connections: &ConnectionCounts, workload: &Workload) -> Result<(), Failure> {
        if connections.total() == 0 {
            return usage("--connections: there is nothing to do for 0 connections");
        }
        if connections.active == 0 && self.requests.is_some() {
            return usage("--requests: there is no connection to send them (see --connections)");
        }
        let paced = [
            ("--rate", self.rate.is_some()),
            ("--step", !self.step.is_empty()),
            ("--herd", self.herd.is_some()),
        ];
        if let Some((name, _)) = paced.iter().find(|(_, given)| *given && connections.active == 0) {
            return usage(&format!(
                "{name}: there is no connection to send requests (see --connections)"
            ));
        }
        if self.workers > connections.total() {
            return usage(&format!(
                "--workers: {} cannot share {}",
                counted(self.workers, "process"),
                counted(connections.total(), "connection")
            ));
        }
        if self.requests.is_some_and(|requests| requests < self.workers as u64) {
            return usage(
                "--requests: fewer than --workers, so some workers would have nothing to do",
            );
        }
        if self.storm.is_some() && matches!(workload, Workload::Greeting(_) | Workload::Discard(_))
        {
            return usage("--storm: needs a service that keeps connections open");
        }
        let slow = connections.slow_readers + connections.slow_writers;
        if slow > 0 && matches!(workload, Workload::Greeting(_) | Workload::Discard(_)) {
            return usage("--slow-readers, --slow-writers: need a service that answers requests");
        }
        if connections.idle > 0 && matches!(workload, Workload::Greeting(_)) {
            return usage(
                "--idle: needs a service that waits for a request, and this one speaks first",
            );
        }
        if self.greeting().is_some()
            && matches!(workload, Workload::Greeting(_) | Workload::Discard(_))
        {
            return usage("--greeting: needs a service that answers requests");
        }
        Ok(())
    }

    /// What the server sends before the first request.
    fn greeting(&self) -> Option<Answer> {
        match (&self.greeting, self.greeting_bytes, &self.greeting_until) {
            (Some(bytes), ..) => Some(Answer::Exactly(bytes.0.clone())),
            (_, Some(len), _) => Some(Answer::Bytes(len)),
            (_, _, Some(end)) => Some(Answer::Until(end.0.clone())),
            _ => None,
        }
    }

    fn workload(&self) -> Result<Workload, Failure> {
        if let Some(send) = &self.send {
            let answer = match (&self.expect, self.expect_bytes, &self.until) {
                (Some(bytes), ..) => Answer::Exactly(bytes.0.clone()),
                (_, Some(len), _) => Answer::Bytes(len),
                (_, _, Some(end)) => Answer::Until(end.0.clone()),
                _ => return usage("--send: give --expect, --expect-bytes or --until as well"),
            };
            return Ok(Workload::Raw(RawProtocol { send: send.0.clone(), answer }));
        }
        let needs_bytes = |sizes: Sizes| match sizes.min {
            0 => usage("--size: a plain service does not notice a request of 0 bytes"),
            _ => Ok(sizes),
        };
        match self.plain {
            None => self.mix().map(Workload::Framed),
            Some(Service::Echo) => Ok(Workload::PlainEcho(needs_bytes(self.size)?)),
            Some(Service::Discard) => Ok(Workload::Discard(needs_bytes(self.size)?)),
            Some(Service::Daytime) => Ok(Workload::Greeting(Greeting::Daytime)),
            Some(Service::Time) => Ok(Workload::Greeting(Greeting::Time)),
            Some(Service::Greeting) => Ok(Workload::Greeting(Greeting::Greeting)),
            Some(Service::Chargen) => Ok(Workload::Greeting(Greeting::Chargen(CHARGEN_BYTES))),
        }
    }

    /// What asks idle connections whether they are served. What a server of any protocol makes of
    /// a request is not known, so it needs a word.
    fn probing(&self) -> Probing {
        match self.plain {
            _ if self.no_probe => Probing::Off,
            _ if self.send.is_some() && self.probe => Probing::Request,
            _ if self.send.is_some() => Probing::Off,
            None | Some(Service::Echo) => Probing::Echo,
            Some(_) => Probing::Off,
        }
    }

    fn mix(&self) -> Result<Mix, Failure> {
        let weight_of = |name: &str| {
            let given = self.mix.iter().filter(|(kind, _)| kind == name);
            given.map(|(_, weight)| *weight).fold(0, u32::saturating_add)
        };
        let (echo, lookup, daytime) = match self.mix.as_slice() {
            [] => (1, 0, 0),
            _ => (weight_of("echo"), weight_of("lookup"), weight_of("daytime")),
        };
        if echo == 0 && lookup == 0 && daytime == 0 {
            return usage("--mix: all weights are 0");
        }
        if let Some(key) = self.key.iter().find(|key| key.trim().is_empty()) {
            return usage(&format!("--key: {key:?} is not a key"));
        }
        let keys = if self.key.is_empty() { vec!["readyd".to_owned()] } else { self.key.clone() };
        Ok(Mix { echo, lookup, daytime, sizes: self.size, keys })
    }

    fn pace(&self) -> Pace {
        match (self.rate, self.herd) {
            (Some(rate), _) => Pace::Rates(vec![Step { rate, duration: Duration::MAX }]),
            (_, Some(every)) => Pace::Herd(every),
            _ if !self.step.is_empty() => {
                // The warm-up runs at the first rate, and its time is no part of the first step.
                let mut steps = self.step.clone();
                if let Some(first) = steps.first_mut() {
                    first.duration = first.duration.saturating_add(self.warmup);
                }
                Pace::Rates(steps)
            }
            _ => Pace::Closed,
        }
    }

    fn until_when(&self) -> StopCondition {
        let lengths = self.step.iter().map(|step| step.duration);
        let ramp = lengths.reduce(Duration::saturating_add);
        let default = if self.requests.is_some() { None } else { Some(DEFAULT_DURATION) };
        StopCondition { requests: self.requests, duration: self.duration.or(ramp).or(default) }
    }

    pub(super) fn sources(&self) -> Result<Vec<SourceAddress>, Failure> {
        if self.source.is_empty() {
            return Ok(Vec::new());
        }
        parse_sources(&self.source.join(","))
            .map_err(|error| Failure::Usage(format!("--source: {error}")))
    }

    fn destinations(
        &self,
        server: &ServerName,
        timeout: Duration,
    ) -> Result<Vec<Address>, Failure> {
        let servers = match self.addresses.as_slice() {
            [] => std::slice::from_ref(server),
            servers => servers,
        };
        let mut found = Vec::new();
        for server in servers {
            found.extend(first_that_answers(&server.resolve()?, timeout));
        }
        Ok(found)
    }

    /// What the report says was asked for.
    pub(super) fn asked(&self, plan: &Plan) -> Asked {
        let sizes = match &plan.workload {
            Workload::Framed(_) | Workload::PlainEcho(_) | Workload::Discard(_) => self.size,
            Workload::Greeting(_) => Sizes::fixed(0),
            Workload::Raw(custom) => Sizes::fixed(custom.send.len()),
        };
        let rate = match &plan.pace {
            Pace::Closed => None,
            Pace::Rates(steps) => match steps.as_slice() {
                [only] => Some(only.rate),
                steps => Some(mean_rate(steps, plan)),
            },
            Pace::Herd(every) => Some(plan.connections.active as f64 / every.as_secs_f64()),
        };
        Asked {
            targets: plan.destinations.iter().map(Address::to_string).collect(),
            sources: plan.sources.iter().map(SourceAddress::to_string).collect(),
            workload: self.describe(&plan.workload),
            connections: plan.connections.active as u64,
            idle: plan.connections.idle as u64,
            slow_readers: plan.connections.slow_readers as u64,
            slow_writers: plan.connections.slow_writers as u64,
            rate,
            requests: plan.until.requests,
            duration_s: plan.until.duration.map(|duration| duration.as_secs_f64()),
            warmup_s: plan.warmup.as_secs_f64(),
            pipeline: plan.pipeline as u64,
            size: sizes.max as u64,
            size_min: sizes.min as u64,
            workers: self.workers as u64,
            connect_rate: plan.connecting.rate,
            lifetime: match plan.lifetime {
                Lifetime::Run => None,
                Lifetime::Time(time) => Some(format!("{time:?}")),
                Lifetime::Requests(requests) => Some(counted(requests, "request").to_string()),
            },
            herd_s: self.herd.map(|every| every.as_secs_f64()),
            storm_s: self.storm.map(|every| every.as_secs_f64()),
            timeout_s: plan.timeout.as_secs_f64(),
            busy_wait: plan.busy_wait,
            verify: plan.verify && !matches!(plan.workload, Workload::Discard(_)),
            probe: match plan.probing {
                Probing::Off => "off",
                Probing::Echo => "echo",
                Probing::Request => "request",
            }
            .to_owned(),
        }
    }

    fn describe(&self, workload: &Workload) -> String {
        match workload {
            Workload::Framed(_) if self.mix.is_empty() => "echo".to_owned(),
            Workload::Framed(_) => {
                let parts: Vec<String> =
                    self.mix.iter().map(|(kind, weight)| format!("{kind}={weight}")).collect();
                parts.join(",")
            }
            Workload::PlainEcho(_) => "plain echo".to_owned(),
            Workload::Discard(_) => DISCARD.to_owned(),
            Workload::Greeting(Greeting::Daytime) => "plain daytime".to_owned(),
            Workload::Greeting(Greeting::Time) => "plain time".to_owned(),
            Workload::Greeting(Greeting::Greeting) => "plain greeting".to_owned(),
            Workload::Greeting(Greeting::Chargen(_)) => "plain chargen".to_owned(),
            Workload::Raw(custom) => format!("custom \"{}\"", custom.send.escape_ascii()),
        }
    }
}

/// The mean rate of the measured part: each step counts for as long as it lasts.
fn mean_rate(steps: &[Step], plan: &Plan) -> f64 {
    let end = plan.until.duration.map_or(Duration::MAX, |length| plan.warmup + length);
    let (mut start, mut requests, mut seconds) = (Duration::ZERO, 0.0, 0.0);
    for (index, step) in steps.iter().enumerate() {
        let is_last = index + 1 == steps.len();
        let step_end = start.saturating_add(step.duration);
        let until = if is_last { end } else { end.min(step_end) };
        let length = until.saturating_sub(start.max(plan.warmup)).as_secs_f64();
        requests += step.rate * length;
        seconds += length;
        start = step_end;
    }
    if seconds > 0.0 { requests / seconds } else { 0.0 }
}

fn usage<T>(what: &str) -> Result<T, Failure> {
    Err(Failure::Usage(what.to_owned()))
}

/// The first address that accepts a connection, of a name with several, such as localhost. A single
/// address is not tried, so that the first connection a server sees belongs to the load.
fn first_that_answers(addresses: &[Address], timeout: Duration) -> Option<Address> {
    match addresses {
        [only] => Some(only.clone()),
        several => {
            several.iter().find(|address| answers(address, timeout)).or(several.first()).cloned()
        }
    }
}

fn answers(address: &Address, timeout: Duration) -> bool {
    let Address::Inet(address) = address else { return true };
    // A connection that has reached its own end found no server.
    TcpStream::connect_timeout(address, timeout)
        .is_ok_and(|stream| stream.local_addr().ok() != stream.peer_addr().ok())
}

fn check_families(plan: &Plan) -> Result<(), Failure> {
    for source in &plan.sources {
        for destination in &plan.destinations {
            match destination {
                Address::Unix(_) => {
                    return usage(&format!(
                        "--source: {source} cannot connect to {destination}: a unix socket takes \
                         no address to connect from"
                    ));
                }
                Address::Inet(address) if address.is_ipv4() != source.ip.is_ipv4() => {
                    return usage(&format!(
                        "--source: {source} cannot connect to {destination}: one is IPv4, the \
                         other IPv6"
                    ));
                }
                Address::Inet(_) => {}
            }
        }
    }
    Ok(())
}
