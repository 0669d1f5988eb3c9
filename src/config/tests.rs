//! The command line and the file: the same words, the same meaning, and errors that help.

mod completions;
mod errors;
mod file;
mod listening;
mod manual;
mod values;
mod written_out;

use super::listen::{BindTarget, Presence};
use super::*;
use crate::config::flags::FLAGS;
use crate::handlers::daytime::Format;
use crate::handlers::{Options, Service};
use crate::server::close::CloseReason;
use file::TempFile;
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

/// The configuration that the command line asks for.
fn run(args: &[&str]) -> Result<Config, ConfigErrors> {
    match from_args(args.iter().map(OsString::from))? {
        Command::Run(config) => Ok(*config),
        other => panic!("{other:?}"),
    }
}

fn config(args: &[&str]) -> Config {
    run(args).unwrap_or_else(|error| panic!("{args:?}: {error}"))
}

/// What the server does when it is told nothing.
fn default_config() -> Config {
    let target = BindTarget::Address(SocketAddr::from((Ipv4Addr::LOCALHOST, 9999)));
    let listen = Listen::new(Service::FRAMED, target);
    Config { listeners: vec![listen], ..Config::default() }
}

type Change = fn(&mut Config);

/// Each flag with a value that is not its default, and what that changes.
const CASES: &[(&str, &str, Change)] = &[
    ("listen", "daytime=[::1]:13,format=dmy,ack,optional", |config| {
        let service = Service::DAYTIME.with(Options { format: Format::Dmy, ack: true });
        let target = "[::1]:13".parse().unwrap();
        config.listeners =
            vec![Listen { presence: Presence::Optional, ..Listen::new(service, target) }];
    }),
    #[cfg(feature = "trace")]
    ("trace", "/dev/shm/a,b,size=1MiB,paused", |config| {
        let path = "/dev/shm/a,b".into();
        config.trace = Some(TraceFile { path, size: 1 << 20, is_paused: true });
    }),
    #[cfg(feature = "trace")]
    ("trace-on", "turn>10ms,close=write_timeout,accept-paused", |config| {
        config.trace_on = vec![
            Trigger::TurnLongerThan(Duration::from_millis(10)),
            Trigger::Close(CloseReason::WriteTimeout),
            Trigger::AcceptPaused,
        ];
    }),
    #[cfg(feature = "trace")]
    ("trace-addresses", "hash", |config| config.trace_addresses = AddressPolicy::Hash),
    #[cfg(feature = "trace")]
    ("capture", "/tmp/a,b-%p,size=2MiB", |config| {
        let path = "/tmp/a,b-%p".into();
        config.capture = Some(CaptureFile { path, size: 2 << 20 });
    }),
    #[cfg(feature = "ops")]
    ("stats-from", "10.0.0.0/8,::1", |config| {
        config.limits.stats_from = ["10.0.0.0/8", "::1"].map(|text| text.parse().unwrap()).to_vec();
    }),
    #[cfg(feature = "ops")]
    ("drain-delay", "1500ms", |config| config.limits.drain_delay = Duration::from_millis(1500)),
    ("reuse-port", "", |config| config.reuse_port = true),
    ("shards", "16", |config| config.shards = 16),
    ("user", "daemon:1", |config| config.user = Some("daemon:1".parse().unwrap())),
    ("print-addresses", "", |config| config.print_addresses = true),
    ("table", "/a path/with = and#in it", |config| {
        config.table = Some("/a path/with = and#in it".into());
    }),
    ("table-order", "value-key", |config| config.table_order = ColumnOrder::ValueKey),
    ("table-limit", "4GiB", |config| config.table_limit = 4 << 30),
    ("utc", "", |config| config.zone = Zone::Utc),
    ("max-connections", "20k", |config| {
        config.max_connections = Some(20_000);
        config.limits.max_connections = 20_000;
    }),
    ("max-connections-per-address", "20", |config| {
        config.limits.max_connections_per_address = Some(20);
    }),
    #[cfg(feature = "tls")]
    ("tls-handshake-rate", "2k", |config| config.limits.tls_handshake_rate = Some(2000)),
    ("accept-rate-per-address", "1k", |config| {
        config.limits.accept_rate_per_address = Some(1000);
    }),
    ("allow", "192.0.2.0/24, 2001:db8::/32", |config| {
        config.limits.access.allow = access::ranges("192.0.2.0/24,2001:db8::/32").unwrap();
    }),
    ("deny", "192.0.2.7", |config| {
        config.limits.access.deny = access::ranges("192.0.2.7/32").unwrap();
    }),
    ("memory-limit", "64MiB", |config| {
        config.memory_limit = Some(64 << 20);
        config.limits.memory_limit = 64 << 20;
    }),
    ("max-frame", "1.5KiB", |config| config.limits.max_frame = 1536),
    ("output-limit", "0", |config| config.limits.output_limit = 0),
    ("frame-timeout", "500ms", |config| config.limits.frame_timeout = Duration::from_millis(500)),
    ("idle-timeout", "2h", |config| config.limits.idle_timeout = Duration::from_secs(7200)),
    ("write-timeout", "7", |config| config.limits.write_timeout = Duration::from_secs(7)),
    ("drain-timeout", "0", |config| config.limits.drain_timeout = Duration::ZERO),
    ("log-rate", "0", |config| config.limits.log_rate = 0),
    ("exit-on-idle", "1.5m", |config| {
        config.limits.exit_on_idle = Some(Duration::from_secs(90));
    }),
    ("backlog", "1k", |config| config.backlog = 1000),
    ("tcp-keepalive", "90s", |config| {
        config.tcp_timeouts.keepalive = Some(Duration::from_secs(90));
    }),
    ("tcp-user-timeout", "1500ms", |config| {
        config.tcp_timeouts.user_timeout = Some(Duration::from_millis(1500));
    }),
    ("shard-timeout", "2500ms", |config| {
        config.shard_timeout = Some(Duration::from_millis(2500));
    }),
    ("log", "debug", |config| config.log = Some(LevelFilter::Debug)),
];

#[test]
fn told_nothing_it_serves_frames_on_the_loopback_address() {
    assert_eq!(config(&[]), default_config());
}

#[test]
fn every_setting_can_be_written_out_as_flags() {
    let mut all = default_config();
    for (_, _, change) in CASES {
        let mut one = default_config();
        change(&mut one);
        assert_eq!(from_args(one.to_args()).unwrap(), Command::Run(Box::new(one)));
        change(&mut all);
    }
    assert_eq!(from_args(all.to_args()).unwrap(), Command::Run(Box::new(all)));
    let durations = Limits { idle_timeout: Duration::new(7, 1), ..Limits::default() };
    let exact = Config { limits: durations, ..default_config() };
    assert_eq!(from_args(exact.to_args()).unwrap(), Command::Run(Box::new(exact)));
}

#[test]
fn every_flag_works_from_the_command_line_and_from_the_file() {
    for &(name, value, change) in CASES {
        let mut expected = default_config();
        change(&mut expected);
        let is_switch = value.is_empty();
        let (flag, lines) = match is_switch {
            true => (format!("--{name}"), vec![name.to_owned()]),
            false => (
                format!("--{name}={value}"),
                vec![format!("{name} {value}"), format!("{name}={value}")],
            ),
        };
        assert_eq!(config(&[&flag]), expected, "{flag}");
        if !is_switch {
            assert_eq!(config(&[&format!("--{name}"), value]), expected, "{name}");
        }
        // Where the level comes from matters: the environment stands between the two.
        if name == "log" {
            expected.log_from_file = expected.log.take();
        }
        for line in lines {
            let file = TempFile::new(line.as_bytes());
            assert_eq!(config(&["--config", file.path()]), expected, "{line}");
        }
    }
}

#[test]
fn the_cases_are_all_the_flags_there_are() {
    let flags = FLAGS.iter().map(|flag| flag.name).collect::<BTreeSet<_>>();
    let mut cases = CASES.iter().map(|&(name, ..)| name).collect::<BTreeSet<_>>();
    cases.extend(["config", "check-config", "ready-fd", "health", "stats-from", "drain-delay"]);
    cases.extend(["check-sandbox", "sandbox", "tls-handshake-rate"]);
    cases.extend(["trace", "trace-on", "trace-addresses", "capture"]);
    assert_eq!(flags, cases);
    assert!(config(&["--check-config"]).check_only);
}

#[cfg(feature = "ops")]
#[test]
fn the_sandbox_has_three_values_and_a_check_that_reads_nothing_else() {
    for (value, sandbox) in
        [("require", Sandbox::Require), ("try", Sandbox::Try), ("off", Sandbox::Off)]
    {
        assert_eq!(config(&["--sandbox", value]).sandbox, sandbox);
        let file = TempFile::new(format!("sandbox {value}").as_bytes());
        assert_eq!(config(&["--config", file.path()]).sandbox, sandbox);
    }
    assert_eq!(config(&[]).sandbox, Sandbox::Try);
    let wrong = run(&["--sandbox", "on"]).unwrap_err().to_string();
    assert!(wrong.contains("not a way to confine (use require, try or off)"), "{wrong}");
    let check = from_args(["--check-sandbox", "--no-flag"].map(OsString::from));
    assert_eq!(check.unwrap(), Command::CheckSandbox);
    let file = TempFile::new(b"check-sandbox");
    let wrong = run(&["--config", file.path()]).unwrap_err().to_string();
    assert!(wrong.contains("check-sandbox"), "{wrong}");
}

#[cfg(not(feature = "ops"))]
#[test]
fn without_the_feature_there_is_no_sandbox() {
    assert_eq!(config(&[]).sandbox, Sandbox::Off);
    for args in [["--sandbox=try"], ["--sandbox=off"], ["--check-sandbox"]] {
        let wrong = run(&args).unwrap_err().to_string();
        assert!(wrong.contains("built without the feature `ops`"), "{wrong}");
    }
}

#[test]
fn the_command_line_wins_wherever_it_names_the_file() {
    let file = TempFile::new(b"max-frame 1KiB\nbacklog 7\nutc\nlog warn\n");
    let path = file.path();
    for args in [
        ["--max-frame", "2KiB", "--config", path, "--log", "trace"],
        ["--config", path, "--log", "trace", "--max-frame", "2KiB"],
    ] {
        let config = config(&args);
        assert_eq!(config.limits.max_frame, 2048);
        assert_eq!((config.backlog, config.zone), (7, Zone::Utc));
        assert_eq!(config.log, Some(LevelFilter::Trace));
        assert_eq!(config.log_from_file, Some(LevelFilter::Warn));
    }
}

#[test]
fn of_two_words_on_one_matter_the_last_counts() {
    assert_eq!(config(&["--backlog", "1", "--backlog", "2"]).backlog, 2);
    // In a file it is an error: `field_server_15_a_setting_that_a_file_has_twice_...`.
    let file = TempFile::new(b"backlog 3\n");
    for args in
        [["--backlog", "2", "--config", file.path()], ["--config", file.path(), "--backlog", "2"]]
    {
        assert_eq!(config(&args).backlog, 2);
    }
}

#[test]
fn listeners_add_up_but_the_command_lines_replace_the_files() {
    let names = |config: Config| -> Vec<&str> {
        config.listeners.iter().map(|listen| listen.service.name()).collect()
    };
    let two = ["--listen", "echo=127.0.0.1:0", "--listen", "time=127.0.0.1:0"];
    assert_eq!(names(config(&two)), ["echo", "time"]);
    let file = TempFile::new(b"listen discard=127.0.0.1:0\nlisten chargen=127.0.0.1:0\n");
    assert_eq!(names(config(&["--config", file.path()])), ["discard", "chargen"]);
    let both = ["--config", file.path(), "--listen", "echo=127.0.0.1:0"];
    assert_eq!(names(config(&both)), ["echo"]);
}

#[test]
fn ranges_of_addresses_add_up_but_the_command_lines_replace_the_files() {
    let file = TempFile::new(b"deny 10.0.0.0/8\ndeny 192.0.2.0/24,198.51.100.0/24\nallow ::/0\n");
    let access = config(&["--config", file.path()]).limits.access;
    assert_eq!((access.deny.len(), access.allow.len()), (3, 1));
    let access = config(&["--config", file.path(), "--deny", "203.0.113.7"]).limits.access;
    assert_eq!(access.deny, access::ranges("203.0.113.7").unwrap());
    assert_eq!(access.allow, access::ranges("::/0").unwrap());
}

#[test]
fn help_and_version_come_before_all_that_stands_behind_them() {
    for (flag, command) in [
        ("-h", Command::Help(HelpLength::Short)),
        ("--help", Command::Help(HelpLength::Long)),
        ("-V", Command::Version),
        ("--version", Command::Version),
    ] {
        let args = ["--utc", flag, "--nonsense"].map(OsString::from);
        assert_eq!(from_args(args).unwrap(), command);
    }
}

#[test]
fn help_has_a_line_for_every_flag_and_fits_a_terminal() {
    for help in [help(HelpLength::Short), help(HelpLength::Long)] {
        for flag in FLAGS {
            let left = match flag.value {
                Some(value) => format!("  --{} {value}", flag.name),
                None => format!("  --{}", flag.name),
            };
            let is_its_line =
                |line: &&str| line.trim_end() == left || line.starts_with(&(left.clone() + " "));
            assert_eq!(help.lines().filter(is_its_line).count(), 1, "{left}");
            assert!(help.contains(flag.help), "{}", flag.help);
        }
        let longest = help.lines().max_by_key(|line| line.len()).unwrap();
        assert!(longest.len() <= 80, "{longest}");
        assert!(help.ends_with('\n'));
    }
}

#[test]
fn the_short_help_is_short_and_the_long_one_explains() {
    let (short, long) = (help(HelpLength::Short), help(HelpLength::Long));
    assert!(short.lines().count() <= 60, "{}", short.lines().count());
    for flag in FLAGS {
        let is_explained = flag.more.lines().all(|line| long.contains(line));
        assert!(is_explained && (flag.more.is_empty() || !short.contains(flag.more)));
    }
    for name in Service::NAMES.iter().chain(&Format::NAMES) {
        assert!(long.contains(name), "{name}");
    }
}

#[test]
fn the_defaults_that_help_tells_are_the_defaults() {
    let mut told = 0;
    let of_the_machine = ["max-connections", "memory-limit", "log"];
    let of_ops = ["sandbox", "drain-delay"];
    let is_built = |name| cfg!(feature = "ops") || !of_ops.contains(&name);
    let told_here =
        FLAGS.iter().filter(|it| !of_the_machine.contains(&it.name) && is_built(it.name));
    for flag in told_here {
        let Some((_, bracketed)) = flag.help.rsplit_once('[') else { continue };
        let value = bracketed.trim_end_matches(']');
        assert_eq!(config(&[&format!("--{}", flag.name), value]), default_config(), "{value}");
        told += 1;
    }
    assert!(told >= 10, "{told} defaults told");
}
