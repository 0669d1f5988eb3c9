//! Keys that come at once, and without echo, from the terminal on standard input.
//!
//! Invariant: the modes that the terminal had are restored when [`Keyboard`] is dropped, and in a
//! panic. Ctrl-C, Ctrl-Z and Ctrl-\ go on to be signals.

use nix::sys::termios::{LocalFlags, SetArg, Termios, tcgetattr, tcsetattr};
use nix::unistd::{getpgrp, tcgetpgrp};
use std::io::{self, Read};
use std::sync::{Mutex, PoisonError};

#[cfg(test)]
mod tests;

/// The modes that the terminal had. A panic hook reads it.
static MODES: Mutex<Option<Termios>> = Mutex::new(None);

/// What was pressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Key {
    Character(char),
    Left,
    Right,
    Escape,
}

/// A terminal whose keys come at once, until it is dropped.
pub(crate) struct Keyboard(());

impl Keyboard {
    /// Changes the modes of the terminal on standard input, if it is one.
    pub(crate) fn take() -> Option<Keyboard> {
        let before = tcgetattr(io::stdin()).ok()?;
        let mut modes = before.clone();
        modes.local_flags.remove(LocalFlags::ICANON | LocalFlags::ECHO);
        tcsetattr(io::stdin(), SetArg::TCSANOW, &modes).ok()?;
        *MODES.lock().unwrap_or_else(PoisonError::into_inner) = Some(before);
        Some(Keyboard(()))
    }
}

impl Drop for Keyboard {
    fn drop(&mut self) {
        give_back();
    }
}

/// Restores the modes, if they were changed.
pub(super) fn give_back() {
    let before = MODES.lock().unwrap_or_else(PoisonError::into_inner).take();
    // The kernel would stop a background job that does this, and the shell has set its own modes.
    let is_ours = tcgetpgrp(io::stdin()).map_or(true, |group| group == getpgrp());
    if let Some(before) = before.filter(|_| is_ours) {
        let _ = tcsetattr(io::stdin(), SetArg::TCSANOW, &before);
    }
}

/// Calls `press` for each key, until it returns false or the terminal is gone.
pub(crate) fn read(mut press: impl FnMut(Key) -> bool) {
    let mut bytes = [0; 64];
    loop {
        let count = match io::stdin().read(&mut bytes) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Ok(count @ 1..) => count,
            Ok(0) | Err(_) => return,
        };
        if !keys(bytes.get(..count).unwrap_or_default()).into_iter().all(&mut press) {
            return;
        }
    }
}

/// The keys of one read. A terminal sends the bytes of one key together; a sequence that is not
/// known is left out.
pub(crate) fn keys(bytes: &[u8]) -> Vec<Key> {
    let mut keys = Vec::new();
    let mut rest = bytes;
    while let Some((&first, behind)) = rest.split_first() {
        rest = match (first, behind.first()) {
            (0x1b, Some(b'[' | b'O')) => {
                let sequence = behind.get(1..).unwrap_or_default();
                let is_end = |byte: &u8| (0x40..=0x7e).contains(byte);
                let end = sequence.iter().position(is_end).unwrap_or(sequence.len());
                match sequence.get(end) {
                    Some(b'C') => keys.push(Key::Right),
                    Some(b'D' | b'Z') => keys.push(Key::Left),
                    _ => {}
                }
                sequence.get(end + 1..).unwrap_or_default()
            }
            (0x1b, _) => {
                keys.push(Key::Escape);
                behind
            }
            (b'\t', _) => {
                keys.push(Key::Right);
                behind
            }
            (byte, _) => {
                if byte.is_ascii() {
                    keys.push(Key::Character(char::from(byte)));
                }
                behind
            }
        };
    }
    keys
}
