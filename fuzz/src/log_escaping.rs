//! What clients send and what is logged of it, or told them in an error: printable ASCII of bounded
//! length, and different for what is different.
//!
//! Input: two lengths; then the bytes of two messages.

use crate::printable::assert_plain;
use readyd::conn::{Handler, Work};
use readyd::handlers::daytime::{DateCache, Format};
use readyd::handlers::{BoundService, Context, Options, Service};
use readyd::io::clock::{Moment, WallTime};
use readyd::io::host::{Host, WallClock};
use readyd::protocol::framing::{ReplyFraming, Request};
use readyd::protocol::reply::ReplyWriter;
use readyd::server::client_log::{ClientLog, Escaped};
use readyd::server::stats::Stats;
use readyd::server::stats::publishing::Publisher;
use readyd::table::Table;
use std::cell::RefCell;
use std::net::{Ipv4Addr, SocketAddr};

/// Bytes of a message that are shown.
const SHOWN: usize = 200;

/// Longest text of a message: each byte shown as four, quotes, and how many there were.
const MOST_TEXT: usize = 4 * SHOWN + 2 + "... (18446744073709551615 bytes)".len();

/// Longest line in bytes: a pipe takes these at once or not at all.
const MOST_LINE: usize = 1024;

/// See the [module](self).
pub fn check(data: &[u8]) {
    let Some(([low, high], bytes)) = data.split_first_chunk() else { return };
    let at = usize::from(u16::from_le_bytes([*low, *high])) % (bytes.len() + 1);
    let (one, other) = bytes.split_at(at);
    let texts = [one, other].map(|message| {
        let text = Escaped(message).to_string();
        assert_plain(&text, MOST_TEXT);
        assert_eq!(unescaped(&text), shown_of(message), "{text}");
        text
    });
    assert_eq!(texts[0] == texts[1], shown_of(one) == shown_of(other));
    for service in [
        Service::FRAMED,
        Service::LOOKUP,
        Service::EXCHANGE,
        Service::DAYTIME.with(Options { format: Format::Ctime, ack: true }),
    ] {
        check_lines(service, one);
    }
    // As the argument of a command, too.
    check_lines(Service::FRAMED, &[b"DAYTIME ", one].concat());
}

/// What has to be told of a message: its beginning, and its length.
fn shown_of(message: &[u8]) -> (Vec<u8>, usize) {
    (message.iter().copied().take(SHOWN).collect(), message.len())
}

/// The beginning and the length of the message that `text` tells of.
fn unescaped(text: &str) -> (Vec<u8>, usize) {
    let (quoted, end) = text.rsplit_once('"').expect("a closing quote");
    let mut left = quoted.strip_prefix('"').expect("an opening quote").bytes();
    let mut bytes = Vec::new();
    while let Some(byte) = left.next() {
        assert_ne!(byte, b'"', "a quote inside: {text}");
        bytes.push(match byte {
            b'\\' => match left.next().expect("something behind a backslash") {
                b'n' => b'\n',
                b'r' => b'\r',
                b't' => b'\t',
                b'x' => {
                    let digits = [left.next(), left.next()].map(|digit| digit.expect("a digit"));
                    let digits = String::from_utf8(digits.to_vec()).expect("ASCII");
                    u8::from_str_radix(&digits, 16).expect("two digits")
                }
                itself => itself,
            },
            plain => plain,
        });
    }
    let len = match end.strip_prefix("... (").and_then(|end| end.strip_suffix(" bytes)")) {
        Some(len) => len.parse().expect("a length"),
        None => bytes.len(),
    };
    (bytes, len)
}

thread_local! {
    static LINES: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// Keeps lines by thread.
struct Kept;

impl log::Log for Kept {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        LINES.with_borrow_mut(|lines| lines.push(record.args().to_string()));
    }

    fn flush(&self) {}
}

/// Has a service answer `message`, and looks at what that logs.
fn check_lines(service: Service, message: &[u8]) {
    // Fails from the second time on, and then it is ours already.
    let _ = log::set_logger(&Kept);
    log::set_max_level(log::LevelFilter::Trace);
    LINES.take();
    let (table, mut out) = (Table::embedded(), Vec::new());
    let mut log = ClientLog::new(log::LevelFilter::Trace, 2);
    let context = Context {
        now: Moment::START,
        peer: SocketAddr::from((Ipv4Addr::LOCALHOST, 50_000)).into(),
        options: service.options,
        system: &Midnight,
        dates: &mut DateCache::utc(),
        table: &table,
        stats: &mut Stats::default(),
        publisher: &mut Publisher::default(),
        log: &mut log,
    };
    let request = Request { body: message, envelope: ReplyFraming::Bare };
    let responder = &mut BoundService { spec: service.spec(), context };
    for _ in 0..4 {
        let start = out.len();
        let _ = responder.on_request(
            request,
            &mut ReplyWriter::raw(&mut out),
            &mut Work::new(Work::VISIT),
        );
        if let Some(error) = out[start..].strip_prefix(b"Error: ") {
            assert_plain(&String::from_utf8_lossy(error), MOST_LINE);
        }
    }
    let lines = LINES.take();
    assert!(lines.len() <= 2, "more lines than the rate allows: {lines:?}");
    for line in lines {
        assert_plain(&line, MOST_LINE);
    }
}

struct Midnight;

impl Host for Midnight {}

impl WallClock for Midnight {
    fn wall_time(&self) -> WallTime {
        WallTime { seconds: 1_620_345_600, nanos: 0 }
    }
}
