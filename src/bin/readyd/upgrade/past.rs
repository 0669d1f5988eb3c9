//! The scoreboards of the processes before this server: what they counted, and count while they
//! serve their last clients, belongs to what this server tells.

use readyd::os::inherited_fd::fd_passing::{self, GONE};
use readyd::reactor::Inputs;
use readyd::server::stats::scoreboard::Scoreboard;
use std::io;
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::os::unix::net::UnixDatagram;

/// See the [module](self).
#[derive(Debug, Default)]
pub(crate) struct Past {
    earlier: Vec<Earlier>,
    /// The scoreboard of the process that has started this one, until this one serves.
    newest: Option<Scoreboard>,
}

/// A process before this server.
#[derive(Debug)]
struct Earlier {
    board: Scoreboard,
    /// The other end is closed when the process ends.
    line: UnixDatagram,
    has_ended: bool,
}

/// Whether the process at the other end has ended. Notes that it has sent are read and dropped.
fn has_ended(line: &UnixDatagram) -> bool {
    loop {
        match fd_passing::receive(line) {
            Ok(Some((note, _))) if note.kind == GONE => return true,
            Ok(Some(_)) => {}
            Ok(None) => return false,
            Err(_) => return true,
        }
    }
}

impl Past {
    /// Of the process that has started this one, and those before it. Returns also the scoreboards
    /// of those that have ended.
    pub(super) fn new(
        newest: Scoreboard,
        earlier: Vec<(Scoreboard, UnixDatagram)>,
    ) -> (Past, Vec<Scoreboard>) {
        let (mut ended, mut others) = (Vec::new(), Vec::new());
        for (board, line) in earlier {
            match has_ended(&line) {
                true => ended.push(board),
                false => others.push(Earlier { board, line, has_ended: false }),
            }
        }
        (Past { earlier: others, newest: Some(newest) }, ended)
    }

    /// Other handles on the scoreboards.
    pub(super) fn boards(&self) -> io::Result<Vec<Scoreboard>> {
        let earlier = self.earlier.iter().map(|earlier| &earlier.board);
        earlier.chain(&self.newest).map(Scoreboard::try_clone).collect()
    }

    /// Wakes the loop when one of the processes ends.
    pub(super) fn watch(&self, inputs: &Inputs) -> io::Result<()> {
        self.earlier.iter().try_for_each(|earlier| inputs.watch(&earlier.line))
    }

    /// This process serves: the one that has started it, to which `line` leads, is a thing of the
    /// past.
    pub(super) fn add(&mut self, line: UnixDatagram) {
        if let Some(board) = self.newest.take() {
            self.earlier.push(Earlier { board, line, has_ended: false });
        }
    }

    /// Looks which processes have ended. What was open in them is closed. Returns how many have
    /// since the last look.
    pub(super) fn note_ends(&mut self) -> usize {
        let mut count = 0;
        for earlier in self.earlier.iter_mut().filter(|earlier| !earlier.has_ended) {
            if has_ended(&earlier.line) {
                earlier.board.end_all();
                earlier.has_ended = true;
                count += 1;
            }
        }
        count
    }

    /// The descriptors for the next process: a scoreboard and a socket of each.
    pub(super) fn descriptors(&self) -> Vec<RawFd> {
        let both =
            |earlier: &Earlier| [earlier.board.as_fd().as_raw_fd(), earlier.line.as_raw_fd()];
        self.earlier.iter().flat_map(both).collect()
    }
}
