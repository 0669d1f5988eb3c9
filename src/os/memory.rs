//! How much memory there is, what of it connections may fill, and how it goes back.
//!
//! Where the kernel allows more than there is, asking for too much does not fail: the process is
//! killed later. So a share is chosen beforehand.

mod malloc;

use nix::unistd::{SysconfVar, sysconf};
use std::fs;
use std::path::Path;
use std::sync::OnceLock;

/// Of all memory, the part that buffers may take unless another limit is asked for.
const SHARE: u64 = 4;

/// Where control groups stand, cgroups(7), version 2.
const CGROUPS: &str = "/sys/fs/cgroup";

/// Bytes that the buffers of all connections may take: a quarter of what the machine has, or its
/// control group (a container, a service) if that has less; of 1 GiB if neither can be told.
///
/// The first call decides: later the process may be confined, and cannot read the limits.
pub fn limit_for_buffers() -> usize {
    static LIMIT: OnceLock<usize> = OnceLock::new();
    *LIMIT.get_or_init(|| {
        let memory = of_the_system().unwrap_or(1 << 30);
        usize::try_from(memory / SHARE).unwrap_or(usize::MAX)
    })
}

/// Bytes of memory that the machine has, or the control group if that has less; `None` if neither
/// can be told.
pub fn of_the_system() -> Option<u64> {
    [machine(), control_group()].into_iter().flatten().min()
}

/// Has large blocks go back to the system as soon as they are freed. Call it first in `main`.
///
/// glibc maps a large block for itself and unmaps it when it is freed. But what counts as large,
/// `M_MMAP_THRESHOLD` of mallopt(3), rises with each such block that is freed, up to 32 MiB: after
/// the first frame of 900 KB, all such frames come from the heap. There, a small block in use keeps
/// all free memory below it resident. A threshold that is set stays.
///
/// musl maps blocks from 128 KiB on for themselves, always; there this does nothing.
pub fn return_large_blocks() {
    malloc::fix_thresholds();
}

/// Gives freed blocks that are too small for [`return_large_blocks`] back to the system, by
/// malloc_trim(3). It walks the whole heap, and the kernel takes some 0.2 ms for each MiB, so call
/// it only after many clients have left.
///
/// Does nothing where the C library is not glibc.
pub fn trim_heap() {
    malloc::trim();
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
