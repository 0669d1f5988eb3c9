//! CPU time and memory of this process, for the statistics.

use crate::io::host::Usage;
use nix::sys::resource::{UsageWho, getrusage};
use nix::unistd::{SysconfVar, sysconf};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::process;
use std::time::Duration;

#[cfg(test)]
mod tests;

/// Measures this process.
#[derive(Debug, Default)]
pub struct Meter {
    /// /proc/self/statm, proc_pid_statm(5): each read gives new figures. It stays open, so that it
    /// can be read when no descriptor is free.
    statm: Option<File>,
}

impl Meter {
    /// A meter of CPU time and memory. Without /proc, and by default, it measures CPU time only.
    pub fn open() -> Meter {
        Meter { statm: File::open("/proc/self/statm").ok() }
    }

    /// What this process has used so far. Two system calls.
    pub fn usage(&self) -> Usage {
        Usage {
            process_id: process::id(),
            cpu: cpu_time(),
            resident_bytes: self.resident_bytes().unwrap_or_default(),
        }
    }

    fn resident_bytes(&self) -> Option<u64> {
        // Seven numbers of pages.
        let mut text = [0; 256];
        let count = self.statm.as_ref()?.read_at(&mut text, 0).ok()?;
        let text = std::str::from_utf8(text.get(..count)?).ok()?;
        let pages: u64 = text.split(' ').nth(1)?.parse().ok()?;
        let page_size = u64::try_from(sysconf(SysconfVar::PAGE_SIZE).ok()??).ok()?;
        pages.checked_mul(page_size)
    }
}

/// The processor time that this process has used so far, in user and kernel mode.
pub fn cpu_time() -> Duration {
    // getrusage(RUSAGE_SELF) cannot fail.
    let Ok(usage) = getrusage(UsageWho::RUSAGE_SELF) else { return Duration::ZERO };
    let micros = |seconds: i64, micros: i64| {
        u64::try_from(seconds.saturating_mul(1_000_000).saturating_add(micros)).unwrap_or_default()
    };
    let times = [usage.user_time(), usage.system_time()];
    times.iter().map(|time| Duration::from_micros(micros(time.tv_sec(), time.tv_usec()))).sum()
}
