//! What people and programs are shown.

use super::*;

#[test]
fn a_table_then_advice_then_the_largest() {
    let root = Root::ample().without("proc/sys/net/core/somaxconn");
    let text = examine(&root.read(), &local(1_000_000)).to_string();
    let expected = "\
limit                                     needed        have
file descriptor ceiling (fs.nr_open)   1,000,032   1,048,576  enough
worker file descriptors (ulimit -Hn)   1,000,032     524,288  NOT ENOUGH
server file descriptors (ulimit -Hn)   1,000,032     524,288  may be too low
open files, system-wide (fs.file-max)  2,000,032    no limit  enough
local ports (ip_local_port_range)      1,000,000      28,232  NOT ENOUGH
conntrack entries (nf_conntrack_max)   1,000,000     262,000  NOT ENOUGH
memory                                 8,118 MiB  20,480 MiB  enough
TCP buffer pages (tcp_mem)             4,000,000     383,800  may be too low
accept queue (somaxconn)                     256           ?  unknown
SYN queue (tcp_max_syn_backlog)              256       2,048  enough

worker file descriptors: NOT ENOUGH. Any one of these will do:
    ulimit -Hn 1000032   # as root, in the shell that starts readyc
";
    assert_eq!(&text[..expected.len().min(text.len())], expected);
    for line in [
        "\nconntrack entries: NOT ENOUGH. This will do:\n    sysctl -w \
         net.netfilter.nf_conntrack_max",
        "\naccept queue: unknown (cannot read proc/sys/net/core/somaxconn: ",
        "\nlargest N with current limits: 28,232 (limited by local ports)\n",
    ] {
        assert!(text.contains(line), "{line:?} is not in\n{text}");
    }
    assert!(text.lines().all(|line| line == line.trim_end()), "{text}");
}

#[test]
fn a_system_that_tells_nothing_has_no_largest() {
    let text = examine(&Root::empty().read(), &remote(1)).to_string();
    assert!(text.ends_with("\nlargest N with current limits: unknown\n"), "{text}");
}

#[test]
fn json_has_what_the_table_has() {
    let root = Root::ample().without("proc/sys/net/core/somaxconn");
    let report = examine(&root.read(), &local(30_000));
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(json["connections"], 30_000);
    assert_eq!(json["fits"], false);
    let largest = serde_json::json!({"connections": 28_232, "limited_by": "local_ports"});
    assert_eq!(json["largest"], largest);
    let of = |what: &str| {
        let findings = json["findings"].as_array().unwrap();
        findings.iter().find(|finding| finding["what"] == what).unwrap()
    };
    let ports = of("local_ports");
    assert_eq!((&ports["needed"], &ports["have"]), (&30_000.into(), &28_232.into()));
    assert_eq!((&ports["verdict"], &ports["unit"]), (&"short".into(), &"count".into()));
    assert_eq!(ports["remedies"].as_array().unwrap().len(), 3);
    let queue = of("accept_queue");
    assert!(queue["have"].is_null() && queue["note"].is_string(), "{queue}");
    assert_eq!((&queue["verdict"], &of("memory")["unit"]), (&"unknown".into(), &"bytes".into()));
}
