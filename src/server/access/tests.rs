use super::*;

fn range(text: &str) -> Cidr {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

#[test]
fn a_range_ends_where_its_prefix_says() {
    for (text, inside, outside) in [
        ("192.0.2.0/24", ["192.0.2.0", "192.0.2.255"], ["192.0.1.255", "192.0.3.0"]),
        ("192.0.2.128/25", ["192.0.2.128", "192.0.2.255"], ["192.0.2.127", "192.0.3.0"]),
        ("10.1.2.3", ["10.1.2.3", "10.1.2.3"], ["10.1.2.2", "10.1.2.4"]),
        ("10.1.2.2/31", ["10.1.2.2", "10.1.2.3"], ["10.1.2.1", "10.1.2.4"]),
        ("2001:db8::/32", ["2001:db8::", "2001:db8:ffff::1"], ["2001:db7::", "2001:db9::"]),
        ("2001:db8::7/128", ["2001:db8::7", "2001:db8::7"], ["2001:db8::6", "2001:db8::8"]),
    ] {
        assert!(inside.iter().all(|at| range(text).contains(address(at))), "{text}");
        assert!(!outside.iter().any(|at| range(text).contains(address(at))), "{text}");
    }
}

#[test]
fn everything_is_a_range_too_but_of_its_own_version() {
    assert!(range("0.0.0.0/0").contains(address("255.255.255.255")));
    assert!(range("::/0").contains(address("2001:db8::1")));
    assert!(!range("0.0.0.0/0").contains(address("::1")));
    assert!(!range("::/0").contains(address("127.0.0.1")));
}

#[test]
fn an_ipv4_client_is_one_in_either_notation() {
    let mapped = address("::ffff:192.0.2.1");
    assert!(range("192.0.2.0/24").contains(mapped));
    assert!(!range("192.0.3.0/24").contains(mapped));
    assert!(!range("::/0").contains(mapped));
    assert_eq!(range("::ffff:192.0.2.0/120"), range("192.0.2.0/24"));
    assert!(range("::ffff:192.0.2.1").contains(address("192.0.2.1")));
}

#[test]
fn what_is_no_range_is_told_with_what_to_write() {
    for (text, told) in [
        ("", "\"\" is not an address (write 192.0.2.0/24 or 2001:db8::/32)"),
        ("localhost", "\"localhost\" is not an address (write 192.0.2.0/24 or 2001:db8::/32)"),
        ("192.0.2/24", "\"192.0.2\" is not an address (write 192.0.2.0/24 or 2001:db8::/32)"),
        ("192.0.2.0/33", "\"33\" is not a prefix length (write a number from 0 to 32)"),
        ("192.0.2.0/", "\"\" is not a prefix length (write a number from 0 to 32)"),
        ("192.0.2.0/+8", "\"+8\" is not a prefix length (write a number from 0 to 32)"),
        ("::/129", "\"129\" is not a prefix length (write a number from 0 to 128)"),
        (
            "192.0.2.1/24",
            "the address has bits beyond the prefix (for the range write 192.0.2.0/24)",
        ),
        ("::1/0", "the address has bits beyond the prefix (for the range write ::/0)"),
    ] {
        assert_eq!(text.parse::<Cidr>().unwrap_err().to_string(), told, "{text}");
    }
}

#[test]
fn a_range_is_written_as_it_is_read() {
    for text in ["192.0.2.0/24", "0.0.0.0/0", "2001:db8::/32", "::/0", "10.0.0.1/32"] {
        assert_eq!(range(text).to_string(), text);
    }
}

#[test]
fn without_rules_everybody_may_and_a_denial_outweighs_an_allowance() {
    let rules = |allow: &str, deny: &str| AccessRules {
        allow: if allow.is_empty() { Vec::new() } else { ranges(allow).unwrap() },
        deny: if deny.is_empty() { Vec::new() } else { ranges(deny).unwrap() },
    };
    let admits = |allow, deny, at| rules(allow, deny).admit(address(at));
    assert!(admits("", "", "192.0.2.1"));
    assert!(admits("192.0.2.0/24, 10.0.0.0/8", "", "10.1.1.1"));
    assert!(!admits("192.0.2.0/24", "", "10.1.1.1"));
    assert!(!admits("192.0.2.0/24", "", "2001:db8::1"));
    assert!(!admits("", "192.0.2.0/24", "192.0.2.1"));
    assert!(admits("", "192.0.2.0/24", "192.0.3.1"));
    assert!(!admits("192.0.2.0/24", "192.0.2.7", "192.0.2.7"));
    assert!(admits("192.0.2.0/24", "192.0.2.7", "192.0.2.8"));
}
