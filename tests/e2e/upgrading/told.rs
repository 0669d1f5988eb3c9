//! What the service manager is told of an upgrade.

use super::*;

struct Manager {
    scratch: Scratch,
    socket: UnixDatagram,
}

impl Manager {
    fn new() -> Manager {
        let scratch = Scratch::new();
        let socket = UnixDatagram::bind(scratch.path("notify")).expect("a socket");
        socket.set_read_timeout(Some(PATIENCE)).expect("a valid timeout");
        Manager { scratch, socket }
    }

    fn of(&self, launch: Launch) -> Launch {
        launch.env("NOTIFY_SOCKET", self.scratch.path("notify"))
    }

    /// The next message that is not only a status.
    fn next(&self) -> String {
        loop {
            let mut bytes = [0; 1000];
            let length = self.socket.recv(&mut bytes).expect("a message in time");
            let text = String::from_utf8(bytes[..length].to_vec()).expect("text");
            if !text.starts_with("STATUS=") {
                return text;
            }
        }
    }
}

#[test]
fn the_new_process_is_introduced_before_it_is_ready_and_the_old_one_does_not_stop() {
    for shards in SHARDS {
        let manager = Manager::new();
        let scratch = Scratch::new();
        let table = scratch.write("table", "colour red\n");
        let launch = launch(&["framed"], shards).path("--table", &table);
        let mut server = manager.of(launch).start();
        while !manager.next().starts_with("READY=1") {}
        for _ in 0..2 {
            let mut client = server.connect("framed");
            client.ask("ECHO a");
            let old = server.upgrade();
            assert_eq!(manager.next(), format!("MAINPID={}", server.pid()));
            assert!(manager.next().starts_with("READY=1\nSTATUS=Serving"));
            drop(client);
            wait_for_end(old);
        }
        server.signal(Signal::SIGHUP);
        assert!(manager.next().starts_with("RELOADING=1"));
        assert!(manager.next().starts_with("READY=1"));
        server.signal(Signal::SIGTERM);
        assert!(manager.next().starts_with("STOPPING=1"));
        server.wait_for_exit();
    }
}

#[test]
fn an_upgrade_that_fails_is_not_told() {
    let manager = Manager::new();
    let scratch = Scratch::new();
    let program = copy_of_readyd(&scratch);
    let mut server = manager.of(Launch::of(&["framed"])).program(&program).start();
    assert!(manager.next().starts_with("READY=1"));
    fs::remove_file(&program).expect("our file");
    server.signal(Signal::SIGUSR2);
    server.wait_for_log("the upgrade has failed");
    server.signal(Signal::SIGHUP);
    assert!(manager.next().starts_with("RELOADING=1"));
    // It keeps the scoreboard for the next attempt.
    server.set_baseline();
}

/// The watchdog is for the process that systemd has started, and then for the new one.
#[test]
fn the_new_process_feeds_the_watchdog() {
    let manager = Manager::new();
    let script = "WATCHDOG_PID=$$ exec \"$0\" \"$@\"";
    let launch = Launch::of(&["framed"]).wrapper(&[SHELL, "-c", script]);
    let mut server = manager.of(launch.env("WATCHDOG_USEC", "300000")).start();
    let old = server.upgrade();
    wait_for_end(old);
    while manager.next() != format!("MAINPID={}", server.pid()) {}
    assert!(manager.next().starts_with("READY=1"));
    for _ in 0..3 {
        assert!(manager.next().starts_with("WATCHDOG=1"));
    }
}

#[test]
fn a_newline_is_written_once() {
    for shards in SHARDS {
        let scratch = Scratch::new();
        let path = scratch.path("ready");
        let script = format!("exec \"$0\" \"$@\" 7>'{}'", as_str(&path));
        let launch = launch(&["framed"], shards).args(&["--ready-fd", "7"]);
        let mut server = launch.wrapper(&[SHELL, "-c", &script]).start();
        eventually("a newline", || (fs::read(&path).ok()? == b"\n").then_some(()));
        let old = server.upgrade();
        wait_for_end(old);
        assert_eq!(server.connect("framed").ask("ECHO a"), "a");
        assert_eq!(fs::read(&path).expect("a file"), b"\n");
    }
}
