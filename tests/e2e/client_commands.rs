//! Every command of the client against the real server.

use crate::support::readyc::{self, Ended, READYC, RECEIVED, ask, ask_with_input, assert_dated};
use crate::support::server::Statistics;
use crate::support::{Launch, Scratch, Server, loopback_of_ones_own, tools};
use std::process::Command;

const FORMATS: [(&str, &str); 5] = [
    ("ctime", "%a %b %e %H:%M:%S %Y"),
    ("dmy", "%d/%m/%Y %H:%M:%S"),
    ("rfc3339", "%Y-%m-%dT%H:%M:%SZ"),
    ("rfc2822", "%a, %d %b %Y %H:%M:%S +0000"),
    ("unix", "%s"),
];

/// Checks that a run prints the time, with `after` behind it.
fn assert_prints_time(format: &str, after: &str, run: impl FnOnce() -> Ended) {
    let earliest = tools::now();
    assert_dated(&run(), earliest, format, |date| format!("{date}{after}"));
}

/// The peer's port in a line of the server's log.
fn port_in(line: &str) -> &str {
    let rest = line.split_once("127.0.0.1:").expect("the peer's address").1;
    rest.split(' ').next().expect("a port")
}

#[test]
fn echo() {
    let server = Server::start(&["framed", "echo"]);
    for (service, flag) in [("framed", None), ("echo", Some("--plain"))] {
        let say = |words: &[&str]| {
            let arguments: Vec<&str> = ["echo"].iter().chain(&flag).chain(words).copied().collect();
            ask(server.address(service), &arguments)
        };
        assert_eq!(say(&["hello"]), Ended::well("hello\n"));
        assert_eq!(say(&["hello", "world"]), Ended::well("hello world\n"));
        assert_eq!(say(&["  two  spaces  "]), Ended::well("  two  spaces  \n"));
        assert_eq!(say(&["Grüße, 世界 🦀"]), Ended::well("Grüße, 世界 🦀\n"));
        // A line end that was sent is the one that is printed.
        assert_eq!(say(&["a line\r\n"]), Ended::well("a line\r\n"));
        assert_eq!(say(&["--", "--plain"]), Ended::well("--plain\n"));
        let long = "0123456789".repeat(10_000);
        assert_eq!(say(&[&long]), Ended::well(format!("{long}\n")));
    }
}

#[test]
fn daytime_in_every_format() {
    let listeners = FORMATS.map(|(name, _)| format!("daytime=127.0.0.1:0,format={name}"));
    let mut listeners: Vec<&str> = listeners.iter().map(String::as_str).collect();
    listeners.push("framed");
    let server = Launch::of(&listeners).args(&["--utc"]).start();
    let framed = server.address("framed");
    assert_prints_time(FORMATS[0].1, "\n", || ask(framed, &["daytime"]));
    for ((name, format), plain) in FORMATS.iter().zip(server.addresses_of("daytime")) {
        assert_prints_time(format, "\n", || ask(framed, &["daytime", "--format", name]));
        assert_prints_time(format, "\r\n", || ask(plain, &["daytime", "--plain"]));
    }
}

#[test]
fn daytime_is_acknowledged() {
    let server = Launch::of(&["daytime=127.0.0.1:0,format=dmy,ack"]).args(&["--utc"]).start();
    let command = ["daytime", "--plain", "--ack", "Time received successfully."];
    assert_prints_time(FORMATS[1].1, "\n", || ask(server.address("daytime"), &command));
    server.wait_for_log("acknowledged: \"Time received successfully.\"");
    server.wait_for_log("closed: served");
}

#[test]
fn lookup() {
    let server = Server::start(&["framed", "lookup"]);
    let keys = ["165.165.80.80", "10.0.0.1", "165.165.79.1"];
    let values = Ended::well("6A:08:AA:C2\nNot Found\n8A:BC:E3:FA\n");
    let look_up = |service, flags: &[&str]| {
        ask(server.address(service), &[&["lookup"], flags, &keys].concat())
    };
    assert_eq!(look_up("framed", &[]), values);
    assert_eq!(look_up("lookup", &["--plain"]), values);
    assert_eq!(look_up("lookup", &["--plain", "--lines"]), values);
    assert_eq!(look_up("lookup", &["--plain", "--ack", "Got them."]), values);
    server.wait_for_log("not found: \"Got them.\"");
}

#[test]
fn whoami() {
    let server = Server::start(&["framed", "greeting"]);
    for (service, command) in [("framed", &["whoami"][..]), ("greeting", &["whoami", "--plain"])] {
        let ended = ask(server.address(service), command);
        let before = server.statistics().get("connections_accepted") - 1;
        let is_it = |line: &&String| line.contains(" connected (");
        let line = server.log().wait("the client in the log", |lines| {
            lines.iter().filter(is_it).nth(before as usize).cloned()
        });
        let port = port_in(&line).to_owned();
        let greeting = format!("Hello! You are connected to ('127.0.0.1', {port})\n");
        assert_eq!(ended, Ended::well(greeting));
    }
}

#[test]
fn stats() {
    let server = Server::start(&["framed"]);
    ask(server.address("framed"), &["echo", "x"]);
    let ended = ask(server.address("framed"), &["stats"]);
    let told = Statistics::from_reply(&ended.stdout);
    assert_eq!((told.get("connections_accepted"), told.get("frames")), (2, 2));
    assert_eq!(told.names(), server.statistics().names());
    assert_eq!(ended, Ended::well(ended.stdout.clone()));
}

#[test]
fn send_with_arguments() {
    let server = Server::start(&["framed"]);
    let ended = ask(server.address("framed"), &["send", "Hello World!", "", "ECHO of it"]);
    assert_eq!(ended, Ended::well(format!("{RECEIVED}{RECEIVED}of it\n{RECEIVED}")));
    server.wait_for_log("closed: peer asked to disconnect");
    let messages: Vec<String> = server
        .log()
        .containing(" message: ")
        .iter()
        .map(|line| line.split_once(" message: ").expect("a message").1.to_owned())
        .collect();
    assert_eq!(messages, ["\"Hello World!\"", "\"\""]);
}

#[test]
fn send_from_a_pipe() {
    let server = Server::start(&["framed"]);
    let send = |input: &str| ask_with_input(server.address("framed"), &["send"], input.as_bytes());
    // A line end is no part of the message, be it LF, CR LF, or missing.
    let ended = send("ECHO [unix]\nECHO [dos]\r\n\nECHO [rest]");
    assert_eq!(ended, Ended::well(format!("[unix]\n[dos]\n{RECEIVED}[rest]\n{RECEIVED}")));
    assert_eq!(send(""), Ended::well(RECEIVED));
    let stats = server.statistics();
    assert_eq!(stats.get("closed_disconnect"), 2);
    assert_eq!(stats.get("frames"), 4 + 1 + 1);
}

#[test]
fn a_goodbye_of_ones_own_ends_a_send() {
    let server = Server::start(&["framed"]);
    // What the server takes for a goodbye, the client has to know for one.
    for goodbye in ["Disconnect !", "DISCONNECT !", " disconnect \t ! "] {
        let input = format!("hello\n{goodbye}\nnever sent\n");
        let ended = ask_with_input(server.address("framed"), &["send"], input.as_bytes());
        assert_eq!(ended, Ended::well(RECEIVED.repeat(2)), "{goodbye:?}");
    }
    assert_eq!(server.statistics().get("frames"), 3 * 2);
    assert_eq!(server.log().containing("never sent"), Vec::<String>::new());
}

#[test]
fn the_last_answer_is_shown_though_the_server_closes() {
    let server = Launch::of(&["framed"]).args(&["--max-frame", "10"]).start();
    let ended = ask(server.address("framed"), &["send", "short", "longer than ten bytes"]);
    let refusal = "Error: a body of 21 bytes is over the limit of 10\n";
    // Whether the server's FIN is seen before the goodbye goes out is a matter of chance, and so is
    // whether its close comes as a surprise.
    assert_eq!(ended.stdout, format!("{RECEIVED}{refusal}"));
}

#[test]
fn exchange() {
    let server = Launch::of(&["exchange"]).args(&["--utc"]).start();
    let earliest = tools::now();
    let ended = ask(server.address("exchange"), &["exchange"]);
    let line = server.wait_for_log("client details: \"127.0.0.1\"");
    let port = port_in(&line);
    assert_dated(&ended, earliest, FORMATS[1].1, |date| {
        format!("('127.0.0.1', {port})\n{date}\nNot Found\n")
    });
}

#[test]
fn sync_bounds_the_offset_of_our_own_clock() {
    let server = Server::start(&["framed"]);
    let ended = ask(server.address("framed"), &["sync", "--samples", "3"]);
    assert_eq!(ended, Ended::well(ended.stdout.clone()));
    let words: Vec<&str> = ended.stdout.split_whitespace().collect();
    let ["offset", offset, "s,", "within", bound, "s", "either", "way", ref rest @ ..] = words[..]
    else {
        panic!("{ended:?}")
    };
    let ["round", "trip", trip, "s,", "the", "shortest", "of", "3"] = rest else {
        panic!("{ended:?}")
    };
    let number = |text: &str| text.parse::<f64>().expect("a number");
    assert!(offset.starts_with(['+', '-']), "{offset}");
    assert!(number(offset).abs() <= number(bound), "{ended:?}");
    assert!(0.0 < number(trip) && number(trip) <= 2.0 * number(bound), "{ended:?}");
    assert_eq!(server.statistics().get("frames"), 3);
}

#[test]
fn the_server_is_named_by_flag_or_environment() {
    let server = Server::start(&["framed"]);
    let address = server.address("framed").to_string();
    let nobody = "127.0.0.1:1";
    let mut from_environment = readyc::command(&["echo", "hello"]);
    assert_eq!(
        readyc::run(from_environment.env("READYC_SERVER", &address), b""),
        Ended::well("hello\n")
    );
    let mut flag_wins = readyc::command(&["echo", "hello", "--server", &address]);
    assert_eq!(readyc::run(flag_wins.env("READYC_SERVER", nobody), b""), Ended::well("hello\n"));
}

#[test]
fn a_port_left_out_is_9999() {
    let host = loopback_of_ones_own().to_string();
    let server = Server::start(&[&format!("framed={host}:9999")]);
    let mut command = readyc::command(&["echo", "hello", "--server", &host]);
    assert_eq!(readyc::run(&mut command, b""), Ended::well("hello\n"));
    assert_eq!(server.statistics().get("frames"), 1);
}

#[test]
fn a_name_is_looked_up() {
    let server = Server::start(&["framed"]);
    let name = format!("localhost:{}", server.address("framed").port());
    let mut command = readyc::command(&["echo", "hello", "--server", &name]);
    assert_eq!(readyc::run(&mut command, b""), Ended::well("hello\n"));
}

/// Runs a command with a file of host names of its own, in a mount namespace of its own.
const WITH_HOSTS: &str = "mount --bind \"$1\" /etc/hosts && shift && exec \"$@\"";

#[test]
fn every_address_of_a_name_is_tried() {
    let Some(unshare) = tools::find("unshare") else { return };
    let scratch = Scratch::new();
    let hosts = scratch
        .write("hosts", "127.0.0.1 twofold\n127.0.0.2 twofold\n::1 sixfour\n127.0.0.1 sixfour\n");
    let namespaced = |words: &[&str]| {
        let mut command = Command::new(&unshare);
        command.args(["--map-root-user", "--mount", "sh", "-c", WITH_HOSTS, "sh"]);
        readyc::run(command.arg(&hosts).args(words), b"")
    };
    if namespaced(&["true"]).status != Some(0) {
        return tools::skip("no mount namespace can be had");
    }
    // Whichever address comes first, for one of these servers it is the wrong one.
    for (listener, name) in
        [("127.0.0.1", "twofold"), ("127.0.0.2", "twofold"), ("127.0.0.1", "sixfour")]
    {
        let server = Server::start(&[&format!("framed={listener}:0")]);
        let server_name = format!("{name}:{}", server.address("framed").port());
        let ended = namespaced(&[READYC, "echo", "hello", "--server", &server_name]);
        assert_eq!(ended, Ended::well("hello\n"), "{name} is {listener}");
    }
}

#[test]
fn ipv6() {
    if std::net::TcpListener::bind("[::1]:0").is_err() {
        return tools::skip("no ::1");
    }
    let server = Server::start(&["framed=[::1]:0"]);
    let ended = ask(server.address("framed"), &["whoami"]);
    assert!(ended.stdout.starts_with("Hello! You are connected to ('::1', "), "{ended:?}");
}
