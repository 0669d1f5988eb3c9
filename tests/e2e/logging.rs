//! The log neither blocks nor ends the server, and clients can neither forge nor flood it.

use crate::support::lines::Lines;
use crate::support::server::READYD;
use crate::support::tools::SHELL;
use crate::support::{Client, Launch, PATIENCE, Scratch, Server, frame};
use nix::pty::openpty;
use nix::sys::signal::Signal;
use std::fs::{self, File};
use std::io::pipe;
use std::os::unix::fs::MetadataExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// The number before ` lines suppressed` or ` log lines lost` in `line`: of one, it is a line.
fn number_before(line: &str, words: &str) -> u64 {
    let before = line.split_once(words).expect("these words").0;
    before.rsplit(' ').next().expect("a word").parse().expect("a number")
}

#[test]
fn fault_06_a_dead_log_pipe_stops_nothing() {
    let (reader, writer) = pipe().expect("a pipe");
    let server = Launch::of(&["framed"]).stderr(writer).start();
    drop(reader);
    let mut client = server.connect("framed");
    for _ in 0..10 {
        // Each of these is to be logged.
        assert_eq!(client.ask("Hello"), "Message received successfully....");
    }
    server.signal(Signal::SIGUSR1);
    assert_eq!(client.ask("ECHO still here"), "still here");
}

#[test]
fn no_standard_error_at_all() {
    let server = Launch::of(&["framed"])
        .wrapper(&[SHELL, "-c", "exec \"$0\" \"$@\" 2>&-"])
        .stderr(Stdio::null())
        .start();
    let mut client = server.connect("framed");
    assert_eq!(client.ask("Hello"), "Message received successfully....");
}

/// Messages that overfill a pipe: it holds 64 KiB, and each is logged with more than 100 bytes.
const MESSAGES: u64 = 3000;

/// Has a server log [`MESSAGES`] messages to `stderr`; each is `message`, answered by `reply`.
fn overfill(stderr: impl Into<Stdio>, message: &[u8], reply: &[u8]) -> (Server, Client) {
    let server = Launch::of(&["framed"]).args(&["--log-rate", "1m"]).stderr(stderr).start();
    let mut client = server.connect("framed");
    for _ in 0..MESSAGES / 100 {
        client.send(&message.repeat(100));
        client.expect(reply.repeat(100));
    }
    (server, client)
}

#[test]
fn nobody_reads_the_terminal() {
    let pty = openpty(None, None).expect("a pseudoterminal");
    let reply = frame("Message received successfully....");
    // A terminal is writable as long as it has room for a few bytes, less than a line.
    let (_server, _client) = overfill(pty.slave, &frame([b'x'; 100]), &reply);
}

#[test]
fn fault_06_a_full_log_pipe_stops_nothing() {
    let (_reader, writer) = pipe().expect("a pipe");
    let reply = frame("Message received successfully....");
    // Served in spite of it, and ended in order when dropped.
    let (_server, _client) = overfill(writer, &frame([b'x'; 100]), &reply);
}

#[test]
fn fault_06_lines_lost_in_a_full_log_pipe_are_counted() {
    let message = frame([b'x'; 100]);
    let reply = frame("Message received successfully....");
    let (reader, writer) = pipe().expect("a pipe");
    let (server, mut client) = overfill(writer, &message, &reply);
    // From here on the pipe is emptied; the next line is preceded by the number of lost ones.
    let log = Lines::of(reader);
    let lost_lines = " lost: standard error was full";
    let deadline = Instant::now() + PATIENCE;
    let mut sent = MESSAGES;
    while log.containing(lost_lines).is_empty() {
        assert!(Instant::now() < deadline, "nothing is logged, though the pipe is being emptied");
        client.send(&message);
        client.expect(&reply);
        sent += 1;
    }
    drop(client);
    drop(server);
    let lines = log.wait_for_end();
    let logged = lines.iter().filter(|line| line.contains(" message: \"xxx")).count() as u64;
    let lost: Vec<&String> = lines.iter().filter(|line| line.contains(lost_lines)).collect();
    let lost: u64 = lost.iter().map(|line| number_before(line, " log line")).sum();
    assert_eq!(logged + lost, sent, "{logged} logged, {lost} lost");
    let is_whole = |line: &&String| {
        let mended = line.starts_with("readyd: ") && line.ends_with(lost_lines);
        mended || (line.starts_with("20") && !line.ends_with('x'))
    };
    assert_eq!(lines.iter().find(|line| !is_whole(line)), None);
}

#[test]
fn fault_11_what_clients_send_cannot_forge_a_log_line() {
    let server = Server::start(&["framed", "lookup", "exchange", "daytime=127.0.0.1:0,ack"]);
    let forged = "x\n2031-01-01T00:00:00Z ERROR forged\r\x1b[2J\x07\0\u{9b}31m\u{2028}\"end";
    let escaped =
        r#""x\n2031-01-01T00:00:00Z ERROR forged\r\x1b[2J\x07\x00\xc2\x9b31m\xe2\x80\xa8\"end""#;
    server.connect("framed").ask(forged);
    server.wait_for_log(&format!("message: {escaped}"));

    let mut client = server.connect("daytime");
    client.send(forged.as_bytes());
    client.read_to_end();
    server.wait_for_log(&format!("acknowledged: {escaped}"));

    let one_line = "\x1b]0;title\x07";
    for (service, text) in [("lookup", "not found: "), ("exchange", "client details: ")] {
        let mut client = server.connect(service);
        client.send(format!("{one_line}\n").as_bytes());
        client.finish_sending();
        assert!(client.read_to_end().ends_with(b"Not Found\n"));
        server.wait_for_log(&format!("{text}\"\\x1b]0;title\\x07\""));
    }
    for line in server.log().all() {
        let printable = line.bytes().all(|byte| (b' '..=b'~').contains(&byte));
        assert!(printable && !line.starts_with("2031"), "{line:?}");
    }
}

#[test]
fn long_messages_are_cut() {
    let server = Server::start(&["framed"]);
    server.connect("framed").ask(&"y".repeat(100_000));
    let line = server.wait_for_log(" message: \"yyy");
    assert!(line.len() < 400 && line.ends_with("y\"... (100000 bytes)"), "{line}");
}

#[test]
fn a_line_longer_than_a_pipe_takes_at_once_still_ends() {
    let scratch = Scratch::new();
    scratch.write("table", "colour red\n");
    // About as long as a path may be, path_resolution(7), and with the text around it longer than
    // PIPE_BUF, pipe(7).
    let prefix = scratch.path("");
    let detour = "./".repeat((4085 - prefix.as_os_str().len()) / 2);
    let table = prefix.join(format!("{detour}table"));
    let server = Launch::of(&["framed"]).path("--table", &table).start();
    assert_eq!(server.connect("framed").ask("LOOKUP colour"), "red");
    server.wait_for_log("listening framed");
    for line in server.log().all() {
        assert!(line.starts_with("20") && line.len() < 4096, "{} bytes: {line}", line.len());
    }
    for beginning in ["INFO  loading table ", "INFO  table "] {
        assert_eq!(server.log().containing(beginning).len(), 1, "{beginning}");
    }
}

#[test]
fn log_rate_bounds_what_clients_cause_and_tells_the_rest() {
    const MESSAGES: u64 = 200;
    const RATE: usize = 5;
    let server = Launch::of(&["framed"]).args(&["--log-rate", &RATE.to_string()]).start();
    let started = Instant::now();
    let mut client = server.connect("framed");
    for _ in 0..MESSAGES {
        client.ask("Hello");
    }
    drop(client);
    // All that the client caused: one line when it came, its messages, one when it left.
    let caused = 1 + MESSAGES + 1;
    server.log().wait("every line, or how many are missing", |lines| {
        let by_client =
            |line: &&String| line.contains(" 127.0.0.1:") && !line.contains("listening");
        let suppressed = lines.iter().filter(|line| line.contains("(--log-rate 5)"));
        let suppressed: u64 = suppressed.map(|line| number_before(line, " line")).sum();
        let logged = lines.iter().filter(by_client).count() as u64;
        (logged + suppressed == caused).then_some(())
    });
    let logged = server.log().containing(" message: ").len();
    let seconds = started.elapsed().as_secs() as usize + 1;
    assert!(logged <= RATE * (seconds + 1), "{logged} lines in {seconds} seconds");
    assert!(server.statistics().get("log_lines_suppressed") > 0);
}

/// Has 300 clients come and go, and counts the lines of the log.
fn lines_of_a_crowd(launch: Launch) -> usize {
    let server = launch.args(&["--log-rate", "10"]).start();
    let started = Instant::now();
    for _ in 0..300 {
        server.connect("framed").ask("Hello");
    }
    let seconds = started.elapsed().as_secs() as usize + 1;
    server.wait_for_statistic("connections_open", 0);
    // What is logged at the start, and of the statistics, no client causes.
    let is_caused = |line: &&String| {
        let of_client = line.contains(" 127.0.0.1:") && !line.contains("listening");
        of_client || line.contains("poller") || line.contains("suppressed (")
    };
    server.log().all().iter().filter(is_caused).count() / seconds
}

#[test]
fn field_server_19_log_rate_bounds_what_clients_cause_at_any_level() {
    // Of each second 10 lines, and one that says how many more there would be; and perhaps a
    // second more than was counted.
    let by_flag = lines_of_a_crowd(Launch::of(&["framed"]).args(&["--log", "trace"]));
    assert!((1..=2 * 11).contains(&by_flag), "{by_flag} lines a second");
    // Here what mio says has a bound of its own.
    let by_environment = lines_of_a_crowd(Launch::of(&["framed"]).env("RUST_LOG", "trace"));
    assert!((1..=4 * 11).contains(&by_environment), "{by_environment} lines a second");
}

#[test]
fn the_journal_gets_priorities_instead_of_times() {
    let scratch = Scratch::new();
    let path = scratch.path("journal");
    let file = File::create(&path).expect("a file");
    let metadata = file.metadata().expect("its number");
    let stream = format!("{}:{}", metadata.dev(), metadata.ino());
    let server = Launch::of(&["framed"]).env("JOURNAL_STREAM", stream).stderr(file).start();
    server.connect("framed").ask("Hello");
    server.signal(Signal::SIGHUP);
    drop(server);
    let log = fs::read_to_string(path).expect("the log");
    assert!(log.lines().any(|line| line.starts_with("<4>no table to reload")), "{log}");
    assert!(log.lines().all(|line| line.starts_with("<6>") || line.starts_with("<4>")), "{log}");
    assert!(log.contains("<6>listening framed 127.0.0.1:"), "{log}");
}

#[test]
fn why_a_start_failed_is_an_error_in_the_journal() {
    let scratch = Scratch::new();
    let path = scratch.path("journal");
    let file = File::create(&path).expect("a file");
    let metadata = file.metadata().expect("its number");
    let stream = format!("{}:{}", metadata.dev(), metadata.ino());
    let mut command = Command::new(READYD);
    command.args(["--listen", "framed=192.0.2.1:0"]).env("JOURNAL_STREAM", stream).stderr(file);
    assert_eq!(command.status().expect("readyd").code(), Some(1));
    let log = fs::read_to_string(path).expect("the log");
    let is_told = |line: &str| line.starts_with("<3>readyd: cannot listen on framed=192.0.2.1:0");
    assert!(log.lines().any(is_told), "{log}");
    assert!(log.lines().all(|line| line.starts_with('<')), "{log}");
}

#[test]
fn levels_by_flag_and_by_environment() {
    let log_of = |launch: Launch| {
        let scratch = Scratch::new();
        let path = scratch.path("log");
        let server = launch.stderr(File::create(&path).expect("a file")).start();
        server.connect("framed").ask("Hello");
        // The signal is acted on before the next one ends the server.
        server.signal(Signal::SIGHUP);
        server.connect("framed").ask("Hello");
        drop(server);
        fs::read_to_string(&path).expect("the log")
    };
    let only_warning = |log: &str| log.lines().count() == 1 && log.contains("no table to reload");
    let by_flag = log_of(Launch::of(&["framed"]).args(&["--log", "warn"]));
    assert!(only_warning(&by_flag), "{by_flag}");
    let by_environment = log_of(Launch::of(&["framed"]).env("RUST_LOG", "warn"));
    assert!(only_warning(&by_environment), "{by_environment}");
    let both = log_of(Launch::of(&["framed"]).args(&["--log", "off"]).env("RUST_LOG", "warn"));
    assert_eq!(both, "");
}

#[test]
fn a_burst_does_not_hide_later_lines() {
    let server = Launch::of(&["framed"]).args(&["--log-rate", "1"]).start();
    let mut client = server.connect("framed");
    client.send(&frame("Hello").repeat(100));
    server.wait_for_log(" suppressed (");
    // The second in which the burst was is over: there is room for a line again.
    client.ask("one more");
    let line = server.wait_for_log("one more");
    assert!(line.contains(" message: "), "{line}");
    assert!(!client.hears_nothing_for(Duration::from_millis(1)));
    client.expect(frame("Message received successfully....").repeat(99));
}
