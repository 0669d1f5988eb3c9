//! A view that covers a terminal, and leaves it as it was.
//!
//! ```text
//! Screen::enter -> draw, draw, ... -> drop: the normal screen, with all that stood there
//! ```
//!
//! Invariant: the keyboard's signals work. The screen, the cursor, and the modes if [`keyboard`] has
//! changed them, are restored at the end, in a panic, and before a signal stops or ends the
//! process. Each view is drawn whole, with one write(2): what
//! another program or the keyboard's echo has left between two views is gone with the next.

pub(crate) mod keyboard;
pub(crate) mod trend;

use crate::style;
use nix::sys::signal::{SigSet, Signal, raise};
use nix::unistd::{getpgrp, tcgetpgrp};
use ratatui::backend::{Backend, CrosstermBackend};
use ratatui::buffer::{Buffer, Cell};
use ratatui::layout::Rect;
use ratatui::widgets::Widget;
use std::io::{self, IsTerminal, Write};
use std::panic;
use std::sync::{Mutex, MutexGuard, Once, PoisonError, TryLockError};

#[cfg(test)]
mod tests;

/// To the alternate screen, cleared, the cursor hidden (xterm's control sequences).
const ENTER: &[u8] = b"\x1b[?1049h\x1b[2J\x1b[?25l";
/// Back, the cursor shown, in the terminal's own colours.
const LEAVE: &[u8] = b"\x1b[m\x1b[?25h\x1b[?1049l";
/// A terminal that knows synchronized output shows what stands between these at once.
const BEGIN: &[u8] = b"\x1b[?2026h";
const END: &[u8] = b"\x1b[m\x1b[?2026l";

/// To the begin of the line, which is cleared.
const CLEAR_LINE: &[u8] = b"\r\x1b[K";

/// What stands on the terminal now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shown {
    Nothing,
    Status,
    View(Stream),
}

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

/// The lock is held while the terminal is written to. The thread that takes signals and a panic
/// hook take away what is shown.
static SHOWN: Mutex<Shown> = Mutex::new(Shown::Nothing);
static HOOK: Once = Once::new();

/// The least size that is worth a view.
pub(crate) const LEAST: (usize, usize) = (60, 15);

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

/// Shows a line that the next one replaces. It must fit the terminal.
pub(crate) fn show_status(line: &str) {
    let mut shown = lock();
    if let Shown::View(_) = *shown {
        take_away(&mut shown);
    }
    if is_foreground() {
        *shown = Shown::Status;
        Stream::Error.write(&[CLEAR_LINE, line.as_bytes()].concat());
    }
}

/// Takes away what is shown.
pub(crate) fn clear() {
    take_away(&mut lock());
}

/// Takes away what is shown, and has a signal that this thread has taken do what it does to other
/// programs. If the signal stops the process, this returns when it goes on, and the next view or
/// status is drawn on whatever the terminal shows then.
pub(crate) fn give_way_to(signal: Signal) {
    // The lock is held until the process goes on, so nothing is drawn before it stops.
    let mut shown = lock();
    take_away(&mut shown);
    let mut only = SigSet::empty();
    only.add(signal);
    let _ = only.thread_unblock().and_then(|()| raise(signal));
    let _ = only.thread_block();
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
                take_away_in_panic();
                earlier(what);
            }));
        });
        enter(&mut lock(), stream);
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
        if paint(view, area, &mut bytes).is_err() {
            return;
        }
        bytes.extend_from_slice(END);
        let mut shown = lock();
        if self.stream.is_foreground() {
            // The process may have been stopped meanwhile.
            enter(&mut shown, self.stream);
            self.stream.write(&bytes);
        }
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        clear();
    }
}

fn enter(shown: &mut Shown, stream: Stream) {
    if *shown != Shown::View(stream) {
        take_away(shown);
        *shown = Shown::View(stream);
        stream.write(ENTER);
    }
}

fn take_away(shown: &mut Shown) {
    match std::mem::replace(shown, Shown::Nothing) {
        Shown::Nothing => {}
        Shown::Status => Stream::Error.write(CLEAR_LINE),
        Shown::View(stream) => {
            keyboard::give_back();
            stream.write(LEAVE);
        }
    }
}

/// A panic waits for no lock: its own thread may hold it.
fn take_away_in_panic() {
    match SHOWN.try_lock() {
        Ok(mut shown) => take_away(&mut shown),
        Err(TryLockError::Poisoned(poisoned)) => take_away(&mut poisoned.into_inner()),
        Err(TryLockError::WouldBlock) => {
            keyboard::give_back();
            Stream::Error.write(LEAVE);
        }
    }
}

fn lock() -> MutexGuard<'static, Shown> {
    // What is shown is noted before it is written, so it is right even after a panic.
    SHOWN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Writes every cell of the view, as a terminal understands it.
fn paint(view: impl Widget, area: Rect, bytes: &mut Vec<u8>) -> io::Result<()> {
    let mut buffer = Buffer::empty(area);
    view.render(area, &mut buffer);
    // No cell of a view is like these, so that all of them differ.
    let unlike = Buffer::filled(area, Cell::new("\u{fffd}"));
    CrosstermBackend::new(bytes).draw(unlike.diff(&buffer).into_iter())
}
