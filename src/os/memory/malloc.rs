//! What glibc's malloc(3) lets a program set and ask for. Other C libraries have nothing of the
//! kind.
//!
//! Invariant: no function in here takes or returns a pointer.

/// Blocks from this size on are mapped for themselves, in bytes.
///
/// To map a block, and to touch its new pages, costs some 0.15 µs a KiB. With 128 KiB, the default,
/// the server took 1.3 times the CPU time for frames of 100 KB; with 256 KiB it takes no more than
/// from the heap. A portion of the slab (352 KiB) and a large array of timers are above it.
#[cfg(target_env = "gnu")]
const MMAP_THRESHOLD: i32 = 256 << 10;

/// Free memory at the end of the heap that is kept, in bytes. More than the default of 128 KiB, so
/// that a buffer that comes and goes there does not move the end of the heap each time, brk(2).
#[cfg(target_env = "gnu")]
const TRIM_THRESHOLD: i32 = 1 << 20;

/// Fixes both thresholds of mallopt(3), which otherwise rise.
#[cfg(target_env = "gnu")]
#[expect(unsafe_code, reason = "a function of the C library, for which there is no safe form")]
pub(super) fn fix_thresholds() {
    use nix::libc::{M_MMAP_THRESHOLD, M_TRIM_THRESHOLD, mallopt};
    for (parameter, bytes) in
        [(M_MMAP_THRESHOLD, MMAP_THRESHOLD), (M_TRIM_THRESHOLD, TRIM_THRESHOLD)]
    {
        // It fails only for a value that is out of range; then memory goes back later.
        // SAFETY: mallopt(3) takes two numbers, and may be called by any thread at any time.
        unsafe { mallopt(parameter, bytes) };
    }
}

/// Unmaps the free pages of the heap, malloc_trim(3).
#[cfg(target_env = "gnu")]
#[expect(unsafe_code, reason = "a function of the C library, for which there is no safe form")]
pub(super) fn trim() {
    // SAFETY: malloc_trim(3) takes a number, and may be called by any thread at any time.
    unsafe { nix::libc::malloc_trim(0) };
}

#[cfg(not(target_env = "gnu"))]
pub(super) fn fix_thresholds() {}

#[cfg(not(target_env = "gnu"))]
pub(super) fn trim() {}
