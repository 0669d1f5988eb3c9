//! `--user USER[:GROUP]`: dropping root's privileges once the ports are bound.
//!
//! Invariant: after [`Credentials::drop_to`] the process has the user and groups of that account,
//! and cannot become root again. That the calls succeed does not prove it: a process that has kept
//! capabilities can undo them. So setuid(0) is tried, and must fail.

use nix::errno::Errno;
use nix::sys::prctl;
use nix::sys::stat::{Mode, fstat};
use nix::unistd::{
    Gid, Group, Uid, User, fchown, getgrouplist, getgroups, getresgid, getresuid, setgroups,
    setresgid, setresuid, setuid,
};
use std::ffi::{CString, NulError};
use std::fmt;
use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::str::FromStr;

pub mod owner;
#[cfg(test)]
mod tests;

/// An account as the operator writes it: each part a name or a number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    user: String,
    group: Option<String>,
}

/// Why an account cannot be found or used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccountError {
    /// There is no user before the colon.
    NoUser,
    /// There is no group behind the colon.
    NoGroup,
    /// The system does not know the user.
    UnknownUser(String),
    /// The system does not know the group.
    UnknownGroup(String),
    /// The user is a number without an entry, which tells no group.
    GroupNeeded(Uid),
    /// The user is root.
    Root,
    /// The number stands for no account: setresuid(2) and setresgid(2) take it for "no change".
    NoAccount,
    /// The system's list of users or groups cannot be read, or a name cannot be looked up in it.
    Unreadable(Errno),
    /// A system call failed: what it was to do, and its errno.
    Refused(&'static str, Errno),
    /// The user may not execute the program from which the shards are started.
    CannotExecute(Credentials),
    /// The process could still become root.
    NotLost,
}

impl fmt::Display for AccountError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AccountError::NoUser => f.write_str("no user (write it as USER or USER:GROUP)"),
            AccountError::NoGroup => f.write_str("no group (write it as USER or USER:GROUP)"),
            AccountError::UnknownUser(name) => write!(f, "there is no user {name:?}"),
            AccountError::UnknownGroup(name) => write!(f, "there is no group {name:?}"),
            AccountError::GroupNeeded(uid) => {
                write!(f, "user {uid} has no entry that tells its group (write {uid}:GROUP)")
            }
            AccountError::Root => f.write_str("root would keep all its rights; name another user"),
            AccountError::NoAccount => {
                write!(f, "{} is no account: to the system it means no change", u32::MAX)
            }
            AccountError::Unreadable(errno) => {
                write!(f, "cannot look it up: {}", words(*errno))
            }
            AccountError::Refused(what, Errno::EPERM) => write!(
                f,
                "cannot {what}: {} (only root can become another user; without it, leave --user \
                 out)",
                words(Errno::EPERM)
            ),
            AccountError::Refused(what, errno) => write!(f, "cannot {what}: {}", words(*errno)),
            AccountError::CannotExecute(credentials) => write!(
                f,
                "{credentials} may not execute the file of this program, from which the shards are \
                 started (chmod o+x it)"
            ),
            AccountError::NotLost => f.write_str(
                "the process could become root again (it was started with capabilities that \
                 outlast the change; start it as root without them, or without --user)",
            ),
        }
    }
}

impl std::error::Error for AccountError {}

/// The text of an errno, strerror(3), without its number. nix has texts too, but they would add a
/// second table of them to the binary.
fn words(errno: Errno) -> String {
    let text = io::Error::from(errno).to_string();
    text.rsplit_once(" (os error ").map_or(text.as_str(), |(words, _)| words).to_owned()
}

impl FromStr for Account {
    type Err = AccountError;

    fn from_str(text: &str) -> Result<Account, AccountError> {
        let (user, group) = match text.split_once(':') {
            Some((_, "")) => return Err(AccountError::NoGroup),
            Some((user, group)) => (user, Some(group.to_owned())),
            None => (text, None),
        };
        match user {
            "" => Err(AccountError::NoUser),
            _ => Ok(Account { user: user.to_owned(), group }),
        }
    }
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.user)?;
        self.group.iter().try_for_each(|group| write!(f, ":{group}"))
    }
}

impl Account {
    /// Looks the account up, passwd(5) and group(5). A part that consists of digits is a number,
    /// even if an account has that name. Two numbers need no look-up, so they work in a container
    /// that has neither file.
    ///
    /// # Errors
    ///
    /// [`AccountError`] if there is no such user or group, or the user is root.
    pub fn resolve(&self) -> Result<Credentials, AccountError> {
        let group = self.group.as_deref().map(number_or_name);
        let credentials = match (number_or_name(&self.user), group) {
            (Ok(uid), Some(Ok(gid))) => {
                let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(gid));
                Credentials { uid, gid, groups: vec![gid] }
            }
            (user, group) => credentials_of_entry(user, group)?,
        };
        let means_no_change =
            [credentials.uid.as_raw(), credentials.gid.as_raw()].contains(&u32::MAX);
        match credentials.uid.is_root() {
            true => Err(AccountError::Root),
            false if means_no_change => Err(AccountError::NoAccount),
            false => Ok(credentials),
        }
    }
}

/// The text as a number, or as a name.
fn number_or_name(text: &str) -> Result<u32, &str> {
    text.parse().map_err(|_| text)
}

/// The credentials of a user with an entry in passwd(5): needed if the user or group is a name, or
/// no group is given.
fn credentials_of_entry(
    user: Result<u32, &str>,
    group: Option<Result<u32, &str>>,
) -> Result<Credentials, AccountError> {
    let entry = match user {
        Ok(number) => User::from_uid(Uid::from_raw(number)),
        Err(name) => User::from_name(name),
    };
    let entry = entry.map_err(AccountError::Unreadable)?;
    let uid = match (&entry, user) {
        (Some(entry), _) => entry.uid,
        (None, Ok(number)) => Uid::from_raw(number),
        (None, Err(name)) => return Err(AccountError::UnknownUser(name.to_owned())),
    };
    let gid = match (group, &entry) {
        (Some(Ok(number)), _) => Gid::from_raw(number),
        (Some(Err(name)), _) => look_up_group(name)?,
        (None, Some(entry)) => entry.gid,
        (None, None) => return Err(AccountError::GroupNeeded(uid)),
    };
    let groups = match entry {
        Some(entry) => look_up_groups(entry.name, gid)?,
        None => vec![gid],
    };
    Ok(Credentials { uid, gid, groups })
}

/// The groups of the user `name`, and `gid`.
fn look_up_groups(name: String, gid: Gid) -> Result<Vec<Gid>, AccountError> {
    let no_name = |error: NulError| {
        AccountError::UnknownUser(String::from_utf8_lossy(&error.into_vec()).into_owned())
    };
    let name = CString::new(name).map_err(no_name)?;
    getgrouplist(&name, gid).map_err(AccountError::Unreadable)
}

fn look_up_group(name: &str) -> Result<Gid, AccountError> {
    let entry = Group::from_name(name).map_err(AccountError::Unreadable)?;
    entry.map(|entry| entry.gid).ok_or_else(|| AccountError::UnknownGroup(name.to_owned()))
}

/// The ids of a user, its group and its supplementary groups. They are looked up in advance,
/// because a directory service may be slow to answer; [`Credentials::drop_to`] then blocks on
/// nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    uid: Uid,
    gid: Gid,
    /// All groups, `gid` among them.
    groups: Vec<Gid>,
}

impl fmt::Display for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "user {}, group {}", self.uid, self.gid)
    }
}

impl Credentials {
    /// The user.
    pub fn user(&self) -> Uid {
        self.uid
    }

    /// Makes that user and its group the owner of an open file, fchown(2).
    ///
    /// # Errors
    ///
    /// That this process may not give it away.
    pub fn own(&self, file: &File) -> io::Result<()> {
        fchown(file, Some(self.uid), Some(self.gid)).map_err(io::Error::from)
    }

    /// Becomes that user; there is no way back. Call it while the process has one thread.
    ///
    /// setgroups(2) and setresgid(2) come first, because they need privileges that setresuid(2)
    /// drops.
    ///
    /// # Errors
    ///
    /// [`AccountError`] if a call fails, or if the process could still become root. Some of the ids
    /// may then have changed, so the process should exit.
    pub fn drop_to(&self) -> Result<(), AccountError> {
        let refused = |what| move |errno| AccountError::Refused(what, errno);
        if self.are_in_force() {
            prctl::set_no_new_privs().map_err(refused("renounce new rights"))?;
            return self.verify();
        }
        setgroups(&self.groups).map_err(refused("set the user's groups"))?;
        setresgid(self.gid, self.gid, self.gid).map_err(refused("change the group"))?;
        setresuid(self.uid, self.uid, self.uid).map_err(refused("change the user"))?;
        // execve(2) of a set-user-ID program then grants no privileges.
        prctl::set_no_new_privs().map_err(refused("renounce new rights"))?;
        self.verify()
    }

    /// Whether the process has this user and these groups already, as after an upgrade. Then it
    /// needs no privileges to become that user.
    fn are_in_force(&self) -> bool {
        let (Ok(users), Ok(groups), Ok(all)) = (getresuid(), getresgid(), getgroups()) else {
            return false;
        };
        let contain = |some: &[Gid], others: &[Gid]| others.iter().all(|gid| some.contains(gid));
        [users.real, users.effective, users.saved] == [self.uid; 3]
            && [groups.real, groups.effective, groups.saved] == [self.gid; 3]
            && contain(&all, &self.groups)
            && contain(&self.groups, &all)
    }

    /// Whether this user may execute `program`, by its owner, group and mode, as inode(7) has it.
    /// Access control lists, acl(5), are ignored.
    ///
    /// # Errors
    ///
    /// What fstat(2) says.
    pub fn may_execute(&self, program: impl AsFd) -> io::Result<bool> {
        let stat = fstat(program)?;
        let mode = Mode::from_bits_truncate(stat.st_mode);
        let needed = if stat.st_uid == self.uid.as_raw() {
            Mode::S_IXUSR
        } else if self.groups.contains(&Gid::from_raw(stat.st_gid)) {
            Mode::S_IXGRP
        } else {
            Mode::S_IXOTH
        };
        Ok(mode.contains(needed))
    }

    fn verify(&self) -> Result<(), AccountError> {
        let refused = |what| move |errno| AccountError::Refused(what, errno);
        let users = getresuid().map_err(refused("read the user"))?;
        let groups = getresgid().map_err(refused("read the group"))?;
        let all = getgroups().map_err(refused("read the groups"))?;
        let is_user = [users.real, users.effective, users.saved] == [self.uid; 3];
        let is_group = [groups.real, groups.effective, groups.saved] == [self.gid; 3];
        let is_in_roots_group = self.gid.as_raw() != 0 && all.contains(&Gid::from_raw(0));
        if is_user && is_group && !is_in_roots_group && setuid(Uid::from_raw(0)).is_err() {
            Ok(())
        } else {
            Err(AccountError::NotLost)
        }
    }
}
