//! The harness: [`server`] runs the server, [`lines`] collects what it writes, [`client`] speaks to
//! it, [`tools`] finds and runs programs from elsewhere, [`misbehaving`] is a server that does
//! things wrong.
//!
//! Invariant: nothing waits without a deadline. What a test waits for is an event (a reply, a line
//! of the log, the end of a process) or a condition that [`eventually`] looks at again and again.

#[cfg(feature = "client")]
pub(crate) mod bench;
pub(crate) mod client;
#[cfg(feature = "client")]
pub(crate) mod documents;
pub(crate) mod lines;
#[cfg(feature = "client")]
pub(crate) mod misbehaving;
#[cfg(feature = "client")]
pub(crate) mod readyc;
pub(crate) mod server;
#[cfg(feature = "client")]
pub(crate) mod terminal;
pub(crate) mod tools;

pub(crate) use client::{Client, frame};
pub(crate) use server::{Launch, Server};

use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// How long anything may take before a test fails. Far more than anything takes, because a busy
/// machine must not make a test fail.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(5);

/// Calls `look` until it gives a value, and returns that.
///
/// # Panics
///
/// When it has given none for [`PATIENCE`]; `what` says what was waited for.
pub(crate) fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(value) = look() {
            return value;
        }
        assert!(Instant::now() < deadline, "waited {PATIENCE:?} in vain: {what}");
        thread::sleep(LOOK_AGAIN_AFTER);
    }
}

/// One of the 16 million loopback addresses, on which no other process will have taken any port:
/// for programs whose port has to be known before they run.
pub(crate) fn loopback_of_ones_own() -> Ipv4Addr {
    let [_, high, middle, low] = process::id().to_be_bytes();
    // Process numbers have at most 22 bits, proc_sys_kernel(5).
    Ipv4Addr::new(127, 64 + high, middle, low)
}

/// The content of a file for a time zone that holds nothing but a POSIX rule: TZif, RFC 9636.
pub(crate) fn tzif(rule: &str) -> Vec<u8> {
    // Of all that it counts, one type of local time, and four bytes of its name.
    let counts = [0u32, 0, 0, 0, 1, 4].map(u32::to_be_bytes).concat();
    let block = [&b"TZif2"[..], &[0; 15], &counts, &[0; 6], b"AAA\0"].concat();
    [&block[..], &block, b"\n", rule.as_bytes(), b"\n"].concat()
}

/// A directory of a test's own, removed with all that is in it when dropped.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn new() -> Scratch {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path =
            Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("e2e-{}-{number}", process::id()));
        fs::create_dir_all(&path).expect("a directory for the test's files");
        Scratch(path)
    }

    /// The path of a file in here.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Puts a file in here, in one step: a reader sees the old text or the new one.
    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        self.write_bytes(name, text.as_bytes())
    }

    /// As [`Scratch::write`], for a file that is no text.
    pub(crate) fn write_bytes(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let (path, draft) = (self.path(name), self.path(&format!("{name}.draft")));
        fs::write(&draft, bytes).expect("write a file");
        fs::rename(&draft, &path).expect("rename a file");
        path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // A directory left behind harms no other test.
        let _ = fs::remove_dir_all(&self.0);
    }
}
