//! `--listen SERVICE=ADDRESS[,OPTION[=VALUE]]...`

use super::run;
use crate::config::listen::{BindTarget, FileMode, Listen, Presence};
use crate::handlers::daytime::Format;
use crate::handlers::{Options, Service};

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
            let Listen { service, target, presence, .. } = listen(&format!("{name}={address}"));
            assert_eq!(presence, Presence::Required);
            assert_eq!(service.name(), name);
            assert_eq!(target, BindTarget::Address(address.parse().expect("an address")));
        }
    }
}

#[test]
fn a_socket_can_be_inherited() {
    let Listen { service, target, .. } = listen("daytime=fd:65535,ack");
    assert_eq!(service, Service::DAYTIME.with(Options { format: Format::Ctime, ack: true }));
    assert_eq!(target, BindTarget::Inherited(65535));
}

#[test]
fn field_server_21_a_unix_socket_can_be_listened_on() {
    for address in ["unix:/run/x.sock", "unix:@x", "unix:/with = and: and [brackets]"] {
        let Listen { service, target, .. } = listen(&format!("daytime={address},ack"));
        assert_eq!(service, Service::DAYTIME.with(Options { format: Format::Ctime, ack: true }));
        assert_eq!(target, BindTarget::Unix(address.parse().expect("an address")));
        assert_eq!(target.to_string(), address);
        assert_eq!(target.addresses(), []);
    }
    let example = "(write unix:/PATH, or unix:@NAME for a name in the abstract namespace)";
    assert_eq!(error("echo=unix:x.sock"), format!("\"x.sock\" is not an absolute path {example}"));
}

#[test]
#[cfg(feature = "ops")]
fn a_unix_socket_has_a_mode_and_an_owner() {
    let options = listen("echo=unix:/x,owner=www-data:4,mode=660,optional").socket;
    assert_eq!(options.mode.map(FileMode::bits), Some(0o660));
    assert_eq!(options.to_string(), ",mode=0660,owner=www-data:4");
    for owner in ["7", "root", ":staff", "a:b"] {
        assert_eq!(
            listen(&format!("echo=unix:/x,owner={owner}")).socket.to_string(),
            format!(",owner={owner}")
        );
    }
    for mode in ["", "+7", "8", "1777", "rw", "-1", "77777777777777"] {
        let why = format!("{mode:?} is no mode of a file (write it in octal, such as mode=0660)");
        assert_eq!(error(&format!("echo=unix:/x,mode={mode}")), why);
    }
    assert_eq!(
        error("echo=unix:/x,owner="),
        "option owner: no user (write it as USER or USER:GROUP)"
    );
    assert_eq!(
        error("echo=unix:/x,owner=a:"),
        "option owner: no group (write it as USER or USER:GROUP)"
    );
    for target in ["unix:@x", "127.0.0.1:7", "localhost:7", ":7", "fd:3"] {
        for option in ["mode=0", "owner=1"] {
            let why = error(&format!("echo={target},{option}"));
            assert!(
                why.contains("is about the file of a unix socket (write unix:/PATH, or"),
                "{why}"
            );
        }
    }
}

#[test]
#[cfg(feature = "ops")]
fn an_ip_address_may_be_bound_before_it_is_there() {
    for target in ["127.0.0.1:7", "[::1]:7", "localhost:7", ":7"] {
        assert!(listen(&format!("echo={target},freebind")).socket.is_freebind);
    }
    for target in ["unix:/x", "unix:@x", "fd:3"] {
        let why =
            "option freebind is about binding an IP address (write IP:PORT, or leave freebind out)";
        assert_eq!(error(&format!("echo={target},freebind")), why);
    }
}

#[test]
fn daytime_has_options() {
    let service = |text: &str| listen(&format!("daytime=127.0.0.1:13{text}")).service;
    assert_eq!(service(""), Service::DAYTIME.with(Options { format: Format::Ctime, ack: false }));
    assert_eq!(
        service(",ack"),
        Service::DAYTIME.with(Options { format: Format::Ctime, ack: true })
    );
    assert_eq!(
        service(",format=unix"),
        Service::DAYTIME.with(Options { format: Format::Unix, ack: false })
    );
    for both in [",format=dmy,ack", ",ack,format=dmy", ",optional,ack,format=DMY"] {
        assert_eq!(
            service(both),
            Service::DAYTIME.with(Options { format: Format::Dmy, ack: true })
        );
    }
}

#[test]
fn field_server_13_any_listener_may_be_optional() {
    for name in Service::NAMES {
        for target in [
            "127.0.0.1:0",
            "[::1]:7",
            "localhost:7",
            ":7",
            "fd:3",
            "unix:/a",
            "unix:@a",
            "[fe80::1%no such]:7",
        ] {
            let text = format!("{name}={target},optional");
            let listen = listen(&text);
            assert_eq!(listen.presence, Presence::Optional);
            assert_eq!(listen.target.to_string(), target);
            assert_eq!(listen.to_string().parse(), Ok(listen));
        }
    }
}

#[test]
fn field_server_13_localhost_and_all_addresses_are_two_addresses() {
    let addresses = |text: &str| -> Vec<String> {
        listen(text).target.addresses().iter().map(ToString::to_string).collect()
    };
    assert_eq!(addresses("echo=localhost:7"), ["127.0.0.1:7", "[::1]:7"]);
    assert_eq!(addresses("echo=:0"), ["0.0.0.0:0", "[::]:0"]);
    assert_eq!(addresses("echo=[::]:7"), ["[::]:7"]);
    assert_eq!(addresses("echo=fd:3"), Vec::<String>::new());
}

/// Which of two listeners is refused, and why.
fn conflict(one: &str, other: &str, more: &[&str]) -> Option<String> {
    let args = [&["--listen", one, "--listen", other], more].concat();
    run(&args).err().map(|error| error.to_string())
}

const SHARING: [&[&str]; 3] = [&[], &["--reuse-port"], &["--shards", "2"]];

#[test]
fn field_server_12_one_address_has_one_listener() {
    let pairs = [
        ("echo=127.0.0.1:9999", "time=127.0.0.1:9999"),
        ("echo=127.0.0.1:9999", "echo=127.0.0.1:9999"),
        ("echo=127.0.0.1:9999", "time=127.0.0.1:9999,optional"),
        ("echo=localhost:9999", "time=127.0.0.1:9999"),
        ("echo=[::1]:9999", "time=localhost:9999"),
        ("echo=localhost:9999", "time=localhost:9999"),
        ("echo=:9999", "time=0.0.0.0:9999"),
        ("echo=[::]:9999", "time=:9999"),
        ("echo=[0:0::1]:9999", "time=[::1]:9999"),
        ("echo=[fe80::1%lo]:9999", "time=[fe80::1%1]:9999"),
        ("echo=unix:/run/x.sock", "time=unix:/run/x.sock"),
        ("echo=unix:/run/x.sock", "time=unix://run/./x.sock,optional"),
        ("echo=unix:@x", "echo=unix:@x"),
        ("echo=unix:/tmp/../x", "echo=unix:/x"),
        ("echo=unix:/no such/x", "echo=unix://no such/./x"),
    ];
    for more in SHARING {
        for (one, other) in pairs {
            let error = conflict(one, other, more).expect(other);
            let (shown, earlier) = (listen(other).to_string(), listen(one).to_string());
            let expected = format!(
                "--listen {shown:?}: {earlier:?} has this address already (give one of them \
                 another)"
            );
            assert_eq!(error, expected);
        }
    }
    let error = conflict("echo=fd:3", "time=fd:3", &[]).expect("one descriptor, two services");
    assert!(error.contains("\"echo=fd:3\" has this address already"), "{error}");
}

#[test]
fn field_server_12_other_addresses_ports_and_port_0_are_no_conflict() {
    let pairs = [
        ("echo=127.0.0.1:0", "time=127.0.0.1:0"),
        ("echo=localhost:0", "time=localhost:0"),
        ("echo=:0", "time=:0"),
        ("echo=127.0.0.1:9999", "time=127.0.0.1:9998"),
        ("echo=127.0.0.1:9999", "time=127.0.0.2:9999"),
        ("echo=127.0.0.1:9999", "time=[::1]:9999"),
        ("echo=0.0.0.0:9999", "time=[::]:9999"),
        ("echo=localhost:9999", "time=127.0.0.2:9999"),
        ("echo=[fe80::1%1]:9999", "time=[fe80::1%2]:9999"),
        ("echo=unix:/run/x.sock", "time=unix:/run/X.sock"),
        ("echo=unix:@x", "time=unix:/x"),
        ("echo=unix:@/x", "time=unix:@//x"),
        ("echo=unix:/tmp/x", "time=unix:/x"),
    ];
    for more in SHARING {
        for (one, other) in pairs {
            assert_eq!(conflict(one, other, more), None);
        }
    }
    assert_eq!(conflict("echo=fd:3", "time=fd:4", &[]), None);
}

#[test]
fn field_server_12_one_address_and_all_of_them_go_together_only_where_ports_are_shared() {
    let pairs = [
        ("echo=0.0.0.0:9999", "time=127.0.0.1:9999"),
        ("echo=127.0.0.1:9999", "time=0.0.0.0:9999"),
        ("echo=:9999", "time=localhost:9999"),
        ("echo=[::1]:9999", "time=:9999"),
        ("echo=[fe80::1%1]:9999", "time=[::]:9999"),
    ];
    for (one, other) in pairs {
        let error = conflict(one, other, &[]).expect(other);
        assert!(error.contains(&format!("{one:?} has this port already")), "{error}");
        assert_eq!(conflict(one, other, &["--reuse-port"]), None);
        assert_eq!(conflict(one, other, &["--shards", "2"]), None);
    }
}

#[test]
fn field_server_12_listeners_of_a_file_are_named_by_their_lines() {
    let file = super::TempFile::new(b"listen echo=127.0.0.1:7\n\nlisten time=127.0.0.1:7\n");
    let path = file.path();
    let expected = format!(
        "{path} line 3: --listen \"time=127.0.0.1:7\": \"echo=127.0.0.1:7\" ({path} line 1) has \
         this address already (give one of them another)"
    );
    assert_eq!(run(&["--config", path]).unwrap_err().to_string(), expected);
    // The command line's replace the file's.
    assert!(run(&["--config", path, "--listen", "echo=127.0.0.1:7"]).is_ok());
}

#[test]
#[cfg(feature = "ops")]
fn a_name_of_a_passed_socket_may_be_listened_on() {
    for name in ["framed", "readyd.socket", "a b", "=", "\u{e4}"] {
        let listen = listen(&format!("echo=systemd:{name},optional"));
        assert_eq!(listen.target, BindTarget::Systemd(name.to_owned()));
        assert_eq!(listen.to_string().parse(), Ok(listen));
    }
    let longest = "n".repeat(255);
    listen(&format!("echo=systemd:{longest}"));
    for name in ["", "a:b", "a\tb", &format!("{longest}n")] {
        let expected = format!(
            "\"systemd:{}\" names no socket (write systemd:NAME, at most 255 bytes without colons \
             and control characters; or --listen systemd: for all sockets)",
            name.escape_debug()
        );
        assert_eq!(error(&format!("echo=systemd:{name}")), expected);
    }
    let twice = conflict("echo=systemd:a", "time=systemd:a", &[]).expect("one name, two services");
    assert!(twice.contains("\"echo=systemd:a\" has this address already"), "{twice}");
    assert_eq!(conflict("echo=systemd:a", "time=systemd:b", &["--listen", "systemd:"]), None);
}

#[test]
#[cfg(feature = "ops")]
fn all_passed_sockets_may_be_listened_on() {
    let all = run(&["--listen", "systemd:"]).expect("a configuration");
    assert_eq!((all.takes_passed_sockets, all.listeners.len()), (true, 0));
    let file = super::TempFile::new(b"listen systemd:\nlisten echo=systemd:a\n");
    let both = run(&["--config", file.path()]).expect("a configuration");
    assert_eq!((both.takes_passed_sockets, both.listeners.len()), (true, 1));
    // The command line's replace the file's.
    let other = ["--config", file.path(), "--listen", "echo=127.0.0.1:0"];
    let other = run(&other).expect("a configuration");
    assert_eq!((other.takes_passed_sockets, other.listeners.len()), (false, 1));
}

/// The options that a listener of every service may have.
const OF_EVERY: &str = "optional, mode=MODE, owner=USER[:GROUP], freebind, proxy=v2|any, \
                        from=CIDR, tls, cert=FILE, key=FILE, client-ca=FILE";

#[test]
fn each_fault_has_its_text() {
    let services = Service::NAMES.join(", ");
    let services = &services;
    let no_address = "no address (write it as SERVICE=IP:PORT, such as framed=127.0.0.1:9999)";
    let cases = [
        ("", no_address.to_owned()),
        ("framed", no_address.to_owned()),
        ("127.0.0.1:9999", no_address.to_owned()),
        ("gopher=127.0.0.1:70", format!("no service \"gopher\" (there are {services})")),
        (
            "Echo=127.0.0.1:7",
            format!("no service \"Echo\" (did you mean echo? there are {services})"),
        ),
        (
            "ehco=127.0.0.1:7",
            format!("no service \"ehco\" (did you mean echo? there are {services})"),
        ),
        ("echo=localhost", bad_address("localhost")),
        ("echo=localhost:", bad_address("localhost:")),
        ("echo=localhost:+7", bad_address("localhost:+7")),
        ("echo=example.com:7", bad_address("example.com:7")),
        ("echo=:", bad_address(":")),
        ("echo=:65536", bad_address(":65536")),
        ("echo=127.0.0.1", bad_address("127.0.0.1")),
        ("echo=::1:7", bad_address("::1:7")),
        ("echo=127.0.0.1:65536", bad_address("127.0.0.1:65536")),
        ("echo=", bad_address("")),
        ("echo= 127.0.0.1:7", bad_address(" 127.0.0.1:7")),
        ("echo=fd:", bad_descriptor("fd:")),
        ("echo=fd:+3", bad_descriptor("fd:+3")),
        ("echo=fd:65536", bad_descriptor("fd:65536")),
        ("echo=FD:3", bad_address("FD:3")),
        ("echo=127.0.0.1:7,ack", format!("echo has no option \"ack\" (it has {OF_EVERY})")),
        ("echo=127.0.0.1:7,", format!("echo has no option \"\" (it has {OF_EVERY})")),
        (
            "echo=127.0.0.1:7,optinal",
            format!("echo has no option \"optinal\" (did you mean optional? it has {OF_EVERY})"),
        ),
        (
            "daytime=127.0.0.1:13,zone=utc",
            format!("daytime has no option \"zone=utc\" (it has {OF_EVERY}, format=FORMAT, ack)"),
        ),
        (
            "daytime=127.0.0.1:13,fromat=dmy",
            format!(
                "daytime has no option \"fromat=dmy\" (did you mean format? it has \
                 {OF_EVERY}, format=FORMAT, ack)"
            ),
        ),
        ("daytime=127.0.0.1:13,ack=yes", "option ack takes no value".to_owned()),
        (
            "daytime=127.0.0.1:13,format",
            "option format needs a value (write format=FORMAT)".to_owned(),
        ),
        ("daytime=127.0.0.1:13,format=dmy,format=dmy", repeated("format")),
        ("daytime=127.0.0.1:13,ack,ack", repeated("ack")),
        ("echo=fd:3,optional,optional", repeated("optional")),
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
    format!(
        "{address:?} is not an address (write IP:PORT, [IPv6]:PORT, localhost:PORT, :PORT for all \
         addresses, or unix:/PATH; other names are not looked up)"
    )
}

fn bad_descriptor(text: &str) -> String {
    format!("{text:?} is not a descriptor (write fd:NUMBER, at most 65535)")
}

fn repeated(key: &str) -> String {
    format!("option {key} is given twice (remove one)")
}

#[test]
#[cfg(feature = "ops")]
fn proxies_may_connect_from_where_it_is_said() {
    for text in [
        "framed=127.0.0.1:1,proxy=v2,from=10.0.0.0/8",
        "framed=localhost:1,proxy=any,from=10.0.0.0/8,from=192.0.2.1/32,from=2001:db8::/32",
        "framed=unix:/run/x.sock,proxy=v2",
        "framed=unix:@x,proxy=any,from=192.0.2.0/24",
        "framed=fd:3,proxy=v2",
        "daytime=:13,format=unix,ack,proxy=v2,from=::/0,optional",
    ] {
        assert_eq!(listen(text).to_string(), text);
    }
    let any_order = listen("echo=:7,from=10.0.0.1,optional,proxy=v2,from=10.0.0.2");
    let text = "echo=:7,proxy=v2,from=10.0.0.1/32,from=10.0.0.2/32,optional";
    assert_eq!(any_order.to_string(), text);
    for (text, expected) in [
        (
            "metrics=:9100,proxy=v2,from=10.0.0.0/8",
            "option proxy is about PROXY headers, and a metrics listener reads none (leave proxy \
             out)",
        ),
        (
            "metrics=unix:/x,from=10.0.0.0/8",
            "option from is about PROXY headers, and a metrics listener reads none (leave from \
             out)",
        ),
        (
            "echo=:7,proxy=v2",
            "option proxy needs from=CIDR, the addresses of the proxies: any other client could \
             say that it is somebody else",
        ),
        (
            "echo=:7,from=10.0.0.0/8",
            "option from names proxies, and proxy is not given (add proxy=v2)",
        ),
        (
            "echo=unix:/x,from=10.0.0.0/8",
            "option from names proxies, and proxy is not given (add proxy=v2)",
        ),
        (
            "echo=:7,proxy=v1,from=10.0.0.0/8",
            "no versions \"v1\" of the PROXY protocol (write proxy=v2, or proxy=any for versions 1 \
             and 2)",
        ),
        ("echo=:7,proxy,from=10.0.0.0/8", "option proxy needs a value (write proxy=v2|any)"),
        ("echo=:7,proxy=v2,from", "option from needs a value (write from=CIDR)"),
        ("echo=:7,proxy=v2,proxy=v2", "option proxy is given twice (remove one)"),
        (
            "echo=:7,proxy=v2,from=10.0.0.1/8",
            "option from: the address has bits beyond the prefix (for the range write 10.0.0.0/8)",
        ),
        (
            "echo=:7,proxy=v2,from=proxy.example",
            "option from: \"proxy.example\" is not an address (write 192.0.2.0/24 or \
             2001:db8::/32)",
        ),
    ] {
        assert_eq!(error(text), expected, "{text}");
    }
}

#[test]
#[cfg(not(feature = "ops"))]
fn without_the_feature_no_listener_is_for_proxies_or_has_options_of_its_socket() {
    for text in [
        "echo=:7,proxy=v2,from=10.0.0.0/8",
        "echo=:7,from=10.0.0.0/8",
        "echo=unix:/x,mode=660",
        "echo=unix:/x,owner=www-data",
        "echo=:7,freebind",
    ] {
        assert_eq!(error(text), "this readyd was built without the feature `ops`", "{text}");
    }
}
