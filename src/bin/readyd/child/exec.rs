//! fork(2) and execveat(2), or execve(2).
//!
//! posix_spawn(3) and `std::process` take a path, and the path of a descriptor needs /proc.
//!
//! Invariant: between fork and exec the child calls only async-signal-safe functions,
//! signal-safety(7). Another thread of this process may have held any lock when it was forked, such
//! as the allocator's, and that thread is not in the child. So all memory is prepared before the
//! fork.

use super::{Executable, NotStarted};
use nix::errno::Errno;
use nix::libc::{self, c_char, c_int};
use nix::unistd::{ForkResult, Pid, fork};
use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::ptr;

/// The first byte of the message that a child sends if execveat(2) fails. The errno follows, in
/// eight bytes: it is a message of [`readyd::os::inherited_fd::fd_passing`].
pub(crate) const FAILURE: u8 = b'x';

/// What the child process gets.
pub(super) struct ExecRequest<'a> {
    pub(super) program: Executable<'a>,
    pub(super) arguments: &'a [CString],
    pub(super) environment: &'a [CString],
    pub(super) input_and_output: BorrowedFd<'a>,
    pub(super) error: Option<BorrowedFd<'a>>,
    pub(super) without_cloexec: &'a [RawFd],
    /// The socket that the child writes [`FAILURE`] to.
    pub(super) failure: RawFd,
}

/// The request as plain numbers and pointers, which the child can use without the allocator.
struct Prepared {
    program: RawFd,
    /// Empty if the program is the descriptor.
    path: *const c_char,
    flags: c_int,
    arguments: Vec<*const c_char>,
    environment: Vec<*const c_char>,
    standard: [RawFd; 3],
    without_cloexec: Vec<RawFd>,
    failure: RawFd,
}

/// The path that this process was executed by: getauxval(3), `AT_EXECFN`.
#[expect(unsafe_code, reason = "the C library hands the path over as a bare pointer")]
pub(crate) fn own_path() -> &'static CStr {
    // SAFETY: getauxval(3) only reads. What it returns for AT_EXECFN is 0 or the address of a
    // string on the stack that the kernel made for the process; that part of it is never written or
    // freed.
    unsafe {
        match libc::getauxval(libc::AT_EXECFN) as *const c_char {
            path if path.is_null() => c"",
            path => CStr::from_ptr(path),
        }
    }
}

/// Starts a process that executes the program. Does not wait for execveat(2): the file may be on a
/// disk that does not answer. If that fails, the child sends [`FAILURE`].
pub(super) fn fork_and_exec(request: &ExecRequest<'_>) -> Result<Pid, NotStarted> {
    let pointers = |strings: &[CString]| {
        let pointers = strings.iter().map(|string| string.as_ptr());
        pointers.chain([ptr::null()]).collect::<Vec<_>>()
    };
    let null = request.input_and_output.as_raw_fd();
    let (program, path, flags) = match request.program {
        Executable::File(file) => (file.as_fd().as_raw_fd(), c"", libc::AT_EMPTY_PATH),
        // An absolute path: execveat(2) does not look at the descriptor then.
        Executable::Path(path) => (libc::AT_FDCWD, path, 0),
    };
    let prepared = Prepared {
        program,
        path: path.as_ptr(),
        flags,
        arguments: pointers(request.arguments),
        environment: pointers(request.environment),
        standard: [null, null, request.error.map_or(2, |error| error.as_raw_fd())],
        without_cloexec: request.without_cloexec.to_vec(),
        failure: request.failure,
    };
    fork_into(&prepared).map_err(io::Error::from).map_err(NotStarted::at("fork"))
}

#[expect(unsafe_code, reason = "in the child of a fork, locks of other threads stay held for ever")]
fn fork_into(prepared: &Prepared) -> Result<Pid, Errno> {
    // SAFETY: the child only calls `become_program`, which keeps to async-signal-safe functions.
    match unsafe { fork() }? {
        ForkResult::Parent { child } => Ok(child),
        ForkResult::Child => become_program(prepared),
    }
}

/// Runs in the child. Never returns: its stack is a copy of the parent's.
#[expect(
    unsafe_code,
    reason = "only the bare system calls are safe here, and they take bare pointers"
)]
fn become_program(prepared: &Prepared) -> ! {
    // SAFETY: dup2, fcntl, execveat, write and _exit are async-signal-safe. The descriptors are
    // open: their owners live in the parent's frame, and this is a copy of it. The strings and the
    // lists of pointers, each ended by a null pointer, are borrowed by `prepared` or owned by it,
    // and nothing here frees them.
    unsafe {
        let mut result: c_int = 0;
        for (number, from) in (0..).zip(prepared.standard) {
            // dup2(2) of a number onto itself does nothing.
            result = result.min(libc::dup2(from, number));
        }
        for &number in &prepared.without_cloexec {
            result = result.min(libc::fcntl(number, libc::F_SETFD, 0));
        }
        if result >= 0 {
            libc::syscall(
                libc::SYS_execveat,
                prepared.program,
                prepared.path,
                prepared.arguments.as_ptr(),
                prepared.environment.as_ptr(),
                prepared.flags,
            );
        }
        let mut failure = [FAILURE; 1 + size_of::<u64>()];
        let errno = u64::from(Errno::last_raw().unsigned_abs()).to_ne_bytes();
        for (to, from) in failure.iter_mut().skip(1).zip(errno) {
            *to = from;
        }
        libc::write(prepared.failure, failure.as_ptr().cast(), failure.len());
        libc::_exit(127)
    }
}
