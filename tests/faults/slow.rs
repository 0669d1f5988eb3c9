//! Clients that are slow on purpose. Each is closed for its own reason, and those who are not slow
//! are served meanwhile.

use crate::support::tools::{self, Input};
use crate::support::{Client, Launch, PATIENCE, Server, eventually, frame};
use std::io::{ErrorKind, Read, Write};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

/// Between two bytes of a slow client: many of them in the second that a frame may take.
const PAUSE: Duration = Duration::from_millis(20);

/// A client that sends a request byte by byte, and the reply that it gets in the end.
struct Trickle {
    client: Client,
    rest: std::vec::IntoIter<u8>,
    came: Vec<u8>,
    ended: bool,
}

impl Trickle {
    /// Sends `at_once` now, and `rest` byte by byte.
    fn start(server: &Server, at_once: &[u8], rest: Vec<u8>) -> Trickle {
        let mut client = server.connect("framed");
        client.send(at_once);
        client.stream.set_nonblocking(true).expect("a nonblocking socket");
        Trickle { client, rest: rest.into_iter(), came: Vec::new(), ended: false }
    }

    /// Sends the next byte, and takes what has come.
    fn step(&mut self) {
        if let Some(byte) = self.rest.next() {
            // A server that has closed meanwhile takes no more; what it said can be read all the
            // same.
            let _ = self.client.stream.write(&[byte]);
        }
        let mut buffer = [0; 4096];
        match self.client.stream.read(&mut buffer) {
            Ok(0) => self.ended = true,
            Ok(count) => self.came.extend_from_slice(&buffer[..count]),
            Err(error) => self.ended = error.kind() != ErrorKind::WouldBlock,
        }
    }
}

#[test]
fn fault_08_slow_headers_and_bodies_are_closed_by_the_frames_deadline() {
    const EACH: usize = 50;
    let server = Launch::of(&["framed"]).args(&["--frame-timeout", "1s"]).start();
    let mut good = server.connect("framed");
    let header = format!("{:<64}", 1000).into_bytes();
    let slow_header = |_| Trickle::start(&server, &header[..1], header[1..].to_vec());
    let slow_body = |_| Trickle::start(&server, &header, vec![b'x'; 999]);
    let mut slow: Vec<Trickle> =
        (0..EACH).map(slow_header).chain((0..EACH).map(slow_body)).collect();
    let deadline = Instant::now() + PATIENCE;
    while slow.iter().any(|client| !client.ended) {
        assert!(Instant::now() < deadline, "slow clients are still connected");
        slow.iter_mut().filter(|client| !client.ended).for_each(Trickle::step);
        assert_eq!(good.ask("ECHO not slow"), "not slow");
        thread::sleep(PAUSE);
    }
    let refusal = frame("Error: the request did not arrive whole within 1s");
    for client in &slow {
        // The rest of it may have come while the server said so: its FIN is lost then, in RST.
        assert!(client.came == refusal, "{}", client.came.escape_ascii());
        assert!(client.rest.len() > 0, "all of the request was taken");
    }
    drop(slow);
    server.wait_for_statistic("closed_frame_timeout", 2 * EACH as u64);
    assert_eq!(good.ask("ECHO still here"), "still here");
}

#[test]
fn fault_07_clients_that_never_read_are_closed_and_the_others_are_served() {
    const SLOW: usize = 30;
    let server = Launch::of(&["framed"]).args(&["--write-timeout", "1s"]).start();
    let mut good = server.connect("framed");
    let request = frame([b"ECHO ".as_slice(), &vec![b'x'; 100_000]].concat());
    let connect = |_| {
        let client = server.connect("framed");
        client.stream.set_nonblocking(true).expect("a nonblocking socket");
        (client, 0)
    };
    // Each with how much of the request is sent.
    let mut slow: Vec<(Client, usize)> = (0..SLOW).map(connect).collect();
    let deadline = Instant::now() + PATIENCE;
    while !slow.is_empty() {
        assert!(Instant::now() < deadline, "{} are still connected", slow.len());
        slow.retain_mut(|(client, sent)| match client.stream.write(&request[*sent..]) {
            Ok(count) => {
                *sent = (*sent + count) % request.len();
                true
            }
            Err(error) => error.kind() == ErrorKind::WouldBlock,
        });
        assert_eq!(good.ask("ECHO not slow"), "not slow");
    }
    server.wait_for_statistic("closed_write_timeout", SLOW as u64);
}

/// Runs slowhttptest(1) with its own options against the lookup service, which takes any line,
/// while good clients ask there and elsewhere.
fn assert_survives_slowhttptest(options: &'static [&str]) {
    let Some(program) = tools::find("slowhttptest") else { return };
    let server = Launch::of(&["framed", "lookup"])
        .args(&["--frame-timeout", "1s", "--write-timeout", "1s", "--idle-timeout", "2s"])
        .start();
    let url = format!("http://{}/", server.address("lookup"));
    let attack = thread::spawn(move || {
        let mut command = Command::new(program);
        command.args(options).args(["-c", "200", "-r", "100", "-l", "4", "-p", "1", "-u", &url]);
        tools::run(&mut command, Input::Silent)
    });
    let mut asked = 0;
    while !attack.is_finished() || asked == 0 {
        let mut client = server.connect("framed");
        assert_eq!(client.ask("ECHO not slow"), "not slow");
        let mut client = server.connect("lookup");
        client.send(b"165.165.80.80\n");
        client.expect("6A:08:AA:C2\n");
        asked += 1;
        // A pause, and nothing that is waited for: it leaves the attacker some of the processor.
        thread::sleep(Duration::from_millis(5));
    }
    let output = attack.join().expect("the attacking thread");
    assert!(output.status.success(), "{output:?}");
    eventually("the attackers gone", || {
        (server.statistics().get("connections_open") == 0).then_some(())
    });
    let attackers = server.statistics().get("connections_accepted") - 2 * asked;
    assert!(attackers >= 100, "{attackers} connections are no attack");
}

#[test]
fn slowhttptest_slow_headers() {
    assert_survives_slowhttptest(&["-H", "-i", "1"]);
}

#[test]
fn slowhttptest_slow_bodies() {
    assert_survives_slowhttptest(&["-B", "-i", "1", "-s", "8192"]);
}

#[test]
fn slowhttptest_slow_reading() {
    assert_survives_slowhttptest(&["-X", "-w", "1", "-y", "2", "-n", "1", "-z", "1", "-k", "3"]);
}
