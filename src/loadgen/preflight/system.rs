//! The limits of a system, read from files rather than by system calls, so that a copy of the files
//! in another directory works, too.
//!
//! Invariant: with any content of the files, reading ends, with a value or with [`Unknown`].

use crate::server::client_log::Escaped;
use std::fmt;
use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::path::Path;

/// The most bytes that are read of a file. The longest, a list of every second port, has about 200
/// kB.
const MOST_BYTES: u64 = 1 << 20;

/// Why a limit is unknown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unknown {
    /// The file cannot be read, or is not there.
    Unreadable {
        /// Its path below the root.
        file: &'static str,
        /// What the system says.
        error: ErrorKind,
    },
    /// The file does not have the content that proc(5) describes.
    Nonsense {
        /// Its path below the root.
        file: &'static str,
        /// Its content.
        text: String,
    },
}

impl fmt::Display for Unknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unknown::Unreadable { file, error } => write!(f, "cannot read {file}: {error}"),
            Unknown::Nonsense { file, text } => {
                write!(f, "{file} holds {}, which is no limit", Escaped(text.as_bytes()))
            }
        }
    }
}

impl std::error::Error for Unknown {}

/// The value of a file, or why it is unknown.
pub type Reading<T> = Result<T, Unknown>;

/// `RLIMIT_NOFILE`, getrlimit(2): descriptors that one process may have open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DescriptorLimits {
    /// The soft limit, which holds now.
    pub soft: u64,
    /// The hard limit, to which a process may raise its soft one; `u64::MAX` if it is unlimited.
    pub hard: u64,
}

/// A range of ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortRange {
    /// The lowest.
    pub first: u16,
    /// The highest, not below the lowest.
    pub last: u16,
}

impl PortRange {
    /// Whether the range contains `port`.
    pub fn contains(&self, port: u16) -> bool {
        (self.first..=self.last).contains(&port)
    }
}

/// `net.ipv4.tcp_mem`, tcp(7): pages that all TCP buffers together may take. It holds for IPv6,
/// too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TcpMemory {
    /// Below this, the kernel does nothing.
    pub low: u64,
    /// From here on it shrinks buffers.
    pub pressure: u64,
    /// From here on it allocates no more.
    pub max: u64,
}

/// The table of netfilter's module conntrack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conntrack {
    /// The most connections that it tracks; packets of further ones are dropped.
    pub max: u64,
    /// The connections that it tracks now.
    pub count: u64,
}

/// The present limits of a system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct System {
    /// Descriptors of this process, and of those it starts.
    pub descriptors: Reading<DescriptorLimits>,
    /// `fs.nr_open`: the highest descriptor limit of any process.
    pub nr_open: Reading<u64>,
    /// `fs.file-max`: open files of all processes together.
    pub file_max: Reading<u64>,
    /// Files that are open now, in all processes.
    pub files_open: Reading<u64>,
    /// `net.ipv4.ip_local_port_range`: the range of local ports, for IPv4 and IPv6.
    pub local_ports: Reading<PortRange>,
    /// `net.ipv4.ip_local_reserved_ports`: ports of the range that the kernel does not use.
    pub reserved_ports: Reading<Vec<PortRange>>,
    /// Pages for TCP's buffers.
    pub tcp_memory: Reading<TcpMemory>,
    /// Pages that they take now.
    pub tcp_pages_in_use: Reading<u64>,
    /// `net.core.somaxconn`: the longest queue of connections to be accepted.
    pub somaxconn: Reading<u64>,
    /// `net.ipv4.tcp_max_syn_backlog`: the longest queue of handshakes that are not complete.
    pub syn_backlog: Reading<u64>,
    /// Memory available without swapping, in bytes.
    pub memory_available: Reading<u64>,
    /// Memory left in the control group, in bytes; `None` if it has no limit.
    pub memory_in_cgroup: Option<Reading<u64>>,
    /// `None` if the module is not loaded.
    pub conntrack: Option<Reading<Conntrack>>,
}

impl System {
    /// Reads the limits below `root`: `/` for this system, or a directory with a copy of the files.
    /// The limits of the process are those of `proc/self` below `root`.
    pub fn read(root: &Path) -> System {
        let files = Files { root };
        System {
            descriptors: files.read("proc/self/limits", descriptor_limits),
            nr_open: files.read("proc/sys/fs/nr_open", number),
            file_max: files.read("proc/sys/fs/file-max", number),
            // Three numbers: open files, a zero for old programs, and file-max again.
            files_open: files
                .read("proc/sys/fs/file-nr", |text| numbers(text).map(|[open, _, _]| open)),
            local_ports: files.read("proc/sys/net/ipv4/ip_local_port_range", port_range),
            reserved_ports: files.read("proc/sys/net/ipv4/ip_local_reserved_ports", port_list),
            tcp_memory: files.read("proc/sys/net/ipv4/tcp_mem", tcp_memory),
            tcp_pages_in_use: files.read("proc/net/sockstat", tcp_pages_in_use),
            somaxconn: files.read("proc/sys/net/core/somaxconn", number),
            syn_backlog: files.read("proc/sys/net/ipv4/tcp_max_syn_backlog", number),
            memory_available: files.read("proc/meminfo", memory_available),
            memory_in_cgroup: files.memory_in_cgroup(),
            conntrack: files.conntrack(),
        }
    }
}

struct Files<'a> {
    root: &'a Path,
}

impl Files<'_> {
    fn read<T>(&self, file: &'static str, parse: fn(&str) -> Option<T>) -> Reading<T> {
        let text = self
            .text_of(file)
            .map_err(|error| Unknown::Unreadable { file, error: error.kind() })?;
        parse(&text).ok_or_else(|| Unknown::Nonsense { file, text: text.trim_end().to_owned() })
    }

    /// As [`Files::read`], for a file that exists only if the feature it limits is in use.
    fn read_if_there<T>(
        &self,
        file: &'static str,
        parse: fn(&str) -> Option<T>,
    ) -> Option<Reading<T>> {
        match self.read(file, parse) {
            Err(Unknown::Unreadable { error: ErrorKind::NotFound, .. }) => None,
            reading => Some(reading),
        }
    }

    fn text_of(&self, file: &str) -> io::Result<String> {
        let mut bytes = Vec::new();
        File::open(self.root.join(file))?.take(MOST_BYTES).read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    fn memory_in_cgroup(&self) -> Option<Reading<u64>> {
        // The root group has no such file; a group without a limit has the word `max`.
        let limit = match self.read_if_there("sys/fs/cgroup/memory.max", cgroup_limit)? {
            Ok(limit) => limit?,
            Err(unknown) => return Some(Err(unknown)),
        };
        let used = self.read("sys/fs/cgroup/memory.current", number);
        Some(used.map(|used| limit.saturating_sub(used)))
    }

    fn conntrack(&self) -> Option<Reading<Conntrack>> {
        let max = self.read_if_there("proc/sys/net/netfilter/nf_conntrack_max", number)?;
        let count = self.read("proc/sys/net/netfilter/nf_conntrack_count", number);
        Some(max.and_then(|max| Ok(Conntrack { max, count: count? })))
    }
}

fn number(text: &str) -> Option<u64> {
    numbers(text).map(|[number]| number)
}

fn numbers<const N: usize>(text: &str) -> Option<[u64; N]> {
    let numbers: Option<Vec<u64>> = text.split_whitespace().map(digits).collect();
    numbers?.try_into().ok()
}

/// Only digits: `u64::from_str` would accept `+5`.
fn digits(text: &str) -> Option<u64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

fn port(number: u64) -> Option<u16> {
    u16::try_from(number).ok()
}

/// `Max open files            1024                 1048576              files`
fn descriptor_limits(text: &str) -> Option<DescriptorLimits> {
    let line = text.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    let mut words = line.split_whitespace().map(|word| match word {
        "unlimited" => Some(u64::MAX),
        number => digits(number),
    });
    Some(DescriptorLimits { soft: words.next()??, hard: words.next()?? })
}

fn port_range(text: &str) -> Option<PortRange> {
    let [first, last] = numbers(text)?;
    let range = PortRange { first: port(first)?, last: port(last)? };
    (1..=range.last).contains(&range.first).then_some(range)
}

/// `8080,9000-9010`, or nothing.
fn port_list(text: &str) -> Option<Vec<PortRange>> {
    let parts = text.trim().split(',').filter(|part| !part.is_empty());
    parts
        .map(|part| {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let range = PortRange { first: port(digits(first)?)?, last: port(digits(last)?)? };
            (range.first <= range.last).then_some(range)
        })
        .collect()
}

fn tcp_memory(text: &str) -> Option<TcpMemory> {
    numbers(text).map(|[low, pressure, max]| TcpMemory { low, pressure, max })
}

/// `TCP: inuse 27 orphan 0 tw 0 alloc 30 mem 3`
fn tcp_pages_in_use(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("TCP:"))?;
    let mut words = line.split_whitespace();
    words.find(|&word| word == "mem")?;
    digits(words.next()?)
}

/// `MemAvailable:   24095568 kB`
fn memory_available(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    digits(line.trim().strip_suffix("kB")?.trim_end())?.checked_mul(1024)
}

fn cgroup_limit(text: &str) -> Option<Option<u64>> {
    match text.trim() {
        "max" => Some(None),
        limit => digits(limit).map(Some),
    }
}
