//! Other processes of this machine, as proc(5) shows them: processor time and memory of a process
//! and its descendants, and the memory of the machine's TCP sockets.
//!
//! Invariant: every user may read all files that are read here, also those of another user's
//! processes.

use nix::sys::time::TimeSpec;
use nix::time::{ClockId, clock_getcpuclockid, clock_gettime};
use nix::unistd::{Pid, SysconfVar, sysconf};
use std::collections::BTreeSet;
use std::ffi::CStr;
use std::fs;
use std::time::Duration;

#[cfg(test)]
mod tests;

/// Nanoseconds of a second.
const SECOND: u64 = 1_000_000_000;

/// The units of proc_pid_stat(5).
#[derive(Clone, Copy, Debug)]
struct Units {
    /// Clock ticks of a second.
    ticks: u64,
    /// Bytes of a page.
    page: u64,
}

impl Units {
    fn of_this_system() -> Units {
        let of = |name, otherwise| match sysconf(name) {
            Ok(Some(value)) => u64::try_from(value).unwrap_or(otherwise).max(1),
            _ => otherwise,
        };
        Units { ticks: of(SysconfVar::CLK_TCK, 100), page: of(SysconfVar::PAGE_SIZE, 4096) }
    }

    fn time(self, ticks: u64) -> Duration {
        let rest = ticks % self.ticks * SECOND / self.ticks;
        Duration::from_secs(ticks / self.ticks) + Duration::from_nanos(rest)
    }
}

/// A process at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProcessStat {
    /// The name of its program, at most 15 bytes of it.
    pub name: String,
    /// `R`, `S`, `D`, `Z`, ... as in proc_pid_stat(5).
    pub state: char,
    /// The process that started it, or has adopted it.
    pub parent: u32,
    /// Processor time of all its threads.
    pub cpu: Duration,
    /// Processor time of its children that have ended and were waited for, theirs included.
    pub cpu_of_ended: Duration,
    /// When it was started, since the machine was.
    pub started: Duration,
    /// Bytes of memory in use; pages that several processes share count in each.
    pub resident_bytes: u64,
}

impl ProcessStat {
    /// Reads `/proc/PID/stat`; `None` if there is no such process.
    pub fn read(pid: u32) -> Option<ProcessStat> {
        let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let stat = ProcessStat::parse(&text, Units::of_this_system())?;
        // The ticks of proc(5) are 10 ms long. The process's clock counts nanoseconds.
        Some(ProcessStat { cpu: cpu_clock(pid).unwrap_or(stat.cpu), ..stat })
    }

    /// Whether it has ended, and its parent has not waited for it yet.
    pub fn has_ended(&self) -> bool {
        matches!(self.state, 'Z' | 'X')
    }

    /// The name is in parentheses and may have any character, parentheses and spaces included.
    fn parse(text: &str, units: Units) -> Option<ProcessStat> {
        let (_, rest) = text.split_once('(')?;
        let (name, rest) = rest.rsplit_once(')')?;
        let fields: Vec<&str> = rest.split_whitespace().collect();
        // The state is field 3 of proc_pid_stat(5).
        let number = |field: usize| fields.get(field - 3)?.parse::<u64>().ok();
        Some(ProcessStat {
            name: name.to_owned(),
            state: fields.first()?.chars().next()?,
            parent: u32::try_from(number(4)?).ok()?,
            cpu: units.time(number(14)?.checked_add(number(15)?)?),
            cpu_of_ended: units.time(number(16)?.checked_add(number(17)?)?),
            started: units.time(number(22)?),
            resident_bytes: number(24)?.checked_mul(units.page)?,
        })
    }
}

/// The processor time of a process by its own clock, clock_getcpuclockid(3).
fn cpu_clock(pid: u32) -> Option<Duration> {
    let clock = clock_getcpuclockid(Pid::from_raw(i32::try_from(pid).ok()?)).ok()?;
    clock_gettime(clock).ok().map(Duration::from)
}

/// A process and all its descendants: what a server is that forks workers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProcessTree {
    root: u32,
    /// A number may be given to another process later. Its start tells them apart.
    started: Duration,
}

/// What a tree has used by now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TreeUsage {
    /// Processes now.
    pub processes: u64,
    /// Processor time of all of them, and of descendants that have ended and were waited for.
    pub cpu: Duration,
    /// Bytes of memory in use; pages that several processes share count in each.
    pub resident_bytes: u64,
}

impl ProcessTree {
    /// The tree with this process as its root; `None` if there is no such process.
    pub fn of(pid: u32) -> Option<ProcessTree> {
        let stat = ProcessStat::read(pid).filter(|stat| !stat.has_ended())?;
        Some(ProcessTree { root: pid, started: stat.started })
    }

    /// The root's number.
    pub fn pid(&self) -> u32 {
        self.root
    }

    /// The root now; `None` if it has ended.
    pub fn root(&self) -> Option<ProcessStat> {
        let root = ProcessStat::read(self.root)?;
        (root.started == self.started && !root.has_ended()).then_some(root)
    }

    /// What the tree has used; `None` if its root has ended.
    pub fn usage(&self) -> Option<TreeUsage> {
        let root = self.root()?;
        let mut usage = TreeUsage::default();
        usage.add(&root);
        let mut seen = BTreeSet::from([self.root]);
        let mut to_visit = children(self.root);
        while let Some(pid) = to_visit.pop() {
            // One that is gone by now is in `cpu_of_ended` of its parent.
            if seen.insert(pid)
                && !is_launcher(pid)
                && let Some(stat) = ProcessStat::read(pid)
            {
                usage.add(&stat);
                to_visit.extend(children(pid));
            }
        }
        Some(usage)
    }

    /// For how long its root has run.
    pub fn age(&self) -> Duration {
        let now = clock_gettime(ClockId::CLOCK_BOOTTIME).unwrap_or(TimeSpec::new(0, 0));
        Duration::from(now).saturating_sub(self.started)
    }
}

impl TreeUsage {
    fn add(&mut self, stat: &ProcessStat) {
        self.processes += u64::from(!stat.has_ended());
        self.cpu += stat.cpu + stat.cpu_of_ended;
        self.resident_bytes = self.resident_bytes.saturating_add(stat.resident_bytes);
    }
}

/// The name of the process that starts the successor of a server, which is not a part of either.
pub const LAUNCHER: &CStr = c"readyd-launcher";

fn is_launcher(pid: u32) -> bool {
    let name = fs::read(format!("/proc/{pid}/comm"));
    name.is_ok_and(|name| name.strip_suffix(b"\n") == Some(LAUNCHER.to_bytes()))
}

/// The children of all threads of a process: by proc_tid_children(5), or where the kernel was built
/// without it, by looking at all processes.
fn children(pid: u32) -> Vec<u32> {
    let Ok(tasks) = fs::read_dir(format!("/proc/{pid}/task")) else { return Vec::new() };
    let mut found = Vec::new();
    for task in tasks.flatten() {
        match fs::read_to_string(task.path().join("children")) {
            Ok(list) => {
                found.extend(list.split_whitespace().filter_map(|pid| pid.parse::<u32>().ok()));
            }
            Err(_) if has_lists_of_children() => {}
            Err(_) => return children_by_parent(pid),
        }
    }
    found
}

/// Whether the kernel lists children. If so, a list that cannot be read is of a thread that ended.
fn has_lists_of_children() -> bool {
    let own = std::process::id();
    fs::exists(format!("/proc/{own}/task/{own}/children")).unwrap_or(false)
}

fn children_by_parent(parent: u32) -> Vec<u32> {
    let Ok(all) = fs::read_dir("/proc") else { return Vec::new() };
    let pids = all.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter(|&pid| ProcessStat::read(pid).is_some_and(|stat| stat.parent == parent)).collect()
}

/// Bytes of the buffers of all TCP sockets of the machine, by /proc/net/sockstat; `None` if it
/// cannot be read. What the sockets themselves take is not in it.
pub fn tcp_buffers() -> Option<u64> {
    let text = fs::read_to_string("/proc/net/sockstat").ok()?;
    Some(tcp_pages(&text)?.saturating_mul(Units::of_this_system().page))
}

/// The line is `TCP: inuse 5 orphan 0 tw 2 alloc 7 mem 3`.
fn tcp_pages(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("TCP:"))?;
    let mut words = line.split_whitespace();
    words.find(|&word| word == "mem")?;
    words.next()?.parse().ok()
}
