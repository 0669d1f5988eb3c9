//! What [`Secured`] only passes on: listeners, clocks, the process.

use super::network::{Secured, SecuredStream};
use crate::io::clock::{Moment, WallTime};
use crate::io::host::{Host, MonotonicClock, Usage, WallClock};
use crate::io::net::{Accept, AcceptOutcome, Handshakes, Token};
use std::io;
use std::time::Duration;

impl<N: Accept + WallClock> Accept for Secured<N> {
    type Listener = N::Listener;

    fn accept(&mut self, listener: &N::Listener) -> AcceptOutcome<Self::Stream> {
        match self.network.accept(listener) {
            AcceptOutcome::Connection(socket, peer) => {
                AcceptOutcome::Connection(SecuredStream::plain(socket), peer)
            }
            AcceptOutcome::NoneWaiting => AcceptOutcome::NoneWaiting,
            AcceptOutcome::Interrupted => AcceptOutcome::Interrupted,
            AcceptOutcome::Lost => AcceptOutcome::Lost,
            AcceptOutcome::Failed(error) => AcceptOutcome::Failed(error),
        }
    }

    fn register_listener(&mut self, listener: &mut N::Listener, token: Token) -> io::Result<()> {
        self.network.register_listener(listener, token)
    }

    fn deregister_listener(&mut self, listener: &mut N::Listener) -> io::Result<()> {
        self.network.deregister_listener(listener)
    }

    fn descriptor(&self, listener: &N::Listener) -> Option<i32> {
        self.network.descriptor(listener)
    }

    fn leave_to_others(&mut self, listener: &N::Listener) {
        self.network.leave_to_others(listener);
    }

    fn hold_off_handshakes(&mut self, listener: &N::Listener) -> io::Result<()> {
        self.network.hold_off_handshakes(listener)
    }

    fn admit_handshakes(&mut self, listener: &N::Listener) -> io::Result<()> {
        self.network.admit_handshakes(listener)
    }

    fn refuse_newcomers(&mut self, listener: &N::Listener) -> io::Result<()> {
        self.network.refuse_newcomers(listener)
    }

    fn handshakes<'a>(&mut self, listeners: impl Iterator<Item = &'a N::Listener>) -> Handshakes
    where
        N::Listener: 'a,
    {
        self.network.handshakes(listeners)
    }
}

impl<N: WallClock> WallClock for Secured<N> {
    fn wall_time(&self) -> WallTime {
        self.network.wall_time()
    }
}

impl<N: Host> Host for Secured<N> {
    fn usage(&self) -> Usage {
        self.network.usage()
    }

    fn memory_of_places(&self, here: u64) -> u64 {
        self.network.memory_of_places(here)
    }

    fn time_in_turn(&self) -> Option<Moment> {
        self.network.time_in_turn()
    }

    fn give_memory_back(&self) {
        self.network.give_memory_back();
    }
}

impl<N: MonotonicClock> MonotonicClock for Secured<N> {
    fn now(&self) -> Moment {
        self.network.now()
    }

    fn cpu_time(&self) -> Option<Duration> {
        self.network.cpu_time()
    }
}
