//! The commands that are one session.

use crate::Server;
use crate::failure::Failure;
use crate::output::{print_answer, print_fitted, print_line};
use readyd::client::Expect;
use readyd::client::conversations::{AddressExchange, Check, ClockSync, Dialogue, Exchange, Plan};
use std::rc::Rc;

/// Asks the server which address it sees, and prints the reply.
pub(crate) fn whoami(server: &Server, plain: bool) -> Result<(), Failure> {
    ask(
        server,
        if plain {
            Exchange::plain(b"", Expect::Pause, Check::Something)
        } else {
            Exchange::framed(b"WHOAMI", Check::Something)
        },
    )
}

/// Asks for the statistics, and prints the reply.
pub(crate) fn stats(server: &Server) -> Result<(), Failure> {
    print_fitted(&ask_for_stats(server)?)
}

/// Asks for the statistics.
pub(crate) fn ask_for_stats(server: &Server) -> Result<Vec<u8>, Failure> {
    answer(server, Exchange::framed(b"STATS", Check::Something))
}

fn ask(server: &Server, exchange: Exchange) -> Result<(), Failure> {
    print_answer(&answer(server, exchange)?)
}

fn answer(server: &Server, exchange: Exchange) -> Result<Vec<u8>, Failure> {
    let plan =
        Plan { exchanges: vec![exchange], rounds: 1, last_word: Vec::new(), keep_answers: true };
    let dialogue = server.run_one(Dialogue::new(Rc::new(plan)))?;
    Ok(dialogue.answers().concat())
}

/// Exchanges addresses with the server, and prints both ends.
pub(crate) fn exchange(server: &Server) -> Result<(), Failure> {
    let exchange = server.run_one(AddressExchange::default())?;
    // As the server sees us: a client of a unix socket is known by its process.
    match exchange.local() {
        Some(local) => print_line(&format!("('{}', {})", local.ip(), local.port()))?,
        None => print_line(&format!("('unix', {})", std::process::id()))?,
    }
    for answer in [exchange.date(), exchange.value()].into_iter().flatten() {
        print_answer(answer)?;
    }
    Ok(())
}

/// Estimates the offset of the server's clock from `samples` requests, and prints the best one.
pub(crate) fn sync(server: &Server, samples: u32) -> Result<(), Failure> {
    let sync = server.run_one(ClockSync::new(samples as usize))?;
    let Some(best) = sync.best() else { return Ok(()) };
    let estimate = best.estimate();
    let sign = if estimate.offset_ns < 0 { '-' } else { '+' };
    print_line(&format!(
        "offset {sign}{} s, within {} s either way\nround trip {} s, the shortest of {}",
        seconds(estimate.offset_ns),
        seconds(estimate.bound_ns),
        seconds(best.round_trip_ns()),
        sync.count()
    ))
}

/// The size of a span in seconds, exactly.
fn seconds(nanos: i128) -> String {
    let nanos = nanos.unsigned_abs();
    format!("{}.{:09}", nanos / 1_000_000_000, nanos % 1_000_000_000)
}
