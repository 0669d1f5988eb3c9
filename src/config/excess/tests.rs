use super::*;
use crate::config::{Command, Reading, read};
use std::ffi::OsString;

const SYSTEM: SystemLimits = SystemLimits {
    descriptors: Budget::of_a_server(1000, 1),
    somaxconn: Some(4096),
    memory: Some(1 << 30),
};

/// What is too much of what the command line asks for.
fn excesses_of(args: &[&str], system: &SystemLimits) -> Vec<String> {
    let Reading { command, origins, errors } = read(args.iter().map(OsString::from));
    assert!(errors.is_empty(), "{errors}");
    let Command::Run(config) = command else { panic!("{command:?}") };
    excesses(&config, &origins, system).iter().map(ToString::to_string).collect()
}

#[test]
fn what_the_system_gives_is_not_too_much() {
    let room = SYSTEM.descriptors.room().to_string();
    let args = [
        "--max-connections",
        &room,
        "--backlog=4096",
        "--memory-limit=1GiB",
        "--table-limit=4294967295",
    ];
    assert_eq!(excesses_of(&args, &SYSTEM), Vec::<String>::new());
}

#[test]
fn one_more_is_too_much() {
    let room = SYSTEM.descriptors.room();
    let connections = (room + 1).to_string();
    let args = [
        "--max-connections",
        &connections,
        "--backlog=4097",
        "--memory-limit=1073741825",
        "--table-limit=4GiB",
    ];
    let expected = [
        format!(
            "--max-connections {connections} is more than the {room} that the descriptor limit of \
             1000 has room for (raise it with ulimit -n or LimitNOFILE=)"
        ),
        "--backlog 4097 is more than net.core.somaxconn, 4096, to which the kernel cuts it (raise \
         that with sysctl -w net.core.somaxconn=4097)"
            .to_owned(),
        "--memory-limit 1073741825 is more than the 1073741824 bytes of memory that there are (ask \
         for less: the kernel ends a process that fills the memory)"
            .to_owned(),
        "--table-limit 4294967296 is more than a table can have (at most 4294967295 bytes)"
            .to_owned(),
    ];
    assert_eq!(excesses_of(&args, &SYSTEM), expected);
}

#[test]
fn each_shard_has_descriptors_of_its_own() {
    let room = SYSTEM.descriptors.room();
    let fits = (3 * room).to_string();
    assert_eq!(excesses_of(&["--shards=3", "--max-connections", &fits], &SYSTEM).len(), 0);
    let too_many = (3 * room + 1).to_string();
    let excesses = excesses_of(&["--shards=3", "--max-connections", &too_many], &SYSTEM);
    assert!(excesses[0].contains(&format!("3 times the {room} that")), "{excesses:?}");
}

#[test]
fn a_server_that_does_not_start_for_want_of_descriptors_has_no_excess_besides() {
    let few = Budget::of_a_server(20, 1);
    assert!(few.check(Some(1000)).is_err());
    let system = SystemLimits { descriptors: few, ..SYSTEM };
    assert_eq!(excesses_of(&["--max-connections=1000"], &system).len(), 0);
}

#[test]
fn a_default_or_a_system_that_is_not_known_is_no_excess() {
    let small = SystemLimits { somaxconn: Some(128), ..SYSTEM };
    assert_eq!(excesses_of(&[], &small).len(), 0);
    assert_eq!(excesses_of(&["--backlog=129"], &small).len(), 1);
    let unknown = SystemLimits { somaxconn: None, memory: None, ..SYSTEM };
    assert_eq!(excesses_of(&["--backlog=1m", "--memory-limit=1000000g"], &unknown).len(), 0);
}
