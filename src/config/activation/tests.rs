use super::*;
use crate::config::{Command, read};

fn passed(names: &[&str]) -> Result<Vec<PassedSocket>, ActivationError> {
    let socket = |(number, name): (u16, &&str)| PassedSocket { number, name: (*name).to_owned() };
    Ok((3..).zip(names).map(socket).collect())
}

/// The listeners, and what was not as it should be.
fn assigned(
    listens: &[&str],
    passed: Result<Vec<PassedSocket>, ActivationError>,
) -> (Vec<String>, Vec<String>, Vec<String>) {
    let args = listens.iter().flat_map(|listen| ["--listen".into(), listen.into()]);
    let reading = read(args);
    assert!(reading.errors.is_empty(), "{}", reading.errors);
    let (Command::Run(mut config), mut origins) = (reading.command, reading.origins) else {
        panic!("a configuration")
    };
    let assigned = assign(&mut config, &mut origins, passed);
    assert_eq!(origins.listeners.len(), config.listeners.len());
    let texts = |errors: Vec<Located<AssignError>>| -> Vec<String> {
        errors.iter().map(ToString::to_string).collect()
    };
    let listeners = config.listeners.iter().map(ToString::to_string).collect();
    (listeners, texts(assigned.left_out), texts(assigned.errors))
}

fn good(listens: &[&str], names: &[&str]) -> Vec<String> {
    let (listeners, left_out, errors) = assigned(listens, passed(names));
    assert_eq!((left_out, errors), (Vec::new(), Vec::new()));
    listeners
}

fn errors(listens: &[&str], names: &[&str]) -> Vec<String> {
    assigned(listens, passed(names)).2
}

#[test]
fn a_listener_takes_all_sockets_of_its_name() {
    let listens = ["daytime=systemd:clock,ack", "echo=systemd:web"];
    assert_eq!(
        good(&listens, &["web", "clock", "web"]),
        ["daytime=fd:4,format=ctime,ack", "echo=fd:3", "echo=fd:5"]
    );
}

#[test]
fn alone_it_takes_the_rest_by_the_names_of_services() {
    assert_eq!(good(&["systemd:"], &["framed", "time"]), ["framed=fd:3", "time=fd:4"]);
    assert_eq!(
        good(&["systemd:", "echo=systemd:web", "time=127.0.0.1:0"], &["framed", "web"]),
        ["echo=fd:4", "time=127.0.0.1:0", "framed=fd:3"]
    );
}

#[test]
fn numbers_may_be_listened_on_as_before() {
    assert_eq!(good(&["echo=fd:3", "systemd:"], &["web", "time"]), ["echo=fd:3", "time=fd:4"]);
    assert_eq!(good(&["echo=fd:3"], &["web"]), ["echo=fd:3"]);
}

#[test]
fn a_name_without_a_socket_is_an_error() {
    let text = "cannot listen on echo=systemd:web: no passed socket has this name (there are \
                \"framed\", \"a b\"; FileDescriptorName= in a socket unit names its sockets)";
    let listens = ["echo=systemd:web", "framed=systemd:framed", "time=systemd:a b"];
    assert_eq!(errors(&listens, &["framed", "a b"]), [text]);
    let none =
        |listen| format!("cannot listen on {listen}: no sockets were passed (LISTEN_FDS is 0)");
    assert_eq!(errors(&["echo=systemd:web"], &[]), [none("echo=systemd:web")]);
    assert_eq!(errors(&["systemd:"], &[]), [none("systemd:")]);
}

#[test]
fn a_socket_without_a_listener_is_an_error() {
    let text = |name: &str, number| {
        format!(
            "the passed socket {name:?} (descriptor {number}) has no listener (add --listen \
             SERVICE=systemd:{name}, or remove the socket unit from Sockets= of the service)"
        )
    };
    assert_eq!(errors(&["echo=systemd:web"], &["web", "time"]), [text("time", 4)]);
    // Nothing asks for passed sockets, and their clients would wait for ever.
    assert_eq!(errors(&["echo=127.0.0.1:0"], &["a", "b"]), [text("a", 3), text("b", 4)]);
    assert_eq!(
        errors(&["systemd:"], &["readyd.socket"]),
        ["the passed socket \"readyd.socket\" (descriptor 3) is not named like a service (write \
          FileDescriptorName=framed or another service in its unit, or add --listen \
          SERVICE=systemd:readyd.socket)"]
    );
}

#[test]
fn without_passed_sockets_all_that_ask_for_one_are_errors_and_optional_ones_are_left_out() {
    let listens = ["echo=systemd:web", "systemd:", "time=systemd:t,optional", "framed=127.0.0.1:0"];
    let (listeners, left_out, errors) =
        assigned(&listens, Err(ActivationError::NotSet("LISTEN_FDS")));
    assert_eq!(listeners, ["framed=127.0.0.1:0"]);
    let text = |listen: &str| {
        format!(
            "cannot listen on {listen}: no sockets were passed: LISTEN_FDS is not set (start the \
             socket unit, not the service alone)"
        )
    };
    assert_eq!(errors, [text("systemd:"), text("echo=systemd:web")]);
    assert_eq!(left_out, [text("time=systemd:t,optional")]);
    // Sockets of another process are nothing to a server that asks for none.
    let other = ActivationError::OtherProcess { meant: 1, own: 2 };
    assert_eq!(assigned(&["echo=fd:3"], Err(other)).2, Vec::<String>::new());
}

#[test]
fn names_are_shown_without_control_characters() {
    let error = &errors(&["systemd:"], &["\u{1b}[2J\n"])[0];
    assert!(!error.contains(char::is_control), "{error:?}");
}
