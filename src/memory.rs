//! How much memory there is, and what of it connections may fill.
//!
//! Where the kernel allows more than there is, asking for too much does not fail: the process is killed
//! later. So a share is chosen beforehand.

use nix::unistd::{SysconfVar, sysconf};
use std::fs;
use std::path::Path;

/// Of all memory, the part that buffers may take unless another limit is asked for.
const SHARE: u64 = 4;

/// Where control groups stand, cgroups(7), version 2.
const CGROUPS: &str = "/sys/fs/cgroup";

/// Bytes that the buffers of all connections may take: a quarter of what the machine has, or its control
/// group (a container, a service) if that has less; of 1 GiB if neither can be told.
pub fn limit_for_buffers() -> usize {
    let memory = [machine(), control_group()].into_iter().flatten().min().unwrap_or(1 << 30);
    usize::try_from(memory / SHARE).unwrap_or(usize::MAX)
}

fn machine() -> Option<u64> {
    let of = |name| u64::try_from(sysconf(name).ok()??).ok();
    of(SysconfVar::_PHYS_PAGES)?.checked_mul(of(SysconfVar::PAGE_SIZE)?)
}

/// The least of the limits of this process's group and of those that it is in.
fn control_group() -> Option<u64> {
    let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
    let own = groups.lines().find_map(|line| line.strip_prefix("0::/"))?;
    Path::new(own)
        .ancestors()
        .filter_map(|group| {
            let limit = Path::new(CGROUPS).join(group).join("memory.max");
            // A word, "max", says that there is none.
            fs::read_to_string(limit).ok()?.trim().parse().ok()
        })
        .min()
}
