//! Landlock, landlock(7): a thread gives up rights, and neither it nor the threads and processes
//! that it starts later regain them.
//!
//! Invariant: what [`confine`] tells is what the kernel enforces. A right that the kernel's ABI
//! does not know is left out of the ruleset and out of what is told.
//!
//! Not the crate `landlock`: three system calls do not need 12 KiB and two further crates.

use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::libc::{
    self, SYS_landlock_add_rule, SYS_landlock_create_ruleset, SYS_landlock_restrict_self,
};
use nix::sys::prctl;
use nix::sys::stat::Mode;
use std::fmt;
use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::path::PathBuf;
use std::ptr;
use std::sync::OnceLock;

#[cfg(test)]
mod tests;

/// The newest ABI whose rights are used here. A kernel with a newer one enforces no more.
pub const NEWEST_ABI: u32 = 7;

/// The first ABI that confines all that [`confine`] is for: files, programs, and TCP.
pub const COMPLETE_ABI: u32 = 4;

/// Rights on files, linux/landlock.h.
mod fs {
    pub(super) const READ_FILE: u64 = 1 << 2;
    pub(super) const REMOVE_FILE: u64 = 1 << 5;
    /// Those of the first ABI: from EXECUTE to MAKE_SYM.
    pub(super) const FIRST: u64 = (1 << 13) - 1;
    pub(super) const REFER: u64 = 1 << 13;
    pub(super) const TRUNCATE: u64 = 1 << 14;
    pub(super) const IOCTL_DEV: u64 = 1 << 15;
}

/// BIND_TCP and CONNECT_TCP.
const TCP: u64 = 0b11;

/// Connections to abstract unix sockets of other processes, and signals to them.
const SCOPES: u64 = 0b11;

/// LANDLOCK_CREATE_RULESET_VERSION.
const ASK_FOR_ABI: libc::c_uint = 1;

/// LANDLOCK_RULE_PATH_BENEATH.
const PATH_BENEATH: libc::c_int = 1;

/// What a confined process cannot do, the first ABI that forbids it, and the first Linux with it.
pub const FORBIDDEN: [(&str, u32, &str); 5] = [
    ("opening files, executing programs", 1, "5.13"),
    ("truncating files", 3, "6.2"),
    ("bind and connect over TCP", COMPLETE_ABI, "6.7"),
    ("ioctl of devices", 5, "6.10"),
    ("abstract unix sockets and signals of others", 6, "6.12"),
];

/// What a confined process may still do with files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// Files, and folders beneath which files may be read.
    pub read: Vec<PathBuf>,
    /// Folders beneath which files may be removed.
    pub remove: Vec<PathBuf>,
}

/// What is in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Confined {
    /// The ABI, at most [`NEWEST_ABI`].
    pub abi: u32,
    /// What is kept: the paths that could be opened.
    pub kept: Kept,
}

/// Why a process cannot be confined; the system's fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LandlockError {
    /// The kernel was built without Landlock, or a filter of system calls hides it.
    Missing,
    /// The kernel has it, and was started without it.
    Disabled,
    /// A system call failed: its name, and its errno.
    Refused(&'static str, Errno),
}

impl fmt::Display for LandlockError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LandlockError::Missing => f.write_str(
                "this kernel has no Landlock (Linux 5.13 or newer, CONFIG_SECURITY_LANDLOCK), or a \
                 filter of system calls hides it",
            ),
            LandlockError::Disabled => f.write_str(
                "this kernel was started without Landlock (add landlock to lsm= of its command \
                 line)",
            ),
            LandlockError::Refused(call, errno) => {
                write!(f, "{call}: {}", io::Error::from(*errno))
            }
        }
    }
}

impl std::error::Error for LandlockError {}

/// The kernel's ABI of Landlock, from 1. It is asked once.
///
/// # Errors
///
/// [`LandlockError`] if it cannot confine.
pub fn abi() -> Result<u32, LandlockError> {
    static ABI: OnceLock<Result<u32, LandlockError>> = OnceLock::new();
    *ABI.get_or_init(ask_for_abi)
}

fn ask_for_abi() -> Result<u32, LandlockError> {
    match create_ruleset(None) {
        Ok(abi) => Ok(u32::try_from(abi).unwrap_or_default()),
        Err(Errno::ENOSYS) => Err(LandlockError::Missing),
        Err(Errno::EOPNOTSUPP) => Err(LandlockError::Disabled),
        Err(errno) => Err(LandlockError::Refused("landlock_create_ruleset", errno)),
    }
}

/// Forbids this thread, and those that it starts from now on, all of [`FORBIDDEN`] that the kernel
/// knows, but for what is in `kept`. What is open stays usable: sockets that listen, files.
///
/// Call it while the process has one thread: threads that run already are not confined. A path that
/// cannot be opened is not kept, because nothing could be read there either.
///
/// Unix sockets with a path can be connected to, and UDP used: Landlock does not forbid these yet.
///
/// # Errors
///
/// [`LandlockError`] if there is no Landlock, or a call fails. The process is then not confined.
pub fn confine(kept: Kept) -> Result<Confined, LandlockError> {
    let abi = abi()?.min(NEWEST_ABI);
    let refused = |call| move |errno| LandlockError::Refused(call, errno);
    let ruleset = create_ruleset(Some(&RulesetAttributes::of(abi)))
        .map(owned)
        .map_err(refused("landlock_create_ruleset"))?;
    let keep = |paths: Vec<PathBuf>, access| -> Result<Vec<PathBuf>, LandlockError> {
        let mut there = Vec::new();
        for path in paths {
            let Ok(file) = open(&path, OFlag::O_PATH | OFlag::O_CLOEXEC, Mode::empty()) else {
                continue;
            };
            add_rule(&ruleset, &file, access).map_err(refused("landlock_add_rule"))?;
            there.push(path);
        }
        Ok(there)
    };
    let read = keep(kept.read, fs::READ_FILE)?;
    let remove = keep(kept.remove, fs::REMOVE_FILE)?;
    // Without it, the kernel demands CAP_SYS_ADMIN: a set-user-ID program could be misled.
    prctl::set_no_new_privs().map_err(refused("prctl"))?;
    restrict_self(&ruleset).map_err(refused("landlock_restrict_self"))?;
    Ok(Confined { abi, kept: Kept { read, remove } })
}

/// `struct landlock_ruleset_attr`: the rights that are denied unless a rule grants them. A kernel
/// that knows fewer fields takes the others if they are 0.
#[repr(C)]
struct RulesetAttributes {
    fs: u64,
    net: u64,
    scoped: u64,
}

impl RulesetAttributes {
    /// All that the ABI knows.
    fn of(abi: u32) -> RulesetAttributes {
        let since = |first: u32, rights: u64| if abi >= first { rights } else { 0 };
        RulesetAttributes {
            fs: fs::FIRST | since(2, fs::REFER) | since(3, fs::TRUNCATE) | since(5, fs::IOCTL_DEV),
            net: since(4, TCP),
            scoped: since(6, SCOPES),
        }
    }
}

/// `struct landlock_path_beneath_attr`.
#[repr(C, packed)]
struct PathBeneath {
    allowed: u64,
    parent: i32,
}

/// landlock_create_ruleset(2): a descriptor; without attributes the ABI.
#[expect(unsafe_code, reason = "neither nix nor libc has a function for this call")]
fn create_ruleset(attributes: Option<&RulesetAttributes>) -> nix::Result<libc::c_long> {
    let (attributes, size, flags) = match attributes {
        Some(attributes) => (ptr::from_ref(attributes), size_of::<RulesetAttributes>(), 0),
        None => (ptr::null(), 0, ASK_FOR_ABI),
    };
    // SAFETY: the kernel reads `size` bytes at `attributes`, which outlives the call, and writes
    // none. With size 0 it reads none.
    let result = unsafe { libc::syscall(SYS_landlock_create_ruleset, attributes, size, flags) };
    Errno::result(result)
}

/// The descriptor that the kernel has just returned.
#[expect(unsafe_code, reason = "a descriptor is made of its number")]
fn owned(number: libc::c_long) -> OwnedFd {
    // SAFETY: landlock_create_ruleset(2) has opened it for the caller alone, with FD_CLOEXEC, and
    // returned no error. Descriptors are ints.
    unsafe { OwnedFd::from_raw_fd(number as RawFd) }
}

/// landlock_add_rule(2): grants `access` to the file, or to all files beneath the folder.
#[expect(unsafe_code, reason = "neither nix nor libc has a function for this call")]
fn add_rule(ruleset: &OwnedFd, file: &impl AsFd, access: u64) -> nix::Result<()> {
    let rule = PathBeneath { allowed: access, parent: file.as_fd().as_raw_fd() };
    // SAFETY: the kernel reads a `struct landlock_path_beneath_attr` at `rule`, which outlives the
    // call and has this layout; it writes nothing. Both descriptors are open.
    let result = unsafe {
        libc::syscall(
            SYS_landlock_add_rule,
            ruleset.as_raw_fd(),
            PATH_BENEATH,
            ptr::from_ref(&rule),
            0 as libc::c_uint,
        )
    };
    Errno::result(result).map(drop)
}

/// landlock_restrict_self(2).
#[expect(unsafe_code, reason = "neither nix nor libc has a function for this call")]
fn restrict_self(ruleset: &OwnedFd) -> nix::Result<()> {
    // SAFETY: the call takes no pointer, and the descriptor is open.
    let result = unsafe {
        libc::syscall(SYS_landlock_restrict_self, ruleset.as_raw_fd(), 0 as libc::c_uint)
    };
    Errno::result(result).map(drop)
}
