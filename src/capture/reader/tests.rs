use super::*;
use crate::capture::start::{Listener, OfShard};
use crate::capture::tape::{Sink, Tape};
use crate::handlers::Options;
use crate::handlers::Service;
use crate::handlers::daytime::Format;
use crate::io::clock::Moment;
use crate::io::event_loop::LoopControl;
use crate::io::net::Identity;
use crate::io::net::Told;
use crate::protocol::proxy_header::Versions;
use crate::server::access::AccessRules;
use crate::server::limits::Limits;
use crate::server::proxied::{Proxies, Serves};
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

/// Takes this many turns, each as a block.
#[derive(Clone)]
struct Blocks {
    bytes: Rc<RefCell<Vec<u8>>>,
    most: usize,
}

impl Sink for Blocks {
    fn turn(&mut self, records: &[u8]) -> bool {
        if self.most == 0 {
            return false;
        }
        self.most -= 1;
        let bytes = &mut *self.bytes.borrow_mut();
        bytes.extend(wire::block_header(records));
        bytes.extend(records);
        true
    }
}

fn start() -> Start<'static> {
    let ranges = |text: &str| vec![text.parse().expect("a range")];
    let times = |seconds: u64| Duration::from_nanos(seconds * 1_000_000_007);
    let daytime = Service::DAYTIME.with(Options { format: Format::Rfc2822, ack: true });
    let listener = |serves, is_own| Listener { serves, is_own, address: "[::1]:9 x".to_owned() };
    let behind = |versions, from| Serves {
        service: Service::ECHO,
        proxies: Some(Box::new(Proxies { versions, from })),
        tls: Some(Identity(200)),
    };
    let from = [ranges("10.0.0.0/8"), ranges("2001:db8::/32")].concat();
    Start {
        version: "1.2.3 (a fork)".into(),
        pid: 4711,
        shard: Some(OfShard { number: 2, supervisor: 4710, age: times(9) }),
        now: Moment::from_nanos(12_345),
        limits: Limits {
            max_connections: 7,
            max_connections_per_address: Some(3),
            accept_rate_per_address: Some(5),
            access: AccessRules { allow: ranges("10.0.0.0/8"), deny: ranges("::/1") },
            memory_limit: 1 << 40,
            max_frame: 1000,
            output_limit: 0,
            frame_timeout: times(1),
            idle_timeout: times(2),
            write_timeout: times(3),
            linger_timeout: times(4),
            line_pause: times(5),
            stats_from: ranges("192.0.2.0/24"),
            drain_timeout: Duration::ZERO,
            drain_delay: times(7),
            measures_turns: true,
            log_rate: 0,
            log_level: log::LevelFilter::Trace,
            tls_handshake_rate: Some(9),
            tls_certificate_expires: 10,
            landlock_abi: 7,
            exit_on_idle: Some(times(6)),
        },
        table: b"key value\n".into(),
        is_value_first: true,
        zone: b"CET-1CEST,M3.5.0,M10.5.0/3".into(),
        listeners: vec![
            listener(Service::FRAMED.into(), true),
            listener(behind(Versions::Any, from), false),
            listener(daytime.into(), false),
            listener(behind(Versions::V2, Vec::new()), true),
        ],
    }
}

/// A capture of some turns, each told to use the table again; the sink takes `most` of them.
fn capture(turns: usize, most: usize) -> Vec<u8> {
    let start = start();
    let bytes = Rc::new(RefCell::new(Tape::beginning(&start).expect("a short table")));
    let sink = Blocks { bytes: Rc::clone(&bytes), most };
    let mut tape = Tape::new(&start, Box::new(sink));
    for turn in 0..turns as u64 {
        let now = Moment::from_nanos(turn * 1000);
        tape.told(Told::Table { text: b"key value\n", is_value_first: true });
        tape.told(Told::Turn(now));
        tape.told(Told::TurnEnded { began: now, ended: now, next: LoopControl::Wait });
    }
    drop(tape);
    bytes.take()
}

/// The turns of a capture, and whether it is cut off.
fn turns(bytes: &[u8]) -> Result<(u64, bool), ReadError> {
    let (mut reader, _) = Reader::open(bytes)?;
    while reader.take()?.is_some() {}
    Ok((reader.turn() - 1, reader.is_cut_off()))
}

#[test]
fn a_beginning_comes_back_as_it_was_written() {
    let bytes = capture(0, 0);
    let (reader, again) = Reader::open(&bytes[..]).expect("a capture");
    assert_eq!(again, start());
    assert_eq!(reader.build(), wire::BUILD);
    let plain = Start::default();
    let bytes = Tape::beginning(&plain).expect("a short table");
    assert_eq!(Reader::open(&bytes[..]).expect("a capture").1, plain);
}

#[test]
fn a_table_is_written_once() {
    let bytes = capture(3, 3);
    let (mut reader, _) = Reader::open(&bytes[..]).expect("a capture");
    let mut tables = 0;
    while let Some(record) = reader.take().expect("no damage") {
        tables += u32::from(record == Record::TableAgain(0));
    }
    assert_eq!(tables, 3);
}

#[test]
fn a_capture_that_is_cut_off_has_the_turns_before() {
    let whole = capture(3, 3);
    assert_eq!(turns(&whole).expect("a capture"), (3, false));
    let lengths: Vec<usize> = (0..=3).map(|count| capture(3, count).len()).collect();
    for end in 0..whole.len() {
        match turns(&whole[..end]) {
            Ok((count, is_cut_off)) => {
                let before = lengths.iter().filter(|&&length| length <= end).count() as u64 - 1;
                assert_eq!((count, is_cut_off), (before, !lengths.contains(&end)), "{end}");
            }
            Err(ReadError::NoCapture) => assert!(end < 8),
            Err(ReadError::Empty) => assert!((8..lengths[0]).contains(&end), "{end}"),
            Err(error) => panic!("{end}: {error}"),
        }
    }
}

#[test]
fn a_sink_that_takes_no_more_ends_the_capture_between_two_turns() {
    assert_eq!(turns(&capture(9, 4)).expect("a capture"), (4, false));
}

#[test]
fn damage_is_told_in_a_sentence() {
    let whole = capture(1, 1);
    let with = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = whole.clone();
        change(&mut bytes);
        turns(&bytes).expect_err("it is damaged").to_string()
    };
    assert!(with(&|bytes| bytes[0] = b'R').contains("no capture of readyd"));
    assert!(with(&|bytes| bytes[8] = 2).contains("version 2 of the format"));
    assert!(with(&|bytes| bytes.truncate(30)).contains("cut off before its server began"));
    assert!(with(&|bytes| bytes[40] ^= 1).contains("cut off before its server began"));
    // A block that is whole, and whose records are none.
    let strange = |bytes: &mut Vec<u8>| {
        bytes.extend(wire::block_header(&[200]));
        bytes.push(200);
    };
    assert!(with(&strange).ends_with("there is no record of kind 200, in turn 2"));
    let of_the_future = |name: &str, value: &str| {
        let mut writer = wire::Writer::default();
        writer.bytes(name.as_bytes());
        writer.bytes(value.as_bytes());
        let header = wire::block_header(&writer.bytes);
        let bytes = [&wire::header()[..], &header, &writer.bytes].concat();
        Reader::open(&bytes[..]).expect_err("it is no beginning").to_string()
    };
    assert!(of_the_future("warp", "9").contains("\"warp\" of its server, which this version"));
    assert!(of_the_future("max-frame", "big").contains("\"max-frame\" is not valid"));
    assert!(of_the_future("max-frame", "0").contains("\"max-frame\" is not valid"));
    assert!(of_the_future("listener", "warp ctime 0 1 x").contains("\"listener\" is not valid"));
}

#[test]
fn a_length_that_is_a_lie_allocates_nothing() {
    let mut bytes = wire::header().to_vec();
    bytes.extend([0xff; 8]);
    bytes.extend([1; 100]);
    let error = Reader::open(&bytes[..]).expect_err("no block is whole");
    assert!(matches!(error, ReadError::Empty), "{error}");
}

/// The sums that docs/capture-format.md describes.
#[test]
fn the_sum_is_the_one_of_the_document() {
    let sums = [b"".as_slice(), b"a", b"12345678", b"123456789"].map(wire::sum);
    assert_eq!(sums, [0xf071_7135, 0x5f5a_3149, 0x832e_b303, 0x796e_e10d]);
}
