//! Runs the client, and stands in for servers that misbehave.

use super::tools::{self, Input};
use super::{Client, PATIENCE};
use socket2::{Domain, Socket, Type};
use std::net::{SocketAddr, TcpListener};
use std::process::Command;
use std::thread;

/// Where cargo put the program under test.
pub(crate) const READYC: &str = env!("CARGO_BIN_EXE_readyc");

/// What the server answers to any message that is not a command.
pub(crate) const RECEIVED: &str = "Message received successfully....\n";

/// What one run of the client came to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Ended {
    pub(crate) status: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ended {
    /// A run in which all was done: nothing but `stdout` was printed.
    pub(crate) fn well(stdout: impl Into<String>) -> Ended {
        Ended { status: Some(0), stdout: stdout.into(), stderr: String::new() }
    }

    /// A run that printed nothing but why it failed.
    pub(crate) fn failed(status: i32, why: &str) -> Ended {
        let stderr = format!("readyc: {why}\n");
        Ended { status: Some(status), stdout: String::new(), stderr }
    }
}

/// The client with these arguments, and nothing that the environment says about it.
pub(crate) fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(READYC);
    command.args(arguments).env_remove("READYC_SERVER");
    command
}

/// Runs the client with `server` before the other arguments.
pub(crate) fn ask(server: SocketAddr, arguments: &[&str]) -> Ended {
    ask_with_input(server, arguments, b"")
}

/// As [`ask`], with something in standard input.
pub(crate) fn ask_with_input(server: SocketAddr, arguments: &[&str], input: &[u8]) -> Ended {
    let server = server.to_string();
    run(&mut command(&[&["--server", &server], arguments].concat()), input)
}

/// Runs the client to its end.
pub(crate) fn run(command: &mut Command, input: &[u8]) -> Ended {
    let output = tools::run(command, Input::Whole(input));
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    Ended { status: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

/// Checks that what a run printed is `expected` of one of the seconds since `earliest`, as `date`
/// writes them in `format`.
pub(crate) fn assert_dated(
    ended: &Ended,
    earliest: u64,
    format: &str,
    expected: impl Fn(&str) -> String,
) {
    let Some(dates) = tools::dates_since(earliest, format, "UTC0") else { return };
    let possible: Vec<Ended> = dates.iter().map(|date| Ended::well(expected(date))).collect();
    assert!(possible.contains(ended), "{ended:?} is none of {possible:?}");
}

/// An address at which no socket listens: the port is held, so no other process can take it.
pub(crate) fn nobody_listens() -> (Socket, SocketAddr) {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).expect("a free port");
    let address = socket.local_addr().expect("its address").as_socket().expect("IPv4");
    (socket, address)
}

/// Serves every connection, each in a thread, with `serve`; the connection is closed when that
/// returns. Lasts until the test process ends.
pub(crate) fn stand_in(serve: impl Fn(Client) + Clone + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("its address");
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            stream.set_read_timeout(Some(PATIENCE)).expect("set a read timeout");
            let serve = serve.clone();
            thread::spawn(move || serve(Client { stream }));
        }
    });
    address
}

/// A stand-in that reads one frame, sends `answer`, and closes.
pub(crate) fn answers_with(answer: impl AsRef<[u8]>) -> SocketAddr {
    let answer = answer.as_ref().to_vec();
    stand_in(move |mut client| {
        client.read_frame();
        client.send(&answer);
    })
}
