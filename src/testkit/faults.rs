//! What a call may fail with: by chance where a knob is on, or by order, at one call.

use super::knobs::{Counts, Knob, Knobs};
use super::prng::Prng;
use nix::errno::Errno;

/// The calls that can fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// accept(2).
    Accept,
    /// connect(2).
    Connect,
    /// getsockopt(2), SO_ERROR.
    Connected,
    /// getsockname(2).
    LocalAddress,
    /// EPOLL_CTL_ADD.
    Register,
    /// EPOLL_CTL_MOD.
    AddWriteInterest,
    /// recv(2).
    Recv,
    /// send(2).
    Send,
    /// shutdown(2).
    Fin,
    /// SO_ATTACH_FILTER.
    HoldOff,
    /// sock_diag(7).
    Handshakes,
    /// TCP_INFO.
    Output,
}

const OF_ONE_CONNECTION: &[Errno] = &[
    Errno::ECONNABORTED,
    Errno::EPROTO,
    Errno::ENETDOWN,
    Errno::ENETUNREACH,
    Errno::EHOSTDOWN,
    Errno::EHOSTUNREACH,
    Errno::ENONET,
    Errno::ENOPROTOOPT,
    Errno::EOPNOTSUPP,
    Errno::ETIMEDOUT,
    Errno::ECONNRESET,
    Errno::EPERM,
];

const STARVATION: &[Errno] = &[Errno::EMFILE, Errno::ENFILE, Errno::ENOMEM, Errno::ENOBUFS];

const RECV: &[Errno] = &[
    Errno::ECONNRESET,
    Errno::ETIMEDOUT,
    Errno::EHOSTUNREACH,
    Errno::ENETUNREACH,
    Errno::ENOTCONN,
    Errno::ENOMEM,
    Errno::ENOBUFS,
];

const SEND: &[Errno] = &[
    Errno::ECONNRESET,
    Errno::EPIPE,
    Errno::ETIMEDOUT,
    Errno::EHOSTUNREACH,
    Errno::ENETUNREACH,
    Errno::ENOMEM,
    Errno::ENOBUFS,
];

const REGISTER: &[Errno] = &[Errno::ENOMEM, Errno::ENOSPC];

const CONNECT: &[Errno] = &[
    Errno::EMFILE,
    Errno::ENFILE,
    Errno::ENOMEM,
    Errno::ENOBUFS,
    Errno::ENETUNREACH,
    Errno::EADDRNOTAVAIL,
    Errno::ECONNREFUSED,
    Errno::EAGAIN,
    Errno::EPERM,
];

const CONNECTED: &[Errno] = &[
    Errno::ECONNREFUSED,
    Errno::ETIMEDOUT,
    Errno::EHOSTUNREACH,
    Errno::ENETUNREACH,
    Errno::ECONNRESET,
    Errno::ENOBUFS,
];

const RETRY: &[Errno] = &[Errno::EAGAIN, Errno::EINTR];

impl Call {
    /// Everything that this call can fail with.
    pub fn errnos(self) -> Vec<Errno> {
        match self {
            Call::Accept => [RETRY, OF_ONE_CONNECTION, STARVATION].concat(),
            Call::Recv => [RETRY, RECV].concat(),
            Call::Send => [RETRY, SEND].concat(),
            Call::Register | Call::AddWriteInterest => REGISTER.to_vec(),
            Call::Connect => CONNECT.to_vec(),
            // Not connected yet, though an event said so: another will come.
            Call::Connected => [CONNECTED, &[Errno::ENOTCONN]].concat(),
            Call::LocalAddress => vec![Errno::ENOBUFS],
            Call::Fin => vec![Errno::ENOTCONN],
            Call::HoldOff => vec![Errno::ENOMEM],
            Call::Handshakes => vec![Errno::EMFILE],
            Call::Output => vec![Errno::EPERM],
        }
    }

    /// The errnos that knobs give this call, each with its knob.
    fn by_knob(self) -> &'static [(Knob, &'static [Errno])] {
        const WAIT: (Knob, &[Errno]) = (Knob::Eagain, &[Errno::EAGAIN]);
        const SIGNAL: (Knob, &[Errno]) = (Knob::Eintr, &[Errno::EINTR]);
        match self {
            Call::Accept => &[
                WAIT,
                SIGNAL,
                (Knob::AcceptErrors, OF_ONE_CONNECTION),
                (Knob::AcceptStarvation, STARVATION),
            ],
            Call::Recv => &[WAIT, SIGNAL, (Knob::RecvErrors, RECV)],
            Call::Send => &[WAIT, SIGNAL, (Knob::SendErrors, SEND)],
            Call::Register | Call::AddWriteInterest => &[(Knob::RegisterErrors, REGISTER)],
            Call::Connect => &[(Knob::ConnectErrors, CONNECT)],
            Call::Connected => &[(Knob::ConnectErrors, CONNECTED)],
            Call::LocalAddress => &[(Knob::ConnectErrors, &[Errno::ENOBUFS])],
            Call::Fin => &[(Knob::FinErrors, &[Errno::ENOTCONN])],
            Call::HoldOff | Call::Handshakes | Call::Output => {
                &[(Knob::AskErrors, &[Errno::EPERM])]
            }
        }
    }
}

/// Whether the connection is lost with this error, and not only this call.
pub fn breaks(errno: Errno) -> bool {
    !matches!(errno, Errno::EAGAIN | Errno::EINTR | Errno::ENOMEM | Errno::ENOBUFS | Errno::ENOSPC)
}

/// Whether accept takes no connection from the backlog with this error.
pub fn leaves_backlog(errno: Errno) -> bool {
    RETRY.contains(&errno) || STARVATION.contains(&errno)
}

/// One fault by order: call number `at` of all, counted from 0, and if `sticky` every later one of
/// its kind too.
#[derive(Clone, Copy, Debug)]
pub struct Injection {
    /// The number of the call.
    pub at: usize,
    /// What it fails with.
    pub errno: Errno,
    /// Whether later calls of its kind fail, too.
    pub sticky: bool,
}

/// Decides which calls fail.
#[derive(Debug, Default)]
pub struct Faults {
    /// The fault by order.
    pub injection: Option<Injection>,
    /// All calls made so far, kept for the enumeration of faults.
    pub calls: Vec<Call>,
    /// Whether [`Faults::calls`] is kept.
    pub keep_calls: bool,
    /// Whether a fault by order has come to pass.
    pub had_injection: bool,
    made: usize,
    stuck: Option<(Call, Errno)>,
    /// Faults that were injected, by knob.
    pub injected: Counts,
}

impl Faults {
    /// Whether this call fails, and how.
    pub fn next(&mut self, call: Call, knobs: Knobs, prng: &mut Prng) -> Option<Errno> {
        let number = self.made;
        self.made += 1;
        if self.keep_calls {
            self.calls.push(call);
        }
        if let Some(Injection { at, errno, sticky }) = self.injection
            && at == number
        {
            self.had_injection = true;
            self.stuck = sticky.then_some((call, errno));
            return Some(errno);
        }
        if let Some((stuck_call, errno)) = self.stuck
            && stuck_call == call
        {
            return Some(errno);
        }
        for &(knob, errnos) in call.by_knob() {
            if knobs.has(knob) && prng.one_in(25) {
                self.count(knob);
                return Some(prng.pick(errnos));
            }
        }
        None
    }

    /// Whether calls of this kind fail from now on.
    pub fn is_stuck(&self, call: Call) -> bool {
        self.stuck.is_some_and(|(stuck, _)| stuck == call)
    }

    /// No call fails from now on.
    pub fn stop(&mut self) {
        self.keep_calls = false;
        self.injection = None;
        self.stuck = None;
    }

    /// Counts trouble of a kind.
    pub fn count(&mut self, knob: Knob) {
        self.injected.add(knob, 1);
    }
}
