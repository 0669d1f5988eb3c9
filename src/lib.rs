//! readyd: a server and a client on readiness-based, nonblocking I/O.
//!
//! The hour: what one request passes between epoll_wait(2) and send(2), in 2,000 lines at most,
//! comments included. First the parts, then the loop, then what it does. Of other files a name is
//! enough for now: most are functions of bytes. docs/questions.md asks ten questions to try
//! yourself on afterwards, and ARCHITECTURE.md names each function on the way.
//!
//! <!-- the hour -->
//! 1. `src/io/readiness.rs`: What does the server remember of a socket, and what makes it forget?
//! 2. `src/io/token.rs`: How does an event find its connection, and never a later one?
//! 3. `src/io/net.rs`: Which calls are made on a socket, and what does each outcome prove?
//! 4. `src/reactor.rs`: What does epoll_wait(2) report, and who sets EPOLLET?
//! 5. `src/io/endpoint.rs`: What must a state machine tell the table that its socket is in?
//! 6. `src/io/socket_table.rs`: Which socket is visited next, and why is none forgotten?
//! 7. `src/server.rs`: What does one turn of the loop do, and in which order?
//! 8. `src/server/turn.rs`: Why does a turn read and serve first, and send afterwards?
//! 9. `src/conn.rs`: What may happen to a connection, and what does it do then?
//! <!-- end of the hour -->
//!
//! Exercise: `mistakes/one-read-an-edge.patch` changes what `fill` in `src/io/net.rs` remembers
//! after a recv(2). Read the patch. Which clients hang, and which do not notice? Why does the
//! assertion in `SocketTable::reschedule` not fail? Then see: `scripts/with-mistakes --try
//! one-read-an-edge`.
//!
//! After the hour come `src/conn/state.rs` (all states on one page), `src/protocol/framing.rs`
//! (where a request ends), `src/handlers.rs` and `src/handlers/framed.rs` (what is answered: a
//! protocol is a row of a table), `src/server/accept.rs` (what accept(2) may answer) and
//! `src/io/timer.rs` (a million deadlines). Then add a protocol: one row in `SERVICES` that
//! answers each line with its length.
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

pub mod capture;
pub mod client;
#[cfg(unix)]
pub mod config;
pub mod conn;
pub mod counted;
#[cfg(test)]
mod documented;
pub mod handlers;
pub mod io;
#[cfg(all(unix, feature = "client-library"))]
pub mod loadgen;
#[cfg(unix)]
pub mod os;
pub mod printable;
pub mod protocol;
#[cfg(unix)]
pub mod reactor;
#[cfg(test)]
mod scratch;
pub mod server;
pub mod table;
#[cfg(all(unix, any(test, feature = "testkit")))]
pub mod testkit;
#[cfg(feature = "tls")]
pub mod tls;
pub mod trace;
pub mod zone;
