//! The server that misbehaves does so exactly as it says: without that, the tests of what the load
//! generator reports would prove nothing.

use crate::support::Client;
use crate::support::frame;
use crate::support::misbehaving::{Account, Fault, Misbehaving, Misdeeds, Place};
use std::io::{ErrorKind, Read};
use std::net::{IpAddr, TcpStream};
use std::time::{Duration, Instant};

/// What the misbehaving server says after one client on loopback and these misdeeds.
fn account(connections: u64, misdeeds: Misdeeds) -> Account {
    let peers = [IpAddr::from([127, 0, 0, 1])].into();
    Account { accepted: connections, peers, misdeeds, ..Account::default() }
}

/// Sends each of `texts` on one connection, all at once.
fn send_all(client: &mut Client, texts: &[&str]) {
    let frames = texts.iter().map(|text| frame(format!("ECHO {text}")));
    client.send(&frames.collect::<Vec<_>>().concat());
}

/// Sends `texts` on one connection and checks that the replies are `expected` and no more.
fn assert_answers(fault: Fault, texts: &[&str], expected: &[&str], misdeeds: Misdeeds) {
    let server = Misbehaving::start(fault);
    let mut client = Client::connect(server.address());
    send_all(&mut client, texts);
    client.finish_sending();
    let frames: Vec<_> = expected.iter().map(frame).collect();
    assert_eq!(client.read_to_end(), frames.concat(), "{fault:?}");
    drop(client);
    assert_eq!(server.finish(), account(1, misdeeds), "{fault:?}");
}

#[test]
fn does_every_nth_reply_wrong() {
    let texts = ["a", "b", "c", "d", "e"];
    let of = |misdeeds: Misdeeds| Misdeeds { requests: 5, ..misdeeds };
    let none = Misdeeds::default;
    assert_answers(Fault::Nothing, &texts, &texts, of(none()));
    let dropped = Misdeeds { dropped: 2, ..none() };
    assert_answers(Fault::Drop { every: 2 }, &texts, &["a", "c", "e"], of(dropped));
    let doubled = Misdeeds { doubled: 2, ..none() };
    let twice = ["a", "b", "b", "c", "d", "d", "e"];
    assert_answers(Fault::Double { every: 2 }, &texts, &twice, of(doubled));
    let swapped = Misdeeds { swapped: 2, ..none() };
    let out_of_order = ["a", "c", "b", "e", "d"];
    assert_answers(Fault::Swap { every: 2 }, &texts, &out_of_order, of(swapped));
    assert_answers(Fault::Pieces { length: 7 }, &texts, &texts, of(none()));
}

#[test]
fn corrupts_one_byte() {
    let places = [
        (Place::HeaderPadding, [&frame("0000")[..63], b"x0000"].concat()),
        (Place::HeaderLength, [&frame("00000")[..64], b"0000"].concat()),
        (Place::Id, frame("p000")),
        (Place::Filler, frame("0001")),
    ];
    for (place, wrong) in places {
        let server = Misbehaving::start(Fault::Corrupt { every: 2, place });
        let mut client = Client::connect(server.address());
        send_all(&mut client, &["0000", "0000", "0000"]);
        client.finish_sending();
        assert_eq!(client.read_to_end(), [frame("0000"), wrong, frame("0000")].concat());
        drop(client);
        let misdeeds = Misdeeds { requests: 3, corrupted: 1, ..Misdeeds::default() };
        assert_eq!(server.finish(), account(1, misdeeds), "{place:?}");
    }
}

#[test]
fn exchanges_replies_of_two_connections() {
    let server = Misbehaving::start(Fault::Exchange { every: 2 });
    let [mut one, mut other] = [(); 2].map(|()| Client::connect(server.address()));
    assert_eq!(one.ask("ECHO first"), "first");
    one.send_frame("ECHO mine");
    // Of waiting requests, the server takes the one of the older connection first.
    assert_eq!(other.ask("ECHO yours"), "mine");
    assert_eq!(one.read_frame(), b"yours");
    drop((one, other));
    let misdeeds = Misdeeds { requests: 3, exchanged: 2, ..Misdeeds::default() };
    assert_eq!(server.finish(), account(2, misdeeds));
}

#[test]
fn stalls_once_and_delays_always() {
    let pause = Duration::from_millis(200);
    for (fault, pauses) in [(Fault::Stall { at: 2, pause }, 1), (Fault::Delay { pause }, 3)] {
        let began = Instant::now();
        let stalled = u64::from(fault == Fault::Stall { at: 2, pause });
        let misdeeds = Misdeeds { requests: 3, stalled, ..Misdeeds::default() };
        assert_answers(fault, &["a", "b", "c"], &["a", "b", "c"], misdeeds);
        assert!(began.elapsed() >= pause * pauses, "{fault:?}");
    }
}

#[test]
fn resets_every_second_connection() {
    let server = Misbehaving::start(Fault::ResetEverySecond);
    for _ in 0..3 {
        assert_eq!(Client::connect(server.address()).ask("ECHO x"), "x");
        // The reset may come before or after connect(2) has returned.
        let connected = TcpStream::connect(server.address());
        let ended = connected.and_then(|mut stream| stream.read(&mut [0; 1]));
        assert_eq!(ended.map_err(|error| error.kind()), Err(ErrorKind::ConnectionReset));
    }
    let account = server.finish();
    assert_eq!((account.accepted, account.reset), (6, 3));
}

#[test]
fn closes_each_connection_after_some_replies() {
    let server = Misbehaving::start(Fault::CloseEach { after: 2 });
    for _ in 0..3 {
        let mut client = Client::connect(server.address());
        send_all(&mut client, &["a", "b", "c"]);
        assert_eq!(client.read_to_end(), [frame("a"), frame("b")].concat());
    }
    let account = server.finish();
    assert_eq!((account.closed, account.misdeeds.requests), (3, 6));
}

#[test]
fn dies_after_some_replies() {
    let server = Misbehaving::start(Fault::Die { after: 3 });
    let [mut one, mut other] = [(); 2].map(|()| Client::connect(server.address()));
    assert_eq!(other.ask("ECHO x"), "x");
    send_all(&mut one, &["a", "b", "c"]);
    assert_eq!(one.read_to_end(), [frame("a"), frame("b")].concat());
    assert_eq!(other.read_to_end(), b"");
    let refused = TcpStream::connect(server.address()).map(drop).map_err(|error| error.kind());
    assert_eq!(refused, Err(ErrorKind::ConnectionRefused));
    drop((one, other));
    assert_eq!(server.finish().closed, 2);
}

#[test]
fn never_reads() {
    let server = Misbehaving::start(Fault::NeverRead);
    let mut client = Client::connect(server.address());
    send_all(&mut client, &["a"]);
    assert!(client.hears_nothing_for(Duration::from_millis(50)));
    drop(client);
    assert_eq!(server.finish(), account(1, Misdeeds::default()));
}
