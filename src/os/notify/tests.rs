use super::*;
use crate::scratch::Scratch;
use std::collections::HashMap;

fn environment(variables: &[(&str, &str)]) -> impl Fn(&str) -> Option<OsString> {
    let variables: HashMap<String, OsString> =
        variables.iter().map(|(name, value)| ((*name).to_owned(), value.into())).collect();
    move |name| variables.get(name).cloned()
}

fn notifier(value: &str) -> Result<Option<Notifier>, BadVariable> {
    Notifier::from_environment(environment(&[("NOTIFY_SOCKET", value)]))
}

fn received(socket: &UnixDatagram) -> String {
    let mut bytes = [0; 100];
    let length = socket.recv(&mut bytes).expect("a datagram");
    String::from_utf8_lossy(&bytes[..length]).into_owned()
}

#[test]
fn a_path_and_an_abstract_name_reach_the_manager() {
    let scratch = Scratch::new();
    let path = scratch.path().join("notify");
    let manager = UnixDatagram::bind(&path).expect("a socket");
    let notifier_of_path = notifier(path.to_str().expect("UTF-8")).expect("an address");
    notifier_of_path.expect("a socket").send("READY=1\nSTATUS=a").expect("sent");
    assert_eq!(received(&manager), "READY=1\nSTATUS=a");

    let name = format!("readyd-notify-{}", std::process::id());
    let address = SocketAddr::from_abstract_name(&name).expect("an address");
    let manager = UnixDatagram::bind_addr(&address).expect("a socket");
    let notifier = notifier(&format!("@{name}")).expect("an address").expect("a socket");
    notifier.send("STOPPING=1").expect("sent");
    assert_eq!(received(&manager), "STOPPING=1");
}

#[test]
fn a_manager_that_comes_later_or_again_is_found() {
    let scratch = Scratch::new();
    let path = scratch.path().join("notify");
    let notifier = notifier(path.to_str().expect("UTF-8")).expect("an address").expect("a socket");
    notifier.send("READY=1").expect_err("nobody is there");
    for _ in 0..2 {
        let manager = UnixDatagram::bind(&path).expect("a socket");
        notifier.send("READY=1").expect("sent");
        assert_eq!(received(&manager), "READY=1");
        std::fs::remove_file(&path).expect("remove the socket");
    }
}

#[test]
fn a_manager_that_does_not_read_is_not_waited_for() {
    let scratch = Scratch::new();
    let path = scratch.path().join("notify");
    let _manager = UnixDatagram::bind(&path).expect("a socket");
    let notifier = notifier(path.to_str().expect("UTF-8")).expect("an address").expect("a socket");
    let error = (0..100_000).find_map(|_| notifier.send("WATCHDOG=1").err()).expect("it is full");
    assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
}

#[test]
fn what_names_no_socket_is_an_error() {
    let long = format!("/{}", "a".repeat(108));
    let long_name = format!("@{}", "a".repeat(108));
    for value in ["", "/", "@", "relative", "vsock:2:1", " /run/x", &long, &long_name] {
        let error = notifier(value).expect_err(value);
        assert_eq!((error.name, error.value.as_str()), ("NOTIFY_SOCKET", value));
    }
    assert!(Notifier::from_environment(|_| None).expect("nothing").is_none());
}

#[test]
fn a_watchdog_is_for_one_process() {
    let read = |variables: &[(&str, &str)]| watchdog(42, environment(variables));
    let second = Some(Duration::from_secs(1));
    assert_eq!(read(&[]), Ok(None));
    assert_eq!(read(&[("WATCHDOG_PID", "42")]), Ok(None));
    assert_eq!(read(&[("WATCHDOG_USEC", "1000000")]), Ok(second));
    assert_eq!(read(&[("WATCHDOG_USEC", "1000000"), ("WATCHDOG_PID", "42")]), Ok(second));
    assert_eq!(read(&[("WATCHDOG_USEC", "1000000"), ("WATCHDOG_PID", "41")]), Ok(None));
    for value in ["", "0", "-1", "+1", " 1", "1s", "18446744073709551616"] {
        let error = read(&[("WATCHDOG_USEC", value)]).expect_err(value);
        assert_eq!((error.name, error.value.as_str()), ("WATCHDOG_USEC", value));
        let variables = [("WATCHDOG_USEC", "1"), ("WATCHDOG_PID", value)];
        assert_eq!(read(&variables).expect_err(value).name, "WATCHDOG_PID");
    }
}
