//! Networks that lose packets and are slow: two network namespaces with a cable between them, in
//! one the server and in the other the client. Firewall rules drop packets at random, a token
//! bucket holds up the rest. TCP makes good what is lost, late; what is tried is that neither side
//! takes late for lost, and that every reply is still the right one.

use crate::support::bench::{Run, bench_command, run_command};
use crate::support::lines::Lines;
use crate::support::server::Statistics;
use crate::support::tools::{self, Input, Process};
use crate::support::{self, Launch, Server};
use nix::sys::signal::Signal;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const SERVER_ADDRESS: &str = "10.215.7.1";
const CLIENT_ADDRESS: &str = "10.215.7.2";

/// The programs that it takes.
struct Tools {
    unshare: PathBuf,
    nsenter: PathBuf,
    ip: PathBuf,
    tc: PathBuf,
    nft: PathBuf,
}

impl Tools {
    fn find() -> Option<Tools> {
        Some(Tools {
            unshare: tools::find("unshare")?,
            nsenter: tools::find("nsenter")?,
            ip: tools::find("ip")?,
            tc: tools::find("tc")?,
            nft: tools::find("nft")?,
        })
    }
}

/// Runs a command, and gives what it complains of.
fn attempt(program: &Path, arguments: &[&str]) -> Result<(), String> {
    let output = tools::run(Command::new(program).args(arguments), Input::Whole(b""));
    let complaint = String::from_utf8_lossy(&output.stderr);
    let failed = || format!("{} {}: {}", program.display(), arguments.join(" "), complaint.trim());
    if output.status.success() { Ok(()) } else { Err(failed()) }
}

/// A network namespace, kept by a process that does nothing else.
struct Namespace {
    keeper: Process,
}

impl Namespace {
    fn new(tools: &Tools) -> Result<Namespace, String> {
        let mut command = Command::new(&tools.unshare);
        // Its input is a pipe that no process writes to: it lasts as long as this process holds it.
        command.args(["--net", "sh", "-c", "echo ready; exec cat"]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut keeper = Process::start(&mut command);
        let stdout = Lines::of(keeper.child.stdout.take().expect("a pipe"));
        let stderr = Lines::of(keeper.child.stderr.take().expect("a pipe"));
        let ended = || !stderr.all().is_empty();
        let is_ready = crate::support::eventually("a network namespace", || {
            let ready = !stdout.all().is_empty();
            (ready || ended()).then_some(ready)
        });
        if is_ready { Ok(Namespace { keeper }) } else { Err(stderr.all().join("; ")) }
    }

    fn id(&self) -> String {
        self.keeper.id().to_string()
    }

    /// The command line that runs another inside.
    fn enter(&self, tools: &Tools) -> Vec<String> {
        let nsenter = tools.nsenter.to_str().expect("a path of UTF-8").to_owned();
        vec![nsenter, "--net".to_owned(), "--target".to_owned(), self.id()]
    }

    fn run(&self, tools: &Tools, program: &Path, arguments: &[&str]) -> Result<(), String> {
        let program = program.to_str().expect("a path of UTF-8");
        let entering = self.enter(tools);
        let words: Vec<&str> = entering[1..].iter().map(String::as_str).chain([program]).collect();
        attempt(&tools.nsenter, &[&words, arguments].concat())
    }
}

/// Two namespaces and a cable.
struct Network {
    tools: Tools,
    server: Namespace,
    client: Namespace,
}

impl Network {
    /// A network with these rules of nft(8) for what arrives at either end, and these words of
    /// tc(8) for what leaves it. `None`, with a word, where this is not permitted.
    fn new(arriving: &str, leaving: &[&str]) -> Option<Network> {
        let tools = Tools::find()?;
        match Network::build(tools, arriving, leaving) {
            Ok(network) => Some(network),
            Err(why) => {
                tools::skip(&format!("no network of one's own (it takes root): {why}"));
                None
            }
        }
    }

    fn build(tools: Tools, arriving: &str, leaving: &[&str]) -> Result<Network, String> {
        let (server, client) = (Namespace::new(&tools)?, Namespace::new(&tools)?);
        let ends = ["link", "add", "cable", "netns", &server.id(), "type", "veth"];
        let peer = ["peer", "name", "cable", "netns", &client.id()];
        attempt(&tools.ip, &[&ends[..], &peer[..]].concat())?;
        for (namespace, address) in [(&server, SERVER_ADDRESS), (&client, CLIENT_ADDRESS)] {
            let address = format!("{address}/24");
            namespace.run(&tools, &tools.ip, &["addr", "add", &address, "dev", "cable"])?;
            for device in ["lo", "cable"] {
                namespace.run(&tools, &tools.ip, &["link", "set", device, "up"])?;
            }
            if !arriving.is_empty() {
                let rules = format!(
                    "table inet faults {{ chain arriving {{ \
                     type filter hook input priority 0; iif cable {arriving}; }}; }}"
                );
                namespace.run(&tools, &tools.nft, &[&rules])?;
            }
            if !leaving.is_empty() {
                let words = [&["qdisc", "add", "dev", "cable", "root"], leaving].concat();
                namespace.run(&tools, &tools.tc, &words)?;
            }
        }
        Ok(Network { tools, server, client })
    }

    /// A server at one end, loaded by `readyc bench` at the other. What both counted.
    fn load(&self, words: &[&str]) -> (Run, Statistics) {
        let listener = format!("framed={SERVER_ADDRESS}:0");
        let server = Launch::of(&[&listener]).wrapper(&self.server.enter(&self.tools)).start();
        let run = run_command(&mut self.bench(&server, words));
        server.wait_for_statistic("connections_open", 0);
        (run, server.statistics())
    }

    /// Checks that the firewall rules dropped something.
    fn assert_packets_were_lost(&self) {
        let rules = self.rules_of_the_server();
        assert!(rules.contains("counter packets ") && !rules.contains(" packets 0 "), "{rules}");
    }

    /// The firewall rules, with what each has counted.
    fn rules_of_the_server(&self) -> String {
        let entering = self.server.enter(&self.tools);
        let mut command = Command::new(&entering[0]);
        command.args(&entering[1..]).arg(&self.tools.nft).args(["list", "table", "inet", "faults"]);
        let rules = String::from_utf8(tools::run(&mut command, Input::Whole(b"")).stdout);
        rules.expect("UTF-8")
    }

    fn bench(&self, server: &Server, words: &[&str]) -> Command {
        let bench = bench_command(&[server.address("framed")], words);
        let entering = self.client.enter(&self.tools);
        let mut command = Command::new(&entering[0]);
        command.args(&entering[1..]).arg(bench.get_program()).args(bench.get_args());
        command.env_remove("READYC_SERVER");
        command
    }
}

/// Checks that all `requests` were answered, and rightly.
fn assert_all_verified((run, server): &(Run, Statistics), requests: u64) {
    run.assert_met();
    assert_eq!(run.count("achieved.verified"), requests, "{:#}", run.short());
    assert_eq!(run.count("achieved.connections_lost"), 0, "{:#}", run.short());
    assert_eq!(server.get("frames"), requests);
    for counter in ["closed_bad_frame", "closed_reset", "closed_system_error"] {
        assert_eq!(server.get(counter), 0, "{counter}");
    }
}

/// Drops all that clients send but the first segment of a handshake.
const NO_HANDSHAKE_ENDS: &str = "tcp dport 7000 tcp flags & syn == 0 counter drop";

#[test]
fn field_server_05_a_handshake_in_flight_at_sigterm_ends_and_its_client_is_served() {
    let Some(network) = Network::new(NO_HANDSHAKE_ENDS, &[]) else { return };
    let listener = format!("framed={SERVER_ADDRESS}:7000");
    let entering = network.server.enter(&network.tools);
    let mut server = Launch::of(&[&listener]).wrapper(&entering).start();
    let address = server.address("framed").to_string();
    let client = network.client.enter(&network.tools);
    let mut client = {
        let mut command = Command::new(&client[0]);
        let readyc = support::readyc::command(&["--server", &address, "echo", "in flight"]);
        command.args(&client[1..]).arg(readyc.get_program()).args(readyc.get_args());
        command.stdout(Stdio::piped()).stdin(Stdio::null());
        Process::start(&mut command)
    };
    let output = Lines::of(client.child.stdout.take().expect("a pipe"));
    // Its SYN has been answered, and its request, with the ACK that ends the handshake, was
    // dropped.
    crate::support::eventually("a request that is dropped", || {
        let rules = network.rules_of_the_server();
        (!rules.contains(" packets 0 ")).then_some(())
    });
    server.signal(Signal::SIGTERM);
    server.wait_for_log("draining 0 connections");
    let flush = ["flush", "chain", "inet", "faults", "arriving"];
    network.server.run(&network.tools, &network.tools.nft, &flush).expect("nft");
    assert_eq!(server.wait_for_exit().code(), Some(0));
    assert_eq!(output.wait_for_end(), ["in flight"]);
    server.wait_for_log("stopped: 1 connection, 1 request");
}

#[test]
fn every_reply_is_verified_though_packets_are_lost() {
    let loss = "numgen random mod 100 < 7 counter drop";
    let Some(network) = Network::new(loss, &[]) else { return };
    let words = ["-c", "20", "-P", "4", "-n", "1000", "-s", "0-4000"];
    let outcome = network.load(&[&words[..], &["-t", "60s", "--connect-timeout", "60s"]].concat());
    assert_all_verified(&outcome, 1000);
    network.assert_packets_were_lost();
}

#[test]
fn every_reply_is_verified_though_the_line_is_slow() {
    let slow = ["tbf", "rate", "4mbit", "burst", "16kb", "latency", "200ms"];
    let Some(network) = Network::new("", &slow) else { return };
    let words = ["-c", "20", "-P", "4", "-n", "400", "-s", "0-8000"];
    let outcome = network.load(&[&words[..], &["-t", "60s", "--connect-timeout", "60s"]].concat());
    assert_all_verified(&outcome, 400);
}

#[test]
fn every_reply_is_verified_though_packets_are_lost_and_the_line_is_slow() {
    let slow = ["tbf", "rate", "8mbit", "burst", "16kb", "latency", "20ms"];
    let Some(network) = Network::new("numgen random mod 100 < 5 counter drop", &slow) else {
        return;
    };
    let words = ["-c", "10", "-n", "200", "-s", "0-4000", "--lifetime", "5"];
    let outcome = network.load(&[&words[..], &["-t", "60s", "--connect-timeout", "60s"]].concat());
    assert_eq!(outcome.0.count("achieved.mismatched"), 0, "{:#}", outcome.0.short());
    assert_all_verified(&outcome, 200);
    network.assert_packets_were_lost();
}

/// Idle ones are asked whether they are there; from those that were being answered an
/// acknowledgement is due.
#[test]
fn field_server_20_clients_that_vanish_without_a_word_are_noticed() {
    let Some(network) = Network::new("", &[]) else { return };
    let listener = format!("framed={SERVER_ADDRESS}:0");
    let server = Launch::of(&[&listener])
        .wrapper(&network.server.enter(&network.tools))
        .args(&["--tcp-keepalive", "1s", "--tcp-user-timeout", "2s"])
        .start();
    let mut command = network.bench(&server, &["-c", "2", "-I", "3", "-d", "1h"]);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let _clients = Process::start(&mut command);
    server.wait_for_statistic("connections_open", 5);
    let cut =
        network.client.run(&network.tools, &network.tools.ip, &["link", "set", "cable", "down"]);
    cut.expect("a cable of our own");
    server.wait_for_statistic("closed_reset", 5);
    assert_eq!(server.statistics().get("connections_open"), 0);
}
