//! The machine and system on which a run takes place, for readers who doubt a figure.

use readyd::loadgen::report::Environment;
use std::collections::BTreeMap;
use std::fs;

/// The system's settings that bear on a result.
const SYSCTLS: [&str; 14] = [
    "net.core.somaxconn",
    "net.core.rmem_max",
    "net.core.wmem_max",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.tcp_congestion_control",
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_max_syn_backlog",
    "net.ipv4.tcp_mem",
    "net.ipv4.tcp_rmem",
    "net.ipv4.tcp_syncookies",
    "net.ipv4.tcp_tw_reuse",
    "net.ipv4.tcp_wmem",
    "fs.file-max",
    "fs.nr_open",
];

/// Reads the environment from `/proc`. A field that cannot be read stays empty.
pub(super) fn probe_environment(machine_busy: Option<f64>) -> Environment {
    let first_line = |path: &str| {
        let text = fs::read_to_string(path).unwrap_or_default();
        text.lines().next().unwrap_or_default().trim().to_owned()
    };
    let sysctls: BTreeMap<String, String> = SYSCTLS
        .iter()
        .map(|name| {
            let value = first_line(&format!("/proc/sys/{}", name.replace('.', "/")));
            ((*name).to_owned(), value.split_whitespace().collect::<Vec<_>>().join(" "))
        })
        .filter(|(_, value)| !value.is_empty())
        .collect();
    Environment {
        readyc: env!("CARGO_PKG_VERSION").to_owned(),
        command: std::env::args_os().map(|arg| arg.to_string_lossy().into_owned()).collect(),
        kernel: format!(
            "{} {}",
            first_line("/proc/sys/kernel/ostype"),
            first_line("/proc/sys/kernel/osrelease")
        ),
        cpu: field("/proc/cpuinfo", "model name").unwrap_or_default(),
        cpus: std::thread::available_parallelism().map_or(0, |cpus| cpus.get() as u64),
        memory_bytes: memory_bytes(),
        machine_busy,
        nofile: nofile(),
        sysctls,
    }
}

/// The value of the first line `name : value` of a file.
fn field(path: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

/// proc_meminfo(5): in kB.
fn memory_bytes() -> u64 {
    let total = field("/proc/meminfo", "MemTotal");
    let kilobytes = total.and_then(|total| total.strip_suffix(" kB")?.parse::<u64>().ok());
    kilobytes.unwrap_or_default() * 1024
}

/// The hard limit: every worker raises its soft one to it.
fn nofile() -> u64 {
    use nix::sys::resource::{Resource, getrlimit};
    getrlimit(Resource::RLIMIT_NOFILE).map_or(0, |(_, hard)| hard)
}

/// The processors' time so far, in ticks: used, and in all.
#[derive(Clone, Copy)]
pub(super) struct Ticks {
    used: u64,
    all: u64,
}

impl Ticks {
    /// Now, proc_stat(5): the first line has user, nice, system, idle, iowait, irq, softirq, steal.
    pub(super) fn now() -> Option<Ticks> {
        let stat = fs::read_to_string("/proc/stat").ok()?;
        let ticks: Vec<u64> = stat
            .lines()
            .next()?
            .split_whitespace()
            .skip(1)
            .take(8)
            .map(str::parse)
            .collect::<Result<_, _>>()
            .ok()?;
        let all = ticks.iter().sum();
        let unused: u64 = ticks.get(3..5)?.iter().sum();
        Some(Ticks { used: all - unused, all })
    }

    /// The share of all processors' time that was used since `earlier`.
    pub(super) fn busy_since(self, earlier: Ticks) -> Option<f64> {
        let all = self.all.checked_sub(earlier.all).filter(|&all| all > 0)?;
        Some(self.used.saturating_sub(earlier.used) as f64 / all as f64)
    }
}
