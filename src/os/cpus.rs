//! How many CPUs this process may use.

use std::sync::OnceLock;
use std::thread;

/// The CPUs that sched_getaffinity(2) allows, and at most as many as `cpu.max` of the process's
/// cgroup and of those above it pays for, rounded down; 1 if neither can be read.
///
/// Counted once: a process that has confined itself could no longer read its cgroup, and would
/// find another number.
pub fn allowed() -> usize {
    static ALLOWED: OnceLock<usize> = OnceLock::new();
    *ALLOWED.get_or_init(|| thread::available_parallelism().map_or(1, usize::from))
}
