//! Any configuration, written out as flags and read again.

use crate::config::capturing::CaptureFile;
use crate::config::listen::{BindTarget, Listen, Presence, SocketOptions, TlsFiles};
use crate::config::sandbox::Sandbox;
use crate::config::tracing::TraceFile;
use crate::config::{Command, Config, from_args};
use crate::handlers::daytime::Format;
use crate::handlers::{Options, Service};
use crate::os::listener::TcpTimeouts;
use crate::os::privileges::Account;
use crate::protocol::proxy_header::Versions;
use crate::server::access::{AccessRules, Cidr};
use crate::server::close::CloseReason;
use crate::server::limits::Limits;
use crate::server::proxied::Proxies;
use crate::table::ColumnOrder;
use crate::trace::{AddressPolicy, Trigger};
use crate::zone::Zone;
use log::LevelFilter;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::time::Duration;

fn addresses() -> impl Strategy<Value = SocketAddr> {
    let v4 = any::<u32>().prop_map(|bits| IpAddr::from(Ipv4Addr::from_bits(bits)));
    let v6 = any::<u128>().prop_map(|bits| IpAddr::from(Ipv6Addr::from_bits(bits)));
    let special = select(vec!["0.0.0.0", "127.0.0.1", "::", "::1", "2001:db8::1"])
        .prop_map(|text| text.parse::<IpAddr>().unwrap());
    let plain = (prop_oneof![v4, v6, special], any::<u16>()).prop_map(SocketAddr::from);
    let link_local = (any::<u64>(), any::<u16>(), 1..=u32::MAX).prop_map(|(host, port, scope)| {
        let ip = Ipv6Addr::from_bits((0xfe80 << 112) | u128::from(host));
        SocketAddr::from(SocketAddrV6::new(ip, port, 0, scope))
    });
    prop_oneof![4 => plain, 1 => link_local].prop_filter("one that can be listened on", |address| {
        address.to_string().parse::<BindTarget>().is_ok()
    })
}

fn targets() -> impl Strategy<Value = BindTarget> {
    prop_oneof![
        4 => addresses().prop_map(BindTarget::Address),
        1 => any::<u16>().prop_map(BindTarget::Localhost),
        1 => any::<u16>().prop_map(BindTarget::AllAddresses),
        1 => "unix:(/|@)[^,\\pC]{1,30}"
            .prop_map(|text| BindTarget::Unix(text.parse().expect("an address"))),
        1 => any::<u16>().prop_map(BindTarget::Inherited),
        u32::from(cfg!(feature = "ops")) => "[a-z.@ =]{1,9}".prop_map(BindTarget::Systemd),
    ]
}

fn services() -> impl Strategy<Value = Service> {
    let formats = select(Format::NAMES.to_vec());
    (select(Service::NAMES.to_vec()), formats, any::<bool>()).prop_map(|(name, format, ack)| {
        let format = Format::from_name(format).expect("a format");
        match Service::from_name(name).expect("a service") {
            Service::DAYTIME => Service::DAYTIME.with(Options { format, ack }),
            other => other,
        }
    })
}

fn listeners() -> impl Strategy<Value = Listen> {
    let presence = select(vec![Presence::Required, Presence::Optional]);
    let targets = targets().prop_flat_map(|target| (socket_options(&target), Just(target)));
    (services(), targets, presence, proxies(), tls_files()).prop_map(
        |(service, (socket, target), presence, proxies, tls)| Listen {
            service,
            target,
            presence,
            proxies: proxies.filter(|_| !service.is_for_operators()),
            tls,
            socket,
        },
    )
}

/// Those that mean something for the target.
fn socket_options(target: &BindTarget) -> impl Strategy<Value = SocketOptions> + use<> {
    let has_file = matches!(target, BindTarget::Unix(address) if address.path().is_some());
    let binds = !target.addresses().is_empty();
    let owners = option::of("([a-z][a-z0-9-]{0,4})?:[0-9]{1,3}|[a-z]{1,4}");
    let options = (option::of(0..=0o777_u32), owners, any::<bool>());
    options.prop_map(move |(mode, owner, freebind)| {
        if cfg!(not(feature = "ops")) {
            return SocketOptions::default();
        }
        let mode = mode.map(|mode| format!("{mode:o}").parse().expect("a mode"));
        let owner = owner.map(|owner| owner.parse().expect("an owner"));
        let (mode, owner) = if has_file { (mode, owner) } else { (None, None) };
        SocketOptions { mode, owner, is_freebind: binds && freebind }
    })
}

fn proxies() -> impl Strategy<Value = Option<Box<Proxies>>> {
    let from = vec(ranges(), 1..3).prop_map(|ranges| ranges.concat());
    let with_some = |from: &Vec<Cidr>| !from.is_empty();
    let proxies = (select(vec![Versions::V2, Versions::Any]), from.prop_filter("some", with_some));
    option::of(proxies.prop_map(|(versions, from)| Box::new(Proxies { versions, from })))
        .prop_map(|proxies| proxies.filter(|_| cfg!(feature = "ops")))
}

fn tls_files() -> impl Strategy<Value = Option<Box<TlsFiles>>> {
    let path = || "[a-z/= .]{1,9}";
    let files = (path(), path(), option::of(path()));
    let files = files.prop_map(|(certificate, key, client_ca)| TlsFiles {
        certificate: certificate.into(),
        key: key.into(),
        client_ca: client_ca.map(Into::into),
    });
    option::of(files.prop_map(Box::new)).prop_map(|files| files.filter(|_| cfg!(feature = "tls")))
}

fn ranges() -> impl Strategy<Value = Vec<Cidr>> {
    let v4 = (any::<u32>(), 0..=32_u32).prop_map(|(bits, prefix)| {
        let first = bits & u32::MAX.checked_shl(32 - prefix).unwrap_or(0);
        format!("{}/{prefix}", Ipv4Addr::from_bits(first))
    });
    let v6 = (any::<u128>(), 0..=128_u32).prop_map(|(bits, prefix)| {
        let first = bits & u128::MAX.checked_shl(128 - prefix).unwrap_or(0);
        format!("{}/{prefix}", Ipv6Addr::from_bits(first))
    });
    vec(prop_oneof![v4, v6].prop_map(|text| text.parse().expect("a range")), 0..3)
}

/// To the nanosecond, and up to what a flag can say.
fn durations() -> impl Strategy<Value = Duration> {
    prop_oneof![1..=u64::MAX, 1..2_000_000_000_u64].prop_map(Duration::from_nanos)
}

fn limits() -> impl Strategy<Value = Limits> {
    let by_address = (option::of(1..=usize::MAX), option::of(1..=u32::MAX));
    let sizes = (1..=Limits::MAX_FRAME_BOUND, 0..=Limits::MAX_FRAME_BOUND);
    let drain = prop_oneof![Just(Duration::ZERO), durations()];
    let times = (durations(), durations(), durations(), drain, option::of(durations()));
    let tls = option::of(1..=u32::MAX).prop_map(|rate| rate.filter(|_| cfg!(feature = "tls")));
    let of_ops = (durations(), ranges()).prop_map(|ops| match cfg!(feature = "ops") {
        true => ops,
        false => (Duration::ZERO, Vec::new()),
    });
    (by_address, ranges(), ranges(), sizes, times, (any::<u32>(), of_ops, tls)).prop_map(
        |(
            (per_address, rate),
            allow,
            deny,
            (max_frame, output_limit),
            times,
            (log_rate, ops, tls_handshake_rate),
        )| {
            let (drain_delay, stats_from) = ops;
            let (frame_timeout, idle_timeout, write_timeout, drain_timeout, exit_on_idle) = times;
            Limits {
                max_connections_per_address: per_address,
                accept_rate_per_address: rate,
                access: AccessRules { allow, deny },
                max_frame,
                output_limit,
                frame_timeout,
                idle_timeout,
                write_timeout,
                drain_timeout,
                drain_delay,
                stats_from,
                tls_handshake_rate,
                log_rate,
                exit_on_idle,
                ..Limits::default()
            }
        },
    )
}

/// Any text that can be a word of a command line.
fn words() -> impl Strategy<Value = String> {
    prop_oneof!["[^\0]{0,20}", "--[a-z]{1,8}", "/[a-z #=,]{1,20}"]
}

fn accounts() -> impl Strategy<Value = Account> {
    prop_oneof!["[^\0:]{1,10}", "[^\0:]{1,10}:[^\0:]{1,10}", "[0-9]{1,9}:[0-9]{1,9}"]
        .prop_map(|text| text.parse().expect("an account"))
}

fn levels() -> impl Strategy<Value = LevelFilter> {
    select(LevelFilter::iter().collect::<Vec<_>>())
}

fn timeouts() -> impl Strategy<Value = TcpTimeouts> {
    let seconds = 1..=TcpTimeouts::LONGEST_KEEPALIVE.as_secs();
    let millis = 1..=i32::MAX as u64;
    (option::of(seconds), option::of(millis)).prop_map(|(keepalive, user_timeout)| TcpTimeouts {
        keepalive: keepalive.map(Duration::from_secs),
        user_timeout: user_timeout.map(Duration::from_millis),
    })
}

fn traces() -> impl Strategy<Value = (Option<TraceFile>, Vec<Trigger>, AddressPolicy)> {
    let sizes = TraceFile::LEAST_SIZE..=TraceFile::MOST_SIZE;
    let paths = words().prop_filter("a name", |path| !path.is_empty());
    let file = (paths, sizes, any::<bool>());
    let file =
        file.prop_map(|(path, size, is_paused)| TraceFile { path: path.into(), size, is_paused });
    let triggers = prop_oneof![
        durations().prop_map(Trigger::TurnLongerThan),
        select(CloseReason::ALL.to_vec()).prop_map(Trigger::Close),
        Just(Trigger::AcceptPaused),
    ];
    let addresses = select(vec![AddressPolicy::Full, AddressPolicy::Hash]);
    (option::of(file), vec(triggers, 0..4), addresses).prop_map(|traces| {
        if cfg!(feature = "trace") { traces } else { (None, Vec::new(), AddressPolicy::Full) }
    })
}

fn captures() -> impl Strategy<Value = Option<CaptureFile>> {
    let paths = words().prop_filter("a name", |path| !path.is_empty());
    let file = (paths, CaptureFile::LEAST_SIZE..=u64::MAX);
    option::of(file.prop_map(|(path, size)| CaptureFile { path, size }))
        .prop_map(|file| file.filter(|_| cfg!(feature = "trace")))
}

fn sandboxes() -> impl Strategy<Value = Sandbox> {
    select(match cfg!(feature = "ops") {
        true => vec![Sandbox::Require, Sandbox::Try, Sandbox::Off],
        false => vec![Sandbox::DEFAULT],
    })
}

fn configs() -> impl Strategy<Value = Config> {
    let orders = select(vec![ColumnOrder::KeyValue, ColumnOrder::ValueKey]);
    let zones = select(vec![Zone::Utc, Zone::Local]);
    let takes_passed = any::<bool>().prop_map(|it| it && cfg!(feature = "ops"));
    let ready_fd = option::of(3..=u16::MAX).prop_map(|it| it.filter(|_| cfg!(feature = "ops")));
    let switches = (any::<bool>(), any::<bool>(), any::<bool>(), takes_passed);
    let maxima = (option::of(1..=Limits::MAX_CONNECTIONS_BOUND), option::of(1..=usize::MAX));
    let shortest = Config::SHORTEST_SHARD_TIMEOUT.as_secs();
    let shard_timeout = option::of((shortest..=1 << 32).prop_map(Duration::from_secs));
    let shards = (1..=Config::MAX_SHARDS, shard_timeout);
    let account = (option::of(accounts()), sandboxes());
    let process = (switches, ready_fd, shards, account, option::of(levels()));
    let table = (option::of(words()), orders, any::<u64>());
    let socket = (any::<u32>(), timeouts());
    (
        vec(listeners(), 1..5),
        process,
        table,
        zones,
        limits(),
        maxima,
        socket,
        (traces(), captures()),
    )
        .prop_map(|(listeners, process, table, zone, limits, maxima, socket, traces)| {
            let ((trace, trace_on, trace_addresses), capture) = traces;
            let (backlog, tcp_timeouts) = socket;
            let (switches, ready_fd, (shards, shard_timeout), (user, sandbox), log) = process;
            let (reuse_port, print_addresses, check_only, takes_passed_sockets) = switches;
            let (path, table_order, table_limit) = table;
            let (max_connections, memory_limit) = maxima;
            let limits = Limits {
                max_connections: max_connections.unwrap_or(limits.max_connections),
                memory_limit: memory_limit.unwrap_or(limits.memory_limit),
                ..limits
            };
            Config {
                listeners,
                takes_passed_sockets,
                reuse_port,
                shards,
                shard_timeout,
                user,
                sandbox,
                print_addresses,
                ready_fd,
                table: path.map(Into::into),
                table_order,
                table_limit,
                zone,
                limits,
                max_connections,
                memory_limit,
                backlog,
                tcp_timeouts,
                trace,
                trace_on,
                trace_addresses,
                capture,
                log,
                check_only,
                ..Config::default()
            }
        })
        .prop_map(settle)
}

/// Leaves out what is refused together: two listeners of one port, descriptor or unix socket.
fn settle(mut config: Config) -> Config {
    let claim = |target: &BindTarget| match target {
        BindTarget::Inherited(number) => format!("fd {number}"),
        BindTarget::Systemd(name) => format!("systemd {name}"),
        BindTarget::Unix(address) => match address.path() {
            // Two of them may be one file: `//a` and `/a`.
            Some(_) => "path".to_owned(),
            None => address.to_string(),
        },
        other => other.addresses()[0].port().to_string(),
    };
    config.listeners.sort_by_key(|listen| claim(&listen.target));
    config.listeners.dedup_by_key(|listen| claim(&listen.target));
    config
}

proptest! {
    #[test]
    fn field_server_13_every_configuration_can_be_written_out_as_flags(config in configs()) {
        let read = from_args(config.to_args()).map_err(|error| error.to_string());
        prop_assert_eq!(read, Ok(Command::Run(Box::new(config))));
    }
}
