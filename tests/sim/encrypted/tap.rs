//! What the server reads and sends, between it and TLS: the plaintext, for the oracle.

use readyd::io::clock::WallTime;
use readyd::io::host::{Host, Usage, WallClock};
use readyd::io::net::{
    Accept, AcceptOutcome, Encrypt, Encryption, Handshakes, Identity, Output, SocketIo, TlsFailure,
    TlsHandshake, Token,
};
use readyd::io::readiness::Interest;
use readyd::testkit::facts::EncryptedFacts;
use readyd::testkit::kernel::Kernel;
use readyd::testkit::net::{SimListener, SimNet, SimStream};
use readyd::testkit::sockets::link_of;
use readyd::tls::{Secured, SecuredStream};
use std::cell::RefCell;
use std::io;
use std::rc::Rc;

/// A network around TLS that notes the plaintext of encrypted streams.
pub(crate) struct PlaintextTap {
    network: Secured<SimNet>,
    kernel: Rc<RefCell<Kernel>>,
}

/// A stream with the number of its end.
#[derive(Debug)]
pub(crate) struct TappedStream {
    stream: SecuredStream<SimStream>,
    end: usize,
}

impl PlaintextTap {
    pub(super) fn new(network: Secured<SimNet>, kernel: Rc<RefCell<Kernel>>) -> PlaintextTap {
        PlaintextTap { network, kernel }
    }

    fn with_facts(&self, end: usize, note: impl FnOnce(&mut EncryptedFacts)) {
        if let Some(facts) = &mut self.kernel.borrow_mut().facts[end / 2].encrypted {
            note(facts);
        }
    }

    fn is_encrypted(&self, end: usize) -> bool {
        self.kernel.borrow().facts[end / 2].encrypted.is_some()
    }

    fn note_failure(&self, end: usize, error: &io::Error) {
        if let Some(failure) = TlsFailure::of(error) {
            self.with_facts(end, |facts| _ = facts.failure.get_or_insert(failure));
        }
    }
}

impl SocketIo for PlaintextTap {
    type Stream = TappedStream;

    fn register(
        &mut self,
        stream: &mut TappedStream,
        token: Token,
        interest: Interest,
    ) -> io::Result<()> {
        self.network.register(&mut stream.stream, token, interest)
    }

    fn add_write_interest(&mut self, stream: &mut TappedStream, token: Token) -> io::Result<()> {
        self.network.add_write_interest(&mut stream.stream, token)
    }

    fn recv(
        &mut self,
        TappedStream { stream, end }: &mut TappedStream,
        into: &mut [u8],
    ) -> io::Result<usize> {
        let result = self.network.recv(stream, into);
        if !self.is_encrypted(*end) {
            return result;
        }
        let is_open = self.network.encryption(stream).handshake != TlsHandshake::UnderWay;
        let kernel = &mut *self.kernel.borrow_mut();
        let now = kernel.now;
        if let Some(facts) = kernel.facts[*end / 2].encrypted.as_mut().filter(|_| is_open) {
            facts.opened_at.get_or_insert(now);
        }
        match &result {
            Ok(count) => {
                let bytes = &into[..*count];
                kernel.trace.contents(bytes);
                kernel.has_read(*end, bytes);
                if let Some(facts) = &mut kernel.facts[*end / 2].encrypted {
                    facts.read.extend_from_slice(bytes);
                }
            }
            Err(error) => {
                let failure = TlsFailure::of(error);
                if let Some(facts) = &mut kernel.facts[*end / 2].encrypted {
                    facts.failure = facts.failure.or(failure);
                }
            }
        }
        result
    }

    fn has_more(&self, stream: &TappedStream) -> bool {
        self.network.has_more(&stream.stream)
    }

    fn send(
        &mut self,
        TappedStream { stream, end }: &mut TappedStream,
        bytes: &[u8],
    ) -> io::Result<usize> {
        let was_told = self.kernel.borrow().ends[*end].told_of_room;
        let result = self.network.send(stream, bytes);
        if self.is_encrypted(*end) {
            if let Err(error) = &result {
                self.note_failure(*end, error);
            }
            let kernel = &mut *self.kernel.borrow_mut();
            kernel.has_sent(*end, bytes, &result, was_told);
            if let Some(facts) = &mut kernel.facts[*end / 2].encrypted {
                facts.offered.truncate(facts.taken);
                facts.offered.extend_from_slice(bytes);
                facts.taken += result.as_ref().copied().unwrap_or_default();
            }
        }
        result
    }

    fn output(&self, stream: &TappedStream) -> Output {
        self.network.output(&stream.stream)
    }

    fn send_fin(&mut self, stream: &mut TappedStream) -> io::Result<()> {
        self.network.send_fin(&mut stream.stream)
    }

    fn close(&mut self, stream: TappedStream) {
        self.network.close(stream.stream);
    }

    fn abort(&mut self, stream: TappedStream) {
        self.network.abort(stream.stream);
    }
}

impl Encrypt for PlaintextTap {
    const CAN_ENCRYPT: bool = true;

    fn encrypt(
        &mut self,
        stream: &mut TappedStream,
        identity: Identity,
        already_read: &[u8],
    ) -> io::Result<()> {
        self.network.encrypt(&mut stream.stream, identity, already_read)
    }

    fn encryption(&self, stream: &TappedStream) -> Encryption {
        self.network.encryption(&stream.stream)
    }

    fn send_encrypted(&mut self, stream: &mut TappedStream) -> io::Result<()> {
        self.network.send_encrypted(&mut stream.stream)
    }

    fn send_close_notify(&mut self, stream: &mut TappedStream) -> io::Result<()> {
        self.network.send_close_notify(&mut stream.stream)
    }
}

impl Accept for PlaintextTap {
    type Listener = SimListener;

    fn accept(&mut self, listener: &SimListener) -> AcceptOutcome<TappedStream> {
        match self.network.accept(listener) {
            AcceptOutcome::Connection(stream, peer) => {
                let address = crate::addresses::address_of(peer).expect("an address");
                let end = 2 * link_of(address).expect("the address of a connection") + 1;
                AcceptOutcome::Connection(TappedStream { stream, end }, peer)
            }
            AcceptOutcome::NoneWaiting => AcceptOutcome::NoneWaiting,
            AcceptOutcome::Interrupted => AcceptOutcome::Interrupted,
            AcceptOutcome::Lost => AcceptOutcome::Lost,
            AcceptOutcome::Failed(error) => AcceptOutcome::Failed(error),
        }
    }

    fn register_listener(&mut self, listener: &mut SimListener, token: Token) -> io::Result<()> {
        self.network.register_listener(listener, token)
    }

    fn hold_off_handshakes(&mut self, listener: &SimListener) -> io::Result<()> {
        self.network.hold_off_handshakes(listener)
    }

    fn admit_handshakes(&mut self, listener: &SimListener) -> io::Result<()> {
        self.network.admit_handshakes(listener)
    }

    fn handshakes<'a>(&mut self, of: impl Iterator<Item = &'a SimListener>) -> Handshakes {
        Accept::handshakes(&mut self.network, of)
    }
}

impl WallClock for PlaintextTap {
    fn wall_time(&self) -> WallTime {
        self.network.wall_time()
    }
}

impl Host for PlaintextTap {
    fn usage(&self) -> Usage {
        self.network.usage()
    }
}
