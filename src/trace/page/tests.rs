//! The embedded data is what was pushed, the page is bounded, and what it names is there.

use super::rows::{Row, Rows};
use super::*;
use crate::conn::{Inbound, Outbound};
use crate::io::clock::Moment;
use crate::trace::event::{Event, RefusalCause, TracedPeer};
use crate::trace::tests::{entries, events};
use crate::trace::wire::Kind;
use proptest::collection::vec;
use proptest::prelude::*;
use std::fs;
use std::path::Path;

/// Bytes of a page without its data.
const MOST_BYTES: usize = 150_000;

fn written(page: &Page) -> String {
    let mut out = Vec::new();
    write(&mut out, page).expect("a vector takes all");
    String::from_utf8(out).expect("UTF-8")
}

fn page_of(source: Source) -> String {
    let clocks = Clocks::Shared;
    written(&Page { title: "A title".to_owned(), sources: vec![source], clocks })
}

/// The content of the element with an id.
fn element<'a>(page: &'a str, id: &str) -> &'a str {
    let (_, rest) = page.split_once(&format!("id=\"{id}\">")).expect("the element");
    rest.split_once("</script>").expect("its end").0
}

fn about(page: &str) -> Value {
    serde_json::from_str(element(page, "about")).expect("JSON")
}

fn from_base64(text: &str) -> Vec<u8> {
    let digit = |character: u8| match character {
        b'A'..=b'Z' => character - b'A',
        b'a'..=b'z' => character - b'a' + 26,
        b'0'..=b'9' => character - b'0' + 52,
        b'+' => 62,
        _ => 63,
    };
    let mut bytes = Vec::new();
    for part in text.as_bytes().chunks(4) {
        let used = part.iter().filter(|character| **character != b'=').count();
        let bits = part
            .iter()
            .fold(0, |bits, &it| bits << 6 | u32::from(if it == b'=' { 0 } else { digit(it) }));
        bytes.extend_from_slice(&bits.to_be_bytes()[1..used]);
    }
    bytes
}

/// The rows of a page, read as the page reads them.
fn rows_of(page: &str) -> Vec<Row> {
    let about = about(page);
    let source = &about["sources"][0];
    let count = source["rows"].as_u64().expect("a number") as usize;
    let deflated = from_base64(element(page, "data0"));
    let bytes = miniz_oxide::inflate::decompress_to_vec(&deflated).expect("deflated data");
    let mut rows = vec![Row::default(); count];
    let (mut at, mut time) = (0, source["start"].as_u64().expect("a number"));
    let mut passed = vec![0_u64; count];
    for column in about["columns"].as_array().expect("columns") {
        let (name, size) = (column[0].as_str().expect("a name"), column[1].as_u64());
        for (row, passed) in rows.iter_mut().zip(&mut passed) {
            let value = match size {
                Some(4) => u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four")),
                _ => u32::from(bytes[at]),
            };
            at += size.expect("a size") as usize;
            match name {
                "dt" => *passed += u64::from(value),
                "dh" => *passed += u64::from(value) << 32,
                "connection" => row.connection = value,
                "a" => row.fields[0] = value,
                "b" => row.fields[1] = value,
                "c" => row.fields[2] = value,
                "request" => row.fields[3] = value,
                "cause" => row.fields[4] = value,
                "text" => row.text = value,
                "kind" => row.kind = value as u8,
                "x" => row.codes[0] = value as u8,
                "y" => row.codes[1] = value as u8,
                "z" => row.codes[2] = value as u8,
                other => panic!("a column {other}"),
            }
        }
    }
    assert_eq!(at, bytes.len());
    for (row, passed) in rows.iter_mut().zip(passed) {
        time += passed;
        row.time = time;
    }
    rows
}

proptest! {
    // A page is some work to write.
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn what_was_pushed_comes_back_from_the_page(
        events in vec((0..=10_000_000_000_u64, events()), 0..60),
        most in 1_usize..80,
    ) {
        let mut source = Source::new("a name", Program::Readyd).with_most(most);
        let entries = entries(events);
        let mut expected = Rows::new(most);
        let mut texts = Texts::default();
        for entry in &entries {
            source.push(entry);
            let text = rows::peer(&entry.event).map_or(0, |peer| texts.add(&peer));
            expected.push(Row::of(entry, text));
        }
        prop_assert_eq!(source.pushed(), entries.len() as u64);
        prop_assert_eq!(source.dropped(), entries.len().saturating_sub(most) as u64);
        let rows = rows_of(&page_of(source));
        prop_assert_eq!(rows, expected.iter().copied().collect::<Vec<_>>());
    }
}

fn entry(event: Event) -> Entry {
    Entry { time: Moment::from_nanos(5_000_000_000), cause: 7, event }
}

#[test]
fn nothing_of_a_trace_becomes_html() {
    let hostile = "</script><script>alert(1)</script>\"&<b>";
    let mut source = Source::new(hostile, Program::Other);
    source.note(hostile);
    source.name_connection(1, hostile);
    source.mark(0, hostile);
    source.push_with(&entry(Event::FinSent { connection: 1 }), hostile);
    let clocks = Clocks::Apart;
    let page = written(&Page { title: hostile.to_owned(), sources: vec![source], clocks });
    assert!(!page.contains("alert(1)</script>"), "{page}");
    assert!(!page.contains("<b>"));
    assert_eq!(about(&page)["sources"][0]["texts"][0], hostile);
    let plain = page_of(Source::new("a name", Program::Other));
    assert_eq!(page.matches("<script").count(), plain.matches("<script").count());
}

#[test]
fn a_page_loads_nothing_and_is_small() {
    let page = page_of(Source::new("a name", Program::Readyd));
    assert!(page.len() <= MOST_BYTES, "{} bytes", page.len());
    assert!(page.contains("content=\"default-src 'none'; script-src 'unsafe-inline'; style-src"));
    for word in ["http:", "https:", "src=", "href=", "@import", "url(\"", "fetch("] {
        assert!(!page.contains(word), "{word}");
    }
    assert!(!page.contains("{{"), "a place of the template is not filled");
}

#[test]
fn what_a_client_is_called_stands_beside_what_an_event_was_made_from() {
    let mut source = Source::new("a name", Program::Other);
    let peer = TracedPeer::Unix;
    source.push_with(&entry(Event::Refused { why: RefusalCause::Denied, peer }), "accept4(3) = 5");
    let about = about(&page_of(source));
    assert_eq!(about["sources"][0]["texts"][0], "a unix socket\naccept4(3) = 5");
}

#[test]
fn a_mark_moves_with_the_events_that_are_left() {
    let marked = |at| {
        let mut source = Source::new("a name", Program::Readyd).with_most(2);
        (0..5).for_each(|_| source.push(&entry(Event::Recording)));
        source.mark(at, "here");
        about(&page_of(source))["sources"][0]["mark"].clone()
    };
    assert_eq!(marked(4)["row"], 1);
    assert_eq!(marked(2), Value::Null);
}

#[test]
fn every_hop_names_a_function_that_exists() {
    for (kind, hops) in hops::HOPS {
        for ((file, content), name) in hops {
            let found = hops::function(content, name);
            let (line, code) =
                found.unwrap_or_else(|| panic!("{kind:?}: src/{file} has no function {name}"));
            assert!(line > 1 && code.contains(&format!("fn {name}")) && code.ends_with('}'));
        }
    }
    // What happens outside of the library's functions has none.
    let without = [Kind::Woken, Kind::ZoneReplaced, Kind::Recording, Kind::Payload];
    for kind in Kind::ALL {
        let is_there = hops::HOPS.iter().any(|(known, _)| *known == kind);
        assert_eq!(is_there, !without.contains(&kind), "{kind:?}");
    }
}

#[test]
fn documented_states_are_those_of_the_picture() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("ARCHITECTURE.md");
    let text = fs::read_to_string(path).expect("ARCHITECTURE.md");
    let (_, part) = text.split_once("<!-- states of a connection: begin -->").expect("the begin");
    let (part, _) = part.split_once("<!-- states of a connection: end -->").expect("the end");
    let mut documented: Vec<String> = part
        .lines()
        .filter_map(|line| line.split_once(" --> "))
        .filter(|(from, _)| !from.contains("[*]"))
        .filter_map(|(from, rest)| Some((from.trim(), rest.split_once(": ")?)))
        .map(|(from, (to, event))| format!("[\"{from}\", \"{event}\", \"{to}\","))
        .collect();
    let mut drawn: Vec<String> = include_str!("diagram.js")
        .lines()
        .map(str::trim)
        .filter(|line| line.starts_with("[\"") && line.matches('"').count() == 6)
        .filter_map(|line| line.rsplit_once("\", ").map(|(names, _)| format!("{names}\",")))
        .collect();
    documented.sort();
    drawn.sort();
    assert_eq!(drawn, documented);
}

#[test]
fn the_numbers_of_kinds_and_states_are_those_of_the_page() {
    let code = include_str!("decode.js");
    for kind in Kind::ALL {
        // TurnBegan is TURN_BEGAN.
        let name: String = format!("{kind:?}")
            .char_indices()
            .map(|(at, letter)| match letter.is_uppercase() && at > 0 {
                true => format!("_{letter}"),
                false => letter.to_uppercase().to_string(),
            })
            .collect();
        assert!(code.contains(&format!("{name} = {}", kind as u8)), "{name}");
    }
    let words = words::tables();
    assert_eq!(words["input"][1], crate::trace::text::input(Inbound::Stalled));
    assert_eq!(words["output"][1], crate::trace::text::output(Outbound::Producing));
    assert_eq!(words["bits"].as_array().map(Vec::len), Some(8));
}

#[test]
fn the_threads_of_a_program_share_their_clock_and_two_traces_do_not() {
    for (clocks, told) in [(Clocks::Shared, true), (Clocks::Apart, false)] {
        let sources = ["A", "B"].map(|name| Source::new(name, Program::Other));
        let page = Page { title: "A title".to_owned(), sources: sources.into(), clocks };
        assert!(written(&page).contains(&format!("\"oneClock\":{told}")));
    }
}
