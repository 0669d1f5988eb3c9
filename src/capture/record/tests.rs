use super::*;
use crate::io::address::Credentials;
use crate::io::clock::Moment;
use crate::io::event_loop::{LoopControl, Wakeup};
use crate::io::readiness::Readiness;
use crate::trace::wire::Cursor;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddrV4, SocketAddrV6};
use std::time::Duration;

const TOKEN: Token = Token(7 << 32 | 3);

/// What a server is told: one of each kind.
fn told() -> Vec<Told<'static>> {
    let now = Moment::from_nanos(5_000_000_000);
    let later = Moment::from_nanos(5_000_100_000);
    let readiness = Readiness { read: true, write: false, read_until_would_block: true };
    let told = [
        Told::Ready(TOKEN, readiness),
        Told::Turn(now),
        Told::TurnEnded { began: now, ended: later, next: LoopControl::Poll },
        Told::TurnEnded { began: now, ended: later, next: LoopControl::Wait },
        Told::TurnEnded { began: later, ended: now, next: LoopControl::WaitUntil(later) },
        Told::TurnEnded { began: now, ended: later, next: LoopControl::WaitUntil(Moment::START) },
        Told::TurnEnded { began: now, ended: later, next: LoopControl::Stop },
        Told::Drain(Moment::NEVER),
        Told::DrainAndWait(now),
        Told::LeaveBacklog,
        Told::ServeBacklog(now),
        Told::HandOver(now),
        Told::HoldIfIdle(now),
        Told::AdmitAgain(now),
        Told::Table { text: b"key value\n", is_value_first: true },
        Told::TableKept,
        Told::Zone(b"UTC0"),
        Told::Statistics(now),
        Told::Visit(TOKEN),
        Told::Closed { token: TOKEN, reason: 13, is_reset: true },
    ];
    let wakeups = [
        Wakeup::Terminate,
        Wakeup::StopAtOnce,
        Wakeup::ChildEnded,
        Wakeup::CpuTimeLimit,
        Wakeup::Reload,
        Wakeup::Report,
        Wakeup::ToggleTrace,
        Wakeup::Upgrade,
        Wakeup::Message,
    ];
    told.into_iter().chain(wakeups.map(Told::Woken)).collect()
}

/// One of each kind, and of each kind of outcome.
fn all() -> Vec<Record<'static>> {
    let errno = CallError::Errno(104);
    let v6 = SocketAddrV6::new(Ipv6Addr::LOCALHOST, 9, 8, 7);
    let now = Moment::from_nanos(5_000_000_000);
    let calls = [
        ListenerCall::Register(TOKEN),
        ListenerCall::Deregister,
        ListenerCall::HoldOff,
        ListenerCall::Admit,
        ListenerCall::Refuse,
    ];
    let accepted = [
        Accepted::Connection(Peer::Inet(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 65_535).into())),
        Accepted::Connection(Peer::Inet(v6.into())),
        Accepted::Connection(Peer::Unix(Credentials { pid: 1, uid: u32::MAX })),
        Accepted::NoneWaiting,
        Accepted::Interrupted,
        Accepted::Lost,
        Accepted::Failed(errno),
    ];
    let outputs = [
        Output::Delivered,
        Output::Unknown,
        Output::Held { last_taken: now, kept_back: Duration::from_millis(3) },
    ];
    let told = told().into_iter().map(Record::Told);
    let calls = calls.map(|call| Record::Listener { listener: 2, call, outcome: Ok(()) });
    let accepted = accepted.map(|outcome| Record::Accept { listener: 1, outcome });
    let outputs = outputs.map(|output| Record::Output { stream: 4, output });
    let errors = KINDS.map(|kind| Record::SendFin { stream: 5, outcome: Err(kind.into()) });
    let calls = calls.into_iter().chain(accepted).chain(outputs).chain(errors);
    told.chain(calls).chain(others()).collect()
}

/// Those without kinds of their own.
fn others() -> Vec<Record<'static>> {
    let errno = CallError::Errno(104);
    let shards = Shards { count: 4, answering: 3, with_newest_table: 2 };
    let usage =
        Usage { process_id: 9, cpu: Duration::from_nanos(u64::MAX), resident_bytes: 1 << 40 };
    let taken = Taken { count: 100, sum: 0xdead_beef };
    vec![
        Record::TableAgain(0),
        Record::Register { stream: 1, token: TOKEN, interest: Interest::Read, outcome: Ok(()) },
        Record::Register {
            stream: u32::MAX,
            token: Token(u64::MAX),
            interest: Interest::ReadWrite,
            outcome: Err(errno),
        },
        Record::AddWriteInterest { stream: 1, token: TOKEN, outcome: Ok(()) },
        Record::Recv { stream: 1, room: 65_536, outcome: Ok(b"hello") },
        Record::Recv { stream: 1, room: 65_536, outcome: Ok(b"") },
        Record::Recv { stream: 1, room: 65_536, outcome: Err(CallError::Errno(-1)) },
        Record::Send { stream: 1, asked: u64::MAX, outcome: Ok(taken) },
        Record::Send { stream: 1, asked: 100, outcome: Err(errno) },
        Record::Abort { stream: 3 },
        Record::Handshakes { listeners: 2, answer: Handshakes::Unknown },
        Record::TimeInTurn(Some(Moment::from_nanos(1 << 40))),
        Record::TimeInTurn(None),
        Record::WallTime(WallTime { seconds: 1 << 33, nanos: 999_999_999 }),
        Record::Usage(usage),
        Record::GiveMemoryBack,
        Record::PlacesMemory(1 << 20),
        Record::Published,
        Record::Total(&[1, 2, 3]),
        Record::Each(&[1, 7, 0]),
        Record::Shards(shards),
        Record::End(EndCause::Size),
        Record::End(EndCause::Lag),
    ]
}

impl From<ErrorKind> for CallError {
    fn from(kind: ErrorKind) -> CallError {
        CallError::Kind(kind)
    }
}

#[test]
fn every_record_comes_back_as_it_was_written() {
    let mut writer = Writer::default();
    let records = all();
    for record in &records {
        record.encode(&mut writer);
    }
    let mut source = Source { cursor: Cursor::new(&writer.bytes), last: 0 };
    for record in &records {
        assert_eq!(Record::decode(&mut source), Ok(*record));
    }
    assert!(source.cursor.is_empty());
}

#[test]
fn a_record_that_is_cut_off_is_no_record() {
    for record in all() {
        let mut writer = Writer::default();
        record.encode(&mut writer);
        for end in 0..writer.bytes.len() {
            let mut source = Source { cursor: Cursor::new(&writer.bytes[..end]), last: 0 };
            assert_eq!(Record::decode(&mut source), Err(Fault::CutOff), "{record:?} to {end}");
        }
    }
}

#[test]
fn what_does_not_exist_is_a_fault() {
    let cases: [(&[u8], Fault); 5] = [
        (&[0], Fault::Kind(0)),
        (&[31], Fault::Kind(31)),
        (&[255], Fault::Kind(255)),
        (&[RECV, 1, 1, 8, 0, 0, 0, 0], Fault::Value("what recv(2) returned")),
        (&[END, 7], Fault::Value("a choice")),
    ];
    for (bytes, fault) in cases {
        let mut source = Source { cursor: Cursor::new(bytes), last: 0 };
        assert_eq!(Record::decode(&mut source), Err(fault), "{bytes:?}");
    }
}

#[test]
fn an_error_of_a_call_is_the_same_error_again() {
    for error in [io::Error::from_raw_os_error(11), ErrorKind::WouldBlock.into()] {
        let again = io::Error::from(CallError::from(&error));
        assert_eq!(again.kind(), error.kind());
        assert_eq!(again.raw_os_error(), error.raw_os_error());
        assert_eq!(again.to_string(), error.to_string());
    }
}
