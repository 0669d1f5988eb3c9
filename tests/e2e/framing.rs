//! Frames arrive however the network and the client chop them, and each gets its reply in order.

use crate::support::server::Statistics;
use crate::support::tools::{self, Input};
use crate::support::{Client, Launch, Server, frame};
use nix::sys::signal::Signal;
use std::process::Command;

const RECEIVED: &str = "Message received successfully....";

/// Two frames with bodies, and the two frames that answer them.
fn two_frames() -> (Vec<u8>, Vec<u8>) {
    let sent = [frame("ECHO one"), frame("LOOKUP 165.165.79.1")].concat();
    let answered = [frame("one"), frame("8A:BC:E3:FA")].concat();
    (sent, answered)
}

/// Returns when the server has read what was sent to it before, on any connection that it had
/// accepted: it looks at connections in the order in which they became readable, and `bystander`
/// becomes readable now.
fn wait_until_read(bystander: &mut Client) {
    assert_eq!(bystander.ask("ECHO read"), "read");
}

/// Has `command` send a thousand frames to the server, and checks that it prints a thousand replies
/// in order. `last` is one frame more, and `answer` the answer to it.
fn assert_thousand_replies(program: &str, arguments: &[&str], last: &[u8], answer: &[u8]) {
    let Some(program) = tools::find(program) else { return };
    let server = Server::start(&["framed"]);
    let port = server.address("framed").port().to_string();
    let mut sent: Vec<u8> = (0..1000).flat_map(|n| frame(format!("ECHO {n}"))).collect();
    let mut expected: Vec<u8> = (0..1000).flat_map(|n| frame(n.to_string())).collect();
    sent.extend_from_slice(last);
    expected.extend_from_slice(answer);
    let mut command = Command::new(program);
    command.args(arguments.iter().map(|argument| argument.replace("PORT", &port)));
    let output = tools::run(&mut command, Input::Whole(&sent));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.stdout == expected, "{} bytes; {errors}", output.stdout.len());
}

#[test]
fn fault_05_openbsd_netcat_half_closes_and_gets_every_reply() {
    assert_thousand_replies("nc.openbsd", &["-N", "127.0.0.1", "PORT"], b"", b"");
}

#[test]
fn thousand_frames_from_traditional_netcat() {
    // It never half-closes, so the server has to be asked to close.
    let (goodbye, answer) = (frame("Disconnect !"), frame(RECEIVED));
    assert_thousand_replies(
        "nc.traditional",
        &["127.0.0.1", "PORT", "-q", "30"],
        &goodbye,
        &answer,
    );
}

#[test]
fn thousand_frames_from_ncat() {
    assert_thousand_replies("ncat", &["127.0.0.1", "PORT"], b"", b"");
}

#[test]
fn thousand_frames_from_socat() {
    // Without -t it waits for half a second only after its input has ended.
    assert_thousand_replies("socat", &["-t", "30", "-", "TCP:127.0.0.1:PORT"], b"", b"");
}

#[test]
fn frames_split_at_every_offset() {
    let server = Server::start(&["framed"]);
    let (mut client, mut bystander) = (server.connect("framed"), server.connect("framed"));
    let (sent, answered) = two_frames();
    // The answer to one frame proves that the connection has been accepted.
    client.ask("ECHO");
    for split in 0..=sent.len() {
        client.send(&sent[..split]);
        wait_until_read(&mut bystander);
        client.send(&sent[split..]);
        client.expect(&answered);
    }
    let stats = Statistics::from_reply(&client.ask("STATS"));
    let pairs = sent.len() as u64 + 1;
    // A pair and a question to the bystander each time; the first frame and this one.
    assert_eq!(stats.get("frames"), 3 * pairs + 2);
    assert_eq!(stats.get("refusals"), 0);
}

#[test]
fn frames_one_byte_at_a_time() {
    let server = Server::start(&["framed"]);
    let (mut client, mut bystander) = (server.connect("framed"), server.connect("framed"));
    let (sent, answered) = two_frames();
    client.ask("ECHO");
    for byte in &sent {
        client.send(&[*byte]);
        wait_until_read(&mut bystander);
    }
    client.expect(&answered);
}

#[test]
fn many_frames_in_one_send() {
    let server = Server::start(&["framed"]);
    let mut client = server.connect("framed");
    let (sent, answered) = two_frames();
    client.send(&sent.repeat(200));
    client.expect(answered.repeat(200));
}

#[test]
fn bodies_of_no_bytes_and_of_as_many_as_allowed() {
    const MAX_FRAME: usize = 1 << 20;
    let server = Server::start(&["framed"]);
    let mut client = server.connect("framed");
    assert_eq!(client.ask(""), RECEIVED);
    assert_eq!(client.ask("ECHO"), "");
    let text: Vec<u8> = (0..MAX_FRAME - "ECHO ".len()).map(|n| (n % 251) as u8).collect();
    for _ in 0..3 {
        client.send_frame([b"ECHO ", text.as_slice()].concat());
        assert!(client.read_frame() == text, "the echo differs");
    }
}

#[test]
fn leading_zeros_are_part_of_a_length() {
    let server = Server::start(&["framed"]);
    let mut client = server.connect("framed");
    let all_digits = format!("{:0>64}", 7);
    client.send(format!("{all_digits}ECHO ab{:<64}ECHO cd", "0007").as_bytes());
    client.expect([frame("ab"), frame("cd")].concat());
}

#[test]
fn fault_05_replies_come_after_half_close() {
    let server = Server::start(&["framed"]);
    let mut client = server.connect("framed");
    let (sent, answered) = two_frames();
    client.send(&sent.repeat(500));
    client.finish_sending();
    assert!(client.read_to_end() == answered.repeat(500), "not all was answered");
    server.wait_for_statistic("closed_peer_closed", 1);
}

#[test]
fn fault_04_data_and_fin_in_one_edge_lose_nothing() {
    let server = Server::start(&["framed"]);
    let mut client = server.connect("framed");
    let (sent, answered) = two_frames();
    client.send(&sent);
    client.expect(&answered);
    // More than one read takes, and the FIN behind it: all of it is there when the server looks.
    server.signal(Signal::SIGSTOP);
    client.send(&sent.repeat(500));
    client.finish_sending();
    server.signal(Signal::SIGCONT);
    assert!(client.read_to_end() == answered.repeat(500), "not all was answered");
    server.wait_for_statistic("closed_peer_closed", 1);
}

#[test]
fn half_close_in_the_middle_of_a_frame() {
    let server = Server::start(&["framed"]);
    let mut client = server.connect("framed");
    let (sent, answered) = two_frames();
    client.send(&sent);
    client.send(&sent[..70]);
    client.finish_sending();
    assert_eq!(client.read_to_end(), answered);
    server.wait_for_statistic("closed_peer_closed_mid_frame", 1);
}

#[test]
fn nothing_is_served_after_disconnect() {
    let server = Server::start(&["framed"]);
    let mut client = server.connect("framed");
    client.send(&[frame("ECHO a"), frame("Disconnect !"), frame("ECHO b")].concat());
    assert_eq!(client.read_to_end(), [frame("a"), frame(RECEIVED)].concat());
    drop(client);
    server.wait_for_statistic("closed_disconnect", 1);
    assert_eq!(server.statistics().get("frames"), 2);
}

#[test]
fn a_reply_larger_than_any_buffer_arrives_whole() {
    let server =
        Launch::of(&["framed"]).args(&["--max-frame", "16MiB", "--output-limit", "4KiB"]).start();
    let mut client = server.connect("framed");
    let text = vec![b'x'; (16 << 20) - "ECHO ".len()];
    let mut writer = client.other_handle();
    let sent = frame([b"ECHO ", text.as_slice()].concat());
    let writing = std::thread::spawn(move || writer.send(&sent));
    assert!(client.read_frame() == text, "the echo differs");
    writing.join().expect("the writing thread");
    assert_eq!(client.ask("ECHO still here"), "still here");
}
