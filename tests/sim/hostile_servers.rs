//! Hostile servers, for the client under test to connect to.

use crate::wire::frame;
use readyd::client::SessionError;
use readyd::testkit::kernel::Kernel;
use readyd::testkit::prng::Prng;
use std::collections::BTreeMap;

/// What a hostile server does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Behaviour {
    /// Answers every frame with a frame: for comparison.
    Answer,
    Garbage,
    /// Declares more than is accepted.
    Giant,
    /// Half an answer, then FIN.
    HalfAnswer,
    Reset,
    Silent,
    Close,
    /// Answers without a request.
    Babble,
}

const BEHAVIOURS: [Behaviour; 8] = [
    Behaviour::Answer,
    Behaviour::Garbage,
    Behaviour::Giant,
    Behaviour::HalfAnswer,
    Behaviour::Reset,
    Behaviour::Silent,
    Behaviour::Close,
    Behaviour::Babble,
];

#[derive(Debug)]
struct HostileServer {
    end: usize,
    behaviour: Behaviour,
    received: Vec<u8>,
    unsent: Vec<u8>,
    has_spoken: bool,
    is_closed: bool,
}

/// All hostile servers, behind one listener.
#[derive(Debug)]
pub(crate) struct HostileServers {
    listener: usize,
    servers: Vec<HostileServer>,
    is_calm: bool,
    /// By connection.
    pub(crate) behaviours: BTreeMap<usize, Behaviour>,
}

impl HostileServers {
    pub(crate) fn new(listener: usize) -> HostileServers {
        HostileServers {
            listener,
            servers: Vec::new(),
            is_calm: false,
            behaviours: BTreeMap::new(),
        }
    }

    pub(crate) fn calm_down(&mut self) {
        self.is_calm = true;
    }

    /// Whether none of them is connected.
    pub(crate) fn are_done(&self) -> bool {
        self.servers.is_empty()
    }

    /// Does what can be done at once. Tells whether anything was.
    pub(crate) fn act(&mut self, kernel: &mut Kernel) -> bool {
        let mut acted = false;
        while let Ok(end) = kernel.accept(self.listener) {
            let behaviour = Prng::new(kernel.prng.next_u64()).pick(&BEHAVIOURS);
            self.behaviours.insert(end / 2, behaviour);
            self.servers.push(HostileServer {
                end,
                behaviour,
                received: Vec::new(),
                unsent: Vec::new(),
                has_spoken: false,
                is_closed: false,
            });
            acted = true;
        }
        for server in &mut self.servers {
            acted |= server.act(kernel, self.is_calm);
        }
        self.servers.retain(|server| !server.is_closed);
        acted
    }
}

impl HostileServer {
    fn act(&mut self, kernel: &mut Kernel, is_calm: bool) -> bool {
        let mut bytes = vec![0; 4096];
        let mut acted = false;
        match kernel.recv(self.end, &mut bytes) {
            Ok(0) => return self.close(kernel),
            Ok(count) => {
                self.received.extend_from_slice(&bytes[..count]);
                acted = true;
            }
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(_) => return self.close(kernel),
        }
        if !self.received.is_empty() && !self.has_spoken {
            self.has_spoken = true;
            acted = true;
            match self.behaviour {
                Behaviour::Garbage => self.unsent = b"HTTP/1.1 400 Bad Request\r\n".to_vec(),
                Behaviour::Giant => self.unsent = format!("{:<64}", "9".repeat(30)).into_bytes(),
                Behaviour::HalfAnswer => self.unsent = frame(b"half of it")[..69].to_vec(),
                Behaviour::Babble => {
                    self.unsent = [frame(b"one"), frame(b"two")].concat().repeat(9)
                }
                Behaviour::Reset => {
                    kernel.abort(self.end);
                    self.is_closed = true;
                    return true;
                }
                Behaviour::Close => return self.close(kernel),
                Behaviour::Answer | Behaviour::Silent => {}
            }
        }
        if self.behaviour == Behaviour::Answer {
            acted |= self.answer();
        }
        if !self.unsent.is_empty()
            && let Ok(count) = kernel.send(self.end, &self.unsent)
        {
            self.unsent.drain(..count);
            acted |= count > 0;
        }
        let is_over =
            self.behaviour == Behaviour::HalfAnswer && self.has_spoken && self.unsent.is_empty();
        if is_over || (is_calm && self.behaviour != Behaviour::Answer && self.unsent.is_empty()) {
            return self.close(kernel);
        }
        acted
    }

    fn answer(&mut self) -> bool {
        let before = self.received.len();
        while let crate::wire::Start::Frame(end) = crate::wire::start_of(&self.received, 1 << 20) {
            self.received.drain(..end);
            self.unsent.extend(frame(b"what you say"));
        }
        self.received.len() != before
    }

    fn close(&mut self, kernel: &mut Kernel) -> bool {
        kernel.close(self.end);
        self.is_closed = true;
        true
    }
}

/// Whether a session with a hostile server may end with this result.
pub(crate) fn may_end(
    behaviour: Behaviour,
    result: &Result<(), SessionError>,
    asked: usize,
) -> bool {
    match result {
        Ok(()) => asked == 0 || matches!(behaviour, Behaviour::Answer | Behaviour::Babble),
        Err(SessionError::BadAnswer(_)) => behaviour == Behaviour::Garbage,
        Err(SessionError::OverLimit { .. }) => behaviour == Behaviour::Giant,
        Err(SessionError::ClosedEarly { .. } | SessionError::Broken(_)) => true,
        Err(SessionError::AnswerTimeout(_)) => true,
        Err(_) => false,
    }
}
