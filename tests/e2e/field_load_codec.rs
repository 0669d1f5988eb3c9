//! What users met with load generators: answers by their end, rates that cannot be kept,
//! greetings, connections to oneself, unix sockets.

use crate::support::bench::{bench, bench_words};
use crate::support::readyc::{self, READYC, stand_in};
use crate::support::tools::{self, Process};
use crate::support::{Scratch, Server, eventually};
use nix::sys::signal::{Signal, kill};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::os::unix::net::UnixListener;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

#[test]
fn field_load_05_an_answer_of_17_mib_is_told_by_its_end() {
    let length = 17 << 20;
    let server = stand_in(move |mut client| {
        let body = [vec![b'x'; length - 4], b"\r\n\r\n".to_vec()].concat();
        while client.stream.read_exact(&mut [0; 4]).is_ok()
            && client.stream.write_all(&body).is_ok()
        {}
    });
    let words = ["-c", "1", "-n", "3", "-t", "30s", "--send", r"GET\n", "--until", r"\r\n\r\n"];
    let run = bench_words(&[server], &words);
    run.assert_met();
    assert_eq!(run.count("achieved.bytes_received"), 3 * length as u64);
    assert_eq!(run.count("achieved.verified"), 3);
}

#[test]
fn field_load_06_a_rate_that_cannot_be_kept_is_as_fast_as_a_closed_loop_and_ends_on_time() {
    let server = Server::start(&["framed"]);
    let address = server.address("framed");
    // Other processes may have the processors for a while.
    eventually("a rate that is as high", || {
        let closed = bench(&[address], "-c 16 -d 1s").number("achieved.rate");
        let began = Instant::now();
        let run = bench(&[address], "-c 16 -d 1s -R 1000m");
        let lasted = began.elapsed();
        run.assert_fell_short();
        assert_eq!(run.count("achieved.requested"), 1_000_000_000, "{:#}", run.short());
        assert!(run.count("achieved.unsent") > 0, "{:#}", run.short());
        assert_eq!(run.value("client.bottleneck"), true, "{:#}", run.short());
        let verdict = run.value("client.verdict").to_string();
        assert!(verdict.contains("cannot keep this rate"), "{verdict}");
        let is_on_time = lasted < Duration::from_secs(2);
        (is_on_time && run.number("achieved.rate") >= 0.9 * closed).then_some(())
    });
}

#[test]
fn field_load_15_what_is_not_answered_has_no_latency_and_is_not_verified() {
    let server = Server::start(&["discard"]);
    let address = server.address("discard");
    let run = bench(&[address], "--plain discard -c 2 -n 100");
    run.assert_met();
    assert_eq!((run.count("achieved.sent"), run.count("achieved.verified")), (100, 0));
    assert_eq!((run.count("latency_us.count"), run.count("service_us.count")), (0, 0));
    assert_eq!(run.value("asked.verify"), false);
    let command = ["bench", "--plain", "discard", "-n", "100", "-c", "2", &address.to_string()];
    let text = readyc::run(&mut readyc::command(&command), b"").stdout;
    assert!(text.contains("latency       not applicable"), "{text}");
    assert!(!text.contains("verified"), "{text}");
}

#[test]
fn field_load_15_percentiles_go_as_far_as_the_samples() {
    let server = Server::start(&["framed"]);
    let address = server.address("framed").to_string();
    let shown = |requests: &str| {
        let command = ["bench", "--latency", "-c", "1", "-n", requests, &address];
        let text = readyc::run(&mut readyc::command(&command), b"").stdout;
        let lines = text.lines().filter(|line| line.starts_with("  ") && !line.contains('–'));
        lines.filter_map(|line| line.split_whitespace().next().map(str::to_owned)).collect()
    };
    let one: Vec<String> = shown("1");
    assert!(one.contains(&"max".to_owned()) && !one.contains(&"p50".to_owned()), "{one:?}");
    let hundred: Vec<String> = shown("100");
    assert!(hundred.contains(&"p99".to_owned()) && !hundred.contains(&"p99.9".to_owned()));
    let run = bench(&[&address], "-c 1 -n 1");
    let of = |name: &str| run.number(&format!("latency_us.{name}"));
    assert_eq!((of("min"), of("mean")), (of("max"), of("max")));
}

/// A server that greets, and answers each line.
fn greeting_server() -> SocketAddr {
    stand_in(|mut client| {
        let _ = client.stream.write_all(b"220 hello\r\n");
        let mut lines = BufReader::new(client.stream.try_clone().expect("a socket")).lines();
        while let Some(Ok(line)) = lines.next() {
            let said: &[u8] = if line == "NOOP" { b"250 ok\r\n" } else { b"500 what?\r\n" };
            let _ = client.stream.write_all(said);
        }
    })
}

const NOOP: [&str; 4] = ["--send", r"NOOP\r\n", "--expect", r"250 ok\r\n"];

const UNDECLARED: &str = concat!(
    r#"the server sent "220 hello\r\n" before any request (if it greets its clients, declare "#,
    "that with --greeting TEXT, --greeting-bytes N or --greeting-until TEXT)"
);

#[test]
fn field_load_16_a_greeting_that_was_not_declared_is_one_clear_error() {
    let server = greeting_server().to_string();
    for more in [&NOOP[..], &["--plain", "echo"], &["--workers", "2"]] {
        let command = [&["bench", "-c", "4", "-d", "20s", &server], more].concat();
        let began = Instant::now();
        let ended = readyc::run(&mut readyc::command(&command), b"");
        assert!(began.elapsed() < Duration::from_secs(10));
        assert_eq!(ended, readyc::Ended::failed(1, UNDECLARED), "{more:?}");
    }
}

#[test]
fn field_load_16_a_greeting_that_was_declared_is_no_answer() {
    let server = greeting_server();
    let greetings = [
        ["--greeting", r"220 hello\r\n"],
        ["--greeting-bytes", "11"],
        ["--greeting-until", r"\r\n"],
    ];
    let loads = [
        "-c 4 -n 200",
        "-c 4 -I 3 -n 200 -P 4",
        "-c 4 -n 50 --lifetime 1",
        "-c 4 -n 50 --lifetime 3",
    ];
    for (greeting, load) in greetings.iter().flat_map(|greeting| loads.map(|load| (greeting, load)))
    {
        let words: Vec<&str> = load.split(' ').chain(*greeting).chain(NOOP).collect();
        let run = bench_words(&[server], &words);
        run.assert_met();
        run.assert_mismatches(&[]);
    }
    // Another greeting than the declared one.
    let words = [&["-c", "1", "-n", "10", "--no-reconnect", "--greeting", "221 hello"][..], &NOOP];
    let run = bench_words(&[server], &words.concat());
    run.assert_fell_short();
    let first = run.value("first_mismatch").to_string();
    assert!(first.contains("220 hello") && first.contains("221 hello"), "{first}");
}

/// A run of a number of requests would not end, since none is ever sent.
#[test]
fn field_load_16_a_declared_greeting_that_never_comes_is_one_clear_error() {
    let server = greeting_server().to_string();
    for (greeting, declared) in [
        (["--greeting", "221 hello"], "221 hello"),
        (["--greeting-bytes", "12"], "12 bytes"),
        (["--greeting-until", "250"], "something that ends with 250"),
    ] {
        let run = ["bench", "-c", "4", "-n", "20", "-t", "200ms", &server];
        let command = [&run[..], &greeting, &NOOP].concat();
        let ended = readyc::run(&mut readyc::command(&command), b"");
        let told = format!(
            "the server's greeting is not the one that was declared: it sent \
             \"220 hello\\r\\n\", and --greeting declares \"{declared}\""
        );
        assert_eq!(ended, readyc::Ended::failed(1, &told), "{greeting:?}");
    }
}

#[test]
fn field_load_16_a_refusal_in_words_is_no_greeting() {
    let accepted = Arc::new(AtomicUsize::new(0));
    let server = stand_in(move |mut client| {
        if accepted.fetch_add(1, Ordering::Relaxed) >= 2 {
            let _ = client.stream.write_all(b"-ERR max number of clients reached\r\n");
            return;
        }
        while client.stream.read_exact(&mut [0; 6]).is_ok() {
            let _ = client.stream.write_all(b"250 ok\r\n");
        }
    });
    // The third connection's request is due 200 ms after the start, long after the refusal.
    let words = [&["-c", "3", "-R", "10", "-d", "500ms", "--no-reconnect"][..], &NOOP];
    let run = bench_words(&[server], &words.concat());
    run.assert_fell_short();
    assert!(run.count("achieved.verified") > 0, "{:#}", run.short());
    run.assert_mismatches(&[("unexpected", 1)]);
    let first = run.value("first_mismatch").to_string();
    assert!(first.contains("max number of clients"), "{first}");
}

#[test]
fn field_load_16_one_greeting_is_declared_and_where_it_makes_sense() {
    for words in [
        "--greeting a --greeting-bytes 3",
        "--greeting-until a --greeting b",
        "--greeting-bytes 0",
        "--greeting a --plain daytime",
        "--greeting a --plain discard",
    ] {
        let arguments: Vec<&str> = ["bench"].into_iter().chain(words.split(' ')).collect();
        let ended = readyc::run(&mut readyc::command(&arguments), b"");
        assert_eq!(ended.status, Some(2), "{words}: {ended:?}");
        assert!(ended.stderr.contains("--greeting"), "{words}: {ended:?}");
    }
}

/// In a network of its own, where the kernel chooses one of five ports for a connection (those of
/// connect(2) have the parity of the first one of the range).
const WITH_FEW_PORTS: &str = "ip link set lo up && \
    echo 40000 40009 > /proc/sys/net/ipv4/ip_local_port_range && exec \"$@\"";

#[test]
fn field_load_14_no_command_talks_to_itself() {
    let (Some(unshare), Some(_)) = (tools::find("unshare"), tools::find("ip")) else { return };
    let in_a_network = |words: &[&str]| {
        let mut command = Command::new(&unshare);
        command.args(["--map-root-user", "--net", "sh", "-c", WITH_FEW_PORTS, "sh"]);
        readyc::run(command.args(words), b"")
    };
    if in_a_network(&["true"]).status != Some(0) {
        return tools::skip("no network namespace can be had");
    }
    // Each attempt comes from another port, so one of them is this one.
    let command =
        [READYC, "--server", "127.0.0.1:40004", "echo", "--plain", "--sessions", "500", "hello"];
    let ended = in_a_network(&command);
    assert!(ended.stdout.contains("500 asked, 0 established, 500 failed"), "{ended:?}");
    assert!(ended.stdout.contains("0 sent, 0 answered, 0 verified"), "{ended:?}");
    assert!(ended.stdout.contains("the connection reached itself"), "{ended:?}");
    assert_eq!(ended.status, Some(1), "{ended:?}");
}

#[test]
fn field_load_18_every_command_takes_a_unix_socket() {
    let scratch = Scratch::new();
    let paths = ["framed", "echo", "exchange"].map(|name| scratch.path(name));
    let [framed, echo, exchange] = paths.each_ref().map(|path| format!("unix:{}", path.display()));
    let listen = [("framed", &framed), ("echo", &echo), ("exchange", &exchange)];
    let listen = listen.map(|(service, address)| format!("{service}={address}"));
    let server = Server::start(&listen.each_ref().map(String::as_str));
    let said = |server: &str, arguments: &[&str]| {
        let ended =
            readyc::run(&mut readyc::command(&[&["--server", server], arguments].concat()), b"");
        assert_eq!((ended.status, ended.stderr.as_str()), (Some(0), ""), "{arguments:?}");
        ended.stdout
    };
    assert_eq!(said(&framed, &["echo", "hello"]), "hello\n");
    assert_eq!(said(&echo, &["echo", "--plain", "hello"]), "hello\n");
    let many = said(&framed, &["echo", "--sessions", "1000", "--repeat", "3", "hello"]);
    assert!(many.contains("1000 asked, 1000 established, 0 failed"), "{many}");
    assert!(said(&framed, &["whoami"]).contains("connected to ('unix', "));
    assert!(said(&framed, &["daytime"]).contains(':'));
    assert!(said(&framed, &["lookup", "readyd"]).ends_with('\n'));
    assert!(said(&framed, &["send", "ECHO x"]).contains("x\n"));
    assert!(said(&framed, &["sync"]).contains("offset"));
    assert!(said(&framed, &["stats"]).contains("connections_accepted"));
    assert!(said(&framed, &["stats", "--watch", "10ms", "--count", "2"]).contains("req/s"));
    assert!(said(&exchange, &["exchange"]).starts_with("('unix', "));
    assert!(!said(&framed, &["doctor", "-c", "10"]).contains("ip_local_port_range"));
    let run = bench(&[&framed], "-c 20 -I 20 -n 1000");
    run.assert_met();
    assert_eq!(run.count("achieved.verified"), 1000);
    assert_eq!(run.value("asked.targets")[0], framed.as_str());
    let run = bench(&[&echo], "-c 20 --plain echo -n 1000 --lifetime 10 --workers 2");
    run.assert_met();
    drop(server);
    let ended = readyc::run(&mut readyc::command(&["--server", &framed, "echo", "x"]), b"");
    assert_eq!(
        ended,
        readyc::Ended::failed(
            1,
            &format!("cannot connect to {framed}: there is no such socket (is readyd running?)")
        )
    );
}

/// A server whose backlog is short, and which is slow to accept.
#[test]
fn field_load_18_a_full_backlog_of_a_unix_socket_is_waited_for() {
    let scratch = Scratch::new();
    let path = scratch.path("short");
    let socket =
        socket2::Socket::new(socket2::Domain::UNIX, socket2::Type::STREAM, None).expect("a socket");
    socket.bind(&socket2::SockAddr::unix(&path).expect("a path")).expect("it is free");
    socket.listen(2).expect("it is bound");
    let listener = UnixListener::from(std::os::fd::OwnedFd::from(socket));
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            std::thread::spawn(move || {
                let mut buffer = [0; 64];
                while let Ok(count @ 1..) = stream.read(&mut buffer) {
                    let _ = stream.write_all(&buffer[..count]);
                }
            });
        }
    });
    let server = format!("unix:{}", path.display());
    let run = bench(&[&server], "-c 200 -n 400 --plain echo");
    run.assert_met();
    assert_eq!(run.count("achieved.connections_failed"), 0);
    let run = bench(&[&server], "-c 1 -n 100 --plain echo --slow-readers 100 --slow-writers 100");
    run.assert_met();
    assert_eq!(run.count("slow.established"), 200);
    let command = ["--server", &server, "echo", "--plain", "--sessions", "200", "hello"];
    let ended = readyc::run(&mut readyc::command(&command), b"");
    assert!(ended.stdout.contains("200 asked, 200 established, 0 failed"), "{ended:?}");
}

#[test]
fn field_load_18_a_source_with_an_interface_or_for_a_unix_socket() {
    let said = |arguments: &[&str]| {
        let ended = readyc::run(&mut readyc::command(&[&["bench"], arguments].concat()), b"");
        assert_eq!(ended.status, Some(2), "{ended:?}");
        ended.stderr
    };
    let unknown = said(&["--source", "fe80::1%no-link", "[::1]:1"]);
    assert!(unknown.contains("there is no network interface \"no-link\""), "{unknown}");
    let unix = said(&["--source", "127.0.0.2", "unix:/x.sock"]);
    assert!(unix.contains("a unix socket takes no address to connect from"), "{unix}");
    let url = said(&["http://127.0.0.1:80/"]);
    assert!(url.contains("give HOST:PORT, not a URL: 127.0.0.1:80 ("), "{url}");
}

#[test]
fn field_load_18_no_hidden_command_is_suggested() {
    for word in ["ech", "bench-work", "worker"] {
        let ended = readyc::run(&mut readyc::command(&[word]), b"");
        assert_eq!(ended.status, Some(2));
        assert!(!ended.stderr.contains("bench-worker"), "{}", ended.stderr);
    }
}

#[test]
fn field_load_18_an_interrupt_ends_many_sessions_with_their_summary() {
    let heard = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&heard);
    let server = stand_in(move |mut client| {
        while client.stream.read_exact(&mut [0]).is_ok() {
            counted.fetch_add(1, Ordering::Relaxed);
        }
    });
    let mut command = Command::new(READYC);
    let server = server.to_string();
    command.args(["--server", &server, "echo", "--plain", "--sessions", "5", "hello"]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut process = Process::start(&mut command);
    let mut stdout = process.child.stdout.take().expect("a pipe");
    let all = 5 * "hello".len();
    eventually("all requests", || (heard.load(Ordering::Relaxed) == all).then_some(()));
    kill(process.id(), Signal::SIGINT).expect("it runs");
    let mut summary = String::new();
    stdout.read_to_string(&mut summary).expect("text");
    assert!(summary.contains("5 asked, 5 established, 5 failed"), "{summary}");
    assert!(summary.contains("5 asked, 5 sent, 0 answered, 0 verified"), "{summary}");
    assert!(summary.contains("5 x interrupted before it was done"), "{summary}");
    assert_eq!(process.wait().code(), Some(3));
}

#[test]
fn field_load_18_statistics_are_one_object() {
    let server = Server::start(&["framed"]);
    let ended = readyc::ask(server.address("framed"), &["stats", "--json"]);
    assert_eq!((ended.status, ended.stdout.lines().count()), (Some(0), 1));
    let object: serde_json::Value = serde_json::from_str(&ended.stdout).expect("JSON");
    assert_eq!(object["connections_accepted"], 1);
    assert!(object["version"].is_string());
}

#[test]
fn field_load_18_the_rate_of_connecting_is_that_of_all_workers() {
    let server = Server::start(&["framed"]);
    let began = Instant::now();
    let command = "-c 21 -n 21 --workers 3 --connect-rate 20";
    let run = bench(&[server.address("framed")], command);
    run.assert_met();
    // The last of them is due a second after the first.
    assert!(began.elapsed() >= Duration::from_secs(1));
    assert!(run.number("achieved.connect_elapsed_s") < 2.0, "{:#}", run.short());
}
