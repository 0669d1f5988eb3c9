//! The network on which tests run: a simulated kernel with sockets, backlogs, edges and faults.
//!
//! [`net::SimNet`] implements the seam ([`crate::io::net`]) on a [`kernel::Kernel`]. It is as
//! strict as epoll(7) and tcp(7), and promises nothing more: an edge is told once, a close with
//! unread input resets, an error is collected by one call. What may go wrong is decided by
//! [`knobs`], by chance, or by order ([`faults`]). The simulator (`tests/sim`) puts the real server
//! and the real client on it.
//!
//! Invariant: the same seed and the same calls give the same answers. The kernel reads no clock, no
//! environment and no address of memory.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by a panic"
)]

pub mod backlog;
pub mod calls;
pub mod events;
pub mod facts;
pub mod faults;
pub mod kernel;
pub mod knobs;
pub mod loopback;
pub mod net;
pub mod opening;
pub mod pipe;
pub mod prng;
pub mod room;
pub mod sockets;
pub mod trace;
