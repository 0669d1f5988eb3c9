//! Scripted peers of the server, on the bare kernel: they share no code with the programs.

use crate::addresses::ClientAddress;
use crate::layers::{Layer, TlsManner};
use crate::model::Kind;
use crate::nets;
use crate::wire::{self, Start};
use readyd::io::clock::Moment;
use readyd::testkit::kernel::Kernel;
use readyd::testkit::sockets::{Owner, Progress, SocketError, listener_address};
use std::time::Duration;

/// From one byte of a trickling peer to its next.
pub(crate) const MINUTE: Duration = Duration::from_secs(60);

/// From being turned away to coming again: so long, and up to twice that.
const RETRY: Duration = Duration::from_millis(500);

/// How often a peer comes again while there are faults; later, as often as it takes.
const RETRIES: u32 = 3;

/// How a peer writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Writing {
    /// At most this number of bytes each time.
    Pieces(usize),
    /// One byte, then a pause.
    Trickle(Duration),
    /// A request, and the next when its reply has come.
    PingPong,
}

/// How a peer reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reading {
    /// At most this number of bytes each time.
    Pieces(usize),
    /// One byte, then a pause.
    Trickle(Duration),
    Never,
}

/// What a peer does when it has sent everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// Sends FIN and reads what still comes.
    HalfClose,
    /// Stays, and says nothing.
    Stay,
    /// Sends RST after this number of the bytes that it has to send.
    ResetAt(usize),
    /// Closes after this number of bytes, whatever is unread.
    VanishAt(usize),
    /// Closes after reading this number of bytes.
    CloseAfterReading(usize),
    /// Stays, and reads no more after this number of bytes.
    StopReadingAfter(usize),
}

/// What a peer will do.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) kind: Kind,
    pub(crate) client_address: ClientAddress,
    /// Whether the rules let it in.
    pub(crate) is_welcome: bool,
    /// It connects when the world has come so far.
    pub(crate) starts_at: u64,
    pub(crate) requests: Vec<Vec<u8>>,
    pub(crate) writing: Writing,
    pub(crate) reading: Reading,
    pub(crate) ending: Ending,
    /// In an encrypted world: how it speaks TLS.
    pub(crate) tls: Option<TlsManner>,
}

impl Plan {
    /// A well-behaved peer.
    pub(crate) fn new(kind: Kind, requests: Vec<Vec<u8>>) -> Plan {
        Plan {
            kind,
            client_address: ClientAddress::default(),
            is_welcome: true,
            starts_at: 0,
            requests,
            writing: Writing::Pieces(usize::MAX),
            reading: Reading::Pieces(usize::MAX),
            ending: Ending::HalfClose,
            tls: None,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Waiting,
    Connected { end: usize },
    Done,
}

/// A peer at work.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) plan: Plan,
    /// All that it will send, and where each request in it ends.
    pub(crate) bytes: Vec<u8>,
    ends: Vec<usize>,
    pub(crate) sent: usize,
    pub(crate) received: Vec<u8>,
    state: State,
    /// What is between it and its socket, if the world is encrypted.
    pub(crate) layer: Option<Box<dyn Layer>>,
    has_half_closed: bool,
    pub(crate) was_reset: bool,
    pub(crate) saw_fin: bool,
    /// When it connects, or writes, at the earliest.
    acts_at: Moment,
    retries_left: u32,
    /// The replies in the first `counted` bytes received have been counted.
    counted: usize,
    replies: usize,
}

impl Peer {
    pub(crate) fn new(plan: Plan) -> Peer {
        let mut end = 0;
        let ends = plan.requests.iter().map(|request| {
            end += request.len();
            end
        });
        Peer {
            ends: ends.collect(),
            bytes: plan.requests.concat(),
            layer: plan.tls.map(nets::layer),
            plan,
            sent: 0,
            received: Vec::new(),
            state: State::Waiting,
            has_half_closed: false,
            was_reset: false,
            saw_fin: false,
            acts_at: Moment::START,
            retries_left: RETRIES,
            counted: 0,
            replies: 0,
        }
    }

    pub(crate) fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// The number of its connection, once it is connected.
    pub(crate) fn link(&self) -> Option<usize> {
        match self.state {
            State::Connected { end } => Some(end / 2),
            _ => None,
        }
    }

    /// How far it is, for a report.
    pub(crate) fn describe(&self, kernel: &Kernel) -> String {
        let Peer { plan, sent, received, state, .. } = self;
        let end = self.link().map(|link| &kernel.ends[2 * link]);
        let socket = end.map(|end| (end.progress, end.so_error, end.incoming.fin, end.fin_sent));
        format!(
            "{:?} {state:?} {socket:?}: {sent} bytes of {} sent, {} received, {:?} {:?} {:?}",
            plan.kind,
            self.bytes.len(),
            received.len(),
            plan.writing,
            plan.reading,
            plan.ending
        )
    }

    /// When it will do something by itself.
    pub(crate) fn wakes_at(&self, now: Moment) -> Option<Moment> {
        (!self.is_done() && self.acts_at > now).then_some(self.acts_at)
    }

    /// From now on it behaves.
    pub(crate) fn calm_down(&mut self) {
        let plan = &mut self.plan;
        plan.writing = Writing::Pieces(usize::MAX);
        plan.reading = Reading::Pieces(usize::MAX);
        plan.starts_at = 0;
        self.acts_at = Moment::START;
        self.retries_left = u32::MAX;
        plan.ending = match plan.kind {
            // It would never end by itself.
            Kind::Chargen => Ending::CloseAfterReading(0),
            _ => Ending::HalfClose,
        };
    }

    /// Does what it can at once. Tells whether it did anything.
    pub(crate) fn act(&mut self, kernel: &mut Kernel) -> bool {
        match self.state {
            State::Done => false,
            State::Waiting if kernel.operations < self.plan.starts_at => false,
            State::Waiting if kernel.now < self.acts_at => false,
            State::Waiting => {
                let address = listener_address(self.plan.kind as usize);
                let source = self.plan.client_address.ip();
                let end = kernel.connect(Owner::Peer, source, address).expect("it has no faults");
                self.state = State::Connected { end };
                if let Some(layer) = &mut self.layer {
                    layer.begin(kernel, end);
                }
                true
            }
            State::Connected { end } => {
                let moved = |peer: &Peer| {
                    let below = peer.layer.as_ref().map_or(0, |layer| layer.moved());
                    (peer.sent, peer.received.len(), peer.has_half_closed, below)
                };
                let before = moved(self);
                self.converse(kernel, end);
                before != moved(self) || self.state == State::Done
            }
        }
    }

    fn converse(&mut self, kernel: &mut Kernel, end: usize) {
        if matches!(kernel.ends[end].progress, Progress::Connecting(_)) {
            return;
        }
        if kernel.ends[end].progress == Progress::Failed {
            self.was_reset = true;
            return self.close(kernel, end);
        }
        self.write(kernel, end);
        if self.state == State::Done {
            return;
        }
        self.read(kernel, end);
        if self.saw_fin && !self.was_reset {
            self.finish_after_fin(kernel, end);
        } else if self.was_reset || self.layer.as_ref().is_some_and(|layer| layer.is_broken()) {
            self.close(kernel, end);
        } else if let Ending::CloseAfterReading(count) = self.plan.ending
            && self.received.len() >= count
        {
            self.close(kernel, end);
        }
    }

    fn finish_after_fin(&mut self, kernel: &mut Kernel, end: usize) {
        match self.plan.ending {
            // It has heard that the server is done, and says that it is, too.
            Ending::HalfClose | Ending::Stay if !self.has_half_closed => {
                self.fin(kernel, end);
                self.close(kernel, end);
            }
            _ => self.close(kernel, end),
        }
    }

    fn write(&mut self, kernel: &mut Kernel, end: usize) {
        if self.has_half_closed {
            return;
        }
        let limit = match self.plan.ending {
            Ending::ResetAt(at) | Ending::VanishAt(at) => at.min(self.bytes.len()),
            _ => self.bytes.len(),
        };
        let share = self.share(kernel).min(limit.saturating_sub(self.sent));
        if share > 0 || self.has_layer_to_write(kernel.now) {
            match self.send(kernel, end, share) {
                Ok(count) => {
                    self.sent += count;
                    if let Writing::Trickle(pause) = self.plan.writing {
                        self.acts_at = kernel.now + pause;
                    }
                }
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                Err(_) => self.was_reset = true,
            }
        }
        if self.was_reset {
            return;
        }
        if self.sent < limit || !self.may_end() {
            return;
        }
        match self.plan.ending {
            Ending::HalfClose => self.fin(kernel, end),
            Ending::ResetAt(_) => {
                kernel.abort(end);
                self.state = State::Done;
            }
            Ending::VanishAt(_) => self.close(kernel, end),
            Ending::Stay | Ending::CloseAfterReading(_) | Ending::StopReadingAfter(_) => {}
        }
    }

    /// Whether what is between it and its socket may have something to send.
    fn has_layer_to_write(&self, now: Moment) -> bool {
        let waits = matches!(self.plan.writing, Writing::Trickle(_)) && self.trickles_ciphertext();
        self.layer.is_some() && (!waits || now >= self.acts_at)
    }

    fn trickles_ciphertext(&self) -> bool {
        self.plan.tls.is_some_and(|manner| manner.trickles_ciphertext)
    }

    /// Sends the next `share` bytes.
    fn send(&mut self, kernel: &mut Kernel, end: usize, share: usize) -> std::io::Result<usize> {
        let bytes = &self.bytes[self.sent..self.sent + share];
        let trickles = self.trickles_ciphertext();
        let Some(layer) = &mut self.layer else { return kernel.send(end, bytes) };
        layer.send(
            kernel,
            end,
            bytes,
            match self.plan.writing {
                Writing::Pieces(most) => most,
                Writing::Trickle(_) if trickles => 1,
                Writing::Trickle(_) | Writing::PingPong => usize::MAX,
            },
        )
    }

    /// Whether all that it has written is the kernel's, or it does not care.
    fn may_end(&self) -> bool {
        let breaks_off = matches!(self.plan.ending, Ending::ResetAt(_) | Ending::VanishAt(_));
        let is_careless = self.plan.tls.is_some_and(|manner| manner.cuts_records);
        (breaks_off && is_careless) || self.layer.as_ref().is_none_or(|layer| layer.is_settled())
    }

    /// How many bytes it would write now.
    fn share(&mut self, kernel: &Kernel) -> usize {
        match self.plan.writing {
            Writing::Pieces(most) => most,
            Writing::Trickle(_) => usize::from(kernel.now >= self.acts_at),
            Writing::PingPong => {
                self.count_replies();
                let asked = self.ends.partition_point(|&end| end <= self.sent);
                let is_answered = self.replies >= asked;
                match self.ends.get(asked) {
                    Some(&next) if is_answered => next - self.sent,
                    _ => 0,
                }
            }
        }
    }

    fn count_replies(&mut self) {
        loop {
            let rest = &self.received[self.counted..];
            let end = match self.plan.kind {
                Kind::Framed => match wire::start_of(rest, usize::MAX >> 1) {
                    Start::Frame(end) => Some(end),
                    _ => None,
                },
                // An exchange's greeting has no end of its own: it is as long as a date.
                Kind::Exchange if self.counted == 0 => (rest.len() >= 19).then_some(19),
                _ => rest.iter().position(|&byte| byte == b'\n').map(|at| at + 1),
            };
            let Some(end) = end else { return };
            let is_greeting = self.plan.kind == Kind::Exchange && self.counted == 0;
            self.counted += end;
            self.replies += usize::from(!is_greeting);
        }
    }

    fn read(&mut self, kernel: &mut Kernel, end: usize) {
        let mut most = match self.plan.reading {
            _ if self.layer.as_ref().is_some_and(|layer| layer.is_handshaking()) => usize::MAX,
            Reading::Never => return,
            Reading::Trickle(_) if kernel.now < self.acts_at => return,
            Reading::Trickle(pause) => {
                self.acts_at = kernel.now + pause;
                1
            }
            Reading::Pieces(most) => most,
        };
        if let Ending::StopReadingAfter(count) = self.plan.ending {
            most = most.min(count.saturating_sub(self.received.len()));
        }
        if most == 0 {
            return;
        }
        let got = match &mut self.layer {
            Some(layer) => layer.recv(kernel, end, most, &mut self.received),
            None => {
                let mut bytes = vec![0; most.min(kernel.ends[end].incoming.readable().max(1))];
                let got = kernel.recv(end, &mut bytes);
                let count = got.as_ref().copied().unwrap_or_default();
                self.received.extend_from_slice(&bytes[..count]);
                got
            }
        };
        match got {
            Ok(0) if kernel.ends[end].so_error == SocketError::Sound => self.saw_fin = true,
            Ok(0) => self.was_reset = true,
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(_) => self.was_reset = true,
        }
    }

    fn fin(&mut self, kernel: &mut Kernel, end: usize) {
        if let Some(layer) = &mut self.layer
            && !layer.say_goodbye(kernel, end)
            && !self.saw_fin
        {
            return;
        }
        self.has_half_closed = true;
        self.was_reset |= kernel.send_fin(end).is_err();
    }

    fn close(&mut self, kernel: &mut Kernel, end: usize) {
        if let Some(layer) = &mut self.layer
            && !self.has_half_closed
        {
            // As far as there is room.
            layer.say_goodbye(kernel, end);
        }
        kernel.close(end);
        self.state = State::Done;
        if self.was_reset && self.plan.is_welcome && kernel.facts[end / 2].is_turned_away() {
            self.come_again(kernel);
        }
    }

    /// Begins once more: soon or, after a few times in vain, when all faults are over.
    fn come_again(&mut self, kernel: &mut Kernel) {
        let again = Peer::new(self.plan.clone());
        let later = Duration::from_millis(kernel.prng.below(RETRY.as_millis() as usize) as u64);
        *self =
            Peer { retries_left: self.retries_left, acts_at: kernel.now + RETRY + later, ..again };
        match self.retries_left.checked_sub(1) {
            Some(left) => self.retries_left = left,
            None => self.plan.starts_at = u64::MAX,
        }
    }
}
