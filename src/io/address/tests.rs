use super::{Address, Credentials, Peer, UnixAddress, UnixAddressError};
use crate::config::address::AddressError;
use crate::os::listener::unix::sock_addr;
use proptest::prelude::*;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;

fn unix(text: &str) -> Result<UnixAddress, UnixAddressError> {
    match text.parse::<Address>() {
        Ok(Address::Unix(address)) => Ok(address),
        Err(AddressError::Unix(error)) => Err(error),
        other => panic!("{text}: {other:?}"),
    }
}

#[test]
fn field_server_21_a_unix_address_is_a_path_or_an_abstract_name() {
    let file = unix("unix:/run/x.sock").expect("an address");
    assert_eq!(file.path(), Some(Path::new("/run/x.sock")));
    let address = sock_addr(&file).expect("it was checked");
    assert_eq!(address.as_pathname(), Some(Path::new("/run/x.sock")));

    let name = unix("unix:@x y").expect("an address");
    assert_eq!(name.path(), None);
    let address = sock_addr(&name).expect("it was checked");
    assert_eq!(address.as_abstract_namespace(), Some(b"x y".as_slice()));
}

#[test]
fn field_server_21_what_no_unix_socket_can_be_bound_to_is_refused_with_its_reason() {
    assert_eq!(unix("unix:"), Err(UnixAddressError::Empty));
    assert_eq!(unix("unix:@"), Err(UnixAddressError::Empty));
    for relative in ["x.sock", "./x", " /x", "//x".trim_start_matches('/')] {
        let error = unix(&format!("unix:{relative}"));
        assert_eq!(error, Err(UnixAddressError::Relative(relative.to_owned())));
    }
    for control in ["/a\0b", "/a\nb", "@a\0", "/a\u{7f}"] {
        let error = unix(&format!("unix:{control}"));
        assert_eq!(error, Err(UnixAddressError::ControlCharacter(control.to_owned())));
    }
    let name = |len: usize| "n".repeat(len);
    for longest in [format!("unix:/{}", name(106)), format!("unix:@{}", name(107))] {
        let address = unix(&longest).expect("107 bytes");
        sock_addr(&address).expect("sun_path takes 107 bytes");
    }
    for longer in [format!("unix:/{}", name(107)), format!("unix:@{}", name(108))] {
        assert_eq!(unix(&longer), Err(UnixAddressError::TooLong(108)));
    }
    // Bytes, and not characters.
    assert_eq!(unix(&format!("unix:/{}", "é".repeat(60))), Err(UnixAddressError::TooLong(121)));
    assert_eq!("/x".parse::<UnixAddress>(), Err(UnixAddressError::NoPrefix("/x".to_owned())));
}

#[test]
fn field_server_21_each_error_says_what_to_write() {
    let text = |address: &str| unix(address).expect_err("an error").to_string();
    assert_eq!(
        text("unix:"),
        "\"unix:\" has no path (write unix:/PATH, such as unix:/run/readyd.sock)"
    );
    assert_eq!(
        text("unix:x"),
        "\"x\" is not an absolute path (write unix:/PATH, or unix:@NAME for a name in the abstract \
         namespace)"
    );
    assert_eq!(text("unix:/a\0"), "\"/a\\0\" has a control character (choose a path without)");
    assert_eq!(
        text(&format!("unix:/{}", "a".repeat(110))),
        "the path of the unix socket has 111 bytes, and the kernel takes at most 107 (choose a \
         shorter one)"
    );
}

#[test]
fn field_server_21_a_peer_takes_no_more_than_an_ip_address_and_port() {
    assert_eq!(size_of::<Peer>(), size_of::<SocketAddr>());
}

#[test]
fn field_server_21_a_peer_is_shown_as_one_word() {
    let inet = Peer::from(SocketAddr::from((Ipv6Addr::LOCALHOST, 7)));
    assert_eq!(inet.to_string(), "[::1]:7");
    assert_eq!(inet.ip(), Some(IpAddr::from(Ipv6Addr::LOCALHOST)));
    let unix = Peer::Unix(Credentials { pid: 4711, uid: u32::MAX });
    assert_eq!(unix.to_string(), "unix:pid=4711,uid=4294967295");
    assert_eq!(unix.ip(), None);
}

fn addresses() -> impl Strategy<Value = Address> {
    let v4 = any::<(u32, u16)>()
        .prop_map(|(bits, port)| Address::Inet((Ipv4Addr::from_bits(bits), port).into()));
    let v6 = any::<(u128, u16)>()
        .prop_map(|(bits, port)| Address::Inet((Ipv6Addr::from_bits(bits), port).into()));
    let unix = "[/@][^\\pC]{1,30}"
        .prop_map(|text| Address::Unix(format!("unix:{text}").parse().expect("a unix address")));
    // Multicast addresses and their like are refused.
    prop_oneof![v4, v6, unix]
        .prop_filter("a client can connect to it", |it| it.to_string().parse::<Address>().is_ok())
}

proptest! {
    #[test]
    fn field_server_21_any_address_can_be_written_and_read_again(address in addresses()) {
        prop_assert_eq!(address.to_string().parse(), Ok(address));
    }

    #[test]
    fn field_server_21_any_text_is_an_address_or_an_error(
        text in "\\PC*",
        path in any::<String>(),
    ) {
        let _ = text.parse::<Address>();
        if let Ok(address) = format!("unix:{path}").parse::<UnixAddress>() {
            prop_assert!(sock_addr(&address).is_ok());
            prop_assert_eq!(address.to_string(), format!("unix:{path}"));
        }
    }
}
