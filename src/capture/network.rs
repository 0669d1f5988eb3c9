//! [`Captured`]: a network that passes each call on, and writes down its outcome.

use super::record::{Accepted, CallError, Encrypted, ListenerCall, Outcome, Record, Stream, Taken};
use super::tape::Tape;
use super::wire;
use crate::io::clock::{Moment, WallTime};
use crate::io::host::{Host, Usage, WallClock};
use crate::io::net::{
    Accept, AcceptOutcome, Encrypt, Encryption, Handshakes, Identity, Net, Output, SocketIo, Token,
    Told,
};
use crate::io::readiness::Interest;
use std::cell::RefCell;
use std::io;
use std::rc::Rc;

/// A network around another. A server on it has hooks for a recorder. Without a tape it only passes
/// calls on.
pub struct Captured<N> {
    network: N,
    tape: Option<Rc<RefCell<Tape>>>,
}

/// A stream with its number in the capture.
#[derive(Debug)]
pub struct CapturedStream<S> {
    stream: S,
    number: Stream,
}

/// A listener with its number in the capture.
#[derive(Debug)]
pub struct CapturedListener<L> {
    listener: L,
    number: u32,
}

impl<N: Net> Captured<N> {
    /// A network that writes to `tape`.
    pub fn new(network: N, tape: Option<Rc<RefCell<Tape>>>) -> Captured<N> {
        Captured { network, tape }
    }

    /// A listener for this network. To be called in the order in which the listeners are served.
    pub fn listener(&self, listener: N::Listener) -> CapturedListener<N::Listener> {
        let number = self.tape.as_ref().map_or(0, |tape| tape.borrow_mut().next_listener());
        CapturedListener { listener, number }
    }

    #[inline]
    fn note(&self, record: impl FnOnce() -> Record<'static>) {
        self.with_tape(|tape| tape.note(&record()));
    }

    #[inline]
    fn with_tape(&self, write: impl FnOnce(&mut Tape)) {
        if let Some(tape) = &self.tape {
            write(&mut tape.borrow_mut());
        }
    }

    fn listener_call(&self, listener: u32, call: ListenerCall, result: &io::Result<()>) {
        self.note(|| Record::Listener { listener, call, outcome: outcome(result) });
    }
}

fn outcome(result: &io::Result<()>) -> Outcome {
    result.as_ref().copied().map_err(CallError::from)
}

impl<N: Net> WallClock for Captured<N> {
    fn wall_time(&self) -> WallTime {
        let time = self.network.wall_time();
        self.note(|| Record::WallTime(time));
        time
    }
}

impl<N: Net> Host for Captured<N> {
    fn usage(&self) -> Usage {
        let usage = self.network.usage();
        self.note(|| Record::Usage(usage));
        usage
    }

    fn time_in_turn(&self) -> Option<Moment> {
        let time = self.network.time_in_turn();
        self.note(|| Record::TimeInTurn(time));
        time
    }

    fn memory_of_places(&self, here: u64) -> u64 {
        self.with_tape(|tape| tape.places_memory(here));
        here
    }

    fn give_memory_back(&self) {
        self.network.give_memory_back();
        self.note(|| Record::GiveMemoryBack);
    }
}

impl<N: Net> SocketIo for Captured<N> {
    type Stream = CapturedStream<N::Stream>;

    #[inline]
    fn told(&mut self, told: Told<'_>) {
        self.with_tape(|tape| tape.told(told));
    }

    fn register(
        &mut self,
        CapturedStream { stream, number }: &mut Self::Stream,
        token: Token,
        interest: Interest,
    ) -> io::Result<()> {
        let result = self.network.register(stream, token, interest);
        let outcome = outcome(&result);
        self.note(|| Record::Register { stream: *number, token, interest, outcome });
        result
    }

    fn add_write_interest(
        &mut self,
        CapturedStream { stream, number }: &mut Self::Stream,
        token: Token,
    ) -> io::Result<()> {
        let result = self.network.add_write_interest(stream, token);
        let outcome = outcome(&result);
        self.note(|| Record::AddWriteInterest { stream: *number, token, outcome });
        result
    }

    fn recv(
        &mut self,
        CapturedStream { stream, number }: &mut Self::Stream,
        into: &mut [u8],
    ) -> io::Result<usize> {
        let result = self.network.recv(stream, into);
        self.with_tape(|tape| {
            let bytes = |count: &usize| into.get(..*count).unwrap_or_default();
            let outcome = result.as_ref().map(bytes).map_err(CallError::from);
            tape.note(&Record::Recv { stream: *number, room: into.len() as u64, outcome });
            if N::CAN_ENCRYPT && result.is_ok() && self.network.has_more(stream) {
                tape.note(&Record::Encrypted(Encrypted::More { stream: *number }));
            }
        });
        result
    }

    fn send(
        &mut self,
        CapturedStream { stream, number }: &mut Self::Stream,
        bytes: &[u8],
    ) -> io::Result<usize> {
        let result = self.network.send(stream, bytes);
        self.with_tape(|tape| {
            let taken = |count: &usize| {
                let sum = wire::sum(bytes.get(..*count).unwrap_or_default());
                Taken { count: *count as u64, sum }
            };
            let outcome = result.as_ref().map(taken).map_err(CallError::from);
            tape.note(&Record::Send { stream: *number, asked: bytes.len() as u64, outcome });
        });
        result
    }

    fn output(&self, CapturedStream { stream, number }: &Self::Stream) -> Output {
        let output = self.network.output(stream);
        self.note(|| Record::Output { stream: *number, output });
        output
    }

    #[inline]
    fn has_more(&self, stream: &Self::Stream) -> bool {
        self.network.has_more(&stream.stream)
    }

    fn send_fin(&mut self, CapturedStream { stream, number }: &mut Self::Stream) -> io::Result<()> {
        let result = self.network.send_fin(stream);
        let outcome = outcome(&result);
        self.note(|| Record::SendFin { stream: *number, outcome });
        result
    }

    /// No server calls it: a capture has no record of it.
    fn close(&mut self, CapturedStream { stream, .. }: Self::Stream) {
        self.network.close(stream);
    }

    fn abort(&mut self, CapturedStream { stream, number }: Self::Stream) {
        self.network.abort(stream);
        self.note(|| Record::Abort { stream: number });
    }
}

impl<N: Net> Encrypt for Captured<N> {
    const CAN_ENCRYPT: bool = N::CAN_ENCRYPT;

    fn encrypt(
        &mut self,
        CapturedStream { stream, number }: &mut Self::Stream,
        identity: Identity,
        already_read: &[u8],
    ) -> io::Result<()> {
        let result = self.network.encrypt(stream, identity, already_read);
        let (stream, outcome) = (*number, outcome(&result));
        self.note(|| Record::Encrypted(Encrypted::Begin { stream, identity, outcome }));
        result
    }

    fn encryption(&self, CapturedStream { stream, number }: &Self::Stream) -> Encryption {
        let state = self.network.encryption(stream);
        self.note(|| Record::Encrypted(Encrypted::State { stream: *number, state }));
        state
    }

    fn send_encrypted(
        &mut self,
        CapturedStream { stream, number }: &mut Self::Stream,
    ) -> io::Result<()> {
        let result = self.network.send_encrypted(stream);
        let (stream, outcome) = (*number, outcome(&result));
        self.note(|| Record::Encrypted(Encrypted::Sent { stream, outcome }));
        result
    }

    fn send_close_notify(
        &mut self,
        CapturedStream { stream, number }: &mut Self::Stream,
    ) -> io::Result<()> {
        let result = self.network.send_close_notify(stream);
        let (stream, outcome) = (*number, outcome(&result));
        self.note(|| Record::Encrypted(Encrypted::CloseNotify { stream, outcome }));
        result
    }
}

impl<N: Net> Accept for Captured<N>
where
    N::Listener: 'static,
{
    type Listener = CapturedListener<N::Listener>;

    fn accept(
        &mut self,
        CapturedListener { listener, number }: &Self::Listener,
    ) -> AcceptOutcome<Self::Stream> {
        let result = self.network.accept(listener);
        let outcome = match &result {
            AcceptOutcome::Connection(_, peer) => Accepted::Connection(*peer),
            AcceptOutcome::NoneWaiting => Accepted::NoneWaiting,
            AcceptOutcome::Interrupted => Accepted::Interrupted,
            AcceptOutcome::Lost => Accepted::Lost,
            AcceptOutcome::Failed(error) => Accepted::Failed(error.into()),
        };
        self.note(|| Record::Accept { listener: *number, outcome });
        match result {
            AcceptOutcome::Connection(stream, peer) => {
                let mut number = 0;
                self.with_tape(|tape| number = tape.next_stream());
                AcceptOutcome::Connection(CapturedStream { stream, number }, peer)
            }
            AcceptOutcome::NoneWaiting => AcceptOutcome::NoneWaiting,
            AcceptOutcome::Interrupted => AcceptOutcome::Interrupted,
            AcceptOutcome::Lost => AcceptOutcome::Lost,
            AcceptOutcome::Failed(error) => AcceptOutcome::Failed(error),
        }
    }

    fn register_listener(
        &mut self,
        CapturedListener { listener, number }: &mut Self::Listener,
        token: Token,
    ) -> io::Result<()> {
        let result = self.network.register_listener(listener, token);
        self.listener_call(*number, ListenerCall::Register(token), &result);
        result
    }

    fn deregister_listener(
        &mut self,
        CapturedListener { listener, number }: &mut Self::Listener,
    ) -> io::Result<()> {
        let result = self.network.deregister_listener(listener);
        self.listener_call(*number, ListenerCall::Deregister, &result);
        result
    }

    fn descriptor(&self, CapturedListener { listener, .. }: &Self::Listener) -> Option<i32> {
        self.network.descriptor(listener)
    }

    fn leave_to_others(&mut self, CapturedListener { listener, .. }: &Self::Listener) {
        self.network.leave_to_others(listener);
    }

    fn hold_off_handshakes(
        &mut self,
        CapturedListener { listener, number }: &Self::Listener,
    ) -> io::Result<()> {
        let result = self.network.hold_off_handshakes(listener);
        self.listener_call(*number, ListenerCall::HoldOff, &result);
        result
    }

    fn admit_handshakes(
        &mut self,
        CapturedListener { listener, number }: &Self::Listener,
    ) -> io::Result<()> {
        let result = self.network.admit_handshakes(listener);
        self.listener_call(*number, ListenerCall::Admit, &result);
        result
    }

    fn refuse_newcomers(
        &mut self,
        CapturedListener { listener, number }: &Self::Listener,
    ) -> io::Result<()> {
        let result = self.network.refuse_newcomers(listener);
        self.listener_call(*number, ListenerCall::Refuse, &result);
        result
    }

    fn handshakes<'a>(&mut self, of: impl Iterator<Item = &'a Self::Listener>) -> Handshakes
    where
        Self::Listener: 'a,
    {
        let of: Vec<&N::Listener> = of.map(|captured| &captured.listener).collect();
        let listeners = of.len() as u32;
        let answer = self.network.handshakes(of.into_iter());
        self.note(|| Record::Handshakes { listeners, answer });
        answer
    }
}
