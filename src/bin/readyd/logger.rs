//! The log on standard error, which may be a terminal, a file, the journal, or a pipe that is full
//! or closed.
//!
//! Invariant: logging neither blocks nor ends the server. poll(2) says beforehand whether a write
//! would block: a pipe that is writable takes at least `PIPE_BUF` bytes, and no line is longer.
//! Where that does not hold, the logger writes to a nonblocking open file description of its own. A
//! line that cannot be written at once is dropped and counted, and the count is written later. Each
//! line is one write(2), so lines of several processes do not mix.

use crate::output::PIPE_BUF;
use crate::shard;
use bounded::{Bounded, PROGRAM};
use log::LevelFilter;
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::stat::{SFlag, fstat};
use readyd::config::Config;
use readyd::counted::counted;
use readyd::handlers::daytime::{DateCache, Format};
use readyd::io::clock::WallTime;
use std::borrow::Cow;
use std::env;
use std::fs::{File, OpenOptions};
use std::io::{self, IsTerminal, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::sync::Mutex;
use std::time::SystemTime;

mod bounded;

/// Starts logging. The level is the first of: the flag, RUST_LOG, the file, `info`.
pub(crate) fn start(config: &Config) {
    let mut builder = env_logger::Builder::new();
    match filters(config) {
        Some(filters) => _ = builder.parse_filters(&filters),
        None => log_everything_of_our_own(&mut builder),
    }
    let prefix = shard::own_prefix();
    builder
        .target(env_logger::Target::Pipe(Box::new(Sink::new(prefix.clone(), config.shards > 1))));
    if stderr_is_the_journal() {
        builder.format(move |line, record| {
            writeln!(line, "{}{prefix}{}", journal_level(record.level()), record.args())
        });
    } else {
        let dates = Mutex::new(DateCache::utc());
        builder.format(move |line, record| {
            let mut dates = dates.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
            line.write_all(dates.text(Format::Rfc3339, wall_time()))?;
            writeln!(line, " {:5} {prefix}{}", record.level(), record.args())
        });
    }
    let logger = Bounded::new(builder.build(), config.limits.log_rate);
    let max_level = filters(config).map_or_else(|| level(config), |_| logger.max_level());
    log::set_max_level(max_level);
    // It fails only if there is a logger already, and there is none.
    let _ = log::set_boxed_logger(Box::new(logger));
}

/// The filters of RUST_LOG, if they decide.
fn filters(config: &Config) -> Option<String> {
    env::var("RUST_LOG").ok().filter(|_| config.log.is_none())
}

/// The level, if no filters decide.
fn level(config: &Config) -> LevelFilter {
    config.log.or(config.log_from_file).unwrap_or(LevelFilter::Info)
}

/// Logs at another level from now on, unless RUST_LOG decides.
pub(crate) fn set_level(config: &Config) {
    if filters(config).is_none() {
        log::set_max_level(level(config));
    }
}

/// Lets lines of this program through, and of its libraries only warnings and errors: their other
/// lines do not help an operator. The level of the `log` crate decides first, and it can change.
fn log_everything_of_our_own(builder: &mut env_logger::Builder) {
    builder.filter_level(LevelFilter::Warn);
    builder.filter_module(PROGRAM, LevelFilter::Trace);
}

/// The log level for a shard: of the command line, or of the file if RUST_LOG, which the shard
/// inherits, is not set.
pub(crate) fn level_of_a_shard(config: &Config) -> Option<LevelFilter> {
    config.log.or(config.log_from_file.filter(|_| env::var("RUST_LOG").is_err()))
}

fn wall_time() -> WallTime {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().into()
}

/// Whether standard error is the systemd journal, which adds the time itself and reads the priority
/// from the start of the line, sd-daemon(3).
fn stderr_is_the_journal() -> bool {
    let (Ok(stream), Ok(stat)) = (env::var("JOURNAL_STREAM"), fstat(io::stderr())) else {
        return false;
    };
    stream == format!("{}:{}", stat.st_dev, stat.st_ino)
}

fn journal_level(level: log::Level) -> &'static str {
    match level {
        log::Level::Error => "<3>",
        log::Level::Warn => "<4>",
        log::Level::Info => "<6>",
        log::Level::Debug | log::Level::Trace => "<7>",
    }
}

/// What a line that does not pass through the log begins with: its priority for the journal, and
/// nothing elsewhere.
pub(crate) fn priority(level: log::Level) -> &'static str {
    if stderr_is_the_journal() { journal_level(level) } else { "" }
}

/// `line` cut to `PIPE_BUF` bytes. A cut line keeps its line feed.
fn cut(line: &[u8]) -> Cow<'_, [u8]> {
    match line.get(..PIPE_BUF - 1) {
        Some(start) if line.len() > PIPE_BUF => [start, b"\n"].concat().into(),
        _ => line.into(),
    }
}

/// Opens standard error as a nonblocking open file description of our own, if that is possible and
/// helps.
///
/// A writable terminal may have room for a part of a line, and write(2) then blocks for the rest. A
/// writable pipe has room for a line, unless processes that it is `shared` with have filled it
/// meanwhile. O_NONBLOCK on descriptor 2 would affect the shell, which has the same open file
/// description. Other files are written to through descriptor 2: a regular file that is opened
/// again would be overwritten from its beginning, and a socket cannot be opened.
pub(crate) fn own_description(shared: bool) -> Option<File> {
    let is_pipe = || {
        fstat(io::stderr()).is_ok_and(|stat| {
            SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT == SFlag::S_IFIFO
        })
    };
    let may_hold_up = io::stderr().is_terminal() || (shared && is_pipe());
    let flags = OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
    let open = || OpenOptions::new().write(true).custom_flags(flags.bits()).open("/proc/self/fd/2");
    may_hold_up.then(open)?.ok()
}

/// Standard error, written without blocking.
struct Sink {
    /// See [`own_description`].
    own: Option<File>,
    /// What stands before each line: which of several processes logs it.
    prefix: String,
    dropped: u64,
}

impl Sink {
    fn new(prefix: String, shared: bool) -> Sink {
        Sink { own: own_description(shared), prefix, dropped: 0 }
    }

    /// Writes a line if write(2) would take all of it without blocking.
    fn write_now(&mut self, line: &[u8]) -> bool {
        let stderr = io::stderr();
        let mut fds = [PollFd::new(stderr.as_fd(), PollFlags::POLLOUT)];
        let writable = match poll(&mut fds, PollTimeout::ZERO) {
            Ok(_) => fds[0].revents().is_some_and(|events| events.contains(PollFlags::POLLOUT)),
            Err(Errno::EINTR) => false,
            // A file that poll(2) refuses cannot block either.
            Err(_) => true,
        };
        let written = match &mut self.own {
            _ if !writable => return false,
            Some(own) => own.write(line),
            None => stderr.lock().write(line),
        };
        written.is_ok_and(|count| count == line.len())
    }
}

impl Write for Sink {
    /// Writes one line, or drops it.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if self.dropped > 0 {
            let Sink { prefix, dropped, .. } = self;
            let lines = counted(*dropped, "log line");
            let priority = priority(log::Level::Warn);
            let notice =
                format!("{priority}readyd: {prefix}{lines} lost: standard error was full\n");
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
