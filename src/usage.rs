//! What this process has used of the machine, for the statistics.

use crate::net::Usage;
use nix::sys::resource::{UsageWho, getrusage};
use nix::unistd::{SysconfVar, sysconf};
use std::fs::File;
use std::io::Read;
use std::process;
use std::time::Duration;

#[cfg(test)]
mod tests;

/// What this process has used so far: getrusage(2), proc_pid_statm(5). Five system calls.
pub fn of_this_process() -> Usage {
    Usage {
        process_id: process::id(),
        cpu: cpu_time(),
        resident_bytes: resident_bytes().unwrap_or_default(),
    }
}

fn cpu_time() -> Duration {
    // Of this process it always succeeds.
    let Ok(usage) = getrusage(UsageWho::RUSAGE_SELF) else { return Duration::ZERO };
    let micros = |seconds: i64, micros: i64| {
        u64::try_from(seconds.saturating_mul(1_000_000).saturating_add(micros)).unwrap_or_default()
    };
    let times = [usage.user_time(), usage.system_time()];
    times.iter().map(|time| Duration::from_micros(micros(time.tv_sec(), time.tv_usec()))).sum()
}

/// Without /proc, or a descriptor for it, nobody can tell.
fn resident_bytes() -> Option<u64> {
    // Seven numbers of pages.
    let mut text = [0; 256];
    let count = File::open("/proc/self/statm").ok()?.read(&mut text).ok()?;
    let text = std::str::from_utf8(text.get(..count)?).ok()?;
    let pages: u64 = text.split(' ').nth(1)?.parse().ok()?;
    let page_size = u64::try_from(sysconf(SysconfVar::PAGE_SIZE).ok()??).ok()?;
    pages.checked_mul(page_size)
}
