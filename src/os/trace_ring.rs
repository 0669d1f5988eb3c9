//! The ring that a trace is written to: a file, mapped and shared, so that it is there after the
//! process was killed, and can be read while it is written.
//!
//! Invariants: all references into the mapping are to atomics, because other processes have it,
//! too; bytes go in, and none are read.

use crate::os::own_files;
use crate::os::privileges::Credentials;
use crate::trace::block::Block;
use crate::trace::encode::Ring;
use crate::trace::wire::BLOCK_BYTES;
use nix::fcntl::{FallocateFlags, fallocate};
use nix::sys::mman::{MapFlags, ProtFlags, mmap, munmap};
use nix::sys::statfs::{TMPFS_MAGIC, fstatfs};
use std::ffi::c_void;
use std::fmt;
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::num::NonZeroUsize;
use std::path::Path;
use std::ptr::NonNull;
use std::slice;

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

    /// Makes a file of `size` bytes, rounded down to whole blocks, with all of its room allocated:
    /// see [`own_files::create`].
    ///
    /// # Errors
    ///
    /// What the system says: no room for so much, no right to write there, no regular file.
    pub fn create(path: &Path, size: u64, owner: Option<&Credentials>) -> io::Result<File> {
        let blocks = usize::try_from(size).unwrap_or(usize::MAX) / BLOCK_BYTES;
        let blocks = blocks.max(TraceRing::FEWEST_BLOCKS);
        let bytes = blocks.saturating_mul(BLOCK_BYTES);
        let file = own_files::create(path, owner)?;
        let length = i64::try_from(bytes).map_err(|_| ErrorKind::FileTooLarge)?;
        if let Err(error) = fallocate(&file, FallocateFlags::empty(), 0, length) {
            // Nothing was written to it.
            let _ = fs::remove_file(path);
            return Err(error.into());
        }
        Ok(file)
    }

    /// Maps a file that [`TraceRing::create`] has made, and that no other process writes to.
    ///
    /// # Errors
    ///
    /// What the system says: no room in the address space.
    pub fn open(file: &File) -> io::Result<(TraceRing, Medium)> {
        let bytes = usize::try_from(file.metadata()?.len()).unwrap_or(usize::MAX);
        let is_tmpfs = fstatfs(file).is_ok_and(|found| found.filesystem_type() == TMPFS_MAGIC);
        let medium = if is_tmpfs { Medium::Memory } else { Medium::Other };
        Ok((TraceRing::map(file, bytes / BLOCK_BYTES)?, medium))
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

    /// All of its blocks.
    #[expect(unsafe_code, reason = "the address that mmap(2) returned is a bare pointer")]
    fn blocks(&self) -> &[Block] {
        // SAFETY: all of the mapping is readable and writable until `self` is dropped, which the
        // lifetime of the slice precedes; it has room for as many blocks, which any bytes are; a
        // page begins at a multiple of their alignment. This process and others may change the
        // bytes meanwhile: all of a block is atomic.
        unsafe { slice::from_raw_parts(self.start.as_ptr().cast::<Block>(), self.blocks) }
    }
}

impl Ring for TraceRing {
    fn advance(&mut self, sequence: u64) {
        self.block = (sequence.wrapping_sub(1) % self.blocks as u64) as usize;
    }

    #[inline]
    fn block(&self) -> &Block {
        static NOWHERE: Block = Block::new();
        self.blocks().get(self.block).unwrap_or(&NOWHERE)
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
