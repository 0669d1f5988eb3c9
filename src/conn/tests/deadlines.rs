//! Which deadline runs when, from when it is counted, and what happens when it passes.

use super::owner::{LINE, Owner, PADDED, SMALL_REQUESTS, frame};
use crate::conn::Action;
use crate::io::clock::Moment;
use crate::server::close::CloseReason;
use std::time::Duration;

const MILLISECOND: Duration = Duration::from_millis(1);

const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// An owner whose clock stands at `seconds`.
fn at(owner: &mut Owner, seconds: u64) -> &mut Owner {
    owner.now = Moment::START + secs(seconds);
    owner
}

#[test]
fn a_frames_time_is_counted_from_its_first_byte_and_no_byte_prolongs_it() {
    let mut owner = Owner::new(PADDED);
    let request = frame(b"ECHO hello");
    for (second, byte) in (10..39).zip(&request) {
        at(&mut owner, second).receive(&[*byte]);
        assert_eq!(owner.deadline(), secs(10 + 30));
    }
    owner.expire_at(secs(40) - MILLISECOND);
    assert_eq!(owner.step(), Action::Stay, "not yet");
    owner.expire_at(secs(40));
    assert_eq!(owner.received, frame(b"Error: the request did not arrive whole within 30s"));
    assert_eq!(owner.step(), Action::SendFin);
    owner.eof();
    assert_eq!(owner.step(), Action::Close(CloseReason::FrameTimeout));
}

#[test]
fn each_frame_has_the_whole_time() {
    let mut owner = Owner::new(PADDED);
    let request = frame(b"ECHO hello");
    let (start, end) = request.split_at(30);
    at(&mut owner, 0).receive(start);
    // The end of one and the start of the next in one read.
    at(&mut owner, 20).receive(&[end, start].concat());
    assert_eq!(owner.deadline(), secs(20 + 30));
    at(&mut owner, 45).receive(end);
    assert_eq!(owner.received, frame(b"hello").repeat(2));
    assert_eq!(owner.deadline(), secs(45 + 600), "idle");
}

#[test]
fn a_frames_time_does_not_run_while_we_do_not_read_it() {
    let mut owner = Owner::new(PADDED);
    owner.limits.output_limit = 0;
    owner.window = 0;
    owner.receive(&[&frame(b"ECHO hello")[..], &frame(b"ECHO world")[..30]].concat());
    assert!(!owner.conn.wants_read());
    // The peer takes the reply slowly, but it does.
    at(&mut owner, 25).take(60);
    assert_eq!(owner.deadline(), secs(25 + 30), "the write deadline alone");
    at(&mut owner, 50).take(usize::MAX);
    owner.resume();
    assert!(owner.conn.wants_read());
    assert_eq!(owner.deadline(), secs(50 + 30), "the frame has its time from now on");
    at(&mut owner, 51).receive(&frame(b"ECHO world")[30..]);
    assert_eq!(owner.received, [frame(b"hello"), frame(b"world")].concat());
}

#[test]
fn what_is_given_up_is_not_sent_on_the_way_out() {
    let mut owner = Owner::new(PADDED);
    owner.window = 0;
    at(&mut owner, 1).receive(&frame(b"ECHO hello"));
    owner.expire_at(secs(1 + 30));
    owner.take(usize::MAX);
    assert_eq!(owner.received, b"");
    assert_eq!(owner.step(), Action::Abort(CloseReason::WriteTimeout));
}

#[test]
fn taking_earlier_replies_does_not_prolong_a_lines_pause() {
    let mut owner = Owner::new(LINE);
    owner.window = 0;
    at(&mut owner, 1).receive(b"ECHO one\nECHO two");
    let pause_over = secs(1) + Duration::from_millis(50);
    owner.now = owner.now + Duration::from_millis(40);
    owner.take(1);
    assert_eq!(owner.deadline(), pause_over);
    owner.take(usize::MAX);
    owner.expire_at(pause_over);
    assert_eq!(owner.received, b"one\ntwo");
}

#[test]
fn a_line_without_its_end_is_answered_bare_after_a_pause() {
    let mut owner = Owner::new(LINE);
    at(&mut owner, 1).receive(b"ECHO hel");
    owner.now = owner.now + Duration::from_millis(40);
    owner.receive(b"lo");
    let pause_over = secs(1) + Duration::from_millis(40 + 50);
    assert_eq!(owner.deadline(), pause_over, "counted from the last byte");
    owner.expire_at(pause_over - MILLISECOND);
    assert_eq!(owner.received, b"");
    owner.expire_at(pause_over);
    assert_eq!(owner.received, b"hello");
    assert_eq!(owner.conn.memory(), (0, 0));
    // The connection goes on as if nothing had been unusual.
    owner.receive(b"ECHO again\n");
    assert_eq!(owner.received, b"helloagain\n");
}

#[test]
fn a_pause_is_not_counted_while_we_do_not_read() {
    let mut owner = Owner::new(LINE);
    owner.receive(&[&b"\n".repeat(SMALL_REQUESTS)[..], b"ECHO un"].concat());
    assert!(owner.can_resume());
    // The other connections took long. The rest of the line may have come: recv(2) was not called.
    at(&mut owner, 1).resume();
    owner.expire_at(secs(1));
    owner.receive(b"broken\n");
    assert!(owner.received.ends_with(b"received\nunbroken\n"));
}

#[test]
fn a_line_that_never_pauses_and_never_ends_runs_out_of_time() {
    let mut owner = Owner::new(LINE);
    owner.limits.frame_timeout = secs(1);
    for step in 0..=50 {
        owner.now = Moment::START + 20 * step * MILLISECOND;
        owner.receive(b"k");
    }
    assert_eq!(owner.deadline(), secs(1));
    owner.expire_at(secs(1));
    assert_eq!(owner.received, b"Error: the request did not arrive whole within 1s\r\n");
    assert_eq!(owner.step(), Action::SendFin);
}

#[test]
fn a_frame_is_never_answered_before_its_end() {
    let mut owner = Owner::new(PADDED);
    owner.receive(&frame(b"ECHO hello")[..70]);
    owner.expire_at(secs(1));
    assert_eq!(owner.received, b"");
    assert_eq!(owner.service.requests, 0);
}

#[test]
fn idle_is_counted_from_the_last_byte_either_way() {
    let mut owner = Owner::new(PADDED);
    assert_eq!(owner.deadline(), secs(600));
    owner.window = 0;
    at(&mut owner, 10).receive(&frame(b"ECHO hello"));
    at(&mut owner, 20).take(usize::MAX);
    assert_eq!(owner.deadline(), secs(20 + 600));
    owner.expire_at(secs(620) - MILLISECOND);
    assert_eq!(owner.step(), Action::Stay);
    owner.expire_at(secs(620));
    assert_eq!(owner.step(), Action::SendFin, "closed in order, without a word");
    assert_eq!(owner.received, frame(b"hello"));
    owner.eof();
    assert_eq!(owner.step(), Action::Close(CloseReason::IdleTimeout));
}

#[test]
fn every_byte_taken_gives_waiting_output_its_whole_time_again() {
    let mut owner = Owner::new(PADDED);
    owner.window = 0;
    owner.receive(&frame(b"ECHO hello"));
    assert_eq!(owner.deadline(), secs(30));
    at(&mut owner, 29).take(1);
    assert_eq!(owner.deadline(), secs(59));
    // More output behind it does not.
    at(&mut owner, 58).receive(&frame(b"ECHO hello"));
    assert_eq!(owner.deadline(), secs(59));
    owner.expire_at(secs(59));
    assert_eq!(owner.step(), Action::Abort(CloseReason::WriteTimeout));
}

#[test]
fn output_is_given_up_while_closing_too() {
    let mut owner = Owner::new(PADDED);
    owner.window = 0;
    owner.receive(&frame(b"Disconnect !"));
    owner.receive(b"thrown away");
    owner.expire_at(secs(30));
    assert_eq!(owner.step(), Action::Abort(CloseReason::WriteTimeout));
}

#[test]
fn a_peer_that_does_not_answer_fin_is_waited_for_so_long() {
    let mut owner = Owner::new(PADDED);
    at(&mut owner, 5).receive(&frame(b"Disconnect !"));
    at(&mut owner, 7);
    assert_eq!(owner.step(), Action::SendFin);
    assert_eq!(owner.deadline(), secs(7 + 2));
    // What it still sends does not prolong that.
    at(&mut owner, 8).receive(&[b'x'; 1000]);
    assert_eq!(owner.deadline(), secs(9));
    owner.expire_at(secs(9) - MILLISECOND);
    assert_eq!(owner.step(), Action::Stay);
    owner.expire_at(secs(9));
    assert_eq!(owner.step(), Action::Close(CloseReason::Disconnect));
}

#[test]
fn timeouts_without_end_do_not_overflow_the_clock() {
    let mut owner = Owner::new(PADDED);
    owner.limits.idle_timeout = Duration::MAX;
    owner.limits.frame_timeout = Duration::MAX;
    at(&mut owner, 1).receive(b"5");
    assert_eq!(owner.conn.deadline(PADDED, &owner.limits), Moment::NEVER);
    owner.expire_at(secs(1 << 30));
    assert_eq!(owner.step(), Action::Stay);
}
