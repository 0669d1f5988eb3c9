//! A file to be read back, one for each thread, gone with it.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::{env, fs, process};

/// A file that is removed when it is dropped.
pub(crate) struct ScratchFile(PathBuf);

impl ScratchFile {
    pub(crate) fn new() -> ScratchFile {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        ScratchFile(env::temp_dir().join(format!("readyd-fuzz-{}-{number}", process::id())))
    }

    /// Gives the file these contents, and tells where it is.
    pub(crate) fn write(&self, contents: &[u8]) -> &Path {
        fs::write(&self.0, contents).expect("a writable temporary directory");
        &self.0
    }
}

impl Drop for ScratchFile {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}
