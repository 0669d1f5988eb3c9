//! packaging/haproxy/readyd.cfg, before two servers. One is stopped.

use super::packaging;
use crate::support::bench::bench;
use crate::support::tools::{self, Input, Process};
use crate::support::{Launch, Scratch, Server, eventually, loopback_of_ones_own};
use nix::sys::signal::Signal;
use std::fs;
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::thread;

/// HAProxy's, on a loopback address that no other process uses.
const PORT: u16 = 8321;

fn launch() -> Server {
    let framed = "framed=127.0.0.1:0,proxy=v2,from=127.0.0.0/8";
    Launch::of(&[framed, "metrics=127.0.0.1:0"]).args(&["--drain-delay", "2s"]).start()
}

/// The packaged configuration, for these servers and with checks ten times as often.
fn configuration(scratch: &Scratch, servers: [&Server; 2]) -> String {
    let mut text = fs::read_to_string(packaging("haproxy/readyd.cfg")).expect("a configuration");
    let mut replace = |from: &str, to: &str| {
        assert!(text.contains(from), "{from}: {text}");
        text = text.replace(from, to);
    };
    replace("/run/haproxy/admin.sock", &scratch.path("admin").display().to_string());
    replace("bind :9999", &format!("bind {}:{PORT}", loopback_of_ones_own()));
    replace("inter 1s", "inter 100ms");
    replace("maxconn 20000", "maxconn 200");
    for (server, address) in servers.iter().zip(["10.0.0.11:9999", "10.0.0.12:9999"]) {
        let metrics = server.address("metrics").port();
        let packaged = format!("{address} port 9100");
        replace(&packaged, &format!("{} port {metrics}", server.address("framed")));
    }
    text
}

#[test]
fn haproxy_takes_a_server_out_before_it_drains() {
    let Some(program) = tools::find("haproxy") else { return };
    let mut check = Command::new(&program);
    check.args(["-c", "-f"]).arg(packaging("haproxy/readyd.cfg"));
    let output = tools::run(&mut check, Input::Whole(b""));
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    let scratch = Scratch::new();
    let (mut first, second) = (launch(), launch());
    let text = configuration(&scratch, [&first, &second]);
    let mut command = Command::new(program);
    command.args(["-db", "-f"]).arg(scratch.write("haproxy.cfg", &text));
    let mut proxy = Process::start(command.stdin(Stdio::null()).stdout(Stdio::null()));
    let address = SocketAddr::from((loopback_of_ones_own(), PORT));
    proxy.wait_to_listen(address);
    thread::scope(|scope| {
        let load = scope.spawn(|| bench(&[address], "-c 8 --lifetime 5 -d 4s"));
        eventually("clients of the first", || {
            (first.statistics().get("proxy_headers") > 20).then_some(())
        });
        first.signal(Signal::SIGTERM);
        assert!(first.wait_for_exit().success());
        let run = load.join().expect("the load");
        run.assert_met();
        assert_eq!(run.count("achieved.answered"), run.count("achieved.verified"));
    });
    assert!(second.statistics().get("proxy_headers") > 20);
    drop(proxy);
}
