//! The network of an exact replay: each call is compared with the next record, whose outcome it
//! has.

use super::script::Script;
use crate::capture::record::{
    Accepted, CallError, Encrypted, ListenerCall, Outcome, Record, Stream,
};
use crate::capture::statistics::each;
use crate::capture::wire;
use crate::capture::words::Words;
use crate::io::clock::{Moment, WallTime};
use crate::io::host::{Host, Usage, WallClock};
use crate::io::net::{
    Accept, AcceptOutcome, Encrypt, Encryption, Handshakes, Identity, Output, SocketIo, Token, Told,
};
use crate::io::readiness::Interest;
use crate::server::stats::Stats;
use crate::server::stats::publishing::{Shards, SharedStats};
use crate::trace::wire::Cursor;
use std::cell::RefCell;
use std::io::{self, ErrorKind};
use std::rc::Rc;
use std::time::Duration;

/// See the [module](self).
#[derive(Clone)]
pub(super) struct ReplayNet {
    pub(super) script: Rc<RefCell<Script>>,
}

/// A stream, by its number.
#[derive(Debug)]
pub(super) struct ReplayStream {
    number: Stream,
    /// Whether its last read has left something to read.
    has_more: bool,
}

impl ReplayNet {
    fn meet<T>(&self, now: Words, fits: impl FnOnce(&Record<'_>) -> Option<T>) -> Option<T> {
        self.script.borrow_mut().meet(now, fits)
    }

    /// Whether a read of this stream left something to read: the next record says so.
    fn takes_more(&self, number: Stream) -> bool {
        let more = Record::Encrypted(Encrypted::More { stream: number });
        let script = &mut *self.script.borrow_mut();
        let is_told = script.peek() == Some(more);
        if is_told {
            script.follow();
        }
        is_told
    }

    /// A call on an encrypted stream that returns nothing.
    fn encrypted_call(
        &self,
        words: Words,
        fits: impl FnOnce(Encrypted) -> Option<Outcome>,
    ) -> io::Result<()> {
        self.call(words, |record| match *record {
            Record::Encrypted(encrypted) => fits(encrypted),
            _ => None,
        })
    }

    /// A call that returns nothing.
    fn call(
        &self,
        now: Words,
        fits: impl FnOnce(&Record<'_>) -> Option<Outcome>,
    ) -> io::Result<()> {
        self.meet(now, fits).unwrap_or(Ok(())).map_err(io::Error::from)
    }

    fn listener_call(&self, of: u32, asked: ListenerCall, what: &'static str) -> io::Result<()> {
        self.call(Words::Call(what, Some(of)), |record| match *record {
            Record::Listener { listener, call, outcome } if listener == of && call == asked => {
                Some(outcome)
            }
            _ => None,
        })
    }
}

/// After a difference a call would block.
fn blocked<T>(outcome: Option<Result<T, CallError>>) -> io::Result<T> {
    outcome.unwrap_or(Err(CallError::Kind(ErrorKind::WouldBlock))).map_err(io::Error::from)
}

impl WallClock for ReplayNet {
    fn wall_time(&self) -> WallTime {
        let time = self.meet(Words::Other("a look at the wall clock"), |record| match *record {
            Record::WallTime(time) => Some(time),
            _ => None,
        });
        time.unwrap_or_default()
    }
}

impl Host for ReplayNet {
    fn usage(&self) -> Usage {
        let now = Words::Other("a look at what the process has used");
        let usage = self.meet(now, |record| match *record {
            Record::Usage(usage) => Some(usage),
            _ => None,
        });
        usage.unwrap_or_default()
    }

    fn time_in_turn(&self) -> Option<Moment> {
        let now = Words::Other("a look at the clock of turns");
        let time = self.meet(now, |record| match *record {
            Record::TimeInTurn(time) => Some(time),
            _ => None,
        });
        time.flatten()
    }

    fn memory_of_places(&self, _: u64) -> u64 {
        let script = &mut *self.script.borrow_mut();
        if let Some(Record::PlacesMemory(bytes)) = script.peek() {
            script.follow();
            script.places_memory = bytes;
        }
        script.places_memory
    }

    fn give_memory_back(&self) {
        let is_met = |record: &Record<'_>| (*record == Record::GiveMemoryBack).then_some(());
        self.meet(Words::Other("memory given back"), is_met);
    }
}

impl SocketIo for ReplayNet {
    type Stream = ReplayStream;

    fn told(&mut self, told: Told<'_>) {
        let script = &mut *self.script.borrow_mut();
        // A table that is used again was compared when it was looked up.
        let is_again = matches!(told, Told::Table { .. });
        script.meet(Words::Record(&Record::Told(told)), |record| match record {
            Record::Told(captured) if *captured == told => Some(()),
            Record::TableAgain(_) if is_again => Some(()),
            _ => None,
        });
    }

    fn register(
        &mut self,
        stream: &mut ReplayStream,
        token: Token,
        interest: Interest,
    ) -> io::Result<()> {
        let (number, now) = (stream.number, (token, interest));
        let words = Words::Register("register connection", number, token);
        self.call(words, |record| match *record {
            Record::Register { stream, token, interest, outcome }
                if stream == number && (token, interest) == now =>
            {
                Some(outcome)
            }
            _ => None,
        })
    }

    fn add_write_interest(&mut self, stream: &mut ReplayStream, token: Token) -> io::Result<()> {
        let (number, now) = (stream.number, token);
        let words = Words::Register("register for writing connection", number, token);
        self.call(words, |record| match *record {
            Record::AddWriteInterest { stream, token, outcome }
                if stream == number && token == now =>
            {
                Some(outcome)
            }
            _ => None,
        })
    }

    fn recv(&mut self, stream: &mut ReplayStream, into: &mut [u8]) -> io::Result<usize> {
        let number = stream.number;
        let read = blocked(self.meet(Words::Recv(number, into.len()), |record| match *record {
            Record::Recv { stream, room, outcome }
                if stream == number && room == into.len() as u64 =>
            {
                Some(outcome.map(|bytes| {
                    into.iter_mut().zip(bytes).for_each(|(place, byte)| *place = *byte);
                    bytes.len()
                }))
            }
            _ => None,
        }));
        stream.has_more = self.takes_more(number);
        if let (Ok(count), Some(tap)) = (&read, &self.script.borrow().tap) {
            tap.received(into.get(..*count).unwrap_or_default());
        }
        read
    }

    fn send(&mut self, stream: &mut ReplayStream, bytes: &[u8]) -> io::Result<usize> {
        let number = stream.number;
        let sent = blocked(self.meet(Words::Send(number, bytes.len()), |record| match *record {
            Record::Send { stream, asked, outcome }
                if stream == number && asked == bytes.len() as u64 =>
            {
                let Ok(taken) = outcome else { return Some(outcome.map(|_| 0)) };
                let count = taken.count as usize;
                let is_same = bytes.get(..count).is_some_and(|sent| wire::sum(sent) == taken.sum);
                is_same.then_some(Ok(count))
            }
            _ => None,
        }));
        if let (Ok(count), Some(tap)) = (&sent, &self.script.borrow().tap) {
            tap.sent(bytes.get(..*count).unwrap_or_default());
        }
        sent
    }

    fn output(&self, stream: &ReplayStream) -> Output {
        let number = stream.number;
        let words = Words::Call("a look at the output of connection", Some(number));
        let output = self.meet(words, |record| match *record {
            Record::Output { stream, output } if stream == number => Some(output),
            _ => None,
        });
        output.unwrap_or(Output::Unknown)
    }

    fn has_more(&self, stream: &ReplayStream) -> bool {
        stream.has_more
    }

    fn send_fin(&mut self, stream: &mut ReplayStream) -> io::Result<()> {
        let number = stream.number;
        self.call(Words::Call("FIN to connection", Some(number)), |record| match *record {
            Record::SendFin { stream, outcome } if stream == number => Some(outcome),
            _ => None,
        })
    }

    fn abort(&mut self, stream: ReplayStream) {
        let ReplayStream { number: stream, .. } = stream;
        let is_met = |record: &Record<'_>| (*record == Record::Abort { stream }).then_some(());
        self.meet(Words::Call("RST to connection", Some(stream)), is_met);
    }
}

impl Encrypt for ReplayNet {
    const CAN_ENCRYPT: bool = true;

    fn encrypt(
        &mut self,
        of: &mut ReplayStream,
        with: Identity,
        _already_read: &[u8],
    ) -> io::Result<()> {
        let words = Words::Call("encrypt connection", Some(of.number));
        self.encrypted_call(words, |encrypted| match encrypted {
            Encrypted::Begin { stream, identity, outcome }
                if (stream, identity) == (of.number, with) =>
            {
                Some(outcome)
            }
            _ => None,
        })
    }

    fn encryption(&self, of: &ReplayStream) -> Encryption {
        let words = Words::Call("a look at the encryption of connection", Some(of.number));
        let state = self.meet(words, |record| match *record {
            Record::Encrypted(Encrypted::State { stream, state }) if stream == of.number => {
                Some(state)
            }
            _ => None,
        });
        state.unwrap_or_default()
    }

    fn send_encrypted(&mut self, of: &mut ReplayStream) -> io::Result<()> {
        let words = Words::Call("send what encrypts connection", Some(of.number));
        self.encrypted_call(words, |encrypted| match encrypted {
            Encrypted::Sent { stream, outcome } if stream == of.number => Some(outcome),
            _ => None,
        })
    }

    fn send_close_notify(&mut self, of: &mut ReplayStream) -> io::Result<()> {
        let words = Words::Call("close_notify to connection", Some(of.number));
        self.encrypted_call(words, |encrypted| match encrypted {
            Encrypted::CloseNotify { stream, outcome } if stream == of.number => Some(outcome),
            _ => None,
        })
    }
}

impl Accept for ReplayNet {
    /// Its number.
    type Listener = u32;

    fn accept(&mut self, of: &u32) -> AcceptOutcome<ReplayStream> {
        let words = Words::Call("accept from listener", Some(*of));
        let outcome = self.meet(words, |record| match *record {
            Record::Accept { listener, outcome } if listener == *of => Some(outcome),
            _ => None,
        });
        match outcome.unwrap_or(Accepted::NoneWaiting) {
            Accepted::Connection(peer) => {
                let done = &mut self.script.borrow_mut().done;
                done.connections += 1;
                let number = done.connections as Stream;
                AcceptOutcome::Connection(ReplayStream { number, has_more: false }, peer)
            }
            Accepted::NoneWaiting => AcceptOutcome::NoneWaiting,
            Accepted::Interrupted => AcceptOutcome::Interrupted,
            Accepted::Lost => AcceptOutcome::Lost,
            Accepted::Failed(error) => AcceptOutcome::Failed(error.into()),
        }
    }

    fn register_listener(&mut self, of: &mut u32, token: Token) -> io::Result<()> {
        self.listener_call(*of, ListenerCall::Register(token), "register listener")
    }

    fn deregister_listener(&mut self, of: &mut u32) -> io::Result<()> {
        self.listener_call(*of, ListenerCall::Deregister, "deregister listener")
    }

    fn hold_off_handshakes(&mut self, of: &u32) -> io::Result<()> {
        self.listener_call(*of, ListenerCall::HoldOff, "hold off handshakes with listener")
    }

    fn admit_handshakes(&mut self, of: &u32) -> io::Result<()> {
        self.listener_call(*of, ListenerCall::Admit, "admit handshakes with listener")
    }

    fn refuse_newcomers(&mut self, of: &u32) -> io::Result<()> {
        self.listener_call(*of, ListenerCall::Refuse, "refuse newcomers of listener")
    }

    fn handshakes<'a>(&mut self, of: impl Iterator<Item = &'a u32>) -> Handshakes {
        let count = of.count() as u32;
        let answer = self.meet(Words::Other("a look at handshakes"), |record| match *record {
            Record::Handshakes { listeners, answer } if listeners == count => Some(answer),
            _ => None,
        });
        answer.unwrap_or(Handshakes::None)
    }
}

/// The statistics of all shards, as they were captured.
pub(super) struct ReplayStatistics {
    pub(super) net: ReplayNet,
    pub(super) age: Duration,
}

impl SharedStats for ReplayStatistics {
    fn publish(&mut self, _: &Stats) {
        let is_met = |record: &Record<'_>| (*record == Record::Published).then_some(());
        self.net.meet(Words::Other("statistics published"), is_met);
    }

    fn total(&self) -> Stats {
        let now = Words::Other("a look at the statistics of all shards");
        let total = self.net.meet(now, |record| match *record {
            Record::Total(numbers) => {
                let mut cursor = Cursor::new(numbers);
                Some(Stats::from_numbers(std::iter::from_fn(|| cursor.number().ok())))
            }
            _ => None,
        });
        total.unwrap_or_default()
    }

    fn each(&self) -> Vec<Stats> {
        let now = Words::Other("a look at the statistics of each shard");
        let each = self.net.meet(now, |record| match *record {
            Record::Each(numbers) => Some(each(numbers)),
            _ => None,
        });
        each.unwrap_or_default()
    }

    fn shards(&self) -> Shards {
        let now = Words::Other("a look at how many shards answer");
        let shards = self.net.meet(now, |record| match *record {
            Record::Shards(shards) => Some(shards),
            _ => None,
        });
        shards.unwrap_or_default()
    }

    fn age_at_start(&self) -> Duration {
        self.age
    }
}
