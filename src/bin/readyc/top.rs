//! `readyc top`: a server's statistics as a screen that is drawn again each interval.
//!
//! ```text
//! signals --+
//! keys -----+--> events --> Monitor (monitor.rs) --> View (view.rs) --> the terminal
//! answers --+                 one thread, which waits for the next event or the next question
//! ```
//!
//! Invariant: a question waits in a thread of its own, so a server that hangs does not keep the
//! keyboard waiting. A server that is not there is asked again until the user ends it.

use crate::Server;
use crate::args::some_time;
use crate::failure::Failure;
use crate::screen::keyboard::{self, Key, Keyboard};
use crate::screen::{self, Screen, Stream};
use crate::server_name::ServerName;
use crate::server_options::ServerOptions;
use crate::style;
use crate::watch::Answer;
use monitor::{Monitor, Wish};
use nix::sys::signal::{SigSet, Signal};
use readyd::os::signals;
use std::io::{self, IsTerminal};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};
use view::View;

mod asking;
mod figures;
mod monitor;
mod view;

/// The shortest interval: shards tell each other ten times per second what they counted.
const SHORTEST: Duration = Duration::from_millis(100);

/// How often a server that is gone is asked, and the first interval: rates need two answers.
const SOON: Duration = Duration::from_secs(1);

/// What `--help` says behind the options.
pub(crate) const AFTER_LONG_HELP: &str = "\
Keys: q quits, ? explains the screen, the arrows and the digits choose a shard.
It asks by STATS, once per interval, on one connection; its own requests are
counted by the server as all others are.

Examples:
  readyc top
  readyc top 192.0.2.7:9999 --interval 5s
  readyc top unix:/run/readyd.sock";

/// The options of `readyc top`.
#[derive(Debug, clap::Args)]
pub(crate) struct Top {
    /// Time between two requests [default: 1s]
    ///
    /// Time between two requests for statistics, 100ms or more [default: 1s]
    #[arg(short, long, value_name = "DURATION", value_parser = interval)]
    interval: Option<Duration>,

    /// The server: HOST, HOST:PORT or unix:/PATH
    ///
    /// The server: HOST, HOST:PORT (port 9999 if none is given) or unix:/PATH [default: the server
    /// of --server, or 127.0.0.1:9999]
    #[arg(value_name = "ADDR")]
    address: Option<ServerName>,

    /// The server, and how long to wait for it.
    #[command(flatten)]
    server: ServerOptions,
}

fn interval(text: &str) -> Result<Duration, String> {
    some_time(text).and_then(|time| match time >= SHORTEST {
        true => Ok(time),
        false => Err("shorter than 100ms".to_owned()),
    })
}

impl Top {
    /// The options about the server, with those before the command.
    pub(crate) fn server(&self, before: &ServerOptions) -> ServerOptions {
        let named = ServerOptions { server: self.address.clone(), ..ServerOptions::default() };
        named.or(&self.server).or(before)
    }
}

/// What happens while the screen is shown.
enum Event {
    Pressed(Key),
    /// The terminal is gone.
    KeyboardGone,
    Signal(Signal),
    Answered(Result<Answer, String>),
}

/// Shows the server's statistics until the user ends it.
///
/// # Errors
///
/// [`Failure::Usage`] where no screen can be shown.
pub(crate) fn run(server: Server, name: String, top: &Top) -> Result<(), Failure> {
    const INSTEAD: &str = "readyc stats --watch 1s prints a line per second";
    if !io::stdout().is_terminal() {
        let why = "top: standard output is not a terminal";
        return Err(Failure::Usage(format!("{why} ({INSTEAD})")));
    }
    if style::is_dumb() {
        let why = "top: the terminal has no screen, as TERM tells";
        return Err(Failure::Usage(format!("{why} ({INSTEAD})")));
    }
    let (sender, events) = mpsc::channel();
    watch_signals(sender.clone()).map_err(Failure::Signals)?;
    let questions = asking::start(server, {
        let sender = sender.clone();
        move |outcome| sender.send(Event::Answered(outcome)).is_ok()
    });
    let interval = top.interval.unwrap_or(SOON);
    let mut display = Display {
        monitor: Monitor::new(name, interval),
        started: Instant::now(),
        has_color: style::has_color(&io::stdout()),
        shown: None,
        keys: Some(sender),
    };
    let outcome = display.follow(&events, &questions, interval);
    display.shown = None;
    match outcome {
        // What the signal does to other programs.
        End::Signal(signal) => {
            screen::give_way_to(signal);
            Ok(())
        }
        End::Wish => Ok(()),
    }
}

/// Why the screen ends.
enum End {
    /// The user asked for it, or the terminal is gone.
    Wish,
    Signal(Signal),
}

/// The terminal, and what is known of the server.
struct Display {
    monitor: Monitor,
    started: Instant,
    has_color: bool,
    /// Dropped from the first to the last: the modes are restored, then the screen.
    shown: Option<(Option<Keyboard>, Screen)>,
    /// Where keys go, until they are read.
    keys: Option<Sender<Event>>,
}

impl Display {
    /// Asks, waits and draws until it is to end.
    fn follow(
        &mut self,
        events: &Receiver<Event>,
        questions: &Sender<()>,
        interval: Duration,
    ) -> End {
        let mut asked: Option<Duration> = None;
        let (mut next, mut pause) = (Duration::ZERO, SOON.min(interval));
        loop {
            let now = self.started.elapsed();
            if now >= next {
                next = now + pause;
                match asked {
                    Some(at) => self.monitor.missed(at),
                    None => {
                        asked = Some(now);
                        // The thread lives as long as its questions can come.
                        let _ = questions.send(());
                    }
                }
            }
            self.draw();
            let wait = next.saturating_sub(self.started.elapsed());
            let event = match events.recv_timeout(wait) {
                Ok(event) => event,
                Err(RecvTimeoutError::Timeout) => continue,
                Err(RecvTimeoutError::Disconnected) => return End::Wish,
            };
            let now = self.started.elapsed();
            match event {
                Event::Answered(outcome) => {
                    asked = None;
                    pause = if self.monitor.has_figures() { interval } else { SOON.min(interval) };
                    match outcome {
                        Ok(Answer { sample, text }) => self.monitor.answered(now, sample, &text),
                        Err(why) => {
                            self.monitor.failed(now, why);
                            pause = SOON.min(interval);
                        }
                    }
                }
                Event::Pressed(key) => match self.monitor.pressed(key) {
                    Wish::Draw => {}
                    Wish::Quit => return End::Wish,
                },
                Event::KeyboardGone | Event::Signal(Signal::SIGINT) => return End::Wish,
                Event::Signal(Signal::SIGWINCH) => {}
                // Another program may have used the terminal meanwhile.
                Event::Signal(Signal::SIGCONT) => self.shown = None,
                Event::Signal(Signal::SIGTSTP) => {
                    self.shown = None;
                    // It returns when the process goes on.
                    screen::give_way_to(Signal::SIGTSTP);
                }
                Event::Signal(signal) => return End::Signal(signal),
            }
        }
    }

    fn draw(&mut self) {
        const STREAM: Stream = Stream::Output;
        if !STREAM.is_foreground() {
            return;
        }
        let (keyboard, screen) = self.shown.get_or_insert_with(|| {
            let keyboard = Keyboard::take();
            if let (Some(_), Some(sender)) = (&keyboard, self.keys.take()) {
                thread::spawn(move || read_keys(&sender));
            }
            (keyboard, Screen::enter_on(STREAM))
        });
        let Some(size) = STREAM.size() else { return };
        let view = View {
            monitor: &self.monitor,
            now: self.started.elapsed(),
            has_color: self.has_color,
            has_keys: keyboard.is_some(),
        };
        screen.draw(&view, size);
    }
}

fn read_keys(events: &Sender<Event>) {
    keyboard::read(|key| events.send(Event::Pressed(key)).is_ok());
    // If nobody listens, it is over.
    let _ = events.send(Event::KeyboardGone);
}

/// Has the signals that change what is shown, or must not find a screen, sent as events. Call it
/// before any other thread is started: threads inherit the mask.
fn watch_signals(events: Sender<Event>) -> io::Result<()> {
    let mut watched = SigSet::empty();
    watched.add(Signal::SIGWINCH);
    watched.add(Signal::SIGCONT);
    for signal in
        [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP, Signal::SIGQUIT, Signal::SIGTSTP]
    {
        // The kernel keeps a blocked signal pending even if it is ignored.
        if !signals::is_ignored(signal)? {
            watched.add(signal);
        }
    }
    watched.thread_block()?;
    thread::spawn(move || {
        while let Ok(signal) = watched.wait() {
            if events.send(Event::Signal(signal)).is_err() {
                return;
            }
        }
    });
    Ok(())
}
