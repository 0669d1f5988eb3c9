//! Memory that several processes share and none can change: a sealed memfd, mapped.
//!
//! Invariant: the bytes of a [`SealedMemfd`] are there and stay as they are for as long as it
//! lives. A process that has a mapped file open can truncate it or write to it: the first ends our
//! process with SIGBUS, the second changes bytes that Rust takes for immutable. Seals (F_ADD_SEALS,
//! fcntl(2)) rule out both for every process and cannot be removed; so only sealed memfds are
//! mapped.

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::mman::{MapFlags, ProtFlags, mmap, munmap};
use nix::sys::stat::fstat;
use std::ffi::c_void;
use std::fmt;
use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::num::NonZeroUsize;
use std::ops::Deref;
use std::os::fd::{AsFd, OwnedFd};
use std::ptr::NonNull;
use std::slice;

#[cfg(test)]
mod tests;

/// F_SEAL_WRITE, F_SEAL_GROW, F_SEAL_SHRINK, and F_SEAL_SEAL, so that the seals stay.
fn all_seals() -> SealFlag {
    SealFlag::F_SEAL_WRITE | SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_GROW | SealFlag::F_SEAL_SEAL
}

/// The advice when [`seal`] fails with EFBIG ([`ErrorKind::FileTooLarge`]): to the kernel a memfd
/// is a file, so RLIMIT_FSIZE holds.
pub const FILE_SIZE_ADVICE: &str = " (the limit of file sizes holds for memory that shards share, \
                                    too: raise ulimit -f or LimitFSIZE=)";

/// Writes `parts`, one after the other, into a new memfd called `name`, and seals it.
///
/// # Errors
///
/// When the system has no descriptor or not enough memory.
pub fn seal(name: &std::ffi::CStr, parts: &[&[u8]]) -> io::Result<OwnedFd> {
    let mut file =
        File::from(memfd_create(name, MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING)?);
    parts.iter().try_for_each(|part| file.write_all(part)).map_err(with_advice)?;
    fcntl(&file, FcntlArg::F_ADD_SEALS(all_seals()))?;
    Ok(file.into())
}

fn with_advice(error: io::Error) -> io::Error {
    match error.kind() {
        ErrorKind::FileTooLarge => {
            io::Error::new(error.kind(), format!("{error}{FILE_SIZE_ADVICE}"))
        }
        _ => error,
    }
}

/// A sealed memfd, mapped from its first byte to its last. Dereferences to its bytes.
pub struct SealedMemfd {
    start: NonNull<c_void>,
    length: usize,
}

impl SealedMemfd {
    /// Maps a memfd that [`seal`] made, perhaps in another process.
    ///
    /// # Errors
    ///
    /// When it is not sealed, is empty, or the system has no room for it.
    #[expect(unsafe_code, reason = "mmap(2) has no safe form: bytes of a file could change")]
    pub fn of_sealed(descriptor: impl AsFd) -> io::Result<SealedMemfd> {
        let refused = |why| io::Error::new(io::ErrorKind::InvalidInput, why);
        let seals = fcntl(&descriptor, FcntlArg::F_GET_SEALS).map(SealFlag::from_bits_retain);
        if !seals.is_ok_and(|seals| seals.contains(all_seals())) {
            return Err(refused("not memory that is sealed"));
        }
        let length = usize::try_from(fstat(&descriptor)?.st_size).unwrap_or_default();
        let size = NonZeroUsize::new(length).ok_or_else(|| refused("empty"))?;
        // MAP_PRIVATE still shares the pages with other processes: it makes writes private, and
        // there are none. Kernels before 6.7 refuse MAP_SHARED of a memfd that is sealed against
        // writing.
        let (protection, flags) = (ProtFlags::PROT_READ, MapFlags::MAP_PRIVATE);
        // SAFETY: the kernel chooses the address, so no memory of ours is mapped over. The mapping
        // is for reading only.
        let start = unsafe { mmap(None, size, protection, flags, &descriptor, 0) }?;
        Ok(SealedMemfd { start, length })
    }
}

impl Deref for SealedMemfd {
    type Target = [u8];

    #[expect(unsafe_code, reason = "the address that mmap(2) returned is a bare pointer")]
    fn deref(&self) -> &[u8] {
        // SAFETY: `length` bytes from `start` on are mapped for reading until `self` is dropped,
        // which outlives the slice. They were the whole file, which is sealed: it cannot become
        // shorter, and no process can write to it. The protection is never changed.
        unsafe { slice::from_raw_parts(self.start.as_ptr().cast(), self.length) }
    }
}

// SAFETY: the memory is immutable, and belongs to the process, not to a thread.
#[expect(unsafe_code, reason = "bare pointers are taken for bound to a thread")]
unsafe impl Send for SealedMemfd {}

// SAFETY: as above: threads can do nothing with it at once but read.
#[expect(unsafe_code, reason = "bare pointers are taken for bound to a thread")]
unsafe impl Sync for SealedMemfd {}

impl Drop for SealedMemfd {
    #[expect(unsafe_code, reason = "munmap(2) takes memory away that pointers may still use")]
    fn drop(&mut self) {
        // SAFETY: exactly what mmap(2) returned, once; and no slice of it outlives `self`.
        let unmapped: Result<(), Errno> = unsafe { munmap(self.start, self.length) };
        debug_assert_eq!(unmapped, Ok(()));
    }
}

impl fmt::Debug for SealedMemfd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SealedMemfd").field("length", &self.length).finish_non_exhaustive()
    }
}
