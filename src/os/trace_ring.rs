//! The ring that a trace is written to: a file, mapped and shared, so that it is there after the
//! process was killed, and can be read while it is written.
//!
//! Invariants: no reference into the mapping exists, only the address; bytes go in, and none are
//! read. The length of a block is stored after all that it covers, with release ordering.

use crate::trace::encode::Ring;
use crate::trace::wire::{BLOCK_BYTES, HEADER_BYTES, LENGTH_OFFSET};
use nix::fcntl::{FallocateFlags, fallocate};
use nix::sys::mman::{MapFlags, ProtFlags, mmap, munmap};
use nix::sys::statfs::{TMPFS_MAGIC, fstatfs};
use std::ffi::{OsString, c_void};
use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::num::NonZeroUsize;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicU32, Ordering};

#[cfg(test)]
mod tests;

/// A file of blocks. The next one that is written takes the place of the oldest.
pub struct TraceRing {
    start: NonNull<c_void>,
    blocks: usize,
    /// The block that is being written.
    block: usize,
}

/// Whether a file system keeps what is written to it in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Medium {
    /// tmpfs: writing to it never waits.
    Memory,
    /// Another: the kernel writes changed pages to it now and then, and a write may wait for that.
    Other,
}

impl TraceRing {
    /// The fewest blocks: one that is written, and some to be read.
    pub const FEWEST_BLOCKS: usize = 16;

    /// Makes a file of `size` bytes, rounded down to whole blocks, with all of its room allocated.
    /// A file that is there is renamed to `PATH.old` first: it may be the trace of a server that
    /// was killed, and another process may have it mapped.
    ///
    /// # Errors
    ///
    /// What the system says: no room for so much, no right to write there, no regular file.
    pub fn create(path: &Path, size: u64) -> io::Result<(TraceRing, Medium)> {
        let blocks = usize::try_from(size).unwrap_or(usize::MAX) / BLOCK_BYTES;
        let blocks = blocks.max(TraceRing::FEWEST_BLOCKS);
        let bytes = blocks.saturating_mul(BLOCK_BYTES);
        set_aside(path)?;
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).create_new(true).mode(0o600).open(path)?;
        let length = i64::try_from(bytes).map_err(|_| ErrorKind::FileTooLarge)?;
        if let Err(error) = fallocate(&file, FallocateFlags::empty(), 0, length) {
            // Nothing was written to it.
            let _ = fs::remove_file(path);
            return Err(error.into());
        }
        let is_tmpfs = fstatfs(&file).is_ok_and(|found| found.filesystem_type() == TMPFS_MAGIC);
        let medium = if is_tmpfs { Medium::Memory } else { Medium::Other };
        Ok((TraceRing::map(&file, blocks)?, medium))
    }

    #[expect(unsafe_code, reason = "mmap(2) has no safe form: other processes share the bytes")]
    fn map(file: &File, blocks: usize) -> io::Result<TraceRing> {
        let size = NonZeroUsize::new(blocks * BLOCK_BYTES).ok_or(ErrorKind::InvalidInput)?;
        let protection = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        // The loop does not wait for page faults.
        let flags = MapFlags::MAP_SHARED | MapFlags::MAP_POPULATE;
        // SAFETY: the kernel chooses the address, so no memory of ours is mapped over.
        let start = unsafe { mmap(None, size, protection, flags, file, 0) }?;
        Ok(TraceRing { start, blocks, block: 0 })
    }

    /// Copies bytes into the block that is being written.
    #[expect(unsafe_code, reason = "other processes may read the bytes, so they are no slice")]
    fn copy(&mut self, at: usize, bytes: &[u8]) {
        if at.saturating_add(bytes.len()) > BLOCK_BYTES {
            return;
        }
        // SAFETY: `block` is less than `blocks`, and the bytes end within the block, as was just
        // looked at; so the whole destination is mapped for writing until `self` is dropped. The
        // source is a slice of this process's own memory, and nothing in it refers to the mapping.
        unsafe {
            let to = self.start.as_ptr().cast::<u8>().add(self.block * BLOCK_BYTES + at);
            ptr::copy_nonoverlapping(bytes.as_ptr(), to, bytes.len());
        }
    }

    /// Stores the length of the block that is being written.
    #[expect(unsafe_code, reason = "the address that mmap(2) returned is a bare pointer")]
    fn commit(&mut self, length: u32) {
        // SAFETY: as above, the four bytes are mapped; a page begins at a multiple of 4, so they
        // are aligned; and this process uses them only as an atomic.
        let place = unsafe {
            let at = self.block * BLOCK_BYTES + LENGTH_OFFSET;
            AtomicU32::from_ptr(self.start.as_ptr().cast::<u8>().add(at).cast())
        };
        place.store(length.to_le(), Ordering::Release);
    }
}

/// Renames a file that is there. What is no regular file stays.
///
/// # Errors
///
/// What the system says, or that it is no regular file.
pub fn set_aside(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
        Ok(found) if !found.is_file() => Err(io::Error::other("it is no regular file")),
        Ok(_) => fs::rename(path, old_name(path)),
    }
}

fn old_name(path: &Path) -> PathBuf {
    let mut name: OsString = path.into();
    name.push(".old");
    name.into()
}

impl Ring for TraceRing {
    fn begin(&mut self, header: &[u8; HEADER_BYTES]) {
        let sequence = header.get(16..24).and_then(|bytes| bytes.first_chunk()).copied();
        let place = u64::from_le_bytes(sequence.unwrap_or_default()).wrapping_sub(1);
        self.block = (place % self.blocks as u64) as usize;
        self.commit(0);
        // The sequence number changes before any other byte of the block, for readers to see.
        std::sync::atomic::fence(Ordering::SeqCst);
        self.copy(0, header);
        std::sync::atomic::fence(Ordering::SeqCst);
    }

    fn append(&mut self, at: usize, bytes: &[u8]) {
        self.copy(HEADER_BYTES + at, bytes);
        self.commit((at + bytes.len()) as u32);
    }
}

impl Drop for TraceRing {
    #[expect(unsafe_code, reason = "munmap(2) takes memory away from whatever points to it")]
    fn drop(&mut self) {
        // SAFETY: exactly what mmap(2) returned, once; and no reference to it exists.
        let _ = unsafe { munmap(self.start, self.blocks * BLOCK_BYTES) };
    }
}

impl fmt::Debug for TraceRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TraceRing").field("blocks", &self.blocks).finish_non_exhaustive()
    }
}
