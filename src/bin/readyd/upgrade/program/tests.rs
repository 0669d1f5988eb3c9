use super::*;

#[test]
fn the_path_of_execve_is_the_program() {
    let path = named("/opt/readyd/current/readyd".as_ref(), "other".as_ref(), None);
    assert_eq!(path, Path::new("/opt/readyd/current/readyd"));
}

#[test]
fn a_program_that_was_executed_as_a_descriptor_is_looked_for_by_its_name() {
    let search =
        |name: &str| named("/dev/fd/3".as_ref(), name.as_ref(), Some("/none:/bin".as_ref()));
    assert_eq!(search("sh"), Path::new("/bin/sh"));
    assert_eq!(search("./sh"), Path::new("./sh"));
    assert_eq!(search("no such program"), Path::new("/dev/fd/3"));
}

#[test]
fn our_own_program_is_there_and_its_path_is_absolute() {
    let Command { program, arguments } = Command::own();
    let path = Path::new(OsStr::from_bytes(program.to_bytes()));
    assert!(path.is_absolute() && is_executable(path), "{path:?}");
    assert_eq!(arguments, env::args_os().collect::<Vec<_>>());
}
