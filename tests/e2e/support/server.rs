//! `readyd` as a child process, and what can be seen of it from outside.
//!
//! Invariant: a [`Server`] that is dropped has been checked. Its descriptors are as many as at its
//! start, none of its sockets is left in CLOSE-WAIT, and SIGTERM ends it with status 0. So declare
//! the server before its clients: they are then dropped first.

use super::lines::Lines;
use super::tools::{Process, SHELL};
use super::{Client, eventually};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use readyd::io::address::Address;
use std::env;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

mod statistics;
mod upgrading;

pub(crate) use statistics::Statistics;

/// Where cargo put the program under test.
pub(crate) const READYD: &str = env!("CARGO_BIN_EXE_readyd");

/// The first counter of the statistics.
const FIRST_STATISTIC: &str = "statistics: uptime_seconds ";

/// The last counter of the statistics: when it is in the log, all are.
const LAST_STATISTIC: &str = "statistics: log_lines_suppressed ";

/// The kernel's clock ticks a second in /proc, proc(5): 100 on every Linux architecture in use.
const TICKS_A_SECOND: u64 = 100;

/// How long the traffic has to rest to count as standing still.
const STANDSTILL: Duration = Duration::from_millis(300);

/// A server about to be started.
pub(crate) struct Launch {
    program: PathBuf,
    listeners: Vec<String>,
    arguments: Vec<OsString>,
    environment: Vec<(OsString, OsString)>,
    wrapper: Vec<OsString>,
    stdin: Option<Stdio>,
    stderr: Option<Stdio>,
}

impl Launch {
    /// Listens for each of `listeners`: `SERVICE` on a free port of 127.0.0.1, or a whole
    /// `SERVICE=ADDRESS,OPTION` as the command line has it, or `systemd:`.
    pub(crate) fn of(listeners: &[&str]) -> Launch {
        let whole = |listener: &&str| match listener.contains(['=', ':']) {
            true => (*listener).to_owned(),
            false => format!("{listener}=127.0.0.1:0"),
        };
        Launch {
            program: READYD.into(),
            listeners: listeners.iter().map(whole).collect(),
            arguments: Vec::new(),
            environment: Vec::new(),
            wrapper: Vec::new(),
            stdin: None,
            stderr: None,
        }
    }

    /// Runs this copy of the program.
    pub(crate) fn program(mut self, path: &Path) -> Launch {
        self.program = path.to_owned();
        self
    }

    /// Adds to the command line.
    pub(crate) fn args(mut self, arguments: &[&str]) -> Launch {
        self.arguments.extend(arguments.iter().map(OsString::from));
        self
    }

    /// Adds a flag whose value is a path.
    pub(crate) fn path(mut self, flag: &str, path: &Path) -> Launch {
        self.arguments.extend([flag.into(), path.into()]);
        self
    }

    /// Sets an environment variable.
    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Launch {
        self.environment.push((name.into(), value.as_ref().into()));
        self
    }

    /// Has another program run the server: its command line, which goes before the server's.
    pub(crate) fn wrapper<S: AsRef<OsStr>>(mut self, words: &[S]) -> Launch {
        self.wrapper.extend(words.iter().map(|word| word.as_ref().into()));
        self
    }

    /// Runs the server with at most `count` descriptors, hard limit included.
    pub(crate) fn descriptor_limit(self, count: u32) -> Launch {
        let script = format!("ulimit -n {count}; exec \"$0\" \"$@\"");
        self.wrapper(&[SHELL, "-c", &script])
    }

    /// Has the server inherit this as descriptor 0.
    pub(crate) fn stdin(mut self, stdin: impl Into<Stdio>) -> Launch {
        self.stdin = Some(stdin.into());
        self
    }

    /// Sends the log elsewhere: the harness does not see it, and needs a `framed` listener instead.
    pub(crate) fn stderr(mut self, stderr: impl Into<Stdio>) -> Launch {
        self.stderr = Some(stderr.into());
        self
    }

    /// Starts the server and waits until it serves.
    pub(crate) fn start(mut self) -> Server {
        let has_log = self.stderr.is_none();
        let mut command = self.command();
        command.stdin(self.stdin.take().unwrap_or_else(Stdio::null)).stdout(Stdio::piped());
        command.stderr(self.stderr.take().unwrap_or_else(Stdio::piped));
        let mut process = Process::start(&mut command);
        let stdout = Lines::of(process.child.stdout.take().expect("standard output is a pipe"));
        let log = match process.child.stderr.take() {
            Some(stderr) => Lines::of(stderr),
            None => Lines::of(io::empty()),
        };
        let pid = process.id();
        let mut server = Server {
            process,
            pid,
            addresses: Vec::new(),
            log,
            descriptors_at_start: 0,
            ended: false,
        };
        let listeners = self.listeners.len();
        server.wait_until_it_serves(&self.program, &stdout, listeners, has_log);
        server
    }

    fn command(&self) -> Command {
        let mut words = self.wrapper.clone();
        words.push(self.program.clone().into());
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]);
        for listener in &self.listeners {
            command.args(["--listen", listener]);
        }
        command.arg("--print-addresses").args(&self.arguments);
        // A build that measures coverage writes a file at its end, and so may a preloaded library.
        let says_how = |word: &OsString| word.to_string_lossy().starts_with("--sandbox");
        let is_preloaded = self.environment.iter().any(|(name, _)| name == "LD_PRELOAD");
        let opens_files = is_preloaded || env::var_os("LLVM_PROFILE_FILE").is_some();
        if cfg!(feature = "ops") && opens_files && !self.arguments.iter().any(says_how) {
            command.arg("--sandbox=off");
        }
        command.env_remove("RUST_LOG").envs(self.environment.iter().cloned());
        command
    }
}

/// The server itself: the process that was started, or its child if that is a wrapper.
fn pid_of_readyd(program: &Path, started: Pid) -> Pid {
    let readyd = fs::canonicalize(program).expect("the program under test");
    let is_readyd = |pid: Pid| {
        fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|executable| executable == readyd)
    };
    let children = || {
        let path = format!("/proc/{started}/task/{started}/children");
        let text = fs::read_to_string(path).expect("the kernel's list of children");
        let pid = |word: &str| Pid::from_raw(word.parse().expect("a number"));
        text.split_whitespace().map(pid).find(|&pid| is_readyd(pid))
    };
    let pid = if is_readyd(started) { Some(started) } else { children() };
    pid.expect("a process that runs readyd")
}

/// A running server.
pub(crate) struct Server {
    process: Process,
    pid: Pid,
    addresses: Vec<(String, Address)>,
    log: Lines,
    descriptors_at_start: usize,
    ended: bool,
}

impl Server {
    /// A server with these listeners (see [`Launch::of`]) and nothing else said.
    pub(crate) fn start(listeners: &[&str]) -> Server {
        Launch::of(listeners).start()
    }

    fn wait_until_it_serves(
        &mut self,
        program: &Path,
        stdout: &Lines,
        listeners: usize,
        has_log: bool,
    ) {
        let address = |line: &String| -> (String, Address) {
            let (service, address) = line.split_once(' ').expect("SERVICE ADDRESS");
            (service.to_owned(), address.parse().expect("IP:PORT or unix:/PATH"))
        };
        self.addresses = stdout.wait("the addresses", |lines| {
            (lines.len() >= listeners.max(1)).then(|| lines.iter().map(address).collect())
        });
        self.pid = pid_of_readyd(program, self.process.id());
        self.process.also_kill(self.pid);
        // An answer proves that the server is in its loop and has opened all that it needs.
        if has_log {
            self.statistics();
            self.descriptors_at_start = self.descriptors();
        } else {
            let mut client = self.connect("framed");
            // A supervisor that still starts shards has more descriptors open than later.
            eventually("answers of all shards", || {
                let told = client.ask("STATS");
                let of = |name| told.lines().find_map(|line| line.strip_prefix(name));
                (of("shards_answering ") == of("shards ")).then_some(())
            });
            // A supervisor has no client: its children do.
            let has_the_client = self.shards().is_empty();
            self.descriptors_at_start = self.descriptors() - usize::from(has_the_client);
        }
    }

    /// Takes the descriptors that are open now for the baseline. For a server that closes one after
    /// it has begun to serve.
    pub(crate) fn set_baseline(&mut self) {
        self.descriptors_at_start = self.descriptors();
    }

    pub(crate) fn pid(&self) -> Pid {
        self.pid
    }

    /// The IP address of the first listener for `service`.
    pub(crate) fn address(&self, service: &str) -> SocketAddr {
        self.addresses_of(service)[0]
    }

    /// The IP addresses of all listeners for `service`, in the order of the command line.
    pub(crate) fn addresses_of(&self, service: &str) -> Vec<SocketAddr> {
        let of_service = |(name, address): &(String, Address)| match address {
            Address::Inet(address) if name == service => Some(*address),
            _ => None,
        };
        self.addresses.iter().filter_map(of_service).collect()
    }

    pub(crate) fn connect(&self, service: &str) -> Client {
        Client::connect(self.address(service))
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(self.pid, signal).expect("send a signal");
    }

    /// The log, which grows.
    pub(crate) fn log(&self) -> &Lines {
        &self.log
    }

    /// Waits for a log line that contains `text`, counting those that are there already.
    pub(crate) fn wait_for_log(&self, text: &str) -> String {
        self.log.wait_for(text)
    }

    /// The counters, by way of SIGUSR1: no connection is needed, and none is counted.
    pub(crate) fn statistics(&self) -> Statistics {
        let before = self.log.all().len();
        self.signal(Signal::SIGUSR1);
        self.log.wait("statistics", |lines| {
            // Of shards, each writes its own beside the sum, which is what is asked for.
            let of_all = |line: &&String| !line.contains(": statistics: ");
            let new: Vec<&String> = lines[before..].iter().filter(of_all).collect();
            // The lines before are the rest of a report that was asked for earlier.
            let is_first = |line: &&String| line.contains(FIRST_STATISTIC);
            let new = &new[new.iter().position(is_first)?..];
            let counter = |line: &&String| -> Option<(String, String)> {
                let (name, value) = line.split_once("statistics: ")?.1.split_once(' ')?;
                Some((name.to_owned(), value.to_owned()))
            };
            let complete = new.iter().any(|line| line.contains(LAST_STATISTIC));
            complete.then(|| Statistics(new.iter().filter_map(counter).collect()))
        })
    }

    /// Waits until the counter `name` is `value`.
    pub(crate) fn wait_for_statistic(&self, name: &str, value: u64) {
        eventually(&format!("{name} {value}"), || {
            (self.statistics().get(name) == value).then_some(())
        });
    }

    /// Waits until the server neither reads nor sends any more.
    pub(crate) fn wait_for_standstill(&self) {
        let traffic = || {
            let stats = self.statistics();
            (stats.get("bytes_in"), stats.get("bytes_out"))
        };
        let (mut last, mut since) = (traffic(), Instant::now());
        eventually("a standstill", || {
            let now = traffic();
            if now != last {
                (last, since) = (now, Instant::now());
            }
            (since.elapsed() > STANDSTILL).then_some(())
        });
    }

    /// Memory in use.
    pub(crate) fn memory(&self) -> Memory {
        let status = self.proc_file("status");
        let kibibytes = |name: &str| {
            let line = status.lines().find(|line| line.starts_with(name)).expect(name);
            let number = line.split_whitespace().nth(1).expect("a number");
            number.parse::<usize>().expect("a number") * 1024
        };
        let [resident, peak, mapped] = ["VmRSS:", "VmHWM:", "VmSize:"].map(kibibytes);
        Memory { resident, peak, mapped }
    }

    /// Processor time used so far, in user and kernel mode.
    pub(crate) fn processor_time(&self) -> Duration {
        let stat = self.proc_file("stat");
        // The second field is a file name in parentheses, which may hold spaces; proc_pid_stat(5).
        let fields: Vec<&str> =
            stat.rsplit_once(')').expect("a command").1.split_whitespace().collect();
        let ticks = |field: usize| fields[field - 3].parse::<u64>().expect("a number");
        Duration::from_millis((ticks(14) + ticks(15)) * 1000 / TICKS_A_SECOND)
    }

    /// Open descriptors.
    pub(crate) fn descriptors(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.pid)).expect("a running server").count()
    }

    /// What the kernel tells of the server in a file of its folder, proc(5).
    pub(crate) fn proc_file(&self, name: &str) -> String {
        fs::read_to_string(format!("/proc/{}/{name}", self.pid)).expect("a running server")
    }

    /// The root directory that the server sees.
    pub(crate) fn root(&self) -> PathBuf {
        format!("/proc/{}/root", self.pid).into()
    }

    /// Waits until the server has ended by itself or by a signal that the test sent. The log is
    /// complete then.
    pub(crate) fn wait_for_exit(&mut self) -> ExitStatus {
        let status = self.process.wait();
        self.log.wait_for_end();
        self.ended = true;
        status
    }

    /// Checks that nothing is left of clients that are gone, and ends the server in order.
    fn check_and_stop(&mut self) {
        eventually("all clients' descriptors closed", || {
            (self.descriptors() == self.descriptors_at_start).then_some(())
        });
        // Of shards, the descriptors are not ours to see.
        eventually("all clients' sockets closed", || {
            self.sockets_in_close_wait().is_empty().then_some(())
        });
        self.signal(Signal::SIGTERM);
        let status = self.wait_for_exit();
        assert_eq!(status.code(), Some(0), "after SIGTERM: {status}");
        assert_eq!(self.log.containing("panicked"), Vec::<String>::new());
    }

    /// Sockets that the peer has closed and the server has not.
    fn sockets_in_close_wait(&self) -> Vec<String> {
        const CLOSE_WAIT: &str = "08";
        let tables = ["tcp", "tcp6"].map(|name| fs::read_to_string(format!("/proc/net/{name}")));
        let is_left = |line: &&str| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let port =
                fields[1].rsplit_once(':').and_then(|(_, hex)| u16::from_str_radix(hex, 16).ok());
            let is_ours = |(_, address): &(String, Address)| match address {
                Address::Inet(address) => Some(address.port()) == port,
                Address::Unix(_) => false,
            };
            fields[3] == CLOSE_WAIT && self.addresses.iter().any(is_ours)
        };
        let lines = |table: &String| -> Vec<String> {
            table.lines().skip(1).filter(is_left).map(str::to_owned).collect()
        };
        tables.iter().flatten().flat_map(lines).collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if thread::panicking() {
            let mut log = self.log.all();
            log.retain(|line| !line.contains("statistics: "));
            let tail = &log[log.len().saturating_sub(40)..];
            eprintln!("the server's log, at most its last 40 lines:\n{}", tail.join("\n"));
        } else if !self.ended {
            self.check_and_stop();
        }
    }
}

/// What the kernel says of a process's memory, in bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Memory {
    /// In use now.
    pub(crate) resident: usize,
    /// The most that was ever in use.
    pub(crate) peak: usize,
    /// Address space, used or not.
    pub(crate) mapped: usize,
}
