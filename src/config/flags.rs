//! The table of flags, and `--help`, which is made from it.

use crate::handlers::SERVICES;

/// A flag: its name, the name of its value if it takes one, and its help.
pub(super) struct Flag {
    pub(super) name: &'static str,
    pub(super) value: Option<&'static str>,
    pub(super) help: &'static str,
}

const fn flag(name: &'static str, value: &'static str, help: &'static str) -> Flag {
    Flag { name, value: Some(value), help }
}

const fn switch(name: &'static str, help: &'static str) -> Flag {
    Flag { name, value: None, help }
}

pub(super) const FLAGS: &[Flag] = &[
    flag(
        "listen",
        "SERVICE=ADDRESS[,OPTION]...",
        "serve SERVICE there; repeatable [framed=127.0.0.1:9999]",
    ),
    switch("reuse-port", "let other processes of this user listen on the same ports"),
    flag("shards", "COUNT", "processes that serve side by side, each on a core [1]"),
    flag(
        "shard-timeout",
        "DURATION",
        "replace a shard whose loop stands still so long; 0: never [10s]",
    ),
    flag("user", "USER[:GROUP]", "become this user once the ports are bound; names or numbers"),
    switch("print-addresses", "print SERVICE ADDRESS of each listener on standard output"),
    flag("table", "FILE", "the lookup table: KEY VALUE a line, # comments; SIGHUP reloads it"),
    flag("table-order", "ORDER", "key-value, or value-key for ethers(5) files [key-value]"),
    flag("table-limit", "SIZE", "largest table file [1GiB]"),
    switch("utc", "tell UTC instead of local time"),
    flag("max-connections", "COUNT", "connections at once [what the descriptor limit allows]"),
    flag("max-connections-per-address", "COUNT", "at once from an IPv4 address or IPv6 /64"),
    flag("accept-rate-per-address", "COUNT", "a second from an IPv4 address or IPv6 /64"),
    flag("allow", "CIDR[,CIDR]...", "let in only clients from there; repeatable"),
    flag("deny", "CIDR[,CIDR]...", "turn away clients from there; repeatable"),
    flag("memory-limit", "SIZE", "buffers of all connections together [a quarter of the memory]"),
    flag("max-frame", "SIZE", "longest body or line [1MiB]"),
    flag("output-limit", "SIZE", "unsent output at which a connection is not read [1MiB]"),
    flag("frame-timeout", "DURATION", "from a frame's first byte to its last [30s]"),
    flag("idle-timeout", "DURATION", "between requests [10m]"),
    flag("write-timeout", "DURATION", "without the peer taking waiting output [30s]"),
    flag("drain-timeout", "DURATION", "from SIGTERM to the end, at the latest [10s]"),
    flag("log-rate", "COUNT", "log lines a second that clients can cause [100]"),
    flag("exit-on-idle", "DURATION", "stop when nobody has been connected for so long"),
    flag("backlog", "COUNT", "connections waiting to be accepted, as listen(2) [4096]"),
    flag(
        "tcp-keepalive",
        "DURATION",
        "ask a client that is silent for so long whether it is there",
    ),
    flag("tcp-user-timeout", "DURATION", "without an acknowledgement of what was sent"),
    flag("config", "FILE", "a flag a line, without dashes; the command line wins"),
    flag("log", "LEVEL", "off, error, warn, info, debug or trace [RUST_LOG, or info]"),
    flag(
        "trace",
        "FILE[,size=SIZE][,paused]",
        "record what the loop does, in a ring on tmpfs; signal 40 ends it",
    ),
    flag(
        "trace-on",
        "WHAT[,WHAT]...",
        "keep the trace so far at turn>DURATION, close=REASON or accept-paused",
    ),
    flag("trace-addresses", "HOW", "full, or hash: clients by a hash with a secret [full]"),
    switch("check-config", "read everything, report all that is wrong, and exit"),
];

/// What `--help` says between the services and the flags.
const ADDRESSES_AND_OPTIONS: &str = "\
Addresses: IP:PORT, [IPv6]:PORT, localhost:PORT (127.0.0.1 and [::1]), :PORT (0.0.0.0 and [::]),\n\
unix:/PATH, unix:@NAME (abstract), fd:NUMBER (a listening socket that was inherited).\n\
Link-local: [fe80::1%eth0]:PORT.\n\
Options of every listener: optional (if it cannot be bound, warn and start without it)\n\
Options of daytime: format=ctime|dmy|rfc3339|rfc2822|unix, ack\n\
A comma ends an option, so one that is a list repeats its key; others are given once.\n\
\nFlags:\n";

/// What `--help` ends with.
const UNITS_AND_SIGNALS: &str = "\
\nUnits: us ms s m h d; counts k m (1000); sizes KiB MiB GiB (1024).\n\
Signals: SIGTERM, SIGINT drain, a second one or SIGQUIT stops at once; SIGHUP reloads the\n\
table; SIGUSR1 logs the statistics; signal 40 ends or begins a recording.\n";

/// The flag called `name`.
pub(super) fn find_flag(name: &str) -> Option<&'static Flag> {
    FLAGS.iter().find(|flag| flag.name == name)
}

/// Flags that have no meaning in a file: a file that included itself would have no end, and one
/// that printed or checked something would never serve.
pub(super) const ONLY_ON_COMMAND_LINE: [&str; 4] = ["config", "check-config", "help", "version"];

/// Whether the flag `name` is only for the command line.
pub(super) fn is_only_on_command_line(name: &str) -> bool {
    ONLY_ON_COMMAND_LINE.contains(&name)
}

/// Whether the flag can be repeated, each time with further values.
pub(super) fn is_list(name: &str) -> bool {
    ["listen", "allow", "deny"].contains(&name)
}

/// The text of `--help`.
pub fn help() -> String {
    let mut text = String::from(
        "readyd: a nonblocking server on one poll loop\n\n\
         Usage: readyd [--listen SERVICE=ADDRESS[,OPTION[=VALUE]]...]... [FLAG]...\n\n",
    );
    text += "Services:\n";
    for service in &SERVICES {
        text += &format!("  {:<9} {}\n", service.name, service.help);
    }
    text += ADDRESSES_AND_OPTIONS;
    for flag in FLAGS {
        let left = match flag.value {
            Some(value) => format!("--{} {value}", flag.name),
            None => format!("--{}", flag.name),
        };
        match left.len() {
            0..=26 => text += &format!("  {left:<26} {}\n", flag.help),
            _ => text += &format!("  {left}\n{:29}{}\n", "", flag.help),
        }
    }
    text +=
        "  -h, --help                 print this\n  -V, --version              print the version\n";
    text += UNITS_AND_SIGNALS;
    text
}
