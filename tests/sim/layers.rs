//! What can be between a scripted peer and its socket: TLS, or a bad imitation.

use readyd::testkit::kernel::Kernel;
use readyd::testkit::prng::Prng;
use std::fmt::Debug;
use std::io;

/// How a peer speaks TLS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct TlsManner {
    /// TLS 1.2 at most.
    pub(crate) is_old: bool,
    /// It never sends close_notify.
    pub(crate) forgets_goodbye: bool,
    /// If it resets or vanishes, then in the middle of a record.
    pub(crate) cuts_records: bool,
    /// If it sends a byte at a time, then of ciphertext, and in the handshake too.
    pub(crate) trickles_ciphertext: bool,
    pub(crate) fault: TlsFault,
}

/// What a peer does against the rules of TLS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum TlsFault {
    #[default]
    None,
    /// It does not speak TLS.
    PlainText,
    /// It changes a byte of its first record of plaintext.
    DamagedRecord,
    /// It does not trust the server.
    Distrust,
    /// It sends this many bytes of its handshake, fewer than it has.
    StopsAfter(usize),
}

impl TlsManner {
    pub(crate) fn draw(prng: &mut Prng) -> TlsManner {
        let fault = match prng.below(24) {
            0 => TlsFault::PlainText,
            1 => TlsFault::DamagedRecord,
            2 => TlsFault::Distrust,
            3 => TlsFault::StopsAfter(prng.below(150)),
            _ => TlsFault::None,
        };
        TlsManner {
            is_old: prng.one_in(3),
            forgets_goodbye: prng.one_in(8),
            cuts_records: prng.one_in(2),
            trickles_ciphertext: prng.one_in(2),
            fault,
        }
    }
}

/// Whether a peer does not end its handshake.
pub(crate) fn stalls(manner: TlsManner) -> bool {
    matches!(manner.fault, TlsFault::StopsAfter(_))
}

/// A layer at work, for one connection.
pub(crate) trait Layer: Debug {
    /// The peer is connected.
    fn begin(&mut self, kernel: &mut Kernel, end: usize);

    /// Sends what waits here, then `bytes`, and at most `most` bytes of ciphertext. Returns how
    /// many of `bytes` were taken; what the kernel did not take of their ciphertext waits here.
    ///
    /// # Errors
    ///
    /// What send(2) says.
    fn send(
        &mut self,
        kernel: &mut Kernel,
        end: usize,
        bytes: &[u8],
        most: usize,
    ) -> io::Result<usize>;

    /// Reads at most `most` bytes of ciphertext, and appends the plaintext to `into`. Returns how
    /// many were read.
    ///
    /// # Errors
    ///
    /// What recv(2) says.
    fn recv(
        &mut self,
        kernel: &mut Kernel,
        end: usize,
        most: usize,
        into: &mut Vec<u8>,
    ) -> io::Result<usize>;

    /// Whether the peer may go on to its end: the handshake is over, and the kernel has all.
    fn is_settled(&self) -> bool;

    /// Whether the handshake is not over.
    fn is_handshaking(&self) -> bool;

    /// Whether nothing can be said or heard any more.
    fn is_broken(&self) -> bool;

    /// Sends close_notify, if the peer does that. Returns whether the kernel has it.
    fn say_goodbye(&mut self, kernel: &mut Kernel, end: usize) -> bool;

    /// Grows with each byte that is moved.
    fn moved(&self) -> u64;

    /// What was found out about the server.
    fn findings(&self) -> Findings<'_>;
}

/// What a peer has found out about the server.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Findings<'a> {
    /// The number of the connection.
    pub(crate) link: usize,
    /// The handshake has succeeded.
    pub(crate) is_open: bool,
    /// The server has sent close_notify.
    pub(crate) heard_goodbye: bool,
    /// The server has sent an alert that is fatal.
    pub(crate) heard_alert: bool,
    /// What is wrong with what the server has sent.
    pub(crate) error: Option<&'a str>,
}
