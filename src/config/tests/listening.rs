//! `--listen SERVICE=ADDRESS[,OPTION[=VALUE]]...`

use crate::config::listen::{Listen, Place};
use crate::handlers::Service;
use crate::handlers::daytime::Format;

fn listen(text: &str) -> Listen {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn error(text: &str) -> String {
    text.parse::<Listen>().expect_err("an error").to_string()
}

#[test]
fn every_service_can_listen_on_any_address() {
    for name in Service::NAMES {
        for address in ["127.0.0.1:9999", "0.0.0.0:0", "[::]:7", "[fe80::1%2]:65535"] {
            let Listen { service, place } = listen(&format!("{name}={address}"));
            assert_eq!(service.name(), name);
            assert_eq!(place, Place::Address(address.parse().expect("an address")));
        }
    }
}

#[test]
fn a_socket_can_be_inherited() {
    let Listen { service, place } = listen("daytime=fd:65535,ack");
    assert_eq!(service, Service::Daytime { format: Format::Ctime, ack: true });
    assert_eq!(place, Place::Inherited(65535));
}

#[test]
fn daytime_has_options() {
    let service = |text: &str| listen(&format!("daytime=127.0.0.1:13{text}")).service;
    assert_eq!(service(""), Service::Daytime { format: Format::Ctime, ack: false });
    assert_eq!(service(",ack"), Service::Daytime { format: Format::Ctime, ack: true });
    assert_eq!(service(",format=unix"), Service::Daytime { format: Format::Unix, ack: false });
    for both in [",format=dmy,ack", ",ack,format=dmy", ",ack,format=unix,format=DMY"] {
        assert_eq!(service(both), Service::Daytime { format: Format::Dmy, ack: true });
    }
}

#[test]
fn each_fault_has_its_text() {
    let services = "framed, daytime, time, echo, discard, chargen, greeting, lookup, exchange";
    let no_address = "no address (write it as SERVICE=IP:PORT, such as framed=127.0.0.1:9999)";
    let cases = [
        ("", no_address.to_owned()),
        ("framed", no_address.to_owned()),
        ("127.0.0.1:9999", no_address.to_owned()),
        ("gopher=127.0.0.1:70", format!("no service \"gopher\" (there are {services})")),
        ("Echo=127.0.0.1:7", format!("no service \"Echo\" (there are {services})")),
        ("echo=localhost:7", bad_address("localhost:7")),
        ("echo=127.0.0.1", bad_address("127.0.0.1")),
        ("echo=::1:7", bad_address("::1:7")),
        ("echo=127.0.0.1:65536", bad_address("127.0.0.1:65536")),
        ("echo=", bad_address("")),
        ("echo= 127.0.0.1:7", bad_address(" 127.0.0.1:7")),
        ("echo=fd:", bad_descriptor("fd:")),
        ("echo=fd:+3", bad_descriptor("fd:+3")),
        ("echo=fd:65536", bad_descriptor("fd:65536")),
        ("echo=FD:3", bad_address("FD:3")),
        ("echo=127.0.0.1:7,ack", "echo takes no options, \"ack\" is not one".to_owned()),
        ("echo=127.0.0.1:7,", "echo takes no options, \"\" is not one".to_owned()),
        ("daytime=127.0.0.1:13,zone=utc", no_option("zone=utc")),
        ("daytime=127.0.0.1:13,ack=yes", no_option("ack=yes")),
        ("daytime=127.0.0.1:13,format", no_option("format")),
        (
            "daytime=127.0.0.1:13,format=klingon",
            "no date format \"klingon\" (there are ctime, dmy, rfc3339, rfc2822, unix)".to_owned(),
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(error(text), expected, "{text}");
    }
}

fn bad_address(address: &str) -> String {
    format!("{address:?} is not an address (write IP:PORT or [IPv6]:PORT)")
}

fn bad_descriptor(text: &str) -> String {
    format!("{text:?} is not a descriptor (write fd:NUMBER, at most 65535)")
}

fn no_option(option: &str) -> String {
    format!("daytime has no option {option:?} (it has format=FORMAT and ack)")
}
