//! One page that shows a trace: self-contained, from `file://`, without network or framework.
//!
//! ```no_run
//! # use readyd::trace::page::{self, Clocks, Page, Program, Source};
//! # fn entries() -> Vec<readyd::trace::decode::Entry> { Vec::new() }
//! # fn main() -> std::io::Result<()> {
//! let mut source = Source::new("redis.strace", Program::Other);
//! for entry in entries() {
//!     source.push(&entry);
//! }
//! let (title, clocks) = ("Redis, seen by strace".to_owned(), Clocks::Shared);
//! let page = Page { title, sources: vec![source], clocks };
//! page::write(&mut std::fs::File::create("redis.html")?, &page)
//! # }
//! ```
//!
//! ```text
//! entries --Source::push--> Rows (the last of them) --columns--> deflate --base64--> page
//! ```
//!
//! The events are embedded as columns, which the page inflates and reads as typed arrays: no event
//! is ever an object of JavaScript. `page/*.js` are the page's program, joined in the order of
//! `SCRIPTS`; `page/words.rs` gives it the words of [`text`](super::text), and `page/hops.rs` the
//! source of the functions that the events come from, as they were when this program was built.
//!
//! Invariants:
//!
//! - Nothing of a trace becomes HTML: the page inserts text alone. Its content security policy also
//!   forbids every request, so it provably loads nothing.
//! - Without its data the page has 150 KB at most.
//! - A page has [`MOST_EVENTS`] events at most, and says how many were left out.

mod columns;
mod hops;
mod rows;
#[cfg(test)]
mod tests;
mod words;

use super::decode::Entry;
use super::event::Number;
use rows::Rows;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{self, Write};

/// Events in one page: beyond these it would take seconds until a browser shows it.
pub const MOST_EVENTS: usize = 1_000_000;

/// Names and labels that a source may have, in bytes. Further ones are left out.
const MOST_TEXT: usize = 8 * 1024 * 1024;

/// A page before it is written.
#[derive(Debug)]
pub struct Page {
    /// What it is about, as text.
    pub title: String,
    /// What it shows. Of more than one, the page shows the lanes above each other.
    pub sources: Vec<Source>,
    /// What the times of the sources are.
    pub clocks: Clocks,
}

/// Whether the times of several sources can be compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clocks {
    /// They are of one clock, such as those of the threads of a program.
    Shared,
    /// They are not: the sources are shown with their marks above each other, or their beginnings.
    Apart,
}

/// What was recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program {
    /// A readyd: the page shows the states of a connection, and the source of each hop.
    Readyd,
    /// Another program. Its events come from its system calls.
    Other,
}

/// The events of one recording.
#[derive(Debug)]
pub struct Source {
    name: String,
    program: Program,
    notes: Vec<String>,
    rows: Rows,
    names: BTreeMap<Number, String>,
    texts: Texts,
    mark: Option<(u64, String)>,
}

impl Source {
    /// A recording without events so far. `name` is how the page calls it: the name of its file.
    pub fn new(name: &str, program: Program) -> Source {
        Source {
            name: name.to_owned(),
            program,
            notes: Vec::new(),
            rows: Rows::new(MOST_EVENTS),
            names: BTreeMap::new(),
            texts: Texts::default(),
            mark: None,
        }
    }

    /// Keeps `events` at most, instead of [`MOST_EVENTS`]. A page of two sources should have half
    /// as many of each.
    #[must_use]
    pub fn with_most(mut self, events: usize) -> Source {
        self.rows = Rows::new(events.min(MOST_EVENTS));
        self
    }

    /// Adds an event. They come in the order of time. If there are too many, the oldest is dropped.
    pub fn push(&mut self, entry: &Entry) {
        self.push_with(entry, "");
    }

    /// Adds an event with what it was made from, in its own words: a line of strace(1). The page
    /// shows it beside the event.
    pub fn push_with(&mut self, entry: &Entry, made_from: &str) {
        let text = match rows::peer(&entry.event) {
            Some(peer) if made_from.is_empty() => self.texts.add(&peer),
            Some(peer) => self.texts.add(&format!("{peer}\n{made_from}")),
            None => self.texts.add(made_from),
        };
        self.rows.number_from(entry);
        self.rows.push(rows::Row::of(entry, text));
    }

    /// Events are missing here.
    pub fn gap(&mut self) {
        self.rows.gap();
    }

    /// Events that were pushed so far, with those that were dropped. Gaps count, too.
    pub fn pushed(&self) -> u64 {
        self.rows.pushed()
    }

    /// Events that were dropped, as there were too many.
    pub fn dropped(&self) -> u64 {
        self.rows.dropped()
    }

    /// Adds a sentence about the whole recording, such as what it cannot tell.
    pub fn note(&mut self, sentence: &str) {
        self.notes.push(sentence.to_owned());
    }

    /// Gives a connection a name, which stands in its lane: `fd 7, 127.0.0.1:5000`. Without one the
    /// lane has the address of [`Event::Accepted`](super::event::Event::Accepted).
    pub fn name_connection(&mut self, connection: Number, name: &str) {
        self.names.insert(connection, name.to_owned());
    }

    /// Marks an event: the page opens there, says `words`, and has a line through all lanes. The
    /// event is named by how many were pushed before it. Sources are shown with their marks
    /// above each other, so that one can be compared with the other.
    pub fn mark(&mut self, pushed_before: u64, words: &str) {
        self.mark = Some((pushed_before, words.to_owned()));
    }

    /// What the page needs to know of it, apart from the columns.
    fn describe(&self) -> Value {
        let dropped = self.rows.dropped();
        let mark = self.mark.as_ref().and_then(|(event, words)| {
            event.checked_sub(dropped).map(|row| json!({ "row": row, "words": words }))
        });
        json!({
            "name": self.name,
            "readyd": self.program == Program::Readyd,
            "notes": self.notes,
            "rows": self.rows.len(),
            "dropped": dropped,
            "start": self.rows.start(),
            "causes": self.rows.cause_base(),
            "requests": self.rows.request_base(),
            "names": self.names,
            "texts": self.texts.all,
            "mark": mark,
        })
    }
}

/// Texts, each once. 0 is none.
#[derive(Debug, Default)]
struct Texts {
    all: Vec<String>,
    numbers: BTreeMap<String, u32>,
    bytes: usize,
}

impl Texts {
    fn add(&mut self, text: &str) -> u32 {
        if text.is_empty() {
            return 0;
        }
        if let Some(&number) = self.numbers.get(text) {
            return number;
        }
        if self.bytes + text.len() > MOST_TEXT {
            return 0;
        }
        self.bytes += text.len();
        self.all.push(text.to_owned());
        let number = u32::try_from(self.all.len()).unwrap_or(0);
        self.numbers.insert(text.to_owned(), number);
        number
    }
}

/// The page's program, in the order in which its parts are joined.
const SCRIPTS: [&str; 17] = [
    include_str!("page/decode.js"),
    include_str!("page/aggregate.js"),
    include_str!("page/words.js"),
    include_str!("page/explain.js"),
    include_str!("page/causes.js"),
    include_str!("page/canvas.js"),
    include_str!("page/view.js"),
    include_str!("page/overview.js"),
    include_str!("page/lanes.js"),
    include_str!("page/connections.js"),
    include_str!("page/diagram.js"),
    include_str!("page/panel.js"),
    include_str!("page/table.js"),
    include_str!("page/filter.js"),
    include_str!("page/input.js"),
    include_str!("page/paper.js"),
    include_str!("page/main.js"),
];

/// Writes a page.
///
/// # Errors
///
/// Those of `out`.
pub fn write(out: &mut dyn Write, page: &Page) -> io::Result<()> {
    let sources: Vec<Value> = page.sources.iter().map(Source::describe).collect();
    let about = json!({
        "title": page.title,
        "version": env!("CARGO_PKG_VERSION"),
        "sources": sources,
        "oneClock": page.clocks == Clocks::Shared,
        "columns": columns::layout(),
        "words": words::tables(),
    });
    let template = include_str!("page/page.html");
    for (index, part) in template.split("{{").enumerate() {
        let (name, rest) = if index == 0 { ("", part) } else { split_name(part) };
        match name {
            "title" => out.write_all(escaped(&page.title).as_bytes())?,
            "style" => out.write_all(include_str!("page/page.css").as_bytes())?,
            "script" => SCRIPTS.iter().try_for_each(|script| out.write_all(script.as_bytes()))?,
            "about" => out.write_all(as_script(&about).as_bytes())?,
            "data" => {
                let hops = hops::sources().to_string();
                embed(out, "hops", hops.as_bytes())?;
                for (number, source) in page.sources.iter().enumerate() {
                    embed(out, &format!("data{number}"), &columns::bytes(&source.rows))?;
                }
            }
            _ => {}
        }
        out.write_all(rest.as_bytes())?;
    }
    out.flush()
}

/// Writes an element that holds bytes, deflated and in base64.
fn embed(out: &mut dyn Write, id: &str, bytes: &[u8]) -> io::Result<()> {
    write!(out, "<script type=\"text/plain\" id=\"{id}\">")?;
    columns::deflate(out, bytes)?;
    out.write_all(b"</script>\n")
}

/// The name of a place in the template, and the template after it.
fn split_name(part: &str) -> (&str, &str) {
    part.split_once("}}").unwrap_or(("", part))
}

/// Text as HTML.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// JSON as it may stand in a script element: no `<` of it can end the element.
fn as_script(value: &Value) -> String {
    value.to_string().replace('<', "\\u003c")
}
