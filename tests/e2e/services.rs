//! Every kind of listener gives its real replies.

use crate::support::server::Statistics;
use crate::support::tools::{Input, now};
use crate::support::{Client, Launch, Scratch, Server, tools};
use std::process::Command;
use std::thread;

/// Seconds from 1900 to 1970, RFC 868.
const SECONDS_1900_TO_1970: u64 = 2_208_988_800;

/// Runs `ask`, and checks that its answer is one of the seconds during which it ran, as `date`
/// writes them.
fn assert_tells_time(format: &str, zone: &str, ask: impl FnOnce() -> String) {
    let earliest = now();
    let told = ask();
    let Some(possible) = tools::dates_since(earliest, format, zone) else { return };
    assert!(possible.contains(&told), "{told:?} is none of {possible:?}");
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).expect("ASCII")
}

#[test]
fn framed_commands() {
    let server = Launch::of(&["framed"]).args(&["--utc"]).start();
    let mut client = server.connect("framed");
    assert_eq!(client.ask("ECHO  two spaces\r\n"), " two spaces\r\n");
    assert_eq!(client.ask("echo any case"), "any case");
    assert_eq!(client.ask("LOOKUP 165.165.80.80"), "6A:08:AA:C2");
    assert_eq!(client.ask("LOOKUP 10.0.0.1"), "Not Found");
    assert!(client.ask("LOOKUP").starts_with("Error: LOOKUP needs a key"));
    assert!(client.ask("DAYTIME julian").starts_with("Error: no date format \"julian\""));
    assert!(client.ask("HELP").contains("\nDisconnect !  "));
    assert_eq!(client.ask("Hello World!"), "Message received successfully....");
    assert_eq!(client.ask(""), "Message received successfully....");
    let address = client.address();
    let whoami = format!("Hello! You are connected to ('127.0.0.1', {})", address.port());
    assert_eq!(client.ask("WHOAMI"), whoami);
    assert_tells_time("%a %b %e %H:%M:%S %Y", "UTC0", || client.ask("DAYTIME"));
    assert_tells_time("%s", "UTC0", || client.ask("DAYTIME unix"));
}

#[test]
fn fault_11_framed_echo_is_exact_to_the_byte() {
    let server = Server::start(&["framed"]);
    let mut client = server.connect("framed");
    let every_byte: Vec<u8> = (0..=255).collect();
    client.send_frame([b"ECHO ", every_byte.as_slice()].concat());
    assert_eq!(client.read_frame(), every_byte);
}

#[test]
fn framed_time_gives_two_stamps_in_order() {
    let server = Server::start(&["framed"]);
    let earliest = now();
    let reply = server.connect("framed").ask("TIME");
    let stamps: Vec<(u64, u64)> = reply
        .split(' ')
        .map(|stamp| stamp.split_once('.').expect("SECONDS.NANOSECONDS"))
        .map(|(seconds, nanos)| (seconds.parse().expect("seconds"), nanos.parse().expect("nanos")))
        .collect();
    let [read, made] = stamps[..] else { panic!("not two stamps: {reply:?}") };
    assert!(read <= made && earliest <= read.0 && made.0 <= now(), "{reply:?}");
}

#[test]
fn framed_stats_count_what_was_asked() {
    let server = Server::start(&["framed"]);
    let mut client = server.connect("framed");
    client.ask("ECHO x");
    client.ask("DAYTIME julian");
    let stats = Statistics::from_reply(&client.ask("STATS"));
    assert_eq!(stats.get("connections_open"), 1);
    assert_eq!(stats.get("frames"), 3);
    assert_eq!(stats.get("refusals"), 1);
    assert_eq!(stats.get("bytes_in"), 3 * 64 + "ECHO xDAYTIME julianSTATS".len() as u64);
    assert_eq!(stats.get("table_keys"), 2);
}

#[test]
fn daytime_in_every_format() {
    let formats = [
        ("ctime", "%a %b %e %H:%M:%S %Y"),
        ("dmy", "%d/%m/%Y %H:%M:%S"),
        ("rfc3339", "%Y-%m-%dT%H:%M:%SZ"),
        ("rfc2822", "%a, %d %b %Y %H:%M:%S +0000"),
        ("unix", "%s"),
    ];
    let listeners = formats.map(|(name, _)| format!("daytime=127.0.0.1:0,format={name}"));
    let listeners = listeners.each_ref().map(String::as_str);
    let server = Launch::of(&listeners).args(&["--utc"]).start();
    for ((_, format), address) in formats.iter().zip(server.addresses_of("daytime")) {
        let line = || text(Client::connect(address).read_to_end());
        assert_tells_time(&format!("{format}\r"), "UTC0", || {
            line().strip_suffix('\n').expect("a line end").to_owned()
        });
    }
}

#[test]
fn daytime_in_local_time() {
    const EAST_BY_THREE_AND_A_HALF_HOURS: &str = "XYZ-3:30";
    let server = Launch::of(&["daytime=127.0.0.1:0,format=rfc3339"])
        .env("TZ", EAST_BY_THREE_AND_A_HALF_HOURS)
        .start();
    assert_tells_time("%Y-%m-%dT%H:%M:%S+03:30", EAST_BY_THREE_AND_A_HALF_HOURS, || {
        text(server.connect("daytime").read_to_end()).trim_end().to_owned()
    });
}

#[test]
fn daytime_waits_for_the_acknowledgement() {
    let server = Launch::of(&["daytime=127.0.0.1:0,format=dmy,ack"]).args(&["--utc"]).start();
    let mut client = server.connect("daytime");
    assert_tells_time("%d/%m/%Y %H:%M:%S", "UTC0", || {
        text(client.read("dd/mm/yyyy hh:mm:ss".len()))
    });
    client.send(b"Time received.");
    assert_eq!(client.read_to_end(), b"");
    let line = server.wait_for_log("acknowledged");
    let expected = format!("{} acknowledged: \"Time received.\"", client.address());
    assert!(line.ends_with(&expected), "{line}");
    drop(client);
    server.wait_for_statistic("closed_served", 1);
}

#[test]
fn telnet_reads_the_daytime() {
    let Some(telnet) = tools::find("telnet") else { return };
    let server = Launch::of(&["daytime=127.0.0.1:0,format=unix"]).start();
    let port = server.address("daytime").port().to_string();
    let earliest = now();
    let output = tools::run(Command::new(telnet).args(["127.0.0.1", &port]), Input::Silent);
    let output = text(output.stdout);
    let told = |second: u64| output.contains(&second.to_string());
    assert!((earliest..=now()).any(told), "{output:?}");
}

#[test]
fn time_of_rfc_868() {
    let server = Server::start(&["time"]);
    let earliest = now();
    let reply = server.connect("time").read_to_end();
    let told = u32::from_be_bytes(reply.try_into().expect("four bytes"));
    let possible = |second: u64| (second + SECONDS_1900_TO_1970) as u32 == told;
    assert!((earliest..=now()).any(possible), "{told}");
}

#[test]
fn echo_returns_every_byte() {
    let server = Server::start(&["echo"]);
    let mut client = server.connect("echo");
    let sent: Vec<u8> = (0..3_000_000u32).map(|n| (n % 251) as u8).collect();
    let mut writer = client.other_handle();
    let copy = sent.clone();
    let writing = thread::spawn(move || {
        writer.send(&copy);
        writer.finish_sending();
    });
    assert!(client.read_to_end() == sent, "what came back is not what was sent");
    writing.join().expect("the writing thread");
}

#[test]
fn discard_takes_everything_and_says_nothing() {
    let server = Server::start(&["discard"]);
    let mut client = server.connect("discard");
    client.send(&vec![b'x'; 1_000_000]);
    client.finish_sending();
    assert_eq!(client.read_to_end(), b"");
    assert_eq!(server.statistics().get("bytes_in"), 1_000_000);
}

#[test]
fn chargen_sends_the_pattern_of_rfc_864() {
    let server = Server::start(&["chargen"]);
    let mut client = server.connect("chargen");
    // Two full cycles: each of the 95 printable characters begins a line twice.
    for number in 0..2 * 95 {
        let character = |column: usize| b' ' + ((number + column) % 95) as u8;
        let mut line: Vec<u8> = (0..72).map(character).collect();
        line.extend_from_slice(b"\r\n");
        client.expect(line);
    }
}

#[test]
fn chargen_takes_no_notice_of_what_it_is_sent() {
    let server = Server::start(&["chargen"]);
    let mut client = server.connect("chargen");
    client.send(b"stop!");
    client.finish_sending();
    // More than the kernel can have taken from the server before it saw the FIN.
    for _ in 0..20 {
        assert!(client.read(1_000_000).is_ascii());
    }
}

#[test]
fn greeting_tells_the_clients_own_address() {
    let server = Server::start(&["greeting"]);
    let mut client = server.connect("greeting");
    let expected =
        format!("Hello! You are connected to ('127.0.0.1', {})", client.address().port());
    assert_eq!(text(client.read_to_end()), expected);
}

#[test]
fn greeting_over_ipv6() {
    if std::net::TcpListener::bind("[::1]:0").is_err() {
        return tools::skip("no ::1");
    }
    let server = Server::start(&["greeting=[::1]:0", "greeting=127.0.0.1:0"]);
    let mut client = server.connect("greeting");
    let expected = format!("Hello! You are connected to ('::1', {})", client.address().port());
    assert_eq!(text(client.read_to_end()), expected);
}

#[test]
fn both_families_on_one_port() {
    if std::net::TcpListener::bind("[::1]:0").is_err() {
        return tools::skip("no ::1");
    }
    let over_v6 = Server::start(&["greeting=[::]:0"]);
    let port = over_v6.address("greeting").port();
    let over_v4 = Server::start(&[&format!("greeting=0.0.0.0:{port}")]);
    for host in ["[::1]", "127.0.0.1"] {
        let address = format!("{host}:{port}").parse().expect("an address");
        let greeting = text(Client::connect(address).read_to_end());
        let quoted = host.trim_matches(['[', ']']);
        assert!(greeting.contains(&format!("('{quoted}', ")), "{greeting}");
    }
    over_v4.wait_for_statistic("connections_accepted", 1);
}

#[test]
fn lookup_of_lines_and_of_what_lacks_a_line_end() {
    let server = Server::start(&["lookup"]);
    let mut client = server.connect("lookup");
    client.send(b"165.165.80.80\n165.165.79.1\r\n  10.0.0.1 \n\n");
    client.expect("6A:08:AA:C2\n8A:BC:E3:FA\r\nNot Found\nNot Found\n");
    // The pause after it is what makes this a question.
    client.send(b"165.165.80.80");
    client.expect("6A:08:AA:C2");
    client.send(b"165.165.79.1");
    client.finish_sending();
    assert_eq!(text(client.read_to_end()), "8A:BC:E3:FA");
}

#[test]
fn lookup_in_a_table_of_ones_own() {
    let scratch = Scratch::new();
    let table = scratch.write("ethers", "# hardware addresses\n6A:08:AA:C2  alpha # first\n");
    let server = Launch::of(&["lookup"])
        .args(&["--table-order", "value-key"])
        .path("--table", &table)
        .start();
    let mut client = server.connect("lookup");
    client.send(b"alpha\nbeta\n");
    client.finish_sending();
    assert_eq!(text(client.read_to_end()), "6A:08:AA:C2\nNot Found\n");
}

#[test]
fn exchange_begins_with_the_date() {
    let server = Launch::of(&["exchange"]).args(&["--utc"]).start();
    let mut client = server.connect("exchange");
    assert_tells_time("%d/%m/%Y %H:%M:%S", "UTC0", || {
        text(client.read("dd/mm/yyyy hh:mm:ss".len()))
    });
    client.send(b"165.165.79.1");
    client.expect("8A:BC:E3:FA");
    let line = server.wait_for_log("client details");
    assert!(line.ends_with("client details: \"165.165.79.1\""), "{line}");
}
