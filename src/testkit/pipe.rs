//! One direction of a connection: bytes under way, bytes that have arrived, and FIN behind them.
//!
//! Invariant: bytes come out in the order in which they went in, and FIN last.

use std::collections::VecDeque;

/// Where the sender's FIN is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fin {
    /// It was not sent.
    NotSent,
    /// It is behind the bytes in flight.
    UnderWay,
    /// It can be read, behind the bytes that have arrived.
    Arrived,
}

/// One direction of a connection: the bytes on their way to one end, and the FIN.
#[derive(Debug)]
pub struct Pipe {
    in_flight: VecDeque<u8>,
    arrived: VecDeque<u8>,
    /// Bytes that it holds at most.
    pub window: usize,
    /// Where the FIN is.
    pub fin: Fin,
}

impl Pipe {
    /// A direction without bytes.
    pub fn new(window: usize) -> Pipe {
        Pipe { in_flight: VecDeque::new(), arrived: VecDeque::new(), window, fin: Fin::NotSent }
    }

    /// How many bytes more may be sent.
    pub fn room(&self) -> usize {
        self.window.saturating_sub(self.in_flight.len() + self.arrived.len())
    }

    /// How many bytes can be read.
    pub fn readable(&self) -> usize {
        self.arrived.len()
    }

    /// Whether anything is still to arrive.
    pub fn is_under_way(&self) -> bool {
        !self.in_flight.is_empty() || self.fin == Fin::UnderWay
    }

    /// How many bytes are under way.
    pub fn in_flight(&self) -> usize {
        self.in_flight.len()
    }

    /// Sends `bytes`. There must be room.
    pub fn push(&mut self, bytes: &[u8]) {
        self.in_flight.extend(bytes);
    }

    /// Lets `count` bytes arrive; with the last one, if `fin_too`, FIN.
    pub fn arrive(&mut self, count: usize, fin_too: bool) {
        let count = count.min(self.in_flight.len());
        let (front, back) = self.in_flight.as_slices();
        let from_front = count.min(front.len());
        self.arrived.extend(&front[..from_front]);
        self.arrived.extend(&back[..count - from_front]);
        self.in_flight.drain(..count);
        if fin_too && self.in_flight.is_empty() && self.fin == Fin::UnderWay {
            self.fin = Fin::Arrived;
        }
    }

    /// Takes bytes that have arrived. Returns how many.
    pub fn read(&mut self, into: &mut [u8]) -> usize {
        let count = into.len().min(self.arrived.len());
        let (front, back) = self.arrived.as_slices();
        let from_front = count.min(front.len());
        into[..from_front].copy_from_slice(&front[..from_front]);
        into[from_front..count].copy_from_slice(&back[..count - from_front]);
        self.arrived.drain(..count);
        count
    }

    /// What had arrived is, after all, still under way: so a read falls short as it does when the
    /// next segment comes a moment later.
    pub fn take_back(&mut self) {
        let mut again = std::mem::take(&mut self.arrived);
        again.append(&mut self.in_flight);
        self.in_flight = again;
    }

    /// RST: what is under way is lost, and, if `purge`, what was not read too.
    pub fn reset(&mut self, purge: bool) {
        self.in_flight.clear();
        if purge {
            self.arrived.clear();
        }
        if self.fin == Fin::UnderWay {
            self.fin = Fin::NotSent;
        }
    }
}
