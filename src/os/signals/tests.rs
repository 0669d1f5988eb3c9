use super::*;
use std::collections::BTreeSet;

/// The table for people.
const DOCUMENT: &str = include_str!("../../../docs/signals.md");

fn in_words(action: Action) -> String {
    let wakeup = |wakeup| match wakeup {
        Wakeup::Terminate => "drains; a second one stops at once",
        Wakeup::StopAtOnce => "stops at once",
        Wakeup::CpuTimeLimit => "drains",
        Wakeup::Reload => "reads the configuration, the table and the time zone again",
        Wakeup::Report => "logs the statistics",
        Wakeup::Upgrade => "starts the program at its path, which takes the place of the process",
        Wakeup::ChildEnded | Wakeup::ToggleTrace | Wakeup::Message => {
            panic!("{wakeup:?} is of no signal of the table")
        }
    };
    match action {
        Action::Ignored => "ignored".to_owned(),
        Action::Default => "default".to_owned(),
        Action::Inherited => "default, or as inherited".to_owned(),
        Action::Fixed => "cannot be changed".to_owned(),
        Action::Watched(told) => wakeup(told).to_owned(),
        Action::WatchedUnlessIgnored(told) => format!("{}; or as inherited", wakeup(told)),
    }
}

/// The rows of the document's table, without its head.
fn documented() -> Vec<&'static str> {
    DOCUMENT.lines().filter(|line| line.starts_with("| SIG")).collect()
}

#[test]
fn field_server_01_the_document_has_the_table_that_the_program_has() {
    let mut rows: Vec<String> = TABLE
        .iter()
        .map(|Row { signal, server, client, why }| {
            format!("| {signal} | {} | {} | {why} |", in_words(*server), in_words(*client))
        })
        .collect();
    rows.push(
        "| SIGRTMIN + 6, number 40 | begins or ends the recording of a trace (`--trace`); ignored \
         without the feature `trace` | ignored | an operator |"
            .to_owned(),
    );
    rows.push(format!(
        "| SIGRTMIN to SIGRTMAX, the others | {0} | {0} | nobody has an agreement with these \
         programs about them; a parent process can have set up a descriptor to cause one, \
         F_SETSIG in fcntl(2) |",
        in_words(REAL_TIME)
    ));
    assert_eq!(documented(), rows);
}

#[test]
fn field_server_01_every_signal_has_its_place_in_the_table() {
    let all: BTreeSet<Signal> = Signal::iterator().collect();
    let told: BTreeSet<Signal> = TABLE.iter().map(|row| row.signal).collect();
    assert_eq!((told, TABLE.len()), (all.clone(), all.len()));
}

#[test]
fn field_server_01_what_is_watched_has_a_notice_and_nothing_else_has() {
    for signal in Signal::iterator() {
        let is_told = wakeup(signal).is_some();
        let is_watched =
            watched().expect("known signals").contains(signal) || signal == Signal::SIGCHLD;
        assert_eq!(is_told, is_watched, "{signal}");
    }
}
