//! The TLS of scripted peers: rustls through another interface than the programs use.

use super::authority::{Authority, NAME};
use crate::layers::{Findings, Layer, TlsFault, TlsManner};
use readyd::testkit::facts::{ClientEnd, EncryptedFacts};
use readyd::testkit::kernel::Kernel;
use rustls::pki_types::ServerName;
use rustls::{ClientConnection, Error};
use std::io::{self, ErrorKind, Read, Write};
use std::sync::Arc;

/// One connection of a peer.
#[derive(Debug)]
pub(super) struct TlsPeer {
    tls: ClientConnection,
    manner: TlsManner,
    link: usize,
    /// Ciphertext that the kernel has not taken.
    outgoing: Vec<u8>,
    /// Ciphertext, and the plaintext in it, made so far.
    made: (u64, u64),
    /// Bytes that it may still send.
    left: usize,
    moved: u64,
    has_said_goodbye: bool,
    heard_goodbye: bool,
    heard_alert: bool,
    error: Option<String>,
}

impl TlsPeer {
    pub(super) fn new(manner: TlsManner) -> TlsPeer {
        let authority = Authority::get();
        let config = match manner {
            TlsManner { fault: TlsFault::Distrust, .. } => &authority.distrustful,
            TlsManner { is_old: true, .. } => &authority.old,
            _ => &authority.new,
        };
        let name = ServerName::try_from(NAME).expect("a name");
        let mut tls = ClientConnection::new(Arc::clone(config), name).expect("a connection");
        tls.set_buffer_limit(None);
        let left = match manner.fault {
            TlsFault::StopsAfter(count) => count,
            _ => usize::MAX,
        };
        TlsPeer {
            tls,
            manner,
            link: 0,
            outgoing: Vec::new(),
            made: (0, 0),
            left,
            moved: 0,
            has_said_goodbye: false,
            heard_goodbye: false,
            heard_alert: false,
            error: None,
        }
    }

    /// Has rustls make its ciphertext.
    fn make(&mut self) {
        let before = self.outgoing.len();
        while self.tls.wants_write() {
            self.tls.write_tls(&mut self.outgoing).expect("a vector has room");
        }
        self.made.0 += (self.outgoing.len() - before) as u64;
    }

    /// Gives the kernel at most `most` bytes.
    fn flush(&mut self, kernel: &mut Kernel, end: usize, most: usize) -> io::Result<()> {
        let count = self.outgoing.len().min(most).min(self.left);
        if count == 0 {
            return Ok(());
        }
        match kernel.send(end, &self.outgoing[..count]) {
            Ok(count) => {
                self.outgoing.drain(..count);
                self.moved += count as u64;
                self.left -= count;
                Ok(())
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn take(&mut self, mut bytes: &[u8], into: &mut Vec<u8>) {
        while !bytes.is_empty() && !self.is_broken() {
            if self.tls.read_tls(&mut bytes).expect("a slice can be read") == 0 {
                self.error = Some("bytes behind close_notify".to_owned());
                return;
            }
            match self.tls.process_new_packets() {
                Ok(state) => {
                    let before = into.len();
                    into.resize(before + state.plaintext_bytes_to_read(), 0);
                    self.tls.reader().read_exact(&mut into[before..]).expect("it is there");
                    self.heard_goodbye |= state.peer_has_closed();
                }
                Err(Error::AlertReceived(_)) => self.heard_alert = true,
                Err(error) => self.error = Some(error.to_string()),
            }
        }
    }

    fn damage(&mut self) {
        if self.manner.fault == TlsFault::DamagedRecord
            && let Some(last) = self.outgoing.last_mut()
        {
            *last ^= 1;
        }
    }
}

fn facts(kernel: &mut Kernel, end: usize) -> &mut EncryptedFacts {
    kernel.facts[end / 2].encrypted.as_mut().expect("the world is encrypted")
}

impl Layer for TlsPeer {
    fn begin(&mut self, kernel: &mut Kernel, end: usize) {
        self.link = end / 2;
        let facts = facts(kernel, end);
        facts.client_end = ClientEnd::None;
        facts.is_bad_client = self.manner.fault != TlsFault::None;
    }

    fn send(
        &mut self,
        kernel: &mut Kernel,
        end: usize,
        bytes: &[u8],
        most: usize,
    ) -> io::Result<usize> {
        self.make();
        let can_take = self.is_settled() && !self.is_broken() && !self.has_said_goodbye;
        if can_take && !bytes.is_empty() {
            self.tls.writer().write_all(bytes).expect("no limit was set");
            self.make();
            self.damage();
            self.made.1 += bytes.len() as u64;
            facts(kernel, end).made.push(self.made);
        }
        self.flush(kernel, end, most)?;
        Ok(if can_take { bytes.len() } else { 0 })
    }

    fn recv(
        &mut self,
        kernel: &mut Kernel,
        end: usize,
        most: usize,
        into: &mut Vec<u8>,
    ) -> io::Result<usize> {
        let mut bytes = vec![0; most.min(kernel.ends[end].incoming.readable().max(1))];
        let count = kernel.recv(end, &mut bytes)?;
        self.moved += count as u64;
        self.take(&bytes[..count], into);
        Ok(count)
    }

    fn is_settled(&self) -> bool {
        !self.tls.is_handshaking() && self.outgoing.is_empty()
    }

    fn is_handshaking(&self) -> bool {
        self.tls.is_handshaking()
    }

    fn is_broken(&self) -> bool {
        self.heard_alert || self.error.is_some()
    }

    fn say_goodbye(&mut self, kernel: &mut Kernel, end: usize) -> bool {
        if self.manner.forgets_goodbye || self.is_broken() || self.tls.is_handshaking() {
            return true;
        }
        if !self.has_said_goodbye {
            self.has_said_goodbye = true;
            self.tls.send_close_notify();
            self.make();
        }
        // If the socket is broken, reading tells.
        let _ = self.flush(kernel, end, usize::MAX);
        let is_said = self.outgoing.is_empty();
        if is_said {
            facts(kernel, end).client_end = ClientEnd::CloseNotify;
        }
        is_said
    }

    fn moved(&self) -> u64 {
        self.moved
    }

    fn findings(&self) -> Findings<'_> {
        Findings {
            link: self.link,
            is_open: !self.tls.is_handshaking(),
            heard_goodbye: self.heard_goodbye,
            heard_alert: self.heard_alert,
            error: self.error.as_deref().filter(|_| self.manner.fault != TlsFault::Distrust),
        }
    }
}

/// A peer that does not speak TLS. It ignores what it is told.
#[derive(Debug, Default)]
pub(super) struct Imitation {
    link: usize,
    moved: u64,
}

impl Layer for Imitation {
    fn begin(&mut self, kernel: &mut Kernel, end: usize) {
        self.link = end / 2;
        let facts = facts(kernel, end);
        (facts.client_end, facts.is_bad_client) = (ClientEnd::None, true);
    }

    fn send(
        &mut self,
        kernel: &mut Kernel,
        end: usize,
        bytes: &[u8],
        most: usize,
    ) -> io::Result<usize> {
        if bytes.is_empty() {
            return Ok(0);
        }
        let count = kernel.send(end, &bytes[..bytes.len().min(most)])?;
        self.moved += count as u64;
        Ok(count)
    }

    fn recv(
        &mut self,
        kernel: &mut Kernel,
        end: usize,
        most: usize,
        _: &mut Vec<u8>,
    ) -> io::Result<usize> {
        let count = kernel.recv(end, &mut vec![0; most.min(1 << 16)])?;
        self.moved += count as u64;
        Ok(count)
    }

    fn is_settled(&self) -> bool {
        true
    }

    fn is_handshaking(&self) -> bool {
        false
    }

    fn is_broken(&self) -> bool {
        false
    }

    fn say_goodbye(&mut self, _: &mut Kernel, _: usize) -> bool {
        true
    }

    fn moved(&self) -> u64 {
        self.moved
    }

    fn findings(&self) -> Findings<'_> {
        Findings {
            link: self.link,
            is_open: false,
            heard_goodbye: false,
            heard_alert: false,
            error: None,
        }
    }
}
