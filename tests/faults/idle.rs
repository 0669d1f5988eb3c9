//! A server that stops by itself, while a client comes.

use crate::injection::strace::Attached;
use crate::support::{Client, Launch, tools};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

/// How long no client has to be connected.
const IDLE: Duration = Duration::from_secs(1);

/// Each wait for events lasts this much longer for the server than for the kernel.
const DELAY: &str = "inject=epoll_wait:delay_exit=30000";

/// Servers, each with a client that comes a little later than the client of the server before.
const SERVERS: u32 = 12;

/// From before the time of a server is over until after that.
const BETWEEN_CLIENTS: Duration = Duration::from_millis(8);

#[test]
fn field_server_05_exit_on_idle_resets_nobody_who_has_connected() {
    if tools::find("strace").is_none() {
        return;
    }
    let served: usize = thread::scope(|scope| {
        let come =
            |number| scope.spawn(move || usize::from(comes_at(IDLE + number * BETWEEN_CLIENTS)));
        let clients: Vec<_> = (0..SERVERS).map(come).collect();
        clients.into_iter().map(|client| client.join().expect("a client")).sum()
    });
    assert!(served > 0, "nobody came in time");
}

/// Has a client come so long after a server was started. Tells whether the server was still there.
fn comes_at(time: Duration) -> bool {
    let begun = Instant::now();
    let mut server = Launch::of(&["framed"]).args(&["--exit-on-idle", "1s"]).start();
    let options = ["-e", "trace=epoll_wait", "-e", DELAY].map(str::to_owned);
    let Some(_strace) = Attached::to(&server, &options) else { return true };
    thread::sleep((begun + time).saturating_duration_since(Instant::now()));
    let stream = TcpStream::connect(server.address("framed"));
    let is_in_time = stream.is_ok();
    if let Ok(stream) = stream {
        assert_eq!(Client { stream }.ask("ECHO just in time"), "just in time", "after {time:?}");
    }
    assert_eq!(server.wait_for_exit().code(), Some(0));
    is_in_time
}
