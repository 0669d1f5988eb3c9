//! The log on standard error, which may be a terminal, a file, a journal, or a pipe that nobody
//! empties or that is closed.
//!
//! Invariant: logging neither blocks nor ends the server. poll(2) says beforehand whether a write
//! would block: a pipe that is writable takes at least `PIPE_BUF` bytes, and no line is longer. A
//! line that cannot be written now is dropped and counted, and the count is written when it can be.

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::stat::fstat;
use readyd::clock::WallTime;
use readyd::config::Config;
use readyd::handlers::daytime::{Calendar, Format, Zone};
use std::borrow::Cow;
use std::env;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::sync::Mutex;
use std::time::SystemTime;

/// What a pipe takes at once if it takes anything, pipe(7).
const PIPE_BUF: usize = 4096;

/// Starts logging: flag over environment over file over `info`.
pub(crate) fn start(config: &Config) {
    let mut builder = env_logger::Builder::new();
    match (config.log, env::var("RUST_LOG")) {
        (Some(level), _) => builder.filter_level(level),
        (None, Ok(filters)) => builder.parse_filters(&filters),
        (None, Err(_)) => {
            builder.filter_level(config.log_from_file.unwrap_or(log::LevelFilter::Info))
        }
    };
    let sink = Sink { dropped: 0 };
    builder.target(env_logger::Target::Pipe(Box::new(sink)));
    if stderr_is_the_journal() {
        builder.format(|line, record| {
            writeln!(line, "<{}>{}", priority(record.level()), record.args())
        });
    } else {
        let calendar = Mutex::new(Calendar::new(Zone::Utc));
        builder.format(move |line, record| {
            let mut calendar = calendar.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
            line.write_all(calendar.text(Format::Rfc3339, wall_time()))?;
            writeln!(line, " {:5} {}", record.level(), record.args())
        });
    }
    builder.init();
}

fn wall_time() -> WallTime {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().into()
}

/// Whether standard error goes straight to the systemd journal, which adds the time itself and takes
/// the priority from the front of the line, sd-daemon(3).
fn stderr_is_the_journal() -> bool {
    let (Ok(stream), Ok(stat)) = (env::var("JOURNAL_STREAM"), fstat(io::stderr())) else {
        return false;
    };
    stream == format!("{}:{}", stat.st_dev, stat.st_ino)
}

fn priority(level: log::Level) -> u8 {
    match level {
        log::Level::Error => 3,
        log::Level::Warn => 4,
        log::Level::Info => 6,
        log::Level::Debug | log::Level::Trace => 7,
    }
}

/// `line`, of at most `PIPE_BUF` bytes. A longer one keeps its end, or the next would be part of it.
fn cut(line: &[u8]) -> Cow<'_, [u8]> {
    match line.get(..PIPE_BUF - 1) {
        Some(start) if line.len() > PIPE_BUF => [start, b"\n"].concat().into(),
        _ => line.into(),
    }
}

/// Standard error, without waiting for it.
struct Sink {
    dropped: u64,
}

impl Sink {
    fn write_now(&mut self, line: &[u8]) -> bool {
        let stderr = io::stderr();
        let mut fds = [PollFd::new(stderr.as_fd(), PollFlags::POLLOUT)];
        let writable = match poll(&mut fds, PollTimeout::ZERO) {
            Ok(_) => fds[0].revents().is_some_and(|events| events.contains(PollFlags::POLLOUT)),
            Err(Errno::EINTR) => false,
            // What cannot be polled cannot block either.
            Err(_) => true,
        };
        writable && stderr.lock().write(line).is_ok()
    }
}

impl Write for Sink {
    /// Writes one line, or drops it.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if self.dropped > 0 {
            let notice =
                format!("readyd: {} log lines lost: standard error was full\n", self.dropped);
            if self.write_now(notice.as_bytes()) {
                self.dropped = 0;
            }
        }
        if self.dropped > 0 || !self.write_now(&cut(line)) {
            self.dropped += 1;
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
