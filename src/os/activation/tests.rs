use super::*;
use std::collections::HashMap;

const OWN: u32 = 42;

fn read(variables: &[(&str, &str)]) -> Result<Vec<PassedSocket>, ActivationError> {
    let variables: HashMap<&str, &str> = variables.iter().copied().collect();
    passed_sockets(OWN, |name| variables.get(name).map(OsString::from))
}

fn with_names(count: &str, names: &str) -> Result<Vec<PassedSocket>, ActivationError> {
    read(&[("LISTEN_PID", "42"), ("LISTEN_FDS", count), ("LISTEN_FDNAMES", names)])
}

fn numbers_and_names(sockets: Vec<PassedSocket>) -> Vec<(u16, String)> {
    sockets.into_iter().map(|socket| (socket.number, socket.name)).collect()
}

fn bad(variable: &'static str, value: &str) -> ActivationError {
    ActivationError::BadNumber { variable, value: value.to_owned() }
}

#[test]
fn sockets_are_numbered_from_3_and_named_in_order() {
    let sockets = numbers_and_names(with_names("3", "framed:echo:framed").expect("three"));
    assert_eq!(sockets, [(3, "framed".into()), (4, "echo".into()), (5, "framed".into())]);
    let odd = numbers_and_names(with_names("3", ":a b:readyd.socket").expect("three"));
    assert_eq!(odd, [(3, "".into()), (4, "a b".into()), (5, "readyd.socket".into())]);
}

#[test]
fn without_names_all_are_called_unknown() {
    let sockets = read(&[("LISTEN_PID", "42"), ("LISTEN_FDS", "2")]).expect("two");
    assert_eq!(numbers_and_names(sockets), [(3, "unknown".into()), (4, "unknown".into())]);
}

#[test]
fn there_may_be_none() {
    assert_eq!(with_names("0", ""), Ok(Vec::new()));
    assert_eq!(read(&[("LISTEN_PID", "42"), ("LISTEN_FDS", "0")]), Ok(Vec::new()));
}

#[test]
fn each_variable_may_be_missing() {
    assert_eq!(read(&[]), Err(ActivationError::NotSet("LISTEN_FDS")));
    assert_eq!(read(&[("LISTEN_PID", "42")]), Err(ActivationError::NotSet("LISTEN_FDS")));
    assert_eq!(read(&[("LISTEN_FDS", "1")]), Err(ActivationError::NotSet("LISTEN_PID")));
    assert_eq!(read(&[("LISTEN_FDNAMES", "a")]), Err(ActivationError::NotSet("LISTEN_FDS")));
}

#[test]
fn sockets_of_another_process_are_not_taken() {
    for meant in ["41", "1", "0", "4294967295"] {
        let error = read(&[("LISTEN_PID", meant), ("LISTEN_FDS", "1")]).unwrap_err();
        assert_eq!(
            error,
            ActivationError::OtherProcess { meant: meant.parse().expect("a number"), own: OWN }
        );
    }
}

#[test]
fn what_is_no_number_is_an_error_of_its_variable() {
    for value in ["", " 42", "42 ", "+42", "-42", "0x2a", "4294967296", "forty-two", "4\u{664}"] {
        let variables = [("LISTEN_PID", value), ("LISTEN_FDS", "1")];
        assert_eq!(read(&variables), Err(bad("LISTEN_PID", value)), "{value:?}");
    }
    for value in ["", " 1", "1 ", "+1", "-1", "0x1", "65536", "99999999999", "one", "1.0"] {
        let variables = [("LISTEN_PID", "42"), ("LISTEN_FDS", value)];
        assert_eq!(read(&variables), Err(bad("LISTEN_FDS", value)), "{value:?}");
    }
}

#[test]
fn the_last_number_is_the_last_that_a_descriptor_can_have_here() {
    let count = |value| read(&[("LISTEN_PID", "42"), ("LISTEN_FDS", value)]);
    let last = count("65533").expect("as many as there are numbers").pop().expect("the last");
    assert_eq!(last.number, u16::MAX);
    for value in ["65534", "65535"] {
        assert_eq!(count(value), Err(bad("LISTEN_FDS", value)));
    }
}

#[test]
fn there_are_as_many_names_as_sockets() {
    let names = |names, sockets| Err(ActivationError::Names { names, sockets });
    assert_eq!(with_names("1", "a:b"), names(2, 1));
    assert_eq!(with_names("3", "a:b"), names(2, 3));
    assert_eq!(with_names("2", ""), names(1, 2));
    assert_eq!(with_names("0", "a"), names(1, 0));
    // A colon within a name separates, whatever stands before it.
    assert_eq!(with_names("1", "a\\:b"), names(2, 1));
    assert_eq!(with_names("1", "a:"), names(2, 1));
}
