//! Examinations of systems that exist only as files in a directory.

use super::{Finding, Limit, PreflightReport, Requirements, System, Verdict, examine};
use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};

mod fitting;
mod ports;
mod printing;
mod reading;
mod sources;

/// A directory like the root of a system, in which everything is ample. Removed when dropped.
struct Root(PathBuf);

const AMPLE: [(&str, &str); 13] = [
    ("proc/sys/fs/nr_open", "1048576\n"),
    ("proc/sys/fs/file-max", "9223372036854775807\n"),
    ("proc/sys/fs/file-nr", "1000\t0\t9223372036854775807\n"),
    ("proc/sys/net/ipv4/ip_local_port_range", "32768\t60999\n"),
    ("proc/sys/net/ipv4/ip_local_reserved_ports", "\n"),
    ("proc/sys/net/ipv4/tcp_mem", "287898\t383867\t575796\n"),
    ("proc/sys/net/core/somaxconn", "4096\n"),
    ("proc/sys/net/ipv4/tcp_max_syn_backlog", "2048\n"),
    ("proc/net/sockstat", "sockets: used 11\nTCP: inuse 1 orphan 0 tw 0 alloc 1 mem 67\n"),
    ("proc/meminfo", "MemTotal:  24684084 kB\nMemAvailable:  20971520 kB\n"),
    ("proc/self/limits", LIMITS),
    ("proc/sys/net/netfilter/nf_conntrack_max", "262144\n"),
    ("proc/sys/net/netfilter/nf_conntrack_count", "144\n"),
];

const LIMITS: &str = "\
Limit                     Soft Limit           Hard Limit           Units     
Max cpu time              unlimited            unlimited            seconds   
Max open files            1024                 524288               files     
Max locked memory         8388608              8388608              bytes     
";

impl Root {
    fn empty() -> Root {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("readyd-preflight-{}-{number}", process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        Root(path)
    }

    fn ample() -> Root {
        AMPLE.iter().fold(Root::empty(), |root, (file, text)| root.with(file, text))
    }

    fn with(self, file: &str, text: impl AsRef<[u8]>) -> Root {
        let path = self.0.join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        self
    }

    fn without(self, file: &str) -> Root {
        fs::remove_file(self.0.join(file)).unwrap();
        self
    }

    fn read(&self) -> System {
        System::read(&self.0)
    }
}

impl Drop for Root {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn addresses(texts: &[&str]) -> Vec<SocketAddr> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

/// This number of connections to a server on this machine.
fn local(connections: u64) -> Requirements {
    Requirements {
        connections,
        destinations: addresses(&["127.0.0.1:9999"]),
        local: true,
        ..Requirements::default()
    }
}

/// This number of connections to a server elsewhere.
fn remote(connections: u64) -> Requirements {
    Requirements {
        connections,
        destinations: addresses(&["192.0.2.7:9999"]),
        ..Requirements::default()
    }
}

fn finding(report: &PreflightReport, what: Limit) -> &Finding {
    let mut found = report.findings.iter().filter(|finding| finding.what == what);
    let first = found.next().unwrap_or_else(|| panic!("{what:?} is not in {report:?}"));
    assert_eq!(found.next(), None, "found twice");
    first
}

/// The limits with this verdict.
fn with_verdict(report: &PreflightReport, verdict: Verdict) -> Vec<Limit> {
    let of_it = report.findings.iter().filter(|finding| finding.verdict == verdict);
    of_it.map(|finding| finding.what).collect()
}
