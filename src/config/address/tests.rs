use super::*;

fn error(text: &str) -> String {
    socket_address(text).expect_err(text).to_string()
}

#[test]
fn addresses_that_a_client_can_connect_to() {
    let texts = [
        "127.0.0.1:9999",
        "0.0.0.0:0",
        "192.0.2.255:80",
        "[::]:7",
        "[::1]:65535",
        "[2001:db8::1]:80",
        "[fe80::1%2]:80",
        "[fe80::1%4294967295]:80",
    ];
    for text in texts {
        let address = socket_address(text).expect(text);
        assert_eq!(address, text.parse().expect("the standard library's view"), "{text}");
        assert_eq!(socket_address(&address.to_string()), Ok(address), "{text}");
    }
}

#[test]
fn an_interface_has_a_name_and_a_number() {
    let index = if_nametoindex("lo").expect("every machine has a loopback interface");
    let by_name = socket_address("[fe80::1%lo]:80").expect("an address");
    assert_eq!(by_name, socket_address(&format!("[fe80::1%{index}]:80")).expect("an address"));
    let text = "[fe80::1%no such]:80";
    let expected =
        format!("{text:?}: there is no network interface \"no such\" (ip link lists them)");
    assert_eq!(error(text), expected);
}

#[test]
fn forms_that_are_not_understood() {
    let texts = [
        "",
        "9999",
        "127.0.0.1",
        "127.0.0.1:",
        "127.0.0.1:65536",
        "::1:7",
        "[::1]",
        "[::1]7",
        "example.com:80",
        "[lo%lo]:80",
        "[127.0.0.1%lo]:80",
        "[fe80::1%]:80",
        "[fe80::1%lo]",
        "[fe80::1%lo]:",
        " 127.0.0.1:7",
    ];
    for text in texts {
        assert_eq!(socket_address(text), Err(AddressError::Form(text.to_owned())), "{text}");
    }
}

#[test]
fn addresses_that_no_client_can_connect_to_are_refused_with_what_to_write() {
    let cases = [
        (
            "[fe80::1]:80",
            "fe80::1 is a link-local address, which belongs to one interface (write \
             [fe80::1%INTERFACE]:80, such as [fe80::1%eth0]:80 or [fe80::1%2]:80)",
        ),
        ("[fe80::1%0]:80", "fe80::1 is a link-local address, which belongs to one interface"),
        (
            "[::1%1]:80",
            "::1 is not a link-local address, and only those take an interface (write [::1]:80)",
        ),
        (
            "[::ffff:127.0.0.1]:80",
            "an IPv6 listener takes no IPv4 clients, so none could reach an IPv4-mapped address \
             (write 127.0.0.1:80)",
        ),
        (
            "224.0.0.1:80",
            "224.0.0.1 is a multicast address, which no TCP client can connect to (write the \
             address of one interface, or :80 for all)",
        ),
        ("[ff02::1%2]:80", "ff02::1 is a multicast address, which no TCP client can connect to"),
        ("255.255.255.255:80", "255.255.255.255 is a broadcast address, which no TCP client"),
        ("127.255.255.255:80", "127.255.255.255 is a broadcast address, which no TCP client"),
    ];
    for (text, expected) in cases {
        let error = error(text);
        assert!(error.starts_with(expected), "{text}: {error}");
    }
}
