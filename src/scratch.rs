//! A directory of a test's own, for the unit tests.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

/// A directory, removed with all its contents when dropped.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn new() -> Scratch {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("readyd-unit-{}-{number}", std::process::id());
        let directory = std::env::temp_dir().join(name);
        fs::create_dir(&directory).expect("a writable temporary directory");
        Scratch(directory)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// A file with these contents, in folders that are made if there are none.
    pub(crate) fn file(&self, name: &str, contents: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("make a folder");
        fs::write(&path, contents).expect("write a file");
        path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // A failure here must not hide the test's own.
        let _ = fs::remove_dir_all(&self.0);
    }
}
