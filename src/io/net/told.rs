//! What a program on a network is told, and what it does, other than by a call of the network.

use crate::io::clock::Moment;
#[cfg(doc)]
use crate::io::event_loop::EventHandler;
use crate::io::event_loop::{LoopControl, Wakeup};
use crate::io::readiness::Readiness;
use crate::io::token::Token;

/// What a server is told or does. With the outcomes of all calls, this is all that decides what it
/// does next, so a network that writes both down can have the same done again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told<'a> {
    /// [`EventHandler::on_ready`].
    Ready(Token, Readiness),
    /// Something other than a socket woke the loop. What it asks for is told as well.
    Woken(Wakeup),
    /// [`EventHandler::end_turn`] began.
    Turn(Moment),
    /// [`EventHandler::turn_ended`].
    TurnEnded {
        /// When the turn began.
        began: Moment,
        /// When it ended.
        ended: Moment,
        /// What the server had asked for.
        next: LoopControl,
    },
    /// To stop in order, or at once if it drains already.
    Drain(Moment),
    /// To stop in order, and to leave the backlogs alone until an order.
    DrainAndWait(Moment),
    /// Another process serves the backlogs.
    LeaveBacklog,
    /// No other process serves the backlogs.
    ServeBacklog(Moment),
    /// Another process serves the listeners from now on.
    HandOver(Moment),
    /// To hold off newcomers if there are no clients.
    HoldIfIdle(Moment),
    /// To let newcomers in again.
    AdmitAgain(Moment),
    /// To use another table.
    Table {
        /// What it is built from.
        text: &'a [u8],
        /// Whether a line has the value before the key.
        is_value_first: bool,
    },
    /// The table stays, since another could not be loaded.
    TableKept,
    /// To use these rules of the time zone.
    Zone(&'a [u8]),
    /// To keep these limits from now on: lines of a name and a value.
    Limits(&'a [u8]),
    /// To tell its statistics.
    Statistics(Moment),
    /// The server visits a connection: what it asks of the network is for this one.
    Visit(Token),
    /// The server closed a connection.
    Closed {
        /// Which.
        token: Token,
        /// The number of the reason, in the order of the statistics.
        reason: u8,
        /// Whether with RST.
        is_reset: bool,
    },
}
