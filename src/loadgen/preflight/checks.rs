//! What N connections need of each limit.
//!
//! Numbers saturate instead of overflowing.

use super::system::Reading;
use super::{Finding, Limit, Requirements, System, Verdict};
use crate::counted::counted;

mod ports;

/// Descriptors that a process has open for other things than connections: the standard three,
/// epoll, a timer, pipes, files it reads or writes.
const RESERVED_DESCRIPTORS: u64 = 32;

/// Kernel memory of one end of an idle connection, in bytes, on 64-bit Linux: socket, inode, file
/// and epoll entry.
const KERNEL_BYTES: u64 = 4_000;

/// Memory of the program for one end, in bytes.
const PROGRAM_BYTES: u64 = 256;

/// Pages for one end of a connection with data in flight: one for each direction.
const ACTIVE_PAGES: u64 = 2;

/// Advice for system-wide limits is rounded up to a multiple of this, so that other programs have
/// room, too.
const ROUNDING: u64 = 1 << 16;

pub(super) fn all(system: &System, requirements: &Requirements) -> Vec<Finding> {
    let mut findings =
        vec![nr_open(system, requirements), worker_descriptors(system, requirements)];
    findings.extend(requirements.local.then(|| server_descriptors(system, requirements)));
    findings.push(open_files(system, requirements));
    if !requirements.unix_only {
        findings.push(ports::local_ports(system, requirements));
        findings.extend(conntrack(system, requirements));
    }
    findings.push(memory(system, requirements));
    if requirements.unix_only {
        return findings;
    }
    findings.push(tcp_memory(system, requirements));
    if requirements.local {
        findings.extend([accept_queue(system, requirements), syn_queue(system, requirements)]);
    }
    findings
}

impl Finding {
    fn new(what: Limit, needed: u64, have: &Reading<u64>) -> Finding {
        let verdict = match have {
            Err(_) => Verdict::Unknown,
            Ok(have) if needed <= *have => Verdict::Enough,
            Ok(_) if what.is_certain() => Verdict::Short,
            Ok(_) => Verdict::Tight,
        };
        Finding {
            what,
            unit: what.unit(),
            needed,
            have: have.as_ref().ok().copied(),
            verdict,
            most: None,
            note: have.as_ref().err().map(ToString::to_string),
            remedies: Vec::new(),
        }
    }

    /// Sets the most connections that the limit allows.
    fn most(self, most: impl FnOnce(u64) -> u64) -> Finding {
        Finding { most: self.have.map(most), ..self }
    }

    fn remedy(mut self, remedy: impl FnOnce() -> String) -> Finding {
        if let Verdict::Short | Verdict::Tight = self.verdict {
            self.remedies.push(remedy());
        }
        self
    }
}

fn workers(requirements: &Requirements) -> u64 {
    requirements.workers.max(1)
}

/// How many ends of a connection are on this machine: 1 or 2.
fn ends(requirements: &Requirements) -> u64 {
    if requirements.local { 2 } else { 1 }
}

fn descriptors_of_a_worker(requirements: &Requirements) -> u64 {
    requirements.connections.div_ceil(workers(requirements)).saturating_add(RESERVED_DESCRIPTORS)
}

fn descriptors_of_the_server(requirements: &Requirements) -> u64 {
    requirements.connections.saturating_add(RESERVED_DESCRIPTORS)
}

/// The connections of all workers, if each may have this number of descriptors.
fn connections_of_workers(requirements: &Requirements, descriptors: u64) -> u64 {
    descriptors.saturating_sub(RESERVED_DESCRIPTORS).saturating_mul(workers(requirements))
}

/// The option for enough worker processes; `None` if a process has no room for a connection.
fn more_workers(requirements: &Requirements, descriptors: u64) -> Option<String> {
    let of_each = descriptors.saturating_sub(RESERVED_DESCRIPTORS);
    (of_each > 0).then(|| {
        format!("--workers {}   # processes with a limit of their own", {
            requirements.connections.div_ceil(of_each)
        })
    })
}

fn nr_open(system: &System, requirements: &Requirements) -> Finding {
    let needed = descriptors_of_a_worker(requirements);
    let of_the_server =
        if requirements.local { descriptors_of_the_server(requirements) } else { 0 };
    let finding = Finding::new(Limit::NrOpen, needed, &system.nr_open)
        .most(|have| connections_of_workers(requirements, have))
        .remedy(|| format!("sysctl -w fs.nr_open={}   # as root", needed.max(of_the_server)));
    with_more_workers(finding, requirements)
}

fn worker_descriptors(system: &System, requirements: &Requirements) -> Finding {
    let needed = descriptors_of_a_worker(requirements);
    let finding = Finding::new(Limit::WorkerDescriptors, needed, &reachable_descriptors(system))
        .most(|have| connections_of_workers(requirements, have))
        .remedy(|| format!("ulimit -Hn {needed}   # as root, in the shell that starts readyc"))
        .remedy(|| {
            format!("prlimit --pid $$ --nofile={needed}:{needed}   # the same, also by sudo")
        })
        .remedy(|| {
            format!(
                "echo '* hard nofile {needed}' >> /etc/security/limits.conf   # as root; then log \
                 in again"
            )
        });
    with_more_workers(finding, requirements)
}

fn with_more_workers(mut finding: Finding, requirements: &Requirements) -> Finding {
    if finding.verdict == Verdict::Short {
        finding.remedies.extend(finding.have.and_then(|have| more_workers(requirements, have)));
    }
    finding
}

/// The descriptors that a process of ours can have. It raises its soft limit to the hard one; if
/// that exceeds `nr_open`, setrlimit(2) says EPERM, and the soft limit stays.
fn reachable_descriptors(system: &System) -> Reading<u64> {
    let limits = system.descriptors.clone()?;
    Ok(match system.nr_open {
        Ok(nr_open) if limits.hard > nr_open => limits.soft.min(nr_open),
        _ => limits.hard,
    })
}

fn server_descriptors(system: &System, requirements: &Requirements) -> Finding {
    let needed = descriptors_of_the_server(requirements);
    let have = reachable_descriptors(system);
    let mut finding = Finding::new(Limit::ServerDescriptors, needed, &have)
        .remedy(|| format!("ulimit -Hn {needed}   # as root, in the shell that starts the server"));
    if finding.verdict == Verdict::Tight {
        finding.note = Some("assuming the server has this shell's limits".to_owned());
    }
    finding
}

fn open_files(system: &System, requirements: &Requirements) -> Finding {
    let of_workers = RESERVED_DESCRIPTORS.saturating_mul(workers(requirements));
    let needed =
        requirements.connections.saturating_mul(ends(requirements)).saturating_add(of_workers);
    let open = system.files_open.clone().unwrap_or_default();
    let have = left(&system.file_max, &system.files_open);
    Finding::new(Limit::OpenFiles, needed, &have)
        .most(|have| have.saturating_sub(of_workers) / ends(requirements))
        .remedy(|| {
            format!("sysctl -w fs.file-max={}   # as root", rounded_up(open.saturating_add(needed)))
        })
}

fn conntrack(system: &System, requirements: &Requirements) -> Option<Finding> {
    let conntrack = system.conntrack.clone()?;
    let needed = requirements.connections;
    let have = conntrack.clone().map(|entries| entries.max.saturating_sub(entries.count));
    let followed = conntrack.map_or(0, |entries| entries.count);
    let finding = Finding::new(Limit::Conntrack, needed, &have).most(|have| have).remedy(|| {
        format!(
            "sysctl -w net.netfilter.nf_conntrack_max={}   # as root",
            rounded_up(followed.saturating_add(needed))
        )
    });
    Some(finding)
}

fn memory(system: &System, requirements: &Requirements) -> Finding {
    let each = ends(requirements).saturating_mul(KERNEL_BYTES + PROGRAM_BYTES);
    let needed = requirements.connections.saturating_mul(each);
    let have = match system.memory_in_cgroup.clone() {
        None => system.memory_available.clone(),
        Some(in_cgroup) => {
            in_cgroup.and_then(|in_cgroup| Ok(system.memory_available.clone()?.min(in_cgroup)))
        }
    };
    let finding = Finding::new(Limit::Memory, needed, &have).most(|have| have / each);
    let missing = needed.saturating_sub(finding.have.unwrap_or_default()).div_ceil(1 << 20);
    let most = finding.most.unwrap_or_default();
    finding
        .remedy(|| format!("{missing} MiB more memory, for the machine or its control group"))
        .remedy(|| format!("at most {}", counted(most, "connection")))
}

fn tcp_memory(system: &System, requirements: &Requirements) -> Finding {
    let active = requirements.connections.saturating_sub(requirements.idle);
    let needed = active.saturating_mul(ends(requirements)).saturating_mul(ACTIVE_PAGES);
    let pressure = system.tcp_memory.clone().map(|pages| pages.pressure);
    let in_use = system.tcp_pages_in_use.clone().unwrap_or_default();
    let have = left(&pressure, &system.tcp_pages_in_use);
    Finding::new(Limit::TcpMemory, needed, &have).remedy(|| {
        let pressure = in_use.saturating_add(needed);
        let (low, max) = (pressure / 4 * 3, pressure.saturating_add(pressure / 2));
        format!("sysctl -w net.ipv4.tcp_mem=\"{low} {pressure} {max}\"   # as root")
    })
}

fn accept_queue(system: &System, requirements: &Requirements) -> Finding {
    let needed = requirements.connect_parallel.min(requirements.connections);
    Finding::new(Limit::AcceptQueue, needed, &system.somaxconn)
        .remedy(|| {
            format!(
                "sysctl -w net.core.somaxconn={needed}   # as root; then restart the server, \
                 readyd with --backlog {needed}"
            )
        })
        .remedy(|| fewer_at_once(&system.somaxconn))
}

fn syn_queue(system: &System, requirements: &Requirements) -> Finding {
    let needed = requirements.connect_parallel.min(requirements.connections);
    Finding::new(Limit::SynQueue, needed, &system.syn_backlog)
        .remedy(|| format!("sysctl -w net.ipv4.tcp_max_syn_backlog={needed}   # as root"))
        .remedy(|| fewer_at_once(&system.syn_backlog))
}

fn fewer_at_once(queue: &Reading<u64>) -> String {
    format!("--connect-parallel {}", queue.clone().unwrap_or_default().max(1))
}

/// The unused part of a limit.
fn left(limit: &Reading<u64>, used: &Reading<u64>) -> Reading<u64> {
    Ok(limit.clone()?.saturating_sub(used.clone()?))
}

fn rounded_up(number: u64) -> u64 {
    number.checked_next_multiple_of(ROUNDING).unwrap_or(u64::MAX)
}
