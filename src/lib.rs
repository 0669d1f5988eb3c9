//! readyd: a server and a client on readiness-based, nonblocking I/O.
//!
//! The hour: the files that one request passes, in an order in which each needs only those before it.
//! ARCHITECTURE.md follows one event through all of them.
//!
//! <!-- the hour -->
//! 1. `src/io/token.rs`: How does an event find its connection, and why never a later one in the same slot?
//! 2. `src/io/net.rs`: Which calls does the server make, and what may each of them answer?
//! 3. `src/io/buffer.rs`: Where do bytes wait, and why does an idle connection own no heap?
//! 4. `src/reactor.rs`: What does epoll_wait(2) report, and what sets a socket's readiness bits?
//! 5. `src/protocol/frame.rs`: How is the length of a frame written and read?
//! 6. `src/protocol/framing.rs`: How is one request cut out of the bytes of a recv(2)?
//! 7. `src/protocol/reply.rs`: How does a handler write a reply?
//! 8. `src/conn.rs`: What may happen to a connection, and what does it do next?
//! 9. `src/conn/deadlines.rs`: Which timeouts does a connection have, and what happens when one fires?
//! 10. `src/conn/echoes.rs`: When is an ECHO answered out of the read buffer, without a copy?
//! 11. `src/server/entry.rs`: What does the server keep for each connection?
//! 12. `src/server.rs`: What does one turn of the loop do, and in which order?
//! 13. `src/server/visit.rs`: How much may one connection do before the next has its turn?
//! 14. `src/server/held.rs`: Why are small replies sent together, after all have been read?
//! 15. `src/server/accept.rs`: What does accept(2) say when there is no room, and what does the server do?
//! 16. `src/server/closing.rs`: When is memory given back, and who is closed when it is short?
//! 17. `src/handlers.rs`: Which services are there, and how is a new one added?
//! 18. `src/handlers/framed.rs`: How is a command answered?
//! <!-- end of the hour -->
//!
//! Exercise: add a service that answers each line with its length. Then send it a line in two halves,
//! a thousand lines at once, and a FIN after half a line, and say for each which of these files decides
//! what happens.

// What comes from outside must not be able to end the process. Where numbers of our own index arrays of
// our own, the module or function says so.
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
pub mod config;
pub mod conn;
pub mod counted;
pub mod handlers;
pub mod io;
#[cfg(feature = "client")]
pub mod loadgen;
pub mod os;
pub mod protocol;
pub mod reactor;
#[cfg(test)]
mod scratch;
pub mod server;
pub mod table;
pub mod zone;
