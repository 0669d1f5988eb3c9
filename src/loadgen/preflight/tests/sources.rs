//! Source addresses as people write them.

use crate::io::address::SourceAddress;
use crate::loadgen::preflight::{MOST_SOURCES, SourceError, is_local, parse_sources};
use proptest::prelude::*;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

fn texts(addresses: &[SourceAddress]) -> Vec<String> {
    addresses.iter().map(ToString::to_string).collect()
}

#[test]
fn addresses_ranges_and_networks() {
    for (text, expected) in [
        ("127.0.0.2", vec!["127.0.0.2"]),
        ("::1", vec!["::1"]),
        ("127.0.0.2-127.0.0.4", vec!["127.0.0.2", "127.0.0.3", "127.0.0.4"]),
        ("127.0.0.255-127.0.1.0", vec!["127.0.0.255", "127.0.1.0"]),
        ("127.0.0.9-127.0.0.9", vec!["127.0.0.9"]),
        ("fd00::fffe-fd00::1:0", vec!["fd00::fffe", "fd00::ffff", "fd00::1:0"]),
        ("127.1.0.4/30", vec!["127.1.0.5", "127.1.0.6"]),
        ("127.1.0.7/30", vec!["127.1.0.5", "127.1.0.6"]),
        ("127.1.0.4/31", vec!["127.1.0.4", "127.1.0.5"]),
        ("127.1.0.4/32", vec!["127.1.0.4"]),
        ("fd00::4/126", vec!["fd00::5", "fd00::6", "fd00::7"]),
        ("fd00::4/127", vec!["fd00::4", "fd00::5"]),
        ("fd00::4/128", vec!["fd00::4"]),
        ("::1,127.0.0.3 , 127.0.0.2", vec!["::1", "127.0.0.3", "127.0.0.2"]),
        ("127.0.0.2,127.0.0.1-127.0.0.3,127.0.0.2", vec!["127.0.0.2", "127.0.0.1", "127.0.0.3"]),
        ("::ffff:127.0.0.2,127.0.0.2", vec!["127.0.0.2"]),
    ] {
        assert_eq!(texts(&parse_sources(text).unwrap()), expected, "{text}");
    }
}

#[test]
fn a_network_is_without_its_name_and_its_broadcast_address() {
    let class_c = parse_sources("127.1.0.0/24").unwrap();
    assert_eq!(class_c.len(), 254);
    assert_eq!(texts(&[class_c[0], class_c[253]]), ["127.1.0.1", "127.1.0.254"]);
    let class_b = parse_sources("127.1.0.0/16").unwrap();
    assert_eq!(class_b.len(), 65_534);
    assert!(class_b.contains(&IpAddr::from([127, 1, 7, 0]).into()));
    assert_eq!(parse_sources("fd00::/112").unwrap().len(), 65_535);
}

#[test]
fn field_load_18_link_local_addresses_have_their_interface() {
    for text in ["fe80::1%1", "fe80::1%lo"] {
        let source = SourceAddress { ip: "fe80::1".parse().unwrap(), scope_id: 1 };
        assert_eq!(parse_sources(text), Ok(vec![source]), "{text}");
        assert_eq!(source.to_string(), "fe80::1%1");
        assert_eq!(source.socket_address().to_string(), "[fe80::1%1]:0");
    }
    let network = parse_sources("fe80::4%1/126,fe80::9-fe80::a%1").unwrap();
    assert_eq!(texts(&network), ["5", "6", "7", "9", "a"].map(|last| format!("fe80::{last}%1")));
}

#[test]
fn what_is_no_source_is_refused_by_name() {
    let not_an_address = |text: &str| SourceError::NotAnAddress(text.to_owned());
    let bad_prefix =
        |text: &str, longest| SourceError::BadPrefix { network: text.to_owned(), longest };
    let not_a_host = |text: &str| SourceError::NotAHost(text.parse().unwrap());
    for (text, expected) in [
        ("", not_an_address("")),
        ("127.0.0.2,", not_an_address("")),
        ("localhost", not_an_address("localhost")),
        ("127.0.0.2:80", not_an_address("127.0.0.2:80")),
        ("127.0.0.2-", not_an_address("127.0.0.2-")),
        ("127.0.0.2-40", not_an_address("127.0.0.2-40")),
        ("127.0.0.2-127.0.0.3-127.0.0.4", not_an_address("127.0.0.2-127.0.0.3-127.0.0.4")),
        ("fe80::1%no-link", SourceError::NoInterface("no-link".to_owned())),
        ("fe80::1%", SourceError::NoInterface(String::new())),
        ("fe80::1%0", SourceError::NoInterface("0".to_owned())),
        ("fe80::1", SourceError::LinkLocal("fe80::1".parse().unwrap())),
        ("127.0.0.2%1", SourceError::NotLinkLocal("127.0.0.2".parse().unwrap())),
        ("::1%1", SourceError::NotLinkLocal("::1".parse().unwrap())),
        ("x/24", not_an_address("x/24")),
        ("127.0.0.0/", bad_prefix("127.0.0.0/", 32)),
        ("127.0.0.0/33", bad_prefix("127.0.0.0/33", 32)),
        ("127.0.0.0/+8", bad_prefix("127.0.0.0/+8", 32)),
        ("127.0.0.0/-1", bad_prefix("127.0.0.0/-1", 32)),
        ("127.0.0.0/24/24", bad_prefix("127.0.0.0/24/24", 32)),
        ("::/129", bad_prefix("::/129", 128)),
        ("127.0.0.2-::1", SourceError::MixedFamilies("127.0.0.2-::1".to_owned())),
        ("127.0.0.3-127.0.0.2", SourceError::Backwards("127.0.0.3-127.0.0.2".to_owned())),
        ("0.0.0.0", not_a_host("0.0.0.0")),
        ("::", not_a_host("::")),
        ("224.0.0.1", not_a_host("224.0.0.1")),
        ("ff02::1", not_a_host("ff02::1")),
        ("223.255.255.255-224.0.0.1", not_a_host("224.0.0.0")),
        ("255.255.255.255", not_a_host("255.255.255.255")),
        ("127.0.0.0/15", SourceError::TooMany),
        ("0.0.0.0/0", SourceError::TooMany),
        ("::/0", SourceError::TooMany),
        ("127.1.0.0/16,127.2.0.0/30,127.3.0.1", SourceError::TooMany),
        ("fd00::-fd00::ffff:ffff:ffff:ffff", SourceError::TooMany),
    ] {
        let error = parse_sources(text).unwrap_err();
        assert_eq!(error, expected, "{text}");
        assert!(error.to_string().contains('('), "says what to do: {error}");
    }
}

#[test]
fn as_many_as_may_be_and_no_more() {
    let most = "127.1.0.0-127.1.255.255";
    assert_eq!(parse_sources(most).unwrap().len(), MOST_SOURCES);
    assert_eq!(parse_sources(&format!("{most},{most}")).unwrap().len(), MOST_SOURCES);
    assert_eq!(parse_sources("127.1.0.0-127.2.0.0"), Err(SourceError::TooMany));
    assert_eq!(parse_sources(&format!("{most},127.2.0.0")), Err(SourceError::TooMany));
}

#[test]
fn loopback_addresses_are_local_and_those_of_documentation_are_not() {
    for address in ["127.0.0.1", "127.200.3.4", "::1", "0.0.0.0", "::", "::ffff:127.0.0.1"] {
        assert!(is_local(address.parse().unwrap()), "{address}");
    }
    // RFC 5737 and RFC 3849 keep these from being anybody's.
    for address in ["203.0.113.77", "2001:db8::77"] {
        assert!(!is_local(address.parse().unwrap()), "{address}");
    }
}

proptest! {
    #[test]
    fn a_range_has_its_ends_and_all_between(
        first in 0x7f00_0001..0x7f10_0000u32,
        more in 0..1000u32,
    ) {
        let address = |bits: u32| IpAddr::from(Ipv4Addr::from_bits(bits));
        let text = format!("{}-{}", address(first), address(first + more));
        let expected: Vec<SourceAddress> =
            (first..=first + more).map(|bits| address(bits).into()).collect();
        prop_assert_eq!(parse_sources(&text), Ok(expected));
    }

    #[test]
    fn a_network_is_what_shares_its_prefix(bits: u128, prefix in 118..=128u8) {
        // Of fd00::/8, in which every address is a host's.
        let bits = bits >> 8 | 0xfd << 120;
        let text = format!("{}/{prefix}", Ipv6Addr::from_bits(bits));
        let shift = u32::from(128 - prefix);
        let sources = parse_sources(&text).unwrap();
        prop_assert_eq!(sources.len(), (1usize << shift) - usize::from(shift > 1));
        for source in sources {
            let IpAddr::V6(source) = source.ip else { panic!("{source}") };
            prop_assert_eq!(source.to_bits() >> shift, bits >> shift);
        }
    }

    #[test]
    fn no_text_is_too_much(text in "[0-9a-f:.,/ -]{0,40}") {
        if let Ok(sources) = parse_sources(&text) {
            prop_assert!((1..=MOST_SOURCES).contains(&sources.len()));
        }
    }
}
