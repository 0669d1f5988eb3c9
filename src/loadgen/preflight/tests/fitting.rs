//! Whether N connections fit, and how many would.

use super::*;
use crate::loadgen::preflight::MaxConnections;
use crate::loadgen::preflight::system::{Conntrack, DescriptorLimits, PortRange, TcpMemory};
use proptest::prelude::*;

/// A limit made too low: its file and what is in it, the demand, and what is short by that.
struct Case {
    file: &'static str,
    text: &'static str,
    requirements: Requirements,
    short: Limit,
    largest: u64,
    remedies: &'static [&'static str],
}

fn cases() -> Vec<Case> {
    vec![
        Case {
            file: "proc/self/limits",
            text: "Max open files            1024                 4096                 files\n",
            requirements: local(20_000),
            short: Limit::WorkerDescriptors,
            largest: 4064,
            remedies: &[
                "ulimit -Hn 20032   # as root, in the shell that starts readyc",
                "prlimit --pid $$ --nofile=20032:20032   # the same, also by sudo",
                "echo '* hard nofile 20032' >> /etc/security/limits.conf   # as root; then log in \
                 again",
                "--workers 5   # processes with a limit of their own",
            ],
        },
        Case {
            file: "proc/sys/fs/file-max",
            text: "31032\n",
            requirements: local(20_000),
            short: Limit::OpenFiles,
            largest: 15_000,
            remedies: &["sysctl -w fs.file-max=65536   # as root"],
        },
        Case {
            file: "proc/sys/net/ipv4/ip_local_port_range",
            text: "40000 49999\n",
            requirements: local(20_000),
            short: Limit::LocalPorts,
            largest: 10_000,
            remedies: &[
                "sysctl -w net.ipv4.ip_local_port_range=\"1024 65535\"   # as root; for IPv6, too",
                "--source 127.0.0.2-127.0.0.3",
                "connect to 2 addresses or ports of the server (ADDR...), instead of 1",
            ],
        },
        Case {
            file: "proc/sys/net/netfilter/nf_conntrack_max",
            text: "10144\n",
            requirements: remote(20_000),
            short: Limit::Conntrack,
            largest: 10_000,
            remedies: &["sysctl -w net.netfilter.nf_conntrack_max=65536   # as root"],
        },
        Case {
            file: "proc/meminfo",
            text: "MemAvailable: 41562 kB\n",
            requirements: remote(20_000),
            short: Limit::Memory,
            largest: 9_999,
            remedies: &[
                "41 MiB more memory, for the machine or its control group",
                "at most 9999 connections",
            ],
        },
        Case {
            file: "sys/fs/cgroup/memory.max",
            text: "42560000\n",
            requirements: local(20_000),
            short: Limit::Memory,
            largest: 4_000,
            remedies: &[
                "130 MiB more memory, for the machine or its control group",
                "at most 4000 connections",
            ],
        },
    ]
}

#[test]
fn each_limit_in_turn_is_found_too_low() {
    for case in cases() {
        let root = Root::ample().with("sys/fs/cgroup/memory.current", "8512000\n");
        let system = root.with(case.file, case.text).read();
        let report = examine(&system, &case.requirements);
        assert_eq!(with_verdict(&report, Verdict::Short), [case.short], "{report}");
        assert_eq!(with_verdict(&report, Verdict::Unknown), [], "{report}");
        assert!(!report.fits());
        assert_eq!(
            report.largest,
            Some(MaxConnections { connections: case.largest, limited_by: case.short })
        );
        assert_eq!(finding(&report, case.short).remedies, case.remedies);
    }
}

#[test]
fn what_fits_needs_no_advice() {
    for requirements in [local(20_000), remote(28_232)] {
        let report = examine(&Root::ample().read(), &requirements);
        assert!(report.fits());
        for finding in &report.findings {
            assert_eq!(finding.verdict, Verdict::Enough, "{finding:?}");
            assert_eq!((&finding.note, finding.remedies.len()), (&None, 0), "{finding:?}");
        }
        let limited_by = Limit::LocalPorts;
        assert_eq!(report.largest, Some(MaxConnections { connections: 28_232, limited_by }));
    }
}

/// A hard limit over `fs.nr_open` cannot be set again, so that the soft limit cannot be raised.
#[test]
fn a_hard_limit_over_nr_open_leaves_the_soft_one() {
    for hard in ["524288", "unlimited"] {
        let limits = format!("Max open files   1024   {hard}   files\n");
        let root = Root::ample().with("proc/self/limits", limits);
        let report = examine(&root.with("proc/sys/fs/nr_open", "4096").read(), &local(2_000));
        assert_eq!(finding(&report, Limit::NrOpen).verdict, Verdict::Enough);
        let descriptors = finding(&report, Limit::WorkerDescriptors);
        assert_eq!((descriptors.needed, descriptors.have), (2_032, Some(1_024)));
        assert_eq!(descriptors.verdict, Verdict::Short);
    }
}

#[test]
fn nr_open_comes_before_the_limit_that_it_bounds() {
    let root = Root::ample().with("proc/sys/fs/nr_open", "8192\n");
    let report = examine(&root.read(), &local(20_000));
    let first = &report.findings[0];
    assert_eq!((first.what, first.verdict), (Limit::NrOpen, Verdict::Short));
    assert_eq!(
        first.remedies,
        [
            "sysctl -w fs.nr_open=20032   # as root",
            "--workers 3   # processes with a limit of their own"
        ]
    );
}

/// The server is one process, whatever the number of workers.
#[test]
fn workers_share_the_connections_and_the_server_has_them_all() {
    let limits = "Max open files   1024   4096   files\n";
    let root = Root::ample().with("proc/self/limits", limits);
    let report = examine(&root.read(), &Requirements { workers: 5, ..local(20_000) });
    assert!(report.fits(), "{report}");
    assert_eq!(finding(&report, Limit::WorkerDescriptors).needed, 4_032);
    assert_eq!(finding(&report, Limit::OpenFiles).needed, 40_000 + 5 * 32);
    let server = finding(&report, Limit::ServerDescriptors);
    assert_eq!((server.needed, server.verdict), (20_032, Verdict::Tight));
    assert!(server.remedies[0].contains("ulimit -Hn 20032"), "{server:?}");
}

/// Without room for one connection a worker, more of them are no remedy.
#[test]
fn more_workers_need_room_for_a_connection_each() {
    let limits = "Max open files   32   32   files\n";
    let report = examine(&Root::ample().with("proc/self/limits", limits).read(), &remote(1));
    let descriptors = finding(&report, Limit::WorkerDescriptors);
    assert_eq!((descriptors.verdict, descriptors.most), (Verdict::Short, Some(0)));
    assert!(descriptors.remedies.iter().all(|remedy| !remedy.contains("--workers")));
}

#[test]
fn a_server_elsewhere_pays_for_its_own_half() {
    let system = Root::ample().read();
    let (here, there) = (examine(&system, &local(1_000)), examine(&system, &remote(1_000)));
    for (limit, both_ends, one_end) in [
        (Limit::OpenFiles, 2_032, 1_032),
        (Limit::Memory, 8_512_000, 4_256_000),
        (Limit::TcpMemory, 4_000, 2_000),
        (Limit::LocalPorts, 1_000, 1_000),
        (Limit::Conntrack, 1_000, 1_000),
    ] {
        assert_eq!(finding(&here, limit).needed, both_ends, "{limit}");
        assert_eq!(finding(&there, limit).needed, one_end, "{limit}");
    }
    for of_server in [Limit::ServerDescriptors, Limit::AcceptQueue, Limit::SynQueue] {
        finding(&here, of_server);
        assert!(there.findings.iter().all(|finding| finding.what != of_server), "{of_server}");
    }
}

#[test]
fn estimates_warn_and_refuse_nothing() {
    let system = Root::ample()
        .with("proc/sys/net/core/somaxconn", "128")
        .with("proc/sys/net/ipv4/tcp_max_syn_backlog", "200")
        .with("proc/sys/net/ipv4/tcp_mem", "500 1067 2000")
        .read();
    let report = examine(&system, &local(1_000));
    let tight = [Limit::TcpMemory, Limit::AcceptQueue, Limit::SynQueue];
    assert_eq!(with_verdict(&report, Verdict::Tight), tight);
    assert!(report.fits());
    assert_eq!(report.largest.unwrap().connections, 28_232, "by estimates nothing is bound");
    let remedies = |limit| &finding(&report, limit).remedies;
    let memory = "sysctl -w net.ipv4.tcp_mem=\"3048 4067 6100\"   # as root";
    assert_eq!(*remedies(Limit::TcpMemory), [memory]);
    assert_eq!(
        *remedies(Limit::AcceptQueue),
        [
            "sysctl -w net.core.somaxconn=256   # as root; then restart the server, readyd with \
             --backlog 256",
            "--connect-parallel 128"
        ]
    );
    assert_eq!(
        *remedies(Limit::SynQueue),
        ["sysctl -w net.ipv4.tcp_max_syn_backlog=256   # as root", "--connect-parallel 200"]
    );
    let calm = Requirements { idle: 1_000, connect_parallel: 128, ..local(1_000) };
    assert_eq!(with_verdict(&examine(&system, &calm), Verdict::Tight), []);
}

#[test]
fn a_demand_beyond_all_bounds_does_not_fit() {
    let everything = Requirements { connect_parallel: u64::MAX, ..local(u64::MAX) };
    for requirements in
        [everything, remote(u64::MAX), Requirements { workers: u64::MAX, ..local(1) }]
    {
        assert!(!examine(&Root::ample().read(), &requirements).fits(), "{requirements:?}");
    }
}

fn any_system() -> impl Strategy<Value = System> {
    let number = || 0..200_000u64;
    let port = 1..=u16::MAX;
    (
        (number(), number(), number(), number()),
        (port.clone(), port.clone(), port.clone(), port),
        (number(), 0..2_000_000_000u64),
        proptest::option::of((number(), number())),
        proptest::option::of(0..2_000_000_000u64),
    )
        .prop_map(
            |((soft, more, nr_open, open), ports, (file_max, memory), tracked, cgroup)| {
                let range = |a: u16, b: u16| PortRange { first: a.min(b), last: a.max(b) };
                System {
                    descriptors: Ok(DescriptorLimits { soft, hard: soft + more }),
                    nr_open: Ok(nr_open),
                    file_max: Ok(file_max),
                    files_open: Ok(open),
                    local_ports: Ok(range(ports.0, ports.1)),
                    reserved_ports: Ok(vec![range(ports.2, ports.3)]),
                    tcp_memory: Ok(TcpMemory { low: 1, pressure: 2, max: 3 }),
                    tcp_pages_in_use: Ok(0),
                    somaxconn: Ok(1),
                    syn_backlog: Ok(1),
                    memory_available: Ok(memory),
                    memory_in_cgroup: cgroup.map(Ok),
                    conntrack: tracked.map(|(max, count)| Ok(Conntrack { max, count })),
                }
            },
        )
}

proptest! {
    /// The two answers, whether it fits and how many would, never contradict each other; and the
    /// largest number really is the largest.
    #[test]
    fn what_fits_is_what_is_not_over_the_largest(
        system in any_system(),
        connections in 1..300_000u64,
        workers in 1..50u64,
        is_local: bool,
        sources in 0..5u8,
    ) {
        let sources = (0..sources).map(|last| [127, 0, 1, last].into()).collect();
        let requirements =
            Requirements { connections, workers, sources, local: is_local, ..local(0) };
        let report = examine(&system, &requirements);
        let largest = report.largest.unwrap().connections;
        prop_assert_eq!(report.fits(), connections <= largest, "{}", report);
        if largest > 0 {
            let most = Requirements { connections: largest, ..requirements.clone() };
            prop_assert!(examine(&system, &most).fits());
        }
        let one_more = Requirements { connections: largest + 1, ..requirements };
        prop_assert!(!examine(&system, &one_more).fits());
    }
}
