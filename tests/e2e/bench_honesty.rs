//! A load run reports every fault of the server, exactly as often as the server committed it.

use crate::support::bench::{Run, bench};
use crate::support::misbehaving::{Account, Fault, Misbehaving, Place};
use crate::support::readyc::nobody_listens;
use std::time::Duration;

/// Runs a load against a server with this fault; returns what each of them says.
fn against(fault: Fault, arguments: &str) -> (Run, Account) {
    let server = Misbehaving::start(fault);
    let run = bench(&[server.address()], arguments);
    (run, server.finish())
}

#[test]
fn a_server_without_fault() {
    let (run, account) = against(Fault::Nothing, "-c 8 -P 4 -n 1000");
    run.assert_met();
    run.assert_mismatches(&[]);
    assert_eq!(account.misdeeds.requests, 1000);
    assert_eq!((run.count("achieved.sent"), run.count("achieved.verified")), (1000, 1000));
    assert_eq!((account.accepted, run.count("achieved.connections_opened")), (8, 8));
    assert_eq!(run.count("latency_us.count"), 1000);
}

#[test]
fn replies_in_small_pieces_are_right() {
    let (run, account) = against(Fault::Pieces { length: 7 }, "-c 4 -P 4 -n 400 -s 0-200");
    run.assert_met();
    assert_eq!((account.misdeeds.requests, run.count("achieved.verified")), (400, 400));
}

#[test]
fn replies_that_are_dropped() {
    let (run, account) = against(Fault::Drop { every: 7 }, "-c 1 -P 4 -n 100 -t 500ms");
    assert_eq!(account.misdeeds.dropped, 14);
    run.assert_fell_short();
    // The last that is dropped is the 98th: the 99th tells that it will not come.
    run.assert_mismatches(&[("lost", 14)]);
    assert_eq!((run.count("achieved.answered"), run.count("achieved.unanswered")), (86, 14));
}

#[test]
fn replies_that_are_dropped_and_not_followed_by_another() {
    let (run, account) = against(Fault::Drop { every: 10 }, "-c 10 -n 100 -t 200ms");
    run.assert_fell_short();
    // With one request under way, nothing else comes: each of them costs a timeout.
    let dropped = account.misdeeds.dropped;
    assert_eq!(run.count("errors.timeout"), dropped);
    assert_eq!((run.count("achieved.timed_out"), run.count("achieved.lost")), (dropped, 0));
    // A reply is lost once a later one came; behind the last of each connection none need come.
    let lost = run.count("mismatches.lost");
    assert!(lost <= dropped && lost + 10 >= dropped, "{lost} of {dropped}");
    let told = [("lost", lost)];
    run.assert_mismatches(if lost > 0 { &told } else { &[] });
}

#[test]
fn replies_that_come_twice() {
    let (run, account) = against(Fault::Double { every: 7 }, "-c 1 -P 4 -n 100");
    run.assert_fell_short();
    run.assert_mismatches(&[("doubled", account.misdeeds.doubled)]);
    assert_eq!((account.misdeeds.doubled, run.count("achieved.verified")), (14, 100));
}

#[test]
fn replies_out_of_order() {
    let (run, account) = against(Fault::Swap { every: 7 }, "-c 1 -P 4 -n 100");
    run.assert_fell_short();
    run.assert_mismatches(&[("swapped", account.misdeeds.swapped)]);
    assert_eq!((account.misdeeds.swapped, run.count("achieved.answered")), (14, 100));
}

#[test]
fn replies_to_another_connection() {
    let (run, account) = against(Fault::Exchange { every: 30 }, "-c 2 -n 100 -t 200ms");
    run.assert_fell_short();
    // To each of the two it is a stranger's reply, and its own never comes.
    let exchanged = account.misdeeds.exchanged;
    run.assert_mismatches(&[("foreign", exchanged), ("lost", exchanged)]);
    assert_eq!(exchanged, 6, "{account:?}");
}

#[test]
fn replies_with_a_wrong_byte() {
    for place in [Place::Filler, Place::Id] {
        let fault = Fault::Corrupt { every: 7, place };
        let (run, account) = against(fault, "-c 4 -P 4 -n 100");
        run.assert_fell_short();
        run.assert_mismatches(&[("corrupt", account.misdeeds.corrupted)]);
        assert_eq!((account.misdeeds.corrupted, run.count("achieved.answered")), (14, 100));
        assert_eq!(run.count("achieved.connections_lost"), 0, "{place:?}");
    }
}

#[test]
fn a_header_with_a_wrong_byte() {
    for place in [Place::HeaderPadding, Place::HeaderLength] {
        let fault = Fault::Corrupt { every: 7, place };
        let (run, account) = against(fault, "-c 4 -n 100 -t 1s");
        run.assert_fell_short();
        run.assert_mismatches(&[("corrupt", account.misdeeds.corrupted)]);
        assert_eq!(account.misdeeds.corrupted, 14, "{place:?}");
    }
}

#[test]
fn faults_are_not_looked_for_without_verification() {
    let fault = Fault::Corrupt { every: 7, place: Place::Filler };
    let (run, account) = against(fault, "-c 4 -n 100 --no-verify");
    run.assert_met();
    assert_eq!((account.misdeeds.corrupted, run.count("achieved.verified")), (14, 0));
    assert_eq!(run.value("asked.verify"), false);
}

#[test]
fn every_second_connection_is_reset() {
    let (run, account) = against(Fault::ResetEverySecond, "-c 10 -d 300ms --no-reconnect");
    run.assert_fell_short();
    assert_eq!((account.accepted, account.reset), (10, 5));
    // The reset may come before or after connect(2) has succeeded.
    let failed = run.count("achieved.connections_failed");
    assert_eq!(run.count("achieved.connections_established"), 10 - failed);
    assert_eq!(run.count("achieved.connections_lost"), 5 - failed);
    let errors = ["connect", "read", "write"].map(|kind| run.count(&format!("errors.{kind}")));
    assert_eq!(errors.iter().sum::<u64>(), 5, "{:#}", run.short());
}

#[test]
fn nobody_listens_on_every_second_target() {
    let server = Misbehaving::start(Fault::Nothing);
    let (_holder, nobody) = nobody_listens();
    let run = bench(&[server.address(), nobody], "-c 10 -d 300ms");
    run.assert_fell_short();
    assert_eq!(run.count("achieved.connections_established"), 5);
    assert_eq!(run.count("achieved.connections_peak"), 5);
    assert!(run.count("achieved.connections_failed") >= 5, "{:#}", run.short());
    let refused = run.count("errors.connect_by_errno.ECONNREFUSED");
    assert_eq!(refused, run.count("achieved.connections_failed"));
    assert_eq!(server.finish().accepted, 5);
}

#[test]
fn connections_that_the_server_closes() {
    let (run, account) = against(Fault::CloseEach { after: 10 }, "-c 4 -n 100");
    run.assert_met();
    assert_eq!(run.count("achieved.connections_opened"), account.accepted);
    assert_eq!(run.count("achieved.connections_established"), 4);
    assert_eq!(run.count("achieved.answered"), account.misdeeds.requests);
    assert!(account.closed >= 5, "{account:?}");
    // Each was closed behind its last answer, and nothing was lost. The last of the run may have
    // been closed by either side.
    assert_eq!((run.count("achieved.connections_lost"), run.count("errors.read")), (0, 0));
    let after = run.count("achieved.connection_ends.after_last_answer");
    assert!(
        (account.closed - 4..=account.closed).contains(&after),
        "{account:?} {:#}",
        run.short()
    );
}

#[test]
fn a_server_that_dies() {
    let (run, account) = against(Fault::Die { after: 500 }, "-c 10 -n 1000 -d 1s");
    run.assert_fell_short();
    // What was achieved until then is kept, to the last reply.
    assert_eq!(account.misdeeds.requests, 500);
    assert_eq!((run.count("achieved.answered"), run.count("achieved.verified")), (500, 500));
    assert_eq!(run.count("latency_us.count"), 500);
    assert_eq!(run.count("achieved.connections_lost"), 10);
    assert_eq!(run.count("achieved.connections_established"), 10);
}

#[test]
fn a_server_that_dies_and_is_not_returned_to() {
    let arguments = "-c 10 -n 1000 -d 60s --no-reconnect";
    let (run, _) = against(Fault::Die { after: 500 }, arguments);
    run.assert_fell_short();
    assert_eq!(run.count("achieved.answered"), 500);
    assert!(run.value("partial").is_string(), "{:#}", run.short());
}

#[test]
fn a_server_that_never_reads() {
    let (run, account) = against(Fault::NeverRead, "-c 4 -d 500ms -t 100ms");
    run.assert_fell_short();
    assert_eq!(run.count("achieved.answered"), 0);
    assert!(account.accepted >= 4, "{account:?}");
    assert_eq!(run.count("achieved.connections_established"), 4);
    assert!(run.count("errors.timeout") >= 4, "{:#}", run.short());
}

#[test]
fn every_reply_takes_its_time() {
    let pause = Duration::from_millis(5);
    let (run, account) = against(Fault::Delay { pause }, "-c 1 -n 40");
    run.assert_met();
    assert_eq!(account.misdeeds.requests, 40);
    // Whatever the machine does, no reply can be faster than the server.
    let almost = pause - Duration::from_micros(50);
    assert_eq!(run.longer_than(almost, "service"), 40);
    assert_eq!(run.longer_than(almost, "latency"), 40);
}

/// All requests that were due while the server stood still came late; in a closed loop, or counted
/// from when they were sent, only those under way show it.
#[test]
fn a_stall_is_seen_by_the_schedule() {
    let fault = Fault::Stall { at: 300, pause: Duration::from_millis(200) };
    let (run, account) = against(fault, "-c 10 -R 1000 -n 800");
    assert_eq!((account.misdeeds.stalled, run.count("achieved.answered")), (1, 800));
    let half = Duration::from_millis(100);
    let [intended, sent] = ["latency", "service"].map(|name| run.longer_than(half, name));
    // 200 were due, and 100 of them in the first half. A busy machine can only add to that.
    assert!(intended >= 90, "{intended} {:#}", run.short());
    // Ten connections had one request each under way. Whatever else delays a reply by so much
    // delays those that were due meanwhile too.
    assert!(sent >= 1 && intended >= sent + 80, "{intended} {sent} {:#}", run.short());
}

#[test]
fn a_closed_loop_says_that_it_is_one() {
    let fault = Fault::Stall { at: 300, pause: Duration::from_millis(200) };
    let (run, _) = against(fault, "-c 10 -n 800");
    run.assert_met();
    assert_eq!(run.value("mode"), "closed");
    // The request that met the stall had been sent before it.
    assert!(run.longer_than(Duration::from_millis(190), "latency") >= 1, "{:#}", run.short());
}
