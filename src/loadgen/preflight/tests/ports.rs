//! Local ports: a range for each pair of a source and a destination.

use super::*;
use crate::loadgen::preflight::parse_sources;

fn parsed(sources: &str) -> Vec<std::net::IpAddr> {
    parse_sources(sources).unwrap().iter().map(|source| source.ip).collect()
}

/// What there is of local ports for this demand, on a system with these ports for each pair.
fn ports(range: &str, reserved: &str, requirements: &Requirements) -> u64 {
    let root = Root::ample()
        .with("proc/sys/net/ipv4/ip_local_port_range", range)
        .with("proc/sys/net/ipv4/ip_local_reserved_ports", reserved);
    finding(&examine(&root.read(), requirements), Limit::LocalPorts).have.unwrap()
}

#[test]
fn reserved_ports_are_left_out_once() {
    for (reserved, left) in [
        ("\n", 100),
        ("40000\n", 99),
        ("1-39999,40100-65535\n", 100),
        ("39990-40009,40005-40019\n", 80),
        ("40050,40050,50000\n", 99),
        ("1-65535\n", 0),
    ] {
        assert_eq!(ports("40000 40099", reserved, &remote(1)), left, "{reserved}");
    }
}

/// The kernel gives no port away that a program has bound itself to, on whatever address.
#[test]
fn the_ports_of_a_server_here_are_not_to_be_had() {
    let to = |destinations: &[&str], local| Requirements {
        destinations: addresses(destinations),
        local,
        ..Requirements::default()
    };
    let here = ["127.0.0.1:40001", "127.0.0.2:40001", "127.0.0.1:40002", "127.0.0.1:9999"];
    assert_eq!(ports("40000 40099", "", &to(&here, true)), 98 * 4);
    assert_eq!(ports("40000 40099", "40001", &to(&here, true)), 98 * 4);
    assert_eq!(ports("40000 40099", "", &to(&["192.0.2.7:40001"], false)), 100);
}

#[test]
fn each_pair_of_one_family_has_the_whole_range() {
    for (sources, destinations, pairs) in [
        ("", vec![], 1),
        ("", vec!["127.0.0.1:1", "127.0.0.1:2", "[::1]:1"], 3),
        ("", vec!["127.0.0.1:1", "127.0.0.1:1", "[::ffff:127.0.0.1]:1"], 1),
        ("127.0.0.2-127.0.0.11", vec![], 10),
        ("127.0.0.2-127.0.0.11", vec!["127.0.0.1:1", "127.0.0.1:2"], 20),
        ("127.0.0.2,127.0.0.3,::1", vec!["127.0.0.1:1", "[::1]:1"], 3),
        ("::1", vec!["127.0.0.1:1"], 0),
    ] {
        let parsed = if sources.is_empty() { Vec::new() } else { parsed(sources) };
        let requirements = Requirements {
            sources: parsed,
            destinations: addresses(&destinations),
            local: true,
            ..Requirements::default()
        };
        let have = ports("40000 40099", "", &requirements);
        assert_eq!(have, 100 * pairs, "{sources} to {destinations:?}");
    }
}

/// net.ipv4.ip_local_port_range is what IPv6 takes its ports from, too.
#[test]
fn an_ipv6_server_has_the_same_ports() {
    let requirements = Requirements { destinations: addresses(&["[::1]:9999"]), ..local(28_233) };
    let report = examine(&Root::ample().read(), &requirements);
    let ports = finding(&report, Limit::LocalPorts);
    assert_eq!((ports.have, ports.verdict), (Some(28_232), Verdict::Short));
    assert!(ports.remedies[0].ends_with("# as root; for IPv6, too"), "{ports:?}");
    assert!(
        ports.remedies.iter().all(|remedy| !remedy.contains("127.0.0")),
        "from there ::1 cannot be reached: {ports:?}"
    );
}

#[test]
fn a_destination_without_source_of_its_family_is_told() {
    let requirements = Requirements {
        sources: parsed("127.0.0.2"),
        destinations: addresses(&["127.0.0.1:9999", "[::1]:9999"]),
        ..local(10)
    };
    let report = examine(&Root::ample().read(), &requirements);
    let note = finding(&report, Limit::LocalPorts).note.as_deref().unwrap();
    assert_eq!(note, "no --source is an IPv6 address, which is needed to reach [::1]:9999");
}

/// With the advice followed, there are enough ports.
#[test]
fn the_sources_that_are_advised_are_enough() {
    let root = Root::ample().with("proc/sys/net/ipv4/ip_local_port_range", "40000 40009");
    for connections in [11, 20, 21, 2_530, 2_531, 100_000] {
        for given in ["127.0.0.2", "127.9.0.0/30"] {
            let requirements = Requirements { sources: parsed(given), ..local(connections) };
            let report = examine(&root.read(), &requirements);
            let short = finding(&report, Limit::LocalPorts);
            if short.verdict == Verdict::Enough {
                assert!(connections <= 20, "{short:?}");
                continue;
            }
            let advised = short.remedies.iter().find_map(|remedy| remedy.strip_prefix("--source "));
            let sources = parsed(advised.unwrap());
            let all = sources.len() as u64;
            assert_eq!(all, connections.div_ceil(10), "as few as possible");
            let followed = examine(&root.read(), &Requirements { sources, ..requirements });
            assert_eq!(finding(&followed, Limit::LocalPorts).verdict, Verdict::Enough);
        }
    }
}

/// Where the whole range is not enough, it is no remedy; nor are more sources than can be used.
#[test]
fn only_what_is_enough_is_advised() {
    let root = Root::ample().with("proc/sys/net/ipv4/ip_local_port_range", "40000 40009");
    let report = examine(&root.read(), &local(1_000_000));
    let ports = finding(&report, Limit::LocalPorts);
    assert_eq!(
        ports.remedies,
        ["connect to 100000 addresses or ports of the server (ADDR...), instead of 1"]
    );
    let root = root.with("proc/sys/net/ipv4/ip_local_reserved_ports", "1-65535");
    let report = examine(&root.read(), &local(1));
    let ports = finding(&report, Limit::LocalPorts);
    assert_eq!((ports.verdict, ports.remedies.len()), (Verdict::Short, 0));
}
