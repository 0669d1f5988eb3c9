use super::*;

fn asked(text: &str) -> Vec<String> {
    addresses(text).expect("an address").iter().map(Address::to_string).collect()
}

#[test]
fn the_address_of_a_listener_is_asked_as_it_is_written() {
    assert_eq!(asked("127.0.0.1:9100"), ["127.0.0.1:9100"]);
    assert_eq!(asked("[2001:db8::1]:9100"), ["[2001:db8::1]:9100"]);
    assert_eq!(asked("unix:/run/readyd.sock"), ["unix:/run/readyd.sock"]);
    assert_eq!(asked("unix:@readyd"), ["unix:@readyd"]);
}

#[test]
fn of_all_addresses_the_machines_own_are_asked() {
    for text in ["localhost:9100", ":9100"] {
        assert_eq!(asked(text), ["127.0.0.1:9100", "[::1]:9100"], "{text}");
    }
    assert_eq!(asked("0.0.0.0:9100"), ["127.0.0.1:9100"]);
    assert_eq!(asked("[::]:9100"), ["[::1]:9100"]);
}

#[test]
fn what_is_no_address_to_ask_is_refused_with_what_to_write() {
    for text in ["fd:3", "systemd:metrics"] {
        let error = addresses(text).expect_err("nobody can connect to it").to_string();
        assert!(error.contains("write IP:PORT"), "{error}");
    }
    for text in ["", "9100", "example.org:9100", "127.0.0.1", "127.0.0.1:65536", "unix:"] {
        addresses(text).expect_err(text);
    }
}
