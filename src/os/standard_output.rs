//! Standard output as this process was given it.
//!
//! Before `main`, the standard library opens /dev/null in the place of each of the descriptors 0 to
//! 2 that is closed, so that no file of the program gets one of these numbers. From then on, a
//! write to a standard output that was closed (`>&-`) succeeds, and the text is lost. The /dev/null
//! does not show where it comes from: the standard library opens it with O_RDWR, and so do programs
//! that mean it, such as daemon(3), Python's `subprocess.DEVNULL` and Node's `'ignore'`. Also, the
//! standard library takes EBADF from write(2), as for a descriptor that is open for reading only,
//! for success.
//!
//! Invariant: `WAS_CLOSED` is set before the standard library opens anything, by a constructor that
//! the C library calls.

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::libc;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

static WAS_CLOSED: AtomicBool = AtomicBool::new(false);

/// ld.so(8), or a static program itself, calls the functions of this section before `main`.
#[used]
#[unsafe(link_section = ".init_array")]
#[expect(unsafe_code, reason = "nothing safe runs before the standard library does")]
static CONSTRUCTOR: extern "C" fn() = look;

/// Notes whether descriptor 1 is closed.
#[expect(unsafe_code, reason = "a safe call needs a descriptor that is open")]
extern "C" fn look() {
    // SAFETY: F_GETFD takes no argument, and the kernel answers EBADF if the number is not open.
    // The standard library may not have started, and nothing of it is used but an atomic.
    let flags = unsafe { libc::fcntl(libc::STDOUT_FILENO, libc::F_GETFD) };
    WAS_CLOSED.store(flags == -1, Ordering::Relaxed);
}

/// Checks that what is written to standard output can reach anybody. Call it before writing.
///
/// # Errors
///
/// If the parent process has closed descriptor 1, or opened it for reading only.
pub fn check() -> io::Result<()> {
    let flags = match WAS_CLOSED.load(Ordering::Relaxed) {
        true => Err(Errno::EBADF),
        false => fcntl(io::stdout(), FcntlArg::F_GETFL).map(OFlag::from_bits_retain),
    };
    let why = match flags {
        Err(_) => "it is closed (redirect it to a file, or to /dev/null)",
        // Also with O_PATH.
        Ok(flags) if flags & OFlag::O_ACCMODE == OFlag::O_RDONLY => {
            "it is open for reading only (redirect it to a file, or to /dev/null)"
        }
        Ok(_) => return Ok(()),
    };
    Err(io::Error::other(why))
}
