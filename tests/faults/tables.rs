//! A table that changes under the server's feet. It is read into memory, not mapped: a page of a
//! mapped file that is cut off while it is used is SIGBUS, mmap(2), and the end of the process.

use crate::support::{Client, Launch, Scratch, Server};
use nix::sys::signal::Signal;
use std::fmt::Write as _;
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::Path;

/// Lines of the table: megabytes, so that reading it takes a while.
const LINES: usize = 200_000;

fn text(value: &str) -> String {
    (0..LINES).fold(String::new(), |mut text, n| {
        writeln!(text, "key{n} {value}{n}").expect("a string takes all");
        text
    })
}

fn start(table: &Path) -> (Server, Client) {
    let server = Launch::of(&["framed"]).path("--table", table).start();
    let client = server.connect("framed");
    (server, client)
}

#[test]
fn fault_16_a_table_cut_off_in_place_is_served_as_it_was() {
    let scratch = Scratch::new();
    let table = scratch.write("table", &text("old"));
    let (_server, mut client) = start(&table);
    OpenOptions::new().write(true).truncate(true).open(&table).expect("cut the table off");
    for n in (0..LINES).step_by(1999) {
        assert_eq!(client.ask(&format!("LOOKUP key{n}")), format!("old{n}"));
    }
}

#[test]
fn fault_16_a_table_cut_off_while_it_is_read_is_refused_or_taken_as_it_is() {
    let scratch = Scratch::new();
    let (old, new) = (text("old"), text("new"));
    let table = scratch.write("table", &old);
    let (server, mut client) = start(&table);
    for cut in 1..=10 {
        let outcomes = outcomes(&server);
        let mut file = OpenOptions::new().write(true).open(&table).expect("the table");
        file.write_all(new.as_bytes()).expect("write over the table");
        server.signal(Signal::SIGHUP);
        file.set_len((new.len() * (10 - cut) / 10) as u64).expect("cut the table off");
        crate::support::eventually("the table to be loaded or refused", || {
            (outcomes + 1 == self::outcomes(&server)).then_some(())
        });
        let answer = client.ask("LOOKUP key7");
        assert!(["old7", "new7", "Not Found"].contains(&answer.as_str()), "{answer}");
        fs::write(&table, &old).expect("the old table again");
    }
    server.signal(Signal::SIGHUP);
    crate::support::eventually("the whole table", || {
        (client.ask(&format!("LOOKUP key{}", LINES - 1)) == format!("old{}", LINES - 1))
            .then_some(())
    });
}

/// How many loads have come to an end.
fn outcomes(server: &Server) -> u64 {
    let stats = server.statistics();
    stats.get("table_reloads") + stats.get("table_failures")
}
