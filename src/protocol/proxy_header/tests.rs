use super::*;

/// A block: the command, the protocol, and what follows.
fn block_of(command: u8, protocol: u8, follows: &[u8]) -> Vec<u8> {
    let len = u16::try_from(follows.len()).unwrap().to_be_bytes();
    [SIGNATURE.as_slice(), &[command, protocol], &len, follows].concat()
}

/// 203.0.113.7:50000 to 192.0.2.1:443.
const V4: [u8; 12] = [203, 0, 113, 7, 192, 0, 2, 1, 0xc3, 0x50, 0x01, 0xbb];

/// [2001:db8::7]:50000 to [2001:db8::1]:443.
const V6: [u8; 36] = {
    let mut bytes = [0; 36];
    (bytes[0], bytes[1], bytes[2], bytes[3], bytes[15]) = (0x20, 0x01, 0x0d, 0xb8, 7);
    (bytes[16], bytes[17], bytes[18], bytes[19], bytes[31]) = (0x20, 0x01, 0x0d, 0xb8, 1);
    (bytes[32], bytes[33], bytes[34], bytes[35]) = (0xc3, 0x50, 0x01, 0xbb);
    bytes
};

fn client(address: &str) -> Source {
    Source::Client(address.parse().unwrap())
}

/// The source of a header that is whole. No prefix of it is, and what follows changes nothing.
#[track_caller]
fn source(header: &[u8]) -> Source {
    for len in 0..header.len() {
        assert_eq!(parse(&header[..len], Versions::Any), Ok(None), "of {len} bytes");
    }
    let followed = [header, b"PROXY \r\n\r\n\0"].concat();
    let expected = parse(header, Versions::Any);
    assert_eq!(parse(&followed, Versions::Any), expected);
    let whole = expected.expect("a header").expect("a whole one");
    assert_eq!(whole.len, header.len());
    whole.source
}

/// The error, and how many bytes tell it: one less is the beginning of a header.
#[track_caller]
fn error(bytes: &[u8], versions: Versions) -> (usize, ProxyHeaderError) {
    let told = (0..=bytes.len()).find_map(|len| {
        parse(&bytes[..len], versions)
            .inspect(|header| assert_eq!(*header, None))
            .err()
            .map(|error| (len, error))
    });
    let (len, error) = told.expect("an error");
    (len..=bytes.len()).for_each(|len| assert_eq!(parse(&bytes[..len], versions), Err(error)));
    (len, error)
}

#[test]
fn a_line_tells_the_client() {
    let v4 = b"PROXY TCP4 203.0.113.7 192.0.2.1 50000 443\r\n";
    assert_eq!(source(v4), client("203.0.113.7:50000"));
    let v6 = b"PROXY TCP6 2001:db8::7 2001:DB8:0:0:0:0:0:1 65535 0\r\n";
    assert_eq!(source(v6), client("[2001:db8::7]:65535"));
    let mapped = b"PROXY TCP6 ::ffff:203.0.113.7 ::ffff:192.0.2.1 1 2\r\n";
    assert_eq!(source(mapped), client("[::ffff:203.0.113.7]:1"), "as inet_ntop(3) writes it");
}

#[test]
fn of_an_unknown_client_the_line_may_say_anything() {
    assert_eq!(source(b"PROXY UNKNOWN\r\n"), Source::Unnamed);
    assert_eq!(source(b"PROXY UNKNOWN \xff\n\0 TCP4 \r1.2.3.4\r\n"), Source::Unnamed);
    let longest = format!("PROXY UNKNOWN {}\r\n", "f".repeat(MAX_LINE - 16));
    assert_eq!((longest.len(), source(longest.as_bytes())), (MAX_LINE, Source::Unnamed));
}

#[test]
fn a_line_is_taken_as_the_standard_has_it_or_not_at_all() {
    for text in [
        "TCP4 203.0.113.7 192.0.2.1 +443 443",
        "TCP4 203.0.113.7 192.0.2.1 443 -1",
        "TCP4 203.0.113.7 192.0.2.1 0443 443",
        "TCP4 203.0.113.7 192.0.2.1 00 443",
        "TCP4 203.0.113.7 192.0.2.1 65536 443",
        "TCP4 203.0.113.7 192.0.2.1 443",
        "TCP4 203.0.113.7 192.0.2.1 443 ",
        "TCP4 203.0.113.7 192.0.2.1 443 443 443",
        "TCP4 203.0.113.7 192.0.2.1 443 443 ",
        "TCP4  203.0.113.7 192.0.2.1 443 443",
        "TCP4\t203.0.113.7 192.0.2.1 443 443",
        " TCP4 203.0.113.7 192.0.2.1 443 443",
        "TCP4 203.0.113.07 192.0.2.1 443 443",
        "TCP4 203.0.113.256 192.0.2.1 443 443",
        "TCP4 203.0.113 192.0.2.1 443 443",
        "TCP4 2001:db8::7 2001:db8::1 443 443",
        "TCP6 203.0.113.7 192.0.2.1 443 443",
        "TCP6 2001:db8::7%eth0 2001:db8::1 443 443",
        "TCP6 [2001:db8::7] 2001:db8::1 443 443",
        "TCP6 2001:db8:::7 2001:db8::1 443 443",
        "TCP6 1:2:3:4:5:6:7:8:9 2001:db8::1 443 443",
        "tcp4 203.0.113.7 192.0.2.1 443 443",
        "TCP 203.0.113.7 192.0.2.1 443 443",
        "UDP4 203.0.113.7 192.0.2.1 443 443",
        "UNKNOWNX",
        "UNKNOW",
        "TCP4",
        "TCP4 \u{661}.2.3.4 192.0.2.1 443 443",
        "TCP4 203.0.113.7 192.0.2.1 443 443\r",
        "TCP4 203.0.113.7 192.0.2.1\n443 443",
        "",
    ] {
        let line = format!("PROXY {text}\r\n");
        assert_eq!(
            error(line.as_bytes(), Versions::Any),
            (line.len(), ProxyHeaderError::Line),
            "{text}"
        );
    }
}

/// CVE-2021-23351: a line that never ended was kept in memory for ever.
#[test]
fn a_line_without_an_end_is_given_up_after_107_bytes() {
    for filler in ["a", "\r", "\n", " "] {
        for kind in ["PROXY TCP4 ", "PROXY UNKNOWN "] {
            let line = format!("{kind}{}", filler.repeat(500));
            assert_eq!(
                error(line.as_bytes(), Versions::Any),
                (MAX_LINE, ProxyHeaderError::LongLine)
            );
        }
    }
    let by_one = format!("PROXY UNKNOWN {}\r\n", "f".repeat(MAX_LINE - 15));
    assert_eq!(error(by_one.as_bytes(), Versions::Any), (MAX_LINE, ProxyHeaderError::LongLine));
}

#[test]
fn a_block_tells_the_client() {
    assert_eq!(source(&block_of(0x21, 0x11, &V4)), client("203.0.113.7:50000"));
    assert_eq!(source(&block_of(0x21, 0x12, &V4)), client("203.0.113.7:50000"), "UDP");
    assert_eq!(source(&block_of(0x21, 0x21, &V6)), client("[2001:db8::7]:50000"));
    assert_eq!(source(&block_of(0x21, 0x22, &V6)), client("[2001:db8::7]:50000"), "UDP");
}

#[test]
fn a_client_without_an_ip_address_is_unnamed() {
    for protocol in [0x31, 0x32] {
        assert_eq!(source(&block_of(0x21, protocol, &[b'/'; 216])), Source::Unnamed);
    }
    for protocol in [0x00, 0x01, 0x02, 0x10, 0x20, 0x30] {
        for follows in [&[][..], &V4, &[0xff; 300]] {
            let header = block_of(0x21, protocol, follows);
            assert_eq!(source(&header), Source::Unnamed, "{protocol:#x}");
        }
    }
}

/// <https://github.com/pires/go-proxyproto/pull/12>: what followed LOCAL was taken for the client's
/// bytes. The standard has the family ignored, even one that does not exist.
#[test]
fn local_is_the_proxy_itself_whatever_family_and_length_it_has() {
    for protocol in 0..=u8::MAX {
        for follows in [&[][..], &[1], &V4, &[0xff; 300]] {
            assert_eq!(source(&block_of(0x20, protocol, follows)), Source::Proxy);
        }
    }
}

/// <https://github.com/SChernykh/p2pool/pull/399>,
/// <https://github.com/apache/trafficserver/issues/12191>: some took no header with TLVs, or none
/// that was longer than 108 bytes.
#[test]
fn tlvs_are_skipped_up_to_the_limit() {
    let most = MAX_LEN - FIXED;
    for (protocol, addresses) in [(0x11, &V4[..]), (0x21, &V6), (0x31, &[0; 216]), (0, &[])] {
        for total in [addresses.len() + 1, addresses.len() + 3, addresses.len() + 520, most] {
            let mut follows = addresses.to_vec();
            follows.resize(total, 4);
            source(&block_of(0x21, protocol, &follows));
            source(&block_of(0x20, protocol, &follows));
        }
    }
    for (command, len) in [(0x20, most + 1), (0x21, most + 1), (0x21, 0xffff)] {
        let header = block_of(command, 0x11, &vec![0; len]);
        let expected = ProxyHeaderError::TooLong(FIXED + len);
        assert_eq!(error(&header, Versions::Any), (FIXED, expected), "known from the length");
    }
}

/// CVE-2019-14243, CVE-2019-10097: addresses were read that the header has no room for.
#[test]
fn a_block_that_is_too_short_for_its_addresses_is_refused() {
    for (protocol, needed) in [(0x11, 12), (0x12, 12), (0x21, 36), (0x31, 216), (0x32, 216)] {
        for len in 0..needed {
            let header = block_of(0x21, protocol, &vec![1; len]);
            let expected = ProxyHeaderError::ShortAddresses(len, needed);
            assert_eq!(error(&header, Versions::Any), (FIXED, expected));
        }
    }
}

#[test]
fn versions_commands_and_protocols_that_do_not_exist_are_refused() {
    for command in (0..=u8::MAX).filter(|command| ![0x20, 0x21].contains(command)) {
        let expected = ProxyHeaderError::Command(command);
        assert_eq!(error(&block_of(command, 0x11, &V4), Versions::V2), (13, expected));
    }
    let is_known = |protocol: &u8| protocol >> 4 <= 3 && protocol & 15 <= 2;
    for protocol in (0..=u8::MAX).filter(|protocol| !is_known(protocol)) {
        let expected = ProxyHeaderError::Protocol(protocol);
        assert_eq!(error(&block_of(0x21, protocol, &[0; 300]), Versions::V2), (14, expected));
    }
}

/// CVE-2021-23409, and CVE-2021-23351 in part: bytes that are no header.
#[test]
fn other_bytes_are_refused_at_the_first_that_no_header_has_there() {
    let signature = |versions| ProxyHeaderError::Signature(versions);
    for (bytes, len) in [
        (&b"GET / HTTP/1.1\r\n\r\n"[..], 1),
        (b"POST / HTTP/1.1\r\n\r\n", 2),
        (b"PROXY\r\n", 6),
        (b"PROXYTCP4", 6),
        (b"proxy TCP4", 1),
        (b"\x16\x03\x01\x02\x00", 1),
        (b"\r\n\r\n\r\n", 5),
        (b"\r\n\r\n\0\r\nQUIT\r", 12),
        (b"          ", 1),
        (b"\0", 1),
    ] {
        assert_eq!(error(bytes, Versions::Any), (len, signature(Versions::Any)));
    }
    let line = b"PROXY TCP4 203.0.113.7 192.0.2.1 50000 443\r\n";
    assert_eq!(error(line, Versions::V2), (1, signature(Versions::V2)));
    assert_eq!(
        signature(Versions::V2).to_string(),
        "it does not begin with the signature of version 2 (proxy=any also takes version 1)"
    );
}
