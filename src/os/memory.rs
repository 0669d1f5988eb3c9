//! How much memory there is, what of it connections may fill, and how it goes back.
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
    let memory = of_the_system().unwrap_or(1 << 30);
    usize::try_from(memory / SHARE).unwrap_or(usize::MAX)
}

/// Bytes of memory that the machine has, or the control group if that has less; `None` if neither can be
/// told.
pub fn of_the_system() -> Option<u64> {
    [machine(), control_group()].into_iter().flatten().min()
}

/// Gives memory that was freed back to the system: for after a crowd, since it walks the whole heap.
///
/// glibc maps a large block for itself, and unmaps it when it is freed; but then it takes blocks of that
/// size from the heap, mallopt(3), `M_MMAP_THRESHOLD`, and what is freed there stays. So a second crowd's
/// memory would. Other C libraries have no such rule.
pub fn give_back_what_is_free() {
    #[cfg(target_env = "gnu")]
    #[expect(unsafe_code, reason = "a function of the C library, for which there is no safe form")]
    // SAFETY: malloc_trim(3) takes no pointer, and may be called by any thread at any time.
    unsafe {
        nix::libc::malloc_trim(0);
    }
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
