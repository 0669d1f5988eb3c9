//! A connection that is fed what its client had sent, as far as it is read; and what was sent to
//! the client is compared with what was captured.

use super::Verdict;
use crate::capture::record::{CallError, Encrypted, Outcome, Record, Taken};
use crate::capture::wire;
use crate::io::address::Peer;
use crate::io::clock::WallTime;
use crate::io::host::Usage;
use crate::io::net::{Output, TlsHandshake, Token};
use crate::server::close::CloseReason;
use std::collections::VecDeque;
use std::io::ErrorKind;

/// Something that recv(2) returns.
enum Input {
    /// These bytes, from this one on.
    Bytes(Vec<u8>, usize),
    Fin,
    Error(CallError),
}

/// How a connection ended: its reason, and whether with RST.
pub(super) type Ending = (u8, bool);

/// The end of a connection that was not let in.
pub(super) const REJECTED: Ending = (u8::MAX, true);

/// A connection of a capture.
pub(super) struct Fed {
    pub(super) peer: Peer,
    /// The server has more to send than is ever taken.
    is_endless: bool,
    /// Whether it was registered when it was captured.
    pub(super) was_registered: bool,
    /// Its token in the server that is run again, once it is registered.
    pub(super) token: Option<Token>,
    input: VecDeque<Input>,
    /// An event has to tell that there is input.
    pub(super) has_news: bool,
    /// send(2) would have blocked, and no event has told yet that it would not.
    waits_for_room: bool,
    /// The first bytes that it was to send then.
    offered: Vec<u8>,
    /// What the kernel took when it was captured, and was not compared yet.
    expected: VecDeque<Taken>,
    captured_total: u64,
    /// In the capture, the kernel had no room then.
    is_blocked: bool,
    send_error: Option<CallError>,
    /// What the registration for writing says, and shutdown(2).
    pub(super) write_interest: Outcome,
    pub(super) fin: Outcome,
    /// What was sent now, and is not compared yet.
    sent: Vec<u8>,
    sent_total: u64,
    /// How far the handshake of TLS was, as far as the capture was read.
    pub(super) handshake: TlsHandshake,
    pub(super) outputs: Readings<Output>,
    pub(super) wall: Readings<WallTime>,
    pub(super) usage: Readings<Usage>,
    pub(super) captured_end: Option<Ending>,
    pub(super) end: Option<Ending>,
    /// The last bytes that were read, to find a word that was cut in two.
    tail: Vec<u8>,
    /// It asks for statistics, which tell how often the loop turned: its replies may differ.
    pub(super) asks_statistics: bool,
}

/// Bytes that are shown of what differs.
const SHOWN: usize = 60;

const STATISTICS: &[u8] = b"STATS";

/// The path of the statistics on a metrics listener.
const METRICS: &[u8] = b"/metrics";

impl Fed {
    pub(super) fn new(peer: Peer, is_endless: bool) -> Fed {
        Fed {
            peer,
            is_endless,
            was_registered: false,
            token: None,
            input: VecDeque::new(),
            has_news: false,
            waits_for_room: false,
            offered: Vec::new(),
            expected: VecDeque::new(),
            captured_total: 0,
            is_blocked: false,
            send_error: None,
            write_interest: Ok(()),
            fin: Ok(()),
            sent: Vec::new(),
            sent_total: 0,
            handshake: TlsHandshake::UnderWay,
            outputs: Readings::default(),
            wall: Readings::default(),
            usage: Readings::default(),
            captured_end: None,
            end: None,
            tail: Vec::new(),
            asks_statistics: false,
        }
    }

    /// Takes what a record says of it.
    pub(super) fn feed(&mut self, record: &Record<'_>) {
        match *record {
            Record::Recv { outcome, .. } => match outcome {
                Ok([]) => self.push(Input::Fin),
                Ok(bytes) => {
                    self.look_for_statistics(bytes);
                    self.push(Input::Bytes(bytes.to_vec(), 0));
                }
                Err(error) if is_passing(error) => {}
                Err(error) => self.push(Input::Error(error)),
            },
            Record::Send { asked, outcome, .. } => match outcome {
                Ok(taken) => {
                    self.is_blocked = taken.count < asked;
                    self.captured_total += taken.count;
                    self.expected.push_back(taken);
                }
                Err(error) if std::io::Error::from(error).kind() == ErrorKind::WouldBlock => {
                    self.is_blocked = true;
                }
                Err(error) if is_passing(error) => {}
                Err(error) => self.send_error = Some(error),
            },
            Record::AddWriteInterest { outcome, .. } => self.write_interest = outcome,
            Record::SendFin { outcome, .. } => self.fin = outcome,
            Record::Encrypted(Encrypted::State { state, .. }) => self.handshake = state.handshake,
            Record::Output { output, .. } => self.outputs.push(output),
            Record::WallTime(time) => self.wall.push(time),
            Record::Usage(usage) => self.usage.push(usage),
            _ => {}
        }
    }

    fn push(&mut self, input: Input) {
        self.input.push_back(input);
        self.has_news = true;
    }

    fn look_for_statistics(&mut self, bytes: &[u8]) {
        self.tail.extend_from_slice(bytes);
        let has = |word: &[u8]| {
            let mut windows = self.tail.windows(word.len());
            windows.any(|window| window.eq_ignore_ascii_case(word))
        };
        self.asks_statistics |= has(STATISTICS) || has(METRICS);
        let kept = self.tail.len().saturating_sub(METRICS.len() - 1);
        self.tail.drain(..kept);
    }

    /// Whether there is something to read.
    pub(super) fn has_input(&self) -> bool {
        !self.input.is_empty()
    }

    /// recv(2).
    pub(super) fn recv(&mut self, into: &mut [u8]) -> Result<usize, CallError> {
        let mut filled = 0;
        while let Some(Input::Bytes(bytes, from)) = self.input.front_mut() {
            let rest = bytes.get(*from..).unwrap_or_default();
            let room = into.get_mut(filled..).unwrap_or_default();
            let count = rest.len().min(room.len());
            room.iter_mut().zip(rest).for_each(|(place, byte)| *place = *byte);
            (filled, *from) = (filled + count, *from + count);
            if *from < bytes.len() {
                return Ok(filled);
            }
            self.input.pop_front();
        }
        // What follows the bytes is told by another event.
        self.has_news |= filled > 0 && self.has_input();
        match self.input.front() {
            _ if filled > 0 => Ok(filled),
            Some(Input::Fin) => {
                self.input.pop_front();
                Ok(0)
            }
            Some(Input::Error(error)) => Err(*error),
            Some(Input::Bytes(..)) | None => Err(CallError::Kind(ErrorKind::WouldBlock)),
        }
    }

    /// send(2).
    pub(super) fn send(&mut self, bytes: &[u8]) -> Result<usize, CallError> {
        let room = self.room().min(bytes.len());
        if room == 0 && !bytes.is_empty() {
            if let Some(error) = self.send_error {
                return Err(error);
            }
            self.waits_for_room = true;
            self.offered = bytes.iter().copied().take(SHOWN).collect();
            return Err(CallError::Kind(ErrorKind::WouldBlock));
        }
        self.sent_total += room as u64;
        if !self.asks_statistics {
            self.sent.extend_from_slice(bytes.get(..room).unwrap_or_default());
        }
        Ok(room)
    }

    /// How many bytes the kernel takes: as many as it had taken in the capture by now. A server
    /// that sends earlier waits for that.
    fn room(&self) -> usize {
        // Its replies may be longer now.
        if self.asks_statistics {
            return usize::MAX;
        }
        let left = self.captured_total.saturating_sub(self.sent_total);
        usize::try_from(left).unwrap_or(usize::MAX)
    }

    /// Whether an event has to tell that send(2) would not block any more.
    pub(super) fn has_room_again(&mut self) -> bool {
        let has_room = self.waits_for_room && (self.room() > 0 || self.send_error.is_some());
        self.waits_for_room &= !has_room;
        has_room
    }

    /// Compares what was sent, as far as both are known.
    pub(super) fn compare(&mut self) -> Verdict {
        if self.asks_statistics {
            self.expected.clear();
            self.sent = Vec::new();
            return Ok(());
        }
        while let Some(&Taken { count, sum }) = self.expected.front() {
            let count = usize::try_from(count).unwrap_or(usize::MAX);
            let Some(bytes) = self.sent.get(..count) else { return Ok(()) };
            if wire::sum(bytes) != sum {
                let from = self.sent_total - self.sent.len() as u64;
                let until = from + count as u64;
                let shown = bytes.get(..SHOWN).unwrap_or(bytes).escape_ascii();
                return Err((
                    format!("other bytes from {from} to {until} of what is sent"),
                    format!("\"{shown}\""),
                ));
            }
            self.sent.drain(..count);
            self.expected.pop_front();
        }
        Ok(())
    }

    /// Compares how it ended. `is_over` says that nothing more will be captured.
    pub(super) fn compare_ends(&mut self, is_over: bool) -> Verdict {
        let is_cut_off = self.is_blocked || self.send_error.is_some() || self.is_reset();
        let is_compared = !is_cut_off && !self.asks_statistics;
        if self.captured_end.is_some() && is_compared && self.waits_for_room && !self.is_endless {
            let more = self.offered.escape_ascii();
            return Err((
                format!("{} bytes sent", self.captured_total),
                format!("more: \"{more}\""),
            ));
        }
        match (self.captured_end, self.end) {
            (Some((captured, _)), Some((now, _))) if captured == now => {}
            (None, None) => return Ok(()),
            (None, _) | (_, None) if !is_over => return Ok(()),
            (captured, now) => return Err((in_words(captured), in_words(now))),
        }
        match is_compared && self.sent_total < self.captured_total {
            true => Err((
                format!("{} bytes sent", self.captured_total),
                format!("{} bytes", self.sent_total),
            )),
            false => Ok(()),
        }
    }

    /// Whether it ended with RST when it was captured, perhaps before all was sent.
    fn is_reset(&self) -> bool {
        self.captured_end.is_some_and(|(_, is_reset)| is_reset)
    }
}

/// Readings of a clock, or of something like it.
#[derive(Clone, Debug)]
pub(super) struct Readings<T> {
    waiting: VecDeque<T>,
    last: Option<T>,
}

impl<T> Default for Readings<T> {
    fn default() -> Self {
        Readings { waiting: VecDeque::new(), last: None }
    }
}

impl<T: Copy> Readings<T> {
    pub(super) fn push(&mut self, reading: T) {
        self.waiting.push_back(reading);
    }

    /// The next reading; the last is used again if there are not enough.
    pub(super) fn take(&mut self) -> Option<T> {
        self.last = self.waiting.pop_front().or(self.last);
        self.last
    }
}

/// Whether the call is to be tried again.
fn is_passing(error: CallError) -> bool {
    let kind = std::io::Error::from(error).kind();
    matches!(kind, ErrorKind::WouldBlock | ErrorKind::Interrupted)
}

fn in_words(end: Option<Ending>) -> String {
    let Some((reason, _)) = end else { return "open".to_owned() };
    if end == Some(REJECTED) {
        return "rejected".to_owned();
    }
    let reason = CloseReason::ALL.get(usize::from(reason));
    format!("closed ({})", reason.map_or("for a reason that does not exist", |known| known.word()))
}
