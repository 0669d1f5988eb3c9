//! The processes beneath the server, and another in its place.

use super::Server;
use nix::sys::signal::Signal;
use nix::unistd::Pid;
use std::fs;

impl Server {
    /// Its processes that serve, if it is a supervisor.
    pub(crate) fn shards(&self) -> Vec<Pid> {
        let children = self.proc_file(&format!("task/{}/children", self.pid));
        // The launcher of upgrades serves nobody, and has no order to.
        let serves = |pid: &&str| {
            let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            environment.windows(13).any(|word| word == b"READYD_SHARD=")
        };
        let pid = |word: &str| Pid::from_raw(word.parse().expect("a number"));
        children.split_whitespace().filter(serves).map(pid).collect()
    }

    /// Sends SIGUSR2, waits until another process has the listeners, and follows that one: the
    /// signals and the checks of this server are for it from now on. Returns the pid of the old
    /// one.
    pub(crate) fn upgrade(&mut self) -> Pid {
        let (before, old) = (self.log.all().len(), self.pid);
        self.signal(Signal::SIGUSR2);
        let line = self.log.wait("a new process", |lines| {
            let says_how = |line: &&String| {
                line.contains(" serves from now on") || line.contains("upgrade has failed")
            };
            lines[before..].iter().find(says_how).cloned()
        });
        self.follow(&line);
        old
    }

    /// Follows the process that has taken the place of the server, as a line of the log says.
    pub(crate) fn follow(&mut self, line: &str) {
        let word = line.split("process ").nth(1).and_then(|rest| rest.split(' ').next());
        let new = word.and_then(|word| word.parse().ok());
        let new = new.unwrap_or_else(|| panic!("{line}"));
        self.pid = Pid::from_raw(new);
        self.process.also_kill(self.pid);
        self.statistics();
        self.descriptors_at_start = self.descriptors();
    }
}
