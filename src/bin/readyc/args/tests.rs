//! What command lines mean.

use super::{Args, Command, ServerName, Task, command};
use crate::failure::Failure;
use clap::error::ErrorKind;
use readyd::client::Expect;
use readyd::client::conversations::{Check, Exchange, Plan};
use readyd::handlers::daytime::Format;
use readyd::io::address::Address;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

#[path = "../../../documented.rs"]
mod documented;
mod help;
mod manual;

/// The arguments of `line`, words separated by spaces; the server does not come from the
/// environment.
fn parse(line: &str) -> Result<Args, clap::Error> {
    let words = ["readyc", "--server", "127.0.0.1:9999"].into_iter();
    Args::read(words.chain(line.split(' ')))
}

fn plan_of(line: &str) -> Result<Task, Failure> {
    match parse(line).unwrap().command {
        Command::Echo(command) => Ok(command.plan()),
        Command::Daytime(command) => Ok(command.plan()),
        Command::Lookup(command) => command.plan(),
        other => panic!("{other:?} has no plan"),
    }
}

fn task(line: &str) -> Task {
    plan_of(line).unwrap()
}

fn once(exchanges: Vec<Exchange>, last_word: &str) -> Plan {
    Plan { exchanges, rounds: 1, last_word: last_word.into(), keep_answers: true }
}

fn exactly(text: &str) -> Check {
    Check::Exactly(text.into())
}

#[test]
fn the_command_line_is_consistent() {
    command().debug_assert();
}

#[test]
fn defaults_are_readyd_on_this_machine_and_patience_for_a_while() {
    let args = Args::read(["readyc", "stats"]).unwrap();
    let options = args.before_command();
    assert!(options.server.is_none() && options.timeout.is_none());
    assert_eq!(options.connect_timeout(), Duration::from_secs(5));
    let ServerName::Inet { host, port } = options.server().unwrap() else { panic!("a socket") };
    assert_eq!((host.as_str(), port), ("127.0.0.1", 9999));
}

#[test]
fn options_about_the_server_stand_before_or_behind_the_command() {
    let parsed = |line: &str| {
        let args = Args::read(line.split(' ')).unwrap();
        let before = args.before_command();
        let Command::Stats(stats) = args.command else { panic!("not stats") };
        stats.server.or(&before)
    };
    for line in [
        "readyc stats --timeout 1.5s --connect-timeout 250ms",
        "readyc --timeout 1.5s --connect-timeout 250ms stats",
        "readyc --timeout 9s --connect-timeout 250ms stats -t 1.5s",
    ] {
        let options = parsed(line);
        assert_eq!(options.timeout, Some(Duration::from_millis(1500)), "{line}");
        assert_eq!(options.connect_timeout(), Duration::from_millis(250), "{line}");
    }
    assert!(parsed("readyc stats --server [::1]:80").server.is_some());
}

/// Nothing is accepted in silence that a command has no use for.
#[test]
fn an_option_without_meaning_is_refused() {
    for line in [
        "compare --server h:1 a b",
        "compare --timeout 1s a b",
        "merge --connect-timeout 1s a b",
        "doctor --timeout 1s",
        "doctor --connect-timeout 1s",
        "stats --sessions 2",
        "whoami --repeat 2",
    ] {
        let error = Args::read(["readyc"].into_iter().chain(line.split(' '))).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UnknownArgument, "{line}: {error}");
    }
}

#[test]
fn a_server_is_a_host_and_a_port() {
    let names = [
        ("127.0.0.1:80", "127.0.0.1", 80),
        ("127.0.0.1", "127.0.0.1", 9999),
        ("localhost", "localhost", 9999),
        ("example.org:65535", "example.org", 65535),
        ("[::1]:80", "::1", 80),
        ("[::1]", "::1", 9999),
        ("::1", "::1", 9999),
        ("2001:db8::1:80", "2001:db8::1:80", 9999),
        ("[fe80::1%eth0]:80", "fe80::1%eth0", 80),
        ("[fe80::1%2]", "fe80::1%2", 9999),
        ("fe80::1%eth0", "fe80::1%eth0", 9999),
    ];
    for (text, host, port) in names {
        let ServerName::Inet { host: named, port: of_it } = text.parse().unwrap() else {
            panic!("{text} is not a unix socket");
        };
        assert_eq!((named.as_str(), of_it), (host, port), "{text}");
    }
}

#[test]
fn what_is_not_a_server_is_refused_with_a_reason() {
    for text in ["", ":80", "[]", "[]:80", "[::1]80", "[::1]x:80"] {
        let error = text.parse::<ServerName>().unwrap_err();
        assert!(error.contains("HOST:PORT"), "{text:?}: {error}");
    }
    for text in [
        "localhost:",
        "localhost:0",
        "127.0.0.1:0",
        "[::1]:0",
        "[::1]:",
        "localhost:65536",
        "localhost:-1",
        "localhost:http",
        "localhost:80:80",
        "[::1",
    ] {
        let error = text.parse::<ServerName>().unwrap_err();
        assert!(error.contains("is not a port (1 to 65535)"), "{text:?}: {error}");
    }
}

#[test]
fn field_load_18_a_unix_socket_is_a_server() {
    for text in ["unix:/run/x.sock", "unix:@readyd"] {
        let addresses = text.parse::<ServerName>().unwrap().resolve().unwrap();
        assert_eq!(addresses, [text.parse::<Address>().unwrap()]);
    }
    let error = |text: &str| text.parse::<ServerName>().unwrap_err();
    assert!(error("unix:x.sock").contains("\"x.sock\" is not an absolute path"));
}

#[test]
fn addresses_stand_for_themselves() {
    for text in ["127.0.0.1:80", "[::1]:80", "[2001:db8::1]:65535"] {
        let addresses = text.parse::<ServerName>().unwrap().resolve().unwrap();
        assert_eq!(addresses, [text.parse::<Address>().unwrap()]);
    }
}

#[test]
fn field_load_18_of_a_url_the_part_is_named_that_is_a_server() {
    for (url, server) in [
        ("http://127.0.0.1:8080/index.html", "127.0.0.1:8080"),
        ("https://example.org", "example.org:443"),
        ("http://user@example.org?x=1", "example.org:80"),
        ("redis://[::1]:6379", "[::1]:6379"),
        ("tcp://", "HOST:PORT"),
    ] {
        let error = url.parse::<ServerName>().unwrap_err();
        let told = format!("give HOST:PORT, not a URL: {server} (for HTTP, see --send");
        assert!(error.starts_with(&told), "{error}");
    }
}

/// Without its zone, a link-local address can be reached on no link.
#[test]
fn a_link_local_address_keeps_its_zone() {
    let addresses = "[fe80::1%1]:80".parse::<ServerName>().unwrap().resolve().unwrap();
    let [Address::Inet(SocketAddr::V6(address))] = addresses[..] else { panic!("{addresses:?}") };
    assert_eq!(IpAddr::V6(*address.ip()), "fe80::1".parse::<IpAddr>().unwrap());
    assert_eq!((address.scope_id(), address.port()), (1, 80));
}

#[test]
fn a_name_without_address_is_told() {
    let failure = "no\0host".parse::<ServerName>().unwrap().resolve().unwrap_err();
    assert!(matches!(&failure, Failure::Resolve(name, _) if name == "no\0host"), "{failure:?}");
    assert_eq!(failure.status(), 1);
}

#[test]
fn echo_wants_its_text_back() {
    let framed = task("echo hello world");
    let exchange = Exchange::framed(b"ECHO hello world", exactly("hello world"));
    assert_eq!(framed.plan, once(vec![exchange], ""));
    let plain = task("echo --plain hello");
    let exchange = Exchange::plain(b"hello", Expect::Bytes(5), exactly("hello"));
    assert_eq!(plain.plan, once(vec![exchange], ""));
    assert!(!framed.one_answer_each && !plain.one_answer_each);
}

/// An empty frame comes back, but of no bytes there is nothing to wait for.
#[test]
fn echo_of_nothing() {
    let empty = |line: &[&str]| {
        let words = [&["readyc", "--server", "::1", "echo"], line].concat();
        match Args::read(words).unwrap().command {
            Command::Echo(echo) => echo.plan().plan.exchanges,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(empty(&[""]), [Exchange::framed(b"ECHO ", exactly(""))]);
    assert_eq!(empty(&["--plain", ""]), []);
}

#[test]
fn daytime_is_a_date_in_the_format_that_was_asked_for() {
    let formats = [
        ("daytime", Format::Ctime),
        ("daytime --format ctime", Format::Ctime),
        ("daytime --format dmy", Format::Dmy),
        ("daytime --format rfc3339", Format::Rfc3339),
        ("daytime --format rfc2822", Format::Rfc2822),
        ("daytime --format unix", Format::Unix),
    ];
    for (line, format) in formats {
        let body = format!("DAYTIME {}", format.name());
        let exchange = Exchange::framed(body.as_bytes(), Check::Date(format));
        assert_eq!(task(line).plan, once(vec![exchange], ""), "{line}");
    }
}

#[test]
fn plain_daytime_is_whatever_comes_and_may_be_acknowledged() {
    let exchange = || vec![Exchange::plain(b"", Expect::Pause, Check::Something)];
    assert_eq!(task("daytime --plain").plan, once(exchange(), ""));
    assert_eq!(task("daytime --plain --ack thanks").plan, once(exchange(), "thanks"));
}

/// A plain daytime server closes after one date, so that another date is another session.
#[test]
fn plain_daytime_repeats_in_new_sessions() {
    let plain = task("daytime --plain --repeat 5");
    assert!(plain.one_answer_each);
    assert_eq!(plain.plan.rounds, 1);
    let framed = task("daytime --repeat 5");
    assert!(!framed.one_answer_each);
    assert_eq!(framed.plan.rounds, 5);
}

#[test]
fn lookup_asks_for_one_key_after_the_other() {
    let keys = ["a", "b"];
    let framed =
        keys.map(|key| Exchange::framed(format!("LOOKUP {key}").as_bytes(), Check::Something));
    assert_eq!(task("lookup a b").plan, once(framed.to_vec(), ""));
    let plain = keys.map(|key| Exchange::plain(key.as_bytes(), Expect::Pause, Check::Something));
    assert_eq!(task("lookup --plain --ack ok a b").plan, once(plain.to_vec(), "ok"));
    let lines = keys
        .map(|key| Exchange::plain(format!("{key}\n").as_bytes(), Expect::Line, Check::Something));
    assert_eq!(task("lookup --plain --lines a b").plan, once(lines.to_vec(), ""));
}

/// With a line end in it, a key would be two, and every answer after the first would belong to
/// another key.
#[test]
fn what_is_not_a_key_is_bad_usage() {
    for line in ["lookup a ", "lookup \t", "lookup --plain a\nb", "lookup --plain --lines a\n"] {
        let failure = plan_of(line).err().unwrap_or_else(|| panic!("{line:?}"));
        assert!(matches!(&failure, Failure::Usage(what) if what.contains("is not a key")));
        assert_eq!(failure.status(), 2);
    }
    assert!(plan_of("lookup a\nb").is_ok(), "a frame says where it ends");
}

#[test]
fn a_crowd_keeps_no_answers() {
    for line in ["echo --sessions 2 x", "echo --repeat 2 x", "lookup --sessions 10k --repeat 1m x"]
    {
        assert!(!task(line).plan.keep_answers, "{line}");
    }
    let Command::Lookup(lookup) = parse("lookup --sessions 10k --repeat 1m x").unwrap().command
    else {
        panic!("not a lookup");
    };
    assert_eq!((lookup.crowd.sessions, lookup.crowd.repeat), (10_000, 1_000_000));
    assert!(!lookup.crowd.is_single());
    assert_eq!(lookup.plan().unwrap().plan.rounds, 1_000_000);
}

#[test]
fn what_makes_no_sense_is_refused() {
    let lines = [
        ("daytime --plain --format dmy", ErrorKind::ArgumentConflict),
        ("daytime --ack x", ErrorKind::MissingRequiredArgument),
        ("lookup --lines x", ErrorKind::MissingRequiredArgument),
        ("lookup --ack x y", ErrorKind::MissingRequiredArgument),
        ("lookup", ErrorKind::MissingRequiredArgument),
        ("echo", ErrorKind::MissingRequiredArgument),
        ("echo --sessions 0 x", ErrorKind::ValueValidation),
        ("echo --repeat 0 x", ErrorKind::ValueValidation),
        ("echo --repeat -1 x", ErrorKind::UnknownArgument),
        ("daytime --format iso", ErrorKind::InvalidValue),
        ("sync --samples 0", ErrorKind::ValueValidation),
        ("sync --samples 1000001", ErrorKind::ValueValidation),
        ("stats --timeout soon", ErrorKind::ValueValidation),
        ("stats --server [::1]:0", ErrorKind::ValueValidation),
        ("shout", ErrorKind::InvalidSubcommand),
    ];
    for (line, kind) in lines {
        let error = parse(line).unwrap_err();
        assert_eq!(error.kind(), kind, "{line}: {error}");
        assert_eq!(error.exit_code(), 2, "{line}");
    }
}

#[test]
fn statistics_are_printed_once_or_watched() {
    for (line, kind) in [
        ("stats --count 3", ErrorKind::MissingRequiredArgument),
        ("stats --watch 0s", ErrorKind::ValueValidation),
        ("stats --watch 1s --count 0", ErrorKind::ValueValidation),
        ("stats --watch", ErrorKind::InvalidValue),
    ] {
        let error = parse(line).unwrap_err();
        assert_eq!((error.kind(), error.exit_code()), (kind, 2), "{line}: {error}");
    }
    assert!(parse("stats --watch 500ms --count 3 --json").is_ok());
    assert!(parse("stats --json").is_ok());
}

#[test]
fn a_screen_is_of_one_server_and_not_drawn_all_the_time() {
    for line in ["top --interval 99ms", "top -i 0s", "top ::1 localhost", "top http://localhost"] {
        assert_eq!(parse(line).unwrap_err().exit_code(), 2, "{line}");
    }
    for (line, server) in [
        ("top", "127.0.0.1:9999"),
        ("top [::1]:7", "[::1]:7"),
        ("top unix:/run/readyd.sock -i 100ms", "unix:/run/readyd.sock"),
        ("top --server ::1", "[::1]:9999"),
        ("top ::1 --server localhost", "[::1]:9999"),
    ] {
        let args = parse(line).unwrap();
        let Command::Top(top) = &args.command else { panic!("{line}") };
        let named = top.server(&args.before_command()).server().unwrap();
        assert_eq!(named.to_string(), server, "{line}");
    }
}

#[test]
fn a_doctor_examines_what_can_be_examined() {
    for line in [
        "doctor -c 1001m",
        "doctor -c many",
        "doctor --idle -1",
        "doctor --workers 0",
        "doctor --connect-parallel 0",
        "doctor [::1]:0",
    ] {
        assert_eq!(parse(line).unwrap_err().exit_code(), 2, "{line}");
    }
    let line =
        "doctor -c 10k -I 1m --workers 4 --source 127.0.0.2 --source 127.0.0.3 localhost ::1";
    assert!(parse(line).is_ok());
}
