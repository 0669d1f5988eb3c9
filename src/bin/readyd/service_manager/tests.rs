use super::*;
use readyd::config::{Command, read};
use std::ffi::OsString;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

/// A manager in this process, and what a server tells it.
struct Rig {
    socket: UnixDatagram,
    manager: ServiceManager,
}

impl Rig {
    fn new(test: &str, watchdog: Option<Duration>) -> Rig {
        let name = format!("readyd-{test}-{}", process::id());
        let address = SocketAddr::from_abstract_name(&name).expect("an address");
        let socket = UnixDatagram::bind_addr(&address).expect("a socket");
        socket.set_nonblocking(true).expect("a socket");
        let value = |_: &str| Some(OsString::from(format!("@{name}")));
        let notifier = Notifier::from_environment(value).expect("an address");
        Rig { socket, manager: ServiceManager { notifier, watchdog, ..ServiceManager::none() } }
    }

    fn told(&self) -> Vec<String> {
        let mut bytes = [0; 300];
        let receive = || self.socket.recv(&mut bytes).ok().map(|length| bytes[..length].to_vec());
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
        std::iter::from_fn(receive).map(text).collect()
    }

    fn turn(&mut self, now: Moment, open: u64) -> Option<Moment> {
        self.manager.turn(now, true, || Counts { open, requests: 7 })
    }
}

fn at(seconds: u64) -> Moment {
    Moment::START + Duration::from_secs(seconds)
}

#[test]
fn ready_is_told_once_and_then_what_is_new() {
    let mut rig = Rig::new("ready", None);
    rig.manager.on_loading();
    assert_eq!(rig.told(), ["EXTEND_TIMEOUT_USEC=30000000\nSTATUS=Loading the table"]);
    assert_eq!(rig.turn(at(0), 1), None);
    rig.manager.on_serving(at(0));
    rig.manager.on_serving(at(1));
    assert_eq!(rig.told(), ["READY=1\nSTATUS=Serving 0 connections; 0 requests so far"]);
    assert_eq!(rig.turn(at(9), 1), Some(at(10)));
    assert_eq!(rig.told(), Vec::<String>::new());
    assert_eq!(rig.turn(at(10), 1), Some(at(20)));
    assert_eq!(rig.told(), ["STATUS=Serving 1 connection; 7 requests so far"]);
    assert_eq!(rig.turn(at(20), 1), Some(at(30)));
    assert_eq!(rig.told(), Vec::<String>::new());
}

#[test]
fn a_reload_is_told_with_the_time_at_which_it_began() {
    let mut rig = Rig::new("reload", None);
    rig.manager.on_reload(at(0));
    assert_eq!(rig.told(), Vec::<String>::new(), "it does not serve yet");
    rig.manager.on_serving(at(0));
    rig.told();
    let before = monotonic_nanos() / 1_000;
    rig.manager.on_reload(at(1));
    let after = monotonic_nanos() / 1_000;
    let told = rig.told().join("\n");
    let micros = told.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").expect("the time");
    assert!((before..=after).contains(&micros.parse().expect("a number")));
    rig.turn(at(11), 0);
    let lines = rig.told();
    assert!(lines[0].starts_with("EXTEND_TIMEOUT_USEC=30000000\n"), "{lines:?}");
    assert!(rig.manager.is_reloading());
    rig.manager.on_reloaded(at(12));
    assert_eq!(rig.told(), ["READY=1"]);
}

#[test]
fn stopping_is_told_once_and_ends_a_reload() {
    let mut rig = Rig::new("stopping", None);
    rig.manager.on_serving(at(0));
    rig.manager.on_reload(at(0));
    rig.told();
    rig.manager.on_stopping(3, Duration::from_secs(10), at(1));
    rig.manager.on_stopping(2, Duration::from_secs(10), at(2));
    rig.manager.on_reload(at(3));
    assert!(!rig.manager.is_reloading());
    let expected = "STOPPING=1\nEXTEND_TIMEOUT_USEC=40000000\nSTATUS=Draining 3 connections";
    assert_eq!(rig.told(), [expected]);
}

#[test]
fn the_watchdog_is_fed_three_times_within_its_time_while_all_is_well() {
    let mut rig = Rig::new("watchdog", Some(Duration::from_secs(6)));
    rig.manager.on_loading();
    assert!(rig.told()[0].starts_with("WATCHDOG=1\nEXTEND_TIMEOUT_USEC="));
    rig.manager.on_serving(at(0));
    rig.turn(at(2), 1);
    rig.told();
    for seconds in [4, 6] {
        assert_eq!(rig.turn(at(seconds), 1), Some(at(seconds + 2)));
        assert_eq!(rig.told(), ["WATCHDOG=1\n"]);
    }
    rig.manager.turn(at(8), false, || Counts { open: 1, requests: 7 });
    assert_eq!(rig.told(), Vec::<String>::new());
}

#[test]
fn a_message_that_was_not_delivered_is_sent_again() {
    let mut rig = Rig::new("again", None);
    while rig.manager.send("X=1") {}
    rig.manager.on_serving(at(0));
    rig.told();
    assert_eq!(rig.turn(at(1), 0), Some(at(11)));
    let told = rig.told();
    assert!(told[0].starts_with("READY=1\n"), "{told:?}");
}

/// The shard timeout that a watchdog of 9 s or so leaves.
fn fitted(args: &[&str], watchdog: Duration) -> Result<Option<Duration>, String> {
    let reading = read(args.iter().map(OsString::from));
    let Command::Run(mut config) = reading.command else { panic!("a configuration") };
    match fit(&mut config, &reading.origins, watchdog) {
        Some(error) => Err(error.to_string()),
        None => Ok(config.shard_timeout),
    }
}

#[test]
fn a_stuck_shard_is_replaced_before_the_manager_gives_up() {
    let seconds = Duration::from_secs;
    assert_eq!(fitted(&[], seconds(60)), Ok(Some(seconds(10))));
    assert_eq!(fitted(&[], seconds(9)), Ok(Some(seconds(3))));
    assert_eq!(fitted(&["--shard-timeout", "3s"], seconds(9)), Ok(Some(seconds(3))));
    let error = "--shard-timeout must be from 1s to 3s, a third of WATCHDOG_USEC (9s): a stuck \
                 shard has to be replaced before the service manager restarts all (raise \
                 WatchdogSec= of the unit, or change --shard-timeout)";
    assert_eq!(fitted(&["--shard-timeout", "4s"], seconds(9)), Err(error.to_owned()));
    assert_eq!(fitted(&["--shard-timeout", "0"], seconds(9)), Err(error.to_owned()));
    fitted(&[], seconds(2)).expect_err("a third is less than the shortest timeout");
}
