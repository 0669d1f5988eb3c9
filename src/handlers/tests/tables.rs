//! The tables of services and commands, and what is written about them.

use super::{BoundService, Context, SERVICES};
use crate::conn::{ConnContext, Connection, Outcome, Work};
use crate::handlers::daytime::{DateCache, Format};
use crate::handlers::framed::{Arguments, COMMANDS};
use crate::handlers::{FramingKind, Options, SILENT, Service, ServiceSpec};
use crate::io::address::Peer;
use crate::io::clock::{Moment, WallTime};
use crate::io::host::{Host, WallClock};
use crate::server::client_log::ClientLog;
use crate::server::close::CloseReason;
use crate::server::limits::Limits;
use crate::server::stats::Stats;
use crate::server::stats::publishing::Publisher;
use crate::table::Table;
use std::net::{Ipv4Addr, SocketAddr};

const README: &str = include_str!("../../../README.md");
const PROTOCOL: &str = include_str!("../../../PROTOCOL.md");

/// The first cells of the table whose first row is `head`, without back quotes.
fn first_cells(text: &str, head: &str) -> Vec<String> {
    let table = text.split(head).nth(1).unwrap_or_else(|| panic!("no table {head:?}"));
    let rows = table.lines().skip(2).take_while(|line| line.starts_with('|'));
    rows.map(|row| row.split('|').nth(1).unwrap_or_default().replace('`', "").trim().to_owned())
        .collect()
}

/// A row is right if it begins with the command's word, and names the argument.
fn describes(cell: &str, word: &str, argument: &str) -> bool {
    cell.split(|c: char| !c.is_alphanumeric()).next() == Some(word) && cell.contains(argument)
}

#[test]
fn the_tables_of_readme_and_protocol_have_every_command() {
    for (text, head) in [(README, "| body | reply |"), (PROTOCOL, "| request body | reply body |")]
    {
        let cells = first_cells(text, head);
        for command in &COMMANDS {
            let argument = match command.arguments {
                Arguments::None => "",
                Arguments::Text => "text",
                Arguments::Optional(name) | Arguments::Required(name) => name,
                Arguments::Exactly(argument) => argument,
            };
            let word = command.word;
            assert!(cells.iter().any(|cell| describes(cell, word, argument)), "{word} {cells:?}");
        }
        for cell in &cells {
            let is_command = COMMANDS.iter().any(|command| describes(cell, command.word, ""));
            assert!(is_command || cell == "anything else", "no command: {cell}");
        }
    }
}

#[test]
fn the_table_of_protocol_and_the_text_of_readme_have_every_service() {
    let cells = first_cells(PROTOCOL, "| service | bytes |");
    for spec in &SERVICES {
        let is_described = cells.iter().any(|cell| cell == spec.name);
        assert!(is_described || spec.name == "framed", "{} is not in PROTOCOL.md", spec.name);
        assert!(README.contains(&format!("**{}**", spec.name)), "{}: README.md", spec.name);
    }
    let names = cells.iter().map(|cell| cell.split(',').next().unwrap_or_default());
    names.for_each(|name| assert!(Service::from_name(name).is_some(), "no service: {name}"));
}

#[test]
fn words_and_names_are_told_apart() {
    for (number, command) in COMMANDS.iter().enumerate() {
        let is_taken = |other: &&str| other.eq_ignore_ascii_case(command.word);
        let others: Vec<&str> = COMMANDS.iter().skip(number + 1).map(|other| other.word).collect();
        assert!(!others.iter().any(is_taken), "{}", command.word);
        assert!(command.word.bytes().all(|byte| byte.is_ascii_alphabetic()), "{}", command.word);
    }
    for (number, name) in Service::NAMES.iter().enumerate() {
        assert!(!Service::NAMES[number + 1..].contains(name), "{name}");
    }
}

struct Noon;

impl Host for Noon {}

impl WallClock for Noon {
    fn wall_time(&self) -> WallTime {
        WallTime { seconds: 1_620_388_800, nanos: 0 }
    }
}

/// What the server sends for `input`, on a connection of the service `spec`, and why it closes.
fn converse(spec: &'static ServiceSpec, input: &[u8]) -> (String, Option<CloseReason>) {
    let (limits, mut out) = (Limits::default(), Vec::new());
    let context = Context {
        now: Moment::START,
        peer: Peer::from(SocketAddr::from((Ipv4Addr::LOCALHOST, 50_000))),
        options: Options { format: Format::Ctime, ack: false },
        system: &Noon,
        dates: &mut DateCache::utc(),
        table: &Table::embedded(),
        stats: &mut Stats::default(),
        publisher: &mut Publisher::default(),
        log: &mut ClientLog::new(log::LevelFilter::Off, 0),
    };
    let mut turn = ConnContext {
        now: Moment::START,
        limits: &limits,
        framing: spec.framing.limited_to(limits.max_frame),
        handler: &mut BoundService { spec, context },
        out: &mut out,
        out_start: 0,
        work: &mut Work::new(Work::VISIT),
    };
    let mut conn = Connection::new(Moment::START);
    conn.open(&mut turn);
    conn.receive(&mut input.to_vec(), &mut turn);
    let reason = (!conn.wants_to_produce()).then(|| conn.reason_or(CloseReason::Stopped));
    (String::from_utf8(out).expect("text"), reason.filter(|&reason| reason != CloseReason::Stopped))
}

/// A whole new protocol: a name is greeted, and the second one ends the connection.
static HELLO: ServiceSpec = ServiceSpec {
    name: "hello",
    framing: FramingKind::Lines,
    help: "greets whom it is told to",
    on_open: |_, reply| {
        reply.push(b"Who is there?\r\n");
        Outcome::Continue
    },
    on_request: |name, _, reply, _| {
        reply.push(b"Hello, ");
        reply.push(name);
        match name {
            b"nobody" => Outcome::Finish(CloseReason::Served),
            _ => Outcome::Continue,
        }
    },
    ..SILENT
};

#[test]
fn a_protocol_is_one_row() {
    let (text, reason) = converse(&HELLO, b"Anna\r\nnobody\nBen\n");
    assert_eq!(text, "Who is there?\r\nHello, Anna\r\nHello, nobody\n");
    assert_eq!(reason, Some(CloseReason::Served));
}
