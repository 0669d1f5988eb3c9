//! The reader of captures, and replays of them: no panic, whatever the bytes are; and what is wrong
//! with a capture is told in a sentence.
//!
//! Input: a capture, or the records of a turn, which are given a header and a beginning.

use readyd::capture::reader::Reader;
use readyd::capture::replay::{self, CaptureEnd};
use readyd::capture::start::{Listener, Start};
use readyd::capture::wire::block_header;
use readyd::capture::{Tape, describe};
use readyd::handlers::{SERVICES, Service};
use std::io::{Cursor, Read};

/// Bytes of the longest sentence.
const MOST_TEXT: usize = 1000;

/// See the [module](self).
pub fn check(data: &[u8]) {
    check_capture(data);
    let listener = |service: Service| Listener {
        serves: service.into(),
        is_own: true,
        address: String::new(),
    };
    let services = SERVICES.iter().filter_map(|spec| Service::from_name(spec.name));
    let start = Start {
        zone: b"UTC0".into(),
        listeners: services.map(listener).collect(),
        ..Start::default()
    };
    let beginning = Tape::beginning(&start).expect("a short table");
    check_capture(&[&beginning[..], &block_header(data), data].concat());
}

fn check_capture(bytes: &[u8]) {
    let open = || {
        let source: Box<dyn Read> = Box::new(Cursor::new(bytes.to_vec()));
        Reader::open(source)
    };
    let (mut reader, start) = match open() {
        Ok(opened) => opened,
        Err(error) => return check_text(&error.to_string()),
    };
    loop {
        match reader.take() {
            Ok(Some(record)) => check_text(&describe(&record)),
            Ok(None) => break,
            Err(error) => {
                check_text(&error.to_string());
                break;
            }
        }
    }
    let (reader, _) = open().expect("it was opened before");
    match replay::exactly(reader, &start, None) {
        // What is the same has a last turn, or is cut off.
        Ok(replayed) => assert!(replayed.turns > 0 || replayed.end != CaptureEnd::Stopped),
        Err(error) => check_text(&error.to_string()),
    }
    let (reader, _) = open().expect("it was opened before");
    if let Err(error) = replay::by_outcome(reader, &start, None) {
        check_text(&error.to_string());
    }
}

fn check_text(text: &str) {
    assert!(text.len() <= MOST_TEXT && !text.contains(char::is_control), "{text:?}");
}
