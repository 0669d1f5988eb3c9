//! What is said of accounts. That rights are given up is for the end-to-end tests to see: a test
//! that gave up its own could not go on.

use super::*;

fn account(text: &str) -> Account {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn an_account_reads_as_it_was_written() {
    for text in ["daemon", "daemon:daemon", "1:1", "65534", "a b:c:d"] {
        assert_eq!(account(text).to_string(), text);
    }
    assert_eq!("".parse::<Account>(), Err(AccountError::NoUser));
    assert_eq!(":daemon".parse::<Account>(), Err(AccountError::NoUser));
    assert_eq!("daemon:".parse::<Account>(), Err(AccountError::NoGroup));
}

#[test]
fn names_are_looked_up_and_numbers_are_what_they_are() {
    const NOBODYS: u32 = 3_999_999_999;
    let credentials = account(&format!("{NOBODYS}:{NOBODYS}")).resolve().expect("numbers do");
    assert_eq!((credentials.uid.as_raw(), credentials.gid.as_raw()), (NOBODYS, NOBODYS));
    assert_eq!(credentials.groups, [credentials.gid]);
    let alone = account(&NOBODYS.to_string()).resolve();
    assert_eq!(alone, Err(AccountError::GroupNeeded(Uid::from_raw(NOBODYS))));

    let entry = User::from_name("nobody").expect("the list of users");
    let Some(entry) = entry else { return };
    let by_name = account("nobody").resolve().expect("it has an entry");
    let by_number = account(&entry.uid.to_string()).resolve();
    assert_eq!(by_number, Ok(by_name.clone()));
    assert_eq!((by_name.uid, by_name.gid), (entry.uid, entry.gid));
    assert!(by_name.groups.contains(&by_name.gid), "the group is one of its groups");
    let with_group = account(&format!("nobody:{NOBODYS}")).resolve().expect("a number does");
    assert_eq!(with_group.gid.as_raw(), NOBODYS);
    assert!(with_group.groups.contains(&with_group.gid), "the group that was named is one of them");
}

#[test]
fn who_is_not_there_is_named() {
    let name = "no-such-name";
    let no_user = AccountError::UnknownUser(name.to_owned());
    assert_eq!(account(name).resolve(), Err(no_user));
    let no_group = AccountError::UnknownGroup(name.to_owned());
    assert_eq!(account(&format!("1:{name}")).resolve(), Err(no_group));
}

#[test]
fn root_is_not_somebody_else() {
    assert_eq!(account("0:1").resolve(), Err(AccountError::Root));
}

#[test]
fn what_the_system_refuses_is_told_in_its_words() {
    let refused = |errno| AccountError::Refused("change the user", errno).to_string();
    assert_eq!(refused(Errno::EAGAIN), "cannot change the user: Resource temporarily unavailable");
    let for_root = "cannot change the user: Operation not permitted (only root can become another \
                    user; without it, leave --user out)";
    assert_eq!(refused(Errno::EPERM), for_root);
    let unreadable = AccountError::Unreadable(Errno::EMFILE).to_string();
    assert_eq!(unreadable, "cannot look it up: Too many open files");
}
