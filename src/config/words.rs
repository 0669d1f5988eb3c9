//! A configuration written as flags again: the supervisor passes it to its shards.
//!
//! Invariant: [`from_args`](super::from_args) makes the same configuration from it. So no file has
//! to be read twice, and a file that has changed or is no longer readable does not matter.

use super::Config;
use super::sandbox::Sandbox;
use super::tracing::TraceFile;
use crate::os::listener::TcpTimeouts;
use crate::server::access::AccessRules;
use crate::server::limits::Limits;
use crate::table::ColumnOrder;
use crate::trace::{AddressPolicy, Trigger};
use crate::zone::Zone;
use std::ffi::OsString;
use std::fmt::Display;
use std::time::Duration;

/// Flags, each with its value in one word.
#[derive(Default)]
struct Words(Vec<OsString>);

impl Words {
    /// Not inlined, so that the code is in the binary once.
    #[inline(never)]
    fn value(&mut self, flag: &str, value: &dyn Display) {
        self.0.push(format!("--{flag}={value}").into());
    }

    fn optional(&mut self, flag: &str, value: &Option<impl Display>) {
        if let Some(value) = value {
            self.value(flag, value);
        }
    }

    fn switch(&mut self, flag: &str, is_on: bool) {
        if is_on {
            self.0.push(format!("--{flag}").into());
        }
    }
}

impl Config {
    /// The flags that ask for this configuration, without the program's name. The log level is
    /// among them only if the command line set it; otherwise RUST_LOG decides.
    pub fn to_args(&self) -> Vec<OsString> {
        // Without `..`: a new field does not compile until it is written here.
        let Config {
            listeners,
            takes_passed_sockets,
            reuse_port,
            shards,
            counted_cpus: _,
            shard_timeout,
            user,
            sandbox,
            print_addresses,
            ready_fd,
            table,
            table_order,
            table_limit,
            zone,
            limits,
            max_connections,
            memory_limit,
            backlog,
            tcp_timeouts: TcpTimeouts { keepalive, user_timeout },
            trace,
            trace_on,
            trace_addresses,
            capture,
            log,
            log_from_file: _,
            check_only,
        } = self;
        let mut words = Words::default();
        for listen in listeners {
            words.value("listen", listen);
        }
        if *takes_passed_sockets {
            words.value("listen", &super::listen::SYSTEMD);
        }
        words.switch("reuse-port", *reuse_port);
        words.value("shards", shards);
        words.value("shard-timeout", &seconds(shard_timeout.unwrap_or_default()));
        words.optional("user", user);
        words.optional("sandbox", &(*sandbox != Sandbox::DEFAULT).then_some(sandbox));
        words.switch("print-addresses", *print_addresses);
        words.optional("ready-fd", ready_fd);
        if let Some(path) = table {
            words.0.extend(["--table".into(), path.into()]);
        }
        words.value("table-order", &order(*table_order));
        words.value("table-limit", table_limit);
        words.switch("utc", *zone == Zone::Utc);
        words.optional("max-connections", max_connections);
        words.optional("memory-limit", memory_limit);
        words.limits(limits);
        words.value("backlog", backlog);
        words.optional("tcp-keepalive", &keepalive.map(seconds));
        words.optional("tcp-user-timeout", &user_timeout.map(seconds));
        words.traces(trace.as_ref(), trace_on, *trace_addresses);
        words.optional("capture", capture);
        words.optional("log", log);
        words.switch("check-config", *check_only);
        words.0
    }
}

impl Words {
    fn traces(
        &mut self,
        trace: Option<&TraceFile>,
        trace_on: &[Trigger],
        trace_addresses: AddressPolicy,
    ) {
        if let Some(TraceFile { path, size, is_paused }) = trace {
            let mut value = OsString::from(path);
            value.push(format!(",size={size}{}", if *is_paused { ",paused" } else { "" }));
            self.0.extend(["--trace".into(), value]);
        }
        if !trace_on.is_empty() {
            let triggers: Vec<String> = trace_on.iter().map(Trigger::to_string).collect();
            self.value("trace-on", &triggers.join(","));
        }
        if trace_addresses == AddressPolicy::Hash {
            self.value("trace-addresses", &"hash");
        }
    }

    /// The limits that have flags, except those that are fields of the configuration.
    fn limits(&mut self, limits: &Limits) {
        let Limits {
            max_connections: _,
            max_connections_per_address,
            accept_rate_per_address,
            access: AccessRules { allow, deny },
            stats_from,
            memory_limit: _,
            max_frame,
            output_limit,
            frame_timeout,
            idle_timeout,
            write_timeout,
            linger_timeout: _,
            line_pause: _,
            drain_timeout,
            drain_delay,
            measures_turns: _,
            log_rate,
            log_level: _,
            tls_handshake_rate,
            tls_certificate_expires: _,
            landlock_abi: _,
            exit_on_idle,
        } = limits;
        self.optional("max-connections-per-address", max_connections_per_address);
        self.optional("accept-rate-per-address", accept_rate_per_address);
        allow.iter().for_each(|range| self.value("allow", range));
        deny.iter().for_each(|range| self.value("deny", range));
        stats_from.iter().for_each(|range| self.value("stats-from", range));
        self.value("max-frame", max_frame);
        self.value("output-limit", output_limit);
        self.value("frame-timeout", &seconds(*frame_timeout));
        self.value("idle-timeout", &seconds(*idle_timeout));
        self.value("write-timeout", &seconds(*write_timeout));
        self.value("drain-timeout", &seconds(*drain_timeout));
        self.optional("drain-delay", &(!drain_delay.is_zero()).then(|| seconds(*drain_delay)));
        self.value("log-rate", log_rate);
        self.optional("tls-handshake-rate", tls_handshake_rate);
        self.optional("exit-on-idle", &exit_on_idle.map(seconds));
    }
}

/// Exactly, to the nanosecond.
fn seconds(duration: Duration) -> impl Display {
    format!("{}.{:09}s", duration.as_secs(), duration.subsec_nanos())
}

fn order(order: ColumnOrder) -> &'static str {
    match order {
        ColumnOrder::KeyValue => "key-value",
        ColumnOrder::ValueKey => "value-key",
    }
}
