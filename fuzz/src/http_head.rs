//! The heads of HTTP requests: where they end, against a reference that splits lines; what they ask
//! for; and a metrics listener's answers to a stream, however it is chopped.
//!
//! Input: portions; then the parts of a stream.

use crate::input::Portions;
use crate::reference;
use arbitrary::{Arbitrary, Unstructured};
use readyd::conn::{ConnContext, Connection, Work};
use readyd::handlers::daytime::DateCache;
use readyd::handlers::{BoundService, Context, Service};
use readyd::io::address::Peer;
use readyd::io::clock::{Moment, WallTime};
use readyd::io::host::{Host, WallClock};
use readyd::protocol::framing::Framing;
use readyd::protocol::http::{self, HeadError, Method, Then};
use readyd::server::client_log::ClientLog;
use readyd::server::close::CloseReason;
use readyd::server::limits::Limits;
use readyd::server::stats::Stats;
use readyd::server::stats::publishing::Publisher;
use readyd::table::Table;
use std::net::{Ipv4Addr, SocketAddr};

/// What heads are made of.
const WORDS: [&str; 32] = [
    "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n",
    "HEAD /readyz HTTP/1.0\n\n",
    "\r\n",
    "\n",
    " ",
    "GET ",
    "HEAD ",
    "POST ",
    "BREW ",
    "/healthz",
    "/readyz?a=b",
    "http://x:1/",
    "*",
    " HTTP/1.1\r\n",
    " HTTP/1.0\r\n",
    " HTTP/2.0\r\n",
    "Host: x\r\n",
    "Host : x\r\n",
    "Connection: close\r\n",
    "Connection: keep-alive, Close\r\n",
    "Content-Length: ",
    "0\r\n",
    "00",
    "18446744073709551616\r\n",
    "Transfer-Encoding: chunked\r\n",
    "Transfer-Encoding: br\r\n",
    "User-Agent: Prometheus/2.42.0\r\n",
    "Accept: text/plain;version=0.0.4;q=0.5,*/*;q=0.1\r\n",
    ": ",
    "\t folded\r\n",
    "\0",
    "\r",
];

#[derive(Arbitrary, Debug)]
enum Part<'a> {
    Word(u8),
    Bytes(&'a [u8]),
    /// A word again and again, to reach the limit.
    Again(u8, u16),
}

impl Part<'_> {
    fn add_to(&self, stream: &mut Vec<u8>) {
        let word = |number: u8| WORDS[usize::from(number) % WORDS.len()].as_bytes();
        match *self {
            Part::Word(number) => stream.extend_from_slice(word(number)),
            Part::Bytes(bytes) => stream.extend_from_slice(bytes),
            Part::Again(number, times) => {
                let word = word(number);
                let most = 2 * http::MAX_HEAD / word.len();
                stream.extend_from_slice(&word.repeat(usize::from(times).min(most)));
            }
        }
    }
}

/// See the [module](self).
pub fn check(data: &[u8]) {
    let input = &mut Unstructured::new(data);
    let Ok(reads) = Portions::arbitrary(input) else { return };
    let mut stream = Vec::new();
    while !input.is_empty() && stream.len() < 8 * http::MAX_HEAD {
        let Ok(part) = Part::arbitrary(input) else { break };
        part.add_to(&mut stream);
    }
    let (heads, _) = reference::requests(Framing::Http, &stream);
    let mut answers = 0;
    let mut is_over = false;
    for head in heads.iter().map(|head| head.body) {
        let asked = check_head(head);
        if !is_over {
            answers += usize::from(!matches!(asked, Ok(None)));
            is_over = !matches!(asked, Ok(None | Some(Then::KeepOpen)));
        }
    }
    let whole = converse(&stream, Portions::of(&[usize::MAX]));
    for portions in [Portions::of(&[1]), reads] {
        assert_eq!(converse(&stream, portions), whole, "{}", stream.escape_ascii());
    }
    let (text, reason) = whole;
    let text = String::from_utf8(text).expect("text");
    let found = text.matches("HTTP/1.1 ").count();
    // What is no head at all is answered, too.
    let is_refused = [CloseReason::BadFrame, CloseReason::OverLimit].contains(&reason);
    let more = usize::from(!is_over && is_refused);
    assert_eq!(found, answers + more, "{text} to {}", stream.escape_ascii());
}

/// What becomes of the connection, if it is a request.
fn check_head(head: &[u8]) -> Result<Option<Then>, HeadError> {
    let asked = http::parse(head)?;
    if let Some(asked) = asked {
        assert!(asked.path.starts_with(b"/") || asked.path == b"*", "{asked:?}");
        assert!(!asked.path.contains(&b'?'), "{asked:?}");
        assert_eq!(asked.method == Method::Head, http::is_head_request(head));
        // The plain spelling of the same means the same.
        if asked.then == Then::KeepOpen {
            let method = if asked.method == Method::Head { "HEAD" } else { "GET" };
            let path = String::from_utf8(asked.path.to_vec()).expect("ASCII");
            let plain = format!("{method} {path} HTTP/1.1\r\nHost: x\r\n\r\n");
            let again = http::parse(plain.as_bytes()).expect("a head").expect("a request");
            assert_eq!((again.path, again.then), (asked.path, asked.then));
        }
    }
    Ok(asked.map(|asked| asked.then))
}

struct Midnight;

impl Host for Midnight {}

impl WallClock for Midnight {
    fn wall_time(&self) -> WallTime {
        WallTime { seconds: 1_620_345_600, nanos: 0 }
    }
}

/// All that a metrics listener sends for a stream in these portions, and why the connection ends.
fn converse(stream: &[u8], portions: Portions) -> (Vec<u8>, CloseReason) {
    let limits = Limits { output_limit: Limits::MAX_FRAME_BOUND, ..Limits::default() };
    let service = Service::METRICS;
    let (mut stats, mut publisher) = (Stats::default(), Publisher::default());
    let (mut dates, table) = (DateCache::utc(), Table::embedded());
    let mut log = ClientLog::new(log::LevelFilter::Off, 0);
    let mut conn = Connection::new(Moment::START);
    let mut out = Vec::new();
    let mut call =
        |act: &mut dyn FnMut(&mut Connection, &mut ConnContext<'_, BoundService<'_>>)| {
            let context = Context {
                now: Moment::START,
                peer: Peer::from(SocketAddr::from((Ipv4Addr::LOCALHOST, 50_000))),
                options: service.options,
                system: &Midnight,
                dates: &mut dates,
                table: &table,
                stats: &mut stats,
                publisher: &mut publisher,
                log: &mut log,
            };
            act(
                &mut conn,
                &mut ConnContext {
                    now: Moment::START,
                    limits: &limits,
                    framing: service.framing(&limits),
                    handler: &mut BoundService { spec: service.spec(), context },
                    out_start: out.len(),
                    out: &mut out,
                    work: &mut Work::new(u32::MAX),
                },
            );
        };
    let mut rest = stream;
    let mut portions = portions;
    while !rest.is_empty() {
        let (read, behind) = rest.split_at(portions.next().clamp(1, rest.len()));
        rest = behind;
        let mut read = read.to_vec();
        call(&mut |conn, turn| {
            if conn.wants_read() {
                conn.receive(&mut read, turn);
            }
        });
    }
    call(&mut |conn, turn| {
        if conn.wants_read() {
            conn.receive_eof(turn);
        }
    });
    (out, conn.reason_or(CloseReason::PeerClosed))
}
