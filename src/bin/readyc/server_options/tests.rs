//! Which server is meant, and which options a command refuses.

use super::*;

fn options(server: &str, timeout: Option<u64>) -> ServerOptions {
    ServerOptions {
        server: Some(server.parse().unwrap()),
        connect_timeout: None,
        timeout: timeout.map(Duration::from_secs),
        tls: TlsOptions::default(),
    }
}

fn port_of(options: &ServerOptions) -> u16 {
    match options.server().unwrap() {
        ServerName::Inet { port, .. } => port,
        ServerName::Unix(_) => panic!("a unix socket"),
    }
}

#[test]
fn what_stands_behind_the_command_wins() {
    let behind = options("h:1", None).or(&options("h:2", Some(7)));
    assert_eq!((port_of(&behind), behind.timeout), (1, Some(Duration::from_secs(7))));
    let before = ServerOptions::default().or(&options("h:2", None));
    assert_eq!((port_of(&before), before.timeout), (2, None));
    assert_eq!(before.connect_timeout(), DEFAULT_CONNECT_TIMEOUT);
}

#[test]
fn a_command_without_a_server_refuses_what_is_about_one() {
    assert!(ServerOptions::default().refuse("compare").is_ok());
    for (options, option) in [
        (options("h:1", None), "--server"),
        (ServerOptions { server: None, ..options("h:1", Some(1)) }, "--timeout"),
        (
            ServerOptions { connect_timeout: Some(Duration::MAX), ..ServerOptions::default() },
            "--connect-timeout",
        ),
    ] {
        let refusal = options.refuse("compare").unwrap_err();
        assert_eq!(refusal.status(), 2);
        assert_eq!(
            refusal.to_string(),
            format!("{option}: has no meaning for compare (remove it)")
        );
    }
}

#[test]
fn an_examination_takes_a_server_and_no_timeout() {
    let doctor = AddressOnly { server: None };
    let options_for = |before: &ServerOptions| doctor.with(before, "doctor");
    assert_eq!(port_of(&options_for(&options("h:5", None)).unwrap()), 5);
    let refusal = options_for(&options("h:5", Some(1))).unwrap_err();
    assert_eq!(refusal.to_string(), "--timeout: has no meaning for doctor (remove it)");
}
