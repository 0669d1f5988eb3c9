//! readyd: a server and a client on readiness-based, nonblocking I/O.
//!
//! The hour: the files that one request passes, in an order in which each needs only those before
//! it. ARCHITECTURE.md follows one event through all of them.
//!
//! <!-- the hour -->
//! 1. `src/io/token.rs`: How does an event find its connection, and never a later one?
//! 2. `src/io/readiness.rs`: What does readiness mean with edge-triggered epoll?
//! 3. `src/io/net.rs`: Which calls does the server make, and what may each of them answer?
//! 4. `src/io/buffer.rs`: Where do bytes wait, and why does an idle connection own no heap?
//! 5. `src/io/event_loop.rs`: What does the poll loop call, and what does it do next?
//! 6. `src/reactor.rs`: What does epoll_wait(2) report, and who sets EPOLLET?
//! 7. `src/protocol/frame.rs`: How is the length of a frame written and read?
//! 8. `src/protocol/framing.rs`: How is one request cut out of the bytes of a recv(2)?
//! 9. `src/protocol/reply.rs`: How does a handler write a reply?
//! 10. `src/conn.rs`: What may happen to a connection, and what does it do next?
//! 11. `src/conn/deadlines.rs`: Which timeouts are there, and what happens when one fires?
//! 12. `src/io/endpoint.rs`: What must a state machine tell the table that its socket is in?
//! 13. `src/io/socket_table.rs`: Which socket is visited next, and why is none forgotten?
//! 14. `src/server.rs`: What does one turn of the loop do, and in which order?
//! 15. `src/server/turn.rs`: Why is a turn read and serve first, then flush?
//! 16. `src/server/accept.rs`: What may accept(2) answer, and what does the server do then?
//! 17. `src/server/memory.rs`: Which connections are closed when memory runs short?
//! 18. `src/handlers.rs`: Which services are there, and how is a new one added?
//! 19. `src/handlers/framed.rs`: How is a command answered?
//! <!-- end of the hour -->
//!
//! Exercise: add a service that answers each line with its length. Then send it a line in two
//! halves, a thousand lines at once, and a FIN after half a line, and say for each which of these
//! files decides what happens.
//!
//! `reactor`, `os` and `config` need Unix. The other modules know no operating system, and build
//! for wasm32-unknown-unknown as well: a program that implements [`io::net`] there can run the same
//! server.

// No input, error or event may end the process. Where numbers of our own index arrays of our own,
// the module or function says so.
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::unreachable,
        clippy::todo,
        clippy::unimplemented,
        clippy::indexing_slicing,
        clippy::string_slice
    )
)]

pub mod client;
#[cfg(unix)]
pub mod config;
pub mod conn;
pub mod counted;
#[cfg(test)]
mod documented;
pub mod handlers;
pub mod io;
#[cfg(all(unix, feature = "client"))]
pub mod loadgen;
#[cfg(unix)]
pub mod os;
pub mod protocol;
#[cfg(unix)]
pub mod reactor;
#[cfg(test)]
mod scratch;
pub mod server;
pub mod table;
#[cfg(all(unix, any(test, feature = "testkit")))]
pub mod testkit;
pub mod zone;
