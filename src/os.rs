//! What only an operating system has: listening sockets, inherited descriptors, privileges,
//! messages to the service manager, CPUs, descriptor limits, the heap, sealed memory, signals,
//! other processes and files.
//!
//! Invariant: only this room and [`reactor`](crate::reactor) make system calls. The programs
//! introduce them to the rest.

pub mod activation;
pub mod cpus;
pub mod descriptors;
pub mod files;
pub mod inherited_fd;
pub mod landlock;
pub mod listener;
pub mod memory;
pub mod notify;
pub mod own_files;
pub mod privileges;
#[cfg(feature = "client-library")]
pub mod process;
pub mod sealed_memfd;
pub mod signals;
pub mod sockets;
pub mod standard_output;
pub mod trace_ring;
pub mod usage;

use std::ffi::CStr;

/// The name of the process that starts the successor of a server. It is a part of neither.
pub const LAUNCHER: &CStr = c"readyd-launcher";
