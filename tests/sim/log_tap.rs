//! The server's log, read as an operator would: which connection was closed, and why.

use log::{LevelFilter, Log, Metadata, Record};
use readyd::server::close::CloseReason;
use readyd::testkit::sockets::link_of;
use std::cell::RefCell;

struct Tap;

thread_local! {
    /// Lines of the world that runs in this thread.
    static LINES: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

impl Log for Tap {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        LINES.with_borrow_mut(|lines| lines.push(record.args().to_string()));
    }

    fn flush(&self) {}
}

/// Nothing that was logged in this thread is kept, nor the room for it.
pub(crate) fn forget() {
    LINES.with_borrow_mut(|lines| *lines = Vec::new());
}

/// From now on, what is logged is kept for [`take_closes`].
pub(crate) fn install() {
    // It is there already if another world was before this one.
    let _ = log::set_logger(&Tap);
    log::set_max_level(LevelFilter::Info);
    forget();
}

/// The connections that were closed since the last call, and why.
///
/// # Errors
///
/// A line that a client could have forged.
pub(crate) fn take_closes() -> Result<Vec<(usize, CloseReason)>, String> {
    let lines = LINES.with_borrow_mut(std::mem::take);
    if let Some(line) = lines.iter().find(|line| line.chars().any(|c| c.is_control())) {
        return Err(format!("an unescaped line in the log: {line:?}"));
    }
    let closes = lines.iter().filter_map(|line| {
        let (peer, why) = line.split_once(" closed: ")?;
        let link = link_of(peer.parse().ok()?)?;
        let reason = CloseReason::ALL.into_iter().find(|reason| reason.to_string() == why)?;
        Some((link, reason))
    });
    Ok(closes.collect())
}
