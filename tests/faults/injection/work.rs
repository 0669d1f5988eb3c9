//! Conversations that may be cut short by a fault, but must not go wrong.
//!
//! Invariant: what a client was sent is at every moment the beginning of the one right answer.

use crate::support::{PATIENCE, Server, frame};
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

/// What a client has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Waiting,
    Served,
    /// Closed by the server before the answer was whole.
    Dropped,
}

/// What may be answered.
enum Answer {
    OneOf(Vec<Vec<u8>>),
    /// One line of printable ASCII: the text depends on the time.
    Dated,
}

impl Answer {
    /// Whether `came` is all of it, or `None` if it cannot become that any more.
    fn is_whole(&self, came: &[u8]) -> Option<bool> {
        match self {
            Answer::OneOf(answers) => {
                let whole = answers.iter().any(|answer| answer == came);
                answers.iter().any(|answer| answer.starts_with(came)).then_some(whole)
            }
            Answer::Dated => {
                let line = came.strip_suffix(b"\r\n").unwrap_or(came);
                let line = line.strip_suffix(b"\r").unwrap_or(line);
                let is_printable = line.iter().all(|byte| (b' '..=b'~').contains(byte));
                (is_printable && line.len() < 64).then_some(came.ends_with(b"\r\n"))
            }
        }
    }
}

/// One client with one question.
pub(super) struct Conversation {
    /// `None` if the server refused it.
    stream: Option<TcpStream>,
    answer: Answer,
    came: Vec<u8>,
    fate: Fate,
}

impl Conversation {
    fn start(server: &Server, service: &str, answer: Answer) -> Conversation {
        Conversation::connect(server.address(service), answer)
    }

    fn connect(address: SocketAddr, answer: Answer) -> Conversation {
        // The kernel completes connections whatever the server does, if only it listens.
        let stream = TcpStream::connect_timeout(&address, PATIENCE);
        let fate = if stream.is_ok() { Fate::Waiting } else { Fate::Dropped };
        let connected = |stream: TcpStream| {
            stream.set_nonblocking(true).expect("a nonblocking socket");
            stream
        };
        Conversation { stream: stream.ok().map(connected), answer, came: Vec::new(), fate }
    }

    /// A connection that has not asked anything yet.
    pub(super) fn silent(server: &Server) -> Conversation {
        Conversation::start(server, "framed", Answer::OneOf(Vec::new()))
    }

    /// A new connection that has asked for an echo.
    pub(super) fn echoing(address: SocketAddr) -> Conversation {
        let mut client = Conversation::connect(address, Answer::OneOf(Vec::new()));
        client.echo("a new client");
        client
    }

    fn send(&mut self, question: &[u8]) {
        // The server may have closed the connection, because of a fault in serving it.
        let Some(stream) = self.stream.as_mut().filter(|_| self.fate != Fate::Dropped) else {
            return;
        };
        let sent = stream.write_all(question);
        self.fate = if sent.is_ok() { Fate::Waiting } else { Fate::Dropped };
    }

    /// Has the server echo `text`, after all that it was asked before.
    pub(super) fn echo(&mut self, text: &str) {
        self.answer = match &self.answer {
            Answer::OneOf(answers) => {
                let before = answers.first().map_or(b"".as_slice(), Vec::as_slice);
                Answer::OneOf(vec![[before, &frame(text)].concat()])
            }
            Answer::Dated => unreachable!("the daytime service takes no questions"),
        };
        self.send(&frame(format!("ECHO {text}")));
    }

    /// Asks for the value of `colour`, which is one of `values`.
    fn lookup(server: &Server, values: &[String]) -> Conversation {
        let answers = values.iter().map(|value| format!("{value}\n").into_bytes()).collect();
        let mut client = Conversation::start(server, "lookup", Answer::OneOf(answers));
        client.send(b"colour\n");
        client
    }

    /// A client of each service, each with its question.
    pub(super) fn of_each_service(server: &Server, values: &[String]) -> Vec<Conversation> {
        let echo = Conversation::echoing(server.address("framed"));
        let daytime = Conversation::start(server, "daytime", Answer::Dated);
        vec![echo, Conversation::lookup(server, values), daytime]
    }

    /// Takes what has come.
    fn advance(&mut self) {
        let mut buffer = [0; 512];
        while self.fate == Fate::Waiting {
            let Some(stream) = &mut self.stream else { return };
            match stream.read(&mut buffer) {
                Ok(0) => self.fate = Fate::Dropped,
                Ok(count) => self.take(&buffer[..count]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(_) => self.fate = Fate::Dropped,
            }
        }
    }

    fn take(&mut self, bytes: &[u8]) {
        self.came.extend_from_slice(bytes);
        match self.answer.is_whole(&self.came) {
            Some(true) => self.fate = Fate::Served,
            Some(false) => {}
            None => panic!("a wrong answer: {:?}", self.came.escape_ascii().to_string()),
        }
    }
}

/// Receives until no client waits any more, or `patience` is over. Tells each client's fate.
pub(super) fn converse(clients: &mut [Conversation], patience: Duration) -> Vec<Fate> {
    let deadline = Instant::now() + patience;
    loop {
        clients.iter_mut().for_each(Conversation::advance);
        let fates: Vec<Fate> = clients.iter().map(|client| client.fate).collect();
        if !fates.contains(&Fate::Waiting) || Instant::now() >= deadline {
            return fates;
        }
        thread::sleep(Duration::from_millis(2));
    }
}
