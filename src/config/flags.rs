//! The table of flags, and `-h` and `--help`, which are made from it.

use crate::handlers::SERVICES;

/// A flag: its name, the name of its value if it takes one, and its help.
pub(super) struct Flag {
    pub(super) name: &'static str,
    pub(super) value: Option<&'static str>,
    /// In a few words, with the default in brackets.
    pub(super) help: &'static str,
    /// What `--help` says behind that, in lines of at most 72 columns.
    pub(super) more: &'static str,
}

const fn flag(
    name: &'static str,
    value: &'static str,
    help: &'static str,
    more: &'static str,
) -> Flag {
    Flag { name, value: Some(value), help, more }
}

const fn switch(name: &'static str, help: &'static str, more: &'static str) -> Flag {
    Flag { name, value: None, help, more }
}

pub(super) const FLAGS: &[Flag] = &[
    flag(
        "listen",
        "SERVICE=ADDRESS[,...]",
        "serve; repeatable [framed=127.0.0.1:9999]",
        "Serve SERVICE at ADDRESS; options follow after commas. Services,\n\
         addresses and options are listed above.",
    ),
    switch(
        "reuse-port",
        "share ports with other processes of this user",
        "Set SO_REUSEPORT, so that a new version can be started beside the old\n\
         one: the kernel gives each client to one of them.",
    ),
    switch(
        "print-addresses",
        "print SERVICE ADDRESS of each listener",
        "One line per listener on standard output, once it is bound: for port 0\n\
         and for scripts.",
    ),
    flag(
        "backlog",
        "N",
        "listen backlog, as in listen(2) [4096]",
        "Connections that wait to be accepted, per listener. The kernel caps it\n\
         at net.core.somaxconn.",
    ),
    flag(
        "tcp-keepalive",
        "DURATION",
        "probe a silent client after this long",
        "Three probes follow; without an answer the connection is closed.",
    ),
    flag(
        "tcp-user-timeout",
        "DURATION",
        "limit for an acknowledgement of sent data",
        "A connection whose sent data is not acknowledged for this long is\n\
         closed. Without, the kernel's limit holds, about a quarter of an hour.",
    ),
    flag(
        "shards",
        "N|auto",
        "processes that serve, one per core [1]",
        "With more than one, a supervisor starts them, restarts one that fails,\n\
         and passes signals on. Limits are split evenly between them. auto: one\n\
         for each CPU that affinity and the cgroup's cpu.max allow.",
    ),
    flag(
        "shard-timeout",
        "DURATION",
        "restart a shard stuck for this long [10s]",
        "A shard whose event loop has not run for this long is killed and\n\
         restarted. 0: never.",
    ),
    flag(
        "user",
        "USER[:GROUP]",
        "become this user once the ports are bound",
        "Names or numbers. Then all privileges are dropped, and readyd checks\n\
         that it cannot regain them.",
    ),
    flag(
        "sandbox",
        "HOW",
        "require, try or off [try]",
        "Before it serves, a process gives up, by Landlock, every file that a\n\
         reload does not need, programs, bind and connect. require: not to start\n\
         where the kernel cannot (before Linux 6.7).",
    ),
    flag(
        "ready-fd",
        "NUMBER",
        "write a newline there once clients are served",
        "The inherited descriptor is then closed: notification-fd of s6. What\n\
         systemd expects (NOTIFY_SOCKET, WATCHDOG_USEC) needs no flag.",
    ),
    flag(
        "table",
        "FILE",
        "lookup table, one KEY VALUE per line",
        "Lines that begin with # are comments. SIGHUP reloads the file.",
    ),
    flag(
        "table-order",
        "ORDER",
        "key-value or value-key [key-value]",
        "value-key is for ethers(5) files.",
    ),
    flag("table-limit", "SIZE", "largest table file [1GiB]", ""),
    switch("utc", "dates in UTC instead of local time", ""),
    flag(
        "max-connections",
        "N",
        "connections at once [by the descriptor limit]",
        "Further clients wait in the listen backlog.",
    ),
    flag(
        "max-connections-per-address",
        "N",
        "connections at once, per client address",
        "Per IPv4 address or IPv6 /64. Further clients are rejected with RST.",
    ),
    flag(
        "accept-rate-per-address",
        "N",
        "new connections per second, per address",
        "Per IPv4 address or IPv6 /64. Clients above it are rejected with RST.",
    ),
    flag(
        "tls-handshake-rate",
        "N",
        "new TLS handshakes per second, in all",
        "Clients above it are rejected with RST. Shards have equal parts of it.",
    ),
    flag("allow", "CIDR[,CIDR]...", "accept clients from there only; repeatable", ""),
    flag("deny", "CIDR[,CIDR]...", "reject clients from there; repeatable", ""),
    flag(
        "stats-from",
        "CIDR[,CIDR]...",
        "who may read statistics; repeatable",
        "STATS from another address is answered with an error, and /metrics of a\n\
         metrics listener with 403. Unix sockets are not asked.",
    ),
    flag(
        "memory-limit",
        "SIZE",
        "all buffers together [a quarter of memory]",
        "When exceeded, the newest connections with buffered data are closed.",
    ),
    flag("max-frame", "SIZE", "longest request body or line [1MiB]", ""),
    flag(
        "output-limit",
        "SIZE",
        "unsent output that stops reading [1MiB]",
        "A connection with this much unsent output is not read until the peer\n\
         has taken some of it.",
    ),
    flag(
        "frame-timeout",
        "DURATION",
        "first to last byte of a request [30s]",
        "A TLS handshake has as long.",
    ),
    flag("idle-timeout", "DURATION", "time between requests [10m]", ""),
    flag("write-timeout", "DURATION", "time without the peer reading output [30s]", ""),
    flag(
        "drain-timeout",
        "DURATION",
        "longest drain after SIGTERM [10s]",
        "SIGTERM and SIGINT stop accepting, answer the requests that have\n\
         arrived, and end the process at the latest after this time.",
    ),
    flag(
        "drain-delay",
        "DURATION",
        "from SIGTERM until the drain begins [0]",
        "Clients are accepted meanwhile, and /readyz of a metrics listener is\n\
         503: time for a balancer to notice. A second signal stops at once.",
    ),
    flag(
        "exit-on-idle",
        "DURATION",
        "exit after this long without a client",
        "With --shards it may be up to half as long again.",
    ),
    flag(
        "config",
        "FILE",
        "read flags from FILE, one per line",
        "Without dashes. Flags on the command line override the file.",
    ),
    flag(
        HEALTH,
        "ADDRESS",
        "ask the metrics listener there, and exit",
        "For probes in images without a shell. Exit status 0: ready, 3: it\n\
         drains, 1: no answer within 2 s. Nothing else is started.",
    ),
    switch(
        "check-config",
        "check everything, print all errors, and exit",
        "Reads the configuration and the table; binds no address.",
    ),
    switch(
        CHECK_SANDBOX,
        "tell what --sandbox can do here, and exit",
        "Exit status 1 if --sandbox=require would not start.",
    ),
    flag(
        "log",
        "LEVEL",
        "off, error, warn, info, debug, trace [info]",
        "trace tells turns of the loop. Without this flag RUST_LOG decides.",
    ),
    flag(
        "log-rate",
        "N",
        "log lines per second caused by clients [100]",
        "Further lines are counted, and one line says how many were suppressed.",
    ),
    flag(
        "trace",
        "FILE[,OPTION]",
        "record what the loop does in FILE",
        "A ring of size=64MiB, best on tmpfs (/dev/shm); readyc trace reads it.\n\
         Signal 40 ends and begins recording; paused: it waits for the signal.\n\
         With --shards: FILE.1, FILE.2 ...",
    ),
    flag(
        "trace-on",
        "WHAT[,WHAT]...",
        "keep a copy of the trace when WHAT happens",
        "turn>DURATION, close=REASON or accept-paused. At most one copy every\n\
         10 s; the oldest of FILE.kept-1 to FILE.kept-4 makes room.",
    ),
    flag(
        "trace-addresses",
        "HOW",
        "full, or hash [full]",
        "hash: a client is named by a hash, keyed by a secret that is in no file.",
    ),
    flag(
        "capture",
        "FILE[,size=SIZE]",
        "write down all input, for readyc replay",
        "Clients' bytes included; only the owner may read FILE. At most 1 GiB,\n\
         or SIZE. READYD_CAPTURE in the environment does the same, and %p in\n\
         FILE is the process number. With --shards: FILE.1, FILE.2 ...",
    ),
];

/// The headings of the help, each with the flag that it stands above.
pub(super) const HEADINGS: &[(&str, &str)] = &[
    ("listen", "Listeners and TCP"),
    ("shards", "Processes"),
    ("table", "Lookup table and dates"),
    ("max-connections", "Limits"),
    ("frame-timeout", "Timeouts"),
    ("config", "Configuration, log and trace"),
];

/// The columns of a flag and its value in the short help.
const LEFT: usize = 31;

/// What `--help` says between the services and the flags.
const ADDRESSES_AND_OPTIONS: &str = "\
\nAddresses: IP:PORT, [IPv6]:PORT, localhost:PORT (127.0.0.1 and [::1]),\n\
:PORT (0.0.0.0 and [::]), unix:/PATH, unix:@NAME (abstract), fd:NUMBER (an\n\
inherited listening socket), systemd:NAME (the passed sockets of this name),\n\
[fe80::1%eth0]:PORT (link-local). --listen systemd: alone serves all passed\n\
sockets, each by the service that has its name.\n\
\nOptions of every listener: optional (if it cannot be bound, warn and start\n\
without it); freebind (bind an address that no interface has yet). Options of\n\
unix:/PATH: mode=MODE (octal), owner=USER[:GROUP], both of its file. Options\n\
of daytime: format=ctime|dmy|rfc3339|rfc2822|unix, ack. Behind a proxy such as\n\
HAProxy: proxy=v2|any (which PROXY headers are taken), from=CIDR (the proxies;\n\
all other clients are refused). TLS: tls,cert=FILE,key=FILE (PEM), and with\n\
client-ca=FILE only for clients with a certificate of that authority.\n\
A comma ends an option; one that is a list repeats its key.\n";

/// What `-h` ends with.
const SERVICES_IN_SHORT: &str = "\
\nServices, addresses, units, signals and explanations: readyd --help\n";

/// What `--help` ends with.
const UNITS_AND_SIGNALS: &str = "\
\nUnits:\n\
\x20 counts  k = 1,000, m = 1,000,000\n\
\x20 sizes   KiB, MiB, GiB = 1024 (also k, m, g); kB, MB, GB = 1000\n\
\x20 times   us, ms, s, m, h, d; a bare number is seconds\n\
\nSignals:\n\
\x20 SIGTERM, SIGINT  drain; a second one stops at once\n\
\x20 SIGQUIT          stop at once\n\
\x20 SIGHUP           reload the configuration, the table and the time zone\n\
\x20 SIGUSR1          log the statistics\n\
\x20 signal 40        end or begin recording (--trace)\n";

/// The flag called `name`.
pub(super) fn find_flag(name: &str) -> Option<&'static Flag> {
    FLAGS.iter().find(|flag| flag.name == name)
}

/// Flags that have no meaning in a file: a file that included itself would have no end, and one
/// that printed or checked something would never serve.
pub(super) const ONLY_ON_COMMAND_LINE: [&str; 6] =
    ["config", "check-config", CHECK_SANDBOX, HEALTH, "help", "version"];

/// The flag that asks what can be confined here.
pub(super) const CHECK_SANDBOX: &str = "check-sandbox";

/// The flag that asks another server.
pub(super) const HEALTH: &str = "health";

/// Whether the flag `name` is only for the command line.
pub(super) fn is_only_on_command_line(name: &str) -> bool {
    ONLY_ON_COMMAND_LINE.contains(&name)
}

/// Whether the flag can be repeated, each time with further values.
pub(super) fn is_list(name: &str) -> bool {
    ["listen", "allow", "deny", "stats-from"].contains(&name)
}

/// How much of the help is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HelpLength {
    /// `-h`: a line per flag.
    Short,
    /// `--help`: with services, addresses and explanations.
    Long,
}

/// The text of `-h` or `--help`.
pub fn help(length: HelpLength) -> String {
    let mut text = String::from(
        "readyd: a nonblocking server on one poll loop\n\n\
         Usage: readyd [--listen SERVICE=ADDRESS[,OPTION[=VALUE]]...]... [FLAG]...\n",
    );
    if length == HelpLength::Long {
        text += "\nServices:\n";
        for service in &SERVICES {
            text += &format!("  {:<9} {}\n", service.name, service.help);
        }
        text += ADDRESSES_AND_OPTIONS;
    }
    for flag in FLAGS {
        if let Some((_, title)) = HEADINGS.iter().find(|(first, _)| *first == flag.name) {
            text += &format!("\n{title}:\n");
        }
        let left = match flag.value {
            Some(value) => format!("--{} {value}", flag.name),
            None => format!("--{}", flag.name),
        };
        add(&mut text, length, &left, flag.help, flag.more);
    }
    add(&mut text, length, "-h, --help", "print this; with --help, explained", "");
    add(&mut text, length, "-V, --version", "print the version", "");
    text += match length {
        HelpLength::Short => SERVICES_IN_SHORT,
        HelpLength::Long => UNITS_AND_SIGNALS,
    };
    text
}

fn add(text: &mut String, length: HelpLength, left: &str, help: &str, more: &str) {
    match length {
        HelpLength::Short => *text += &format!("  {left:<LEFT$}  {help}\n"),
        HelpLength::Long => {
            *text += &format!("  {left}\n");
            for line in [help].into_iter().chain(more.lines()) {
                *text += &format!("{:8}{line}\n", "");
            }
        }
    }
}
