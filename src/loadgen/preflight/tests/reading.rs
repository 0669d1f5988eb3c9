//! Limits read from files: those that are there, those that are not, and nonsense.

use super::*;
use crate::loadgen::preflight::system::{
    Conntrack, DescriptorLimits, PortRange, Reading, TcpMemory, Unknown,
};
use std::io::ErrorKind;

#[test]
fn every_file_is_read() {
    let root = Root::ample()
        .with("proc/sys/net/ipv4/ip_local_reserved_ports", "8080,9000-9010\n")
        .with("sys/fs/cgroup/memory.max", "1000000\n")
        .with("sys/fs/cgroup/memory.current", "400000\n");
    let expected = System {
        descriptors: Ok(DescriptorLimits { soft: 1024, hard: 524_288 }),
        nr_open: Ok(1_048_576),
        file_max: Ok(i64::MAX as u64),
        files_open: Ok(1_000),
        local_ports: Ok(PortRange { first: 32_768, last: 60_999 }),
        reserved_ports: Ok(vec![
            PortRange { first: 8080, last: 8080 },
            PortRange { first: 9000, last: 9010 },
        ]),
        tcp_memory: Ok(TcpMemory { low: 287_898, pressure: 383_867, max: 575_796 }),
        tcp_pages_in_use: Ok(67),
        somaxconn: Ok(4096),
        syn_backlog: Ok(2048),
        memory_available: Ok(20_971_520 * 1024),
        memory_in_cgroup: Some(Ok(600_000)),
        conntrack: Some(Ok(Conntrack { max: 262_144, count: 144 })),
    };
    assert_eq!(root.read(), expected);
}

#[test]
fn this_system_can_be_read() {
    let system = System::read(std::path::Path::new("/"));
    let limits = system.descriptors.unwrap();
    assert!(0 < limits.soft && limits.soft <= limits.hard);
    assert!(system.files_open.unwrap() > 0);
}

/// Which limit needs which file.
const USES: [(&str, Limit); 12] = [
    ("proc/sys/fs/nr_open", Limit::NrOpen),
    ("proc/self/limits", Limit::WorkerDescriptors),
    ("proc/sys/fs/file-max", Limit::OpenFiles),
    ("proc/sys/fs/file-nr", Limit::OpenFiles),
    ("proc/sys/net/ipv4/ip_local_port_range", Limit::LocalPorts),
    ("proc/sys/net/ipv4/ip_local_reserved_ports", Limit::LocalPorts),
    ("proc/sys/net/ipv4/tcp_mem", Limit::TcpMemory),
    ("proc/net/sockstat", Limit::TcpMemory),
    ("proc/sys/net/core/somaxconn", Limit::AcceptQueue),
    ("proc/sys/net/ipv4/tcp_max_syn_backlog", Limit::SynQueue),
    ("proc/meminfo", Limit::Memory),
    ("proc/sys/net/netfilter/nf_conntrack_count", Limit::Conntrack),
];

/// Checks that an ample system with this one file bad has one unknown limit, for this reason.
fn assert_only_unknown(root: &Root, file: &str, limit: Limit, why: &str) {
    let report = examine(&root.read(), &local(100));
    let mut unknown = with_verdict(&report, Verdict::Unknown);
    // The server's descriptors are taken to be those of this process.
    unknown.retain(|&what| what != Limit::ServerDescriptors);
    assert_eq!(unknown, [limit], "{file}: {report}");
    let finding = finding(&report, limit);
    assert_eq!((finding.have, finding.most, finding.remedies.len()), (None, None, 0));
    let note = finding.note.as_deref().unwrap();
    assert!(note.contains(file) && note.contains(why), "{note}");
    assert!(report.fits(), "what is unknown is not short");
}

#[test]
fn a_file_that_is_missing_is_told() {
    for (file, limit) in USES {
        assert_only_unknown(&Root::ample().without(file), file, limit, "cannot read");
    }
}

#[test]
fn a_file_that_holds_nonsense_is_told() {
    for (file, limit) in USES {
        for nonsense in
            ["banana", "-1", "+5", "99999999999999999999", "1 2 3 4 5 6", "\0\x1b\u{fffd}"]
        {
            assert_only_unknown(&Root::ample().with(file, nonsense), file, limit, "is no limit");
        }
        assert_only_unknown(&Root::ample().with(file, [0xff, 0xfe]), file, limit, "is no limit");
    }
}

#[test]
fn without_any_file_all_is_unknown() {
    let report = examine(&Root::empty().read(), &local(1_000_000));
    assert!(report.findings.iter().all(|finding| finding.verdict == Verdict::Unknown));
    assert_eq!((report.fits(), report.largest), (true, None));
}

#[test]
fn a_directory_in_place_of_a_file_is_told() {
    let root = Root::ample().without("proc/meminfo").with("proc/meminfo/x", "");
    assert!(matches!(
        root.read().memory_available,
        Err(Unknown::Unreadable { file: "proc/meminfo", error: ErrorKind::IsADirectory })
    ));
}

#[test]
fn control_characters_of_a_file_are_not_passed_on() {
    let text = "\x1b[2J".repeat(1000);
    let Err(unknown) = Root::ample().with("proc/sys/fs/nr_open", text).read().nr_open else {
        panic!("that is no number");
    };
    let message = unknown.to_string();
    assert!(message.len() < 1000 && message.bytes().all(|byte| !byte.is_ascii_control()));
}

#[test]
fn ports_that_are_none_are_nonsense() {
    for (range, expected) in [
        ("1 65535", Some((1, 65_535))),
        ("5000\t5000\n", Some((5000, 5000))),
        ("0 100", None),
        ("100 99", None),
        ("1 65536", None),
        ("100", None),
    ] {
        let root = Root::ample().with("proc/sys/net/ipv4/ip_local_port_range", range);
        let expected = expected.map(|(first, last)| PortRange { first, last });
        assert_eq!(root.read().local_ports.ok(), expected, "{range}");
    }
    for reserved in ["1-", "-1", "2-1", "1,,x", "65536", "1-2-3"] {
        let root = Root::ample().with("proc/sys/net/ipv4/ip_local_reserved_ports", reserved);
        assert!(root.read().reserved_ports.is_err(), "{reserved}");
    }
}

/// Of all ports, every other one reserved.
#[test]
fn a_long_list_of_reserved_ports_is_read_to_its_end() {
    let ports: Vec<String> = (1..=u16::MAX).step_by(2).map(|port| port.to_string()).collect();
    let root = Root::ample()
        .with("proc/sys/net/ipv4/ip_local_reserved_ports", ports.join(",") + "\n")
        .with("proc/sys/net/ipv4/ip_local_port_range", "1 65535");
    assert_eq!(finding(&examine(&root.read(), &remote(1)), Limit::LocalPorts).have, Some(32_767));
}

#[test]
fn conntrack_counts_only_where_it_is_loaded() {
    let root = Root::ample()
        .without("proc/sys/net/netfilter/nf_conntrack_max")
        .without("proc/sys/net/netfilter/nf_conntrack_count");
    assert_eq!(root.read().conntrack, None);
    let report = examine(&root.read(), &remote(100));
    assert!(report.findings.iter().all(|finding| finding.what != Limit::Conntrack));
}

#[test]
fn a_control_group_bounds_memory_only_if_it_has_a_limit() {
    let cases: [(&str, &str, Option<Reading<u64>>); 3] =
        [("max\n", "5\n", None), ("100\n", "40\n", Some(Ok(60))), ("100\n", "140\n", Some(Ok(0)))];
    for (limit, used, left) in cases {
        let root = Root::ample()
            .with("sys/fs/cgroup/memory.max", limit)
            .with("sys/fs/cgroup/memory.current", used);
        assert_eq!(root.read().memory_in_cgroup, left, "{limit}");
    }
    let root = Root::ample().with("sys/fs/cgroup/memory.max", "some");
    assert_only_unknown(&root, "sys/fs/cgroup/memory.max", Limit::Memory, "is no limit");
    let root = Root::ample().with("sys/fs/cgroup/memory.max", "100");
    assert_only_unknown(&root, "sys/fs/cgroup/memory.current", Limit::Memory, "cannot read");
}
