//! What is made to fail: system calls, and the errors that their man pages name for them.
//!
//! What is missing is left out on purpose. EAGAIN from a read or a write would be a lie: the kernel
//! says it only when it will tell of the next byte or the next room with an edge, and no edge
//! follows an injected one (`short_io.rs` tells that truth). EBADF, EFAULT and EINVAL tell of a bug
//! in the caller, and there is one place where they are tried: epoll_wait, without which there is
//! no loop.

/// May the server end because of the fault?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// It goes on, whatever is left undone.
    Never,
    /// It may, with a nonzero status and a line that says why.
    Explained,
}

/// One system call and its errors.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row {
    pub(super) call: &'static str,
    pub(super) errnos: &'static [&'static str],
    pub(super) ending: Ending,
    /// Only calls on this file fail, not the same calls on others: the table, or the time zone.
    pub(super) file: Option<&'static str>,
}

const fn row(call: &'static str, errnos: &'static [&'static str]) -> Row {
    Row { call, errnos, ending: Ending::Never, file: None }
}

const fn on_table(call: &'static str, errnos: &'static [&'static str]) -> Row {
    Row { call, errnos, ending: Ending::Never, file: Some("table") }
}

const fn on_zone(call: &'static str, errnos: &'static [&'static str]) -> Row {
    Row { call, errnos, ending: Ending::Never, file: Some("zone") }
}

const fn fatal(call: &'static str, errnos: &'static [&'static str]) -> Row {
    Row { call, errnos, ending: Ending::Explained, file: None }
}

const fn fatal_on_table(call: &'static str, errnos: &'static [&'static str]) -> Row {
    Row { call, errnos, ending: Ending::Explained, file: Some("table") }
}

#[cfg(feature = "tls")]
const fn on_file(
    file: &'static str,
    call: &'static str,
    errnos: &'static [&'static str],
    ending: Ending,
) -> Row {
    Row { call, errnos, ending, file: Some(file) }
}

/// Which of the calls fail: the first, the second, the third, or every one, as strace writes it.
pub(super) fn when(call: &str, errno: &str) -> [String; 4] {
    ["1".to_owned(), "2".to_owned(), "3".to_owned(), from_on(call, errno, 1)]
}

/// All calls from number `first` on; or a hundred of them. A program whose call fails with EINTR
/// rightly tries again, and would do so for ever. And were strace to leave while it skips an
/// epoll_wait, the server would see ENOSYS, which no kernel says there.
pub(super) fn from_on(call: &str, errno: &str, first: usize) -> String {
    if errno == "EINTR" || call == "epoll_wait" {
        return format!("{first}..{}", first + 99);
    }
    format!("{first}+")
}

/// Faults while serving.
pub(super) const SERVING: &[Row] = &[
    row(
        "accept4",
        &[
            "EMFILE",
            "ENFILE",
            "ENOMEM",
            "ENOBUFS",
            "ECONNABORTED",
            "EPROTO",
            "ENETDOWN",
            "EHOSTUNREACH",
            "EPERM",
            "EINTR",
        ],
    ),
    row("epoll_ctl", &["ENOMEM", "ENOSPC"]),
    row("recvfrom", &["ECONNRESET", "ETIMEDOUT", "EHOSTUNREACH", "ENOMEM", "EINTR"]),
    row("sendto", &["EPIPE", "ECONNRESET", "ETIMEDOUT", "ENOBUFS", "ENOMEM", "EINTR"]),
    row("shutdown", &["ENOTCONN", "ENOBUFS"]),
    row("close", &["EIO", "EINTR"]),
    row("epoll_wait", &["EINTR"]),
    fatal("epoll_wait", &["EBADF"]),
    row("poll", &["EINTR", "ENOMEM"]),
    row("write", &["EPIPE", "ENOSPC", "EIO", "EINTR"]),
    // Of the signals: signalfd(2) has no other error.
    row("read", &["EINTR"]),
    // Of the memory that is in use, in /proc.
    row("pread64", &["EINTR", "ENOMEM"]),
    on_table("read", &["EIO", "ENOMEM", "ESTALE"]),
    row("openat", &["EMFILE", "ENFILE", "ENOENT", "EACCES", "ENOMEM", "EINTR"]),
    on_table("statx", &["ENOMEM", "EIO", "ESTALE"]),
    on_zone("openat", &["EMFILE", "ENOENT", "EACCES", "ELOOP", "ENOMEM", "EINTR"]),
    on_zone("statx", &["ENOMEM", "EIO", "ESTALE"]),
    on_zone("read", &["EIO", "ENOMEM", "EISDIR", "EINTR"]),
    row("clone3", &["EAGAIN", "ENOMEM"]),
    row("munmap", &["ENOMEM"]),
    row("madvise", &["ENOMEM"]),
    // Rust's allocator ends the process when there is no memory, and its runtime when a thread gets
    // no stack for signals.
    fatal("mmap", &["ENOMEM"]),
    fatal("mprotect", &["ENOMEM"]),
];

/// Faults while starting, from where Rust's runtime takes over: what the dynamic loader does before
/// is not ours. Whatever is missing then, the server may say so and end.
pub(super) const STARTING: &[Row] = &[
    fatal("mmap", &["ENOMEM"]),
    fatal("mprotect", &["ENOMEM"]),
    fatal("munmap", &["ENOMEM"]),
    fatal("openat", &["EMFILE", "ENFILE", "EACCES", "EINTR"]),
    fatal("read", &["EIO", "EINTR"]),
    fatal("newfstatat", &["EACCES", "ENOMEM"]),
    fatal("statx", &["EACCES", "ENOMEM"]),
    // Of a folder, Rust's library takes any other error for a bug.
    fatal("close", &["EINTR"]),
    fatal("getdents64", &["ENOENT"]),
    fatal("ioctl", &["ENOTTY"]),
    fatal("prlimit64", &["EPERM"]),
    // What a container's system call filter says.
    fatal("sysinfo", &["EPERM", "ENOSYS"]),
    fatal("getrandom", &["ENOSYS"]),
    fatal("poll", &["ENOMEM", "EINTR"]),
    fatal("sigaltstack", &["ENOMEM"]),
    fatal("epoll_create1", &["EMFILE", "ENFILE", "ENOMEM"]),
    fatal("epoll_ctl", &["ENOMEM", "ENOSPC"]),
    fatal("eventfd2", &["EMFILE", "ENFILE", "ENOMEM"]),
    fatal("signalfd4", &["EMFILE", "ENFILE", "ENOMEM"]),
    fatal("fcntl", &["EMFILE", "EINVAL"]),
    fatal("socket", &["EMFILE", "ENFILE", "ENOBUFS", "ENOMEM", "EAFNOSUPPORT", "EACCES"]),
    fatal("setsockopt", &["ENOBUFS", "ENOPROTOOPT", "ENOMEM"]),
    fatal("bind", &["EADDRINUSE", "EACCES", "EADDRNOTAVAIL"]),
    fatal("listen", &["EADDRINUSE"]),
    fatal("getsockname", &["ENOBUFS"]),
    fatal("write", &["EPIPE", "ENOSPC", "EIO", "EINTR"]),
    fatal("epoll_wait", &["EINTR", "EBADF"]),
    // The thread in which the table is loaded; strace counts the calls of each thread by
    // themselves.
    fatal("clone3", &["EAGAIN", "ENOMEM"]),
    fatal("madvise", &["ENOMEM"]),
    // Without a sandbox it serves, unless the sandbox is required.
    row("landlock_create_ruleset", &["ENOSYS", "EOPNOTSUPP", "EMFILE", "ENOMEM"]),
    row("landlock_add_rule", &["ENOMEM"]),
    row("landlock_restrict_self", &["EPERM", "E2BIG", "ENOMEM"]),
    row("readlink", &["EACCES", "ENOENT", "ENOMEM"]),
    // The folder in which the path of the program is meant.
    row("getcwd", &["ENOENT", "ENOMEM"]),
    // The launcher of upgrades, which is forked.
    fatal("socketpair", &["EMFILE", "ENFILE", "ENOMEM"]),
    fatal("clone", &["EAGAIN", "ENOMEM"]),
    row("close_range", &["ENOSYS", "EPERM"]),
    row("dup2", &["EMFILE"]),
    row("recvmsg", &["ENOMEM", "EINTR"]),
    fatal_on_table("openat", &["EMFILE", "ENFILE", "EACCES", "EINTR"]),
    fatal_on_table("statx", &["EACCES", "ENOMEM", "ESTALE"]),
    fatal_on_table("read", &["EIO", "ENOMEM", "ESTALE", "EINTR"]),
];

/// Faults while a server starts that has an encrypted listener, beside [`STARTING`].
#[cfg(feature = "tls")]
pub(super) const STARTING_ENCRYPTED: &[Row] = &[
    on_file("server.pem", "openat", &["EMFILE", "ENOENT", "EACCES", "EINTR"], Ending::Explained),
    on_file("server.pem", "statx", &["EIO", "ESTALE"], Ending::Explained),
    on_file("server.pem", "read", &["EIO", "EISDIR", "EINTR"], Ending::Explained),
    on_file("server.key", "openat", &["ENFILE", "EACCES", "ELOOP", "EINTR"], Ending::Explained),
    on_file("server.key", "read", &["EIO", "ESTALE", "EINTR"], Ending::Explained),
    // Keys of session tickets.
    fatal("getrandom", &["ENOSYS", "EPERM", "EINTR"]),
];

/// Faults while an encrypted listener is served, and its certificate is replaced.
#[cfg(feature = "tls")]
pub(super) const SERVING_ENCRYPTED: &[Row] = &[
    // In the handshake, and behind it.
    row("recvfrom", &["ECONNRESET", "ETIMEDOUT", "ENOMEM", "EINTR"]),
    row("sendto", &["EPIPE", "ECONNRESET", "ENOBUFS", "ENOMEM", "EINTR"]),
    // Of each handshake. Without random bytes there is no going on for a thread that reads files,
    // and no kernel of today refuses them.
    row("getrandom", &["EINTR"]),
    on_file("server.pem", "openat", &["EMFILE", "ENOENT", "EACCES", "EINTR"], Ending::Never),
    on_file("server.pem", "statx", &["EIO", "ESTALE"], Ending::Never),
    on_file("server.pem", "read", &["EIO", "ENOMEM", "EINTR"], Ending::Never),
    on_file("server.key", "openat", &["ENFILE", "EACCES", "ELOOP", "EINTR"], Ending::Never),
    on_file("server.key", "read", &["EIO", "ESTALE", "EINTR"], Ending::Never),
];

/// Faults of a supervisor that replaces shards and hands over a table.
pub(super) const SUPERVISING: &[Row] = &[
    row("clone", &["EAGAIN", "ENOMEM"]),
    row("socketpair", &["EMFILE", "ENFILE", "ENOMEM"]),
    row("openat", &["EMFILE", "ENFILE", "ENOENT", "EACCES"]),
    row("epoll_ctl", &["ENOMEM", "ENOSPC"]),
    row("epoll_wait", &["EINTR"]),
    row("sendmsg", &["ENOBUFS", "ENOMEM", "EPIPE"]),
    row("recvmsg", &["ENOMEM", "EINTR"]),
    row("read", &["EINTR"]),
    row("pread64", &["EINTR"]),
    row("pwrite64", &["EINTR", "ENOSPC"]),
    row("poll", &["EINTR", "ENOMEM"]),
    row("write", &["EPIPE", "ENOSPC", "EIO", "EINTR"]),
    row("close", &["EIO", "EINTR"]),
    row("clone3", &["EAGAIN", "ENOMEM"]),
    row("fcntl", &["EINVAL"]),
    row("kill", &["EPERM"]),
];

/// Faults of a server that starts a process to take its place. If that fails, it serves on.
pub(super) const UPGRADING: &[Row] = &[
    row("memfd_create", &["EMFILE", "ENFILE", "ENOMEM", "ENOSYS"]),
    row("pwrite64", &["ENOMEM", "EFBIG"]),
    row("pread64", &["ENOMEM", "EINTR"]),
    row("fcntl", &["EMFILE"]),
    row("socketpair", &["EMFILE", "ENFILE", "ENOMEM"]),
    row("epoll_ctl", &["ENOMEM", "ENOSPC"]),
    row("openat", &["EMFILE", "ENFILE", "ENOENT", "EACCES"]),
    row("clone", &["EAGAIN", "ENOMEM"]),
    row("recvmsg", &["ENOMEM", "EINTR"]),
    row("sendmsg", &["ENOMEM", "EPIPE"]),
    row("close", &["EIO", "EINTR"]),
];

/// Faults while the server is being stopped.
pub(super) const STOPPING: &[Row] = &[
    row("accept4", &["EMFILE", "ECONNABORTED", "EPERM", "EINTR"]),
    row("epoll_ctl", &["ENOMEM"]),
    row("epoll_wait", &["EINTR"]),
    row("recvfrom", &["ECONNRESET", "ENOMEM", "EINTR"]),
    row("sendto", &["EPIPE", "ENOBUFS", "EINTR"]),
    row("shutdown", &["ENOTCONN", "ENOBUFS"]),
    row("close", &["EIO", "EINTR"]),
    // How newcomers are held off, and how it is seen whether a handshake is in flight.
    row("setsockopt", &["ENOMEM", "EPERM"]),
    row("getsockname", &["ENOBUFS"]),
    row("socket", &["EMFILE", "ENFILE", "ENOMEM", "EAFNOSUPPORT", "EACCES"]),
    row("poll", &["EINTR", "ENOMEM"]),
    // Of the signals: signalfd(2) has no other error.
    row("read", &["EINTR"]),
    row("write", &["EPIPE", "EIO"]),
    row("munmap", &["ENOMEM"]),
];

/// Faults in the calls of the client.
pub(super) const CLIENT: &[Row] = &[
    fatal("mmap", &["ENOMEM"]),
    fatal("mprotect", &["ENOMEM"]),
    fatal("munmap", &["ENOMEM"]),
    fatal("openat", &["EMFILE", "EACCES"]),
    fatal("read", &["EIO", "EINTR"]),
    fatal("newfstatat", &["EACCES"]),
    // The range of local ports is read, to see whether a connection may reach itself.
    fatal("statx", &["EACCES", "ENOMEM"]),
    fatal("close", &["EIO", "EINTR"]),
    fatal("ioctl", &["ENOTTY"]),
    fatal("prlimit64", &["EPERM"]),
    fatal("getrandom", &["ENOSYS"]),
    fatal("poll", &["ENOMEM", "EINTR"]),
    fatal("sigaltstack", &["ENOMEM"]),
    fatal("epoll_create1", &["EMFILE", "ENFILE", "ENOMEM"]),
    fatal("epoll_ctl", &["ENOMEM", "ENOSPC"]),
    fatal("epoll_wait", &["EINTR", "EBADF"]),
    fatal("eventfd2", &["EMFILE", "ENFILE", "ENOMEM"]),
    fatal("fcntl", &["EMFILE"]),
    fatal("socket", &["EMFILE", "ENFILE", "ENOBUFS", "ENOMEM", "EAFNOSUPPORT", "EACCES"]),
    fatal(
        "connect",
        &["ECONNREFUSED", "ETIMEDOUT", "ENETUNREACH", "EHOSTUNREACH", "EADDRNOTAVAIL", "EPERM"],
    ),
    fatal("setsockopt", &["ENOBUFS"]),
    fatal("getsockopt", &["ENOBUFS"]),
    fatal("getpeername", &["ENOTCONN", "ENOBUFS"]),
    fatal("getsockname", &["ENOBUFS"]),
    fatal("sendto", &["EPIPE", "ECONNRESET", "ETIMEDOUT", "ENOBUFS", "EINTR"]),
    fatal("recvfrom", &["ECONNRESET", "ETIMEDOUT", "EHOSTUNREACH", "ENOMEM", "EINTR"]),
    fatal("shutdown", &["ENOTCONN"]),
    fatal("write", &["ENOSPC", "EIO", "EINTR"]),
];

/// Calls that are made and not made to fail: each cannot, or only for a reason that is a bug of the
/// caller.
pub(super) const NOT_INJECTED: &[&str] = &[
    // It tells a failure by an address that did not move, brk(2); an injected ENOMEM is taken for
    // an address. `memory.rs` has it fail in earnest.
    "brk",
    // Between two looks whether the launcher of upgrades has ended, and not at all if it has when
    // the first is taken. Rust's thread::sleep goes on after EINTR, the only error there is.
    "clock_nanosleep",
    "execve",
    "exit",
    "exit_group",
    "futex",
    "getpid",
    "getppid",
    "getrusage",
    "gettid",
    "prctl",
    // No program calls it: the kernel has a thread go on with it that waited with a timeout and was
    // stopped meanwhile, by strace for example; restart_syscall(2).
    "restart_syscall",
    "rseq",
    "rt_sigaction",
    "rt_sigprocmask",
    "sched_getaffinity",
    "sched_yield",
    "set_robust_list",
    // In the table above for the start; in a thread that loads a table, Rust's runtime does not
    // look at its result, or ends the thread.
    "sigaltstack",
    // An injected ECHILD would tell of a process that runs that it is gone; the call has no other
    // error.
    "wait4",
    // Made only in debug builds, where Rust asks before each close(2) whether the descriptor is
    // open.
    "fcntl",
];
