//! A view that covers a terminal, and leaves it as it was.
//!
//! ```text
//! Screen::enter -> draw, draw, ... -> drop: the normal screen, with all that stood there
//! ```
//!
//! Invariant: the keyboard's signals work. The screen, the cursor, and the terminal's modes if
//! [`keyboard`] has changed them, are restored at the end, and in a panic. Each
//! view is drawn whole, with one write(2): what another program or the keyboard's echo has left
//! between two views is gone with the next.

pub(crate) mod keyboard;
#[cfg(test)]
mod tests;
pub(crate) mod trend;

use crate::style;
use nix::unistd::{getpgrp, tcgetpgrp};
use ratatui::backend::{Backend, CrosstermBackend};
use ratatui::buffer::{Buffer, Cell};
use ratatui::layout::Rect;
use ratatui::widgets::Widget;
use std::io::{self, IsTerminal, Write};
use std::panic;
use std::sync::{Mutex, Once, PoisonError};

/// To the alternate screen, cleared, the cursor hidden (xterm's control sequences).
const ENTER: &[u8] = b"\x1b[?1049h\x1b[2J\x1b[?25l";
/// Back, the cursor shown, in the terminal's own colours.
const LEAVE: &[u8] = b"\x1b[m\x1b[?25h\x1b[?1049l";
/// A terminal that knows synchronized output shows what stands between these at once.
const BEGIN: &[u8] = b"\x1b[?2026h";
const END: &[u8] = b"\x1b[m\x1b[?2026l";

/// The stream whose terminal shows a view now. A panic hook reads it.
static SHOWN_ON: Mutex<Option<Stream>> = Mutex::new(None);
static HOOK: Once = Once::new();

/// The least size that is worth a view.
pub(crate) const LEAST: (usize, usize) = (60, 15);

/// Where a view is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stream {
    /// Standard output, where the view is the command's only output.
    Output,
    /// Standard error, where standard output has a report.
    Error,
}

impl Stream {
    /// Columns and rows of the terminal.
    pub(crate) fn size(self) -> Option<(usize, usize)> {
        match self {
            Stream::Output => style::size(&io::stdout()),
            Stream::Error => style::size(&io::stderr()),
        }
    }

    /// Whether this process may write to the terminal: a background job may not disturb the shell.
    pub(crate) fn is_foreground(self) -> bool {
        let group = match self {
            Stream::Output => tcgetpgrp(io::stdout()),
            Stream::Error => tcgetpgrp(io::stderr()),
        };
        // An error means that this is not the controlling terminal, so there is no other job.
        group.map_or(true, |group| group == getpgrp())
    }

    /// A terminal that is gone is no reason to end the work.
    fn write(self, bytes: &[u8]) {
        let put = |stream: &mut dyn Write| stream.write_all(bytes).and_then(|()| stream.flush());
        let _ = match self {
            Stream::Output => put(&mut io::stdout().lock()),
            Stream::Error => put(&mut io::stderr().lock()),
        };
    }
}

/// Whether standard error is a terminal that can show a view, whatever its size.
pub(crate) fn is_capable() -> bool {
    io::stderr().is_terminal() && !style::is_dumb()
}

/// Columns and rows of the terminal on standard error.
pub(crate) fn size() -> Option<(usize, usize)> {
    Stream::Error.size()
}

/// Whether this process may write to the terminal on standard error.
pub(crate) fn is_foreground() -> bool {
    Stream::Error.is_foreground()
}

/// The alternate screen, from now until it is dropped.
pub(crate) struct Screen {
    stream: Stream,
    area: Rect,
}

impl Screen {
    /// Takes the terminal on standard error.
    pub(crate) fn enter() -> Screen {
        Screen::enter_on(Stream::Error)
    }

    /// Takes the terminal.
    pub(crate) fn enter_on(stream: Stream) -> Screen {
        HOOK.call_once(|| {
            let earlier = panic::take_hook();
            panic::set_hook(Box::new(move |what| {
                leave();
                earlier(what);
            }));
        });
        *SHOWN_ON.lock().unwrap_or_else(PoisonError::into_inner) = Some(stream);
        stream.write(ENTER);
        Screen { stream, area: Rect::default() }
    }

    /// Shows the view on all of a terminal of this size.
    pub(crate) fn draw(&mut self, view: impl Widget, (columns, rows): (usize, usize)) {
        let most = |number: usize| u16::try_from(number).unwrap_or(u16::MAX);
        let area = Rect::new(0, 0, most(columns), most(rows));
        let mut bytes = BEGIN.to_vec();
        if std::mem::replace(&mut self.area, area) != area {
            bytes.extend_from_slice(b"\x1b[2J");
        }
        if paint(view, area, &mut bytes).is_ok() {
            bytes.extend_from_slice(END);
            self.stream.write(&bytes);
        }
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        leave();
    }
}

fn leave() {
    keyboard::give_back();
    // Held for the moment of an assignment only, so that a panic does not wait for it.
    let shown_on = SHOWN_ON.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some(stream) = shown_on {
        stream.write(LEAVE);
    }
}

/// Writes every cell of the view, as a terminal understands it.
fn paint(view: impl Widget, area: Rect, bytes: &mut Vec<u8>) -> io::Result<()> {
    let mut buffer = Buffer::empty(area);
    view.render(area, &mut buffer);
    // No cell of a view is like these, so that all of them differ.
    let unlike = Buffer::filled(area, Cell::new("\u{fffd}"));
    CrosstermBackend::new(bytes).draw(unlike.diff(&buffer).into_iter())
}
