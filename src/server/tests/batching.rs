//! Small replies that are sent together.

use super::bench::{Bench, FRAMED, frame};
use super::fake_net::{Client, Fault, ServerEnd};
use crate::server::close::CloseReason;
use nix::errno::Errno;

/// More clients than replies are held at once, and what each asks.
fn crowd(bench: &mut Bench) -> Vec<(Client, String)> {
    let texts = (0..20).map(|number| format!("text of client {number}"));
    texts.map(|text| (bench.connected(FRAMED), text)).collect()
}

fn ask_all(bench: &mut Bench, crowd: &[(Client, String)]) {
    for (client, text) in crowd {
        bench.net.send(*client, &frame(format!("ECHO {text}").as_bytes()));
    }
    bench.run();
}

#[test]
fn who_asks_in_the_same_turn_is_answered_in_it() {
    let mut bench = Bench::new();
    let crowd = crowd(&mut bench);
    let turns = bench.server.stats().turns;
    ask_all(&mut bench, &crowd);
    assert_eq!(bench.server.stats().turns, turns + 1);
    for (client, text) in &crowd {
        assert_eq!(bench.net.received(*client), frame(text.as_bytes()));
        assert_eq!(bench.net.socket(*client, |socket| socket.send_call.made), 1);
    }
    assert_eq!(bench.heap(), 0);
}

#[test]
fn a_reply_that_cannot_be_sent_with_others_does_not_hold_them_up() {
    let mut bench = Bench::new();
    let crowd = crowd(&mut bench);
    let ((reset, _), (slow, slow_text)) = (&crowd[3], &crowd[12]);
    bench.net.socket(*reset, |socket| socket.send_call.fault = Fault::once(Errno::EPIPE));
    bench.net.socket(*slow, |socket| socket.window = 70);
    ask_all(&mut bench, &crowd);

    for (client, text) in crowd.iter().filter(|(client, _)| client != reset && client != slow) {
        assert_eq!(bench.net.received(*client), frame(text.as_bytes()));
    }
    assert_eq!(bench.net.server_end(*reset), ServerEnd::Aborted);
    assert_eq!(bench.closed(CloseReason::Reset), 1);
    assert_eq!(bench.net.received(*slow), frame(slow_text.as_bytes())[..70]);
    bench.net.widen(*slow, 1000);
    bench.run();
    assert_eq!(bench.net.received(*slow), frame(slow_text.as_bytes()));
    assert_eq!(bench.heap(), 0);
}

#[test]
fn a_small_reply_does_not_wait_for_more_than_one_large_one() {
    let mut bench = Bench::new();
    let [small, large, observer] = [0; 3].map(|_| bench.connected(FRAMED));
    // So large that its reply is made where the request is.
    let text = [b'x'; 5000];
    bench.net.send(small, &frame(b"ECHO small"));
    bench.net.send(large, &frame(&[b"ECHO ", &text[..]].concat()));
    bench.net.send(observer, &frame(b"STATS"));
    bench.turn();
    let sent = frame(b"small").len() + frame(&text).len();
    let seen = String::from_utf8(bench.net.received(observer)).expect("text");
    assert!(seen.contains(&format!("\nbytes_out {sent}\n")), "{seen}");
}
